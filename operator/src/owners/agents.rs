//! Which pods are asked for a node's energy.
//!
//! Whoever may create a pod may give it an agent's labels. What is asked, and
//! believed for its node, is therefore what the operator's own `DaemonSet`s keep
//! in the operator's own namespace, one pod a node: who may create pods there is
//! trusted with every node already. All others that say they are agents are told.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt as _;

use super::{Agent, Inventory};

/// A pod that says it is an agent and is not asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stranger {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// The node it runs on.
    pub node: String,
    /// Why it is not asked.
    pub reason: Reason,
}

/// Why a pod that says it is an agent is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It is not in the operator's namespace.
    Namespace,
    /// Its label names no monitor that there is.
    Monitor,
    /// No `DaemonSet` of its monitor keeps it there.
    Controller,
    /// Its node has an agent.
    Second,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Namespace,
        Self::Monitor,
        Self::Controller,
        Self::Second,
    ];

    /// The word as a metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Monitor => "monitor",
            Self::Controller => "controller",
            Self::Second => "second",
        }
    }
}

impl Inventory {
    /// The agents that run and have an address, one a node.
    #[must_use]
    pub fn agents(&self) -> Vec<Agent> {
        self.told_agents().0
    }

    /// The agents, by node, and the pods that only say that they are.
    #[must_use]
    pub fn told_agents(&self) -> (Vec<Agent>, Vec<Stranger>) {
        let monitors = self.monitors.state();
        let monitors: BTreeSet<String> = monitors.iter().map(|one| one.name_any()).collect();
        let pods = self.pods.agents();
        let told = pods.iter().filter_map(|facts| {
            let begun = facts.names.as_ref().and_then(|names| names.started_at);
            let agent = facts.agent.as_deref()?;
            Some((agent.clone(), begun.unwrap_or(i64::MAX)))
        });
        let mut agents: BTreeMap<String, (i64, Agent)> = BTreeMap::new();
        let mut strangers = Vec::new();
        for (agent, begun) in told {
            if let Some(reason) = self.stranger(&agent, &monitors) {
                strangers.push(refused(agent, reason));
                continue;
            }
            let node = agent.node.clone();
            let Some((first, there)) = agents.remove(&node) else {
                agents.insert(node, (begun, agent));
                continue;
            };
            // Who was there first stays: a newcomer takes no node over.
            let is_newer = (begun, &agent.pod) > (first, &there.pod);
            let (kept, second) = if is_newer {
                ((first, there), agent)
            } else {
                ((begun, agent), there)
            };
            strangers.push(refused(second, Reason::Second));
            agents.insert(node, kept);
        }
        strangers.sort_unstable();
        (
            agents.into_values().map(|(_, agent)| agent).collect(),
            strangers,
        )
    }

    fn stranger(&self, agent: &Agent, monitors: &BTreeSet<String>) -> Option<Reason> {
        if agent.namespace != *self.namespace {
            return Some(Reason::Namespace);
        }
        if !monitors.contains(&agent.monitor) {
            return Some(Reason::Monitor);
        }
        let set = set_of(&agent.monitor);
        let is_ours = agent
            .controller
            .as_ref()
            .is_some_and(|owner| owner.kind == "DaemonSet" && owner.name == set);
        (!is_ours).then_some(Reason::Controller)
    }
}

/// The name of a monitor's `DaemonSet`.
fn set_of(monitor: &str) -> String {
    format!("{monitor}-agent")
}

