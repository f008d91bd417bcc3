//! What two sources need in the agents' pods: Secrets for BMCs, and NVIDIA's
//! driver. The others need what every agent has: the node's /sys, read-only,
//! and `PERFMON`.

use k8s_openapi::api::core::v1::{EnvVar, KeyToPath, SecretVolumeSource, Volume, VolumeMount};
use tanso_crds::power_monitor::{RedfishCredentialsType, SecurityMode};

use super::Plan;
use super::config_map::{BMC_CA_DIR, BMC_DIR, BMC_FILE, CA_FILE, NVIDIA_DIR};
use super::daemon_set::{host_path, mount};
use crate::controllers::power_monitor::validate::Nvml;

/// Volume with authorities for BMCs.
const BMC_CA: &str = "bmc-ca";

/// Volume with accounts of BMCs.
const BMC: &str = "bmc";

/// Volume with NVIDIA's library.
const NVIDIA: &str = "nvidia";

/// Where NVIDIA's container runtime puts libraries; an image without
/// `ldconfig`'s table finds them by name alone.
const LIBRARIES: &str =
    "/usr/lib64:/usr/lib/x86_64-linux-gnu:/usr/lib/aarch64-linux-gnu:/usr/local/nvidia/lib64";

/// Only the keys that are read are shown, to root alone.
fn secret(name: &str, secret: &str, keys: &[&str]) -> Volume {
    let item = |key: &&str| KeyToPath {
        key: (*key).to_owned(),
        path: (*key).to_owned(),
        mode: None,
    };
    Volume {
        name: name.into(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            default_mode: Some(0o400),
            items: (!keys.is_empty()).then(|| keys.iter().map(item).collect()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

pub(super) fn volumes(plan: Plan<'_>) -> Vec<Volume> {
    let mut volumes = Vec::new();
    if let Some(bmc) = &plan.monitor.redfish {
        volumes.push(secret(BMC_CA, &bmc.ca_secret, &[CA_FILE]));
        match &bmc.credentials {
            Some((RedfishCredentialsType::Shared, name)) => {
                volumes.push(secret(BMC, name, &["username", "password"]));
            }
            // Its keys are the nodes' names.
            Some((RedfishCredentialsType::ByNode, name)) => volumes.push(secret(BMC, name, &[])),
            None => {}
        }
    }
    if let Some(Nvml::HostPath(folder)) = &plan.monitor.nvml {
        volumes.push(host_path(NVIDIA, folder, "Directory"));
    }
    volumes
}

pub(super) fn mounts(plan: Plan<'_>) -> Vec<VolumeMount> {
    let mut mounts = Vec::new();
    if let Some(bmc) = &plan.monitor.redfish {
        mounts.push(mount(BMC_CA, BMC_CA_DIR));
        match &bmc.credentials {
            Some((RedfishCredentialsType::Shared, _)) => mounts.push(mount(BMC, BMC_DIR)),
            // An agent has no use for the accounts of other nodes' BMCs.
            Some((RedfishCredentialsType::ByNode, _)) => mounts.push(VolumeMount {
                sub_path_expr: Some("$(NODE_NAME)".into()),
                ..mount(BMC, BMC_FILE)
            }),
            None => {}
        }
    }
    if let Some(Nvml::HostPath(_)) = plan.monitor.nvml {
        mounts.push(mount(NVIDIA, NVIDIA_DIR));
    }
    mounts
}

/// The pod's `RuntimeClass`, where NVIDIA's runtime brings the driver.
pub(super) fn runtime_class(plan: Plan<'_>) -> Option<String> {
    match &plan.monitor.nvml {
        Some(Nvml::RuntimeClass(name)) => Some(name.clone()),
        _ => None,
    }
}

/// What NVIDIA's runtime is asked for: every card, to look at alone. Instances
/// (MIG) may be looked at by privileged containers only; of others the runtime
/// refuses to start one that asks.
pub(super) fn environment(plan: Plan<'_>) -> Vec<EnvVar> {
    if runtime_class(plan).is_none() {
        return Vec::new();
    }
    let set = |name: &str, value: &str| EnvVar {
        name: name.into(),
        value: Some(value.into()),
        ..EnvVar::default()
    };
    let mut environment = vec![
        set("NVIDIA_VISIBLE_DEVICES", "all"),
        set("NVIDIA_DRIVER_CAPABILITIES", "utility"),
        set("LD_LIBRARY_PATH", LIBRARIES),
    ];
    if plan.monitor.security == SecurityMode::Privileged {
        environment.push(set("NVIDIA_MIG_MONITOR_DEVICES", "all"));
    }
    environment
}
