//! Burns CPU time, measured by the kernel's own clocks.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

const PERIOD: Duration = Duration::from_millis(20);

/// Burns until this process has used that much CPU time, its start included.
pub(crate) fn process_until(target: Duration) {
    while used(ClockId::CLOCK_PROCESS_CPUTIME_ID) < target {
        work();
    }
}

/// Burns a share of one core in short slices, for a time or for ever.
pub(crate) fn steadily(share: f64, time: Option<Duration>) {
    let started = Instant::now();
    let first = used(ClockId::CLOCK_THREAD_CPUTIME_ID);
    loop {
        let elapsed = started.elapsed();
        if time.is_some_and(|time| elapsed >= time) {
            return;
        }
        // By the whole time so far: what a busy machine delayed is caught up.
        let due = first + (elapsed + PERIOD).mul_f64(share);
        let slice = Instant::now();
        while used(ClockId::CLOCK_THREAD_CPUTIME_ID) < due && slice.elapsed() < PERIOD {
            work();
        }
        thread::sleep(PERIOD.saturating_sub(slice.elapsed()));
    }
}

fn work() {
    let mut value = 0x9e37_79b9_u32;
    for _ in 0..2_000 {
        value = black_box(value.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    }
}

fn used(clock: ClockId) -> Duration {
    clock_gettime(clock).map_or(Duration::MAX, Duration::from)
}
