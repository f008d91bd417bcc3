//! Keeping the ledger small: old hours become days, old days months, old
//! bookings one line a journal. No joule changes. A day keeps what each of its
//! hours used, in one packed field, so that it is priced as before; resolution
//! in time is given up in months only, which no rule asks for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::LedgerFault;
use super::day::{Day, HOURS as HOURS_PER_DAY, Slot};
use super::{memory, node_days, seen_minutes};

/// How long what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Days after which hourly rows become daily ones, which still know their hours.
    pub hourly_days: u32,
    /// Days after which daily rows become monthly ones, by whole UTC months.
    pub daily_days: u32,
}

impl Default for Retention {
    /// Hours longer than the longest window of a policy (31 days), days longer
    /// than a year and its report: no rule has a longer period.
    fn default() -> Self {
        Self {
            hourly_days: 62,
            daily_days: 430,
        }
    }
}

/// What was rolled up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RolledUp {
    /// Hourly rows that became part of a daily one.
    pub hours: usize,
    /// Daily rows that became part of a monthly one.
    pub days: usize,
    /// Bookings that became part of a later one of their journal.
    pub bookings: usize,
    /// Names of pods that no row mentions any more.
    pub pods: usize,
}

/// Rolls up whole UTC days and months that are older than the retention.
///
/// # Errors
/// If the database refuses; then nothing was changed.
pub fn roll_up(
    connection: &mut Connection,
    retention: Retention,
    now: Timestamp,
) -> Result<RolledUp, LedgerFault> {
    let fault = LedgerFault::of("rolling up old rows");
    let day = now.as_second().div_euclid(86_400) - i64::from(retention.hourly_days);
    let transaction = connection.transaction().map_err(&fault)?;
    let hours = roll_hours(&transaction, day * HOURS_PER_DAY)?;
    let month = first_of_month(now, retention.daily_days.max(retention.hourly_days));
    let days = match month {
        Some(month) => {
            seen_minutes::forget_before(&transaction, month).map_err(&fault)?;
            roll_days(&transaction, month)?
        }
        None => 0,
    };
    memory::roll_up(&transaction, day * HOURS_PER_DAY, month)?;
    let bookings = merge_bookings(&transaction, day * 86_400)?;
    let pods = transaction
        .execute(
            "DELETE FROM pods WHERE seen_at < ?1 AND NOT EXISTS (
                SELECT 1 FROM accounts WHERE accounts.kind = 'pod' AND accounts.pod_uid = pods.uid)",
            [day * 86_400],
        )
        .map_err(&fault)?;
    transaction.commit().map_err(&fault)?;
    Ok(RolledUp {
        hours,
        days,
        bookings,
        pods,
    })
}

/// The first hour of the UTC month that was `days` ago; `None` at the end of
/// the calendar.
fn first_of_month(now: Timestamp, days: u32) -> Option<i64> {
    let then = now.as_second() - i64::from(days) * 86_400;
    let date = TimeZone::UTC
        .to_datetime(Timestamp::from_second(then).ok()?)
        .date();
    let first = date.first_of_month().to_zoned(TimeZone::UTC).ok()?;
    Some(first.timestamp().as_second() / 3_600)
}

/// Which row of a day an hour belongs to: node, account, provenance, model,
/// caught up.
type RowKey = (i64, i64, i64, i64, i64);

/// Packs the hours before an hour into their days, and removes them.
fn roll_hours(transaction: &Transaction<'_>, before_hour: i64) -> Result<usize, LedgerFault> {
    let fault = LedgerFault::of("rolling up old rows");
    let days: Vec<i64> = transaction
        .prepare("SELECT DISTINCT hour / 24 FROM hours WHERE hour < ?1 ORDER BY 1")
        .and_then(|mut query| query.query_map([before_hour], |row| row.get(0))?.collect())
        .map_err(&fault)?;
    for day in days {
        let first = day * HOURS_PER_DAY;
        let gathered = hours_of(transaction, first)?;
        add_to_day(transaction, first, gathered)?;
    }
    transaction
        .execute("DELETE FROM hours WHERE hour < ?1", [before_hour])
        .map_err(&fault)
}

