//! How exact energy is attributed, against a machine whose power is known:
//! our method, and the ratio method at a poller's pace, given exact CPU times.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use super::cell::Cell;
use super::meter::{Machine, Power, Watched};
use super::running::{Plan, Running};
use super::seen::{STORM, cpus, id, whole_machine};
use super::{load_average, print, rounded};

/// In which the agent learns what idle is.
const LEARN: Duration = Duration::from_mins(1);
const LENGTH: Duration = Duration::from_mins(1);
/// A poller's interval.
const POLL: Duration = Duration::from_secs(5);

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
        idle_watts: 50.0,
        busy_watts: 100.0,
        exponent,
    };
    let mut cells = Vec::new();
    for _ in &LOADS {
        cells.push(Cell::container()?);
    }
    let watched: Vec<Watched> = cells.iter().map(Cell::watch).collect();
    let machine = Machine::start(home.path(), power, cpus(), whole_machine(), watched)?;
    let sys = machine.sys().display().to_string();
    let plan = Plan::new(agent, &home.path().join("state"))?.with(&[
        "--meters",
        "rapl",
        "--host-sys",
        &sys,
    ]);
    let running = plan.start()?;
    // From idle to full load, as a day brings it.
    let ramp = Cell::plain("ramp")?;
    for percent in [10, 40, 80] {
        let mut child = ramp.load(&format!("burn --share 0.{percent:02}"))?;
        thread::sleep(LEARN / 3);
        child.kill()?;
        child.wait()?;
    }
    let mut children = Vec::new();
    for (cell, (_, load)) in cells.iter().zip(&LOADS) {
        children.push(match load {
            Load::Own(words) => cell.load(words)?,
            Load::Shell(script) => cell.shell(script)?,
        });
    }
    let (ratio, truth, ours) = compare(&running, &machine, &cells)?;
    for cell in &cells {
        cell.kill();
    }
    for child in &mut children {
        child.wait()?;
    }
    for (place, (name, _)) in LOADS.iter().enumerate() {
        let at = |values: &[f64]| values.get(place).copied().unwrap_or_default();
        let (truth, ours, ratio) = (at(&truth), at(&ours), at(&ratio));
        let off = |value: f64| rounded(100.0 * (value / truth - 1.0), 2);
        print(&json!({
            "bench": "agent/accuracy",
            "power": if exponent < 1.0 { "concave" } else { "linear" },
            "workload": name,
            "true_joules": rounded(truth, 2),
            "ours_off_percent": off(ours),
            "ratio_method_off_percent": off(ratio),
            "load": load_average(),
        }));
    }
    Ok(())
}

/// Joules by workload: by the ratio method, as they were, and as the agent
/// says.
fn compare(
    running: &Running,
    machine: &Machine,
    cells: &[Cell],
) -> Result<(Vec<f64>, Vec<f64>, Vec<f64>)> {
    let all = whole_machine();
    let told = |scrape: &super::scrape::Scrape| -> Vec<f64> {
        let energy = |cell: &Cell| {
            scrape.sum(
                "kepler_container_cpu_joules_total",
                &[&id(cell), "zone=\"package\""],
            )
        };
        cells.iter().map(energy).collect()
    };
    let used = || -> Result<Vec<f64>> {
        cells
            .iter()
            .map(|cell| Ok(cell.usage()?.as_secs_f64()))
            .collect()
    };
    let busy = || all().unwrap_or_default().as_secs_f64();
    let before = told(&running.wait_cycle()?);
    let (truth_before, begin) = (machine.truth(), Instant::now());
    let mut ratio = vec![0.0; cells.len()];
    let (mut energy_then, mut busy_then, mut used_then) = (machine.truth().total, busy(), used()?);
    let mut then = Instant::now();
    while begin.elapsed() < LENGTH {
        thread::sleep(POLL);
        let (energy, busy, used) = (machine.truth().total, busy(), used()?);
        let seconds = then.elapsed().as_secs_f64();
        then = Instant::now();
        #[expect(clippy::cast_precision_loss, reason = "a number of processors")]
        let share = ((busy - busy_then) / (seconds * cpus() as f64)).min(1.0);
        let active = (energy - energy_then) * share;
        for ((sum, now), before) in ratio.iter_mut().zip(&used).zip(&used_then) {
            *sum += active * (now - before) / (busy - busy_then);
        }
        (energy_then, busy_then, used_then) = (energy, busy, used);
    }
    let after = told(&running.wait_cycle()?);
    let truth_after = machine.truth();
    let since = |after: &[f64], before: &[f64]| -> Vec<f64> {
        after
            .iter()
            .zip(before)
            .map(|(after, before)| after - before)
            .collect()
    };
    Ok((
        ratio,
        since(&truth_after.by_group, &truth_before.by_group),
        since(&after, &before),
    ))
}
