//! Machines of which only a part is told: a CPU's name, sockets and design
//! power, nothing but a vendor and a year.
//!
//! Features and power of the measured machines are taken for draws of one normal
//! distribution of logarithms, so that whatever is told says what it can, and
//! nothing needs to be assumed of the rest. Each combination of what is told has
//! bounds of its own: they come from the measured machines, shown as the asked
//! one shows itself, and predicted without their group. What whole descriptions
//! are answered by ([`crate::process`]) is better for these, and not used here.

mod cells;
mod fill;
mod normal;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::catalog::curves::TrainingMachine;
use crate::conformal::{Calibration, Scored};
use crate::host::{Curve, LOADS, count};
use crate::matrix::{Singular, Square};
use crate::reading::Correction;
use cells::{CLOCK, Cells, THREADS, TOLD};
pub use cells::{Told, Which};
use fill::Filled;
use normal::{ALL, Fit, Sums, expected};

/// What of a machine's CPU was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kin {
    /// Other CPU models of its family.
    Family,
    /// Other families of its vendor.
    Vendor,
    /// Neither, or neither is told.
    Nobody,
}

/// Of what power is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scale {
    /// Of the machine.
    Machine,
    /// Of one of its threads: what a guest asks for that tells its own.
    Thread,
}

/// The measured machines as one distribution.
#[derive(Debug)]
pub struct Partial {
    rows: Vec<Row>,
    doubts: Vec<Square>,
    all: Sums,
    units: [(f64, f64); TOLD],
    range: [(f64, f64); TOLD],
    answers: Mutex<BTreeMap<(Which, Kin, Scale), Arc<Answers>>>,
}

/// A measured machine.
#[derive(Clone, Debug)]
struct Row {
    id: String,
    family: String,
    cpu: String,
    vendor: String,
    /// What was published of it.
    which: Which,
    cells: [f64; TOLD],
    watts: Curve,
    levels: &'static [usize],
    weight: f64,
    doubt: usize,
}

/// What is answered to those who tell the same.
#[derive(Clone, Debug)]
pub struct Answers {
    which: Which,
    fit: Fit,
    families: BTreeMap<String, [f64; LOADS]>,
    /// How left-out machines that show the same were off.
    pub scored: Vec<Scored>,
    /// Their mean error, percent.
    pub mape_percent: f64,
    /// Their families.
    pub family_count: usize,
    /// Bounds.
    pub calibration: Calibration,
    /// How a reading corrects.
    pub correction: Correction,
}

/// A curve with the distribution's own deviation, 1 for the usual machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guessed {
    /// Wall power by load, watts; never falls.
    pub watts: Curve,
    /// How much wider than usual the bounds are.
    pub deviation: f64,
}

/// As many combinations of what is told are kept as are asked for in a cluster.
const KEPT: usize = 64;
/// Families err together, so that the middle of all is known no better than
/// from so many draws.
const FAMILIES: f64 = 25.0;
/// The most that a strange machine's bounds are widened.
const WIDEST: f64 = 3.0;
/// By how many spreads a number may pass what was measured.
const BEYOND: f64 = 0.5;
/// How many CPU models of a family say as much of it as all others do.
const SHRUNK: f64 = 1.0;

