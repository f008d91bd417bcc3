//! How long to wait after failures in a row: doubled each time, up to a most, with
//! jitter, so that many do not come back at once.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// The first and the longest wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    first: Duration,
    most: Duration,
}

impl BackOff {
    /// Waits from `first` to `most`, before jitter.
    #[must_use]
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most }
    }

    /// The wait after so many failures in a row: half of it is certain, the other
    /// half by chance.
    #[must_use]
    pub fn after(self, failures: u32) -> Duration {
        let doubled = 1_u32 << failures.saturating_sub(1).min(16);
        let wait = self.first.saturating_mul(doubled).min(self.most);
        // A fresh RandomState hashes to a fresh random number.
        let random = u32::try_from(RandomState::new().hash_one(failures) % 1_000).unwrap_or(0);
        wait / 2 + (wait / 2).saturating_mul(random) / 1_000
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_wait_is_doubled_up_to_the_most_and_no_two_are_the_same() {
        let back_off = BackOff::new(Duration::from_secs(1), Duration::from_secs(30));
        for (failures, whole_s) in [(0, 1), (1, 1), (2, 2), (5, 16), (6, 30), (9_999, 30)] {
            let whole = Duration::from_secs(whole_s);
            let waits: HashSet<Duration> = (0..100).map(|_| back_off.after(failures)).collect();
            assert!(
                waits.iter().all(|wait| (whole / 2..whole).contains(wait)),
                "{failures}: {waits:?}"
            );
            assert!(waits.len() > 50, "{failures}: {}", waits.len());
        }
    }
}
