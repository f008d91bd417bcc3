//! Reading the ledger: what a policy sees at one instant, and totals.
//!
//! A snapshot is one read transaction, so its rows, names and revision belong
//! together. Sums are made here in 128 bits: SQL's own would overflow or round.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde::Serialize;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_power::{Estimate, Joules, Provenance};

use super::ids::provenance_of;
use super::names::{self, PodNames};
pub use super::total::{Total, total_through};
use super::{LedgerFault, unsigned};

/// Whose rows a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything that was booked, with the accounts that are no pods.
    All,
    /// Pods of these namespaces only.
    Namespaces(BTreeSet<String>),
}

/// Who is charged in a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LedgerAccount {
    /// A pod, by its UID.
    Pod(Arc<str>),
    /// An account that is no pod: `idle`, `system`, `kernel`, `overflow`, `standalone`.
    Named(&'static str),
}

/// What one account used on one node in one hour, by provenance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HourRow {
    /// The hour.
    pub hour: UtcHour,
    /// The node.
    pub node: Arc<str>,
    /// Who used it.
    pub account: LedgerAccount,
    /// Where the figure comes from.
    pub provenance: Provenance,
    /// Energy with its 90 % bounds.
    pub energy: Estimate<Joules>,
    /// CPU time, microseconds.
    pub cpu_us: u64,
    /// Minutes that have a record.
    pub minutes: u64,
}

/// How far a node's current journal was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeAt {
    /// The node.
    pub node: String,
    /// The journal, 16 hexadecimal digits.
    pub journal: String,
    /// The last record booked.
    pub sequence: u64,
    /// End of its last closed minute, seconds of Unix time.
    pub closed_until: i64,
    /// Energy booked from this journal, microjoules.
    pub energy_microjoules: u128,
}

/// What a policy sees: all of one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The last booking that is in.
    pub revision: i64,
    /// How far each node was read.
    pub nodes: Vec<NodeAt>,
    /// Rows of the scope within the period, by hour.
    pub rows: Vec<HourRow>,
    /// Names of the pods in the rows, and of those that run without energy as far as the reader added them.
    pub pods: HashMap<Arc<str>, PodNames>,
    /// Hours within the period in which each node has any row.
    pub node_hours: BTreeMap<Arc<str>, BTreeSet<UtcHour>>,
    /// Idle energy of each node within the period, and the minutes it covers.
    pub node_idle: BTreeMap<Arc<str>, (Joules, u64)>,
    /// CPU time of pods of the scope in each of the last minutes.
    pub cpu_minutes: Vec<CpuMinute>,
    /// The first hour ever booked for each node.
    pub node_first: BTreeMap<Arc<str>, UtcHour>,
}

/// What one pod's CPU time was in one minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuMinute {
    /// The minute's begin, seconds of Unix time.
    pub minute: i64,
    /// The pod.
    pub pod: Arc<str>,
    /// Its CPU time, microseconds.
    pub cpu_us: u64,
}

/// End of the last closed minute of each node's current journal, and the
/// last booking. Cheap: for deciding which period to look at.
///
/// # Errors
/// If the database refuses.
pub fn nodes_at(connection: &mut Connection) -> Result<(i64, Vec<NodeAt>), LedgerFault> {
    let transaction = connection
        .transaction()
        .map_err(LedgerFault::of("reading the ledger"))?;
    Ok((last_revision(&transaction)?, current_nodes(&transaction)?))
}

/// Everything of `scope` within `period`, at one instant.
///
/// # Errors
/// If the database refuses or holds what no version writes.
pub fn snapshot(
    connection: &mut Connection,
    scope: &Scope,
    period: Period,
) -> Result<Snapshot, LedgerFault> {
    let fault = LedgerFault::of("reading the ledger");
    // Only this thread writes, so a deferred transaction is one instant.
    let transaction = connection.transaction().map_err(fault)?;
    let pods = pods_of(&transaction, scope)?;
    let mut snapshot = Snapshot {
        revision: last_revision(&transaction)?,
        nodes: current_nodes(&transaction)?,
        ..Snapshot::default()
    };
    read_node_hours(&transaction, period, &mut snapshot)?;
    read_node_idle(&transaction, period, &mut snapshot)?;
    read_rows(&transaction, scope, period, pods, &mut snapshot)?;
    Ok(snapshot)
}

