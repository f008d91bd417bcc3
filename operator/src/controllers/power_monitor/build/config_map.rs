//! The agents' settings: what the monitor's spec decides about measuring.
//!
//! They reach the agent as environment variables, which its arguments name;
//! the pod template carries their digest, so that a change rolls the agents.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use k8s_openapi::api::core::v1::ConfigMap;
use sha2::{Digest as _, Sha256};
use tanso_crds::power_monitor::{IdleSharing, RedfishCredentialsType};

use super::{AGENT, MODEL_SERVER_PORT, Plan};
use crate::controllers::power_monitor::validate::{Exports, Nvml, Redfish};

/// Variable with the meters in the order of preference.
pub(super) const METERS: &str = "TANSO_METERS";
/// Variable with the time between two readings.
pub(super) const INTERVAL: &str = "TANSO_INTERVAL";
/// Variable with the address to serve on.
pub(super) const LISTEN: &str = "TANSO_LISTEN";
/// Variable with the address of the model server; absent when there is none.
pub(super) const MODEL_SERVER_URL: &str = "TANSO_MODEL_SERVER";

/// Where the agent's certificate is mounted.
pub(super) const TLS_DIR: &str = "/etc/tanso/tls";
/// Where the agent's token for the model server is mounted.
pub(super) const MODEL_TOKEN_DIR: &str = "/var/run/secrets/tanso.dev/model-server";
/// Name of the token's file there.
pub(super) const TOKEN_FILE: &str = "token";

/// Where authorities for BMCs are mounted.
pub(super) const BMC_CA_DIR: &str = "/etc/tanso/bmc-ca";
/// Where an account of all BMCs is mounted.
pub(super) const BMC_DIR: &str = "/etc/tanso/bmc";
/// Where the account of the node's own BMC is mounted: a file.
pub(super) const BMC_FILE: &str = "/etc/tanso/bmc-account";
/// The key of authorities' certificates in a Secret.
pub(super) const CA_FILE: &str = "ca.crt";
/// Where the node's folder with NVIDIA's library is mounted.
pub(super) const NVIDIA_DIR: &str = "/host/nvidia";

/// The authority's certificate, for readers of metrics.
pub(super) fn authority(plan: Plan<'_>, certificate: &str) -> ConfigMap {
    ConfigMap {
        metadata: plan.meta(plan.names().authority, AGENT),
        data: Some(BTreeMap::from([(
            "ca.crt".to_owned(),
            certificate.to_owned(),
        )])),
        ..ConfigMap::default()
    }
}

pub(super) fn agent(plan: Plan<'_>) -> ConfigMap {
    let monitor = plan.monitor;
    let names = plan.names();
    let meters: Vec<String> = monitor
        .sources
        .iter()
        .map(|source| source.as_str().to_lowercase())
        .collect();
    let mut data = BTreeMap::from([
        (METERS.to_owned(), meters.join(",")),
        (INTERVAL.to_owned(), monitor.interval.to_string()),
        (LISTEN.to_owned(), format!("0.0.0.0:{}", monitor.port)),
    ]);
    let mut set = |name: &str, value: String| {
        data.insert(name.to_owned(), value);
    };
    let server = |service: &str| {
        let host = plan.host(service);
        format!("{}://{host}:{MODEL_SERVER_PORT}", plan.scheme())
    };
    if monitor.model_server.is_some() {
        set(MODEL_SERVER_URL, server(&names.model_server));
        if monitor.tls.is_some() {
            set("TANSO_MODEL_SERVER_CA", format!("{TLS_DIR}/ca.crt"));
        }
    }
    if monitor.samples {
        set("TANSO_SAMPLES", "on".to_owned());
        let token = format!("{MODEL_TOKEN_DIR}/{TOKEN_FILE}");
        set("TANSO_MODEL_SERVER_TOKEN", token);
        if plan.has_readers() {
            set("TANSO_SAMPLES_SERVER", server(&names.model_lead));
        }
    }
    match monitor.idle_sharing {
        IdleSharing::Apart => {}
        IdleSharing::Use => set("TANSO_IDLE_SHARING", "use".to_owned()),
        IdleSharing::Requests => set("TANSO_IDLE_SHARING", "requests".to_owned()),
    }
    if monitor.hardware_counters {
        set("TANSO_HARDWARE_COUNTERS", "on".to_owned());
    }
    for (name, value) in exports(&monitor.exports) {
        set(name, value);
    }
    for (name, value) in monitor.redfish.iter().flat_map(redfish) {
        set(name, value);
    }
    if let Some(Nvml::HostPath(_)) = monitor.nvml {
        let library = format!("{NVIDIA_DIR}/libnvidia-ml.so.1");
        set("TANSO_NVML_LIBRARY", library);
    }
    if monitor.tls.is_some() {
        set("TANSO_TLS_CERTIFICATE", format!("{TLS_DIR}/tls.crt"));
        set("TANSO_TLS_KEY", format!("{TLS_DIR}/tls.key"));
    }
    ConfigMap {
        metadata: plan.meta(names.agent, AGENT),
        data: Some(data),
        ..ConfigMap::default()
    }
}

