//! What the Prometheus Operator was told to scrape, and what agents cost by
//! their own metrics.

use std::collections::BTreeMap;

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{Api, ListParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;

use super::told::{Told, told};
use super::{ASKED, Read};
use crate::cluster::Cluster;
use crate::live;
use crate::policies::list_all;

/// The group of the Prometheus Operator.
const GROUP: &str = "monitoring.coreos.com";
/// What the Prometheus Operator has.
#[derive(Clone, Debug, Default)]
pub(in crate::doctor) struct Scraping {
    /// Every `Prometheus`.
    pub(in crate::doctor) prometheuses: Vec<Prometheus>,
    /// The `ServiceMonitor`s that are about agents.
    pub(in crate::doctor) agents: Vec<Scraped>,
}

/// A `Prometheus` and what it chooses. Without a selector it chooses none;
/// without one of namespaces only those of its own.
#[derive(Clone, Debug, Default)]
pub(in crate::doctor) struct Prometheus {
    /// Its namespace.
    pub(in crate::doctor) namespace: String,
    /// Its name.
    pub(in crate::doctor) name: String,
    /// Which monitors.
    pub(in crate::doctor) monitors: Option<LabelSelector>,
    /// Of which namespaces.
    pub(in crate::doctor) namespaces: Option<LabelSelector>,
}

/// A `ServiceMonitor`.
#[derive(Clone, Debug, Default)]
pub(in crate::doctor) struct Scraped {
    /// Its namespace.
    pub(in crate::doctor) namespace: String,
    /// Its name.
    pub(in crate::doctor) name: String,
    /// Its labels.
    pub(in crate::doctor) labels: BTreeMap<String, String>,
    /// The labels of its namespace.
    pub(in crate::doctor) namespace_labels: BTreeMap<String, String>,
}

/// What an agent has cost since its container was started.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::doctor) struct Cost {
    /// Its pod.
    pub(in crate::doctor) pod: String,
    /// Its node.
    pub(in crate::doctor) node: String,
    /// Since when.
    pub(in crate::doctor) since: Timestamp,
    /// CPU time, seconds.
    pub(in crate::doctor) cpu_s: f64,
    /// Where it has CPU time from: `ebpf`, `cgroup-files` or `proc`.
    pub(in crate::doctor) source: String,
}

/// What the Prometheus Operator has; `None` where its kinds are not installed.
pub(super) async fn scraping(cluster: &Cluster) -> Read<Option<Scraping>> {
    let version = format!("{GROUP}/v1");
    match cluster.client.list_api_group_resources(&version).await {
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
        Err(error) => return Err(cluster.refusal(format!("asking for {version}"), &error)),
        Ok(_) => {}
    }
    let prometheuses = objects(cluster, "Prometheus", "prometheuses").await?;
    let monitors = objects(cluster, "ServiceMonitor", "servicemonitors").await?;
    let mut agents = Vec::new();
    for monitor in monitors.iter().filter(|one| is_of_agents(one)) {
        let namespace = monitor.metadata.namespace.clone().unwrap_or_default();
        let api: Api<Namespace> = Api::all(cluster.client.clone());
        // Who may not read namespaces sees no labels of them.
        let found = api.get_opt(&namespace).await.ok().flatten();
        let labels = found.and_then(|one| one.metadata.labels);
        agents.push(Scraped {
            name: monitor.metadata.name.clone().unwrap_or_default(),
            labels: monitor.metadata.labels.clone().unwrap_or_default(),
            namespace_labels: labels.unwrap_or_default(),
            namespace,
        });
    }
    Ok(Some(Scraping {
        prometheuses: prometheuses.iter().map(prometheus).collect(),
        agents,
    }))
}

async fn objects(cluster: &Cluster, kind: &str, plural: &str) -> Read<Vec<DynamicObject>> {
    let kind = GroupVersionKind::gvk(GROUP, "v1", kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, plural);
    let api: Api<DynamicObject> = Api::all_with(cluster.client.clone(), &resource);
    list_all(cluster, &api, ListParams::default(), plural).await
}

fn is_of_agents(monitor: &DynamicObject) -> bool {
    let labels = &monitor.data["spec"]["selector"]["matchLabels"];
    labels["app.kubernetes.io/name"] == "tanso-agent"
}

fn prometheus(object: &DynamicObject) -> Prometheus {
    let selector = |field: &str| match &object.data["spec"][field] {
        Value::Null => None,
        selector => serde_json::from_value(selector.clone()).ok(),
    };
    Prometheus {
        namespace: object.metadata.namespace.clone().unwrap_or_default(),
        name: object.metadata.name.clone().unwrap_or_default(),
        monitors: selector("serviceMonitorSelector"),
        namespaces: selector("serviceMonitorNamespaceSelector"),
    }
}

/// What agents cost and tell of themselves, of those that may be asked.
pub(super) async fn asked(cluster: &Cluster, agents: &[Pod]) -> (Vec<Cost>, Vec<Told>) {
    let asked = agents.iter().take(ASKED).map(|pod| async move {
        let text = live::metrics(cluster, pod).await.ok()?;
        Some((cost(pod, &text), told(pod, &text)))
    });
    let answers = join_all(asked).await.into_iter().flatten();
    let (costs, told): (Vec<_>, Vec<_>) = answers.unzip();
    (
        costs.into_iter().flatten().collect(),
        told.into_iter().flatten().collect(),
    )
}

fn cost(pod: &Pod, metrics: &str) -> Option<Cost> {
    let line = |family: &str| metrics.lines().find(|line| line.starts_with(family));
    let cpu = line("tanso_agent_cpu_seconds_total")?;
    let source = line("tanso_cpu_time_source_info{").unwrap_or_default();
    let source = source.split_once("rung=\"").map_or("", |(_, rest)| rest);
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let running = statuses.first()?.state.as_ref()?.running.as_ref()?;
    Some(Cost {
        pod: pod.metadata.name.clone()?,
        node: pod.spec.as_ref()?.node_name.clone()?,
        since: running.started_at.as_ref()?.0,
        cpu_s: cpu.rsplit(' ').next()?.parse().ok()?,
        source: source.split('"').next().unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cost_is_read_from_the_agents_own_metrics() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "tanso-agent-x"}, "spec": {"nodeName": "n1", "containers": []},
            "status": {"containerStatuses": [{
                "name": "agent", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "state": {"running": {"startedAt": "2026-11-21T10:00:00Z"}},
            }]},
        }))
        .unwrap();
        let metrics = "# TYPE tanso_agent_cpu_seconds_total counter\n\
            tanso_agent_cpu_seconds_total{node_name=\"n1\"} 12.5\n\
            tanso_cpu_time_source_info{rung=\"proc\",node_name=\"n1\"} 1\n";
        let found = cost(&pod, metrics).unwrap();
        assert!((found.cpu_s - 12.5).abs() < 1e-9, "{found:?}");
        assert_eq!((&*found.source, &*found.node), ("proc", "n1"));
        assert_eq!(cost(&pod, "nothing 1\n"), None);
    }
}
