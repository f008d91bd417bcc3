//! Where nodes are, and what they carry, as the scheduler counts it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt as _;
use tanso_carbon::recommend::consolidate;
use tanso_carbon::regions::Region;
use tanso_crds::PowerMonitor;
use tanso_crds::power_monitor::{IdleSharing, TlsType};
use tanso_intensity::places::{region_of, unlisted_region, unplaced_region};
use tanso_power::Joules;

use super::seen::Facts;
use super::{Agent, Inventory, prune};
use crate::ledger::KnownNode;

/// The label of nodes that run the cluster itself.
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

impl Inventory {
    /// The cloud region of each node whose labels name one that is known.
    #[must_use]
    pub fn node_regions(&self) -> BTreeMap<String, &'static Region> {
        let nodes = self.nodes.state();
        let region = |node: &Node| {
            let id = node.spec.as_ref()?.provider_id.as_deref();
            region_of(node.labels(), id)
        };
        nodes
            .iter()
            .filter_map(|node| Some((node.name_any(), region(node)?)))
            .collect()
    }

    /// The region that a node's label names, of each node whose region is none
    /// of the table's.
    #[must_use]
    pub fn unplaced_regions(&self) -> BTreeMap<String, String> {
        let nodes = self.nodes.state();
        let unplaced = |node: &Node| {
            let id = node.spec.as_ref()?.provider_id.as_deref();
            Some(unplaced_region(node.labels(), id)?.to_owned())
        };
        nodes
            .iter()
            .filter_map(|node| Some((node.name_any(), unplaced(node)?)))
            .collect()
    }

    /// Where each node is and what it has to give.
    pub(super) fn known_nodes(&self) -> BTreeMap<String, KnownNode> {
        let regions = self.node_regions();
        let nodes = self.nodes.state();
        let known = |node: &Node| {
            let name = node.name_any();
            let region = regions.get(&name);
            let region = region.map(|one| (one.provider.clone(), one.region.clone()));
            let unlisted = || Some((String::new(), unlisted_region(node.labels())?.to_owned()));
            let known = KnownNode {
                region: region.or_else(unlisted),
                millicores: self.allocatable_millicores(&name),
                memory_bytes: self.allocatable_bytes(&name),
                made: node.creation_timestamp().map(|at| at.0),
            };
            (name, known)
        };
        nodes.iter().map(|node| known(node)).collect()
    }

    /// The nodes whose agents charge somebody with idle energy, and by what, as
    /// their `PowerMonitor` has it.
    #[must_use]
    pub fn idle_sharing(&self) -> BTreeMap<String, IdleSharing> {
        let monitors = self.monitors.state();
        let sharing = |monitor: &PowerMonitor| monitor.spec.agent.idle_sharing;
        let charged: BTreeMap<String, IdleSharing> = monitors
            .iter()
            .filter_map(|monitor| monitor.known())
            .filter(|monitor| sharing(monitor) != IdleSharing::Apart)
            .map(|monitor| (monitor.name_any(), sharing(monitor)))
            .collect();
        if charged.is_empty() {
            return BTreeMap::new();
        }
        let agents = self.agents().into_iter();
        let of = |agent: Agent| Some((agent.node, *charged.get(&agent.monitor)?));
        agents.filter_map(of).collect()
    }

    /// The names of the `PowerMonitor`s whose agents are to speak TLS.
    #[must_use]
    pub fn secured(&self) -> BTreeSet<String> {
        let monitors = self.monitors.state();
        let known = monitors.iter().filter_map(|monitor| monitor.known());
        let secured = known.filter(|monitor| monitor.spec.tls.type_ != TlsType::Disabled);
        secured.map(kube::ResourceExt::name_any).collect()
    }

    /// All nodes with what they have to give; their idle energy is not known
    /// here.
    #[must_use]
    pub fn nodes(&self) -> Vec<consolidate::Node> {
        let mut nodes: Vec<_> = self
            .nodes
            .state()
            .iter()
            .filter_map(|node| {
                let gives = node.status.as_ref()?.allocatable.as_ref()?;
                Some(consolidate::Node {
                    name: node.name_any(),
                    millicores: u64::try_from(prune::milli_cpus(gives.get("cpu")?)?).ok()?,
                    memory_bytes: prune::bytes(gives.get("memory")?)?,
                    idle_per_day: Joules::ZERO,
                    may_go: !node.labels().contains_key(CONTROL_PLANE),
                })
            })
            .collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        nodes
    }

    /// All pods that hold a place on a node, with what they ask for.
    #[must_use]
    pub fn load(&self) -> Vec<consolidate::Pod> {
        let pods = self.pods.all();
        let mut load: Vec<_> = pods.iter().filter_map(|pod| asked(pod)).collect();
        load.sort_by(|a, b| a.name.cmp(&b.name));
        load
    }
}

fn asked(pod: &Facts) -> Option<consolidate::Pod> {
    if pod.is_finished {
        return None;
    }
    let names = pod.names.as_ref()?;
    let kind = pod.owner.as_ref().map(|owner| owner.kind.as_str());
    let whole = |asks: Option<i64>| asks.and_then(|asks| u64::try_from(asks).ok()).unwrap_or(0);
    Some(consolidate::Pod {
        name: format!("{}/{}", names.namespace, names.name),
        node: Some(names.node.clone()).filter(|node| !node.is_empty())?,
        millicores: whole(names.cpu_request_milli),
        memory_bytes: whole(names.memory_request_bytes),
        is_daemon: kind == Some("DaemonSet"),
        // A pod of nobody, or of a node's own manifests, is not made anew elsewhere.
        may_move: !matches!(kind, None | Some("Node")),
    })
}

#[cfg(test)]
mod tests {
    use super::super::seen::SeenPod;
    use super::*;
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::{Value, json};

    fn pod(owner: Option<&str>, phase: &str) -> SeenPod {
        let owners: Vec<Value> = owner
            .map(|kind| {
                json!({"apiVersion": "v1", "kind": kind, "name": "o", "uid": "u", "controller": true})
            })
            .into_iter()
            .collect();
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"uid": "u1", "namespace": "shop", "name": "till-1", "ownerReferences": owners},
            "spec": {"nodeName": "n1", "containers": [
                {"name": "a", "resources": {"requests": {"cpu": "250m", "memory": "64Mi"}}},
                {"name": "b", "resources": {"requests": {"cpu": "50m"}}}],
                "initContainers": [{"name": "setup", "resources": {"requests": {"cpu": "4"}}}]},
            "status": {"phase": phase}
        }))
        .unwrap();
        pod.into()
    }

    #[test]
    fn what_a_pod_asks_for_is_the_sum_of_its_containers_and_finished_ones_ask_nothing() {
        let running = asked(&pod(Some("ReplicaSet"), "Running").facts).unwrap();
        assert_eq!(
            (running.millicores, running.memory_bytes),
            (300, 67_108_864)
        );
        assert!(running.may_move && !running.is_daemon);
        assert_eq!(running.name, "shop/till-1");
        assert!(!asked(&pod(None, "Running").facts).unwrap().may_move);
        assert!(
            asked(&pod(Some("DaemonSet"), "Running").facts)
                .unwrap()
                .is_daemon
        );
        assert_eq!(asked(&pod(Some("Job"), "Succeeded").facts), None);
    }
}
