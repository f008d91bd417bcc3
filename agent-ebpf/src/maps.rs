//! The maps: fixed in size, and their counters only grow.

use core::{
    ffi::c_void,
    intrinsics::{AtomicOrdering, atomic_cxchg, atomic_xadd},
    ptr,
};

use aya_ebpf::{
    btf_maps::{Array, HashMap, PerCpuArray, PerfEventByteArray, RingBuf},
    helpers::generated,
    macros::btf_map,
};
use tanso_agent_abi::{
    CpuTime, DYING_MAX, Dying, GroupCounts, GroupEvent, GroupKey, PROCESSORS_MAX, ProcessKey, ProcessTime,
    ProcessorCounters, TaskBook, stat,
};

/// `BPF_NOEXIST`: insert only.
const NO_EXIST: u64 = 1;
/// `BPF_LOCAL_STORAGE_GET_F_CREATE`.
const CREATE: u64 = 1;

/// CPU time by group. The agent chooses its size when loading.
#[btf_map]
static COUNTERS: HashMap<GroupKey, CpuTime, 8192> = HashMap::new();

/// What went otherwise than planned, by slot.
#[btf_map]
static STATS: Array<u64, { stat::SLOTS as usize }> = Array::new();

/// Ended tasks, by their address, until they are freed.
#[btf_map]
static DYING: HashMap<u64, Dying, DYING_MAX> = HashMap::new();

/// CPU time by process, where that level is on. The agent chooses its size
/// when loading.
#[btf_map]
static PROCESSES: HashMap<ProcessKey, ProcessTime, 1> = HashMap::new();

/// The socket of each processor. The agent fills it before anything is booked,
/// and again when a processor comes online that it did not know; where there is
/// one socket it makes it of one entry.
#[btf_map]
static SOCKETS: Array<u32, PROCESSORS_MAX> = Array::new();

/// Hardware counts by group, where they are wanted. The agent chooses its size
/// when loading, and puts in the accounts of idle processors and of what finds
/// no room.
#[btf_map]
pub static COUNTS: HashMap<GroupKey, GroupCounts, 1> = HashMap::new();

/// What each processor's counters last said.
#[btf_map]
pub static PROCESSOR: PerCpuArray<ProcessorCounters, 1> = PerCpuArray::new();

/// The open counters, by processor: a map for each of
/// `tanso_agent_abi::counter`. The agent puts them in.
#[btf_map]
pub static CYCLES: PerfEventByteArray = PerfEventByteArray::new();
#[btf_map]
pub static INSTRUCTIONS: PerfEventByteArray = PerfEventByteArray::new();
#[btf_map]
pub static CACHE_MISSES: PerfEventByteArray = PerfEventByteArray::new();

/// Groups made and removed. Not for measuring: what a record lost costs is a
/// name, and the tree is looked at for it.
#[btf_map]
pub static GROUPS: RingBuf<GroupEvent, { 256 * 1024 }> = RingBuf::new();

/// Task storage by hand, until the library has it: type 29, no preallocation
/// (flag 1), and no entries of its own.
#[repr(C)]
struct TaskStorage<T> {
    r#type: *const [i32; 29],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; 1],
}

// SAFETY: the fields are placeholders that the loader reads as types; nothing
// ever follows them.
unsafe impl<T> Sync for TaskStorage<T> {}

#[btf_map]
static TASKS: TaskStorage<TaskBook> = TaskStorage {
    r#type: ptr::null(),
    key: ptr::null(),
    value: ptr::null(),
    max_entries: ptr::null(),
    map_flags: ptr::null(),
};

/// The storage of `task`, or null.
///
/// # Safety
/// `task` must be a task pointer that the verifier trusts.
#[inline(always)]
pub unsafe fn task_book(task: *const u8, create: bool) -> *mut TaskBook {
    // SAFETY: the map is a task storage, and the caller vouches for the task.
    unsafe {
        generated::bpf_task_storage_get(
            ptr::from_ref(&TASKS).cast_mut().cast::<c_void>(),
            task.cast_mut().cast(),
            ptr::null_mut(),
            if create { CREATE } else { 0 },
        )
        .cast()
    }
}

/// Notes that the task at `address` has ended.
#[inline(always)]
pub fn note_dying(address: u64, key: &GroupKey) {
    let dying = Dying {
        cgroup: key.cgroup,
        kind: key.kind,
        socket: key.socket,
    };
    // Without room, an unseen freeing of this one stays unknown.
    let _ = DYING.insert(&address, &dying, 0);
}

/// Notes that the task at `address` is freed.
#[inline(always)]
pub fn note_freed(address: u64) {
    let _ = DYING.remove(&address);
}

/// Whose ended task was at `address`, if its freeing was not seen. Some
/// kernels do not show some frees in a thousand to programs.
#[inline(always)]
pub fn unseen_at(address: u64) -> Option<GroupKey> {
    let dying = DYING.get_ptr_mut(&address)?;
    // SAFETY: a value of the map, valid while the program runs.
    let key = unsafe {
        GroupKey {
            cgroup: (*dying).cgroup,
            kind: (*dying).kind,
            socket: (*dying).socket,
        }
    };
    let _ = DYING.remove(&address);
    Some(key)
}

