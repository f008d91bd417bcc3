use tanso_agent_wire::energy::{Account, JournalId, Names, Record};
use tanso_power::{Estimate, Joules, Provenance};

use super::*;
use crate::ledger::append::{self, Page};
use crate::ledger::query;

const START: i64 = 1_790_000_040;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).unwrap()
}

/// What an agent answers that still has all its records.
fn page(after: u64, through: u64) -> Page {
    let record = |sequence| Record {
        sequence,
        minute: START + 60 * i64::try_from(sequence).unwrap(),
        account: Account::System,
        names: Names::default(),
        energy_uj: Estimate::exact(Joules::from_microjoules(500 + sequence)),
        cpu_us: 1,
        provenance: Provenance::Measured,
        model: None,
        caught_up: false,
        memory_peak_bytes: None,
    };
    Page {
        node: "n1".into(),
        journal: JournalId(7),
        records: (after + 1..=through).map(record).collect(),
        next_sequence: through,
        closed_until: START,
    }
}

fn total(connection: &mut Connection) -> u128 {
    let total = query::total_through(connection, None).unwrap().unwrap();
    assert_eq!(total.rows_microjoules, Some(total.energy_microjoules));
    total.energy_microjoules
}

fn sum(through: u64) -> u128 {
    (1..=through).map(|n| u128::from(500 + n)).sum()
}

#[test]
fn a_backup_is_made_while_the_ledger_is_used_and_a_restored_one_catches_up_once() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copies) = (
        folder.path().join("ledger.db"),
        folder.path().join("copies"),
    );
    let mut ledger = open_file(&path).unwrap();
    append::book(&mut ledger, &page(0, 40), at(0)).unwrap();
    let made = backup(&ledger, &copies, 3, at(1)).unwrap();
    assert!(made.bytes > 0 && made.revision == 1, "{made:?}");
    append::book(&mut ledger, &page(40, 90), at(2)).unwrap();
    // In use: it must not be pulled away.
    let refused = restore(&made.path, &path).unwrap_err();
    assert!(refused.to_string().contains("opening ledger"), "{refused}");
    assert_eq!(total(&mut ledger), sum(90));
    drop(ledger);
    assert_eq!(restore(&made.path, &path).unwrap(), 1);
    let mut ledger = open_file(&path).unwrap();
    assert_eq!(total(&mut ledger), sum(40));
    let cursor = append::cursor(&ledger, "n1").unwrap().unwrap();
    assert_eq!(cursor.sequence, 40);
    // The agent is asked from the old cursor and still has what came since.
    append::book(&mut ledger, &page(30, 90), at(3)).unwrap();
    assert_eq!(total(&mut ledger), sum(90));
    drop(ledger);
    let mut replaced = open_file(&folder.path().join("ledger.db.replaced")).unwrap();
    assert_eq!(total(&mut replaced), sum(90));
}

#[test]
fn only_the_newest_backups_are_kept_and_a_half_one_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    let copies = folder.path().join("copies");
    fs::create_dir(&copies).unwrap();
    fs::write(copies.join("ledger-20260921T131400Z.partial"), "half").unwrap();
    for round in 0..5 {
        append::book(&mut ledger, &page(round, round + 1), at(0)).unwrap();
        let second = i64::try_from(round).unwrap();
        backup(&ledger, &copies, 2, at(second)).unwrap();
    }
    let left = backups(&copies).unwrap();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(sound(&left[1]).unwrap(), 5);
    assert_eq!(sound(&left[0]).unwrap(), 4);
}

#[test]
fn a_backup_that_does_not_add_up_is_refused_and_a_damaged_ledger_can_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut ledger = open_file(&path).unwrap();
    append::book(&mut ledger, &page(0, 25), at(0)).unwrap();
    let good = backup(&ledger, folder.path(), 9, at(1)).unwrap().path;
    drop(ledger);
    let bad = folder.path().join("bad.db");
    fs::copy(&good, &bad).unwrap();
    let forger = Connection::open(&bad).unwrap();
    forger
        .execute("UPDATE hours SET energy_uj = energy_uj + 1", [])
        .unwrap();
    drop(forger);
    let refused = restore(&bad, &path).unwrap_err();
    assert!(matches!(refused, LedgerFault::Unsound { .. }), "{refused}");
    assert!(
        refused.to_string().contains("take an earlier one"),
        "{refused}"
    );
    fs::write(&path, vec![7; 8_192]).unwrap();
    assert!(open_file(&path).is_err());
    restore(&good, &path).unwrap();
    assert_eq!(total(&mut open_file(&path).unwrap()), sum(25));
}

