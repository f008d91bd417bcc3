//! Reading the ledger: what a policy sees at one instant, and totals.
//!
//! A snapshot is one read transaction, so its rows, names and revision belong
//! together. Sums are made here in 128 bits: SQL's own would overflow or round.

mod alone;
mod by_hour;
mod newest;
mod sums;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{Connection, Row, Transaction};
use serde::Serialize;
use tanso_carbon::account::EnergyRow;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_power::{Estimate, Joules, Provenance};

use super::advice::AdviceRow;
use super::day::Slot;
use super::ids::provenance_of;
use super::memory::{self, MemoryDays};
use super::names::{self, PodNames};
use super::node_places::PlaceNumbers;
use super::past_cpu::{self, CpuDays};
use super::rows::{self, RawHour, Visitor};
pub use super::total::{Total, total_through};
use super::{LedgerFault, unseen, unsigned};
pub use alone::{of_scope, of_scope_up_to, of_workload};
pub use by_hour::{Sought, requests_by_hour};
pub use newest::{NamedRow, NodeMinutes, Owner, newest_hour, newest_of};
pub use sums::sums_of;

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

impl HourRow {
    /// The pod that it is of, by its UID; `None` of a named account.
    #[must_use]
    pub fn pod(&self) -> Option<&Arc<str>> {
        match &self.account {
            LedgerAccount::Pod(uid) => Some(uid),
            LedgerAccount::Named(_) => None,
        }
    }
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
    /// Rows of the scope within the period, or from the begin of a fold on.
    pub rows: Vec<HourRow>,
    /// What counts before a fold, by hour, place and provenance.
    pub earlier: Vec<EnergyRow>,
    /// Names of the pods in the rows, and of those that run without energy as far as the reader added them.
    pub pods: HashMap<Arc<str>, PodNames>,
    /// Those of these pods that were gone before the cluster's watch saw them: nobody knows their owners.
    pub unseen: HashSet<Arc<str>>,
    /// Hours within the period in which each node has any row.
    pub node_hours: BTreeMap<Arc<str>, BTreeSet<UtcHour>>,
    /// Idle energy of each node within the period, and the minutes it covers.
    pub node_idle: BTreeMap<Arc<str>, (Joules, u64)>,
    /// CPU time of pods of the scope in each of the last minutes.
    pub cpu_minutes: Vec<CpuMinute>,
    /// CPU time of each workload's pods by the day, of minutes before these.
    pub cpu_days: CpuDays,
    /// The highest memory of each workload by the day, of the last days.
    pub memory: MemoryDays,
    /// The pods that these are of: of others in the rows no agent told any.
    pub memory_told: BTreeSet<Arc<str>>,
    /// The first hour ever booked for each node.
    pub node_first: BTreeMap<Arc<str>, UtcHour>,
    /// Earlier advice on requests with what became of it, as far as the reader added it.
    pub advice: Vec<AdviceRow>,
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

/// How hours before a window are summed while they are read: the account of a
/// year needs no workloads, and a year of them would not fit into memory.
pub struct Fold<'a> {
    /// Rows of earlier hours are summed.
    pub before: UtcHour,
    /// Whether a pod counts.
    pub counts: &'a dyn Fn(&PodNames) -> bool,
    /// The numbers of a node's places.
    pub place_of: &'a dyn Fn(&str) -> PlaceNumbers,
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
    folded(connection, scope, period, None)
}

/// As [`snapshot`], with the hours before a fold as sums.
///
/// # Errors
/// As [`snapshot`].
pub fn folded(
    connection: &mut Connection,
    scope: &Scope,
    period: Period,
    fold: Option<&Fold<'_>>,
) -> Result<Snapshot, LedgerFault> {
    let fault = LedgerFault::of("reading the ledger");
    // Only this thread writes, so a deferred transaction is one instant.
    let transaction = connection.transaction().map_err(fault)?;
    let mut pods = pods_of(&transaction, scope)?;
    let accounts = accounts_of(&transaction, scope, &pods)?;
    let names = node_names(&transaction)?;
    let mut gathered = Gathered {
        most: usize::MAX,
        idle: idle_of(&transaction)?,
        fold: fold.map(|fold| Folding::new(fold, &accounts, &pods, &names)),
        accounts: &accounts,
        names: &names,
        found: Snapshot {
            revision: last_revision(&transaction)?,
            nodes: current_nodes(&transaction)?,
            ..Snapshot::default()
        },
        node_hours: BTreeSet::new(),
        last_seen: None,
    };
    rows::visit(&transaction, period, &mut gathered)?;
    let mut snapshot = gathered.finish();
    for (id, name) in &names {
        if let Some(hour) = rows::first_hour(&transaction, *id)? {
            snapshot.node_first.insert(Arc::clone(name), hour_of(hour));
        }
    }
    snapshot.cpu_minutes = read_cpu_minutes(&transaction, &accounts)?;
    let everyone = |_: &PodNames| true;
    let counts = fold.map_or(&everyone as &dyn Fn(&PodNames) -> bool, |fold| fold.counts);
    snapshot.cpu_days = past_cpu::days(&transaction, &accounts, &pods, counts, period.until)?;
    (snapshot.memory, snapshot.memory_told) =
        memory::days(&transaction, &accounts, &pods, period.until)?;
    let used: BTreeSet<&Arc<str>> = snapshot.rows.iter().filter_map(HourRow::pod).collect();
    pods.retain(|uid, _| used.contains(uid));
    snapshot.unseen = unseen::uids(&transaction)?;
    snapshot.unseen.retain(|uid| pods.contains_key(uid));
    snapshot.pods = pods;
    Ok(snapshot)
}

