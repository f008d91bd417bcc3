//! What is the same for every workload of an evaluation, found once; pure.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use tanso_carbon::account::Place;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_carbon::regulation::Rule;
use tanso_carbon::{HourlyIntensity, Pue};
use tanso_crds::power_monitor::IdleSharing;
use tanso_power::Joules;

use super::booked::{Booked, index};
use super::group::Workload;
use super::standing::covered_minutes;
use super::{Facts, Inputs, ValidatedPolicy, local_day};
use crate::ledger::Snapshot;

/// The inputs, and what follows from them for every workload.
pub(super) struct Scene<'a> {
    pub(super) policy: &'a ValidatedPolicy,
    pub(super) snapshot: &'a Snapshot,
    pub(super) facts: &'a dyn Facts,
    pub(super) window: Period,
    pub(super) data_through: Timestamp,
    /// The rules of single workloads, with the day that they are judged on.
    pub(super) rules: Vec<(&'a Rule, Date)>,
    /// Minutes of the period that the ledger covers.
    pub(super) covered_minutes: Option<u64>,
    /// Hours of the window in which any node was seen.
    pub(super) seen: BTreeSet<UtcHour>,
    places: Vec<At<'a>>,
    site: At<'a>,
    nodes: Vec<Node>,
}

/// A grid and the factor of a facility on it.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) series: &'a dyn HourlyIntensity,
    pub(super) pue: Pue,
}

/// What is known of a node.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Node {
    /// Its idle energy, and the minutes that it covers.
    pub(super) idle: Option<(Joules, u64)>,
    /// What it has to give: thousandths of a core, and bytes.
    pub(super) gives: Option<(u32, u64)>,
    /// By what its agent charges idle energy.
    pub(super) sharing: IdleSharing,
}

impl<'a> Scene<'a> {
    /// For workloads on nodes of these names.
    pub(super) fn of(inputs: &'a Inputs<'_>, places: &[Place<'a>], nodes: &[&str]) -> Self {
        let &Inputs {
            policy,
            snapshot,
            facts,
            window,
            data_through,
            ..
        } = inputs;
        let seen = snapshot.node_hours.values().flatten().copied();
        Self {
            policy,
            snapshot,
            facts,
            window,
            data_through,
            rules: rules(policy, data_through),
            covered_minutes: covered_minutes(inputs),
            seen: seen.filter(|hour| *hour >= window.from).collect(),
            places: places.iter().map(At::of).collect(),
            site: At {
                series: &*policy.intensity.series,
                pue: policy.factor(),
            },
            nodes: nodes.iter().map(|name| Node::of(inputs, name)).collect(),
        }
    }

    /// Where a workload used most of its energy; the site, if it used none.
    pub(super) fn at(&self, workload: &Workload<'_>) -> At<'a> {
        let place = workload.place.and_then(|number| self.places.get(number));
        place.copied().unwrap_or(self.site)
    }

    /// The nodes of rows, each once and by name.
    pub(super) fn nodes(&self, rows: &[Booked]) -> Vec<Node> {
        let mut numbers = Vec::new();
        for row in rows {
            // Rows of a pod are mostly of one node.
            if numbers.last() != Some(&row.node) {
                numbers.push(row.node);
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        let nodes = numbers.into_iter();
        let known = nodes.filter_map(|number| self.nodes.get(index(number)).copied());
        known.collect()
    }
}

impl<'a> At<'a> {
    fn of(place: &Place<'a>) -> Self {
        Self {
            series: place.intensity,
            pue: place.pue_factor().value,
        }
    }
}

impl Node {
    fn of(inputs: &Inputs<'_>, name: &str) -> Self {
        let facts = inputs.facts;
        let millicores = facts.allocatable_millicores(name);
        Self {
            idle: inputs.snapshot.node_idle.get(name).copied(),
            gives: millicores.zip(facts.allocatable_bytes(name)),
            sharing: inputs.idle_sharing.get(name).copied().unwrap_or_default(),
        }
    }
}

fn rules(policy: &ValidatedPolicy, data_through: Timestamp) -> Vec<(&Rule, Date)> {
    let each = policy.presets.iter().flat_map(|preset| {
        let day = local_day(preset, data_through);
        let rules = preset.on(day).into_iter();
        rules.map(move |rule| (rule, day))
    });
    each.filter(|(rule, _)| rule.is_of_workload()).collect()
}
