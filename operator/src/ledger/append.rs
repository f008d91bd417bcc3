//! Booking: a page of an agent's records becomes rows, once.
//!
//! Cursor, rows and audit line are one transaction: after a crash at any
//! point either all of a page is there or nothing of it. Records at or below
//! the cursor are skipped, so the same page may be booked again.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use tanso_agent_wire::energy::{Account, Cursor, JournalId, Names, Record};
use tanso_power::{Estimate, Joules};

use super::ids::{Ids, id_of, provenance_number};
use super::memory::{self, Told};
use super::{LedgerFault, homes, node_days, past_cpu, plausible, seen_minutes, unsigned, whole};

const SECONDS_PER_HOUR: i64 = 3_600;

/// How long CPU time and energy are kept by the minute at least, seconds.
pub(super) const MINUTES_KEPT_S: i64 = 2 * SECONDS_PER_HOUR;

/// Older ones are added to their day so many seconds of them at a time.
const FOLDED_S: i64 = SECONDS_PER_HOUR / 4;

/// What one answer of an agent brings; it has passed `collect::accept`.
#[derive(Clone, Debug)]
pub struct Page {
    /// The node that spoke.
    pub node: String,
    /// The journal the records are from.
    pub journal: JournalId,
    /// Records by rising sequence, without gaps between them.
    pub records: Vec<Record>,
    /// The sequence up to which the journal is read when this page is booked.
    pub next_sequence: u64,
    /// End of the node's last closed minute, seconds of Unix time.
    pub closed_until: i64,
}

/// What a booking did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    /// Number of the booking; `None` if the page held nothing new.
    pub revision: Option<i64>,
    /// Records that were added.
    pub records: u64,
    /// Records that were there already.
    pub skipped: u64,
    /// Energy that was added.
    pub energy: Joules,
    /// Pods whose energy is in `overflow`, since too many came new in an hour.
    pub overflowed: usize,
    /// Records that are missing before this page.
    pub gap: Option<Gap>,
}

/// Records that never came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub kind: GapKind,
    /// The last sequence number that was booked before.
    pub after_sequence: u64,
    /// The first one that is there again.
    pub before_sequence: u64,
}

/// Why records are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapKind {
    /// The agent had dropped them before they were fetched.
    Dropped,
    /// The agent's journal began anew.
    NewJournal,
}

impl GapKind {
    /// The word in table and metric.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::NewJournal => "newJournal",
        }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct RowKey {
    hour: i64,
    account: i64,
    provenance: i64,
    model: i64,
    caught_up: bool,
}

/// What one account used in one minute, on all nodes.
#[derive(Default)]
struct MinuteSum {
    cpu_us: u64,
    energy: Joules,
    provenance: i64,
}

#[derive(Default)]
struct RowSum {
    energy: Estimate<Joules>,
    cpu_us: u64,
    minutes: BTreeSet<i64>,
}

/// Books a page; durable on return.
///
/// # Errors
/// If the database refuses, the node's hour would have more energy than a node
/// can use, or a pod ran on another node; then nothing of the page was booked.
pub fn book(
    connection: &mut Connection,
    page: &Page,
    now: Timestamp,
) -> Result<Booked, LedgerFault> {
    let fault = LedgerFault::of("booking energy");
    let transaction = connection.transaction().map_err(&fault)?;
    let before = cursor_of_journal(&transaction, &page.node, page.journal)?;
    let gap = gap_before(&transaction, page, before)?;
    let booked_to = before.unwrap_or(0);
    let new: Vec<&Record> = page
        .records
        .iter()
        .filter(|r| r.sequence > booked_to)
        .collect();
    let skipped = u64::try_from(page.records.len() - new.len()).unwrap_or(u64::MAX);
    if new.is_empty() && gap.is_none() && before.is_some_and(|at| at >= page.next_sequence) {
        touch(&transaction, page)?;
        transaction.commit().map_err(&fault)?;
        return Ok(Booked {
            revision: None,
            records: 0,
            skipped,
            energy: Joules::ZERO,
            overflowed: 0,
            gap: None,
        });
    }
    if let Some(gap) = &gap {
        write_gap(&transaction, page, gap, now)?;
    }
    homes::check(&transaction, &page.node, &new)?;
    let overflowed = add_rows(&transaction, &page.node, &new)?;
    plausible::check(&transaction, &page.node, &new)?;
    add_names(&transaction, &page.node, &new, &overflowed, now)?;
    let energy: u128 = new
        .iter()
        .map(|r| u128::from(r.energy_uj.value.microjoules()))
        .sum();
    let revision = write_booking(&transaction, page, &new, energy, booked_to, now)?;
    move_cursor(&transaction, page, booked_to, revision)?;
    transaction.commit().map_err(&fault)?;
    Ok(Booked {
        revision: Some(revision),
        records: u64::try_from(new.len()).unwrap_or(u64::MAX),
        skipped,
        energy: Joules::from_microjoules(u64::try_from(energy).unwrap_or(u64::MAX)),
        overflowed: overflowed.len(),
        gap,
    })
}

