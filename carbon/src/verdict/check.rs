//! The steps of a judgement: is the rule in force, is there enough evidence,
//! and on which side of the limit is the figure.

use jiff::civil::Date;
use tanso_power::{Estimate, Joules, Provenance};

use super::{Evidence, Reason, Thresholds, Verdict, against};
use crate::account::Account;
use crate::pue::FacilityPue;
use crate::regulation::{Metric, Op, Rule, RuleKind, Standing};
use crate::units::{GramsCo2e, Intensity, Pue};

/// What a step found, if it settles the judgement.
pub(super) struct Answer {
    pub(super) verdict: Verdict,
    pub(super) reason: Reason,
    pub(super) message: String,
    pub(super) value: Option<Estimate<f64>>,
    /// The limit, where it is not the rule's own number.
    pub(super) limit: Option<f64>,
}

fn unknown(reason: Reason, message: String) -> Answer {
    Answer {
        verdict: Verdict::Unknown,
        reason,
        message,
        value: None,
        limit: None,
    }
}

fn not_binding(reason: Reason, message: String) -> Answer {
    Answer {
        verdict: Verdict::NotYetBinding,
        ..unknown(reason, message)
    }
}

/// The answer for a rule that does not bind today, or has nothing to keep.
pub(super) fn not_in_force(rule: &Rule, today: Date) -> Option<Answer> {
    match rule.standing(today) {
        Standing::Draft => {
            let message = format!("{} is a draft; drafts are never applied", rule.name);
            return Some(not_binding(Reason::Draft, message));
        }
        Standing::From(from) => {
            let message = format!("{} binds from {from}; today is {today}", rule.name);
            return Some(not_binding(Reason::BindsLater, message));
        }
        Standing::Ended(until) => {
            let message = format!("{} bound until {until}; today is {today}", rule.name);
            return Some(unknown(Reason::BoundBefore, message));
        }
        Standing::InForce => {}
    }
    if rule.limit.is_none() || rule.kind == RuleKind::Factor {
        let message = format!(
            "{} is {} without a limit to keep",
            rule.name,
            rule.kind.in_words()
        );
        return Some(unknown(Reason::NoLimit, message));
    }
    None
}

/// The answer if the evidence is not enough.
pub(super) fn missing(
    rule: &Rule,
    evidence: &Evidence<'_>,
    thresholds: Thresholds,
) -> Option<Answer> {
    match rule.metric {
        Metric::Pue => missing_pue(rule, evidence.pue),
        Metric::RenewableShare | Metric::Wue | Metric::Erf | Metric::Ref => None,
        _ => match evidence.account {
            Some(account) => missing_in_account(rule.metric, account, thresholds),
            None => Some(unknown(
                Reason::NoEvidence,
                "no energy was accounted".to_owned(),
            )),
        },
    }
}

fn missing_pue(rule: &Rule, pue: Option<&FacilityPue>) -> Option<Answer> {
    let Some(pue) = pue else {
        return Some(unknown(
            Reason::NoEvidence,
            "no PUE is given for the facility".to_owned(),
        ));
    };
    let shown = pue.value.value;
    if !pue.evidence.is_judged() {
        let message = format!(
            "PUE {shown} is {}: judged are only a measured one, a certificate, or one published for the region",
            pue.evidence.in_words()
        );
        return Some(unknown(Reason::PueWithoutEvidence, message));
    }
    if pue.scope != rule.pue_scope {
        let message = format!(
            "{shown} is the {}; the rule is about the {}",
            pue.scope, rule.pue_scope
        );
        return Some(unknown(Reason::PueScopeDiffers, message));
    }
    match (rule.pue_category, pue.category) {
        (Some(wanted), Some(given)) if wanted != given => {
            let message = format!("PUE {shown} is of {given}; the rule demands {wanted}");
            Some(unknown(Reason::PueCategoryDiffers, message))
        }
        (Some(wanted), None) => {
            let message = format!("PUE {shown} names no category; the rule demands {wanted}");
            Some(unknown(Reason::PueCategoryDiffers, message))
        }
        _ => None,
    }
}

fn missing_in_account(metric: Metric, account: &Account, thresholds: Thresholds) -> Option<Answer> {
    let simulated = account.provenance_percent(Provenance::Simulated);
    if account
        .by_provenance
        .get(&Provenance::Simulated)
        .is_some_and(|part| part.microjoules() > 0)
    {
        let message = format!("{simulated:.1} % of the energy is simulated, for trials only");
        return Some(unknown(Reason::SimulatedEnergy, message));
    }
    let coverage = account.coverage.percent();
    if coverage < thresholds.min_coverage_percent {
        let message = format!(
            "{coverage:.1} % of the period has energy data, {} % are demanded",
            thresholds.min_coverage_percent
        );
        return Some(unknown(Reason::CoverageTooLow, message));
    }
    if account.it_energy.value.microjoules() == 0 {
        let message = "no energy was used, so there is nothing to judge".to_owned();
        return Some(unknown(Reason::NoEnergy, message));
    }
    if metric == Metric::EnergyBudget {
        return None;
    }
    if account.unpriced.microjoules() > 0 {
        let message = format!(
            "{:.1} % of the energy was used in hours without intensity data ({})",
            account.unpriced_percent(),
            account.unpriced
        );
        return Some(unknown(Reason::IntensityMissing, message));
    }
    let estimated = account.estimated_percent();
    if estimated > thresholds.max_estimated_percent {
        let message = format!(
            "the intensity of {estimated:.1} % of the energy is estimated, at most {} % are accepted",
            thresholds.max_estimated_percent
        );
        return Some(unknown(Reason::EstimatedShareTooHigh, message));
    }
    None
}

