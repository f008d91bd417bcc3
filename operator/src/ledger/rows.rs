//! Every hour of a period as it was booked, from whichever table keeps it
//! now. Names nothing and adds up nothing.

use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use tanso_carbon::calendar::Period;

use super::day::{self, Day, HOURS, Slot};
use super::query::{hour_number, read};
use super::roll_up::{day_of, sums};
use super::{LedgerFault, node_days};

/// What is booked of one hour, by the numbers of the tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawHour {
    pub(super) hour: i64,
    pub(super) node: i64,
    pub(super) account: i64,
    pub(super) provenance: i64,
    pub(super) caught_up: bool,
    pub(super) slot: Slot,
}

/// Where the rows of an account are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) node: i64,
    pub(super) account: i64,
}

/// Who is shown the hours of a period.
pub(super) trait Visitor {
    /// Whether the rows of an account are to be shown.
    fn wants(&self, account: i64) -> bool;

    /// Whether rows of a wanted account that are all before an hour are of any use.
    fn needs(&self, account: i64, until: i64) -> bool {
        let _ = (account, until);
        true
    }

    /// Is told each hour and node that has any row, also those of accounts
    /// that are not wanted; the same may be told again.
    fn seen(&mut self, hour: i64, node: i64);

    /// Is shown one hour of a wanted account.
    fn row(&mut self, row: RawHour) -> Result<(), LedgerFault>;
}

/// Shows all that is booked of a period. Months have no hours: they are shown
/// as one row at their begin.
pub(super) fn visit(
    transaction: &Transaction<'_>,
    period: Period,
    visitor: &mut impl Visitor,
) -> Result<(), LedgerFault> {
    let (from, until) = (hour_number(period.from), hour_number(period.until));
    // The oldest first, so that hours come in their order.
    plain(transaction, "months", (from, until), visitor)?;
    packed(transaction, (from, until), visitor)?;
    plain(transaction, "hours", (from, until), visitor)
}

/// Shows what is booked of these accounts alone, each on its node: hours by
/// their key, without a look at others'.
pub(super) fn visit_only(
    transaction: &Transaction<'_>,
    period: Period,
    places: &[Place],
    visitor: &mut impl Visitor,
) -> Result<(), LedgerFault> {
    let (from, until) = (hour_number(period.from), hour_number(period.until));
    plain(transaction, "months", (from, until), visitor)?;
    packed_only(transaction, (from, until), places, visitor)?;
    let fault = LedgerFault::of("reading the ledger");
    // A year has hours in days: only what there is is sought.
    let Some((first, last)) = kept(transaction, "hours")? else {
        return Ok(());
    };
    let mut query = transaction
        .prepare_cached(
            "SELECT hour, node, account, provenance, caught_up,
                    low_uj, energy_uj, high_uj, cpu_us, minutes
             FROM hours WHERE hour = ?1 AND node = ?2 AND account = ?3",
        )
        .map_err(&fault)?;
    for hour in from.max(first)..until.min(last.saturating_add(1)) {
        for place in places {
            if !visitor.needs(place.account, hour + 1) {
                continue;
            }
            let key = [hour, place.node, place.account];
            let mut rows = query.query(key).map_err(&fault)?;
            while let Some(row) = rows.next().map_err(&fault)? {
                let found = head(row).map_err(&fault)?;
                visitor.seen(found.hour, found.node);
                let slot = sums(row, 5).map_err(&fault)?;
                visitor.row(RawHour { slot, ..found })?;
            }
        }
    }
    Ok(())
}

/// Tells each hour of a period in which these nodes have rows, without a look at
/// any of them.
pub(super) fn see_hours(
    transaction: &Transaction<'_>,
    period: Period,
    nodes: impl IntoIterator<Item = i64>,
    visitor: &mut impl Visitor,
) -> Result<(), LedgerFault> {
    let period = (hour_number(period.from), hour_number(period.until));
    for node in nodes {
        let mut seen = |hour| visitor.seen(hour, node);
        node_days::within(transaction, node, period, &mut seen)?;
    }
    Ok(())
}

/// The first and the last hour of a table that has rows. The table is our own word.
fn kept(
    transaction: &Transaction<'_>,
    table: &'static str,
) -> Result<Option<(i64, i64)>, LedgerFault> {
    // Each by itself: then either is read off the table's key.
    let ends = format!("SELECT (SELECT min(hour) FROM {table}), (SELECT max(hour) FROM {table})");
    let (first, last): (Option<i64>, Option<i64>) = transaction
        .prepare_cached(&ends)
        .and_then(|mut ends| ends.query_row([], |row| Ok((read(row, 0)?, read(row, 1)?))))
        .map_err(LedgerFault::of("reading the hours that have data"))?;
    Ok(first.zip(last))
}

/// Rows that are one hour each. The table is our own word.
fn plain(
    transaction: &Transaction<'_>,
    table: &'static str,
    (from, until): (i64, i64),
    visitor: &mut impl Visitor,
) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("reading the ledger");
    let sql = format!(
        "SELECT hour, node, account, provenance, caught_up,
                low_uj, energy_uj, high_uj, cpu_us, minutes
         FROM {table} WHERE hour >= ?1 AND hour < ?2"
    );
    let mut query = transaction.prepare_cached(&sql).map_err(&fault)?;
    let mut rows = query.query([from, until]).map_err(&fault)?;
    while let Some(row) = rows.next().map_err(&fault)? {
        let found = head(row).map_err(&fault)?;
        if table == "hours" {
            visitor.seen(found.hour, found.node);
        }
        if visitor.wants(found.account) {
            let slot = sums(row, 5).map_err(&fault)?;
            visitor.row(RawHour { slot, ..found })?;
        }
    }
    Ok(())
}

