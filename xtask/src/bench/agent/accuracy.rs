//! How exact energy is attributed, against a machine whose power is known:
//! our method with the idle floor that it learned, and the ratio method at a
//! poller's pace, given exact CPU times.

use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use super::cell::Cell;
use super::meter::{Machine, Power, Truth, Watched};
use super::running::{Plan, Running};
use super::scrape::Scrape;
use super::seen::{STORM, cpus, id, whole_machine};
use super::{load_average, print, rounded};

/// Before measuring, half a minute each: nothing of ours runs, then from little
/// to much, as a day brings it. On a machine that is never quiet this is what a
/// line through loads and powers needs at least.
const LEARN: [u32; 4] = [0, 10, 40, 80];
const STAGE: Duration = Duration::from_secs(32);
/// A poller's interval.
const POLL: Duration = Duration::from_secs(5);
/// While measuring, the intervals with the loads and without, in turn.
const TURN: [bool; 4] = [true, true, true, false];
const TURNS: usize = 3;
const IDLE_WATTS: f64 = 50.0;

/// Loads of every kind, as shells' scripts or this program's own.
const LOADS: [(&str, Load); 4] = [
    ("steady", Load::Own("burn --share 0.3")),
    ("storm", Load::Shell(STORM)),
    (
        "bursts of 3 s",
        Load::Own("burn --share 0.4 --period-ms 6000"),
    ),
    (
        "bursts of 0.3 s",
        Load::Own("burn --share 0.3 --period-ms 1000"),
    ),
];

