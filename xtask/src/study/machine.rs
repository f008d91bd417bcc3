//! What the machine itself says: CPU time of everybody, time that the host
//! kept, what our own helpers used, bytes of a network, and what it is.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use super::design::Design;
use crate::{process, workspace};

/// Ticks in a second of `/proc/stat`: what the kernel shows to programs
/// (`USER_HZ`), whatever its own clock.
const TICKS: f64 = 100.0;

/// What belongs to the cluster and what does not.
const BOUNDARY: &str = "cluster: Flux, API server, etcd, kubelet, controller-manager and scheduler, containerd, \
    kube-proxy, DNS and pods; outside it: kubectl, git and the Git server (outside_cpu_seconds), the agent \
    (agent_cpu_seconds); not seen: network, registry, CI";

/// How an interval is measured that is longer than a phase.
const IN_PARTS: &str = "two kinds of trials, one in which each Kustomization syncs once and one in which none does, \
    weighted by phase over interval; the controllers' own timers run each sync, by an interval in their objects that \
    ends within the phase, or after an hour; before a phase with syncs as many changes wait as an interval brings; \
    energy and CPU time are the interval's, drift by hand and latency end with their phase and are not";

/// What the cost of a change holds.
const CHANGE: &str = "an arm less the one without changes, by its number of changes; where both arms do not differ in \
    changes alone, it holds what the edits by hand of the busy one cost too";

/// CPU time of the whole machine since it started, seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cpu {
    /// What was used.
    pub(super) busy: f64,
    /// What the host gave to others.
    pub(super) stolen: f64,
    /// All processors' time.
    pub(super) all: f64,
}

impl Cpu {
    pub(super) fn read() -> Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("reading \"/proc/stat\"")?;
        Self::parse(&text).context("\"/proc/stat\" has no line \"cpu\"")
    }

    /// Fields of `proc_stat(5)`: user, nice, system, idle, iowait, irq, softirq,
    /// steal; guests are in user already.
    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let fields: Vec<f64> = line
            .split_ascii_whitespace()
            .take(8)
            .filter_map(|field| field.parse::<f64>().ok())
            .map(|field| field / TICKS)
            .collect();
        let [user, nice, system, idle, iowait, irq, softirq, stolen] = fields[..] else {
            return None;
        };
        let busy = user + nice + system + irq + softirq;
        Some(Self {
            busy,
            stolen,
            all: busy + idle + iowait + stolen,
        })
    }

    pub(super) fn since(&self, earlier: &Self) -> Self {
        Self {
            busy: (self.busy - earlier.busy).max(0.0),
            stolen: (self.stolen - earlier.stolen).max(0.0),
            all: (self.all - earlier.all).max(0.0),
        }
    }
}

/// CPU time of this process, and of its children that ended, seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Helpers {
    pub(super) own: f64,
    pub(super) children: f64,
}

impl Helpers {
    pub(super) fn read() -> Result<Self> {
        Ok(Self {
            own: used(UsageWho::RUSAGE_SELF)?,
            children: used(UsageWho::RUSAGE_CHILDREN)?,
        })
    }
}

fn used(who: UsageWho) -> Result<f64> {
    let usage = getrusage(who).context("asking for our own CPU time")?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(std::time::Duration::from_micros(micros.unsigned_abs()).as_secs_f64())
}

/// Bytes that went through the network interfaces that a process sees, without
/// its loopback; `None` if it is gone.
pub(super) fn network_bytes(process: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/net/dev")).ok()?;
    Some(parse_network(&text))
}

/// Received bytes are the first number of a line, sent ones the ninth.
fn parse_network(text: &str) -> u64 {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let outside = lines.filter(|(name, _)| name.trim() != "lo");
    let bytes = outside.map(|(_, rest)| {
        let mut fields = rest.split_ascii_whitespace();
        let mut field = |place| fields.nth(place).and_then(|text| text.parse::<u64>().ok());
        let received = field(0).unwrap_or_default();
        received + field(7).unwrap_or_default()
    });
    bytes.sum()
}

