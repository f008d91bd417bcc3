//! Other ways to predict a curve, to be compared with in the same run: ridge,
//! nearest neighbours, gradient boosting, the plain ratio to the design power,
//! published coefficients, and a Gaussian process that knows no design facts.
//!
//! Nothing here is served but the ratio, which [`crate::tiers`] has of its own.

mod boosting;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::catalog::coefficients::Coefficient;
use crate::catalog::curves::{TrainingMachine, mean_shape};
use crate::catalog::designs::Design;
use crate::columns::{Columns, Ridge, View};
use crate::host::{Curve, Host, LOADS, count, load};
use crate::matrix::Singular;
use crate::process::{Kernel, Process};
use crate::resolve::ENOUGH_OF_A_VENDOR;
use boosting::Boosting;

/// A way to predict a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Method {
    /// What this server answers with: the Gaussian process of what is known of
    /// the machine; the ratio for a vendor that nobody measured.
    Served,
    /// As `Served`, and no family's design is known: what was decided without
    /// a look at these folds.
    ServedBlind,
    /// A Gaussian process without design facts and effects.
    PlainProcess,
    /// Ridge regression of each level's logarithm.
    Ridge,
    /// The seven nearest machines.
    Neighbours,
    /// Gradient-boosted trees.
    Boosting,
    /// Mean curve per watt of design power, or by thread where that is unknown.
    Ratio,
    /// Published watts per thread of Cloud Carbon Footprint, linear between.
    Coefficients,
}

impl Method {
    /// All methods, the served one first.
    pub const ALL: [Self; 8] = [
        Self::Served,
        Self::ServedBlind,
        Self::PlainProcess,
        Self::Ridge,
        Self::Neighbours,
        Self::Boosting,
        Self::Ratio,
        Self::Coefficients,
    ];

    /// A name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::ServedBlind => "served, without design facts",
            Self::PlainProcess => "Gaussian process, plain",
            Self::Ridge => "ridge, log-log",
            Self::Neighbours => "7 nearest neighbours",
            Self::Boosting => "gradient boosting",
            Self::Ratio => "TDP ratio",
            Self::Coefficients => "CCF coefficients",
        }
    }

    /// Trains on `machines` and predicts `hosts`, as far as `view` sees them;
    /// curves with the method's own deviation, 1 if it has none.
    ///
    /// # Errors
    /// If a matrix has no inverse.
    pub fn predict(
        self,
        machines: &[TrainingMachine],
        hosts: &[Host],
        view: View,
        coefficients: &[Coefficient],
    ) -> Result<Vec<(Curve, f64)>, Singular> {
        // Of whom no design power is known every method is asked by thread.
        let (by_thread, whole): (Vec<Host>, Vec<Host>) = hosts
            .iter()
            .cloned()
            .partition(|host| View::of(host) == View::Guest);
        if view != View::Guest && !by_thread.is_empty() {
            let mut by_thread = self
                .predict(machines, &by_thread, View::Guest, coefficients)?
                .into_iter();
            let mut whole = self
                .predict(machines, &whole, view, coefficients)?
                .into_iter();
            let answers = hosts.iter().filter_map(|host| match View::of(host) {
                View::Guest => by_thread.next(),
                View::Cpu | View::Memory | View::Server => whole.next(),
            });
            return Ok(answers.collect());
        }
        Ok(match self {
            Self::Served => return served(machines, hosts, view),
            Self::ServedBlind => {
                let machines: Vec<TrainingMachine> = machines
                    .iter()
                    .map(|machine| TrainingMachine {
                        host: without_design(&machine.host),
                        ..machine.clone()
                    })
                    .collect();
                let hosts: Vec<Host> = hosts.iter().map(without_design).collect();
                return served(&machines, &hosts, view);
            }
            Self::PlainProcess => {
                let plain: Vec<TrainingMachine> = machines
                    .iter()
                    .map(|machine| TrainingMachine {
                        host: without_facts(&machine.host),
                        ..machine.clone()
                    })
                    .collect();
                let process = Process::train(view, Kernel::PLAIN, &plain)?;
                let believe = |host| {
                    let belief = process.believe(&without_facts(host));
                    (belief.watts, belief.deviation)
                };
                hosts.iter().map(believe).collect()
            }
            Self::Ridge => ridge(machines, hosts, view),
            Self::Neighbours => neighbours(machines, hosts, view),
            Self::Boosting => boosted(machines, hosts, view),
            Self::Ratio => ratio(machines, hosts, view),
            Self::Coefficients => published(coefficients, hosts),
        })
    }
}

