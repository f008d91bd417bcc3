//! The kernel's side of the agent.
//!
//! Each program settles a task: what it has run since it was last settled goes
//! to the counter of its group. They run when a task is made, ends, is freed
//! or moves, and for every living task when the agent asks; nothing runs on a
//! context switch, nothing is sent, and no counter ever falls. The scheduler's
//! own sum of run time is what is booked: no clock is read.
//!
//! Hardware counters know nothing of tasks. Where the agent is told to read
//! them, and only there, a program runs on context switches too.
#![no_std]
#![no_main]
#![expect(
    internal_features,
    reason = "core's atomics lack fetch_add and compare_exchange on this target"
)]
#![feature(core_intrinsics)]

mod book;
mod counters;
mod groups;
mod maps;
mod offsets;
mod walk;

use aya_ebpf::{
    helpers::generated,
    macros::{btf_tracepoint, raw_tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext},
};

use book::{settle, settle_ended, settle_freed, settle_made, settle_running};
use tanso_agent_abi::event;

/// A task was made: it gets its storage, and its group is known before a move.
/// Arguments: parent, child.
#[btf_tracepoint(function = "sched_process_fork")]
fn task_made(c: BtfTracePointContext) -> i32 {
    // SAFETY: argument 1 of this tracepoint is a trusted task_struct.
    unsafe { settle_made(c.arg::<*const u8>(1)) }
}

/// A task ends. Its address space is torn down after this: the rest is booked
/// when it is freed.
#[btf_tracepoint(function = "sched_process_exit")]
fn task_ends(c: BtfTracePointContext) -> i32 {
    // SAFETY: argument 0 of this tracepoint is a trusted task_struct.
    unsafe { settle_ended(c.arg::<*const u8>(0)) }
}

/// A task is freed: the last sight of it.
#[btf_tracepoint(function = "sched_process_free")]
fn task_freed(c: BtfTracePointContext) -> i32 {
    // SAFETY: argument 0 of this tracepoint is a trusted task_struct.
    unsafe { settle_freed(c.arg::<*const u8>(0)) }
}

/// A task has moved to another cgroup: what it ran before goes to the old one.
/// Arguments: destination, path, leader, whole thread group.
#[btf_tracepoint(function = "cgroup_attach_task")]
fn task_moved(c: BtfTracePointContext) -> i32 {
    // SAFETY: argument 2 of this tracepoint is a trusted task_struct.
    unsafe { settle(c.arg::<*const u8>(2), true) }
}

/// The scheduler has charged a running task. Attached only in the
/// time-resolved mode: counters are then current to the last tick without a
/// walk. No clock is read. Arguments: task, its time since the last charge.
#[btf_tracepoint(function = "sched_stat_runtime")]
fn task_ran(c: BtfTracePointContext) -> i32 {
    // SAFETY: argument 0 of this tracepoint is a trusted task_struct, argument 1
    // a number.
    unsafe { settle_running(c.arg::<*const u8>(0), c.arg::<u64>(1)) }
}

/// Nothing: what a program on the same tracepoint costs in any case, for
/// benchmarks.
#[btf_tracepoint(function = "sched_stat_runtime")]
fn nothing(_: BtfTracePointContext) -> i32 {
    0
}

/// A task leaves its processor. Attached only where hardware counters are read.
/// Arguments: preempted, the task that leaves, the one that comes, its state.
#[btf_tracepoint(function = "sched_switch")]
fn task_left(c: BtfTracePointContext) -> i32 {
    // SAFETY: arguments 1 and 2 of this tracepoint are trusted task_structs.
    unsafe { counters::left(c.arg::<*const u8>(1), c.arg::<*const u8>(2)) }
}

/// Books what the running task has counted up to now. Never attached: the agent
/// has it run on a processor when it reads.
#[raw_tracepoint(tracepoint = "sched_switch")]
fn settle_counts(_: RawTracePointContext) -> i32 {
    // SAFETY: the helper gives a task that the verifier trusts.
    unsafe { counters::settle(generated::bpf_get_current_task_btf().cast::<u8>()) }
}

/// A control group was made. Arguments: group, path.
#[btf_tracepoint(function = "cgroup_mkdir")]
fn group_made(c: BtfTracePointContext) -> i32 {
    // SAFETY: argument 0 of this tracepoint is a trusted cgroup, argument 1 a
    // string of the kernel's.
    unsafe { groups::tell(c.arg(0), c.arg(1), event::MADE) }
}

/// A control group was removed. Arguments: group, path.
#[btf_tracepoint(function = "cgroup_rmdir")]
fn group_removed(c: BtfTracePointContext) -> i32 {
    // SAFETY: as above.
    unsafe { groups::tell(c.arg(0), c.arg(1), event::REMOVED) }
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
