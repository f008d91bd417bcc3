//! Advice with its saving, computed for one workload and one zone.
//!
//! Nothing here acts. Each piece of advice says what it would save and what
//! it rests on; where a change saves nothing, that is said instead.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tanso_power::Estimate;

use crate::units::GramsCo2e;

pub mod compose;
pub mod consolidate;
pub mod histogram;
pub mod idle;
pub mod idle_share;
pub mod memory;
pub mod move_region;
pub mod replicas;
pub mod rightsize;
pub mod settle;
pub mod shift;
pub mod taken;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Start at another time.
    ShiftInTime,
    /// Ask for as much CPU as is used.
    Rightsize,
    /// Ask for as much memory as is held.
    RightsizeMemory,
    /// Run fewer replicas while the grid is dirty.
    FewerReplicas,
    /// Run in another region.
    MoveRegion,
    /// Remove what does nothing.
    RemoveIdle,
    /// Empty nodes that the others can carry.
    Consolidate,
}

impl Action {
    /// The name as it stands in a status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ShiftInTime => "ShiftInTime",
            Self::Rightsize => "Rightsize",
            Self::RightsizeMemory => "RightsizeMemory",
            Self::FewerReplicas => "FewerReplicas",
            Self::MoveRegion => "MoveRegion",
            Self::RemoveIdle => "RemoveIdle",
            Self::Consolidate => "Consolidate",
        }
    }
}

/// How much a saving can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Confidence {
    /// It may not come at all.
    Low,
    /// It will come in part.
    Medium,
    /// It rests on data of the hours themselves.
    High,
}

impl Confidence {
    /// The name as it stands in a status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
        }
    }
}

/// A workload that advice is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its namespace.
    pub namespace: String,
    /// Its kind, such as `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl Target {
    /// A command that applies a merge patch, ready for a shell.
    #[must_use]
    pub(crate) fn patch(&self, kind_of_patch: &str, patch: &serde_json::Value) -> String {
        let Self {
            namespace,
            kind,
            name,
        } = self;
        let kind = kind.to_ascii_lowercase();
        format!("kubectl -n {namespace} patch {kind} {name} --type {kind_of_patch} -p '{patch}'")
    }
}

/// Emissions of idle energy that would be another's to bear: who asks for less
/// of a node bears less of it, and the node uses as much as before. Does not
/// add to [`GramsCo2e`]: nothing is saved by it until a node goes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct AttributedGrams(GramsCo2e);

impl AttributedGrams {
    /// What is attributed.
    #[must_use]
    pub const fn new(mass: GramsCo2e) -> Self {
        Self(mass)
    }

    /// The amount, for display beside the saving and never as one.
    #[must_use]
    pub const fn mass(self) -> GramsCo2e {
        self.0
    }
}

impl std::fmt::Display for AttributedGrams {
    /// `412 g (attributed)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (attributed)", self.0)
    }
}

/// What a change would move to others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributed {
    /// Per day.
    pub per_day: Estimate<AttributedGrams>,
    /// In percent of the workload's emissions, its share of idle energy in
    /// them.
    pub percent: Estimate<f64>,
}

/// One piece of advice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recommendation {
    /// What to do.
    pub action: Action,
    /// What the cluster saves per day if nothing else changes; the bounds are
    /// cut off at zero.
    pub saving_per_day: Estimate<GramsCo2e>,
    /// The saving in percent of the workload's emissions, in which no idle energy
    /// is that nobody charged it with; the low bound may be negative.
    pub saving_percent: Estimate<f64>,
    /// What only moves to others, if the advice moves any: no part of the
    /// saving.
    pub attributed: Option<Attributed>,
    /// How much it can be relied on.
    pub confidence: Confidence,
    /// What it rests on, why the confidence is what it is, and what the saving
    /// is not.
    pub basis: String,
    /// The exact change, as a command or a sentence.
    pub change: String,
    /// The advice in one sentence, with the numbers.
    pub message: String,
}

/// Why there is no advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WhyNot {
    /// It would save less than asked for, or nothing.
    SavesTooLittle,
    /// The intensity of the hours in question is not known.
    IntensityMissing,
    /// There is no such time within the limits.
    NoWindow,
    /// The job has no length or no energy.
    NoEnergy,
    /// There are too few samples of what is used.
    TooFewSamples,
    /// The workload asks for nothing that could be lowered.
    NoRequest,
    /// It does work.
    InUse,
    /// Nothing of this kind could be changed about it.
    NotApplicable,
    /// Nobody asked for it.
    NotAsked,
    /// Something given makes no sense.
    Invalid,
}

impl WhyNot {
    /// The name as it stands in a status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SavesTooLittle => "SavesTooLittle",
            Self::IntensityMissing => "IntensityMissing",
            Self::NoWindow => "NoWindow",
            Self::NoEnergy => "NoEnergy",
            Self::TooFewSamples => "TooFewSamples",
            Self::NoRequest => "NoRequest",
            Self::InUse => "InUse",
            Self::NotApplicable => "NotApplicable",
            Self::NotAsked => "NotAsked",
            Self::Invalid => "Invalid",
        }
    }
}

/// No advice, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct NoAdvice {
    /// Why, for programs.
    pub reason: WhyNot,
    /// Why, for people, with the numbers.
    pub message: String,
}

impl NoAdvice {
    pub(crate) fn new(reason: WhyNot, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// The instant that advice is made for, and the least saving worth it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// Now, as the caller's clock has it.
    pub now: Timestamp,
    /// The least saving worth advice, in percent.
    pub min_saving_percent: f64,
}
