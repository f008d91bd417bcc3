//! An account or a facility against a rule: a verdict with its reason in
//! words, never a guess.
//!
//! What is not known stays `Unknown`; what the bounds leave open stays
//! `Inconclusive`; nothing becomes `Compliant` by leaving data out.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tanso_power::Estimate;

use crate::account::Account;
use crate::indicator::Indicator;
use crate::market::MarketAccount;
use crate::pue::FacilityPue;
use crate::regulation::{Op, Rule, RuleKind};
use crate::units::GramsCo2e;

mod boundary;
mod check;
mod figure;
mod grounds;
mod words;

/// The outcome of a judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// The whole interval keeps the limit.
    Compliant,
    /// The whole interval breaks the limit.
    NonCompliant,
    /// The limit lies within the interval, or the figures are of another
    /// boundary and prove nothing on this side of it.
    Inconclusive,
    /// There is too little evidence.
    Unknown,
    /// The rule does not bind on this day.
    NotYetBinding,
}

impl Verdict {
    /// The name as it stands in a status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compliant => "Compliant",
            Self::NonCompliant => "NonCompliant",
            Self::Inconclusive => "Inconclusive",
            Self::Unknown => "Unknown",
            Self::NotYetBinding => "NotYetBinding",
        }
    }

    /// How bad it is, for the verdict over several rules: the worst has the most.
    #[must_use]
    pub const fn severity(self) -> u8 {
        match self {
            Self::NonCompliant => 4,
            Self::Unknown => 3,
            Self::Inconclusive => 2,
            Self::Compliant => 1,
            Self::NotYetBinding => 0,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a verdict is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// The interval keeps the limit.
    WithinLimit,
    /// The interval breaks the limit.
    OverLimit,
    /// The limit lies within the interval.
    BoundsStraddleLimit,
    /// Too little of the period was seen.
    CoverageTooLow,
    /// Too much of the intensity is an estimate.
    EstimatedShareTooHigh,
    /// Some energy was simulated.
    SimulatedEnergy,
    /// Nobody says of any of the energy whether it was measured, modelled or
    /// simulated.
    ProvenanceUnknown,
    /// No energy was used.
    NoEnergy,
    /// Energy was used in hours whose intensity nobody knows.
    IntensityMissing,
    /// The PUE is an average of others, a guess, or not known at all.
    PueWithoutEvidence,
    /// The PUE covers another time, part or load than the rule's.
    PueScopeDiffers,
    /// The PUE's category is not the rule's.
    PueCategoryDiffers,
    /// The figure is of one site and the rule about all of an operator's, or
    /// the other way round.
    EntityDiffers,
    /// An indicator is an average of others or a guess.
    IndicatorWithoutEvidence,
    /// Nothing was given that this rule could be judged by.
    NoEvidence,
    /// The rule begins to bind later.
    BindsLater,
    /// The rule no longer binds.
    BoundBefore,
    /// The rule is a draft.
    Draft,
    /// The rule has no number to keep.
    NoLimit,
    /// The rule binds somebody else, such as a state, and is shown for
    /// context only.
    ContextOnly,
    /// Direct and life-cycle figures are in one sum.
    BoundariesMixed,
    /// Direct figures keep a limit of the life cycle, or life-cycle figures
    /// break a direct one: neither proves anything.
    BoundaryDiffers,
    /// There is more energy than a sum holds.
    SumTooLarge,
    /// No rule was judged.
    NoRule,
}

impl Reason {
    /// The name as it stands in a status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WithinLimit => "WithinLimit",
            Self::OverLimit => "OverLimit",
            Self::BoundsStraddleLimit => "BoundsStraddleLimit",
            Self::CoverageTooLow => "CoverageTooLow",
            Self::EstimatedShareTooHigh => "EstimatedShareTooHigh",
            Self::SimulatedEnergy => "SimulatedEnergy",
            Self::ProvenanceUnknown => "ProvenanceUnknown",
            Self::NoEnergy => "NoEnergy",
            Self::IntensityMissing => "IntensityMissing",
            Self::PueWithoutEvidence => "PueWithoutEvidence",
            Self::PueScopeDiffers => "PueScopeDiffers",
            Self::PueCategoryDiffers => "PueCategoryDiffers",
            Self::EntityDiffers => "EntityDiffers",
            Self::IndicatorWithoutEvidence => "IndicatorWithoutEvidence",
            Self::NoEvidence => "NoEvidence",
            Self::BindsLater => "BindsLater",
            Self::BoundBefore => "BoundBefore",
            Self::Draft => "Draft",
            Self::NoLimit => "NoLimit",
            Self::ContextOnly => "ContextOnly",
            Self::BoundariesMixed => "BoundariesMixed",
            Self::BoundaryDiffers => "BoundaryDiffers",
            Self::SumTooLarge => "SumTooLarge",
            Self::NoRule => "NoRule",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a policy demands of evidence before it lets a verdict pass.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Thresholds {
    /// The least share of the period that must have been seen.
    pub min_coverage_percent: f64,
    /// The largest share of energy whose intensity may be an estimate.
    pub max_estimated_percent: f64,
}

impl Default for Thresholds {
    /// 95 % seen, 20 % estimated.
    fn default() -> Self {
        Self {
            min_coverage_percent: 95.0,
            max_estimated_percent: 20.0,
        }
    }
}

/// What is known; a rule takes the part its metric needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// The account of the rule's period.
    pub account: Option<&'a Account>,
    /// The market-based account of the same period.
    pub market: Option<&'a MarketAccount>,
    /// The facility's PUE.
    pub pue: Option<&'a FacilityPue>,
    /// Stated facility indicators: WUE, ERF, REF, renewable share.
    pub indicators: &'a [Indicator],
    /// What was emitted in the base year of a reduction path, in grams.
    pub base_year_grams: Option<f64>,
    /// The functional units that the account's energy served, for SCI.
    pub functional_units: Option<f64>,
    /// The embodied emissions of the account's period, for SCI; without them
    /// there is no such figure.
    pub embodied: Option<Estimate<GramsCo2e>>,
}

/// The verdict of one rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// The rule.
    pub rule: String,
    /// What kind of rule it is: a target is not a law.
    pub kind: RuleKind,
    /// The outcome.
    pub verdict: Verdict,
    /// Why, for programs.
    pub reason: Reason,
    /// Why, for people, with the numbers.
    pub message: String,
    /// The figure that was judged, if there is one.
    pub value: Option<Estimate<f64>>,
    /// What it was held against.
    pub limit: Option<f64>,
    /// The unit of both.
    pub unit: String,
    /// The site's PUE that the figure rests on, with who stands for it: of a
    /// rule about it, and of a sum that it is a factor of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pue: Option<FacilityPue>,
    /// Share of the energy whose intensity is an estimate, percent, of a figure
    /// that rests on intensity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_percent: Option<f64>,
}

