//! `EnergyStudy`: a controlled experiment on the cluster, run trial by trial.

pub mod arms;
pub mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use arms::{
    Applies, ArmSpec, ChangesSpec, ComponentSpec, ConfigMapKey, ManifestsSpec, PartSpec,
    WorkloadRef,
};
pub use status::{
    EnergyStudyStatus, StudyProgress, StudyResult, StudySummary, TrialStatus, TrialStep,
};

/// An EnergyStudy runs a controlled experiment on the cluster and says how much
/// energy its arms differ by, with intervals.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "tanso.dev",
    version = "v1alpha1",
    kind = "EnergyStudy",
    plural = "energystudies",
    shortname = "estudy",
    category = "tanso",
    namespaced,
    status = "EnergyStudyStatus",
    doc = "An EnergyStudy runs a controlled experiment on the cluster, trial by trial in randomised blocks, and says how much energy its arms differ by, with intervals. All of its spec but suspend is immutable.",
    derive = "PartialEq",
    printcolumn(
        name = "Complete",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Complete\")].status"
    ),
    printcolumn(
        name = "Trials",
        type_ = "string",
        json_path = ".status.summary.trials"
    ),
    printcolumn(
        name = "Running",
        type_ = "string",
        json_path = ".status.summary.running"
    ),
    printcolumn(
        name = "Remaining",
        type_ = "string",
        json_path = ".status.summary.remaining"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Suspended",
        type_ = "string",
        priority = 1,
        json_path = ".status.conditions[?(@.type==\"Suspended\")].status"
    ),
    printcolumn(
        name = "Failed",
        type_ = "string",
        priority = 1,
        json_path = ".status.conditions[?(@.type==\"Failed\")].status"
    ),
    printcolumn(
        name = "Disturbed",
        type_ = "integer",
        priority = 1,
        json_path = ".status.progress.disturbed"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        priority = 1,
        json_path = ".status.conditions[?(@.type==\"Ready\")].message"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.title == oldSelf.title && self.question == oldSelf.question && self.serviceAccountName == oldSelf.serviceAccountName && self.arms == oldSelf.arms && self.components == oldSelf.components && self.comparisons == oldSelf.comparisons && self.primaryResponse == oldSelf.primaryResponse && self.phases == oldSelf.phases && self.stopping == oldSelf.stopping && self.seed == oldSelf.seed && self.confidencePercent == oldSelf.confidencePercent && self.outliers == oldSelf.outliers && self.retries == oldSelf.retries && has(self.zone) == has(oldSelf.zone) && (!has(self.zone) || self.zone == oldSelf.zone)").message("a study's rules stand before its first trial: all of spec but suspend is immutable; delete the study and make another"))]
#[x_kube(validation = Rule::new("self.comparisons.all(c, c.arm != c.against && self.arms.exists(a, a.name == c.arm) && self.arms.exists(a, a.name == c.against))").message("each of comparisons names two different arms of this study"))]
#[x_kube(validation = Rule::new("self.primaryResponse in ['node_joules', 'node_active_joules', 'node_cpu_seconds', 'arm_joules', 'arm_cpu_seconds'] || self.components.exists(c, self.primaryResponse == c.name + '_joules' || self.primaryResponse == c.name + '_cpu_seconds')").message(Message::Expression("'primaryResponse \"' + self.primaryResponse + '\"; accepted are node_joules, node_active_joules, node_cpu_seconds, arm_joules, arm_cpu_seconds, and NAME_joules and NAME_cpu_seconds of each of components'".into())))]
pub struct EnergyStudySpec {
    /// What the study is called.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// The question in words.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub question: String,
    /// The ServiceAccount of the study's namespace in whose name all objects of the arms are written: what it may not, the study cannot. Default `tanso-study`. Let the operator use it with `kubectl create rolebinding tanso-study --clusterrole=tanso-operator-studies --serviceaccount=tanso-system:tanso-operator`, for another name with a role of your own.
    #[serde(default = "default_service_account")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub service_account_name: String,
    /// The ways to run the system that are compared; each block runs each of them once.
    #[schemars(length(min = 2, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub arms: Vec<ArmSpec>,
    /// Parts of the cluster whose energy and CPU time are responses of their own, `NAME_joules` and `NAME_cpu_seconds`, in every arm.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub components: Vec<ComponentSpec>,
    /// What is compared; if empty, each arm against the first.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub comparisons: Vec<ComparisonSpec>,
    /// The response that answers the question: `node_joules` (all nodes with idle), `node_active_joules` (without idle), `node_cpu_seconds`, `arm_joules` and `arm_cpu_seconds` (what belongs to the arm), or a component's. Default `node_active_joules`.
    #[serde(default = "default_response")]
    #[schemars(length(max = 64))]
    pub primary_response: String,
    /// How long the phases of a trial last.
    #[serde(default)]
    pub phases: PhasesSpec,
    /// When there are trials enough.
    #[serde(default)]
    pub stopping: StoppingSpec,
    /// Seed of the order of arms, of the moments of changes, and of the bootstrap. Default 0.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub seed: i64,
    /// How often intervals are to hold the truth, percent. Default 95.
    #[serde(default = "default_confidence")]
    #[schemars(range(min = 80, max = 99))]
    pub confidence_percent: i32,
    /// Which differences are marked as outliers; the result is shown with and without them. Default `Mad`.
    #[serde(default)]
    pub outliers: OutlierRule,
    /// Grid zone whose mean intensity prices a difference in energy, for example `KR`; none if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32))]
    #[x_kube(validation = Rule::new(crate::zones::KNOWN_OR_PRIVATE).message(Message::Expression("'unknown grid zone \"' + self + '\"; accepted are zone ids such as KR, DE, JP-TK, US-CAL-CISO (all: kubectl tanso regions)'".into())))]
    #[x_kube(validation = Rule::new("!self.startsWith('X-')").message(Message::Expression("'zone \"' + self + '\" is private and has no mean intensity here; accepted are zone ids such as KR, DE, JP-TK (all: kubectl tanso regions)'".into())))]
    pub zone: Option<String>,
    /// How often in a row a trial may fail to be set up, cleared up or measured before the study has failed. Default 6.
    #[serde(default = "default_retries")]
    #[schemars(range(min = 0, max = 100))]
    pub retries: i32,
    /// While true no trial runs; the one that ran is cleared up and runs again later. What was measured stays.
    #[serde(default)]
    pub suspend: bool,
}

fn default_service_account() -> String {
    "tanso-study".to_owned()
}

fn default_response() -> String {
    "node_active_joules".to_owned()
}

const fn default_confidence() -> i32 {
    95
}

const fn default_retries() -> i32 {
    6
}

/// Two arms to compare: `arm` less `against`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComparisonSpec {
    /// What is compared.
    #[schemars(length(min = 1, max = 63))]
    pub arm: String,
    /// What it is compared against.
    #[schemars(length(min = 1, max = 63))]
    pub against: String,
    /// What is known of the difference: `Nothing`, or `Placebo` where the two are the same and the interval must hold 0. Default `Nothing`.
    #[serde(default)]
    pub known: Known,
}

