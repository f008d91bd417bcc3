//! Rows judged as the operator judges a workload: the same account, the same
//! rules, the same order; pure.

use jiff::Timestamp;
use jiff::civil::Date;
use tanso_carbon::account::{Account, Coverage, Place, account};
use tanso_carbon::regulation::Preset;
use tanso_carbon::verdict::{self, Evidence};
use tanso_carbon::{EnergyRow, RuleSet, Thresholds, judge};
use tanso_crds::carbon_policy::status::{Figures, RegulationResult, Verdict};

use super::AnswerFault;
use super::figures::{figures, regulation};
use super::presets::Presets;
use crate::view::Policy;

/// What a workload is judged by.
pub(super) struct Terms<'a> {
    pub(super) places: &'a [Place<'a>],
    pub(super) coverage: Coverage,
    pub(super) cpu_ms: i64,
    pub(super) presets: &'a Presets,
    pub(super) thresholds: Thresholds,
    pub(super) through: Timestamp,
}

/// A verdict over some rows.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) account: Account,
    pub(super) figures: Figures,
    pub(super) rules: Vec<RegulationResult>,
    pub(super) verdict: Verdict,
    pub(super) reason: String,
}

/// Judges rows by every rule that is about a workload.
pub(super) fn judge_rows(rows: &[EnergyRow], terms: &Terms<'_>) -> Judged {
    let account = account(rows, terms.places, terms.coverage);
    let (mut judgements, mut rules) = (Vec::new(), Vec::new());
    for preset in &terms.presets.known {
        let day = local_day(preset, terms.through);
        for rule in preset.on(day) {
            if !rule.is_of_workload() {
                continue;
            }
            let evidence = Evidence {
                account: Some(&account),
                ..Evidence::default()
            };
            let judgement = judge(rule, &evidence, terms.thresholds, day);
            rules.push(regulation(preset, rule, &judgement));
            judgements.push(judgement);
        }
    }
    rules.extend(terms.presets.unread_results());
    let (verdict, reason) = terms.presets.verdict(&verdict::combine(&judgements));
    Judged {
        figures: figures(&account, terms.cpu_ms),
        rules,
        verdict,
        reason,
        account,
    }
}

fn local_day(preset: &Preset, at: Timestamp) -> Date {
    // The last evaluated instant, not the first of the next day.
    let last = Timestamp::from_second(at.as_second().saturating_sub(1)).unwrap_or(at);
    preset.zone.to_datetime(last).date()
}

/// What a policy demands before a verdict is given.
pub(super) fn thresholds(policy: &Policy) -> Thresholds {
    let asked = &policy.spec.evidence;
    Thresholds {
        min_coverage_percent: f64::from(asked.min_coverage_percent),
        max_estimated_percent: f64::from(asked.max_estimated_percent),
    }
}

/// The standard that is meant: by its own id, as policies name it, or by that
/// of one of its rules, as verdicts name them.
pub(super) fn standard<'a>(id: &str, rules: &'a RuleSet) -> Option<&'a Preset> {
    let by_rule = || {
        let mut all = rules.iter();
        all.find(|preset| preset.rules.iter().any(|rule| rule.id == id))
    };
    rules.get(id).or_else(by_rule)
}

/// Why there is no standard of an id.
pub(super) fn no_standard(field: &'static str, id: &str, rules: &RuleSet) -> AnswerFault {
    let accepted = format!(
        "the id of a standard, as spec.regulations of a policy names it, or of one of its rules: one of {}",
        rules.ids().join(", ")
    );
    AnswerFault::invalid(field, id, accepted)
}

/// What to judge by; of an id of one rule, that rule alone.
pub(super) fn presets_named(ids: &[String], rules: &RuleSet) -> Result<Presets, AnswerFault> {
    let found = ids.iter().map(|id| {
        let preset = standard(id, rules).cloned();
        let mut preset = preset.ok_or_else(|| no_standard("standards", id, rules))?;
        if preset.id != *id {
            preset.rules.retain(|rule| rule.id == *id);
        }
        Ok(preset)
    });
    Ok(Presets {
        known: found.collect::<Result<_, AnswerFault>>()?,
        unread: Vec::new(),
    })
}
