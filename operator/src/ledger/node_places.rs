//! Where nodes were, and how large, over time.
//!
//! Names of nodes come again: clouds and autoscalers use them for machines of
//! other regions. So a place has an hour from which on it holds, and the energy
//! of an hour is that of the place of then.
//!
//! - The first place that is known of a name holds from the beginning: energy
//!   is booked before anybody looks at nodes.
//! - A node whose object is a new one is elsewhere from the hour on in which
//!   that object was made; one whose labels were changed, from the hour in
//!   which that was seen.
//! - An hour has one place, the later: that of the machine which goes on, and
//!   which the hour's other energy is booked for.
//! - What nobody says of a node changes nothing: one that goes loses its labels
//!   first. Of a new object it says nothing either, and that is not where the
//!   one before it was.
//! - A label that names no region of the table is a place whose region is not
//!   known, and no missing label.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
pub use tanso_carbon::stays::{PlaceNumbers, Stay, Stays};

use super::LedgerFault;
use super::query::{hour_number, hour_of};

/// The hour from which on a place holds that was always so.
const BEGINNING: i64 = 0;

/// What is seen of a node.
pub(super) struct Sight<'a> {
    pub(super) node: &'a str,
    pub(super) region: Option<&'a (String, String)>,
    pub(super) millicores: Option<u32>,
    /// The hour in which it is seen.
    pub(super) hour: i64,
    /// The hour in which its object was made, if that is another than the one
    /// that was seen last.
    pub(super) made_anew: Option<i64>,
}

/// Notes what is seen: a row only where it is something else than before, or of
/// another object whose place is not known.
pub(super) fn note(transaction: &Transaction<'_>, sight: &Sight<'_>) -> rusqlite::Result<()> {
    let Some(last) = last_of(transaction, sight.node)? else {
        let first = Stay {
            since: hour_of(BEGINNING),
            region: sight.region.cloned(),
            millicores: sight.millicores,
        };
        return insert(transaction, sight.node, &first);
    };
    let is_anew = sight.made_anew.is_some();
    // A new object of which nobody says where it is may be elsewhere than the
    // one before it.
    let before = last.region.as_ref().filter(|_| !is_anew);
    let now = Stay {
        since: hour_of(since(sight, &last)),
        region: sight.region.or(before).cloned(),
        millicores: sight.millicores.or(last.millicores),
    };
    let is_another = is_anew && now.region.is_none();
    if !is_another && now.is_like(&last) {
        return Ok(());
    }
    transaction.execute(
        "DELETE FROM node_places WHERE node = ?1 AND since >= ?2",
        params![sight.node, hour_number(now.since)],
    )?;
    // Elsewhere and back within an hour is no change.
    let before = last_of(transaction, sight.node)?;
    if !is_another && before.is_some_and(|before| now.is_like(&before)) {
        return Ok(());
    }
    insert(transaction, sight.node, &now)
}

/// From when on what is seen now holds. What was not known of the same object
/// was so all the time that it was there; what changed is from now on, and a
/// new object's from when it was made. Hours never go back behind the last.
fn since(sight: &Sight<'_>, last: &Stay) -> i64 {
    let was = hour_number(last.since);
    if let Some(made) = sight.made_anew {
        return made.min(sight.hour).max(was);
    }
    let regions = last.region.as_ref().zip(sight.region);
    let moved = regions.is_some_and(|(was, now)| was != now);
    let sizes = last.millicores.zip(sight.millicores);
    let resized = sizes.is_some_and(|(was, now)| was != now);
    if moved || resized {
        sight.hour.max(was)
    } else {
        was
    }
}

fn insert(transaction: &Transaction<'_>, node: &str, stay: &Stay) -> rusqlite::Result<()> {
    let region = stay.region.as_ref();
    transaction.execute(
        "INSERT INTO node_places (node, since, provider, region, millicores)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            node,
            hour_number(stay.since),
            region.map(|(provider, _)| provider),
            region.map(|(_, region)| region),
            stay.millicores,
        ],
    )?;
    Ok(())
}

const COLUMNS: &str = "since, provider, region, millicores, node";

fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Stay> {
    let (provider, region): (Option<String>, Option<String>) = (row.get(1)?, row.get(2)?);
    Ok(Stay {
        since: hour_of(row.get(0)?),
        region: provider.zip(region),
        millicores: row.get(3)?,
    })
}

fn last_of(transaction: &Transaction<'_>, node: &str) -> rusqlite::Result<Option<Stay>> {
    let sql =
        format!("SELECT {COLUMNS} FROM node_places WHERE node = ?1 ORDER BY since DESC LIMIT 1");
    transaction.query_row(&sql, [node], from_row).optional()
}

/// Forgets what held only before an hour, and nodes that are no longer known.
/// The place that holds at that hour stays.
pub(super) fn forget_before(transaction: &Transaction<'_>, hour: i64) -> rusqlite::Result<()> {
    transaction.execute(
        "DELETE FROM node_places WHERE since <
            (SELECT max(later.since) FROM node_places AS later
             WHERE later.node = node_places.node AND later.since <= ?1)",
        [hour],
    )?;
    transaction.execute(
        "DELETE FROM node_places WHERE node NOT IN (SELECT node FROM known_nodes)",
        [],
    )?;
    Ok(())
}

/// All stays of each node that is known, in their order.
///
/// # Errors
/// If the database refuses or holds what no version writes.
pub fn all(connection: &Connection) -> Result<Stays, LedgerFault> {
    let fault = LedgerFault::of("reading where nodes were");
    let sql = format!("SELECT {COLUMNS} FROM node_places ORDER BY node, since");
    let mut query = connection.prepare(&sql).map_err(&fault)?;
    let mut rows = query.query([]).map_err(&fault)?;
    let mut found = Stays::new();
    while let Some(row) = rows.next().map_err(&fault)? {
        let stay = from_row(row).map_err(&fault)?;
        let node: String = row.get(4).map_err(&fault)?;
        found.entry(node).or_default().push(stay);
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
