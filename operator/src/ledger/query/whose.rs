//! Whose rows are whose: the accounts, pods and nodes behind the numbers of the
//! tables.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::Transaction;

use super::{LedgerAccount, Scope, read};
use crate::ledger::LedgerFault;
use crate::ledger::names::{self, PodNames};

/// The accounts of idle energy.
pub(super) fn idle_of(transaction: &Transaction<'_>) -> Result<HashSet<i64>, LedgerFault> {
    let fault = LedgerFault::of("reading the accounts");
    transaction
        .prepare("SELECT id FROM accounts WHERE kind = 'idle'")
        .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
        .map_err(&fault)
}

/// The pods of a scope by their UIDs.
pub(super) fn pods_of(
    transaction: &Transaction<'_>,
    scope: &Scope,
) -> Result<HashMap<Arc<str>, PodNames>, LedgerFault> {
    let fault = LedgerFault::of("reading pod names");
    let mut pods = HashMap::new();
    let mut gather = |sql: &str, namespace: Option<&str>| -> Result<(), LedgerFault> {
        let mut query = transaction.prepare(sql).map_err(&fault)?;
        let mut rows = query
            .query(rusqlite::params_from_iter(namespace))
            .map_err(&fault)?;
        while let Some(row) = rows.next().map_err(&fault)? {
            let pod = names::from_row(row).map_err(&fault)?;
            pods.insert(Arc::from(pod.uid.as_str()), pod);
        }
        Ok(())
    };
    match scope {
        Scope::All => gather(&format!("SELECT {} FROM pods AS p", names::COLUMNS), None)?,
        Scope::Namespaces(namespaces) => {
            let sql = format!(
                "SELECT {} FROM pods AS p WHERE p.namespace = ?1",
                names::COLUMNS
            );
            for namespace in namespaces {
                gather(&sql, Some(namespace))?;
            }
        }
    }
    Ok(pods)
}

/// The nodes by their ids.
pub(super) fn node_names(
    transaction: &Transaction<'_>,
) -> Result<HashMap<i64, Arc<str>>, LedgerFault> {
    let fault = LedgerFault::of("reading the nodes");
    let mut query = transaction
        .prepare("SELECT id, name FROM nodes")
        .map_err(&fault)?;
    query
        .query_map([], |row| {
            Ok((row.get(0)?, Arc::from(row.get::<_, String>(1)?)))
        })
        .and_then(Iterator::collect)
        .map_err(&fault)
}

/// The accounts of a scope by their id.
pub(super) fn accounts_of(
    transaction: &Transaction<'_>,
    scope: &Scope,
    pods: &HashMap<Arc<str>, PodNames>,
) -> Result<HashMap<i64, LedgerAccount>, LedgerFault> {
    let fault = LedgerFault::of("reading the accounts");
    let mut query = transaction
        .prepare("SELECT id, kind, pod_uid FROM accounts")
        .map_err(&fault)?;
    let mut rows = query.query([]).map_err(&fault)?;
    let mut accounts = HashMap::new();
    while let Some(row) = rows.next().map_err(&fault)? {
        let (id, kind, uid): (i64, String, String) = (
            read(row, 0).map_err(&fault)?,
            read(row, 1).map_err(&fault)?,
            read(row, 2).map_err(&fault)?,
        );
        let account = match (kind.as_str(), scope) {
            ("pod", Scope::All) => LedgerAccount::Pod(
                pods.get_key_value(uid.as_str())
                    .map_or_else(|| Arc::from(uid.as_str()), |(k, _)| Arc::clone(k)),
            ),
            ("pod", Scope::Namespaces(_)) => match pods.get_key_value(uid.as_str()) {
                Some((uid, _)) => LedgerAccount::Pod(Arc::clone(uid)),
                None => continue,
            },
            (_, Scope::Namespaces(_)) => continue,
            ("idle", Scope::All) => LedgerAccount::Named("idle"),
            ("system", Scope::All) => LedgerAccount::Named("system"),
            ("kernel", Scope::All) => LedgerAccount::Named("kernel"),
            ("overflow", Scope::All) => LedgerAccount::Named("overflow"),
            ("standalone", Scope::All) => LedgerAccount::Named("standalone"),
            _ => {
                let found = format!("the account kind \"{kind}\"");
                return Err(LedgerFault::Foreign {
                    table: "accounts",
                    found,
                });
            }
        };
        accounts.insert(id, account);
    }
    Ok(accounts)
}
