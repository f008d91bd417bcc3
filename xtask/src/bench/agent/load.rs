//! What the agent is measured beside: each is a process of its own.

use std::fs;
use std::io::{Read as _, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Which load.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, clap::Subcommand)]
enum Kind {
    /// Uses a share of one processor until it is killed
    Burn {
        #[arg(long)]
        share: f64,
        #[arg(long, default_value_t = 20)]
        period_ms: u64,
    },
    /// Two threads on one processor hand a byte to and fro; prints the number of switches and their CPU time
    PingPong {
        #[arg(long)]
        seconds: f64,
    },
}

/// Runs a load.
///
/// # Errors
/// When a pipe or a thread fails.
pub fn run(args: &Args) -> Result<()> {
    match args.kind {
        Kind::Burn { share, period_ms } => burn(share, Duration::from_millis(period_ms)),
        Kind::PingPong { seconds } => {
            let (switches, cpu_ns) = ping_pong(Duration::from_secs_f64(seconds))?;
            println!("{switches} {cpu_ns}");
            Ok(())
        }
    }
}

fn burn(share: f64, period: Duration) -> ! {
    let work = period.mul_f64(share.clamp(0.0, 1.0));
    loop {
        let begin = own_cpu();
        let mut n = 0_u64;
        while own_cpu().saturating_sub(begin) < work {
            for _ in 0..10_000 {
                n = std::hint::black_box(n.wrapping_add(1));
            }
        }
        thread::sleep(period.saturating_sub(work));
    }
}

/// CPU time of this thread.
fn own_cpu() -> Duration {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID);
    time.map_or(Duration::ZERO, Duration::from)
}

fn ping_pong(length: Duration) -> Result<(u64, u64)> {
    let mut first = CpuSet::new();
    first.set(0).context("processor 0")?;
    sched_setaffinity(Pid::from_raw(0), &first).context("staying on processor 0")?;
    let (mut hears, mut calls) = std::io::pipe()?;
    let (mut hears_back, mut calls_back) = std::io::pipe()?;
    let other = thread::spawn(move || -> std::io::Result<()> {
        let mut byte = [0];
        while hears.read(&mut byte)? == 1 {
            calls_back.write_all(&byte)?;
        }
        Ok(())
    });
    let begin = Instant::now();
    let before_ns = threads_cpu_ns()?;
    let mut switches = 0_u64;
    let mut byte = [0];
    while begin.elapsed() < length {
        for _ in 0..1_000 {
            calls.write_all(&byte)?;
            hears_back.read_exact(&mut byte)?;
        }
        switches += 2_000;
    }
    let cpu_ns = threads_cpu_ns()?.saturating_sub(before_ns);
    drop(calls);
    let _ = other.join();
    Ok((switches, cpu_ns))
}

/// CPU time of all threads of this process, by the scheduler's own count.
fn threads_cpu_ns() -> Result<u64> {
    let mut sum_ns = 0;
    for entry in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(entry?.path().join("schedstat"))?;
        let word = text.split(' ').next().context("an empty schedstat")?;
        sum_ns += word.parse::<u64>().context("schedstat")?;
    }
    Ok(sum_ns)
}
