//! Which share of CPU time the agent sees, by the kernel's own count: steady
//! loads, a storm of short processes, and containers that are gone before
//! anyone looks.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use super::cell::Cell;
use super::meter::{Machine, Power, Watched};
use super::running::{Plan, Running};
use super::scrape::Scrape;
use super::{load_average, print, rounded};

const LENGTH: Duration = Duration::from_secs(30);
/// Containers that live for a moment, one after another.
const BRIEF: usize = 60;

/// About 60 processes a second of 1 to 20 ms of CPU time each.
pub(super) const STORM: &str = "i=0; while :; do \
    L=$(( (i * 7919) % 19000 + 1000 )); \
    (n=0; while [ $n -lt $L ]; do n=$((n+1)); done) & \
    sleep 0.015; i=$((i+1)); done";

/// Counts as it uses about 0.15 s of CPU time.
const MOMENT: &str = "n=0; while [ $n -lt 180000 ]; do n=$((n+1)); done; sleep 0.5";

/// CPU time of the whole machine, as the kernel counts it in the root group.
pub(super) fn whole_machine() -> Watched {
    Box::new(|| {
        for root in ["cpuacct", "cpu,cpuacct"] {
            let path = format!("/sys/fs/cgroup/{root}/cpuacct.usage");
            if let Ok(text) = fs::read_to_string(path) {
                return text.trim().parse().ok().map(Duration::from_nanos);
            }
        }
        let text = fs::read_to_string("/sys/fs/cgroup/cpu.stat").ok()?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("usage_usec "))?;
        line.trim().parse().ok().map(Duration::from_micros)
    })
}

/// Processors of this machine.
pub(super) fn cpus() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Agents that see the same load in different ways.
struct Agents(Vec<(&'static str, Running)>);

impl Agents {
    fn start(agent: &Path, state: &Path, sys: &Path) -> Result<Self> {
        let sys = sys.display().to_string();
        let flags = ["--meters", "rapl", "--host-sys", &sys];
        let ways: [(&str, &[&str]); 3] = [
            ("kernel programs", &[]),
            ("control groups' files", &["--cpu-time", "cgroup-files"]),
            ("process list", &["--cpu-time", "proc", "--interval", "5s"]),
        ];
        let mut agents = Vec::new();
        for (name, more) in ways {
            let plan = Plan::new(agent, &state.join(name.replace(' ', "-")))?
                .with(&flags)
                .with(more);
            agents.push((name, plan.start()?));
        }
        Ok(Self(agents))
    }

    fn scrape(&self) -> Result<Vec<(&'static str, Scrape)>> {
        self.0
            .iter()
            .map(|(name, running)| Ok((*name, running.wait_cycle()?)))
            .collect()
    }
}

/// Measures all of it.
pub(super) fn run(agent: &Path) -> Result<()> {
    let home = tempfile::tempdir()?;
    let power = Power {
        idle_watts: 20.0,
        busy_watts: 60.0,
        exponent: 1.0,
    };
    let machine = Machine::start(home.path(), power, cpus(), whole_machine(), Vec::new())?;
    let agents = Agents::start(agent, home.path(), machine.sys())?;
    storm(&agents)?;
    brief(&agents)
}

fn storm(agents: &Agents) -> Result<()> {
    let (storm, steady) = (Cell::container()?, Cell::container()?);
    let shares = [0.05, 0.1, 0.2];
    let mut others = Vec::new();
    for _ in shares {
        others.push(Cell::container()?);
    }
    let mut children = vec![storm.shell(STORM)?, steady.load("burn --share 0.29")?];
    for (cell, share) in others.iter().zip(shares) {
        children.push(cell.load(&format!("burn --share {share}"))?);
    }
    let begin = Instant::now();
    while begin.elapsed() < LENGTH {
        thread::sleep(Duration::from_secs(5));
        // A scrape on the way must change nothing.
        for (_, running) in &agents.0 {
            Scrape::take(running.address)?;
        }
    }
    for cell in [&storm, &steady].into_iter().chain(&others) {
        cell.kill();
    }
    for child in &mut children {
        child.wait()?;
    }
    let (storm_s, steady_s) = (storm.usage()?.as_secs_f64(), steady.usage()?.as_secs_f64());
    let true_share = storm_s / (storm_s + steady_s);
    for (name, scrape) in agents.scrape()? {
        let percent =
            |cell: &Cell, truth: f64| rounded(100.0 * seen_seconds(&scrape, cell) / truth, 4);
        let energy = |cell: &Cell| scrape.sum("kepler_container_cpu_joules_total", &[&id(cell)]);
        let energy_share = energy(&storm) / (energy(&storm) + energy(&steady));
        let mut worst: f64 = 0.0;
        for cell in others.iter().chain([&steady]) {
            let off = percent(cell, cell.usage()?.as_secs_f64()) - 100.0;
            worst = if off.abs() > worst.abs() { off } else { worst };
        }
        print(&json!({
            "bench": "agent/seen",
            "load": "fork storm beside steady containers",
            "of": name,
            "storm_cpu_s": rounded(storm_s, 3),
            "storm_seen_percent": percent(&storm, storm_s),
            "steady_worst_off_percent": rounded(worst, 4),
            "energy_share_off_points": rounded(100.0 * (energy_share - true_share), 3),
            "true_share_percent": rounded(100.0 * true_share, 2),
            "cross_check_ratio": scrape.sum("tanso_cpu_time_cross_check_ratio", &[]),
            "machine_load": load_average(),
        }));
    }
    Ok(())
}

fn brief(agents: &Agents) -> Result<()> {
    let mut lived = Vec::new();
    for _ in 0..BRIEF {
        let cell = Cell::container()?;
        cell.shell(MOMENT)?.wait()?;
        lived.push((cell.id.clone(), cell.usage()?.as_secs_f64()));
    }
    let truth: f64 = lived.iter().map(|(_, seconds)| seconds).sum();
    for (name, scrape) in agents.scrape()? {
        let seen: Vec<f64> = lived
            .iter()
            .map(|(id, _)| {
                let label = format!("container_id=\"{id}\"");
                scrape.sum("kepler_container_cpu_seconds_total", &[&label])
            })
            .collect();
        let named = seen.iter().filter(|seconds| **seconds > 0.0).count();
        let worst = seen
            .iter()
            .zip(&lived)
            .map(|(seen, (_, truth))| 100.0 * seen / truth)
            .fold(f64::INFINITY, f64::min);
        print(&json!({
            "bench": "agent/seen",
            "load": "containers that live a second and are removed",
            "of": name,
            "containers": BRIEF,
            "named": named,
            "cpu_s": rounded(truth, 3),
            "seen_percent": rounded(100.0 * seen.iter().sum::<f64>() / truth, 3),
            "worst_seen_percent": rounded(worst, 3),
            "machine_load": load_average(),
        }));
    }
    Ok(())
}

pub(super) fn id(cell: &Cell) -> String {
    format!("container_id=\"{}\"", cell.id)
}

fn seen_seconds(scrape: &Scrape, cell: &Cell) -> f64 {
    scrape.sum("kepler_container_cpu_seconds_total", &[&id(cell)])
}
