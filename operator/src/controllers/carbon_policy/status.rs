//! What a policy's status says, on every way out; pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::verdict::Verdict;
use tanso_crds::CarbonPolicyStatus;
use tanso_crds::carbon_policy::status::{self as crd, IntensityProvenance};
use tanso_crds::condition::{reasons, types};
use tanso_faces::answer::figures::{milligrams_per_kwh, short_of};
use tanso_faces::answer::sources;
use tanso_faces::pue;

use super::judge::{Evaluation, verdict_of};
use super::open_reports::Mirror;
use super::validate::{PolicyFault, ValidatedPolicy};
use super::{limits, savings, words};
use crate::cluster::{Conditions, condition};

const NOT_STALLED: &str = "nothing is in the way";

/// What an attempt to evaluate came to.
pub enum Outcome<'a> {
    /// It was evaluated.
    Evaluated(Box<Evaluated<'a>>),
    /// The ledger has nothing yet.
    NoData,
    /// Its spec or what it refers to is wrong: nothing changes until somebody
    /// changes something.
    Faulty(&'a [PolicyFault]),
    /// A right is missing; said in words.
    Forbidden(String),
    /// Something did not answer; it will be tried again.
    Unavailable(String),
    /// A fault of this program ended the visit; it will be tried again.
    Panicked(String),
    /// It is being deleted and somebody keeps it; said in words.
    Going(String),
    /// `spec.suspend` is set.
    Suspended,
}

/// An evaluation and what belongs to it.
pub struct Evaluated<'a> {
    /// The policy.
    pub policy: &'a ValidatedPolicy,
    /// What was found.
    pub evaluation: &'a Evaluation,
    /// End of the last minute that is in.
    pub data_through: Timestamp,
    /// The last booking that is in.
    pub revision: i64,
    /// Whether the accounts that are no workload are shown.
    pub with_unallocated: bool,
    /// Names of the pages.
    pub reports: Vec<String>,
    /// What became of the `Reports` beside them.
    pub open_reports: Mirror,
}

/// The first status: everything is unknown.
#[must_use]
pub fn first(generation: Option<i64>, now: Timestamp) -> CarbonPolicyStatus {
    let mut status = CarbonPolicyStatus {
        observed_generation: generation,
        ..CarbonPolicyStatus::default()
    };
    let mut conditions = Conditions::new(&mut status.conditions, generation, now);
    for type_ in [types::READY, types::COMPLIANT, types::INTENSITY_FRESH] {
        conditions.set(type_, "Unknown", reasons::PROGRESSING, "not evaluated yet");
    }
    let message = "the first evaluation is under way";
    conditions.set(types::RECONCILING, "True", reasons::PROGRESSING, message);
    status
}

/// The status after an attempt, given the one before.
#[must_use]
pub fn after(
    before: Option<&CarbonPolicyStatus>,
    outcome: &Outcome<'_>,
    generation: Option<i64>,
    now: Timestamp,
) -> CarbonPolicyStatus {
    let mut status = before.cloned().unwrap_or_default();
    status.observed_generation = generation;
    let mut conditions = Conditions::new(&mut status.conditions, generation, now);
    match outcome {
        Outcome::Evaluated(evaluated) => evaluated_conditions(&mut conditions, evaluated),
        Outcome::NoData => waiting_for_data(&mut conditions),
        Outcome::Faulty(faults) => {
            let reason = faults
                .first()
                .map_or(reasons::INVALID_SPEC, |fault| fault.reason);
            let all: Vec<_> = faults.iter().map(ToString::to_string).collect();
            stall(&mut conditions, reason, &all.join("; "));
        }
        Outcome::Forbidden(message) => stall(&mut conditions, reasons::FORBIDDEN, message),
        Outcome::Unavailable(message) => {
            try_again(&mut conditions, reasons::UNAVAILABLE, message);
        }
        Outcome::Panicked(message) => {
            try_again(&mut conditions, reasons::INTERNAL_ERROR, message);
        }
        Outcome::Going(who) => {
            conditions.set(types::READY, "False", reasons::TERMINATING, who);
            let message = "figures stay as they were";
            conditions.set(types::RECONCILING, "True", reasons::TERMINATING, message);
        }
        Outcome::Suspended => {
            let message = "spec.suspend is set; figures stay as they were";
            conditions.set(types::RECONCILING, "False", reasons::SUSPENDED, message);
            conditions.set(types::STALLED, "False", reasons::SUSPENDED, NOT_STALLED);
        }
    }
    match outcome {
        Outcome::Evaluated(evaluated) => fill(&mut status, evaluated),
        Outcome::NoData | Outcome::Faulty(_) | Outcome::Forbidden(_) => void(&mut status),
        Outcome::Unavailable(_) | Outcome::Panicked(_) | Outcome::Going(_) | Outcome::Suspended => {
        }
    }
    status
}

