//! What was read from ledger and cluster, as plain data.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tanso_carbon::account::EnergyRow;
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::recommend::consolidate;
use tanso_crds::power_monitor::IdleSharing;
use tanso_power::{Estimate, Joules, Provenance};

use crate::controllers::carbon_policy::judge::{Facts, Inputs};
use crate::ledger::memory::WorkloadKey;
use crate::ledger::{
    AdviceRow, CpuDay, CpuDays, CpuMinute, CpuMinutes, HourRow, LedgerAccount, MemoryDay,
    MemoryDays, NodeAt, PodNames, Snapshot,
};
use crate::owners::Schedule;

/// The accounts that are no pods.
const NAMED: [&str; 5] = ["idle", "system", "kernel", "overflow", "standalone"];

/// A row of an hour; the account is `pod:UID` or a name.
type Row = (
    UtcHour,
    String,
    String,
    Provenance,
    Estimate<Joules>,
    u64,
    u64,
);

/// A pod by what the ledger knows of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pod {
    namespace: String,
    name: String,
    node: String,
    workload_kind: String,
    workload_name: String,
    labels: BTreeMap<String, String>,
    cpu_request_milli: Option<i64>,
    container: String,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory_request_bytes: Option<i64>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    memory_container: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    oom_killed_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    oom_held_bytes: Option<i64>,
}

/// A workload's day of memory: the workload, the day's first hour, the peak,
/// minutes seen, what is known of a kill.
type Held = (WorkloadKey, UtcHour, u64, u64, Killed);

/// A day of CPU: its first hour, minutes, the most, and seconds by bucket.
type Past = (UtcHour, u64, u64, Vec<(u16, u64)>);

/// A kill with the least that was held then; records of before say only
/// whether there was one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Killed {
    With(u64),
    Is(bool),
}

impl From<Option<u64>> for Killed {
    fn from(killed_with: Option<u64>) -> Self {
        killed_with.map_or(Self::Is(false), Self::With)
    }
}

impl From<Killed> for Option<u64> {
    fn from(killed: Killed) -> Self {
        match killed {
            Killed::With(bytes) => Some(bytes),
            Killed::Is(killed) => killed.then_some(0),
        }
    }
}

/// The ledger's rows of one instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EnergyRecord {
    revision: i64,
    nodes: Vec<(String, String, u64, i64)>,
    rows: Vec<Row>,
    earlier: Vec<EnergyRow>,
    node_hours: BTreeMap<String, BTreeSet<UtcHour>>,
    /// Absent without any, as in records of before, when no minutes were counted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    part_hours: BTreeMap<String, BTreeMap<UtcHour, u64>>,
    node_idle: BTreeMap<String, (Joules, u64)>,
    node_first: BTreeMap<String, UtcHour>,
    cpu_minutes: Vec<(i64, String, u64)>,
    /// Absent without any, likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cpu_days: Vec<(WorkloadKey, Vec<Past>)>,
    /// Absent without any, as in records of before, whose digests stay so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    memory: Vec<Held>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    memory_told: BTreeSet<String>,
    /// Earlier advice with what became of it; absent without any, likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    advice: Vec<AdviceRow>,
}

/// Names of the pods in the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct NamesRecord(BTreeMap<String, Pod>);

