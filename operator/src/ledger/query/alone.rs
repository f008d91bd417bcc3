//! Rows, names and the revision alone, as faces read them: without what only a
//! policy's evaluation needs, and without looking at every row of the cluster
//! for a few pods.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{Connection, Transaction};
use tanso_carbon::calendar::Period;

use super::{
    Gathered, HourRow, LedgerAccount, Scope, Snapshot, accounts_of, hour_number, last_revision,
    node_names, pods_of, read,
};
use crate::ledger::LedgerFault;
use crate::ledger::names::{self, PodNames};
use crate::ledger::rows::{self, Place, Visitor};

/// Most rows that are sought one by one: beyond, reading all is faster.
const SOUGHT_MAX: usize = 10_000;

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
    alone(&transaction, (pods, &accounts), period, most)
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
        let mut query = transaction.prepare(&sql).map_err(&fault)?;
        let mut rows = query.query(workload).map_err(&fault)?;
        while let Some(row) = rows.next().map_err(&fault)? {
            let pod = names::from_row(row).map_err(&fault)?;
            let uid: Arc<str> = Arc::from(pod.uid.as_str());
            let id: i64 = read(row, names::COLUMN_COUNT).map_err(&fault)?;
            accounts.insert(id, LedgerAccount::Pod(Arc::clone(&uid)));
            pods.insert(uid, pod);
        }
    }
    alone(&transaction, (pods, &accounts), period, usize::MAX)
}

fn alone(
    transaction: &Transaction<'_>,
    (mut pods, accounts): (HashMap<Arc<str>, PodNames>, &HashMap<i64, LedgerAccount>),
    period: Period,
    most: usize,
) -> Result<Snapshot, LedgerFault> {
    let nodes = node_names(transaction)?;
    let found = gathered(transaction, (&pods, accounts, &nodes), period, most)?;
    let used: HashSet<&Arc<str>> = found.rows.iter().filter_map(HourRow::pod).collect();
    pods.retain(|uid, _| used.contains(uid));
    Ok(Snapshot { pods, ..found })
}

/// Pods by their UID, accounts and nodes by their numbers.
type Names<'a> = (
    &'a HashMap<Arc<str>, PodNames>,
    &'a HashMap<i64, LedgerAccount>,
    &'a HashMap<i64, Arc<str>>,
);

/// The rows of accounts.
fn gathered(
    transaction: &Transaction<'_>,
    (pods, accounts, nodes): Names<'_>,
    period: Period,
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
    let places = places(pods, accounts, nodes);
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
    let hours = hour_number(period.until).saturating_sub(hour_number(period.from));
    let hours = usize::try_from(hours).unwrap_or(0);
    match places {
        Some(places) if places.len().saturating_mul(hours) <= SOUGHT_MAX => {
            rows::visit_only(transaction, period, places, visitor)
        }
        _ => rows::visit(transaction, period, visitor),
    }
}

/// On which node each account's rows are; `None` where that is not known of
/// one, such as of an account that is no pod.
fn places(
    pods: &HashMap<Arc<str>, PodNames>,
    accounts: &HashMap<i64, LedgerAccount>,
    nodes: &HashMap<i64, Arc<str>>,
) -> Option<Vec<Place>> {
    let by_name: HashMap<&str, i64> = nodes.iter().map(|(id, name)| (&**name, *id)).collect();
    let place = |(account, who): (&i64, &LedgerAccount)| {
        let LedgerAccount::Pod(uid) = who else {
            return None;
        };
        let node = *by_name.get(pods.get(uid)?.node.as_str())?;
        Some(Place {
            node,
            account: *account,
        })
    };
    let mut places: Vec<Place> = accounts.iter().map(place).collect::<Option<_>>()?;
    places.sort_unstable();
    Some(places)
}
