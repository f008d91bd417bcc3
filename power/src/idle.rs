//! A learned idle floor: the power that a machine draws when nothing runs.

mod line;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Joules, Utilisation, Watts};
use line::Line;

/// An interval in which at most this share of the CPU time was busy shows
/// idle power.
const QUIET: f64 = 0.1;

/// In this time the floor forgets about two thirds of what it learned, so
/// that it follows a machine whose idle power rises (fans, a warm room, a new
/// device): one day.
const MEMORY: Duration = Duration::from_hours(24);

/// What is known of a zone's power when nothing runs.
///
/// Best is the lower envelope of the power seen in quiet intervals: it falls
/// at once and rises slowly, and power seen under load can only lower it, so
/// that load is never learned as idle. A machine that is never quiet has the
/// intercept of a line through its loads and powers instead, as soon as they
/// differ enough to tell one; never more than the lowest power seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IdleFloor {
    floor: Option<Watts>,
    /// The lower envelope of all power, while there is no floor.
    #[serde(default)]
    lowest: Option<Watts>,
    #[serde(default)]
    line: Line,
}

/// Where an idle power comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdleBasis {
    /// Quiet intervals were seen.
    Quiet,
    /// A line through loads and powers; concave machines draw less than it
    /// says.
    Regressed,
    /// Nothing is known yet: the share of unused CPU time stands in.
    UnusedShare,
}

impl IdleBasis {
    /// All of them, the best first.
    pub const ALL: [Self; 3] = [Self::Quiet, Self::Regressed, Self::UnusedShare];

    /// The name in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Regressed => "regressed",
            Self::UnusedShare => "unused-share",
        }
    }
}

impl IdleFloor {
    /// The floor, or `None` while nothing tells it.
    #[must_use]
    pub fn power(self) -> Option<Watts> {
        self.floor.or_else(|| self.regressed())
    }

    /// Where [`IdleFloor::power`] comes from.
    #[must_use]
    pub fn basis(self) -> IdleBasis {
        match (self.floor, self.regressed()) {
            (Some(_), _) => IdleBasis::Quiet,
            (None, Some(_)) => IdleBasis::Regressed,
            (None, None) => IdleBasis::UnusedShare,
        }
    }

    fn regressed(self) -> Option<Watts> {
        let intercept = Watts::try_from_watts(self.line.intercept_watts()?).ok()?;
        Some(
            self.lowest
                .map_or(intercept, |lowest| lowest.min(intercept)),
        )
    }

    /// Learns from an interval and says how much of its energy was idle;
    /// never more than there was.
    ///
    /// Before anything is known the share of unused CPU time stands in for
    /// the idle part, and is not learned.
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
            Some(floor) if quiet || power <= floor => Some(envelope(floor, power, period)),
            Some(floor) => Some(floor),
            None => quiet.then_some(power),
        };
        if self.floor.is_none() {
            let lowest = self.lowest.unwrap_or(power);
            self.lowest = Some(envelope(lowest, power, period));
            self.line.note(energy, utilisation, period);
        }
        match self.power() {
            Some(floor) => floor.over(period).min(energy),
            None => unused_share(energy, utilisation),
        }
    }
}

/// A lower envelope after `power` was seen for `period`: down at once, up
/// slowly.
fn envelope(before: Watts, power: Watts, period: Duration) -> Watts {
    if power <= before {
        return power;
    }
    let share = -(-period.as_secs_f64() / MEMORY.as_secs_f64()).exp_m1();
    let watts = before.as_watts_f64() + share * (power.as_watts_f64() - before.as_watts_f64());
    // Between two powers lies a power.
    Watts::try_from_watts(watts).unwrap_or(before)
}

/// The part of an energy that the share of unused CPU time makes: Kepler's
/// split, and what stands in while no idle power is known.
#[must_use]
pub fn unused_share(energy: Joules, utilisation: Utilisation) -> Joules {
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

    #[test]
    fn a_machine_that_is_never_quiet_has_the_intercept_of_its_line() {
        let mut floor = IdleFloor::default();
        for second in 0..600_u32 {
            let load = 0.5 + 0.3 * (f64::from(second) / 40.0).sin();
            let energy = Watts::try_from_watts(50.0 + 100.0 * load).unwrap();
            floor.observe(energy.over(SECOND), busy(load), SECOND);
        }
        let power = floor.power().unwrap().as_watts_f64();
        assert!((49.9..50.1).contains(&power), "{power}");
        assert_eq!(floor.basis(), IdleBasis::Regressed);
        // A quiet interval tells more than any line.
        floor.observe(joules(45), busy(0.01), SECOND);
        assert_eq!(floor.power().unwrap().microwatts(), 45_000_000);
        assert_eq!(floor.basis(), IdleBasis::Quiet);
    }

    #[test]
    fn loads_that_are_all_alike_tell_no_idle_power() {
        let mut floor = IdleFloor::default();
        for second in 0..600_u32 {
            let load = 0.95 + 0.01 * f64::from(second % 2);
            let energy = Watts::try_from_watts(50.0 + 100.0 * load).unwrap();
            floor.observe(energy.over(SECOND), busy(load), SECOND);
        }
        assert_eq!(floor.power(), None);
        assert_eq!(floor.basis(), IdleBasis::UnusedShare);
    }

    #[test]
    fn a_line_that_its_data_cannot_carry_is_not_believed() {
        let mut floor = IdleFloor::default();
        for second in 0..600_u32 {
            // Power goes its own way, far beyond what the load explains.
            let load = 0.85 + 0.05 * (f64::from(second) / 40.0).sin();
            let other = 80.0 * (f64::from(second) / 97.0).cos();
            let energy = Watts::try_from_watts(150.0 + 20.0 * load + other).unwrap();
            floor.observe(energy.over(SECOND), busy(load), SECOND);
        }
        assert_eq!(floor.power(), None);
    }

    #[test]
    fn a_floor_saved_before_lines_were_learned_is_taken_up() {
        let floor: IdleFloor = serde_json::from_str(r#"{"floor":60000000}"#).unwrap();
        assert_eq!(floor.power(), Some(Watts::from_microwatts(60_000_000)));
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

        #[test]
        fn the_line_finds_the_idle_power_of_any_linear_machine(
            idle_w in 5.0_f64..2_000.0, busy_w in 5.0_f64..2_000.0, centre in 0.3_f64..0.8
        ) {
            let mut floor = IdleFloor::default();
            for second in 0..900_u32 {
                let load = centre + 0.15 * (f64::from(second) / 60.0).sin();
                let energy = Watts::try_from_watts(idle_w + busy_w * load).unwrap();
                floor.observe(energy.over(SECOND), busy(load), SECOND);
            }
            let found = floor.power().unwrap().as_watts_f64();
            prop_assert!((found / idle_w - 1.0).abs() < 0.001, "{found} of {idle_w}");
        }
    }
}
