//! A storm of short-lived processes, counted three ways over the same time:
//! by the agent, by the kernel's own cgroup accounting, and by a poller of
//! /proc as other tools use one.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
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

/// Agent and kernel at one instant: the kernel's counter is sampled while the
/// agent is asked, and taken for the moment of the agent's reading.
fn both(session: &Session, agent_pod: &str, uid: &str, cgroup: &Path) -> Result<(f64, f64)> {
    let path = format!("{}/metrics", agent_proxy(agent_pod));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| sample(cgroup, &done));
        let answer = newer_reading(session, &path);
        done.store(true, Ordering::Relaxed);
        let samples = watcher.join().unwrap_or_default();
        let (metrics, at) = answer?;
        let kernel = samples.windows(2).find_map(|pair| between(pair, at));
        let kernel = kernel.with_context(|| format!("the pod's CPU time at {at} was not seen"))?;
        Ok((agent_seconds(&metrics, uid), kernel))
    })
}

/// Metrics of a reading that was taken after now, and its time.
fn newer_reading(session: &Session, path: &str) -> Result<(String, f64)> {
    let begun = unix_seconds();
    loop {
        let metrics = session.raw(path)?;
        let line = metrics
            .lines()
            .find(|line| line.starts_with("tanso_snapshot_timestamp_seconds"));
        let at = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        let at = at.context("the agent's metrics have no time of their reading")?;
        // The first sample may be a moment late.
        if at > begun + 0.1 {
            return Ok((metrics, at));
        }
        if unix_seconds() > begun + 30.0 {
            bail!(
                "the agent's last reading is {:.0} s old",
                unix_seconds() - at
            );
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Times and CPU seconds of a cgroup, every few milliseconds until told, and once
/// after it: the moment that is sought may be that of the last answer.
fn sample(cgroup: &Path, done: &AtomicBool) -> Vec<(f64, f64)> {
    let mut samples = Vec::new();
    loop {
        let is_last = done.load(Ordering::Relaxed);
        if let Ok(seconds) = kernel_seconds(cgroup) {
            samples.push((unix_seconds(), seconds));
        }
        if is_last {
            return samples;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The value at a time between two samples.
fn between(pair: &[(f64, f64)], at: f64) -> Option<f64> {
    let [(t0, v0), (t1, v1)] = pair else {
        return None;
    };
    let is_between = (*t0..*t1).contains(&at);
    is_between.then(|| v0 + (v1 - v0) * (at - t0) / (t1 - t0))
}

fn unix_seconds() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
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
    bail!("pod {uid} has no cgroup under /sys/fs/cgroup")
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

#[cfg(test)]
mod tests {
    use super::between;

    #[test]
    fn a_value_is_taken_for_the_moment_between_two_samples_only() {
        let pair = [(10.0, 1.0), (12.0, 2.0)];
        assert_eq!(between(&pair, 11.0), Some(1.5));
        assert_eq!(between(&pair, 12.5), None);
    }
}
