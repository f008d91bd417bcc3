//! A storm of short-lived processes, counted three ways over the same time:
//! by the agent, by the kernel's own cgroup accounting, and by a poller of
//! /proc as other tools use one.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::facts::agent_proxy;
use super::session::Session;

/// How often the poller looks: the default of the best known such tool.
const POLL: Duration = Duration::from_secs(5);

/// CPU seconds of one pod over the same time.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Storm {
    /// By the kernel's cgroup accounting.
    pub kernel_seconds: f64,
    /// By tanso's agent.
    pub agent_seconds: f64,
    /// By a poller of /proc every five seconds.
    pub poller_seconds: f64,
    /// How the agent counts CPU time.
    pub rung: String,
}

impl Storm {
    /// The agent's figure over the kernel's.
    #[must_use]
    pub fn agent_ratio(&self) -> f64 {
        self.agent_seconds / self.kernel_seconds
    }

    /// The poller's figure over the kernel's.
    #[must_use]
    pub fn poller_ratio(&self) -> f64 {
        self.poller_seconds / self.kernel_seconds
    }
}

/// Whether the pod `uid` runs on this machine.
#[must_use]
pub fn is_here(uid: &str) -> bool {
    pod_cgroup(uid).is_ok()
}

/// A count that has begun.
#[derive(Debug)]
pub struct Counting {
    agent_pod: String,
    uid: String,
    cgroup: PathBuf,
    poller: Poller,
    agent_before: f64,
    kernel_before: f64,
}

impl Counting {
    /// Begins to count the pod `uid`.
    ///
    /// # Errors
    /// When the pod has no cgroup, or the agent does not answer.
    pub fn begin(session: &Session, agent_pod: &str, uid: &str) -> Result<Self> {
        let cgroup = pod_cgroup(uid)?;
        let mut poller = Poller::default();
        poller.look(&cgroup);
        poller.seconds = 0.0;
        let (agent_before, kernel_before) = both(session, agent_pod, uid, &cgroup)?;
        Ok(Self {
            agent_pod: agent_pod.to_owned(),
            uid: uid.to_owned(),
            cgroup,
            poller,
            agent_before,
            kernel_before,
        })
    }

    /// Lets the poller look for `period`.
    pub fn watch(&mut self, period: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < period {
            thread::sleep(POLL.min(period.saturating_sub(begun.elapsed())));
            self.poller.look(&self.cgroup);
        }
    }

    /// Ends the count.
    ///
    /// # Errors
    /// When the pod is gone, or the agent does not answer.
    pub fn end(mut self, session: &Session) -> Result<Storm> {
        self.poller.look(&self.cgroup);
        let (agent, kernel) = both(session, &self.agent_pod, &self.uid, &self.cgroup)?;
        let metrics = session.raw(&format!("{}/metrics", agent_proxy(&self.agent_pod)))?;
        Ok(Storm {
            kernel_seconds: kernel - self.kernel_before,
            agent_seconds: agent - self.agent_before,
            poller_seconds: self.poller.seconds,
            rung: rung(&metrics),
        })
    }
}

