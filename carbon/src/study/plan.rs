//! What a study is to find out and by which rules, written before its first
//! trial. A report that is made without a plan says so.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tanso_power::units::Utilisation;

use super::bootstrap::Bootstrap;
use super::difference::Confidence;
use super::order::{Slot, randomised_blocks};
use super::outlier::OutlierPolicy;
use super::stopping::StoppingRule;
use super::strata::{self, Stratum};
use super::trial::{Trial, Trials, Unit, name_fault};
use crate::units::Intensity;

/// A way to run the system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Arm {
    /// Its name in the CSV.
    pub name: String,
    /// What it is, for readers.
    #[serde(default)]
    pub description: String,
    /// How many changes each of its trials applies; makes cost per change.
    #[serde(default)]
    pub changes_per_trial: Option<u32>,
    /// The parts of its time, each with trials of its own; if empty, its trials
    /// have its name and are all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strata: Vec<Stratum>,
}

impl Arm {
    /// The trials that measure it, as they are named in the CSV, with the share
    /// that each kind of them counts by.
    #[must_use]
    pub fn parts(&self) -> Vec<(&str, f64)> {
        if self.strata.is_empty() {
            return vec![(self.name.as_str(), 1.0)];
        }
        let parts = self.strata.iter();
        parts
            .map(|part| (part.trials.as_str(), part.share))
            .collect()
    }
}

/// What a difference in energy is the cost of, in the answer's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cost {
    /// A day on which nothing changes.
    IdleDay,
    /// One change.
    Change,
}

/// Two arms to compare: `arm − against`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Comparison {
    /// What is compared.
    pub arm: String,
    /// What it is compared against.
    pub against: String,
    /// The two are the same: the interval must hold 0.
    #[serde(default)]
    pub placebo: bool,
    /// A difference that was put in on purpose: the interval must hold it.
    #[serde(default)]
    pub injected: Option<Injected>,
    /// What the difference is the cost of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// A load of known cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Injected {
    /// The response that it shows in.
    pub response: String,
    /// Its size, in the response's unit.
    pub difference: f64,
}

/// Bounds above which a trial is disturbed by others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Disturbance {
    /// The most CPU time that the host may keep from the machine.
    pub steal_max: Utilisation,
    /// The most CPU time of what is no part of the study.
    pub foreign_cpu_max: Utilisation,
}

impl Default for Disturbance {
    fn default() -> Self {
        let share = |ratio| Utilisation::try_new(ratio).unwrap_or_default();
        Self {
            steal_max: share(0.01),
            foreign_cpu_max: share(0.05),
        }
    }
}

impl Disturbance {
    /// Why a trial counts as disturbed; empty if it does not.
    #[must_use]
    pub fn reasons(&self, trial: &Trial) -> Vec<String> {
        let over = |name: &str, share: Option<Utilisation>, most: Utilisation| {
            let share = share.filter(|share| *share > most)?;
            let [share, most] = [share, most].map(|share| 100.0 * share.ratio());
            Some(format!("{name} {share:.1} % (bound {most:.1} %)"))
        };
        let steal = over("steal", trial.steal, self.steal_max);
        let foreign = over("foreign CPU", trial.foreign_cpu, self.foreign_cpu_max);
        let marks = trial.marks.iter().cloned();
        steal.into_iter().chain(foreign).chain(marks).collect()
    }
}

/// Which result the answer in words takes; both are always shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Headline {
    /// Without disturbed trials and outliers.
    #[default]
    Kept,
    /// With every complete block.
    All,
}

/// What the study should be able to see.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Target {
    /// A difference, as a share of the mean compared against.
    pub relative_difference: f64,
    /// How likely it should be seen.
    pub power: f64,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            relative_difference: 0.02,
            power: 0.8,
        }
    }
}

/// A grid whose carbon a difference in energy is priced at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GridZone {
    /// The zone, such as `KR`.
    pub zone: String,
    /// Its average intensity, gCO2eq/kWh.
    pub grams_per_kwh: f64,
    /// Where that figure is from.
    pub source: String,
}

/// A study as planned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// What it is called.
    pub title: String,
    /// The question in words.
    #[serde(default)]
    pub question: String,
    /// The arms, in the order that they are dealt from.
    pub arms: Vec<Arm>,
    /// What is compared; if empty, each arm against the first.
    #[serde(default)]
    pub comparisons: Vec<Comparison>,
    /// The response that answers the question: a column of the CSV.
    pub primary_response: String,
    /// How often intervals are to hold the truth.
    #[serde(default = "usual")]
    pub confidence: Confidence,
    /// The seed of the trials' order.
    #[serde(default)]
    pub order_seed: u64,
    /// When to stop.
    #[serde(default)]
    pub stopping: StoppingRule,
    /// Which differences are outliers.
    #[serde(default)]
    pub outliers: OutlierPolicy,
    /// Which trials are disturbed.
    #[serde(default)]
    pub disturbance: Disturbance,
    /// Which result the answer takes.
    #[serde(default)]
    pub headline: Headline,
    /// The resampling.
    #[serde(default)]
    pub bootstrap: Bootstrap,
    /// What the study should be able to see.
    #[serde(default)]
    pub target: Target,
    /// Grids to price a difference in energy at.
    #[serde(default)]
    pub zones: Vec<GridZone>,
    /// What was run on what: versions, machine, settings, as told.
    #[serde(default)]
    pub environment: std::collections::BTreeMap<String, String>,
    /// Whether it was written before the run; a report says if not.
    #[serde(skip, default = "stated")]
    pub stated: bool,
}

