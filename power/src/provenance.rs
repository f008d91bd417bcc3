//! Where a figure comes from, worst last.

use serde::{Deserialize, Serialize};

/// Where an energy figure comes from. The order is from best to worst, so the
/// provenance of a sum is the `max` of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Provenance {
    /// Read from a hardware meter.
    Measured,
    /// Computed from a power model and measured utilisation.
    Modelled,
    /// Made up by a fake meter: for trials only, never for a verdict.
    Simulated,
}

impl Provenance {
    /// Every value, best first.
    pub const ALL: [Self; 3] = [Self::Measured, Self::Modelled, Self::Simulated];

    /// The word used in labels, columns and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Modelled => "modelled",
            Self::Simulated => "simulated",
        }
    }
}

impl std::fmt::Display for Provenance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
