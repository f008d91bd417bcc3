//! `ClusterCarbonPolicy`: a policy over the namespaces that a selector chooses.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::carbon_policy::{CarbonPolicySpec, CarbonPolicyStatus};

/// A ClusterCarbonPolicy judges the workloads of every namespace that its
/// selector chooses, by the same rules as a CarbonPolicy.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "tanso.dev",
    version = "v1alpha1",
    kind = "ClusterCarbonPolicy",
    plural = "clustercarbonpolicies",
    shortname = "ccbp",
    category = "tanso",
    status = "CarbonPolicyStatus",
    doc = "A ClusterCarbonPolicy judges the workloads of every namespace that its selector chooses, by the same rules as a CarbonPolicy.",
    derive = "PartialEq",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Compliant", type_ = "string", json_path = ".status.verdict"),
    printcolumn(
        name = "Failing",
        type_ = "string",
        json_path = ".status.summary.failing"
    ),
    printcolumn(
        name = "CO2eq",
        type_ = "string",
        json_path = ".status.summary.emissions"
    ),
    printcolumn(
        name = "Energy",
        type_ = "string",
        priority = 1,
        json_path = ".status.summary.energy"
    ),
    printcolumn(
        name = "g/kWh",
        type_ = "string",
        priority = 1,
        json_path = ".status.summary.intensity"
    ),
    printcolumn(
        name = "PUE",
        type_ = "string",
        priority = 1,
        json_path = ".status.summary.pue"
    ),
    printcolumn(
        name = "Measured",
        type_ = "string",
        priority = 1,
        json_path = ".status.summary.measured"
    ),
    printcolumn(
        name = "Saving",
        type_ = "string",
        priority = 1,
        json_path = ".status.summary.saving"
    ),
    printcolumn(name = "Data", type_ = "date", json_path = ".status.dataThrough")
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterCarbonPolicySpec {
    /// Which namespaces; an empty selector (`{}`) chooses all.
    pub namespace_selector: LabelSelector,
    /// What is judged in them, as the spec of a CarbonPolicy.
    pub policy: CarbonPolicySpec,
}