pub(super) fn last_revision(transaction: &Transaction<'_>) -> Result<i64, LedgerFault> {
    transaction
        .query_row(
            "SELECT coalesce(max(revision), 0) FROM bookings",
            [],
            |row| row.get(0),
        )
        .map_err(LedgerFault::of("reading the ledger"))
}

pub(super) fn read<T: rusqlite::types::FromSql>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    row.get(column)
}

fn current_nodes(transaction: &Transaction<'_>) -> Result<Vec<NodeAt>, LedgerFault> {
    let fault = LedgerFault::of("reading the cursors");
    let mut query = transaction
        .prepare(
            "SELECT node, journal, sequence, closed_until FROM cursors AS c
             WHERE revision = (SELECT max(revision) FROM cursors WHERE node = c.node)
             ORDER BY node",
        )
        .map_err(&fault)?;
    let mut rows = query.query([]).map_err(&fault)?;
    let mut nodes = Vec::new();
    while let Some(row) = rows.next().map_err(&fault)? {
        nodes.push(NodeAt {
            node: read(row, 0).map_err(&fault)?,
            journal: read(row, 1).map_err(&fault)?,
            sequence: unsigned("cursors", read(row, 2).map_err(&fault)?)?,
            closed_until: read(row, 3).map_err(&fault)?,
            energy_microjoules: 0,
        });
    }
    Ok(nodes)
}

fn pods_of(
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

fn hour_number(hour: UtcHour) -> i64 {
    hour.unix_seconds().div_euclid(3_600)
}

fn hour_of(number: i64) -> UtcHour {
    UtcHour::from_unix_seconds(number.saturating_mul(3_600))
}

fn node_names(transaction: &Transaction<'_>) -> Result<HashMap<i64, Arc<str>>, LedgerFault> {
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

fn read_node_hours(
    transaction: &Transaction<'_>,
    period: Period,
    snapshot: &mut Snapshot,
) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("reading the hours that have data");
    let names = node_names(transaction)?;
    let mut query = transaction
        .prepare("SELECT DISTINCT hour, node FROM hours WHERE hour >= ?1 AND hour < ?2")
        .map_err(&fault)?;
    let mut rows = query
        .query(params![hour_number(period.from), hour_number(period.until)])
        .map_err(&fault)?;
    while let Some(row) = rows.next().map_err(&fault)? {
        let (hour, node): (i64, i64) =
            (read(row, 0).map_err(&fault)?, read(row, 1).map_err(&fault)?);
        if let Some(name) = names.get(&node) {
            snapshot
                .node_hours
                .entry(Arc::clone(name))
                .or_default()
                .insert(hour_of(hour));
        }
    }
    for (id, name) in &names {
        let first = |table: &str| {
            transaction
                .prepare(&format!(
                    "SELECT hour FROM {table} WHERE node = ?1 ORDER BY hour LIMIT 1"
                ))
                .and_then(|mut query| query.query_row([id], |row| row.get::<_, i64>(0)).optional())
                .map_err(&fault)
        };
        let firsts = [first("months")?, first("days")?, first("hours")?];
        if let Some(hour) = firsts.into_iter().flatten().min() {
            snapshot.node_first.insert(Arc::clone(name), hour_of(hour));
        }
    }
    Ok(())
}

fn read_rows(
    transaction: &Transaction<'_>,
    scope: &Scope,
    period: Period,
    mut pods: HashMap<Arc<str>, PodNames>,
    snapshot: &mut Snapshot,
) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("reading the ledger");
    let names = node_names(transaction)?;
    let accounts = accounts_of(transaction, scope, &pods)?;
    let mut query = transaction
        .prepare(
            "SELECT hour, node, account, provenance, low_uj, energy_uj, high_uj, cpu_us,
                    minutes
             FROM hours WHERE hour >= ?1 AND hour < ?2
             UNION ALL
             SELECT hour, node, account, provenance, low_uj, energy_uj, high_uj, cpu_us,
                    minutes
             FROM days WHERE hour >= ?1 AND hour < ?2
             UNION ALL
             SELECT hour, node, account, provenance, low_uj, energy_uj, high_uj, cpu_us,
                    minutes
             FROM months WHERE hour >= ?1 AND hour < ?2",
        )
        .map_err(&fault)?;
    let mut rows = query
        .query(params![hour_number(period.from), hour_number(period.until)])
        .map_err(&fault)?;
    let mut used = BTreeSet::new();
    while let Some(row) = rows.next().map_err(&fault)? {
        let Some(account) = accounts.get(&read(row, 2).map_err(&fault)?) else {
            continue;
        };
        let node: i64 = read(row, 1).map_err(&fault)?;
        let node = names
            .get(&node)
            .cloned()
            .ok_or_else(|| LedgerFault::Foreign {
                table: "hours",
                found: format!("the unknown node {node}"),
            })?;
        if let LedgerAccount::Pod(uid) = account {
            used.insert(Arc::clone(uid));
        }
        let joules = |column| {
            let raw = read(row, column).map_err(&fault)?;
            unsigned("hours", raw).map(Joules::from_microjoules)
        };
        snapshot.rows.push(HourRow {
            hour: hour_of(read(row, 0).map_err(&fault)?),
            node,
            account: account.clone(),
            provenance: provenance_of(read(row, 3).map_err(&fault)?)?,
            energy: Estimate {
                low: joules(4)?,
                value: joules(5)?,
                high: joules(6)?,
            },
            cpu_us: unsigned("hours", read(row, 7).map_err(&fault)?)?,
            minutes: unsigned("hours", read(row, 8).map_err(&fault)?)?,
        });
    }
    drop(rows);
    drop(query);
    snapshot.cpu_minutes = read_cpu_minutes(transaction, &accounts)?;
    pods.retain(|uid, _| used.contains(uid));
    snapshot.pods = pods;
    Ok(())
}

