//! A Gaussian process on the logarithm of a machine's power curve.
//!
//! Power is taken relative to the sockets' thermal design power, or by thread
//! where that is not known. The kernel
//! has a linear trend, a local correction (Matérn 3/2) by which a machine is
//! drawn towards those like it, and an effect each of its CPU model, its
//! family and its builder, which are shrunk towards none by how little is known
//! of them. The weights are round numbers and not searched for on the scored
//! families; `docs/decisions/0014-*` says what was tried.
//!
//! Leaving a group out needs no second fit: with the inverse of the kernel
//! matrix the predictions without the group follow exactly.

use std::collections::HashMap;

use crate::catalog::curves::TrainingMachine;
use crate::columns::{Columns, View};
use crate::host::{Curve, Host, LOADS, count};
use crate::matrix::{Singular, Square, dot};

/// The weights of the kernel's parts, in shares of the curve's variance.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// What two equal machines differ by.
    pub noise: f64,
    /// A common level, beside the mean of the training machines.
    pub level: f64,
    /// Effect of the CPU model.
    pub cpu: f64,
    /// Effect of the microarchitecture.
    pub family: f64,
    /// Effect of who built the machine.
    pub maker: f64,
    /// Linear trend, per column.
    pub linear: f64,
    /// Local correction.
    pub matern: f64,
    /// Length of the local correction, in deviations.
    pub length: f64,
}

impl Kernel {
    /// A trend and a local correction alone, for comparison.
    pub const PLAIN: Self = Self {
        noise: 0.1,
        level: 0.0,
        cpu: 0.0,
        family: 0.0,
        maker: 0.0,
        linear: 0.3,
        matern: 0.5,
        length: 4.0,
    };
}

impl Default for Kernel {
    fn default() -> Self {
        Self {
            noise: 0.12,
            level: 0.5,
            cpu: 0.08,
            family: 0.015,
            maker: 0.08,
            linear: 0.07,
            matern: 0.8,
            length: 4.0,
        }
    }
}

/// What the process says of a machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Belief {
    /// Wall power by load, watts; never falls.
    pub watts: Curve,
    /// The process' own deviation, in units of the curves' spread.
    pub deviation: f64,
}

/// The largest deviation said: its interval spans a factor of tens already.
const FARTHEST: f64 = 3.0;

/// A trained process.
#[derive(Clone, Debug)]
pub struct Process {
    kernel: Kernel,
    columns: Columns,
    names: Names,
    rows: Vec<Row>,
    inverse: Square,
    targets: [Vec<f64>; LOADS],
    weights: [Vec<f64>; LOADS],
    mean: Curve,
    spread: Curve,
    range: [(f64, f64); LOADS],
}

/// Machines that a process is to forget.
#[derive(Clone, Debug)]
pub struct Without {
    members: Vec<usize>,
    block: Square,
}

#[derive(Clone, Debug)]
struct Row {
    cells: Vec<f64>,
    /// The cells as the local correction sees them.
    local: Vec<f64>,
    cpu: Option<usize>,
    family: Option<usize>,
    maker: Option<usize>,
    scale: f64,
}

/// Names of the training machines as numbers, which compare quicker.
#[derive(Clone, Debug, Default)]
struct Names(HashMap<String, usize>);

impl Names {
    fn learn<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut known = HashMap::new();
        for name in names.filter(|name| !name.is_empty()) {
            let next = known.len();
            known.entry(name.to_owned()).or_insert(next);
        }
        Self(known)
    }

    fn get(&self, name: &str) -> Option<usize> {
        self.0.get(name).copied()
    }
}

