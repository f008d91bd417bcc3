//! Conditions that are there only where there is something to be said; pure.

use tanso_crds::PowerMonitorStatus;
use tanso_crds::condition::{reasons, types};

use super::{Findings, put, say};

/// Said while there is a conflict, and not at all without one.
pub(super) fn conflicted(findings: &Findings<'_>, status: &mut PowerMonitorStatus) {
    let type_ = types::CONFLICTED;
    match findings.conflict {
        Some(conflict) => {
            let content = say("True", reasons::CONFLICTED, conflict.to_string());
            put(status, type_, &content, findings.generation, findings.now);
        }
        None => status.conditions.retain(|c| c.type_ != type_),
    }
}

/// Said where they are wished, and nowhere else.
pub(super) fn service_monitors(findings: &Findings<'_>, status: &mut PowerMonitorStatus) {
    let content = match findings.service_monitors {
        Some(true) => say("True", reasons::SUCCEEDED, ""),
        Some(false) => say(
            "False",
            reasons::NOT_FOUND,
            "kind ServiceMonitor of monitoring.coreos.com/v1 is not installed; they are made as soon as it is",
        ),
        None => {
            let type_ = types::SERVICE_MONITORS_READY;
            status.conditions.retain(|c| c.type_ != type_);
            return;
        }
    };
    let type_ = types::SERVICE_MONITORS_READY;
    put(status, type_, &content, findings.generation, findings.now);
}

/// Said once any agent was read: whose figures are old, and whose are refused.
pub(super) fn data_fresh(findings: &Findings<'_>, status: &mut PowerMonitorStatus) {
    let type_ = types::DATA_FRESH;
    let facts = || {
        let chosen = findings.chosen.iter();
        chosen.filter_map(move |node| Some((node, findings.facts.get(node)?)))
    };
    if facts().next().is_none() {
        status.conditions.retain(|c| c.type_ != type_);
        return;
    }
    let refused: Vec<_> = facts()
        .filter_map(|(node, fact)| Some((node, fact.quarantined.as_ref()?)))
        .collect();
    let stale: Vec<_> = facts()
        .filter_map(|(node, fact)| Some((node, fact.stale.as_ref()?)))
        .collect();
    let content = match (refused.first(), stale.first()) {
        (Some((node, why)), _) => {
            let message = format!(
                "answers of {} are refused, first node \"{node}\": {why}",
                nodes(refused.len())
            );
            say("False", reasons::QUARANTINED, message)
        }
        (None, Some((node, why))) => {
            let message = format!(
                "agents of {} cannot be read, first node \"{node}\": {why}",
                nodes(stale.len())
            );
            say("False", reasons::STALE, message)
        }
        (None, None) => say("True", reasons::SUCCEEDED, ""),
    };
    put(status, type_, &content, findings.generation, findings.now);
}

fn nodes(count: usize) -> String {
    match count {
        1 => "1 node".to_owned(),
        count => format!("{count} nodes"),
    }
}
