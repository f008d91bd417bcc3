//! The newest hour with its names is that of the rows.

use std::sync::Arc;

use super::query::{NamedRow, Owner};
use super::*;

/// Power was told from rows that were sought one by one, after the names and
/// labels of every pod there ever was had been read.
#[test]
fn the_newest_hour_is_that_of_the_rows_and_each_row_has_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    for node in ["n1", "n2"] {
        book(&mut ledger, &page(node, JOURNAL, 1, 400), now()).unwrap();
    }
    // The other pod is never named.
    let pod = PodNames {
        uid: "pod-2".to_owned(),
        namespace: "shop".to_owned(),
        workload_kind: "Deployment".to_owned(),
        workload_name: "till".to_owned(),
        cpu_request_milli: Some(250),
        ..PodNames::default()
    };
    names::keep(&mut ledger, &[pod], now()).unwrap();
    let period = all_time();
    let (revision, mut found) = query::newest_hour(&mut ledger, period).unwrap();

    let all = query::of_scope(&mut ledger, &Scope::All, period).unwrap();
    assert_eq!(revision, all.revision);
    let newest = all.rows.iter().map(|row| row.hour).max().unwrap();
    let of_hour = all.rows.iter().filter(|row| row.hour == newest);
    let mut expected: Vec<NamedRow> = of_hour
        .map(|row| {
            let pod = row.pod().and_then(|uid| all.pods.get(uid));
            NamedRow {
                hour: row.hour,
                node: row.node.clone(),
                owner: match (&row.account, pod) {
                    (LedgerAccount::Named(kind), _) => Owner::Named((*kind).to_owned()),
                    (_, None) => Owner::Named("unnamed".to_owned()),
                    (_, Some(pod)) => Owner::Workload([
                        pod.namespace.clone(),
                        pod.workload_kind.clone(),
                        pod.workload_name.clone(),
                    ]),
                },
                provenance: row.provenance,
                energy: row.energy,
                cpu_us: row.cpu_us,
                minutes: row.minutes,
                asked_millicores: if pod.is_some() { 250 } else { 0 },
            }
        })
        .collect();
    let key = |row: &NamedRow| format!("{row:?}");
    found.sort_by_key(key);
    expected.sort_by_key(key);
    assert_eq!(found, expected);
    assert!(all.rows.len() > found.len(), "earlier hours are not in it");
    let owners: Vec<_> = found.iter().map(|row| row.owner.clone()).collect();
    for name in ["idle", "system", "unnamed"] {
        assert!(owners.contains(&Owner::Named(name.to_owned())), "{name}");
    }
}

#[test]
fn a_period_without_a_row_has_no_newest_hour() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    let booked = book(&mut ledger, &page("n1", JOURNAL, 1, 40), now()).unwrap();
    let later = UtcHour::from_unix_seconds(START).plus_hours(2);
    let period = Period {
        from: later,
        until: later.plus_hours(6),
    };
    let found = query::newest_hour(&mut ledger, period).unwrap();
    assert_eq!(found, (booked.revision.unwrap(), Vec::new()));
}

/// A namespace's rows have its pods' minutes alone: a job of two minutes was told
/// with twenty times the power where its namespace was named.
#[test]
fn the_newest_hour_of_a_namespace_has_the_minutes_of_the_nodes() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    let at = |sequence: u64, minute: i64, account: Account| Record {
        minute: HOUR + 60 * minute,
        account,
        caught_up: false,
        provenance: Provenance::Modelled,
        model: None,
        ..record(sequence)
    };
    let job = Account::Container {
        pod_uid: "job-1".to_owned(),
        container_id: "c1".to_owned(),
    };
    let idle = (0..40).map(|minute| (minute, Account::Idle));
    let uses = idle.chain([(38, job.clone()), (39, job)]);
    let records = (1..).zip(uses);
    let records = records.map(|(sequence, (minute, account))| at(sequence, minute, account));
    book(&mut ledger, &page_of(records.collect()), now()).unwrap();
    let pod = PodNames {
        uid: "job-1".to_owned(),
        namespace: "shop".to_owned(),
        node: "n1".to_owned(),
        workload_kind: "Job".to_owned(),
        workload_name: "import".to_owned(),
        ..PodNames::default()
    };
    names::keep(&mut ledger, &[pod], now()).unwrap();
    let begin = UtcHour::from_unix_seconds(HOUR);
    let hours = |from: i32, until: i32| Period {
        from: begin.plus_hours(from),
        until: begin.plus_hours(until),
    };
    let parts = [hours(1, 2), hours(0, 1), hours(-4, 0)];

    let of = |name: &str| Scope::Namespaces([name.to_owned()].into());
    let (own, minutes) = query::newest_of(&mut ledger, &of("shop"), &parts).unwrap();
    let rows: Vec<_> = own.rows.iter().map(|row| (row.hour, row.minutes)).collect();
    assert_eq!(rows, [(begin, 2)]);
    let expected: query::NodeMinutes = [(Arc::from("n1"), 40)].into();
    assert_eq!(minutes, expected);
    // The same as of all rows of that hour.
    let (_, all) = query::newest_hour(&mut ledger, hours(-4, 2)).unwrap();
    assert_eq!(all.iter().map(|row| row.minutes).max(), Some(40));
    let (none, minutes) = query::newest_of(&mut ledger, &of("bank"), &parts).unwrap();
    assert!(none.rows.is_empty() && minutes.is_empty());
}
