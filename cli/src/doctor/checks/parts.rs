//! The operator, the `PowerMonitors` and what they rolled out.

use k8s_openapi::api::apps::v1::Deployment;
use tanso_crds::PowerMonitor;
use tanso_crds::condition::types;

use super::super::Finding;
use super::super::facts::{Facts, OPERATOR};
use super::{condition, none_left_out, pods, told, unreadable};

pub(super) fn operator(facts: &Facts) -> Vec<Finding> {
    let namespace = &facts.namespace;
    let deployment = match &facts.operator {
        Err(error) => return vec![unreadable(error)],
        Ok(None) => {
            return vec![Finding::fail(
                format!(
                    "no operator: deployment \"{OPERATOR}\" is not in namespace \"{namespace}\""
                ),
                "kubectl apply -k config/default; if it is elsewhere, give --operator-namespace",
            )];
        }
        Ok(Some(deployment)) => deployment,
    };
    let (ready, wanted) = replicas(deployment);
    if ready > 0 {
        return vec![Finding::ok(format!("operator ready, {ready} of {wanted}"))];
    }
    let mut findings = vec![Finding::fail(
        format!("operator not ready, {ready} of {wanted}"),
        format!("kubectl -n {namespace} describe deployment {OPERATOR}"),
    )];
    if let Ok(all) = &facts.pods {
        findings.extend(pods::troubles(
            all,
            facts.warnings.as_deref().unwrap_or_default(),
            |name| name.starts_with(OPERATOR),
        ));
    }
    findings
}

fn replicas(deployment: &Deployment) -> (i32, i32) {
    let ready = deployment
        .status
        .as_ref()
        .and_then(|status| status.ready_replicas)
        .unwrap_or(0);
    let wanted = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    (ready, wanted)
}

pub(super) fn monitors(facts: &Facts) -> Vec<Finding> {
    let monitors = match &facts.monitors {
        Err(error) => return vec![unreadable(error)],
        Ok(monitors) => monitors,
    };
    if monitors.is_empty() {
        if !none_left_out(facts, &["PowerMonitor"]) {
            return Vec::new();
        }
        return vec![Finding::fail(
            "no PowerMonitor: nothing is measured",
            "apply one; config/samples has it",
        )];
    }
    monitors
        .iter()
        .flat_map(|monitor| one_monitor(facts, monitor))
        .collect()
}

fn one_monitor(facts: &Facts, monitor: &PowerMonitor) -> Vec<Finding> {
    let name = monitor.metadata.name.as_deref().unwrap_or_default();
    let status = monitor.status.clone().unwrap_or_default();
    let mut findings = vec![readiness(name, monitor)];
    findings.extend(model_server(
        facts,
        name,
        monitor.spec.model_server.replicas,
    ));
    let nodes = &status.nodes;
    if nodes.none > 0 {
        let because = if nodes.none_because.is_empty() {
            String::new()
        } else {
            format!("\n{}", nodes.none_because.join("\n"))
        };
        findings.push(Finding::fail(
            format!("{} of {} nodes have no source of power{because}", nodes.none, nodes.desired),
            "let the model server run (spec.modelServer.replicas) and Model be in spec.agent.sources",
        ));
    }
    if nodes.stale > 0 {
        let because = nodes
            .stale_because
            .iter()
            .fold(String::new(), |all, one| all + "\n" + one);
        findings.push(Finding::warn(
            format!("agents of {} nodes cannot be read{because}", nodes.stale),
            "see whether those nodes are up, and what their agents' logs say",
        ));
    }
    if nodes.modelled > 0 {
        let (because, mend) = told::unmetered(facts);
        findings.push(Finding::warn(
            format!(
                "{} of {} nodes have no meter: their power is modelled{because}",
                nodes.modelled, nodes.desired
            ),
            mend,
        ));
    }
    if nodes.simulated > 0 {
        findings.push(Finding::warn(
            format!(
                "power of {} nodes is simulated: it is never judged",
                nodes.simulated
            ),
            "take Fake out of spec.agent.sources",
        ));
    }
    findings
}

fn readiness(name: &str, monitor: &PowerMonitor) -> Finding {
    let status = monitor.status.clone().unwrap_or_default();
    let conditions = &status.conditions;
    if let Some(stalled) = condition(conditions, types::STALLED).filter(|one| one.status == "True")
    {
        return Finding::fail(
            format!(
                "PowerMonitor {name} is stalled: {}: {}",
                stalled.reason, stalled.message
            ),
            "change what the message names",
        );
    }
    if monitor.spec.suspend {
        return Finding::warn(
            format!("PowerMonitor {name} is suspended"),
            "set spec.suspend to false",
        );
    }
    match condition(conditions, types::READY) {
        None => Finding::fail(
            format!("PowerMonitor {name} was never visited"),
            "look at the operator: the check above, or its log",
        ),
        Some(ready) if ready.status == "True" => {
            let agents = status.summary.map_or_else(
                || format!("{}/{}", status.nodes.ready, status.nodes.desired),
                |summary| summary.agents,
            );
            Finding::ok(format!("PowerMonitor {name} ready, agents {agents}"))
        }
        Some(ready) => Finding::fail(
            format!(
                "PowerMonitor {name} is not ready: {}: {}",
                ready.reason, ready.message
            ),
            "see the agents below",
        ),
    }
}

fn model_server(facts: &Facts, monitor: &str, wanted: i32) -> Vec<Finding> {
    let name = format!("{monitor}-model-server");
    let Ok(deployments) = &facts.deployments else {
        return Vec::new();
    };
    if wanted == 0 {
        return Vec::new();
    }
    let namespace = &facts.namespace;
    let found = deployments
        .iter()
        .find(|one| one.metadata.name.as_ref() == Some(&name));
    match found.map(replicas) {
        Some((ready, wanted)) if ready > 0 => {
            vec![Finding::ok(format!(
                "model server ready, {ready} of {wanted}"
            ))]
        }
        Some((ready, wanted)) => {
            let mut findings = vec![Finding::warn(
                format!(
                    "model server not ready, {ready} of {wanted}: a node without a meter and without a cached model has no source of power"
                ),
                model_server_fix(namespace, &name, wanted),
            )];
            if let Ok(all) = &facts.pods {
                findings.extend(pods::troubles(
                    all,
                    facts.warnings.as_deref().unwrap_or_default(),
                    |pod| pod.starts_with(&name),
                ));
            }
            findings
        }
        None => vec![Finding::warn(
            format!("model server \"{name}\" is not in namespace \"{namespace}\""),
            "look at the operator's log, or give --operator-namespace",
        )],
    }
}

/// What brings a model server back.
fn model_server_fix(namespace: &str, name: &str, wanted: i32) -> String {
    if wanted == 0 {
        return format!("kubectl -n {namespace} scale deployment {name} --replicas=1");
    }
    format!(
        "kubectl -n {namespace} describe deployment {name}; kubectl -n {namespace} logs deployment/{name}"
    )
}
