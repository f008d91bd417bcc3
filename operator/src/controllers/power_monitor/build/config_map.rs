//! The agents' settings: what the monitor's spec decides about measuring.
//!
//! They reach the agent as environment variables, which its arguments name;
//! the pod template carries their digest, so that a change rolls the agents.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use k8s_openapi::api::core::v1::ConfigMap;
use sha2::{Digest as _, Sha256};

use super::{AGENT, MODEL_SERVER_PORT, Plan};
use crate::controllers::power_monitor::validate::source_name;

/// Variable with the meters in the order of preference.
pub(super) const METERS: &str = "TANSO_METERS";
/// Variable with the time between two readings.
pub(super) const INTERVAL: &str = "TANSO_INTERVAL";
/// Variable with the address to serve on.
pub(super) const LISTEN: &str = "TANSO_LISTEN";
/// Variable with the address of the model server; absent when there is none.
pub(super) const MODEL_SERVER_URL: &str = "TANSO_MODEL_SERVER";

pub(super) fn agent(plan: Plan<'_>) -> ConfigMap {
    let monitor = plan.monitor;
    let names = plan.names();
    let meters: Vec<String> = monitor
        .sources
        .iter()
        .map(|source| source_name(*source).to_lowercase())
        .collect();
    let mut data = BTreeMap::from([
        (METERS.to_owned(), meters.join(",")),
        (INTERVAL.to_owned(), monitor.interval.to_string()),
        (LISTEN.to_owned(), format!("0.0.0.0:{}", monitor.port)),
    ]);
    if monitor.model_server.is_some() {
        let url = format!(
            "http://{}.{}.svc:{MODEL_SERVER_PORT}",
            names.model_server, plan.installation.namespace
        );
        data.insert(MODEL_SERVER_URL.to_owned(), url);
    }
    ConfigMap {
        metadata: plan.meta(names.agent, AGENT),
        data: Some(data),
        ..ConfigMap::default()
    }
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
