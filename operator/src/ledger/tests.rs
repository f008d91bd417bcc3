use jiff::Timestamp;
use proptest::prelude::*;
use tanso_agent_wire::energy::{Account, JournalId, Names, Record};
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_power::{Estimate, Joules, Provenance};

use super::append::{Page, book, cursor};
use super::export::{self, Format};
use super::query::{self, LedgerAccount, Scope};
use super::roll_up::{Retention, roll_up};
use super::{Booked, GapKind, Ledger, LedgerFault, PodNames, names, open_file, verify};

const JOURNAL: JournalId = JournalId(0x00c0_ffee);
const START: i64 = 1_790_000_040;
/// 2026-09-21T14:00Z, an hour's begin.
const HOUR: i64 = 1_789_999_200;
const DAY_S: i64 = 86_400;

fn now() -> Timestamp {
    Timestamp::from_second(START + 100_000).unwrap()
}

fn record(sequence: u64) -> Record {
    let account = match sequence % 4 {
        0 => Account::Idle,
        1 => Account::System,
        n => Account::Container {
            pod_uid: format!("pod-{n}"),
            container_id: format!("c{sequence}"),
        },
    };
    let value = 1_000 + sequence * 7;
    Record {
        sequence,
        minute: START + 60 * i64::try_from(sequence / 5).unwrap(),
        account,
        names: Names::default(),
        energy_uj: Estimate {
            low: Joules::from_microjoules(value - 100),
            value: Joules::from_microjoules(value),
            high: Joules::from_microjoules(value + 300),
        },
        cpu_us: sequence * 3,
        provenance: if sequence.is_multiple_of(3) {
            Provenance::Measured
        } else {
            Provenance::Modelled
        },
        model: (!sequence.is_multiple_of(3)).then(|| "sha256:ab".to_owned()),
        caught_up: sequence.is_multiple_of(17),
        memory_peak_bytes: None,
    }
}

fn page(node: &str, journal: JournalId, from: u64, through: u64) -> Page {
    Page {
        node: node.to_owned(),
        journal,
        records: (from..=through).map(record).collect(),
        next_sequence: through,
        closed_until: START + 60 * i64::try_from(through / 5).unwrap(),
    }
}

fn energy_of(from: u64, through: u64) -> u128 {
    (from..=through)
        .map(|n| u128::from(record(n).energy_uj.value.microjoules()))
        .sum()
}

fn total(connection: &mut rusqlite::Connection) -> (u128, u128) {
    let total = query::total_through(connection, None).unwrap().unwrap();
    (total.energy_microjoules, total.rows_microjoules.unwrap())
}

fn all_time() -> Period {
    let hour = UtcHour::from_unix_seconds(START);
    Period {
        from: hour.plus_hours(-1),
        until: hour.plus_hours(24 * 30),
    }
}

#[test]
fn a_page_booked_twice_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    let first = book(&mut ledger, &page("n1", JOURNAL, 1, 40), now()).unwrap();
    assert_eq!((first.records, first.skipped, first.gap), (40, 0, None));
    let again = book(&mut ledger, &page("n1", JOURNAL, 1, 40), now()).unwrap();
    assert_eq!(
        again,
        Booked {
            revision: None,
            records: 0,
            skipped: 40,
            energy: Joules::ZERO,
            overflowed: 0,
            gap: None
        }
    );
    let overlap = book(&mut ledger, &page("n1", JOURNAL, 31, 50), now()).unwrap();
    assert_eq!(
        (overlap.records, overlap.skipped, overlap.gap),
        (10, 10, None)
    );
    assert_eq!(total(&mut ledger), (energy_of(1, 50), energy_of(1, 50)));
    assert_eq!(cursor(&ledger, "n1").unwrap().unwrap().sequence, 50);
}

