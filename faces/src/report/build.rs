//! A policy's objects become a report. Copies figures; adds up whole numbers;
//! computes no energy, no emissions and no verdict.

use std::collections::BTreeMap;

use serde_json::Value;
use tanso_carbon::report::Digest;
use tanso_carbon::{Rule, RuleSet};
use tanso_crds::carbon_policy::spec::MeteringPoint;
use tanso_crds::carbon_policy::status::{
    Bounded, Figures, RegulationResult, Verdict, WorkloadResult,
};

use super::hours::{months, utc};
use super::korean;
use super::model::{
    Digests, EnergyOf, Hours, Method, PathPoint, Period, PolicyRef, ReductionPath, Report,
    RuleFacts, SCHEMA, Statement,
};
use super::recompute::recompute;
use super::seal::digest_of;
use crate::pue;
use crate::view::Policy;

/// What a report is made of.
#[derive(Clone)]
pub struct Inputs<'a> {
    /// The policy with its status.
    pub policy: &'a Policy,
    /// Every workload that it judged.
    pub workloads: &'a [WorkloadResult],
    /// All rules there are.
    pub rules: &'a RuleSet,
    /// The hours, if the ledger could be read.
    pub hours: Option<&'a Hours>,
    /// Who reports; `evaluated` and `software` are filled in if they are empty.
    pub statement: &'a Statement,
    /// Which time, if it is not the policy's window.
    pub other: Option<OtherTime>,
}

/// A report of another time than the policy's window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherTime {
    /// Which.
    pub period: tanso_carbon::Period,
    /// The nodes' embodied emissions that belong to the workloads.
    pub embodied: Option<Bounded>,
    /// When advice was evaluated.
    pub advice_through: Option<String>,
}

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The policy was not evaluated yet.
    #[error("{policy} has no figures yet: {why}; see `kubectl tanso doctor`")]
    NotEvaluated {
        /// The policy.
        policy: String,
        /// What its conditions say.
        why: String,
    },
}

/// Makes the report.
///
/// # Errors
/// If the policy was not evaluated yet.
pub fn build(inputs: &Inputs<'_>) -> Result<Report, BuildError> {
    let (policy, status) = (inputs.policy, &inputs.policy.status);
    let not_yet = || BuildError::NotEvaluated {
        policy: policy.title(),
        why: policy.condition("Ready").map_or_else(
            || "the operator has not visited it".to_owned(),
            |ready| format!("{}: {}", ready.reason, ready.message),
        ),
    };
    let totals = status.totals.clone().ok_or_else(not_yet)?;
    let other = inputs.other.as_ref();
    let window = other
        .map(|other| other.period)
        .or_else(|| policy.window())
        .ok_or_else(not_yet)?;
    let through = status.data_through.as_ref().ok_or_else(not_yet)?;
    let rules: Vec<_> = status
        .regulations
        .iter()
        .map(|result| rule_facts(result, inputs.rules))
        .collect();
    let period = Period {
        from: utc(window.from.unix_seconds()),
        until: utc(window.until.unix_seconds()),
        hours: i64::from(window.hour_count()),
        data_through: through.0.to_string(),
        time_zone: policy.spec.site.time_zone.clone(),
    };
    let statement = Statement {
        software: format!("tanso {}", env!("CARGO_PKG_VERSION")),
        evaluated: through.0.to_string(),
        ..inputs.statement.clone()
    };
    let mut report = Report {
        schema: SCHEMA.to_owned(),
        statement,
        policy: PolicyRef {
            kind: policy.kind.as_str().to_owned(),
            namespace: policy.namespace.clone(),
            name: policy.name.clone(),
            generation: status.observed_generation,
        },
        period,
        method: method(policy),
        verdict: status.verdict.unwrap_or(Verdict::Unknown),
        answer: status.answer.clone(),
        totals,
        market: status.market.clone(),
        software_carbon_intensity: status.software_carbon_intensity.clone(),
        embodied_milligrams: other.and_then(|other| other.embodied),
        advice_through: other.and_then(|other| other.advice_through.clone()),
        places: status.places.clone(),
        unallocated: status.unallocated.clone(),
        namespaces: namespaces(inputs.workloads),
        months: inputs.hours.map(months).unwrap_or_default(),
        workloads: inputs.workloads.to_vec(),
        paths: paths(inputs),
        digests: digests(inputs),
        rules,
        intensity: status.intensity.clone(),
        hours: inputs.hours.cloned(),
        recommendations: status.recommendations.clone(),
        conditions: status.conditions.clone(),
        spec: policy.spec.clone(),
        recompute: Vec::new(),
        not_recomputed: Vec::new(),
    };
    let again = recompute(inputs, &report);
    (report.recompute, report.not_recomputed) = (again.commands, again.limits);
    Ok(report)
}

fn method(policy: &Policy) -> Method {
    let used = pue::of(&policy.spec, &policy.status);
    Method {
        pue: used.as_ref().map(pue::shown),
        pue_is_applied: used
            .as_ref()
            .is_some_and(|used| used.metering == MeteringPoint::ItEquipment),
        facility_pue: used,
        confidence_percent: 90,
    }
}

