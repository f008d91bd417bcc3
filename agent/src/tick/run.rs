//! The thread that reads: at a fixed pace on the wall clock's grid.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tanso_runtime::{Health, heap};

use super::Cycle;
use crate::clock::Now;
use crate::kernel::pages;

/// After so long everything that runs once has run.
const STARTED: Duration = Duration::from_secs(30);

/// Reads every `interval` (asked each time) until `stop` is closed, then once more, so that
/// nothing that ran is left for the next process to reconstruct.
pub fn run(
    mut cycle: Cycle,
    interval: impl Fn() -> Duration,
    stop: &Receiver<()>,
    health: &Health,
) {
    let (begun, mut has_started) = (Instant::now(), false);
    let pause = |cycle: &Cycle| until_next(Now::read().unix_ms, cycle.pace(interval()));
    while stop.recv_timeout(pause(&cycle)) == Err(RecvTimeoutError::Timeout) {
        cycle.tick(Now::read());
        health.ready(crate::READINESS);
        if !has_started && begun.elapsed() >= STARTED {
            has_started = true;
            heap::give_back();
            if let Err(fault) = pages::let_go_of_program() {
                tracing::debug!(%fault, "pages of the start stay in memory");
            }
        }
    }
    cycle.tick(Now::read());
}

/// The time to the next multiple of `interval`: readings fall on whole
/// seconds, and minutes end with a reading.
fn until_next(now_ms: i64, interval: Duration) -> Duration {
    let interval_ms = i64::try_from(interval.as_millis())
        .unwrap_or(i64::MAX)
        .max(1);
    let past_ms = now_ms.rem_euclid(interval_ms);
    Duration::from_millis((interval_ms - past_ms).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_fall_on_whole_seconds() {
        let second = Duration::from_secs(1);
        assert_eq!(until_next(5_250, second), Duration::from_millis(750));
        assert_eq!(until_next(5_000, second), second);
    }
}