/// Judges one rule on a local day.
///
/// ```
/// use tanso_carbon::{Evidence, FacilityPue, Pue, PueEvidence, RuleSet, Thresholds, Verdict, judge};
/// use jiff::civil::date;
/// let preset = RuleSet::parse("mine.yaml", r"
/// id: mine
/// title: Our own target
/// jurisdiction: KR
/// timeZone: Asia/Seoul
/// rules:
///   - {id: PUE, name: Our PUE, kind: policyTarget, authority: us, binds: Facility,
///      source: board, evidence: none, metric: Pue, op: AtMost, limit: 1.4, unit: ratio, period: Year}
/// ")?;
/// let rule = &preset.rules[0];
/// let today = date(2026, 11, 21);
/// let guess = FacilityPue::annual(Pue::try_new(1.3)?, PueEvidence::Assumed, "");
/// let evidence = Evidence { pue: Some(&guess), ..Evidence::default() };
/// assert_eq!(judge(rule, &evidence, Thresholds::default(), today).verdict, Verdict::Unknown);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn judge(
    rule: &Rule,
    evidence: &Evidence<'_>,
    thresholds: Thresholds,
    today: Date,
) -> Judgement {
    let answer = check::not_in_force(rule, today)
        .or_else(|| check::missing(rule, evidence, thresholds))
        .unwrap_or_else(|| check::compare(rule, evidence, today));
    Judgement {
        rule: rule.id.clone(),
        kind: rule.kind,
        verdict: answer.verdict,
        reason: answer.reason,
        message: (answer.words)(),
        value: answer.value,
        limit: answer.limit.or(rule.limit),
        unit: rule.unit.clone(),
        pue: grounds::pue(rule, evidence).cloned(),
        estimated_percent: grounds::estimated_percent(rule, evidence),
    }
}

