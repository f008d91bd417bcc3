//! The walk: settles every living task, at the agent's request.

use core::ffi::c_void;

use tanso_agent_abi::stat;

use crate::{book::settle_in_walk, maps::set};

/// `struct bpf_iter_meta`, whose layout is part of the iterators' interface.
#[repr(C)]
struct Meta {
    seq: *mut c_void,
    session_id: u64,
    seq_num: u64,
}

/// `struct bpf_iter__task`.
#[repr(C)]
struct IterTask {
    meta: *const Meta,
    task: *const u8,
}

/// Called for each task, and once more without one at the end.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
unsafe extern "C" fn walk(c: *const IterTask) -> i32 {
    // SAFETY: the kernel's context of a task iterator.
    let task = unsafe { (*c).task };
    if task.is_null() {
        // SAFETY: as above; the number of records is that of the tasks seen.
        let seen = unsafe { (*(*c).meta).seq_num };
        set(stat::TASKS_WALKED, seen);
        return 0;
    }
    // SAFETY: the iterator's own task, not null.
    unsafe { settle_in_walk(task, true, (*(*c).meta).session_id) }
}