impl Process {
    /// Trains on machines as one view sees them.
    ///
    /// # Errors
    /// If the kernel matrix has no inverse, which its noise prevents unless a
    /// feature is not finite.
    pub fn train(
        view: View,
        kernel: Kernel,
        machines: &[TrainingMachine],
    ) -> Result<Self, Singular> {
        let hosts: Vec<&Host> = machines.iter().map(|machine| &machine.host).collect();
        let columns = Columns::learn(view, &hosts);
        let names = Names::learn(hosts.iter().flat_map(|host| {
            [
                host.cpu.as_str(),
                host.microarch.as_str(),
                host.maker.as_str(),
            ]
        }));
        let rows: Vec<Row> = hosts
            .iter()
            .map(|host| Row::new(&columns, &names, host))
            .collect();
        let inverse = Square::symmetric(rows.len(), |a, b| {
            if a == b {
                kernel.alone(&rows[a])
            } else {
                kernel.between(&rows[a], &rows[b])
            }
        })
        .inverse()?;
        let (mut mean, mut spread) = ([0.0; LOADS], [1.0; LOADS]);
        let total = count(machines.len().max(1));
        let targets: [Vec<f64>; LOADS] = std::array::from_fn(|level| {
            let logs: Vec<f64> = machines
                .iter()
                .map(|machine| (machine.watts[level] / view.scale(&machine.host)).ln())
                .collect();
            mean[level] = logs.iter().sum::<f64>() / total;
            spread[level] = (logs
                .iter()
                .map(|log| (log - mean[level]).powi(2))
                .sum::<f64>()
                / total)
                .sqrt()
                .max(1e-6);
            logs.iter()
                .map(|log| (log - mean[level]) / spread[level])
                .collect()
        });
        // A trend has no business beyond what was ever measured.
        let range = std::array::from_fn(|level| {
            let ends = targets[level]
                .iter()
                .fold((0.0_f64, 0.0_f64), |(least, most), t| {
                    (least.min(*t), most.max(*t))
                });
            (ends.0 - 1.0, ends.1 + 1.0)
        });
        let weights = std::array::from_fn(|level| {
            (0..rows.len())
                .map(|row| dot(inverse.row(row), &targets[level]))
                .collect()
        });
        Ok(Self {
            kernel,
            columns,
            names,
            rows,
            inverse,
            targets,
            weights,
            mean,
            spread,
            range,
        })
    }

    /// What the process believes of a machine that may be new.
    #[must_use]
    pub fn believe(&self, host: &Host) -> Belief {
        let new = Row::new(&self.columns, &self.names, host);
        let near: Vec<f64> = self
            .rows
            .iter()
            .map(|row| self.kernel.between(&new, row))
            .collect();
        let level = |level: usize| dot(&near, &self.weights[level]);
        let variance = self.kernel.alone(&new) - self.inverse.quadratic(&near);
        self.belief(std::array::from_fn(level), variance, new.scale)
    }

    /// What the process would believe of its own machines `group` had it never
    /// seen them.
    ///
    /// # Errors
    /// If a part of the inverse has no inverse, which its origin prevents.
    pub fn leave_out(&self, group: &[usize]) -> Result<Vec<Belief>, Singular> {
        let without = self.inverse.block(group).inverse()?;
        let beliefs = group.iter().enumerate().map(|(at, member)| {
            let level = |level: usize| {
                let weights: Vec<f64> = group
                    .iter()
                    .map(|other| self.weights[level][*other])
                    .collect();
                self.targets[level][*member] - dot(without.row(at), &weights)
            };
            self.belief(
                std::array::from_fn(level),
                without.at(at, at),
                self.rows[*member].scale,
            )
        });
        Ok(beliefs.collect())
    }

    /// What the process would believe of a machine had it never seen its own
    /// machines `group`.
    #[must_use]
    pub fn believe_without(&self, group: &Without, host: &Host) -> Belief {
        let new = Row::new(&self.columns, &self.names, host);
        let mut near: Vec<f64> = self
            .rows
            .iter()
            .map(|row| self.kernel.between(&new, row))
            .collect();
        for member in &group.members {
            near[*member] = 0.0;
        }
        // K⁻¹ without the group is K⁻¹ − K⁻¹[·,G] (K⁻¹[G,G])⁻¹ K⁻¹[G,·].
        let inside: Vec<f64> = group
            .members
            .iter()
            .map(|member| dot(self.inverse.row(*member), &near))
            .collect();
        let level = |level: usize| {
            let weights: Vec<f64> = group
                .members
                .iter()
                .map(|member| self.weights[level][*member])
                .collect();
            let taken: f64 = inside
                .iter()
                .enumerate()
                .map(|(at, x)| x * dot(group.block.row(at), &weights))
                .sum();
            dot(&near, &self.weights[level]) - taken
        };
        let all = self.inverse.quadratic(&near);
        let taken: f64 = inside
            .iter()
            .enumerate()
            .map(|(at, x)| x * dot(group.block.row(at), &inside))
            .sum();
        let variance = self.kernel.alone(&new) - (all - taken);
        self.belief(std::array::from_fn(level), variance, new.scale)
    }

