//! Rows by workload, and what belongs to none; no row is dropped.

use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::iter::Peekable;
use std::sync::Arc;

use tanso_carbon::account::EnergyRow;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_crds::carbon_policy::status::AccountEnergy;
use tanso_power::Joules;

use super::ValidatedPolicy;
use super::booked::{Booked, Member, Rows};
use crate::ledger::memory::WorkloadKey;
use crate::ledger::{CpuDay, LedgerAccount, MemoryDay, PodMinutes, PodNames, Snapshot};

/// The account of pods that the policy does not select, or nobody named.
const UNSELECTED: &str = "unselected";

/// What a workload is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key<'a> {
    pub(super) namespace: &'a str,
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
}

impl<'a> Key<'a> {
    /// The workload of a pod.
    pub(super) fn of(pod: &'a PodNames) -> Self {
        Self {
            namespace: &pod.namespace,
            kind: &pod.workload_kind,
            name: &pod.workload_name,
        }
    }

    /// That of the ledger.
    fn of_ledger([namespace, kind, name]: &'a WorkloadKey) -> Self {
        Self {
            namespace,
            kind,
            name,
        }
    }

    pub(super) fn to_ledger(self) -> WorkloadKey {
        [self.namespace, self.kind, self.name].map(str::to_owned)
    }
}

/// A pod of a workload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pod<'a> {
    pub(super) uid: &'a Arc<str>,
    pub(super) names: &'a PodNames,
    pub(super) rows: &'a [Booked],
    /// Its CPU time in each of the last minutes.
    pub(super) minutes: &'a PodMinutes,
}

impl<'a> Pod<'a> {
    /// All that is known of the members.
    pub(super) fn all(rows: &'a Rows<'_>, snapshot: &'a Snapshot) -> Vec<Self> {
        let of = |member: &'a Member<'_>| Self {
            uid: member.uid,
            names: member.names,
            rows: rows.within(member.rows.clone()),
            minutes: snapshot.cpu_minutes.of(member.uid),
        };
        rows.members.iter().map(of).collect()
    }

    /// The energy of its rows.
    pub(super) fn energy(&self) -> Joules {
        self.rows.iter().map(|row| row.energy.value).sum()
    }
}

/// A workload with all that was booked of its pods, by UID.
#[derive(Clone, Copy, Debug)]
pub(super) struct Workload<'a> {
    pub(super) key: Key<'a>,
    pub(super) pods: &'a [Pod<'a>],
    /// The rows of all its pods.
    pub(super) rows: &'a [Booked],
    pub(super) cpu_us: u64,
    /// Where it used most of its energy; nothing without any row.
    pub(super) place: Option<usize>,
    /// Its past days.
    pub(super) cpu_days: Option<&'a BTreeMap<UtcHour, CpuDay>>,
    pub(super) memory_days: Option<&'a BTreeMap<UtcHour, MemoryDay>>,
    /// The last minute that any pod of all has.
    pub(super) newest_minute: i64,
}

/// All rows, each in exactly one place.
#[derive(Debug)]
pub(super) struct Grouped<'a> {
    pub(super) all: &'a Rows<'a>,
    pub(super) workloads: Vec<Workload<'a>>,
}

/// Pods that were gone before the cluster's watch saw them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unseen {
    /// How many used energy.
    pub pods: usize,
    /// What they used, whatever account it is in.
    pub energy: Joules,
}

impl<'a> Grouped<'a> {
    /// Groups all rows, whose pods are given.
    pub(super) fn of(all: &'a Rows<'a>, pods: &'a [Pod<'a>], snapshot: &'a Snapshot) -> Self {
        let mut cpu_days = Along::of(&snapshot.cpu_days);
        let mut memory_days = Along::of(&snapshot.memory);
        let newest_minute = snapshot.cpu_minutes.newest();
        let mut begin = 0;
        let workloads = pods.chunk_by(|a, b| Key::of(a.names) == Key::of(b.names));
        let workloads = workloads.filter_map(|pods| {
            let key = Key::of(pods.first()?.names);
            let end = begin + pods.iter().map(|pod| pod.rows.len()).sum::<usize>();
            // Rows are in the order of their pods.
            let rows = all.within(begin..end);
            begin = end;
            let cpu_us = rows.iter().map(|row| row.cpu_us);
            Some(Workload {
                key,
                pods,
                rows,
                cpu_us: cpu_us.fold(0, u64::saturating_add),
                place: place_of_most(rows),
                cpu_days: cpu_days.at(key),
                memory_days: memory_days.at(key),
                newest_minute,
            })
        });
        Self {
            workloads: workloads.collect(),
            all,
        }
    }

    /// The rows of all workloads.
    pub(super) fn rows(&self) -> impl Iterator<Item = &'a Booked> {
        self.workloads.iter().flat_map(|workload| workload.rows)
    }

    /// The rows of all selected pods in a period, whether it is the window's or
    /// not.
    pub(super) fn rows_of(
        &self,
        policy: &ValidatedPolicy,
        snapshot: &Snapshot,
        period: Period,
    ) -> impl Iterator<Item = EnergyRow> {
        let is_selected = move |account: &LedgerAccount| match account {
            LedgerAccount::Pod(uid) => {
                let pod = snapshot.pods.get(uid);
                pod.is_some_and(|pod| selects(policy, pod))
            }
            LedgerAccount::Named(_) => false,
        };
        let outside = self.all.outside.iter();
        let outside = outside.filter(move |(account, _)| is_selected(account));
        let all = self.rows().chain(outside.map(|(_, row)| row));
        all.filter(move |row| period.contains(row.hour))
            .map(Booked::energy_row)
    }
}

