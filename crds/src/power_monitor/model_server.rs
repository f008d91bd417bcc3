//! How the model server runs, and where it keeps what it learned.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the model server runs.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelServerSpec {
    /// Number of model servers; 0 switches it off, and nodes that have no meter and no cached model then have no source of power. With samples one of them learns and the others follow it. Two or more have a PodDisruptionBudget. Default 1.
    #[serde(default = "default_replicas")]
    #[schemars(range(min = 0, max = 5))]
    pub replicas: i32,
    /// Labels of the nodes that may run model servers; default all Linux nodes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that model servers tolerate; default none. Where every node is tainted, none runs without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub tolerations: Option<Vec<Toleration>>,
    /// PriorityClass of the model servers' pods; the empty text is none. Default none: agents go on with the model that they have when a model server gives way.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = Rule::new(crate::power_monitor::PRIORITY_CLASS).message(Message::Expression(crate::power_monitor::PRIORITY_CLASS_IS.into())))]
    pub priority_class_name: String,
    /// Where samples and learned models are kept.
    #[serde(default)]
    pub storage: StorageSpec,
    /// CPU and memory of the model server container; default requests 20m and 64Mi, limits 1 and 256Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
}

impl Default for ModelServerSpec {
    fn default() -> Self {
        Self {
            replicas: default_replicas(),
            node_selector: BTreeMap::new(),
            tolerations: None,
            priority_class_name: String::new(),
            storage: StorageSpec::default(),
            resources: None,
        }
    }
}

const fn default_replicas() -> i32 {
    1
}

/// Where samples and learned models are kept.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.type == 'ExistingClaim') == has(self.claimName)").message("claimName goes with type \"ExistingClaim\", and is needed there"))]
#[x_kube(validation = Rule::new("self.type == 'PersistentVolumeClaim' || !has(self.storageClassName)").message("storageClassName goes with type \"PersistentVolumeClaim\""))]
pub struct StorageSpec {
    /// `Memory` ends with the process, `EmptyDir` with the pod; `PersistentVolumeClaim` is made for this monitor and removed with it; `ExistingClaim` is yours. Default `Memory`.
    #[serde(rename = "type", default)]
    pub type_: StorageType,
    /// Size of an `EmptyDir` or `PersistentVolumeClaim`, for example `1Gi`. Default `1Gi`.
    #[serde(default = "default_size")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]*(Mi|Gi|Ti|M|G|T)$')").message(Message::Expression("'size \"' + self + '\"; accepted are whole numbers with Mi, Gi, Ti, M, G or T, as in 1Gi'".into())))]
    pub size: String,
    /// Storage class of a `PersistentVolumeClaim`; default the cluster's. Cannot be changed once the claim is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
    /// Name of an `ExistingClaim` in the namespace of the installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub claim_name: Option<String>,
}

impl Default for StorageSpec {
    fn default() -> Self {
        Self {
            type_: StorageType::default(),
            size: default_size(),
            storage_class_name: None,
            claim_name: None,
        }
    }
}

fn default_size() -> String {
    "1Gi".to_owned()
}

/// Kind of storage.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StorageType {
    /// Ends with the process.
    #[default]
    Memory,
    /// Ends with the pod.
    EmptyDir,
    /// Made for this monitor and removed with it.
    PersistentVolumeClaim,
    /// Somebody else's claim.
    ExistingClaim,
}