#[test]
fn a_gap_and_a_new_journal_are_recorded_and_never_silent() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    book(&mut ledger, &page("n1", JOURNAL, 1, 10), now()).unwrap();
    let gap = book(&mut ledger, &page("n1", JOURNAL, 15, 20), now())
        .unwrap()
        .gap
        .unwrap();
    assert_eq!(
        (gap.kind, gap.after_sequence, gap.before_sequence),
        (GapKind::Dropped, 10, 15)
    );
    let other = JournalId(0xbeef);
    let gap = book(&mut ledger, &page("n1", other, 1, 5), now())
        .unwrap()
        .gap
        .unwrap();
    assert_eq!(gap.kind, GapKind::NewJournal);
    assert_eq!(cursor(&ledger, "n1").unwrap().unwrap().journal, other);
    // The old journal comes back, as with a disk that was swapped: nothing is booked twice.
    assert_eq!(
        book(&mut ledger, &page("n1", JOURNAL, 1, 20), now())
            .unwrap()
            .records,
        0
    );
    let sum = energy_of(1, 10) + energy_of(15, 20) + energy_of(1, 5);
    assert_eq!(total(&mut ledger), (sum, sum));
    assert_eq!(
        query::total_through(&mut ledger, None)
            .unwrap()
            .unwrap()
            .gaps,
        2
    );
}

#[test]
fn the_total_at_an_earlier_booking_can_still_be_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    let at = book(&mut ledger, &page("n1", JOURNAL, 1, 10), now())
        .unwrap()
        .revision;
    book(&mut ledger, &page("n2", JOURNAL, 1, 30), now()).unwrap();
    book(&mut ledger, &page("n1", JOURNAL, 11, 20), now()).unwrap();
    let then = query::total_through(&mut ledger, at).unwrap().unwrap();
    assert_eq!(then.energy_microjoules, energy_of(1, 10));
    assert_eq!(then.rows_microjoules, None);
    assert_eq!((then.nodes.len(), then.nodes[0].sequence), (1, 10));
    assert_eq!(query::total_through(&mut ledger, Some(99)).unwrap(), None);
}

#[test]
fn a_name_that_comes_late_names_energy_booked_before_and_outlives_its_pod() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut ledger = open_file(&path).unwrap();
    book(&mut ledger, &page("n1", JOURNAL, 1, 30), now()).unwrap();
    let shop = Scope::Namespaces(["shop".to_owned()].into());
    assert!(
        query::snapshot(&mut ledger, &shop, all_time())
            .unwrap()
            .rows
            .is_empty()
    );
    let pod = PodNames {
        uid: "pod-2".to_owned(),
        namespace: "shop".to_owned(),
        name: "till-1".to_owned(),
        workload_kind: "Deployment".to_owned(),
        workload_name: "till".to_owned(),
        cpu_request_milli: Some(250),
        ..PodNames::default()
    };
    names::keep(&mut ledger, std::slice::from_ref(&pod), now()).unwrap();
    drop(ledger);
    let mut ledger = open_file(&path).unwrap();
    let snapshot = query::snapshot(&mut ledger, &shop, all_time()).unwrap();
    assert_eq!(snapshot.pods.get("pod-2"), Some(&pod));
    let sum: u64 = snapshot
        .rows
        .iter()
        .map(|row| row.energy.value.microjoules())
        .sum();
    let expected = (1..=30)
        .filter(|n| n % 4 == 2)
        .map(|n| record(n).energy_uj.value.microjoules());
    assert_eq!(sum, expected.sum::<u64>());
    let of = |ledger: &mut _, workload| query::of_workload(ledger, workload, all_time()).unwrap();
    let till = of(&mut ledger, ["shop", "Deployment", "till"]);
    assert_eq!((&till.rows, &till.pods), (&snapshot.rows, &snapshot.pods));
    assert_eq!(till.revision, snapshot.revision);
    for other in [
        ["bank", "Deployment", "till"],
        ["shop", "StatefulSet", "till"],
        ["shop", "Deployment", "tills"],
    ] {
        let found = of(&mut ledger, other);
        assert!(found.rows.is_empty() && found.pods.is_empty(), "{other:?}");
    }
}