/// The hourly rows of the day that begins with an hour.
fn hours_of(
    transaction: &Transaction<'_>,
    first: i64,
) -> Result<BTreeMap<RowKey, Day>, LedgerFault> {
    let fault = LedgerFault::of("rolling up old rows");
    let mut query = transaction
        .prepare(
            "SELECT hour, node, account, provenance, model, caught_up,
                    low_uj, energy_uj, high_uj, cpu_us, minutes
             FROM hours WHERE hour >= ?1 AND hour < ?2",
        )
        .map_err(&fault)?;
    let mut rows = query
        .query([first, first + HOURS_PER_DAY])
        .map_err(&fault)?;
    let mut gathered: BTreeMap<RowKey, Day> = BTreeMap::new();
    while let Some(row) = rows.next().map_err(&fault)? {
        let at = |column| row.get::<_, i64>(column);
        let read = || -> rusqlite::Result<(i64, RowKey, Slot)> {
            let slot = Slot {
                low_uj: at(6)?,
                energy_uj: at(7)?,
                high_uj: at(8)?,
                cpu_us: at(9)?,
                minutes: at(10)?,
            };
            Ok((at(0)?, (at(1)?, at(2)?, at(3)?, at(4)?, at(5)?), slot))
        };
        let (hour, key, slot) = read().map_err(&fault)?;
        gathered.entry(key).or_default().add(hour - first, slot);
    }
    Ok(gathered)
}

/// Writes the rows of a day, with what came late added to what is there.
fn add_to_day(
    transaction: &Transaction<'_>,
    first: i64,
    gathered: BTreeMap<RowKey, Day>,
) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("rolling up old rows");
    let mut known = transaction
        .prepare(
            "SELECT low_uj, energy_uj, high_uj, cpu_us, minutes, by_hour FROM days
             WHERE hour = ?1 AND node = ?2 AND account = ?3 AND provenance = ?4 AND model = ?5
               AND caught_up = ?6",
        )
        .map_err(&fault)?;
    let mut write = transaction
        .prepare(
            "INSERT OR REPLACE INTO days (hour, node, account, provenance, model, caught_up,
                low_uj, energy_uj, high_uj, cpu_us, minutes, by_hour)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )
        .map_err(&fault)?;
    for ((node, account, provenance, model, caught_up), mut day) in gathered {
        let key = params![first, node, account, provenance, model, caught_up];
        let there = known
            .query_row(key, |row| Ok((sums(row, 0)?, row.get(5)?)))
            .optional()
            .map_err(&fault)?;
        if let Some((sum, packed)) = there {
            day.merge(&day_of(sum, packed)?);
        }
        let sum = day.sum();
        write
            .execute(params![
                first,
                node,
                account,
                provenance,
                model,
                caught_up,
                sum.low_uj,
                sum.energy_uj,
                sum.high_uj,
                sum.cpu_us,
                sum.minutes,
                day.pack(),
            ])
            .map_err(&fault)?;
    }
    Ok(())
}

/// The five sums of a row, from a column on.
pub(super) fn sums(row: &rusqlite::Row<'_>, from: usize) -> rusqlite::Result<Slot> {
    Ok(Slot {
        low_uj: row.get(from)?,
        energy_uj: row.get(from + 1)?,
        high_uj: row.get(from + 2)?,
        cpu_us: row.get(from + 3)?,
        minutes: row.get(from + 4)?,
    })
}

/// The hours of a daily row; of one without them its sums are spread.
pub(super) fn day_of(sum: Slot, packed: Option<Vec<u8>>) -> Result<Day, LedgerFault> {
    match packed {
        None => Ok(Day::spread(sum)),
        Some(bytes) => Day::unpack(&bytes).ok_or_else(|| LedgerFault::Foreign {
            table: "days",
            found: format!("{} bytes that are no hours", bytes.len()),
        }),
    }
}

