//! The node's control groups: which hierarchy counts, and whose id is whose.
//!
//! The hierarchies are known by their files, not by a list of mounts, so that
//! the host's tree may be mounted anywhere.

mod index;
mod memory;
mod tree;

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

pub use index::CgroupIndex;
pub use memory::{Charged, MemoryFiles};
pub use tree::{Directory, scan};

use super::{HostRoots, read_optional};

/// How a node arranges its control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CgroupLayout {
    /// Only v1 hierarchies.
    V1,
    /// v1 hierarchies for resources, and a v2 one beside them.
    Hybrid,
    /// One v2 hierarchy.
    V2,
    /// No control groups were found.
    Absent,
}

impl CgroupLayout {
    /// The name as it stands in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::Hybrid => "hybrid",
            Self::V2 => "v2",
            Self::Absent => "absent",
        }
    }
}

/// By which groups CPU time is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupSource {
    /// The groups of the cpu controller, on v1 and v2 alike.
    CpuController,
    /// The groups of the v2 hierarchy, whatever is enabled in them.
    Unified,
    /// The groups of v1's cpuacct.
    Cpuacct,
}

/// The hierarchies that a node has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchies {
    layout: CgroupLayout,
    cpu: Option<PathBuf>,
    cpuacct: Option<PathBuf>,
    unified: Option<PathBuf>,
}

impl Hierarchies {
    /// Looks for the hierarchies under the cgroup root.
    #[must_use]
    pub fn detect(roots: &HostRoots) -> Self {
        let root = &roots.cgroup;
        if root.join("cgroup.controllers").exists() {
            let cpu = offers(root, "cpu").then(|| root.clone());
            return Self {
                layout: CgroupLayout::V2,
                cpu,
                cpuacct: None,
                unified: Some(root.clone()),
            };
        }
        let find = |names: &[&str], file: &str| {
            names
                .iter()
                .map(|name| root.join(name))
                .find(|directory| directory.join(file).exists())
        };
        let cpu = find(&["cpu", "cpu,cpuacct", "cpuacct,cpu"], "cpu.shares");
        let cpuacct = find(&["cpuacct", "cpu,cpuacct", "cpuacct,cpu"], "cpuacct.usage");
        let unified = find(&["unified"], "cgroup.controllers");
        let layout = match (cpu.is_some() || cpuacct.is_some(), unified.is_some()) {
            (true, true) => CgroupLayout::Hybrid,
            (true, false) => CgroupLayout::V1,
            (false, true) => CgroupLayout::V2,
            (false, false) => CgroupLayout::Absent,
        };
        Self {
            layout,
            cpu,
            cpuacct,
            unified,
        }
    }

    /// How the node arranges its groups.
    #[must_use]
    pub fn layout(&self) -> CgroupLayout {
        self.layout
    }

    /// The groups to count by, best first: the cpu controller's wherever it
    /// is, because every container has one there; else v2's; else cpuacct's.
    #[must_use]
    pub fn source(&self) -> Option<GroupSource> {
        if self.cpu.is_some() {
            Some(GroupSource::CpuController)
        } else if self.layout == CgroupLayout::V2 {
            Some(GroupSource::Unified)
        } else if self.cpuacct.is_some() {
            Some(GroupSource::Cpuacct)
        } else {
            self.unified.is_some().then_some(GroupSource::Unified)
        }
    }

    /// The root directory of the groups of `source`.
    #[must_use]
    pub fn root_of(&self, source: GroupSource) -> Option<&Path> {
        match source {
            GroupSource::CpuController => self.cpu.as_deref(),
            GroupSource::Unified => self.unified.as_deref(),
            GroupSource::Cpuacct => self.cpuacct.as_deref(),
        }
    }

    /// The name of the controller whose line in `/proc/PID/cgroup` names a
    /// process's group of `source`; empty for v2's line.
    #[must_use]
    pub fn controller_of(&self, source: GroupSource) -> &'static str {
        match source {
            GroupSource::CpuController if self.layout != CgroupLayout::V2 => "cpu",
            GroupSource::Cpuacct => "cpuacct",
            _ => "",
        }
    }

    /// The kernel's number of the hierarchy of `source`: 0 for v2, for v1 the
    /// first word of its line in `/proc/1/cgroup`.
    #[must_use]
    pub fn number_of(&self, source: GroupSource, roots: &HostRoots) -> Option<u32> {
        let controller = self.controller_of(source);
        if controller.is_empty() {
            return Some(0);
        }
        let text = fs::read_to_string(roots.proc.join("1/cgroup")).ok()?;
        text.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (number, controllers) = (parts.next()?, parts.next()?);
            let named = controllers.split(',').any(|name| name == controller);
            named.then(|| number.parse().ok())?
        })
    }

    /// The tree in which the kernel counts CPU time by itself, and the file.
    #[must_use]
    pub fn usage(&self) -> Option<UsageFiles> {
        if let Some(root) = &self.cpuacct {
            return Some(UsageFiles {
                root: root.clone(),
                version: UsageVersion::Cpuacct,
            });
        }
        let root = self.unified.clone()?;
        root.join("cpu.stat").exists().then_some(UsageFiles {
            root,
            version: UsageVersion::CpuStat,
        })
    }
}

/// Whether a v2 root hands a controller to its children.
fn offers(root: &Path, controller: &str) -> bool {
    read_optional(&root.join("cgroup.subtree_control"))
        .is_some_and(|text| text.split_ascii_whitespace().any(|name| name == controller))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UsageVersion {
    Cpuacct,
    CpuStat,
}

/// No file of a counter has its figure behind this: `cpuacct.usage` is a number,
/// and `cpu.stat`, a dozen short lines, begins with it.
const USAGE_MAX: usize = 512;

/// The kernel's own counter of CPU time in each group: children included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageFiles {
    root: PathBuf,
    version: UsageVersion,
}

