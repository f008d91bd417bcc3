//! What stands beside the location-based sum: market-based, and per unit of
//! work. Each figure says of what kind it is and who says so.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::Bounded;

/// A market-based sum (GHG Protocol Scope 2), never mixed with the location-based one.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarketFigures {
    /// Emissions, milligrams of CO2eq, market-based, PUE included.
    pub emissions_milligrams: Bounded,
    /// `Hourly` or `Annual`.
    #[schemars(length(max = 16))]
    pub matching: String,
    /// Share of the facility energy that contracts cover, percent.
    pub covered_percent: i32,
    /// What the rest was priced with: the figure and who publishes it.
    #[schemars(length(max = 512))]
    pub residual_mix: String,
    /// `Average`: a market-based sum knows no other.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 16))]
    pub method: String,
    /// `Market`: what contracts and certificates claim.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 16))]
    pub basis: String,
    /// Which emissions the residual mix counts, `LifeCycle` or `Direct`; absent where the policy does not say it. Contracts state none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 16))]
    pub boundary: String,
    /// The contracts that cover energy, by their names; of more than eight the last entry says how many there are beside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 128)))]
    pub instruments: Vec<String>,
    /// The year that the residual mix is of; absent where the policy does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_year: Option<i32>,
    /// Share of the facility energy that a residual mix of another year than the energy's prices, percent; absent where the year is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intensity_estimated_percent: Option<i32>,
}

/// Software carbon intensity, (E × I + M) per R, after ISO/IEC 21031:2024; location-based.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SciFigures {
    /// Micrograms of CO2eq per functional unit.
    pub micrograms_per_unit: Bounded,
    /// What a functional unit is, `request`.
    #[schemars(length(max = 63))]
    pub unit: String,
    /// R: how many the window served.
    pub units: i64,
    /// E × I, milligrams.
    pub operational_milligrams: Bounded,
    /// M, milligrams: the hardware's share for the time and the CPU that was asked for.
    pub embodied_milligrams: Bounded,
    /// Share of the window whose energy is known, percent, counted from its begin: all units of the window are counted, so what is missing widens the upper bound.
    #[serde(default)]
    pub coverage_percent: i32,
    /// `Average`: I is never marginal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 16))]
    pub method: String,
    /// Which emissions I counts, `LifeCycle` or `Direct`; M is of the hardware's whole life either way.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 16))]
    pub boundary: String,
    /// `Location`: a software carbon intensity takes no market-based figures.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 16))]
    pub basis: String,
    /// Who says I; of several places the site's, and `places` has each.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub source: String,
    /// The year that I is of; absent where it is of the hours themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_year: Option<i32>,
    /// Share of the energy whose hourly intensity was estimated or filled, percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intensity_estimated_percent: Option<i32>,
    /// Who says what making the hardware emits.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub embodied_source: String,
}
