//! From findings to a status; pure.

mod parts;
mod sources;

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use tanso_agent_wire::counters::CountersSaid;
use tanso_crds::PowerMonitorStatus;
use tanso_crds::condition::{reasons, types};
use tanso_crds::power_monitor::{NodeCounts, PowerMonitorSummary};
use tanso_power::{Provenance, Watts};

use super::super::apply::Rollout;
use super::super::facts::Facts;
use super::super::overlap::Conflict;
use super::super::validate::Faults;
use crate::cluster::Conditions;
use crate::cluster::fault::Class;
use crate::collect::CpuTimeSource;

/// Most nodes listed with the reason why they have no source of power.
const REASONS_LISTED: usize = 10;

/// Most nodes named that take no agent.
const NAMES_LISTED: usize = 5;

/// How a visit ended.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// All is applied.
    RolledOut(&'a Rollout),
    /// `spec.suspend` is set; this runs.
    Suspended(&'a Rollout),
    /// The spec asks for what cannot be.
    Invalid(&'a Faults),
    /// A step failed.
    Failed {
        /// What can be done about it.
        class: Class,
        /// Reason of the conditions.
        reason: &'a str,
        /// What failed, where, what to do.
        message: &'a str,
    },
}

/// What a visit found out besides its outcome.
#[derive(Clone, Copy)]
pub struct Findings<'a> {
    /// Generation of the spec that was visited.
    pub generation: Option<i64>,
    /// The status before.
    pub before: Option<&'a PowerMonitorStatus>,
    /// Names of the chosen nodes, without those that older monitors measure.
    pub chosen: &'a [String],
    /// The older monitors' nodes among the chosen.
    pub conflict: Option<&'a Conflict>,
    /// What keeps a pod from being ready.
    pub trouble: Option<&'a str>,
    /// The nodes that have an agent's pod, where that was looked at.
    pub agents_on: Option<&'a BTreeSet<String>>,
    /// What the agents said.
    pub facts: &'a Facts,
    /// Whether a model server is wished.
    pub wants_model_server: bool,
    /// Whether `ServiceMonitor`s are wished, and whether their kind is
    /// installed.
    pub service_monitors: Option<bool>,
    /// The time of the visit.
    pub now: Timestamp,
}

/// One condition's content.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Say {
    status: &'static str,
    reason: String,
    message: String,
}

fn say(status: &'static str, reason: &str, message: impl Into<String>) -> Say {
    Say {
        status,
        reason: reason.to_owned(),
        message: message.into(),
    }
}

/// The status of the very first visit, before anything is known.
#[must_use]
pub fn first_visit(generation: Option<i64>, now: Timestamp) -> PowerMonitorStatus {
    let mut status = PowerMonitorStatus {
        observed_generation: generation,
        ..PowerMonitorStatus::default()
    };
    for (type_, content) in [
        (
            types::READY,
            say("Unknown", reasons::PROGRESSING, "first visit"),
        ),
        (
            types::RECONCILING,
            say("True", reasons::PROGRESSING, "first visit"),
        ),
        (types::STALLED, say("False", reasons::PROGRESSING, "")),
    ] {
        put(&mut status, type_, &content, generation, now);
    }
    status
}

/// The status after a visit.
#[must_use]
pub fn compute(findings: &Findings<'_>, outcome: Outcome<'_>) -> PowerMonitorStatus {
    let mut status = findings.before.cloned().unwrap_or_default();
    status.observed_generation = findings.generation;
    match outcome {
        Outcome::RolledOut(rollout) => running(findings, rollout, false, &mut status),
        Outcome::Suspended(rollout) => running(findings, rollout, true, &mut status),
        Outcome::Invalid(faults) => {
            stalled(
                findings,
                reasons::INVALID_SPEC,
                &faults.to_string(),
                &mut status,
            );
        }
        Outcome::Failed {
            class: Class::Terminal,
            reason,
            message,
        } => {
            stalled(findings, reason, message, &mut status);
        }
        Outcome::Failed {
            reason, message, ..
        } => failed(findings, reason, message, &mut status),
    }
    status
}