impl UsageFiles {
    /// The root directory of the tree.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The counter's file in a group's directory.
    #[must_use]
    pub fn file(&self) -> &'static str {
        match self.version {
            UsageVersion::Cpuacct => "cpuacct.usage",
            UsageVersion::CpuStat => "cpu.stat",
        }
    }

    /// Reads the counter's text.
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<Duration> {
        match self.version {
            UsageVersion::Cpuacct => text.trim().parse().ok().map(Duration::from_nanos),
            UsageVersion::CpuStat => text
                .lines()
                .find_map(|line| line.strip_prefix("usage_usec "))
                .and_then(|value| value.trim().parse().ok())
                .map(Duration::from_micros),
        }
    }

    /// The time that the kernel counted in the group at `path` and below it,
    /// since the group was made.
    #[must_use]
    pub fn read(&self, path: &str) -> Option<Duration> {
        let mut file = self.root.join(path.trim_start_matches('/'));
        file.push(self.file());
        // One call for the whole file: its length is asked for by nobody.
        let mut text = [0; USAGE_MAX];
        let length = File::open(file).ok()?.read(&mut text).ok()?;
        self.parse(str::from_utf8(text.get(..length)?).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine whose control groups have these files.
    pub(super) fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, HostRoots) {
        let root = tempfile::tempdir().unwrap();
        let roots = HostRoots::under(root.path());
        for (path, text) in files {
            let path = roots.cgroup.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        (root, roots)
    }

    #[test]
    fn a_v2_node_with_the_cpu_controller_counts_by_it() {
        let (_root, roots) = tree(&[
            ("cgroup.controllers", "cpuset cpu io memory pids"),
            ("cgroup.subtree_control", "cpu memory"),
            ("cpu.stat", "usage_usec 1500\nuser_usec 900\n"),
        ]);
        let found = Hierarchies::detect(&roots);
        assert_eq!(found.layout(), CgroupLayout::V2);
        assert_eq!(found.source(), Some(GroupSource::CpuController));
        assert_eq!(
            found.root_of(GroupSource::CpuController),
            Some(roots.cgroup.as_path())
        );
        assert_eq!(found.controller_of(GroupSource::CpuController), "");
        let usage = found.usage().unwrap();
        assert_eq!(usage.read("/"), Some(Duration::from_micros(1500)));
        assert_eq!(usage.read("/gone"), None);
    }

    #[test]
    fn a_counter_that_is_followed_by_much_else_is_read() {
        let stat = format!("usage_usec 77\n{}", "nr_of_what_comes_later 1\n".repeat(99));
        let (_root, roots) = tree(&[("cgroup.controllers", ""), ("cpu.stat", stat.as_str())]);
        let usage = Hierarchies::detect(&roots).usage().unwrap();
        assert_eq!(usage.read("/"), Some(Duration::from_micros(77)));
    }

    #[test]
    fn a_v2_node_without_the_cpu_controller_counts_by_its_groups() {
        let (_root, roots) = tree(&[
            ("cgroup.controllers", "memory"),
            ("cgroup.subtree_control", "memory"),
        ]);
        assert_eq!(
            Hierarchies::detect(&roots).source(),
            Some(GroupSource::Unified)
        );
    }

    #[test]
    fn a_hybrid_node_counts_by_its_cpu_tree() {
        let (_root, roots) = tree(&[
            ("cpu/cpu.shares", "1024"),
            ("cpuacct/cpuacct.usage", "77\n"),
            ("cpuacct/a/cpuacct.usage", "33\n"),
            ("unified/cgroup.controllers", ""),
        ]);
        let found = Hierarchies::detect(&roots);
        assert_eq!(found.layout(), CgroupLayout::Hybrid);
        assert_eq!(found.source(), Some(GroupSource::CpuController));
        assert_eq!(found.controller_of(GroupSource::CpuController), "cpu");
        fs::create_dir_all(roots.proc.join("1")).unwrap();
        fs::write(
            roots.proc.join("1/cgroup"),
            "9:cpuset:/\n7:cpuacct:/\n4:cpu:/a\n0::/\n",
        )
        .unwrap();
        assert_eq!(found.number_of(GroupSource::CpuController, &roots), Some(4));
        assert_eq!(found.number_of(GroupSource::Cpuacct, &roots), Some(7));
        assert_eq!(found.number_of(GroupSource::Unified, &roots), Some(0));
        assert_eq!(
            found.usage().unwrap().read("/a"),
            Some(Duration::from_nanos(33))
        );
    }

    #[test]
    fn joined_controllers_are_found_by_either_name() {
        let (_root, roots) = tree(&[
            ("cpu,cpuacct/cpu.shares", "1024"),
            ("cpu,cpuacct/cpuacct.usage", "77"),
        ]);
        let found = Hierarchies::detect(&roots);
        assert_eq!(found.layout(), CgroupLayout::V1);
        assert_eq!(found.source(), Some(GroupSource::CpuController));
        let expected = roots.cgroup.join("cpu,cpuacct");
        assert_eq!(found.usage().unwrap().root(), expected);
    }

    #[test]
    fn only_cpuacct_and_nothing_at_all_are_states() {
        let (_root, roots) = tree(&[("cpuacct/cpuacct.usage", "1")]);
        assert_eq!(
            Hierarchies::detect(&roots).source(),
            Some(GroupSource::Cpuacct)
        );
        let (_root, roots) = tree(&[]);
        let found = Hierarchies::detect(&roots);
        assert_eq!(found.layout(), CgroupLayout::Absent);
        assert_eq!(found.source(), None);
        assert!(found.usage().is_none());
    }
}
