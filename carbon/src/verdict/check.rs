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
            let message = if rule.due == Some(from) {
                format!(
                    "the limit of {} is to be kept from {from}; judged is {today}",
                    rule.name
                )
            } else {
                format!("{} binds from {from}; judged is {today}", rule.name)
            };
            return Some(not_binding(Reason::BindsLater, message));
        }
        Standing::Ended(until) => {
            let message = format!("{} bound until {until}; judged is {today}", rule.name);
            return Some(unknown(Reason::BoundBefore, message));
        }
        Standing::InForce => {}
    }
    let is_factor = rule.workload_verdict == WorkloadVerdict::Factor;
    if rule.limit.is_none() || is_factor || rule.metric == Metric::Duty {
        let message = format!(
            "{} is {} without a limit to keep",
            rule.name,
            rule.kind.in_words()
        );
        return Some(unknown(Reason::NoLimit, message));
    }
    if rule.workload_verdict == WorkloadVerdict::None {
        let message = format!(
            "{} is {} that binds {}: context, never judged on a workload or a facility",
            rule.name,
            rule.kind.in_words(),
            rule.binds.in_words()
        );
        return Some(unknown(Reason::ContextOnly, message));
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
        Metric::RenewableShare | Metric::Wue | Metric::Erf | Metric::Ref => {
            missing_indicator(rule, evidence)
        }
        Metric::Duty => None,
        _ => match evidence.account {
            Some(account) => missing_in_account(rule, account, thresholds),
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
            "PUE {shown} is {}: judged are only a measured one, a certificate, or one published for the region{}",
            pue.evidence.in_words(),
            pue_source(pue)
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
    if let Some(answer) = entity_differs(rule, pue.entity, &format!("PUE {shown}")) {
        return Some(answer);
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

/// The answer if the figure is another's than the rule's.
fn entity_differs(rule: &Rule, given: Entity, what: &str) -> Option<Answer> {
    let wanted = rule.binds.entity();
    (given != wanted).then(|| {
        let message = format!("{what} is of {given}; the rule is about {wanted}");
        unknown(Reason::EntityDiffers, message)
    })
}

fn missing_indicator(rule: &Rule, evidence: &Evidence<'_>) -> Option<Answer> {
    let mut given = evidence.indicators.iter();
    let Some(indicator) = given.find(|one| one.stated.metric() == rule.metric) else {
        let message = format!("no {} is given for the facility", rule.metric.in_words());
        return Some(unknown(Reason::NoEvidence, message));
    };
    let what = rule.metric.in_words();
    if !indicator.evidence.is_judged() {
        let message = format!(
            "the {what} is {}: judged are only a measured one, a certificate, or one published for the region",
            indicator.evidence.in_words()
        );
        return Some(unknown(Reason::IndicatorWithoutEvidence, message));
    }
    entity_differs(rule, indicator.entity, &format!("the {what}"))
}

fn missing_in_account(rule: &Rule, account: &Account, thresholds: Thresholds) -> Option<Answer> {
    let simulated = account.provenance_percent(Provenance::Simulated);
    if account
        .by_provenance
        .get(&Provenance::Simulated)
        .is_some_and(|part| part.microjoules() > 0)
    {
        let message = format!("{simulated:.1} % of the energy is simulated, for trials only");
        return Some(unknown(Reason::SimulatedEnergy, message));
    }
    if account.is_too_large() {
        let message =
            format!("the energy is more than a sum holds ({SUM_MOST}): too much to judge at once");
        return Some(unknown(Reason::SumTooLarge, message));
    }
    let coverage = account.coverage.percent();
    if coverage < thresholds.min_coverage_percent {
        let message = format!(
            "{} % of the period has energy data, {} % are demanded",
            share_beside(coverage, thresholds.min_coverage_percent),
            thresholds.min_coverage_percent
        );
        return Some(unknown(Reason::CoverageTooLow, message));
    }
    if account.it_energy.value.microjoules() == 0 {
        let message = "no energy was used, so there is nothing to judge".to_owned();
        return Some(unknown(Reason::NoEnergy, message));
    }
    if account
        .by_provenance
        .values()
        .all(|part| *part == Joules::ZERO)
    {
        let message = "nobody says whether the energy was measured, modelled or simulated";
        return Some(unknown(Reason::ProvenanceUnknown, message.to_owned()));
    }
    if let Some(answer) = missing_pue_of_sum(rule, account) {
        return Some(answer);
    }
    if rule.metric == Metric::EnergyBudget || rule.basis == Basis::Market {
        return None;
    }
    // Of a limit that says which it means, a sum of both still proves one side.
    if account.mixes_boundaries() && rule.boundary.is_none() {
        let message = format!(
            "direct intensity prices {} and life-cycle intensity {}: a sum of both is neither",
            account.direct, account.life_cycle
        );
        return Some(unknown(Reason::BoundariesMixed, message));
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
            "the intensity of {} % of the energy is estimated, at most {} % are accepted",
            share_beside(estimated, thresholds.max_estimated_percent),
            thresholds.max_estimated_percent
        );
        return Some(unknown(Reason::EstimatedShareTooHigh, message));
    }
    None
}

/// The answer if a sum of facility energy rests on a PUE that nobody stands
/// for. An intensity does not depend on it; a software carbon intensity may be
/// of the IT equipment alone, but not of a guess.
fn missing_pue_of_sum(rule: &Rule, account: &Account) -> Option<Answer> {
    let needs_all = match rule.metric {
        Metric::EnergyBudget | Metric::CarbonBudget | Metric::ReductionPath => true,
        Metric::Sci => false,
        _ => return None,
    };
    let of_sum = |part: Joules| {
        let whole = account.facility_energy.value.microjoules();
        percent(part.microjoules(), whole)
    };
    let accepted = "judged are only a measured one, a certificate, one published for the region, or energy metered at the facility";
    let message = if account.pue_guessed > Joules::ZERO {
        format!(
            "the PUE of {:.1} % of the energy is only assumed or an average of others: {accepted}",
            of_sum(account.pue_guessed)
        )
    } else if needs_all && account.pue_missing > Joules::ZERO {
        format!(
            "no PUE is known for {:.1} % of the energy, so the facility's is not known: {accepted}",
            of_sum(account.pue_missing)
        )
    } else {
        return None;
    };
    Some(unknown(Reason::PueWithoutEvidence, message))
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
pub(super) fn compare(rule: &Rule, evidence: &Evidence<'_>, today: Date) -> Answer {
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
        let message = format!(
            "{} cannot be judged without {needed}",
            rule.metric.in_words()
        );
        return unknown(Reason::NoEvidence, message);
    };
    let Held {
        value,
        limit,
        verdict,
        reason,
    } = held;
    let message = in_words(rule, evidence, value, limit, reason);
    Answer {
        verdict,
        reason,
        message,
        value: Some(value),
        limit: Some(limit),
    }
}
