//! Mean curves per thread, per watt of design power, per machine: what is left
//! to say when a model of the machine cannot be made.

use std::collections::BTreeMap;

use crate::catalog::Catalog;
use crate::catalog::curves::{TrainingMachine, mean_shape};
use crate::host::{Curve, LOADS, count};

pub(super) fn threads(machine: &TrainingMachine) -> f64 {
    machine.host.threads
}

pub(super) fn families(machines: &[TrainingMachine]) -> BTreeMap<String, Vec<&TrainingMachine>> {
    let mut families: BTreeMap<String, Vec<&TrainingMachine>> = BTreeMap::new();
    for machine in machines {
        families
            .entry(machine.host.microarch.clone())
            .or_default()
            .push(machine);
    }
    families
}

/// The geometric mean of power by `unit`, each CPU model weighing by its
/// threads: a thread of which nothing else is known is likelier one of many.
pub(crate) fn mean_curve(
    machines: &[&TrainingMachine],
    unit: impl Fn(&TrainingMachine) -> f64,
) -> Curve {
    let mut models: BTreeMap<(&str, &str), Vec<&TrainingMachine>> = BTreeMap::new();
    for machine in machines {
        models
            .entry((&machine.host.microarch, &machine.host.cpu))
            .or_default()
            .push(machine);
    }
    let mut logs = [0.0; LOADS];
    let weight = |members: &[&TrainingMachine]| {
        members.iter().map(|m| m.host.threads).sum::<f64>() / count(members.len())
    };
    let total: f64 = models.values().map(|members| weight(members)).sum();
    for members in models.values() {
        let share = weight(members) / total / count(members.len());
        for machine in members {
            for (log, watts) in logs.iter_mut().zip(machine.watts) {
                *log += (watts / unit(machine)).ln() * share;
            }
        }
    }
    logs.map(f64::exp)
}

/// The geometric mean of the published pairs, with the newest mean shape.
pub(super) fn coefficients(catalog: &Catalog) -> BTreeMap<String, Curve> {
    let shape = mean_shape(&catalog.machines, 2_020.0);
    let mut pairs: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    // The medians of the bundled machines would be scored on themselves.
    for pair in catalog
        .coefficients
        .iter()
        .filter(|pair| pair.source.starts_with("ccf"))
    {
        pairs
            .entry(pair.microarch.clone())
            .or_default()
            .push((pair.idle_w.ln(), pair.full_w.ln()));
    }
    let mean = |logs: &[(f64, f64)], pick: fn(&(f64, f64)) -> f64| {
        (logs.iter().map(pick).sum::<f64>() / count(logs.len())).exp()
    };
    let curve = |logs: &[(f64, f64)]| {
        let (idle, full) = (mean(logs, |pair| pair.0), mean(logs, |pair| pair.1));
        shape.map(|share| idle + share * (full - idle))
    };
    pairs
        .iter()
        .map(|(microarch, logs)| (microarch.clone(), curve(logs)))
        .collect()
}
