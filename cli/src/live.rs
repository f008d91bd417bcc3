//! Power now, by workload: what each agent's `/metrics` says, read through
//! the API server's pod proxy.
//!
//! Never fatal: an agent that does not answer is a fault to mention, and its
//! workloads have no power figure rather than a wrong one.

pub(crate) mod scrape;

use std::collections::BTreeMap;

use futures::future::join_all;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::api::{Api, ListParams, ObjectMeta};
use serde::de::DeserializeOwned;

use crate::cluster::{Cluster, ClusterError};
use crate::policies::{Scope, list_all};

/// Chooses the agents' pods.
pub const AGENT_LABEL: &str = "app.kubernetes.io/name=tanso-agent";
/// The agents' port, unless the pod names another.
const AGENT_PORT: i32 = 28_282;

/// Power by workload, with what could not be read.
#[derive(Clone, Debug, Default)]
pub struct Power {
    /// Milliwatts by namespace, kind and name.
    by_workload: BTreeMap<(String, String, String), i64>,
    /// Why some figures are missing, a sentence each.
    pub faults: Vec<String>,
}

impl Power {
    /// The power of a workload now, in milliwatts; `None` if no agent speaks
    /// of it.
    #[must_use]
    pub fn of(&self, namespace: &str, kind: &str, name: &str) -> Option<i64> {
        let key = (namespace.to_owned(), kind.to_owned(), name.to_owned());
        self.by_workload.get(&key).copied()
    }
}

/// Asks every agent of the installation in `home`: whoever may make a pod
/// anywhere may give it an agent's label, and make up figures of others.
pub async fn power(cluster: &Cluster, scope: &Scope, home: &str) -> Power {
    match try_power(cluster, scope, home).await {
        Ok(power) => power,
        Err(error) => Power {
            faults: vec![error.to_string()],
            ..Power::default()
        },
    }
}

async fn try_power(cluster: &Cluster, scope: &Scope, home: &str) -> Result<Power, ClusterError> {
    let mut power = Power::default();
    let by_pod = by_pod(cluster, home, &mut power.faults).await?;
    let owners = Owners::read(cluster, scope).await?;
    power.by_workload = by_workload(&by_pod, &owners, power.faults.is_empty());
    Ok(power)
}

/// Milliwatts by namespace, kind and name. Where not every agent answered
/// (`is_whole`), a workload with a pod that none speaks of has no sum: that of
/// its other pods would pass for it.
fn by_workload(
    by_pod: &BTreeMap<(String, String), i64>,
    owners: &Owners,
    is_whole: bool,
) -> BTreeMap<(String, String, String), i64> {
    let mut sums = BTreeMap::new();
    for ((namespace, pod), power_mw) in by_pod {
        if let Some((kind, name)) = owners.of_pod(namespace, pod) {
            let sum: &mut i64 = sums.entry((namespace.clone(), kind, name)).or_default();
            *sum = sum.saturating_add(*power_mw);
        }
    }
    let silent = owners.pods.keys().filter(|pod| !by_pod.contains_key(*pod));
    for (namespace, pod) in silent.filter(|_| !is_whole) {
        if let Some((kind, name)) = owners.of_pod(namespace, pod) {
            sums.remove(&(namespace.clone(), kind, name));
        }
    }
    sums
}

/// Milliwatts by namespace and name of each running pod that an agent speaks
/// of; why some are missing is added to `faults`.
async fn by_pod(
    cluster: &Cluster,
    home: &str,
    faults: &mut Vec<String>,
) -> Result<BTreeMap<(String, String), i64>, ClusterError> {
    let agents: Api<Pod> = Api::namespaced(cluster.client.clone(), home);
    let labelled = ListParams::default().labels(AGENT_LABEL);
    let agents = list_all(cluster, &agents, labelled, "the agents' pods").await?;
    if agents.is_empty() {
        faults.push(format!(
            "no agent in namespace \"{home}\"; --operator-namespace names that of the installation"
        ));
    }
    let answers = join_all(agents.iter().map(|pod| metrics(cluster, pod))).await;
    let mut by_pod = BTreeMap::new();
    for answer in answers {
        match answer {
            Ok(text) => scrape::add_pod_power(&text, &mut by_pod),
            Err(error) => faults.push(error.to_string()),
        }
    }
    Ok(by_pod)
}

