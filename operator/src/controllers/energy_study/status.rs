//! What is said of a study: pure, from what was found; the same for the same,
//! so that nothing is written when nothing changed.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tanso_carbon::study::progress::progress;
use tanso_carbon::study::report::{Compared, Report, plain};
use tanso_carbon::study::stopping::Decision;
use tanso_carbon::study::{Plan, Trials};
use tanso_crds::EnergyStudyStatus;
use tanso_crds::condition::{reasons, types};
use tanso_crds::energy_study::{StudyProgress, StudyResult, StudySummary, TrialStatus};
use tanso_faces::answer::figures::short;

use crate::cluster::{Conditions, condition};

/// Longest sentence of the answer, letters.
const SENTENCE_MAX: usize = 1_000;
/// Comparisons that are told.
const RESULTS_MAX: usize = 32;

/// Where a study is.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Trials are being run; what goes on, in words.
    Running(String),
    /// `spec.suspend` is set.
    Suspended,
    /// All trials are there; how the rule ended it.
    Complete(Decision),
    /// It cannot go on until somebody changes something: reason and message.
    Stalled(&'static str, String),
    /// A part failed and is tried again; the message.
    Trying(String),
    /// A fault of this program ended the visit, which is tried again; the message.
    Panicked(String),
    /// It is being deleted and somebody keeps it; who, in words.
    Going(String),
    /// It will not go on: reason and message.
    Failed(&'static str, String),
}

/// Whether nothing more is to be done.
#[must_use]
pub fn is_over(status: &EnergyStudyStatus) -> bool {
    [types::COMPLETE, types::FAILED].iter().any(|type_| {
        condition(&status.conditions, type_).is_some_and(|found| found.status == "True")
    })
}

/// What the first visit writes.
#[must_use]
pub fn first(generation: Option<i64>, now: Timestamp) -> EnergyStudyStatus {
    let mut status = EnergyStudyStatus {
        observed_generation: generation,
        ..EnergyStudyStatus::default()
    };
    let mut conditions = Conditions::new(&mut status.conditions, generation, now);
    for type_ in [types::READY, types::RECONCILING, types::STALLED] {
        conditions.set(type_, "Unknown", reasons::PROGRESSING, "");
    }
    status
}

/// The next status: conditions of an outcome over what was said before.
#[must_use]
pub fn after(
    before: &EnergyStudyStatus,
    outcome: &Outcome,
    generation: Option<i64>,
    now: Timestamp,
) -> EnergyStudyStatus {
    let mut status = before.clone();
    status.observed_generation = generation;
    let mut conditions = Conditions::new(&mut status.conditions, generation, now);
    for (type_, value, reason, message) in &said(outcome) {
        conditions.set(type_, value, reason, message);
    }
    if matches!(outcome, Outcome::Complete(_) | Outcome::Failed(..)) {
        status.completed_at.get_or_insert(Time(whole(now)));
    }
    // What does not go on has no time to be done at.
    if matches!(
        outcome,
        Outcome::Complete(_) | Outcome::Failed(..) | Outcome::Suspended
    ) {
        status.progress.expected_at = None;
        if let Some(summary) = &mut status.summary {
            summary.remaining.clear();
        }
    }
    if let Some(summary) = &mut status.summary {
        let running = status.trial.as_ref().map(|trial| trial.arm.clone());
        summary.running = running.unwrap_or_default();
    }
    status
}

/// Status, reason and message of a condition.
type Part = (&'static str, &'static str, String);

type Said = (&'static str, &'static str, &'static str, String);

/// Every condition of an outcome: type, status, reason and message.
fn said(outcome: &Outcome) -> Vec<Said> {
    let none = String::new;
    let (ready, stalled): (Part, Part) = match outcome {
        Outcome::Running(message) => (
            ("True", reasons::RUNNING, message.clone()),
            ("False", reasons::SUCCEEDED, none()),
        ),
        Outcome::Suspended => (
            ("True", reasons::SUSPENDED, "spec.suspend is set".to_owned()),
            ("False", reasons::SUSPENDED, none()),
        ),
        Outcome::Complete(decision) => {
            let (reason, message) = ended(*decision);
            (
                ("True", reason, message.to_owned()),
                ("False", reason, none()),
            )
        }
        Outcome::Trying(message) => (
            ("False", reasons::UNAVAILABLE, message.clone()),
            ("False", reasons::UNAVAILABLE, none()),
        ),
        Outcome::Panicked(message) => (
            ("False", reasons::INTERNAL_ERROR, message.clone()),
            ("False", reasons::INTERNAL_ERROR, none()),
        ),
        Outcome::Going(who) => (
            ("False", reasons::TERMINATING, who.clone()),
            ("False", reasons::TERMINATING, none()),
        ),
        Outcome::Stalled(reason, message) | Outcome::Failed(reason, message) => (
            ("False", *reason, message.clone()),
            ("True", *reason, message.clone()),
        ),
    };
    let trying = matches!(
        outcome,
        Outcome::Trying(_) | Outcome::Panicked(_) | Outcome::Going(_)
    );
    let reconciling = if trying { "True" } else { "False" };
    let done = |is: bool| if is { "True" } else { "False" };
    let (complete, failed, suspended) = (
        matches!(outcome, Outcome::Complete(_)),
        matches!(outcome, Outcome::Failed(..)),
        matches!(outcome, Outcome::Suspended),
    );
    let (reason, message) = (ready.1, ready.2.clone());
    let told = |is: bool| if is { message.clone() } else { String::new() };
    let mut all = vec![
        (types::READY, ready.0, reason, ready.2.clone()),
        (types::RECONCILING, reconciling, reason, none()),
        (types::STALLED, stalled.0, stalled.1, stalled.2),
        (types::COMPLETE, done(complete), reason, told(complete)),
        (types::FAILED, done(failed), reason, told(failed)),
        (types::SUSPENDED, done(suspended), reason, told(suspended)),
    ];
    if matches!(outcome, Outcome::Going(_)) {
        // How it ended stays said until it is gone.
        all.truncate(2);
    }
    all
}

const fn ended(decision: Decision) -> (&'static str, &'static str) {
    match decision {
        Decision::Narrow => (
            reasons::INTERVAL_NARROW,
            "the interval of the primary response is narrow enough",
        ),
        Decision::Exhausted => (
            reasons::INTERVAL_WIDE,
            "all blocks were run, and the interval is still wider than asked for",
        ),
        Decision::Complete | Decision::Continue { .. } => {
            (reasons::BLOCKS_DONE, "all planned blocks were run")
        }
    }
}

/// Puts how far a study is into its status.
pub fn count(status: &mut EnergyStudyStatus, plan: &Plan, trials: &Trials, now: Timestamp) {
    let planned = plan.slots(plan.stopping.blocks_max()).len();
    let found = progress(trials, u32::try_from(planned).unwrap_or(u32::MAX));
    let disturbed = trials
        .measured()
        .filter(|row| !plan.disturbance.reasons(row).is_empty())
        .count();
    let expected_at = found
        .rest
        .and_then(|rest| now.checked_add(rest).ok())
        .map(|at| Time(whole(at)));
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    status.progress = StudyProgress {
        done: i32::try_from(found.done).unwrap_or(i32::MAX),
        planned: number(planned),
        disturbed: number(disturbed),
        expected_at,
    };
    status.summary = Some(StudySummary {
        trials: format!("{}/{planned}", found.done),
        running: String::new(),
        remaining: found.rest.map(in_words).unwrap_or_default(),
    });
}

/// Puts what a study found into its status.
pub fn tell(status: &mut EnergyStudyStatus, report: &Report) {
    let results = report.primary().filter_map(|one| result(report, one));
    status.results = results.take(RESULTS_MAX).collect();
    let sentences = report.answer.iter().take(RESULTS_MAX);
    let cut = |sentence: &String| short(sentence, SENTENCE_MAX);
    status.answer = sentences.map(cut).collect();
}

fn result(report: &Report, one: &Compared) -> Option<StudyResult> {
    let contrast = one.headline(report.plan.headline)?;
    let unit = one.unit.symbol();
    let (low, high) = (plain(contrast.interval.low), plain(contrast.interval.high));
    Some(StudyResult {
        arm: one.comparison.arm.clone(),
        against: one.comparison.against.clone(),
        blocks: i32::try_from(contrast.pairs).unwrap_or(i32::MAX),
        difference: format!("{} {unit}", plain(contrast.difference)),
        interval: format!("{low} to {high} {unit}"),
        holds_what_is_known: one.holds_what_is_known,
    })
}

/// What goes on in a trial.
#[must_use]
pub fn doing(trial: &TrialStatus, planned: i32) -> String {
    format!("trial {} of {planned}, arm \"{}\"", trial.trial, trial.arm)
}

/// RFC 3339 with whole seconds is what the API keeps.
#[must_use]
pub fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn in_words(rest: Duration) -> String {
    let minutes = rest.as_secs().div_ceil(60);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes}m"),
        (hours, minutes) => format!("{hours}h{minutes:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: &EnergyStudyStatus, type_: &str) -> (String, String) {
        let found = condition(&status.conditions, type_).unwrap();
        (found.status.clone(), found.reason.clone())
    }

    #[test]
    fn each_outcome_sets_every_condition_and_a_study_ends_once() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let begun = first(Some(1), at(10));
        let running = after(&begun, &Outcome::Running("trial 1".into()), Some(1), at(20));
        assert_eq!(
            of(&running, types::READY),
            ("True".into(), "Running".into())
        );
        assert_eq!(of(&running, types::COMPLETE).0, "False");
        assert!(!is_over(&running));
        let trying = after(
            &running,
            &Outcome::Trying("no answer".into()),
            Some(1),
            at(30),
        );
        assert_eq!(of(&trying, types::RECONCILING).0, "True");
        let stalled = Outcome::Stalled(reasons::INVALID_INPUT, "no key".into());
        let stalled = after(&trying, &stalled, Some(1), at(40));
        assert_eq!(
            of(&stalled, types::STALLED),
            ("True".into(), "InvalidInput".into())
        );
        assert!(!is_over(&stalled));
        let suspended = after(&stalled, &Outcome::Suspended, Some(2), at(50));
        assert_eq!(of(&suspended, types::SUSPENDED).0, "True");
        assert_eq!(of(&suspended, types::STALLED).0, "False");
        let done = after(
            &suspended,
            &Outcome::Complete(Decision::Narrow),
            Some(2),
            at(60),
        );
        assert_eq!(
            of(&done, types::COMPLETE),
            ("True".into(), "IntervalNarrow".into())
        );
        assert_eq!(
            (is_over(&done), done.completed_at.clone()),
            (true, Some(Time(at(60))))
        );
        let again = after(&done, &Outcome::Complete(Decision::Narrow), Some(2), at(70));
        assert_eq!(again, done);
    }

    #[test]
    fn what_ended_a_study_is_the_reason_of_its_completion() {
        let at = Timestamp::from_second(10).unwrap();
        let begun = first(Some(1), at);
        for (decision, reason) in [
            (Decision::Narrow, "IntervalNarrow"),
            (Decision::Exhausted, "IntervalWide"),
            (Decision::Complete, "BlocksDone"),
        ] {
            let done = after(&begun, &Outcome::Complete(decision), Some(1), at);
            let expected = ("True".to_owned(), reason.to_owned());
            assert_eq!(of(&done, types::COMPLETE), expected);
            assert_eq!(of(&done, types::READY), expected);
        }
    }

    #[test]
    fn a_suspended_study_has_no_time_to_be_done_at() {
        let at = Timestamp::from_second(10).unwrap();
        let mut begun = first(Some(1), at);
        begun.progress.expected_at = Some(Time(at));
        begun.summary = Some(StudySummary {
            remaining: "3h20m".to_owned(),
            ..StudySummary::default()
        });
        let told = |outcome: &Outcome| {
            let status = after(&begun, outcome, Some(1), at);
            let remaining = status.summary.map(|summary| summary.remaining);
            (status.progress.expected_at, remaining.unwrap())
        };
        let running = told(&Outcome::Running("trial 4".into()));
        assert_eq!(running, (Some(Time(at)), "3h20m".to_owned()));
        assert_eq!(told(&Outcome::Suspended), (None, String::new()));
    }

    #[test]
    fn time_to_go_is_told_in_hours_and_minutes() {
        assert_eq!(in_words(Duration::from_secs(61)), "2m");
        assert_eq!(in_words(Duration::from_mins(125)), "2h05m");
    }
}
