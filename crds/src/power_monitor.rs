//! `PowerMonitor`: which nodes are measured, how, and by which model else.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A PowerMonitor rolls out the energy agent on every node it chooses and a
/// model server for nodes that cannot measure their power.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "tanso.dev",
    version = "v1alpha1",
    kind = "PowerMonitor",
    plural = "powermonitors",
    shortname = "pmon",
    category = "tanso",
    status = "PowerMonitorStatus",
    doc = "A PowerMonitor rolls out the energy agent on every node it chooses, and a model server for nodes that cannot measure their power.",
    derive = "PartialEq",
    validation = Rule::new("self.metadata.name.size() <= 50 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message(Message::Expression("'metadata.name \"' + self.metadata.name + '\"; accepted are up to 50 lower-case letters, digits and dashes, beginning with a letter (it begins the names of Services)'".into())),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Agents", type_ = "string", json_path = ".status.summary.agents"),
    printcolumn(name = "Measured", type_ = "integer", json_path = ".status.nodes.measured"),
    printcolumn(name = "Modelled", type_ = "integer", json_path = ".status.nodes.modelled"),
    printcolumn(name = "Simulated", type_ = "integer", json_path = ".status.nodes.simulated"),
    printcolumn(name = "None", type_ = "integer", json_path = ".status.nodes.none"),
    printcolumn(name = "Power", type_ = "string", json_path = ".status.summary.power"),
    printcolumn(name = "Reason", type_ = "string", priority = 1, json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Message", type_ = "string", priority = 1, json_path = ".status.conditions[?(@.type==\"Ready\")].message"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct PowerMonitorSpec {
    /// The agent: one pod on every chosen node.
    #[serde(default)]
    pub agent: AgentSpec,
    /// The model server, for nodes without a power meter.
    #[serde(default)]
    pub model_server: ModelServerSpec,
    /// While true nothing is changed on the cluster; what runs goes on running.
    #[serde(default)]
    pub suspend: bool,
}

/// How the agents run.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentSpec {
    /// Labels of the nodes to measure; default all Linux nodes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that agents tolerate; default all, since a tainted node uses energy too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub tolerations: Option<Vec<Toleration>>,
    /// Power sources in the order of preference; the first that a node has is used. Default `[Rapl, Model]`.
    #[serde(default = "default_sources")]
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(validation = Rule::new("self.all(s, self.exists_one(o, o == s))").message("each source may be named once"))]
    pub sources: Vec<PowerSource>,
    /// Time between two readings, for example `1s`; accepted are 100ms to 60s. Default `1s`.
    #[serde(default = "default_reading_interval")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]+(ms|s)$') && duration(self) >= duration('100ms') && duration(self) <= duration('60s')").message(Message::Expression("'interval \"' + self + '\"; accepted are 100ms to 60s, as in 500ms or 1s'".into())))]
    pub interval: String,
    /// Rights of the agent pod: `Minimal` drops every capability but those that measuring needs, `Privileged` is the alternative where a node's policy breaks the former.
    #[serde(default)]
    pub security_mode: SecurityMode,
    /// CPU and memory of the agent container; default requests 50m and 64Mi, limits 1 and 512Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// TCP port on which each agent serves metrics and energy records. Default 28282.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1024, max = 65535))]
    pub port: i32,
}

impl Default for AgentSpec {
    fn default() -> Self {
        Self {
            node_selector: BTreeMap::new(),
            tolerations: None,
            sources: default_sources(),
            interval: default_reading_interval(),
            security_mode: SecurityMode::default(),
            resources: None,
            port: default_port(),
        }
    }
}

/// A source of power figures.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PowerSource {
    /// The CPU's own energy counters by powercap.
    Rapl,
    /// A power model and the node's measured utilisation.
    Model,
    /// A made-up figure for laptops and trials; its energy is labelled simulated and never judged.
    Fake,
}

/// Rights of the agent pod.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecurityMode {
    /// All capabilities dropped but `BPF` and `PERFMON` (and `SYS_PTRACE`, `DAC_READ_SEARCH` only where a source is shown to need them).
    #[default]
    Minimal,
    /// `privileged: true`.
    Privileged,
}

/// How the model server runs.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelServerSpec {
    /// Number of model servers; 0 switches it off, and nodes that have no meter and no cached model then have no source of power. Default 1.
    #[serde(default = "default_replicas")]
    #[schemars(range(min = 0, max = 5))]
    pub replicas: i32,
    /// CPU and memory of the model server container; default requests 20m and 64Mi, limits 1 and 256Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
}

impl Default for ModelServerSpec {
    fn default() -> Self {
        Self {
            replicas: default_replicas(),
            resources: None,
        }
    }
}

fn default_sources() -> Vec<PowerSource> {
    vec![PowerSource::Rapl, PowerSource::Model]
}

fn default_reading_interval() -> String {
    "1s".to_owned()
}

const fn default_port() -> i32 {
    28282
}

const fn default_replicas() -> i32 {
    1
}

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
    /// Conditions: Ready, Reconciling, Stalled, AgentsReady, ModelServerReady.
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
    /// Nodes with a hardware meter.
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
    /// Up to ten of the nodes without a source, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub none_because: Vec<String>,
}

/// Figures in words.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PowerMonitorSummary {
    /// Ready of desired agents, `3/3`.
    pub agents: String,
    /// Mean power of all nodes over the last closed minute, `1.84kW`; empty before the first.
    #[serde(default)]
    pub power: String,
}
