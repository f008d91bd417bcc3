//! The control groups' own counters, read through descriptors that stay open.
//!
//! The kernel counts a group with all groups below it. Here each group is
//! shown by itself: what its counter grew by, less what the counters directly
//! below it grew by. The last stretch of a group that is removed between two
//! readings is therefore its parent's: the sum stays right, the share not.

use std::{
    collections::HashMap,
    fs::{self, File},
    os::unix::fs::{FileExt, MetadataExt},
    path::PathBuf,
    time::{Duration, Instant},
};

use super::limits::allow_many_files;
use super::{CpuReading, CpuTime, Group, GroupTime, KernelError, Losses, Rung, TaskKind};
use crate::{
    host::{
        Hierarchies, HostRoots,
        cgroup::{UsageFiles, scan},
    },
    workloads::CgroupId,
};

/// CPU time by the control groups' files.
pub struct PollCpu {
    usage: UsageFiles,
    groups: HashMap<CgroupId, Polled>,
    retired: Duration,
    unreadable: u64,
}

/// A group that is polled.
struct Polled {
    counter: File,
    directory: PathBuf,
    path: String,
    parent: Option<CgroupId>,
    /// Links of the directory when its children were last listed.
    links: u64,
    last: Duration,
    /// What it used by itself; can fall for a moment, because parent and
    /// children are not read at one instant.
    own_ns: i128,
    /// The highest that was shown.
    shown: Duration,
}

impl PollCpu {
    /// Opens every group's counter and takes the first reading as zero.
    ///
    /// # Errors
    /// If the node has no hierarchy in which the kernel counts CPU time.
    pub fn open(roots: &HostRoots) -> Result<Self, KernelError> {
        let usage = Hierarchies::detect(roots).usage().ok_or_else(|| {
            KernelError::Absent(format!(
                "no control groups with CPU time under \"{}\"",
                roots.cgroup.display()
            ))
        })?;
        // One for each group.
        allow_many_files();
        let mut poll = Self {
            usage,
            groups: HashMap::new(),
            retired: Duration::ZERO,
            unreadable: 0,
        };
        poll.discover();
        // What was used before is nobody's here.
        let mut buffer = Vec::new();
        for group in poll.groups.values_mut() {
            if let Some(now) = counter(&poll.usage, &group.counter, &mut buffer) {
                group.last = now;
            }
        }
        if poll.groups.is_empty() {
            return Err(KernelError::Absent(format!(
                "no readable counter under \"{}\"",
                poll.usage.root().display()
            )));
        }
        Ok(poll)
    }

    /// Lists the tree and opens what is new.
    fn discover(&mut self) {
        let found = scan(self.usage.root());
        let ids: Vec<CgroupId> = found.iter().map(|group| group.id).collect();
        for group in found {
            let parent = group.parent.and_then(|at| ids.get(at).copied());
            if self.groups.contains_key(&group.id) {
                continue;
            }
            let directory = self.usage.root().join(group.path.trim_start_matches('/'));
            let Ok(counter) = File::open(directory.join(self.usage.file())) else {
                // Removed meanwhile, or out of descriptors.
                self.unreadable += 1;
                continue;
            };
            self.groups.insert(
                group.id,
                Polled {
                    counter,
                    links: 0,
                    directory,
                    path: group.path.to_string(),
                    parent,
                    last: Duration::ZERO,
                    own_ns: 0,
                    shown: Duration::ZERO,
                },
            );
        }
        for group in self.groups.values_mut() {
            group.links = links(&group.directory);
        }
    }

    /// Whether a directory has got or lost a child since the last listing. A
    /// child lost and another got leave the links alike: the lost one's
    /// counter tells.
    fn changed(&self) -> bool {
        self.groups
            .values()
            .any(|group| links(&group.directory) != group.links)
    }
}

impl CpuTime for PollCpu {
    fn read(&mut self) -> Result<CpuReading, KernelError> {
        let at = Instant::now();
        if self.changed() {
            self.discover();
        }
        let mut deltas: HashMap<CgroupId, i128> = HashMap::with_capacity(self.groups.len());
        let mut gone = Vec::new();
        let mut buffer = Vec::new();
        for (id, group) in &mut self.groups {
            let Some(now) = counter(&self.usage, &group.counter, &mut buffer) else {
                gone.push(*id);
                continue;
            };
            let delta = nanoseconds(now.saturating_sub(group.last));
            group.last = group.last.max(now);
            *deltas.entry(*id).or_default() += delta;
            if let Some(parent) = group.parent {
                *deltas.entry(parent).or_default() -= delta;
            }
        }
        for id in &gone {
            if let Some(group) = self.groups.remove(id) {
                self.retired += group.shown;
            }
        }
        if !gone.is_empty() {
            self.discover();
        }
        let mut groups = Vec::with_capacity(self.groups.len());
        for (id, group) in &mut self.groups {
            group.own_ns += deltas.get(id).copied().unwrap_or_default();
            group.shown = group.shown.max(duration(group.own_ns));
            groups.push(GroupTime {
                group: Group {
                    cgroup: *id,
                    kind: TaskKind::User,
                },
                cpu: group.shown,
            });
        }
        groups.sort_unstable_by_key(|time| time.group);
        Ok(CpuReading {
            at,
            looked_at: u64::try_from(groups.len()).unwrap_or(u64::MAX),
            groups,
            sockets: Vec::new(),
            births: Vec::new(),
            removals: Vec::new(),
            processes: Vec::new(),
            counts: None,
            tree_changed: true,
            tree_told: false,
            overflow: Duration::ZERO,
            retired: self.retired,
            losses: Losses {
                unreadable: self.unreadable,
                ..Losses::default()
            },
            cost: at.elapsed(),
        })
    }

