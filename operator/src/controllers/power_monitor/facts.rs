//! What is known of each node's power, as the agents tell it.
//!
//! The controller counts nodes by source of power from this; it never asks an
//! agent itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tanso_agent_wire::counters::CountersSaid;
use tanso_agent_wire::meters::MeterSaid;
use tanso_faces::answer::figures::short;
use tanso_power::{Provenance, Watts};

use crate::collect::{CpuTimeSource, NodeBoard, NodeFacts as Collected};

/// How long an agent may fail before what it said counts as old, seconds: a
/// rollout replaces it in less.
const SILENT_S: i64 = 180;

/// How old the last minute of an agent that answers may be, seconds.
const LATE_S: i64 = 600;

/// Most letters that are told of an error.
const ERROR_MAX: usize = 300;

/// What an agent said last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeFact {
    /// Where its energy figures come from; `None` while it has no source.
    pub provenance: Option<Provenance>,
    /// Mean power over its last closed minute.
    pub power: Option<Watts>,
    /// Why there is no source.
    pub reason: Option<String>,
    /// Where its CPU time comes from, as far as it says.
    pub cpu_time: Option<CpuTimeSource>,
    /// How many kinds of hardware counters are read, where they are asked for.
    pub counters: Option<CountersSaid>,
    /// Its meters and the states that they are in.
    pub meters: Vec<MeterSaid>,
    /// Why all this is old, if it is: then it says nothing of now.
    pub stale: Option<String>,
    /// Why the agent's last answer was refused, if it was.
    pub quarantined: Option<String>,
}

/// The nodes whose agents spoke, by name.
pub type Facts = BTreeMap<String, NodeFact>;

/// Knows the nodes' facts.
pub trait NodeFacts: Send + Sync {
    /// What each node's agent said last, as it is at a time; a node whose agent
    /// never closed a minute is among them only if it has failed for long.
    fn facts(&self, now: Timestamp) -> Facts;
}

/// The facts, shared.
pub type SharedFacts = Arc<dyn NodeFacts>;

impl NodeFacts for NodeBoard {
    fn facts(&self, now: Timestamp) -> Facts {
        let known = self.all().into_iter().filter_map(|(name, node)| {
            let fact = fact(&node, now);
            let is_told =
                node.closed_until > 0 || fact.stale.is_some() || fact.quarantined.is_some();
            is_told.then_some((name, fact))
        });
        known.collect()
    }
}

fn fact(node: &Collected, now: Timestamp) -> NodeFact {
    let reason = node.provenance.is_none().then(|| sourceless(&node.meters));
    let error = || short(node.error.as_deref().unwrap_or_default(), ERROR_MAX);
    NodeFact {
        provenance: node.provenance,
        power: node.power,
        reason,
        cpu_time: node.cpu_time,
        counters: node.counters,
        meters: node.meters.clone(),
        stale: stale(node, now),
        quarantined: node.is_quarantined.then(error),
    }
}

/// Why what is known of a node is old, in words that stay while it is.
fn stale(node: &Collected, now: Timestamp) -> Option<String> {
    let age = |since: i64| now.as_second().saturating_sub(since);
    let whole = |second: i64| Timestamp::from_second(second).unwrap_or(now);
    if let Some(since) = node.failing_since.map(Timestamp::as_second)
        && age(since) > SILENT_S
    {
        let error = short(node.error.as_deref().unwrap_or_default(), ERROR_MAX);
        return Some(match node.last_success {
            Some(last) => format!("not read since {}: {error}", whole(last.as_second())),
            None => format!("never read by this operator: {error}"),
        });
    }
    (node.closed_until > 0 && age(node.closed_until) > LATE_S)
        .then(|| format!("its last minute ended {}", whole(node.closed_until)))
}

/// Why a node has no source: how its meters stand, which is short; what each
/// looked for and missed is in the agent's log.
fn sourceless(meters: &[MeterSaid]) -> String {
    let mut words: Vec<String> = Vec::new();
    for state in ["failed", "absent", "disabled"] {
        let names = meters.iter().filter(|meter| meter.state == state);
        let names: Vec<&str> = names.map(|meter| meter.name.as_str()).collect();
        if !names.is_empty() {
            words.push(format!("{} {state}", names.join(", ")));
        }
    }
    let how = if words.is_empty() {
        String::new()
    } else {
        format!(" ({})", words.join("; "))
    };
    format!("the agent found no source of power{how}; its log says why")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_without_a_source_tells_how_its_meters_stand() {
        let meters = tanso_agent_wire::meters::read("rapl=absent,redfish=failed,nvml=absent");
        assert_eq!(
            sourceless(&meters),
            "the agent found no source of power (redfish failed; rapl, nvml absent); its log says why"
        );
        assert_eq!(
            sourceless(&[]),
            "the agent found no source of power; its log says why"
        );
    }

    /// A node that was silent for days counted as measured, with the power of
    /// its last minute.
    #[test]
    fn what_a_silent_agent_said_last_is_old_and_a_single_failure_is_none() {
        let at = |second: i64| Timestamp::from_second(1_790_000_000 + second).unwrap();
        let heard = Collected {
            closed_until: at(-20).as_second(),
            last_success: Some(at(0)),
            ..Collected::default()
        };
        assert_eq!(fact(&heard, at(10)).stale, None);
        let failing = Collected {
            error: Some("no complete answer within 5 s".to_owned()),
            failing_since: Some(at(10)),
            ..heard.clone()
        };
        assert_eq!(fact(&failing, at(100)).stale, None);
        assert_eq!(
            fact(&failing, at(400)).stale.as_deref(),
            Some("not read since 2026-09-21T14:13:20Z: no complete answer within 5 s")
        );
        // It answers, and closes no minute.
        assert_eq!(
            fact(&heard, at(700)).stale.as_deref(),
            Some("its last minute ended 2026-09-21T14:13:00Z")
        );
        let refused = Collected {
            is_quarantined: true,
            ..failing
        };
        let refused = fact(&refused, at(11));
        assert_eq!(refused.stale, None);
        assert!(refused.quarantined.unwrap().contains("no complete answer"));
    }
}
