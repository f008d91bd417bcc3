//! The process list: what is left where neither programs nor groups count.
//!
//! Each process is known by its pid and start time, so that a pid given anew
//! is another process. What ends between two readings is missed: this rung is
//! for nodes without anything better, and for showing what pollers lose.

use std::{
    collections::{HashMap, HashSet},
    fs,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{CpuReading, CpuTime, Group, GroupTime, KernelError, Losses, Rung, TaskKind};
use crate::{
    host::{GroupSource, Hierarchies, HostError, HostRoots, cgroup::UsageFiles, time::ticks},
    workloads::CgroupId,
};

/// `PF_KTHREAD` of a process's flags.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// CPU time by the process list.
pub struct ProcCpu {
    proc: PathBuf,
    groups_of: Option<(GroupSource, PathBuf, &'static str)>,
    usage: Option<UsageFiles>,
    processes: HashMap<(u32, u64), Process>,
    totals: HashMap<Group, Duration>,
    ids: HashMap<String, CgroupId>,
    /// Processes whose last look failed: what they used until now is not an
    /// interval's.
    missed: HashSet<u32>,
    unreadable: u64,
    readings: u64,
}

#[derive(Clone, Copy)]
struct Process {
    cpu: Duration,
    seen: u64,
}

/// What a process's `stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    kernel: bool,
    cpu: Duration,
    started: u64,
}

impl ProcCpu {
    /// Lists the processes and takes the first reading as zero.
    ///
    /// # Errors
    /// If the process tree cannot be listed.
    pub fn open(roots: &HostRoots) -> Result<Self, KernelError> {
        let hierarchies = Hierarchies::detect(roots);
        let groups_of = hierarchies.source().and_then(|source| {
            let root = hierarchies.root_of(source)?.to_owned();
            Some((source, root, hierarchies.controller_of(source)))
        });
        let mut cpu = Self {
            proc: roots.proc.clone(),
            groups_of,
            usage: hierarchies.usage(),
            processes: HashMap::new(),
            totals: HashMap::new(),
            ids: HashMap::new(),
            missed: HashSet::new(),
            unreadable: 0,
            readings: 0,
        };
        cpu.look()?;
        cpu.totals.clear();
        Ok(cpu)
    }

    /// Looks at every process and adds what it used since it was last seen.
    fn look(&mut self) -> Result<u64, KernelError> {
        let entries = fs::read_dir(&self.proc).map_err(|source| HostError::Read {
            path: self.proc.clone(),
            source,
        })?;
        let mut looked_at = 0;
        let mut missed = HashSet::new();
        for entry in entries.flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok())
            else {
                continue;
            };
            let directory = entry.path();
            let Some(stat) = fs::read_to_string(directory.join("stat"))
                .ok()
                .and_then(|text| Stat::parse(&text))
            else {
                // Ended meanwhile, in most cases.
                self.unreadable += 1;
                missed.insert(pid);
                continue;
            };
            looked_at += 1;
            // One that could not be read before is not new: its life until
            // now is not this interval's.
            let unknown = if self.missed.contains(&pid) {
                stat.cpu
            } else {
                Duration::ZERO
            };
            let process = self
                .processes
                .entry((pid, stat.started))
                .or_insert(Process {
                    cpu: unknown,
                    seen: 0,
                });
            let delta = stat.cpu.saturating_sub(process.cpu);
            process.cpu = process.cpu.max(stat.cpu);
            process.seen = self.readings;
            if delta > Duration::ZERO {
                let group = Group {
                    cgroup: self.group_of(&directory),
                    kind: if stat.kernel {
                        TaskKind::Kernel
                    } else {
                        TaskKind::User
                    },
                };
                *self.totals.entry(group).or_default() += delta;
            }
        }
        let reading = self.readings;
        // What could not be read is still there, and goes on where it was.
        self.processes
            .retain(|(pid, _), process| process.seen == reading || missed.contains(pid));
        self.missed = missed;
        Ok(looked_at)
    }

    /// The group that a process is in now.
    fn group_of(&mut self, directory: &std::path::Path) -> CgroupId {
        let Some((_, root, controller)) = &self.groups_of else {
            return CgroupId::NONE;
        };
        let Ok(text) = fs::read_to_string(directory.join("cgroup")) else {
            return CgroupId::NONE;
        };
        let Some(path) = group_path(&text, controller) else {
            return CgroupId::NONE;
        };
        if let Some(id) = self.ids.get(path) {
            return *id;
        }
        let inode = fs::metadata(root.join(path.trim_start_matches('/'))).map(|data| data.ino());
        let Ok(inode) = inode else {
            return CgroupId::NONE;
        };
        let id = CgroupId::new(inode);
        // A path given anew is another group: what is kept is kept for a
        // limited number of paths only.
        if self.ids.len() > 4096 {
            self.ids.clear();
        }
        self.ids.insert(path.to_owned(), id);
        id
    }
}

