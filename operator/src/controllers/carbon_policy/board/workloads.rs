//! What a policy's status lists of single workloads, as metrics: those that
//! emit most, as many as `maxListed` says, and never more than a fixed number
//! over all policies. Every other workload is in the reports.

use std::collections::BTreeSet;
use std::sync::Arc;

use prometheus_client::registry::Unit;
use tanso_crds::carbon_policy::status::{Bounded, Verdict, WorkloadResult};
use tanso_faces::words::Priced;

use super::{Sample, bounded, milli};
use crate::controllers::carbon_policy::savings::{self, Savings};

/// Most workloads of all policies together that have series: at most eight
/// series each.
pub(super) const WORKLOADS_MAX: usize = 2_000;

/// What metrics show of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controllers::carbon_policy) struct Shown {
    /// Shared by a policy's workloads, most of which are of one namespace.
    namespace: Arc<str>,
    /// Shared too.
    kind: Arc<str>,
    name: Box<str>,
    /// Microjoules; `None` where nothing is known: missing is not zero.
    energy: Option<Bounded>,
    /// Milligrams of CO2eq; `None` where no energy has an intensity, too.
    emissions: Option<Bounded>,
    savings: Savings,
}

impl Shown {
    /// Of a workload's result, with names that others have too.
    pub(in crate::controllers::carbon_policy) fn of(
        workload: &WorkloadResult,
        names: &mut BTreeSet<Arc<str>>,
    ) -> Self {
        let mut shared = |name: &str| {
            let known = names.get(name).cloned();
            known.unwrap_or_else(|| {
                let name: Arc<str> = Arc::from(name);
                names.insert(Arc::clone(&name));
                name
            })
        };
        let figures = &workload.figures;
        let is_known = workload.verdict != Verdict::Unknown || figures.energy_microjoules.high != 0;
        let is_priced = is_known && Priced::of(figures) != Priced::Nothing;
        Self {
            namespace: shared(&workload.namespace),
            kind: shared(&workload.kind),
            name: Box::from(&*workload.name),
            energy: is_known.then_some(figures.energy_microjoules),
            emissions: is_priced.then_some(figures.emissions_milligrams),
            savings: savings::of(&workload.recommendations),
        }
    }

    /// The labels of its samples.
    pub(super) fn labels(&self) -> [(&'static str, &str); 3] {
        let [namespace, kind, name] = LABELS;
        [
            (namespace, &self.namespace),
            (kind, &self.kind),
            (name, &self.name),
        ]
    }
}

/// A family of workloads' figures.
pub(super) struct WorkloadFamily {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) unit: Option<Unit>,
    /// Labels beside those of policy and workload.
    pub(super) labels: &'static [&'static str],
    pub(super) samples: fn(&Shown) -> Vec<Sample<'static>>,
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
        samples: |workload| {
            let energy = workload.energy.as_ref();
            energy.map_or_else(Vec::new, |energy| bounded(energy, 1e6))
        },
    },
    WorkloadFamily {
        name: "tanso_workload_window_emissions",
        help: "Emissions of a workload over its policy's window, gCO2eq, of the workloads that the policy's status lists: value, and the ends of its 90 % interval; a lower bound where part of its energy has no intensity, absent if none has one",
        unit: Some(Unit::Grams),
        labels: &["bound"],
        samples: |workload| {
            let emissions = workload.emissions.as_ref();
            emissions.map_or_else(Vec::new, |emissions| bounded(emissions, 1e3))
        },
    },
    WorkloadFamily {
        name: "tanso_workload_advice_savings_grams_per_day",
        help: "What the piece of advice that does most would save, gCO2eq per day, 0 without advice, of the workloads that the policy's status lists: what the cluster emits less, or what others bear instead",
        unit: None,
        labels: &["effect"],
        samples: |workload| {
            let found = workload.savings;
            [("cluster", found.cluster), ("attributed", found.attributed)]
                .map(|(effect, value)| (vec![effect], milli(value)))
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
