//! The memory that a group has in use, as the kubelet counts it.
//!
//! The working set: what is charged to the group and all below it, less file
//! pages that were not used lately, which the kernel gives up before anything
//! else. The kubelet's evictions, `kubectl top` and the vertical pod
//! autoscaler go by the same figure. Two small files a group, of which the one
//! that is read often may be kept open.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::offers;
use crate::host::HostRoots;

/// No file that is read here is longer.
const FILE_MAX: u64 = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// The tree in which the memory controller counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryFiles {
    root: PathBuf,
    version: Version,
}

impl MemoryFiles {
    /// Looks for the memory controller: in the v2 tree, among the v1 trees, or
    /// in the v2 tree that stands beside these. `None` if its groups are not
    /// counted anywhere.
    #[must_use]
    pub fn detect(roots: &HostRoots) -> Option<Self> {
        let root = &roots.cgroup;
        if offers(root, "memory") {
            return Some(Self {
                root: root.clone(),
                version: Version::V2,
            });
        }
        let v1 = root.join("memory");
        if v1.join("memory.usage_in_bytes").exists() {
            return Some(Self {
                root: v1,
                version: Version::V1,
            });
        }
        let beside = root.join("unified");
        offers(&beside, "memory").then_some(Self {
            root: beside,
            version: Version::V2,
        })
    }

    /// Opens the counter of all that is charged to the group at `path` and all
    /// below it; `None` if the group is gone.
    #[must_use]
    pub fn open(&self, path: &str) -> Option<Charged> {
        let file = match self.version {
            Version::V1 => "memory.usage_in_bytes",
            Version::V2 => "memory.current",
        };
        File::open(self.group(path).join(file)).ok().map(Charged)
    }

    /// What of that is file pages that were not used lately, bytes.
    #[must_use]
    pub fn inactive(&self, path: &str, buffer: &mut Vec<u8>) -> Option<u64> {
        let name = match self.version {
            Version::V1 => "total_inactive_file ",
            Version::V2 => "inactive_file ",
        };
        let stat = text(&self.group(path).join("memory.stat"), buffer)?;
        let line = stat.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    }

    /// The working set of the group at `path` and all below it, bytes; `None`
    /// if the group is gone or its files say something else.
    #[must_use]
    pub fn working_set(&self, path: &str, buffer: &mut Vec<u8>) -> Option<u64> {
        let charged = self.open(path)?.bytes()?;
        Some(charged.saturating_sub(self.inactive(path, buffer)?))
    }

    fn group(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

/// A group's counter of charged memory: no working set is larger.
#[derive(Debug)]
pub struct Charged(File);

impl Charged {
    /// What is charged now, bytes. `None` if the group is gone, or the file says
    /// something else.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        // Room for any number, and its line's end.
        let mut text = [0; 32];
        let length = self.0.read_at(&mut text, 0).ok()?;
        str::from_utf8(text.get(..length)?)
            .ok()?
            .trim()
            .parse()
            .ok()
    }
}

/// A small file's text, in memory that is used again.
fn text<'a>(path: &Path, buffer: &'a mut Vec<u8>) -> Option<&'a str> {
    buffer.clear();
    let file = File::open(path).ok()?;
    file.take(FILE_MAX).read_to_end(buffer).ok()?;
    str::from_utf8(buffer).ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use super::*;

    fn seen(files: &[(&str, &str)], path: &str) -> Option<u64> {
        let (_root, roots) = tree(files);
        MemoryFiles::detect(&roots)?.working_set(path, &mut Vec::new())
    }

    #[test]
    fn a_v2_group_has_what_is_charged_less_inactive_file_pages() {
        let files = [
            ("cgroup.subtree_control", "cpu memory"),
            ("pod/c/memory.current", "1000\n"),
            (
                "pod/c/memory.stat",
                "anon 600\nfile 300\nactive_file 70\ninactive_file 230\n",
            ),
        ];
        assert_eq!(seen(&files, "/pod/c"), Some(770));
        assert_eq!(seen(&files, "/pod/gone"), None);
    }

    #[test]
    fn a_v1_group_is_counted_with_all_below_it() {
        let files = [
            ("memory/memory.usage_in_bytes", "9"),
            ("memory/pod/memory.usage_in_bytes", "5000\n"),
            (
                "memory/pod/memory.stat",
                "inactive_file 11\ntotal_inactive_anon 7\ntotal_inactive_file 1200\n",
            ),
        ];
        assert_eq!(seen(&files, "/pod"), Some(3_800));
    }

    #[test]
    fn a_hybrid_node_counts_where_the_controller_is() {
        let beside = [
            ("cpu/cpu.shares", "1024"),
            ("unified/cgroup.controllers", "memory"),
            ("unified/cgroup.subtree_control", "memory"),
            ("unified/a/memory.current", "10"),
            ("unified/a/memory.stat", "inactive_file 40\n"),
        ];
        // More file pages than are charged: read at two instants.
        assert_eq!(seen(&beside, "a"), Some(0));
        let nowhere = [
            ("cpu/cpu.shares", "1024"),
            ("unified/cgroup.controllers", ""),
            ("unified/cgroup.subtree_control", ""),
        ];
        assert_eq!(seen(&nowhere, "a"), None);
        assert_eq!(seen(&[], "a"), None);
    }

    #[test]
    fn a_counter_that_is_kept_open_tells_what_is_charged_now() {
        let files = [
            ("cgroup.subtree_control", "memory"),
            ("a/memory.current", "4096\n"),
        ];
        let (_root, roots) = tree(&files);
        let found = MemoryFiles::detect(&roots).unwrap();
        let counter = found.open("/a").unwrap();
        assert_eq!(counter.bytes(), Some(4_096));
        std::fs::write(
            roots.cgroup.join("a/memory.current"),
            "18446744073709551615\n",
        )
        .unwrap();
        assert_eq!(counter.bytes(), Some(u64::MAX));
        assert!(found.open("/b").is_none());
    }

    #[test]
    fn a_group_whose_files_say_something_else_has_no_figure() {
        let files = [
            ("cgroup.subtree_control", "memory"),
            ("a/memory.current", "many\n"),
            ("a/memory.stat", "inactive_file 1\n"),
            ("b/memory.current", "5\n"),
            ("b/memory.stat", "anon 1\n"),
        ];
        assert_eq!(seen(&files, "a"), None);
        assert_eq!(seen(&files, "b"), None);
    }
}
