//! What a study does in each arm, and which parts of the cluster it looks at.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A way to run the system.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArmSpec {
    /// Its name in the figures: lower-case letters, digits and dashes.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// What it is, for readers.
    #[serde(default)]
    #[schemars(length(max = 500))]
    pub description: String,
    /// Applied before the warm-up of each of its trials; what did not exist before is deleted after the trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_up: Option<ManifestsSpec>,
    /// Applied after each of its trials, before what the set-up made is deleted: what brings objects of others back, such as a number of replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_up: Option<ManifestsSpec>,
    /// The stream of changes in each measured phase; none if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<ChangesSpec>,
    /// The namespaces and controllers that belong to this arm: the responses `arm_joules` and `arm_cpu_seconds`. They are measured by what their pods used, also pods that ended.
    #[serde(default)]
    pub belongs: PartSpec,
}

/// The stream of changes in a measured phase. Its moments are dealt from the
/// seed, the same for every arm of a block with as many.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.by == 'Study') == has(self.source)").message("source goes with by \"Study\", and is needed there"))]
pub struct ChangesSpec {
    /// How many changes each trial has; accepted are 1 to 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub per_trial: i32,
    /// Who makes them: `Study` applies the source at each moment; `Others` are for example a pipeline that you run, and the study only knows their number. Default `Study`.
    #[serde(default)]
    pub by: Applies,
    /// What is applied at each moment; `${ARM}`, `${BLOCK}`, `${TRIAL}` and `${CHANGE}` (from 1) stand for their values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ManifestsSpec>,
}

/// Who makes changes.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Applies {
    /// The study itself.
    #[default]
    Study,
    /// Somebody else.
    Others,
}

/// Objects to apply, as YAML documents. Applied server-side by the field manager
/// `tanso-study`, in the study's namespace where they name none.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.manifests) != has(self.configMap)").message("give either manifests or configMap"))]
pub struct ManifestsSpec {
    /// The documents themselves, separated by lines of `---`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub manifests: Option<String>,
    /// A key of a ConfigMap of the study's namespace that holds them. It must not change while the study runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapKey>,
}

/// A key of a ConfigMap.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKey {
    /// Name of the ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key within it.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// A part of the cluster with a response of its own.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentSpec {
    /// The begin of its columns' names: lower-case letters, digits and underscores, and neither `node` nor `arm`.
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[a-z][a-z0-9_]*$"))]
    #[x_kube(validation = Rule::new("!(self in ['node', 'node_active', 'arm'])").message(Message::Expression("'component \"' + self + '\" is a column of every study; accepted is any other name'".into())))]
    pub name: String,
    /// What belongs to it.
    #[serde(flatten)]
    pub part: PartSpec,
}

/// Namespaces and controllers.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartSpec {
    /// All pods of these namespaces.
    #[serde(default)]
    #[schemars(length(max = 32), inner(length(min = 1, max = 63)))]
    pub namespaces: Vec<String>,
    /// The pods of these controllers.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub workloads: Vec<WorkloadRef>,
}

/// A controller of pods.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadRef {
    /// Its namespace.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Its kind, for example `Deployment`.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}
