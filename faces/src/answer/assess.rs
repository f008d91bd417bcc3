//! Whether a workload is compliant: as each policy judged it, and on request
//! as it would be over another window, at another place or by other rules.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tanso_carbon::account::Place;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_carbon::regions::Region;
use tanso_carbon::{EnergyRow, RuleSet};
use tanso_crds::carbon_policy::status::{
    AdviceOutcome, Figures, IntensityProvenance, PueFigure, Recommendation, RegulationResult,
    SettledRun, Verdict,
};
use tanso_intensity::bundled::Bundled;
use tanso_intensity::{IntensityProvider as _, Loaded, places};

use super::find::{Found, Named, search};
use super::judge::{self, Terms, judge_rows};
use super::presets::Presets;
use super::profile::{Basis, Profile, profile};
use super::{AnswerFault, Evaluated, PolicyName, WorkloadName, year_of};
use crate::pue;
use crate::report::Language;
use crate::view::{Facts, LeftOut, PlaceAt, Site};
use crate::words;

/// Longest window, hours.
const WINDOW_MAX_H: u64 = 744;
/// Most standards to judge by.
const STANDARDS_MAX: usize = 16;

/// Which workload, and as what.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// The workload: NAME or KIND/NAME, for example api, deploy/api or cronjob/etl.
    #[schemars(length(min = 1, max = 317))]
    pub workload: String,
    /// Its namespace; without one, all that you may see are searched.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// Its kind, for example Deployment, if the name alone is not enough.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub kind: Option<String>,
    /// The policy to go by, where several judge the workload; default the first by name.
    #[serde(default)]
    #[schemars(length(max = 253))]
    pub policy: Option<String>,
    /// Look back this far instead of the policy's own window, for example 6h; up to 744h. Answered under `whatIf`.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub window: Option<String>,
    /// Judge as if it ran in this cloud region, for example eu-north-1. Answered under `whatIf`.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub region: Option<String>,
    /// Judge as if it drew from this grid zone, for example KR or DE, with the same facility. Answered under `whatIf`.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub zone: Option<String>,
    /// Judge by these standards instead of the policy's: ids such as kr-carbon-2050, or of single rules such as KR-QUOTED-424 (the resource `tanso://regulations` lists them). Answered under `whatIf`.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub standards: Vec<String>,
}

/// A workload's compliance.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Assessment {
    /// The workload.
    pub workload: WorkloadName,
    /// The answer in a few sentences.
    pub summary: String,
    /// What each policy found, as its status says.
    pub judgements: Vec<ByPolicy>,
    /// What would be found under the conditions that were asked for; only with window, region, zone or standards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what_if: Option<WhatIf>,
    /// Policies that may have a say too and that this version of tanso cannot read. Absent where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<LeftOut>,
}

/// What a policy found about a workload.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ByPolicy {
    /// The policy.
    pub policy: PolicyName,
    /// The verdict over all rules that can be judged for a workload.
    pub verdict: Verdict,
    /// Machine-readable reason of the verdict.
    pub reason: String,
    /// What it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluated: Option<Evaluated>,
    /// Energy and emissions with 90 % bounds, provenance shares and coverage: the status's own numbers.
    pub figures: Figures,
    /// Pods that used energy in the window.
    pub pods: i64,
    /// The policy's rules with limits, judged over all its workloads together; those about the PUE are the facility's verdict.
    pub policy_rules: Vec<RegulationResult>,
    /// Where the intensity figures come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intensity: Option<IntensityProvenance>,
    /// The facility's PUE that the figures were made with, and who says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pue: Option<PueFigure>,
    /// The same in words.
    pub pue_in_words: String,
    /// Advice, largest saving first.
    pub recommendations: Vec<Recommendation>,
    /// What all advice would save together, milligrams of CO2eq per day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub together_milligrams_per_day: Option<i64>,
    /// What following the forecast would have saved on runs that are over.
    pub settled: Vec<SettledRun>,
    /// Advice on requests that was told on earlier days, and what became of it: an association with what was used since, not causal. Absent where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub advice_outcomes: Vec<AdviceOutcome>,
}

/// What would be found under other conditions.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhatIf {
    /// The policy whose demands on evidence and, where none was asked for, whose place and rules were used.
    pub policy: PolicyName,
    /// The conditions in words.
    pub conditions: String,
    /// The first hour, UTC.
    pub from: String,
    /// The end, UTC.
    pub until: String,
    /// What hours it rests on.
    pub basis: Basis,
    /// The verdict.
    pub verdict: Verdict,
    /// Machine-readable reason of the verdict.
    pub reason: String,
    /// Energy and emissions.
    pub figures: Figures,
    /// Each rule.
    pub rules: Vec<RegulationResult>,
}