/// The cursor to ask a node with: of the journal that was booked last.
///
/// # Errors
/// If the database refuses.
pub fn cursor(connection: &Connection, node: &str) -> Result<Option<Cursor>, LedgerFault> {
    let fault = LedgerFault::of("reading a cursor");
    let found: Option<(String, i64)> = connection
        .prepare(
            "SELECT journal, sequence FROM cursors WHERE node = ?1 ORDER BY revision DESC LIMIT 1",
        )
        .and_then(|mut query| {
            query
                .query_row([node], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })
        .map_err(&fault)?;
    let Some((journal, sequence)) = found else {
        return Ok(None);
    };
    let text = format!("{journal}-{sequence}");
    text.parse().map(Some).map_err(|_| LedgerFault::Foreign {
        table: "cursors",
        found: format!("the cursor \"{text}\""),
    })
}

fn cursor_of_journal(
    transaction: &Transaction<'_>,
    node: &str,
    journal: JournalId,
) -> Result<Option<u64>, LedgerFault> {
    let found: Option<i64> = transaction
        .prepare("SELECT sequence FROM cursors WHERE node = ?1 AND journal = ?2")
        .and_then(|mut query| {
            query
                .query_row(params![node, journal.to_string()], |row| row.get(0))
                .optional()
        })
        .map_err(LedgerFault::of("reading a cursor"))?;
    found
        .map(|sequence| unsigned("cursors", sequence))
        .transpose()
}

fn gap_before(
    transaction: &Transaction<'_>,
    page: &Page,
    before: Option<u64>,
) -> Result<Option<Gap>, LedgerFault> {
    let after_sequence = before.unwrap_or(0);
    let first_new = page
        .records
        .iter()
        .map(|r| r.sequence)
        .find(|&s| s > after_sequence);
    let before_sequence = first_new.unwrap_or(page.next_sequence.saturating_add(1));
    if before.is_none() {
        let fault = LedgerFault::of("reading a node's journals");
        let known: i64 = transaction
            .prepare("SELECT count(*) FROM cursors WHERE node = ?1")
            .and_then(|mut query| query.query_row([&page.node], |row| row.get(0)))
            .map_err(fault)?;
        if known > 0 {
            return Ok(Some(Gap {
                kind: GapKind::NewJournal,
                after_sequence,
                before_sequence,
            }));
        }
    }
    let missing = before_sequence > after_sequence.saturating_add(1);
    Ok(missing.then_some(Gap {
        kind: GapKind::Dropped,
        after_sequence,
        before_sequence,
    }))
}

fn write_gap(
    transaction: &Transaction<'_>,
    page: &Page,
    gap: &Gap,
    now: Timestamp,
) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("recording a gap");
    let after = whole("sequence", gap.after_sequence)?;
    let before = whole("sequence", gap.before_sequence)?;
    transaction
        .execute(
            "INSERT INTO gaps (node, journal, kind, after_sequence, before_sequence, found_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                page.node,
                page.journal.to_string(),
                gap.kind.as_str(),
                after,
                before,
                now.as_second()
            ],
        )
        .map_err(fault)?;
    Ok(())
}

