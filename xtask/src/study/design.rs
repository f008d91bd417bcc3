//! What the `GitOps` study runs: arms, phases, stream and comparisons, chosen
//! before the first trial and kept beside the raw figures. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tanso_carbon::study::Plan;
use tanso_carbon::study::bootstrap::Bootstrap;
use tanso_carbon::study::difference::Confidence;
use tanso_carbon::study::order::{Slot, randomised_blocks};
use tanso_carbon::study::outlier::OutlierPolicy;
use tanso_carbon::study::plan::{Arm, Disturbance, GridZone, Headline, Target};
use tanso_carbon::study::stopping::StoppingRule;
use tanso_carbon::study::stream::{Busy, Deed, Event, deal};

mod arms;
mod compared;
mod kinds;

pub use arms::{ArmDesign, By};
pub use kinds::{Kind, Timer, begins};

/// Median absolute deviations, scaled, beyond which a difference is marked.
const OUTLIER_MADS: f64 = 3.5;

/// Length of measured phases unless another is asked for: a whole sync of a few
/// Kustomizations fits in, and an hour has more of them than of longer ones.
const MEASURED_SECONDS: u64 = 10;

/// The injected load: this share of a measured phase on one processor.
const LOAD_SHARE: f64 = 0.15;

/// What may be chosen.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// Short phases and few blocks.
    pub quick: bool,
    /// Trials of each arm.
    pub blocks: Option<u32>,
    /// Length of measured phases.
    pub measured_seconds: Option<u64>,
    /// How many Kustomizations; of several, each makes arms of its own.
    pub kustomizations: &'a [usize],
    /// Wanted changes in a busy trial.
    pub changes: Option<u32>,
    /// Only these arms; none: those of the mode.
    pub arms: &'a [String],
    /// Seed of order, stream and bootstrap.
    pub seed: u64,
}

/// What is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Design {
    /// Trials of each arm.
    pub blocks: u32,
    /// The longest wait for the cluster to be at rest before a measured phase,
    /// after all is set up; a trial that begins without rest is marked.
    pub settle_seconds_max: u64,
    /// Length of measured phases.
    pub measured_seconds: u64,
    /// How many Kustomizations Flux delivers, an application each, fewest
    /// first; changes and edits fall on those that every arm has.
    pub kustomizations: Vec<usize>,
    /// Wanted changes in a busy trial.
    pub changes: u32,
    /// Edits by hand in a trial with edits.
    pub edits: u32,
    /// CPU time that the injected load uses, seconds.
    pub load_cpu_seconds: f64,
    /// Seed of order, stream and bootstrap.
    pub seed: u64,
    /// The arms, in the order that they are dealt from.
    pub arms: Vec<ArmDesign>,
}

