//! Settling a task: what it ran since the last time goes to its group.

use core::ptr;

use tanso_agent_abi::{COMM, GroupKey, ProcessKey, ProcessTime, TaskBook, kind, mode, stat};

use crate::{
    maps::{
        book, count, grow_process, mean_rest, note_dying, note_freed, replace, socket_at,
        take_up_process, task_book, unseen_at,
    },
    offsets::{
        BY_PROCESS, MODE, OFF_CGROUP_NODE, OFF_GROUP_CGROUP, OFF_NODE_ID, OFF_SET_CPUACCT,
        OFF_SET_UNIFIED, OFF_STATE_CGROUP, OFF_TASK_CGROUPS, OFF_TASK_COMM, OFF_TASK_CPU,
        OFF_TASK_FLAGS, OFF_TASK_GROUP, OFF_TASK_LEADER, OFF_TASK_PID, OFF_TASK_START,
        OFF_TASK_SUM, OFF_TASK_TGID, START_NS,
    },
};

/// `PF_KTHREAD` of `task_struct.flags`.
const KERNEL_THREAD: u32 = 0x0020_0000;

/// In the time-resolved mode a task is booked when its run time passes a
/// multiple of 2 to this, nanoseconds: a millisecond, a quarter of the shortest
/// common tick.
const RUNNING_STEP_BITS: u32 = 20;

/// Books what `task` ran since it was last settled. Of two programs that
/// settle one task at one time, one books and the other does nothing.
///
/// # Safety
/// `task` must be a task pointer that the verifier trusts.
#[inline(always)]
pub unsafe fn settle(task: *const u8, create: bool) -> i32 {
    // SAFETY: the caller's.
    unsafe { settle_in_walk(task, create, 0) }
}

/// The same; `walk` is the number of the walk, 0 outside of one.
///
/// # Safety
/// `task` must be a task pointer that the verifier trusts.
#[inline(always)]
pub unsafe fn settle_in_walk(task: *const u8, create: bool, walk: u64) -> i32 {
    // SAFETY: the caller's.
    unsafe {
        let entry = task_book(task, create);
        if entry.is_null() {
            if create {
                count(stat::STORAGE_MISSES, 1);
            }
            return 0;
        }
        settle_entry(task, entry, false, walk);
        0
    }
}

/// Settles a task that was just made. Where an ended task was whose freeing
/// was not shown, the mean of what such tasks have left is booked to its
/// group: its own sum is gone.
///
/// # Safety
/// `task` must be a task pointer that the verifier trusts.
#[inline(always)]
pub unsafe fn settle_made(task: *const u8) -> i32 {
    count(stat::TASKS_MADE, 1);
    if let Some(key) = unseen_at(task.addr() as u64) {
        let ns = mean_rest(&key);
        count(stat::FREES_UNSEEN, 1);
        count(stat::UNSEEN_CPU_NS, ns);
        if ns > 0 {
            book(&key, ns, false);
        }
    }
    // SAFETY: the caller's.
    unsafe { settle(task, true) }
}

/// Settles a task that ends, and waits for its freeing.
///
/// # Safety
/// `task` must be a task pointer that the verifier trusts.
#[inline(always)]
pub unsafe fn settle_ended(task: *const u8) -> i32 {
    count(stat::TASKS_ENDED, 1);
    // SAFETY: the caller's.
    unsafe {
        let result = settle(task, true);
        note_dying(task.addr() as u64, &key_of(task, group_of(task)));
        result
    }
}

/// Books the last part of a task that is freed. Without storage, all that it
/// ever ran is booked, unless it is older than the meter.
///
/// # Safety
/// `task` must be a task pointer that the verifier trusts.
#[inline(always)]
pub unsafe fn settle_freed(task: *const u8) -> i32 {
    count(stat::TASKS_FREED, 1);
    note_freed(task.addr() as u64);
    // SAFETY: the caller's.
    unsafe {
        let entry = task_book(task, false);
        if !entry.is_null() {
            settle_entry(task, entry, true, 0);
            return 0;
        }
        if OFF_TASK_START.load() != 0 && field::<u64>(task, OFF_TASK_START.load()) < START_NS.load()
        {
            count(stat::ENDED_BEFORE_START, 1);
            return 0;
        }
        let sum = field::<u64>(task, OFF_TASK_SUM.load());
        if sum > 0 {
            let group = group_of(task);
            book(&key_of(task, group), sum, true);
            by_process(task, ptr::null_mut(), group, sum, 0, true);
        }
        0
    }
}

