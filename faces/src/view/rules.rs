//! The rules that come with tanso, read once, since to read their files takes
//! longer than most answers do; and those of the user.

use std::sync::{Arc, LazyLock};

use k8s_openapi::api::core::v1::ConfigMap;
use tanso_carbon::regulation::{BUNDLED, RuleFaults};
use tanso_carbon::{Preset, RuleSet};

use super::FactsFault;

static RULES: LazyLock<Result<Arc<RuleSet>, RuleFaults>> =
    LazyLock::new(|| RuleSet::try_from_files(BUNDLED.iter().copied()).map(Arc::new));

/// The bundled rules.
///
/// # Errors
/// If a bundled file cannot be read, which its tests rule out.
pub(crate) fn bundled() -> Result<Arc<RuleSet>, FactsFault> {
    RULES
        .as_ref()
        .map(Arc::clone)
        .map_err(|faults| FactsFault::Broken {
            what: "the bundled rules".to_owned(),
            reason: faults.to_string(),
        })
}

/// The user's rules; a file that cannot be read leaves the others alone.
pub(super) fn presets(found: Vec<ConfigMap>) -> Vec<Preset> {
    let mut all = Vec::new();
    for config_map in found {
        let name = config_map.metadata.name.unwrap_or_default();
        for (key, yaml) in config_map.data.iter().flatten() {
            match RuleSet::parse(&format!("{name}/{key}"), yaml) {
                Ok(preset) => all.push(preset),
                Err(faults) => tracing::debug!(config_map = name, %faults, "a rule file is broken"),
            }
        }
    }
    all
}