/// Namespace, name and milliwatts of the running pods of a scope, as the agents
/// of the installation in `home` say it, and why some are missing.
pub async fn pods(
    cluster: &Cluster,
    scope: &Scope,
    home: &str,
) -> (Vec<(String, String, i64)>, Vec<String>) {
    let mut faults = Vec::new();
    let found = by_pod(cluster, home, &mut faults).await;
    let found = found.unwrap_or_else(|error| {
        faults.push(error.to_string());
        BTreeMap::new()
    });
    let is_in = |namespace: &str| match scope {
        Scope::All => true,
        Scope::Namespace(name) => name == namespace,
    };
    let pods = found
        .into_iter()
        .filter(|((namespace, _), _)| is_in(namespace))
        .map(|((namespace, name), power_mw)| (namespace, name, power_mw));
    (pods.collect(), faults)
}

/// Whether an agent answers; why not, if it does not.
///
/// # Errors
/// What the API server says of it. That the caller may not ask is none.
pub async fn health(cluster: &Cluster, pod: &Pod) -> Result<(), String> {
    match ask(cluster, pod, "asking the agent", "healthz").await {
        Ok(_) | Err(ClusterError::Forbidden { .. } | ClusterError::Unauthorized { .. }) => Ok(()),
        Err(ClusterError::Refused { message, .. }) => Err(message),
        Err(error) => Err(error.to_string()),
    }
}

/// The text of every agent's metrics; all of them, or none.
///
/// # Errors
/// If the agents cannot be listed, or one does not answer.
pub async fn agents_metrics(cluster: &Cluster) -> Result<Vec<String>, ClusterError> {
    let agents: Api<Pod> = Api::all(cluster.client.clone());
    let labelled = ListParams::default().labels(AGENT_LABEL);
    let agents = list_all(cluster, &agents, labelled, "the agents' pods").await?;
    let answers = join_all(agents.iter().map(|pod| metrics(cluster, pod))).await;
    answers.into_iter().collect()
}

/// The text of an agent's metrics.
///
/// # Errors
/// What the API server says of it.
pub async fn metrics(cluster: &Cluster, pod: &Pod) -> Result<String, ClusterError> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let action = format!("reading the metrics of agent \"{name}\"");
    ask(cluster, pod, &action, "metrics").await
}

/// What an agent answers, through the API server's proxy.
async fn ask(
    cluster: &Cluster,
    pod: &Pod,
    action: &str,
    what: &str,
) -> Result<String, ClusterError> {
    let action = action.to_owned();
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let path = format!(
        "/api/v1/namespaces/{namespace}/pods/{}{name}:{}/proxy/{what}",
        scheme(pod),
        port(pod)
    );
    let request = hyper::Request::get(path)
        .body(Vec::new())
        .map_err(|error| ClusterError::Unreachable {
            action: action.clone(),
            server: cluster.server.clone(),
            cause: error.to_string(),
        })?;
    cluster
        .client
        .request_text(request)
        .await
        .map_err(|error| cluster.refusal(action, &error))
}

/// The port on which an agent answers.
#[must_use]
pub fn port(pod: &Pod) -> i32 {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports.next().map_or(AGENT_PORT, |port| port.container_port)
}

/// What the API server's proxy takes before a pod's name where the pod speaks
/// TLS, as its probes tell.
fn scheme(pod: &Pod) -> &'static str {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut probes = containers.flat_map(|container| &container.readiness_probe);
    let is_tls = probes.any(|probe| {
        let http = probe.http_get.as_ref();
        http.and_then(|http| http.scheme.as_deref()) == Some("HTTPS")
    });
    if is_tls { "https:" } else { "" }
}

/// Who owns what, by namespace and name.
#[derive(Debug, Default)]
struct Owners {
    pods: Owned,
    replica_sets: Owned,
    jobs: Owned,
}

/// The controller (kind and name) of each object.
type Owned = BTreeMap<(String, String), Option<(String, String)>>;

impl Owners {
    async fn read(cluster: &Cluster, scope: &Scope) -> Result<Self, ClusterError> {
        Ok(Self {
            pods: owned::<Pod>(cluster, scope, "pods").await?,
            replica_sets: owned::<ReplicaSet>(cluster, scope, "replicasets").await?,
            jobs: owned::<Job>(cluster, scope, "jobs").await?,
        })
    }

    /// The workload of a pod: the top of its chain; the pod itself if nobody
    /// owns it, `None` if the pod is unknown.
    fn of_pod(&self, namespace: &str, pod: &str) -> Option<(String, String)> {
        let key = |name: &str| (namespace.to_owned(), name.to_owned());
        let Some((kind, name)) = self.pods.get(&key(pod))?.clone() else {
            return Some(("Pod".to_owned(), pod.to_owned()));
        };
        let above = match kind.as_str() {
            "ReplicaSet" => self.replica_sets.get(&key(&name)),
            "Job" => self.jobs.get(&key(&name)),
            _ => None,
        };
        Some(above.cloned().flatten().unwrap_or((kind, name)))
    }
}

