//! Whose rows are whose: the accounts, pods and nodes behind the numbers of the
//! tables.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{OptionalExtension as _, Transaction};

use super::{LedgerAccount, Scope, read};
use crate::ledger::LedgerFault;
use crate::ledger::names::{self, PodNames};
use crate::ledger::rows::Place;

/// The accounts of idle energy.
pub(super) fn idle_of(transaction: &Transaction<'_>) -> Result<HashSet<i64>, LedgerFault> {
    let fault = LedgerFault::of("reading the accounts");
    transaction
        .prepare_cached("SELECT id FROM accounts WHERE kind = 'idle'")
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
        let mut query = transaction.prepare_cached(sql).map_err(&fault)?;
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
        .prepare_cached("SELECT id, name FROM nodes")
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
    match scope {
        Scope::All => all_accounts(transaction, pods),
        Scope::Namespaces(_) => accounts_of_pods(transaction, pods),
    }
}

/// The accounts of these pods, without a look at others'.
fn accounts_of_pods(
    transaction: &Transaction<'_>,
    pods: &HashMap<Arc<str>, PodNames>,
) -> Result<HashMap<i64, LedgerAccount>, LedgerFault> {
    let fault = LedgerFault::of("reading the accounts");
    let mut query = transaction
        .prepare_cached("SELECT id FROM accounts WHERE kind = 'pod' AND pod_uid = ?1")
        .map_err(&fault)?;
    let mut accounts = HashMap::new();
    for uid in pods.keys() {
        let id = query.query_row([&**uid], |row| read(row, 0)).optional();
        // One that the cluster named before an agent did has none yet.
        if let Some(id) = id.map_err(&fault)? {
            accounts.insert(id, LedgerAccount::Pod(Arc::clone(uid)));
        }
    }
    Ok(accounts)
}

fn all_accounts(
    transaction: &Transaction<'_>,
    pods: &HashMap<Arc<str>, PodNames>,
) -> Result<HashMap<i64, LedgerAccount>, LedgerFault> {
    let fault = LedgerFault::of("reading the accounts");
    let mut query = transaction
        .prepare_cached("SELECT id, kind, pod_uid FROM accounts")
        .map_err(&fault)?;
    let mut rows = query.query([]).map_err(&fault)?;
    let mut accounts = HashMap::new();
    while let Some(row) = rows.next().map_err(&fault)? {
        let (id, kind, uid): (i64, String, String) = (
            read(row, 0).map_err(&fault)?,
            read(row, 1).map_err(&fault)?,
            read(row, 2).map_err(&fault)?,
        );
        let account = match kind.as_str() {
            "pod" => LedgerAccount::Pod(
                pods.get_key_value(uid.as_str())
                    .map_or_else(|| Arc::from(uid.as_str()), |(k, _)| Arc::clone(k)),
            ),
            "idle" => LedgerAccount::Named("idle"),
            "system" => LedgerAccount::Named("system"),
            "kernel" => LedgerAccount::Named("kernel"),
            "overflow" => LedgerAccount::Named("overflow"),
            "standalone" => LedgerAccount::Named("standalone"),
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

/// Where the rows of pods' accounts are, in the order of the rows: each on its
/// pod's node. One that the cluster never confirmed may have been told of by any
/// node. `None` if an account is no pod's.
pub(super) fn places_of(
    pods: &HashMap<Arc<str>, PodNames>,
    accounts: &HashMap<i64, LedgerAccount>,
    nodes: &HashMap<i64, Arc<str>>,
    unseen: &HashSet<Arc<str>>,
) -> Option<Vec<Place>> {
    let by_name: HashMap<&str, i64> = nodes.iter().map(|(id, name)| (&**name, *id)).collect();
    let mut places = Vec::with_capacity(accounts.len());
    for (account, who) in accounts {
        let LedgerAccount::Pod(uid) = who else {
            return None;
        };
        let home = pods.get(uid).filter(|_| !unseen.contains(uid));
        let home = home.and_then(|pod| by_name.get(pod.node.as_str()).copied());
        let place = |node: i64| Place {
            node,
            account: *account,
        };
        match home {
            Some(node) => places.push(place(node)),
            None => places.extend(nodes.keys().map(|node| place(*node))),
        }
    }
    places.sort_unstable();
    Some(places)
}
