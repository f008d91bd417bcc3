//! What the ledger adds up to, now or at an earlier booking.
//!
//! Sums are made here in 128 bits: SQL's own would overflow or round.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction};
use serde::Serialize;

use super::query::{NodeAt, last_revision, read};
use super::{LedgerFault, unsigned};

/// The ledger's total at a booking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Total {
    /// The booking.
    pub revision: i64,
    /// Energy of all bookings up to it, microjoules.
    pub energy_microjoules: u128,
    /// Energy of all rows, microjoules; only at the last booking, where it
    /// must be the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_microjoules: Option<u128>,
    /// How far each journal of each node was booked at that time.
    pub nodes: Vec<NodeAt>,
    /// Gaps recorded so far.
    pub gaps: u64,
}

/// The ledger's total at a booking; at the last one if `revision` is `None`.
/// `None` if there is no such booking yet.
///
/// # Errors
/// If the database refuses.
pub fn total_through(
    connection: &mut Connection,
    revision: Option<i64>,
) -> Result<Option<Total>, LedgerFault> {
    let fault = LedgerFault::of("adding up the ledger");
    let transaction = connection.transaction().map_err(&fault)?;
    let last = last_revision(&transaction)?;
    let revision = revision.unwrap_or(last);
    if revision > last || revision < 0 {
        return Ok(None);
    }
    let mut by_journal: BTreeMap<(String, String), NodeAt> = BTreeMap::new();
    let mut sum: u128 = 0;
    let mut query = transaction
        .prepare(
            "SELECT node, journal, last_sequence, closed_until, energy_uj FROM bookings
             WHERE revision <= ?1 ORDER BY revision",
        )
        .map_err(&fault)?;
    let mut rows = query.query([revision]).map_err(&fault)?;
    while let Some(row) = rows.next().map_err(&fault)? {
        let (node, journal): (String, String) = read(row, 0)
            .and_then(|node| Ok((node, read(row, 1)?)))
            .map_err(&fault)?;
        let energy = unsigned("bookings", read(row, 4).map_err(&fault)?)?;
        let at = by_journal
            .entry((node.clone(), journal.clone()))
            .or_insert(NodeAt {
                node,
                journal,
                sequence: 0,
                closed_until: 0,
                energy_microjoules: 0,
            });
        at.sequence = unsigned("bookings", read(row, 2).map_err(&fault)?)?;
        at.closed_until = read(row, 3).map_err(&fault)?;
        at.energy_microjoules += u128::from(energy);
        sum += u128::from(energy);
    }
    drop(rows);
    drop(query);
    let rows_microjoules = (revision == last)
        .then(|| rows_sum(&transaction))
        .transpose()?;
    let gaps: i64 = transaction
        .query_row("SELECT count(*) FROM gaps", [], |row| row.get(0))
        .map_err(&fault)?;
    Ok(Some(Total {
        revision,
        energy_microjoules: sum,
        rows_microjoules,
        nodes: by_journal.into_values().collect(),
        gaps: unsigned("gaps", gaps)?,
    }))
}

/// Energy of all rows, by hours, days and months, microjoules.
pub(super) fn rows_sum(transaction: &Transaction<'_>) -> Result<u128, LedgerFault> {
    let fault = LedgerFault::of("adding up the ledger");
    let mut sum: u128 = 0;
    for table in ["hours", "days", "months"] {
        let sql = format!("SELECT energy_uj FROM {table}");
        let mut query = transaction.prepare(&sql).map_err(&fault)?;
        let mut rows = query.query([]).map_err(&fault)?;
        while let Some(row) = rows.next().map_err(&fault)? {
            sum += u128::from(unsigned(table, read(row, 0).map_err(&fault)?)?);
        }
    }
    Ok(sum)
}
