//! The pages of a policy: all workloads, in `CarbonReports`, and whatever stands
//! beside them under the same names.
//!
//! New pages are written first, then the status names them, then old ones go:
//! after a crash at any point the status names pages that exist. A page's name
//! holds the digest of its inputs, so a page that exists is never written again.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use tanso_crds::carbon_policy::status::WorkloadResult;
use tanso_crds::{CarbonReport, CarbonReportSpec};

use super::judge::Evaluation;
use super::limits;
use crate::cluster::apply::{Object, bounded};
use crate::cluster::{Applier, ApplyFault};

/// Label that names the policy of a page by its UID.
const POLICY_LABEL: &str = "tanso.dev/policy-uid";

/// Longest part of a policy's name in the name of a page: 253, less the rest.
const NAME_MAX: usize = 230;

/// Whose pages they are.
#[derive(Clone, Debug, Default)]
pub struct Owner {
    /// The policy's name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The reference by which its pages are collected with it.
    pub reference: OwnerReference,
}

/// The pages of an evaluation; pure.
#[must_use]
pub fn pages(
    owner: &Owner,
    evaluation: &Evaluation,
    data_through: Timestamp,
    revision: i64,
) -> Vec<CarbonReport> {
    // Why there is no advice is told in words in the status only: they are longer
    // than all the rest.
    let chunks = limits::in_pages(evaluation.workloads.iter().map(without_words));
    let count = i32::try_from(chunks.len()).unwrap_or(i32::MAX);
    let digest: String = evaluation.inputs_digest.as_str().chars().take(8).collect();
    let policy: String = owner.name.chars().take(NAME_MAX).collect();
    let page = |number: i32, workloads: Vec<WorkloadResult>| CarbonReport {
        metadata: ObjectMeta {
            name: Some(format!(
                "{}-{digest}-{number}",
                policy.trim_end_matches(['-', '.'])
            )),
            labels: Some([(POLICY_LABEL.to_owned(), owner.uid.clone())].into()),
            owner_references: Some(vec![owner.reference.clone()]),
            ..ObjectMeta::default()
        },
        spec: CarbonReportSpec {
            policy: owner.name.clone(),
            page: number,
            pages: count,
            data_through: Time(data_through),
            ledger_revision: revision,
            inputs_digest: evaluation.inputs_digest.to_string(),
            totals: evaluation.totals.clone(),
            workloads,
        },
    };
    (1..)
        .zip(chunks)
        .map(|(number, rows)| page(number, rows))
        .collect()
}

fn without_words(row: &WorkloadResult) -> WorkloadResult {
    let mut row = row.clone();
    for why in &mut row.no_advice {
        why.message.clear();
    }
    row
}

/// Writes the pages that do not exist; returns the names of all.
///
/// # Errors
/// If the API server refuses or is silent; pages written stay.
pub async fn write<K: Object>(
    applier: &Applier,
    api: &Api<K>,
    pages: &[K],
    known: &[String],
) -> Result<Vec<String>, ApplyFault> {
    let mut names = Vec::with_capacity(pages.len());
    for page in pages {
        let name = page.name_any();
        // Looked for on the cluster only where the status does not name it.
        let exists = known.contains(&name)
            || bounded::<K, _>("get", &name, api.get_opt(&name))
                .await?
                .is_some();
        if !exists {
            applier.apply_over(api, None, page).await?;
        }
        names.push(name);
    }
    Ok(names)
}

/// Writes the pages of a policy that has none, without a look for each; returns the
/// names of all.
///
/// # Errors
/// As [`write`].
pub async fn write_new<K: Object>(
    applier: &Applier,
    api: &Api<K>,
    pages: &[K],
) -> Result<Vec<String>, ApplyFault> {
    for page in pages {
        applier.apply_over(api, None, page).await?;
    }
    Ok(pages.iter().map(kube::ResourceExt::name_any).collect())
}

/// Deletes the pages of the policy that its status no longer names: those that
/// are found, and those that it named `before`, which the list of an API server
/// that is behind may not have yet.
///
/// # Errors
/// If the API server refuses or is silent; what is left goes next time.
pub async fn delete_others<K: Object>(
    applier: &Applier,
    api: &Api<K>,
    owner: &Owner,
    keep: &[String],
    before: &[String],
) -> Result<usize, ApplyFault> {
    let keep: BTreeSet<&str> = keep.iter().map(String::as_str).collect();
    let params = ListParams::default().labels(&format!("{POLICY_LABEL}={}", owner.uid));
    let listed = bounded::<K, _>("list", &owner.name, api.list_metadata(&params)).await?;
    let mut names: BTreeSet<String> = listed.iter().map(kube::ResourceExt::name_any).collect();
    names.extend(before.iter().cloned());
    let mut gone = 0;
    for name in names {
        if keep.contains(name.as_str()) {
            continue;
        }
        let live = bounded::<K, _>("get", &name, api.get_opt(&name)).await?;
        // A name alone says not whose it is.
        let own = live.filter(|live| live.labels().get(POLICY_LABEL) == Some(&owner.uid));
        if let Some(live) = own {
            applier.delete(api, &live).await?;
            gone += 1;
        }
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use hyper::{Request, Response};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Client;
    use kube::client::Body;
    use tower::service_fn;

    use super::*;
    use crate::cluster::{CARBON_POLICY_MANAGER, Claim};
    use crate::metrics::Metrics;

    /// Each new policy asked for its page before it was written.
    #[tokio::test]
    async fn pages_of_a_new_policy_are_written_without_a_look() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let server = service_fn(move |request: Request<Body>| {
            let seen = Arc::clone(&seen);
            async move {
                let method = request.method().to_string();
                let name = request.uri().path().rsplit('/').next().map(str::to_owned);
                seen.lock()
                    .unwrap()
                    .push((method, name.unwrap_or_default()));
                let body = request.into_body().collect_bytes().await.unwrap();
                Ok::<_, Infallible>(Response::new(Body::from(body.to_vec())))
            }
        });
        let client = Client::new(server, "shop");
        let api: Api<ConfigMap> = Api::default_namespaced(client);
        let metrics = Metrics::default();
        let applier = Applier::new(CARBON_POLICY_MANAGER, Claim::always(), metrics);
        let page = |name: &str| ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        };
        let pages = [page("korea-1"), page("korea-2")];
        let names = write_new(&applier, &api, &pages).await.unwrap();
        assert_eq!(names, ["korea-1", "korea-2"]);
        let patched: Vec<_> = names
            .into_iter()
            .map(|name| ("PATCH".to_owned(), name))
            .collect();
        assert_eq!(*asked.lock().unwrap(), patched);
    }
}
