//! Kinds of others that a monitor may use: no more of them than is written.

use kube::CustomResource;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// API version of [`ServiceMonitor`].
pub const SERVICE_MONITORS: &str = "monitoring.coreos.com/v1";

/// API version of [`Certificate`].
pub const CERTIFICATES: &str = "cert-manager.io/v1";

/// What the Prometheus Operator reads.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "monitoring.coreos.com",
    version = "v1",
    kind = "ServiceMonitor",
    namespaced,
    schema = "disabled",
    derive = "PartialEq"
)]
pub struct ServiceMonitorSpec {
    /// As its operator defines it.
    #[serde(flatten)]
    pub content: Map<String, Value>,
}

/// What cert-manager reads.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "cert-manager.io",
    version = "v1",
    kind = "Certificate",
    namespaced,
    schema = "disabled",
    derive = "PartialEq"
)]
pub struct CertificateSpec {
    /// As cert-manager defines it.
    #[serde(flatten)]
    pub content: Map<String, Value>,
}

/// The fields of a JSON object; of anything else none.
pub(super) fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

impl Certificate {
    /// Wishes that content.
    #[must_use]
    pub fn wish(
        metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
        content: Value,
    ) -> Self {
        Self {
            metadata,
            spec: CertificateSpec {
                content: fields(content),
            },
        }
    }
}