/// The place of most energy.
fn place_of_most(rows: &[Booked]) -> Option<usize> {
    let first = rows.first()?.place();
    if rows.iter().all(|row| row.place() == first) {
        return Some(first);
    }
    let mut used: BTreeMap<usize, u128> = BTreeMap::new();
    for row in rows {
        *used.entry(row.place()).or_default() += u128::from(row.energy.value.microjoules());
    }
    let most = used.into_iter().max_by_key(|(_, energy)| *energy);
    most.map(|(place, _)| place)
}

/// Goes along with the workloads, which come in the order of their keys too.
struct Along<'a, T> {
    left: Peekable<btree_map::Iter<'a, WorkloadKey, T>>,
}

impl<'a, T> Along<'a, T> {
    fn of(all: &'a BTreeMap<WorkloadKey, T>) -> Self {
        Self {
            left: all.iter().peekable(),
        }
    }

    /// That of a workload; those before it are gone.
    fn at(&mut self, key: Key<'_>) -> Option<&'a T> {
        loop {
            let (next, found) = self.left.peek()?;
            match Key::of_ledger(next).cmp(&key) {
                Ordering::Less => {}
                Ordering::Equal => return Some(found),
                Ordering::Greater => return None,
            }
            self.left.next();
        }
    }
}

/// Pods whose owners nobody knows.
pub(super) fn unseen(grouped: &Grouped<'_>, snapshot: &Snapshot) -> Unseen {
    if snapshot.unseen.is_empty() {
        return Unseen::default();
    }
    let all = grouped.all;
    let members = all.members.iter();
    let members = members.map(|pod| (&**pod.uid, all.within(pod.rows.clone())));
    let unseen = members
        .chain(all.unselected())
        .filter(|(uid, rows)| !rows.is_empty() && snapshot.unseen.contains(*uid));
    let (pods, energy) = unseen.fold((0, 0), |(pods, sum), (_, rows)| {
        (pods + 1, sum + energy_of(rows))
    });
    Unseen {
        pods,
        energy: Joules::from_microjoules(u64::try_from(energy).unwrap_or(u64::MAX)),
    }
}

fn energy_of(rows: &[Booked]) -> u128 {
    let each = rows.iter().map(|row| row.energy.value.microjoules());
    each.map(u128::from).sum()
}

/// Whether a policy's selector takes a pod in.
#[must_use]
pub fn selects(policy: &ValidatedPolicy, pod: &PodNames) -> bool {
    let kind = policy.kinds.is_empty() || policy.kinds.contains(&pod.workload_kind);
    let labels = policy
        .match_labels
        .iter()
        .all(|(key, value)| pod.labels.get(key) == Some(value));
    kind && labels
}

/// The accounts that are no workload, for a status.
pub(super) fn unallocated(grouped: &Grouped<'_>) -> Vec<AccountEnergy> {
    let named = grouped.all.named.iter();
    let named = named.map(|(name, rows)| (*name, energy_of(rows)));
    let mut accounts: BTreeMap<&str, u128> = named.collect();
    for (_, rows) in grouped.all.unselected() {
        *accounts.entry(UNSELECTED).or_default() += energy_of(rows);
    }
    let energy = |sum: u128| Joules::from_microjoules(u64::try_from(sum).unwrap_or(u64::MAX));
    accounts
        .into_iter()
        .map(|(account, sum)| AccountEnergy {
            account: account.to_owned(),
            energy_microjoules: i64::try_from(energy(sum).microjoules()).unwrap_or(i64::MAX),
        })
        .collect()
}
