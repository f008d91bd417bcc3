//! Whose energy it is: idle and dynamic, and dynamic by CPU time, or by what
//! hardware counters say of it.
//!
//! Pure: amounts and weights in, parts out. The parts add up to the meter's
//! amount to the microjoule, for the value and for both bounds, whatever the
//! input; what nobody has a claim to is returned as such, never dropped.

pub mod sockets;
pub mod weight;

use tanso_power::{Estimate, Joules, apportion};

/// The energy of one power zone in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZoneEnergy {
    /// All of it.
    pub energy: Estimate<Joules>,
    /// What of it the zone draws when nothing runs, as its meter has it.
    pub idle: Estimate<Joules>,
}

/// A zone's energy in parts: `idle + unowned + Σ parts` is the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Drawn whether or not anything runs.
    pub idle: Estimate<Joules>,
    /// Above idle, while nobody had any weight: for the system's account.
    pub unowned: Estimate<Joules>,
    /// Above idle, per weight.
    pub parts: Vec<Estimate<Joules>>,
}

/// Splits a zone's energy to idle and to those who used it, in proportion to
/// `weights`: CPU time in nanoseconds, or events.
#[must_use]
pub fn split(zone: ZoneEnergy, weights: &[u64]) -> Split {
    let (idle, dynamic) = told_apart(zone);
    match share(dynamic, weights) {
        Some(parts) => Split {
            idle,
            unowned: Estimate::default(),
            parts,
        },
        None => Split {
            idle,
            unowned: dynamic,
            parts: vec![Estimate::default(); weights.len()],
        },
    }
}

/// Splits an amount in proportion to `weights`, bounds included: each part
/// holds `low <= value <= high`, and lows, values and highs add up to those of
/// the whole. `None` if nobody has a weight.
#[must_use]
pub fn share(whole: Estimate<Joules>, weights: &[u64]) -> Option<Vec<Estimate<Joules>>> {
    let whole = ordered(whole);
    let values = apportion(whole.value.microjoules(), weights)?;
    around(whole, &values, weights)
}

/// The parts whose values are known, with bounds around them; the upper ones in
/// proportion to `weights`. `None` if nobody has a weight.
fn around(
    whole: Estimate<Joules>,
    values: &[u64],
    weights: &[u64],
) -> Option<Vec<Estimate<Joules>>> {
    if whole == Estimate::exact(whole.value) && weights.iter().any(|&weight| weight > 0) {
        // A meter's figure without an error: its parts have none either.
        let parts = values.iter().copied().map(Joules::from_microjoules);
        return Some(parts.map(Estimate::exact).collect());
    }
    // By the values themselves, the part of a smaller whole is never above
    // its value: low * v / value <= v, and so is its next whole number.
    let lows = apportion(whole.low.microjoules(), values).unwrap_or_else(|| vec![0; values.len()]);
    let above = whole.high.saturating_sub(whole.value);
    let extras = apportion(above.microjoules(), weights)?;
    let parts = values
        .iter()
        .zip(&lows)
        .zip(&extras)
        .map(|((&value, &low), &extra)| Estimate {
            low: Joules::from_microjoules(low),
            value: Joules::from_microjoules(value),
            high: Joules::from_microjoules(value) + Joules::from_microjoules(extra),
        });
    Some(parts.collect())
}

/// The idle and the dynamic part.
fn told_apart(zone: ZoneEnergy) -> (Estimate<Joules>, Estimate<Joules>) {
    let whole = ordered(zone.energy);
    let idle = idle_within(whole, zone.idle);
    let dynamic = Estimate {
        low: whole.low.saturating_sub(idle.low),
        value: whole.value.saturating_sub(idle.value),
        high: whole.high.saturating_sub(idle.high),
    };
    (idle, dynamic)
}

/// The idle part, cut so that neither it nor the rest is negative or has
/// crossed bounds.
fn idle_within(whole: Estimate<Joules>, wanted: Estimate<Joules>) -> Estimate<Joules> {
    let value = wanted.value.min(whole.value);
    let below = whole.value.saturating_sub(whole.low);
    let above = whole.high.saturating_sub(whole.value);
    // The rest's low bound, whole.low - low, must not exceed its value.
    let low_least = value.saturating_sub(below);
    let low_most = value.min(whole.low);
    let low = wanted.low.clamp(low_least, low_most.max(low_least));
    let high = wanted.high.clamp(value, value + above);
    Estimate { low, value, high }
}

/// The estimate with its bounds around its value.
fn ordered(estimate: Estimate<Joules>) -> Estimate<Joules> {
    Estimate {
        low: estimate.low.min(estimate.value),
        value: estimate.value,
        high: estimate.high.max(estimate.value),
    }
}

#[cfg(test)]
mod tests;
