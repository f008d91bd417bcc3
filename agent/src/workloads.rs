//! From a control group's path to the container and pod behind it.
//!
//! Everything here is pure: a path in, identities out; of machines inside pods
//! a command line in. Names of pods and namespaces are not known here; they come
//! from a watch elsewhere. It never reads a process's environment and never asks
//! a container runtime.

mod cgroup_path;
mod guest;
mod machine;

use std::{fmt, sync::Arc};

pub use cgroup_path::parse;
pub use guest::{Guest, guest, is_launcher};
pub use machine::machine;

/// The id of a control group: the inode of its directory in the hierarchy by
/// which CPU time is grouped. Ids are not reused while the node is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CgroupId(u64);

impl CgroupId {
    /// No control group is behind it: tasks of an autogroup, or a node without
    /// a hierarchy.
    pub const NONE: Self = Self(0);

    /// The id whose inode is `inode`.
    #[must_use]
    pub const fn new(inode: u64) -> Self {
        Self(inode)
    }

    /// The inode.
    #[must_use]
    pub const fn inode(self) -> u64 {
        self.0
    }
}

impl fmt::Display for CgroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The UID of a pod, as the API server writes it: a UUID with hyphens, or the
/// 32 hexadecimal digits of a pod from a file on the node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodUid(Arc<str>);

impl PodUid {
    /// Takes `text` if it is a pod's UID; underscores, which the systemd
    /// driver writes, stand for hyphens.
    #[must_use]
    pub fn try_new(text: &str) -> Option<Self> {
        let hyphenated = text.replace('_', "-");
        let bytes = hyphenated.as_bytes();
        let uuid = bytes.len() == 36
            && bytes.iter().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => *byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            });
        let digest = bytes.len() == 32 && bytes.iter().all(u8::is_ascii_hexdigit);
        (uuid || digest).then(|| Self(hyphenated.into()))
    }

    /// The UID's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PodUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id that a runtime gave to a container: 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerId(Arc<str>);

impl ContainerId {
    /// Takes `text` if it is a container's id.
    #[must_use]
    pub fn try_new(text: &str) -> Option<Self> {
        let valid = text.len() == 64
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        valid.then(|| Self(text.into()))
    }

    /// Takes the id out of a runtime's URL, as a pod's status has it:
    /// `containerd://<id>`.
    #[must_use]
    pub fn from_status(url: &str) -> Option<Self> {
        let (_, id) = url.split_once("://")?;
        Self::try_new(id)
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which program runs a container, as far as its path tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// The Docker engine.
    Docker,
    /// containerd, by itself or under a kubelet.
    Containerd,
    /// CRI-O.
    CriO,
    /// Podman.
    Podman,
    /// The path does not tell.
    Unknown,
}

impl Runtime {
    /// The name as it stands in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::CriO => "crio",
            Self::Podman => "podman",
            Self::Unknown => "unknown",
        }
    }
}

/// What a control group is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkloadKind {
    /// The root of the hierarchy: kernel threads and what nobody placed.
    Root,
    /// A container, of a pod or by itself; a pod's sandbox looks the same.
    Container,
    /// A pod's own group, above its containers, or a helper beside them.
    Pod,
    /// A virtual machine.
    VirtualMachine,
    /// A service of the node.
    Service,
    /// A person's session on the node.
    Session,
    /// Anything else.
    Other,
}

impl WorkloadKind {
    /// The name as it stands in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Container => "container",
            Self::Pod => "pod",
            Self::VirtualMachine => "vm",
            Self::Service => "service",
            Self::Session => "session",
            Self::Other => "other",
        }
    }
}

/// What a control group's path says about whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContainerRef {
    /// The pod it belongs to.
    pub pod_uid: Option<PodUid>,
    /// The container it belongs to.
    pub container_id: Option<ContainerId>,
    /// The container's runtime.
    pub runtime: Runtime,
    /// What it is about.
    pub kind: WorkloadKind,
}