/// Rows of a day, hour by hour.
fn packed(
    transaction: &Transaction<'_>,
    (from, until): (i64, i64),
    visitor: &mut impl Visitor,
) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("reading the ledger");
    let mut query = transaction
        .prepare_cached(
            "SELECT hour, node, account, provenance, caught_up,
                    low_uj, energy_uj, high_uj, cpu_us, minutes, by_hour
             FROM days WHERE hour > ?1 AND hour < ?2",
        )
        .map_err(&fault)?;
    let mut rows = query.query(params![from - HOURS, until]).map_err(&fault)?;
    while let Some(row) = rows.next().map_err(&fault)? {
        let found = head(row).map_err(&fault)?;
        let bytes: Option<Vec<u8>> = read(row, 10).map_err(&fault)?;
        let within = |hour: i64| (from..until).contains(&(found.hour + hour));
        if let (Some(mask), false) = (
            bytes.as_deref().and_then(day::mask),
            visitor.wants(found.account),
        ) {
            for hour in (0..HOURS).filter(|hour| mask & day::bit(*hour) != 0 && within(*hour)) {
                visitor.seen(found.hour + hour, found.node);
            }
            continue;
        }
        show_day(
            found,
            &day_of(sums(row, 5).map_err(&fault)?, bytes)?,
            within,
            visitor,
        )?;
    }
    Ok(())
}

/// Rows of a day of these accounts alone, hour by hour: days by their key, without
/// a look at others'.
fn packed_only(
    transaction: &Transaction<'_>,
    (from, until): (i64, i64),
    places: &[Place],
    visitor: &mut impl Visitor,
) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("reading the ledger");
    let Some((first, last)) = kept(transaction, "days")? else {
        return Ok(());
    };
    let mut query = transaction
        .prepare_cached(
            "SELECT hour, node, account, provenance, caught_up,
                    low_uj, energy_uj, high_uj, cpu_us, minutes, by_hour
             FROM days WHERE hour = ?1 AND node = ?2 AND account = ?3",
        )
        .map_err(&fault)?;
    // A day that began before the period may reach into it.
    let from_day = from.div_euclid(HOURS) * HOURS;
    let mut day = from_day.max(first);
    while day < until.min(last.saturating_add(1)) {
        for place in places {
            if !visitor.needs(place.account, day + HOURS) {
                continue;
            }
            let mut rows = query
                .query([day, place.node, place.account])
                .map_err(&fault)?;
            while let Some(row) = rows.next().map_err(&fault)? {
                let found = head(row).map_err(&fault)?;
                let bytes: Option<Vec<u8>> = read(row, 10).map_err(&fault)?;
                let whole = day_of(sums(row, 5).map_err(&fault)?, bytes)?;
                let within = |hour: i64| (from..until).contains(&(day + hour));
                show_day(found, &whole, within, visitor)?;
            }
        }
        day += HOURS;
    }
    Ok(())
}

/// Shows the hours of a row's day that lie within a period.
fn show_day(
    row: RawHour,
    day: &Day,
    within: impl Fn(i64) -> bool,
    visitor: &mut impl Visitor,
) -> Result<(), LedgerFault> {
    for (hour, slot) in day.hours().filter(|(hour, _)| within(*hour)) {
        let hour = row.hour + hour;
        visitor.seen(hour, row.node);
        if visitor.wants(row.account) {
            visitor.row(RawHour { hour, slot, ..row })?;
        }
    }
    Ok(())
}

fn head(row: &Row<'_>) -> rusqlite::Result<RawHour> {
    Ok(RawHour {
        hour: read(row, 0)?,
        node: read(row, 1)?,
        account: read(row, 2)?,
        provenance: read(row, 3)?,
        caught_up: read(row, 4)?,
        slot: Slot::default(),
    })
}

/// The first hour of a node that is booked anywhere.
pub(super) fn first_hour(
    transaction: &Transaction<'_>,
    node: i64,
) -> Result<Option<i64>, LedgerFault> {
    // Months are few, and the oldest of all.
    let of_months = first_month(transaction, node)?;
    Ok(of_months
        .into_iter()
        .chain(node_days::first(transaction, node)?)
        .min())
}

/// The first month of a node: month by month, so that no other node's rows are
/// looked at.
fn first_month(transaction: &Transaction<'_>, node: i64) -> Result<Option<i64>, LedgerFault> {
    let fault = LedgerFault::of("reading the hours that have data");
    let next = "SELECT hour FROM months WHERE hour > ?1 ORDER BY hour LIMIT 1";
    let has = "SELECT hour FROM months WHERE hour = ?1 AND node = ?2 LIMIT 1";
    let mut next = transaction.prepare_cached(next).map_err(&fault)?;
    let mut has = transaction.prepare_cached(has).map_err(&fault)?;
    let mut at = i64::MIN;
    loop {
        let month = next.query_row([at], |row| read(row, 0)).optional();
        let Some(month) = month.map_err(&fault)? else {
            return Ok(None);
        };
        if has.exists([month, node]).map_err(&fault)? {
            return Ok(Some(month));
        }
        at = month;
    }
}
