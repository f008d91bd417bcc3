//! Reading the ledger: what a policy sees at one instant, and totals.
//!
//! A snapshot is one read transaction, so its rows, names and revision belong
//! together. Sums are made here in 128 bits: SQL's own would overflow or round.

mod alone;
mod by_hour;
pub(super) mod few;
mod gather;
mod newest;
mod sums;
mod whose;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{Connection, Row, Transaction};
use serde::Serialize;
use tanso_carbon::account::EnergyRow;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_power::{Estimate, Joules, Provenance};

use super::advice::AdviceRow;
use super::cpu_minutes::{self, CpuMinutes};
use super::memory::{self, MemoryDays};
use super::names::PodNames;
use super::node_places::PlaceNumbers;
use super::past_cpu::{self, CpuDays};
use super::rows::{self, Place};
use super::seen_minutes::{self, PartHours};
pub use super::total::{Total, total_through};
use super::{LedgerFault, unseen, unsigned};
pub use alone::{of_scope, of_scope_up_to, of_workload};
pub use by_hour::{Sought, requests_by_hour};
use few::Way;
use gather::{Folding, Gathered};
pub use newest::{NamedRow, NodeMinutes, Owner, newest_hour, newest_of};
pub use sums::sums_of;
use whose::{accounts_of, idle_of, node_names, places_of, pods_of};

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
    /// The minutes that were seen of those that were not seen whole.
    pub part_hours: PartHours,
    /// Idle energy of each node within the period, and the minutes it covers.
    pub node_idle: BTreeMap<Arc<str>, (Joules, u64)>,
    /// CPU time of pods of the scope in each of the last minutes.
    pub cpu_minutes: CpuMinutes,
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
    folded_by(connection, scope, period, fold, None)
}

/// As [`folded`], on this way or the cheaper one: both find the same.
fn folded_by(
    connection: &mut Connection,
    scope: &Scope,
    period: Period,
    fold: Option<&Fold<'_>>,
    way: Option<Way>,
) -> Result<Snapshot, LedgerFault> {
    let fault = LedgerFault::of("reading the ledger");
    // Only this thread writes, so a deferred transaction is one instant.
    let transaction = connection.transaction().map_err(fault)?;
    let mut pods = pods_of(&transaction, scope)?;
    let accounts = accounts_of(&transaction, scope, &pods)?;
    let names = node_names(&transaction)?;
    let idle = idle_of(&transaction)?;
    let unseen = unseen::within(&transaction, scope)?;
    let places = places_of(&pods, &accounts, &names, &unseen);
    let places = sought(&transaction, places, (&names, &idle), period, way)?;
    let mut gathered = Gathered {
        most: usize::MAX,
        idle,
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
    match &places {
        Some(places) => {
            rows::see_hours(&transaction, period, names.keys().copied(), &mut gathered)?;
            rows::visit_only(&transaction, period, places, &mut gathered)?;
        }
        None => rows::visit(&transaction, period, &mut gathered)?,
    }
    let mut snapshot = gathered.finish();
    for (id, name) in &names {
        if let Some(hour) = rows::first_hour(&transaction, *id)? {
            snapshot.node_first.insert(Arc::clone(name), hour_of(hour));
        }
    }
    snapshot.part_hours = seen_minutes::part_hours(&transaction, &names, period)?;
    snapshot.cpu_minutes = cpu_minutes::of(&transaction, &accounts, way)?;
    // As many rows a day as hours have.
    let of_days = places.as_ref().map_or(Way::Read, |_| Way::Sought);
    let everyone = |_: &PodNames| true;
    let counts = fold.map_or(&everyone as &dyn Fn(&PodNames) -> bool, |fold| fold.counts);
    snapshot.cpu_days = past_cpu::days(
        &transaction,
        (&accounts, &pods),
        counts,
        (period.until, of_days),
    )?;
    (snapshot.memory, snapshot.memory_told) =
        memory::days(&transaction, (&accounts, &pods), (period.until, of_days))?;
    let used: BTreeSet<&Arc<str>> = snapshot.rows.iter().filter_map(HourRow::pod).collect();
    pods.retain(|uid, _| used.contains(uid));
    snapshot.unseen = unseen;
    snapshot.unseen.retain(|uid| pods.contains_key(uid));
    snapshot.pods = pods;
    Ok(snapshot)
}

/// The places that are sought one by one, those of idle energy among them, in
/// the order of rows; `None` if all rows are read.
fn sought(
    transaction: &Transaction<'_>,
    places: Option<Vec<Place>>,
    (nodes, idle): (&HashMap<i64, Arc<str>>, &HashSet<i64>),
    period: Period,
    way: Option<Way>,
) -> Result<Option<Vec<Place>>, LedgerFault> {
    let Some(mut places) = places else {
        return Ok(None);
    };
    let of_node = |node: i64| {
        let place = move |account: &i64| Place {
            node,
            account: *account,
        };
        idle.iter().map(place)
    };
    places.extend(nodes.keys().flat_map(|node| of_node(*node)));
    places.sort_unstable();
    let way = match way {
        Some(way) => way,
        None => Way::to_hours(transaction, places.len(), period)?,
    };
    Ok((way == Way::Sought).then_some(places))
}

pub(super) fn last_revision(transaction: &Transaction<'_>) -> Result<i64, LedgerFault> {
    transaction
        .prepare_cached("SELECT coalesce(max(revision), 0) FROM bookings")
        .and_then(|mut query| query.query_row([], |row| row.get(0)))
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
        .prepare_cached(
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

pub(super) fn hour_number(hour: UtcHour) -> i64 {
    hour.unix_seconds().div_euclid(3_600)
}

pub(super) fn hour_of(number: i64) -> UtcHour {
    UtcHour::from_unix_seconds(number.saturating_mul(3_600))
}