/// What a task of the group has left when it is freed, on average,
/// nanoseconds.
#[inline(always)]
pub fn mean_rest(key: &GroupKey) -> u64 {
    let Some(counter) = COUNTERS.get_ptr_mut(key) else {
        return 0;
    };
    // SAFETY: a value of the map, valid while the program runs.
    let (rest_ns, ends) = unsafe {
        (
            ptr::read_volatile(&raw const (*counter).rest_ns),
            ptr::read_volatile(&raw const (*counter).ends),
        )
    };
    if ends == 0 { 0 } else { rest_ns / ends }
}

/// Books `ns` to `key`, or to the overflow account where the map is full.
#[inline(always)]
pub fn book(key: &GroupKey, ns: u64, end: bool) {
    if let Some(counter) = COUNTERS.get_ptr_mut(key) {
        grow(counter, ns, end);
        return;
    }
    let first = CpuTime {
        cpu_ns: ns,
        ends: u64::from(end),
        rest_ns: if end { ns } else { 0 },
    };
    if COUNTERS.insert(key, &first, NO_EXIST).is_ok() {
        return;
    }
    // Either another processor was quicker, or there is no room.
    if let Some(counter) = COUNTERS.get_ptr_mut(key) {
        grow(counter, ns, end);
    } else {
        count(stat::OVERFLOW_CPU_NS, ns);
        count(stat::OVERFLOW_BOOKINGS, 1);
    }
}

/// Books to a process that is known; false where it is not. Its name is taken
/// where it `is_named`: that of its main thread.
#[inline(always)]
pub fn grow_process(key: &ProcessKey, seen: &ProcessTime, is_named: bool) -> bool {
    let Some(process) = PROCESSES.get_ptr_mut(key) else {
        return false;
    };
    // SAFETY: a value of the map, valid while the program runs.
    unsafe {
        atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(
            &raw mut (*process).cpu_ns,
            seen.cpu_ns,
        );
        ptr::write_volatile(&raw mut (*process).cgroup, seen.cgroup);
        if is_named {
            ptr::write_volatile(&raw mut (*process).comm, seen.comm);
        }
        if seen.walk != 0 {
            ptr::write_volatile(&raw mut (*process).walk, seen.walk);
        }
    }
    true
}

/// Books to a process that was not known.
#[inline(always)]
pub fn take_up_process(key: &ProcessKey, seen: &ProcessTime) {
    if PROCESSES.insert(key, seen, NO_EXIST).is_ok() {
        return;
    }
    // Either another processor was quicker, or there is no room.
    if let Some(process) = PROCESSES.get_ptr_mut(key) {
        // SAFETY: as above.
        unsafe {
            atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(
                &raw mut (*process).cpu_ns,
                seen.cpu_ns,
            );
        }
    } else {
        count(stat::PROCESS_OVERFLOWS, 1);
    }
}

/// The socket of a processor; 0 where nothing is known of it.
#[inline(always)]
pub fn socket_at(processor: u32) -> u32 {
    let Some(socket) = SOCKETS.get_ptr_mut(processor) else {
        return 0;
    };
    // SAFETY: a value of the array, valid while the program runs.
    unsafe { ptr::read_volatile(socket) }
}

/// Adds `n` to a counter in a map's value.
///
/// # Safety
/// `place` must be a non-null place in a map's value.
#[inline(always)]
pub unsafe fn add(place: *mut u64, n: u64) {
    // SAFETY: the caller's; an atomic add needs no more.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(place, n) };
}

#[inline(always)]
fn grow(counter: *mut CpuTime, ns: u64, end: bool) {
    // SAFETY: a value of the map, valid while the program runs; an atomic add
    // needs no more.
    unsafe {
        atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(&raw mut (*counter).cpu_ns, ns);
        if end {
            atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(&raw mut (*counter).ends, 1);
            atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(&raw mut (*counter).rest_ns, ns);
        }
    }
}

/// Adds `n` to a slot of the statistics.
#[inline(always)]
pub fn count(slot: u32, n: u64) {
    if let Some(value) = STATS.get_ptr_mut(slot) {
        // SAFETY: a value of the array, valid while the program runs.
        unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(value, n) };
    }
}

/// Sets a slot of the statistics.
#[inline(always)]
pub fn set(slot: u32, n: u64) {
    if let Some(value) = STATS.get_ptr_mut(slot) {
        // SAFETY: a value of the array, valid while the program runs.
        unsafe { ptr::write_volatile(value, n) };
    }
}

/// Replaces `old` at `place` by `new`; false where another was quicker.
///
/// # Safety
/// `place` must be a non-null place in a map's value.
#[inline(always)]
pub unsafe fn replace(place: *mut u64, old: u64, new: u64) -> bool {
    // SAFETY: the caller's.
    unsafe {
        atomic_cxchg::<u64, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(place, old, new)
            .1
    }
}
