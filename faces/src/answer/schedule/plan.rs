//! What is asked of a schedule, and what is answered: types only.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tanso_crds::carbon_policy::status::Bounded;

use super::super::WorkloadName;
use super::super::profile::Basis;

/// What would run, when and where.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// A workload whose mean run is planned, best a CronJob: NAME or KIND/NAME. Without one, give durationMinutes.
    #[serde(default)]
    #[schemars(length(min = 1, max = 317))]
    pub workload: Option<String>,
    /// Its namespace; without one, all that you may see are searched.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// Its kind, if the name alone is not enough.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub kind: Option<String>,
    /// The policy to go by, where several judge the workload; default the first by name.
    #[serde(default)]
    #[schemars(length(max = 253))]
    pub policy: Option<String>,
    /// How long the job runs, minutes; default the workload's mean run.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10_080))]
    pub duration_minutes: Option<u32>,
    /// Its mean power at the IT equipment, watts; default the workload's, else 1000.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 10_000_000.0))]
    pub power_watts: Option<f64>,
    /// Its energy in parts instead: the power of each equal part of the duration, watts, for example [200, 800, 300].
    #[serde(default)]
    #[schemars(length(max = 96))]
    pub power_profile_watts: Vec<f64>,
    /// The earliest start, RFC 3339, for example 2026-11-22T09:00:00+09:00; not past; default now.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub earliest: Option<String>,
    /// When it must have ended, RFC 3339; default 24 hours after the earliest start; at most a week after it.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub deadline: Option<String>,
    /// IANA time zone that times are shown in and the schedule is written for, for example Asia/Seoul; default the policy's, else UTC.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub time_zone: Option<String>,
    /// Cloud region it would run in, for example ap-northeast-2; default the policy's site.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub region: Option<String>,
    /// Grid zone it would run in, for example KR; default the policy's site.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub zone: Option<String>,
}

/// When to run.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The answer in a few sentences.
    pub summary: String,
    /// The workload, if one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadName>,
    /// The grid zone.
    pub zone: String,
    /// The time zone of the times here.
    pub time_zone: String,
    /// How long the job runs, minutes.
    pub duration_minutes: u32,
    /// Its energy with the facility's, microjoules.
    pub facility_energy_microjoules: i64,
    /// What duration and energy rest on.
    pub basis: Basis,
    /// The best start.
    pub best: Window,
    /// The next best starts.
    pub others: Vec<Window>,
    /// A start at the earliest time allowed.
    pub now: Window,
    /// What the best start saves against the earliest one, milligrams of CO2eq.
    pub saving_against_now_milligrams: Bounded,
    /// The same, thousandths of a percent.
    pub saving_against_now_milli_percent: i64,
    /// The mean over all starts on the hour, milligrams of CO2eq.
    pub average_milligrams: i64,
    /// What the best start saves against that mean, milligrams of CO2eq.
    pub saving_against_average_milligrams: i64,
    /// Every full hour up to the deadline.
    pub curve: Vec<Hour>,
    /// The best start as a line for a CronJob.
    pub cron: CronLine,
    /// For a CronJob that runs every day: the daily hour that is best over the next four weeks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<Daily>,
    /// Where the figures of the hours ahead come from, and what is wrong with them.
    pub source: String,
    /// What a reader must know beside the numbers.
    pub notes: Vec<String>,
}

/// A start.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// The start, local time with offset.
    pub start: String,
    /// The end.
    pub end: String,
    /// What the run emits, milligrams of CO2eq.
    pub emissions_milligrams: Bounded,
    /// The intensity of the energy it uses, milligrams of CO2eq per kWh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intensity_milligrams_per_kwh: Option<i64>,
}

/// An hour of the curve.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hour {
    /// Its begin, local time with offset.
    pub start: String,
    /// The grid's intensity, milligrams of CO2eq per kWh.
    pub intensity_milligrams_per_kwh: Bounded,
    /// Where the figure comes from: Published, Forecast, TypicalYear, YearlyAverage, …
    pub origin: String,
    /// What the job would emit if it started then, milligrams of CO2eq; absent where it would not end in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emissions_milligrams: Option<i64>,
}

/// A schedule for a CronJob.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CronLine {
    /// Five fields, every day at the best start's time of day.
    pub schedule: String,
    /// The time zone they are in.
    pub time_zone: String,
    /// The two lines of a CronJob's spec.
    pub yaml: String,
}

/// Advice for a daily CronJob.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Daily {
    /// Its present schedule.
    pub present: String,
    /// The schedule to set; absent if its time zone has no name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<CronLine>,
    /// What it would save per day, milligrams of CO2eq.
    pub saving_milligrams_per_day: Bounded,
    /// The advice in a sentence, with the numbers.
    pub message: String,
}
