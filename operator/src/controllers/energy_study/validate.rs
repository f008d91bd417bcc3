//! A study's spec to a plan and to what each arm does. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tanso_carbon::study::Plan;
use tanso_carbon::study::bootstrap::Bootstrap;
use tanso_carbon::study::difference::Confidence;
use tanso_carbon::study::outlier::OutlierPolicy;
use tanso_carbon::study::plan::{
    Arm, Comparison, Disturbance, GridZone, Headline, PlanError, Target,
};
use tanso_carbon::study::stopping::StoppingRule;
use tanso_carbon::study::stream::{Busy, Event, deal};
use tanso_carbon::study::trial::Unit;
use tanso_crds::energy_study::{
    Applies, ComparisonSpec, EnergyStudySpec, Known, OutlierRule, PartSpec, StoppingType,
};

use super::manifests::{self, Manifest, Place};

/// Scaled median absolute deviations beyond which a difference is marked.
const OUTLIER_MADS: f64 = 3.5;
/// Resamples of the bootstrap.
const RESAMPLES: usize = 9_999;
/// Columns that every study has, before the unit.
const USUAL: [&str; 2] = ["node", "arm"];

/// The texts of an arm's manifests, as observed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArmTexts {
    /// Before the warm-up.
    pub set_up: Option<String>,
    /// After the trial.
    pub clear_up: Option<String>,
    /// At each change that the study makes itself.
    pub change: Option<String>,
}

/// What a study does.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedStudy {
    /// The rules.
    pub plan: Plan,
    /// Digest of all that the arms apply.
    pub digest: String,
    /// From the set-up to the measured phase, at least.
    pub warm_up: Duration,
    /// The measured phase, whole minutes.
    pub measured: Duration,
    /// From the clearing up to the next trial.
    pub cool_down: Duration,
    /// Parts of the cluster with columns of their own.
    pub components: BTreeMap<String, PartSpec>,
    /// What belongs to each arm.
    pub belongs: BTreeMap<String, PartSpec>,
    /// Failures in a row before the study has failed.
    pub retries: u32,
    texts: BTreeMap<String, ArmTexts>,
}

impl ValidatedStudy {
    /// The same by the rules that were stated before the first trial, as they were
    /// kept: a later version, or a new year's mean of the grid, changes none.
    ///
    /// # Errors
    /// If the text is no plan.
    pub fn as_begun(mut self, plan: &str) -> Result<Self, PlanError> {
        self.plan = Plan::parse("the study's plan", plan)?;
        Ok(self)
    }

    /// The columns of the raw figures.
    #[must_use]
    pub fn responses(&self) -> BTreeMap<String, Unit> {
        let names = self.components.keys().map(String::as_str).chain(USUAL);
        let both = names.flat_map(|name| {
            [
                (format!("{name}_joules"), Unit::Joules),
                (format!("{name}_cpu_seconds"), Unit::Seconds),
            ]
        });
        both.chain([("node_active_joules".to_owned(), Unit::Joules)])
            .collect()
    }

    /// The moments of the changes that the study makes in a trial, after the
    /// measured phase began.
    #[must_use]
    pub fn events(&self, arm: &str, block: u32) -> Vec<Event> {
        let is_ours = self.texts.get(arm).is_some_and(|one| one.change.is_some());
        let found = self.plan.arms.iter().find(|one| one.name == arm);
        let busy = Busy {
            changes: found
                .filter(|_| is_ours)
                .and_then(|arm| arm.changes_per_trial)
                .unwrap_or_default(),
            edits: 0,
            objects: 1,
        };
        deal(busy, self.measured, self.plan.order_seed, block)
    }

    /// What is applied before the trial.
    #[must_use]
    pub fn set_up(&self, place: Place<'_>) -> Vec<Manifest> {
        self.objects(place, |texts| texts.set_up.as_deref())
    }

    /// What is applied after the trial.
    #[must_use]
    pub fn clear_up(&self, place: Place<'_>) -> Vec<Manifest> {
        self.objects(place, |texts| texts.clear_up.as_deref())
    }

