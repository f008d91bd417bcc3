//! What a report says, in whole numbers and without words of a language: the
//! JSON format, and what the other formats are written from.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::{Deserialize, Serialize};
use tanso_crds::carbon_policy::CarbonPolicySpec;
use tanso_crds::carbon_policy::status::{
    AccountEnergy, Bounded, Figures, IntensityProvenance, MarketFigures, PlaceFigures, PueFigure,
    Recommendation, RegulationResult, SciFigures, Verdict, WorkloadResult,
};

/// The name of this shape of report.
pub const SCHEMA: &str = "tanso.dev/report/v1";

/// A report. What is absent was not known or not asked for; nothing absent is
/// zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// Who reports, and how far it was checked.
    pub statement: Statement,
    /// Which policy.
    pub policy: PolicyRef,
    /// Which time.
    pub period: Period,
    /// How the figures came about.
    pub method: Method,
    /// The verdict over all rules.
    pub verdict: Verdict,
    /// The evaluation in a few sentences, as the status has it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answer: String,
    /// Sums over all selected workloads.
    pub totals: Figures,
    /// The same energy market-based.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<MarketFigures>,
    /// Software carbon intensity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_carbon_intensity: Option<SciFigures>,
    /// The nodes' embodied emissions that belong to the workloads, milligrams,
    /// in a report of another time than the window: without a number of
    /// functional units there is no intensity per unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embodied_milligrams: Option<Bounded>,
    /// When advice was evaluated, if that is another time than the report's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice_through: Option<String>,
    /// Where energy was used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<PlaceFigures>,
    /// Energy of nodes that belongs to no workload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unallocated: Vec<AccountEnergy>,
    /// Sums by namespace, largest energy first.
    pub namespaces: Vec<EnergyOf>,
    /// Sums by local month; only if hours are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub months: Vec<EnergyOf>,
    /// Every workload, largest emissions first.
    pub workloads: Vec<WorkloadResult>,
    /// The verdict of each rule with what is known of the rule.
    pub rules: Vec<RuleFacts>,
    /// Where the intensity figures come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intensity: Option<IntensityProvenance>,
    /// Each hour of the evaluation, where the operator could be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// Reduction paths of the rules that have one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<ReductionPath>,
    /// Advice about the cluster as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recommendations: Vec<Recommendation>,
    /// The conditions as they were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The policy's spec, from which the method follows.
    pub spec: CarbonPolicySpec,
    /// Digests of what went in.
    pub digests: Digests,
    /// Commands that compute the sums again.
    pub recompute: Vec<String>,
    /// What they do not compute again, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_recomputed: Vec<String>,
}

/// Who reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// The organisation; empty if nobody said.
    pub organisation: String,
    /// The responsible person; empty if nobody said.
    pub responsible: String,
    /// The cluster.
    pub cluster: String,
    /// When the figures were evaluated, UTC.
    pub evaluated: String,
    /// The version of tanso that wrote the report.
    pub software: String,
    /// Functional units that the report's time served, as the organisation
    /// says; of another time than the policy's window only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<i64>,
}

/// Which policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRef {
    /// `CarbonPolicy` or `ClusterCarbonPolicy`.
    pub kind: String,
    /// Its namespace; a `ClusterCarbonPolicy` has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Generation of the spec that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
}

/// Which time: whole UTC hours from `from` until before `until`, of which data
/// is in up to `dataThrough`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Period {
    /// The first hour, UTC.
    pub from: String,
    /// The end of the last hour, UTC.
    pub until: String,
    /// Hours between the two.
    pub hours: i64,
    /// End of the last minute whose energy is in.
    pub data_through: String,
    /// IANA time zone of local times.
    pub time_zone: String,
}

/// How the figures came about, as far as it is no other field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Method {
    /// The PUE of the policy's site; absent if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pue: Option<String>,
    /// The same with who says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility_pue: Option<PueFigure>,
    /// Whether the PUE multiplies the energy.
    pub pue_is_applied: bool,
    /// Probability that the bounds hold, percent.
    pub confidence_percent: i32,
}

