//! Where the kernel keeps what is read of it.
//!
//! The agent reads the running kernel's own type information and sets each
//! offset before the programs are loaded. The loader freezes them, so that the
//! verifier sees constants and drops the branches of the modes not chosen.

use aya_ebpf::Global;

macro_rules! offsets {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        $($(#[$doc])* #[unsafe(no_mangle)] pub static $name: Global<u32> = Global::new(0);)*
    };
}

offsets! {
    /// One of `tanso_agent_abi::mode`.
    MODE,
    /// `task_struct.se.sum_exec_runtime`.
    OFF_TASK_SUM,
    /// `task_struct.flags`.
    OFF_TASK_FLAGS,
    /// `task_struct.start_time`.
    OFF_TASK_START,
    /// `task_struct.sched_task_group`.
    OFF_TASK_GROUP,
    /// `task_struct.cgroups`.
    OFF_TASK_CGROUPS,
    /// `task_group.css.cgroup`.
    OFF_GROUP_CGROUP,
    /// `css_set.dfl_cgrp`.
    OFF_SET_UNIFIED,
    /// `css_set.subsys[cpuacct]`.
    OFF_SET_CPUACCT,
    /// `cgroup_subsys_state.cgroup`.
    OFF_STATE_CGROUP,
    /// `cgroup.kn`.
    OFF_CGROUP_NODE,
    /// `kernfs_node.id`.
    OFF_NODE_ID,
    /// `cgroup.root`.
    OFF_CGROUP_ROOT,
    /// `cgroup_root.hierarchy_id`.
    OFF_ROOT_HIERARCHY,
    /// The number of the hierarchy that is counted by.
    HIERARCHY,
    /// Whether processes are counted too: 0 or 1.
    BY_PROCESS,
    /// The hardware counters that are open, a bit for each of
    /// `tanso_agent_abi::counter`.
    COUNTED,
    /// `task_struct.tgid`.
    OFF_TASK_TGID,
    /// `task_struct.pid`.
    OFF_TASK_PID,
    /// `task_struct.group_leader`.
    OFF_TASK_LEADER,
    /// `task_struct.comm`.
    OFF_TASK_COMM,
    /// `task_struct.thread_info.cpu`; 0 where there is one socket, and nothing is
    /// told by socket.
    OFF_TASK_CPU,
}

/// The boot-relative time at which the agent began, in the clock of
/// `task_struct.start_time`.
#[unsafe(no_mangle)]
pub static START_NS: Global<u64> = Global::new(0);
