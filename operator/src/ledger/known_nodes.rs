//! What is known of nodes, also of those that are gone.
//!
//! The cluster forgets a node when it is deleted; its energy stays, so where it
//! was and what it had to give stay here too. Here is what was said last;
//! `node_places` has where it was in each hour.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use tanso_carbon::calendar::UtcHour;

use super::LedgerFault;
use super::node_places::{self, Sight};
use super::query::hour_number;
use super::upkeep;

/// How long after it was last seen a node is known: as long as hours are.
const KEPT_S: i64 = 431 * 86_400;

/// Where a node is and what it has to give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownNode {
    /// Its cloud region with the provider, `("aws", "ap-northeast-2")`; `None` where no label names one that is known.
    pub region: Option<(String, String)>,
    /// Its CPU, thousandths of a core.
    pub millicores: Option<u32>,
    /// Its memory, bytes.
    pub memory_bytes: Option<u64>,
    /// When its object was made, as the cluster says; not kept, but a place
    /// of a new object begins then.
    pub made: Option<Timestamp>,
}

/// Writes what the cluster says of nodes now. What it no longer says of one is
/// kept, since a node that goes may lose its labels first.
///
/// # Errors
/// If the database refuses; then none was written.
pub fn keep(
    connection: &mut Connection,
    nodes: &BTreeMap<String, KnownNode>,
    now: Timestamp,
) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("keeping what nodes are");
    let transaction = connection.transaction().map_err(&fault)?;
    for (name, node) in nodes {
        note_place(&transaction, name, node, now).map_err(&fault)?;
    }
    {
        let mut upsert = transaction
            .prepare(
                "INSERT INTO known_nodes (node, provider, region, millicores, memory_bytes, seen_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET
                    provider = coalesce(excluded.provider, provider),
                    region = coalesce(excluded.region, region),
                    millicores = coalesce(excluded.millicores, millicores),
                    memory_bytes = coalesce(excluded.memory_bytes, memory_bytes),
                    seen_at = excluded.seen_at",
            )
            .map_err(&fault)?;
        for (name, node) in nodes {
            let region = node.region.as_ref();
            upsert
                .execute(params![
                    name,
                    region.map(|(provider, _)| provider),
                    region.map(|(_, region)| region),
                    node.millicores,
                    node.memory_bytes
                        .map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
                    now.as_second(),
                ])
                .map_err(&fault)?;
        }
    }
    // A clock that is ahead must not take away what no cluster tells again.
    let booked = upkeep::no_later_than_booked(&transaction, now).map_err(&fault)?;
    if let Some(now) = booked {
        let kept_from = now.as_second().saturating_sub(KEPT_S);
        transaction
            .execute("DELETE FROM known_nodes WHERE seen_at < ?1", [kept_from])
            .map_err(&fault)?;
        let first_kept = hour_number(UtcHour::from_unix_seconds(kept_from));
        node_places::forget_before(&transaction, first_kept).map_err(&fault)?;
    }
    transaction.commit().map_err(fault)
}

/// Notes where a node is; before it is written that it was seen.
fn note_place(
    transaction: &Transaction<'_>,
    name: &str,
    node: &KnownNode,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let seen_before: Option<i64> = transaction
        .query_row(
            "SELECT seen_at FROM known_nodes WHERE node = ?1",
            [name],
            |row| row.get(0),
        )
        .optional()?;
    let made = node.made.map(Timestamp::as_second);
    let is_new = |made: &i64| seen_before.is_some_and(|seen| *made > seen);
    let hour = |second| hour_number(UtcHour::from_unix_seconds(second));
    let sight = Sight {
        node: name,
        region: node.region.as_ref(),
        millicores: node.millicores,
        hour: hour(now.as_second()),
        made_anew: made.filter(is_new).map(hour),
    };
    node_places::note(transaction, &sight)
}

