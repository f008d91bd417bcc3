//! When a service may be asked again; pure.
//!
//! After an answer: a fixed while. After a failure: twice as long each time,
//! with a part that differs between feeds, so that many do not come at once.
//! What the service itself asked for goes before both.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Between two good answers: services publish hourly or half-hourly.
const EVERY: SignedDuration = SignedDuration::from_mins(10);

/// First wait after a failure; doubles.
const FIRST_WAIT_S: i64 = 30;

/// Longest wait after a failure.
const LAST_WAIT_S: i64 = 3_600;

/// Longest wait that a service may ask for.
const OBEYED: SignedDuration = SignedDuration::from_hours(24);

/// How a feed stands with its service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    not_before: Option<Timestamp>,
    failures: u32,
}

impl Pace {
    /// Whether the service may be asked now. A wait that is longer than any that
    /// is obeyed was noted by another clock, and is kept on disk as the others are.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        let longest = now.checked_add(OBEYED).unwrap_or(Timestamp::MAX);
        self.not_before.is_none_or(|at| at <= now || at > longest)
    }

    /// When it may be asked next.
    #[must_use]
    pub const fn not_before(&self) -> Option<Timestamp> {
        self.not_before
    }

    /// After a good answer.
    pub fn succeeded(&mut self, now: Timestamp) {
        self.failures = 0;
        self.not_before = now.checked_add(EVERY).ok();
    }

    /// After an answer of which a part was refused with a wait: whatever the
    /// service refused, it is not asked for anything before.
    pub fn must_wait(&mut self, now: Timestamp, retry_at: Timestamp) {
        let last = now.checked_add(OBEYED).unwrap_or(retry_at);
        self.not_before = self.not_before.max(Some(retry_at.min(last)));
    }

    /// After a failure; `retry_at` is what the service asked for, `salt`
    /// differs between feeds.
    pub fn failed(&mut self, now: Timestamp, retry_at: Option<Timestamp>, salt: u64) {
        let doubled = FIRST_WAIT_S << self.failures.min(7);
        self.failures = self.failures.saturating_add(1);
        let wait_s = doubled.min(LAST_WAIT_S);
        // Up to a quarter more.
        let extra_s = i64::try_from(salt % 256).unwrap_or(0) * wait_s / 1_024;
        let own = now
            .checked_add(SignedDuration::from_secs(wait_s + extra_s))
            .ok();
        let last = now.checked_add(OBEYED).ok();
        self.not_before = own.max(retry_at.min(last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn waits_double_up_to_an_hour_and_a_good_answer_ends_them() {
        let mut pace = Pace::default();
        assert!(pace.is_due(at(0)));
        let mut waits = Vec::new();
        for _ in 0..9 {
            pace.failed(at(0), None, 0);
            waits.push(pace.not_before().unwrap().as_second());
        }
        assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
        pace.succeeded(at(9));
        assert_eq!(pace.not_before(), Some(at(609)));
        assert!(!pace.is_due(at(608)) && pace.is_due(at(609)));
    }

    #[test]
    fn what_the_service_asks_for_goes_first_but_not_for_ever() {
        let mut pace = Pace::default();
        pace.failed(at(0), Some(at(7_000)), 255);
        assert_eq!(pace.not_before(), Some(at(7_000)));
        pace.failed(at(0), Some(at(10_000_000)), 0);
        assert_eq!(pace.not_before(), Some(at(86_400)));
    }

    #[test]
    fn a_wait_for_a_part_holds_for_all_and_never_shortens_what_is_due() {
        let mut pace = Pace::default();
        pace.succeeded(at(0));
        pace.must_wait(at(0), at(60));
        assert_eq!(pace.not_before(), Some(at(600)));
        pace.must_wait(at(0), at(7_200));
        assert_eq!(pace.not_before(), Some(at(7_200)));
        pace.must_wait(at(0), at(10_000_000));
        assert_eq!(pace.not_before(), Some(at(86_400)));
    }

    /// A clock that was a year ahead for a minute silenced the feed for a year.
    #[test]
    fn a_clock_that_was_ahead_silences_nobody() {
        let mut pace = Pace::default();
        pace.succeeded(at(365 * 86_400));
        assert!(pace.is_due(at(0)));
        pace.failed(at(0), Some(at(10_000_000)), 0);
        assert!(!pace.is_due(at(0)), "a day is obeyed");
    }

    #[test]
    fn feeds_do_not_come_back_at_the_same_second() {
        let after = |salt| {
            let mut pace = Pace::default();
            pace.failed(at(0), None, salt);
            pace.not_before()
        };
        assert_ne!(after(1), after(200));
    }
}