/// Every row of the cluster was looked at for one workload. What is sought by
/// its node is the same; where the node is not known, all is read still.
#[test]
fn a_workload_read_by_its_keys_has_the_rows_that_reading_all_finds() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    for node in ["n1", "n2"] {
        book(&mut ledger, &page(node, JOURNAL, 1, 30), now()).unwrap();
    }
    let first = UtcHour::from_unix_seconds(START);
    let period = Period {
        from: first,
        until: first.plus_hours(4),
    };
    let shop = Scope::Namespaces(["shop".to_owned()].into());
    // A pod of two nodes is none; the rows of the second stay unread by key.
    for (node, expected) in [("n1", 1), ("elsewhere", 2)] {
        let pod = PodNames {
            uid: "pod-2".to_owned(),
            namespace: "shop".to_owned(),
            name: "till-1".to_owned(),
            node: node.to_owned(),
            workload_kind: "Deployment".to_owned(),
            workload_name: "till".to_owned(),
            ..PodNames::default()
        };
        names::keep(&mut ledger, &[pod], now()).unwrap();
        let whole = query::snapshot(&mut ledger, &shop, period).unwrap();
        let workload = ["shop", "Deployment", "till"];
        let till = query::of_workload(&mut ledger, workload, period).unwrap();
        let scope = query::of_scope(&mut ledger, &shop, period).unwrap();
        let known: Vec<_> = whole
            .rows
            .into_iter()
            .filter(|row| expected == 2 || &*row.node == "n1")
            .collect();
        assert!(!known.is_empty());
        assert_eq!((&till.rows, &scope.rows), (&known, &known));
        assert_eq!((&till.pods, &scope.pods), (&whole.pods, &whole.pods));
        assert_eq!(scope.revision, whole.revision);
    }
    let all = query::snapshot(&mut ledger, &Scope::All, period).unwrap();
    let found = query::of_scope(&mut ledger, &Scope::All, period).unwrap();
    assert_eq!((&found.rows, found.pods), (&all.rows, all.pods));
    // A year of a large cluster was read whole, and the process was killed for memory.
    let mut read = |most| query::of_scope_up_to(&mut ledger, &Scope::All, period, most);
    let count = all.rows.len();
    assert_eq!(read(count).unwrap().rows, all.rows);
    let refused = read(count - 1).unwrap_err();
    assert!(
        matches!(refused, LedgerFault::TooMuch { most } if most == count - 1),
        "{refused}"
    );
}

#[test]
fn what_an_agent_says_of_a_pod_never_replaces_what_the_cluster_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    let mut lying = page("n1", JOURNAL, 2, 2);
    lying.records[0].names = Names {
        namespace: Some("shop".into()),
        pod: Some("first".into()),
        container: None,
    };
    book(&mut ledger, &lying, now()).unwrap();
    let everything = Scope::All;
    let said = |ledger: &mut _| {
        let snapshot = query::snapshot(ledger, &everything, all_time()).unwrap();
        snapshot
            .pods
            .get("pod-2")
            .map(|pod| (pod.namespace.clone(), pod.name.clone()))
    };
    assert_eq!(
        said(&mut ledger),
        Some(("shop".to_owned(), "first".to_owned()))
    );
    let pod = PodNames {
        uid: "pod-2".into(),
        namespace: "bank".into(),
        name: "second".into(),
        ..PodNames::default()
    };
    names::keep(&mut ledger, &[pod], now()).unwrap();
    lying.records[0].sequence = 6;
    lying.next_sequence = 6;
    book(&mut ledger, &lying, now()).unwrap();
    assert_eq!(
        said(&mut ledger),
        Some(("bank".to_owned(), "second".to_owned()))
    );
}

#[test]
fn rolling_up_changes_no_joule() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    book(&mut ledger, &page("n1", JOURNAL, 1, 2_000), now()).unwrap();
    book(&mut ledger, &page("n1", JOURNAL, 2_001, 3_000), now()).unwrap();
    let before = total(&mut ledger);
    let later = Timestamp::from_second(START + 200 * 86_400).unwrap();
    let done = roll_up(&mut ledger, Retention::default(), later).unwrap();
    assert!(done.hours > 20 && done.bookings == 1, "{done:?}");
    assert_eq!(total(&mut ledger), before);
    assert!(verify::verify(&mut ledger).unwrap().sound);
    let again = roll_up(&mut ledger, Retention::default(), later).unwrap();
    assert_eq!((again.hours, again.bookings), (0, 0));
}

