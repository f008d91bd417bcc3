//! Runs that are over, and what following the forecast came to.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A run that is over, and how the forecast's choice turned out.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettledRun {
    /// When it started.
    pub started: Time,
    /// When it would have started by its own schedule, of a run that the policy moved: what it saved is against this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<Time>,
    /// The start within the slack that the forecast called best; of a run that was moved, its start.
    pub advised: Time,
    /// The start that was best, with hindsight.
    pub best: Time,
    /// When that forecast was made: the newest one that was known at the start.
    pub forecast_issued: Time,
    /// When that forecast was known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast_known: Option<Time>,
    /// What the forecast promised, milligrams of CO2eq.
    pub predicted_milligrams: i64,
    /// What it would have come to; a second entry if the publisher revised the hours.
    #[schemars(length(max = 8))]
    pub realised: Vec<Realised>,
    /// Who says what the hours turned out to be, by which it is settled.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128))]
    pub source: String,
    /// `Average` or `Marginal`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 16))]
    pub method: String,
    /// `LifeCycle` or `Direct`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 16))]
    pub boundary: String,
    /// The year that those figures are of; absent where they are of the hours themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_year: Option<i32>,
    /// Share of the hours of the advised run that the publisher itself had estimated, percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intensity_estimated_percent: Option<i32>,
}

/// What a choice came to, as far as was known at a time.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Realised {
    /// When the last of the run's hours was known so.
    pub known_at: Time,
    /// What the choice saved, milligrams of CO2eq; negative if it cost.
    pub saved_milligrams: i64,
    /// What the best start would have saved beyond that, milligrams of CO2eq.
    pub regret_milligrams: i64,
}