/// As the server answers: each host by the richest view that it fills.
fn served(
    machines: &[TrainingMachine],
    hosts: &[Host],
    most: View,
) -> Result<Vec<(Curve, f64)>, Singular> {
    let of_vendor = |host: &Host| {
        machines
            .iter()
            .filter(|machine| machine.host.vendor == host.vendor)
            .count()
    };
    let view_of = |host: &Host| View::of(host).min(most);
    let stranger: Vec<bool> = hosts
        .iter()
        .map(|host| of_vendor(host) < ENOUGH_OF_A_VENDOR)
        .collect();
    let views: BTreeSet<View> = hosts
        .iter()
        .zip(&stranger)
        .filter(|(_, stranger)| !**stranger)
        .map(|(host, _)| view_of(host))
        .collect();
    let mut processes = BTreeMap::new();
    for view in views {
        processes.insert(view, Process::train(view, Kernel::default(), machines)?);
    }
    let ratios = ratio(machines, hosts, most);
    let answers = hosts.iter().zip(ratios).map(|(host, ratio)| {
        // A view is missing exactly for a vendor that nobody measured.
        let process = processes
            .get(&view_of(host))
            .filter(|_| of_vendor(host) >= ENOUGH_OF_A_VENDOR);
        process.map_or(ratio, |process| {
            let belief = process.believe(host);
            (belief.watts, belief.deviation)
        })
    });
    Ok(answers.collect())
}

fn without_design(host: &Host) -> Host {
    Host {
        design: Design::TODAY,
        ..host.clone()
    }
}

fn without_facts(host: &Host) -> Host {
    Host {
        design: Design::TODAY,
        cpu: String::new(),
        microarch: String::new(),
        maker: String::new(),
        ..host.clone()
    }
}

/// Rows and logarithms of power over the view's scale.
struct Table {
    view: View,
    columns: Columns,
    rows: Vec<Vec<f64>>,
    targets: Vec<Curve>,
}

impl Table {
    fn new(machines: &[TrainingMachine], view: View) -> Self {
        let hosts: Vec<&Host> = machines.iter().map(|machine| &machine.host).collect();
        let columns = Columns::learn(view, &hosts);
        Self {
            view,
            rows: hosts.iter().map(|host| columns.row(host)).collect(),
            columns,
            targets: machines
                .iter()
                .map(|machine| {
                    let scale = view.scale(&machine.host);
                    machine.watts.map(|watts| (watts / scale).ln())
                })
                .collect(),
        }
    }
}

impl Table {
    /// Logarithms over the scale as watts that never fall.
    fn watts(&self, logs: Curve, host: &Host) -> (Curve, f64) {
        let mut most = 0.0_f64;
        let curve = logs.map(|log| {
            most = most.max(log.clamp(-7.0, 4.0).exp() * self.view.scale(host));
            most
        });
        (curve, 1.0)
    }
}

fn ridge(machines: &[TrainingMachine], hosts: &[Host], view: View) -> Vec<(Curve, f64)> {
    let table = Table::new(machines, view);
    let levels: [Ridge; LOADS] = std::array::from_fn(|level| {
        let rows: Vec<(&[f64], f64)> = table
            .rows
            .iter()
            .zip(&table.targets)
            .map(|(row, logs)| (row.as_slice(), logs[level]))
            .collect();
        Ridge::learn(&rows)
    });
    let answer = |host: &Host| {
        let row = table.columns.row(host);
        table.watts(
            std::array::from_fn(|level| levels[level].predict(&row)),
            host,
        )
    };
    hosts.iter().map(answer).collect()
}

fn neighbours(machines: &[TrainingMachine], hosts: &[Host], view: View) -> Vec<(Curve, f64)> {
    let table = Table::new(machines, view);
    let answer = |host: &Host| {
        let row = table.columns.row(host);
        let mut near: Vec<(f64, &Curve)> = table
            .rows
            .iter()
            .map(|other| {
                let square: f64 = row.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum();
                square.sqrt()
            })
            .zip(&table.targets)
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        near.truncate(7);
        let weight = |distance: f64| 1.0 / (distance + 0.1);
        let total: f64 = near.iter().map(|(distance, _)| weight(*distance)).sum();
        let mut logs = [0.0; LOADS];
        for (distance, curve) in near {
            for (log, cell) in logs.iter_mut().zip(curve) {
                *log += cell * weight(distance) / total;
            }
        }
        table.watts(logs, host)
    };
    hosts.iter().map(answer).collect()
}

