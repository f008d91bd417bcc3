//! Keeping the ledger small: old hours become days, old days months, old
//! bookings one line a journal. No joule changes; only resolution in time is
//! given up.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::{Connection, Transaction, params};

use super::LedgerFault;

const HOURS_PER_DAY: i64 = 24;

/// How long what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Days after which hourly rows become daily ones.
    pub hourly_days: u32,
    /// Days after which daily rows become monthly ones, by whole UTC months.
    pub daily_days: u32,
}

impl Default for Retention {
    /// Hours longer than the longest window of a policy (31 days), days longer
    /// than a year and its report.
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
    let hours = roll(
        &transaction,
        ("hours", "days"),
        "hour / 24 * 24",
        day * HOURS_PER_DAY,
    )?;
    let days = match first_of_month(now, retention.daily_days.max(retention.hourly_days)) {
        Some(month) => roll(
            &transaction,
            ("days", "months"),
            "unixepoch(hour * 3600, 'unixepoch', 'start of month') / 3600",
            month,
        )?,
        None => 0,
    };
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

/// Adds rows before an hour to those of the coarser table, each to the one
/// that `begin` names, and removes them. Tables and `begin` are our own words.
fn roll(
    transaction: &Transaction<'_>,
    (fine, coarse): (&str, &str),
    begin: &str,
    before_hour: i64,
) -> Result<usize, LedgerFault> {
    let fault = LedgerFault::of("rolling up old rows");
    let add = format!(
        "INSERT INTO {coarse}
         SELECT {begin}, node, account, provenance, model, caught_up,
                sum(low_uj), sum(energy_uj), sum(high_uj), sum(cpu_us), sum(minutes)
         FROM {fine} WHERE hour < ?1 GROUP BY 1, 2, 3, 4, 5, 6
         ON CONFLICT DO UPDATE SET
            low_uj = low_uj + excluded.low_uj,
            energy_uj = energy_uj + excluded.energy_uj,
            high_uj = high_uj + excluded.high_uj,
            cpu_us = cpu_us + excluded.cpu_us,
            minutes = minutes + excluded.minutes"
    );
    transaction.execute(&add, [before_hour]).map_err(&fault)?;
    let remove = format!("DELETE FROM {fine} WHERE hour < ?1");
    transaction.execute(&remove, [before_hour]).map_err(&fault)
}

/// Old bookings of a journal become one: its last, with their sum. Totals at
/// that booking and later stay what they were.
fn merge_bookings(transaction: &Transaction<'_>, before: i64) -> Result<usize, LedgerFault> {
    let fault = LedgerFault::of("merging old bookings");
    let merged: Vec<(i64, i64, i64, i64)> = transaction
        .prepare(
            "SELECT max(revision), min(first_sequence), sum(records), sum(energy_uj)
             FROM bookings WHERE booked_at < ?1 GROUP BY node, journal HAVING count(*) > 1",
        )
        .and_then(|mut query| {
            query
                .query_map([before], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })?
                .collect()
        })
        .map_err(&fault)?;
    let mut gone = 0;
    for (revision, first, records, energy) in merged {
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