impl CpuTime for ProcCpu {
    fn read(&mut self) -> Result<CpuReading, KernelError> {
        let at = Instant::now();
        self.readings += 1;
        let looked_at = self.look()?;
        let mut groups: Vec<GroupTime> = self
            .totals
            .iter()
            .map(|(group, cpu)| GroupTime {
                group: *group,
                cpu: *cpu,
            })
            .collect();
        groups.sort_unstable_by_key(|time| time.group);
        Ok(CpuReading {
            at,
            groups,
            sockets: Vec::new(),
            births: Vec::new(),
            removals: Vec::new(),
            processes: Vec::new(),
            counts: None,
            tree_changed: true,
            tree_told: false,
            overflow: Duration::ZERO,
            retired: Duration::ZERO,
            looked_at,
            losses: Losses {
                unreadable: self.unreadable,
                ..Losses::default()
            },
            cost: at.elapsed(),
        })
    }

    fn rung(&self) -> Rung {
        Rung::Proc
    }

    fn explain(&self) -> String {
        "cpu time is read from each process's \"stat\"; what ends between two readings is missed"
            .to_owned()
    }

    fn group_root(&self) -> Option<PathBuf> {
        self.groups_of.as_ref().map(|(_, root, _)| root.clone())
    }

    fn kernel_truth(&mut self, cgroup: CgroupId) -> Option<Duration> {
        let path = self
            .ids
            .iter()
            .find_map(|(path, id)| (*id == cgroup).then_some(path))?;
        self.usage.as_ref()?.read(path)
    }
}

impl Stat {
    /// Reads the text of `/proc/PID/stat`. The name, in brackets, may hold
    /// anything: what follows the last bracket counts.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let words: Vec<&str> = rest.split_ascii_whitespace().collect();
        // proc(5): the state is field 3, the first after the name.
        let number = |field: usize| words.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            kernel: number(9)? & KERNEL_THREAD != 0,
            cpu: ticks(number(14)?.checked_add(number(15)?)?),
            started: number(22)?,
        })
    }
}

/// The path of the controller's line in `/proc/PID/cgroup`; the line of v2 has
/// no controllers.
fn group_path<'a>(text: &'a str, controller: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let matches = if controller.is_empty() {
            controllers.is_empty()
        } else {
            controllers.split(',').any(|name| name == controller)
        };
        matches.then(|| path.trim_end_matches(" (deleted)"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(roots: &HostRoots, pid: u32, name: &str, ticks: u64, started: u64) {
        let directory = roots.proc.join(pid.to_string());
        fs::create_dir_all(&directory).unwrap();
        let stat = format!(
            "{pid} ({name}) S 1 1 1 0 -1 4194560 5 6 7 8 {ticks} 3 1 1 20 0 1 0 {started} 1 1\n"
        );
        fs::write(directory.join("stat"), stat).unwrap();
        fs::write(
            directory.join("cgroup"),
            "2:cpuacct:/x\n1:cpu:/pod/a\n0::/\n",
        )
        .unwrap();
    }

    #[test]
    fn a_pid_given_anew_is_another_process() {
        let root = tempfile::tempdir().unwrap();
        let roots = HostRoots::under(root.path());
        let group = roots.cgroup.join("cpu/pod/a");
        fs::create_dir_all(&group).unwrap();
        fs::write(roots.cgroup.join("cpu/cpu.shares"), "").unwrap();
        put(&roots, 7, "old", 100, 5);
        let mut cpu = ProcCpu::open(&roots).unwrap();
        assert_eq!(cpu.read().unwrap().total(), Duration::ZERO);

        put(&roots, 7, "new (with) brackets", 40, 9);
        let reading = cpu.read().unwrap();
        let cgroup = CgroupId::new(fs::metadata(group).unwrap().ino());
        let kind = TaskKind::User;
        assert_eq!(
            reading.cpu_of(Group { cgroup, kind }),
            Some(Duration::from_millis(430))
        );
        assert_eq!(cpu.read().unwrap().total(), Duration::from_millis(430));
    }

    #[test]
    fn the_line_of_the_right_controller_is_taken() {
        let text = "4:cpu,cpuacct:/a\n3:memory:/b\n0::/c (deleted)\n";
        assert_eq!(group_path(text, "cpuacct"), Some("/a"));
        assert_eq!(group_path(text, ""), Some("/c"));
        assert_eq!(group_path(text, "pids"), None);
    }
}
