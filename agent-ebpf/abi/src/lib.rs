//! Keys and values shared by the kernel programs and the agent.
//!
//! What crosses the boundary between kernel and user space is defined here and
//! nowhere else: both sides are built from this file, and each size is
//! asserted while compiling. It never holds logic, and depends on nothing.
#![no_std]

/// Where the kernel's side takes a task's group from; the global `MODE`.
pub mod mode {
    /// The cgroup of the task's scheduler group: right on v1, hybrid and v2
    /// wherever the cpu controller is enabled for the container.
    pub const CPU_CONTROLLER: u32 = 0;
    /// The cgroup of the default (v2) hierarchy.
    pub const UNIFIED: u32 = 1;
    /// The cgroup of the v1 cpuacct hierarchy.
    pub const CPUACCT: u32 = 2;
}

/// What sort of task a counter is about; the field [`GroupKey::kind`].
pub mod kind {
    /// A task of user space.
    pub const USER: u32 = 0;
    /// A thread of the kernel's own.
    pub const KERNEL: u32 = 1;
    /// A processor's idle loop; in the map `COUNTS` alone, with cgroup and
    /// socket 0.
    pub const IDLE: u32 = 2;
    /// Who found no room; in the map `COUNTS` alone, with cgroup and socket 0.
    pub const OVERFLOW: u32 = 3;
}

/// What hardware counters count: the places in [`GroupCounts::of`] and the bits
/// of the global `COUNTED`.
pub mod counter {
    /// Processor cycles that were not halted.
    pub const CYCLES: usize = 0;
    /// Instructions that were retired.
    pub const INSTRUCTIONS: usize = 1;
    /// Misses of the last level of cache.
    pub const CACHE_MISSES: usize = 2;
    /// The number of them.
    pub const KINDS: usize = 3;
}

/// The slots of the map `STATS`, each a `u64` that only grows, but for
/// [`stat::TASKS_WALKED`].
pub mod stat {
    /// CPU nanoseconds of groups for which the map of counters had no room.
    pub const OVERFLOW_CPU_NS: u32 = 0;
    /// Bookings that went to the overflow account.
    pub const OVERFLOW_BOOKINGS: u32 = 1;
    /// Times a task's own storage could not be made: its time is booked later,
    /// at the latest when it is freed.
    pub const STORAGE_MISSES: u32 = 2;
    /// Races between two programs for one amount: the winner booked it.
    pub const LOST_RACES: u32 = 3;
    /// Tasks that were dying when the programs were attached: their past is
    /// not the meter's to count.
    pub const ENDED_BEFORE_START: u32 = 4;
    /// Tasks that the last finished walk saw; the one slot that is set.
    pub const TASKS_WALKED: u32 = 5;
    /// Tasks freed since the programs were attached.
    pub const TASKS_FREED: u32 = 6;
    /// Tasks made since the programs were attached.
    pub const TASKS_MADE: u32 = 7;
    /// Tasks that ended since the programs were attached. What is above
    /// [`TASKS_FREED`] waits for the kernel to free it.
    pub const TASKS_ENDED: u32 = 8;
    /// Groups made or removed that found no room in the ring of events: they
    /// are found by looking at the tree, if they live so long.
    pub const GROUP_EVENTS_LOST: u32 = 9;
    /// Ended tasks whose freeing was not shown, found out when the kernel used
    /// their place for another task.
    pub const FREES_UNSEEN: u32 = 10;
    /// CPU nanoseconds booked for those: the mean of what the seen ones of
    /// their group had left.
    pub const UNSEEN_CPU_NS: u32 = 11;
    /// Bookings that found no room in the map of processes; their time is in
    /// their group's.
    pub const PROCESS_OVERFLOWS: u32 = 12;
    /// Readings of a hardware counter that failed: what it counted since the
    /// one before is nobody's. A slot for each of [`super::counter`], this one
    /// and those that follow.
    pub const COUNTER_GAPS: u32 = 13;
    /// The number of slots.
    pub const SLOTS: u32 = 16;
}

/// Processors whose socket can be told: the length of the map `SOCKETS` on a
/// machine with several.
pub const PROCESSORS_MAX: usize = 1_024;

/// Entries of the map `DYING`: ended tasks wait in it for some milliseconds each,
/// so for all of them some 40,000 processes would have to end in a second.
pub const DYING_MAX: usize = 4_096;

/// A key of the map `COUNTERS`: whose time it is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey {
    /// The cgroup's id: the inode of its directory. 0: no cgroup is behind it.
    pub cgroup: u64,
    /// One of [`kind`].
    pub kind: u32,
    /// The socket on which a task was when its time was booked; 0 where there
    /// is one socket.
    pub socket: u32,
}

