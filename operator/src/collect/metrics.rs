//! The collector's own metrics. Labels are bounded: reasons and kinds, never names.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tanso_power::Joules;

use crate::ledger::GapKind;
use crate::owners::{self, Stranger};

/// Counters of collection and booking; clones share them.
#[derive(Clone, Debug)]
pub struct CollectMetrics {
    records: Counter,
    repeated: Counter,
    energy_uj: Counter,
    failures: Counter,
    quarantined: Family<Reason, Counter>,
    gaps: Family<Kind, Counter>,
    booking: Histogram,
    unseen: Gauge,
    overflowed: Counter,
    strangers: Family<Reason, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

impl Default for CollectMetrics {
    fn default() -> Self {
        let gaps = Family::<Kind, Counter>::default();
        // From the start: a rate over one that appears with its first gap misses it.
        for kind in [GapKind::Dropped, GapKind::NewJournal] {
            let kind = kind.as_str();
            gaps.get_or_create(&Kind { kind }).inc_by(0);
        }
        Self {
            records: Counter::default(),
            repeated: Counter::default(),
            energy_uj: Counter::default(),
            failures: Counter::default(),
            quarantined: Family::default(),
            gaps,
            unseen: Gauge::default(),
            overflowed: Counter::default(),
            strangers: Family::default(),
            booking: Histogram::new([0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0]),
        }
    }
}

impl CollectMetrics {
    /// Adds them to what is served.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "tanso_operator_collected_records",
            "Energy records booked into the ledger",
            self.records.clone(),
        );
        registry.register(
            "tanso_operator_repeated_records",
            "Energy records that came again and were skipped",
            self.repeated.clone(),
        );
        registry.register(
            "tanso_operator_booked_microjoules",
            "Energy booked into the ledger, microjoules",
            self.energy_uj.clone(),
        );
        registry.register(
            "tanso_operator_collect_failures",
            "Visits to an agent that ended early",
            self.failures.clone(),
        );
        registry.register(
            "tanso_operator_quarantined_answers",
            "Answers of agents that were refused, by reason",
            self.quarantined.clone(),
        );
        registry.register(
            "tanso_operator_ledger_gaps",
            "Runs of energy records that never came, by kind",
            self.gaps.clone(),
        );
        registry.register(
            "tanso_operator_unseen_pods",
            "Pods in the ledger that were gone before the operator saw them, where energy is read from a store",
            self.unseen.clone(),
        );
        registry.register(
            "tanso_operator_overflowed_pods",
            "Pods beyond what a node may name anew in an hour, by the page: their energy is in the account overflow",
            self.overflowed.clone(),
        );
        registry.register(
            "tanso_operator_refused_agents",
            "Pods with an agent's labels that are not asked, by reason: none of the operator's, or the second of a node",
            self.strangers.clone(),
        );
        registry.register_with_unit(
            "tanso_operator_booking_duration",
            "Duration of booking a page, waiting included",
            Unit::Seconds,
            self.booking.clone(),
        );
    }

    pub(super) fn booked(&self, records: u64, repeated: u64, energy: Joules, took: Duration) {
        self.records.inc_by(records);
        self.repeated.inc_by(repeated);
        self.energy_uj.inc_by(energy.microjoules());
        self.booking.observe(took.as_secs_f64());
    }

    pub(super) fn quarantined(&self, reason: &'static str) {
        self.quarantined.get_or_create(&Reason { reason }).inc();
    }

    pub(super) fn gap(&self, kind: &'static str) {
        self.gaps.get_or_create(&Kind { kind }).inc();
    }

    pub(super) fn overflowed(&self, pods: usize) {
        self.overflowed
            .inc_by(u64::try_from(pods).unwrap_or(u64::MAX));
    }

    pub(super) fn strangers(&self, all: &[Stranger]) {
        for one in owners::Reason::ALL {
            let number = all.iter().filter(|stranger| stranger.reason == one).count();
            let reason = one.as_str();
            self.strangers
                .get_or_create(&Reason { reason })
                .set(i64::try_from(number).unwrap_or(i64::MAX));
        }
    }

    pub(super) fn unseen(&self, pods: u64) {
        self.unseen.set(i64::try_from(pods).unwrap_or(i64::MAX));
    }

    pub(super) fn failed(&self) {
        self.failures.inc();
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    /// An alert asks for their increase, which a series has not that begins with 1.
    #[test]
    fn gaps_of_each_kind_are_counted_from_nought() {
        let mut registry = Registry::default();
        CollectMetrics::default().register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for kind in ["dropped", "newJournal"] {
            let line = format!("tanso_operator_ledger_gaps_total{{kind=\"{kind}\"}} 0\n");
            assert!(text.contains(&line), "{text}");
        }
    }
}
