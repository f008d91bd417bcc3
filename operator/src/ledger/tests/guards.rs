//! What must do the ledger no harm: a node that names ever new pods, a clock
//! that jumps, a call that panics.

use super::super::ids::PODS_PER_NODE_HOUR;
use super::super::roll_up::RolledUp;
use super::super::upkeep::keep_small;
use super::*;

/// A node that names a new pod with each record: what it costs is bounded by the
/// hour, no energy is lost, and pods that were there keep their accounts.
#[test]
fn ever_new_pods_of_a_node_end_in_overflow_and_cost_no_more_rows() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    book(&mut ledger, &page("n1", JOURNAL, 1, 2), now()).unwrap();
    let most = u64::try_from(PODS_PER_NODE_HOUR).unwrap();
    let pages = 4 * most / 1_000;
    let of_one_hour = |sequence: u64| Record {
        minute: HOUR + 60 * i64::try_from(sequence % 50).unwrap(),
        account: Account::Container {
            pod_uid: format!("new-{sequence}"),
            container_id: "c".into(),
        },
        names: Names {
            namespace: Some("n".into()),
            pod: Some(format!("p{sequence}")),
            container: None,
        },
        memory_peak_bytes: Some(1),
        ..record(sequence)
    };
    let mut overflowed = 0;
    for number in 0..pages {
        let (from, through) = (3 + number * 1_000, 2 + (number + 1) * 1_000);
        let mut page = page("n1", JOURNAL, from, through);
        page.records = (from..=through).map(of_one_hour).collect();
        overflowed += book(&mut ledger, &page, now()).unwrap().overflowed;
    }
    let last = 2 + pages * 1_000;
    assert_eq!(total(&mut ledger), (energy_of(1, last), energy_of(1, last)));
    let count = |table: &str| {
        let count = format!("SELECT count(*) FROM {table}");
        let count: i64 = ledger.query_row(&count, [], |row| row.get(0)).unwrap();
        u64::try_from(count).unwrap()
    };
    println!(
        "{} pods came in an hour: {overflowed} in overflow, {} accounts, {} names, {} rows",
        pages * 1_000,
        count("accounts"),
        count("pods"),
        count("hours"),
    );
    assert!(
        overflowed > 0 && count("accounts") <= most + 4,
        "{overflowed}"
    );
    assert!(count("pods") <= most && count("memory") <= 2 * most + 4);
    assert!(count("hours") <= most + 16);
    // The next hour has room again, and who has an account keeps it.
    let mut next = page("n1", JOURNAL, last + 1, last + 2);
    for (record, uid) in next.records.iter_mut().zip(["new-3", "later"]) {
        record.minute = HOUR + 3_600;
        record.account = Account::Container {
            pod_uid: uid.into(),
            container_id: "c".into(),
        };
    }
    assert_eq!(book(&mut ledger, &next, now()).unwrap().overflowed, 0);
}

/// The watch forgets pods that are gone, and with them an agent could charge the
/// finished pods of any node.
#[test]
fn a_finished_pod_is_charged_by_the_node_where_the_cluster_saw_it_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    let seen = |uid: &str, node: &str| PodNames {
        uid: uid.into(),
        namespace: "shop".into(),
        name: uid.into(),
        node: node.into(),
        finished_at: Some(START),
        ..PodNames::default()
    };
    let pods = [seen("pod-2", "n1"), seen("pod-3", "")];
    names::keep(&mut ledger, &pods, now()).unwrap();
    // Record 2 is of pod-2: nothing of the page is booked.
    let refused = book(&mut ledger, &page("n2", JOURNAL, 1, 3), now()).unwrap_err();
    assert_eq!(refused.quarantined(), Some("foreignPod"));
    let said = refused.to_string();
    for word in ["\"n2\"", "\"pod-2\"", "\"n1\""] {
        assert!(said.contains(word), "{said}");
    }
    assert_eq!(cursor(&ledger, "n2").unwrap(), None);
    // Its own node goes on, and so does who speaks of pods that were never placed
    // or that agents alone have named.
    book(&mut ledger, &page("n1", JOURNAL, 1, 3), now()).unwrap();
    let mut unplaced = page("n2", JOURNAL, 3, 3);
    if let Some(record) = unplaced.records.first_mut() {
        record.sequence = 1;
    }
    unplaced.next_sequence = 1;
    book(&mut ledger, &unplaced, now()).unwrap();
    assert_eq!(total(&mut ledger).0, energy_of(1, 3) + energy_of(3, 3));
}

