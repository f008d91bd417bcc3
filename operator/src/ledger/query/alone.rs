//! Rows, names and the revision alone, as faces read them: without what only a
//! policy's evaluation needs, and without looking at every row of the cluster
//! for a few pods.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{Connection, Transaction};
use tanso_carbon::calendar::Period;

use super::few::Way;
use super::{
    Gathered, HourRow, LedgerAccount, Scope, Snapshot, accounts_of, last_revision, node_names,
    places_of, pods_of, read,
};
use crate::ledger::names::{self, PodNames};
use crate::ledger::rows::{self, Place, Visitor};
use crate::ledger::{LedgerFault, unseen};

/// What everybody of a scope used within `period`.
///
/// # Errors
/// As [`super::snapshot`].
pub fn of_scope(
    connection: &mut Connection,
    scope: &Scope,
    period: Period,
) -> Result<Snapshot, LedgerFault> {
    of_scope_up_to(connection, scope, period, usize::MAX)
}

/// The same, if it is at most so many rows: a year of a large cluster is more
/// than a process holds.
///
/// # Errors
/// As [`super::snapshot`], and [`LedgerFault::TooMuch`].
pub fn of_scope_up_to(
    connection: &mut Connection,
    scope: &Scope,
    period: Period,
    most: usize,
) -> Result<Snapshot, LedgerFault> {
    let fault = LedgerFault::of("reading the ledger");
    let transaction = connection.transaction().map_err(fault)?;
    let pods = pods_of(&transaction, scope)?;
    let accounts = accounts_of(&transaction, scope, &pods)?;
    let unseen = unseen::within(&transaction, scope)?;
    alone(&transaction, (pods, &accounts, &unseen), period, most)
}

/// What the pods of one workload used within `period`. `workload` is its
/// namespace, kind and name.
///
/// # Errors
/// As [`super::snapshot`].
pub fn of_workload(
    connection: &mut Connection,
    workload: [&str; 3],
    period: Period,
) -> Result<Snapshot, LedgerFault> {
    let fault = LedgerFault::of("reading the ledger");
    let transaction = connection.transaction().map_err(&fault)?;
    let sql = format!(
        "SELECT {}, a.id FROM pods AS p JOIN accounts AS a ON a.kind = 'pod' AND a.pod_uid = p.uid
         WHERE p.namespace = ?1 AND p.workload_kind = ?2 AND p.workload_name = ?3",
        names::COLUMNS
    );
    let (mut pods, mut accounts) = (HashMap::new(), HashMap::new());
    {
        let mut query = transaction.prepare_cached(&sql).map_err(&fault)?;
        let mut rows = query.query(workload).map_err(&fault)?;
        while let Some(row) = rows.next().map_err(&fault)? {
            let pod = names::from_row(row).map_err(&fault)?;
            let uid: Arc<str> = Arc::from(pod.uid.as_str());
            let id: i64 = read(row, names::COLUMN_COUNT).map_err(&fault)?;
            accounts.insert(id, LedgerAccount::Pod(Arc::clone(&uid)));
            pods.insert(uid, pod);
        }
    }
    let own = Scope::Namespaces([workload[0].to_owned()].into());
    let unseen = unseen::within(&transaction, &own)?;
    alone(&transaction, (pods, &accounts, &unseen), period, usize::MAX)
}

/// Pods by their UID, their accounts by number, and those that nobody saw.
type Whose<'a> = (
    HashMap<Arc<str>, PodNames>,
    &'a HashMap<i64, LedgerAccount>,
    &'a HashSet<Arc<str>>,
);

fn alone(
    transaction: &Transaction<'_>,
    (mut pods, accounts, unseen): Whose<'_>,
    period: Period,
    most: usize,
) -> Result<Snapshot, LedgerFault> {
    let nodes = node_names(transaction)?;
    let places = places_of(&pods, accounts, &nodes, unseen);
    let found = gathered(transaction, (accounts, &nodes), (period, places), most)?;
    let used: HashSet<&Arc<str>> = found.rows.iter().filter_map(HourRow::pod).collect();
    pods.retain(|uid, _| used.contains(uid));
    Ok(Snapshot { pods, ..found })
}

/// Accounts and nodes by their numbers.
type Names<'a> = (&'a HashMap<i64, LedgerAccount>, &'a HashMap<i64, Arc<str>>);

/// The rows of accounts.
fn gathered(
    transaction: &Transaction<'_>,
    (accounts, nodes): Names<'_>,
    (period, places): (Period, Option<Vec<Place>>),
    most: usize,
) -> Result<Snapshot, LedgerFault> {
    let mut gathered = Gathered {
        most,
        idle: HashSet::new(),
        fold: None,
        accounts,
        names: nodes,
        found: Snapshot {
            revision: last_revision(transaction)?,
            ..Snapshot::default()
        },
        node_hours: BTreeSet::new(),
        last_seen: None,
    };
    seek(transaction, places.as_deref(), period, &mut gathered)?;
    Ok(gathered.finish())
}

/// Shows the rows of a period: those at these places are sought one by one
/// where they are few.
pub(super) fn seek(
    transaction: &Transaction<'_>,
    places: Option<&[Place]>,
    period: Period,
    visitor: &mut impl Visitor,
) -> Result<(), LedgerFault> {
    let way = match places {
        Some(places) => Way::to_hours(transaction, places.len(), period)?,
        None => Way::Read,
    };
    match (places, way) {
        (Some(places), Way::Sought) => rows::visit_only(transaction, period, places, visitor),
        _ => rows::visit(transaction, period, visitor),
    }
}
