//! What is known of each node's power, as the agents tell it.
//!
//! The controller counts nodes by source of power from this; it never asks an
//! agent itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use tanso_agent_wire::counters::CountersSaid;
use tanso_agent_wire::meters::MeterSaid;
use tanso_power::{Provenance, Watts};

use crate::collect::CpuTimeSource;

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
}

/// The nodes whose agents spoke, by name.
pub type Facts = BTreeMap<String, NodeFact>;

/// Knows the nodes' facts.
pub trait NodeFacts: Send + Sync {
    /// What each node's agent said last; a node whose agent never closed a
    /// minute is not among them.
    fn facts(&self) -> Facts;
}

/// The facts, shared.
pub type SharedFacts = Arc<dyn NodeFacts>;

impl NodeFacts for crate::collect::NodeBoard {
    fn facts(&self) -> Facts {
        let closed_a_minute = self
            .all()
            .into_iter()
            .filter(|(_, node)| node.closed_until > 0);
        closed_a_minute
            .map(|(name, node)| {
                let reason = node.provenance.is_none().then(|| sourceless(&node.meters));
                let fact = NodeFact {
                    provenance: node.provenance,
                    power: node.power,
                    reason,
                    cpu_time: node.cpu_time,
                    counters: node.counters,
                    meters: node.meters,
                };
                (name, fact)
            })
            .collect()
    }
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
}
