//! The hours of each policy, kept until its next evaluation: reading a day of
//! a large cluster takes longer than a page may.
//!
//! An evaluation is told by its inputs and by what the policy asks for, not by its
//! energy alone: another zone or PUE, or an intensity that comes late, prices the
//! same energy anew. What a source did not answer is asked for at each view.
//!
//! Hours are of a policy, not of a caller: they are kept once, and shown to
//! those who may read energy by the hour.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tanso_carbon::Period;
use tanso_carbon::stays::PlaceNumbers;
use tokio::sync::Mutex as AsyncMutex;

use crate::report::{Hours, hours};
use crate::view::{Chosen, Facts, FactsFault, Policy, Scope, Summed, Sums};

/// Hours ahead that are shown with the intensity that is expected.
const AHEAD: i32 = 12;
/// Longest time that is drawn, hours.
const SHOWN: i32 = 72;
/// Most policies that are kept.
const KEPT_MAX: usize = 1_000;

/// A place for the hours of one policy: who finds it empty reads, others wait.
/// The first view comes while they are read ahead, and read them a second time.
type Place = Arc<AsyncMutex<Option<Kept>>>;

/// The hours of one evaluation, and what they were made of.
struct Kept {
    /// Which evaluation it was, of which spec.
    stamp: String,
    hours: Arc<Hours>,
    /// What was booked, if it may have to be priced again: reading it takes long,
    /// pricing does not.
    unpriced: Option<Unpriced>,
}

/// Energy that was priced by a site of which something did not answer.
struct Unpriced {
    sums: Sums,
    /// The places by which it was summed.
    of_node: BTreeMap<String, PlaceNumbers>,
}

impl Kept {
    /// What needs not be read again at this site.
    fn sums_at(self, stamp: &str, of_node: &BTreeMap<String, PlaceNumbers>) -> Option<Sums> {
        let unpriced = self.unpriced.filter(|_| self.stamp == stamp)?;
        (unpriced.of_node == *of_node).then_some(unpriced.sums)
    }
}

/// Which evaluation of which spec a status tells of.
fn stamp(policy: &Policy) -> String {
    let status = &policy.status;
    format!(
        "{:?} {:?} {:?} {:?}",
        policy.generation, status.data_through, status.ledger_revision, status.inputs_digest
    )
}

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
        let stamp = stamp(policy);
        let place = self.place(&policy.uid);
        let mut kept = place.lock().await;
        if let Some(known) = &*kept
            && known.stamp == stamp
            && known.unpriced.is_none()
        {
            return Ok(Some(Arc::clone(&known.hours)));
        }
        let site = facts.site(policy).await?;
        let before = kept.take();
        let known = before.and_then(|before| before.sums_at(&stamp, &site.of_node));
        let sums = if let Some(sums) = known {
            sums
        } else {
            let chosen = match Chosen::of_spec(policy) {
                Some(chosen) => chosen,
                None => Chosen::of_judged(&facts.workloads(policy).await?),
            };
            let summing = Arc::new(Summed {
                chosen,
                of_node: site.of_node.clone(),
            });
            facts.sums(&scope, window, &summing).await?
        };
        let found = Arc::new(hours::of_sums(&sums, &site, window, AHEAD));
        *kept = Some(Kept {
            stamp,
            hours: Arc::clone(&found),
            unpriced: site.is_partial.then_some(Unpriced {
                sums,
                of_node: site.of_node,
            }),
        });
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tanso_crds::CarbonPolicy;
    use tanso_intensity::table::Table;

    use super::*;
    use crate::view::Energy;
    use crate::view::given::Given;

    const HOUR: &str = "2026-10-05T09:00Z";

    fn facts(intensity: &Value, generation: i64) -> Given {
        let policy = json!({
            "apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
            "metadata": {"name": "korea", "namespace": "shop", "uid": "u1", "generation": generation},
            "spec": {"site": {"zone": "KR"}, "intensity": intensity,
                "regulations": [{"rule": "kr-carbon-2050"}]},
            "status": {"dataThrough": "2026-10-05T10:00:00Z", "ledgerRevision": 41,
                "inputsDigest": "sha256:01"},
        });
        let policy = serde_json::from_value::<CarbonPolicy>(policy).unwrap();
        Given {
            now: "2026-10-05T10:01:00Z".parse().unwrap(),
            policies: vec![Policy::from(policy)],
            energy: Some(Energy::default()),
            ..Given::default()
        }
        .with_table(100)
    }

    impl Given {
        /// The same with another table of the policy's own.
        fn with_table(mut self, grams: u32) -> Self {
            let table = Table {
                file: "own/t.csv".into(),
                text: format!("datetime_utc,gco2eq_per_kwh\n{HOUR},{grams}\n"),
            };
            self.tables.insert("u1".to_owned(), table);
            self
        }

        fn without_ledger(mut self) -> Self {
            self.energy = None;
            self
        }
    }

    fn tabled() -> Value {
        json!({"source": "Table", "table": {"configMap": "own", "key": "t.csv"}})
    }

    /// The intensity of the last hour with data, mg/kWh.
    async fn shown(cache: &Cache, facts: &Given) -> Option<i64> {
        let found = cache.hours(facts, &facts.policies[0]).await.unwrap();
        let found = found.unwrap();
        let hours: Vec<_> = found.hours.iter().filter(|hour| !hour.is_ahead).collect();
        hours.last().unwrap().intensity_milligrams_per_kwh
    }

    /// A page showed the hours of the former spec until new energy was booked.
    #[tokio::test]
    async fn another_spec_prices_the_same_energy_anew() {
        let cache = Cache::default();
        assert_eq!(shown(&cache, &facts(&tabled(), 1)).await, Some(100_000));
        let fixed =
            json!({"source": "Static", "static": {"gramsPerKwh": 423.0, "reference": "own"}});
        assert_eq!(shown(&cache, &facts(&fixed, 2)).await, Some(423_000));
    }

    #[tokio::test]
    async fn an_intensity_that_comes_late_prices_the_same_energy_anew() {
        let cache = Cache::default();
        let early = facts(&tabled(), 1);
        assert_eq!(shown(&cache, &early).await, Some(100_000));
        let mut late = early.clone().with_table(200);
        // Kept until the evaluation has it.
        assert_eq!(shown(&cache, &late).await, Some(100_000));
        late.policies[0].status.inputs_digest = Some("sha256:02".to_owned());
        assert_eq!(shown(&cache, &late).await, Some(200_000));
    }

    /// The service of a list that does not answer: its place is taken by the next
    /// of the list at this view alone, and the ledger is read once.
    #[tokio::test]
    async fn a_site_of_which_something_did_not_answer_is_asked_again_and_the_ledger_is_not() {
        let cache = Cache::default();
        let list = json!({
            "source": "Providers",
            "table": {"configMap": "own", "key": "t.csv"},
            "providers": [
                {"name": "live", "kind": "ElectricityMaps"},
                {"name": "own", "kind": "Table"},
            ],
        });
        let silent = facts(&list, 1);
        assert_eq!(shown(&cache, &silent).await, Some(100_000));
        let later = silent.with_table(200).without_ledger();
        assert_eq!(shown(&cache, &later).await, Some(200_000));
    }
}
