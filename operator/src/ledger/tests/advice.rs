//! Advice on requests: written when it changes, settled, forgotten; and what a
//! workload's pods asked for and used by the hour.

use tanso_carbon::recommend::taken::{CpuTime, Outcome, Resource, State, Told};

use super::super::LedgerFault;
use super::super::advice::{self, AdviceRow, day_begin, of_policy, settle};
use super::*;

const POLICY: &str = "shop/korea";

/// As a visit does it, which read the rows before: they are as the ledger then
/// has them.
fn note(
    ledger: &mut rusqlite::Connection,
    policy: &str,
    told: &[AdviceRow],
    now: UtcHour,
) -> Result<usize, LedgerFault> {
    let mut known = of_policy(ledger, policy)?;
    let written = advice::note(ledger, policy, &mut known, told, now)?;
    assert_eq!(known, of_policy(ledger, policy)?);
    Ok(written)
}

/// The begin of a day, counted from that of [`HOUR`].
fn day(number: i32) -> UtcHour {
    day_begin(UtcHour::from_unix_seconds(HOUR)).plus_hours(24 * number)
}

/// Advice of 500m to 250m as it is told on a day.
fn told_on(number: i32) -> AdviceRow {
    AdviceRow {
        workload: ["shop", "Deployment", "till"].map(str::to_owned),
        container: "main".to_owned(),
        told: Told {
            resource: Resource::Cpu,
            asked: 500,
            advised: 250,
            last_told: day(number),
        },
        first_told: day(number),
        saving_mg_per_day: Estimate {
            low: 11,
            value: 22,
            high: 33,
        },
        cluster_mg_per_day: 4,
        outcome: None,
        found: None,
        is_final: false,
    }
}

#[test]
fn advice_is_written_once_a_day_or_when_it_changes_and_keeps_its_first_day() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut ledger = open_file(&path).unwrap();
    let mut note = |row: AdviceRow, number| {
        note(&mut ledger, POLICY, &[row.clone(), row], day(number)).unwrap()
    };
    assert_eq!(note(told_on(0), 0), 1);
    assert_eq!(note(told_on(0), 0), 0, "the same again");
    let other_saving = AdviceRow {
        cluster_mg_per_day: 5,
        ..told_on(0)
    };
    assert_eq!(note(other_saving, 0), 0, "figures of the day stay");
    assert_eq!(note(told_on(3), 3), 1);
    let mut other = told_on(3);
    other.told.advised = 240;
    assert_eq!(note(other.clone(), 3), 1);
    // What a clock that was ahead had told is not taken back.
    let mut early = told_on(1);
    early.told.advised = 240;
    assert_eq!(note(early, 1), 0);
    drop(ledger);
    let ledger = open_file(&path).unwrap();
    let wanted = AdviceRow {
        first_told: day(0),
        ..other
    };
    assert_eq!(of_policy(&ledger, POLICY).unwrap(), [wanted]);
    assert_eq!(of_policy(&ledger, "shop/japan").unwrap(), []);
}

#[test]
fn another_request_a_pause_and_advice_that_was_taken_begin_new_rows() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    let rows = |ledger: &rusqlite::Connection| of_policy(ledger, POLICY).unwrap();
    note(&mut ledger, POLICY, &[told_on(0)], day(0)).unwrap();
    let mut lower = told_on(1);
    lower.told.asked = 400;
    note(&mut ledger, POLICY, std::slice::from_ref(&lower), day(1)).unwrap();
    assert_eq!(rows(&ledger).len(), 2);
    // Within a week it is the same advice, after it another one.
    for (number, count) in [(8, 2), (16, 3)] {
        let mut again = lower.clone();
        (again.told.last_told, again.first_told) = (day(number), day(number));
        note(&mut ledger, POLICY, &[again], day(number)).unwrap();
        assert_eq!(rows(&ledger).len(), count);
    }
    // Taken, then asked for as before, and told again the next day.
    let mut taken = rows(&ledger).pop().unwrap();
    assert!(!taken.is_due(day(16)) && taken.is_due(day(17)));
    taken.outcome = Some(Outcome {
        state: State::TakenTooEarly,
        taken_at: Some(day(16).plus_hours(3)),
        asked_now: Some(250),
        ..Outcome::NOT_TAKEN
    });
    taken.found = Some(day(17));
    settle(&mut ledger, POLICY, std::slice::from_ref(&taken)).unwrap();
    assert!(!taken.is_due(day(17)) && taken.is_due(day(18)));
    assert_eq!(rows(&ledger).last(), Some(&taken));
    let mut again = lower;
    (again.told.last_told, again.first_told) = (day(18), day(18));
    note(&mut ledger, POLICY, &[again], day(18)).unwrap();
    let all = rows(&ledger);
    assert_eq!(all.len(), 4);
    assert!(all.contains(&taken), "what was found stays");
    // Advice is known for as long as hours are.
    note(&mut ledger, POLICY, &[], day(18 + 431)).unwrap();
    assert_eq!(rows(&ledger).len(), 1);
    note(&mut ledger, POLICY, &[], day(18 + 432)).unwrap();
    assert_eq!(rows(&ledger), []);
}

