//! The parts of a policy's spec.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn default_window() -> String {
    "24h".to_owned()
}

pub(super) fn default_interval() -> String {
    "5m".to_owned()
}

/// Which workloads are judged. Both parts must fit; an empty part fits all.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadSelector {
    /// Kinds of workload, for example `Deployment` and `CronJob`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63)))]
    pub kinds: Vec<String>,
    /// Labels that the workload's pods carry.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
}

/// Where the energy is used.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteSpec {
    /// Grid zone, for example `KR`, `DE` or `JP-TK` (ids of Electricity Maps), or `X-NAME` for a zone that your own intensity table defines.
    #[schemars(length(min = 2, max = 32))]
    #[x_kube(validation = Rule::new(crate::zones::KNOWN_OR_PRIVATE).message(Message::Expression("'unknown grid zone \"' + self + '\"; accepted are zone ids such as KR, DE, JP-TK, US-CAL-CISO (all: kubectl tanso regions), or X-NAME for a zone of your own intensity table'".into())))]
    pub zone: String,
    /// IANA time zone of local days and schedules. Default `UTC`.
    #[serde(default = "default_time_zone")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_+\-/]+$"))]
    pub time_zone: String,
    /// Power usage effectiveness of the facility: all its energy over that of its IT equipment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pue: Option<PueSpec>,
}

fn default_time_zone() -> String {
    "UTC".to_owned()
}

/// A facility's power usage effectiveness.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PueSpec {
    /// The ratio; accepted are 1.0 to 5.0.
    // The range's own message names the value, the rule's what is accepted: a number within
    // a message expression has no cost bound, and the API server refuses such a schema.
    #[schemars(range(min = 1.0, max = 5.0))]
    #[x_kube(validation = Rule::new("self >= 1.0 && self <= 5.0").message("accepted PUEs are 1.0 to 5.0 (a facility uses at least what its IT equipment uses)"))]
    pub value: f64,
    /// How the ratio is known; only `Measured`, `Certificate` and `PublishedForRegion` are judged. Default `Assumed`.
    #[serde(default)]
    pub evidence: PueEvidence,
    /// The certificate, page or meter that says so.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub reference: String,
}

/// How a PUE is known.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PueEvidence {
    /// From the facility's meters over a year.
    Measured,
    /// From a certificate.
    Certificate,
    /// Published by the provider for this region.
    PublishedForRegion,
    /// The provider's mean over its regions.
    ProviderAverage,
    /// A guess.
    #[default]
    Assumed,
}

/// Where the grid's carbon intensity comes from. Exactly the part that `source` names must be given.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.source == 'Static') == has(self.static)").message("`static` is needed with source Static, and only there"))]
#[x_kube(validation = Rule::new("(self.source == 'Table') == has(self.table)").message("`table` is needed with source Table, and only there"))]
pub struct IntensitySpec {
    /// Kind of source. `Bundled` (default) is the table that comes with tanso: hourly where there is one (KR), else the zone's yearly mean; its data year is in the status.
    #[serde(default)]
    pub source: IntensitySource,
    /// One figure for all hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#static: Option<StaticIntensity>,
    /// An hourly table in a ConfigMap of the policy's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<IntensityTable>,
}

/// Kind of intensity source.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntensitySource {
    /// The table that comes with tanso.
    #[default]
    Bundled,
    /// One figure for all hours.
    Static,
    /// An hourly table of your own.
    Table,
}

/// One intensity for all hours.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StaticIntensity {
    /// Average intensity, gCO2eq/kWh; accepted are 0 to 2000.
    #[schemars(range(min = 0.0, max = 2000.0))]
    #[x_kube(validation = Rule::new("self >= 0.0 && self <= 2000.0").message("accepted intensities are 0 to 2000 gCO2eq/kWh"))]
    pub grams_per_kwh: f64,
    /// Who says so: document and year.
    #[schemars(length(min = 1, max = 256))]
    pub reference: String,
}

/// An hourly table in a ConfigMap.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntensityTable {
    /// Name of a ConfigMap in the policy's namespace (of a ClusterCarbonPolicy: in the operator's).
    #[schemars(length(min = 1, max = 253))]
    pub config_map: String,
    /// Key in the ConfigMap: CSV with the columns `datetime_utc,gco2eq_per_kwh`. Default `intensity.csv`.
    #[serde(default = "default_table_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn default_table_key() -> String {
    "intensity.csv".to_owned()
}

/// A rule to judge by.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegulationRef {
    /// Id of a rule: one that comes with tanso (`kr-carbon-2050`, `kr-green-datacenter`, …) or of your own.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    )]
    pub rule: String,
}

/// What must be known before a verdict is given.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceSpec {
    /// Least share of the evaluated hours, since the first record, that has energy data, percent. Default 80.
    #[serde(default = "default_min_coverage")]
    #[schemars(range(min = 0, max = 100))]
    pub min_coverage_percent: i32,
    /// Largest share of the energy whose hourly intensity was estimated or filled, percent. Default 50.
    #[serde(default = "default_max_estimated")]
    #[schemars(range(min = 0, max = 100))]
    pub max_estimated_percent: i32,
}

impl Default for EvidenceSpec {
    fn default() -> Self {
        Self {
            min_coverage_percent: default_min_coverage(),
            max_estimated_percent: default_max_estimated(),
        }
    }
}

const fn default_min_coverage() -> i32 {
    80
}

const fn default_max_estimated() -> i32 {
    50
}

/// Which advice is given.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecommendationSpec {
    /// How much later (or earlier) than planned a CronJob may start, for example `24h`. Default `24h`.
    #[serde(default = "default_slack")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]+(s|m|h)$') && duration(self) <= duration('168h')").message(Message::Expression("'slack \"' + self + '\"; accepted are 0h to 168h, as in 24h'".into())))]
    pub slack: String,
    /// Least saving worth advice, percent of the workload's emissions. Default 1.
    #[serde(default = "default_min_saving")]
    #[schemars(range(min = 0, max = 100))]
    pub min_saving_percent: i32,
    /// Most workloads listed in the status; all are in CarbonReports. Default 20.
    #[serde(default = "default_max_listed")]
    #[schemars(range(min = 1, max = 100))]
    pub max_listed: i32,
}

impl Default for RecommendationSpec {
    fn default() -> Self {
        Self {
            slack: default_slack(),
            min_saving_percent: default_min_saving(),
            max_listed: default_max_listed(),
        }
    }
}

fn default_slack() -> String {
    "24h".to_owned()
}

const fn default_min_saving() -> i32 {
    1
}

const fn default_max_listed() -> i32 {
    20
}