const fn usual() -> Confidence {
    Confidence::USUAL
}

const fn stated() -> bool {
    true
}

/// Why a text is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It is no YAML of this form.
    #[error("{file}: {reason}")]
    Syntax {
        /// The file.
        file: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// It contradicts itself; all faults.
    #[error("{file}: {}", .faults.join("; "))]
    Faults {
        /// The file.
        file: String,
        /// Each fault with its field, value and what is accepted.
        faults: Vec<String>,
    },
}

impl Plan {
    /// Parses a plan in YAML (or JSON, which is YAML).
    ///
    /// ```
    /// use tanso_carbon::study::Plan;
    /// let text = "{title: Flux, primaryResponse: node_joules, arms: [{name: snow}, {name: flux}]}";
    /// let plan = Plan::parse("plan.yaml", text)?;
    /// assert_eq!(plan.compared()[0].against, "snow");
    /// assert_eq!(plan.slots(3).len(), 6);
    /// let refused = Plan::parse("plan.yaml", &text.replace("_joules", "")).unwrap_err();
    /// assert!(refused.to_string().contains("primaryResponse \"node\""));
    /// # Ok::<(), tanso_carbon::study::plan::PlanError>(())
    /// ```
    ///
    /// # Errors
    /// If it is not of this form, or contradicts itself.
    pub fn parse(file: &str, text: &str) -> Result<Self, PlanError> {
        let plan: Self = serde_saphyr::from_str(text).map_err(|error| PlanError::Syntax {
            file: file.to_owned(),
            reason: error.to_string(),
        })?;
        let faults = plan.faults();
        if faults.is_empty() {
            return Ok(plan);
        }
        Err(PlanError::Faults {
            file: file.to_owned(),
            faults,
        })
    }

    /// A plan for figures that came without one: every arm against
    /// `baseline`, the usual rules; marked as not stated before the run.
    #[must_use]
    pub fn unstated(trials: &Trials, baseline: Option<&str>, primary: Option<&str>) -> Self {
        let names: BTreeSet<_> = trials.rows().iter().map(|row| row.arm.as_str()).collect();
        let first = baseline.or_else(|| names.iter().next().copied());
        let rest = names.iter().copied().filter(|name| Some(*name) != first);
        let arm = |name: &str| Arm {
            name: name.to_owned(),
            ..Arm::default()
        };
        let energy = || {
            let mut found = trials.responses().iter();
            found.find(|(_, unit)| **unit == Unit::Joules)
        };
        let guess = || energy().or_else(|| trials.responses().iter().next());
        let primary = primary.or_else(|| guess().map(|(name, _)| name.as_str()));
        Self {
            title: "Study without a plan".to_owned(),
            question: String::new(),
            arms: first.into_iter().chain(rest).map(arm).collect(),
            comparisons: Vec::new(),
            primary_response: primary.unwrap_or_default().to_owned(),
            confidence: Confidence::USUAL,
            order_seed: 0,
            stopping: StoppingRule::default(),
            outliers: OutlierPolicy::default(),
            disturbance: Disturbance::default(),
            headline: Headline::default(),
            bootstrap: Bootstrap::default(),
            target: Target::default(),
            zones: Vec::new(),
            environment: std::collections::BTreeMap::new(),
            stated: false,
        }
    }

    /// What is compared: as planned, or each arm against the first.
    #[must_use]
    pub fn compared(&self) -> Vec<Comparison> {
        if !self.comparisons.is_empty() {
            return self.comparisons.clone();
        }
        let Some((first, rest)) = self.arms.split_first() else {
            return Vec::new();
        };
        let against = |arm: &Arm| Comparison {
            arm: arm.name.clone(),
            against: first.name.clone(),
            ..Comparison::default()
        };
        rest.iter().map(against).collect()
    }

    /// The trials of so many blocks, in their order.
    #[must_use]
    pub fn slots(&self, blocks: u32) -> Vec<Slot> {
        randomised_blocks(&self.kinds(), blocks, self.order_seed)
    }

    /// The kinds of trials, of which a block has one each: the arms, and the
    /// parts of those that have parts. What arms share stands once.
    #[must_use]
    pub fn kinds(&self) -> Vec<String> {
        let mut kinds: Vec<String> = Vec::new();
        for (name, _) in self.arms.iter().flat_map(Arm::parts) {
            if kinds.iter().all(|kind| kind != name) {
                kinds.push(name.to_owned());
            }
        }
        kinds
    }