fn read_cpu_minutes(
    transaction: &Transaction<'_>,
    accounts: &HashMap<i64, LedgerAccount>,
) -> Result<Vec<CpuMinute>, LedgerFault> {
    let fault = LedgerFault::of("reading CPU time");
    let mut query = transaction
        .prepare("SELECT minute, account, cpu_us FROM minutes")
        .map_err(&fault)?;
    let mut rows = query.query([]).map_err(&fault)?;
    let mut minutes = Vec::new();
    while let Some(row) = rows.next().map_err(&fault)? {
        let Some(LedgerAccount::Pod(pod)) = accounts.get(&read(row, 1).map_err(&fault)?) else {
            continue;
        };
        minutes.push(CpuMinute {
            minute: read(row, 0).map_err(&fault)?,
            pod: Arc::clone(pod),
            cpu_us: unsigned("minutes", read(row, 2).map_err(&fault)?)?,
        });
    }
    Ok(minutes)
}

fn read_node_idle(
    transaction: &Transaction<'_>,
    period: Period,
    snapshot: &mut Snapshot,
) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("reading idle energy");
    let mut query = transaction
        .prepare(
            "SELECT n.name, h.energy_uj, h.minutes FROM hours AS h
             JOIN nodes AS n ON n.id = h.node JOIN accounts AS a ON a.id = h.account
             WHERE a.kind = 'idle' AND h.caught_up = 0 AND h.hour >= ?1 AND h.hour < ?2",
        )
        .map_err(&fault)?;
    let mut rows = query
        .query(params![hour_number(period.from), hour_number(period.until)])
        .map_err(&fault)?;
    while let Some(row) = rows.next().map_err(&fault)? {
        let name: String = read(row, 0).map_err(&fault)?;
        let idle = snapshot.node_idle.entry(Arc::from(name)).or_default();
        let energy = unsigned("hours", read(row, 1).map_err(&fault)?)?;
        idle.0 += Joules::from_microjoules(energy);
        idle.1 += unsigned("hours", read(row, 2).map_err(&fault)?)?;
    }
    Ok(())
}

/// The accounts of a scope by their id.
fn accounts_of(
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