enum Load {
    Own(&'static str),
    Shell(&'static str),
}

/// Measures both methods under power that is linear in load, and concave.
pub(super) fn run(agent: &Path) -> Result<()> {
    for exponent in [1.0, 0.75] {
        one(agent, exponent)?;
    }
    Ok(())
}

fn one(agent: &Path, exponent: f64) -> Result<()> {
    let home = tempfile::tempdir()?;
    let power = Power {
        idle_watts: IDLE_WATTS,
        busy_watts: 100.0,
        exponent,
    };
    let shape = if exponent < 1.0 { "concave" } else { "linear" };
    let mut loads = Loads::new()?;
    let watched: Vec<Watched> = loads.cells.iter().map(Cell::watch).collect();
    let machine = Machine::start(home.path(), power, cpus(), whole_machine(), watched)?;
    let sys = machine.sys().display().to_string();
    let plan = Plan::new(agent, &home.path().join("state"))?.with(&[
        "--meters",
        "rapl",
        "--host-sys",
        &sys,
    ]);
    let running = plan.start()?;
    learn()?;
    let found = compare(&running, &machine, &mut loads)?;
    for (place, (name, _)) in LOADS.iter().enumerate() {
        let at = |values: &[f64]| values.get(place).copied().unwrap_or_default();
        let truth = at(&found.truth);
        let off = |value: f64| rounded(100.0 * (value / truth - 1.0), 2);
        print(&json!({
            "bench": "agent/accuracy",
            "power": shape,
            "workload": name,
            "true_joules": rounded(truth, 2),
            "ours_off_percent": off(at(&found.ours)),
            "ratio_method_off_percent": off(at(&found.ratio)),
            "load": load_average(),
        }));
    }
    floor(shape, &running.wait_cycle()?, &found.measured);
    Ok(())
}

/// From an idle machine to a full one.
fn learn() -> Result<()> {
    let ramp = Cell::plain("ramp")?;
    for percent in LEARN {
        if percent == 0 {
            thread::sleep(STAGE);
            continue;
        }
        let mut child = ramp.load(&format!("burn --share 0.{percent:02}"))?;
        thread::sleep(STAGE);
        child.kill()?;
        child.wait()?;
    }
    Ok(())
}

/// The workloads, each in a container of its own.
struct Loads {
    cells: Vec<Cell>,
    children: Vec<Child>,
}

impl Loads {
    fn new() -> Result<Self> {
        let mut cells = Vec::new();
        for _ in &LOADS {
            cells.push(Cell::container()?);
        }
        Ok(Self {
            cells,
            children: Vec::new(),
        })
    }

    /// Lets them run, or ends them.
    fn set(&mut self, run: bool) -> Result<()> {
        if run != self.children.is_empty() {
            return Ok(());
        }
        for (cell, (_, load)) in self.cells.iter().zip(&LOADS) {
            if !run {
                cell.kill();
                continue;
            }
            self.children.push(match load {
                Load::Own(words) => cell.load(words)?,
                Load::Shell(script) => cell.shell(script)?,
            });
        }
        if !run {
            for mut child in self.children.drain(..) {
                child.wait()?;
            }
        }
        Ok(())
    }
}

/// Joules above idle by workload: by the ratio method, as they were, and as the
/// agent says.
struct Found {
    /// What was known before and after.
    measured: [Truth; 2],
    ratio: Vec<f64>,
    truth: Vec<f64>,
    ours: Vec<f64>,
}

/// What a poller saw at one instant.
struct Poll {
    at: Instant,
    energy: f64,
    busy: f64,
    used: Vec<f64>,
}

impl Poll {
    fn now(machine: &Machine, cells: &[Cell]) -> Result<Self> {
        let used = cells.iter().map(|cell| Ok(cell.usage()?.as_secs_f64()));
        Ok(Self {
            at: Instant::now(),
            energy: machine.truth().total,
            busy: whole_machine()().unwrap_or_default().as_secs_f64(),
            used: used.collect::<Result<_>>()?,
        })
    }

    /// Adds what the ratio method gives to each since `then`.
    fn share(&self, then: &Self, sums: &mut [f64]) {
        let seconds = self.at.duration_since(then.at).as_secs_f64();
        let busy = self.busy - then.busy;
        #[expect(clippy::cast_precision_loss, reason = "a number of processors")]
        let share = (busy / (seconds * cpus() as f64)).min(1.0);
        let active = (self.energy - then.energy) * share;
        for ((sum, now), before) in sums.iter_mut().zip(&self.used).zip(&then.used) {
            *sum += active * (now - before) / busy;
        }
    }
}

fn compare(running: &Running, machine: &Machine, loads: &mut Loads) -> Result<Found> {
    let told = |scrape: &Scrape, cells: &[Cell]| -> Vec<f64> {
        let energy = |cell: &Cell| {
            scrape.sum(
                "kepler_container_cpu_joules_total",
                &[&id(cell), "zone=\"package\""],
            )
        };
        cells.iter().map(energy).collect()
    };
    let before = told(&running.wait_cycle()?, &loads.cells);
    let truth_before = machine.truth();
    let mut ratio = vec![0.0; loads.cells.len()];
    let mut then = Poll::now(machine, &loads.cells)?;
    for run in TURN.repeat(TURNS) {
        loads.set(run)?;
        thread::sleep(POLL.saturating_sub(then.at.elapsed()));
        let now = Poll::now(machine, &loads.cells)?;
        now.share(&then, &mut ratio);
        then = now;
    }
    // The last ones that ran were freed and read.
    let after = told(&running.wait_cycle()?, &loads.cells);
    let truth_after = machine.truth();
    let since = |after: &[f64], before: &[f64]| -> Vec<f64> {
        let pairs = after.iter().zip(before);
        pairs.map(|(after, before)| after - before).collect()
    };
    Ok(Found {
        ratio,
        truth: since(&truth_after.by_group, &truth_before.by_group),
        ours: since(&after, &before),
        measured: [truth_before, truth_after],
    })
}

/// The idle power that the agent learned, and where it could not, why.
fn floor(shape: &str, scrape: &Scrape, [before, after]: &[Truth; 2]) {
    let known = ["quiet", "regressed", "unused-share"];
    let of = |basis: &&str| {
        let label = format!("basis=\"{basis}\"");
        let labels = ["zone=\"package\"", label.as_str()];
        let found = scrape.samples("tanso_idle_floor_watts", &labels).next();
        found.map(|watts| ((*basis).to_owned(), watts))
    };
    let (basis, watts) = known.iter().find_map(of).unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a number of processors")]
    let all = (after.seconds - before.seconds) * cpus() as f64;
    let others = |truth: &Truth| truth.busy_seconds.0 - truth.busy_seconds.1;
    let other_percent = 100.0 * (others(after) - others(before)) / all;
    let why = match basis.as_str() {
        "quiet" => "quiet intervals were seen",
        "regressed" => "no interval was quiet; a line through loads and powers tells",
        _ => "no interval was quiet, and loads were too much alike for a line",
    };
    print(&json!({
        "bench": "agent/accuracy-floor",
        "power": shape,
        "basis": basis,
        "why": why,
        "floor_watts": rounded(watts, 2),
        "true_watts": IDLE_WATTS,
        "off_percent": rounded(100.0 * (watts / IDLE_WATTS - 1.0), 2),
        "quiet_seconds": rounded(after.quiet_seconds, 1),
        "of_seconds": rounded(after.seconds, 1),
        "other_work_percent": rounded(other_percent, 1),
        "load": load_average(),
    }));
}
