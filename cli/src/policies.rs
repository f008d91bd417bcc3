//! Policies of both kinds in one shape, with the workloads they judged.

use std::io::Write as _;

use kube::Resource;
use kube::api::{Api, ListParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tanso_crds::carbon_policy::status::WorkloadResult;
use tanso_crds::carbon_report::CarbonReport;
use tanso_crds::cluster_carbon_policy::ClusterCarbonPolicy;
use tanso_crds::{CarbonPolicy, CarbonPolicySpec, CarbonPolicyStatus};
use tanso_faces::answer::report::{Called, Unchosen};
use tanso_faces::letters;
use tanso_faces::view::{self, LeftOut, Listed};

use crate::Outcome;
use crate::cluster::{Cluster, ClusterError};

/// Objects asked for in one request.
const PAGE: u32 = 500;

/// Which namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every namespace.
    All,
    /// One namespace.
    Namespace(String),
}

/// The kind of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// Judges its own namespace.
    CarbonPolicy,
    /// Judges the namespaces its selector chooses.
    ClusterCarbonPolicy,
}

/// A policy of either kind.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; a `ClusterCarbonPolicy` has none.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Generation of its spec.
    pub generation: Option<i64>,
    /// What it asks for.
    pub spec: CarbonPolicySpec,
    /// What was found; empty before the first evaluation.
    pub status: CarbonPolicyStatus,
}

impl Policy {
    /// `CarbonPolicy shop/korea` or `ClusterCarbonPolicy everything`.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("CarbonPolicy {namespace}/{}", self.name),
            None => format!("ClusterCarbonPolicy {}", self.name),
        }
    }

    /// The condition of a type, if it was written.
    #[must_use]
    pub fn condition(
        &self,
        kind: &str,
    ) -> Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> {
        self.status
            .conditions
            .iter()
            .find(|condition| condition.type_ == kind)
    }
}

impl Called for Policy {
    fn called(&self) -> (&'static str, Option<&str>, &str) {
        let kind = match self.kind {
            Kind::CarbonPolicy => "CarbonPolicy",
            Kind::ClusterCarbonPolicy => "ClusterCarbonPolicy",
        };
        (kind, self.namespace.as_deref(), &self.name)
    }
}

/// Why no policy could be chosen, as the command line says it; `known` are the
/// titles of those that there are.
#[must_use]
pub fn unchosen(why: Unchosen, asked: Option<&str>, namespace: &str, known: &[String]) -> String {
    match (why, asked) {
        (Unchosen::Nothing, Some(name)) if !known.is_empty() => format!(
            "no policy \"{name}\" in namespace \"{namespace}\" nor for the cluster; there are {}",
            known.join(", ")
        ),
        (Unchosen::Nothing, _) => format!(
            "no policy in namespace \"{namespace}\" nor for the cluster; apply a CarbonPolicy"
        ),
        (Unchosen::Unreadable { title, why }, _) => format!("{title}: {why}"),
        (Unchosen::Several(which), _) => format!(
            "which policy? there are {which}; name one, as KIND/NAME where a CarbonPolicy and a ClusterCarbonPolicy share the name"
        ),
    }
}

impl From<CarbonPolicy> for Policy {
    fn from(policy: CarbonPolicy) -> Self {
        Self {
            kind: Kind::CarbonPolicy,
            namespace: policy.metadata.namespace,
            name: policy.metadata.name.unwrap_or_default(),
            generation: policy.metadata.generation,
            spec: policy.spec,
            status: policy.status.unwrap_or_default(),
        }
    }
}

impl From<ClusterCarbonPolicy> for Policy {
    fn from(policy: ClusterCarbonPolicy) -> Self {
        Self {
            kind: Kind::ClusterCarbonPolicy,
            namespace: None,
            name: policy.metadata.name.unwrap_or_default(),
            generation: policy.metadata.generation,
            spec: policy.spec.policy,
            status: policy.status.unwrap_or_default(),
        }
    }
}

/// Every object of a kind, page by page.
///
/// # Errors
/// If the API server refuses or does not answer.
pub async fn list_all<K>(
    cluster: &Cluster,
    api: &Api<K>,
    params: ListParams,
    what: &str,
) -> Result<Vec<K>, ClusterError>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut params = params.limit(PAGE);
    let mut objects = Vec::new();
    loop {
        let page = api
            .list(&params)
            .await
            .map_err(|error| cluster.refusal(format!("listing {what}"), &error))?;
        objects.extend(page.items);
        match page.metadata.continue_ {
            Some(next) if !next.is_empty() => params = params.continue_token(&next),
            _ => return Ok(objects),
        }
    }
}

/// Every object of a kind of ours, page by page: what a later version wrote is
/// left out by name and hides no other.
///
/// # Errors
/// If the API server refuses or does not answer.
pub async fn list_readable<K>(
    cluster: &Cluster,
    api: &Api<K>,
    what: &str,
) -> Result<Listed<K>, ClusterError>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let found = view::list_readable(api, ListParams::default().limit(PAGE)).await;
    found.map_err(|error| cluster.refusal(format!("listing {what}"), &error))
}

