//! Pods that do not run, and nodes without an agent.

mod spec;
mod taints;

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Event, Node, Pod};

use super::super::Finding;
use super::super::facts::{Facts, OPERATOR};
use super::unreadable;

/// What is said of a pod whose status gives no reason.
const NOT_READY: &str = "not ready";

/// The agents, node by node.
pub(super) fn agents(facts: &Facts) -> Vec<Finding> {
    let agents = match &facts.agents {
        Err(error) => return vec![unreadable(error)],
        Ok(agents) => agents,
    };
    let warnings = facts.warnings.as_deref().unwrap_or_default();
    let mut findings = troubles(agents, warnings, |_| true);
    findings.extend(agents.iter().flat_map(spec::lacking));
    let ready = agents.iter().filter(|pod| is_ready(pod)).count();
    match &facts.nodes {
        Err(error) => findings.push(unreadable(error)),
        Ok(nodes) => findings.extend(uncovered(nodes, agents, facts)),
    }
    if findings.is_empty() && ready > 0 {
        let word = if ready == 1 { "agent" } else { "agents" };
        findings.push(Finding::ok(format!(
            "{ready} {word} ready, every Linux node has one"
        )));
    }
    findings
}

/// Linux nodes on which no agent was placed: those with a taint that nothing
/// tolerates by name, the others together.
fn uncovered(nodes: &[Node], agents: &[Pod], facts: &Facts) -> Vec<Finding> {
    let placed: BTreeSet<&str> = agents
        .iter()
        .filter_map(|pod| pod.spec.as_ref()?.node_name.as_deref())
        .collect();
    let monitors = facts.monitors.as_deref().unwrap_or_default();
    let is_placed = |node: &&Node| {
        let name = node.metadata.name.as_deref();
        name.is_some_and(|name| placed.contains(name))
    };
    let bare = nodes
        .iter()
        .filter(|node| is_linux(node) && !is_placed(node));
    let (mut findings, mut without) = (Vec::new(), Vec::new());
    for node in bare {
        match taints::repelled(node, monitors) {
            Some(finding) => findings.push(finding),
            None => without.extend(node.metadata.name.as_deref()),
        }
    }
    let (shown, more) = without.split_at(without.len().min(10));
    let more = if more.is_empty() {
        String::new()
    } else {
        format!(" and {} more", more.len())
    };
    if !without.is_empty() {
        findings.push(Finding::warn(
            format!(
                "no agent on {} of {} nodes: {}{more}",
                without.len(),
                nodes.len(),
                shown.join(", ")
            ),
            "see spec.agent.nodeSelector and spec.agent.tolerations of the PowerMonitor",
        ));
    }
    findings
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
pub(super) fn troubles(
    pods: &[Pod],
    warnings: &[Event],
    chosen: impl Fn(&str) -> bool,
) -> Vec<Finding> {
    pods.iter()
        .filter(|pod| chosen(pod.metadata.name.as_deref().unwrap_or_default()))
        .filter(|pod| !is_ready(pod) && pod.metadata.deletion_timestamp.is_none())
        .map(|pod| trouble(pod, warnings))
        .collect()
}

fn trouble(pod: &Pod, warnings: &[Event]) -> Finding {
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
    let (mut reason, mut message) = cause(pod);
    if let Some(event) = newest(pod, warnings).filter(|_| reason == NOT_READY) {
        reason = event.reason.clone().unwrap_or(reason);
        message = event.message.clone().unwrap_or(message);
    }
    let message = if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    };
    let text = format!("pod {name} {place} is {phase}, {reason}{message}");
    let fix = if reason == "Unschedulable" {
        place_fix(pod, &message)
    } else {
        fix(&reason, &message, namespace, name)
    };
    Finding::fail(text, fix)
}

/// The newest warning about a pod.
fn newest<'a>(pod: &Pod, warnings: &'a [Event]) -> Option<&'a Event> {
    let uid = pod.metadata.uid.as_deref();
    let name = pod.metadata.name.as_deref();
    let about = warnings.iter().filter(|event| {
        let object = &event.involved_object;
        object.name.as_deref() == name && (uid.is_none() || object.uid.as_deref() == uid)
    });
    about.max_by_key(|event| {
        let last = event.last_timestamp.as_ref().map(|time| time.0);
        last.or_else(|| event.event_time.as_ref().map(|time| time.0))
    })
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
        None => (NOT_READY.to_owned(), status.message.unwrap_or_default()),
    }
}

fn fix(reason: &str, message: &str, namespace: &str, pod: &str) -> String {
    match reason {
        "Unhealthy" if is_no_answer(message) => {
            "its port is blocked or nothing listens on it: let the kubelet reach the pod's port (host firewall, NetworkPolicy, security group), or set spec.agent.port".to_owned()
        }
        "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName" => {
            "make the image reachable from the node: its name in the operator's flags, the pull secret, or import it".to_owned()
        }
        "CrashLoopBackOff" | "Error" | "OOMKilled" => {
            format!("kubectl -n {namespace} logs {pod} --previous")
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            format!("kubectl -n {namespace} describe pod {pod}; where the node's policy forbids it, spec.agent.securityMode: Privileged")
        }
        _ => format!("kubectl -n {namespace} describe pod {pod}"),
    }
}

/// What lets a pod run that no node takes, by the scheduler's words.
fn place_fix(pod: &Pod, message: &str) -> String {
    let labels = pod.metadata.labels.as_ref();
    let component = labels.and_then(|labels| labels.get("app.kubernetes.io/name"));
    let (part, whose) = match component.map(String::as_str) {
        Some("tanso-model-server" | "tanso-model-reader") => ("spec.modelServer", "PowerMonitor"),
        Some(OPERATOR) => ("operator", "chart"),
        _ => ("spec.agent", "PowerMonitor"),
    };
    let room = format!("make room on a node, or lower {part}.resources of the {whose}");
    let bear = format!("add a node's taint to {part}.tolerations of the {whose}");
    // Most clusters have a tainted node, and an agent's pod is for one node only: both
    // are in messages that are about something else.
    match ["Insufficient", "taint", "affinity/selector"].map(|sign| message.contains(sign)) {
        [true, true, _] => format!("{room}; or {bear}"),
        [false, true, _] => bear,
        [false, false, true] => format!("see {part}.nodeSelector of the {whose}"),
        _ => room,
    }
}

/// Whether a probe failed because nobody answered.
fn is_no_answer(message: &str) -> bool {
    let signs = [
        "deadline exceeded",
        "timeout",
        "connection refused",
        "no route",
        "unreachable",
    ];
    let message = message.to_lowercase();
    signs.iter().any(|sign| message.contains(sign))
}
