//! Words that settings accept, and what they mean.

use std::str::FromStr;

use serde::Deserialize;

/// A meter by its name in settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MeterName {
    /// Hardware counters by powercap.
    Rapl,
    /// The same by the kernel's perf events.
    Perf,
    /// Power meters of the firmware.
    Acpi,
    /// Chips that the kernel knows.
    Hwmon,
    /// The machine's BMC.
    Redfish,
    /// NVIDIA GPUs.
    Nvml,
    /// A power model.
    Model,
    /// Simulated energy.
    Fake,
}

impl MeterName {
    /// Every meter.
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

    /// Those that are used unless settings name others: all but the fake one.
    pub(crate) fn default_list() -> Vec<Self> {
        let real = |meter: &Self| *meter != Self::Fake;
        Self::ALL.into_iter().filter(real).collect()
    }

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rapl => "rapl",
            Self::Perf => "perf",
            Self::Acpi => "acpi",
            Self::Hwmon => "hwmon",
            Self::Redfish => "redfish",
            Self::Nvml => "nvml",
            Self::Model => "model",
            Self::Fake => "fake",
        }
    }
}

/// A text that is none of the words accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{found}\": accepted are {accepted}")]
pub struct WordFault {
    found: String,
    accepted: &'static str,
}

impl FromStr for MeterName {
    type Err = WordFault;
    fn from_str(text: &str) -> Result<Self, WordFault> {
        let found = Self::ALL.into_iter().find(|meter| meter.as_str() == text);
        found.ok_or_else(|| WordFault {
            found: text.to_owned(),
            accepted: "rapl, perf, acpi, hwmon, redfish, nvml, model, fake",
        })
    }
}

impl WordFault {
    pub(crate) fn new(found: &str, accepted: &'static str) -> Self {
        Self {
            found: found.to_owned(),
            accepted,
        }
    }
}

/// Whether names of pods come from the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kubernetes {
    /// They do.
    On,
    /// There are none.
    Off,
}

impl FromStr for Kubernetes {
    type Err = WordFault;
    fn from_str(text: &str) -> Result<Self, WordFault> {
        match text {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err(WordFault {
                found: text.to_owned(),
                accepted: "on, off",
            }),
        }
    }
}

/// Whether a measured node sends samples to the model server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Samples {
    /// It does.
    On,
    /// It does not.
    Off,
}

impl FromStr for Samples {
    type Err = WordFault;
    fn from_str(text: &str) -> Result<Self, WordFault> {
        match text {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err(WordFault {
                found: text.to_owned(),
                accepted: "on, off",
            }),
        }
    }
}

/// How the idle part of a zone's energy is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdleSplit {
    /// By the meter: a learned floor, or the model's own figure at no load.
    #[default]
    Learned,
    /// By the share of unused CPU time, as Kepler does: for comparison.
    Ratio,
}

impl FromStr for IdleSplit {
    type Err = WordFault;
    fn from_str(text: &str) -> Result<Self, WordFault> {
        match text {
            "learned" => Ok(Self::Learned),
            "ratio" => Ok(Self::Ratio),
            _ => Err(WordFault::new(text, "learned, ratio")),
        }
    }
}

/// Who is charged with idle energy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdleSharing {
    /// Nobody: it has an account of its own.
    #[default]
    Apart,
    /// Those who used CPU time, in proportion to it.
    Use,
    /// Containers in proportion to the CPU that they request; what nobody
    /// requested stays apart.
    Requests,
}

impl FromStr for IdleSharing {
    type Err = WordFault;
    fn from_str(text: &str) -> Result<Self, WordFault> {
        match text {
            "apart" => Ok(Self::Apart),
            "use" => Ok(Self::Use),
            "requests" => Ok(Self::Requests),
            _ => Err(WordFault::new(text, "apart, use, requests")),
        }
    }
}