/// What is run on what, for the plan.
pub(super) fn environment(design: &Design) -> BTreeMap<String, String> {
    let read = |path: &str| {
        fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .and_then(|line| line.split_once(": "))
        .map_or_else(|| "unknown".to_owned(), |(_, model)| model.to_owned());
    let count = cpuinfo
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let is_virtual = cpuinfo.contains(" hypervisor");
    let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    let governor = if governor.is_empty() {
        "not told to this machine".to_owned()
    } else {
        governor
    };
    let kind = if is_virtual {
        "virtual machine"
    } else {
        "bare metal, as far as it tells"
    };
    let power = if std::path::Path::new("/sys/class/powercap/intel-rapl:0").exists() {
        "measured by RAPL where the agent says so"
    } else {
        "modelled from CPU time by tanso's power model: there is no meter"
    };
    let settings = format!(
        "measured {} s, after rest that is waited for at most {} s",
        design.measured_seconds, design.settle_seconds_max
    );
    let mut all: BTreeMap<String, String> = [
        ("machine", format!("{kind}, {count} CPUs, {model}")),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("clock governor", governor),
        ("power", power.to_owned()),
        ("phases", settings),
        (
            "agent",
            "reading interval 250 ms, on the host beside the cluster".to_owned(),
        ),
        ("tanso", env!("CARGO_PKG_VERSION").to_owned()),
        ("day", jiff::Zoned::now().date().to_string()),
        ("boundary", BOUNDARY.to_owned()),
        ("intervals longer than a phase", IN_PARTS.to_owned()),
        ("cost of a change", CHANGE.to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    all.extend(versions());
    all
}

/// Versions of what is built from source for the study.
fn versions() -> Vec<(String, String)> {
    let of = |folder: &str, module: &str, name: &str| {
        let file = workspace::root().join(folder).join("go.mod");
        let text = fs::read_to_string(file).unwrap_or_default();
        let version = text
            .lines()
            .map(|line| line.trim().trim_start_matches("require "))
            .find_map(|line| line.strip_prefix(module)?.strip_prefix(' '))
            .map(|rest| rest.split(' ').next().unwrap_or_default().to_owned());
        version.map(|version| (name.to_owned(), version))
    };
    let mut all: Vec<_> = [
        ("tests/cluster", "k8s.io/kubernetes", "Kubernetes"),
        ("tests/cluster", "go.etcd.io/etcd/server/v3", "etcd"),
        (
            "tests/tools/source-controller",
            "github.com/fluxcd/source-controller",
            "source-controller",
        ),
        (
            "tests/tools/kustomize-controller",
            "github.com/fluxcd/kustomize-controller",
            "kustomize-controller",
        ),
    ]
    .into_iter()
    .filter_map(|(folder, module, name)| of(folder, module, name))
    .collect();
    let commit = process::output(Command::new("git").current_dir(workspace::root()).args([
        "rev-parse",
        "--short=12",
        "HEAD",
    ]));
    if let Ok(commit) = commit {
        all.push(("commit".to_owned(), commit.trim().to_owned()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stolen_time_is_not_busy_and_guests_are_not_counted_twice() {
        let cpu = Cpu::parse("cpu  100 25 50 800 25 25 25 50 75 0\ncpu0 1 2 3\n").unwrap();
        assert_eq!((cpu.busy, cpu.stolen, cpu.all), (2.25, 0.5, 11.0));
        assert_eq!(Cpu::parse("intr 5\n"), None);
    }

    #[test]
    fn loopback_is_no_network() {
        let text = "Inter-| Receive | Transmit\n face |bytes\n    lo: 900 1 0 0 0 0 0 0 900 1 0 0 0 0 0 0\n  \
                    eth0: 1500 9 0 0 0 0 0 0 700 8 0 0 0 0 0 0\n";
        assert_eq!(parse_network(text), 2_200);
    }

    #[test]
    fn what_was_run_is_named_with_its_versions() {
        let design = Design::choose(&super::super::design::Choice {
            quick: true,
            blocks: None,
            measured_seconds: None,
            kustomizations: &[5],
            changes: None,
            arms: &[],
            seed: 1,
        });
        let found = environment(&design.unwrap());
        for name in ["Kubernetes", "kustomize-controller", "source-controller"] {
            assert!(
                found[name].starts_with('v'),
                "{name}: {:?}",
                found.get(name)
            );
        }
        assert!(found["phases"].contains("measured 10 s"));
    }
}