    /// How many changes each trial of a kind applies.
    #[must_use]
    pub fn changes_of(&self, kind: &str) -> u32 {
        let has = |arm: &&Arm| arm.parts().iter().any(|(name, _)| *name == kind);
        let changes = self.arms.iter().filter(has);
        changes
            .filter_map(|arm| arm.changes_per_trial)
            .max()
            .unwrap_or_default()
    }

    /// An arm by its name.
    pub(super) fn arm(&self, name: &str) -> Option<&Arm> {
        self.arms.iter().find(|arm| arm.name == name)
    }

    /// The trial to run after these; none when all are there or the rule asks
    /// for no more. It is asked between blocks only: half a block says nothing.
    #[must_use]
    pub fn next(&self, trials: &Trials) -> Option<Slot> {
        let done: BTreeSet<u32> = trials.measured().map(|row| row.order).collect();
        let is_block = done.len().is_multiple_of(self.kinds().len().max(1));
        // Of a fixed number the slots just end; a report of all would be in vain.
        let looks = !matches!(self.stopping, StoppingRule::Blocks(_));
        let is_enough =
            || looks && super::report(self, trials).is_ok_and(|one| one.decision.is_stop());
        if is_block && is_enough() {
            return None;
        }
        let mut planned = self.slots(self.stopping.blocks_max()).into_iter();
        planned.find(|slot| !done.contains(&slot.order))
    }

    /// All that is wrong with it.
    fn faults(&self) -> Vec<String> {
        let mut faults = self.arm_faults();
        let names: BTreeSet<_> = self.arms.iter().map(|arm| arm.name.as_str()).collect();
        for (index, one) in self.comparisons.iter().enumerate() {
            for (field, name) in [("arm", &one.arm), ("against", &one.against)] {
                if !names.contains(name.as_str()) {
                    faults.push(format!(
                        "comparisons[{index}].{field} {name:?}: no such arm"
                    ));
                }
            }
            if one.arm == one.against {
                faults.push(format!(
                    "comparisons[{index}] {:?}: compared with itself",
                    one.arm
                ));
            }
            let response = one.injected.as_ref().map(|injected| &injected.response);
            faults.extend(response.and_then(|name| {
                unit_fault(&format!("comparisons[{index}].injected.response"), name)
            }));
        }
        faults.extend(unit_fault("primaryResponse", &self.primary_response));
        faults.extend(self.zones.iter().enumerate().filter_map(|(index, zone)| {
            let error = Intensity::try_from_grams_per_kwh(zone.grams_per_kwh).err()?;
            Some(format!("zones[{index}].gramsPerKwh: {error}"))
        }));
        faults.extend(self.number_faults());
        faults
    }

    fn arm_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut seen = BTreeSet::new();
        for (index, arm) in self.arms.iter().enumerate() {
            let fault = name_fault(&arm.name);
            let twice = (!seen.insert(&arm.name)).then_some("stands twice");
            let told = |fault| format!("arms[{index}].name {:?}: {fault}", arm.name);
            faults.extend(fault.or(twice).map(told));
            faults.extend(strata::faults(
                &format!("arms[{index}].strata"),
                &arm.strata,
            ));
        }
        if self.arms.len() < 2 {
            faults.push(format!(
                "arms: {} given, at least 2 are needed",
                self.arms.len()
            ));
        }
        faults
    }

    fn number_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut demand = |fine: bool, text: &str| {
            if !fine {
                faults.push(text.to_owned());
            }
        };
        let above = |figure: f64, least: f64| figure.is_finite() && figure > least;
        demand(
            above(self.target.relative_difference, 0.0),
            "target.relativeDifference: accepted are values above 0",
        );
        demand(
            (0.5..1.0).contains(&self.target.power),
            "target.power: accepted are 0.5 to below 1",
        );
        demand(
            (1..=1_000_000).contains(&self.bootstrap.resamples),
            "bootstrap.resamples: accepted are 1 to 1000000",
        );
        let mad = match self.outliers {
            OutlierPolicy::Mad(most) => above(most, 0.0),
            OutlierPolicy::None => true,
        };
        demand(mad, "outliers.mad: accepted are values above 0");
        let stopping = match self.stopping {
            StoppingRule::Blocks(blocks) => blocks >= 2,
            StoppingRule::HalfWidth {
                relative,
                blocks_min,
                blocks_max,
            } => above(relative, 0.0) && blocks_min >= 2 && blocks_min <= blocks_max,
        };
        demand(
            stopping,
            "stopping: at least 2 blocks, blocksMin up to blocksMax, relative above 0",
        );
        faults
    }
}

fn unit_fault(field: &str, column: &str) -> Option<String> {
    let suffixes = || {
        Unit::ALL
            .map(|unit| format!("_{}", unit.suffix()))
            .join(", ")
    };
    let told = || format!("{field} {column:?}: must end with its unit: {}", suffixes());
    Unit::of_column(column).is_none().then(told)
}

#[cfg(test)]
mod tests;
