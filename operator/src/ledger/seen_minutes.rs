//! In which minutes of each hour a node was seen, whoever used energy in them:
//! an hour of which five minutes were told is no whole hour.
//!
//! A bit for each minute, so that pages and journals that tell the same minute
//! twice count it once. Hours that are not here, as the days that an earlier
//! version rolled up, count as seen whole.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rusqlite::{Transaction, params};
use tanso_agent_wire::energy::Record;
use tanso_carbon::calendar::{Period, UtcHour};

use super::LedgerFault;
use super::query::{hour_number, hour_of, read};

/// All sixty minutes; in the index of the schema too.
const WHOLE: i64 = (1 << 60) - 1;

const SECONDS_PER_HOUR: i64 = 3_600;

/// Minutes that were seen of hours that were not seen whole, by node.
pub type PartHours = BTreeMap<Arc<str>, BTreeMap<UtcHour, u64>>;

/// Notes the minutes of a node's records.
pub(super) fn add(
    transaction: &Transaction<'_>,
    node: i64,
    records: &[&Record],
) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("booking energy");
    let mut seen: BTreeMap<i64, i64> = BTreeMap::new();
    for record in records {
        // Within 0 to 59.
        let minute = record.minute.rem_euclid(SECONDS_PER_HOUR) / 60;
        let hour = record.minute.div_euclid(SECONDS_PER_HOUR);
        *seen.entry(hour).or_default() |= 1_i64 << minute;
    }
    let mut upsert = transaction
        .prepare_cached(
            "INSERT INTO seen_minutes (hour, node, minutes) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET minutes = minutes | excluded.minutes",
        )
        .map_err(&fault)?;
    for (hour, minutes) in seen {
        upsert
            .execute(params![hour, node, minutes])
            .map_err(&fault)?;
    }
    Ok(())
}

/// The hours of a period that were not seen whole: by an index that has no others.
pub(super) fn part_hours(
    transaction: &Transaction<'_>,
    nodes: &HashMap<i64, Arc<str>>,
    period: Period,
) -> Result<PartHours, LedgerFault> {
    let fault = LedgerFault::of("reading the minutes that were seen");
    let sql = format!(
        "SELECT hour, node, minutes FROM seen_minutes
         WHERE minutes <> {WHOLE} AND hour >= ?1 AND hour < ?2"
    );
    let mut query = transaction.prepare_cached(&sql).map_err(&fault)?;
    let bounds = [hour_number(period.from), hour_number(period.until)];
    let mut rows = query.query(bounds).map_err(&fault)?;
    let mut found = PartHours::new();
    while let Some(row) = rows.next().map_err(&fault)? {
        let hour: i64 = read(row, 0).map_err(&fault)?;
        let node: i64 = read(row, 1).map_err(&fault)?;
        let minutes: i64 = read(row, 2).map_err(&fault)?;
        if let Some(name) = nodes.get(&node) {
            let hours = found.entry(Arc::clone(name)).or_default();
            hours.insert(hour_of(hour), u64::from(minutes.count_ones()));
        }
    }
    Ok(found)
}

/// Forgets hours before one, which are no hours any more.
pub(super) fn forget_before(
    transaction: &Transaction<'_>,
    hour: i64,
) -> Result<(), rusqlite::Error> {
    transaction
        .execute("DELETE FROM seen_minutes WHERE hour < ?1", [hour])
        .map(drop)
}
