//! The protocol: every method trained without the machines it is asked about.
//!
//! A split says which machines are left out together and what is seen of them.
//! Each fold trains anew, so nothing of the left-out machines, their scale
//! included, is in any figure. What was chosen after a look at these folds,
//! and what was not, [`super::report`] says beside the figures.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::guest::Asked;
use super::workers::each;
use crate::baselines::{Method, completed_anew};
use crate::catalog::Catalog;
use crate::catalog::curves::TrainingMachine;
use crate::columns::View;
use crate::conformal::{Score, Scored, score};
use crate::host::{Host, LOADS};
use crate::matrix::Singular;
use crate::resolve::Atlas;
use crate::tiers::LEVEL;

/// How machines are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Split {
    /// One microarchitecture.
    Family,
    /// As `Family`, and told is what an agent in a guest tells; the CPU's data
    /// sheet is known by its name.
    FamilySeenByGuest,
    /// As `FamilySeenByGuest`, and no data sheet is known either.
    FamilyNamelessToGuest,
    /// A tenth of the CPU models.
    CpuModel,
    /// All published since 2018.
    Since2018,
    /// All published since 2024, of which idle and full load are known.
    Ends2024,
    /// One CPU vendor of the two large ones.
    Vendor,
    /// A tenth at random: an alarm for leaks, no figure to quote.
    Random,
}

impl Split {
    /// All splits.
    pub const ALL: [Self; 8] = [
        Self::Family,
        Self::FamilySeenByGuest,
        Self::FamilyNamelessToGuest,
        Self::CpuModel,
        Self::Since2018,
        Self::Ends2024,
        Self::Vendor,
        Self::Random,
    ];

    /// What the split is, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Family => "CPU family never seen",
            Self::FamilySeenByGuest => "the same, asked by a guest",
            Self::FamilyNamelessToGuest => "the same, its CPU in no table",
            Self::CpuModel => "CPU model never seen, family known",
            Self::Since2018 => "trained before 2018, tested after",
            Self::Ends2024 => "idle and full load of 2024 from before",
            Self::Vendor => "CPU vendor never seen",
            Self::Random => "random tenths (an alarm for leaks)",
        }
    }

    const fn view(self) -> View {
        match self {
            Self::FamilySeenByGuest => View::Memory,
            Self::FamilyNamelessToGuest => View::Guest,
            _ => View::Server,
        }
    }

    /// Whether guests ask.
    const fn of_guests(self) -> bool {
        matches!(self, Self::FamilySeenByGuest | Self::FamilyNamelessToGuest)
    }

    /// Whether a machine is ever tested.
    fn tests(self, machine: &TrainingMachine) -> bool {
        match self {
            Self::Ends2024 => !machine.full && machine.published >= 2_024.0,
            Self::Since2018 => machine.full && machine.published >= 2_018.0,
            Self::Vendor => machine.full && matches!(machine.host.vendor.as_str(), "intel" | "amd"),
            _ => machine.full,
        }
    }

    /// The group that a machine is left out with; `None` if it is in none.
    pub(super) fn group(self, machine: &TrainingMachine, place: usize) -> Option<String> {
        let cpu = if machine.host.cpu.is_empty() {
            &machine.id
        } else {
            &machine.host.cpu
        };
        match self {
            Self::Family | Self::FamilySeenByGuest | Self::FamilyNamelessToGuest => {
                Some(machine.host.microarch.clone())
            }
            Self::CpuModel => Some(format!("{}", tenth(cpu.as_bytes()))),
            Self::Since2018 => (machine.published >= 2_018.0).then(String::new),
            Self::Ends2024 => (machine.published >= 2_024.0).then(String::new),
            // Arm has no machine with a whole curve: it stays in neither.
            Self::Vendor => Some(machine.host.vendor.clone()),
            Self::Random => Some(format!("{}", tenth(&place.to_le_bytes()))),
        }
    }

    /// Whether a machine may be trained on when `group` is left out.
    pub(super) fn trains(self, machine: &TrainingMachine, place: usize, group: &str) -> bool {
        match self {
            // The vendors are predicted from one another.
            Self::Vendor => {
                machine.host.vendor != group
                    && matches!(machine.host.vendor.as_str(), "intel" | "amd")
            }
            _ => self.group(machine, place).as_deref() != Some(group),
        }
    }
}

/// One of ten parts that a text falls in, the same on every machine (FNV-1a).
pub(super) fn tenth(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 32) % 10
}

/// One method's error on one split.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// How machines were left out.
    pub split: Split,
    /// What was asked.
    pub method: Method,
    /// The error; intervals of a family come from the other families' errors.
    pub score: Score,
    /// Every machine as it was predicted.
    #[serde(skip)]
    pub scored: Vec<Scored>,
}

