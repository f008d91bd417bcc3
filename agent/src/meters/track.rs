//! From samples of power to energy: by the time between them, never one
//! sample times an interval.

use std::time::Duration;

use tanso_power::{Estimate, Joules, Watts};

use super::integrator::Integrator;

/// Samples further apart than this say nothing of the time between.
pub(super) const GAP_MAX: Duration = Duration::from_mins(2);

/// Power samples of one sensor, taken when the agent reads.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Track {
    last: Option<Watts>,
    since: Duration,
    energy: Integrator,
}

impl Track {
    /// Time passed, whether or not there is a sample.
    pub(super) fn pass(&mut self, elapsed: Duration) {
        self.since = self.since.saturating_add(elapsed);
    }

    /// A sample, now: the energy since the one before, by the mean of both.
    /// `None` for the first one and after too long a silence.
    pub(super) fn sample(&mut self, power: Watts) -> Option<Joules> {
        let since = std::mem::take(&mut self.since);
        let before = self.last.replace(power)?;
        if since > GAP_MAX {
            return None;
        }
        let mean = Watts::from_microwatts(before.microwatts().midpoint(power.microwatts()));
        Some(self.energy.add(Estimate::exact(mean), since).value)
    }

    /// Begins anew.
    pub(super) fn restart(&mut self) {
        self.last = None;
        self.since = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watts(watts: u64) -> Watts {
        Watts::from_microwatts(watts * 1_000_000)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_ramp_is_its_mean_and_not_its_end() {
        let mut track = Track::default();
        assert_eq!(track.sample(watts(100)), None);
        track.pass(seconds(10));
        assert_eq!(
            track.sample(watts(200)),
            Some(Joules::from_microjoules(1_500_000_000))
        );
    }

    #[test]
    fn a_short_silence_is_bridged_and_a_long_one_is_not() {
        let mut track = Track::default();
        track.sample(watts(100));
        track.pass(seconds(1));
        track.pass(seconds(1));
        assert_eq!(
            track.sample(watts(100)),
            Some(Joules::from_microjoules(200_000_000))
        );
        track.pass(GAP_MAX + seconds(1));
        assert_eq!(track.sample(watts(100)), None);
        track.pass(seconds(1));
        assert!(track.sample(watts(100)).is_some());
    }
}
