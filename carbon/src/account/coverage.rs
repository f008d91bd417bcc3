//! How much of a period was seen.

use serde::{Deserialize, Serialize};
use tanso_power::Estimate;

use super::percent;

/// How much of what should have been seen was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    expected: u64,
    with_data: u64,
}

impl Coverage {
    /// So many of the expected parts (hours, or node minutes) have data; more
    /// than expected counts as all.
    #[must_use]
    pub const fn new(expected: u64, with_data: u64) -> Self {
        Self {
            expected,
            with_data: if with_data < expected {
                with_data
            } else {
                expected
            },
        }
    }

    /// The share in percent; nothing expected is nothing covered.
    #[must_use]
    pub fn percent(self) -> f64 {
        percent(self.with_data, self.expected)
    }

    /// Of these parts and others.
    #[must_use]
    pub(super) const fn and(self, other: Self) -> Self {
        Self::new(
            self.expected.saturating_add(other.expected),
            self.with_data.saturating_add(other.with_data),
        )
    }

    /// The parts with data.
    #[must_use]
    pub const fn with_data(self) -> u64 {
        self.with_data
    }

    /// The parts expected.
    #[must_use]
    pub const fn expected(self) -> u64 {
        self.expected
    }
}

/// A sum over part of a period with an upper bound for all of it: what was
/// not seen may have been like the highest estimate of what was.
pub(crate) fn of_the_whole(seen: Estimate<f64>, coverage: Coverage) -> Estimate<f64> {
    let share = coverage.percent() / 100.0;
    if share > 0.0 {
        Estimate {
            high: seen.high / share,
            ..seen
        }
    } else {
        seen
    }
}
