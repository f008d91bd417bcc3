//! What the effective intensity may be: energy that is not known exactly
//! weights its hours and places between bounds.
//!
//! The mean of intensities `c` over energies `e`, each between two bounds, is
//! the highest where every `c` above some threshold has the most energy and
//! every other the least (a linear-fractional program has its optimum at a
//! corner, and what is above the mean raises it). Nothing is supposed of how
//! the errors hang together: the bounds hold if all energies are wrong in the
//! same direction, and if each is in its own.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tanso_power::units::MICROJOULES_PER_KWH;
use tanso_power::{Estimate, Joules};

use crate::units::{GramsCo2e, Intensity, Pue};

/// The lowest and the highest of some intensities, their bounds counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// The lowest.
    pub low: Intensity,
    /// The highest.
    pub high: Intensity,
}

impl Span {
    pub(super) fn around(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
        }
    }
}

/// How much facility energy each intensity weighs, at the least and at the
/// most. Sums only: those of two accounts add up in any order. Energy that is
/// known exactly is in two sums and takes no room of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Weights {
    /// The least facility energy that has an intensity.
    least: Joules,
    /// What it emits at the highest intensity; at the lowest it is the lower
    /// bound of the account's emissions.
    least_at_highest: GramsCo2e,
    /// How much more it may be, by the intensity that prices it.
    #[serde(default, with = "as_list")]
    more: BTreeMap<Span, Joules>,
}

impl Weights {
    /// Books energy, and what the least of it emits at the highest intensity.
    pub(super) fn book(
        &mut self,
        at: Span,
        facility: Estimate<Joules>,
        least_at_highest: GramsCo2e,
    ) {
        self.least += facility.low;
        self.least_at_highest += least_at_highest;
        let more = facility.high.saturating_sub(facility.low);
        if more > Joules::ZERO {
            *self.more.entry(at).or_default() += more;
        }
    }

    /// Books what others have.
    pub(super) fn add(&mut self, other: &Self) {
        self.least += other.least;
        self.least_at_highest += other.least_at_highest;
        for (at, more) in &other.more {
            *self.more.entry(*at).or_default() += *more;
        }
    }

    /// The lowest and the highest that the mean can be, from what the least
    /// energy emits at the lowest intensity; `None` without energy.
    pub(super) fn bounds(&self, least_at_lowest: GramsCo2e) -> Option<Span> {
        let (low, high) = self.extremes(least_at_lowest);
        Some(Span {
            low: low.intensity()?,
            high: high.intensity()?,
        })
    }

    /// Whether the mean has wider bounds than it would have if all energy was
    /// the least, by as much as a status shows.
    pub(super) fn widen(&self, least_at_lowest: GramsCo2e) -> bool {
        let Some(bounds) = self.bounds(least_at_lowest) else {
            return false;
        };
        let least = |mass| self.of_least(mass).intensity();
        match (least(least_at_lowest), least(self.least_at_highest)) {
            (Some(low), Some(high)) => is_shown(bounds.low, low) || is_shown(high, bounds.high),
            _ => self.more.len() > 1,
        }
    }

    fn of_least(&self, mass: GramsCo2e) -> Mean {
        Mean {
            mass,
            energy: self.least,
        }
    }

    fn extremes(&self, least_at_lowest: GramsCo2e) -> (Mean, Mean) {
        let mut low = self.of_least(least_at_lowest);
        let mut high = self.of_least(self.least_at_highest);
        // Spans are in the order of their lower ends.
        for (at, more) in &self.more {
            if !low.is_above(at.low) {
                break;
            }
            low.take(at.low, *more);
        }
        let more = self.more.iter();
        let mut dirtiest: Vec<_> = more.map(|(at, more)| (at.high, *more)).collect();
        dirtiest.sort_unstable_by_key(|(at, _)| Reverse(*at));
        for (at, more) in dirtiest {
            if !high.is_below(at) {
                break;
            }
            high.take(at, more);
        }
        (low, high)
    }
}

/// Whether the second is higher by a milligram per kilowatt-hour, which is the
/// least that a status shows.
const fn is_shown(low: Intensity, high: Intensity) -> bool {
    high.micrograms_per_kwh()
        .saturating_sub(low.micrograms_per_kwh())
        >= 1_000
}

/// A mean in the making: what is emitted by how much energy.
#[derive(Clone, Copy)]
struct Mean {
    mass: GramsCo2e,
    energy: Joules,
}

impl Mean {
    fn take(&mut self, at: Intensity, energy: Joules) {
        self.mass += at.emissions_of(energy, Pue::ONE);
        self.energy += energy;
    }

    /// Mass and what the energy emits at an intensity, in the same unit. Both
    /// are below 2^106, since no intensity is above 2,000 g/kWh.
    fn beside(self, at: Intensity) -> (u128, u128) {
        let mass = self.mass.nanograms();
        let of_energy = u128::from(self.energy.microjoules()) * 1_000;
        (
            mass.saturating_mul(u128::from(MICROJOULES_PER_KWH)),
            of_energy * u128::from(at.micrograms_per_kwh()),
        )
    }

    /// Whether energy of this intensity lowers the mean; it does where there is
    /// none yet.
    fn is_above(self, at: Intensity) -> bool {
        let (mass, of_energy) = self.beside(at);
        self.energy == Joules::ZERO || mass > of_energy
    }

    /// Whether energy of this intensity raises the mean; it does where there is
    /// none yet.
    fn is_below(self, at: Intensity) -> bool {
        let (mass, of_energy) = self.beside(at);
        self.energy == Joules::ZERO || mass < of_energy
    }