    /// What is applied at a change.
    #[must_use]
    pub fn change(&self, place: Place<'_>) -> Vec<Manifest> {
        self.objects(place, |texts| texts.change.as_deref())
    }

    /// All that a trial may have made.
    #[must_use]
    pub fn made(&self, place: Place<'_>) -> Vec<Manifest> {
        let changes = self.events(place.arm, place.block).len();
        let changes = (1..)
            .take(changes)
            .flat_map(|change| self.change(Place { change, ..place }));
        manifests::distinct(self.set_up(place).into_iter().chain(changes).collect())
    }

    fn objects(&self, place: Place<'_>, text: impl Fn(&ArmTexts) -> Option<&str>) -> Vec<Manifest> {
        let text = self.texts.get(place.arm).and_then(text);
        // Parsed once already: placeholders are numbers and an arm's name.
        text.map_or_else(Vec::new, |text| {
            manifests::objects(text, place).unwrap_or_default()
        })
    }
}

/// Checks a spec, given its arms' texts and the study's own name.
///
/// # Errors
/// All that is wrong with it, with field, value and what is accepted.
pub fn validate(
    spec: &EnergyStudySpec,
    texts: BTreeMap<String, ArmTexts>,
    name: &str,
    year: i16,
) -> Result<ValidatedStudy, Vec<String>> {
    let mut faults = text_faults(&texts);
    let phases = ["warmUp", "measured", "coolDown"];
    let given = [
        &spec.phases.warm_up,
        &spec.phases.measured,
        &spec.phases.cool_down,
    ];
    let [warm_up, measured, cool_down] = given.map(|text| seconds(text));
    for (field, (text, found)) in phases
        .iter()
        .zip(given.iter().zip([warm_up, measured, cool_down]))
    {
        if found.is_none() {
            faults.push(format!(
                "spec.phases.{field} \"{text}\"; accepted are times as in 5m"
            ));
        }
    }
    let zone = zone(spec, year, &mut faults);
    let plan = plan(spec, zone, name);
    let checked = serde_json::to_string(&plan)
        .map_err(|error| error.to_string())
        .and_then(|text| Plan::parse("spec", &text).map_err(|fault| fault.to_string()));
    if let Err(fault) = checked {
        faults.push(fault);
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let components = spec.components.iter();
    let arms = spec.arms.iter();
    Ok(ValidatedStudy {
        plan,
        digest: digest(&texts),
        warm_up: warm_up.unwrap_or_default(),
        measured: measured.unwrap_or_default(),
        cool_down: cool_down.unwrap_or_default(),
        components: components
            .map(|one| (one.name.clone(), one.part.clone()))
            .collect(),
        belongs: arms
            .map(|arm| (arm.name.clone(), arm.belongs.clone()))
            .collect(),
        retries: u32::try_from(spec.retries).unwrap_or_default(),
        texts,
    })
}

fn text_faults(texts: &BTreeMap<String, ArmTexts>) -> Vec<String> {
    let mut faults = Vec::new();
    for (arm, texts) in texts {
        let all = [
            ("setUp", &texts.set_up),
            ("clearUp", &texts.clear_up),
            ("changes.source", &texts.change),
        ];
        for (field, text) in all {
            let place = Place {
                arm,
                block: 1,
                trial: 1,
                change: 1,
            };
            let result = text.as_deref().map(|text| manifests::objects(text, place));
            let broken = result.and_then(Result::err).into_iter().flatten();
            faults.extend(broken.map(|fault| format!("spec.arms[{arm}].{field}: {fault}")));
        }
    }
    faults
}

/// Whole seconds of `90s`, `5m` or `2h`.
fn seconds(text: &str) -> Option<Duration> {
    let (number, factor) = match text.split_at_checked(text.len().checked_sub(1)?)? {
        (number, "s") => (number, 1),
        (number, "m") => (number, 60),
        (number, "h") => (number, 3_600),
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    Some(Duration::from_secs(number.checked_mul(factor)?))
}

fn zone(spec: &EnergyStudySpec, year: i16, faults: &mut Vec<String>) -> Option<GridZone> {
    let zone = spec.zone.as_deref()?;
    let found = tanso_intensity::bundled::yearly_mean(zone, year);
    if found.is_none() {
        faults.push(format!(
            "spec.zone \"{zone}\": there is no mean intensity of it"
        ));
    }
    found.map(|(year, intensity)| GridZone {
        zone: zone.to_owned(),
        grams_per_kwh: intensity.as_grams_per_kwh_f64(),
        source: format!("life-cycle mean of {year}, of the tables that come with tanso"),
    })
}

fn plan(spec: &EnergyStudySpec, zone: Option<GridZone>, name: &str) -> Plan {
    let seed = u64::try_from(spec.seed).unwrap_or_default();
    let phases = &spec.phases;
    let environment = [
        ("study", name.to_owned()),
        (
            "phases",
            format!(
                "warm-up {}, measured {} from a whole minute on, cool-down {}",
                phases.warm_up, phases.measured, phases.cool_down
            ),
        ),
        (
            "figures",
            "of all agents of the cluster, from the operator's ledger by the minute".to_owned(),
        ),
    ];
    let level = f64::from(spec.confidence_percent) / 100.0;
    Plan {
        title: spec.title.clone(),
        question: spec.question.clone(),
        arms: spec.arms.iter().map(arm).collect(),
        comparisons: spec.comparisons.iter().map(comparison).collect(),
        primary_response: spec.primary_response.clone(),
        confidence: Confidence::try_new(level).unwrap_or(Confidence::USUAL),
        order_seed: seed,
        stopping: stopping(spec),
        outliers: match spec.outliers {
            OutlierRule::None => OutlierPolicy::None,
            OutlierRule::Mad => OutlierPolicy::Mad(OUTLIER_MADS),
        },
        disturbance: Disturbance::default(),
        headline: Headline::default(),
        bootstrap: Bootstrap {
            resamples: RESAMPLES,
            seed,
        },
        target: Target::default(),
        zones: zone.into_iter().collect(),
        environment: environment
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        stated: true,
    }
}

fn arm(spec: &tanso_crds::energy_study::ArmSpec) -> Arm {
    let changes = spec.changes.as_ref();
    let who = match changes.map(|changes| changes.by) {
        Some(Applies::Study) => "; changes are applied by the study",
        Some(Applies::Others) => "; changes are made by others",
        None => "",
    };
    Arm {
        name: spec.name.clone(),
        description: format!("{}{who}", spec.description),
        changes_per_trial: changes.and_then(|changes| u32::try_from(changes.per_trial).ok()),
        strata: Vec::new(),
    }
}

fn comparison(spec: &ComparisonSpec) -> Comparison {
    Comparison {
        arm: spec.arm.clone(),
        against: spec.against.clone(),
        placebo: spec.known == Known::Placebo,
        injected: None,
        cost: None,
    }
}

fn stopping(spec: &EnergyStudySpec) -> StoppingRule {
    let whole = |number: i32| u32::try_from(number).unwrap_or_default();
    let rule = &spec.stopping;
    match (rule.type_, rule.relative_percent) {
        (StoppingType::HalfWidth, Some(percent)) => StoppingRule::HalfWidth {
            relative: f64::from(percent) / 100.0,
            blocks_min: whole(rule.blocks_min),
            blocks_max: whole(rule.blocks),
        },
        _ => StoppingRule::Blocks(whole(rule.blocks)),
    }
}

fn digest(texts: &BTreeMap<String, ArmTexts>) -> String {
    let mut hasher = Sha256::new();
    for (arm, texts) in texts {
        for text in [&texts.set_up, &texts.clear_up, &texts.change] {
            let text = text.as_deref().unwrap_or_default();
            hasher.update(format!("{arm}\n{}\n{text}", text.len()));
        }
    }
    let hex = hasher
        .finalize()
        .into_iter()
        .map(|byte| format!("{byte:02x}"));
    format!("sha256:{}", hex.collect::<String>())
}

#[cfg(test)]
mod tests;
