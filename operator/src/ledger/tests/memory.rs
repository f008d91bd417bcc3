//! Peaks of memory: of hour, day and month, by workload, exported.

use super::*;

/// A container's minute; `bytes` are its peak.
fn told(sequence: u64, minute: i64, container: &str, bytes: Option<u64>) -> Record {
    Record {
        minute,
        account: Account::Container {
            pod_uid: "pod-2".into(),
            container_id: container.into(),
        },
        caught_up: false,
        memory_peak_bytes: bytes,
        ..record(sequence)
    }
}

fn till() -> PodNames {
    PodNames {
        uid: "pod-2".into(),
        namespace: "shop".into(),
        name: "till-1".into(),
        workload_kind: "Deployment".into(),
        workload_name: "till".into(),
        memory_request_bytes: Some(5_000),
        memory_container: "main".into(),
        ..PodNames::default()
    }
}

fn days_of(ledger: &mut rusqlite::Connection, until: i64) -> Vec<(u64, u64, Option<u64>)> {
    let (found, key) = seen_of_till(ledger, until, 24);
    let days = found.memory.get(&key).into_iter().flatten();
    days.map(|(_, day)| (day.peak_bytes, day.minutes, day.killed_with))
        .collect()
}

#[test]
fn containers_of_a_minute_are_added_up_also_over_two_pages_and_a_repeated_page_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    names::keep(&mut ledger, &[till()], now()).unwrap();
    let first = page_of(vec![
        told(1, HOUR, "main", Some(700)),
        told(2, HOUR + 60, "main", Some(900)),
    ]);
    // The second minute's other container came with the next page.
    let second = page_of(vec![
        told(3, HOUR + 60, "mesh", Some(250)),
        told(4, HOUR + 120, "main", Some(400)),
        told(5, HOUR + 120, "mesh", None),
    ]);
    for page in [&first, &second, &first, &second] {
        book(&mut ledger, page, now()).unwrap();
    }
    assert_eq!(days_of(&mut ledger, HOUR + 3_600), [(1_150, 3, None)]);
    let hour = UtcHour::from_unix_seconds(HOUR);
    let period = Period {
        from: hour,
        until: hour.plus_hours(1),
    };
    for (format, wanted) in [
        (Format::Csv, ",1150"),
        (Format::Jsonl, "\"memory_peak_bytes\":1150"),
    ] {
        let text = export::rows(&mut ledger, &Scope::All, period, format).unwrap();
        assert!(text.lines().all(|line| line.contains(wanted)), "{text}");
    }
    assert!(export::CSV_HEADER.ends_with(",memory_peak_bytes\n"));
}

#[test]
fn a_day_keeps_its_peak_when_its_hours_go_and_a_month_that_of_its_days() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    names::keep(&mut ledger, &[till()], now()).unwrap();
    let records = [(HOUR, 300), (HOUR + 3_600, 800), (HOUR + DAY_S, 500)];
    let records = records.iter().zip(1..);
    let records = records.map(|((minute, bytes), n)| told(n, *minute, "main", Some(*bytes)));
    book(&mut ledger, &page_of(records.collect()), now()).unwrap();
    let days = [(800, 2, None), (500, 1, None)];
    assert_eq!(days_of(&mut ledger, HOUR + 2 * DAY_S), days);
    let at = |days: i64| Timestamp::from_second(HOUR + days * DAY_S).unwrap();
    roll_up(&mut ledger, Retention::default(), at(100)).unwrap();
    assert_eq!(days_of(&mut ledger, HOUR + 2 * DAY_S), days);
    roll_up(&mut ledger, Retention::default(), at(600)).unwrap();
    let kept: Vec<(i64, i64, i64)> = ledger
        .prepare("SELECT span, peak_bytes, minutes FROM memory")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(kept, [(2, 800, 3)]);
}

/// The request was told as held, and the limit did not count.
#[test]
fn a_kill_is_of_its_day_with_what_is_known_of_it_and_changes_nothing_that_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    let killed = |held| PodNames {
        oom_killed_at: Some(HOUR + 100),
        oom_held_bytes: held,
        ..till()
    };
    names::keep(&mut ledger, &[killed(Some(9_000))], now()).unwrap();
    // A pod that is told of again without its kill keeps it.
    names::keep(&mut ledger, &[till()], now()).unwrap();
    let page = page_of(vec![told(1, HOUR, "main", Some(4_000))]);
    book(&mut ledger, &page, now()).unwrap();
    let day = |ledger: &mut rusqlite::Connection| days_of(ledger, HOUR + 3_600);
    assert_eq!(day(&mut ledger), [(4_000, 1, Some(9_000))]);
    // Where a kill says nothing of it, what was asked for stands in.
    names::keep(&mut ledger, &[killed(None)], now()).unwrap();
    assert_eq!(day(&mut ledger), [(4_000, 1, Some(5_000))]);
    // Nine days later nobody asks any more.
    assert!(days_of(&mut ledger, HOUR + 12 * DAY_S).is_empty());
}

fn container_of(pod: &str, sequence: u64, minute: i64, bytes: u64) -> Record {
    Record {
        account: Account::Container {
            pod_uid: pod.into(),
            container_id: "main".into(),
        },
        ..told(sequence, minute, "main", Some(bytes))
    }
}

/// Only the pod that was seen most counted, so workloads whose pods live
/// for less than three hours never had a day of minutes in eight.
#[test]
fn pods_that_replace_each_other_have_their_minutes_together_and_pods_side_by_side_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    let pods: Vec<String> = (0..16).map(|n| format!("run-{n}")).collect();
    let named = |uid: &String| PodNames {
        uid: uid.clone(),
        ..till()
    };
    let all: Vec<PodNames> = pods.iter().map(named).collect();
    names::keep(&mut ledger, &all, now()).unwrap();
    // Six pods of ten minutes after each other in one hour, of 100 bytes and up.
    let mut records = Vec::new();
    for (pod, begin) in pods.iter().take(6).zip([0_i64, 10, 20, 30, 40, 50]) {
        let bytes = 100 + u64::try_from(begin).unwrap();
        for minute in begin..begin + 10 {
            let sequence = u64::try_from(records.len()).unwrap() + 1;
            records.push(container_of(pod, sequence, HOUR + minute * 60, bytes));
        }
    }
    // Ten beside each other in the next hour, for 30 minutes.
    for pod in pods.iter().skip(6) {
        for minute in 60..90 {
            let sequence = u64::try_from(records.len()).unwrap() + 1;
            records.push(container_of(pod, sequence, HOUR + minute * 60, 50));
        }
    }
    book(&mut ledger, &page_of(records), now()).unwrap();
    assert_eq!(days_of(&mut ledger, HOUR + 7_200), [(150, 120, None)]);
    let until = UtcHour::from_unix_seconds(HOUR + 7_200);
    let period = Period {
        from: until.plus_hours(-24),
        until,
    };
    let found = query::snapshot(&mut ledger, &Scope::All, period).unwrap();
    let told: Vec<String> = found.memory_told.iter().map(ToString::to_string).collect();
    let mut wanted = pods.clone();
    wanted.sort();
    assert_eq!(told, wanted);
}