#[test]
fn advice_that_is_told_again_forgets_that_it_was_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    note(&mut ledger, POLICY, &[told_on(0)], day(0)).unwrap();
    let settled = AdviceRow {
        outcome: Some(Outcome::NOT_TAKEN),
        found: Some(day(4)),
        is_final: true,
        ..told_on(0)
    };
    settle(&mut ledger, POLICY, &[settled]).unwrap();
    note(&mut ledger, POLICY, &[told_on(5)], day(5)).unwrap();
    let wanted = AdviceRow {
        first_told: day(0),
        ..told_on(5)
    };
    assert_eq!(of_policy(&ledger, POLICY).unwrap(), [wanted]);
}

#[test]
fn a_row_that_something_else_wrote_is_refused_with_its_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    note(&mut ledger, POLICY, &[told_on(0)], day(0)).unwrap();
    ledger
        .execute("UPDATE advice SET resource = 'disk'", [])
        .unwrap();
    let fault = of_policy(&ledger, POLICY).unwrap_err();
    assert!(
        matches!(
            fault,
            LedgerFault::Foreign {
                table: "advice",
                ..
            }
        ),
        "{fault}"
    );
}

/// A minute of a pod.
fn minute(sequence: u64, minute: i64, pod: &str, energy_uj: u64, caught_up: bool) -> Record {
    Record {
        minute,
        account: Account::Container {
            pod_uid: pod.into(),
            container_id: "main".into(),
        },
        energy_uj: Estimate::exact(Joules::from_microjoules(energy_uj)),
        cpu_us: 1_000,
        provenance: Provenance::Measured,
        model: None,
        caught_up,
        ..record(sequence)
    }
}

fn till(uid: &str, millicores: i64, hours: (i64, Option<i64>)) -> PodNames {
    PodNames {
        uid: uid.into(),
        namespace: "shop".into(),
        name: uid.into(),
        node: "n1".into(),
        workload_kind: "Deployment".into(),
        workload_name: "till".into(),
        cpu_request_milli: Some(millicores),
        started_at: Some(HOUR + hours.0 * 3_600),
        finished_at: hours.1.map(|hour| HOUR + hour * 3_600 + 600),
        ..PodNames::default()
    }
}

#[test]
fn requests_and_energy_of_a_workload_are_told_by_the_hour() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    let pods = [till("a", 500, (0, Some(1))), till("b", 200, (1, None))];
    names::keep(&mut ledger, &pods, now()).unwrap();
    let records = vec![
        minute(1, HOUR, "a", 700, false),
        // Two minutes of one pod and one of the other: (2 * 500 + 200) / 3.
        minute(2, HOUR + 3_600, "a", 40, false),
        minute(3, HOUR + 3_660, "a", 50, false),
        minute(4, HOUR + 3_660, "b", 60, false),
        minute(5, HOUR + 7_200, "b", 300, false),
        minute(6, HOUR + 7_260, "b", 9_000, true),
        // Of nobody's workload.
        minute(7, HOUR + 7_260, "stranger", 5_000, false),
    ];
    book(&mut ledger, &page_of(records), now()).unwrap();
    let first = UtcHour::from_unix_seconds(HOUR);
    let period = Period {
        from: first,
        until: first.plus_hours(4),
    };
    let key = ["shop", "Deployment", "till"];
    let found = query::requests_by_hour(&mut ledger, key, Resource::Cpu, period, 100).unwrap();
    // Two hours of the one and three of the other.
    assert_eq!(found.pod_hours, 5);
    let hours: Vec<_> = found
        .hours
        .unwrap()
        .into_iter()
        .map(|(hour, used)| {
            let energy = used.energy.microjoules();
            (hour.hours_since(first), used.asked, energy, used.cpu)
        })
        .collect();
    let cpu = CpuTime::from_microseconds;
    assert_eq!(
        hours,
        [
            (0, Some(500), 700, cpu(1_000)),
            (1, Some(400), 150, cpu(3_000)),
            (2, Some(200), 300, cpu(1_000)),
        ]
    );
    let memory = query::requests_by_hour(&mut ledger, key, Resource::Memory, period, 100).unwrap();
    assert!(
        memory
            .hours
            .unwrap()
            .values()
            .all(|used| used.asked.is_none())
    );
    let too_many = query::requests_by_hour(&mut ledger, key, Resource::Cpu, period, 4).unwrap();
    assert_eq!((too_many.hours, too_many.pod_hours), (None, 5));
}
