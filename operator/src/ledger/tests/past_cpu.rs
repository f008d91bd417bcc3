//! CPU time of minutes that are no longer kept, by the day.

use super::super::past_cpu::CpuDay;
use super::*;

fn used(sequence: u64, minute: i64, pod: &str, cpu_us: u64) -> Record {
    Record {
        minute,
        account: Account::Container {
            pod_uid: pod.into(),
            container_id: "main".into(),
        },
        caught_up: false,
        cpu_us,
        ..record(sequence)
    }
}

/// A pod of `shop/Deployment/till`, there from a second on and until another.
fn till(uid: &str, started_at: i64, finished_at: Option<i64>) -> PodNames {
    PodNames {
        uid: uid.into(),
        namespace: "shop".into(),
        name: uid.into(),
        workload_kind: "Deployment".into(),
        workload_name: "till".into(),
        started_at: Some(started_at),
        finished_at,
        ..PodNames::default()
    }
}

fn days_of(ledger: &mut rusqlite::Connection, until: i64) -> Vec<(i64, CpuDay)> {
    let (found, key) = seen_of_till(ledger, until, 1);
    let days = found.cpu_days.get(&key).into_iter().flatten();
    days.map(|(day, seen)| (day.unix_seconds(), seen.clone()))
        .collect()
}

fn kept_minutes(ledger: &rusqlite::Connection) -> i64 {
    ledger
        .query_row("SELECT count(*) FROM minutes", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn minutes_that_are_no_longer_kept_are_in_their_day_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    // The second takes the first's place in the middle of a minute.
    let swap = HOUR + 3 * 60 + 45;
    let pods = [till("a", HOUR - 600, Some(swap)), till("b", swap, None)];
    names::keep(&mut ledger, &pods, now()).unwrap();
    let first = page_of(vec![
        used(1, HOUR, "a", 6_000_000),
        used(2, HOUR + 60, "a", 6_000_000),
        used(3, HOUR + 120, "a", 12_000_000),
        used(4, HOUR + 180, "a", 4_500_000),
        used(5, HOUR + 180, "b", 15_000_000),
    ]);
    let later = page_of(vec![used(6, HOUR + 3 * 3_600, "b", 1)]);
    book(&mut ledger, &first, now()).unwrap();
    assert!(days_of(&mut ledger, HOUR + 3_600).is_empty());
    for page in [&later, &first, &later] {
        book(&mut ledger, page, now()).unwrap();
    }
    assert_eq!(kept_minutes(&ledger), 1);
    let [(day, seen)] = &days_of(&mut ledger, HOUR + 3_600)[..] else {
        panic!("one day");
    };
    assert_eq!(*day, HOUR.div_euclid(DAY_S) * DAY_S);
    assert_eq!(seen.minutes, 4);
    // 15 s of CPU time in the 15 s for which the second was there: a core, and no quarter.
    assert_eq!(seen.most_microcores, 1_000_000);
    let seconds: Vec<u64> = seen.seconds.iter().map(|(_, seconds)| *seconds).collect();
    assert_eq!(seconds.iter().sum::<u64>(), 3 * 60 + 45 + 15);
    assert_eq!(seconds, [165, 60, 15]);
    // Beside what another pod used later on that day.
    let more = page_of(vec![
        used(7, HOUR + 4 * 3_600, "a", 6_000_000),
        used(8, HOUR + 7 * 3_600, "b", 1),
    ]);
    book(&mut ledger, &more, now()).unwrap();
    let seen = &days_of(&mut ledger, HOUR + 3_600)[0].1;
    assert_eq!((seen.minutes, seen.most_microcores), (6, 1_000_000));
}

/// Records of a node that was away are old when they come, and were forgotten.
#[test]
fn what_comes_late_is_in_its_day_and_days_nobody_looks_back_at_go() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    names::keep(&mut ledger, &[till("a", 0, None)], now()).unwrap();
    let days = (0..20).map(|day| HOUR - day * DAY_S).rev().zip(1..);
    let records = days.map(|(minute, n)| used(n, minute, "a", 60_000));
    book(&mut ledger, &page_of(records.collect()), now()).unwrap();
    // Today's minute is still kept as such.
    assert_eq!(kept_minutes(&ledger), 1);
    assert_eq!(days_of(&mut ledger, HOUR + 3_600).len(), 8);
    let rows: i64 = ledger
        .query_row("SELECT count(*) FROM cpu_days", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 10);
    let first = days_of(&mut ledger, HOUR + 3_600)[0].1.clone();
    assert_eq!((first.minutes, first.most_microcores), (1, 1_000));
}
