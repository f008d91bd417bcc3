//! What the agent costs in a steady state, and how that grows with containers
//! and processes. Every program measured runs beside the others, under the
//! same load, each in a control group of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use super::cell::Cell;
use super::running::{Plan, Running};
use super::scrape::Scrape;
use super::{load_average, median, print, rounded};

const SCRAPE_EVERY: Duration = Duration::from_secs(5);
/// Readings of every kind of life before measuring.
const SETTLE: Duration = Duration::from_secs(8);
/// Processes that do a little, at most.
const BUSY_MAX: usize = 200;

/// How much there is beside the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    containers: usize,
    processes: usize,
}

impl FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\": accepted is CONTAINERS:PROCESSES, like 500:2200");
        let (containers, processes) = text.split_once(':').ok_or_else(wrong)?;
        Ok(Self {
            containers: containers.parse().map_err(|_| wrong())?,
            processes: processes.parse().map_err(|_| wrong())?,
        })
    }
}

/// A way to run the agent.
struct Way {
    name: &'static str,
    level: &'static str,
    flags: &'static [&'static str],
}

/// The levels of series that most scrape.
const CONTAINERS: &str = "node,container";

const WAYS: [Way; 5] = [
    Way {
        name: "kernel programs, every 1 s",
        level: CONTAINERS,
        flags: &[],
    },
    Way {
        name: "kernel programs, every 5 s",
        level: CONTAINERS,
        flags: &["--interval", "5s"],
    },
    Way {
        name: "kernel programs, every 5 s, with processes",
        level: "node,container,process",
        flags: &["--interval", "5s", "--processes-max", "30000"],
    },
    Way {
        name: "control groups' files, every 5 s",
        level: CONTAINERS,
        flags: &["--interval", "5s", "--cpu-time", "cgroup-files"],
    },
    Way {
        name: "process list, every 5 s",
        level: CONTAINERS,
        flags: &["--interval", "5s", "--cpu-time", "proc"],
    },
];

/// How to measure.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    /// For how long.
    pub(super) length: Duration,
    /// Whether scrapes ask for compressed answers.
    pub(super) gzip: bool,
}

/// Measures every size.
pub(super) fn run(agent: &Path, beside: Option<&Path>, sizes: &[Size], how: How) -> Result<()> {
    for &size in sizes {
        let _load = Beside::start(size)?;
        measure(agent, beside, size, how)?;
    }
    Ok(())
}

