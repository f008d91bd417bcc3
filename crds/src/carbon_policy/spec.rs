//! The parts of a policy's spec.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::accounting::{FacilityEntity, QuerySpec};

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
    /// Where energy is metered. Default `ItEquipment`: the facility uses PUE times as much; with `Facility` the PUE is in it already and is not applied again.
    #[serde(default)]
    pub metering: MeteringPoint,
    /// Where each node is. Default `Site`: all are at this site. With `NodeRegion` a node's label `topology.kubernetes.io/region` names its grid zone and PUE, as far as the table of regions knows it (`kubectl tanso regions`); what moves between nodes is priced where it used its energy.
    #[serde(default)]
    pub placement: Placement,
}

/// Where energy is metered.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MeteringPoint {
    /// At the IT equipment.
    #[default]
    ItEquipment,
    /// At the facility's supply.
    Facility,
}

/// Where each node is.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Placement {
    /// At the policy's site.
    #[default]
    Site,
    /// In the region of its label; nodes without one at the policy's site.
    NodeRegion,
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
    /// The year that `value` describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1990, max = 2100))]
    pub data_year: Option<i32>,
    /// What the figure covers; only figures of one scope are compared. Default `Annual`, the PUE of ISO/IEC 30134-2.
    #[serde(default)]
    pub scope: PueScope,
    /// Where the IT energy is metered (ISO/IEC 30134-2 category), if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<PueCategory>,
    /// Whose it is. Default `Site`.
    #[serde(default)]
    pub entity: FacilityEntity,
    /// A query that gives the ratio from the facility's meters. While it answers, its figure takes the place of `value`, which is only assumed until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<QuerySpec>,
    /// The time whose energies the query's figure is made of, for example `8760h`. Default: the shortest range that stands in the query, as in `[365d]`; without any it is a figure of the moment. Less than 8760h is an interim PUE and never judged as an annual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), regex(pattern = r"^[0-9]{1,9}(s|m|h)$"))]
    pub query_period: Option<String>,
}

/// What time and what part of a facility a PUE covers.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PueScope {
    /// Energy of twelve months, the whole site.
    #[default]
    Annual,
    /// Energy of fewer months (iPUE).
    Interim,
    /// A part of the site (pPUE).
    Partial,
    /// A design figure (dPUE).
    Design,
    /// At a quarter of the IT load.
    AtQuarterLoad,
    /// At full IT load.
    AtFullLoad,
}

/// Where the IT energy is metered.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PueCategory {
    /// Category 1: at the output of the UPS.
    Ups,
    /// Category 2: at the output of the power distribution unit.
    Pdu,
    /// Category 3: at the input of the IT device.
    Device,
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
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.static) == (self.source == 'Static' || (has(self.providers) && self.providers.exists(p, p.kind == 'Static')))").message("`static` is needed with source Static, and only there (or with a provider of kind Static)"))]
#[x_kube(validation = Rule::new("has(self.table) == (self.source == 'Table' || (has(self.providers) && self.providers.exists(p, p.kind == 'Table')))").message("`table` is needed with source Table, and only there (or with a provider of kind Table)"))]
#[x_kube(validation = Rule::new("has(self.providers) == (self.source == 'Providers')").message("`providers` is needed with source Providers, and only there"))]
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
    /// Hourly tables of other grid zones than the policy's: for nodes there (placement `NodeRegion`) and for advice to move there, instead of the table that comes with tanso. They must count the same emissions as the policy's own figures to be added up or compared with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["zone".into()]))]
    pub zone_tables: Vec<ZoneTable>,
    /// Providers in order of preference: for each hour the first that knows it speaks. All must give figures of one boundary; marginal ones never price energy, they are told beside the advice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub providers: Vec<IntensityProvider>,
    /// How old a service's last good answer may be before IntensityFresh turns False and its forecast is no longer used; accepted are 1h to 168h. Default `6h`.
    #[serde(default = "default_stale_after")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]{1,7}(s|m|h)$') && duration(self) >= duration('1h') && duration(self) <= duration('168h')").message(Message::Expression("'staleAfter \"' + self + '\"; accepted are 1h to 168h, as in 6h'".into())))]
    pub stale_after: String,
}

fn default_stale_after() -> String {
    "6h".to_owned()
}

