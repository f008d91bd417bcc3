//! When counters that do not count are opened anew.

use std::time::{Duration, Instant};

/// From a first try to the next one, and the longest such pause.
const PAUSE_FIRST: Duration = Duration::from_secs(15);
const PAUSE_MAX: Duration = Duration::from_mins(15);

/// The tries to open counters anew. What took them away may give them back, and
/// asking for them at each reading would cost and change nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Retry {
    /// The last try, and the pause from it to the next one; `None`: there was
    /// none since all of them counted.
    last: Option<(Instant, Duration)>,
}

impl Retry {
    /// Whether they may be opened now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.last
            .is_none_or(|(at, pause)| now.saturating_duration_since(at) >= pause)
    }

    /// They are opened now: the next pause is twice the last one.
    pub(super) fn tried(&mut self, now: Instant) {
        let pause = self.last.map_or(PAUSE_FIRST, |(_, pause)| {
            pause.saturating_mul(2).min(PAUSE_MAX)
        });
        self.last = Some((now, pause));
    }

    /// They count. Once they do so after the pause, their next fault is a first
    /// one; before, they might come and go.
    pub(super) fn counts(&mut self, now: Instant) {
        if self.is_due(now) {
            self.last = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds from a start at which counters that never count are opened, looked
    /// at each second.
    fn tries(retry: &mut Retry, start: Instant, seconds: u64) -> Vec<u64> {
        let due = (0..seconds).filter(|second| {
            let now = start + Duration::from_secs(*second);
            let due = retry.is_due(now);
            if due {
                retry.tried(now);
            }
            due
        });
        due.collect()
    }

    #[test]
    fn pauses_double_from_fifteen_seconds_to_fifteen_minutes() {
        let start = Instant::now();
        let tries = tries(&mut Retry::default(), start, 4_000);
        let pauses: Vec<u64> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(tries[0], 0);
        assert_eq!(pauses, [15, 30, 60, 120, 240, 480, 900, 900, 900]);
    }

    #[test]
    fn counters_that_come_and_go_are_not_opened_at_each_reading() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut retry = Retry::default();
        retry.tried(at(0));
        retry.counts(at(1));
        assert!(!retry.is_due(at(14)));
        assert!(retry.is_due(at(15)));
        retry.tried(at(15));
        retry.counts(at(44));
        assert!(!retry.is_due(at(44)), "twice as long");
        // They count when the pause is over: the next fault begins anew.
        retry.counts(at(45));
        assert_eq!(retry, Retry::default());
        assert!(retry.is_due(at(45)));
        retry.tried(at(46));
        assert!(retry.is_due(at(61)));
    }
}