/// A fold of work.
struct Fold {
    split: Split,
    method: Method,
    group: String,
}

/// Runs every method on every split, two folds at a time; `step` is told after
/// each how many of how many are done.
///
/// # Errors
/// If a method's matrix has no inverse.
pub fn run(
    catalog: &Catalog,
    methods: &[Method],
    splits: &[Split],
    step: impl Fn(usize, usize) + Sync,
) -> Result<Vec<Outcome>, Singular> {
    let folds = folds(catalog, methods, splits);
    let done = each(&folds, step, |fold| {
        Ok(((fold.split, fold.method), fold.run(catalog)?))
    })?;
    let mut found: BTreeMap<(Split, Method), Vec<Scored>> = BTreeMap::new();
    for (key, scored) in done {
        found.entry(key).or_default().extend(scored);
    }
    Ok(found
        .into_iter()
        .map(|((split, method), mut scored)| {
            scored.sort_by(|a, b| a.id.cmp(&b.id));
            Outcome {
                split,
                method,
                score: score(&scored, LOADS, LOADS / 2, LEVEL),
                scored,
            }
        })
        .collect())
}

fn folds(catalog: &Catalog, methods: &[Method], splits: &[Split]) -> Vec<Fold> {
    let mut folds = Vec::new();
    for split in splits {
        let groups: BTreeSet<String> = catalog
            .machines
            .iter()
            .enumerate()
            .filter(|(_, machine)| split.tests(machine))
            .filter_map(|(place, machine)| split.group(machine, place))
            .collect();
        for method in methods {
            folds.extend(groups.iter().map(|group| Fold {
                split: *split,
                method: *method,
                group: group.clone(),
            }));
        }
    }
    folds
}

impl Fold {
    fn run(&self, catalog: &Catalog) -> Result<Vec<Scored>, Singular> {
        let places = || catalog.machines.iter().enumerate();
        let training: Vec<TrainingMachine> = places()
            .filter(|(place, machine)| self.split.trains(machine, *place, &self.group))
            .map(|(_, machine)| machine.clone())
            .collect();
        let tested: Vec<&TrainingMachine> = places()
            .filter(|(place, machine)| {
                self.split.tests(machine)
                    && self.split.group(machine, *place).as_deref() == Some(&self.group)
            })
            .map(|(_, machine)| machine)
            .collect();
        let asked = self.asked(catalog, &training, &tested);
        let hosts: Vec<Host> = asked.iter().map(|asked| asked.host.clone()).collect();
        let answers = self.method.predict(
            &completed_anew(training),
            &hosts,
            self.split.view(),
            &catalog.coefficients,
        )?;
        Ok(tested
            .iter()
            .zip(asked)
            .zip(answers)
            .map(|((machine, asked), (watts, deviation))| Scored {
                id: machine.id.clone(),
                family: machine.host.microarch.clone(),
                levels: machine.measured().to_vec(),
                truth: machine.watts.to_vec(),
                predicted: watts.map(|watts| watts * asked.factor).to_vec(),
                deviation,
            })
            .collect())
    }

    /// Whom the methods are asked about.
    fn asked(
        &self,
        catalog: &Catalog,
        training: &[TrainingMachine],
        tested: &[&TrainingMachine],
    ) -> Vec<Asked> {
        if !self.split.of_guests() {
            let itself = |machine: &&TrainingMachine| Asked::itself(&machine.host);
            return tested.iter().map(itself).collect();
        }
        let sheets = self.split == Split::FamilySeenByGuest;
        let atlas = Atlas::as_if_measured(catalog, training, sheets);
        tested
            .iter()
            .map(|machine| Asked::guest(machine, &atlas))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tested_is_never_trained_on() {
        let catalog = Catalog::bundled();
        for split in Split::ALL {
            let mut tested = 0;
            for fold in folds(&catalog, &[Method::Ratio], &[split]) {
                for (place, machine) in catalog.machines.iter().enumerate() {
                    let left_out = split.tests(machine)
                        && split.group(machine, place).as_deref() == Some(&fold.group);
                    tested += usize::from(left_out);
                    assert!(!left_out || !split.trains(machine, place, &fold.group));
                }
            }
            assert!(tested > 90, "{split:?} tests {tested}");
        }
    }

    #[test]
    fn the_past_is_trained_on_and_the_future_tested() {
        let catalog = Catalog::bundled();
        let outcomes = run(
            &catalog,
            &[Method::Ratio, Method::Coefficients],
            &[Split::Since2018],
            |done, all| assert!(done <= all),
        )
        .unwrap();
        assert_eq!(outcomes.len(), 2);
        for outcome in outcomes {
            assert_eq!(outcome.score.machines, 207);
            assert!((5.0..150.0).contains(&outcome.score.mape_percent));
        }
    }
}
