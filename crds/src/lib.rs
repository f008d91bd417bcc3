//! Types of the `tanso.dev/v1alpha1` API: schema, columns and admission rules.
//!
//! Types only. Nothing here judges, builds or talks to a cluster; the operator
//! turns a spec into its own checked types. The documentation of each field is
//! the text of `kubectl explain`.

#![allow(
    unreachable_pub,
    reason = "the derive of KubeSchema repeats each struct inside a function"
)]
#![allow(
    clippy::doc_markdown,
    reason = "the documentation is the text of `kubectl explain`, which is no Markdown"
)]
#![allow(
    clippy::duplicated_attributes,
    reason = "printer columns are alike in type and differ in name"
)]

pub mod carbon_policy;
pub mod carbon_report;
pub mod cluster_carbon_policy;
pub mod condition;
pub mod energy_study;
pub mod power_monitor;
pub mod readable;
pub mod zones;

pub use carbon_policy::{CarbonPolicy, CarbonPolicySpec, CarbonPolicyStatus};
pub use carbon_report::{CarbonReport, CarbonReportSpec};
pub use cluster_carbon_policy::{ClusterCarbonPolicy, ClusterCarbonPolicySpec};
pub use energy_study::{EnergyStudy, EnergyStudySpec, EnergyStudyStatus};
pub use power_monitor::{PowerMonitor, PowerMonitorSpec, PowerMonitorStatus};
pub use readable::{Readable, Unreadable};

/// The API group of every kind here.
pub const GROUP: &str = "tanso.dev";

/// Annotation of any kind here by which a person asks for a visit at once; its
/// value, a time for example, comes back in `status.lastHandledReconcileAt`.
pub const REQUESTED_AT: &str = "reconcile.tanso.dev/requestedAt";
