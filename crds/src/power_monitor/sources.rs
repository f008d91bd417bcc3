//! Sources of power, and what two of them need beside the node: a BMC's address
//! and a driver's library.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// CEL: HTTPS and a host, `{node}` in it or not, with a port or without.
const BMC: &str = "self.matches('^https://([a-zA-Z0-9.-]|[{]node[}])+(:[0-9]{1,5})?$')";

/// CEL: what is said of another text.
const BMC_IS: &str = "'endpoint \"' + self + '\"; accepted is https://HOST or https://HOST:PORT, where {node} stands for the node\\'s name, as in https://{node}-bmc.example'";

/// CEL: the name of a `RuntimeClass`.
const RUNTIME_CLASS: &str = "self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')";

/// CEL: what is said of another text.
const RUNTIME_CLASS_IS: &str = "'runtimeClassName \"' + self + '\"; accepted is the name of a RuntimeClass, of lower-case letters, digits, dashes and dots'";

/// CEL: a folder from the root on, without a way up.
const FOLDER: &str =
    "self.matches('^(/[a-zA-Z0-9._-]+)+$') && !self.split('/').exists(p, p == '..')";

/// CEL: what is said of another text.
const FOLDER_IS: &str = "'libraryDirectory \"' + self + '\"; accepted is the path of a folder of the node, as in /usr/lib64'";

/// A source of power figures.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PowerSource {
    /// The CPU's own energy counters by powercap.
    Rapl,
    /// The same counters by the kernel's perf events.
    Perf,
    /// Power meters of the firmware: mostly the whole machine.
    Acpi,
    /// Chips that the kernel knows: processors, boards, GPUs of AMD and Intel.
    Hwmon,
    /// The whole machine as its BMC measures it; needs `redfish`.
    Redfish,
    /// NVIDIA GPUs; needs `nvml`, or nodes that give every pod the driver's library.
    Nvml,
    /// A power model and the node's measured utilisation.
    Model,
    /// A made-up figure for laptops and trials; its energy is labelled simulated and never judged.
    Fake,
}

impl PowerSource {
    /// Every source.
    pub const ALL: [Self; 8] = [
        Self::Rapl,
        Self::Perf,
        Self::Acpi,
        Self::Hwmon,
        Self::Redfish,
        Self::Nvml,
        Self::Model,
        Self::Fake,
    ];

    /// Its name in the API; agents know it by the same in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rapl => "Rapl",
            Self::Perf => "Perf",
            Self::Acpi => "Acpi",
            Self::Hwmon => "Hwmon",
            Self::Redfish => "Redfish",
            Self::Nvml => "Nvml",
            Self::Model => "Model",
            Self::Fake => "Fake",
        }
    }
}

/// All but the fake one, as an agent does by itself.
pub(super) fn default_sources() -> Vec<PowerSource> {
    let real = |source: &PowerSource| *source != PowerSource::Fake;
    PowerSource::ALL.into_iter().filter(real).collect()
}

/// The BMC of each node, which its agent asks every ten seconds.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RedfishSpec {
    /// HTTPS address of the node's own BMC; `{node}` stands for the node's name, as in `https://{node}-bmc.example`.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = Rule::new(crate::power_monitor::sources::BMC).message(Message::Expression(crate::power_monitor::sources::BMC_IS.into())))]
    pub endpoint: String,
    /// A Secret in the namespace of the installation whose key `ca.crt` has the authorities (PEM) that BMCs' certificates are verified by. There is no switch to leave that out. It is mounted read-only into agents; the operator does not read it.
    #[schemars(length(min = 1, max = 253))]
    pub ca_secret_name: String,
    /// What agents log in with; give the account the right to read alone. Without it they ask without a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<RedfishCredentialsSpec>,
    /// Id of the chassis, where the BMC shows several with a power reading; default the first with a computer in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub chassis: Option<String>,
}

/// What agents log in to BMCs with.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RedfishCredentialsSpec {
    /// `Shared`: one account on all BMCs, in the keys `username` and `password`. `ByNode`: a key for each node, by its name, with the line `username:password`; an agent is shown its own node's alone, and a changed one from its pod's next start on. Default `Shared`.
    #[serde(rename = "type", default)]
    pub type_: RedfishCredentialsType,
    /// The Secret, in the namespace of the installation. It is mounted read-only into agents; the operator does not read it.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
}

/// How a Secret holds accounts of BMCs.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RedfishCredentialsType {
    /// One account on all BMCs.
    #[default]
    Shared,
    /// An account for each node.
    ByNode,
}

/// How NVIDIA's driver reaches the agents.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NvmlSpec {
    /// `RuntimeClass`: NVIDIA's container runtime puts library and devices into the pod, in either security mode. `HostPath`: the node's library is mounted read-only; devices then need `securityMode` `Privileged`. Choose nodes that have it by `nodeSelector`: where the runtime or the folder is missing, no agent starts. Default `RuntimeClass`.
    #[serde(rename = "type", default)]
    pub type_: NvmlType,
    /// With `RuntimeClass`: its name. Default `nvidia`.
    #[serde(default = "default_runtime_class")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new(crate::power_monitor::sources::RUNTIME_CLASS).message(Message::Expression(crate::power_monitor::sources::RUNTIME_CLASS_IS.into())))]
    pub runtime_class_name: String,
    /// With `HostPath`: the node's folder with `libnvidia-ml.so.1`. Default `/usr/lib/x86_64-linux-gnu`.
    #[serde(default = "default_library_directory")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = Rule::new(crate::power_monitor::sources::FOLDER).message(Message::Expression(crate::power_monitor::sources::FOLDER_IS.into())))]
    pub library_directory: String,
}

impl Default for NvmlSpec {
    fn default() -> Self {
        Self {
            type_: NvmlType::default(),
            runtime_class_name: default_runtime_class(),
            library_directory: default_library_directory(),
        }
    }
}

fn default_runtime_class() -> String {
    "nvidia".to_owned()
}

fn default_library_directory() -> String {
    "/usr/lib/x86_64-linux-gnu".to_owned()
}

/// Who brings NVIDIA's library and devices.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NvmlType {
    /// NVIDIA's container runtime.
    #[default]
    RuntimeClass,
    /// The node's own folder.
    HostPath,
}