    fn rung(&self) -> Rung {
        Rung::CgroupFiles
    }

    fn explain(&self) -> String {
        format!(
            "cpu time is read from each group's \"{}\"; the last stretch of a group that is \
             removed between two readings goes to its parent, and kernel threads are not told \
             apart",
            self.usage.file()
        )
    }

    fn group_root(&self) -> Option<PathBuf> {
        Some(self.usage.root().to_owned())
    }

    fn kernel_truth(&mut self, cgroup: CgroupId) -> Option<Duration> {
        self.usage.read(&self.groups.get(&cgroup)?.path)
    }
}

/// Reads a counter through its descriptor; `None` when its group is gone.
fn counter(usage: &UsageFiles, file: &File, buffer: &mut Vec<u8>) -> Option<Duration> {
    buffer.resize(4096, 0);
    let length = file.read_at(buffer, 0).ok()?;
    usage.parse(str::from_utf8(buffer.get(..length)?).ok()?)
}

fn links(directory: &std::path::Path) -> u64 {
    fs::metadata(directory).map_or(0, |data| data.nlink())
}

fn nanoseconds(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

fn duration(ns: i128) -> Duration {
    u64::try_from(ns).map_or(Duration::ZERO, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(roots: &HostRoots, path: &str, usage: u64) {
        let directory = roots.cgroup.join("cpuacct").join(path);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("cpuacct.usage"), format!("{usage}\n")).unwrap();
    }

    fn own(reading: &CpuReading, roots: &HostRoots, path: &str) -> u64 {
        let directory = roots.cgroup.join("cpuacct").join(path);
        let cgroup = CgroupId::new(fs::metadata(directory).unwrap().ino());
        let kind = TaskKind::User;
        let time = reading.cpu_of(Group { cgroup, kind }).unwrap();
        u64::try_from(time.as_nanos()).unwrap()
    }

    #[test]
    fn a_parent_is_shown_without_its_children() {
        let root = tempfile::tempdir().unwrap();
        let roots = HostRoots::under(root.path());
        set(&roots, "", 1_000);
        set(&roots, "pod", 600);
        set(&roots, "pod/a", 400);
        let mut poll = PollCpu::open(&roots).unwrap();
        assert_eq!(poll.read().unwrap().total(), Duration::ZERO);

        set(&roots, "pod/a", 450);
        set(&roots, "pod/b", 30);
        set(&roots, "pod", 600 + 50 + 30 + 7);
        set(&roots, "", 1_000 + 87 + 5);
        let reading = poll.read().unwrap();
        assert_eq!(own(&reading, &roots, "pod/a"), 50);
        assert_eq!(own(&reading, &roots, "pod/b"), 30);
        assert_eq!(own(&reading, &roots, "pod"), 7);
        assert_eq!(own(&reading, &roots, ""), 5);
        assert_eq!(reading.total(), Duration::from_nanos(92));
    }

    #[test]
    fn a_child_read_before_its_parent_makes_nothing_fall() {
        let root = tempfile::tempdir().unwrap();
        let roots = HostRoots::under(root.path());
        set(&roots, "", 100);
        set(&roots, "a", 50);
        let mut poll = PollCpu::open(&roots).unwrap();
        set(&roots, "", 140);
        assert_eq!(own(&poll.read().unwrap(), &roots, ""), 40);
        set(&roots, "a", 70);
        assert_eq!(own(&poll.read().unwrap(), &roots, ""), 40);
        set(&roots, "", 170);
        let reading = poll.read().unwrap();
        assert_eq!(own(&reading, &roots, ""), 50);
        assert_eq!(reading.total(), Duration::from_nanos(70));
    }

    #[test]
    fn a_node_without_groups_is_refused_with_its_root() {
        let roots = HostRoots::under(std::path::Path::new("/nonexistent"));
        let error = PollCpu::open(&roots).err().unwrap().to_string();
        assert!(error.contains("/nonexistent/sys/fs/cgroup"), "{error}");
    }
}