fn running(
    findings: &Findings<'_>,
    rollout: &Rollout,
    suspended: bool,
    status: &mut PowerMonitorStatus,
) {
    let agents = agents(findings, rollout.agent_set.as_ref());
    let model = model_server(findings, rollout.model_deployment.as_ref());
    status.nodes = counts(findings, rollout.agent_set.as_ref());
    status.summary = Some(summary(findings, &status.nodes));
    let model_is_missing = model.status != "True" && findings.wants_model_server;
    let mut ready = if agents.status == "True" && model_is_missing {
        model.clone()
    } else {
        agents.clone()
    };
    let no_nodes = [reasons::NO_MATCHING_NODES, reasons::CONFLICTED].contains(&&*ready.reason);
    if let Some(conflict) = findings.conflict.filter(|_| !no_nodes) {
        ready.message = format!("{}; {conflict}", ready.message);
    }
    if suspended {
        reasons::SUSPENDED.clone_into(&mut ready.reason);
        ready.message = format!("suspended, changes of the spec wait; {}", ready.message);
    }
    let reconciling = if suspended {
        say("False", reasons::SUSPENDED, "spec.suspend is set")
    } else if ready.status != "True" && !no_nodes {
        say("True", &ready.reason, ready.message.clone())
    } else {
        say("False", reasons::SUCCEEDED, "")
    };
    let stalled = if no_nodes && !suspended {
        say("True", &ready.reason, ready.message.clone())
    } else {
        say("False", reasons::SUCCEEDED, "")
    };
    for (type_, content) in [
        (types::READY, &ready),
        (types::RECONCILING, &reconciling),
        (types::STALLED, &stalled),
        (types::AGENTS_READY, &agents),
        (types::MODEL_SERVER_READY, &model),
    ] {
        put(status, type_, content, findings.generation, findings.now);
    }
    parts::service_monitors(findings, status);
    parts::conflicted(findings, status);
    parts::data_fresh(findings, status);
}

fn stalled(findings: &Findings<'_>, reason: &str, message: &str, status: &mut PowerMonitorStatus) {
    for (type_, state) in [
        (types::READY, "False"),
        (types::RECONCILING, "False"),
        (types::STALLED, "True"),
    ] {
        put(
            status,
            type_,
            &say(state, reason, message),
            findings.generation,
            findings.now,
        );
    }
}

/// A failure that may pass: what was ready is still thought to be, since
/// nothing else is known.
fn failed(findings: &Findings<'_>, reason: &str, message: &str, status: &mut PowerMonitorStatus) {
    let was_ready = status.conditions.iter().any(|c| {
        c.type_ == types::READY
            && c.status == "True"
            && c.observed_generation == findings.generation
    });
    let ready = if was_ready { "True" } else { "False" };
    for (type_, state) in [
        (types::READY, ready),
        (types::RECONCILING, "True"),
        (types::STALLED, "False"),
    ] {
        put(
            status,
            type_,
            &say(state, reason, message),
            findings.generation,
            findings.now,
        );
    }
}

fn put(
    status: &mut PowerMonitorStatus,
    type_: &str,
    content: &Say,
    generation: Option<i64>,
    now: Timestamp,
) {
    let (reason, message) = (&content.reason, &content.message);
    Conditions::new(&mut status.conditions, generation, now).set(
        type_,
        content.status,
        reason,
        message,
    );
}

fn agents(findings: &Findings<'_>, set: Option<&DaemonSet>) -> Say {
    if let Some(conflict) = findings.conflict.filter(|_| findings.chosen.is_empty()) {
        return say("False", reasons::CONFLICTED, conflict.to_string());
    }
    if findings.chosen.is_empty() {
        return say(
            "False",
            reasons::NO_MATCHING_NODES,
            "no node has the labels of spec.agent.nodeSelector; agents start as soon as one has",
        );
    }
    let Some(set) = set else {
        return say(
            "False",
            reasons::PROGRESSING,
            "there is no agent DaemonSet yet",
        );
    };
    let Some(status) = set
        .status
        .as_ref()
        .filter(|status| status.observed_generation >= set.metadata.generation)
    else {
        return say(
            "False",
            reasons::ROLLOUT_IN_PROGRESS,
            "the DaemonSet is not processed yet",
        );
    };
    let desired = status.desired_number_scheduled;
    let updated = status.updated_number_scheduled.unwrap_or(0);
    let ready = status.number_ready;
    if desired == 0 {
        let message = format!(
            "none of the {} chosen nodes takes an agent; extend spec.agent.tolerations to their taints",
            findings.chosen.len()
        );
        return say("False", reasons::NO_MATCHING_NODES, message);
    }
    if updated < desired || ready < desired {
        let mut message = format!("{ready}/{desired} agents ready, {updated}/{desired} up to date");
        if let Some(trouble) = findings.trouble {
            message.push_str("; ");
            message.push_str(trouble);
        }
        return say("False", reasons::ROLLOUT_IN_PROGRESS, message);
    }
    let message = format!("{ready}/{desired} agents ready");
    match left_out(findings, desired) {
        Some(left_out) => {
            let message = format!("{message}; {left_out}");
            say("False", reasons::NODES_LEFT_OUT, message)
        }
        None => say("True", reasons::SUCCEEDED, message),
    }
}