impl EnergyRecord {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let text = |name: &Arc<str>| (**name).to_owned();
        let mut rows: Vec<Row> = snapshot
            .rows
            .iter()
            .map(|row| {
                let account = match &row.account {
                    LedgerAccount::Pod(uid) => format!("pod:{uid}"),
                    LedgerAccount::Named(name) => (*name).to_owned(),
                };
                let node = text(&row.node);
                (
                    row.hour,
                    node,
                    account,
                    row.provenance,
                    row.energy,
                    row.cpu_us,
                    row.minutes,
                )
            })
            .collect();
        rows.sort_by(|a, b| (a.0, &a.1, &a.2, a.3, a.5).cmp(&(b.0, &b.1, &b.2, b.3, b.5)));
        let nodes = snapshot.nodes.iter();
        Self {
            revision: snapshot.revision,
            nodes: nodes
                .map(|node| {
                    let journal = node.journal.clone();
                    (node.node.clone(), journal, node.sequence, node.closed_until)
                })
                .collect(),
            rows,
            earlier: snapshot.earlier.clone(),
            node_hours: snapshot
                .node_hours
                .iter()
                .map(|(node, hours)| (text(node), hours.clone()))
                .collect(),
            part_hours: snapshot
                .part_hours
                .iter()
                .map(|(node, hours)| (text(node), hours.clone()))
                .collect(),
            node_idle: snapshot
                .node_idle
                .iter()
                .map(|(node, idle)| (text(node), *idle))
                .collect(),
            node_first: snapshot
                .node_first
                .iter()
                .map(|(node, first)| (text(node), *first))
                .collect(),
            cpu_minutes: minutes(&snapshot.cpu_minutes),
            cpu_days: past(&snapshot.cpu_days),
            memory: held(&snapshot.memory),
            memory_told: snapshot.memory_told.iter().map(text).collect(),
            advice: snapshot.advice.clone(),
        }
    }

    /// The rows of before, with names.
    pub(super) fn snapshot(&self, names: &NamesRecord) -> Result<Snapshot, String> {
        let shared = |text: &str| Arc::<str>::from(text);
        let mut rows = Vec::with_capacity(self.rows.len());
        for (hour, node, account, provenance, energy, cpu_us, minutes) in &self.rows {
            let account = match account.strip_prefix("pod:") {
                Some(uid) => LedgerAccount::Pod(shared(uid)),
                None => NAMED
                    .iter()
                    .find(|name| **name == account)
                    .map(|name| LedgerAccount::Named(name))
                    .ok_or_else(|| format!("the unknown account \"{account}\""))?,
            };
            rows.push(HourRow {
                hour: *hour,
                node: shared(node),
                account,
                provenance: *provenance,
                energy: *energy,
                cpu_us: *cpu_us,
                minutes: *minutes,
            });
        }
        let nodes = self.nodes.iter();
        let minutes = self.cpu_minutes.iter();
        Ok(Snapshot {
            revision: self.revision,
            nodes: nodes
                .map(|(node, journal, sequence, closed_until)| NodeAt {
                    node: node.clone(),
                    journal: journal.clone(),
                    sequence: *sequence,
                    closed_until: *closed_until,
                    energy_microjoules: 0,
                })
                .collect(),
            rows,
            earlier: self.earlier.clone(),
            pods: names.pods(),
            // Told in a status, and in no report.
            unseen: HashSet::new(),
            node_hours: keyed(&self.node_hours),
            part_hours: keyed(&self.part_hours),
            node_idle: keyed(&self.node_idle),
            node_first: keyed(&self.node_first),
            cpu_minutes: minutes
                .map(|(minute, pod, cpu_us)| {
                    let (minute, cpu_us) = (*minute, *cpu_us);
                    (shared(pod), CpuMinute { minute, cpu_us })
                })
                .collect(),
            cpu_days: self.cpu_days(),
            memory: self.memory(),
            memory_told: self.memory_told.iter().map(|pod| shared(pod)).collect(),
            advice: self.advice.clone(),
        })
    }

    fn cpu_days(&self) -> CpuDays {
        let day = |(day, minutes, most, seconds): &Past| {
            let seen = CpuDay {
                minutes: *minutes,
                most_microcores: *most,
                seconds: seconds.clone(),
            };
            (*day, seen)
        };
        let all = self.cpu_days.iter();
        all.map(|(workload, days)| (workload.clone(), days.iter().map(day).collect()))
            .collect()
    }

    fn memory(&self) -> MemoryDays {
        let mut days = MemoryDays::new();
        for (workload, day, peak_bytes, minutes, killed) in &self.memory {
            let of = days.entry(workload.clone()).or_default();
            let held = MemoryDay {
                peak_bytes: *peak_bytes,
                minutes: *minutes,
                killed_with: (*killed).into(),
            };
            of.insert(*day, held);
        }
        days
    }

    /// Energy of each hour that was over, of all rows, microjoules: what the
    /// ledger must still say.
    pub(super) fn by_hour(&self, before: UtcHour) -> BTreeMap<UtcHour, u128> {
        let mut sums = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.0 < before) {
            *sums.entry(row.0).or_default() += u128::from(row.4.value.microjoules());
        }
        sums
    }
}