#[test]
fn days_become_months_and_no_joule_changes() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    book(&mut ledger, &page("n1", JOURNAL, 1, 2_000), now()).unwrap();
    book(&mut ledger, &page("n1", JOURNAL, 2_001, 3_000), now()).unwrap();
    let before = total(&mut ledger);
    let first = query::snapshot(&mut ledger, &Scope::All, all_time())
        .unwrap()
        .node_first;
    let days_later = |days: i64| Timestamp::from_second(START + days * 86_400).unwrap();
    assert!(
        roll_up(&mut ledger, Retention::default(), days_later(200))
            .unwrap()
            .hours
            > 0
    );
    // The month that the retention reaches into stays in days.
    let within = roll_up(&mut ledger, Retention::default(), days_later(430)).unwrap();
    assert_eq!(within.days, 0, "{within:?}");
    let done = roll_up(&mut ledger, Retention::default(), days_later(500)).unwrap();
    assert!(done.days > 0, "{done:?}");
    assert_eq!(total(&mut ledger), before);
    assert!(verify::verify(&mut ledger).unwrap().sound);
    let months: i64 = ledger
        .query_row("SELECT count(DISTINCT hour) FROM months", [], |row| {
            row.get(0)
        })
        .unwrap();
    let days: i64 = ledger
        .query_row("SELECT count(*) FROM days", [], |row| row.get(0))
        .unwrap();
    assert_eq!((months, days), (1, 0));
    let year = Period {
        from: UtcHour::from_unix_seconds(START - 40 * 86_400),
        until: UtcHour::from_unix_seconds(START + 40 * 86_400),
    };
    let after = query::snapshot(&mut ledger, &Scope::All, year).unwrap();
    let sum: u128 = after
        .rows
        .iter()
        .map(|row| u128::from(row.energy.value.microjoules()))
        .sum();
    assert_eq!(sum, before.0);
    assert!(
        after.node_first["n1"] < first["n1"],
        "the month begins before its first minute"
    );
}

#[test]
fn a_day_that_was_changed_behind_the_ledgers_back_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    book(&mut ledger, &page("n1", JOURNAL, 1, 900), now()).unwrap();
    let later = Timestamp::from_second(START + 100 * 86_400).unwrap();
    roll_up(&mut ledger, Retention::default(), later).unwrap();
    assert!(verify::verify(&mut ledger).unwrap().sound);
    // The sums stay right, the hours do not: the day would be priced wrongly.
    let packed: Vec<u8> = ledger
        .query_row(
            "SELECT by_hour FROM days ORDER BY account LIMIT 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let mut changed = packed.clone();
    *changed.last_mut().unwrap() ^= 2;
    ledger
        .execute(
            "UPDATE days SET by_hour = ?1 WHERE by_hour = ?2",
            [changed, packed],
        )
        .unwrap();
    let found = verify::verify(&mut ledger).unwrap();
    assert_eq!((found.sound, found.torn_days), (false, 1));
}

