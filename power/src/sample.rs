//! What a measured node tells a model server: load and power over short
//! windows.
//!
//! Raw numbers as they travel; who receives a batch judges every one of them
//! before it is used. Nothing here sends, keeps or learns.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::MachineFeatures;

/// The format that this crate writes.
pub const SCHEMA: &str = "tanso.dev/power-samples/v1";

/// The most samples that one batch may hold: an hour and a half of minutes.
pub const BATCH_MAX: usize = 96;

/// The longest window of a sample, seconds.
pub const WINDOW_S_MAX: f64 = 60.0;

/// Zones that a sample may hold; a zone's sockets are added up.
pub const ZONES: [&str; 6] = ["package", "core", "uncore", "dram", "psys", "platform"];

/// Events that a sample may hold.
pub const EVENTS: [&str; 3] = ["cycles", "instructions", "cacheMisses"];

/// Samples of one node, measured by one meter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SampleBatch {
    /// [`SCHEMA`].
    pub schema: String,
    /// The node's name.
    pub node: String,
    /// The meter, `rapl`. Simulated and modelled power is never sent.
    pub meter: String,
    /// What is known of the node.
    pub machine: MachineFeatures,
    /// At most [`BATCH_MAX`] samples.
    pub samples: Vec<Sample>,
}

/// Load and power over one window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sample {
    /// End of the window, seconds of Unix time; a node's samples have
    /// different ends.
    pub at: i64,
    /// Length of the window, seconds, at most [`WINDOW_S_MAX`].
    pub seconds: f64,
    /// Share of CPU time that was busy, 0 to 1.
    pub utilisation: f64,
    /// Mean power in watts by one of [`ZONES`].
    pub watts: BTreeMap<String, f64>,
    /// Mean clock of the processors in MHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_mhz: Option<f64>,
    /// Hardware events per second, all processors, by one of [`EVENTS`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub events: BTreeMap<String, f64>,
}

/// What a sample's power stands for: nodes are compared within one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Measured {
    /// Power at the machine's plug, by its own sensor.
    Wall,
    /// Processor packages and memory, by RAPL.
    Rapl,
}

impl Measured {
    /// Both, the more complete one first.
    pub const ALL: [Self; 2] = [Self::Wall, Self::Rapl];

    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Rapl => "rapl",
        }
    }

    /// The sample's power in this sense, in watts: the platform's zone, or
    /// package and memory together, of which memory may be missing (AMD
    /// counts it within the package). Other zones lie within these.
    ///
    /// ```
    /// use tanso_power::sample::{Measured, Sample};
    /// let watts = [("package", 90.0), ("core", 60.0), ("dram", 10.0)];
    /// let watts = watts.map(|(zone, watts)| (zone.to_owned(), watts)).into();
    /// let sample = Sample { watts, ..Sample::default() };
    /// assert_eq!(Measured::Rapl.watts(&sample), Some(100.0));
    /// assert_eq!(Measured::Wall.watts(&sample), None);
    /// ```
    #[must_use]
    pub fn watts(self, sample: &Sample) -> Option<f64> {
        let zone = |name: &str| sample.watts.get(name).copied();
        match self {
            Self::Wall => zone("platform"),
            Self::Rapl => zone("package").map(|package| package + zone("dram").unwrap_or(0.0)),
        }
    }
}
