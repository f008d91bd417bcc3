//! What was found about a policy's workloads.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod beside;
mod outcome;
mod place;
mod pue;
mod settled;

pub use beside::{MarketFigures, SciFigures};
pub use outcome::{AdviceOutcome, AdviceState, MeasuredEffect};
pub use place::{IntensityProvenance, PlaceFigures, PlaceShare, UsedSource};
pub use pue::PueFigure;
pub use settled::{Realised, SettledRun};

/// What was found about the workloads that a policy selects.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CarbonPolicyStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The value of the annotation `reconcile.tanso.dev/requestedAt` that the last visit saw: set it to the time to ask for a visit at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub last_handled_reconcile_at: Option<String>,
    /// The evaluation in a few sentences: what was used and emitted, by which intensity, the verdict and why, and what would save most.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub answer: String,
    /// Conditions: Ready, Reconciling, Stalled, Compliant, IntensityFresh, and where they apply PlacesKnown and OpenReportsReady.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The verdict over all rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Figures in words, for columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// End of the last minute whose energy is in the figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_through: Option<Time>,
    /// The first hour of all that is recorded, if it lies within the window: the figures are about the time since. Absent once the whole window is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_since: Option<Time>,
    /// Booking of the energy ledger up to which the figures go: the ledger can tell its total at each booking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_revision: Option<i64>,
    /// Sums over all selected workloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totals: Option<Figures>,
    /// The PUE of the policy's site that the figures were made with, and who says so; absent if the policy gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pue: Option<PueFigure>,
    /// The same energy market-based, if the policy names contracts and a residual mix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<MarketFigures>,
    /// Software carbon intensity, if the policy names hardware and a functional unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_carbon_intensity: Option<SciFigures>,
    /// Where the window's energy was used, with what it was priced there; with placement `NodeRegion` only. Of a longer period each rule of `regulations` has its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub places: Vec<PlaceFigures>,
    /// Energy of the nodes that belongs to no workload (idle, system, kernel, overflow, pods not selected); only on a ClusterCarbonPolicy that selects every namespace, where workloads and these add up to the ledger.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub unallocated: Vec<AccountEnergy>,
    /// The verdict of each rule; of more than 32 the worst, and the answer says how many are not listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub regulations: Vec<RegulationResult>,
    /// The workloads that emit most; the others are in CarbonReports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub workloads: Vec<WorkloadResult>,
    /// Number of workloads that are not listed here.
    #[serde(default)]
    pub workloads_not_listed: i64,
    /// What advice comes to, of all workloads, also of those that are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub savings: Option<AdviceSavings>,
    /// What was looked for and is not advised, by kind and reason, of all workloads: nothing to save is said too. Each workload's own reasons are in CarbonReports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub no_advice: Vec<NoAdviceCount>,
    /// Advice about the cluster as a whole; on a ClusterCarbonPolicy that selects every namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub recommendations: Vec<Recommendation>,
    /// Where the intensity figures come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intensity: Option<IntensityProvenance>,
    /// Digest of all inputs of this evaluation, `sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs_digest: Option<String>,
    /// Names of the CarbonReports that hold every workload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub reports: Vec<String>,
}

/// The verdict of a rule.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// The whole interval is within the limit.
    Compliant,
    /// The whole interval is outside the limit.
    NonCompliant,
    /// The interval straddles the limit, or the figures count other emissions than it and prove neither side.
    Inconclusive,
    /// Too little is known, or it is simulated.
    Unknown,
    /// The rule starts later.
    NotYetBinding,
}

/// Figures in words.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Non-compliant of all workloads, `2/12`.
    pub failing: String,
    /// Emissions, `22.6kg`.
    pub emissions: String,
    /// Energy of the IT equipment, `41.2kWh`.
    pub energy: String,
    /// Effective intensity, gCO2eq/kWh, `415`; `-` without energy.
    pub intensity: String,
    /// PUE and its verdict, `1.32 Compliant`; `-` when none is given.
    pub pue: String,
    /// Share of the energy that was measured, `87%`.
    pub measured: String,
    /// Largest saving of the cluster that is recommended, `3.1kg/d`; `0mg/d` if all that is recommended only moves energy to others, `-` when nothing is.
    pub saving: String,
}

/// A figure with its 90 % bounds.
#[derive(KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bounded {
    /// Lower bound.
    pub low: i64,
    /// Best estimate.
    pub value: i64,
    /// Upper bound.
    pub high: i64,
}

