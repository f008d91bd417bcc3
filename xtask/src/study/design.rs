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
use tanso_carbon::study::plan::{
    Arm, Comparison, Disturbance, GridZone, Headline, Injected, Target,
};
use tanso_carbon::study::stopping::StoppingRule;
use tanso_carbon::study::stream::{Busy, Deed, Event, deal};

mod arms;

pub use arms::{ArmDesign, By};

/// Median absolute deviations, scaled, beyond which a difference is marked.
const OUTLIER_MADS: f64 = 3.5;

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
    /// Rest before a measured phase, after all is set up.
    pub settle_seconds: u64,
    /// Length of measured phases.
    pub measured_seconds: u64,
    /// Rest after a measured phase.
    pub rest_seconds: u64,
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
        let measured = choice
            .measured_seconds
            .unwrap_or(if choice.quick { 10 } else { 120 });
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
        let (true, Ok(arms)) = (faults.is_empty(), arms) else {
            return Err(faults);
        };
        Ok(Self {
            blocks,
            settle_seconds: if choice.quick { 1 } else { 10 },
            measured_seconds: measured,
            rest_seconds: if choice.quick { 0 } else { 5 },
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
        let names: Vec<_> = self.arms.iter().map(|arm| arm.name.clone()).collect();
        randomised_blocks(&names, self.blocks, self.seed)
    }

    /// What is done in a trial of an arm: of the block's stream, what the arm
    /// takes part in.
    #[must_use]
    pub fn events(&self, arm: &ArmDesign, block: u32) -> Vec<Event> {
        let busy = Busy {
            changes: self.changes,
            edits: self.edits,
            objects: self.kustomizations.first().copied().unwrap_or_default(),
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
                 against changes that a script applies by hand, and against nothing at all; {} changes and {} edits \
                 by hand in each busy trial of {} s.",
                self.kustomizations
                    .iter()
                    .map(usize::to_string)
                    .collect::<Vec<_>>()
                    .join(" or "),
                self.changes,
                self.edits,
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
        }
    }

    /// Flux against the script where both get the same stream, idle arms and
    /// the script against nothing, then the two that must come out as known.
    fn comparisons(&self) -> Vec<Comparison> {
        let against = |arm: &ArmDesign| -> Vec<Comparison> {
            // More Kustomizations also against the fewest of the same arm.
            let bases = arm.against().into_iter().chain(arm.of_fewest());
            let there = bases.filter(|base| self.arm(base).is_some());
            let comparison = |base: &str| Comparison {
                arm: arm.name.clone(),
                against: base.to_owned(),
                placebo: arm.is_placebo(),
                injected: arm.load.then(|| Injected {
                    response: "cluster_cpu_seconds".to_owned(),
                    difference: self.load_cpu_seconds,
                }),
            };
            there.map(comparison).collect()
        };
        self.arms.iter().flat_map(against).collect()
    }
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
mod tests {
    use super::*;

    fn choice(quick: bool) -> Choice<'static> {
        Choice {
            quick,
            blocks: None,
            measured_seconds: None,
            kustomizations: &[5],
            changes: None,
            arms: &[],
            seed: 7,
        }
    }

    #[test]
    fn the_plan_of_each_design_is_one_that_is_accepted_and_prices_by_zone() {
        for quick in [true, false] {
            let plan = Design::choose(&choice(quick))
                .unwrap()
                .plan(BTreeMap::new());
            let text = serde_json::to_string(&plan).unwrap();
            let again = Plan::parse("plan.json", &text).unwrap();
            assert_eq!(again.comparisons, plan.comparisons);
            let zones: Vec<_> = again.zones.iter().map(|zone| zone.zone.as_str()).collect();
            assert_eq!(zones, ["DE", "KR", "SE"]);
            assert!(again.zones.iter().all(|zone| zone.grams_per_kwh > 1.0));
        }
    }

    #[test]
    fn a_placebo_a_known_load_and_an_arm_of_nothing_are_always_there() {
        for quick in [true, false] {
            let design = Design::choose(&choice(quick)).unwrap();
            let compared = design.comparisons();
            assert_eq!(compared.iter().filter(|one| one.placebo).count(), 1);
            let loads = compared.iter().filter_map(|one| one.injected.as_ref());
            let loads: Vec<_> = loads.map(|load| load.difference).collect();
            assert_eq!(loads, [design.load_cpu_seconds]);
            let nothing = design.arm("nothing").unwrap();
            assert!(design.events(nothing, 1).is_empty());
            let blocks = if quick { 5 } else { 30 };
            assert_eq!(design.slots().len(), blocks * design.arms.len());
        }
    }

    #[test]
    fn arms_of_a_block_get_the_same_stream() {
        let design = Design::choose(&choice(true)).unwrap();
        let of = |name| design.events(design.arm(name).unwrap(), 3);
        assert_eq!(of("snowflake"), of("flux-1m"));
        assert_eq!(of("snowflake").len(), 3);
        assert!(of("flux-1m-idle").is_empty());
    }

    #[test]
    fn of_several_numbers_of_kustomizations_each_makes_arms_that_get_the_same_stream() {
        let arms = ["flux-1m".to_owned(), "flux-10m-idle-of-200".to_owned()];
        let design = Design::choose(&Choice {
            kustomizations: &[200, 5, 50],
            arms: &arms,
            ..choice(false)
        })
        .unwrap();
        let found: Vec<_> = design
            .arms
            .iter()
            .map(|arm| (arm.name.as_str(), arm.kustomizations))
            .collect();
        assert_eq!(
            found,
            [
                ("nothing", 0),
                ("snowflake", 0),
                ("flux-1m", 5),
                ("flux-1m-of-50", 50),
                ("flux-1m-of-200", 200),
                ("flux-10m-idle-of-200", 200)
            ]
        );
        let of = |name| design.events(design.arm(name).unwrap(), 3);
        assert_eq!(of("flux-1m-of-200"), of("snowflake"));
        assert!(of("snowflake").iter().all(|event| event.object < 5));
        assert_eq!(design.applications(), 200);
        let compared = design.comparisons();
        let pairs = compared
            .iter()
            .map(|one| (one.arm.as_str(), one.against.as_str()));
        let pairs: Vec<_> = pairs.filter(|(arm, _)| arm.contains("-of-")).collect();
        assert_eq!(
            pairs,
            [
                ("flux-1m-of-50", "snowflake"),
                ("flux-1m-of-50", "flux-1m"),
                ("flux-1m-of-200", "snowflake"),
                ("flux-1m-of-200", "flux-1m"),
                ("flux-10m-idle-of-200", "nothing")
            ]
        );
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_flag_value_and_what_is_accepted() {
        let arms = ["flux-2m".to_owned()];
        let told = Design::choose(&Choice {
            blocks: Some(1),
            measured_seconds: Some(1),
            kustomizations: &[0],
            arms: &arms,
            ..choice(false)
        });
        let told = told.unwrap_err().join("; ");
        for part in [
            "--trials 1: accepted are 2 to 1000",
            "--measured 1: accepted are 5 to 86400",
            "--kustomizations 0: accepted are 1 to 500",
            "--arms \"flux-2m\": accepted are nothing, snowflake",
        ] {
            assert!(told.contains(part), "{part:?} is not in {told}");
        }
    }
}