/// The chosen nodes that take no agent, in words; `None` if all take one.
fn left_out(findings: &Findings<'_>, desired: i32) -> Option<String> {
    let chosen = findings.chosen;
    let count = chosen.len().saturating_sub(usize::try_from(desired).ok()?);
    if count == 0 {
        return None;
    }
    let names: Vec<String> = findings
        .agents_on
        .into_iter()
        .flat_map(|on| chosen.iter().filter(move |node| !on.contains(*node)))
        .take(NAMES_LISTED)
        .map(|node| format!("\"{node}\""))
        .collect();
    let names = match names.as_slice() {
        [] => String::new(),
        names if names.len() < count => format!(", among them {}", names.join(", ")),
        names => format!(": {}", names.join(", ")),
    };
    Some(format!(
        "{count} of the {} chosen nodes take no agent{names}; extend spec.agent.tolerations to their taints",
        chosen.len()
    ))
}

fn model_server(findings: &Findings<'_>, deployment: Option<&Deployment>) -> Say {
    if !findings.wants_model_server {
        return say(
            "False",
            reasons::SWITCHED_OFF,
            "switched off by spec.modelServer.replicas 0",
        );
    }
    let Some(deployment) = deployment else {
        return say(
            "False",
            reasons::PROGRESSING,
            "there is no model server Deployment yet",
        );
    };
    let desired = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    let Some(status) = deployment
        .status
        .as_ref()
        .filter(|status| status.observed_generation >= deployment.metadata.generation)
    else {
        return say(
            "False",
            reasons::ROLLOUT_IN_PROGRESS,
            "the Deployment is not processed yet",
        );
    };
    let updated = status.updated_replicas.unwrap_or(0);
    let available = status.available_replicas.unwrap_or(0);
    let message = format!("{available}/{desired} model servers available");
    if available < desired || updated < desired {
        let message = match findings.trouble {
            Some(trouble) => format!("{message}; {trouble}"),
            None => message,
        };
        return say("False", reasons::ROLLOUT_IN_PROGRESS, message);
    }
    say("True", reasons::SUCCEEDED, message)
}

fn counts(findings: &Findings<'_>, set: Option<&DaemonSet>) -> NodeCounts {
    let status = set.and_then(|set| set.status.as_ref());
    let mut counts = NodeCounts {
        desired: status.map_or(0, |status| status.desired_number_scheduled),
        ready: status.map_or(0, |status| status.number_ready),
        ..NodeCounts::default()
    };
    let told = findings.chosen.iter();
    let told = told.filter_map(|node| findings.facts.get(node));
    counts.sources = sources::count(told.map(|fact| fact.meters.as_slice()));
    for node in findings.chosen {
        let Some(fact) = findings.facts.get(node) else {
            continue;
        };
        // What was so days ago is not so now.
        if let Some(stale) = &fact.stale {
            counts.stale += 1;
            if counts.stale_because.len() < REASONS_LISTED {
                counts.stale_because.push(format!("{node}: {stale}"));
            }
            continue;
        }
        match fact.cpu_time {
            Some(CpuTimeSource::Ebpf) => counts.cpu_time.ebpf += 1,
            Some(CpuTimeSource::CgroupFiles) => counts.cpu_time.cgroup_files += 1,
            Some(CpuTimeSource::Proc) => counts.cpu_time.proc += 1,
            None => {}
        }
        match fact.counters {
            Some(CountersSaid::All) => counts.hardware_counters.all += 1,
            Some(CountersSaid::Partly) => counts.hardware_counters.partly += 1,
            Some(CountersSaid::Nothing) => counts.hardware_counters.none += 1,
            None => {}
        }
        match fact.provenance {
            Some(Provenance::Measured) => counts.measured += 1,
            Some(Provenance::Modelled) => counts.modelled += 1,
            Some(Provenance::Simulated) => counts.simulated += 1,
            None => {
                counts.none += 1;
                if counts.none_because.len() < REASONS_LISTED {
                    let reason = fact.reason.as_deref().unwrap_or("the agent gave no reason");
                    counts.none_because.push(format!("{node}: {reason}"));
                }
            }
        }
    }
    counts
}

fn summary(findings: &Findings<'_>, nodes: &NodeCounts) -> PowerMonitorSummary {
    let powers = findings
        .chosen
        .iter()
        .filter_map(|node| findings.facts.get(node))
        .filter(|fact| fact.stale.is_none())
        .filter_map(|fact| fact.power);
    let power = powers.fold(None, |sum: Option<Watts>, power| {
        Some(sum.map_or(power, |sum| sum + power))
    });
    PowerMonitorSummary {
        agents: format!("{}/{}", nodes.ready, nodes.desired),
        power: power.map(in_words).unwrap_or_default(),
    }
}

/// Three digits and a unit, `1.84kW`.
fn in_words(power: Watts) -> String {
    let watts = power.as_watts_f64();
    let (value, unit) = if watts >= 999.5e3 {
        (watts / 1e6, "MW")
    } else if watts >= 999.5 {
        (watts / 1e3, "kW")
    } else {
        (watts, "W")
    };
    if value >= 99.95 {
        format!("{value:.0}{unit}")
    } else if value >= 9.995 {
        format!("{value:.1}{unit}")
    } else {
        format!("{value:.2}{unit}")
    }
}

#[cfg(test)]
mod tests;
