//! Of each hour is known how much of it a node was seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;

/// A record of the system in each of these minutes of an hour.
fn minutes_of(hour: i64, minutes: &[i64], first: u64) -> Page {
    let records: Vec<Record> = (first..)
        .zip(minutes)
        .map(|(sequence, minute)| Record {
            sequence,
            minute: HOUR + hour * 3_600 + minute * 60,
            account: Account::System,
            ..record(sequence)
        })
        .collect();
    let next_sequence = records.last().map_or(first, |record| record.sequence);
    Page {
        node: "n1".to_owned(),
        journal: JOURNAL,
        records,
        next_sequence,
        closed_until: HOUR + (hour + 1) * 3_600,
    }
}

fn part_hours(ledger: &mut rusqlite::Connection) -> BTreeMap<Arc<str>, BTreeMap<UtcHour, u64>> {
    let scope = Scope::Namespaces(["of-nobody".to_owned()].into());
    let found = query::snapshot(ledger, &scope, all_time()).unwrap();
    found.part_hours
}

/// An hour with one minute's row was an hour that was seen whole.
#[test]
fn of_an_hour_that_was_not_seen_whole_the_minutes_are_known_before_and_after_the_roll_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    let all: Vec<i64> = (0..60).collect();
    book(&mut ledger, &minutes_of(0, &all, 1), now()).unwrap();
    book(&mut ledger, &minutes_of(1, &[0, 7, 8, 30, 59], 61), now()).unwrap();
    // Said again in another page, with one more.
    book(&mut ledger, &minutes_of(1, &[7, 31, 59], 66), now()).unwrap();
    let expected = BTreeMap::from([(
        Arc::from("n1"),
        BTreeMap::from([(UtcHour::from_unix_seconds(HOUR + 3_600), 6)]),
    )]);
    assert_eq!(part_hours(&mut ledger), expected);
    let later = Timestamp::from_second(HOUR + 90 * DAY_S).unwrap();
    assert!(
        roll_up(&mut ledger, Retention::default(), later)
            .unwrap()
            .hours
            > 0
    );
    assert_eq!(part_hours(&mut ledger), expected);
    let years_later = Timestamp::from_second(HOUR + 800 * DAY_S).unwrap();
    roll_up(&mut ledger, Retention::default(), years_later).unwrap();
    assert_eq!(part_hours(&mut ledger), BTreeMap::new());
}
