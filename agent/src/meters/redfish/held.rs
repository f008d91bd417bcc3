//! Samples of power that come at their own pace, given out evenly.

use std::time::Duration;

use tanso_power::{Estimate, Joules, Watts};

use super::super::integrator::Integrator;
use super::super::track::GAP_MAX;

/// Samples that come from elsewhere at their own pace, given out evenly: the
/// last power is held until the next sample, which then corrects what was
/// given out meanwhile. The total never falls and differs from the integral
/// of the samples by what the last one may still be wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    last: Option<(Duration, Watts)>,
    /// Energy up to the last sample.
    settled: u64,
    integrator: Integrator,
}

impl Held {
    /// A sample of `power` at `at`, a time on a steady clock. Samples that
    /// are not later than the last one are left out.
    pub(super) fn sample(&mut self, at: Duration, power: Watts) {
        if let Some((before, held)) = self.last {
            let Some(since) = at.checked_sub(before).filter(|since| !since.is_zero()) else {
                return;
            };
            // After a long silence only what was given out meanwhile is
            // known: the last power, for a while.
            let (mean, known) = if since <= GAP_MAX {
                let mean = held.microwatts().midpoint(power.microwatts());
                (Watts::from_microwatts(mean), since)
            } else {
                (held, GAP_MAX)
            };
            let energy = self.integrator.add(Estimate::exact(mean), known).value;
            self.settled = self.settled.saturating_add(energy.microjoules());
        }
        self.last = Some((at, power));
    }

    /// All energy up to `now`, as far as is known; `None` before the first
    /// sample. It can fall by as much as the last sample was too high for
    /// the time after it: whoever gives it out waits until it is made up.
    pub(super) fn total(&self, now: Duration) -> Option<Joules> {
        let (at, power) = self.last?;
        let since = now.saturating_sub(at).min(GAP_MAX);
        Some(Joules::from_microjoules(
            self.settled.saturating_add(power.over(since).microjoules()),
        ))
    }

    /// The time since the last sample.
    pub(super) fn age(&self, now: Duration) -> Option<Duration> {
        self.last.map(|(at, _)| now.saturating_sub(at))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn watts(watts: u64) -> Watts {
        Watts::from_microwatts(watts * 1_000_000)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn between_samples_the_last_power_is_held_and_then_corrected() {
        let mut held = Held::default();
        assert_eq!(held.total(seconds(5)), None);
        held.sample(seconds(10), watts(100));
        let joules = |joules: u64| Some(Joules::from_microjoules(joules * 1_000_000));
        assert_eq!(held.total(seconds(13)), joules(300));
        held.sample(seconds(20), watts(300));
        assert_eq!(held.total(seconds(20)), joules(2_000));
        assert_eq!(held.total(seconds(21)), joules(2_300));
        held.sample(seconds(20), watts(9_000));
        assert_eq!(
            held.total(seconds(21)),
            joules(2_300),
            "not later: left out"
        );
    }

    proptest! {
        #[test]
        fn constant_power_gives_power_times_time_however_it_is_sampled(
            power in 1_u64..10_000_000_000,
            steps_ms in prop::collection::vec(1_u64..60_000, 1..40),
        ) {
            let power = Watts::from_microwatts(power);
            let mut held = Held::default();
            held.sample(Duration::ZERO, power);
            let mut at = Duration::ZERO;
            for step in steps_ms {
                at += Duration::from_millis(step);
                held.sample(at, power);
            }
            let whole = power.over(at).microjoules();
            prop_assert!(held.total(at).unwrap().microjoules().abs_diff(whole) <= 1);
        }
    }
}
