//! What a context switch and a process' end cost while the agent runs.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::cell::Cell;
use super::running::{Plan, Running};
use super::scrape::Scrape;
use super::{load_average, median, print, rounded};

/// Rounds with and without an agent, in turn.
const ROUNDS: usize = 7;
/// Length of one.
const SECONDS: f64 = 1.5;
/// Pairs of processes that hand a byte to and fro at one time, each in a group
/// of its own, so that nothing stays in the caches.
const COLD_PAIRS: usize = 48;
const STATS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Measures all of it.
pub(super) fn run(agent: &Path) -> Result<()> {
    default_mode(agent)?;
    time_resolved(agent)?;
    process_end(agent)
}

fn default_mode(agent: &Path) -> Result<()> {
    let state = tempfile::tempdir()?;
    let plan = Plan::new(agent, state.path())?.with(&["--meters", "fake"]);
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(ping_pong()?);
        let running = plan.start()?;
        with.push(ping_pong()?);
        drop(running);
    }
    let spread = spread(&without);
    let (without, with) = (median(&mut without), median(&mut with));
    print(&json!({
        "bench": "agent/switch",
        "mode": "default",
        "ns_per_switch_without": rounded(without, 1),
        "ns_per_switch_with": rounded(with, 1),
        "added_percent": rounded(100.0 * (with / without - 1.0), 2),
        "noise_percent": rounded(100.0 * spread / without, 2),
        "rounds": ROUNDS,
        "load": load_average(),
    }));
    Ok(())
}

/// From the lowest to the highest.
fn spread(values: &[f64]) -> f64 {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    high - low
}

/// CPU nanoseconds per switch.
fn ping_pong() -> Result<f64> {
    let own = std::env::current_exe()?;
    let output = Command::new(own)
        .args([
            "bench",
            "load",
            "ping-pong",
            "--seconds",
            &SECONDS.to_string(),
        ])
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (switches, cpu_ns) = text.trim().split_once(' ').context("ping-pong")?;
    Ok(cpu_ns.parse::<f64>()? / switches.parse::<f64>()?)
}

fn time_resolved(agent: &Path) -> Result<()> {
    let state = tempfile::tempdir()?;
    let running = Plan::new(agent, state.path())?
        .with(&[
            "--meters",
            "fake",
            "--time-resolved",
            "on",
            "--empty-program",
        ])
        .start()?;
    let _stats = Stats::on()?;
    for (cache, pairs, target_ns) in [("warm", 1, 20.0), ("cold", COLD_PAIRS, 40.0)] {
        let before = Costs::of(&running)?;
        together(pairs)?;
        let after = Costs::of(&running)?;
        let program_ns = after.mean_ns_since(&before, &["task_ran"]);
        let empty_ns = after.mean_ns_since(&before, &["nothing"]);
        print(&json!({
            "bench": "agent/switch",
            "mode": "time-resolved",
            "cache": cache,
            "pairs": pairs,
            "ns_per_event": rounded(program_ns, 1),
            "empty_ns_per_event": rounded(empty_ns, 1),
            "net_ns": rounded(program_ns - empty_ns, 1),
            "target_ns": target_ns,
            "load": load_average(),
        }));
    }
    Ok(())
}

/// Pairs at one time, each in a container of its own.
fn together(pairs: usize) -> Result<()> {
    let mut running = Vec::new();
    for _ in 0..pairs {
        let cell = Cell::container()?;
        let child = cell.load("ping-pong --seconds 4 > /dev/null")?;
        running.push((child, cell));
    }
    for (child, _) in &mut running {
        child.wait()?;
    }
    Ok(())
}

fn process_end(agent: &Path) -> Result<()> {
    let state = tempfile::tempdir()?;
    let running = Plan::new(agent, state.path())?
        .with(&["--meters", "fake"])
        .start()?;
    let _stats = Stats::on()?;
    let cell = Cell::container()?;
    let before = Costs::of(&running)?;
    let storm = "i=0; while [ $i -lt 3000 ]; do (:) & (n=0; while [ $n -lt 500 ]; do n=$((n+1)); done); \
                 i=$((i+1)); done; wait";
    cell.shell(storm)?.wait()?;
    // The kernel frees a task some milliseconds after its end.
    std::thread::sleep(Duration::from_secs(1));
    let after = Costs::of(&running)?;
    let mean = |programs: &[&str]| after.mean_ns_since(&before, programs);
    let end_ns = mean(&["task_ends"]) + mean(&["task_freed"]);
    print(&json!({
        "bench": "agent/process-end",
        "end_ns": rounded(mean(&["task_ends"]), 0),
        "free_ns": rounded(mean(&["task_freed"]), 0),
        "end_and_free_us": rounded(end_ns / 1e3, 3),
        "target_us": 3.5,
        "fork_ns": rounded(mean(&["task_made"]), 0),
        "ends": after.runs_since(&before, "task_ends"),
        "load": load_average(),
    }));
    Ok(())
}

/// The kernel's statistics of programs, on while this lives.
struct Stats(String);

impl Stats {
    fn on() -> Result<Self> {
        let before = fs::read_to_string(STATS).context("run statistics of kernel programs")?;
        fs::write(STATS, "1").context("run statistics of kernel programs")?;
        Ok(Self(before))
    }
}

impl Drop for Stats {
    fn drop(&mut self) {
        let _ = fs::write(STATS, &self.0);
    }
}

/// What the kernel says of the agent's programs.
struct Costs(Scrape);

impl Costs {
    fn of(running: &Running) -> Result<Self> {
        running.wait_cycle().map(Self)
    }

    fn runs_since(&self, before: &Self, program: &str) -> f64 {
        let label = format!("program=\"{program}\"");
        let of = |costs: &Self| costs.0.sum("tanso_kernel_program_runs_total", &[&label]);
        of(self) - of(before)
    }

    fn mean_ns_since(&self, before: &Self, programs: &[&str]) -> f64 {
        let (mut seconds, mut runs) = (0.0, 0.0);
        for program in programs {
            let label = format!("program=\"{program}\"");
            let of = |costs: &Self| costs.0.sum("tanso_kernel_program_seconds_total", &[&label]);
            seconds += of(self) - of(before);
            runs += self.runs_since(before, program);
        }
        if runs > 0.0 {
            seconds * 1e9 / runs
        } else {
            0.0
        }
    }
}