impl Default for IntensitySpec {
    fn default() -> Self {
        Self {
            source: IntensitySource::default(),
            r#static: None,
            table: None,
            zone_tables: Vec::new(),
            providers: Vec::new(),
            stale_after: default_stale_after(),
        }
    }
}

/// One provider of intensity.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.kind != 'Prometheus' || (has(self.query) && has(self.endpoint))").message("kind Prometheus needs `query` and `endpoint`"))]
#[x_kube(validation = Rule::new("self.kind != 'CarbonAwareSdk' || (has(self.endpoint) && has(self.signal))").message("kind CarbonAwareSdk needs `endpoint`, and `signal`: its answers do not say whether they are Average or Marginal"))]
pub struct IntensityProvider {
    /// Its name in messages.
    #[schemars(
        length(min = 1, max = 32),
        regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    )]
    pub name: String,
    /// What it is.
    pub kind: IntensityProviderKind,
    /// The zone's id at this provider; default is `site.zone`. For UkCarbonIntensity a region's number, 1 to 17, or nothing for all of Great Britain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub zone: Option<String>,
    /// Where it is, for example `http://prometheus.monitoring:9090`; default is the service's own address. Another one must be listed by the operator's `--intensity-endpoint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^https?://"))]
    pub endpoint: Option<String>,
    /// Name of a Secret with the credentials in the policy's namespace (of a ClusterCarbonPolicy: in the operator's): key `token`, for WattTime `username` and `password`. The operator may read Secrets named `tanso-intensity` only, unless its role names others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
    /// Which emissions are counted. Default `LifeCycle`; WattTime and UkCarbonIntensity are always `Direct`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<IntensityBoundary>,
    /// Which kilowatt-hour is meant. Default `Average`, for WattTime `Marginal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<IntensitySignal>,
    /// PromQL that gives one series, for Prometheus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub query: Option<String>,
    /// The unit of the query's figures, for Prometheus. Default `GramsPerKwh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<IntensityUnit>,
}

/// Kind of provider.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntensityProviderKind {
    /// The tables that come with tanso.
    #[default]
    Bundled,
    /// The figure in `intensity.static`.
    Static,
    /// The table in `intensity.table`.
    Table,
    /// Electricity Maps.
    ElectricityMaps,
    /// WattTime v3.
    WattTime,
    /// The carbon intensity service of Great Britain's system operator.
    UkCarbonIntensity,
    /// A WebAPI of the Green Software Foundation's Carbon Aware SDK.
    CarbonAwareSdk,
    /// A query to a Prometheus-compatible store.
    Prometheus,
}

/// Which emissions are counted.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntensityBoundary {
    /// With fuel supply, building and dismantling of the plants.
    #[default]
    LifeCycle,
    /// At the stack only.
    Direct,
}

/// Which kilowatt-hour is meant.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntensitySignal {
    /// The mean of all electricity in the hour.
    Average,
    /// What one kilowatt-hour more or less would change.
    Marginal,
}

/// Unit of intensity figures.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntensityUnit {
    /// gCO2eq/kWh.
    GramsPerKwh,
    /// lb/MWh.
    PoundsPerMwh,
    /// t/MWh.
    TonnesPerMwh,
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
    /// A list of providers, services on the network among them.
    Providers,
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
    /// Which emissions it counts. Default `LifeCycle`.
    #[serde(default)]
    pub boundary: IntensityBoundary,
    /// The year that it describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1990, max = 2100))]
    pub data_year: Option<i32>,
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
    /// Which emissions its figures count. Default `LifeCycle`.
    #[serde(default)]
    pub boundary: IntensityBoundary,
    /// The year that it describes, if one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1990, max = 2100))]
    pub data_year: Option<i32>,
}

