//! What is known of each node's power, as the agents tell it.
//!
//! The controller counts nodes by source of power from this; it never asks an
//! agent itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use tanso_agent_wire::counters::CountersSaid;
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
                let reason = node
                    .provenance
                    .is_none()
                    .then(|| "the agent found no source of power; its log says why".to_owned());
                let fact = NodeFact {
                    provenance: node.provenance,
                    power: node.power,
                    reason,
                    cpu_time: node.cpu_time,
                    counters: node.counters,
                };
                (name, fact)
            })
            .collect()
    }
}