/// The outcome of one rule as [`judge`] finds it, without any words: for who
/// judges many thousands of accounts and shows the outcome alone.
#[must_use]
pub fn outcome(
    rule: &Rule,
    evidence: &Evidence<'_>,
    thresholds: Thresholds,
    today: Date,
) -> (Verdict, Reason) {
    let settled = check::not_in_force(rule, today);
    match settled.or_else(|| check::missing(rule, evidence, thresholds)) {
        Some(answer) => (answer.verdict, answer.reason),
        None => check::outcome(rule, evidence, today),
    }
}

/// The worst of several outcomes, as [`combine`] finds it.
#[must_use]
pub fn worst(outcomes: &[(Verdict, Reason)]) -> (Verdict, Reason) {
    let decided = deciding(outcomes, |outcome| *outcome);
    decided.map_or((Verdict::Unknown, Reason::NoRule), |(worst, _)| *worst)
}

/// The verdict over several rules: that of the worst, with its words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Combined {
    /// The worst outcome; `Unknown` of no rule.
    pub verdict: Verdict,
    /// The rule that decided.
    pub rule: Option<String>,
    /// Its reason.
    pub reason: Reason,
    /// Its message, and how many other rules share the outcome.
    pub message: String,
}

/// Combines judgements; of equally bad ones the first explains. Rules without
/// anything to keep (context, methods, duties) decide only where there is no
/// other: what cannot be judged at all leaves nothing unknown.
#[must_use]
pub fn combine(judgements: &[Judgement]) -> Combined {
    let decided = deciding(judgements, |one| (one.verdict, one.reason));
    let Some((worst, same)) = decided else {
        let message = "no rule was judged: name at least one regulation".to_owned();
        return Combined {
            verdict: Verdict::Unknown,
            rule: None,
            reason: Reason::NoRule,
            message,
        };
    };
    let message = match same {
        1 => format!("{}: {}", worst.rule, worst.message),
        2 => format!(
            "{}: {}; 1 more rule is {}",
            worst.rule, worst.message, worst.verdict
        ),
        _ => format!(
            "{}: {}; {} more rules are {}",
            worst.rule,
            worst.message,
            same - 1,
            worst.verdict
        ),
    };
    Combined {
        verdict: worst.verdict,
        rule: Some(worst.rule.clone()),
        reason: worst.reason,
        message,
    }
}

/// What decides over several rules, and how many that count have the same
/// verdict; `None` of no rule.
fn deciding<T>(all: &[T], of: impl Fn(&T) -> (Verdict, Reason)) -> Option<(&T, usize)> {
    let is_judged = |one: &T| !matches!(of(one).1, Reason::NoLimit | Reason::ContextOnly);
    let any_judged = all.iter().any(is_judged);
    let counts = |one: &&T| !any_judged || is_judged(one);
    let worst = all
        .iter()
        .filter(counts)
        .rev()
        .max_by_key(|one| of(one).0.severity())?;
    let same = all
        .iter()
        .filter(counts)
        .filter(|other| of(other).0 == of(worst).0)
        .count();
    Some((worst, same))
}

/// Whether an interval keeps a limit.
fn against(value: Estimate<f64>, op: Op, limit: f64) -> (Verdict, Reason) {
    let keeps = |figure: f64| match op {
        Op::AtMost => figure <= limit,
        Op::AtLeast => figure >= limit,
    };
    match (keeps(value.low), keeps(value.high)) {
        (true, true) => (Verdict::Compliant, Reason::WithinLimit),
        (false, false) => (Verdict::NonCompliant, Reason::OverLimit),
        _ => (Verdict::Inconclusive, Reason::BoundsStraddleLimit),
    }
}

#[cfg(test)]
mod tests;
