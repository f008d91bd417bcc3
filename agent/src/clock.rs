//! Two clocks read as one instant: since boot, sleep included, and by the
//! wall. Lengths come from the first, minutes from the second.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// An instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Nanoseconds since boot, sleep included; the same for all processes.
    pub boot_ns: u64,
    /// Milliseconds of Unix time.
    pub unix_ms: i64,
}

impl Now {
    /// This instant.
    #[must_use]
    pub fn read() -> Self {
        let wall = clock_gettime(ClockId::Realtime);
        Self {
            boot_ns: nanoseconds(clock_gettime(ClockId::Boottime)),
            unix_ms: wall
                .tv_sec
                .saturating_mul(1_000)
                .saturating_add(wall.tv_nsec / 1_000_000),
        }
    }

    /// The time since an earlier instant of the same boot.
    #[must_use]
    pub const fn since(self, earlier_boot_ns: u64) -> Duration {
        Duration::from_nanos(self.boot_ns.saturating_sub(earlier_boot_ns))
    }
}

/// CPU time that this process has used.
#[must_use]
pub fn own_cpu() -> Duration {
    Duration::from_nanos(nanoseconds(clock_gettime(ClockId::ProcessCPUTime)))
}

/// CPU time that this thread has used.
#[must_use]
pub fn thread_cpu() -> Duration {
    Duration::from_nanos(nanoseconds(clock_gettime(ClockId::ThreadCPUTime)))
}

fn nanoseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// Longer times are split by the hour, shorter ones belong to one minute.
const ONE_MINUTE_MAX: Duration = Duration::from_secs(90);
const HOUR_MS: i64 = 3_600_000;
/// No more than what a journal keeps is split by the hour.
const SPLIT_MAX_MS: i64 = 48 * HOUR_MS;

/// The minutes that a time ending at `end_ms` is booked in, rising, each with
/// the length of its part: one minute, the middle's, for a reading interval;
/// for a longer time the first minute of its part of each hour, so that every
/// joule comes to stand in its hour.
#[must_use]
pub fn minutes(end_ms: i64, elapsed: Duration) -> Vec<(i64, u64)> {
    let length_ms = i64::try_from(elapsed.as_millis())
        .unwrap_or(i64::MAX)
        .min(SPLIT_MAX_MS);
    let begin_ms = end_ms.saturating_sub(length_ms);
    if elapsed <= ONE_MINUTE_MAX {
        return vec![(minute_of(begin_ms + length_ms / 2), 1)];
    }
    let mut pieces = Vec::new();
    let mut at_ms = begin_ms;
    while at_ms < end_ms {
        let hour_end_ms = (at_ms.div_euclid(HOUR_MS) + 1) * HOUR_MS;
        let piece_end_ms = hour_end_ms.min(end_ms);
        pieces.push((minute_of(at_ms), piece_end_ms.abs_diff(at_ms)));
        at_ms = piece_end_ms;
    }
    pieces
}

/// The begin of the minute that holds an instant, seconds of Unix time.
fn minute_of(unix_ms: i64) -> i64 {
    unix_ms.div_euclid(60_000) * 60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_belongs_to_the_minute_of_its_middle() {
        assert_eq!(minutes(60_400, Duration::from_secs(1)), [(0, 1)]);
        assert_eq!(minutes(60_600, Duration::from_secs(1)), [(60, 1)]);
    }

    #[test]
    fn a_long_time_is_split_by_the_hour() {
        let end_ms = 2 * HOUR_MS + 1_000;
        let pieces = minutes(end_ms, Duration::from_mins(62));
        assert_eq!(
            pieces,
            [(58 * 60, 119_000), (3_600, 3_600_000), (7_200, 1_000)]
        );
    }
}
