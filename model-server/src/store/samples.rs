//! Samples: kept once each, bounded by age and number.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, Transaction, params};

use tanso_power::activity::Activity;

use super::{StoreFault, unsigned};
use crate::learn::{Node, Observation};
use crate::samples::{Accepted, Typed};

/// Nodes that may be known at a time; forgotten when their samples are.
pub const NODES_MAX: u64 = 20_000;

/// Samples of one node and type that one training reads at most, the newest.
const READ_MAX: usize = 3_000;

/// What keeping a batch did.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// Samples that are new.
    pub accepted: u64,
    /// Samples that were there already.
    pub duplicates: u64,
    /// The node types that they teach.
    pub node_types: Vec<String>,
}

/// Keeps a batch; `None` if its node is new and there are too many already.
///
/// # Errors
/// If the database refuses; nothing is kept then.
pub fn keep(
    transaction: &Transaction<'_>,
    batch: &Accepted,
    now_s: i64,
) -> Result<Option<Kept>, StoreFault> {
    let fault = StoreFault::of("keeping samples");
    let Some(node) = node_id(transaction, &batch.node, now_s)? else {
        return Ok(None);
    };
    let mut kept = Kept::default();
    let mut insert = transaction
        .prepare(
            "INSERT INTO samples (type, node, at_s, utilisation, watts, whole) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT DO NOTHING",
        )
        .map_err(&fault)?;
    for Typed {
        name,
        measured,
        samples,
    } in &batch.types
    {
        let type_id = type_id(transaction, name, measured.name(), &batch.machine)?;
        for (observation, whole) in samples {
            let new = insert
                .execute(params![
                    type_id,
                    node,
                    observation.at_s,
                    observation.utilisation,
                    observation.watts,
                    whole
                ])
                .map_err(&fault)?;
            if new == 0 {
                kept.duplicates += 1;
            } else {
                kept.accepted += 1;
            }
        }
        kept.node_types.push(name.clone());
    }
    Ok(Some(kept))
}

fn node_id(
    transaction: &Transaction<'_>,
    name: &str,
    now_s: i64,
) -> Result<Option<i64>, StoreFault> {
    let fault = StoreFault::of("noting a node");
    let known: Option<i64> = transaction
        .query_row(
            "UPDATE nodes SET last_s = max(last_s, ?) WHERE name = ? RETURNING id",
            params![now_s, name],
            |row| row.get(0),
        )
        .optional()
        .map_err(&fault)?;
    if known.is_some() {
        return Ok(known);
    }
    let nodes: i64 = transaction
        .query_row("SELECT count(*) FROM nodes", [], |row| row.get(0))
        .map_err(&fault)?;
    if unsigned("nodes", nodes)? >= NODES_MAX {
        return Ok(None);
    }
    transaction
        .execute(
            "INSERT INTO nodes (name, first_s, last_s) VALUES (?, ?, ?)",
            params![name, now_s, now_s],
        )
        .map_err(&fault)?;
    Ok(Some(transaction.last_insert_rowid()))
}

fn type_id(
    transaction: &Transaction<'_>,
    name: &str,
    measured: &str,
    machine: &str,
) -> Result<i64, StoreFault> {
    let fault = StoreFault::of("noting a node type");
    transaction
        .execute(
            "INSERT INTO node_types (name, measured, machine) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            params![name, measured, machine],
        )
        .map_err(&fault)?;
    transaction
        .query_row("SELECT id FROM node_types WHERE name = ?", [name], |row| {
            row.get(0)
        })
        .map_err(&fault)
}

/// A type's nodes with their samples after `after_s`, nodes by name, samples
/// by time.
///
/// # Errors
/// If the database refuses.
pub fn of_type(
    transaction: &Transaction<'_>,
    type_name: &str,
    after_s: i64,
) -> Result<Vec<Node>, StoreFault> {
    let fault = StoreFault::of("reading samples");
    let mut select = transaction
        .prepare(
            "SELECT nodes.name, at_s, utilisation, watts, json_extract(whole, '$.frequencyMhz'),
                 json_extract(whole, '$.events.cycles'), json_extract(whole, '$.events.instructions'),
                 json_extract(whole, '$.events.cacheMisses') FROM samples
             JOIN nodes ON nodes.id = samples.node
             WHERE samples.type = (SELECT id FROM node_types WHERE name = ?) AND at_s > ?
             ORDER BY nodes.name, at_s",
        )
        .map_err(&fault)?;
    let rows = select
        .query_map(params![type_name, after_s], |row| {
            let observation = Observation {
                at_s: row.get(1)?,
                utilisation: row.get(2)?,
                watts: row.get(3)?,
                activity: Activity::of_rates(row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?),
            };
            Ok((row.get::<_, String>(0)?, observation))
        })
        .map_err(&fault)?;
    let mut nodes: BTreeMap<String, Vec<Observation>> = BTreeMap::new();
    for row in rows {
        let (name, observation) = row.map_err(&fault)?;
        nodes.entry(name).or_default().push(observation);
    }
    let newest = |mut observations: Vec<Observation>| {
        let surplus = observations.len().saturating_sub(READ_MAX);
        observations.drain(..surplus);
        observations
    };
    Ok(nodes
        .into_iter()
        .map(|(name, observations)| Node {
            name,
            observations: newest(observations),
        })
        .collect())
}

/// Drops samples before `oldest_s`, then the oldest above `most`, then nodes
/// without any; returns how many samples went.
///
/// # Errors
/// If the database refuses.
pub fn expire(transaction: &Transaction<'_>, oldest_s: i64, most: u64) -> Result<u64, StoreFault> {
    let fault = StoreFault::of("dropping old samples");
    let aged = transaction
        .execute("DELETE FROM samples WHERE at_s < ?", [oldest_s])
        .map_err(&fault)?;
    let count: i64 = transaction
        .query_row("SELECT count(*) FROM samples", [], |row| row.get(0))
        .map_err(&fault)?;
    let surplus = unsigned("samples", count)?.saturating_sub(most);
    let mut crowded = 0;
    if surplus > 0 {
        let surplus = i64::try_from(surplus).unwrap_or(i64::MAX);
        crowded = transaction
            .execute(
                "DELETE FROM samples WHERE at_s <= (SELECT at_s FROM samples ORDER BY at_s LIMIT 1 OFFSET ?)",
                [surplus - 1],
            )
            .map_err(&fault)?;
    }
    transaction
        .execute_batch(
            "DELETE FROM trust WHERE NOT EXISTS
                 (SELECT 1 FROM samples WHERE samples.type = trust.type AND samples.node = trust.node);
             DELETE FROM nodes WHERE id NOT IN (SELECT node FROM samples);",
        )
        .map_err(&fault)?;
    Ok(u64::try_from(aged + crowded).unwrap_or(u64::MAX))
}
