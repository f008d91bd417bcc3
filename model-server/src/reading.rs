//! One real reading corrects a whole predicted curve.
//!
//! A machine that takes more than predicted at 30 % load does so at other loads
//! too, the more surely the closer: how errors of left-out machines go together
//! over the loads says by how much (Gaussian conditioning on their covariance).
//! Nothing here predicts without a curve to start from.

mod limits;

use crate::conformal::Scored;
use crate::host::{LOADS, count};
use crate::matrix::{Square, dot};
pub use limits::{Implausible, Limits};

/// A measured power at a load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Utilisation, 0 to 1.
    load: f64,
    /// Watts.
    power_w: f64,
}

/// Why a reading is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "reading \"{0}\"; accepted is LOAD=WATTS with a load from 0 to 1 and watts from 0.1 to 100000, such as 0.3=210"
)]
pub struct ReadingFault(String);

impl Reading {
    /// A reading of `power_w` watts at utilisation `load`.
    ///
    /// # Errors
    /// If the load is not within 0 to 1 or the power not within 0.1 to 100000.
    pub fn try_new(load: f64, power_w: f64) -> Result<Self, ReadingFault> {
        if (0.0..=1.0).contains(&load) && (0.1..=1e5).contains(&power_w) {
            Ok(Self { load, power_w })
        } else {
            Err(ReadingFault(format!("{load}={power_w}")))
        }
    }
}

impl Reading {
    /// The reading without so many watts that something else drew.
    #[must_use]
    pub(crate) fn without(self, extra_w: f64) -> Self {
        Self {
            power_w: (self.power_w - extra_w).max(0.1),
            ..self
        }
    }

    /// Whether it lies outside of bounds by level: low, value, high.
    #[must_use]
    pub(crate) fn is_outside(self, bounds: &[[f64; 3]]) -> bool {
        let weights = between(self.load);
        let at = |end: usize| -> f64 {
            let parts = weights.iter().zip(bounds);
            parts.map(|(weight, of)| weight * of[end]).sum()
        };
        !(at(0)..=at(2)).contains(&self.power_w)
    }
}

impl Reading {
    /// Widens bounds by level, low, value, high, until they hold the reading at
    /// its load; they still never fall with load.
    pub(crate) fn hold(self, bounds: &mut [[f64; 3]]) {
        let weights = between(self.load);
        for (bound, weight) in bounds.iter_mut().zip(weights) {
            if weight > 0.0 {
                bound[0] = bound[0].min(self.power_w);
                bound[2] = bound[2].max(self.power_w);
            }
        }
        let mut most = 0.0_f64;
        for bound in bounds.iter_mut() {
            most = most.max(bound[2]);
            bound[2] = most;
        }
        let mut least = f64::INFINITY;
        for bound in bounds.iter_mut().rev() {
            least = least.min(bound[0]);
            bound[0] = least;
        }
    }
}

impl std::fmt::Display for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} W at {} % load", self.power_w, self.load * 100.0)
    }
}

impl std::str::FromStr for Reading {
    type Err = ReadingFault;

    fn from_str(text: &str) -> Result<Self, ReadingFault> {
        text.split_once('=')
            .and_then(|(load, power)| Some((load.trim().parse().ok()?, power.trim().parse().ok()?)))
            .ok_or_else(|| ReadingFault(text.to_owned()))
            .and_then(|(load, power_w)| Self::try_new(load, power_w))
    }
}

/// What a reading is wrong by itself, as a share: meters and moments differ.
const READING_DEVIATION: f64 = 0.02;

/// How logarithmic errors go together over the loads.
#[derive(Clone, Debug)]
pub struct Correction {
    covariance: Square,
}

/// A corrected curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Corrected {
    /// Watts by level; never falls.
    pub watts: Vec<f64>,
    /// By level, what is left of the deviation, 0 to 1.
    pub doubt: Vec<f64>,
}