impl Partial {
    /// Learns from measured machines; a family weighs by the root of its size.
    ///
    /// # Errors
    /// If a covariance has no inverse, which its least variance prevents.
    pub fn learn(machines: &[TrainingMachine]) -> Result<Self, Singular> {
        let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
        for machine in machines {
            *sizes.entry(&machine.host.microarch).or_default() += 1;
        }
        let weights: Vec<f64> = machines
            .iter()
            .map(|machine| 1.0 / count(sizes[machine.host.microarch.as_str()]).sqrt())
            .collect();
        let told: Vec<Cells> = machines
            .iter()
            .map(|machine| Told::of(&machine.host).cells())
            .collect();
        let Filled {
            rows,
            doubt_of,
            doubts,
            units,
        } = fill::fill(&told, &weights)?;
        let rows: Vec<Row> = machines
            .iter()
            .enumerate()
            .map(|(at, machine)| Row {
                id: machine.id.clone(),
                family: machine.host.microarch.clone(),
                cpu: machine.host.cpu.clone(),
                vendor: machine.host.vendor.clone(),
                which: Which::of(&told[at]),
                cells: rows[at],
                watts: machine.watts,
                levels: machine.measured(),
                weight: weights[at],
                doubt: doubt_of[at],
            })
            .collect();
        let range = std::array::from_fn(|at| {
            let ends = rows.iter().fold((0.0_f64, 0.0_f64), |(least, most), row| {
                (least.min(row.cells[at]), most.max(row.cells[at]))
            });
            (ends.0 - BEYOND, ends.1 + BEYOND)
        });
        let mut all = Sums::none();
        for row in &rows {
            row.add_to(&mut all, &doubts);
        }
        Ok(Self {
            rows,
            doubts,
            all,
            units,
            range,
            answers: Mutex::default(),
        })
    }

    /// What can be said of a machine of a family; `None` if nothing is told
    /// that could say anything.
    ///
    /// # Errors
    /// If a covariance has no inverse, which its own variance prevents.
    pub fn guess(
        &self,
        told: &Told,
        family: &str,
        (kin, scale): (Kin, Scale),
    ) -> Result<Option<(Guessed, Arc<Answers>)>, Singular> {
        let cells = told.cells();
        let which = kin.of(Which::of(&cells));
        if which.is_nothing() {
            return Ok(None);
        }
        let answers = self.answers(which, kin, scale)?;
        let row = self.standard(&cells);
        let deviation = (1.0 + answers.fit.distance(&row) / FAMILIES)
            .sqrt()
            .min(WIDEST);
        let within = std::array::from_fn(|at| row[at].clamp(self.range[at].0, self.range[at].1));
        let watts = answers.watts(&within, answers.families.get(family));
        Ok(Some((Guessed { watts, deviation }, answers)))
    }

    /// The clock in MHz that is expected of a machine that does not tell it.
    ///
    /// # Errors
    /// As [`Partial::guess`].
    pub fn clock_mhz(&self, told: &Told) -> Result<f64, Singular> {
        let cells = told.cells();
        let places = Which::of(&cells).without(CLOCK).places();
        let z = expected(&self.all, &places, CLOCK, &self.standard(&cells))?;
        let (mean, unit) = self.units[CLOCK];
        let (least, most) = self.range[CLOCK];
        Ok((mean + unit * z.clamp(least, most)).exp())
    }

    /// In units of the spread; what is not told is at the mean.
    fn standard(&self, cells: &Cells) -> [f64; TOLD] {
        std::array::from_fn(|at| {
            let (mean, unit) = self.units[at];
            cells[at].map_or(0.0, |cell| (cell - mean) / unit)
        })
    }

