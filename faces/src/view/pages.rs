//! The pages of policies, read once for each evaluation: a page never
//! changes, its name holds the digest of its inputs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::Client;
use kube::api::{Api, ListParams};
use serde::de::DeserializeOwned;
use tanso_crds::CarbonReport;
use tanso_crds::carbon_policy::status::WorkloadResult;
use tokio::sync::Mutex as AsyncMutex;

use super::{FactsFault, Policy};

/// Label that names the policy of a page by its UID.
const POLICY_LABEL: &str = "tanso.dev/policy-uid";
/// Most policies whose pages are kept: far more than a cluster has, so that no
/// list over all of them throws out what it is about to ask for.
const KEPT_MAX: usize = 4_096;
/// Most workloads that are kept, some hundreds of bytes each.
const ROWS_MAX: usize = 200_000;
/// Pages asked for in one request: each holds up to 500 workloads.
const PAGE: u32 = 4;

/// The pages of one evaluation.
#[derive(Clone, Debug, Default)]
pub(super) struct Read {
    /// The pages by number.
    pub(super) pages: Arc<Vec<CarbonReport>>,
    /// Their workloads.
    pub(super) workloads: Arc<Vec<WorkloadResult>>,
    /// Whether every page that the status names was there.
    pub(super) is_whole: bool,
}

/// A place for the pages of one policy: who finds it empty reads, others wait.
type Place = Arc<AsyncMutex<Option<(String, Read)>>>;

/// Pages by policy.
#[derive(Clone, Default)]
pub(super) struct Pages(Arc<Mutex<Places>>);

/// Places, of which those go first that were not asked for the longest.
#[derive(Default)]
struct Places {
    by_uid: HashMap<String, Kept>,
    asked: u64,
}

/// A place, when it was last asked for, and how many workloads it holds.
#[derive(Default)]
struct Kept {
    place: Place,
    asked: u64,
    rows: usize,
}

impl Pages {
    /// The pages that a policy's status names.
    pub(super) async fn of(
        &self,
        client: Client,
        home: &str,
        policy: &Policy,
    ) -> Result<Read, FactsFault> {
        let place = self.place(&policy.uid);
        let mut kept = place.lock().await;
        let digest = policy.status.reports.join(" ");
        if let Some((of, read)) = &*kept
            && *of == digest
        {
            return Ok(read.clone());
        }
        let api: Api<CarbonReport> = Api::namespaced(client, home);
        let params = ListParams::default()
            .labels(&format!("{POLICY_LABEL}={}", policy.uid))
            .limit(PAGE);
        let read = sorted(policy, list_all(&api, params, "carbonreports").await?);
        if read.is_whole {
            *kept = Some((digest, read.clone()));
            self.note(&policy.uid, read.workloads.len());
        }
        Ok(read)
    }

    fn place(&self, uid: &str) -> Place {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.place(uid)
    }

    fn note(&self, uid: &str, rows: usize) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.note(uid, rows);
    }
}

impl Places {
    fn place(&mut self, uid: &str) -> Place {
        self.asked += 1;
        let kept = self.by_uid.entry(uid.to_owned()).or_default();
        kept.asked = self.asked;
        let place = Arc::clone(&kept.place);
        self.shrink(uid);
        place
    }

    fn note(&mut self, uid: &str, rows: usize) {
        if let Some(kept) = self.by_uid.get_mut(uid) {
            kept.rows = rows;
        }
        self.shrink(uid);
    }

    /// Lets the oldest go until the rest fits; never the one that is asked for.
    fn shrink(&mut self, uid: &str) {
        let mut rows: usize = self.by_uid.values().map(|kept| kept.rows).sum();
        while rows > ROWS_MAX || self.by_uid.len() > KEPT_MAX {
            let others = self.by_uid.iter().filter(|(other, _)| *other != uid);
            let oldest = others.min_by_key(|(_, kept)| kept.asked);
            let Some(oldest) = oldest.map(|(other, _)| other.clone()) else {
                return;
            };
            let gone = self.by_uid.remove(&oldest);
            rows = rows.saturating_sub(gone.map_or(0, |kept| kept.rows));
        }
    }
}

/// Those of the pages that the status names, in their order.
fn sorted(policy: &Policy, found: Vec<CarbonReport>) -> Read {
    let named = |page: &CarbonReport| {
        let name = page.metadata.name.as_deref().unwrap_or_default();
        policy.status.reports.iter().any(|known| known == name)
    };
    let mut pages: Vec<_> = found.into_iter().filter(named).collect();
    pages.sort_by_key(|page| page.spec.page);
    let workloads = pages
        .iter()
        .flat_map(|page| page.spec.workloads.iter().cloned());
    Read {
        workloads: Arc::new(workloads.collect()),
        is_whole: pages.len() == policy.status.reports.len(),
        pages: Arc::new(pages),
    }
}

/// Every object of a kind, so many in a request.
pub(super) async fn list_all<K>(
    api: &Api<K>,
    mut params: ListParams,
    what: &str,
) -> Result<Vec<K>, FactsFault>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut objects = Vec::new();
    loop {
        let page = api.list(&params).await;
        let page = page.map_err(|error| FactsFault::of(format!("listing {what}"), &error))?;
        objects.extend(page.items);
        match page.metadata.continue_ {
            Some(next) if !next.is_empty() => params = params.continue_token(&next),
            _ => return Ok(objects),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The thirty-third policy threw out all, and each list read all anew.
    #[test]
    fn many_policies_keep_their_pages_and_the_oldest_goes_when_there_are_too_many_rows() {
        let mut places = Places::default();
        let names: Vec<_> = (0..100).map(|index| format!("policy-{index}")).collect();
        let first: Vec<_> = names.iter().map(|name| places.place(name)).collect();
        for (name, before) in names.iter().zip(&first) {
            assert!(Arc::ptr_eq(&places.place(name), before), "{name}");
        }
        for name in &names {
            places.note(name, ROWS_MAX / 100);
        }
        places.place("policy-0");
        places.place("new");
        places.note("new", ROWS_MAX / 100);
        assert!(!places.by_uid.contains_key("policy-1"), "the oldest");
        assert!(places.by_uid.contains_key("policy-0") && places.by_uid.contains_key("new"));
        assert_eq!(places.by_uid.len(), 100);
        places.note("new", ROWS_MAX + 1);
        assert_eq!(places.by_uid.keys().collect::<Vec<_>>(), ["new"]);
    }
}