impl Correction {
    /// Learns from those machines, predicted without their group, of which the
    /// whole curve is known.
    #[must_use]
    pub fn learn<'a>(scored: impl Iterator<Item = &'a Scored> + Clone) -> Self {
        let whole = scored.filter(|machine| machine.levels.len() == LOADS);
        let residuals: Vec<Vec<f64>> = whole
            .map(|machine| {
                machine
                    .truth
                    .iter()
                    .zip(&machine.predicted)
                    .map(|(truth, predicted)| (truth / predicted).ln())
                    .collect()
            })
            .collect();
        let total = count(residuals.len().max(1));
        let covariance = Square::symmetric(LOADS, |a, b| {
            let sum: f64 = residuals.iter().map(|row: &Vec<f64>| row[a] * row[b]).sum();
            sum / total + if a == b { 1e-6 } else { 0.0 }
        });
        Self { covariance }
    }

    /// The curve after readings; without any, the curve itself.
    #[must_use]
    pub fn apply(&self, watts: &[f64], readings: &[Reading]) -> Corrected {
        // A row of weights by level for each reading: it lies between two.
        let weights: Vec<Vec<f64>> = readings
            .iter()
            .map(|reading| between(reading.load))
            .collect();
        let spread = |weights: &[f64]| -> Vec<f64> {
            (0..LOADS)
                .map(|level| dot(self.covariance.row(level), weights))
                .collect()
        };
        let spreads: Vec<Vec<f64>> = weights.iter().map(|row| spread(row)).collect();
        let gram = Square::symmetric(readings.len(), |a, b| {
            dot(&weights[a], &spreads[b])
                + if a == b {
                    READING_DEVIATION * READING_DEVIATION
                } else {
                    0.0
                }
        });
        let unchanged = Corrected {
            watts: watts.to_vec(),
            doubt: vec![1.0; watts.len()],
        };
        if readings.is_empty() || watts.len() != LOADS {
            return unchanged;
        }
        // The readings' own deviation keeps it positive definite.
        let Ok(inverse) = gram.inverse() else {
            return unchanged;
        };
        let surprise: Vec<f64> = readings
            .iter()
            .zip(&weights)
            .map(|(reading, row)| {
                let expected: f64 = dot(row, &watts.iter().map(|w| w.ln()).collect::<Vec<_>>());
                reading.power_w.ln() - expected
            })
            .collect();
        let mut most = 0.0_f64;
        let mut corrected = Corrected {
            watts: Vec::with_capacity(LOADS),
            doubt: Vec::with_capacity(LOADS),
        };
        for (level, watts) in watts.iter().enumerate() {
            let near: Vec<f64> = spreads.iter().map(|spread| spread[level]).collect();
            let gain: Vec<f64> = (0..readings.len())
                .map(|reading| dot(inverse.row(reading), &near))
                .collect();
            most = most.max(watts * dot(&gain, &surprise).clamp(-3.0, 3.0).exp());
            let prior = self.covariance.at(level, level);
            let rest = (prior - dot(&gain, &near)).max(0.0) / prior;
            corrected.watts.push(most);
            corrected.doubt.push(rest.sqrt().clamp(0.0, 1.0));
        }
        corrected
    }
}

/// The weights of the levels around a load, linear between.
fn between(load: f64) -> Vec<f64> {
    (0..LOADS)
        .map(|level| (1.0 - (load - crate::host::load(level)).abs() * 10.0).max(0.0))
        .collect()
}

/// The mean error in percent at the other loads when the true power at `level`
/// is told, each family corrected by what the others teach.
#[must_use]
pub fn error_with_reading(scored: &[Scored], level: usize) -> f64 {
    let whole = |machine: &&Scored| machine.levels.len() == LOADS;
    let families: std::collections::BTreeSet<&str> = scored
        .iter()
        .map(|machine| machine.family.as_str())
        .collect();
    let (mut sum, mut points) = (0.0, 0_usize);
    for family in families {
        let correction =
            Correction::learn(scored.iter().filter(|machine| machine.family != family));
        for machine in scored
            .iter()
            .filter(whole)
            .filter(|machine| machine.family == family)
        {
            let reading = Reading {
                load: crate::host::load(level),
                power_w: machine.truth[level],
            };
            let corrected = correction.apply(&machine.predicted, &[reading]);
            for other in (0..LOADS).filter(|other| *other != level) {
                sum += (corrected.watts[other] / machine.truth[other] - 1.0).abs();
                points += 1;
            }
        }
    }
    100.0 * sum / count(points.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(family: &str, factor: f64) -> Scored {
        let predicted: Vec<f64> = (0..LOADS).map(|n| 50.0 + 10.0 * count(n)).collect();
        Scored {
            id: String::new(),
            family: family.into(),
            levels: (0..LOADS).collect(),
            truth: predicted
                .iter()
                .enumerate()
                .map(|(n, w)| w * factor.powf(1.0 + count(10 - n) / 10.0))
                .collect(),
            predicted,
            deviation: 1.0,
        }
    }

    fn some() -> Vec<Scored> {
        ["a", "b", "c"]
            .into_iter()
            .flat_map(|family| [0.8, 0.9, 1.1, 1.25].map(|factor| machine(family, factor)))
            .collect()
    }

    #[test]
    fn a_reading_moves_the_whole_curve_and_idle_most() {
        let correction = Correction::learn(some().iter());
        let curve = &machine("x", 1.0).predicted;
        let corrected = correction.apply(curve, &["0.3=96".parse().unwrap()]);
        let moved = |level: usize| corrected.watts[level] / curve[level];
        assert!(moved(0) > moved(3) && moved(3) > moved(10) && moved(10) > 1.0);
        assert!((corrected.watts[3] / 96.0 - 1.0).abs() < 0.03);
        assert!(corrected.doubt.iter().all(|doubt| *doubt < 0.4));
        assert!(corrected.watts.is_sorted());
    }

    #[test]
    fn without_a_reading_nothing_moves() {
        let curve = machine("x", 1.0).predicted;
        let same = Correction::learn(some().iter()).apply(&curve, &[]);
        assert_eq!((same.watts, same.doubt), (curve, vec![1.0; LOADS]));
    }

    #[test]
    fn a_reading_halves_the_error_of_machines_that_err_alike_at_all_loads() {
        assert!(error_with_reading(&some(), 3) < 3.0);
    }

    #[test]
    fn a_wrong_reading_is_refused_with_what_is_accepted() {
        for text in ["30=210", "0.3", "0.3=0", "x=1", "0.3=NaN"] {
            let fault = text.parse::<Reading>().unwrap_err();
            assert!(fault.to_string().contains("0.3=210"), "{text}");
        }
    }
}
