//! Learning a node type's power curve from samples of its measured nodes.
//!
//! Pure: samples and a prior go in, a curve with bounds and a verdict about
//! every node come out. Each node is fitted by itself and the nodes' curves
//! are joined by their median, so that a node that lies, or whose sensor is
//! stuck, has one voice among many. Nothing here reads a clock or a store.

pub mod drift;
pub mod fit;
pub mod node;
pub mod refine;
pub mod robust;
pub mod sensor;
pub mod validate;

use tanso_power::activity::Activity;

use crate::host::{Curve, LOADS, count, load};
pub use refine::Refined;

/// The fewest trusted nodes that may teach: of two that differ nobody can
/// tell which is right.
pub const NODES_MIN: usize = 3;

/// The fewest samples of a node that are worth a fit.
pub const SAMPLES_MIN: usize = 12;

/// One sample as it is learned from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Observation {
    /// End of its window, seconds of Unix time.
    pub at_s: i64,
    /// Share of CPU time that was busy, 0 to 1.
    pub utilisation: f64,
    /// Watts, above 0.
    pub watts: f64,
    /// What the processors did beside being busy, as far as it was counted.
    pub activity: Activity,
}

/// One node's samples by rising time.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its samples.
    pub observations: Vec<Observation>,
}

/// A curve with the factor by which the truth may lie above or below.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// Watts by load level; never falling.
    pub watts: Curve,
    /// Logarithm of the factor, by load level.
    pub half: Curve,
}

impl Band {
    /// Watts at a utilisation, linear between load levels.
    #[must_use]
    pub fn watts_at(&self, utilisation: f64) -> f64 {
        between(&self.watts, utilisation)
    }

    /// The factor's logarithm at a utilisation.
    #[must_use]
    pub fn half_at(&self, utilisation: f64) -> f64 {
        between(&self.half, utilisation)
    }

    /// Logarithm of an observation's ratio to the curve.
    #[must_use]
    pub fn residual(&self, observation: &Observation) -> f64 {
        (observation.watts / self.watts_at(observation.utilisation).max(WATTS_LEAST)).ln()
    }
}

/// A model as it answers: by load, and by more than load where that was found
/// better and the sample tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// By load alone.
    pub band: Band,
    /// By more.
    pub refined: Option<Refined>,
}

impl From<Band> for Learned {
    fn from(band: Band) -> Self {
        Self {
            band,
            refined: None,
        }
    }
}

impl Learned {
    /// Watts and the factor's logarithm for a sample.
    #[must_use]
    pub fn answer(&self, observation: &Observation) -> (f64, f64) {
        let refined = self.refined.as_ref();
        refined
            .and_then(|refined| refined.answer(observation))
            .unwrap_or_else(|| {
                let load = observation.utilisation;
                (self.band.watts_at(load), self.band.half_at(load))
            })
    }

    /// Logarithm of an observation's ratio to what the model says.
    #[must_use]
    pub fn residual(&self, observation: &Observation) -> f64 {
        (observation.watts / self.answer(observation).0.max(WATTS_LEAST)).ln()
    }
}

/// Power below this is taken for this in ratios: a hundredth of a watt is the
/// last digit of a document.
pub const WATTS_LEAST: f64 = 0.01;

/// The levels on both sides of a utilisation, and the right one's share.
#[must_use]
pub fn place(utilisation: f64) -> (usize, f64) {
    let last = LOADS - 2;
    let left = (0..last)
        .find(|level| utilisation < load(level + 1))
        .unwrap_or(last);
    (left, ((utilisation - load(left)) * 10.0).clamp(0.0, 1.0))
}

fn between(curve: &Curve, utilisation: f64) -> f64 {
    let (left, share) = place(utilisation);
    // Both levels exist: `place` gives at most the last but one.
    curve[left] + share * (curve[left + 1] - curve[left])
}

/// What is thought of a node.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase", tag = "state", content = "reason")]
pub enum Trust {
    /// It teaches.
    Trusted,
    /// Too few samples to judge by.
    Young(String),
    /// Its power does not follow its load.
    Stuck(String),
    /// Its power is not that of the others.
    Apart(String),
}

/// Mean of the values; 0 without any.
#[must_use]
pub fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut n) = (0.0, 0_usize);
    for value in values {
        sum += value;
        n += 1;
    }
    sum / count(n.max(1))
}

#[cfg(test)]
mod tests;