impl Question {
    fn named(&self) -> Named<'_> {
        Named {
            workload: &self.workload,
            namespace: self.namespace.as_deref(),
            kind: self.kind.as_deref(),
            policy: self.policy.as_deref(),
        }
    }

    const fn asks_what_if(&self) -> bool {
        self.window.is_some()
            || self.region.is_some()
            || self.zone.is_some()
            || !self.standards.is_empty()
    }
}

/// Answers whether a workload is compliant.
///
/// # Errors
/// If there is no such workload, or an argument makes no sense.
pub async fn assess(facts: &dyn Facts, question: &Question) -> Result<Assessment, AnswerFault> {
    let standards = question.standards.len();
    if standards > STANDARDS_MAX {
        let accepted = format!("up to {STANDARDS_MAX} standards");
        return Err(AnswerFault::invalid("standards", standards, accepted));
    }
    let (found, unreadable) = search(facts, question.named()).await?;
    let Some(first) = found.first() else {
        return Err(AnswerFault::invalid(
            "workload",
            &question.workload,
            "a workload",
        ));
    };
    let what_if = if question.asks_what_if() {
        Some(what_if(facts, first, question).await?)
    } else {
        None
    };
    let judgements: Vec<_> = found.iter().map(by_policy).collect();
    Ok(Assessment {
        workload: first.name(),
        summary: summary(first, &judgements, what_if.as_ref()) + &LeftOut::sentence(&unreadable),
        judgements,
        what_if,
        unreadable,
    })
}

pub(super) fn by_policy(found: &Found) -> ByPolicy {
    let Found { policy, result } = found;
    let used = pue::of(&policy.spec, &policy.status);
    ByPolicy {
        policy: PolicyName::of(policy),
        verdict: result.verdict,
        reason: result.reason.clone(),
        evaluated: Evaluated::of(policy),
        figures: result.figures.clone(),
        pods: result.pods,
        policy_rules: policy.status.regulations.clone(),
        intensity: policy.status.intensity.clone(),
        pue_in_words: super::places::factor(&policy.spec, &policy.status, Language::English),
        pue: used,
        recommendations: result.recommendations.clone(),
        together_milligrams_per_day: result.together_milligrams_per_day,
        settled: result.settled.clone(),
        advice_outcomes: result.advice_outcomes.clone(),
    }
}

fn summary(first: &Found, judgements: &[ByPolicy], what_if: Option<&WhatIf>) -> String {
    let mut sentences = Vec::new();
    for one in judgements {
        let figures = &one.figures;
        let grid = figures
            .intensity_milligrams_per_kwh
            .map_or_else(String::new, |grid| {
                format!(" at {}", words::intensity(grid))
            });
        sentences.push(format!(
            "{} is {} ({}) by {} {}: emitted {} from {}{grid}, {} % of the energy measured.",
            first.name(),
            words::verdict(one.verdict),
            one.reason,
            one.policy.kind,
            one.policy.name,
            words::emitted(figures),
            words::energy(figures.energy_microjoules.value),
            figures.measured_percent,
        ));
        if let Some(advice) = one.recommendations.first() {
            let of_cluster = advice.cluster_saving_milligrams_per_day;
            let (what, size) = match of_cluster {
                0 => (
                    "Moves most to others",
                    advice.saving_milligrams_per_day.value,
                ),
                _ => ("Largest saving", of_cluster),
            };
            let size = words::emissions(size);
            sentences.push(format!("{what}: {}, {size} a day.", advice.action));
        }
    }
    if let Some(other) = what_if {
        sentences.push(format!(
            "{}: {} ({}), {}.",
            other.conditions,
            words::verdict(other.verdict),
            other.reason,
            words::emitted(&other.figures)
        ));
    }
    sentences.join(" ")
}

async fn what_if(
    facts: &dyn Facts,
    found: &Found,
    question: &Question,
) -> Result<WhatIf, AnswerFault> {
    let (site, rules) = (facts.site(&found.policy).await?, facts.rules().await?);
    let through = found
        .policy
        .status
        .data_through
        .as_ref()
        .map_or_else(|| facts.now(), |time| time.0);
    let other = question
        .window
        .as_deref()
        .map(|text| window(text, through))
        .transpose()?;
    let profile = profile(facts, found, &site, other).await?;
    let elsewhere = elsewhere(question, &site, year_of(facts.now()))?;
    let presets = presets(found, question, &rules)?;
    let places = elsewhere
        .as_ref()
        .map_or_else(|| site.places(), |there| vec![there.place(&site)]);
    let rows = rows_at(&profile, elsewhere.is_some());
    let judged = judge_rows(
        &rows,
        &Terms {
            places: &places,
            coverage: profile.coverage,
            cpu_ms: profile.cpu_ms,
            presets: &presets,
            thresholds: judge::thresholds(&found.policy),
            through,
        },
    );
    Ok(WhatIf {
        policy: PolicyName::of(&found.policy),
        conditions: conditions(question),
        from: profile.period.from.to_string(),
        until: profile.period.until.to_string(),
        basis: profile.basis,
        verdict: judged.verdict,
        reason: judged.reason,
        figures: judged.figures,
        rules: judged.rules,
    })
}