/// What is known of a rule; of one that is not in the set any more, what its
/// result says.
fn rule_facts(result: &RegulationResult, rules: &RuleSet) -> RuleFacts {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let found = rule_of(result, rules);
    let Some(rule) = found else {
        return RuleFacts {
            result: result.clone(),
            name: String::new(),
            name_ko: String::new(),
            authority: String::new(),
            clause: String::new(),
            source_ko: String::new(),
            binds_from: String::new(),
            binds_until: String::new(),
            evidence: String::new(),
            note: String::new(),
        };
    };
    RuleFacts {
        result: result.clone(),
        name: rule.name.clone(),
        name_ko: text(&rule.name_ko),
        authority: rule.authority.clone(),
        clause: text(&rule.clause),
        source_ko: korean::cited(rule).unwrap_or_default(),
        binds_from: rule.from.map_or_else(String::new, |day| day.to_string()),
        binds_until: rule.until.map_or_else(String::new, |day| day.to_string()),
        evidence: rule.evidence.clone(),
        note: text(&rule.note),
    }
}

/// The rule of a result, which goes by its preset's id where that has one rule
/// in force.
pub(crate) fn rule_of<'a>(result: &RegulationResult, rules: &'a RuleSet) -> Option<&'a Rule> {
    let by_preset = || {
        let preset = rules.get(&result.rule)?;
        let cited = |rule: &&Rule| result.source.starts_with(&rule.citation());
        preset.rules.iter().find(cited).or(preset.rules.first())
    };
    let mut all = rules.iter().flat_map(|preset| &preset.rules);
    all.find(|rule| rule.id == result.rule).or_else(by_preset)
}

/// Sums by namespace, largest energy first. A workload's parts by provenance
/// are its whole percents of its energy: the split is exact to a percent.
fn namespaces(workloads: &[WorkloadResult]) -> Vec<EnergyOf> {
    let mut sums: BTreeMap<&str, EnergyOf> = BTreeMap::new();
    for one in workloads {
        let sum = sums.entry(&one.namespace).or_default();
        sum.name.clone_from(&one.namespace);
        sum.workloads += 1;
        add(sum, &one.figures);
    }
    let mut sums: Vec<_> = sums.into_values().collect();
    sums.sort_by(|a, b| {
        b.energy_microjoules
            .cmp(&a.energy_microjoules)
            .then_with(|| a.name.cmp(&b.name))
    });
    sums
}

fn add(sum: &mut EnergyOf, figures: &Figures) {
    let energy = figures.energy_microjoules.value;
    let part = |percent: i32| {
        i64::try_from(i128::from(energy) * i128::from(percent) / 100).unwrap_or(i64::MAX)
    };
    let (measured, simulated) = (
        part(figures.measured_percent),
        part(figures.simulated_percent),
    );
    sum.energy_microjoules = sum.energy_microjoules.saturating_add(energy);
    sum.measured_microjoules = sum.measured_microjoules.saturating_add(measured);
    sum.simulated_microjoules = sum.simulated_microjoules.saturating_add(simulated);
    sum.modelled_microjoules = sum
        .modelled_microjoules
        .saturating_add(energy.saturating_sub(measured).saturating_sub(simulated));
    sum.emissions_milligrams = sum
        .emissions_milligrams
        .saturating_add(figures.emissions_milligrams.value);
    sum.unpriced_microjoules = sum
        .unpriced_microjoules
        .saturating_add(figures.unpriced_microjoules);
}

/// The paths of the rules that have one.
fn paths(inputs: &Inputs<'_>) -> Vec<ReductionPath> {
    let base = inputs.policy.spec.accounting.base_year.as_ref();
    let results = inputs.policy.status.regulations.iter();
    let path = |result: &RegulationResult| {
        let rule = rule_of(result, inputs.rules)?;
        let (from, to, limit) = (rule.base_year?, rule.target_year?, rule.limit?);
        Some(ReductionPath {
            rule: result.rule.clone(),
            base_year: from,
            target_year: to,
            base_tonnes: base.map(|base| base.tonnes),
            base_reference: base.map_or_else(String::new, |base| base.reference.clone()),
            points: points(from, to, limit),
            reached_milli_percent: result.value_milli,
        })
    };
    results.filter_map(path).collect()
}

/// The straight line from 0 in the base year to the limit in the target year.
fn points(from: i16, to: i16, limit_percent: f64) -> Vec<PathPoint> {
    let span = i64::from(to) - i64::from(from);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a limit of 0 to 100 percent in thousandths"
    )]
    let limit = (limit_percent * 1_000.0).round() as i64;
    let point = |year: i16| PathPoint {
        year,
        reduction_milli_percent: limit * (i64::from(year) - i64::from(from)) / span.max(1),
    };
    (from..=to).map(point).collect()
}

fn digests(inputs: &Inputs<'_>) -> Digests {
    let (policy, status) = (inputs.policy, &inputs.policy.status);
    let of =
        |value: Result<Value, serde_json::Error>| digest_of(&value.unwrap_or_default()).to_string();
    let rules = status.regulations.iter().map(|result| {
        let rule = rule_of(result, inputs.rules);
        let value = rule.map(serde_json::to_value).transpose();
        format!(
            "{} {}",
            result.rule,
            digest_of(&value.ok().flatten().unwrap_or_default())
        )
    });
    Digests {
        inputs: status.inputs_digest.clone(),
        spec: of(serde_json::to_value(&policy.spec)),
        rules: Digest::of_lines(rules).to_string(),
        workloads: of(serde_json::to_value(inputs.workloads)),
        ledger_revision: status.ledger_revision,
    }
}

/// The local year of the last data.
pub(super) fn year(report: &Report) -> i16 {
    let zone = crate::report::zone(&report.period.time_zone);
    let through: Result<jiff::Timestamp, _> = report.period.data_through.parse();
    through.map_or(0, |at| zone.to_datetime(at).year())
}
