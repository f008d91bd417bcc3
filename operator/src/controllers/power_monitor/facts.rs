//! What is known of each node's power, as the agents tell it.
//!
//! The controller counts nodes by source of power from this; it never asks an
//! agent itself.

use std::sync::Arc;

use tanso_power::{Provenance, Watts};

/// What an agent said last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeFact {
    /// Where its energy figures come from; `None` while it has no source.
    pub provenance: Option<Provenance>,
    /// Mean power over its last closed minute.
    pub power: Option<Watts>,
    /// Why there is no source.
    pub reason: Option<String>,
}

/// Knows the nodes' facts.
pub trait NodeFacts: Send + Sync {
    /// What the agent of that node said last; `None` when it never spoke.
    fn of(&self, node: &str) -> Option<NodeFact>;
}

/// The facts, shared.
pub type SharedFacts = Arc<dyn NodeFacts>;
