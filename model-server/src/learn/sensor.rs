//! Sensors that do not follow the load.

use super::{Band, Node, robust::median};

/// The load must swing power by this share of it before a sensor can be seen
/// to stand still.
const SWING_LEAST: f64 = 0.08;

/// A sensor that shows less than this share of the expected swing is stuck.
const SWING_SHOWN: f64 = 0.2;

/// Why a node's sensor is taken for stuck: its load went up and down, and its
/// power did not. `None` if it moves, or if the load was too even to tell.
#[must_use]
pub fn stuck(node: &Node, prior: &Band) -> Option<String> {
    let mut by_load = node.observations.clone();
    by_load.sort_by(|a, b| a.utilisation.total_cmp(&b.utilisation));
    let fifth = by_load.len() / 5;
    if fifth == 0 {
        return None;
    }
    let (low, high) = (by_load.get(..fifth)?, by_load.get(by_load.len() - fifth..)?);
    let of = |part: &[super::Observation], figure: fn(&super::Observation) -> f64| {
        median(&part.iter().map(figure).collect::<Vec<_>>())
    };
    let loads = [
        of(low, |sample| sample.utilisation)?,
        of(high, |sample| sample.utilisation)?,
    ];
    let watts = [
        of(low, |sample| sample.watts)?,
        of(high, |sample| sample.watts)?,
    ];
    let expected = (prior.watts_at(loads[1]) / prior.watts_at(loads[0])).ln();
    if expected < SWING_LEAST {
        return None;
    }
    let shown = (watts[1] / watts[0]).ln();
    (shown < SWING_SHOWN * expected).then(|| {
        format!(
            "load went from {:.0} to {:.0} % and power from {:.1} to {:.1} W",
            loads[0] * 100.0,
            loads[1] * 100.0,
            watts[0],
            watts[1]
        )
    })
}
