//! `PowerMonitor`: which nodes are measured, how, and by which model else.

pub mod exports;
pub mod model_server;
pub mod protection;
pub mod sources;
pub mod status;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use exports::{
    AccessSpec, Anonymous, LegacyNames, Level, MetricsSpec, OtlpSpec, ServiceMonitorSpec, Tokens,
};
pub use model_server::{ModelServerSpec, StorageSpec, StorageType};
pub use protection::{
    IssuerKind, IssuerSpec, NetworkPolicySpec, SeccompSpec, SeccompType, TlsSpec, TlsType,
};
use sources::default_sources;
pub use sources::{
    NvmlSpec, NvmlType, PowerSource, RedfishCredentialsSpec, RedfishCredentialsType, RedfishSpec,
};
pub use status::{
    CpuTimeCounts, HardwareCounterCounts, NodeCounts, PowerMonitorStatus, PowerMonitorSummary,
    SourceCounts,
};

/// CEL: the name of a `PriorityClass`, or none.
const PRIORITY_CLASS: &str = "self.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$')";

/// CEL: what is said of another text.
const PRIORITY_CLASS_IS: &str = "'priorityClassName \"' + self + '\"; accepted is the name of a PriorityClass, of lower-case letters, digits, dashes and dots, or the empty text for none'";

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
    validation = Rule::new("self.spec.agent.access.tokens == 'Disabled' || self.spec.tls.type != 'Disabled'").message("spec.agent.access.tokens \"Enabled\" needs spec.tls.type other than \"Disabled\": a token must not travel in the clear"),
    validation = Rule::new("self.spec.agent.samples == 'Disabled' || self.spec.modelServer.replicas > 0").message("spec.agent.samples \"Enabled\" needs spec.modelServer.replicas of 1 to 5: somebody has to learn from them"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Agents", type_ = "string", json_path = ".status.summary.agents"),
    printcolumn(name = "Measured", type_ = "integer", json_path = ".status.nodes.measured"),
    printcolumn(name = "Modelled", type_ = "integer", json_path = ".status.nodes.modelled"),
    printcolumn(name = "Simulated", type_ = "integer", json_path = ".status.nodes.simulated"),
    printcolumn(name = "None", type_ = "integer", json_path = ".status.nodes.none"),
    printcolumn(name = "Stale", type_ = "integer", priority = 1, json_path = ".status.nodes.stale"),
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
    /// TLS of agents and model server.
    #[serde(default)]
    pub tls: TlsSpec,
    /// NetworkPolicies of agents and model server.
    #[serde(default)]
    pub network_policy: NetworkPolicySpec,
    /// ServiceMonitors of the Prometheus Operator for agents and model server.
    #[serde(default)]
    pub service_monitor: ServiceMonitorSpec,
    /// While true nothing is changed on the cluster; what runs goes on running.
    #[serde(default)]
    pub suspend: bool,
}

