//! Policies of both kinds in one shape, with the workloads they judged.

use kube::api::{Api, ListParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tanso_crds::carbon_policy::status::WorkloadResult;
use tanso_crds::carbon_report::CarbonReport;
use tanso_crds::cluster_carbon_policy::ClusterCarbonPolicy;
use tanso_crds::{CarbonPolicy, CarbonPolicySpec, CarbonPolicyStatus};

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

/// The `CarbonPolicies` of a scope, by namespace and name.
///
/// # Errors
/// If the API server refuses or does not answer.
pub async fn namespaced(cluster: &Cluster, scope: &Scope) -> Result<Vec<Policy>, ClusterError> {
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
    let found = list_all(cluster, &api, ListParams::default(), &what).await?;
    Ok(found.into_iter().map(Policy::from).collect())
}

/// Every `ClusterCarbonPolicy`.
///
/// # Errors
/// If the API server refuses or does not answer.
pub async fn cluster_wide(cluster: &Cluster) -> Result<Vec<Policy>, ClusterError> {
    let api = Api::<ClusterCarbonPolicy>::all(cluster.client.clone());
    let found = list_all(
        cluster,
        &api,
        ListParams::default(),
        "clustercarbonpolicies",
    )
    .await?;
    Ok(found.into_iter().map(Policy::from).collect())
}

/// Every workload a policy judged: those of the status, or of its reports if
/// the status does not list all.
///
/// # Errors
/// If the reports cannot be read.
pub async fn workloads(
    cluster: &Cluster,
    policy: &Policy,
) -> Result<Vec<WorkloadResult>, ClusterError> {
    if policy.status.workloads_not_listed == 0 {
        return Ok(policy.status.workloads.clone());
    }
    let api: Api<CarbonReport> = match &policy.namespace {
        Some(namespace) => Api::namespaced(cluster.client.clone(), namespace),
        None => Api::all(cluster.client.clone()),
    };
    let reports = list_all(cluster, &api, ListParams::default(), "carbonreports").await?;
    let named = |report: &CarbonReport| {
        let name = report.metadata.name.as_deref().unwrap_or_default();
        report.spec.policy == policy.name && policy.status.reports.iter().any(|known| known == name)
    };
    let pages: Vec<_> = reports.into_iter().filter(named).collect();
    if pages.is_empty() {
        return Ok(policy.status.workloads.clone());
    }
    Ok(pages
        .into_iter()
        .flat_map(|report| report.spec.workloads)
        .collect())
}
