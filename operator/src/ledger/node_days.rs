//! In which hours each node has any row, by the day: how much of a period was seen
//! is asked at each evaluation, and the rows themselves are as many as there are
//! pods. Of months nothing is known here: they have no hours.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::LedgerFault;
use super::day::{HOURS, bit};
use super::query::read;

/// Notes that a node has rows in these hours.
pub(super) fn note(
    transaction: &Transaction<'_>,
    node: i64,
    hours: impl IntoIterator<Item = i64>,
) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("noting the hours that have data");
    let mut days: BTreeMap<i64, u32> = BTreeMap::new();
    for hour in hours {
        *days.entry(hour.div_euclid(HOURS) * HOURS).or_default() |= bit(hour.rem_euclid(HOURS));
    }
    let mut statement = transaction
        .prepare_cached(
            "INSERT INTO node_days (node, day, hours) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET hours = hours | excluded.hours
             WHERE hours | excluded.hours <> hours",
        )
        .map_err(&fault)?;
    for (day, hours) in days {
        statement
            .execute(params![node, day, hours])
            .map_err(&fault)?;
    }
    Ok(())
}

/// Tells the hours within a time in which a node has rows.
pub(super) fn within(
    transaction: &Transaction<'_>,
    node: i64,
    (from, until): (i64, i64),
    tell: &mut impl FnMut(i64),
) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("reading the hours that have data");
    let mut query = transaction
        .prepare_cached(
            "SELECT day, hours FROM node_days WHERE node = ?1 AND day > ?2 AND day < ?3",
        )
        .map_err(&fault)?;
    let mut rows = query.query([node, from - HOURS, until]).map_err(&fault)?;
    while let Some(row) = rows.next().map_err(&fault)? {
        let (day, hours): (i64, u32) =
            (read(row, 0).map_err(&fault)?, read(row, 1).map_err(&fault)?);
        let of_day = (0..HOURS).filter(|hour| hours & bit(*hour) != 0);
        let there = of_day.map(|hour| day + hour);
        there
            .filter(|hour| (from..until).contains(hour))
            .for_each(&mut *tell);
    }
    Ok(())
}

/// The first hour in which a node has rows.
pub(super) fn first(transaction: &Transaction<'_>, node: i64) -> Result<Option<i64>, LedgerFault> {
    let fault = LedgerFault::of("reading the hours that have data");
    let found: Option<(i64, u32)> = transaction
        .prepare_cached("SELECT day, hours FROM node_days WHERE node = ?1 ORDER BY day LIMIT 1")
        .and_then(|mut query| {
            let first = query.query_row([node], |row| Ok((read(row, 0)?, read(row, 1)?)));
            first.optional()
        })
        .map_err(fault)?;
    Ok(found.map(|(day, hours)| day + i64::from(hours.trailing_zeros())))
}

/// Forgets the days before one, which became months.
pub(super) fn forget(transaction: &Transaction<'_>, before: i64) -> Result<(), LedgerFault> {
    transaction
        .execute("DELETE FROM node_days WHERE day < ?1", [before])
        .map(drop)
        .map_err(LedgerFault::of("rolling up old rows"))
}
