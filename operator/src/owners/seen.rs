//! A pod, as far as energy needs it. A cluster has very many of them, so what is
//! watched is made small as it is read, and no whole pod is ever kept.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt as _};
use serde::{Deserialize, Deserializer};

use super::{AGENT_LABEL, AGENT_PORT, Agent, MONITOR_LABEL, Owner, chain, prune};
use crate::ledger::PodNames;

/// A pod's facts under its name, as a watch tells it; clones share them.
#[derive(Clone, Debug)]
pub(super) struct SeenPod {
    metadata: ObjectMeta,
    pub(super) facts: Arc<Facts>,
}

/// What a pod says of itself.
#[derive(Debug)]
pub(super) struct Facts {
    /// Its names without its workload's; `None` if it has no UID or namespace, as
    /// no pod of an API server.
    pub(super) names: Option<PodNames>,
    /// Who made it.
    pub(super) owner: Option<Owner>,
    /// Whether it runs.
    pub(super) is_running: bool,
    /// Whether it ran to its end.
    pub(super) is_finished: bool,
    /// The agent that it is; few are.
    pub(super) agent: Option<Box<Agent>>,
}

impl SeenPod {
    /// Its namespace and name.
    pub(super) fn place(&self) -> (&str, &str) {
        let meta = &self.metadata;
        (
            meta.namespace.as_deref().unwrap_or_default(),
            meta.name.as_deref().unwrap_or_default(),
        )
    }
}

impl From<Pod> for SeenPod {
    fn from(pod: Pod) -> Self {
        let phase = pod.status.as_ref().and_then(|one| one.phase.as_deref());
        let facts = Facts {
            names: prune::describe(&pod),
            owner: chain::first(pod.owner_references()),
            is_running: phase == Some("Running"),
            is_finished: matches!(phase, Some("Succeeded" | "Failed")),
            agent: agent(&pod).map(Box::new),
        };
        Self {
            facts: Arc::new(facts),
            metadata: ObjectMeta {
                name: pod.metadata.name,
                namespace: pod.metadata.namespace,
                uid: pod.metadata.uid,
                resource_version: pod.metadata.resource_version,
                ..ObjectMeta::default()
            },
        }
    }
}

impl<'de> Deserialize<'de> for SeenPod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Pod::deserialize(deserializer).map(Self::from)
    }
}

impl Resource for SeenPod {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        Pod::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        Pod::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        Pod::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        Pod::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

fn agent(pod: &Pod) -> Option<Agent> {
    let labels = pod.metadata.labels.as_ref()?;
    if labels.get(AGENT_LABEL.0).map(String::as_str) != Some(AGENT_LABEL.1) {
        return None;
    }
    let status = pod.status.as_ref()?;
    if status.phase.as_deref() != Some("Running") || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let ip: IpAddr = status.pod_ip.as_ref()?.parse().ok()?;
    let spec = pod.spec.as_ref()?;
    let declared = spec
        .containers
        .iter()
        .find_map(|c| c.ports.as_ref()?.first());
    let port = declared
        .and_then(|p| u16::try_from(p.container_port).ok())
        .unwrap_or(AGENT_PORT);
    Some(Agent {
        node: spec.node_name.clone()?,
        namespace: pod.namespace().unwrap_or_default(),
        pod: pod.name_any(),
        controller: chain::controller(pod.owner_references()),
        monitor: labels.get(MONITOR_LABEL).cloned().unwrap_or_default(),
        address: SocketAddr::new(ip, port),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_kept_of_a_pod_is_what_it_says_and_little_more() {
        let text = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"uid": "u1", "namespace": "tanso-system", "name": "agent-x", "resourceVersion": "7",
                "labels": {"app.kubernetes.io/name": "tanso-agent", "tanso.dev/power-monitor": "all"},
                "annotations": {"large": "x".repeat(10_000)},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent",
                    "uid": "d1", "controller": true}]},
            "spec": {"nodeName": "n1", "volumes": [{"name": "v", "emptyDir": {}}],
                "containers": [{"name": "agent", "image": "i", "ports": [{"containerPort": 9102}],
                    "resources": {"requests": {"cpu": "50m"}}}]},
            "status": {"phase": "Running", "podIP": "10.0.0.7", "startTime": "2026-10-05T07:00:00Z"}
        });
        let pod: SeenPod = serde_json::from_value(text.clone()).unwrap();
        let whole: Pod = serde_json::from_value(text).unwrap();
        assert_eq!(pod.facts.names, prune::describe(&whole));
        assert_eq!(pod.facts.owner.as_ref().unwrap().name, "agent");
        assert!(pod.facts.is_running);
        let agent = pod.facts.agent.as_ref().unwrap();
        assert_eq!(agent.address.to_string(), "10.0.0.7:9102");
        assert_eq!((agent.node.as_str(), agent.monitor.as_str()), ("n1", "all"));
        let meta = pod.meta();
        assert_eq!(meta.resource_version.as_deref(), Some("7"));
        assert_eq!(pod.place(), ("tanso-system", "agent-x"));
        assert!(meta.annotations.is_none() && meta.labels.is_none());
    }
}
