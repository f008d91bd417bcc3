//! CPU time by control group, from the best source that the node allows.
//!
//! Three sources stand on a ladder: programs in the kernel, the control
//! groups' own files, and the process list. Each gives the same reading:
//! cumulative CPU time per group since the source was opened. Energy, names
//! and containers are not known here. `unsafe` code is allowed here, and in
//! few places.

mod batch;
pub mod btf;
pub mod clock_state;
pub mod ebpf;
mod ladder;
mod limits;
pub mod pages;
mod poll;
mod proc;
mod rights;

use std::{
    fmt,
    path::PathBuf,
    time::{Duration, Instant},
};

pub use ebpf::{EbpfCpu, EbpfOptions, GroupBirth, TaskCounts};
pub use ladder::{Climb, Refusal, climb};
pub use poll::PollCpu;
pub use proc::ProcCpu;
pub use rights::Rights;

use crate::{
    host::HostError,
    pmu::{CounterReport, KINDS},
    workloads::CgroupId,
};

/// Where CPU time comes from, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rung {
    /// Programs in the kernel: every task, whatever its life's length.
    Ebpf,
    /// The control groups' own counters: exact while a group lives; the last
    /// stretch of a group removed between two readings goes to its parent.
    CgroupFiles,
    /// The process list: a process that ends between two readings loses its
    /// last stretch, or is not seen at all.
    Proc,
}

impl Rung {
    /// All rungs, best first.
    pub const ALL: [Self; 3] = [Self::Ebpf, Self::CgroupFiles, Self::Proc];

    /// The name as it stands in labels and settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ebpf => "ebpf",
            Self::CgroupFiles => "cgroup-files",
            Self::Proc => "proc",
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose time it is within a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskKind {
    /// Tasks of user space. [`Rung::CgroupFiles`] cannot tell them apart, and
    /// puts all time of a group here.
    User,
    /// Threads of the kernel's own.
    Kernel,
}

/// Whose CPU time is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group {
    /// The control group.
    pub cgroup: CgroupId,
    /// The kind of task within it.
    pub kind: TaskKind,
}

/// The CPU time of a group by itself, without the groups below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTime {
    /// Whose it is.
    pub group: Group,
    /// Cumulative, since the source was opened.
    pub cpu: Duration,
}

/// The part of a group's CPU time on one socket: of what tasks ran between two
/// looks at them all is counted where they were at the later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketTime {
    /// Whose it is.
    pub group: Group,
    /// The socket's number.
    pub socket: u32,
    /// Cumulative, since the source was opened.
    pub cpu: Duration,
}

/// A process' CPU time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessReading {
    /// Its number.
    pub pid: u32,
    /// When it began, nanoseconds since boot: tells it from an earlier one of
    /// the same number.
    pub start_ns: u64,
    /// The group that it was last in, and whose thread it is.
    pub group: Group,
    /// Its short name, as the kernel has it: its main thread's. May be empty in the
    /// last part of one that ended.
    pub comm: [u8; 16],
    /// Cumulative, since the source was opened.
    pub cpu: Duration,
    /// Whether it still lives. One that does not is in no later reading.
    pub alive: bool,
}

/// Events by hardware counters of a group on a socket, in the order of
/// [`crate::pmu::NAMES`]: cumulative, since the source was opened, and for all of
/// the time for which they were wanted. 0 of a kind that is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupEvents {
    /// Whose they are.
    pub group: Group,
    /// The number of the socket on which they were counted; 0 where there is one.
    pub socket: u32,
    /// How many.
    pub events: [u64; KINDS],
}

/// What hardware counters counted, at one instant. All figures are cumulative;
/// groups, idle loops, overflow and retired groups together are what the counters
/// of all processors counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountReading {
    /// By group and socket, in their order. One that is absent now and was there
    /// before is retired.
    pub groups: Vec<GroupEvents>,
    /// Of processors' idle loops, and of interrupts that they take.
    pub idle: [u64; KINDS],
    /// Of groups for which there was no room.
    pub overflow: [u64; KINDS],
    /// Of removed groups that are no longer listed.
    pub retired: [u64; KINDS],
    /// Whether all that ran on any processor since the reading before was
    /// counted.
    pub whole: [bool; KINDS],
    /// The time for which each kind was wanted, all processors together, and
    /// that of it in which it was counted: less where more counters are wanted
    /// than a processor has.
    pub times: [(Duration, Duration); KINDS],
}

/// What a kernel program has cost, while the kernel's statistics of programs
/// are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramCost {
    /// Its name.
    pub program: &'static str,
    /// How often it ran.
    pub runs: u64,
    /// What that took.
    pub time: Duration,
}

/// How full a map of the kernel programs is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapFill {
    /// What it holds, as labels have it.
    pub map: &'static str,
    /// Its entries.
    pub entries: u64,
    /// The entries that there is room for.
    pub entries_max: u64,
}