async fn owned<K>(cluster: &Cluster, scope: &Scope, what: &str) -> Result<Owned, ClusterError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let api: Api<K> = match scope {
        Scope::All => Api::all(cluster.client.clone()),
        Scope::Namespace(namespace) => Api::namespaced(cluster.client.clone(), namespace),
    };
    let mut params = ListParams::default().limit(500);
    let mut found = Owned::new();
    loop {
        let page = api
            .list_metadata(&params)
            .await
            .map_err(|error| cluster.refusal(format!("listing {what}"), &error))?;
        found.extend(page.items.into_iter().map(|object| owner(object.metadata)));
        match page.metadata.continue_ {
            Some(next) if !next.is_empty() => params = params.continue_token(&next),
            _ => return Ok(found),
        }
    }
}

fn owner(meta: ObjectMeta) -> ((String, String), Option<(String, String)>) {
    let controller = meta
        .owner_references
        .unwrap_or_default()
        .into_iter()
        .find(|reference| reference.controller == Some(true))
        .map(|reference| (reference.kind, reference.name));
    (
        (
            meta.namespace.unwrap_or_default(),
            meta.name.unwrap_or_default(),
        ),
        controller,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(
        name: &str,
        owner: Option<(&str, &str)>,
    ) -> ((String, String), Option<(String, String)>) {
        let owner = owner.map(|(kind, name)| (kind.to_owned(), name.to_owned()));
        (("shop".to_owned(), name.to_owned()), owner)
    }

    #[test]
    fn an_agent_with_tls_is_asked_by_it() {
        let pod = |scheme: Option<&str>| -> Pod {
            let probe = serde_json::json!({"httpGet": {"port": "http", "scheme": scheme}});
            let agent = serde_json::json!({"name": "agent", "readinessProbe": probe});
            serde_json::from_value(serde_json::json!({"spec": {"containers": [agent]}})).unwrap()
        };
        assert_eq!(scheme(&pod(None)), "");
        assert_eq!(scheme(&pod(Some("HTTP"))), "");
        assert_eq!(scheme(&pod(Some("HTTPS"))), "https:");
    }

    /// The pods of the nodes that answered passed for all of the workload's.
    #[test]
    fn a_workload_with_a_pod_on_a_silent_node_has_no_power_rather_than_a_part() {
        let owners = Owners {
            pods: Owned::from([
                entry("db-0", Some(("StatefulSet", "db"))),
                entry("db-1", Some(("StatefulSet", "db"))),
                entry("bare", None),
            ]),
            ..Owners::default()
        };
        let said = |pod: &str, power_mw| (("shop".to_owned(), pod.to_owned()), power_mw);
        let by_pod = BTreeMap::from([said("db-0", 7_000), said("bare", 300)]);
        let known = |is_whole| {
            let sums = by_workload(&by_pod, &owners, is_whole);
            let names = sums.into_iter();
            names
                .map(|((_, kind, _), power_mw)| (kind, power_mw))
                .collect::<Vec<_>>()
        };
        let bare = ("Pod".to_owned(), 300);
        assert_eq!(known(false), std::slice::from_ref(&bare));
        // Where all answered, a pod without power is one that ended.
        assert_eq!(known(true), [bare, ("StatefulSet".to_owned(), 7_000)]);
    }

    #[test]
    fn a_pod_counts_for_the_top_of_its_chain() {
        let owners = Owners {
            pods: Owned::from([
                entry("api-1", Some(("ReplicaSet", "api-rs"))),
                entry("etl-1", Some(("Job", "etl-28"))),
                entry("once-1", Some(("Job", "once"))),
                entry("db-0", Some(("StatefulSet", "db"))),
                entry("bare", None),
            ]),
            replica_sets: Owned::from([entry("api-rs", Some(("Deployment", "api")))]),
            jobs: Owned::from([
                entry("etl-28", Some(("CronJob", "etl"))),
                entry("once", None),
            ]),
        };
        let workload = |pod| {
            owners
                .of_pod("shop", pod)
                .map(|(kind, name)| format!("{kind}/{name}"))
        };
        assert_eq!(workload("api-1").as_deref(), Some("Deployment/api"));
        assert_eq!(workload("etl-1").as_deref(), Some("CronJob/etl"));
        assert_eq!(workload("once-1").as_deref(), Some("Job/once"));
        assert_eq!(workload("db-0").as_deref(), Some("StatefulSet/db"));
        assert_eq!(workload("bare").as_deref(), Some("Pod/bare"));
        assert_eq!(workload("gone"), None);
    }
}
