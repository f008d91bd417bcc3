//! Advice on a request from the ledger through the evaluation to the report,
//! and back: kept, followed, measured, told.

use tanso_agent_wire::energy::{Account as Wire, JournalId, Names, Record};
use tanso_carbon::recommend::taken::{CpuTime, EnergyChange, Resource, State, Told};
use tanso_crds::carbon_policy::status::{AdviceOutcome, AdviceState};
use tanso_faces::answer::assess;
use tanso_faces::report::{Format, Language, render};

use super::super::super::taken;
use super::faces::{given, reported};
use super::*;
use crate::ledger::advice::{day_begin, of_policy};
use crate::ledger::{AdviceRow, LedgerFault, Page, append, names as pods, open_file};

const POLICY: &str = "shop/korea";

/// As a visit does it, which read the rows before its evaluation.
fn note_and_look(
    ledger: &mut rusqlite::Connection,
    policy: &str,
    told: &[AdviceRow],
    data_through: Timestamp,
    most: usize,
) -> Result<usize, LedgerFault> {
    let known = of_policy(ledger, policy)?;
    taken::note_and_look(ledger, policy, (known, told), data_through, most)
}

/// The first hour of a day, counted from that of the evaluations.
fn day(number: i32) -> UtcHour {
    day_begin(hour()).plus_hours(24 * number)
}

fn at(hour: UtcHour) -> Timestamp {
    hour.start()
}

/// The API's own pod, with half the request in its second life.
fn api(uid: &str, millicores: i64, lived: (UtcHour, Option<UtcHour>)) -> PodNames {
    let (_, named) = names(uid, "Deployment", "api");
    PodNames {
        cpu_request_milli: Some(millicores),
        started_at: Some(lived.0.unix_seconds()),
        finished_at: lived.1.map(UtcHour::unix_seconds),
        ..named
    }
}

/// 28 days in which a pod used 20 kJ an hour and asked for a core, and ten in
/// which its successor used 18 kJ and asked for a tenth of one.
fn booked() -> (tempfile::TempDir, rusqlite::Connection) {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    let (first, changed, last) = (day(-38), day(-10), day(0));
    let all = [
        api("old", 1_000, (first, Some(changed.plus_hours(-1)))),
        api("new", 100, (changed, None)),
    ];
    pods::keep(&mut ledger, &all, at(last)).unwrap();
    let hours = Period {
        from: first,
        until: last,
    };
    let record = |(sequence, hour): (u64, UtcHour)| {
        let (uid, joules) = if hour < changed {
            ("old", 20_000)
        } else {
            ("new", 18_000)
        };
        Record {
            sequence,
            minute: hour.unix_seconds(),
            account: Wire::Container {
                pod_uid: uid.to_owned(),
                container_id: "main".to_owned(),
            },
            names: Names::default(),
            energy_uj: Estimate::exact(Joules::from_microjoules(joules * 1_000_000)),
            cpu_us: 7_000_000,
            provenance: Provenance::Measured,
            model: None,
            caught_up: false,
            memory_peak_bytes: None,
        }
    };
    let records: Vec<Record> = (1..).zip(hours.hours()).map(record).collect();
    let page = Page {
        node: "n1".to_owned(),
        journal: JournalId(7),
        next_sequence: records.last().unwrap().sequence,
        closed_until: last.unix_seconds(),
        records,
    };
    append::book(&mut ledger, &page, at(last)).unwrap();
    (folder, ledger)
}

/// The advice as the evaluation of a day told it.
fn told_on(number: i32) -> AdviceRow {
    let (_, found) = evaluate(&spec(IntensitySource::Static), &snapshot());
    let of_api = |row: &&AdviceRow| row.workload[2] == "api";
    let row = found.told.iter().find(of_api).unwrap().clone();
    AdviceRow {
        told: Told {
            last_told: day(number),
            ..row.told
        },
        first_told: day(number),
        ..row
    }
}

fn with_advice(advice: Vec<AdviceRow>) -> Snapshot {
    Snapshot {
        advice,
        ..snapshot()
    }
}