#[test]
fn rolled_up_days_take_less_than_two_thirds_of_the_room_of_their_hours() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    let (pods, hours) = (40_u64, 24 * 30_u64);
    let records = (0..pods * hours).map(|n| {
        let (pod, hour) = (n % pods, n / pods);
        let value = 9_000_000_000 + n * 7_919 % 5_000_000_000;
        Record {
            sequence: n + 1,
            minute: START / 86_400 * 86_400 + 3_600 * i64::try_from(hour).unwrap(),
            account: Account::Container {
                pod_uid: format!("pod-{pod}"),
                container_id: String::new(),
            },
            names: Names::default(),
            energy_uj: Estimate {
                low: Joules::from_microjoules(value / 10 * 7),
                value: Joules::from_microjoules(value),
                high: Joules::from_microjoules(value / 10 * 13),
            },
            cpu_us: value / 100,
            provenance: Provenance::Modelled,
            model: Some("sha256:ab".to_owned()),
            caught_up: false,
            memory_peak_bytes: None,
        }
    });
    let page = Page {
        node: "n1".to_owned(),
        journal: JOURNAL,
        records: records.collect(),
        next_sequence: pods * hours,
        closed_until: START,
    };
    book(&mut ledger, &page, now()).unwrap();
    let size = |ledger: &rusqlite::Connection, name: &str| {
        let copy = folder.path().join(name);
        ledger
            .execute("VACUUM INTO ?1", [copy.to_string_lossy()])
            .unwrap();
        std::fs::metadata(copy).unwrap().len()
    };
    let before = size(&ledger, "hours.db");
    let later = Timestamp::from_second(START + 200 * 86_400).unwrap();
    roll_up(&mut ledger, Retention::default(), later).unwrap();
    let after = size(&ledger, "days.db");
    let each = |bytes: u64| bytes / (pods * hours / 24);
    println!(
        "a pod's day: {} bytes as hours, {} bytes rolled up",
        each(before),
        each(after)
    );
    assert!(after * 3 < before * 2, "{before} bytes became {after}");
}

#[test]
fn an_export_adds_up_and_says_the_same_in_both_formats() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    book(&mut ledger, &page("n1", JOURNAL, 1, 900), now()).unwrap();
    let pod = PodNames {
        uid: "pod-2".into(),
        namespace: "shop".into(),
        name: "till-1".into(),
        workload_kind: "Deployment".into(),
        workload_name: "till".into(),
        ..PodNames::default()
    };
    names::keep(&mut ledger, &[pod], now()).unwrap();
    let mut all = |scope: &Scope, format| -> String {
        export::parts(all_time())
            .into_iter()
            .map(|part| export::rows(&mut ledger, scope, part, format).unwrap())
            .collect()
    };
    let csv = all(&Scope::All, Format::Csv);
    let lines = all(&Scope::All, Format::Jsonl);
    let columns: Vec<&str> = export::CSV_HEADER.trim().split(',').collect();
    let at = columns
        .iter()
        .position(|c| *c == "energy_microjoules")
        .unwrap();
    let sum: u128 = csv
        .lines()
        .map(|line| line.split(',').nth(at).unwrap().parse::<u128>().unwrap())
        .sum();
    assert_eq!(sum, energy_of(1, 900));
    for (row, line) in csv.lines().zip(lines.lines()) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        for (column, cell) in columns.iter().zip(row.split(',')) {
            let told = &line[*column];
            let told = told
                .as_str()
                .map_or_else(|| told.to_string(), str::to_owned);
            let told = if told == "null" { String::new() } else { told };
            assert_eq!(cell, told, "{column}");
        }
    }
    assert_eq!(csv.lines().count(), lines.lines().count());
    let shop = all(&Scope::Namespaces(["shop".to_owned()].into()), Format::Csv);
    assert!(shop.lines().count() > 0);
    assert!(
        shop.lines()
            .all(|line| line.contains(",shop,Deployment,till,till-1,pod-2,")),
        "{shop}"
    );
}

#[test]
fn tampering_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    book(&mut ledger, &page("n1", JOURNAL, 1, 9), now()).unwrap();
    assert!(verify::verify(&mut ledger).unwrap().sound);
    ledger
        .execute(
            "UPDATE hours SET energy_uj = energy_uj + 1 WHERE account = 1",
            [],
        )
        .unwrap();
    assert!(!verify::verify(&mut ledger).unwrap().sound);
}

#[test]
fn a_later_format_and_a_file_that_is_no_ledger_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/ledger.db");
    let ledger = open_file(&path).unwrap();
    ledger.pragma_update(None, "user_version", 99).unwrap();
    drop(ledger);
    let refused = open_file(&path).unwrap_err();
    assert!(
        matches!(
            refused,
            LedgerFault::Newer {
                found: 99,
                known: 12
            }
        ),
        "{refused}"
    );
    std::fs::write(
        folder.path().join("text"),
        "no database, but long enough to be read as a header",
    )
    .unwrap();
    let refused = open_file(&folder.path().join("text")).unwrap_err();
    assert!(refused.to_string().contains("opening ledger"), "{refused}");
}

