//! The steps of a judgement: is the rule in force, is there enough evidence,
//! and on which side of the limit is the figure. Never computes a figure.

use jiff::civil::Date;
use tanso_power::{Estimate, Joules, Provenance};

use super::boundary::differs;
use super::figure::{figure, limit_on};
use super::words::{in_words, pue_source, share_beside};
use super::{Evidence, Reason, Thresholds, Verdict, against};
use crate::account::{Account, percent};
use crate::pue::{Entity, FacilityPue};
use crate::regulation::{Metric, Rule, Standing, WorkloadVerdict};
use crate::series::Basis;

/// 2^64 µJ.
const SUM_MOST: &str = "5,124,095 kWh";

/// What a step found, if it settles the judgement.
pub(super) struct Answer<'a> {
    pub(super) verdict: Verdict,
    pub(super) reason: Reason,
    /// Says why: of many thousands of accounts nobody reads it.
    pub(super) words: Box<dyn Fn() -> String + 'a>,
    pub(super) value: Option<Estimate<f64>>,
    /// The limit, where it is not the rule's own number.
    pub(super) limit: Option<f64>,
}

fn unknown<'a>(reason: Reason, words: impl Fn() -> String + 'a) -> Answer<'a> {
    Answer {
        verdict: Verdict::Unknown,
        reason,
        words: Box::new(words),
        value: None,
        limit: None,
    }
}

fn not_binding<'a>(reason: Reason, words: impl Fn() -> String + 'a) -> Answer<'a> {
    Answer {
        verdict: Verdict::NotYetBinding,
        ..unknown(reason, words)
    }
}

/// The answer for a rule that does not bind today, or has nothing to keep.
pub(super) fn not_in_force(rule: &Rule, today: Date) -> Option<Answer<'_>> {
    match rule.standing(today) {
        Standing::Draft => {
            let words = move || format!("{} is a draft; drafts are never applied", rule.name);
            return Some(not_binding(Reason::Draft, words));
        }
        Standing::From(from) => {
            let words = move || {
                if rule.due == Some(from) {
                    format!(
                        "the limit of {} is to be kept from {from}; judged is {today}",
                        rule.name
                    )
                } else {
                    format!("{} binds from {from}; judged is {today}", rule.name)
                }
            };
            return Some(not_binding(Reason::BindsLater, words));
        }
        Standing::Ended(until) => {
            let words = move || format!("{} bound until {until}; judged is {today}", rule.name);
            return Some(unknown(Reason::BoundBefore, words));
        }
        Standing::InForce => {}
    }
    let is_factor = rule.workload_verdict == WorkloadVerdict::Factor;
    if rule.limit.is_none() || is_factor || rule.metric == Metric::Duty {
        let words = move || {
            format!(
                "{} is {} without a limit to keep",
                rule.name,
                rule.kind.in_words()
            )
        };
        return Some(unknown(Reason::NoLimit, words));
    }
    if rule.workload_verdict == WorkloadVerdict::None {
        let words = move || {
            format!(
                "{} is {} that binds {}: context, never judged on a workload or a facility",
                rule.name,
                rule.kind.in_words(),
                rule.binds.in_words()
            )
        };
        return Some(unknown(Reason::ContextOnly, words));
    }
    None
}

/// The answer if the evidence is not enough.
pub(super) fn missing<'a>(
    rule: &'a Rule,
    evidence: &Evidence<'a>,
    thresholds: Thresholds,
) -> Option<Answer<'a>> {
    match rule.metric {
        Metric::Pue => missing_pue(rule, evidence.pue),
        Metric::RenewableShare | Metric::Wue | Metric::Erf | Metric::Ref => {
            missing_indicator(rule, evidence)
        }
        Metric::Duty => None,
        _ => match evidence.account {
            Some(account) => missing_in_account(rule, account, thresholds),
            None => Some(unknown(Reason::NoEvidence, || {
                "no energy was accounted".to_owned()
            })),
        },
    }
}