/// Energy and emissions of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnergyOf {
    /// The part: a namespace, or a local month `2026-11`.
    pub name: String,
    /// Workloads in it; 0 for a month.
    #[serde(default)]
    pub workloads: i64,
    /// Energy of the IT equipment, microjoules.
    pub energy_microjoules: i64,
    /// Of it measured, microjoules.
    pub measured_microjoules: i64,
    /// Of it modelled, microjoules.
    pub modelled_microjoules: i64,
    /// Of it simulated, microjoules.
    pub simulated_microjoules: i64,
    /// Emissions, milligrams of CO₂ equivalent.
    pub emissions_milligrams: i64,
    /// Facility energy without any intensity, microjoules: what it emitted is
    /// not known and not in the emissions.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub unpriced_microjoules: i64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks with a reference"
)]
const fn is_nothing(figure: &i64) -> bool {
    *figure == 0
}

/// A rule with its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleFacts {
    /// The verdict, as the status has it.
    #[serde(flatten)]
    pub result: RegulationResult,
    /// Its name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its name in Korean.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name_ko: String,
    /// Who issued it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub authority: String,
    /// The clause.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub clause: String,
    /// Document, clause and source as they are cited in Korean; empty for a
    /// rule without a Korean name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source_ko: String,
    /// The first local day it binds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub binds_from: String,
    /// The last local day it binds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub binds_until: String,
    /// How well the source was checked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub evidence: String,
    /// What a reader must know beside the number.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// The hours of an evaluation, oldest first, and of the time after it as far
/// as the intensity is expected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hours {
    /// IANA time zone of local times.
    pub time_zone: String,
    /// Booking of the energy ledger up to which they go; if it is a later one
    /// than the evaluation's, so is their energy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_revision: Option<i64>,
    /// The hours.
    pub hours: Vec<Hour>,
}

/// One hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hour {
    /// Its begin, seconds of Unix time.
    pub start: i64,
    /// Energy of the IT equipment, microjoules; absent without data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_microjoules: Option<i64>,
    /// Of it measured, microjoules.
    #[serde(default)]
    pub measured_microjoules: i64,
    /// Of it simulated, microjoules.
    #[serde(default)]
    pub simulated_microjoules: i64,
    /// Emissions, milligrams of CO₂ equivalent.
    #[serde(default)]
    pub emissions_milligrams: i64,
    /// Facility energy without any intensity, microjoules, which is not in the
    /// emissions.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub unpriced_microjoules: i64,
    /// Intensity, milligrams of CO₂ equivalent per kWh; absent if nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intensity_milligrams_per_kwh: Option<i64>,
    /// Whether the intensity is an estimate or was filled.
    #[serde(default)]
    pub is_estimated: bool,
    /// Whether the hour begins after the last data.
    #[serde(default)]
    pub is_ahead: bool,
}

/// A reduction path and where the figures stand on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReductionPath {
    /// Id of the rule.
    pub rule: String,
    /// The base year.
    pub base_year: i16,
    /// The target year.
    pub target_year: i16,
    /// Emissions of the base year, tonnes of CO₂ equivalent; absent if nobody gave them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_tonnes: Option<f64>,
    /// Who says so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub base_reference: String,
    /// The reduction asked for in each year, on the straight line.
    pub points: Vec<PathPoint>,
    /// The reduction reached, thousandths of a percent, as the rule judged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached_milli_percent: Option<Bounded>,
}

/// A year of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PathPoint {
    /// The year.
    pub year: i16,
    /// The reduction asked for, thousandths of a percent.
    pub reduction_milli_percent: i64,
}

/// Digests of what went in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Digests {
    /// All inputs of the evaluation together, as the status has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<String>,
    /// The policy's spec, as canonical JSON.
    pub spec: String,
    /// The rules' texts.
    pub rules: String,
    /// The figures of all workloads, as canonical JSON.
    pub workloads: String,
    /// Booking of the energy ledger up to which the figures go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_revision: Option<i64>,
}