/// What is left out, a line each.
#[must_use]
pub fn warnings(left_out: &[LeftOut]) -> String {
    let line = |one: &LeftOut| format!("warning: left out: {}\n", letters::line(&one.to_string()));
    let lines: Vec<_> = left_out.iter().map(line).collect();
    lines.concat()
}

/// Tells on standard error what is left out. An answer that lacks something is
/// no clean one.
#[must_use]
pub fn warn(left_out: &[LeftOut]) -> Outcome {
    // Nothing is left to do when standard error is gone.
    let _ = std::io::stderr().write_all(warnings(left_out).as_bytes());
    if left_out.is_empty() {
        Outcome::Fine
    } else {
        Outcome::Failing
    }
}

/// The `CarbonPolicies` of a scope, by namespace and name.
///
/// # Errors
/// If the API server refuses or does not answer.
pub async fn namespaced(cluster: &Cluster, scope: &Scope) -> Result<Listed<Policy>, ClusterError> {
    let (api, what) = match scope {
        Scope::All => (
            Api::all(cluster.client.clone()),
            "carbonpolicies".to_owned(),
        ),
        Scope::Namespace(namespace) => (
            Api::<CarbonPolicy>::namespaced(cluster.client.clone(), namespace),
            format!("carbonpolicies in namespace \"{namespace}\""),
        ),
    };
    let found = list_readable(cluster, &api, &what).await?;
    Ok(found.map(Policy::from))
}

/// Every `ClusterCarbonPolicy`.
///
/// # Errors
/// If the API server refuses or does not answer.
pub async fn cluster_wide(cluster: &Cluster) -> Result<Listed<Policy>, ClusterError> {
    let api = Api::<ClusterCarbonPolicy>::all(cluster.client.clone());
    let found = list_readable(cluster, &api, "clustercarbonpolicies").await?;
    Ok(found.map(Policy::from))
}

/// What to say of pages that the status names and that are not there: they are
/// replaced while a command reads them, or somebody deleted them.
fn pages_gone(policy: &Policy, found: usize) -> Option<String> {
    let named = policy.status.reports.len();
    (found < named || named == 0).then(|| {
        format!(
            "note: not all workloads of {} are shown: {found} of the {named} pages that its status names are there; ask again",
            letters::line(&policy.title())
        )
    })
}

/// Every workload a policy judged: those of the status, or of its reports if
/// the status does not list all, with the reports that cannot be read.
///
/// # Errors
/// If the reports cannot be read.
pub async fn workloads(
    cluster: &Cluster,
    policy: &Policy,
) -> Result<Listed<WorkloadResult>, ClusterError> {
    if policy.status.workloads_not_listed == 0 {
        return Ok(policy.status.workloads.clone().into());
    }
    let api: Api<CarbonReport> = match &policy.namespace {
        Some(namespace) => Api::namespaced(cluster.client.clone(), namespace),
        None => Api::all(cluster.client.clone()),
    };
    let reports = list_readable(cluster, &api, "carbonreports").await?;
    let is_named = |name: &str| policy.status.reports.iter().any(|known| known == name);
    let named = |report: &CarbonReport| {
        let name = report.metadata.name.as_deref().unwrap_or_default();
        report.spec.policy == policy.name && is_named(name)
    };
    let mut unreadable = reports.unreadable;
    unreadable.retain(|report| is_named(&report.name));
    let pages: Vec<_> = reports.items.into_iter().filter(named).collect();
    if let Some(note) = pages_gone(policy, pages.len() + unreadable.len()) {
        // Nothing is left to do when standard error is gone.
        let _ = writeln!(std::io::stderr(), "{note}");
    }
    let items = if pages.is_empty() {
        policy.status.workloads.clone()
    } else {
        let workloads = pages.into_iter().map(|report| report.spec.workloads);
        workloads.flatten().collect()
    };
    Ok(Listed { items, unreadable })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The worst workloads, which the status lists, were shown as all.
    #[test]
    fn pages_that_are_not_there_are_told() {
        let policy = |reports: &[&str]| {
            let object = json!({
                "apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
                "metadata": {"name": "korea", "namespace": "shop"},
                "spec": {"site": {"zone": "KR"}, "regulations": [{"rule": "kr-carbon-2050"}]},
                "status": {"reports": reports, "workloadsNotListed": 980},
            });
            Policy::from(serde_json::from_value::<CarbonPolicy>(object).unwrap())
        };
        let two = policy(&["korea-1", "korea-2"]);
        assert_eq!(pages_gone(&two, 2), None);
        let said = pages_gone(&two, 1).unwrap();
        assert!(
            said.contains("CarbonPolicy shop/korea are shown: 1 of the 2 pages"),
            "{said}"
        );
        assert!(pages_gone(&policy(&[]), 0).is_some());
    }
}
