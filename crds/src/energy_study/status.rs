//! What is observed of a study. The raw figures of its trials are in the
//! operator's ledger, from which all of this can be made again.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was observed of a study.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnergyStudyStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The value of the annotation `reconcile.tanso.dev/requestedAt` that the last visit saw: set it to the time to ask for a visit at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub last_handled_reconcile_at: Option<String>,
    /// Conditions: Ready, Reconciling, Stalled, and as of a Job: Complete, Failed, Suspended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// When the first trial began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When the study was complete or had failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// How far it is.
    #[serde(default)]
    pub progress: StudyProgress,
    /// The trial that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<TrialStatus>,
    /// The primary response's differences, from the second whole block on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub results: Vec<StudyResult>,
    /// The answer in words; final when the study is complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 1000)))]
    pub answer: Vec<String>,
    /// The same in words, for columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<StudySummary>,
}

/// How far a study is.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StudyProgress {
    /// Trials that were measured and kept.
    #[serde(default)]
    pub done: i32,
    /// Trials that are planned, at most.
    #[serde(default)]
    pub planned: i32,
    /// Trials of those done that are disturbed: marked, shown apart, and never dropped.
    #[serde(default)]
    pub disturbed: i32,
    /// When it will be done if it goes on at its pace; absent before the second trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_at: Option<Time>,
}

/// A trial that runs.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrialStatus {
    /// Its place in time, from 1.
    pub trial: i32,
    /// Its block, from 1.
    pub block: i32,
    /// Its arm.
    #[schemars(length(max = 63))]
    pub arm: String,
    /// How often it began, from 1: a trial that an operator left in its middle begins again.
    pub attempt: i32,
    /// What is being done.
    pub step: TrialStep,
    /// The process that runs it.
    #[schemars(length(max = 128))]
    pub runner: String,
    /// When the trial began.
    pub began_at: Time,
    /// Begin of the measured phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_from: Option<Time>,
    /// End of the measured phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_until: Option<Time>,
    /// End of the cool-down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rested_at: Option<Time>,
    /// Changes that were made.
    #[serde(default)]
    pub changes: i32,
    /// What was noticed; a trial with a mark is disturbed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 200)))]
    pub marks: Vec<String>,
    /// Failures in a row of what is being done.
    #[serde(default)]
    pub failures: i32,
}

/// What is being done in a trial.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrialStep {
    /// The arm is being set up.
    #[default]
    SettingUp,
    /// The warm-up and then the measured phase run.
    Measuring,
    /// The arm is being cleared up; then it rests, and its figures are read.
    ClearingUp,
    /// The cool-down runs, and figures are waited for.
    Resting,
    /// It was left in its middle, is being cleared up and begins again.
    Abandoning,
}

/// A difference between two arms in the primary response.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StudyResult {
    /// What is compared.
    #[schemars(length(max = 63))]
    pub arm: String,
    /// What it is compared against.
    #[schemars(length(max = 63))]
    pub against: String,
    /// Blocks that count.
    pub blocks: i32,
    /// The mean difference with its unit.
    #[schemars(length(max = 32))]
    pub difference: String,
    /// Its interval, with the unit.
    #[schemars(length(max = 64))]
    pub interval: String,
    /// Whether a placebo's interval holds 0; absent of other comparisons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds_what_is_known: Option<bool>,
}

/// A study in words.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StudySummary {
    /// Done of planned trials, `12/240`.
    #[schemars(length(max = 32))]
    pub trials: String,
    /// The arm that runs; empty if none does.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub running: String,
    /// Time to go at its pace, `3h20m`; empty if unknown.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub remaining: String,
}
