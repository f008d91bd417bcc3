//! A load of known cost: a process that joins a container's control groups,
//! uses an amount of CPU time on one processor, and says how much it used.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// What to use, and where.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// CPU time to use, seconds
    #[arg(long)]
    cpu_seconds: f64,
    /// A process whose control groups are joined
    #[arg(long)]
    beside: i32,
}

/// Uses the CPU time and prints how much it was, in seconds.
///
/// # Errors
/// When a control group cannot be joined.
pub(super) fn run(args: &Args) -> Result<()> {
    join(args.beside)?;
    let mut n = 0_u64;
    // What the start took was in other groups: it is not part of the load.
    let begun = used()?;
    while used()? - begun < args.cpu_seconds {
        for _ in 0..50_000 {
            n = std::hint::black_box(n.wrapping_add(1));
        }
    }
    println!("{}", used()? - begun);
    Ok(())
}

fn used() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).context("asking for our own CPU time")?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(std::time::Duration::from_micros(micros.unsigned_abs()).as_secs_f64())
}

/// Joins the groups of another process in every hierarchy.
fn join(beside: i32) -> Result<()> {
    let file = format!("/proc/{beside}/cgroup");
    let text = fs::read_to_string(&file).with_context(|| format!("reading \"{file}\""))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("reading mounts")?;
    for group in groups(&text, &mounts) {
        let procs = group.join("cgroup.procs");
        fs::write(&procs, std::process::id().to_string())
            .with_context(|| format!("joining \"{}\"", procs.display()))?;
    }
    Ok(())
}

/// The folders of `/proc/PID/cgroup`'s groups: of version 1 by the hierarchy's
/// controllers, of version 2 in its own tree.
fn groups(cgroup: &str, mountinfo: &str) -> Vec<PathBuf> {
    let mounts: Vec<_> = mountinfo
        .lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let mount = left.split(' ').nth(4)?;
            let mut words = right.split(' ');
            let kind = words.next()?;
            let options = words.nth(1).unwrap_or_default();
            kind.starts_with("cgroup").then_some((kind, mount, options))
        })
        .collect();
    let folder = |line: &str| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let is_it = |(kind, _, options): &&(&str, &str, &str)| {
            if controllers.is_empty() {
                return *kind == "cgroup2";
            }
            let all: Vec<_> = options.split(',').collect();
            *kind == "cgroup" && controllers.split(',').all(|one| all.contains(&one))
        };
        let (_, mount, _) = mounts.iter().find(is_it)?;
        Some(Path::new(mount).join(path.trim_start_matches('/')))
    };
    cgroup.lines().filter_map(folder).collect()
}

/// A load that was started.
#[derive(Debug)]
pub(super) struct Load(Child);

impl Load {
    /// Starts one in a container, by one of its processes.
    pub(super) fn start(cpu_seconds: f64, beside: i32) -> Result<Self> {
        let child = Command::new("/proc/self/exe")
            .args(["study", "burn"])
            .arg(format!("--cpu-seconds={cpu_seconds}"))
            .arg(format!("--beside={beside}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the known load")?;
        Ok(Self(child))
    }

    /// Waits for its end; the CPU time that it used, seconds.
    pub(super) fn end(self) -> Result<f64> {
        let result = self
            .0
            .wait_with_output()
            .context("waiting for the known load")?;
        if !result.status.success() {
            bail!("the known load failed: {}", result.status);
        }
        let said = String::from_utf8_lossy(&result.stdout);
        said.trim().parse().context("what the known load said")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_in_each_hierarchy_of_a_hybrid_machine() {
        let mounts = "\
31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
33 30 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
34 30 0:30 / /proc rw - proc proc rw\n";
        let text = "4:cpu,cpuacct:/kubepods/pod1/c1\n2:name=systemd:/kubepods/pod1/c1\n0::/other/c1\n9:rdma:/\n";
        let found = groups(text, mounts);
        let expected = [
            "/sys/fs/cgroup/cpu,cpuacct/kubepods/pod1/c1",
            "/sys/fs/cgroup/systemd/kubepods/pod1/c1",
            "/sys/fs/cgroup/unified/other/c1",
        ];
        assert_eq!(found, expected.map(PathBuf::from));
    }
}
