//! Power over time without losing a fraction of a microjoule.

use std::time::Duration;

use tanso_power::{Estimate, Joules, Watts};

use super::Memory;

/// One microjoule in units of microwatt × nanosecond.
const UNITS_PER_MICROJOULE: u128 = 1_000_000_000;

/// Integrates power with bounds; what is less than a microjoule is carried
/// to the next interval.
///
/// Carried are the value and its distances to the bounds, so that the bounds
/// lie around the value in each interval too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Integrator {
    value: u64,
    below: u64,
    above: u64,
}

impl Integrator {
    pub(super) fn add(&mut self, power: Estimate<Watts>, elapsed: Duration) -> Estimate<Joules> {
        let value_uw = power.value.microwatts();
        let value = advance(&mut self.value, value_uw, elapsed);
        let below_uw = value_uw.saturating_sub(power.low.microwatts());
        let below = advance(&mut self.below, below_uw, elapsed).min(value);
        let above_uw = power.high.microwatts().saturating_sub(value_uw);
        let above = advance(&mut self.above, above_uw, elapsed);
        Estimate {
            low: Joules::from_microjoules(value - below),
            value: Joules::from_microjoules(value),
            high: Joules::from_microjoules(value.saturating_add(above)),
        }
    }

    pub(super) fn save(&self, name: &str, memory: &mut Memory) {
        for (part, carry) in [
            ("value", self.value),
            ("below", self.below),
            ("above", self.above),
        ] {
            memory.carries.insert(format!("{name}.{part}"), carry);
        }
    }

    pub(super) fn load(name: &str, memory: &Memory) -> Self {
        let get = |part| {
            memory
                .carries
                .get(&format!("{name}.{part}"))
                .copied()
                .unwrap_or(0)
        };
        Self {
            value: get("value"),
            below: get("below"),
            above: get("above"),
        }
    }
}

/// Whole microjoules of `power_uw` over `elapsed` and the carry.
fn advance(carry: &mut u64, power_uw: u64, elapsed: Duration) -> u64 {
    let units = u128::from(power_uw) * elapsed.as_nanos() + u128::from(*carry);
    // A remainder of a division by 10^9 fits; amounts above 2^64 µJ do not
    // occur (5.1 TWh).
    *carry = u64::try_from(units % UNITS_PER_MICROJOULE).unwrap_or(0);
    u64::try_from(units / UNITS_PER_MICROJOULE).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn many_short_intervals_are_one_long_one(
            power_uw in 0_u64..1 << 40,
            spans_ns in prop::collection::vec(0_u64..1 << 32, 1..50),
        ) {
            let power = Estimate::exact(Watts::from_microwatts(power_uw));
            let mut integrator = Integrator::default();
            let sum: Joules = spans_ns
                .iter()
                .map(|&ns| integrator.add(power, Duration::from_nanos(ns)).value)
                .sum();
            let whole = power.value.over(Duration::from_nanos(spans_ns.iter().sum()));
            prop_assert_eq!(sum, whole);
        }

        #[test]
        fn bounds_lie_around_the_value_in_each_interval(
            steps in prop::collection::vec((0_u64..100, 0_u64..100, 0_u64..100, 0_u64..1 << 34), 1..50),
        ) {
            let mut integrator = Integrator::default();
            for (low, more, yet_more, ns) in steps {
                let power = Estimate {
                    low: Watts::from_microwatts(low),
                    value: Watts::from_microwatts(low + more),
                    high: Watts::from_microwatts(low + more + yet_more),
                };
                let energy = integrator.add(power, Duration::from_nanos(ns));
                prop_assert!(energy.low <= energy.value && energy.value <= energy.high);
            }
        }
    }
}