/// Adds days before a month to the months that they are in, and removes them.
fn roll_days(transaction: &Transaction<'_>, before_hour: i64) -> Result<usize, LedgerFault> {
    let fault = LedgerFault::of("rolling up old rows");
    let figures = ["low_uj", "energy_uj", "high_uj", "cpu_us"];
    let sums = figures.map(sum_of).join(", ");
    let added = figures.map(added).join(", ");
    transaction
        .execute(
            &format!(
                "INSERT INTO months
                 SELECT unixepoch(hour * 3600, 'unixepoch', 'start of month') / 3600,
                        node, account, provenance, model, caught_up, {sums}, sum(minutes)
                 FROM days WHERE hour < ?1 GROUP BY 1, 2, 3, 4, 5, 6
                 ON CONFLICT DO UPDATE SET {added}, minutes = minutes + excluded.minutes"
            ),
            [before_hour],
        )
        .map_err(&fault)?;
    node_days::forget(transaction, before_hour)?;
    transaction
        .execute("DELETE FROM days WHERE hour < ?1", [before_hour])
        .map_err(&fault)
}

/// A column's sum that ends at the highest figure instead of failing, as that of a
/// day does: SQL's own fails the whole query, and with it every later roll-up. What
/// is plausible never comes near it.
fn sum_of(column: &str) -> String {
    let (high, low) = (
        format!("sum({column} >> 32)"),
        format!("sum({column} & 4294967295)"),
    );
    format!(
        "CASE WHEN {high} + ({low} >> 32) > 2147483647 THEN {most}
         ELSE (({high} + ({low} >> 32)) << 32) | ({low} & 4294967295) END",
        most = i64::MAX
    )
}

/// What adds a row's column to that of the row that is there, likewise.
fn added(column: &str) -> String {
    format!(
        "{column} = CASE WHEN {column} > {most} - excluded.{column} THEN {most}
                    ELSE {column} + excluded.{column} END",
        most = i64::MAX
    )
}

/// Old bookings of a journal become one: its last, with their sum. Totals at
/// that booking and later stay what they were.
fn merge_bookings(transaction: &Transaction<'_>, before: i64) -> Result<usize, LedgerFault> {
    let fault = LedgerFault::of("merging old bookings");
    // The sum is made of two halves: SQL's own would fail, and with it every roll-up.
    let merged: Vec<(i64, i64, i64, i64, i64)> = transaction
        .prepare(
            "SELECT max(revision), min(first_sequence), sum(records),
                    sum(energy_uj >> 32), sum(energy_uj & 4294967295)
             FROM bookings WHERE booked_at < ?1 GROUP BY node, journal HAVING count(*) > 1",
        )
        .and_then(|mut query| {
            query
                .query_map([before], |row| {
                    Ok((
                        row.get(0)?,
                        row.get(1)?,
                        row.get(2)?,
                        row.get(3)?,
                        row.get(4)?,
                    ))
                })?
                .collect()
        })
        .map_err(&fault)?;
    let mut gone = 0;
    for (revision, first, records, high, low) in merged {
        // What one line cannot hold stays in several.
        let Ok(energy) = i64::try_from((i128::from(high) << 32) + i128::from(low)) else {
            continue;
        };
        gone += transaction
            .execute(
                "DELETE FROM bookings AS old WHERE booked_at < ?1 AND revision < ?2
                 AND EXISTS (SELECT 1 FROM bookings AS kept WHERE kept.revision = ?2
                             AND kept.node = old.node AND kept.journal = old.journal)",
                params![before, revision],
            )
            .map_err(&fault)?;
        transaction
            .execute(
                "UPDATE bookings SET first_sequence = ?2, records = ?3, energy_uj = ?4
                 WHERE revision = ?1",
                params![revision, first, records, energy],
            )
            .map_err(&fault)?;
    }
    Ok(gone)
}