fn boosted(machines: &[TrainingMachine], hosts: &[Host], view: View) -> Vec<(Curve, f64)> {
    let table = Table::new(machines, view);
    let model = Boosting::learn(&table.rows, &table.targets);
    let answer = |host: &Host| table.watts(model.predict(&table.columns.row(host)), host);
    hosts.iter().map(answer).collect()
}

fn ratio(machines: &[TrainingMachine], hosts: &[Host], view: View) -> Vec<(Curve, f64)> {
    let all: Vec<&TrainingMachine> = machines.iter().collect();
    let curve = crate::tiers::mean_curve(&all, |machine| view.scale(&machine.host));
    hosts
        .iter()
        .map(|host| (curve.map(|ratio| ratio * view.scale(host)), 1.0))
        .collect()
}

/// What Cloud Carbon Footprint takes for a thread of an unknown family, watts
/// when idle and at full load.
const UNKNOWN_THREAD_W: (f64, f64) = (0.74, 3.5);

fn published(coefficients: &[Coefficient], hosts: &[Host]) -> Vec<(Curve, f64)> {
    let answer = |host: &Host| {
        let known: Vec<&Coefficient> = coefficients
            .iter()
            .filter(|pair| pair.source.starts_with("ccf") && pair.microarch == host.microarch)
            .collect();
        let mean = |pick: fn(&Coefficient) -> f64| {
            known.iter().map(|pair| pick(pair)).sum::<f64>() / count(known.len())
        };
        let (idle_w, full_w) = if known.is_empty() {
            UNKNOWN_THREAD_W
        } else {
            (mean(|pair| pair.idle_w), mean(|pair| pair.full_w))
        };
        let curve =
            std::array::from_fn(|level| host.threads * (idle_w + load(level) * (full_w - idle_w)));
        (curve, 1.0)
    };
    hosts.iter().map(answer).collect()
}

/// Machines to train on without a look at those left out: inner levels of
/// machines whose ends alone are known get the mean shape of these machines.
#[must_use]
pub fn completed_anew(machines: Vec<TrainingMachine>) -> Vec<TrainingMachine> {
    let newest = machines
        .iter()
        .filter(|machine| machine.full)
        .map(|machine| machine.published)
        .fold(0.0, f64::max);
    let shape = mean_shape(&machines, newest - 2.0);
    machines
        .into_iter()
        .map(|mut machine| {
            if !machine.full {
                let idle = machine.watts[0];
                let span = machine.watts[LOADS - 1] - idle;
                machine.watts = shape.map(|share| idle + share * span);
            }
            machine
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn every_method_predicts_curves_that_never_fall() {
        let catalog = Catalog::bundled();
        let some: Vec<TrainingMachine> = catalog.machines.iter().step_by(9).cloned().collect();
        let hosts: Vec<Host> = catalog
            .machines
            .iter()
            .skip(4)
            .step_by(90)
            .map(|machine| machine.host.clone())
            .collect();
        for method in Method::ALL {
            let answers = method
                .predict(&some, &hosts, View::Server, &catalog.coefficients)
                .unwrap();
            assert_eq!(answers.len(), hosts.len());
            for (curve, deviation) in answers {
                assert!(curve[0] > 0.0 && deviation > 0.0, "{method:?} {curve:?}");
                assert!(curve.is_sorted(), "{method:?} {curve:?}");
            }
        }
    }

    #[test]
    fn a_vendor_left_out_is_served_by_the_ratio() {
        let catalog = Catalog::bundled();
        let amd: Vec<TrainingMachine> = catalog
            .machines
            .iter()
            .filter(|machine| machine.host.vendor == "amd")
            .cloned()
            .collect();
        let intel: Vec<Host> = catalog
            .machines
            .iter()
            .filter(|machine| machine.host.vendor == "intel")
            .take(3)
            .map(|machine| machine.host.clone())
            .collect();
        let answer = |method: Method| method.predict(&amd, &intel, View::Server, &[]).unwrap();
        assert_eq!(answer(Method::Served), answer(Method::Ratio));
    }
}
