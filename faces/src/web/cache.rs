//! The hours of each policy, kept until its next evaluation: reading a day of
//! a large cluster takes longer than a page may.
//!
//! Hours are of a policy, not of a caller: they are kept once, and shown to
//! those who may read energy by the hour.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tanso_carbon::Period;
use tokio::sync::Mutex as AsyncMutex;

use crate::report::{Hours, hours};
use crate::view::{Chosen, Facts, FactsFault, Policy, Scope, Summed};

/// Hours ahead that are shown with the intensity that is expected.
const AHEAD: i32 = 12;
/// Longest time that is drawn, hours.
const SHOWN: i32 = 72;
/// Most policies that are kept.
const KEPT_MAX: usize = 1_000;

/// A place for the hours of one policy, with the stamp of its evaluation: who
/// finds it empty reads, others wait. The first view comes while they are read
/// ahead, and read them a second time.
type Place = Arc<AsyncMutex<Option<(String, Arc<Hours>)>>>;

/// What was read; clones share it.
#[derive(Clone, Default)]
pub(super) struct Cache(Arc<Mutex<HashMap<String, Place>>>);

impl Cache {
    /// The hours of a policy's evaluation and some ahead; `None` before the
    /// first. What was read for one caller is shown to another only if that one
    /// may read it too.
    pub(super) async fn hours(
        &self,
        facts: &dyn Facts,
        policy: &Policy,
    ) -> Result<Option<Arc<Hours>>, FactsFault> {
        let Some(window) = policy.window() else {
            return Ok(None);
        };
        let window = Period {
            from: window.from.max(window.until.plus_hours(-SHOWN)),
            ..window
        };
        let scope = Scope::of(policy.namespace.as_deref());
        facts.may_read_hours(&scope).await?;
        let status = &policy.status;
        let stamp = format!("{:?} {:?}", status.data_through, status.ledger_revision);
        let place = self.place(&policy.uid);
        let mut kept = place.lock().await;
        if let Some((known, found)) = &*kept
            && *known == stamp
        {
            return Ok(Some(Arc::clone(found)));
        }
        let site = facts.site(policy).await?;
        let chosen = match Chosen::of_spec(policy) {
            Some(chosen) => chosen,
            None => Chosen::of_judged(&facts.workloads(policy).await?),
        };
        let summing = Arc::new(Summed {
            chosen,
            of_node: site.of_node.clone(),
        });
        let sums = facts.sums(&scope, window, &summing).await?;
        let found = Arc::new(hours::of_sums(&sums, &site, window, AHEAD));
        *kept = Some((stamp, Arc::clone(&found)));
        Ok(Some(found))
    }

    fn place(&self, uid: &str) -> Place {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= KEPT_MAX && !places.contains_key(uid) {
            places.clear();
        }
        Arc::clone(places.entry(uid.to_owned()).or_default())
    }
}