/// The answer by the figure.
pub(super) fn compare(rule: &Rule, evidence: &Evidence<'_>, today: Date) -> Answer {
    let (Some(value), Some(limit)) = (figure(rule, evidence), limit_on(rule, today)) else {
        let needed = match rule.metric {
            Metric::ReductionPath => "the emissions of the base year",
            Metric::Sci => "the number of functional units",
            _ => "a stated figure",
        };
        let message = format!(
            "{} cannot be judged without {needed}",
            rule.metric.in_words()
        );
        return unknown(Reason::NoEvidence, message);
    };
    let (verdict, reason) = against(value, rule.op, limit);
    let message = in_words(rule, evidence, value, limit, verdict);
    Answer {
        verdict,
        reason,
        message,
        value: Some(value),
        limit: Some(limit),
    }
}

/// The figure that the rule is about, in the rule's unit.
fn figure(rule: &Rule, evidence: &Evidence<'_>) -> Option<Estimate<f64>> {
    let stated = || {
        let mut indicators = evidence.indicators.iter();
        indicators
            .find(|one| one.metric == rule.metric)
            .map(|one| one.value)
    };
    let grams = || Some(evidence.account?.emissions.map(GramsCo2e::as_grams_f64));
    match rule.metric {
        Metric::Pue => evidence.pue.map(|pue| pue.value.map(Pue::ratio)),
        Metric::GridIntensity => Some(
            evidence
                .account?
                .effective_intensity()?
                .map(Intensity::as_grams_per_kwh_f64),
        ),
        Metric::EnergyBudget => {
            let account = evidence.account?;
            Some(of_the_whole(
                account.facility_energy.map(Joules::as_kwh_f64),
                account,
            ))
        }
        Metric::CarbonBudget => {
            let unit = match rule.unit.as_str() {
                "tCO2eq" => 1e6,
                "kgCO2eq" => 1e3,
                _ => 1.0,
            };
            Some(of_the_whole(
                grams()?.map(|grams| grams / unit),
                evidence.account?,
            ))
        }
        Metric::Sci => {
            let units = evidence.functional_units.filter(|units| *units > 0.0)?;
            Some(grams()?.map(|grams| grams / units))
        }
        Metric::ReductionPath => {
            let base = evidence.base_year_grams.filter(|base| *base > 0.0)?;
            let grams = of_the_whole(grams()?, evidence.account?);
            let reduction = |grams: f64| (1.0 - grams / base) * 100.0;
            Some(Estimate {
                low: reduction(grams.high),
                value: reduction(grams.value),
                high: reduction(grams.low),
            })
        }
        Metric::RenewableShare | Metric::Wue | Metric::Erf | Metric::Ref => stated(),
    }
}

/// A sum over part of a period with an upper bound for all of it: what was
/// not seen may have been like the highest estimate of what was.
fn of_the_whole(seen: Estimate<f64>, account: &Account) -> Estimate<f64> {
    let share = account.coverage.percent() / 100.0;
    if share > 0.0 {
        Estimate {
            high: seen.high / share,
            ..seen
        }
    } else {
        seen
    }
}

/// The limit on a day: of a reduction path, the point of the straight line
/// from the base year to the target year.
fn limit_on(rule: &Rule, today: Date) -> Option<f64> {
    let limit = rule.limit?;
    match (rule.metric, rule.base_year, rule.target_year) {
        (Metric::ReductionPath, Some(base), Some(target)) if base < target => {
            let years = f64::from(today.year() - base) / f64::from(target - base);
            Some(limit * years.clamp(0.0, 1.0))
        }
        _ => Some(limit),
    }
}

fn in_words(
    rule: &Rule,
    evidence: &Evidence<'_>,
    value: Estimate<f64>,
    limit: f64,
    verdict: Verdict,
) -> String {
    let unit = if rule.unit == "ratio" {
        String::new()
    } else {
        format!(" {}", rule.unit)
    };
    let bound = match rule.op {
        Op::AtMost => "at most",
        Op::AtLeast => "at least",
    };
    let what = match (rule.metric, evidence.pue) {
        (Metric::Pue, Some(pue)) => match pue.category {
            Some(category) => format!("{}, {}, {category}", pue.scope, pue.evidence.in_words()),
            None => format!("{}, {}", pue.scope, pue.evidence.in_words()),
        },
        (metric, _) => metric.in_words().to_owned(),
    };
    let shown = shown(value);
    let tail = match verdict {
        Verdict::Inconclusive => ": the limit lies within the bounds",
        _ => "",
    };
    format!(
        "{what} is {shown}{unit}; {bound} {}{unit} ({}){tail}",
        number(limit),
        rule.kind.in_words()
    )
}

/// `430.2 (401.0 to 455.1)`, or one number where there are no bounds.
fn shown(Estimate { low, value, high }: Estimate<f64>) -> String {
    if number(low) == number(high) {
        number(value)
    } else {
        format!("{} ({} to {})", number(value), number(low), number(high))
    }
}

/// A number with as many places as it deserves.
fn number(value: f64) -> String {
    let places = match value.abs() {
        size if size >= 10_000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        size if size == 0.0 || size >= 0.1 => 3,
        _ => 6,
    };
    let text = format!("{value:.places$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