/// All nodes that are known, by name.
///
/// # Errors
/// If the database refuses or holds what no version writes.
pub fn all(connection: &Connection) -> Result<BTreeMap<String, KnownNode>, LedgerFault> {
    let fault = LedgerFault::of("reading what nodes were");
    let mut query = connection
        .prepare("SELECT node, provider, region, millicores, memory_bytes FROM known_nodes")
        .map_err(&fault)?;
    let mut rows = query.query([]).map_err(&fault)?;
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next().map_err(&fault)? {
        let name: String = row.get(0).map_err(&fault)?;
        let provider: Option<String> = row.get(1).map_err(&fault)?;
        let region: Option<String> = row.get(2).map_err(&fault)?;
        let memory: Option<i64> = row.get(4).map_err(&fault)?;
        let node = KnownNode {
            region: provider.zip(region),
            millicores: row.get(3).map_err(&fault)?,
            memory_bytes: memory.and_then(|bytes| u64::try_from(bytes).ok()),
            made: None,
        };
        found.insert(name, node);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::open_file;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + day * 86_400).unwrap()
    }

    fn one(name: &str, node: KnownNode) -> BTreeMap<String, KnownNode> {
        BTreeMap::from([(name.to_owned(), node)])
    }

    fn booked_until(ledger: &Connection, at: Timestamp) {
        let sql = "INSERT OR REPLACE INTO cursors VALUES ('n1', '07', 1, ?1, 1)";
        ledger.execute(sql, [at.as_second()]).unwrap();
    }

    /// A node that was gone was at the policy's site from then on, with all it
    /// had used before.
    #[test]
    fn a_node_that_is_gone_keeps_its_region_and_size_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let mut ledger = open_file(&path).unwrap();
        let whole = KnownNode {
            region: Some(("aws".to_owned(), "eu-north-1".to_owned())),
            millicores: Some(16_000),
            memory_bytes: Some(64 << 30),
            made: None,
        };
        keep(&mut ledger, &one("n1", whole.clone()), at(0)).unwrap();
        // Seen once more without its labels, it is where it was.
        keep(&mut ledger, &one("n1", KnownNode::default()), at(1)).unwrap();
        drop(ledger);
        let mut ledger = open_file(&path).unwrap();
        assert_eq!(all(&ledger).unwrap(), one("n1", whole.clone()));
        let bigger = KnownNode {
            millicores: Some(32_000),
            ..whole
        };
        keep(&mut ledger, &one("n1", bigger.clone()), at(2)).unwrap();
        assert_eq!(all(&ledger).unwrap(), one("n1", bigger));
        // It is known for as long as its hours are.
        booked_until(&ledger, at(2 + 430));
        keep(&mut ledger, &BTreeMap::new(), at(2 + 430)).unwrap();
        assert_eq!(all(&ledger).unwrap().len(), 1);
        booked_until(&ledger, at(2 + 432));
        keep(&mut ledger, &BTreeMap::new(), at(2 + 432)).unwrap();
        assert_eq!(all(&ledger).unwrap().len(), 0);
    }

    /// Nodes that were gone lost their regions for an hour of a wrong clock.
    #[test]
    fn a_clock_that_jumps_years_ahead_forgets_no_node_and_no_place() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
        let node = KnownNode {
            region: Some(("aws".to_owned(), "eu-north-1".to_owned())),
            ..KnownNode::default()
        };
        keep(&mut ledger, &one("gone", node.clone()), at(0)).unwrap();
        for booked in [None, Some(at(9))] {
            if let Some(booked) = booked {
                booked_until(&ledger, booked);
            }
            keep(&mut ledger, &one("here", node.clone()), at(3 * 365)).unwrap();
            assert!(all(&ledger).unwrap().contains_key("gone"), "{booked:?}");
            let places = node_places::all(&ledger).unwrap();
            assert!(places.contains_key("gone"), "{booked:?}");
        }
    }
}
