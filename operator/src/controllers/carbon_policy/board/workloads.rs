//! What a policy's status lists of single workloads, as metrics: those that
//! emit most, as many as `maxListed` says, and never more than a fixed number
//! over all policies. Every other workload is in the reports.

use prometheus_client::registry::Unit;
use tanso_crds::carbon_policy::status::{Verdict, WorkloadResult};
use tanso_faces::words::Priced;

use super::{Sample, bounded, milli};
use crate::controllers::carbon_policy::savings;

/// Most workloads of all policies together that have series: at most eight
/// series each.
pub(super) const WORKLOADS_MAX: usize = 2_000;

/// A family of workloads' figures.
pub(super) struct WorkloadFamily {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) unit: Option<Unit>,
    /// Labels beside those of policy and workload.
    pub(super) labels: &'static [&'static str],
    pub(super) samples: fn(&WorkloadResult) -> Vec<Sample>,
}

/// Labels that every sample has beside its policy's.
pub(super) const LABELS: [&str; 3] = ["workload_namespace", "workload_kind", "workload"];

/// Every family, in the order in which they are served.
pub(super) const FAMILIES: [WorkloadFamily; 3] = [
    WorkloadFamily {
        name: "tanso_workload_window_energy",
        help: "Energy of a workload over its policy's window, of the workloads that the policy's status lists: value, and the ends of its 90 % interval",
        unit: Some(Unit::Joules),
        labels: &["bound"],
        samples: |workload| known(workload, |of| bounded(&of.figures.energy_microjoules, 1e6)),
    },
    WorkloadFamily {
        name: "tanso_workload_window_emissions",
        help: "Emissions of a workload over its policy's window, gCO2eq, of the workloads that the policy's status lists: value, and the ends of its 90 % interval; a lower bound where part of its energy has no intensity, absent if none has one",
        unit: Some(Unit::Grams),
        labels: &["bound"],
        samples: |workload| {
            known(workload, |of| match Priced::of(&of.figures) {
                Priced::Nothing => Vec::new(),
                _ => bounded(&of.figures.emissions_milligrams, 1e3),
            })
        },
    },
    WorkloadFamily {
        name: "tanso_workload_advice_savings_grams_per_day",
        help: "What the piece of advice that does most would save, gCO2eq per day, 0 without advice, of the workloads that the policy's status lists: what the cluster emits less, or what others bear instead",
        unit: None,
        labels: &["effect"],
        samples: |workload| {
            let found = savings::of(&workload.recommendations);
            [("cluster", found.cluster), ("attributed", found.attributed)]
                .map(|(effect, value)| (vec![effect.to_owned()], milli(value)))
                .to_vec()
        },
    },
];

/// How many workloads of each of so many policies have series: every policy
/// as many as any other, and at least one.
pub(super) fn of_each(policies: usize) -> usize {
    let share = WORKLOADS_MAX.checked_div(policies);
    share.unwrap_or(WORKLOADS_MAX).max(1)
}

/// The labels of a workload.
pub(super) fn labels(workload: &WorkloadResult) -> [(&'static str, String); 3] {
    let [namespace, kind, name] = LABELS;
    [
        (namespace, workload.namespace.clone()),
        (kind, workload.kind.clone()),
        (name, workload.name.clone()),
    ]
}

/// Figures of a workload of which something is known: missing is not zero.
fn known(workload: &WorkloadResult, of: fn(&WorkloadResult) -> Vec<Sample>) -> Vec<Sample> {
    let energy = &workload.figures.energy_microjoules;
    if workload.verdict == Verdict::Unknown && energy.high == 0 {
        return Vec::new();
    }
    of(workload)
}
