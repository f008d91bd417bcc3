//! The ledger on a disk that fails: at every change that it makes to the disk
//! the power goes, or the disk is full, broken or read-only. Nothing that was
//! acknowledged is lost, and nothing counts twice.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should end")]

#[path = "ledger_disk/disk.rs"]
mod disk;

use std::path::Path;

use jiff::Timestamp;
use rusqlite::Connection;
use tanso_agent_wire::energy::{Account, JournalId, Names, Record};
use tanso_operator::ledger::roll_up::{Retention, roll_up};
use tanso_operator::ledger::{
    LedgerFault, Page, PodNames, append, names, open_file_on, query, verify,
};
use tanso_power::{Estimate, Joules, Provenance};

use disk::{Disk, Survives, Trouble};

const START: i64 = 1_790_000_040;
const JOURNAL: JournalId = JournalId(0xd15c);
const FILE: &str = "ledger.db";
const PER_PAGE: u64 = 60;
const PAGES: u64 = 6;

fn record(sequence: u64) -> Record {
    Record {
        sequence,
        // Half a day apart, so that some of it is rolled up.
        minute: START + 43_200 * i64::try_from(sequence / 20).unwrap() / 60 * 60,
        account: match sequence % 5 {
            0 => Account::Idle,
            n => Account::Container {
                pod_uid: format!("pod-{n}"),
                container_id: "c".into(),
            },
        },
        names: Names::default(),
        energy_uj: Estimate::exact(Joules::from_microjoules(7_000 + sequence)),
        cpu_us: sequence,
        provenance: Provenance::Measured,
        model: None,
        caught_up: false,
        memory_peak_bytes: None,
    }
}

fn sum(through: u64) -> u128 {
    (1..=through).map(|n| u128::from(7_000 + n)).sum()
}

fn later() -> Timestamp {
    Timestamp::from_second(START + 20 * 86_400).unwrap()
}

fn open(vfs: &str) -> Result<Connection, LedgerFault> {
    let ledger = open_file_on(Path::new(FILE), Some(vfs))?;
    // Moves pages into the file often, so that this comes to its turn too.
    let often = ledger.pragma_update(None, "wal_autocheckpoint", 6);
    often.map_err(|source| LedgerFault::Database {
        doing: "preparing the test",
        source,
    })?;
    Ok(ledger)
}

/// Books one page after the other from where the ledger is; says what was
/// acknowledged, also when something fails.
fn work(ledger: &mut Connection, acknowledged: &mut u64) -> Result<(), LedgerFault> {
    let mut at = append::cursor(ledger, "n1")?.map_or(0, |cursor| cursor.sequence);
    while at < PER_PAGE * PAGES {
        let through = at + PER_PAGE;
        let page = Page {
            node: "n1".into(),
            journal: JOURNAL,
            // From before the cursor: a repeat must not count.
            records: (at.saturating_sub(25) + 1..=through).map(record).collect(),
            next_sequence: through,
            closed_until: START,
        };
        append::book(ledger, &page, Timestamp::from_second(START).unwrap())?;
        at = through;
        *acknowledged = at;
        if at == PER_PAGE * 3 {
            let pod = PodNames {
                uid: "pod-1".into(),
                name: "till".into(),
                ..PodNames::default()
            };
            names::keep(ledger, &[pod], later())?;
            roll_up(
                ledger,
                Retention {
                    hourly_days: 15,
                    ..Retention::default()
                },
                later(),
            )?;
        }
    }
    Ok(())
}

/// Whether cursor, rows and bookings agree, and how far they go.
fn check(ledger: &mut Connection, acknowledged: u64, what: &str) -> u64 {
    let at = append::cursor(ledger, "n1")
        .unwrap()
        .map_or(0, |cursor| cursor.sequence);
    assert!(
        at >= acknowledged,
        "{what}: {acknowledged} was acknowledged, {at} is there"
    );
    let total = query::total_through(ledger, None).unwrap().unwrap();
    assert_eq!(total.energy_microjoules, sum(at), "{what}");
    assert_eq!(total.rows_microjoules, Some(sum(at)), "{what}");
    let found = verify::verify(ledger).unwrap();
    assert!(found.sound, "{what}: {found:?}");
    at
}

/// How many changes a course without trouble makes, and flushes among them.
fn course(disk: &Disk, vfs: &str) -> (u64, u64) {
    disk.format();
    disk.suffer(Trouble::None);
    let mut ledger = open(vfs).unwrap();
    let mut acknowledged = 0;
    work(&mut ledger, &mut acknowledged).unwrap();
    let counts = disk.counts();
    check(&mut ledger, PER_PAGE * PAGES, "without trouble");
    counts
}