    /// `None` without energy. A mean of a few microjoules may be rounded to more
    /// than there is.
    fn intensity(self) -> Option<Intensity> {
        let found = Intensity::of(self.mass, self.energy);
        (self.energy > Joules::ZERO).then(|| found.unwrap_or(Intensity::MAX))
    }
}

/// What energy emits, and what the least of it does at the highest intensity.
/// What is known exactly is multiplied once.
pub(super) fn emitted(
    energy: Estimate<Joules>,
    pue: Estimate<Pue>,
    ci: Estimate<Intensity>,
) -> (Estimate<GramsCo2e>, GramsCo2e) {
    let value = ci.value.emissions_of(energy.value, pue.value);
    let is_exact_energy = energy.low == energy.high && pue.low == pue.high;
    let is_exact_intensity = ci.low == ci.high;
    if is_exact_energy && is_exact_intensity {
        return (Estimate::exact(value), value);
    }
    let least_at_highest = ci.high.emissions_of(energy.low, pue.low);
    let low = if is_exact_intensity {
        least_at_highest
    } else {
        ci.low.emissions_of(energy.low, pue.low)
    };
    let high = if is_exact_energy {
        least_at_highest
    } else {
        ci.high.emissions_of(energy.high, pue.high)
    };
    (Estimate { low, value, high }, least_at_highest)
}

/// A map as a list of pairs, since a key of two figures is none in JSON.
mod as_list {
    use super::{BTreeMap, Deserialize, Deserializer, Joules, Serializer, Span};

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<Span, Joules>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(map)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<Span, Joules>, D::Error> {
        let pairs = Vec::<(Span, Joules)>::deserialize(from)?;
        Ok(pairs.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Energy between its bounds, at an intensity between its own.
    type Part = (Estimate<Joules>, Span);

    /// Hundreds of kilowatt-hours at hundreds of grams, so that the rounding of
    /// a part to nanograms is below 10^-12 of the whole.
    fn part() -> impl Strategy<Value = Part> {
        let energy = (1_u64..10, 0_u64..10, any::<bool>());
        let intensity = (100_u32..900, 0_u32..90);
        (energy, intensity).prop_map(|((low, more, is_never_less), (grams, wider))| {
            let joules = |times: u64| Joules::from_microjoules(times * 1_000_000_000_000_007);
            let low = if is_never_less { low } else { 0 };
            let of = |grams| Intensity::from_micrograms_per_kwh(grams * 1_000_003).unwrap();
            let energy = Estimate {
                low: joules(low),
                value: joules(low),
                high: joules(low + more),
            };
            let span = Span {
                low: of(grams),
                high: of(grams + wider),
            };
            (energy, span)
        })
    }

    fn booked(parts: &[Part]) -> (Weights, GramsCo2e) {
        let mut weights = Weights::default();
        let mut at_lowest = GramsCo2e::ZERO;
        for (energy, at) in parts {
            at_lowest += at.low.emissions_of(energy.low, Pue::ONE);
            let at_highest = at.high.emissions_of(energy.low, Pue::ONE);
            weights.book(*at, *energy, at_highest);
        }
        (weights, at_lowest)
    }

    fn mean(parts: impl Iterator<Item = (Joules, Intensity)>) -> Option<f64> {
        let (mut grams, mut kwh) = (0.0, 0.0);
        for (energy, at) in parts {
            grams += energy.as_kwh_f64() * at.as_grams_per_kwh_f64();
            kwh += energy.as_kwh_f64();
        }
        (kwh > 0.0).then(|| grams / kwh)
    }

    proptest! {
        /// Every corner: each part has its least or its most energy.
        #[test]
        fn the_bounds_are_those_of_all_corners(parts in prop::collection::vec(part(), 1..9)) {
            let corner = |set: u32, end: fn(&Span) -> Intensity| {
                mean((0_u32..).zip(&parts).map(|(index, (energy, at))| {
                    let is_most = set & 1 << index != 0;
                    (if is_most { energy.high } else { energy.low }, end(at))
                }))
            };
            let sets = || 0_u32..1 << parts.len();
            let lowest = sets().filter_map(|set| corner(set, |at| at.low)).min_by(f64::total_cmp);
            let highest = sets().filter_map(|set| corner(set, |at| at.high)).max_by(f64::total_cmp);
            let (weights, at_lowest) = booked(&parts);
            let (low, high) = weights.extremes(at_lowest);
            for (found, wanted) in [(low, lowest), (high, highest)] {
                let Some(wanted) = wanted else {
                    prop_assert_eq!(found.intensity(), None);
                    continue;
                };
                let found = found.mass.as_grams_f64() / found.energy.as_kwh_f64();
                prop_assert!((found / wanted - 1.0).abs() < 1e-12, "{found} {wanted}");
            }
        }

        #[test]
        fn sums_are_the_same_in_any_order(parts in prop::collection::vec(part(), 1..9), cut in 0_usize..9) {
            let all = booked(&parts).0;
            let (one, other) = parts.split_at(cut.min(parts.len()));
            let (one, other) = (booked(one).0, booked(other).0);
            for (first, second) in [(&one, &other), (&other, &one)] {
                let mut sum = first.clone();
                sum.add(second);
                prop_assert_eq!(&sum, &all);
            }
            let text = serde_json::to_string(&all).unwrap();
            prop_assert_eq!(serde_json::from_str::<Weights>(&text).unwrap(), all);
        }
    }
}
