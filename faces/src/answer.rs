//! Answers to the questions that people and programs ask, from the facts that
//! one caller may see.
//!
//! What was judged is shown as it was judged: the same whole numbers as in the
//! status. What would be, if something were changed, is computed with the
//! operator's own engine from the same hours. Nothing here asks who the
//! caller is: the facts are already theirs.

pub mod assess;
pub mod beside;
pub mod compare;
pub mod explain;
pub mod figures;
pub mod find;
mod judge;
pub mod list;
mod most_used;
pub mod outcomes;
pub mod places;
pub mod power;
pub(crate) mod presets;
mod profile;
pub mod regions;
pub mod report;
pub mod savings;
pub mod schedule;
pub mod sources;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::view::{Facts, FactsFault, Policy, PolicyKind, WorkloadKey};

pub use profile::Basis;

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// Not there, or not visible to this caller: there is no difference.
    #[error("{what} was not found, or you may not see it; {hint}")]
    NotFound {
        /// What was asked for.
        what: String,
        /// How to find what there is.
        hint: &'static str,
    },
    /// More than one thing fits.
    #[error("{what} fits {count} workloads: {which}; say which by kind/name and namespace")]
    Ambiguous {
        /// What was asked for.
        what: String,
        /// How many fit.
        count: usize,
        /// Some of them.
        which: String,
    },
    /// An argument makes no sense.
    #[error("{field}: {value}; accepted is {accepted}")]
    Invalid {
        /// The argument.
        field: &'static str,
        /// What was given.
        value: String,
        /// What is accepted.
        accepted: String,
    },
    /// An argument cannot be used, for a reason that says what can.
    #[error("{field}: {why}")]
    Unfit {
        /// The argument.
        field: &'static str,
        /// Why not.
        why: String,
    },
    /// What is needed to compute it is not known.
    #[error("{what}: {reason}")]
    NotKnown {
        /// What was to be computed.
        what: String,
        /// What is missing.
        reason: String,
    },
    /// The facts could not be read.
    #[error(transparent)]
    Facts(#[from] FactsFault),
}

impl AnswerFault {
    /// The fault's name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "NotFound",
            Self::Ambiguous { .. } => "Ambiguous",
            Self::Invalid { .. } | Self::Unfit { .. } => "InvalidArgument",
            Self::NotKnown { .. } => "NotKnown",
            Self::Facts(FactsFault::NoCluster { .. } | FactsFault::Certificate { .. }) => {
                "Unavailable"
            }
            Self::Facts(fault) if fault.is_passing() => "Unavailable",
            Self::Facts(fault) if fault.is_absent() => "NotPermitted",
            Self::Facts(_) => "Broken",
        }
    }

    /// Whether the same question may be answered later.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Facts(fault) if fault.is_passing())
    }

    pub(crate) fn unfit(field: &'static str, why: &dyn std::fmt::Display) -> Self {
        Self::Unfit {
            field,
            why: why.to_string(),
        }
    }

    pub(crate) fn invalid(
        field: &'static str,
        value: impl std::fmt::Display,
        accepted: impl Into<String>,
    ) -> Self {
        Self::Invalid {
            field,
            value: format!("\"{value}\""),
            accepted: accepted.into(),
        }
    }
}

/// A workload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadName {
    /// Its namespace.
    pub namespace: String,
    /// Its kind, such as Deployment.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl WorkloadName {
    pub(crate) fn key(&self) -> WorkloadKey {
        WorkloadKey {
            namespace: self.namespace.clone(),
            kind: self.kind.clone(),
            name: self.name.clone(),
        }
    }
}

impl std::fmt::Display for WorkloadName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyName {
    /// CarbonPolicy or ClusterCarbonPolicy.
    pub kind: String,
    /// Its namespace; a ClusterCarbonPolicy has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl PolicyName {
    /// The name of a policy.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        Self {
            kind: policy.kind.as_str().to_owned(),
            namespace: policy.namespace.clone(),
            name: policy.name.clone(),
        }
    }

    /// The address of the policy as a resource.
    #[must_use]
    pub fn uri(&self) -> String {
        let is_wide = self.kind == PolicyKind::ClusterCarbonPolicy.as_str();
        match &self.namespace {
            Some(namespace) if !is_wide => format!("tanso://policies/{namespace}/{}", self.name),
            _ => format!("tanso://cluster-policies/{}", self.name),
        }
    }
}

/// What an evaluation was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evaluated {
    /// The first hour of the window, UTC.
    pub from: String,
    /// The end of the window, UTC.
    pub until: String,
    /// End of the last minute whose energy is in the figures.
    pub data_through: String,
    /// Booking of the energy ledger up to which the figures go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_revision: Option<i64>,
    /// Digest of all inputs of the evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs_digest: Option<String>,
}

impl Evaluated {
    /// Of a policy that was evaluated; `None` before.
    #[must_use]
    pub fn of(policy: &Policy) -> Option<Self> {
        let window = policy.window()?;
        Some(Self {
            from: window.from.to_string(),
            until: window.until.to_string(),
            data_through: policy.status.data_through.as_ref()?.0.to_string(),
            ledger_revision: policy.status.ledger_revision,
            inputs_digest: policy.status.inputs_digest.clone(),
        })
    }
}

/// Notes that so many of a number of like steps are done, which take an answer
/// from one percentage to another: `policy 3 of 41`.
pub(crate) fn note(
    facts: &dyn Facts,
    (done, all): (usize, usize),
    (from, until): (u8, u8),
    what: &str,
) {
    let span = usize::from(until.saturating_sub(from));
    let more = (span * done.min(all)).checked_div(all).unwrap_or(span);
    let percent = from.saturating_add(u8::try_from(more).unwrap_or(u8::MAX));
    facts.note(percent, &format!("{what} {done} of {all}"));
}

/// The year of an instant, UTC.
pub(crate) fn year_of(at: Timestamp) -> i16 {
    jiff::tz::TimeZone::UTC.to_datetime(at).year()
}