/// By pod, each pod's as they came.
fn minutes(all: &CpuMinutes) -> Vec<(i64, String, u64)> {
    let mut pods: Vec<_> = all.pods().collect();
    pods.sort_unstable_by_key(|(pod, _)| *pod);
    let each = pods.into_iter().flat_map(|(pod, minutes)| {
        let one = move |one: &CpuMinute| (one.minute, (**pod).to_owned(), one.cpu_us);
        minutes.iter().map(one)
    });
    each.collect()
}

fn past(days: &CpuDays) -> Vec<(WorkloadKey, Vec<Past>)> {
    let one = |(day, seen): (&UtcHour, &CpuDay)| {
        let (minutes, most) = (seen.minutes, seen.most_microcores);
        (*day, minutes, most, seen.seconds.clone())
    };
    let all = days.iter();
    all.map(|(workload, days)| (workload.clone(), days.iter().map(one).collect()))
        .collect()
}

fn held(memory: &MemoryDays) -> Vec<Held> {
    let days = memory.iter().flat_map(|(workload, days)| {
        let one = move |(day, held): (&UtcHour, &MemoryDay)| {
            let (peak, minutes) = (held.peak_bytes, held.minutes);
            (
                workload.clone(),
                *day,
                peak,
                minutes,
                held.killed_with.into(),
            )
        };
        days.iter().map(one)
    });
    days.collect()
}

fn keyed<T: Clone>(by_name: &BTreeMap<String, T>) -> BTreeMap<Arc<str>, T> {
    let shared = by_name.iter();
    shared
        .map(|(name, value)| (Arc::from(name.as_str()), value.clone()))
        .collect()
}

impl NamesRecord {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let pod = |pod: &PodNames| Pod {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            node: pod.node.clone(),
            workload_kind: pod.workload_kind.clone(),
            workload_name: pod.workload_name.clone(),
            labels: pod.labels.clone(),
            cpu_request_milli: pod.cpu_request_milli,
            container: pod.container.clone(),
            started_at: pod.started_at,
            finished_at: pod.finished_at,
            memory_request_bytes: pod.memory_request_bytes,
            memory_container: pod.memory_container.clone(),
            oom_killed_at: pod.oom_killed_at,
            oom_held_bytes: pod.oom_held_bytes,
        };
        let pods = snapshot.pods.iter();
        Self(
            pods.map(|(uid, of)| ((**uid).to_owned(), pod(of)))
                .collect(),
        )
    }

    fn pods(&self) -> HashMap<Arc<str>, PodNames> {
        let names = |(uid, pod): (&String, &Pod)| {
            let names = PodNames {
                uid: uid.clone(),
                namespace: pod.namespace.clone(),
                name: pod.name.clone(),
                node: pod.node.clone(),
                workload_kind: pod.workload_kind.clone(),
                workload_name: pod.workload_name.clone(),
                labels: pod.labels.clone(),
                cpu_request_milli: pod.cpu_request_milli,
                container: pod.container.clone(),
                started_at: pod.started_at,
                finished_at: pod.finished_at,
                memory_request_bytes: pod.memory_request_bytes,
                memory_container: pod.memory_container.clone(),
                oom_killed_at: pod.oom_killed_at,
                oom_held_bytes: pod.oom_held_bytes,
            };
            (Arc::from(uid.as_str()), names)
        };
        self.0.iter().map(names).collect()
    }
}