fn missing_pue<'a>(rule: &'a Rule, pue: Option<&'a FacilityPue>) -> Option<Answer<'a>> {
    let Some(pue) = pue else {
        return Some(unknown(Reason::NoEvidence, || {
            "no PUE is given for the facility".to_owned()
        }));
    };
    let shown = pue.value.value;
    if !pue.evidence.is_judged() {
        let words = move || {
            format!(
                "PUE {shown} is {}: judged are only a measured one, a certificate, or one published for the region{}",
                pue.evidence.in_words(),
                pue_source(pue)
            )
        };
        return Some(unknown(Reason::PueWithoutEvidence, words));
    }
    if pue.scope != rule.pue_scope {
        let words = move || {
            format!(
                "{shown} is the {}; the rule is about the {}",
                pue.scope, rule.pue_scope
            )
        };
        return Some(unknown(Reason::PueScopeDiffers, words));
    }
    if let Some(answer) = entity_differs(rule, pue.entity, format!("PUE {shown}")) {
        return Some(answer);
    }
    match (rule.pue_category, pue.category) {
        (Some(wanted), Some(given)) if wanted != given => {
            let words = move || format!("PUE {shown} is of {given}; the rule demands {wanted}");
            Some(unknown(Reason::PueCategoryDiffers, words))
        }
        (Some(wanted), None) => {
            let words = move || format!("PUE {shown} names no category; the rule demands {wanted}");
            Some(unknown(Reason::PueCategoryDiffers, words))
        }
        _ => None,
    }
}

/// The answer if the figure is another's than the rule's.
fn entity_differs<'a>(rule: &Rule, given: Entity, what: String) -> Option<Answer<'a>> {
    let wanted = rule.binds.entity();
    (given != wanted).then(|| {
        let words = move || format!("{what} is of {given}; the rule is about {wanted}");
        unknown(Reason::EntityDiffers, words)
    })
}

fn missing_indicator<'a>(rule: &Rule, evidence: &Evidence<'a>) -> Option<Answer<'a>> {
    let mut given = evidence.indicators.iter();
    let what = rule.metric.in_words();
    let Some(indicator) = given.find(|one| one.stated.metric() == rule.metric) else {
        let words = move || format!("no {what} is given for the facility");
        return Some(unknown(Reason::NoEvidence, words));
    };
    if !indicator.evidence.is_judged() {
        let words = move || {
            format!(
                "the {what} is {}: judged are only a measured one, a certificate, or one published for the region",
                indicator.evidence.in_words()
            )
        };
        return Some(unknown(Reason::IndicatorWithoutEvidence, words));
    }
    entity_differs(rule, indicator.entity, format!("the {what}"))
}

fn missing_in_account<'a>(
    rule: &Rule,
    account: &'a Account,
    thresholds: Thresholds,
) -> Option<Answer<'a>> {
    let simulated = account.provenance_percent(Provenance::Simulated);
    if account
        .by_provenance
        .get(&Provenance::Simulated)
        .is_some_and(|part| part.microjoules() > 0)
    {
        let words = move || format!("{simulated:.1} % of the energy is simulated, for trials only");
        return Some(unknown(Reason::SimulatedEnergy, words));
    }
    if account.is_too_large() {
        let words = move || {
            format!("the energy is more than a sum holds ({SUM_MOST}): too much to judge at once")
        };
        return Some(unknown(Reason::SumTooLarge, words));
    }
    let coverage = account.coverage.percent();
    if coverage < thresholds.min_coverage_percent {
        let words = move || {
            format!(
                "{} % of the period has energy data, {} % are demanded",
                share_beside(coverage, thresholds.min_coverage_percent),
                thresholds.min_coverage_percent
            )
        };
        return Some(unknown(Reason::CoverageTooLow, words));
    }
    if account.it_energy.value.microjoules() == 0 {
        let words = || "no energy was used, so there is nothing to judge".to_owned();
        return Some(unknown(Reason::NoEnergy, words));
    }
    if account
        .by_provenance
        .values()
        .all(|part| *part == Joules::ZERO)
    {
        let words =
            || "nobody says whether the energy was measured, modelled or simulated".to_owned();
        return Some(unknown(Reason::ProvenanceUnknown, words));
    }
    if let Some(answer) = missing_pue_of_sum(rule, account) {
        return Some(answer);
    }
    if rule.metric == Metric::EnergyBudget || rule.basis == Basis::Market {
        return None;
    }
    missing_intensity(rule, account, thresholds)
}