#[test]
fn power_that_goes_at_any_change_loses_nothing_acknowledged_and_doubles_nothing() {
    let vfs = "power";
    let disk = Disk::register(vfs);
    let (changes, flushes) = course(&disk, vfs);
    assert!(
        flushes > 10 && changes > 4 * flushes / 2,
        "{changes} changes, {flushes} flushes"
    );
    let mut recovered = 0;
    for at in 0..changes {
        for survives in [
            Survives::Nothing,
            Survives::All,
            Survives::Some(at * 31 + 7),
            Survives::Some(at * 17 + 3),
        ] {
            let what = format!("power off before change {at} of {changes}, {survives:?}");
            disk.format();
            disk.suffer(Trouble::PowerOff(at));
            let mut acknowledged = 0;
            // Moving pages into the file may fail unseen: all is in the log.
            if let Ok(mut ledger) = open(vfs) {
                let done = work(&mut ledger, &mut acknowledged).is_ok();
                assert!(!done || acknowledged == PER_PAGE * PAGES, "{what}");
            }
            disk.power_on(survives);
            let mut ledger = open(vfs).unwrap_or_else(|fault| panic_with(&what, &fault));
            check(&mut ledger, acknowledged, &what);
            work(&mut ledger, &mut acknowledged).unwrap();
            check(&mut ledger, PER_PAGE * PAGES, &what);
            recovered += 1;
        }
    }
    println!(
        "power off at each of {changes} changes ({flushes} flushes): {recovered} recoveries, none lost, none doubled"
    );
}

#[expect(clippy::panic, reason = "a test that cannot go on should end")]
fn panic_with(what: &str, fault: &LedgerFault) -> Connection {
    panic!("{what}: {fault}")
}

#[test]
fn a_disk_that_is_full_or_broken_at_any_change_says_so_and_goes_on_when_it_works_again() {
    let vfs = "trouble";
    let disk = Disk::register(vfs);
    let (changes, _) = course(&disk, vfs);
    for at in 0..changes {
        for trouble in [Trouble::Full(at), Trouble::Broken(at)] {
            let what = format!("{trouble:?} of {changes}");
            disk.format();
            disk.suffer(trouble);
            let mut acknowledged = 0;
            let mut ledger = match open(vfs) {
                Ok(ledger) => ledger,
                // It cannot even be made: that is said when the operator starts.
                Err(fault) => {
                    assert!(fault.to_string().len() > 20, "{what}: {fault}");
                    continue;
                }
            };
            // Moving pages into the file may fail later, and unseen.
            if let Err(fault) = work(&mut ledger, &mut acknowledged) {
                match trouble {
                    Trouble::Full(_) => assert!(
                        matches!(fault, LedgerFault::Full { .. } | LedgerFault::Disk { .. }),
                        "{what}: {fault:?}"
                    ),
                    _ => assert!(
                        matches!(fault, LedgerFault::Disk { .. }),
                        "{what}: {fault:?}"
                    ),
                }
                assert!(
                    fault.to_string().contains("volume"),
                    "{what}: it does not say what to look at: {fault}"
                );
            }
            disk.suffer(Trouble::None);
            // The same process goes on where it was.
            check(&mut ledger, acknowledged, &what);
            work(&mut ledger, &mut acknowledged).unwrap();
            check(&mut ledger, PER_PAGE * PAGES, &what);
            drop(ledger);
            check(&mut open(vfs).unwrap(), PER_PAGE * PAGES, &what);
        }
    }
}

#[test]
fn a_read_only_disk_is_named_when_booking_and_what_is_there_can_be_read() {
    let vfs = "read-only";
    let disk = Disk::register(vfs);
    course(&disk, vfs);
    let mut ledger = open(vfs).unwrap();
    disk.suffer(Trouble::ReadOnly);
    let page = Page {
        node: "n1".into(),
        journal: JOURNAL,
        records: vec![record(PER_PAGE * PAGES + 1)],
        next_sequence: PER_PAGE * PAGES + 1,
        closed_until: START,
    };
    let refused = append::book(&mut ledger, &page, later()).unwrap_err();
    assert!(matches!(refused, LedgerFault::Disk { .. }), "{refused:?}");
    assert!(refused.to_string().contains("check the disk"), "{refused}");
    check(&mut ledger, PER_PAGE * PAGES, "read-only");
}

#[test]
fn a_rotten_page_is_found_and_never_booked_over_in_silence() {
    let vfs = "rot";
    let disk = Disk::register(vfs);
    course(&disk, vfs);
    // Everything in the file, nothing in the log.
    let ledger = open(vfs).unwrap();
    ledger
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    let number = |pragma| -> usize {
        let value: i64 = ledger
            .pragma_query_value(None, pragma, |row| row.get(0))
            .unwrap();
        usize::try_from(value).unwrap()
    };
    let (pages, size) = (number("page_count"), number("page_size"));
    drop(ledger);
    for page in 0..pages {
        disk.rot(FILE, page, size);
        let found = open(vfs).and_then(|mut ledger| verify::verify(&mut ledger));
        match found {
            // Only a page that holds nothing may rot unseen.
            Ok(found) => assert!(
                !found.sound || found.rows_microjoules == sum(PER_PAGE * PAGES),
                "page {page} of {pages} rots unseen: {found:?}"
            ),
            Err(fault) => {
                let text = fault.to_string();
                assert!(text.contains("ledger"), "page {page}: {text}");
            }
        }
        // It heals: the same bits again.
        disk.rot(FILE, page, size);
    }
    check(&mut open(vfs).unwrap(), PER_PAGE * PAGES, "healed");
}