/// A value of the map `COUNTERS`: all fields only grow.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// CPU nanoseconds booked to the group.
    pub cpu_ns: u64,
    /// Tasks of the group that were seen freed.
    pub ends: u64,
    /// CPU nanoseconds of `cpu_ns` that were booked when tasks were freed.
    pub rest_ns: u64,
}

/// A value of the map `DYING`, by the task's address: an ended task that is
/// not freed yet.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dying {
    /// The group that its last time belongs to.
    pub cgroup: u64,
    /// One of [`kind`].
    pub kind: u32,
    /// As [`GroupKey::socket`].
    pub socket: u32,
}

/// What one hardware counter counted for a group: all fields only grow. The
/// kernel shares few counters among many that ask, so that a counter may be
/// wanted and not count for some of the time.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Events.
    pub events: u64,
    /// Nanoseconds for which they were wanted, on all processors together.
    pub wanted_ns: u64,
    /// Nanoseconds of those in which they were not counted.
    pub missed_ns: u64,
}

/// A value of the map `COUNTS`, by [`GroupKey`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupCounts {
    /// By [`counter`].
    pub of: [Counted; counter::KINDS],
}

/// A hardware counter's own word: the kernel's `bpf_perf_event_value`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CounterValue {
    /// Events since the counter was opened.
    pub events: u64,
    /// Nanoseconds since it was opened.
    pub wanted_ns: u64,
    /// Nanoseconds of those in which it counted.
    pub counted_ns: u64,
}

/// The value of the map `PROCESSOR`, one for each processor: what its counters
/// said when they were last read. Written on that processor alone, with no
/// switch of tasks between reading and writing.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessorCounters {
    /// By [`counter`]; a `wanted_ns` of 0 is a counter that was not read yet.
    pub last: [CounterValue; counter::KINDS],
    /// 1 while the processor runs its idle loop, as the last switch left it.
    pub idle: u64,
}

/// What the kernel keeps in each task's own storage.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskBook {
    /// CPU nanoseconds of the task that are booked already.
    pub base_ns: u64,
    /// The id of the group it was last seen in, plus one. 0: never seen.
    pub group: u64,
    /// When its process began, as [`ProcessKey::start_ns`]. 0: not looked at.
    pub process_start_ns: u64,
}

/// The length of a task's short name in the kernel, bytes.
pub const COMM: usize = 16;

/// A key of the map `PROCESSES`: a process, told from an earlier one of the
/// same number by its start.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessKey {
    /// When it began, in the clock of `task_struct.start_time`.
    pub start_ns: u64,
    /// Its number.
    pub pid: u32,
    /// One of [`kind`].
    pub kind: u32,
}

/// A value of the map `PROCESSES`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessTime {
    /// CPU nanoseconds booked to the process; only grows.
    pub cpu_ns: u64,
    /// The group that was last booked to.
    pub cgroup: u64,
    /// The walk that last saw it.
    pub walk: u64,
    /// The short name of the process' main thread; empty while only a thread was
    /// booked that was freed.
    pub comm: [u8; COMM],
}

/// The longest path that an event carries, bytes. A longer one is cut, and its
/// group found by looking at the tree.
pub const PATH_MAX: usize = 488;

/// What happened to a group; the field [`GroupEvent::what`].
pub mod event {
    /// It was made.
    pub const MADE: u32 = 0;
    /// It was removed.
    pub const REMOVED: u32 = 1;
}

/// A record of the ring `GROUPS`: a group was made or removed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct GroupEvent {
    /// The group's id.
    pub cgroup: u64,
    /// When, in the clock of `CLOCK_MONOTONIC`, nanoseconds.
    pub at_ns: u64,
    /// One of [`event`].
    pub what: u32,
    /// Bytes of the path, with its closing zero; negative if it could not be
    /// read.
    pub length: i32,
    /// Its path from the root of its hierarchy.
    pub path: [u8; PATH_MAX],
}

const _: () = assert!(size_of::<GroupEvent>() == 512);
const _: () = assert!(align_of::<GroupEvent>() == 8);
const _: () = assert!(size_of::<GroupKey>() == 16);
const _: () = assert!(size_of::<CpuTime>() == 24);
const _: () = assert!(size_of::<Dying>() == 16);
const _: () = assert!(size_of::<Counted>() == 24);
const _: () = assert!(size_of::<GroupCounts>() == 72);
const _: () = assert!(size_of::<CounterValue>() == 24);
const _: () = assert!(size_of::<ProcessorCounters>() == 80);
const _: () = assert!(size_of::<TaskBook>() == 24);
const _: () = assert!(size_of::<ProcessKey>() == 16);
const _: () = assert!(size_of::<ProcessTime>() == 40);
const _: () = assert!(align_of::<GroupKey>() == 8);
const _: () = assert!(align_of::<CpuTime>() == 8);
const _: () = assert!(align_of::<TaskBook>() == 8);