/// The node's BMC, by the agent's variables. The agent puts its node's name
/// into the address.
fn redfish(bmc: &Redfish) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("TANSO_REDFISH_ENDPOINT", bmc.endpoint.clone()),
        ("TANSO_REDFISH_CA", format!("{BMC_CA_DIR}/{CA_FILE}")),
    ];
    if let Some((type_, _)) = &bmc.credentials {
        let path = match type_ {
            RedfishCredentialsType::Shared => BMC_DIR,
            RedfishCredentialsType::ByNode => BMC_FILE,
        };
        settings.push(("TANSO_REDFISH_CREDENTIALS", path.to_owned()));
    }
    if let Some(chassis) = &bmc.chassis {
        settings.push(("TANSO_REDFISH_CHASSIS", chassis.clone()));
    }
    settings
}

/// What is exported, to whom and how fine, by the agent's variables.
fn exports(exports: &Exports) -> Vec<(&'static str, String)> {
    let mut settings = Vec::new();
    if let Some(levels) = &exports.levels {
        settings.push(("TANSO_METRICS_LEVEL", levels.clone()));
    }
    if exports.legacy_beside {
        settings.push(("TANSO_LEGACY_METRICS", "on".to_owned()));
    }
    if let Some(port) = exports.legacy_port {
        settings.push(("TANSO_LEGACY_LISTEN", format!("0.0.0.0:{port}")));
    }
    if let Some((endpoint, interval)) = &exports.push {
        settings.push(("TANSO_OTLP_ENDPOINT", endpoint.clone()));
        settings.push(("TANSO_OTLP_INTERVAL", interval.clone()));
    }
    if let Some(audiences) = &exports.audiences {
        settings.push(("TANSO_TOKEN_REVIEW", "on".to_owned()));
        settings.push(("TANSO_TOKEN_AUDIENCE", audiences.join(",")));
    }
    if let Some((word, coarse)) = &exports.anonymous {
        settings.push(("TANSO_ANONYMOUS", (*word).to_owned()));
        if let Some((window, step_joules)) = coarse {
            settings.push(("TANSO_ANONYMOUS_WINDOW", window.clone()));
            settings.push(("TANSO_ANONYMOUS_STEP_JOULES", step_joules.to_string()));
        }
    }
    settings
}

/// The digest of the settings, 16 hexadecimal digits.
pub(super) fn digest(config: &ConfigMap) -> String {
    let mut hasher = Sha256::new();
    for (key, value) in config.data.iter().flatten() {
        hasher.update(key.as_bytes());
        hasher.update([0]);
        hasher.update(value.as_bytes());
        hasher.update([0]);
    }
    let mut text = String::new();
    for byte in hasher.finalize().iter().take(8) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
