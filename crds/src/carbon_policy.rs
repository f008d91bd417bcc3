//! `CarbonPolicy`: what is judged, by which rules, with which intensity.

pub mod accounting;
pub mod spec;
pub mod status;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::power_monitor::Switch;
pub use accounting::*;

pub use spec::*;
pub use status::CarbonPolicyStatus;

/// A CarbonPolicy turns the energy of its namespace's workloads into emissions
/// and judges them against regulations.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "tanso.dev",
    version = "v1alpha1",
    kind = "CarbonPolicy",
    plural = "carbonpolicies",
    shortname = "cbp",
    category = "tanso",
    namespaced,
    status = "CarbonPolicyStatus",
    doc = "A CarbonPolicy turns the energy of its namespace's workloads into emissions (gCO2eq), judges them against regulations, and says what would help.",
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
#[x_kube(validation = Rule::new("!self.interval.matches('^[0-9]{1,7}(s|m|h)$') || !self.window.matches('^[0-9]{1,7}(s|m|h)$') || duration(self.interval) <= duration(self.window)").message(Message::Expression("'interval ' + self.interval + ' is longer than window ' + self.window + '; accepted is an interval up to the window'".into())))]
pub struct CarbonPolicySpec {
    /// Which workloads of the namespace; default all.
    #[serde(default)]
    pub selector: WorkloadSelector,
    /// Where the energy is used: grid zone, time zone, PUE.
    pub site: SiteSpec,
    /// Where the grid's carbon intensity comes from.
    #[serde(default)]
    pub intensity: IntensitySpec,
    /// The rules to judge by; at least one.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["rule".into()]))]
    pub regulations: Vec<RegulationRef>,
    /// How far back energy is added up, for example `24h`; accepted are 1h to 744h. Default `24h`.
    #[serde(default = "spec::default_window")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]{1,7}(s|m|h)$') && duration(self) >= duration('1h') && duration(self) <= duration('744h')").message(Message::Expression("'window \"' + self + '\"; accepted are 1h to 744h, as in 24h'".into())))]
    pub window: String,
    /// Time between two evaluations, for example `5m`; accepted are 10s up to the window. Default `5m`.
    #[serde(default = "spec::default_interval")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]{1,7}(s|m|h)$') && duration(self) >= duration('10s')").message(Message::Expression("'interval \"' + self + '\"; accepted are 10s up to the window, as in 5m'".into())))]
    pub interval: String,
    /// What must be known before a verdict is given.
    #[serde(default)]
    pub evidence: EvidenceSpec,
    /// What is computed beside the location-based sum: market-based, per unit of work, against a base year. Default: nothing.
    #[serde(default)]
    pub accounting: AccountingSpec,
    /// Which advice is given.
    #[serde(default)]
    pub recommendations: RecommendationSpec,
    /// What may be done about advice. Default: nothing.
    #[serde(default)]
    pub actions: ActionsSpec,
    /// Whether verdicts are also written as `Report`s of `openreports.io/v1alpha1`, beside the `CarbonReport`s, for dashboards that read those. `Enabled` or `Disabled`. Default `Disabled`.
    #[serde(default)]
    pub open_reports: Switch,
    /// While true nothing is evaluated; the last status stays.
    #[serde(default)]
    pub suspend: bool,
}
