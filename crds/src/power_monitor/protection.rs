//! TLS, NetworkPolicies and system calls: what keeps strangers out.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Switch;

/// TLS of agents and model server.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.type == 'Secret') == (has(self.agentSecretName) && has(self.modelServerSecretName)) && (self.type == 'Secret' || (!has(self.agentSecretName) && !has(self.modelServerSecretName)))").message("agentSecretName and modelServerSecretName go with type \"Secret\", and both are needed there"))]
#[x_kube(validation = Rule::new("(self.type == 'CertManager') == has(self.issuer)").message("issuer goes with type \"CertManager\", and is needed there"))]
pub struct TlsSpec {
    /// `SelfSigned`: the operator is the authority, and renews certificates by itself. `CertManager`: an issuer of cert-manager signs them. `Secret`: you bring them. `Disabled`: plain HTTP inside the cluster. Default `Disabled`.
    #[serde(rename = "type", default)]
    pub type_: TlsType,
    /// With `Secret`: a Secret in the namespace of the installation with `tls.crt` for `NAME-agent.NAMESPACE.svc`, `tls.key`, and `ca.crt` that also vouches for the model server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub agent_secret_name: Option<String>,
    /// With `Secret`: a Secret in the namespace of the installation with `tls.crt` for `NAME-model-server.NAMESPACE.svc` and `NAME-model-lead.NAMESPACE.svc`, `tls.key` and `ca.crt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub model_server_secret_name: Option<String>,
    /// With `CertManager`: who signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<IssuerSpec>,
}

/// Where certificates come from.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsType {
    /// There are none.
    #[default]
    Disabled,
    /// From the operator.
    SelfSigned,
    /// From cert-manager.
    CertManager,
    /// From you.
    Secret,
}

/// An issuer of cert-manager.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuerSpec {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its kind; an `Issuer` is in the namespace of the installation. Default `ClusterIssuer`.
    #[serde(default)]
    pub kind: IssuerKind,
}

/// Kind of an issuer.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IssuerKind {
    /// For all namespaces.
    #[default]
    ClusterIssuer,
    /// For its own namespace.
    Issuer,
}

/// NetworkPolicies of agents and model server.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicySpec {
    /// `Enabled` closes both ways but for what is needed. In: the operator, agents to the model server, readers of metrics. Out: agents to DNS, the API server, the model server and the ports of `agent.otlp` and `agent.redfish`; model servers that learn to DNS, the API server and each other. A NetworkPolicy of your own for pods labelled `app.kubernetes.io/name: tanso-agent` lets agents out further. Default `Disabled`.
    #[serde(rename = "type", default)]
    pub type_: Switch,
    /// Labels of the namespaces from which metrics may be read; default all namespaces.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics_from: BTreeMap<String, String>,
    /// Ports of the cluster's DNS, as pods reach it behind its Service: OpenShift's is 5353. Default `[53]`.
    #[serde(default = "default_dns_ports")]
    #[schemars(length(min = 1, max = 8), inner(range(min = 1, max = 65535)))]
    #[x_kube(validation = Rule::new("self.all(p, self.exists_one(o, o == p))").message("each port may be named once"))]
    pub dns_ports: Vec<i32>,
    /// Ports of the Kubernetes API server: of its Service, and as pods reach it behind that. Default `[443, 6443]`.
    #[serde(default = "default_api_server_ports")]
    #[schemars(length(min = 1, max = 8), inner(range(min = 1, max = 65535)))]
    #[x_kube(validation = Rule::new("self.all(p, self.exists_one(o, o == p))").message("each port may be named once"))]
    pub api_server_ports: Vec<i32>,
    /// Where the API server answers, as pods reach it behind its Service, for example `10.0.0.1/32`; default anywhere at those ports. From there its proxy may ask agents and model server, as `kubectl tanso` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new("isCIDR(self)").message(Message::Expression("'apiServerCidr \"' + self + '\"; accepted is a CIDR, as in 10.0.0.1/32'".into())))]
    pub api_server_cidr: Option<String>,
}

impl Default for NetworkPolicySpec {
    fn default() -> Self {
        Self {
            type_: Switch::default(),
            metrics_from: BTreeMap::new(),
            dns_ports: default_dns_ports(),
            api_server_ports: default_api_server_ports(),
            api_server_cidr: None,
        }
    }
}

fn default_dns_ports() -> Vec<i32> {
    vec![53]
}

fn default_api_server_ports() -> Vec<i32> {
    vec![443, 6443]
}

/// Seccomp profile of the agent container.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeccompSpec {
    /// `RuntimeDefault` is the container runtime's; `Localhost` is a file of each node, as the one that is shipped. Default `RuntimeDefault`.
    #[serde(rename = "type", default)]
    pub type_: SeccompType,
    /// With `Localhost`: path below the kubelet's folder `seccomp`. Default `tanso-agent.json`, the shipped profile (`config/seccomp`).
    #[serde(default = "default_profile")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("!self.startsWith('/') && !self.split('/').exists(p, p == '..')").message(Message::Expression("'localhostProfile \"' + self + '\"; accepted is a path below the kubelet\\'s folder seccomp'".into())))]
    pub localhost_profile: String,
}

impl Default for SeccompSpec {
    fn default() -> Self {
        Self {
            type_: SeccompType::default(),
            localhost_profile: default_profile(),
        }
    }
}

fn default_profile() -> String {
    "tanso-agent.json".to_owned()
}

/// Kind of a seccomp profile.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeccompType {
    /// The container runtime's own.
    #[default]
    RuntimeDefault,
    /// A file of each node.
    Localhost,
}