/// Takes back every verdict of the evaluation before: what was said by another
/// spec or other data would be taken for an answer to the present one. Figures
/// stay, with the time that they are of.
fn void(status: &mut CarbonPolicyStatus) {
    let ready = condition(&status.conditions, types::READY);
    let (reason, why) = ready.map_or_else(Default::default, |ready| {
        (ready.reason.clone(), ready.message.clone())
    });
    let of = status.data_through.as_ref().map_or_else(String::new, |at| {
        format!(
            " The figures are those of the last evaluation, up to {}.",
            at.0
        )
    });
    let why = short_of(&why, 900 - of.len(), "condition Ready");
    status.answer = format!("Not evaluated: {why}.{of}");
    status.verdict = Some(crd::Verdict::Unknown);
    status.summary = None;
    status.regulations.clear();
    for workload in &mut status.workloads {
        workload.verdict = crd::Verdict::Unknown;
        workload.reason.clone_from(&reason);
    }
}

fn evaluated_conditions(conditions: &mut Conditions<'_>, evaluated: &Evaluated<'_>) {
    let count = evaluated.evaluation.workloads.len();
    conditions.set(
        types::READY,
        "True",
        reasons::SUCCEEDED,
        &format!("{count} workloads evaluated"),
    );
    conditions.set(
        types::RECONCILING,
        "False",
        reasons::SUCCEEDED,
        "nothing is under way",
    );
    conditions.set(types::STALLED, "False", reasons::SUCCEEDED, NOT_STALLED);
    let combined = &evaluated.evaluation.combined;
    let value = match combined.verdict {
        Verdict::Compliant => "True",
        Verdict::NonCompliant => "False",
        Verdict::Inconclusive | Verdict::Unknown | Verdict::NotYetBinding => "Unknown",
    };
    conditions.set(
        types::COMPLIANT,
        value,
        combined.verdict.as_str(),
        &combined.message,
    );
    let (value, reason, message) = freshness(evaluated);
    conditions.set(types::INTENSITY_FRESH, value, reason, &message);
    places_known(conditions, evaluated);
    open_reports(conditions, &evaluated.open_reports);
}

/// Said where the policy asks where nodes are, and nowhere else.
fn places_known(conditions: &mut Conditions<'_>, evaluated: &Evaluated<'_>) {
    let type_ = types::PLACES_KNOWN;
    match &evaluated.evaluation.at_site {
        _ if !evaluated.policy.others.by_node => conditions.remove(type_),
        Some(nodes) => {
            conditions.set(type_, "False", reasons::UNKNOWN_REGION, &nodes.in_words());
        }
        None => {
            let message =
                "each node with energy is at the place that its label names, or names none";
            conditions.set(type_, "True", reasons::SUCCEEDED, message);
        }
    }
}