fn refused(agent: Agent, reason: Reason) -> Stranger {
    Stranger {
        namespace: agent.namespace,
        pod: agent.pod,
        node: agent.node,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use kube::runtime::{reflector, watcher};
    use serde_json::{Value, json};
    use tanso_crds::PowerMonitor;
    use tanso_crds::readable::Readable;

    use super::super::tests::inventory;
    use super::*;
    use crate::controllers::power_monitor::build::Names;

    fn agent(namespace: &str, name: &str, change: impl FnOnce(&mut Value)) -> Pod {
        let mut pod = json!({
            "metadata": {"uid": format!("{namespace}-{name}"), "namespace": namespace, "name": name,
                "labels": {"app.kubernetes.io/name": "tanso-agent", "tanso.dev/power-monitor": "all"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "all-agent",
                    "uid": "d1", "controller": true}]},
            "spec": {"nodeName": "n1", "containers": [{"name": "agent"}]},
            "status": {"phase": "Running", "podIP": "10.0.0.7", "startTime": "2026-10-05T07:00:00Z"}
        });
        change(&mut pod);
        serde_json::from_value(pod).unwrap()
    }

    fn with_monitor(pods: impl IntoIterator<Item = Pod>) -> Inventory {
        let (monitors, mut writer) = reflector::store();
        let monitor: Readable<PowerMonitor> = serde_json::from_value(json!({
            "apiVersion": "tanso.dev/v1alpha1", "kind": "PowerMonitor",
            "metadata": {"name": "all"}, "spec": {}
        }))
        .unwrap();
        writer.apply_watcher_event(&watcher::Event::Apply(monitor));
        Inventory {
            monitors,
            ..inventory(pods)
        }
    }

    fn told(pods: Vec<Pod>) -> (Vec<String>, Vec<(String, &'static str)>) {
        let (agents, strangers) = with_monitor(pods).told_agents();
        let strangers = strangers.into_iter();
        (
            agents.into_iter().map(|agent| agent.pod).collect(),
            strangers
                .map(|one| (one.pod, one.reason.as_str()))
                .collect(),
        )
    }

    /// A tenant's pod with an agent's label was asked in plain HTTP, and what it
    /// said was booked beside the energy of the node's agent.
    #[test]
    fn only_pods_that_the_operator_keeps_in_its_namespace_are_agents() {
        let named = |name| move |pod: &mut Value| pod["spec"]["nodeName"] = json!(name);
        let (agents, strangers) = told(vec![
            agent("tanso-system", "ours", named("n1")),
            agent("shop", "tenant", named("n2")),
            agent("tanso-system", "unlabelled", |pod| {
                pod["metadata"]["labels"] = json!({"app.kubernetes.io/name": "tanso-agent"});
            }),
            agent("tanso-system", "of-nobody", |pod| {
                pod["metadata"]["labels"]["tanso.dev/power-monitor"] = json!("gone");
            }),
            agent("tanso-system", "bare", |pod| {
                pod["metadata"]["ownerReferences"] = json!([]);
            }),
            agent("tanso-system", "of-another-set", |pod| {
                pod["metadata"]["ownerReferences"][0]["name"] = json!("logs");
            }),
            agent("tanso-system", "of-a-job", |pod| {
                pod["metadata"]["ownerReferences"][0]["kind"] = json!("Job");
            }),
            agent("tanso-system", "of-an-owner-that-keeps-nothing", |pod| {
                pod["metadata"]["ownerReferences"][0]["controller"] = json!(false);
            }),
        ]);
        assert_eq!(agents, ["ours"]);
        let of = |name: &str, reason| (name.to_owned(), reason);
        assert_eq!(
            strangers,
            [
                of("tenant", "namespace"),
                of("bare", "controller"),
                of("of-a-job", "controller"),
                of("of-an-owner-that-keeps-nothing", "controller"),
                of("of-another-set", "controller"),
                of("of-nobody", "monitor"),
                of("unlabelled", "monitor"),
            ]
        );
        // Without a monitor nobody is: how its agents are to be asked is not known.
        let book = inventory([agent("tanso-system", "ours", |_| ())]);
        assert_eq!(book.agents(), []);
    }

    #[test]
    fn a_node_has_one_agent_and_that_is_the_one_that_was_there_first() {
        let begun = |time| move |pod: &mut Value| pod["status"]["startTime"] = json!(time);
        let (old, new) = ("2026-10-05T07:00:00Z", "2026-10-05T07:00:09Z");
        for names in [["b", "a"], ["a", "b"]] {
            let (agents, strangers) = told(vec![
                agent("tanso-system", names[0], begun(old)),
                agent("tanso-system", names[1], begun(new)),
            ]);
            assert_eq!(agents, [names[0]]);
            assert_eq!(strangers, [(names[1].to_owned(), "second")]);
        }
    }

    #[test]
    fn the_set_of_a_monitor_has_the_name_under_which_it_is_made() {
        assert_eq!(set_of("all"), Names::of("all").agent);
    }
}