/// Agent and kernel at one instant: the kernel is read just when a new agent
/// reading has come, so that both mean the same time.
fn both(session: &Session, agent_pod: &str, uid: &str, cgroup: &Path) -> Result<(f64, f64)> {
    let path = format!("{}/metrics", agent_proxy(agent_pod));
    let first = agent_seconds(&session.raw(&path)?, uid);
    let begun = Instant::now();
    loop {
        let kernel = kernel_seconds(cgroup)?;
        let now = agent_seconds(&session.raw(&path)?, uid);
        if now > first || begun.elapsed() > Duration::from_secs(10) {
            return Ok((now, kernel));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Sum over a pod's containers of what the agent exports.
fn agent_seconds(metrics: &str, uid: &str) -> f64 {
    let label = format!("pod_id=\"{uid}\"");
    metrics
        .lines()
        .filter(|line| {
            line.starts_with("kepler_container_cpu_seconds_total{") && line.contains(&label)
        })
        .filter_map(|line| {
            line.rsplit_once("} ")?
                .1
                .split(' ')
                .next()?
                .parse::<f64>()
                .ok()
        })
        .sum()
}

fn rung(metrics: &str) -> String {
    let line = metrics
        .lines()
        .find(|line| line.starts_with("tanso_cpu_time_source_info{"));
    let value = line.and_then(|line| line.split("rung=\"").nth(1)?.split('"').next());
    value.unwrap_or("unknown").to_owned()
}

/// The folder of a pod in the hierarchy that counts CPU time.
fn pod_cgroup(uid: &str) -> Result<PathBuf> {
    let names = [format!("pod{uid}"), format!("pod{}", uid.replace('-', "_"))];
    let roots = [
        "/sys/fs/cgroup/cpuacct",
        "/sys/fs/cgroup/cpu,cpuacct",
        "/sys/fs/cgroup",
    ];
    for root in roots.iter().map(Path::new).filter(|root| root.is_dir()) {
        if let Some(found) = find(root, &names, 8) {
            return Ok(found);
        }
    }
    anyhow::bail!("pod {uid} has no cgroup under /sys/fs/cgroup")
}

fn find(folder: &Path, names: &[String; 2], depth: u8) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    let folders = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut deeper = Vec::new();
    for entry in folders {
        let name = entry.file_name().to_string_lossy().into_owned();
        if names.iter().any(|wanted| name.contains(wanted)) {
            return Some(entry.path());
        }
        deeper.push(entry.path());
    }
    deeper
        .iter()
        .filter(|_| depth > 0)
        .find_map(|folder| find(folder, names, depth - 1))
}

fn kernel_seconds(cgroup: &Path) -> Result<f64> {
    if let Ok(text) = fs::read_to_string(cgroup.join("cpuacct.usage")) {
        let nanoseconds: f64 = text.trim().parse().context("cpuacct.usage")?;
        return Ok(nanoseconds / 1e9);
    }
    let text = fs::read_to_string(cgroup.join("cpu.stat")).context("reading cpu.stat")?;
    let usage = text
        .lines()
        .find_map(|line| line.strip_prefix("usage_usec "));
    let microseconds: f64 = usage
        .context("usage_usec in cpu.stat")?
        .parse()
        .context("usage_usec")?;
    Ok(microseconds / 1e6)
}

/// What a tool sees that lists the living processes now and then. Kindest
/// reading: a process seen for the first time counts with all it has run.
#[derive(Debug, Default)]
struct Poller {
    seen: HashMap<(u64, u64), u64>,
    seconds: f64,
}

impl Poller {
    fn look(&mut self, cgroup: &Path) {
        let mut living = HashMap::new();
        for pid in pids(cgroup) {
            if let Some((started, ticks)) = stat(pid) {
                let before = self.seen.get(&(pid, started)).copied().unwrap_or(0);
                // USER_HZ is 100 on every Linux that user space sees.
                self.seconds +=
                    Duration::from_millis(ticks.saturating_sub(before) * 10).as_secs_f64();
                living.insert((pid, started), ticks);
            }
        }
        self.seen = living;
    }
}

fn pids(cgroup: &Path) -> Vec<u64> {
    let mut all = Vec::new();
    let mut folders = vec![cgroup.to_path_buf()];
    while let Some(folder) = folders.pop() {
        if let Ok(text) = fs::read_to_string(folder.join("cgroup.procs")) {
            all.extend(text.lines().filter_map(|line| line.parse::<u64>().ok()));
        }
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        folders.extend(
            entries
                .map(|entry| entry.path())
                .filter(|path| path.is_dir()),
        );
    }
    all
}

/// Start time and user plus system time of a process, in ticks.
fn stat(pid: u64) -> Option<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    // After the name: state is field 0, so utime 11, stime 12, start time 19.
    Some((number(19)?, number(11)? + number(12)?))
}