/// Books what `task` ran up to now, each time that its sum passes a whole
/// millisecond with the `ran_ns` that the scheduler has just charged: of tasks
/// that run for microseconds at a time most events end here, with nothing
/// touched but the sum that the scheduler wrote a moment ago. The group is the
/// one that it was last seen in, since moves settle it themselves.
///
/// # Safety
/// `task` must be a task pointer that the verifier trusts.
#[inline(always)]
pub unsafe fn settle_running(task: *const u8, ran_ns: u64) -> i32 {
    // SAFETY: the caller's; the entry is checked for null.
    unsafe {
        let sum = field::<u64>(task, OFF_TASK_SUM.load());
        if sum >> RUNNING_STEP_BITS == sum.wrapping_sub(ran_ns) >> RUNNING_STEP_BITS {
            return 0;
        }
        let entry = task_book(task, false);
        if entry.is_null() {
            // The next walk makes it.
            return 0;
        }
        let known = ptr::read_volatile(&raw const (*entry).group);
        // The base first: a sum read before it could be older.
        let base = ptr::read_volatile(&raw const (*entry).base_ns);
        let sum = field::<u64>(task, OFF_TASK_SUM.load());
        if known == 0 || sum <= base {
            return 0;
        }
        if replace(&raw mut (*entry).base_ns, base, sum) {
            book(&key_of(task, known - 1), sum - base, false);
            by_process(task, entry, known - 1, sum - base, 0, false);
        } else {
            count(stat::LOST_RACES, 1);
        }
        0
    }
}

#[inline(always)]
unsafe fn settle_entry(task: *const u8, entry: *mut TaskBook, end: bool, walk: u64) {
    // SAFETY: the task is the caller's, the entry was checked for null.
    unsafe {
        let now = group_of(task);
        let known = ptr::read_volatile(&raw const (*entry).group);
        // The past belongs to the group in which it was spent.
        let owner = if known == 0 { now } else { known - 1 };
        if known != now + 1 {
            ptr::write_volatile(&raw mut (*entry).group, now + 1);
        }
        // The base first: a sum read before it could be older, and the
        // difference negative.
        let base = ptr::read_volatile(&raw const (*entry).base_ns);
        let sum = field::<u64>(task, OFF_TASK_SUM.load());
        if sum <= base {
            if end {
                // One more that had nothing left.
                book(&key_of(task, owner), 0, true);
            }
            if walk != 0 {
                by_process(task, entry, owner, 0, walk, end);
            }
            return;
        }
        if replace(&raw mut (*entry).base_ns, base, sum) {
            book(&key_of(task, owner), sum - base, end);
            by_process(task, entry, owner, sum - base, walk, end);
        } else {
            count(stat::LOST_RACES, 1);
        }
    }
}

