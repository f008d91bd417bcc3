//! What agents export, to whom and how fine.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Switch;

/// Whether tokens are judged.
pub type Tokens = Switch;

/// What the agents export.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricsSpec {
    /// What is listed at `/metrics`; default all but `Process`, which makes many series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 5))]
    #[x_kube(validation = Rule::new("self.all(l, self.exists_one(o, o == l))").message("each level may be named once"))]
    pub levels: Option<Vec<Level>>,
    /// Names of Kepler up to 0.9: `Beside` the new ones, alone on an `OwnPort`, or `Disabled`. Default `Disabled`.
    #[serde(default)]
    pub legacy_names: LegacyNames,
    /// TCP port of `OwnPort`. Default 9102, as in Kepler.
    #[serde(default = "default_legacy_port")]
    #[schemars(range(min = 1024, max = 65535))]
    pub legacy_port: i32,
}

impl Default for MetricsSpec {
    fn default() -> Self {
        Self {
            levels: None,
            legacy_names: LegacyNames::default(),
            legacy_port: default_legacy_port(),
        }
    }
}

const fn default_legacy_port() -> i32 {
    9102
}

/// A level of detail.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// The node.
    Node,
    /// Its processes, those with the most energy.
    Process,
    /// Its containers.
    Container,
    /// Its virtual machines.
    Vm,
    /// Its pods.
    Pod,
}

/// Where the names of Kepler up to 0.9 are.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LegacyNames {
    /// Nowhere.
    #[default]
    Disabled,
    /// At `/metrics` beside the new ones.
    Beside,
    /// On a port of their own.
    OwnPort,
}

/// Push of metrics by OTLP over HTTP.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OtlpSpec {
    /// The receiver's address, for example `http://collector.monitoring:4318`.
    #[schemars(length(max = 256))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[a-zA-Z0-9][a-zA-Z0-9.:-]*(/[a-zA-Z0-9._/-]*)?$')").message(Message::Expression("'endpoint \"' + self + '\"; accepted is for instance http://collector:4318'".into())))]
    pub endpoint: String,
    /// Time between two pushes, for example `15s`; accepted are 1s to 3600s. Default `15s`.
    #[serde(default = "default_push_interval")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]+(s|m)$') && duration(self) >= duration('1s') && duration(self) <= duration('3600s')").message(Message::Expression("'interval \"' + self + '\"; accepted are 1s to 3600s, as in 15s or 1m'".into())))]
    pub interval: String,
}

fn default_push_interval() -> String {
    "15s".to_owned()
}

/// Who may read the agents' figures, and how fine.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.anonymous == 'Full' || self.tokens == 'Enabled'").message(Message::Expression("'anonymous \"' + self.anonymous + '\" needs tokens \"Enabled\": without tokens nobody could read more'".into())))]
pub struct AccessSpec {
    /// Whether the API server judges readers' bearer tokens: `Enabled` or `Disabled`. Who may `get` the path (`/metrics`, `/v1/energy`) as a non-resource URL sees everything. Needs TLS. Default `Disabled`.
    #[serde(default)]
    pub tokens: Tokens,
    /// Audiences that readers' tokens may be meant for, beside `tanso-agent`, which the operator uses: that of your API server, for instance, if Prometheus brings its ordinary token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        inner(length(min = 1, max = 253), regex(pattern = r"^[^,\s]+$"))
    )]
    pub audiences: Vec<String>,
    /// What readers get whom nobody vouches for: `Full`, `Coarse` figures and no records, or `Refuse`. Default `Full`.
    #[serde(default)]
    pub anonymous: Anonymous,
    /// With `Coarse`: how often their figures change; accepted are 1s to 3600s. Default `1m`. Shorter windows show what runs beside (PLATYPUS, CVE-2020-8694).
    #[serde(default = "default_window")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]+(s|m)$') && duration(self) >= duration('1s') && duration(self) <= duration('3600s')").message(Message::Expression("'coarseWindow \"' + self + '\"; accepted are 1s to 3600s, as in 30s or 1m'".into())))]
    pub coarse_window: String,
    /// With `Coarse`: energy is a multiple of so many joules. Default 1.
    #[serde(default = "default_step")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub coarse_step_joules: i64,
}

impl Default for AccessSpec {
    fn default() -> Self {
        Self {
            tokens: Tokens::default(),
            audiences: Vec::new(),
            anonymous: Anonymous::default(),
            coarse_window: default_window(),
            coarse_step_joules: default_step(),
        }
    }
}

fn default_window() -> String {
    "1m".to_owned()
}

const fn default_step() -> i64 {
    1
}

/// What readers get whom nobody vouches for.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Anonymous {
    /// Everything.
    #[default]
    Full,
    /// Coarse figures, and no energy records.
    Coarse,
    /// Nothing.
    Refuse,
}

/// ServiceMonitors for the Prometheus Operator.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceMonitorSpec {
    /// `Enabled` makes them wherever the kind is installed, also when it is installed later; leave the chart's own switched off then. Default `Disabled`.
    #[serde(rename = "type", default)]
    pub type_: Switch,
    /// Labels by which your Prometheus chooses monitors.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Time between scrapes, for example `15s`; accepted are 5s to 300s. Default `15s`.
    #[serde(default = "default_scrape_interval")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]+(s|m)$') && duration(self) >= duration('5s') && duration(self) <= duration('300s')").message(Message::Expression("'interval \"' + self + '\"; accepted are 5s to 300s, as in 15s or 1m'".into())))]
    pub interval: String,
    /// File in the Prometheus pod with the token that it brings, where readers need one: a projected token of the audience `tanso-agent`, or of one of `spec.agent.access.audiences`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub bearer_token_file: Option<String>,
}

impl Default for ServiceMonitorSpec {
    fn default() -> Self {
        Self {
            type_: Switch::default(),
            labels: BTreeMap::new(),
            interval: default_scrape_interval(),
            bearer_token_file: None,
        }
    }
}

fn default_scrape_interval() -> String {
    "15s".to_owned()
}
