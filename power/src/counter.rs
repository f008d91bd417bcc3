//! Energy counters of hardware: wrap is not reset, and a first reading is no
//! energy.

use serde::{Deserialize, Serialize};

use crate::Joules;

/// Turns the readings of a register that counts up, and begins again at zero
/// after `max`, into amounts.
///
/// ```
/// use tanso_power::{Joules, counter::EnergyCounter};
/// let mut counter = EnergyCounter::new(1_000);
/// assert_eq!(counter.advance(990), None);
/// assert_eq!(counter.advance(5), Some(Joules::from_microjoules(16)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnergyCounter {
    max_uj: u64,
    last_uj: Option<u64>,
}

impl EnergyCounter {
    /// A counter of a register whose largest value is `max_uj`; it has not
    /// been read yet. 0 stands for a register that never wraps.
    #[must_use]
    pub const fn new(max_uj: u64) -> Self {
        Self {
            max_uj,
            last_uj: None,
        }
    }

    /// A counter that goes on from an earlier reading.
    #[must_use]
    pub const fn resumed(max_uj: u64, last_uj: u64) -> Self {
        Self {
            max_uj,
            last_uj: Some(last_uj),
        }
    }

    /// The last reading.
    #[must_use]
    pub const fn last_uj(self) -> Option<u64> {
        self.last_uj
    }

    /// The largest value of the register, 0 if it never wraps.
    #[must_use]
    pub const fn max_uj(self) -> u64 {
        self.max_uj
    }

    /// The energy since the reading before, or `None` for the first one and
    /// after a reset: what a register holds when it is first seen is not this
    /// interval's.
    ///
    /// A lower reading is a wrap, unless the register was above its own
    /// stated maximum or has none: then it began anew.
    pub fn advance(&mut self, now_uj: u64) -> Option<Joules> {
        let last_uj = self.last_uj.replace(now_uj)?;
        let energy_uj = if now_uj >= last_uj {
            now_uj - last_uj
        } else if last_uj <= self.max_uj {
            // From `last` to `max`, one step to zero, and on to `now`.
            (self.max_uj - last_uj)
                .saturating_add(1)
                .saturating_add(now_uj)
        } else {
            return None;
        };
        Some(Joules::from_microjoules(energy_uj))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_first_reading_is_no_energy() {
        assert_eq!(EnergyCounter::new(100).advance(77), None);
    }

    #[test]
    fn a_register_that_never_wraps_was_reset_if_it_fell() {
        let mut counter = EnergyCounter::resumed(0, 50);
        assert_eq!(counter.advance(10), None);
        assert_eq!(counter.advance(12), Some(Joules::from_microjoules(2)));
    }

    proptest! {
        #[test]
        fn a_wrapped_counter_loses_nothing(
            max in 1_u64..1 << 40,
            start: u64,
            steps in prop::collection::vec(any::<u64>(), 1..50),
        ) {
            let range = max + 1;
            let mut true_uj = start % range;
            let mut counter = EnergyCounter::resumed(max, true_uj);
            for step in steps {
                // Less than one whole turn between two readings.
                let step = step % range;
                true_uj += step;
                let energy = counter.advance(true_uj % range);
                prop_assert_eq!(energy, Some(Joules::from_microjoules(step)));
            }
        }
    }
}