/// What is known of a difference.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Known {
    /// It is what the study is to find out.
    #[default]
    Nothing,
    /// There is none.
    Placebo,
}

/// How long the phases of a trial last.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PhasesSpec {
    /// Time from the set-up to the measured phase, at least; that begins at a whole minute. Accepted are 0s to 24h. Default `1m`.
    #[serde(default = "default_warm_up")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]{1,5}(s|m|h)$') && duration(self) <= duration('24h')").message(Message::Expression("'warmUp \"' + self + '\"; accepted are 0s to 24h, as in 1m'".into())))]
    pub warm_up: String,
    /// Length of the measured phase, whole minutes: the ledger keeps energy by the minute for two hours. Accepted are 1m to 60m. Default `5m`.
    #[serde(default = "default_measured")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]{1,2}m$') && duration(self) >= duration('1m') && duration(self) <= duration('60m')").message(Message::Expression("'measured \"' + self + '\"; accepted are 1m to 60m, as in 5m'".into())))]
    pub measured: String,
    /// Time from the clearing up to the next trial. Accepted are 0s to 24h. Default `30s`.
    #[serde(default = "default_cool_down")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]{1,5}(s|m|h)$') && duration(self) <= duration('24h')").message(Message::Expression("'coolDown \"' + self + '\"; accepted are 0s to 24h, as in 30s'".into())))]
    pub cool_down: String,
}

impl Default for PhasesSpec {
    fn default() -> Self {
        Self {
            warm_up: default_warm_up(),
            measured: default_measured(),
            cool_down: default_cool_down(),
        }
    }
}

fn default_warm_up() -> String {
    "1m".to_owned()
}

fn default_measured() -> String {
    "5m".to_owned()
}

fn default_cool_down() -> String {
    "30s".to_owned()
}

/// When there are trials enough. It never looks at whether a difference is
/// significant, only at how well it is known.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.type == 'HalfWidth') == has(self.relativePercent)").message("relativePercent goes with type \"HalfWidth\", and is needed there"))]
#[x_kube(validation = Rule::new("self.blocksMin <= self.blocks").message("blocksMin is more than blocks; accepted is up to blocks"))]
pub struct StoppingSpec {
    /// `Blocks`: a number of blocks; `HalfWidth`: until the interval of the primary response is narrow enough in every comparison. Default `Blocks`.
    #[serde(rename = "type", default)]
    pub type_: StoppingType,
    /// Blocks to run, with `HalfWidth` at most; each has every arm once. Default 30.
    #[serde(default = "default_blocks")]
    #[schemars(range(min = 2, max = 500))]
    pub blocks: i32,
    /// Blocks before the first look, with `HalfWidth`. Default 2.
    #[serde(default = "default_blocks_min")]
    #[schemars(range(min = 2, max = 500))]
    pub blocks_min: i32,
    /// Half the interval's width that is narrow enough, percent of the mean compared against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub relative_percent: Option<i32>,
}

impl Default for StoppingSpec {
    fn default() -> Self {
        Self {
            type_: StoppingType::default(),
            blocks: default_blocks(),
            blocks_min: default_blocks_min(),
            relative_percent: None,
        }
    }
}

const fn default_blocks() -> i32 {
    30
}

const fn default_blocks_min() -> i32 {
    2
}

/// What ends a study.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoppingType {
    /// A number of blocks.
    #[default]
    Blocks,
    /// An interval that is narrow enough.
    HalfWidth,
}

/// Which differences are marked as outliers.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutlierRule {
    /// None.
    None,
    /// Those beyond 3.5 scaled median absolute deviations.
    #[default]
    Mad,
}