/// What the log of a damaged ledger held was gone with it.
#[test]
fn the_log_of_a_damaged_ledger_stays_beside_it_and_that_of_an_earlier_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let log = folder.path().join("ledger.db-wal");
    let replaced_log = folder.path().join("ledger.db.replaced-wal");
    let mut ledger = open_file(&path).unwrap();
    append::book(&mut ledger, &page(0, 25), at(0)).unwrap();
    let good = backup(&ledger, folder.path(), 9, at(1)).unwrap().path;
    // A log without the file's first page: that one's damage shows.
    let pragma = "PRAGMA wal_checkpoint(TRUNCATE)";
    ledger.query_row(pragma, [], |_| Ok(())).unwrap();
    let change = "UPDATE cursors SET closed_until = closed_until + 60";
    ledger.execute(change, []).unwrap();
    let newest = fs::read(&log).unwrap();
    assert!(!newest.is_empty());
    drop(ledger);
    fs::write(&path, vec![7; 65_536]).unwrap();
    fs::write(&log, &newest).unwrap();
    restore(&good, &path).unwrap();
    assert_eq!(fs::read(&replaced_log).unwrap(), newest);
    assert!(!log.exists());
    assert_eq!(total(&mut open_file(&path).unwrap()), sum(25));
    // The next one that is replaced is whole: that log is not its own.
    restore(&good, &path).unwrap();
    assert!(!replaced_log.exists());
    let mut replaced = open_file(&folder.path().join("ledger.db.replaced")).unwrap();
    assert_eq!(total(&mut replaced), sum(25));
}

/// A backup that failed is as large as one that did not. Its name has its time, so
/// the next try did not write over it: hour by hour they filled the volume.
#[test]
fn what_failed_tries_left_is_gone_after_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    append::book(&mut ledger, &page(0, 25), at(0)).unwrap();
    let copies = folder.path().join("copies");
    // The process ended after the copy was written and before it was named.
    for hour in 0..3 {
        drop(write(&ledger, &copies, at(3_600 * hour)).unwrap());
        assert_eq!(files(&copies, PARTIAL).unwrap().len(), 1);
        assert_eq!(backups(&copies).unwrap(), Vec::<PathBuf>::new());
    }
    // One that does not add up is no backup and takes no room.
    ledger
        .execute("UPDATE hours SET energy_uj = energy_uj + 1", [])
        .unwrap();
    let refused = backup(&ledger, &copies, 3, at(20_000)).unwrap_err();
    assert!(matches!(refused, LedgerFault::Unsound { .. }), "{refused}");
    assert!(files(&copies, PARTIAL).unwrap().is_empty());
    assert!(backups(&copies).unwrap().is_empty());
}

/// Checking a copy reads all of it: what is booked meanwhile is booked.
#[test]
fn a_copy_is_checked_and_named_while_the_ledger_books_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    let copies = folder.path().join("copies");
    append::book(&mut ledger, &page(0, 25), at(0)).unwrap();
    let begun = write(&ledger, &copies, at(1)).unwrap();
    append::book(&mut ledger, &page(25, 40), at(2)).unwrap();
    assert_eq!(begun.finish(3).unwrap().revision, 1);
    assert_eq!(backups(&copies).unwrap().len(), 1);
    assert_eq!(total(&mut ledger), sum(40));
}

#[test]
fn a_ledger_that_a_later_version_has_changed_can_be_replaced_by_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut ledger = open_file(&path).unwrap();
    append::book(&mut ledger, &page(0, 25), at(0)).unwrap();
    let before = backup(&ledger, folder.path(), 9, at(1)).unwrap().path;
    append::book(&mut ledger, &page(25, 30), at(2)).unwrap();
    ledger.pragma_update(None, "user_version", 99).unwrap();
    drop(ledger);
    let refused = open_file(&path).unwrap_err();
    assert!(matches!(refused, LedgerFault::Newer { .. }), "{refused}");
    restore(&before, &path).unwrap();
    assert_eq!(total(&mut open_file(&path).unwrap()), sum(25));
    assert!(folder.path().join("ledger.db.replaced").exists());
}

/// It tells of all namespaces: on a shared volume nobody else reads it.
#[test]
fn nobody_but_owner_and_group_may_read_ledger_log_and_backups() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let rights = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut ledger = open_file(&path).unwrap();
    append::book(&mut ledger, &page(0, 25), at(0)).unwrap();
    let log = folder.path().join("ledger.db-wal");
    let made = backup(&ledger, folder.path(), 9, at(1)).unwrap().path;
    for file in [&path, &log, &made] {
        assert_eq!(rights(file) & 0o007, 0, "{}", file.display());
    }
    drop(ledger);
    // One of an earlier version.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
    drop(open_file(&path).unwrap());
    assert_eq!(rights(&path), 0o660);
}