/// Energy and emissions of one workload or of all.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Energy of the IT equipment, microjoules.
    pub energy_microjoules: Bounded,
    /// Emissions, milligrams of CO2eq, location-based, PUE included.
    pub emissions_milligrams: Bounded,
    /// Facility energy without any intensity, microjoules: what it emitted is not known and not in the emissions, which are a lower bound then. Absent where there is none.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub unpriced_microjoules: i64,
    /// Emissions over facility energy that has an intensity, milligrams of CO2eq per kWh; absent without such energy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intensity_milligrams_per_kwh: Option<i64>,
    /// Lower bound of the same, of intensity and of the energy that weights its hours and places together; absent where it is known exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intensity_low_milligrams_per_kwh: Option<i64>,
    /// Upper bound of the same; absent where it is known exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intensity_high_milligrams_per_kwh: Option<i64>,
    /// CPU time, milliseconds.
    #[serde(default)]
    pub cpu_milliseconds: i64,
    /// Share of the energy that was measured by a meter, percent.
    #[serde(default)]
    pub measured_percent: i32,
    /// Share of the energy that was estimated by a power model, percent.
    #[serde(default)]
    pub modelled_percent: i32,
    /// Share of the energy that is made up by a fake meter, percent; at least 1 where there is any.
    #[serde(default)]
    pub simulated_percent: i32,
    /// Share of the energy whose hourly intensity was estimated or filled, percent.
    #[serde(default)]
    pub intensity_estimated_percent: i32,
    /// Share of the time that should have energy data and has it, percent: each minute of each node, from the hour of the node's first record on.
    #[serde(default)]
    pub coverage_percent: i32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks with a reference"
)]
const fn is_nothing(figure: &i64) -> bool {
    *figure == 0
}

/// Energy of an account that is no workload.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountEnergy {
    /// The account: `idle`, `system`, `kernel`, `overflow`, `standalone`, `unselected`.
    #[schemars(length(max = 63))]
    pub account: String,
    /// Its energy, microjoules.
    pub energy_microjoules: i64,
}

/// The verdict of one rule.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegulationResult {
    /// Id of the rule.
    #[schemars(length(max = 63))]
    pub rule: String,
    /// What kind of rule it is: law, draft, voluntary, policyTarget, quotedTarget, standard, factor.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Machine-readable reason, `WithinLimit`.
    #[schemars(length(max = 63))]
    pub reason: String,
    /// The verdict in words, with the numbers.
    #[schemars(length(max = 512))]
    pub message: String,
    /// The limit, thousandths of its unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_milli: Option<i64>,
    /// The value that was judged, thousandths of its unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_milli: Option<Bounded>,
    /// The unit of limit and value, `gCO2eq/kWh`.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub unit: String,
    /// Document and clause.
    #[serde(default)]
    #[schemars(length(max = 512))]
    pub source: String,
    /// Who stands for the site's PUE that this line rests on: `Measured`, `Certificate`, `PublishedForRegion`, `ProviderAverage` or `Assumed`, of which the last two are never judged. Absent where it rests on none, as an intensity does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub pue_evidence: Option<String>,
    /// What they stated it in: a certificate, a query of meters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub pue_source: Option<String>,
    /// Share of the energy of this line whose hourly intensity was estimated or filled, percent; absent where no intensity is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intensity_estimated_percent: Option<i32>,
    /// Where the energy of the rule's own period was used, most energy first, where that period is another than the window and not all was used at the site; of the window `places` of the status says it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub places: Vec<PlaceShare>,
}

/// What was found about one workload.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadResult {
    /// Its namespace.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// Its kind, `Deployment`.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The verdict over all rules that can be judged for a workload.
    pub verdict: Verdict,
    /// Machine-readable reason of the verdict.
    #[schemars(length(max = 63))]
    pub reason: String,
    /// Pods that used energy in the window.
    #[serde(default)]
    pub pods: i64,
    /// Its figures.
    pub figures: Figures,
    /// What all advice would save together, milligrams of CO2eq per day, run through again hour by hour: savings do not add up. Absent with fewer than two that can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together_milligrams_per_day: Option<i64>,
    /// What following the forecast would have saved on runs of a CronJob that are over, newest first; with a provider that forecasts only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub settled: Vec<SettledRun>,
    /// Advice on requests that was told on earlier days, and what became of it, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub advice_outcomes: Vec<AdviceOutcome>,
    /// Advice, largest saving first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub recommendations: Vec<Recommendation>,
    /// The best hours of the next run in parts, of a CronJob that `recommendations.interruptible` names; instead of advice to shift it, not on top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_parts: Option<RunInParts>,
    /// What was looked for and is not advised, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub no_advice: Vec<Unadvised>,
}

