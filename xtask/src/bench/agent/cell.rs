//! Control groups of the benchmark's own, named like containers, and the
//! kernel's own count of their CPU time.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const ROOT: &str = "/sys/fs/cgroup";

/// Hierarchies in which a group must be for the agent to count it, and for the
/// kernel to.
#[derive(Debug, Clone)]
struct Trees {
    roots: Vec<PathBuf>,
    usage: PathBuf,
    unified: bool,
}

impl Trees {
    fn find() -> Self {
        let root = Path::new(ROOT);
        let v1 = |names: [&str; 3], file: &str| {
            names
                .iter()
                .map(|name| root.join(name))
                .find(|path| path.join(file).is_file())
        };
        let cpu = v1(["cpu", "cpu,cpuacct", "cpuacct,cpu"], "cpu.shares");
        let cpuacct = v1(["cpuacct", "cpu,cpuacct", "cpuacct,cpu"], "cpuacct.usage");
        match (cpu, cpuacct) {
            (Some(cpu), Some(cpuacct)) => {
                let same = fs::canonicalize(&cpu).ok() == fs::canonicalize(&cpuacct).ok();
                Self {
                    // The counted one first, so that it shows no less.
                    roots: if same {
                        vec![cpuacct.clone()]
                    } else {
                        vec![cpu, cpuacct.clone()]
                    },
                    usage: cpuacct,
                    unified: false,
                }
            }
            _ => Self {
                roots: vec![root.to_owned()],
                usage: root.to_owned(),
                unified: true,
            },
        }
    }
}

impl Trees {
    fn usage_of(&self, path: &str) -> Result<Duration> {
        let directory = self.usage.join(path);
        if self.unified {
            let text = fs::read_to_string(directory.join("cpu.stat")).context("cpu.stat")?;
            let usage_us = text
                .lines()
                .find_map(|line| line.strip_prefix("usage_usec "))
                .context("cpu.stat has no usage_usec")?;
            return Ok(Duration::from_micros(usage_us.trim().parse()?));
        }
        let text = fs::read_to_string(directory.join("cpuacct.usage")).context("cpuacct.usage")?;
        Ok(Duration::from_nanos(text.trim().parse()?))
    }
}

/// A control group; removed with all that runs in it when it is dropped.
#[derive(Debug)]
pub(super) struct Cell {
    trees: Trees,
    path: String,
    /// The container's id, if it is named like one.
    pub(super) id: String,
}

impl Cell {
    /// A container in a pod.
    pub(super) fn container() -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let own = std::process::id();
        let id = format!("be{own:022x}{number:040x}");
        // Two containers to a pod.
        let pod = format!(
            "be{own:06x}-{:04x}-4000-8000-{:012x}",
            own % 0xffff,
            number / 2
        );
        let path = format!("kubepods/besteffort/pod{pod}/{id}");
        Self::make(path, id)
    }

    /// A group that is no container.
    pub(super) fn plain(name: &str) -> Result<Self> {
        let path = format!("tanso-bench-{name}-{}", std::process::id());
        Self::make(path, String::new())
    }

    fn make(path: String, id: String) -> Result<Self> {
        let trees = Trees::find();
        for root in &trees.roots {
            let mut directory = root.clone();
            for name in path.split('/') {
                if trees.unified {
                    let _ = fs::write(directory.join("cgroup.subtree_control"), "+cpu");
                }
                directory.push(name);
                match fs::create_dir(&directory) {
                    Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                        return Err(error)
                            .with_context(|| format!("making \"{}\"", directory.display()));
                    }
                    _ => {}
                }
            }
        }
        Ok(Self { trees, path, id })
    }

    fn directories(&self) -> impl Iterator<Item = PathBuf> {
        self.trees.roots.iter().map(|root| root.join(&self.path))
    }

    /// Moves a process in.
    pub(super) fn take(&self, pid: u32) -> Result<()> {
        for directory in self.directories() {
            let file = directory.join("cgroup.procs");
            fs::write(&file, pid.to_string())
                .with_context(|| format!("moving a process into \"{}\"", file.display()))?;
        }
        Ok(())
    }

    /// Starts a shell that moves itself in and then runs `script`.
    pub(super) fn shell(&self, script: &str) -> Result<Child> {
        let doors: Vec<String> = self
            .directories()
            .map(|directory| format!("{}/cgroup.procs", directory.display()))
            .collect();
        let enter = format!("for door in {}; do echo $$ > $door; done", doors.join(" "));
        Command::new("sh")
            .args(["-c", &format!("{enter}\n{script}")])
            .spawn()
            .context("starting a shell")
    }

    /// Starts this program's load in it.
    pub(super) fn load(&self, words: &str) -> Result<Child> {
        let own = std::env::current_exe().context("finding this program")?;
        self.shell(&format!("exec '{}' bench load {words}", own.display()))
    }

    /// CPU time that the kernel counted in it.
    pub(super) fn usage(&self) -> Result<Duration> {
        self.trees.usage_of(&self.path)
    }

    /// The same, for another thread.
    pub(super) fn watch(&self) -> super::meter::Watched {
        let (trees, path) = (self.trees.clone(), self.path.clone());
        Box::new(move || trees.usage_of(&path).ok())
    }

    /// Ends all that runs in it.
    pub(super) fn kill(&self) {
        for _ in 0..500 {
            let mut left = false;
            for directory in self.directories() {
                let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
                for pid in text.lines().filter_map(|line| line.parse().ok()) {
                    left = true;
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                }
            }
            if !left {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        self.kill();
        for root in &self.trees.roots {
            let mut path = Path::new(&self.path);
            // The group, then the pod's when it is the last.
            for _ in 0..2 {
                for _ in 0..100 {
                    match fs::remove_dir(root.join(path)) {
                        Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                            let children = fs::read_dir(root.join(path));
                            let inner = children.is_ok_and(|mut entries| {
                                entries.any(|entry| entry.is_ok_and(|entry| entry.path().is_dir()))
                            });
                            if inner {
                                break;
                            }
                            thread::sleep(Duration::from_millis(10));
                        }
                        _ => break,
                    }
                }
                match path.parent() {
                    Some(parent) if !self.id.is_empty() => path = parent,
                    _ => break,
                }
            }
        }
    }
}