/// An hourly table of another grid zone.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneTable {
    /// The grid zone, for example `DE`; not the policy's own.
    #[schemars(length(min = 2, max = 32))]
    pub zone: String,
    /// Name of a ConfigMap in the policy's namespace (of a ClusterCarbonPolicy: in the operator's).
    #[schemars(length(min = 1, max = 253))]
    pub config_map: String,
    /// Key in the ConfigMap: CSV with the columns `datetime_utc,gco2eq_per_kwh`. Default `intensity.csv`.
    #[serde(default = "default_table_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
    /// Which emissions its figures count. Default `LifeCycle`.
    #[serde(default)]
    pub boundary: IntensityBoundary,
    /// The year that it describes, if one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1990, max = 2100))]
    pub data_year: Option<i32>,
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
    /// Least share of a rule's period, up to now, that has energy data, percent; hours before the first record are missing. An intensity or a software carbon intensity over the policy's own window counts since the first record. Default 80.
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
    #[x_kube(validation = Rule::new("self.matches('^[0-9]{1,7}(s|m|h)$') && duration(self) <= duration('168h')").message(Message::Expression("'slack \"' + self + '\"; accepted are 0h to 168h, as in 24h'".into())))]
    pub slack: String,
    /// Local time of day before which no CronJob is advised to start, as in `22:00`, in the CronJob's own time zone. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5), regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub earliest_start: Option<String>,
    /// Local time of day by which every run must be over, as in `06:00`, by the mean duration of past runs; at or before `earliestStart` it is the next day's. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5), regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub deadline: Option<String>,
    /// CronJobs whose runs may be stopped and started again: the best hours of their next run are told, neighbours or not. Default: none, a run is one piece.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["cronJob".into()]))]
    pub interruptible: Vec<InterruptibleSpec>,
    /// Least saving worth advice, percent of the workload's emissions. Default 1.
    #[serde(default = "default_min_saving")]
    #[schemars(range(min = 0, max = 100))]
    pub min_saving_percent: i32,
    /// Regions that workloads may move to; for each the whole load is priced hour by hour. Being listed is being allowed. Default: none, no advice to move.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub regions: Vec<RegionSpec>,
    /// Countries that data may lie in, two letters; empty for all. Regions elsewhere are never advised.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 2, max = 2)))]
    pub residency: Vec<String>,
    /// The farthest that a region may be from its users, milliseconds; regions without a `latencyMs` are then never advised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub latency_ms_max: Option<i32>,
    /// What each workload would send to and from its data per day out of another region, gigabytes. Default 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub gigabytes_per_day: i32,
    /// Least number of replicas in dirty hours; Deployments keep at least so many. Default: none, no advice to run fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub min_replicas: Option<i32>,
    /// Most workloads listed in the status; all are in CarbonReports. Default 20.
    #[serde(default = "default_max_listed")]
    #[schemars(range(min = 1, max = 100))]
    pub max_listed: i32,
}

impl Default for RecommendationSpec {
    fn default() -> Self {
        Self {
            slack: default_slack(),
            earliest_start: None,
            deadline: None,
            interruptible: Vec::new(),
            min_saving_percent: default_min_saving(),
            regions: Vec::new(),
            residency: Vec::new(),
            latency_ms_max: None,
            gigabytes_per_day: 0,
            min_replicas: None,
            max_listed: default_max_listed(),
        }
    }
}

/// A CronJob whose runs may be stopped and started again.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InterruptibleSpec {
    /// Its name, in each namespace that the policy covers.
    #[schemars(
        length(min = 1, max = 52),
        regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    )]
    pub cron_job: String,
    /// What each restart costs, percent of the energy of an hour of the run: loading a checkpoint again, work that is done twice. 0 if nothing.
    #[schemars(range(min = 0, max = 1000))]
    #[x_kube(validation = Rule::new("self >= 0 && self <= 1000").message("accepted restart costs are 0 to 1000 percent of an hour's energy"))]
    pub restart_percent: i32,
}

/// A region that workloads may move to.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionSpec {
    /// Its name in the table of regions, for example `eu-north-1` (all: `kubectl tanso regions`).
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// How far it is from its users, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub latency_ms: Option<i32>,
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

/// What may be done about advice. A CronJob must also ask for it by the label `tanso.dev/actions: apply`, and the namespace must bind the ClusterRole `tanso-operator-actions`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.suspendAboveGramsPerKwh) || self.mode == 'Apply'").message("`suspendAboveGramsPerKwh` acts with mode Apply only"))]
pub struct ActionsSpec {
    /// `Suggest` (default) changes nothing, and takes back what `Apply` changed; `Apply` sets the advised schedule and time zone of CronJobs.
    #[serde(default)]
    pub mode: ActionMode,
    /// Suspends CronJobs while the grid is dirtier than this, gCO2eq/kWh; resumes them when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2000))]
    pub suspend_above_grams_per_kwh: Option<i32>,
}

/// Whether advice is carried out.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActionMode {
    /// Advice only.
    #[default]
    Suggest,
    /// CronJobs that ask for it are moved and suspended.
    Apply,
}