    /// What is answered to those who tell `which`; made once, and kept while
    /// not too many others are asked for.
    ///
    /// # Errors
    /// As [`Partial::guess`].
    pub fn answers(&self, which: Which, kin: Kin, scale: Scale) -> Result<Arc<Answers>, Singular> {
        let kept = || self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answers) = kept().get(&(which, kin, scale)) {
            return Ok(Arc::clone(answers));
        }
        let answers = Arc::new(self.make(which, kin, scale)?);
        let mut kept = kept();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert((which, kin, scale), Arc::clone(&answers));
        Ok(answers)
    }

    fn make(&self, which: Which, kin: Kin, scale: Scale) -> Result<Answers, Singular> {
        let places = which.places();
        let by = (scale == Scale::Thread).then_some((THREADS, self.units[THREADS]));
        let own = |row: &Row| by.map_or(0.0, |(at, (mean, unit))| mean + unit * row.cells[at]);
        let fit = Fit::new(&self.all, &places, by)?;
        let mut groups: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
        for row in &self.rows {
            groups.entry(row.group(kin)).or_default().push(row);
        }
        let mut scored = Vec::new();
        for (group, members) in &groups {
            let others = |row: &&Row| row.group(kin) != *group;
            let kinsmen: Vec<&Row> = self
                .rows
                .iter()
                .filter(others)
                .filter(|row| kin.joins(row, members))
                .collect();
            if kinsmen.is_empty() {
                continue;
            }
            let mut left_out = Sums::none();
            for row in members {
                row.add_to(&mut left_out, &self.doubts);
            }
            let fit = Fit::new(&self.all.without(&left_out), &places, by)?;
            let effect = (kin == Kin::Family).then(|| effect(&fit, &kinsmen, own));
            for row in members.iter().filter(|row| row.which.holds(which)) {
                let deviation = (1.0 + fit.distance(&row.cells) / FAMILIES)
                    .sqrt()
                    .min(WIDEST);
                scored.push(Scored {
                    id: row.id.clone(),
                    family: row.family.clone(),
                    levels: row.levels.to_vec(),
                    truth: row.watts.map(|watts| watts / own(row).exp()).to_vec(),
                    predicted: watts(&fit, &row.cells, effect.as_ref()).to_vec(),
                    deviation,
                });
            }
        }
        let mut families: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
        for row in &self.rows {
            families.entry(row.family.clone()).or_default().push(row);
        }
        let effects = |(family, rows): (String, Vec<&Row>)| (family, effect(&fit, &rows, own));
        let families = if kin == Kin::Family {
            families.into_iter().map(effects).collect()
        } else {
            BTreeMap::new()
        };
        let errors = scored.iter().map(Scored::mean_error).sum::<f64>();
        let mut names: Vec<&str> = scored.iter().map(|one| one.family.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        Ok(Answers {
            which,
            fit,
            families,
            mape_percent: 100.0 * errors / count(scored.len().max(1)),
            family_count: names.len(),
            calibration: Calibration::learn(scored.iter(), LOADS),
            correction: Correction::learn(scored.iter()),
            scored,
        })
    }
}

impl Kin {
    /// What is of use of what is told.
    #[must_use]
    pub fn of(self, which: Which) -> Which {
        match self {
            Self::Family | Self::Vendor => which,
            Self::Nobody => which.of_any_vendor(),
        }
    }

    /// Whether a machine makes its group one of which this would be said.
    fn joins(self, row: &Row, group: &[&Row]) -> bool {
        let first = group.first();
        first.is_some_and(|first| match self {
            Self::Family => row.family == first.family,
            Self::Vendor => row.vendor == first.vendor,
            Self::Nobody => true,
        })
    }
}

impl Row {
    /// Machines that are left out together.
    fn group(&self, kin: Kin) -> (&str, &str) {
        match kin {
            Kin::Family => (&self.family, &self.cpu),
            Kin::Vendor => (&self.family, ""),
            Kin::Nobody => (&self.vendor, ""),
        }
    }

    fn logs(&self) -> [f64; LOADS] {
        self.watts.map(f64::ln)
    }

    fn add_to(&self, sums: &mut Sums, doubts: &[Square]) {
        let logs = self.logs();
        let row: [f64; ALL] = std::array::from_fn(|at| {
            let log = at.checked_sub(TOLD).map(|level| logs[level]);
            log.unwrap_or_else(|| self.cells[at])
        });
        sums.add(&row, self.weight, &doubts[self.doubt]);
    }
}

impl Answers {
    fn watts(&self, cells: &[f64; TOLD], effect: Option<&[f64; LOADS]>) -> Curve {
        watts(&self.fit, cells, effect)
    }

    /// What of what was told is gone by.
    #[must_use]
    pub const fn which(&self) -> Which {
        self.which
    }
}