/// Sums the records in memory first: a page has many records of one row. Says
/// which pods got no account of their own.
fn add_rows(
    transaction: &Transaction<'_>,
    node: &str,
    records: &[&Record],
) -> Result<BTreeSet<String>, LedgerFault> {
    let mut ids = Ids::default();
    let node = id_of(transaction, "nodes", "name", node)?;
    let mut sums: BTreeMap<RowKey, RowSum> = BTreeMap::new();
    let mut minutes: BTreeMap<(i64, i64), MinuteSum> = BTreeMap::new();
    let mut held: BTreeMap<(i64, i64), Told> = BTreeMap::new();
    for record in records {
        let hour = record.minute.div_euclid(SECONDS_PER_HOUR);
        let account = ids.account(transaction, &record.account, (node, hour))?;
        let key = RowKey {
            hour,
            account,
            provenance: provenance_number(record.provenance),
            model: ids.model(transaction, record.model.as_deref().unwrap_or(""))?,
            caught_up: record.caught_up,
        };
        let provenance = key.provenance;
        let sum = sums.entry(key).or_default();
        sum.energy = sum.energy + record.energy_uj;
        sum.cpu_us = sum.cpu_us.saturating_add(record.cpu_us);
        sum.minutes.insert(record.minute);
        // What was caught up is of an earlier time than its minute.
        if !record.caught_up {
            let minute = minutes.entry((record.minute, account)).or_default();
            minute.cpu_us = minute.cpu_us.saturating_add(record.cpu_us);
            minute.energy += record.energy_uj.value;
            minute.provenance = minute.provenance.max(provenance);
        }
        if let (Account::Container { pod_uid, .. }, Some(bytes)) =
            (&record.account, record.memory_peak_bytes)
            && !ids.overflowed.contains(pod_uid)
        {
            let told = held.entry((record.minute, account)).or_default();
            told.in_page = told.in_page.saturating_add(bytes);
        }
    }
    let fault = LedgerFault::of("booking energy");
    let mut upsert = transaction
        .prepare(
            "INSERT INTO hours (hour, node, account, provenance, model, caught_up,
                                low_uj, energy_uj, high_uj, cpu_us, minutes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT DO UPDATE SET
                low_uj = low_uj + excluded.low_uj,
                energy_uj = energy_uj + excluded.energy_uj,
                high_uj = high_uj + excluded.high_uj,
                cpu_us = cpu_us + excluded.cpu_us,
                minutes = min(60, minutes + excluded.minutes)",
        )
        .map_err(&fault)?;
    node_days::note(transaction, node, sums.keys().map(|key| key.hour))?;
    for (key, sum) in sums {
        upsert
            .execute(params![
                key.hour,
                node,
                key.account,
                key.provenance,
                key.model,
                key.caught_up,
                whole("energy", sum.energy.low.microjoules())?,
                whole("energy", sum.energy.value.microjoules())?,
                whole("energy", sum.energy.high.microjoules())?,
                whole("CPU time", sum.cpu_us)?,
                i64::try_from(sum.minutes.len()).unwrap_or(i64::MAX),
            ])
            .map_err(&fault)?;
    }
    drop(upsert);
    seen_minutes::add(transaction, node, records)?;
    add_minutes(transaction, &minutes, &mut held)?;
    memory::add(transaction, &held)?;
    Ok(ids.overflowed)
}

/// Adds CPU time, energy and memory by the minute, and what is too old to its
/// day; completes what is held by what earlier pages told of the same minutes.
fn add_minutes(
    transaction: &Transaction<'_>,
    minutes: &BTreeMap<(i64, i64), MinuteSum>,
    held: &mut BTreeMap<(i64, i64), Told>,
) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("booking CPU time");
    let Some(((newest, _), _)) = minutes.last_key_value() else {
        return Ok(());
    };
    let mut upsert = transaction
        .prepare(
            "INSERT INTO minutes (minute, account, cpu_us, energy_uj, provenance, memory_bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET cpu_us = cpu_us + excluded.cpu_us,
                energy_uj = energy_uj + excluded.energy_uj,
                provenance = max(provenance, excluded.provenance),
                memory_bytes = coalesce(memory_bytes + excluded.memory_bytes,
                                        memory_bytes, excluded.memory_bytes)
             RETURNING memory_bytes",
        )
        .map_err(&fault)?;
    for (key @ (minute, account), used) in minutes {
        let mut told = held.get_mut(key);
        let bytes = told.as_ref().map(|told| whole("memory", told.in_page));
        let values = params![
            minute,
            account,
            whole("CPU time", used.cpu_us)?,
            whole("energy", used.energy.microjoules())?,
            used.provenance,
            bytes.transpose()?
        ];
        let sum: Option<i64> = upsert.query_row(values, |row| row.get(0)).map_err(&fault)?;
        if let (Some(told), Some(sum)) = (&mut told, sum) {
            told.with_earlier = Some(unsigned("minutes", sum)?);
        }
    }
    drop(upsert);
    let kept_from = newest - MINUTES_KEPT_S;
    past_cpu::fold(transaction, kept_from - kept_from.rem_euclid(FOLDED_S))
}