    /// Prepares leaving machines out.
    ///
    /// # Errors
    /// As [`Process::leave_out`].
    pub fn without(&self, members: &[usize]) -> Result<Without, Singular> {
        Ok(Without {
            members: members.to_vec(),
            block: self.inverse.block(members).inverse()?,
        })
    }

    fn belief(&self, standard: Curve, variance: f64, scale: f64) -> Belief {
        let mut watts = [0.0; LOADS];
        let mut most = 0.0_f64;
        for (level, cell) in watts.iter_mut().enumerate() {
            // More load never takes less power; all published curves agree.
            let (least, largest) = self.range[level];
            most = most.max(
                (standard[level].clamp(least, largest) * self.spread[level] + self.mean[level])
                    .exp()
                    * scale,
            );
            *cell = most;
        }
        Belief {
            watts,
            deviation: variance.max(1e-9).sqrt().min(FARTHEST),
        }
    }
}

impl Row {
    fn new(columns: &Columns, names: &Names, host: &Host) -> Self {
        let cells = columns.row(host);
        let fineness = columns.fineness();
        Self {
            local: cells
                .iter()
                .zip(fineness)
                .map(|(x, fine)| x * fine)
                .collect(),
            cells,
            cpu: names.get(&host.cpu),
            family: names.get(&host.microarch),
            maker: names.get(&host.maker),
            scale: columns.view().scale(host),
        }
    }
}

impl Kernel {
    fn between(&self, a: &Row, b: &Row) -> f64 {
        let square: f64 = a
            .local
            .iter()
            .zip(&b.local)
            .map(|(x, y)| (x - y) * (x - y))
            .sum();
        let distance = (3.0 * square).sqrt() / self.length;
        let same = |a: Option<usize>, b: Option<usize>, weight: f64| {
            if a.is_some() && a == b { weight } else { 0.0 }
        };
        self.level
            + self.linear * dot(&a.cells, &b.cells)
            + self.matern * (1.0 + distance) * (-distance).exp()
            + same(a.cpu, b.cpu, self.cpu)
            + same(a.family, b.family, self.family)
            + same(a.maker, b.maker, self.maker)
    }

    /// The variance of a machine before any other is known: what is not known
    /// to be anybody's effect is an effect all the same.
    fn alone(&self, row: &Row) -> f64 {
        self.noise
            + self.level
            + self.linear * dot(&row.cells, &row.cells)
            + self.matern
            + self.cpu
            + self.family
            + self.maker
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn leaving_a_family_out_equals_never_having_seen_it() {
        let catalog = Catalog::bundled();
        let some: Vec<TrainingMachine> = catalog.machines.iter().step_by(6).cloned().collect();
        let process = Process::train(View::Memory, Kernel::default(), &some).unwrap();
        let group: Vec<usize> = (0..some.len())
            .filter(|row| some[*row].host.microarch == "zen2")
            .collect();
        let quick = process.leave_out(&group).unwrap();
        // The scale is the same up to the group's own share of it.
        let rest: Vec<TrainingMachine> = some
            .iter()
            .filter(|machine| machine.host.microarch != "zen2")
            .cloned()
            .collect();
        let slow = Process::train(View::Memory, Kernel::default(), &rest).unwrap();
        let without = process.without(&group).unwrap();
        for (member, quick) in group.iter().zip(quick) {
            let again = process.believe_without(&without, &some[*member].host);
            assert!(
                (again.watts[5] / quick.watts[5] - 1.0).abs() < 1e-6
                    && (again.deviation - quick.deviation).abs() < 1e-6
            );
            let refit = slow.believe(&some[*member].host);
            for level in 0..LOADS {
                let ratio = quick.watts[level] / refit.watts[level];
                assert!((0.97..1.03).contains(&ratio), "{ratio}");
            }
        }
    }

    #[test]
    fn a_machine_far_from_all_others_has_a_wider_deviation() {
        let catalog = Catalog::bundled();
        let some: Vec<TrainingMachine> = catalog.machines.iter().step_by(6).cloned().collect();
        let process = Process::train(View::Cpu, Kernel::default(), &some).unwrap();
        let near = process.believe(&some[0].host);
        let far = process.believe(&Host {
            tdp_w: 1_500.0,
            ..some[0].host.clone()
        });
        assert!(
            far.deviation > 1.5 * near.deviation,
            "{} {}",
            far.deviation,
            near.deviation
        );
    }
}