/// The answer if the intensity of the energy is not known well enough.
fn missing_intensity<'a>(
    rule: &Rule,
    account: &'a Account,
    thresholds: Thresholds,
) -> Option<Answer<'a>> {
    // Of a limit that says which it means, a sum of both still proves one side.
    if account.mixes_boundaries() && rule.boundary.is_none() {
        let words = move || {
            format!(
                "direct intensity prices {} and life-cycle intensity {}: a sum of both is neither",
                account.direct, account.life_cycle
            )
        };
        return Some(unknown(Reason::BoundariesMixed, words));
    }
    if account.unpriced.microjoules() > 0 {
        let words = move || {
            format!(
                "{:.1} % of the energy was used in hours without intensity data ({})",
                account.unpriced_percent(),
                account.unpriced
            )
        };
        return Some(unknown(Reason::IntensityMissing, words));
    }
    let estimated = account.estimated_percent();
    if estimated > thresholds.max_estimated_percent {
        let words = move || {
            format!(
                "the intensity of {} % of the energy is estimated, at most {} % are accepted",
                share_beside(estimated, thresholds.max_estimated_percent),
                thresholds.max_estimated_percent
            )
        };
        return Some(unknown(Reason::EstimatedShareTooHigh, words));
    }
    None
}

/// The answer if a sum of facility energy rests on a PUE that nobody stands
/// for. An intensity does not depend on it; a software carbon intensity may be
/// of the IT equipment alone, but not of a guess.
fn missing_pue_of_sum<'a>(rule: &Rule, account: &'a Account) -> Option<Answer<'a>> {
    let needs_all = match rule.metric {
        Metric::EnergyBudget | Metric::CarbonBudget | Metric::ReductionPath => true,
        Metric::Sci => false,
        _ => return None,
    };
    let of_sum = move |part: Joules| {
        let whole = account.facility_energy.value.microjoules();
        percent(part.microjoules(), whole)
    };
    let accepted = "judged are only a measured one, a certificate, one published for the region, or energy metered at the facility";
    let (guessed, missing) = (account.pue_guessed, account.pue_missing);
    if guessed == Joules::ZERO && (!needs_all || missing == Joules::ZERO) {
        return None;
    }
    let words = move || {
        if guessed > Joules::ZERO {
            format!(
                "the PUE of {:.1} % of the energy is only assumed or an average of others: {accepted}",
                of_sum(guessed)
            )
        } else {
            format!(
                "no PUE is known for {:.1} % of the energy, so the facility's is not known: {accepted}",
                of_sum(missing)
            )
        }
    };
    Some(unknown(Reason::PueWithoutEvidence, words))
}

/// A figure held against its limit.
struct Held {
    value: Estimate<f64>,
    limit: f64,
    verdict: Verdict,
    reason: Reason,
}

/// `None` if what the figure needs was not given.
fn held(rule: &Rule, evidence: &Evidence<'_>, today: Date) -> Option<Held> {
    let value = figure(rule, evidence)?;
    let limit = limit_on(rule, today)?;
    let found = against(value, rule.op, limit);
    let differs = differs(rule, evidence);
    let (verdict, reason) = differs.map_or(found, |differs| differs.left_of(rule.op, found));
    Some(Held {
        value,
        limit,
        verdict,
        reason,
    })
}

/// The outcome by the figure, without words.
pub(super) fn outcome(rule: &Rule, evidence: &Evidence<'_>, today: Date) -> (Verdict, Reason) {
    let held = held(rule, evidence, today);
    held.map_or((Verdict::Unknown, Reason::NoEvidence), |held| {
        (held.verdict, held.reason)
    })
}

/// The answer by the figure.
pub(super) fn compare<'a>(rule: &'a Rule, evidence: &'a Evidence<'a>, today: Date) -> Answer<'a> {
    let Some(held) = held(rule, evidence, today) else {
        let needed = match rule.metric {
            _ if rule.basis == Basis::Market && evidence.market.is_none() => {
                "contracts and a residual mix"
            }
            Metric::ReductionPath => "the emissions of the base year",
            Metric::Sci if evidence.embodied.is_none() => {
                "the embodied emissions (M) of the hardware"
            }
            Metric::Sci => "the number of functional units",
            _ => "a stated figure",
        };
        let words = move || {
            format!(
                "{} cannot be judged without {needed}",
                rule.metric.in_words()
            )
        };
        return unknown(Reason::NoEvidence, words);
    };
    let Held {
        value,
        limit,
        verdict,
        reason,
    } = held;
    Answer {
        verdict,
        reason,
        words: Box::new(move || in_words(rule, evidence, value, limit, reason)),
        value: Some(value),
        limit: Some(limit),
    }
}
