//! What the pods of a monitor tell: the nodes that have an agent, and what keeps
//! one that is not ready; pure.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt as _;

use super::build::AGENT;

/// How long a container may run before it is said that it is not ready, seconds.
const STARTING_S: i64 = 60;

/// What was seen of a monitor's pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pods {
    /// The nodes that have an agent's pod.
    pub agents_on: BTreeSet<String>,
    /// Why a pod cannot run.
    stuck: Option<String>,
    /// Why one that runs is not ready.
    unready: Option<String>,
}

impl Pods {
    /// What keeps the first pod that is not ready, in words; first of those that
    /// cannot run at all.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.stuck.as_deref().or(self.unready.as_deref())
    }

    /// Adds a pod.
    pub fn add(&mut self, pod: &Pod, now: Timestamp) {
        let name = pod.labels().get("app.kubernetes.io/name");
        if let (Some(AGENT), Some(node)) = (name.map(String::as_str), node_of(pod)) {
            self.agents_on.insert(node.to_owned());
        }
        if self.stuck.is_none() {
            self.stuck = stuck(pod).map(|(reason, message)| words(pod, &reason, &message));
        }
        if self.unready.is_none() {
            self.unready = unready(pod, now).map(|(reason, message)| words(pod, reason, &message));
        }
    }
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

fn words(pod: &Pod, reason: &str, message: &str) -> String {
    let place = node_of(pod).map_or(String::new(), |node| format!(" on node \"{node}\""));
    let message: String = message.chars().take(300).collect();
    let text = format!("pod \"{}\"{place}: {reason}: {message}", pod.name_any());
    text.trim_end_matches([':', ' ']).to_owned()
}

/// What keeps a pod from running: reason and message.
fn stuck(pod: &Pod) -> Option<(String, String)> {
    let status = pod.status.as_ref()?;
    let mut containers = status.container_statuses.iter().flatten();
    let of_container = |container: &ContainerStatus| {
        let state = container.state.as_ref()?;
        let (reason, message) = match (&state.waiting, &state.terminated) {
            (Some(waiting), _) => (waiting.reason.clone()?, waiting.message.clone()),
            (None, Some(ended)) => (
                ended
                    .reason
                    .clone()
                    .unwrap_or_else(|| format!("exit code {}", ended.exit_code)),
                ended.message.clone(),
            ),
            (None, None) => return None,
        };
        // On its way is no trouble.
        (!matches!(reason.as_str(), "ContainerCreating" | "PodInitializing"))
            .then(|| (reason, message.unwrap_or_default()))
    };
    let unscheduled = || {
        let mut conditions = status.conditions.iter().flatten();
        let found = conditions.find(|c| c.type_ == "PodScheduled" && c.status == "False")?;
        let reason = found.reason.clone();
        let message = found.message.clone().unwrap_or_default();
        Some((reason.unwrap_or_else(|| "Unscheduled".into()), message))
    };
    containers.find_map(of_container).or_else(unscheduled)
}

/// Why a pod that runs is not ready: its container does not say so, or its node
/// is not heard of, which takes the pod's readiness away and not the container's.
fn unready(pod: &Pod, now: Timestamp) -> Option<(&'static str, String)> {
    let status = pod.status.as_ref()?;
    let mut conditions = status.conditions.iter().flatten();
    let is_unready = conditions.any(|c| c.type_ == "Ready" && c.status == "False");
    if !is_unready || status.phase.as_deref() != Some("Running") {
        return None;
    }
    let containers = || status.container_statuses.iter().flatten();
    if containers().all(|container| container.ready) {
        let message = "its node is not heard of, kubectl get node says since when";
        return Some(("NodeNotReady", message.to_owned()));
    }
    let long = containers().find(|container| {
        let running = container.state.as_ref().and_then(|s| s.running.as_ref());
        let since = running.and_then(|running| running.started_at.as_ref());
        let age = since.map(|since| now.as_second().saturating_sub(since.0.as_second()));
        !container.ready && age.is_some_and(|age| age > STARTING_S)
    })?;
    let message = format!(
        "container \"{}\" runs and does not say that it is ready; its log says why",
        long.name
    );
    Some(("NotReady", message))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_790_000_000;

    fn pod(name: &str, status: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "tanso-agent"}},
            "spec": {"nodeName": format!("node-of-{name}"), "containers": []},
            "status": status,
        }))
        .unwrap()
    }

    fn container(ready: bool, state: &Value) -> Value {
        json!({"name": "agent", "image": "", "imageID": "", "ready": ready, "restartCount": 0,
            "state": state})
    }

    fn seen(pods: &[Pod]) -> Pods {
        let mut seen = Pods::default();
        for pod in pods {
            seen.add(pod, Timestamp::from_second(NOW).unwrap());
        }
        seen
    }

    #[test]
    fn trouble_names_pod_node_and_reason() {
        let waiting = |reason: &str| {
            let state = json!({"waiting": {"reason": reason, "message": "no such image"}});
            json!({"containerStatuses": [container(false, &state)]})
        };
        let found = seen(&[pod("p", &waiting("ErrImagePull"))]);
        assert_eq!(
            found.trouble(),
            Some("pod \"p\" on node \"node-of-p\": ErrImagePull: no such image")
        );
        assert_eq!(found.agents_on, ["node-of-p".to_owned()].into());
        assert_eq!(
            seen(&[pod("p", &waiting("ContainerCreating"))]).trouble(),
            None
        );
    }

    /// Neither had a word: the status said how many were ready and not why.
    #[test]
    fn a_pod_that_runs_and_is_not_ready_says_whether_it_or_its_node_is_silent() {
        let running = |ready: bool, since_s: i64| {
            let since = Timestamp::from_second(NOW - since_s).unwrap().to_string();
            json!({
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "False"}],
                "containerStatuses": [container(ready, &json!({"running": {"startedAt": since}}))],
            })
        };
        assert_eq!(seen(&[pod("new", &running(false, 10))]).trouble(), None);
        let old = seen(&[pod("old", &running(false, 100))]);
        assert_eq!(
            old.trouble(),
            Some(
                "pod \"old\" on node \"node-of-old\": NotReady: container \"agent\" runs and does not say that it is ready; its log says why"
            )
        );
        let dead = seen(&[pod("dead", &running(true, 100))]);
        assert!(dead.trouble().unwrap().contains("NodeNotReady"));
        // What cannot run at all comes first.
        let state = json!({"waiting": {"reason": "CrashLoopBackOff"}});
        let crashed = pod(
            "crashed",
            &json!({"containerStatuses": [container(false, &state)]}),
        );
        let both = seen(&[pod("old", &running(false, 100)), crashed]);
        assert!(both.trouble().unwrap().contains("CrashLoopBackOff"));
    }
}