/// A run in parts.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunInParts {
    /// Begin and end of each part in local time; at most 24 are listed.
    #[schemars(length(max = 24), inner(length(max = 128)))]
    pub parts: Vec<String>,
    /// How often the run is started again.
    pub restarts: i32,
    /// Expected saving of the run against its planned start, restarts paid, milligrams of CO2eq.
    pub saving_milligrams: Bounded,
    /// The same in thousandths of a percent of what the run would emit as planned.
    pub saving_milli_percent: i64,
    /// `High`, `Medium` or `Low`.
    #[schemars(length(max = 16))]
    pub confidence: String,
    /// What the advice is based on.
    #[schemars(length(max = 512))]
    pub basis: String,
}

/// Why there is no advice of a kind.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unadvised {
    /// What was looked for: `ShiftInTime`, `Rightsize`, …
    #[schemars(length(max = 63))]
    pub action: String,
    /// Machine-readable reason, `SavesTooLittle`.
    #[schemars(length(max = 63))]
    pub reason: String,
    /// The reason in words, with the numbers; in a policy's status only, since it is longer than all the rest.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub message: String,
}

/// How many workloads have no advice of a kind, for a reason.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NoAdviceCount {
    /// What was looked for: `ShiftInTime`, `Rightsize`, `Consolidate`, …
    #[schemars(length(max = 63))]
    pub action: String,
    /// Machine-readable reason: `SavesTooLittle`, `IntensityMissing`, `NoWindow`, `NoEnergy`, `TooFewSamples`, `NoRequest`, `InUse`, `NotApplicable`, `NotAsked`, `Invalid`.
    #[schemars(length(max = 63))]
    pub reason: String,
    /// How many workloads; 0 of advice about the cluster as a whole.
    pub workloads: i64,
    /// Why, in words with the numbers, of the workload among them that emits most.
    #[schemars(length(max = 256))]
    pub example: String,
}

/// What advice would save if each workload followed the piece that does most: pieces of one workload do not add up.
#[derive(KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdviceSavings {
    /// Workloads that have advice.
    pub workloads: i64,
    /// What the cluster would emit less, milligrams of CO2eq per day: of each workload by the piece that saves the cluster most.
    pub cluster_milligrams_per_day: i64,
    /// What others would bear instead, milligrams of CO2eq per day: of each workload by the piece that moves most. At most so much, since what one gives up others bear; the cluster saves it only if nodes go.
    pub attributed_milligrams_per_day: i64,
    /// What the cluster would emit less beside if the nodes that can be emptied go, milligrams of CO2eq per day.
    pub consolidation_milligrams_per_day: i64,
}

/// A piece of advice.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recommendation {
    /// What to do: `ShiftInTime`, `Rightsize`, …
    #[schemars(length(max = 63))]
    pub action: String,
    /// Expected saving of the workload, milligrams of CO2eq per day.
    pub saving_milligrams_per_day: Bounded,
    /// What of it the cluster emits less even if no node goes, milligrams of CO2eq per day; the rest is attributed, borne by others unless a node goes.
    #[serde(default)]
    pub cluster_saving_milligrams_per_day: i64,
    /// Expected saving, thousandths of a percent: of what the workload emits where the cluster saves anything, else of that and of the workload's share of idle energy.
    pub saving_milli_percent: i64,
    /// `High`, `Medium` or `Low`.
    #[schemars(length(max = 16))]
    pub confidence: String,
    /// What the advice is based on, and what it does not say.
    #[schemars(length(max = 512))]
    pub basis: String,
    /// The exact change to make.
    #[schemars(length(max = 512))]
    pub change: String,
    /// The schedule to set, of advice to move a daily CronJob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<AdvisedSchedule>,
    /// The best times, best first, of advice to shift in time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3), inner(length(max = 128)))]
    pub windows: Vec<String>,
}

/// A schedule in its time zone.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdvisedSchedule {
    /// Five fields.
    #[schemars(length(max = 128))]
    pub schedule: String,
    /// IANA time zone.
    #[schemars(length(max = 64))]
    pub time_zone: String,
}

#[cfg(test)]
mod tests;
