//! A learned idle floor: the power that a machine draws when nothing runs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Joules, Utilisation, Watts};

/// An interval in which at most this share of the CPU time was busy shows
/// idle power.
const QUIET: f64 = 0.1;

/// In this time the floor forgets about two thirds of what it learned, so
/// that it follows a machine whose idle power rises (fans, a warm room, a new
/// device): one day.
const MEMORY: Duration = Duration::from_hours(24);

/// The lower envelope of the power seen in quiet intervals, with decay.
///
/// It falls at once and rises slowly. Power seen under load can only lower
/// it: load is never learned as idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdleFloor {
    floor: Option<Watts>,
}

impl IdleFloor {
    /// The floor, or `None` before the first quiet interval.
    #[must_use]
    pub const fn power(self) -> Option<Watts> {
        self.floor
    }

    /// Learns from an interval and says how much of its energy was idle;
    /// never more than there was.
    ///
    /// Before the first quiet interval the idle part is not known; the share
    /// of unused CPU time stands in for it, and is not learned.
    pub fn observe(
        &mut self,
        energy: Joules,
        utilisation: Utilisation,
        period: Duration,
    ) -> Joules {
        if period.is_zero() {
            return Joules::ZERO;
        }
        let power = energy.over(period);
        let quiet = utilisation.ratio() <= QUIET;
        self.floor = match self.floor {
            Some(floor) if power <= floor => Some(power),
            Some(floor) if quiet => Some(raised(floor, power, period)),
            Some(floor) => Some(floor),
            None => quiet.then_some(power),
        };
        match self.floor {
            Some(floor) => floor.over(period).min(energy),
            None => unused_share(energy, utilisation),
        }
    }
}

/// The floor after it moved towards `power` for `period`.
fn raised(floor: Watts, power: Watts, period: Duration) -> Watts {
    let share = -(-period.as_secs_f64() / MEMORY.as_secs_f64()).exp_m1();
    let watts = floor.as_watts_f64() + share * (power.as_watts_f64() - floor.as_watts_f64());
    // Between two powers lies a power.
    Watts::try_from_watts(watts).unwrap_or(floor)
}

fn unused_share(energy: Joules, utilisation: Utilisation) -> Joules {
    let parts_of = 1_000_000_000_u64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a ratio within 0 and 1 times 10^9 fits"
    )]
    let unused = ((1.0 - utilisation.ratio()) * parts_of as f64) as u64;
    let energy_uj = u128::from(energy.microjoules()) * u128::from(unused) / u128::from(parts_of);
    // A part of a u64 is a u64.
    Joules::from_microjoules(u64::try_from(energy_uj).unwrap_or(u64::MAX)).min(energy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn joules(watts: u64) -> Joules {
        Joules::from_microjoules(watts * 1_000_000)
    }

    fn busy(ratio: f64) -> Utilisation {
        Utilisation::try_new(ratio).unwrap()
    }

    #[test]
    fn load_is_never_learned_as_idle() {
        let mut floor = IdleFloor::default();
        floor.observe(joules(200), busy(0.9), SECOND);
        assert_eq!(floor.power(), None);
        assert_eq!(floor.observe(joules(100), busy(0.0), SECOND), joules(100));
        for _ in 0..1_000 {
            assert_eq!(floor.observe(joules(200), busy(0.9), SECOND), joules(100));
        }
    }

    #[test]
    fn the_floor_falls_at_once_and_rises_in_days() {
        let mut floor = IdleFloor::default();
        floor.observe(joules(100), busy(0.0), SECOND);
        floor.observe(joules(60), busy(0.0), SECOND);
        assert_eq!(floor.power().unwrap().microwatts(), 60_000_000);
        let hour = Duration::from_hours(1);
        for _ in 0..72 {
            floor.observe(
                Joules::from_microjoules(100_000_000 * 3_600),
                busy(0.0),
                hour,
            );
        }
        let power = floor.power().unwrap().as_watts_f64();
        assert!((97.0..100.0).contains(&power), "{power}");
    }

    proptest! {
        #[test]
        fn idle_is_never_more_than_there_was(
            intervals in prop::collection::vec((0_u64..1 << 50, 0.0_f64..=1.0, 1_u64..100_000), 1..60)
        ) {
            let mut floor = IdleFloor::default();
            for (energy_uj, ratio, period_ms) in intervals {
                let energy = Joules::from_microjoules(energy_uj);
                let idle = floor.observe(energy, busy(ratio), Duration::from_millis(period_ms));
                prop_assert!(idle <= energy);
            }
        }
    }
}
