//! Advice on requests, and what became of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Bounded;

/// Advice on a request that was told on an earlier day, and what became of it.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdviceOutcome {
    /// Which request: `cpu` or `memory`.
    #[schemars(length(max = 16))]
    pub resource: String,
    /// The container whose request it is.
    #[schemars(length(max = 63))]
    pub container: String,
    /// What a pod asked for, as a quantity, `500m`.
    #[schemars(length(max = 32))]
    pub asked: String,
    /// What it should ask for, as it was told last.
    #[schemars(length(max = 32))]
    pub advised: String,
    /// What a pod asked for, in the mean, in the last hour that was looked at; absent while the advice is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub asked_now: Option<String>,
    /// Begin of the first UTC day on which it was told.
    pub first_told: Time,
    /// Begin of the last UTC day on which it was told.
    pub last_told: Time,
    /// What it promised, milligrams of CO2eq per day: what others would bear instead, and what the cluster would save.
    pub predicted_milligrams_per_day: Bounded,
    /// What of that the cluster would save even if no node goes, milligrams of CO2eq per day.
    #[serde(default)]
    pub cluster_milligrams_per_day: i64,
    /// How far it was followed.
    pub state: AdviceState,
    /// Begin of the hour in which the request had moved: eight tenths of the way or more, or half of it and to within a tenth of what was advised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<Time>,
    /// Begin of the hour in which the request had gone back; the comparison ends there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_until: Option<Time>,
    /// Days before the change with hours that are compared, of the last 28.
    #[serde(default)]
    pub days_before: i32,
    /// Days after it with hours that are compared, of the first 28.
    #[serde(default)]
    pub days_after: i32,
    /// What was measured; absent with fewer than seven days on a side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<MeasuredEffect>,
}

/// How far advice was followed.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdviceState {
    /// The request stayed, or went less than two tenths of the way.
    NotTaken,
    /// It is no longer told, and of the request since nothing is known: it was not looked at yet, the workload has too many pods, or none that used energy.
    NotKnown,
    /// It went two tenths of the way or more, but not far enough.
    PartlyTaken,
    /// It was taken, and there are too few days to compare yet.
    TakenTooEarly,
    /// It was taken, and what was used since is compared with before.
    Measured,
}

/// What a workload used before and after a request was changed, in the same hours of the same weekdays (UTC). An association, not causal: load, replicas and versions may have changed too.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeasuredEffect {
    /// Mean energy of an hour before, microjoules.
    pub before_microjoules_per_hour: i64,
    /// Mean energy of an hour after, microjoules.
    pub after_microjoules_per_hour: i64,
    /// The difference with 90 % bounds from the weekdays' differences, microjoules; negative if less was used.
    pub change_microjoules_per_hour: Bounded,
    /// Mean CPU time of an hour before, milliseconds: tells whether the load is the same.
    pub cpu_before_milliseconds_per_hour: i64,
    /// Mean CPU time of an hour after, milliseconds.
    pub cpu_after_milliseconds_per_hour: i64,
    /// Weekdays that were compared.
    pub weekdays: i32,
    /// Where the energy comes from, the worst of its parts: `measured`, `modelled`, `simulated`.
    #[schemars(length(max = 16))]
    pub provenance: String,
    /// What the figures are and are not.
    #[schemars(length(max = 256))]
    pub basis: String,
}