#[test]
fn a_full_volume_is_said_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    book(&mut ledger, &page("n1", JOURNAL, 1, 10), now()).unwrap();
    let pages: i64 = ledger
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    ledger.pragma_update(None, "max_page_count", pages).unwrap();
    let refused = book(&mut ledger, &page("n1", JOURNAL, 11, 30_000), now()).unwrap_err();
    assert!(matches!(refused, LedgerFault::Full { .. }), "{refused}");
    assert_eq!(total(&mut ledger), (energy_of(1, 10), energy_of(1, 10)));
    ledger
        .pragma_update(None, "max_page_count", 1_000_000)
        .unwrap();
    book(&mut ledger, &page("n1", JOURNAL, 11, 30_000), now()).unwrap();
    assert_eq!(
        total(&mut ledger),
        (energy_of(1, 30_000), energy_of(1, 30_000))
    );
}

#[tokio::test]
async fn calls_from_many_tasks_are_done_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.db")).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for node in 0..20 {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            let page = page(&format!("n{node}"), JOURNAL, 1, 25);
            ledger
                .call(move |connection| book(connection, &page, now()))
                .await
                .unwrap()
        });
    }
    let mut revisions: Vec<_> = tasks
        .join_all()
        .await
        .into_iter()
        .filter_map(|b| b.revision)
        .collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=20).collect::<Vec<_>>());
    let (bookings, rows) = ledger
        .call(|connection| Ok(total(connection)))
        .await
        .unwrap();
    assert_eq!(
        (bookings, rows),
        (20 * energy_of(1, 25), 20 * energy_of(1, 25))
    );
}

/// A snapshot of so many hours, and the key of the workload that pods are of.
fn seen_of_till(
    ledger: &mut rusqlite::Connection,
    until: i64,
    hours: i32,
) -> (query::Snapshot, [String; 3]) {
    let until = UtcHour::from_unix_seconds(until);
    let period = Period {
        from: until.plus_hours(-hours),
        until,
    };
    let found = query::snapshot(ledger, &Scope::All, period).unwrap();
    (found, ["shop", "Deployment", "till"].map(str::to_owned))
}

fn page_of(records: Vec<Record>) -> Page {
    Page {
        next_sequence: records.last().unwrap().sequence,
        records,
        ..page("n1", JOURNAL, 1, 1)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_split_with_repeats_and_restarts_gives_the_same_totals(
        steps in prop::collection::vec((1_u64..40, 0_u64..30, any::<bool>()), 1..12)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let mut ledger = open_file(&path).unwrap();
        let mut through: u64 = 0;
        for (length, back, restart) in steps {
            let from = (through + 1).saturating_sub(back).max(1);
            through += length;
            book(&mut ledger, &page("n1", JOURNAL, from, through), now()).unwrap();
            if restart {
                drop(ledger);
                ledger = open_file(&path).unwrap();
            }
        }
        prop_assert_eq!(total(&mut ledger), (energy_of(1, through), energy_of(1, through)));
        let snapshot = query::snapshot(&mut ledger, &Scope::All, all_time()).unwrap();
        let rows: u128 = snapshot.rows.iter().map(|r| u128::from(r.energy.value.microjoules())).sum();
        prop_assert_eq!(rows, energy_of(1, through));
        let idle: u128 = snapshot.rows.iter()
            .filter(|r| r.account == LedgerAccount::Named("idle"))
            .map(|r| u128::from(r.energy.value.microjoules())).sum();
        let expected: u128 = (1..=through).filter(|n| n % 4 == 0)
            .map(|n| u128::from(record(n).energy_uj.value.microjoules())).sum();
        prop_assert_eq!(idle, expected);
    }
}

mod advice;
mod guards;
mod memory;
mod newest;
mod past_cpu;
mod seen;
mod sums;
mod year;