/// Said where they are wished, and nowhere else.
fn open_reports(conditions: &mut Conditions<'_>, mirror: &Mirror) {
    let type_ = types::OPEN_REPORTS_READY;
    match mirror {
        Mirror::Unwished => conditions.remove(type_),
        Mirror::Written(count) => conditions.set(
            type_,
            "True",
            reasons::SUCCEEDED,
            &format!("{count} Reports of openreports.io"),
        ),
        Mirror::NotInstalled => conditions.set(
            type_,
            "False",
            reasons::NOT_FOUND,
            "kind Report of openreports.io/v1alpha1 is not installed; they are made as soon as it is",
        ),
        Mirror::Forbidden(message) => conditions.set(type_, "False", reasons::FORBIDDEN, message),
        Mirror::Unavailable(message) => {
            conditions.set(type_, "False", reasons::UNAVAILABLE, message);
        }
    }
}

fn waiting_for_data(conditions: &mut Conditions<'_>) {
    let message = "no energy was booked in the window; is a PowerMonitor ready?";
    conditions.set(types::READY, "False", reasons::NO_DATA, message);
    conditions.set(
        types::RECONCILING,
        "True",
        reasons::NO_DATA,
        "waiting for energy",
    );
    conditions.set(types::STALLED, "False", reasons::SUCCEEDED, NOT_STALLED);
    conditions.set(
        types::COMPLIANT,
        "Unknown",
        Verdict::Unknown.as_str(),
        message,
    );
    conditions.set(types::INTENSITY_FRESH, "Unknown", reasons::NO_DATA, message);
}

/// What failed may pass by itself.
fn try_again(conditions: &mut Conditions<'_>, reason: &str, message: &str) {
    conditions.set(types::READY, "False", reason, message);
    conditions.set(types::RECONCILING, "True", reason, "tried again");
    conditions.set(types::STALLED, "False", reason, "may pass by itself");
}

/// Nothing goes on until somebody changes something; an old verdict would be
/// taken for a new one.
fn stall(conditions: &mut Conditions<'_>, reason: &str, message: &str) {
    conditions.set(types::READY, "False", reason, message);
    conditions.set(types::RECONCILING, "False", reason, "waiting for a change");
    conditions.set(types::STALLED, "True", reason, message);
    conditions.set(
        types::COMPLIANT,
        "Unknown",
        Verdict::Unknown.as_str(),
        message,
    );
}

fn freshness(evaluated: &Evaluated<'_>) -> (&'static str, &'static str, String) {
    let account = &evaluated.evaluation.account;
    let info = words::series(evaluated.policy, evaluated.evaluation);
    if account.unpriced.microjoules() > 0 {
        let share = account.unpriced_percent();
        return (
            "False",
            reasons::NO_DATA,
            format!("{share:.1} % of the energy fell into hours without intensity ({info})"),
        );
    }
    let freshness = &evaluated.policy.intensity.freshness;
    let notes = freshness.notes.join("; ");
    if freshness.is_stale {
        return ("False", reasons::STALE, format!("{info}; {notes}"));
    }
    let filled = account.filled_percent();
    let message = if !notes.is_empty() {
        format!("{info}; {notes}")
    } else if filled > 0.0 {
        format!("{info}; {filled:.1} % of the energy in filled hours")
    } else {
        info
    };
    ("True", reasons::SUCCEEDED, message)
}

