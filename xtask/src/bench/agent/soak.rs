//! The agent under churn, and killed again and again: whether a microjoule is
//! lost or made, and whether a counter ever falls.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::cell::Cell;
use super::meter::{Machine, Power};
use super::running::{Plan, Running};
use super::scrape::Scrape;
use super::seen::{STORM, cpus, whole_machine};
use super::{load_average, print};

/// Between two looks at the counters.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long, and how often killed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Minutes of churn
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// How often the agent is killed and started again meanwhile
    #[arg(long, default_value_t = 0)]
    kills: u32,
    /// Agent to measure [default: built with the release profile]
    #[arg(long)]
    agent: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// When a counter falls, a microjoule is missing or made, or nothing runs.
pub fn run(args: &Args) -> Result<()> {
    let agent = super::agent(args.agent.as_ref())?;
    print(&super::machine());
    let home = tempfile::tempdir()?;
    let power = Power {
        idle_watts: 40.0,
        busy_watts: 90.0,
        exponent: 0.8,
    };
    let machine = Machine::start(home.path(), power, cpus(), whole_machine(), Vec::new())?;
    machine.pause(true);
    let sys = machine.sys().display().to_string();
    let plan = Plan::new(&agent, &home.path().join("state"))?.with(&[
        "--meters",
        "rapl",
        "--host-sys",
        &sys,
    ]);
    let mut running = plan.start()?;
    running.wait_cycle()?;
    let begin_uj = machine.total_uj();
    machine.pause(false);
    let churn = Churn::start()?;
    let length = Duration::from_secs_f64(args.minutes * 60.0);
    let mut counters = Counters::default();
    let mut kills = 0;
    let begin = Instant::now();
    while begin.elapsed() < length || kills < args.kills {
        let due = length.mul_f64(f64::from(kills + 1) / f64::from(args.kills + 1));
        if kills < args.kills && begin.elapsed() >= due {
            running = running.kill_and_restart(&plan)?;
            kills += 1;
        }
        counters.look(&Scrape::take(running.address)?);
        let next = length.mul_f64(f64::from(kills + 1) / f64::from(args.kills + 1));
        let pause = next.saturating_sub(begin.elapsed()).min(LOOK_EVERY);
        thread::sleep(pause.max(Duration::from_millis(100)));
    }
    let containers = churn.stop();
    machine.pause(true);
    let last = settled(&running)?;
    counters.look(&last);
    let meter_uj = machine.total_uj() - begin_uj;
    let sum = |family: &str| microjoules(last.samples(family, &[]));
    let (parts_uj, total_uj) = (
        sum("tanso_account_joules_total"),
        sum("tanso_node_cpu_non_overlapping_joules_total"),
    );
    print(&json!({
        "bench": "agent/soak",
        "minutes": args.minutes,
        "kills": kills,
        "containers_made_and_removed": containers,
        "looks": counters.looks,
        "counters_watched": counters.last.len(),
        "counters_fallen": counters.fallen,
        "meter_uj": meter_uj,
        "sum_of_parts_uj": parts_uj,
        "parts_less_meter_uj": difference(parts_uj, meter_uj),
        "total_less_meter_uj": difference(total_uj, meter_uj),
        "caught_up_uj": sum("tanso_caught_up_joules_total"),
        "cross_check_ratio": last.sum("tanso_cpu_time_cross_check_ratio", &[]),
        "load": load_average(),
    }));
    for name in &counters.names {
        print(&json!({ "bench": "agent/soak", "fallen": name }));
    }
    ensure!(counters.fallen == 0, "counters fell");
    ensure!(
        parts_uj == meter_uj && total_uj == meter_uj,
        "energy was lost or made"
    );
    Ok(())
}

/// The figures when all that the meter counted is charged.
fn settled(running: &Running) -> Result<Scrape> {
    running.wait_cycle()?;
    running.wait_cycle()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "joules of a trial, not negative; each exact to the microjoule as a decimal"
)]
fn microjoules(joules: impl Iterator<Item = f64>) -> u64 {
    joules.map(|joules| (joules * 1e6).round() as u64).sum()
}

fn difference(one: u64, other: u64) -> i64 {
    let sign = if one < other { -1 } else { 1 };
    i64::try_from(one.abs_diff(other)).unwrap_or(i64::MAX) * sign
}

/// Every counter that was ever seen.
#[derive(Debug, Default)]
struct Counters {
    last: HashMap<String, f64>,
    looks: u64,
    fallen: u64,
    names: Vec<String>,
}

impl Counters {
    fn look(&mut self, scrape: &Scrape) {
        self.looks += 1;
        for family in [
            "kepler_node_cpu_joules_total",
            "kepler_node_cpu_active_joules_total",
            "kepler_node_cpu_idle_joules_total",
            "kepler_container_cpu_joules_total",
            "kepler_container_cpu_seconds_total",
            "kepler_pod_cpu_joules_total",
            "tanso_account_joules_total",
            "tanso_account_cpu_seconds_total",
            "tanso_node_cpu_non_overlapping_joules_total",
        ] {
            for line in scrape.lines(family, &[]) {
                let Some((series, value)) = line.rsplit_once(' ') else {
                    continue;
                };
                let Ok(value) = value.parse::<f64>() else {
                    continue;
                };
                // A series ends with its container; the figure goes on.
                let series = series.replace("state=\"terminated\"", "state=\"running\"");
                let before = self.last.insert(series.clone(), value).unwrap_or_default();
                if value < before {
                    self.fallen += 1;
                    self.names.push(format!("{series}: {before}, then {value}"));
                }
            }
        }
    }
}

/// Containers that come and go, storms in them, and steady ones beside.
struct Churn {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
    threads: Vec<thread::JoinHandle<()>>,
    steady: Vec<(Cell, std::process::Child)>,
}

impl Churn {
    fn start() -> Result<Self> {
        let (stop, made) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut steady = Vec::new();
        for share in [0.05, 0.1] {
            let cell = Cell::container()?;
            let child = cell.load(&format!("burn --share {share}"))?;
            steady.push((cell, child));
        }
        let storm = Cell::container()?;
        let child = storm.shell(STORM)?;
        steady.push((storm, child));
        let threads = (0..2_u64)
            .map(|_| {
                let (stop, made) = (Arc::clone(&stop), Arc::clone(&made));
                thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let _ = brief().map(|()| made.fetch_add(1, Ordering::Relaxed));
                    }
                })
            })
            .collect();
        Ok(Self {
            stop,
            made,
            threads,
            steady,
        })
    }

    fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        for (cell, mut child) in self.steady.drain(..) {
            cell.kill();
            let _ = child.wait();
        }
        self.made.load(Ordering::Relaxed)
    }
}

/// A container that lives for about half a second.
fn brief() -> Result<()> {
    let cell = Cell::container()?;
    cell.shell("n=0; while [ $n -lt 30000 ]; do n=$((n+1)); done; sleep 0.4")?
        .wait()
        .context("a container's process")?;
    Ok(())
}
