//! The pages of policies, read once for each evaluation: a page never
//! changes, its name holds the digest of its inputs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::{Api, GetParams, ListParams};
use kube::{Client, ResourceExt as _};
use serde::de::DeserializeOwned;
use tanso_crds::CarbonReport;
use tanso_crds::carbon_policy::status::WorkloadResult;
use tokio::sync::Mutex as AsyncMutex;

use super::listed::get_readable;
use super::{FactsFault, LeftOut, Listed, Policy, listed};

/// Label that names the policy of a page by its UID.
const POLICY_LABEL: &str = "tanso.dev/policy-uid";
/// Most policies whose pages are kept: far more than a cluster has, so that no
/// list over all of them throws out what it is about to ask for.
const KEPT_MAX: usize = 4_096;
/// Most workloads that are kept, some hundreds of bytes each.
const ROWS_MAX: usize = 200_000;
/// Pages asked for in one request: each holds up to 500 workloads.
const PAGE: u32 = 4;
/// Pages asked for at once.
const AT_ONCE: usize = 4;

/// The pages of one evaluation.
#[derive(Clone, Debug, Default)]
pub(super) struct Read {
    /// The pages by number without their workloads, which are kept once; each
    /// with how many it has.
    bare: Arc<Vec<(CarbonReport, usize)>>,
    /// The workloads of all.
    pub(super) workloads: Arc<Vec<WorkloadResult>>,
    /// Whether every page that the status names was there, and could be read.
    pub(super) is_whole: bool,
    /// Pages that cannot be read.
    pub(super) unreadable: Vec<LeftOut>,
}

impl Read {
    /// The pages by number, whole.
    pub(super) fn pages(&self) -> Vec<CarbonReport> {
        let mut rest = self.workloads.iter();
        let bare = self.bare.iter();
        bare.map(|(page, count)| {
            let mut page = page.clone();
            page.spec.workloads = rest.by_ref().take(*count).cloned().collect();
            page
        })
        .collect()
    }
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
        let found = match by_name(&api, policy).await {
            // Who may list may not always get.
            Err(fault) if fault.is_forbidden() => {
                let params = ListParams::default()
                    .labels(&format!("{POLICY_LABEL}={}", policy.uid))
                    .limit(PAGE);
                listed::listed(&api, params, "carbonreports").await?
            }
            found => found?,
        };
        let read = sorted(policy, found);
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

/// The pages that the status names, some at once: the server writes one while
/// another is read. One that is gone is left out.
async fn by_name(
    api: &Api<CarbonReport>,
    policy: &Policy,
) -> Result<Listed<CarbonReport>, FactsFault> {
    let one = |name: String| {
        let api = api.clone();
        async move {
            // A page never changes: the server's memory of it is as good as its
            // database, and answers in a fraction of the time. What was written
            // a moment ago may not be in it yet.
            let found = match get_readable(&api, &name, &GetParams::any()).await {
                Ok(None) => get_readable(&api, &name, &GetParams::default()).await,
                found => found,
            };
            let action = || format!("reading carbonreport \"{name}\"");
            found.map_err(|error| FactsFault::of(action(), &error))
        }
    };
    let names = stream::iter(policy.status.reports.clone());
    let found: Vec<Option<Result<CarbonReport, LeftOut>>> =
        names.map(one).buffered(AT_ONCE).try_collect().await?;
    let is_its = |page: &CarbonReport| page.labels().get(POLICY_LABEL) == Some(&policy.uid);
    let mut pages = Listed::default();
    for one in found.into_iter().flatten() {
        match one {
            Ok(page) if is_its(&page) => pages.items.push(page),
            Ok(_) => {}
            Err(left_out) => pages.unreadable.push(left_out),
        }
    }
    Ok(pages)
}

/// Those of the pages that the status names, in their order.
fn sorted(policy: &Policy, found: Listed<CarbonReport>) -> Read {
    let is_named = |name: &str| policy.status.reports.iter().any(|known| known == name);
    let named = |page: &CarbonReport| is_named(page.metadata.name.as_deref().unwrap_or_default());
    let mut unreadable = found.unreadable;
    unreadable.retain(|page| is_named(&page.name));
    let mut pages: Vec<_> = found.items.into_iter().filter(named).collect();
    pages.sort_by_key(|page| page.spec.page);
    let mut workloads = Vec::with_capacity(pages.iter().map(|one| one.spec.workloads.len()).sum());
    let bare = pages.into_iter().map(|mut page| {
        let count = page.spec.workloads.len();
        workloads.append(&mut page.spec.workloads);
        (page, count)
    });
    let bare: Vec<_> = bare.collect();
    Read {
        is_whole: bare.len() == policy.status.reports.len(),
        unreadable,
        bare: Arc::new(bare),
        workloads: Arc::new(workloads),
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

    #[test]
    fn pages_are_told_whole_though_their_workloads_are_kept_once() {
        use serde_json::{Value, json};
        let workload = |name: &str| {
            json!({"namespace": "shop", "kind": "Deployment", "name": name,
            "verdict": "Compliant", "reason": "WithinLimit", "pods": 1,
            "figures": {"energyMicrojoules": {"low": 1, "value": 2, "high": 3},
                "emissionsMilligrams": {"low": 1, "value": 2, "high": 3}}})
        };
        let page = |number: i32, workloads: &[Value]| -> CarbonReport {
            let object = json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonReport",
                "metadata": {"name": format!("korea-{number}"), "namespace": "shop"},
                "spec": {"policy": "korea", "page": number, "pages": 2,
                    "dataThrough": "2026-11-21T10:05:00Z", "ledgerRevision": 7,
                    "inputsDigest": "sha256:9f2c", "totals": {
                        "energyMicrojoules": {"low": 1, "value": 2, "high": 3},
                        "emissionsMilligrams": {"low": 1, "value": 2, "high": 3}},
                    "workloads": workloads}});
            serde_json::from_value(object).unwrap()
        };
        let object = json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
            "metadata": {"name": "korea", "namespace": "shop"},
            "spec": {"site": {"zone": "KR"}, "regulations": [{"rule": "kr-carbon-2050"}]},
            "status": {"reports": ["korea-1", "korea-2"]}});
        let policy: tanso_crds::CarbonPolicy = serde_json::from_value(object).unwrap();
        let (first, second) = (
            page(1, &[workload("api"), workload("web")]),
            page(2, &[workload("etl")]),
        );
        // The API server's order is that of names, not of numbers.
        let found = vec![second.clone(), first.clone(), page(3, &[])];
        let policy = Policy::from(policy);
        let read = sorted(&policy, found.into());
        assert!(read.is_whole);
        let names: Vec<_> = read.workloads.iter().map(|one| &*one.name).collect();
        assert_eq!(names, ["api", "web", "etl"]);
        let whole = serde_json::to_value(read.pages()).unwrap();
        assert_eq!(whole, serde_json::to_value([&first, &second]).unwrap());
        // One that cannot be read is missing, and is known by its name.
        let left_out = |name: &str| LeftOut {
            kind: "CarbonReport".to_owned(),
            namespace: Some("shop".to_owned()),
            name: name.to_owned(),
            field: None,
            reason: "made up".to_owned(),
        };
        let read = sorted(
            &policy,
            Listed {
                items: vec![first],
                unreadable: vec![left_out("korea-2"), left_out("other-1")],
            },
        );
        assert!(!read.is_whole);
        assert_eq!(read.unreadable, [left_out("korea-2")]);
    }

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