/// By how much a family's machines are off what all machines say of them, each
/// CPU model weighing alike, shrunk by how few these are.
fn effect(fit: &Fit, rows: &[&Row], own: impl Fn(&Row) -> f64) -> [f64; LOADS] {
    let mut by_cpu: BTreeMap<&str, (f64, [f64; LOADS])> = BTreeMap::new();
    for row in rows {
        let expected = fit.logs(&row.cells);
        let (number, sum) = by_cpu.entry(&row.cpu).or_default();
        *number += 1.0;
        for ((sum, log), expected) in sum.iter_mut().zip(row.logs()).zip(expected) {
            *sum += log - own(row) - expected;
        }
    }
    let models = count(by_cpu.len());
    let mut mean = [0.0; LOADS];
    for (number, sum) in by_cpu.values() {
        for (mean, sum) in mean.iter_mut().zip(sum) {
            *mean += sum / number / (models + SHRUNK);
        }
    }
    mean
}

/// Expected watts; more load never takes less power.
fn watts(fit: &Fit, cells: &[f64; TOLD], effect: Option<&[f64; LOADS]>) -> Curve {
    let mut most = 0.0_f64;
    let logs = fit.logs(cells);
    std::array::from_fn(|level| {
        let own = effect.map_or(0.0, |effect| effect[level]);
        most = most.max((logs[level] + own).exp());
        most
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::conformal::score;

    /// Bounds of a machine that tells little hold nine of ten left-out machines
    /// that tell the same, whatever that is.
    #[test]
    fn whatever_is_told_its_bounds_hold_what_they_promise() {
        let catalog = Catalog::bundled();
        let partial = Partial::learn(&catalog.machines).unwrap();
        let all = Told::of(&catalog.machines[0].host);
        let some = [
            Told {
                vendor: all.vendor.clone(),
                design: all.design,
                ..Told::default()
            },
            Told {
                tdp_w: all.tdp_w,
                sockets: all.sockets,
                ..Told::default()
            },
            Told {
                vendor: all.vendor.clone(),
                year: all.year,
                cores: all.cores,
                mem_gb: all.mem_gb,
                ..Told::default()
            },
            Told {
                sockets: None,
                cores_per_socket: None,
                ..all
            },
        ];
        for told in some {
            for (kin, scale) in [
                (Kin::Family, Scale::Machine),
                (Kin::Vendor, Scale::Machine),
                (Kin::Vendor, Scale::Thread),
            ] {
                let which = kin.of(Which::of(&told.cells()));
                let answers = partial.answers(which, kin, scale).unwrap();
                let score = score(&answers.scored, LOADS, LOADS / 2, 0.9);
                println!(
                    "{} {kin:?} {scale:?}: n {} MAPE {:.1} coverage {:.1} width {:.2} worst {}",
                    which.words(),
                    score.machines,
                    score.mape_percent,
                    score.coverage_percent,
                    score.width,
                    score.worst_family
                );
                assert!(score.machines > 500, "{}", which.words());
                assert!(
                    (85.0..=97.0).contains(&score.coverage_percent),
                    "{} {kin:?} {scale:?}: {}",
                    which.words(),
                    score.coverage_percent
                );
            }
        }
    }

    /// A machine like no other has bounds that are wider, and watts that are no
    /// more than somewhat beyond all others'.
    #[test]
    fn a_strange_machine_is_not_extrapolated_without_doubt() {
        let catalog = Catalog::bundled();
        let partial = Partial::learn(&catalog.machines).unwrap();
        let of = |tdp_w: f64, sockets: f64| {
            let told = Told {
                tdp_w: Some(tdp_w),
                sockets: Some(sockets),
                ..Told::default()
            };
            let of = (Kin::Nobody, Scale::Machine);
            partial.guess(&told, "", of).unwrap().unwrap().0
        };
        let (usual, strange) = (of(150.0, 2.0), of(2_000.0, 64.0));
        assert!(usual.deviation < 1.2, "{usual:?}");
        assert!(strange.deviation > 1.5, "{strange:?}");
        assert!(strange.watts[10] < 100_000.0 && strange.watts.is_sorted());
        let of = (Kin::Vendor, Scale::Machine);
        let nothing = partial.guess(&Told::default(), "", of).unwrap();
        assert!(nothing.is_none());
    }
}
