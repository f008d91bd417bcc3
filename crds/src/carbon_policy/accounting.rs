//! What is computed beside the location-based sum: market-based, per unit of
//! work, against a base year, and what a facility states of itself.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::{IntensityBoundary, PueEvidence};

/// What is computed beside the location-based sum. Default: nothing.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountingSpec {
    /// A market-based sum beside the location-based one (GHG Protocol Scope 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<MarketSpec>,
    /// The nodes' hardware, for the embodied part of a software carbon intensity (ISO/IEC 21031): what pods ask for of a node's CPU is their share of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<HardwareSpec>,
    /// What the workloads served, for a software carbon intensity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub functional_unit: Option<FunctionalUnitSpec>,
    /// What was emitted in the base year of a reduction path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_year: Option<BaseYearSpec>,
    /// Figures of the facility that rules may ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["metric".into()]))]
    pub indicators: Vec<IndicatorSpec>,
}

/// Contracts for electricity, and what the rest emits.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarketSpec {
    /// When a contract's electricity counts. Default `Hourly`.
    #[serde(default)]
    pub matching: Matching,
    /// What contracts delivered, for the selected workloads: CSV with the columns `datetime_utc,contract,energy_kwh,gco2eq_per_kwh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contracts: Option<ContractTable>,
    /// What the electricity emits that no contract covers.
    pub residual_mix: ResidualMixSpec,
}

/// When a contract's electricity counts.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Matching {
    /// Hour by hour: what was not used in its hour covers nothing.
    #[default]
    Hourly,
    /// Over the whole window.
    Annual,
}

/// A table of contracts in a ConfigMap.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContractTable {
    /// Name of a ConfigMap in the policy's namespace (of a ClusterCarbonPolicy: in the operator's).
    #[schemars(length(min = 1, max = 253))]
    pub config_map: String,
    /// Key in the ConfigMap. Default `contracts.csv`.
    #[serde(default = "default_contracts_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn default_contracts_key() -> String {
    "contracts.csv".to_owned()
}

/// A grid's mix without what others have claimed.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResidualMixSpec {
    /// gCO2eq/kWh; accepted are 0 to 2000.
    #[schemars(range(min = 0.0, max = 2000.0))]
    #[x_kube(validation = Rule::new("self >= 0.0 && self <= 2000.0").message("accepted intensities are 0 to 2000 gCO2eq/kWh"))]
    pub grams_per_kwh: f64,
    /// Who publishes it. A grid's own average in its place counts claimed electricity twice: then say so here.
    #[schemars(length(min = 1, max = 256))]
    pub reference: String,
    /// The year that it describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1990, max = 2100))]
    pub data_year: Option<i32>,
    /// Which emissions it counts, if its publisher says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<IntensityBoundary>,
}

/// What making a node and its end of life emit.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HardwareSpec {
    /// All embodied emissions of one node, kg of CO2eq.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub kilograms_per_node: f64,
    /// Its expected life span, years.
    #[schemars(range(min = 1, max = 50))]
    pub lifespan_years: i32,
    /// Who says so: a product carbon footprint and its date.
    #[schemars(length(min = 1, max = 256))]
    pub reference: String,
}

/// What the selected workloads served in the window. Give `count` or `query`, not both.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.count) != has(self.query)").message("give `count` or `query`, not both"))]
pub struct FunctionalUnitSpec {
    /// What is counted, such as `request`.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// How many the window served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub count: Option<i64>,
    /// A query that gives how many, for example `sum(increase(http_requests_total{namespace="shop"}[24h]))`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<QuerySpec>,
}

/// A query that gives one number.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuerySpec {
    /// A Prometheus-compatible store, for example `http://prometheus.monitoring:9090`; the operator's `--intensity-endpoint` must list it.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^https?://"))]
    pub endpoint: String,
    /// PromQL that gives a scalar or one sample.
    #[schemars(length(min = 1, max = 512))]
    pub query: String,
}

/// What was emitted in a base year.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BaseYearSpec {
    /// Tonnes of CO2eq by the selected workloads.
    #[schemars(range(min = 0.0, max = 1_000_000_000.0))]
    pub tonnes: f64,
    /// Who says so: a report and its year.
    #[schemars(length(min = 1, max = 256))]
    pub reference: String,
}

/// A figure of a year that somebody stands for. `Wue` takes `litresPerKwh`, the others `percent`.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.metric == 'Wue' ? (has(self.litresPerKwh) && !has(self.percent)) : (has(self.percent) && !has(self.litresPerKwh))").message("Wue takes `litresPerKwh`; Erf, Ref and RenewableShare take `percent`, 0 to 100 (a ratio of 0.15 is 15)"))]
pub struct IndicatorSpec {
    /// What it indicates.
    pub metric: IndicatorMetric,
    /// Water over IT energy, litres per kWh; accepted are 0 to 100. For `Wue`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub litres_per_kwh: Option<f64>,
    /// A share in percent of the facility's energy, never a ratio; accepted are 0 to 100. For `Erf`, `Ref` and `RenewableShare`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub percent: Option<f64>,
    /// How it is known; only `Measured`, `Certificate` and `PublishedForRegion` are judged. Default `Assumed`.
    #[serde(default)]
    pub evidence: PueEvidence,
    /// Whose it is. Default `Site`.
    #[serde(default)]
    pub entity: FacilityEntity,
    /// The certificate, page or meter that says so.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub reference: String,
}

/// What a facility states of itself, after Delegated Regulation (EU) 2024/1364.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndicatorMetric {
    /// Water usage effectiveness.
    Wue,
    /// Energy reuse factor.
    Erf,
    /// Renewable energy factor.
    Ref,
    /// Share of renewable electricity.
    RenewableShare,
}

/// Whose figure it is. A rule about all sites of an operator is not met by one of them.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FacilityEntity {
    /// One site.
    #[default]
    Site,
    /// All sites of an operator, energies summed before dividing.
    AllSites,
}
