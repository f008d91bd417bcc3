//! Where energy was used, and whose figures priced it there.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::PueFigure;

/// A place where energy was used.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceFigures {
    /// The region of the nodes' label; `site` for the policy's own.
    #[schemars(length(max = 63))]
    pub region: String,
    /// Its energy, microjoules.
    pub energy_microjoules: i64,
    /// Its PUE with how it is known, `1.15, only the provider's average`; `-` without one.
    #[schemars(length(max = 128))]
    pub pue: String,
    /// The same PUE with its scope, its source and the year that it is of; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pue_figure: Option<PueFigure>,
    /// Share of its energy whose hourly intensity was estimated or filled, percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intensity_estimated_percent: Option<i32>,
    /// Where its intensity figures come from.
    pub intensity: IntensityProvenance,
}

/// What of a rule's energy was used at a place.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceShare {
    /// The region of the nodes' label; `site` for the policy's own, `others` for all that are not listed.
    #[schemars(length(max = 63))]
    pub region: String,
    /// Its energy in the rule's own period, microjoules.
    pub energy_microjoules: i64,
    /// Its grid zone; absent of `others`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub zone: Option<String>,
    /// Its PUE with how it is known, `1.15, only the provider's average`; absent without one, and of `others`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub pue: Option<String>,
}

/// A source that spoke for hours in which energy was used.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsedSource {
    /// Who says so.
    #[schemars(length(max = 256))]
    pub source: String,
    /// The year that its figures are of; absent where they are of the hours themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_year: Option<i32>,
    /// Hours with energy that it spoke for.
    pub hours: i64,
    /// Terms under which its figures may be used; absent where none are stated.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub licence: String,
    /// The grid zone that its figures are of, where that is another than the list's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub zone: Option<String>,
    /// `Average` or `Marginal`, where that is another than the list's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub method: Option<String>,
    /// `LifeCycle` or `Direct`, where that is another than the list's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub boundary: Option<String>,
}

/// Where the intensity figures come from.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntensityProvenance {
    /// Grid zone.
    #[schemars(length(max = 32))]
    pub zone: String,
    /// `Average` or `Marginal`.
    #[schemars(length(max = 16))]
    pub method: String,
    /// `LifeCycle` or `Direct`.
    #[schemars(length(max = 16))]
    pub boundary: String,
    /// `Location` or `Market`.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub basis: String,
    /// Who says so.
    #[schemars(length(max = 256))]
    pub source: String,
    /// The year that the figures are of; of a list of providers, those of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_year: Option<i32>,
    /// Of a list of providers each that spoke for hours with energy, of the window and of the rules' periods, most hours first; absent where one source speaks for all hours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub sources: Vec<UsedSource>,
    /// Terms under which the figures may be used; of a list of providers, those of the first, and each of `sources` has its own.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub licence: String,
    /// How missing hours were filled, in words.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub filled_by: String,
    /// Intensity of the zone in the hour of `dataThrough`, milligrams of CO2eq per kWh; absent where that hour has none, and of places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_milligrams_per_kwh: Option<i64>,
}