/// One figure that no sum can hold failed each roll-up from then on, of all nodes.
#[test]
fn figures_that_no_sum_can_hold_stop_no_roll_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    for (days, sequence) in (0..3).zip(1..) {
        let mut page = page("n1", JOURNAL, sequence, sequence);
        for record in &mut page.records {
            record.account = Account::Idle;
            record.minute = HOUR + days * DAY_S;
        }
        book(&mut ledger, &page, now()).unwrap();
    }
    for table in ["hours SET cpu_us", "bookings SET energy_uj"] {
        let most = format!("UPDATE {table} = {}", i64::MAX);
        ledger.execute(&most, []).unwrap();
    }
    let later = |days: i64| Timestamp::from_second(START + days * DAY_S).unwrap();
    let retention = Retention::default();
    assert_eq!(
        roll_up(&mut ledger, retention, later(100)).unwrap().hours,
        3
    );
    let done = roll_up(&mut ledger, retention, later(600)).unwrap();
    assert_eq!((done.days, done.bookings), (3, 0));
    let months = "SELECT max(cpu_us), sum(energy_uj) FROM months";
    let found: (i64, i64) = ledger
        .query_row(months, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(found.0, i64::MAX);
    assert_eq!(u128::try_from(found.1).unwrap(), energy_of(1, 3));
}

/// No clock brings back what is rolled up: it goes by what was booked, too.
#[test]
fn a_clock_that_jumps_a_year_ahead_gives_no_hour_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    let later = |days: i64| Timestamp::from_second(START + days * DAY_S).unwrap();
    assert_eq!(
        keep_small(&mut ledger, later(600)).unwrap(),
        RolledUp::default()
    );
    book(&mut ledger, &page("n1", JOURNAL, 1, 40), now()).unwrap();
    let before = query::snapshot(&mut ledger, &Scope::All, all_time()).unwrap();
    for days in [600, -600, 9_000, 0] {
        let done = keep_small(&mut ledger, later(days)).unwrap();
        assert_eq!(done, RolledUp::default(), "{days} days off");
        book(&mut ledger, &page("n1", JOURNAL, 1, 40), later(days)).unwrap();
    }
    let after = query::snapshot(&mut ledger, &Scope::All, all_time()).unwrap();
    assert_eq!(format!("{:?}", after.rows), format!("{:?}", before.rows));
    assert_eq!(total(&mut ledger), (energy_of(1, 40), energy_of(1, 40)));
    // Time that agents' minutes tell too is time that has passed.
    let mut page = page("n2", JOURNAL, 1, 5);
    page.closed_until = START + 100 * DAY_S;
    book(&mut ledger, &page, later(100)).unwrap();
    assert!(keep_small(&mut ledger, later(100)).unwrap().hours > 0);
}

#[tokio::test]
async fn a_call_that_panics_keeps_nothing_and_the_next_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.db")).unwrap();
    let broken: Result<(), _> = ledger
        .call(|connection| {
            let transaction = connection.transaction().unwrap();
            transaction.execute("DELETE FROM nodes", []).unwrap();
            transaction
                .execute("INSERT INTO nodes (name) VALUES ('ghost')", [])
                .unwrap();
            panic!("on purpose")
        })
        .await;
    let said = broken.unwrap_err().to_string();
    assert!(
        said.contains("report it") && said.contains("on purpose"),
        "{said}"
    );
    let booked = ledger
        .call(|connection| book(connection, &page("n1", JOURNAL, 1, 25), now()))
        .await;
    assert_eq!(booked.unwrap().revision, Some(1));
    let ghosts = ledger.call(|connection| {
        let count = "SELECT count(*) FROM nodes WHERE name = 'ghost'";
        Ok(connection
            .query_row(count, [], |row| row.get::<_, i64>(0))
            .unwrap())
    });
    assert_eq!(ghosts.await.unwrap(), 0);
}
