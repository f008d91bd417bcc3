//! Settings of the node's BMC.

use std::path::PathBuf;

use serde::Deserialize;

use super::SettingsRefusal;
use crate::meters::redfish::RedfishSettings;

/// The BMC, from a file or from flags.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RedfishLayer {
    pub(super) endpoint: Option<String>,
    pub(super) credentials: Option<String>,
    pub(super) ca: Option<PathBuf>,
    pub(super) chassis: Option<String>,
}

/// The BMC's settings with the node's name in place.
pub(super) fn settings(
    layer: RedfishLayer,
    node: &str,
) -> Result<Option<RedfishSettings>, SettingsRefusal> {
    let named = |text: String| text.replace("{node}", node);
    match layer.endpoint {
        Some(endpoint) => Ok(Some(RedfishSettings {
            endpoint: named(endpoint),
            credentials: layer.credentials.map(|path| named(path).into()),
            authorities: layer.ca,
            chassis: layer.chassis,
        })),
        None if layer.credentials.is_some() || layer.ca.is_some() || layer.chassis.is_some() => {
            Err(SettingsRefusal::Value {
                field: "redfish.endpoint",
                reason: "missing; accepted is \"https://HOST\"".to_owned(),
            })
        }
        None => Ok(None),
    }
}