/// Books to the task's process, where that level is on. A freed task's leader
/// may be gone: its process is known by the task's own storage then, or is
/// the task itself.
#[inline(always)]
unsafe fn by_process(
    task: *const u8,
    entry: *mut TaskBook,
    cgroup: u64,
    ns: u64,
    walk: u64,
    end: bool,
) {
    if BY_PROCESS.load() == 0 {
        return;
    }
    // SAFETY: the task is the caller's, the entry is checked for null; what is
    // read of the leader is read of one that lives.
    unsafe {
        let pid = field::<u32>(task, OFF_TASK_TGID.load());
        let is_main = field::<u32>(task, OFF_TASK_PID.load()) == pid;
        let mut start_ns = 0;
        if !entry.is_null() {
            start_ns = ptr::read_volatile(&raw const (*entry).process_start_ns);
        }
        if start_ns == 0 {
            if !end {
                let leader = field::<*const u8>(task, OFF_TASK_LEADER.load());
                start_ns = field::<u64>(leader, OFF_TASK_START.load());
            } else if is_main {
                start_ns = field::<u64>(task, OFF_TASK_START.load());
            }
            if start_ns == 0 {
                return;
            }
            if !entry.is_null() {
                ptr::write_volatile(&raw mut (*entry).process_start_ns, start_ns);
            }
        }
        let key = ProcessKey {
            start_ns,
            pid,
            kind: kind_of(task),
        };
        let mut seen = ProcessTime {
            cpu_ns: ns,
            cgroup,
            walk,
            comm: [0; COMM],
        };
        if is_main {
            seen.comm = field::<[u8; COMM]>(task, OFF_TASK_COMM.load());
        }
        if grow_process(&key, &seen, is_main) || ns == 0 {
            return;
        }
        // A process' name is its main thread's, whoever is booked first. Of one
        // that is freed nobody knows it by now: the name stays empty.
        if !is_main && !end {
            let leader = field::<*const u8>(task, OFF_TASK_LEADER.load());
            seen.comm = field::<[u8; COMM]>(leader, OFF_TASK_COMM.load());
        }
        take_up_process(&key, &seen);
    }
}

/// Where time of `task` in the group `cgroup` is booked.
#[inline(always)]
unsafe fn key_of(task: *const u8, cgroup: u64) -> GroupKey {
    // SAFETY: the caller's.
    unsafe {
        GroupKey {
            cgroup,
            kind: kind_of(task),
            socket: socket_of(task),
        }
    }
}

/// The socket that the task runs on, or ran on last. All that it ran since it
/// was last settled goes there: schedulers keep a task on a socket where they
/// can.
#[inline(always)]
unsafe fn socket_of(task: *const u8) -> u32 {
    if OFF_TASK_CPU.load() == 0 {
        return 0;
    }
    // SAFETY: the caller's.
    socket_at(unsafe { field::<u32>(task, OFF_TASK_CPU.load()) })
}

/// Whether the task is of user space or the kernel's own.
///
/// # Safety
/// `task` must be a task pointer that the verifier trusts.
#[inline(always)]
pub unsafe fn kind_of(task: *const u8) -> u32 {
    // SAFETY: the caller's.
    let flags = unsafe { field::<u32>(task, OFF_TASK_FLAGS.load()) };
    if flags & KERNEL_THREAD != 0 {
        kind::KERNEL
    } else {
        kind::USER
    }
}

/// The id of the task's group. A chain that ends early (a task of an
/// autogroup) reads 0.
///
/// # Safety
/// `task` must be a task pointer that the verifier trusts.
#[inline(always)]
pub unsafe fn group_of(task: *const u8) -> u64 {
    // SAFETY: each step reads a pointer of the kernel's own from a place that
    // its type information names; a fault reads 0.
    unsafe {
        let cgroup = match MODE.load() {
            mode::CPU_CONTROLLER => {
                let group = field::<*const u8>(task, OFF_TASK_GROUP.load());
                field::<*const u8>(group, OFF_GROUP_CGROUP.load())
            }
            mode::UNIFIED => {
                let set = field::<*const u8>(task, OFF_TASK_CGROUPS.load());
                field::<*const u8>(set, OFF_SET_UNIFIED.load())
            }
            _ => {
                let set = field::<*const u8>(task, OFF_TASK_CGROUPS.load());
                let state = field::<*const u8>(set, OFF_SET_CPUACCT.load());
                field::<*const u8>(state, OFF_STATE_CGROUP.load())
            }
        };
        let node = field::<*const u8>(cgroup, OFF_CGROUP_NODE.load());
        field::<u64>(node, OFF_NODE_ID.load())
    }
}

/// A field of a kernel structure, loaded directly.
///
/// # Safety
/// The verifier must know the type behind `base`, and the offset must be one of
/// `crate::offsets`.
#[inline(always)]
pub unsafe fn field<T>(base: *const u8, offset: u32) -> T {
    // SAFETY: the verifier knows the type behind `base` and checks the offset,
    // which is a constant to it.
    unsafe { ptr::read_volatile(base.add(offset as usize).cast::<T>()) }
}