/// What a fold comes to, by the numbers of the tables.
struct Folding {
    before: i64,
    counted: HashSet<i64>,
    places: HashMap<i64, PlaceNumbers>,
    sums: BTreeMap<(i64, usize, Provenance), Estimate<Joules>>,
}

impl Folding {
    fn new(
        fold: &Fold<'_>,
        accounts: &HashMap<i64, LedgerAccount>,
        pods: &HashMap<Arc<str>, PodNames>,
        names: &HashMap<i64, Arc<str>>,
    ) -> Self {
        let counts = |account: &LedgerAccount| match account {
            LedgerAccount::Pod(uid) => pods.get(uid).is_some_and(fold.counts),
            LedgerAccount::Named(_) => false,
        };
        let counted = accounts.iter().filter(|(_, account)| counts(account));
        Self {
            before: hour_number(fold.before),
            counted: counted.map(|(id, _)| *id).collect(),
            places: names
                .iter()
                .map(|(id, name)| (*id, (fold.place_of)(name)))
                .collect(),
            sums: BTreeMap::new(),
        }
    }
}

/// A snapshot in the making.
struct Gathered<'a> {
    /// Most rows that are kept.
    most: usize,
    accounts: &'a HashMap<i64, LedgerAccount>,
    names: &'a HashMap<i64, Arc<str>>,
    idle: HashSet<i64>,
    fold: Option<Folding>,
    found: Snapshot,
    node_hours: BTreeSet<(i64, i64)>,
    /// The last that was noted: rows come by hour and node.
    last_seen: Option<(i64, i64)>,
}

impl Gathered<'_> {
    fn is_folded(&self, hour: i64) -> bool {
        self.fold.as_ref().is_some_and(|fold| hour < fold.before)
    }

    fn node(&self, node: i64) -> Result<Arc<str>, LedgerFault> {
        let name = self.names.get(&node).cloned();
        name.ok_or_else(|| LedgerFault::Foreign {
            table: "hours",
            found: format!("the unknown node {node}"),
        })
    }

    fn add_idle(&mut self, row: RawHour) -> Result<(), LedgerFault> {
        let node = self.node(row.node)?;
        let idle = self.found.node_idle.entry(node).or_default();
        idle.0 += Joules::from_microjoules(unsigned("hours", row.slot.energy_uj)?);
        idle.1 += unsigned("hours", row.slot.minutes)?;
        Ok(())
    }

    fn finish(self) -> Snapshot {
        let mut found = self.found;
        for (node, hour) in self.node_hours {
            if let Some(name) = self.names.get(&node) {
                let hours = found.node_hours.entry(Arc::clone(name)).or_default();
                hours.insert(hour_of(hour));
            }
        }
        let sums = self.fold.map(|fold| fold.sums).unwrap_or_default();
        let earlier = |((hour, place, provenance), energy)| EnergyRow {
            hour: hour_of(hour),
            place,
            energy,
            provenance,
        };
        found.earlier = sums.into_iter().map(earlier).collect();
        found
    }
}

impl Visitor for Gathered<'_> {
    fn wants(&self, account: i64) -> bool {
        self.accounts.contains_key(&account) || self.idle.contains(&account)
    }

    fn seen(&mut self, hour: i64, node: i64) {
        if self.last_seen.replace((node, hour)) != Some((node, hour)) {
            self.node_hours.insert((node, hour));
        }
    }

    fn row(&mut self, row: RawHour) -> Result<(), LedgerFault> {
        let is_folded = self.is_folded(row.hour);
        if self.idle.contains(&row.account) && !row.caught_up && !is_folded {
            self.add_idle(row)?;
        }
        let Some(account) = self.accounts.get(&row.account) else {
            return Ok(());
        };
        let provenance = provenance_of(row.provenance)?;
        let energy = energy_of(row.slot)?;
        if is_folded {
            if let Some(fold) = &mut self.fold
                && fold.counted.contains(&row.account)
            {
                let places = fold.places.get(&row.node);
                let place = places.map_or(0, |places| places.at(hour_of(row.hour)));
                let sum = fold.sums.entry((row.hour, place, provenance)).or_default();
                *sum = *sum + energy;
            }
            return Ok(());
        }
        if self.found.rows.len() >= self.most {
            return Err(LedgerFault::TooMuch { most: self.most });
        }
        let found = HourRow {
            hour: hour_of(row.hour),
            node: self.node(row.node)?,
            account: account.clone(),
            provenance,
            energy,
            cpu_us: unsigned("hours", row.slot.cpu_us)?,
            minutes: unsigned("hours", row.slot.minutes)?,
        };
        self.found.rows.push(found);
        Ok(())
    }
}

fn energy_of(slot: Slot) -> Result<Estimate<Joules>, LedgerFault> {
    let joules = |raw| unsigned("hours", raw).map(Joules::from_microjoules);
    Ok(Estimate {
        low: joules(slot.low_uj)?,
        value: joules(slot.energy_uj)?,
        high: joules(slot.high_uj)?,
    })
}

/// The accounts of idle energy.
fn idle_of(transaction: &Transaction<'_>) -> Result<HashSet<i64>, LedgerFault> {
    let fault = LedgerFault::of("reading the accounts");
    transaction
        .prepare("SELECT id FROM accounts WHERE kind = 'idle'")
        .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
        .map_err(&fault)
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

pub(super) fn hour_number(hour: UtcHour) -> i64 {
    hour.unix_seconds().div_euclid(3_600)
}

pub(super) fn hour_of(number: i64) -> UtcHour {
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
