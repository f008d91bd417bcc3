//! `CarbonReport`: a page of a policy's workloads.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::carbon_policy::status::{Figures, WorkloadResult};

/// A CarbonReport is one page of the workloads that a policy judged. It is
/// written by the operator; editing it changes nothing.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "tanso.dev",
    version = "v1alpha1",
    kind = "CarbonReport",
    plural = "carbonreports",
    shortname = "crep",
    category = "tanso",
    namespaced,
    doc = "A CarbonReport is one page of the workloads that a policy judged. It is written by the operator; editing it changes nothing.",
    derive = "PartialEq",
    printcolumn(name = "Policy", type_ = "string", json_path = ".spec.policy"),
    printcolumn(name = "Page", type_ = "integer", json_path = ".spec.page"),
    printcolumn(name = "Pages", type_ = "integer", json_path = ".spec.pages"),
    printcolumn(name = "Through", type_ = "date", json_path = ".spec.dataThrough"),
    printcolumn(
        name = "Digest",
        type_ = "string",
        priority = 1,
        json_path = ".spec.inputsDigest"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct CarbonReportSpec {
    /// Name of the policy.
    #[schemars(length(max = 253))]
    pub policy: String,
    /// Number of this page, from 1.
    pub page: i32,
    /// Number of pages.
    pub pages: i32,
    /// End of the last minute whose energy is in the figures.
    pub data_through: Time,
    /// Booking of the energy ledger up to which the figures go.
    pub ledger_revision: i64,
    /// Digest of all inputs of the evaluation, `sha256:…`.
    #[schemars(length(max = 128))]
    pub inputs_digest: String,
    /// Sums over all workloads of all pages.
    pub totals: Figures,
    /// The workloads of this page.
    #[schemars(length(max = 500))]
    pub workloads: Vec<WorkloadResult>,
}