/// What was known of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClusterRecord {
    pub(super) expected_nodes: BTreeSet<String>,
    pub(super) is_whole: bool,
    schedules: BTreeMap<String, (String, Option<String>)>,
    /// Schedules from before a policy moved them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    original_schedules: BTreeMap<String, (String, Option<String>)>,
    allocatable: BTreeMap<String, u32>,
    /// What nodes had to give until an hour; absent where it is what it always was.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    earlier_allocatable: BTreeMap<String, Vec<(UtcHour, u32)>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    allocatable_bytes: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) idle_sharing: BTreeMap<String, IdleSharing>,
    nodes: Vec<consolidate::Node>,
    load: Vec<consolidate::Pod>,
}

impl ClusterRecord {
    pub(super) fn of(inputs: &Inputs<'_>) -> Self {
        let (facts, snapshot) = (inputs.facts, inputs.snapshot);
        let jobs = || {
            let pods = snapshot.pods.values();
            pods.filter(|pod| pod.workload_kind == "CronJob")
        };
        let keyed = |pod: &PodNames, found: Schedule| {
            let key = format!("{}/{}", pod.namespace, pod.workload_name);
            (key, (found.schedule, found.time_zone))
        };
        let schedules = jobs().filter_map(|pod| {
            let found = facts.schedule(&pod.namespace, &pod.workload_name)?;
            Some(keyed(pod, found))
        });
        let originals = jobs().filter_map(|pod| {
            let found = facts.original_schedule(&pod.namespace, &pod.workload_name)?;
            Some(keyed(pod, found))
        });
        let nodes: BTreeSet<&str> = snapshot.rows.iter().map(|row| &*row.node).collect();
        let allocatable = nodes.iter().filter_map(|node| {
            let gives = facts.allocatable_millicores(node)?;
            Some(((*node).to_owned(), gives))
        });
        let of_memory = nodes.iter().filter_map(|node| {
            let gives = facts.allocatable_bytes(node)?;
            Some(((*node).to_owned(), gives))
        });
        let earlier = nodes.iter().filter_map(|node| {
            let earlier = facts.earlier_millicores(node);
            (!earlier.is_empty()).then(|| ((*node).to_owned(), earlier.to_vec()))
        });
        let earlier_allocatable = earlier.collect();
        let (allocatable, allocatable_bytes) = (allocatable.collect(), of_memory.collect());
        let (nodes, load) = if inputs.is_whole {
            (facts.nodes(), facts.load())
        } else {
            (Vec::new(), Vec::new())
        };
        Self {
            expected_nodes: inputs.expected_nodes.clone(),
            is_whole: inputs.is_whole,
            schedules: schedules.collect(),
            original_schedules: originals.collect(),
            allocatable,
            earlier_allocatable,
            allocatable_bytes,
            idle_sharing: inputs.idle_sharing.clone(),
            nodes,
            load,
        }
    }
}

impl Facts for ClusterRecord {
    fn schedule(&self, namespace: &str, name: &str) -> Option<Schedule> {
        let (schedule, time_zone) = self.schedules.get(&format!("{namespace}/{name}"))?.clone();
        Some(Schedule {
            schedule,
            time_zone,
        })
    }

    fn original_schedule(&self, namespace: &str, name: &str) -> Option<Schedule> {
        let key = format!("{namespace}/{name}");
        let (schedule, time_zone) = self.original_schedules.get(&key)?.clone();
        Some(Schedule {
            schedule,
            time_zone,
        })
    }

    fn allocatable_millicores(&self, node: &str) -> Option<u32> {
        self.allocatable.get(node).copied()
    }

    fn earlier_millicores(&self, node: &str) -> &[(UtcHour, u32)] {
        let earlier = self.earlier_allocatable.get(node);
        earlier.map_or(&[], Vec::as_slice)
    }

    fn allocatable_bytes(&self, node: &str) -> Option<u64> {
        self.allocatable_bytes.get(node).copied()
    }

    fn nodes(&self) -> Vec<consolidate::Node> {
        self.nodes.clone()
    }

    fn load(&self) -> Vec<consolidate::Pod> {
        self.load.clone()
    }
}
