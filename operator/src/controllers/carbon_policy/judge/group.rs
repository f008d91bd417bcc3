//! Rows by workload, and what belongs to none; no row is dropped.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tanso_carbon::account::EnergyRow;
use tanso_carbon::calendar::Period;
use tanso_crds::carbon_policy::status::AccountEnergy;
use tanso_power::Joules;

use super::ValidatedPolicy;
use crate::ledger::{CpuMinute, HourRow, LedgerAccount, PodNames, Snapshot};

/// The account of pods that the policy does not select, or nobody named.
const UNSELECTED: &str = "unselected";

/// What a workload is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key<'a> {
    pub(super) namespace: &'a str,
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
}

/// A workload's rows.
#[derive(Debug)]
pub(super) struct Workload<'a> {
    pub(super) key: Key<'a>,
    pub(super) rows: Vec<EnergyRow>,
    pub(super) hours: Vec<&'a HourRow>,
    pub(super) cpu_us: u64,
    pub(super) pods: BTreeMap<&'a Arc<str>, &'a PodNames>,
    /// CPU time of its pods in each of the last minutes, once they are shared
    /// out.
    pub(super) minutes: Vec<&'a CpuMinute>,
    /// The last minute that any pod of all has.
    pub(super) newest_minute: i64,
}

/// All rows, each in exactly one place.
#[derive(Debug, Default)]
pub(super) struct Grouped<'a> {
    pub(super) workloads: Vec<Workload<'a>>,
    pub(super) others: BTreeMap<&'static str, u128>,
    /// What each pod used that was gone before anybody saw it, wherever it is
    /// counted.
    pub(super) unseen: BTreeMap<&'a Arc<str>, u128>,
}

/// Pods that were gone before the cluster's watch saw them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unseen {
    /// How many used energy.
    pub pods: usize,
    /// What they used, whatever account it is in.
    pub energy: Joules,
}

/// Groups the rows of a period.
pub(super) fn group<'a>(
    policy: &ValidatedPolicy,
    snapshot: &'a Snapshot,
    period: Period,
) -> Grouped<'a> {
    let mut workloads: BTreeMap<Key<'a>, Workload<'a>> = BTreeMap::new();
    let mut others: BTreeMap<&'static str, u128> = BTreeMap::new();
    let mut unseen: BTreeMap<&'a Arc<str>, u128> = BTreeMap::new();
    for row in &snapshot.rows {
        if row.hour < period.from || row.hour >= period.until {
            continue;
        }
        let energy = u128::from(row.energy.value.microjoules());
        if let Some(uid) = row.pod().filter(|uid| snapshot.unseen.contains(*uid)) {
            *unseen.entry(uid).or_default() += energy;
        }
        let account = match &row.account {
            LedgerAccount::Named(name) => name,
            LedgerAccount::Pod(uid) => match snapshot.pods.get_key_value(uid) {
                Some((uid, pod)) if selects(policy, pod) => {
                    let place = policy.place_of(&row.node, row.hour);
                    add(&mut workloads, uid, pod, row, place);
                    continue;
                }
                _ => UNSELECTED,
            },
        };
        *others.entry(account).or_default() += energy;
    }
    // What runs without using energy is said too: a workload that idles is not
    // missing. Pods with rows outside the period only belong to another one.
    let with_rows: BTreeSet<&Arc<str>> = snapshot.rows.iter().filter_map(HourRow::pod).collect();
    for (uid, pod) in &snapshot.pods {
        if !with_rows.contains(uid) && selects(policy, pod) {
            entry(&mut workloads, pod).pods.insert(uid, pod);
        }
    }
    Grouped {
        workloads: workloads.into_values().collect(),
        others,
        unseen,
    }
}

/// Gives each workload the minutes of its pods: once for all, since a cluster
/// has millions of them.
pub(super) fn share_minutes<'a>(grouped: &mut Grouped<'a>, snapshot: &'a Snapshot) {
    let mut of_pod: HashMap<&Arc<str>, Vec<&'a CpuMinute>> = HashMap::new();
    let mut newest = 0;
    for minute in &snapshot.cpu_minutes {
        of_pod.entry(&minute.pod).or_default().push(minute);
        newest = minute.minute.max(newest);
    }
    for workload in &mut grouped.workloads {
        workload.newest_minute = newest;
        for uid in workload.pods.keys() {
            workload
                .minutes
                .extend(of_pod.remove(*uid).unwrap_or_default());
        }
    }
}

/// Pods whose owners nobody knows.
pub(super) fn unseen(grouped: &Grouped<'_>) -> Unseen {
    let energy: u128 = grouped.unseen.values().sum();
    Unseen {
        pods: grouped.unseen.len(),
        energy: Joules::from_microjoules(u64::try_from(energy).unwrap_or(u64::MAX)),
    }
}

fn add<'a>(
    workloads: &mut BTreeMap<Key<'a>, Workload<'a>>,
    uid: &'a Arc<str>,
    pod: &'a PodNames,
    row: &'a HourRow,
    place: usize,
) {
    let workload = entry(workloads, pod);
    workload.rows.push(EnergyRow {
        hour: row.hour,
        place,
        energy: row.energy,
        provenance: row.provenance,
    });
    workload.hours.push(row);
    workload.cpu_us = workload.cpu_us.saturating_add(row.cpu_us);
    workload.pods.insert(uid, pod);
}

fn entry<'a, 'b>(
    workloads: &'b mut BTreeMap<Key<'a>, Workload<'a>>,
    pod: &'a PodNames,
) -> &'b mut Workload<'a> {
    let key = Key {
        namespace: &pod.namespace,
        kind: &pod.workload_kind,
        name: &pod.workload_name,
    };
    workloads.entry(key).or_insert_with(|| Workload {
        key,
        rows: Vec::new(),
        hours: Vec::new(),
        cpu_us: 0,
        pods: BTreeMap::new(),
        minutes: Vec::new(),
        newest_minute: 0,
    })
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
    let energy = |sum: &u128| Joules::from_microjoules(u64::try_from(*sum).unwrap_or(u64::MAX));
    grouped
        .others
        .iter()
        .map(|(account, sum)| AccountEnergy {
            account: (*account).to_owned(),
            energy_microjoules: i64::try_from(energy(sum).microjoules()).unwrap_or(i64::MAX),
        })
        .collect()
}
