//! What the node says about itself: processors, memory, control groups.
//!
//! Readers only, each with its roots injected, so that they run on a fixture
//! tree or on the host's trees mounted into a pod. Nothing is written here,
//! and nothing is attributed to anyone. What is absent is `None`, never zero.

pub mod cgroup;
pub mod cpu;
pub mod machine;
pub mod sockets;
pub mod time;

use std::{
    fs,
    path::{Path, PathBuf},
};

pub use cgroup::{CgroupIndex, CgroupLayout, GroupSource, Hierarchies};
pub use cpu::CpuInfo;
pub use machine::Machine;
pub use sockets::Sockets;
pub use time::{CpuTimes, NodeTimes};

/// Why a reading of the node failed.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file could not be read.
    #[error("reading \"{}\"", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file does not hold what the kernel documents for it.
    #[error("\"{}\" has no usable {what}", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
}

/// Where the host's trees are: `/proc`, `/sys`, `/sys/fs/cgroup`, or where a
/// pod has them mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRoots {
    /// The process tree of the host's pid namespace.
    pub proc: PathBuf,
    /// The host's sysfs.
    pub sys: PathBuf,
    /// The host's control groups: one v2 tree, or the parent of the v1 trees.
    pub cgroup: PathBuf,
}

impl Default for HostRoots {
    fn default() -> Self {
        Self {
            proc: "/proc".into(),
            sys: "/sys".into(),
            cgroup: "/sys/fs/cgroup".into(),
        }
    }
}

impl HostRoots {
    /// All three trees under `root`, in their usual places: `/host` or a
    /// fixture's folder.
    #[must_use]
    pub fn under(root: &Path) -> Self {
        Self {
            proc: root.join("proc"),
            sys: root.join("sys"),
            cgroup: root.join("sys/fs/cgroup"),
        }
    }
}

/// Reads a whole file as text.
fn read(path: &Path) -> Result<String, HostError> {
    fs::read_to_string(path).map_err(|source| HostError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Reads a small file as text without surrounding space; `None` if it is
/// absent, unreadable or empty.
fn read_optional(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
