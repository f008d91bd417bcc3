//! Numbers that stand for names in the ledger's tables.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use rusqlite::{OptionalExtension as _, Transaction};
use tanso_agent_wire::energy::Account;
use tanso_power::Provenance;

use super::LedgerFault;

/// Most pods of one node that have accounts of their own in one hour: a pod that
/// comes each second, and twelve times what Kubernetes is tested with. The energy
/// of more is in `overflow`, so that no node can fill the ledger with names.
pub(super) const PODS_PER_NODE_HOUR: i64 = 4_000;

/// Ids of accounts and models, looked up once a page.
#[derive(Default)]
pub(super) struct Ids {
    /// How many more pods may come to a node in an hour, by both.
    room: HashMap<(i64, i64), i64>,
    /// Pods of the page that there was none for.
    pub(super) overflowed: BTreeSet<String>,
    accounts: HashMap<(&'static str, String), i64>,
    models: HashMap<String, i64>,
}

impl Ids {
    /// The account that a record of a node in an hour is booked to: its own, or
    /// `overflow` where too many came new.
    pub(super) fn account(
        &mut self,
        transaction: &Transaction<'_>,
        account: &Account,
        (node, hour): (i64, i64),
    ) -> Result<i64, LedgerFault> {
        let (kind, pod_uid) = match account {
            Account::Container { pod_uid, .. } => ("pod", pod_uid.as_str()),
            Account::Standalone { .. } => ("standalone", ""),
            Account::System => ("system", ""),
            Account::Kernel => ("kernel", ""),
            Account::Idle => ("idle", ""),
            Account::Overflow => ("overflow", ""),
        };
        if let Some(id) = self.accounts.get(&(kind, pod_uid.to_owned())) {
            return Ok(*id);
        }
        let fault = LedgerFault::of("booking energy");
        let known: Option<i64> = transaction
            .prepare("SELECT id FROM accounts WHERE kind = ?1 AND pod_uid = ?2")
            .and_then(|mut query| {
                query
                    .query_row([kind, pod_uid], |row| row.get(0))
                    .optional()
            })
            .map_err(&fault)?;
        let id = match known {
            Some(id) => id,
            None if kind == "pod" && !self.has_room(transaction, node, hour)? => {
                self.overflowed.insert(pod_uid.to_owned());
                self.account(transaction, &Account::Overflow, (node, hour))?
            }
            None => transaction
                .prepare("INSERT INTO accounts (kind, pod_uid) VALUES (?1, ?2) RETURNING id")
                .and_then(|mut insert| insert.query_row([kind, pod_uid], |row| row.get(0)))
                .map_err(&fault)?,
        };
        self.accounts.insert((kind, pod_uid.to_owned()), id);
        Ok(id)
    }

    /// Whether one more pod may come to a node in an hour; it then has come.
    fn has_room(
        &mut self,
        transaction: &Transaction<'_>,
        node: i64,
        hour: i64,
    ) -> Result<bool, LedgerFault> {
        let left = match self.room.entry((node, hour)) {
            Entry::Occupied(left) => left.into_mut(),
            Entry::Vacant(left) => {
                let count =
                    "SELECT count(DISTINCT account) FROM hours WHERE hour = ?1 AND node = ?2";
                let there: i64 = transaction
                    .prepare(count)
                    .and_then(|mut query| query.query_row([hour, node], |row| row.get(0)))
                    .map_err(LedgerFault::of("booking energy"))?;
                left.insert(PODS_PER_NODE_HOUR - there)
            }
        };
        *left -= 1;
        Ok(*left >= 0)
    }

    pub(super) fn model(
        &mut self,
        transaction: &Transaction<'_>,
        digest: &str,
    ) -> Result<i64, LedgerFault> {
        if let Some(id) = self.models.get(digest) {
            return Ok(*id);
        }
        let id = id_of(transaction, "models", "digest", digest)?;
        self.models.insert(digest.to_owned(), id);
        Ok(id)
    }
}

/// The id of a name, which is added if new. Table and column are our own words.
pub(super) fn id_of(
    transaction: &Transaction<'_>,
    table: &str,
    column: &str,
    name: &str,
) -> Result<i64, LedgerFault> {
    let fault = LedgerFault::of("booking energy");
    transaction
        .prepare(&format!(
            "INSERT INTO {table} ({column}) VALUES (?1) ON CONFLICT DO NOTHING"
        ))
        .and_then(|mut insert| insert.execute([name]))
        .map_err(&fault)?;
    transaction
        .prepare(&format!("SELECT id FROM {table} WHERE {column} = ?1"))
        .and_then(|mut query| query.query_row([name], |row| row.get(0)))
        .map_err(&fault)
}

/// The number of a provenance in the tables.
pub(super) const fn provenance_number(provenance: Provenance) -> i64 {
    match provenance {
        Provenance::Measured => 0,
        Provenance::Modelled => 1,
        Provenance::Simulated => 2,
    }
}

/// The provenance of a number in the tables.
pub(super) fn provenance_of(number: i64) -> Result<Provenance, LedgerFault> {
    match number {
        0 => Ok(Provenance::Measured),
        1 => Ok(Provenance::Modelled),
        2 => Ok(Provenance::Simulated),
        _ => Err(LedgerFault::Foreign {
            table: "hours",
            found: format!("provenance {number}"),
        }),
    }
}