/// What a policy told is kept; a visit after the change finds what became of it.
pub(super) fn followed() -> Vec<AdviceRow> {
    let (_folder, mut ledger) = booked();
    let row = told_on(-11);
    let row = [row];
    assert_eq!(
        note_and_look(&mut ledger, POLICY, &row, at(day(-11)), 9_999).unwrap(),
        0
    );
    // Told for the last time on the day before the change.
    let through = Timestamp::from_second(THROUGH).unwrap();
    assert_eq!(
        note_and_look(&mut ledger, POLICY, &[], through, 9_999).unwrap(),
        1
    );
    assert_eq!(
        note_and_look(&mut ledger, POLICY, &[], through, 9_999).unwrap(),
        0,
        "once a day"
    );
    of_policy(&ledger, POLICY).unwrap()
}

#[test]
fn an_evaluation_tells_what_is_kept_of_its_advice_on_requests() {
    let (_, found) = evaluate(&spec(IntensitySource::Static), &snapshot());
    let row = found
        .told
        .iter()
        .find(|row| row.workload[2] == "api")
        .unwrap();
    let piece = &workload(&found, "api").recommendations[0];
    assert_eq!(row.workload, ["shop", "Deployment", "api"]);
    assert_eq!(
        (row.told.resource, row.container.as_str()),
        (Resource::Cpu, "main")
    );
    assert_eq!((row.told.asked, row.first_told), (1_000, day(0)));
    assert!(
        piece.change.contains(&format!("\"{}m\"", row.told.advised)),
        "{} {row:?}",
        piece.change
    );
    assert_eq!(
        row.saving_mg_per_day.value,
        piece.saving_milligrams_per_day.value
    );
    // The next evaluations of the day say the same of the same inputs.
    let again = evaluate(
        &spec(IntensitySource::Static),
        &with_advice(vec![row.clone()]),
    )
    .1;
    assert_eq!(again.inputs_digest, found.inputs_digest);
    assert_eq!(workload(&again, "api").advice_outcomes, []);
    // The next day it is told that nobody followed it.
    let earlier = with_advice(vec![told_on(-1)]);
    let next = evaluate(&spec(IntensitySource::Static), &earlier).1;
    assert_ne!(next.inputs_digest, found.inputs_digest);
    let [one] = workload(&next, "api").advice_outcomes.as_slice() else {
        panic!("{next:?}");
    };
    assert_eq!(
        (one.state, one.asked.as_str()),
        (AdviceState::NotTaken, "1000m")
    );
    assert_eq!(workload(&next, "etl").advice_outcomes, []);
}

#[test]
fn advice_that_was_followed_is_measured_from_the_ledgers_hours() {
    let rows = followed();
    let [row] = rows.as_slice() else {
        panic!("{rows:?}");
    };
    let found = row.outcome.unwrap();
    assert_eq!(
        (found.state, found.taken_at),
        (State::Measured, Some(day(-10)))
    );
    assert_eq!((found.days_before, found.days_after), (28, 10));
    let effect = found.effect.unwrap();
    let change = effect.change_per_hour.map(EnergyChange::microjoules);
    let less = -2_000_000_000;
    assert_eq!((change.low, change.value, change.high), (less, less, less));
    assert_eq!(
        effect.cpu_before_per_hour,
        CpuTime::from_microseconds(7_000_000)
    );
    assert!(!row.is_final, "28 days are not over");
}

/// What was not looked at is not told as not taken.
#[test]
fn more_pods_than_a_visit_may_seek_are_not_looked_at_again_that_day() {
    let (_folder, mut ledger) = booked();
    let row = [told_on(-11)];
    note_and_look(&mut ledger, POLICY, &row, at(day(-11)), 0).unwrap();
    let through = at(day(-5));
    assert_eq!(
        note_and_look(&mut ledger, POLICY, &[], through, 10).unwrap(),
        1
    );
    assert_eq!(
        note_and_look(&mut ledger, POLICY, &[], through, 10).unwrap(),
        0
    );
    let rows = of_policy(&ledger, POLICY).unwrap();
    assert_eq!((rows[0].outcome, rows[0].is_final), (None, false));
    let (_, evaluation) = evaluate(&spec(IntensitySource::Static), &with_advice(rows));
    let told = &workload(&evaluation, "api").advice_outcomes[0];
    assert_eq!(
        (told.state, told.asked_now.as_ref()),
        (AdviceState::NotKnown, None)
    );
}

