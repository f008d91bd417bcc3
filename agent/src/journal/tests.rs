use tanso_agent_wire::energy::{Account, Names};
use tanso_power::{Estimate, Joules, Provenance};
use tempfile::tempdir;

use super::*;

fn record(sequence: u64, minute: i64) -> Record {
    Record {
        sequence,
        minute,
        account: Account::System,
        names: Names::default(),
        energy_uj: Estimate::exact(Joules::from_microjoules(sequence * 1_000)),
        cpu_us: sequence,
        provenance: Provenance::Simulated,
        model: None,
        caught_up: false,
        memory_peak_bytes: None,
    }
}

/// `minutes` minutes of three records each.
fn filled(directory: &Path, minutes: i64) -> Journal {
    let journal = Journal::open(directory, JournalId(7)).unwrap();
    for minute in 0..minutes {
        let first = minute.unsigned_abs() * 3 + 1;
        let records: Vec<Record> = (first..first + 3).map(|n| record(n, minute * 60)).collect();
        journal.append(&records).unwrap();
    }
    journal
}

fn read_all(journal: &Journal, limit: usize) -> Vec<u64> {
    let mut since = None;
    let mut sequences = Vec::new();
    loop {
        let page = journal.page(since.as_ref(), limit).unwrap();
        sequences.extend(page.records.iter().map(|record| record.sequence));
        if page.next.sequence == page.last_sequence {
            return sequences;
        }
        since = Some(page.next);
    }
}

#[test]
fn a_cursor_reads_each_record_once_whatever_the_page_size() {
    let directory = tempdir().unwrap();
    let journal = filled(directory.path(), 130);
    for limit in [1, 2, 3, 7, 389, 390, 5_000] {
        assert_eq!(
            read_all(&journal, limit),
            (1..=390).collect::<Vec<_>>(),
            "{limit}"
        );
    }
    let reopened = Journal::open(directory.path(), JournalId(8)).unwrap();
    assert_eq!(reopened.id(), JournalId(7));
    assert_eq!(read_all(&reopened, 100), (1..=390).collect::<Vec<_>>());
    assert_eq!(reopened.closed_until(), 130 * 60);
}