/// What went otherwise than planned since the source was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Bookings that found no room and went to the overflow account.
    pub overflow_bookings: u64,
    /// Times a task's own storage could not be made.
    pub storage_misses: u64,
    /// Races for one amount; the winner booked it, nothing is lost.
    pub lost_races: u64,
    /// Tasks that were dying when the source was opened.
    pub ended_before_start: u64,
    /// Readings of single groups or processes that failed.
    pub unreadable: u64,
    /// Groups made or removed that the kernel could not tell of for lack of
    /// room: they are looked for in the tree.
    pub group_events_lost: u64,
    /// Bookings of processes that found no room; their time is in their
    /// group's.
    pub process_overflows: u64,
    /// Ended tasks whose freeing the kernel did not show: the mean of the seen
    /// ones was booked.
    pub frees_unseen: u64,
    /// Hardware counters that could not be read at a context switch.
    pub counter_gaps: u64,
}

/// A reading of all groups.
///
/// No group's time ever falls from one reading to the next. A group that is
/// absent now and was there before is retired: its time is in `retired`. Should
/// it come back, it counts from zero.
#[derive(Clone, Debug)]
pub struct CpuReading {
    /// The instant of the reading.
    pub at: Instant,
    /// The groups, in the order of [`Group`].
    pub groups: Vec<GroupTime>,
    /// The same by socket, in the order of [`Group`] and socket; empty on a
    /// machine with one, and where the source cannot tell.
    pub sockets: Vec<SocketTime>,
    /// Groups made since the last reading, as far as the source tells: those
    /// removed since are among them.
    pub births: Vec<GroupBirth>,
    /// Groups removed since the last reading, as far as the source tells.
    pub removals: Vec<CgroupId>,
    /// Processes that used CPU time since the source was opened, where that
    /// level is on.
    pub processes: Vec<ProcessReading>,
    /// What hardware counters counted, where they are read.
    pub counts: Option<CountReading>,
    /// Whether a group may have been made or removed since the last reading;
    /// true where the source cannot tell.
    pub tree_changed: bool,
    /// Whether `births` and `removals` are all there was: then nobody has to
    /// look at the tree for it.
    pub tree_told: bool,
    /// Time of groups for which there was no room.
    pub overflow: Duration,
    /// Time of removed groups that are no longer listed.
    pub retired: Duration,
    /// Tasks, groups' files or processes looked at for this reading.
    pub looked_at: u64,
    /// What went otherwise than planned.
    pub losses: Losses,
    /// What the reading itself took.
    pub cost: Duration,
}

impl CpuReading {
    /// The time of a group.
    #[must_use]
    pub fn cpu_of(&self, group: Group) -> Option<Duration> {
        let at = self
            .groups
            .binary_search_by_key(&group, |time| time.group)
            .ok()?;
        self.groups.get(at).map(|time| time.cpu)
    }

    /// All time that was counted, whoever's it is.
    #[must_use]
    pub fn total(&self) -> Duration {
        let listed: Duration = self.groups.iter().map(|time| time.cpu).sum();
        listed + self.overflow + self.retired
    }
}

/// A source of CPU time by group.
pub trait CpuTime: Send {
    /// Reads all groups at one instant. Totals start at zero when the source
    /// is opened.
    ///
    /// # Errors
    /// If the source as a whole cannot be read; single groups that vanish are
    /// not an error.
    fn read(&mut self) -> Result<CpuReading, KernelError>;

    /// Where the time comes from.
    fn rung(&self) -> Rung;

    /// One sentence on how the time is counted, and what is lost by it.
    fn explain(&self) -> String;

    /// The root directory of the hierarchy whose inodes are the groups' ids:
    /// what a `CgroupIndex` is to be made of. `None`: there are no groups, and
    /// all time is of [`CgroupId::NONE`].
    fn group_root(&self) -> Option<PathBuf>;

    /// The kernel's own figure for a group *and the groups below it*, since
    /// the group was made: for comparing differences of groups without
    /// children. `None` if the kernel keeps none, or the group is gone.
    fn kernel_truth(&mut self, cgroup: CgroupId) -> Option<Duration>;

    /// How hardware counters stand; empty where they are not asked for, and where
    /// the source knows none.
    fn counters(&self) -> Vec<CounterReport> {
        Vec::new()
    }

    /// What the source's programs have cost so far; empty while nobody asks
    /// the kernel to measure it.
    fn program_costs(&self) -> Vec<ProgramCost> {
        Vec::new()
    }

    /// How full the source's maps are in the kernel; empty where it has none.
    fn maps(&self) -> Vec<MapFill> {
        Vec::new()
    }
}

/// Why CPU time could not be counted or read.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The agent was built without the kernel programs.
    #[error("this agent was built without the kernel programs; build with `cargo xtask ebpf`")]
    NoObject,
    /// The kernel's description of its own types is missing or unusable.
    #[error("type information of the kernel at \"{}\": {reason}", path.display())]
    Btf {
        /// Where it was looked for.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The kernel has no such structure member.
    #[error("this kernel has no \"{name}\"")]
    NoField {
        /// The structure, and the path in it.
        name: String,
    },
    /// A program or map could not be loaded.
    #[error("loading the kernel programs: {what}")]
    Load {
        /// Which part.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A system call on a program or map failed.
    #[error("{what}")]
    System {
        /// What was being done.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The node has nothing from which a source could read.
    #[error("{0}")]
    Absent(String),
    /// The node's own files could not be read.
    #[error(transparent)]
    Host(#[from] HostError),
}