/// How the agents run.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.metrics.legacyNames != 'OwnPort' || self.metrics.legacyPort != self.port").message("metrics.legacyPort is the agent's own port; accepted is another one"))]
#[x_kube(validation = Rule::new("!has(self.redfish) || 'Redfish' in self.sources").message(Message::Expression("'sources [' + self.sources.join(', ') + '] lack Redfish, which redfish is for; accepted is both or neither'".into())))]
#[x_kube(validation = Rule::new("!has(self.nvml) || 'Nvml' in self.sources").message(Message::Expression("'sources [' + self.sources.join(', ') + '] lack Nvml, which nvml is for; accepted is both or neither'".into())))]
#[x_kube(validation = Rule::new("!has(self.redfish) || self.redfish.endpoint.contains('{node}') || (has(self.nodeSelector) && 'kubernetes.io/hostname' in self.nodeSelector)").message(Message::Expression("'redfish.endpoint \"' + self.redfish.endpoint + '\" is the same for all nodes, and one machine\\'s power would count for each; accepted is one with {node} in it, or a nodeSelector with kubernetes.io/hostname'".into())))]
#[x_kube(validation = Rule::new("!has(self.nvml) || self.nvml.type != 'HostPath' || self.securityMode == 'Privileged'").message(Message::Expression("'securityMode \"' + self.securityMode + '\" keeps devices from the pod; nvml.type \"HostPath\" is accepted with \"Privileged\", and \"RuntimeClass\" with either'".into())))]
pub struct AgentSpec {
    /// Labels of the nodes to measure; default all Linux nodes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that agents tolerate; default all, since a tainted node uses energy too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub tolerations: Option<Vec<Toleration>>,
    /// Power sources in the order of preference. The first that a node has and that covers processors leads; others add what it lacks, as the whole machine or GPUs; of two that read the same the later stands by. What a node has not is passed over. `Rapl`, `Perf`, `Acpi` and `Hwmon` need nothing but the pod that both security modes make (the node's /sys, read-only; `PERFMON`); `Redfish` needs `redfish`, and `Nvml` needs `nvml`. Default all but `Fake`: `[Rapl, Perf, Acpi, Hwmon, Redfish, Nvml, Model]`.
    #[serde(default = "default_sources")]
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(validation = Rule::new("self.all(s, self.exists_one(o, o == s))").message("each source may be named once"))]
    pub sources: Vec<PowerSource>,
    /// With the source `Redfish`: the nodes' BMCs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redfish: Option<RedfishSpec>,
    /// With the source `Nvml`: how NVIDIA's driver reaches the agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nvml: Option<NvmlSpec>,
    /// Time between two readings, for example `1s`; accepted are 100ms to 60s. Default `1s`.
    #[serde(default = "default_reading_interval")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]+(ms|s)$') && duration(self) >= duration('100ms') && duration(self) <= duration('60s')").message(Message::Expression("'interval \"' + self + '\"; accepted are 100ms to 60s, as in 500ms or 1s'".into())))]
    pub interval: String,
    /// Rights of the agent pod: `Minimal` drops every capability but those that measuring needs, `Privileged` is the alternative where a node's policy breaks the former.
    #[serde(default)]
    pub security_mode: SecurityMode,
    /// Seccomp profile of the agent container in the mode `Minimal`.
    #[serde(default)]
    pub seccomp_profile: SeccompSpec,
    /// Whether measured nodes send samples of their load and power (nothing of workloads) to the model server, once a minute, so that nodes that cannot measure get a model of their kind of machine: `Enabled` or `Disabled`. Default `Disabled`.
    #[serde(default)]
    pub samples: Switch,
    /// Who is charged with idle energy: `Apart` has an account of its own, `Use` shares it by CPU time, `Requests` by the CPU that containers request, and what nobody requested stays apart. Default `Apart`.
    #[serde(default)]
    pub idle_sharing: IdleSharing,
    /// Whether the agents count cycles, instructions and cache misses by container where a node's processors have counters (a PMU), and share processor energy by cycles and DRAM by cache misses, which tell more of who used it than CPU time: `Enabled` or `Disabled`. It costs a program at every context switch: 0.44 microseconds each, measured with the kernel's clocks in the counters' place. A node without a PMU, as most virtual machines are, says so (`status.nodes.hardwareCounters`, `tanso_hardware_counter_state`) and shares by CPU time. Default `Disabled`.
    #[serde(default)]
    pub hardware_counters: Switch,
    /// What the agents export.
    #[serde(default)]
    pub metrics: MetricsSpec,
    /// Push of the same figures to an OTLP receiver; none without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otlp: Option<OtlpSpec>,
    /// Who may read the agents' figures, and how fine.
    #[serde(default)]
    pub access: AccessSpec,
    /// CPU and memory of the agent container; default requests 50m and 64Mi, limits 1 and 512Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// PriorityClass of the agent's pods; the empty text is none. Default `system-node-critical`: an agent that gave way leaves energy without an account. Some clouds admit that class outside kube-system by a quota only.
    #[serde(default = "default_priority_class")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = Rule::new(crate::power_monitor::PRIORITY_CLASS).message(Message::Expression(crate::power_monitor::PRIORITY_CLASS_IS.into())))]
    pub priority_class_name: String,
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
            redfish: None,
            nvml: None,
            interval: default_reading_interval(),
            security_mode: SecurityMode::default(),
            seccomp_profile: SeccompSpec::default(),
            samples: Switch::default(),
            idle_sharing: IdleSharing::default(),
            hardware_counters: Switch::default(),
            metrics: MetricsSpec::default(),
            otlp: None,
            access: AccessSpec::default(),
            resources: None,
            priority_class_name: default_priority_class(),
            port: default_port(),
        }
    }
}

/// Rights of the agent pod.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecurityMode {
    /// All capabilities dropped but `BPF` and `PERFMON`.
    #[default]
    Minimal,
    /// `privileged: true`.
    Privileged,
}

/// Who is charged with idle energy.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdleSharing {
    /// Nobody: it has an account of its own.
    #[default]
    Apart,
    /// Those who used CPU time.
    Use,
    /// Containers, by the CPU that they request.
    Requests,
}

/// On or off; in words that YAML does not take for booleans.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Switch {
    /// Off.
    #[default]
    Disabled,
    /// On.
    Enabled,
}

fn default_reading_interval() -> String {
    "1s".to_owned()
}

fn default_priority_class() -> String {
    "system-node-critical".to_owned()
}

const fn default_port() -> i32 {
    28282
}
