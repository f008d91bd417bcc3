//! Pods that do not run, and nodes without an agent.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Node, Pod};

use super::super::Finding;
use super::super::facts::Facts;
use super::unreadable;

/// The agents, node by node.
pub(super) fn agents(facts: &Facts) -> Vec<Finding> {
    let agents = match &facts.agents {
        Err(error) => return vec![unreadable(error)],
        Ok(agents) => agents,
    };
    let mut findings = troubles(agents, |_| true);
    let ready = agents.iter().filter(|pod| is_ready(pod)).count();
    match &facts.nodes {
        Err(error) => findings.push(unreadable(error)),
        Ok(nodes) => findings.extend(uncovered(nodes, agents)),
    }
    if findings.is_empty() && ready > 0 {
        let word = if ready == 1 { "agent" } else { "agents" };
        findings.push(Finding::ok(format!(
            "{ready} {word} ready, every Linux node has one"
        )));
    }
    findings
}

/// Linux nodes on which no agent was placed.
fn uncovered(nodes: &[Node], agents: &[Pod]) -> Option<Finding> {
    let placed: BTreeSet<&str> = agents
        .iter()
        .filter_map(|pod| pod.spec.as_ref()?.node_name.as_deref())
        .collect();
    let without: Vec<&str> = nodes
        .iter()
        .filter(|node| is_linux(node))
        .filter_map(|node| node.metadata.name.as_deref())
        .filter(|name| !placed.contains(name))
        .collect();
    let (shown, more) = without.split_at(without.len().min(10));
    let more = if more.is_empty() {
        String::new()
    } else {
        format!(" and {} more", more.len())
    };
    (!without.is_empty()).then(|| {
        Finding::warn(
            format!(
                "no agent on {} of {} nodes: {}{more}",
                without.len(),
                nodes.len(),
                shown.join(", ")
            ),
            "see spec.agent.nodeSelector and spec.agent.tolerations of the PowerMonitor",
        )
    })
}

fn is_linux(node: &Node) -> bool {
    let system = node
        .metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get("kubernetes.io/os"));
    system.is_none_or(|system| system == "linux")
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|one| one.type_ == "Ready" && one.status == "True")
}

/// A finding for each chosen pod that is not ready.
pub(super) fn troubles(pods: &[Pod], chosen: impl Fn(&str) -> bool) -> Vec<Finding> {
    pods.iter()
        .filter(|pod| chosen(pod.metadata.name.as_deref().unwrap_or_default()))
        .filter(|pod| !is_ready(pod) && pod.metadata.deletion_timestamp.is_none())
        .map(trouble)
        .collect()
}

fn trouble(pod: &Pod) -> Finding {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    let place = node.map_or("on no node".to_owned(), |node| {
        format!("on node \"{node}\"")
    });
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .unwrap_or("Unknown");
    let (reason, message) = cause(pod);
    let message = if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    };
    let text = format!("pod {name} {place} is {phase}, {reason}{message}");
    Finding::fail(text, fix(&reason, namespace, name))
}

/// Why a pod is not ready: a waiting container, one that ended, or the
/// scheduler's word.
fn cause(pod: &Pod) -> (String, String) {
    let status = pod.status.clone().unwrap_or_default();
    let containers = status
        .init_container_statuses
        .into_iter()
        .chain(status.container_statuses);
    for container in containers.flatten() {
        let state = container.state.unwrap_or_default();
        if let Some(waiting) = state.waiting {
            let last = container.last_state.and_then(|last| last.terminated);
            let ended = last
                .and_then(|last| last.message)
                .map(|said| said.trim().to_owned());
            let message = ended.or(waiting.message).unwrap_or_default();
            return (
                waiting.reason.unwrap_or_else(|| "Waiting".to_owned()),
                message,
            );
        }
        if let Some(ended) = state.terminated.filter(|ended| ended.exit_code != 0) {
            let reason = ended.reason.unwrap_or_else(|| "Error".to_owned());
            return (reason, format!("exit code {}", ended.exit_code));
        }
    }
    let unscheduled = status
        .conditions
        .into_iter()
        .flatten()
        .find(|one| one.type_ == "PodScheduled" && one.status == "False");
    match unscheduled {
        Some(one) => (
            one.reason.unwrap_or_default(),
            one.message.unwrap_or_default(),
        ),
        None => ("not ready".to_owned(), status.message.unwrap_or_default()),
    }
}

fn fix(reason: &str, namespace: &str, pod: &str) -> String {
    match reason {
        "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName" => {
            "make the image reachable from the node: its name in the operator's flags, the pull secret, or import it".to_owned()
        }
        "CrashLoopBackOff" | "Error" | "OOMKilled" => {
            format!("kubectl -n {namespace} logs {pod} --previous")
        }
        "Unschedulable" => "make room on the node, or lower spec.agent.resources".to_owned(),
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            format!("kubectl -n {namespace} describe pod {pod}; where the node's policy forbids it, spec.agent.securityMode: Privileged")
        }
        _ => format!("kubectl -n {namespace} describe pod {pod}"),
    }
}