fn presets(found: &Found, question: &Question, rules: &RuleSet) -> Result<Presets, AnswerFault> {
    if question.standards.is_empty() {
        Ok(Presets::of(&found.policy, rules))
    } else {
        judge::presets_named(&question.standards, rules)
    }
}

fn rows_at(profile: &Profile, is_elsewhere: bool) -> Vec<EnergyRow> {
    let rows = profile.rows.iter().copied();
    if is_elsewhere {
        rows.map(|row| EnergyRow { place: 0, ..row }).collect()
    } else {
        rows.collect()
    }
}

fn conditions(question: &Question) -> String {
    let mut parts = Vec::new();
    if let Some(window) = &question.window {
        parts.push(format!("over the last {window}"));
    }
    if let Some(region) = &question.region {
        parts.push(format!("in region {region}"));
    }
    if let Some(zone) = &question.zone {
        parts.push(format!("on the grid of {zone}"));
    }
    if !question.standards.is_empty() {
        parts.push(format!("by {}", question.standards.join(", ")));
    }
    let text = parts.join(", ");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

/// The whole hours that a text such as `6h` reaches back.
fn window(text: &str, through: Timestamp) -> Result<Period, AnswerFault> {
    let accepted = || AnswerFault::invalid("window", text, "1h to 744h, as in 24h");
    let seconds = crate::view::seconds(text).ok_or_else(accepted)?;
    let hours = seconds.div_ceil(3_600);
    if hours == 0 || hours > WINDOW_MAX_H {
        return Err(accepted());
    }
    let last = UtcHour::from_unix_seconds(through.as_second().saturating_sub(1));
    let until = last.plus_hours(1);
    Ok(Period {
        from: until.plus_hours(-i32::try_from(hours).unwrap_or(i32::MAX)),
        until,
    })
}

/// Another place.
enum Elsewhere {
    /// A region with its facility.
    Region(Box<PlaceAt>),
    /// A grid with the policy's own facility.
    Grid(Loaded),
}

impl Elsewhere {
    fn place<'a>(&'a self, site: &'a Site) -> Place<'a> {
        match self {
            Self::Region(place) => place.place(site.metering),
            Self::Grid(grid) => Place {
                metering: site.metering,
                ..Place::new(&*grid.series, site.pue.as_ref())
            },
        }
    }
}

fn elsewhere(
    question: &Question,
    site: &Site,
    year: i16,
) -> Result<Option<Elsewhere>, AnswerFault> {
    match (&question.region, &question.zone) {
        (Some(region), Some(_)) => Err(AnswerFault::invalid(
            "region",
            region,
            "a region or a zone, not both",
        )),
        (Some(region), None) => {
            let place = site.region(region_named(region)?, year);
            let place = place.map_err(|fault| AnswerFault::unfit("region", &fault))?;
            Ok(Some(Elsewhere::Region(Box::new(place))))
        }
        (None, Some(zone)) => Ok(Some(Elsewhere::Grid(grid_named(zone, year)?))),
        (None, None) => Ok(None),
    }
}

/// A region of the bundled table.
pub(super) fn region_named(name: &str) -> Result<&'static Region, AnswerFault> {
    let broken = |reason: String| AnswerFault::NotKnown {
        what: "the table of regions".to_owned(),
        reason,
    };
    let regions = places::regions().map_err(|faults| broken(faults.to_string()))?;
    let (provider, short) = match name.split_once(':') {
        Some((provider, short)) => (Some(provider), short),
        None => (None, name),
    };
    regions.get(short, provider).ok_or_else(|| {
        let known = regions.iter().count();
        AnswerFault::invalid(
            "region",
            name,
            format!("one of {known} regions of aws, azure and gcp, such as eu-north-1 or aws:eu-north-1 (listed by get_regional_comparison with a provider, and by `kubectl tanso regions`)"),
        )
    })
}

/// A grid zone of the bundled tables.
pub(super) fn grid_named(zone: &str, year: i16) -> Result<Loaded, AnswerFault> {
    let found = Bundled.load(zone, year);
    found.map_err(|fault| AnswerFault::unfit("zone", &fault))
}
