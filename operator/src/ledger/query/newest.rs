//! The newest hour of everybody, with the names of its rows in one reading: who
//! asks for power now needs neither the pods of other hours nor their labels.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row};
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_power::{Estimate, Joules, Provenance};

use super::gather::energy_of;
use super::{Scope, Snapshot, hour_number, hour_of, last_revision, node_names, of_scope, read};
use crate::ledger::day::Slot;
use crate::ledger::ids::provenance_of;
use crate::ledger::{LedgerFault, unsigned};

/// What one account used on one node in one hour, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRow {
    /// The hour.
    pub hour: UtcHour,
    /// The node.
    pub node: Arc<str>,
    /// Who used it.
    pub owner: Owner,
    /// Where the figure comes from.
    pub provenance: Provenance,
    /// Energy with its 90 % bounds.
    pub energy: Estimate<Joules>,
    /// CPU time, microseconds.
    pub cpu_us: u64,
    /// Minutes that have a record.
    pub minutes: u64,
    /// What its pod asks for, thousandths of a CPU; 0 if it asks for none.
    pub asked_millicores: u64,
}

/// Whose a row is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A workload's: its namespace, kind and name.
    Workload([String; 3]),
    /// An account's that is no pod, by its kind; `unnamed` for pods that nobody
    /// named.
    Named(String),
}

/// By the key of the hours, with an account and a pod to each row: their number
/// is that of the hour, however many pods were before.
const ROWS: &str =
    "SELECT h.node, h.provenance, h.low_uj, h.energy_uj, h.high_uj, h.cpu_us, h.minutes,
        a.kind, p.namespace, p.workload_kind, p.workload_name, p.cpu_request_milli
 FROM hours AS h
 CROSS JOIN accounts AS a ON a.id = h.account
 LEFT JOIN pods AS p ON a.kind = 'pod' AND p.uid = a.pod_uid
 WHERE h.hour = ?1";

/// What everybody used in the newest hour of `period` in which anything was
/// booked, with the last booking that is in. Looks at hours that are still
/// hours: two months, unless the retention was made shorter.
///
/// # Errors
/// As [`super::snapshot`].
pub fn newest_hour(
    connection: &mut Connection,
    period: Period,
) -> Result<(i64, Vec<NamedRow>), LedgerFault> {
    let fault = LedgerFault::of("reading the ledger");
    let transaction = connection.transaction().map_err(&fault)?;
    let revision = last_revision(&transaction)?;
    let bounds = [hour_number(period.from), hour_number(period.until)];
    let newest: Option<i64> = transaction
        .query_row(
            "SELECT hour FROM hours WHERE hour >= ?1 AND hour < ?2 ORDER BY hour DESC LIMIT 1",
            bounds,
            |row| row.get(0),
        )
        .optional()
        .map_err(&fault)?;
    let Some(hour) = newest else {
        return Ok((revision, Vec::new()));
    };
    let nodes = node_names(&transaction)?;
    let mut query = transaction.prepare_cached(ROWS).map_err(&fault)?;
    let mut rows = query.query([hour]).map_err(&fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(&fault)? {
        let node: i64 = read(row, 0).map_err(&fault)?;
        let name = nodes.get(&node).ok_or_else(|| LedgerFault::Foreign {
            table: "hours",
            found: format!("the unknown node {node}"),
        })?;
        let slot = slot(row).map_err(&fault)?;
        let asks: Option<i64> = read(row, 11).map_err(&fault)?;
        found.push(NamedRow {
            hour: hour_of(hour),
            node: Arc::clone(name),
            owner: owner(row).map_err(&fault)?,
            provenance: provenance_of(read(row, 1).map_err(&fault)?)?,
            energy: energy_of(slot)?,
            cpu_us: unsigned("hours", slot.cpu_us)?,
            minutes: unsigned("hours", slot.minutes)?,
            asked_millicores: asks.and_then(|asks| u64::try_from(asks).ok()).unwrap_or(0),
        });
    }
    Ok((revision, found))
}

/// For how many minutes of an hour each node was seen.
pub type NodeMinutes = BTreeMap<Arc<str>, u64>;

/// What a scope used in the newest hour of `parts` in which it used anything, and
/// the minutes of the nodes of that hour, whoever used them: a pod's own minutes
/// say nothing of how long its node was seen. Looked for part by part.
///
/// # Errors
/// As [`super::snapshot`].
pub fn newest_of(
    connection: &mut Connection,
    scope: &Scope,
    parts: &[Period],
) -> Result<(Snapshot, NodeMinutes), LedgerFault> {
    for part in parts {
        let mut snapshot = of_scope(connection, scope, *part)?;
        let Some(hour) = snapshot.rows.iter().map(|row| row.hour).max() else {
            continue;
        };
        snapshot.rows.retain(|row| row.hour == hour);
        // Only this thread writes: nothing was booked since the rows were read.
        return Ok((snapshot, node_minutes(connection, hour)?));
    }
    Ok((Snapshot::default(), NodeMinutes::new()))
}

/// The hours' key begins with hour and node: read in order, without a sort.
fn node_minutes(connection: &mut Connection, hour: UtcHour) -> Result<NodeMinutes, LedgerFault> {
    let fault = LedgerFault::of("reading the ledger");
    let transaction = connection.transaction().map_err(&fault)?;
    let nodes = node_names(&transaction)?;
    let mut query = transaction
        .prepare_cached("SELECT node, max(minutes) FROM hours WHERE hour = ?1 GROUP BY node")
        .map_err(&fault)?;
    let mut rows = query.query([hour_number(hour)]).map_err(&fault)?;
    let mut found = NodeMinutes::new();
    while let Some(row) = rows.next().map_err(&fault)? {
        let node: i64 = read(row, 0).map_err(&fault)?;
        let minutes: i64 = read(row, 1).map_err(&fault)?;
        // A node without a name has no rows that anybody is told of.
        if let Some(name) = nodes.get(&node) {
            found.insert(Arc::clone(name), unsigned("hours", minutes)?);
        }
    }
    Ok(found)
}

fn slot(row: &Row<'_>) -> rusqlite::Result<Slot> {
    Ok(Slot {
        low_uj: read(row, 2)?,
        energy_uj: read(row, 3)?,
        high_uj: read(row, 4)?,
        cpu_us: read(row, 5)?,
        minutes: read(row, 6)?,
    })
}

fn owner(row: &Row<'_>) -> rusqlite::Result<Owner> {
    let kind: String = read(row, 7)?;
    if kind != "pod" {
        return Ok(Owner::Named(kind));
    }
    let namespace: Option<String> = read(row, 8)?;
    Ok(match namespace {
        Some(namespace) => Owner::Workload([namespace, read(row, 9)?, read(row, 10)?]),
        None => Owner::Named("unnamed".to_owned()),
    })
}
