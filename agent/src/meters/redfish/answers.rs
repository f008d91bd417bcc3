//! A BMC's answers, as far as they are used (DMTF DSP0266 and the schemas
//! Chassis, `EnvironmentMetrics` and Power). Unknown fields are passed over;
//! what is missing is `None`.

use serde::Deserialize;

/// A link to another resource.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Link {
    #[serde(rename = "@odata.id")]
    path: String,
}

impl Link {
    /// Its path, if it leads to the same BMC's Redfish tree: credentials go
    /// nowhere else.
    pub(super) fn path(&self) -> Option<&str> {
        let inside = self.path.starts_with("/redfish/")
            && self.path.len() <= 512
            && self.path.bytes().all(|byte| byte.is_ascii_graphic());
        inside.then_some(self.path.as_str())
    }
}

/// A list of resources.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Collection {
    pub(super) members: Vec<Link>,
}

/// A chassis.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Chassis {
    pub(super) id: String,
    pub(super) environment_metrics: Option<Link>,
    pub(super) power: Option<Link>,
    pub(super) links: ChassisLinks,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct ChassisLinks {
    pub(super) computer_systems: Vec<Link>,
}

/// `EnvironmentMetrics`, since 2020.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct EnvironmentMetrics {
    power_watts: Option<Excerpt>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Excerpt {
    reading: Option<f64>,
}

impl EnvironmentMetrics {
    pub(super) fn watts(&self) -> Option<f64> {
        self.power_watts.as_ref()?.reading
    }
}

/// Power, deprecated and everywhere.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Power {
    power_control: Vec<PowerControl>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct PowerControl {
    power_consumed_watts: Option<f64>,
}

impl Power {
    /// The first control's figure: the others are parts of it.
    pub(super) fn watts(&self) -> Option<f64> {
        self.power_control.first()?.power_consumed_watts
    }
}