#[test]
fn records_given_twice_are_written_once() {
    let directory = tempdir().unwrap();
    let journal = filled(directory.path(), 2);
    journal
        .append(&[record(5, 60), record(6, 60), record(7, 120)])
        .unwrap();
    assert_eq!(read_all(&journal, 10), (1..=7).collect::<Vec<_>>());
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_off_and_written_anew() {
    let source = tempdir().unwrap();
    filled(source.path(), 3);
    let name = "energy-00000000000000000001.journal";
    let bytes = fs::read(source.path().join(name)).unwrap();
    for length in 20..bytes.len() {
        let directory = tempdir().unwrap();
        fs::write(directory.path().join(name), bytes.get(..length).unwrap()).unwrap();
        let journal = Journal::open(directory.path(), JournalId(8)).unwrap();
        let kept = journal.last_sequence();
        assert_eq!(kept % 3, 0, "whole minutes only");
        let all: Vec<Record> = (1..=9)
            .map(|n| record(n, i64::try_from((n - 1) / 3 * 60).unwrap()))
            .collect();
        journal.append(&all).unwrap();
        assert_eq!(
            read_all(&journal, 100),
            (1..=9).collect::<Vec<_>>(),
            "cut at {length}"
        );
    }
}

#[test]
fn a_flipped_bit_is_never_read_as_energy() {
    let source = tempdir().unwrap();
    filled(source.path(), 3);
    let name = "energy-00000000000000000001.journal";
    let bytes = fs::read(source.path().join(name)).unwrap();
    for at in 0..bytes.len() {
        let directory = tempdir().unwrap();
        let mut spoilt = bytes.clone();
        spoilt[at] ^= 0x10;
        fs::write(directory.path().join(name), spoilt).unwrap();
        let journal = Journal::open(directory.path(), JournalId(8)).unwrap();
        let page = journal.page(None, 100).unwrap();
        for found in &page.records {
            let minute = i64::try_from((found.sequence - 1) / 3 * 60).unwrap();
            assert_eq!(*found, record(found.sequence, minute), "flipped at {at}");
        }
    }
}

/// The place of the `number`th frame's last byte; frames follow a header of 20
/// bytes, each behind its length and checksum.
fn last_byte(bytes: &[u8], number: usize) -> usize {
    let mut at = 20;
    for _ in 0..=number {
        let length = bytes.get(at..at + 4).unwrap().try_into().unwrap();
        at += 8 + usize::try_from(u32::from_le_bytes(length)).unwrap();
    }
    at - 1
}

/// What a reader is given page by page, as the operator checks it: records
/// follow one another, and the cursor is the last one.
fn read_strictly(journal: &Journal, limit: usize) -> Vec<u64> {
    let mut since: Option<Cursor> = None;
    let mut sequences = Vec::new();
    loop {
        let page = journal.page(since.as_ref(), limit).unwrap();
        let asked = since.as_ref().map_or(0, |cursor| cursor.sequence);
        let first = (asked + 1).max(page.first_sequence);
        for (record, expected) in page.records.iter().zip(first..) {
            assert_eq!(record.sequence, expected);
            sequences.push(expected);
        }
        if let Some(last) = page.records.last() {
            assert_eq!(page.next.sequence, last.sequence);
        }
        assert!(page.next.sequence > asked || page.next.sequence == page.last_sequence);
        if page.next.sequence == page.last_sequence {
            return sequences;
        }
        since = Some(page.next);
    }
}

/// A frame that was spoilt while the journal was open failed every page from it
/// on, and one found at start took all that followed in its file with it.
#[test]
fn a_spoilt_minute_costs_itself_alone_and_no_reader_stays_before_it() {
    let name = "energy-00000000000000000001.journal";
    let left = [1, 2, 3, 7, 8, 9];
    for limit in [1, 2, 3, 4, 100] {
        let directory = tempdir().unwrap();
        let journal = filled(directory.path(), 3);
        let file = directory.path().join(name);
        let mut bytes = fs::read(&file).unwrap();
        let at = last_byte(&bytes, 1);
        bytes[at] ^= 1;
        fs::write(&file, bytes).unwrap();
        assert_eq!(read_strictly(&journal, limit), left, "open, {limit}");
        drop(journal);
        let journal = Journal::open(directory.path(), JournalId(8)).unwrap();
        assert_eq!(read_strictly(&journal, limit), left, "reopened, {limit}");
        journal.append(&[record(10, 180)]).unwrap();
        assert_eq!(journal.last_sequence(), 10);
    }
}

#[test]
fn what_is_taken_back_is_handed_over_once_and_its_numbers_stay_given_out() {
    let directory = tempdir().unwrap();
    let journal = filled(directory.path(), 130);
    let mut taken = Vec::new();
    journal
        .take_back(60 * 60, |record| taken.push(record.sequence))
        .unwrap();
    assert_eq!(taken, (61 * 3 + 1..=390).collect::<Vec<_>>());
    assert_eq!(journal.closed_until(), 61 * 60);
    assert_eq!(journal.last_sequence(), 390);
    journal.append(&[record(391, 3_720)]).unwrap();
    let left: Vec<u64> = (1..=61 * 3).chain([391]).collect();
    assert_eq!(read_strictly(&journal, 50), left);
    drop(journal);
    let journal = Journal::open(directory.path(), JournalId(8)).unwrap();
    assert_eq!(read_strictly(&journal, 1_000), left);
    // All of it: the next file begins with the next number.
    journal.take_back(-60, |_| ()).unwrap();
    assert_eq!((journal.closed_until(), journal.last_sequence()), (0, 391));
    journal.append(&[record(392, 60)]).unwrap();
    assert_eq!(read_strictly(&journal, 10), [392]);
}

#[test]
fn files_of_the_journal_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempdir().unwrap();
    filled(directory.path(), 1);
    for entry in fs::read_dir(directory.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}

#[test]
fn two_days_are_kept_and_older_hours_go_as_whole_files() {
    let directory = tempdir().unwrap();
    let journal = filled(directory.path(), 50 * 60);
    let page = journal.page(None, 1).unwrap();
    let oldest = page.records[0].minute;
    let newest = (50 * 60 - 1) * 60;
    assert!(
        newest - oldest >= KEPT_SECONDS && newest - oldest < KEPT_SECONDS + 2 * SEGMENT_SECONDS
    );
    assert_eq!(page.first_sequence, page.records[0].sequence);
    assert!(fs::read_dir(directory.path()).unwrap().count() <= 50);
}

#[test]
fn a_cursor_of_a_lost_journal_is_refused_by_name() {
    let directory = tempdir().unwrap();
    let journal = filled(directory.path(), 1);
    let foreign = Cursor {
        journal: JournalId(1),
        sequence: 0,
    };
    assert!(matches!(
        journal.page(Some(&foreign), 1),
        Err(JournalFault::Unknown { .. })
    ));
    let ahead = Cursor {
        journal: JournalId(7),
        sequence: 4,
    };
    assert!(matches!(
        journal.page(Some(&ahead), 1),
        Err(JournalFault::Ahead { .. })
    ));
}

#[test]
fn a_reader_ahead_of_spoilt_records_goes_on_and_does_not_turn_in_circles() {
    let directory = tempdir().unwrap();
    let journal = filled(directory.path(), 1);
    journal.skip_to(40);
    let seen = Cursor {
        journal: JournalId(7),
        sequence: 38,
    };
    let page = journal.page(Some(&seen), 10).unwrap();
    assert_eq!((page.records.len(), page.next.sequence), (0, 40));
    journal.append(&[record(41, 600)]).unwrap();
    let page = journal.page(Some(&page.next), 10).unwrap();
    assert_eq!(page.records, [record(41, 600)]);
    assert_eq!(read_all(&journal, 2), [1, 2, 3, 41]);
    assert_eq!(read_strictly(&journal, 10), [1, 2, 3, 41]);
}
