//! The maps: fixed in size, and their counters only grow.

use core::{
    ffi::c_void,
    intrinsics::{AtomicOrdering, atomic_cxchg, atomic_xadd},
    ptr,
};

use aya_ebpf::{
    btf_maps::{Array, HashMap},
    helpers::generated,
    macros::btf_map,
};
use tanso_agent_abi::{CpuTime, GroupKey, TaskBook, stat};

/// `BPF_NOEXIST`: insert only.
const NO_EXIST: u64 = 1;
/// `BPF_LOCAL_STORAGE_GET_F_CREATE`.
const CREATE: u64 = 1;

/// CPU time by group. The agent may choose another size when loading.
#[btf_map]
static COUNTERS: HashMap<GroupKey, CpuTime, 16384> = HashMap::new();

/// What went otherwise than planned, by slot.
#[btf_map]
static STATS: Array<u64, { stat::SLOTS as usize }> = Array::new();

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

#[inline(always)]
fn grow(counter: *mut CpuTime, ns: u64, end: bool) {
    // SAFETY: a value of the map, valid while the program runs; an atomic add
    // needs no more.
    unsafe {
        atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(&raw mut (*counter).cpu_ns, ns);
        if end {
            atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(&raw mut (*counter).ends, 1);
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
