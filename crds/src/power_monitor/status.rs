//! What is observed of a `PowerMonitor`; can be rebuilt at any time.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::PowerSource;

/// What was observed of a `PowerMonitor`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PowerMonitorStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The value of the annotation `reconcile.tanso.dev/requestedAt` that the last visit saw: set it to the time to ask for a visit at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub last_handled_reconcile_at: Option<String>,
    /// Conditions: Ready, Reconciling, Stalled, AgentsReady, ModelServerReady, DataFresh once an agent was read, ServiceMonitorsReady where they are asked for, and Conflicted where an older monitor has some of the nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Nodes by source of power.
    #[serde(default)]
    pub nodes: NodeCounts,
    /// The same in words, for columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<PowerMonitorSummary>,
}

/// Nodes by source of power.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeCounts {
    /// Nodes that should have an agent.
    #[serde(default)]
    pub desired: i32,
    /// Nodes whose agent is ready.
    #[serde(default)]
    pub ready: i32,
    /// Nodes with a hardware meter, whichever: a processor's, the machine's, a BMC.
    #[serde(default)]
    pub measured: i32,
    /// Nodes whose power is modelled.
    #[serde(default)]
    pub modelled: i32,
    /// Nodes whose power is simulated.
    #[serde(default)]
    pub simulated: i32,
    /// Nodes without any source of power.
    #[serde(default)]
    pub none: i32,
    /// Nodes whose agent could not be read for three minutes, or has closed no minute for ten: what it said before counts nowhere.
    #[serde(default)]
    pub stale: i32,
    /// Nodes by where their CPU time comes from; what is not `ebpf` misses processes that live for less than an interval.
    #[serde(default, skip_serializing_if = "CpuTimeCounts::is_empty")]
    pub cpu_time: CpuTimeCounts,
    /// Nodes by which hardware counters are read there: cycles, instructions and cache misses; absent unless `spec.agent.hardwareCounters` asks for them.
    #[serde(default, skip_serializing_if = "HardwareCounterCounts::is_empty")]
    pub hardware_counters: HardwareCounterCounts,
    /// Nodes by what is read there, by source; one that no node has is not listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["source".into()]))]
    pub sources: Vec<SourceCounts>,
    /// Up to ten of the nodes without a source, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub none_because: Vec<String>,
    /// Up to ten of the nodes whose agent cannot be read, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub stale_because: Vec<String>,
}

/// Nodes by what became of a source there.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceCounts {
    /// The source.
    pub source: PowerSource,
    /// Nodes where it is read. A node may have several: a processor's, a GPU's.
    #[serde(default)]
    pub active: i32,
    /// Nodes where it could be read, and another source gives the same.
    #[serde(default)]
    pub standby: i32,
    /// Nodes where it is there and cannot be read; the agent's log says why.
    #[serde(default)]
    pub failed: i32,
}

/// Nodes by where their CPU time comes from.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CpuTimeCounts {
    /// Nodes counted by kernel programs: exact, also for processes that live for a millisecond.
    #[serde(default)]
    pub ebpf: i32,
    /// Nodes counted from the files of control groups: exact for containers that live through a reading.
    #[serde(default)]
    pub cgroup_files: i32,
    /// Nodes counted from the process list: short processes are missed.
    #[serde(default)]
    pub proc: i32,
}

impl CpuTimeCounts {
    /// Whether nothing is known yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Nodes by which hardware counters are read there.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HardwareCounterCounts {
    /// Nodes that count all three.
    #[serde(default)]
    pub all: i32,
    /// Nodes that count some of them; what the others would share is shared by CPU time.
    #[serde(default)]
    pub partly: i32,
    /// Nodes that count none of them, as most virtual machines: energy is shared by CPU time.
    #[serde(default)]
    pub none: i32,
}

impl HardwareCounterCounts {
    /// Whether no node was asked for them, as far as is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Figures in words.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PowerMonitorSummary {
    /// Ready of desired agents, `3/3`.
    pub agents: String,
    /// Mean power of all nodes over the last closed minute, `1.84kW`, without those that are stale; empty where there is none.
    #[serde(default)]
    pub power: String,
}
