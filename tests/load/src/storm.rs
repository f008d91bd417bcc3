//! A storm of short-lived processes, which a poller mostly never sees.

use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// What kind of storm.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Processes a second.
    pub(crate) rate: f64,
    /// The least CPU time of a process.
    pub(crate) min_ms: u64,
    /// The most CPU time of a process.
    pub(crate) max_ms: u64,
    /// Which sequence.
    pub(crate) seed: u64,
}

pub(crate) fn run(shape: &Shape) -> Result<()> {
    if shape.max_ms < shape.min_ms || shape.rate <= 0.0 {
        bail!("a storm needs --rate above 0 and --max-ms not below --min-ms");
    }
    println!(
        "{} processes a second of {} to {} ms, sequence {}",
        shape.rate, shape.min_ms, shape.max_ms, shape.seed
    );
    let step = Duration::try_from_secs_f64(1.0 / shape.rate).context("reading --rate")?;
    let mut next = Instant::now();
    let mut random = shape.seed;
    let mut running: Vec<Child> = Vec::new();
    loop {
        running.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        // Bounded: on a machine that cannot keep up the storm gets weaker, not endless.
        if running.len() < 256 {
            let us = cpu_us(&mut random, shape);
            let child = Command::new("/proc/self/exe")
                .args(["burn", &us.to_string()])
                .spawn();
            running.push(child.context("starting a process")?);
        }
        next += step;
        let now = Instant::now();
        if next < now {
            next = now;
        }
        thread::sleep(next - now);
    }
}

/// The next process' CPU time, evenly between the bounds.
fn cpu_us(random: &mut u64, shape: &Shape) -> u64 {
    let span_us = (shape.max_ms - shape.min_ms) * 1_000 + 1;
    shape.min_ms * 1_000 + split_mix(random) % span_us
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_processes_within_the_bounds() {
        let shape = Shape {
            rate: 60.0,
            min_ms: 1,
            max_ms: 20,
            seed: 7,
        };
        let draw = |seed: u64| {
            let mut random = seed;
            (0..1_000)
                .map(|_| cpu_us(&mut random, &shape))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!(draw(7).iter().all(|us| (1_000..=20_000).contains(us)));
    }
}
