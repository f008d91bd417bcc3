//! Checking the ledger against itself.

use rusqlite::{Connection, Transaction};
use serde::Serialize;

use super::day::Day;
use super::query::last_revision;
use super::roll_up::sums;
use super::total::rows_sum;
use super::{LedgerFault, unsigned};

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// Whether all is as it must be.
    pub sound: bool,
    /// The last booking.
    pub revision: i64,
    /// Sum of all bookings, microjoules.
    pub bookings_microjoules: u128,
    /// Sum of all rows, microjoules; must be the same.
    pub rows_microjoules: u128,
    /// Daily rows whose hours do not add up to them.
    pub torn_days: u64,
    /// What the database's own check says: `ok`, or its first complaints.
    pub integrity: Vec<String>,
}

/// Adds up rows and bookings apart from each other and runs the database's
/// integrity check. Reads the whole file.
///
/// # Errors
/// If the file cannot be read; damage that can be read around is in the result.
pub fn verify(connection: &mut Connection) -> Result<Verification, LedgerFault> {
    let fault = LedgerFault::of("checking the ledger");
    let transaction = connection.transaction().map_err(&fault)?;
    let integrity: Vec<String> = transaction
        .prepare("PRAGMA integrity_check(10)")
        .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
        .map_err(&fault)?;
    let mut bookings_microjoules: u128 = 0;
    let mut query = transaction
        .prepare("SELECT energy_uj FROM bookings")
        .map_err(&fault)?;
    let mut rows = query.query([]).map_err(&fault)?;
    while let Some(row) = rows.next().map_err(&fault)? {
        bookings_microjoules += u128::from(unsigned("bookings", row.get(0).map_err(&fault)?)?);
    }
    drop(rows);
    drop(query);
    let rows_microjoules = rows_sum(&transaction)?;
    let torn_days = torn_days(&transaction)?;
    let intact = integrity.len() == 1 && integrity.first().is_some_and(|line| line == "ok");
    Ok(Verification {
        sound: intact && torn_days == 0 && rows_microjoules == bookings_microjoules,
        revision: last_revision(&transaction)?,
        bookings_microjoules,
        rows_microjoules,
        torn_days,
        integrity,
    })
}

/// Counts daily rows whose packed hours say something else than their sums.
fn torn_days(transaction: &Transaction<'_>) -> Result<u64, LedgerFault> {
    let fault = LedgerFault::of("checking the ledger");
    let version: i64 = transaction
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(&fault)?;
    // A backup of an earlier version has days without hours.
    if version < 3 {
        return Ok(0);
    }
    let mut query = transaction
        .prepare(
            "SELECT low_uj, energy_uj, high_uj, cpu_us, minutes, by_hour FROM days
             WHERE by_hour IS NOT NULL",
        )
        .map_err(&fault)?;
    let mut rows = query.query([]).map_err(&fault)?;
    let mut torn = 0;
    while let Some(row) = rows.next().map_err(&fault)? {
        let sum = sums(row, 0).map_err(&fault)?;
        let packed: Vec<u8> = row.get(5).map_err(&fault)?;
        let agrees = Day::unpack(&packed).is_some_and(|day| day.sum() == sum);
        torn += u64::from(!agrees);
    }
    Ok(torn)
}