/// The first workloads by name were looked at day after day, and the last never.
#[test]
fn what_waits_longest_is_looked_at_first() {
    let (_folder, mut ledger) = booked();
    let main = told_on(-11);
    let side = AdviceRow {
        container: "side".to_owned(),
        ..main.clone()
    };
    // Hours of pods for one piece a visit: 792 on the first day, 816 on the second.
    let mut visit = |told: &[AdviceRow], number| {
        note_and_look(&mut ledger, POLICY, told, at(day(number)), 1_000).unwrap()
    };
    assert_eq!(visit(&[main, side], -11), 0);
    assert_eq!(visit(&[], -5), 1);
    assert_eq!(visit(&[], -4), 1);
    let rows = of_policy(&ledger, POLICY).unwrap();
    let found: Vec<_> = rows
        .iter()
        .map(|row| (row.container.as_str(), row.found))
        .collect();
    assert_eq!(
        found,
        [("main", Some(day(-5))), ("side", Some(day(-4)))],
        "the second day goes on where the first ended"
    );
}

/// An operator that was down, or a workload that grew: a change that was seen is
/// not told as not known.
#[test]
fn what_was_found_stays_where_it_cannot_be_looked_at_again() {
    let (_folder, mut ledger) = booked();
    let row = [told_on(-11)];
    note_and_look(&mut ledger, POLICY, &row, at(day(-11)), 9_999).unwrap();
    let mut visit = |number, most| {
        note_and_look(&mut ledger, POLICY, &[], at(day(number)), most).unwrap();
        of_policy(&ledger, POLICY).unwrap().remove(0)
    };
    let known = visit(-5, 9_999);
    assert!(known.outcome.is_some_and(|found| found.taken_at.is_some()));
    let of_many = visit(-4, 10);
    assert_eq!(
        (of_many.outcome, of_many.found, of_many.is_final),
        (known.outcome, Some(day(-4)), false)
    );
    // 33 days after the last on which it was told: its hours are days by now.
    let late = visit(23, 9_999);
    assert_eq!(
        (late.outcome, late.found, late.is_final),
        (known.outcome, Some(day(-4)), true)
    );
}

/// One number in each face: status, answer, report.
#[tokio::test]
async fn what_became_of_advice_is_the_same_in_status_answer_and_report() {
    let spec = spec(IntensitySource::Static);
    let snapshot = with_advice(followed());
    let (_, evaluation) = evaluate(&spec, &snapshot);
    let judged = workload(&evaluation, "api");
    let [one] = judged.advice_outcomes.as_slice() else {
        panic!("{judged:?}");
    };
    let AdviceOutcome { state, effect, .. } = one;
    assert_eq!(*state, AdviceState::Measured);
    let effect = effect.as_ref().unwrap();
    assert_eq!(effect.before_microjoules_per_hour, 20_000_000_000);
    assert_eq!(effect.after_microjoules_per_hour, 18_000_000_000);
    assert!(effect.basis.contains("not causal"), "{}", effect.basis);

    let facts = given(&spec, &snapshot, &evaluation);
    let question: assess::Question =
        serde_json::from_value(serde_json::json!({"workload": "deploy/api"})).unwrap();
    let answer = assess::assess(&facts, &question).await.unwrap();
    assert_eq!(answer.judgements[0].advice_outcomes, judged.advice_outcomes);

    let time = window(Timestamp::from_second(THROUGH).unwrap(), 24);
    let report = reported(&facts, time).await;
    let told = report.workloads.iter().find(|one| one.name == "api");
    assert_eq!(told.unwrap().advice_outcomes, judged.advice_outcomes);
    for (language, said) in [
        (Language::English, "not causal"),
        (Language::Korean, "인과관계를 뜻하지 않는다"),
    ] {
        let text = render(&report, Format::Markdown, language);
        assert!(text.contains(said) && text.contains("-2000.0 J"), "{text}");
    }
}
