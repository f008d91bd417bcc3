//! What is known of each node's agent, for status and metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use tanso_agent_wire::counters::CountersSaid;
use tanso_agent_wire::meters::MeterSaid;
use tanso_power::{Provenance, Watts};

use super::{CollectFault, CpuTimeSource, LastMinute};
use crate::owners::Agent;

/// What is known of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// The `PowerMonitor` whose agent runs there.
    pub monitor: String,
    /// The agent's pod.
    pub pod: String,
    /// Where its newest figures come from; `None` while it has sent none.
    pub provenance: Option<Provenance>,
    /// Mean power over its last closed minute.
    pub power: Option<Watts>,
    /// End of that minute, seconds of Unix time.
    pub closed_until: i64,
    /// Where its CPU time comes from, as far as it says.
    pub cpu_time: Option<CpuTimeSource>,
    /// How many kinds of hardware counters are read, where they are asked for.
    pub counters: Option<CountersSaid>,
    /// Its meters and the states that they are in; empty where it says none.
    pub meters: Vec<MeterSaid>,
    /// When it was last read.
    pub last_success: Option<Timestamp>,
    /// Why it could not be read last time.
    pub error: Option<String>,
    /// Since when it could not be read: the first failure after the last success.
    pub failing_since: Option<Timestamp>,
    /// Whether its last answer was refused.
    pub is_quarantined: bool,
}

impl NodeFacts {
    fn see(&mut self, last: &LastMinute, now: Timestamp) {
        if let Some(power) = last.power() {
            self.power = Some(power);
            self.provenance = last.provenance();
        }
        // An agent that has a reading says both, but counters only if it was
        // asked for them: of those that it is no longer asked for nothing stays.
        if last.cpu_time().is_some() {
            self.cpu_time = last.cpu_time();
            self.counters = last.counters();
        }
        if !last.meters().is_empty() {
            self.meters = last.meters().to_vec();
        }
        self.closed_until = self.closed_until.max(last.closed_until());
        self.last_success = Some(now);
        self.error = None;
        self.failing_since = None;
        self.is_quarantined = false;
    }
}

/// The nodes by name; clones share it.
#[derive(Clone, Debug, Default)]
pub struct NodeBoard {
    nodes: Arc<RwLock<BTreeMap<String, NodeFacts>>>,
}

impl NodeBoard {
    /// All nodes as they are now.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, NodeFacts> {
        self.nodes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The nodes that were read within `seconds` before `now`.
    #[must_use]
    pub fn live(&self, now: Timestamp, seconds: i64) -> Vec<String> {
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        let is_live = |facts: &NodeFacts| {
            facts
                .last_success
                .is_some_and(|last| now.as_second() - last.as_second() <= seconds)
        };
        nodes
            .iter()
            .filter(|(_, facts)| is_live(facts))
            .map(|(node, _)| node.clone())
            .collect()
    }

    /// Forgets nodes that have no agent any more.
    pub(super) fn retain(&self, mut keep: impl FnMut(&str) -> bool) {
        self.write(|nodes| nodes.retain(|node, _| keep(node)));
    }

    pub(super) fn visited(&self, agent: &Agent, last: &LastMinute, now: Timestamp) {
        self.update(agent, |facts| facts.see(last, now));
    }

    /// Notes figures of a node that no agent gave.
    pub(super) fn read_elsewhere(&self, node: &str, last: &LastMinute, now: Timestamp) {
        self.write(|nodes| nodes.entry(node.to_owned()).or_default().see(last, now));
    }

    pub(super) fn failed(&self, agent: &Agent, fault: &CollectFault, now: Timestamp) {
        self.update(agent, |facts| {
            facts.error = Some(fault.to_string());
            facts.failing_since.get_or_insert(now);
            facts.is_quarantined = fault.is_quarantine();
        });
    }

    fn update(&self, agent: &Agent, change: impl FnOnce(&mut NodeFacts)) {
        self.write(|nodes| {
            let facts = nodes.entry(agent.node.clone()).or_default();
            facts.monitor.clone_from(&agent.monitor);
            facts.pod.clone_from(&agent.pod);
            change(facts);
        });
    }

    fn write(&self, change: impl FnOnce(&mut BTreeMap<String, NodeFacts>)) {
        // No code panics while it holds the lock.
        change(&mut self.nodes.write().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_counters_that_an_agent_is_no_longer_asked_for_nothing_stays() {
        let now = Timestamp::UNIX_EPOCH;
        let (ebpf, all) = (Some(CpuTimeSource::Ebpf), Some(CountersSaid::All));
        let said = |counters| LastMinute {
            cpu_time: ebpf,
            counters,
            ..LastMinute::default()
        };
        let mut facts = NodeFacts::default();
        facts.see(&said(all), now);
        // One that just started has no reading yet, and says nothing.
        facts.see(&LastMinute::default(), now);
        assert_eq!((facts.cpu_time, facts.counters), (ebpf, all));
        facts.see(&said(None), now);
        assert_eq!((facts.cpu_time, facts.counters), (ebpf, None));
    }
}