fn fill(status: &mut CarbonPolicyStatus, evaluated: &Evaluated<'_>) {
    let Evaluated {
        policy,
        evaluation,
        data_through,
        revision,
        with_unallocated,
        reports,
        open_reports: _,
    } = evaluated;
    status.verdict = Some(verdict_of(evaluation.combined.verdict));
    status.answer = words::answer(policy, evaluation);
    status.summary = Some(words::summary(policy, evaluation));
    status.data_through = Some(Time(*data_through));
    status.ledger_revision = Some(*revision);
    let since = evaluation.recorded_since;
    status.recorded_since = since.map(|hour| Time(hour.start()));
    status.totals = Some(evaluation.totals.clone());
    status.unallocated = if *with_unallocated {
        evaluation.unallocated.clone()
    } else {
        Vec::new()
    };
    status.regulations.clone_from(&evaluation.regulations);
    let listed = limits::listed(&evaluation.workloads, policy.max_listed);
    status.workloads = evaluation.workloads.iter().take(listed).cloned().collect();
    let left = evaluation.workloads.len().saturating_sub(listed);
    status.workloads_not_listed = i64::try_from(left).unwrap_or(i64::MAX);
    // The end of a minute is of the hour that it ends.
    let hour = UtcHour::from_unix_seconds(data_through.as_second().saturating_sub(1));
    let latest = policy.intensity.series.at(hour);
    status.intensity = Some(IntensityProvenance {
        latest_milligrams_per_kwh: latest.map(|point| milligrams_per_kwh(point.intensity.value)),
        sources: evaluation.sources.clone(),
        ..sources::provenance_of(&policy.intensity)
    });
    let pue = policy.pue.as_ref();
    status.pue = pue.map(|pue| pue::figure(pue, policy.metering));
    status.market.clone_from(&evaluation.market);
    let sci = evaluation.sci.as_ref();
    status.software_carbon_intensity = sci.and_then(|sci| sci.as_ref().ok()).cloned();
    status.places.clone_from(&evaluation.places);
    status.savings = Some(savings::of_policy(
        &evaluation.workloads,
        &evaluation.recommendations,
    ));
    status.no_advice.clone_from(&evaluation.no_advice);
    status
        .recommendations
        .clone_from(&evaluation.recommendations);
    status.inputs_digest = Some(evaluation.inputs_digest.to_string());
    status.reports.clone_from(reports);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn says(status: &CarbonPolicyStatus, type_: &str) -> (String, String) {
        let found = condition(&status.conditions, type_).unwrap();
        (found.status.clone(), found.reason.clone())
    }

    fn pair(status: &str, reason: &str) -> (String, String) {
        (status.to_owned(), reason.to_owned())
    }

    #[test]
    fn a_fault_stalls_and_leaves_no_old_verdict() {
        let before = CarbonPolicyStatus {
            verdict: Some(crd::Verdict::Compliant),
            ..first(Some(1), at(5))
        };
        let fault = PolicyFault {
            reason: reasons::INVALID_INPUT,
            path: "spec.intensity.table",
            message: "grid/t.csv row 3: broken".into(),
        };
        let status = after(Some(&before), &Outcome::Faulty(&[fault]), Some(2), at(9));
        assert_eq!(says(&status, "Stalled"), pair("True", "InvalidInput"));
        assert_eq!(says(&status, "Ready"), pair("False", "InvalidInput"));
        assert_eq!(says(&status, "Compliant"), pair("Unknown", "Unknown"));
        assert_eq!(status.verdict, Some(crd::Verdict::Unknown));
        assert_eq!(status.observed_generation, Some(2));
        let ready = condition(&status.conditions, "Ready").unwrap();
        assert_eq!(
            ready.message,
            "spec.intensity.table: grid/t.csv row 3: broken"
        );
    }

    /// Answer, columns and the rules' verdicts of the spec before stood beside
    /// `Stalled=True`.
    #[test]
    fn a_fault_takes_back_what_was_answered_by_the_spec_before() {
        let rule = crd::RegulationResult {
            rule: "kr-carbon-2050".into(),
            kind: "quotedTarget".into(),
            verdict: crd::Verdict::Compliant,
            reason: "WithinLimit".into(),
            message: "417.3 keeps 424".into(),
            limit_milli: None,
            value_milli: None,
            unit: String::new(),
            source: String::new(),
            pue_evidence: None,
            pue_source: None,
            intensity_estimated_percent: None,
            places: Vec::new(),
        };
        let workload = crd::WorkloadResult {
            namespace: "shop".into(),
            kind: "Deployment".into(),
            name: "api".into(),
            verdict: crd::Verdict::Compliant,
            reason: "WithinLimit".into(),
            pods: 1,
            figures: crd::Figures::default(),
            together_milligrams_per_day: None,
            settled: Vec::new(),
            advice_outcomes: Vec::new(),
            recommendations: Vec::new(),
            in_parts: None,
            no_advice: Vec::new(),
        };
        let before = CarbonPolicyStatus {
            answer: "Compliant with kr-carbon-2050.".into(),
            summary: Some(crd::Summary::default()),
            data_through: Some(Time(at(60))),
            regulations: vec![rule],
            workloads: vec![workload],
            ..first(Some(1), at(5))
        };
        let fault = PolicyFault {
            reason: reasons::NOT_FOUND,
            path: "spec.intensity.table",
            message: "ConfigMap \"grid\" does not exist in namespace \"shop\"".into(),
        };
        let faulty = Outcome::Faulty(&[fault]);
        let status = after(Some(&before), &faulty, Some(2), at(99));
        assert_eq!(
            status.answer,
            "Not evaluated: spec.intensity.table: ConfigMap \"grid\" does not exist in namespace \"shop\". \
             The figures are those of the last evaluation, up to 1970-01-01T00:01:00Z."
        );
        assert_eq!(
            (status.summary.as_ref(), status.regulations.len()),
            (None, 0)
        );
        let row = &status.workloads[0];
        assert_eq!(
            (row.verdict, row.reason.as_str()),
            (crd::Verdict::Unknown, "NotFound")
        );
        assert_eq!(after(Some(&status), &faulty, Some(2), at(200)), status);
    }

    #[test]
    fn without_energy_nothing_is_fresh_and_no_verdict_is_given() {
        let status = after(None, &Outcome::NoData, Some(1), at(9));
        assert_eq!(says(&status, "Ready"), pair("False", "NoData"));
        assert_eq!(says(&status, "Reconciling"), pair("True", "NoData"));
        assert_eq!(says(&status, "Compliant"), pair("Unknown", "Unknown"));
        assert_eq!(says(&status, "IntensityFresh"), pair("Unknown", "NoData"));
        assert_eq!(status.verdict, Some(crd::Verdict::Unknown));
    }

    #[test]
    fn a_suspended_policy_keeps_its_figures_and_says_so() {
        let before = CarbonPolicyStatus {
            verdict: Some(crd::Verdict::Compliant),
            ..first(Some(1), at(5))
        };
        let status = after(Some(&before), &Outcome::Suspended, Some(2), at(9));
        assert_eq!(says(&status, "Reconciling"), pair("False", "Suspended"));
        assert_eq!(says(&status, "Stalled"), pair("False", "Suspended"));
        assert_eq!(status.verdict, Some(crd::Verdict::Compliant));
        assert_eq!(status.observed_generation, Some(2));
    }

    #[test]
    fn a_spec_that_cannot_be_is_said_field_by_field() {
        let fault = |path, message: &str| PolicyFault {
            reason: reasons::INVALID_SPEC,
            path,
            message: message.to_owned(),
        };
        let faults = [
            fault("spec.window", "too long"),
            fault("spec.site.zone", "unknown"),
        ];
        let status = after(None, &Outcome::Faulty(&faults), Some(1), at(9));
        assert_eq!(says(&status, "Stalled"), pair("True", "InvalidSpec"));
        let ready = condition(&status.conditions, "Ready").unwrap();
        assert_eq!(
            ready.message,
            "spec.window: too long; spec.site.zone: unknown"
        );
    }

    #[test]
    fn the_same_outcome_gives_the_same_status_at_any_time() {
        let outcome = Outcome::Unavailable("the ledger is closed".into());
        let once = after(None, &outcome, Some(1), at(10));
        assert_eq!(after(Some(&once), &outcome, Some(1), at(99)), once);
    }
}
