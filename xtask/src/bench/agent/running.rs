//! A running agent: its start, its cost, its end.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::cell::Cell;
use super::scrape::Scrape;
use crate::process;

const START_MAX: Duration = Duration::from_mins(2);

/// How to start an agent.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    program: PathBuf,
    state: PathBuf,
    address: SocketAddr,
    flags: Vec<String>,
}

impl Plan {
    /// An agent with its state in `state`, on a port of its own.
    pub(super) fn new(program: &Path, state: &Path) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .context("finding a free port")?;
        Ok(Self {
            program: program.to_owned(),
            state: state.to_owned(),
            address,
            flags: Vec::new(),
        })
    }

    /// With more flags.
    pub(super) fn with(mut self, flags: &[&str]) -> Self {
        self.flags
            .extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// Starts it in a control group of its own, and waits for its first
    /// figures.
    pub(super) fn start(&self) -> Result<Running> {
        let cell = Cell::plain(&format!("agent-{}", self.address.port()))?;
        let log = self.state.join("agent.log");
        fs::create_dir_all(&self.state)?;
        let file = fs::File::options().create(true).append(true).open(&log)?;
        let mut command = Command::new(&self.program);
        command
            .args(["--listen", &self.address.to_string()])
            .arg("--state-dir")
            .arg(&self.state)
            .args(["--kubernetes", "off"])
            .args(&self.flags)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let child = command
            .spawn()
            .with_context(|| format!("starting `{}`", process::shown(&command)))?;
        cell.take(child.id())?;
        let mut running = Running {
            child,
            cell,
            address: self.address,
            log,
        };
        running.wait_ready()?;
        Ok(running)
    }
}

/// An agent; killed when it is dropped.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    cell: Cell,
    pub(super) address: SocketAddr,
    log: PathBuf,
}

impl Running {
    fn wait_ready(&mut self) -> Result<()> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "the agent ended: {status}\n{}",
                    process::tail(&self.log, 3000)
                );
            }
            let cycles = Scrape::take(self.address)
                .map(|scrape| scrape.sum("tanso_cycles_total", &[]))
                .unwrap_or_default();
            if cycles >= 1.0 {
                return Ok(());
            }
            if begin.elapsed() > START_MAX {
                bail!(
                    "the agent gave no figures\n{}",
                    process::tail(&self.log, 3000)
                );
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until one more reading is whole.
    pub(super) fn wait_cycle(&self) -> Result<Scrape> {
        let cycles = |scrape: &Scrape| scrape.sum("tanso_cycles_total", &[]);
        let first = cycles(&Scrape::take(self.address)?);
        let begin = Instant::now();
        loop {
            let scrape = Scrape::take(self.address)?;
            // The one that runs now may have begun before.
            if cycles(&scrape) >= first + 2.0 {
                return Ok(scrape);
            }
            if begin.elapsed() > START_MAX {
                bail!("the agent reads no more");
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// CPU time of it, all threads, as the kernel counts it.
    pub(super) fn cpu(&self) -> Result<Duration> {
        self.cell.usage()
    }

    /// Memory in RAM, bytes: without and with the kernel's for its maps.
    pub(super) fn memory(&self) -> (u64, u64) {
        let pid = self.child.id();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let rss = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok())
            .unwrap_or_default()
            * 1024;
        (rss, rss + maps(pid))
    }

    /// Kills it as a power cut of the process would, and starts it again.
    pub(super) fn kill_and_restart(mut self, plan: &Plan) -> Result<Self> {
        self.child.kill()?;
        self.child.wait()?;
        drop(self);
        plan.start()
    }
}

/// Memory that the kernel holds for the process' BPF maps, bytes.
fn maps(pid: u32) -> u64 {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else {
        return 0;
    };
    entries
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .filter(|text| text.contains("map_type:"))
        .filter_map(|text| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("memlock:"))?;
            line.trim().parse::<u64>().ok()
        })
        .sum()
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