fn measure(agent: &Path, beside: Option<&Path>, size: Size, how: How) -> Result<()> {
    let state = tempfile::tempdir().context("a directory for the agents' states")?;
    let mut measured = Vec::new();
    for (place, way) in WAYS.iter().enumerate() {
        let plan = Plan::new(agent, &state.path().join(place.to_string()))?
            .with(&["--meters", "fake", "--metrics-level", way.level])
            .with(way.flags);
        let running = plan.start()?;
        measured.push((way.name, Measured::Agent(running)));
    }
    if let Some(program) = beside {
        measured.push(("node_exporter", Measured::Other(Other::start(program)?)));
    }
    thread::sleep(SETTLE);
    let begin = Instant::now();
    let mut before = Vec::new();
    for (_, one) in &measured {
        before.push(one.cpu()?);
    }
    let mut scrapes: Vec<Vec<Scrape>> = measured.iter().map(|_| Vec::new()).collect();
    let scrape = if how.gzip {
        Scrape::compressed
    } else {
        Scrape::take
    };
    while begin.elapsed() < how.length {
        for ((_, one), scrapes) in measured.iter().zip(&mut scrapes) {
            scrapes.push(scrape(one.address())?);
        }
        let rounds = u32::try_from(scrapes.first().map_or(1, Vec::len)).unwrap_or(1);
        thread::sleep((SCRAPE_EVERY * rounds).saturating_sub(begin.elapsed()));
    }
    let minutes = begin.elapsed().as_secs_f64() / 60.0;
    for (((name, one), before), scrapes) in measured.iter().zip(before).zip(scrapes) {
        let cpu = one.cpu()?.saturating_sub(before);
        let mut times: Vec<f64> = scrapes
            .iter()
            .map(|scrape| scrape.took.as_secs_f64() * 1e3)
            .collect();
        let (rss, with_maps) = one.memory();
        let last = Scrape::take(one.address())?;
        print(&json!({
            "bench": "agent/steady",
            "containers": size.containers,
            "processes": size.processes,
            "of": name,
            "cpu_s_per_min": rounded(cpu.as_secs_f64() / minutes, 4),
            "rss_mib": mebibytes(rss),
            "rss_and_maps_mib": mebibytes(with_maps),
            "scraped": if how.gzip { "gzip" } else { "plain" },
            "scrape_ms_median": rounded(median(&mut times), 2),
            "scrape_bytes": last.bytes,
            "scrape_gzip_bytes": Scrape::compressed(one.address())?.bytes,
            "series": last.series(),
            "cycle_ms": rounded(last.sum("tanso_cycle_last_seconds", &[]) * 1e3, 3),
            "load": load_average(),
        }));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a memory's size, for display")]
fn mebibytes(bytes: u64) -> f64 {
    rounded(bytes as f64 / f64::from(1 << 20), 1)
}

enum Measured {
    Agent(Running),
    Other(Other),
}

impl Measured {
    fn cpu(&self) -> Result<Duration> {
        match self {
            Self::Agent(agent) => agent.cpu(),
            Self::Other(other) => other.cell.usage(),
        }
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Agent(agent) => agent.address,
            Self::Other(_) => SocketAddr::from(([127, 0, 0, 1], 9100)),
        }
    }

    fn memory(&self) -> (u64, u64) {
        match self {
            Self::Agent(agent) => agent.memory(),
            Self::Other(other) => {
                let pid = other.child.id();
                let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
                let pages = text.split(' ').nth(1).and_then(|word| word.parse().ok());
                let bytes = pages.unwrap_or(0_u64) * 4096;
                (bytes, bytes)
            }
        }
    }
}

/// Another exporter, for comparison.
struct Other {
    child: Child,
    cell: Cell,
}

impl Other {
    fn start(program: &Path) -> Result<Self> {
        let cell = Cell::plain("other")?;
        let child = Command::new(program)
            .arg("--web.listen-address=127.0.0.1:9100")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting \"{}\"", program.display()))?;
        cell.take(child.id())?;
        Ok(Self { child, cell })
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Containers full of processes.
struct Beside {
    _cells: Vec<Cell>,
    shells: Vec<Child>,
}

impl Beside {
    fn start(size: Size) -> Result<Self> {
        if size.containers == 0 || size.processes < size.containers {
            bail!("a size needs at least a container and a process in each");
        }
        let own = std::env::current_exe()?;
        let (mut cells, mut shells) = (Vec::new(), Vec::new());
        for number in 0..size.containers {
            let cell = Cell::container()?;
            // The first ones get what does not divide.
            let extra = usize::from(number < size.processes % size.containers);
            let sleeping = size.processes / size.containers + extra - 1;
            let last = if number < BUSY_MAX {
                format!(
                    "exec '{}' bench load burn --share 0.0005 --period-ms 400",
                    own.display()
                )
            } else {
                "exec sleep infinity".to_owned()
            };
            let script = format!(
                "i=0; while [ $i -lt {sleeping} ]; do sleep infinity & i=$((i+1)); done; {last}"
            );
            shells.push(cell.shell(&script)?);
            cells.push(cell);
        }
        thread::sleep(Duration::from_secs(3));
        Ok(Self {
            _cells: cells,
            shells,
        })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        for shell in &mut self.shells {
            let _ = shell.kill();
            let _ = shell.wait();
        }
    }
}