impl Design {
    /// The design of a choice.
    ///
    /// # Errors
    /// All that is wrong with the choice: field, value and what is accepted.
    pub fn choose(choice: &Choice<'_>) -> Result<Self, Vec<String>> {
        let blocks = choice.blocks.unwrap_or(if choice.quick { 5 } else { 30 });
        let measured = choice.measured_seconds.unwrap_or(MEASURED_SECONDS);
        let spread = u32::try_from((measured / 5).max(1)).unwrap_or(u32::MAX);
        let changes = choice.changes.unwrap_or(spread);
        let mut faults = Vec::new();
        let mut demand = |flag: &str, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                faults.push(format!("--{flag} {value}: accepted are {least} to {most}"));
            }
        };
        demand("trials", blocks.into(), 2, 1_000);
        demand("measured", measured, 5, 86_400);
        let mut kustomizations = choice.kustomizations.to_vec();
        kustomizations.sort_unstable();
        kustomizations.dedup();
        for count in &kustomizations {
            demand("kustomizations", *count as u64, 1, 500);
        }
        demand(
            "kustomizations (numbers given)",
            kustomizations.len() as u64,
            1,
            8,
        );
        demand("changes", changes.into(), 1, 10_000);
        let arms = arms::chosen(choice.quick, choice.arms, &kustomizations);
        if let Err(fault) = &arms {
            faults.push(fault.clone());
        }
        for arm in arms.iter().flatten() {
            faults.extend(kinds::phase_fault(arm, Duration::from_secs(measured)));
        }
        let (true, Ok(arms)) = (faults.is_empty(), arms) else {
            return Err(faults);
        };
        Ok(Self {
            blocks,
            settle_seconds_max: if choice.quick { 6 } else { 12 },
            measured_seconds: measured,
            kustomizations,
            changes,
            edits: (changes / 2).max(1),
            load_cpu_seconds: LOAD_SHARE * Duration::from_secs(measured).as_secs_f64(),
            seed: choice.seed,
            arms,
        })
    }

    /// How many applications there are on the cluster, in every arm.
    #[must_use]
    pub fn applications(&self) -> usize {
        self.kustomizations.last().copied().unwrap_or_default()
    }

    /// The longest wait for rest before a measured phase.
    #[must_use]
    pub const fn settle_max(&self) -> Duration {
        Duration::from_secs(self.settle_seconds_max)
    }

    /// The length of measured phases.
    #[must_use]
    pub const fn measured(&self) -> Duration {
        Duration::from_secs(self.measured_seconds)
    }

    /// An arm by its name.
    #[must_use]
    pub fn arm(&self, name: &str) -> Option<&ArmDesign> {
        self.arms.iter().find(|arm| arm.name == name)
    }

    /// Every trial, in the order of time.
    #[must_use]
    pub fn slots(&self) -> Vec<Slot> {
        let names: Vec<_> = self.kinds().into_iter().map(|kind| kind.arm.name).collect();
        randomised_blocks(&names, self.blocks, self.seed)
    }

    /// What is done in a trial of an arm: of the block's stream, what the arm
    /// takes part in.
    #[must_use]
    pub fn events(&self, arm: &ArmDesign, block: u32) -> Vec<Event> {
        let busy = Busy {
            changes: self.changes,
            edits: self.edits,
            objects: self.objects(),
        };
        let mut events = deal(busy, self.measured(), self.seed, block);
        events.retain(|event| match event.deed {
            Deed::Change => arm.changes,
            Deed::Edit => arm.edits,
        });
        events
    }

    /// Bounds above which a trial is disturbed.
    #[must_use]
    pub fn disturbance(&self) -> Disturbance {
        Disturbance::default()
    }

    /// The plan by which the figures are judged.
    #[must_use]
    pub fn plan(&self, environment: BTreeMap<String, String>) -> Plan {
        Plan {
            title: "What does GitOps cost?".to_owned(),
            question: format!(
                "Energy and CPU time of a cluster whose {} applications are delivered by Flux at several intervals, \
                 against changes that a script applies by hand, and against nothing at all; {} change{} and {} edit{} \
                 by hand in each busy trial of {} s.",
                self.kustomizations
                    .iter()
                    .map(usize::to_string)
                    .collect::<Vec<_>>()
                    .join(" or "),
                self.changes,
                plural(self.changes),
                self.edits,
                plural(self.edits),
                self.measured_seconds
            ),
            arms: self.arms.iter().map(|arm| self.plan_arm(arm)).collect(),
            comparisons: self.comparisons(),
            primary_response: "cluster_joules".to_owned(),
            confidence: Confidence::USUAL,
            order_seed: self.seed,
            stopping: StoppingRule::Blocks(self.blocks),
            outliers: OutlierPolicy::Mad(OUTLIER_MADS),
            disturbance: self.disturbance(),
            headline: Headline::All,
            bootstrap: Bootstrap {
                resamples: 9_999,
                seed: self.seed,
            },
            target: Target::default(),
            zones: zones(),
            environment,
            stated: true,
        }
    }

    fn plan_arm(&self, arm: &ArmDesign) -> Arm {
        Arm {
            name: arm.name.clone(),
            description: arm.description(),
            changes_per_trial: arm.changes.then_some(self.changes),
            strata: self.strata(arm),
        }
    }
}

/// What makes a word of so many things.
const fn plural(count: u32) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// Grids to price at: yearly means of `config/regions/zones_yearly.csv`.
fn zones() -> Vec<GridZone> {
    let zone = |zone: &str, grams: f64| GridZone {
        zone: zone.to_owned(),
        grams_per_kwh: grams,
        source:
            "life-cycle mean of the last year of config/regions/zones_yearly.csv, Electricity Maps"
                .to_owned(),
    };
    let table = include_str!("../../../config/regions/zones_yearly.csv");
    let rows = table.lines().filter_map(|line| {
        let name = line.split(',').next()?;
        let name = ["KR", "DE", "SE"].into_iter().find(|one| *one == name)?;
        Some(zone(name, arms::last_year(line)?))
    });
    rows.collect()
}

#[cfg(test)]
mod tests;
