//! The agent's benchmark: real agents, real control groups, real processes;
//! only the machine's power is a fixture.
//!
//! Each part prints JSON lines with its figures and, where there is one, the
//! target. Wall time means little on a busy machine: costs are CPU seconds as
//! the kernel counts them, and comparisons are made within one run.

mod accuracy;
mod cell;
pub mod load;
mod meter;
mod running;
mod scrape;
mod seen;
pub mod soak;
mod steady;
mod switches;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::{ebpf, process, workspace};

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// What a context switch and a process' end cost
    Switches,
    /// What the agent costs beside many containers and processes
    Steady,
    /// Which share of short and long lives the agent sees
    Seen,
    /// How exact energy is attributed, against a known truth
    Accuracy,
}

/// What to run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these parts
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Agent to measure [default: built with the release profile]
    #[arg(long)]
    agent: Option<PathBuf>,
    /// Another agent's program that is measured beside, and serves /metrics on port 9100, as `node_exporter` does
    #[arg(long)]
    beside: Option<PathBuf>,
    /// Seconds that each steady state is measured
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Scrape the steady states as Prometheus does, compressed
    #[arg(long)]
    gzip: bool,
    /// Sizes of the steady state, CONTAINERS:PROCESSES
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "50:200,500:2200,5000:20000"
    )]
    sizes: Vec<steady::Size>,
}

/// Runs the parts.
///
/// # Errors
/// When the agent does not build or start, or this machine has no control
/// groups to make.
pub fn run(args: &Args) -> Result<()> {
    let agent = agent(args.agent.as_ref())?;
    print(&machine());
    let all = [Part::Switches, Part::Seen, Part::Accuracy, Part::Steady];
    for part in all {
        if !args.only.is_empty() && !args.only.contains(&part) {
            continue;
        }
        match part {
            Part::Switches => switches::run(&agent)?,
            Part::Steady => {
                let how = steady::How {
                    length: Duration::from_secs(args.seconds),
                    gzip: args.gzip,
                };
                steady::run(&agent, args.beside.as_deref(), &args.sizes, how)?;
            }
            Part::Seen => seen::run(&agent)?,
            Part::Accuracy => accuracy::run(&agent)?,
        }
    }
    Ok(())
}

/// The agent to measure; built unless one is given.
fn agent(given: Option<&PathBuf>) -> Result<PathBuf> {
    if !nix::unistd::geteuid().is_root() {
        bail!("the benchmark makes control groups and loads kernel programs: run it as root");
    }
    if let Some(path) = given {
        return fs::canonicalize(path).with_context(|| format!("agent \"{}\"", path.display()));
    }
    ebpf::ensure_built()?;
    let mut command = Command::new("cargo");
    command
        .current_dir(workspace::root())
        .args(["build", "--release", "--package", "tanso-agent"]);
    ebpf::give(&mut command);
    process::run(&mut command)?;
    Ok(workspace::target_dir().join("release/tanso-agent"))
}

/// What the figures were measured on.
fn machine() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .and_then(|line| line.split_once(": "))
        .map_or("", |(_, model)| model);
    let cpus = cpuinfo
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    json!({
        "bench": "machine",
        "date": jiff::Zoned::now().date().to_string(),
        "cpu": model,
        "cpus": cpus,
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load": load_average(),
    })
}

/// Other work on the machine: the mean of the last minute.
fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or_default()
}

fn print(line: &Value) {
    println!("{line}");
}

/// To as many places as mean something.
fn rounded(value: f64, places: i32) -> f64 {
    let unit = 10_f64.powi(places);
    (value * unit).round() / unit
}

/// The middle of the values; 0 of none.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
