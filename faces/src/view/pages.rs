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
/// Most policies whose pages are kept; what is read beyond is read again.
const KEPT_MAX: usize = 32;
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
pub(super) struct Pages(Arc<Mutex<HashMap<String, Place>>>);

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
        }
        Ok(read)
    }

    fn place(&self, uid: &str) -> Place {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= KEPT_MAX && !places.contains_key(uid) {
            places.clear();
        }
        Arc::clone(places.entry(uid.to_owned()).or_default())
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
