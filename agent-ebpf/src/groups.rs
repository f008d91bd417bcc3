//! Tells of groups made and removed, so that one that lives for less than a
//! reading interval has a path, and with it a name.

use core::ptr;

use aya_ebpf::helpers::generated;
use tanso_agent_abi::{PATH_MAX, stat};

use crate::{
    book::field,
    maps::{GROUPS, count},
    offsets::{HIERARCHY, OFF_CGROUP_NODE, OFF_CGROUP_ROOT, OFF_NODE_ID, OFF_ROOT_HIERARCHY},
};

/// Sends a record of `group`, if it is of the hierarchy that is counted by.
///
/// # Safety
/// `group` must be a cgroup that the verifier trusts; `path` may be any
/// address.
#[inline(always)]
pub unsafe fn tell(group: *const u8, path: *const u8, what: u32) -> i32 {
    // SAFETY: the caller's; each step reads a place that the kernel's type
    // information names.
    let (hierarchy, id) = unsafe {
        let root = field::<*const u8>(group, OFF_CGROUP_ROOT.load());
        let node = field::<*const u8>(group, OFF_CGROUP_NODE.load());
        (
            field::<u32>(root, OFF_ROOT_HIERARCHY.load()),
            field::<u64>(node, OFF_NODE_ID.load()),
        )
    };
    if hierarchy != HIERARCHY.load() {
        return 0;
    }
    let Some(mut record) = GROUPS.reserve(0) else {
        count(stat::GROUP_EVENTS_LOST, 1);
        return 0;
    };
    let place = record.as_mut_ptr();
    // SAFETY: the record is ours until it is submitted; the helper writes at
    // most as many bytes as it is told.
    unsafe {
        (&raw mut (*place).cgroup).write(id);
        (&raw mut (*place).at_ns).write(generated::bpf_ktime_get_ns());
        (&raw mut (*place).what).write(what);
        let length = generated::bpf_probe_read_kernel_str(
            ptr::from_mut(&mut (*place).path).cast(),
            PATH_MAX as u32,
            path.cast(),
        );
        (&raw mut (*place).length).write(length as i32);
    }
    record.submit(0);
    0
}
