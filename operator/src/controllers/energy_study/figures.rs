//! A trial's minutes to its rows. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tanso_carbon::study::order::Slot;
use tanso_carbon::study::trial::{Phase, Trial};
use tanso_crds::energy_study::PartSpec;

use super::validate::ValidatedStudy;
use crate::ledger::study::{Used, Who, Window};

/// The account of idle energy.
const IDLE: &str = "idle";

/// When what of a trial was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Times {
    /// The set-up began.
    pub began: Timestamp,
    /// The measured phase began, a whole minute.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

/// The rows of a trial, the measured phase last.
#[must_use]
pub fn rows(
    study: &ValidatedStudy,
    slot: &Slot,
    times: &Times,
    window: &Window,
    marks: &[String],
) -> Vec<Trial> {
    let row = |phase, from: Timestamp, until: Timestamp| Trial {
        order: slot.order,
        block: slot.block,
        arm: slot.arm.clone(),
        phase,
        started_at: Some(from),
        duration: Duration::try_from(until.duration_since(from)).ok(),
        ..Trial::default()
    };
    let warm_up = row(Phase::WarmUp, times.began, times.from);
    let mut measured = row(Phase::Measured, times.from, times.until);
    measured.provenance = window.provenance;
    measured.marks = marks.to_vec();
    let nothing = PartSpec::default();
    let arm = study.belongs.get(&slot.arm).unwrap_or(&nothing);
    let parts = study.components.iter();
    let parts = parts.map(|(name, part)| (name.as_str(), part));
    for (name, part) in parts.chain([("arm", arm)]) {
        put(&mut measured.values, name, window, |who| holds(part, who));
    }
    put(&mut measured.values, "node", window, |_| true);
    let active = sum(window, |who| *who != Who::Account(IDLE.to_owned()));
    let active = active.energy.as_joules_f64();
    measured
        .values
        .insert("node_active_joules".to_owned(), active);
    vec![warm_up, measured]
}

fn put(
    values: &mut BTreeMap<String, f64>,
    name: &str,
    window: &Window,
    is_in: impl Fn(&Who) -> bool,
) {
    let used = sum(window, is_in);
    let seconds = Duration::from_micros(used.cpu_us).as_secs_f64();
    values.insert(format!("{name}_joules"), used.energy.as_joules_f64());
    values.insert(format!("{name}_cpu_seconds"), seconds);
}

fn sum(window: &Window, is_in: impl Fn(&Who) -> bool) -> Used {
    let mut sum = Used::default();
    for (_, used) in window.used.iter().filter(|(who, _)| is_in(who)) {
        sum.energy += used.energy;
        sum.cpu_us = sum.cpu_us.saturating_add(used.cpu_us);
    }
    sum
}

fn holds(part: &PartSpec, who: &Who) -> bool {
    let Who::Pod([namespace, kind, name]) = who else {
        return false;
    };
    let workload = |one: &tanso_crds::energy_study::WorkloadRef| {
        (&one.namespace, &one.kind, &one.name) == (namespace, kind, name)
    };
    part.namespaces.contains(namespace) || part.workloads.iter().any(workload)
}