/// Keeps the names that agents give for pods that the cluster's watch has not
/// named; what the cluster says is never overwritten.
fn add_names(
    transaction: &Transaction<'_>,
    node: &str,
    records: &[&Record],
    overflowed: &BTreeSet<String>,
    now: Timestamp,
) -> Result<(), LedgerFault> {
    let mut named: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for record in records {
        if let Account::Container { pod_uid, .. } = &record.account
            && let Names {
                namespace: Some(namespace),
                pod: Some(pod),
                ..
            } = &record.names
            && !overflowed.contains(pod_uid)
        {
            named.insert(pod_uid, (namespace, pod));
        }
    }
    let fault = LedgerFault::of("keeping pod names");
    let mut insert = transaction
        .prepare(
            "INSERT INTO pods (uid, namespace, name, node, workload_kind, workload_name, labels,
                               container, confirmed, seen_at)
             VALUES (?1, ?2, ?3, ?4, 'Pod', ?3, '{}', '', 0, ?5)
             ON CONFLICT DO NOTHING",
        )
        .map_err(&fault)?;
    for (uid, (namespace, pod)) in named {
        insert
            .execute(params![uid, namespace, pod, node, now.as_second()])
            .map_err(&fault)?;
    }
    Ok(())
}

fn write_booking(
    transaction: &Transaction<'_>,
    page: &Page,
    new: &[&Record],
    energy_uj: u128,
    booked_to: u64,
    now: Timestamp,
) -> Result<i64, LedgerFault> {
    let first = new.first().map_or(booked_to, |r| r.sequence);
    let last = new.last().map_or(page.next_sequence, |r| r.sequence);
    let values = params![
        page.node,
        page.journal.to_string(),
        whole("sequence", first)?,
        whole("sequence", last)?,
        i64::try_from(new.len()).unwrap_or(i64::MAX),
        whole("energy", energy_uj)?,
        page.closed_until,
        now.as_second(),
    ];
    transaction
        .execute(
            "INSERT INTO bookings (node, journal, first_sequence, last_sequence, records,
                                   energy_uj, closed_until, booked_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            values,
        )
        .map_err(LedgerFault::of("booking energy"))?;
    Ok(transaction.last_insert_rowid())
}

fn move_cursor(
    transaction: &Transaction<'_>,
    page: &Page,
    booked_to: u64,
    revision: i64,
) -> Result<(), LedgerFault> {
    let last = page.records.last().map_or(0, |r| r.sequence);
    let sequence = whole("sequence", page.next_sequence.max(last).max(booked_to))?;
    transaction
        .execute(
            "INSERT INTO cursors (node, journal, sequence, closed_until, revision)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET sequence = excluded.sequence,
                closed_until = max(closed_until, excluded.closed_until),
                revision = excluded.revision",
            params![
                page.node,
                page.journal.to_string(),
                sequence,
                page.closed_until,
                revision
            ],
        )
        .map_err(LedgerFault::of("moving a cursor"))?;
    Ok(())
}

/// A page without news may still close a minute; written only if it does.
fn touch(transaction: &Transaction<'_>, page: &Page) -> Result<(), LedgerFault> {
    transaction
        .execute(
            "UPDATE cursors SET closed_until = ?3
             WHERE node = ?1 AND journal = ?2 AND closed_until < ?3",
            params![page.node, page.journal.to_string(), page.closed_until],
        )
        .map_err(LedgerFault::of("moving a cursor"))?;
    Ok(())
}
