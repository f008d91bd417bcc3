//! Loads and attaches the programs.

use std::{error::Error, path::Path};

use aya::{
    Btf, Ebpf, EbpfLoader,
    programs::{BtfTracePoint, Iter, RawTracePoint},
};
use tanso_agent_abi::mode;
use tanso_runtime::heap;

use super::{GroupSource, KernelError, offsets::Offsets, sockets};
use crate::host::Sockets;
use crate::kernel::btf::{Types, VMLINUX};
use crate::kernel::ladder::one_line;
use crate::pmu::KINDS;

/// The built programs; empty if the agent was built without.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tanso-agent-ebpf.o"));

/// The map of counters, and its entries at least and at most, unless another
/// number is wanted. Entries are the kernel's memory, used or not.
pub(super) const COUNTERS: &str = "COUNTERS";
const COUNTERS_MIN: u32 = 8_192;
const COUNTERS_MAX: u32 = 65_536;
/// The map of ended tasks.
pub(super) const DYING: &str = "DYING";
/// The map of statistics.
pub(super) const STATS: &str = "STATS";
/// The program that walks the tasks.
pub(super) const WALK: &str = "walk";

/// The ring of groups made and removed.
pub(super) const GROUPS: &str = "GROUPS";

/// Each program on a tracepoint, and its tracepoint.
const TRACEPOINTS: [(&str, &str); 4] = [
    ("task_made", "sched_process_fork"),
    ("task_ends", "sched_process_exit"),
    ("task_freed", "sched_process_free"),
    ("task_moved", "cgroup_attach_task"),
];

/// Programs that only tell of groups: without them their paths are found by
/// looking at the tree.
const GROUP_TRACEPOINTS: [(&str, &str); 2] = [
    ("group_made", "cgroup_mkdir"),
    ("group_removed", "cgroup_rmdir"),
];

/// The program of the time-resolved mode, and one on the same tracepoint that
/// does nothing.
const TIME_RESOLVED: (&str, &str) = ("task_ran", "sched_stat_runtime");
const NOTHING: (&str, &str) = ("nothing", "sched_stat_runtime");

/// The map of processes, and its size where that level is on.
pub(super) const PROCESSES: &str = "PROCESSES";
pub(super) const PROCESSES_MAX: u32 = 16_384;

/// The maps of hardware counters, in the order of their kinds; of what groups
/// counted; and of what each processor's counters last said.
pub(super) const HARDWARE: [&str; KINDS] = ["CYCLES", "INSTRUCTIONS", "CACHE_MISSES"];
pub(super) const COUNTS: &str = "COUNTS";
pub(super) const PROCESSOR: &str = "PROCESSOR";
/// The program that books them at a context switch, and the one that does so
/// when it is asked.
pub(super) const TASK_LEFT: &str = "task_left";
pub(super) const SETTLE_COUNTS: &str = "settle_counts";

/// The map of the processors' sockets.
pub(super) const SOCKETS: &str = "SOCKETS";

/// How to load.
pub(super) struct Plan {
    pub(super) source: GroupSource,
    pub(super) counters_max: u32,
    /// The number of the hierarchy that is counted by, if it is known.
    pub(super) hierarchy: Option<u32>,
    pub(super) time_resolved: bool,
    pub(super) nothing: bool,
    pub(super) processes: bool,
    /// The hardware counters that are read, a bit for each kind.
    pub(super) counted: u32,
    /// Where processors are, on a machine with several sockets.
    pub(super) sockets: Option<Sockets>,
}

/// Entries for a node that has so many groups now: each may have user tasks and
/// kernel threads, and removed ones stay for a while.
pub(super) fn room_for(groups: usize) -> u32 {
    let wanted = u32::try_from(groups.saturating_mul(4)).unwrap_or(u32::MAX);
    wanted.clamp(COUNTERS_MIN, COUNTERS_MAX).next_power_of_two()
}

/// Whether the agent was built with the programs.
pub(crate) fn has_object() -> bool {
    !OBJECT.is_empty()
}

/// What was loaded.
pub(super) struct Loaded {
    pub(super) programs: Ebpf,
    /// Whether the kernel tells of each group that is made or removed.
    pub(super) tells_groups: bool,
    /// Whether time is told by socket.
    pub(super) tells_sockets: bool,
    /// Why the programs of hardware counters cannot run, where they are wanted
    /// and cannot.
    pub(super) no_counts: Option<KernelError>,
}

/// Loads all programs, and attaches those on tracepoints.
pub(super) fn load(plan: Plan) -> Result<Loaded, KernelError> {
    if !has_object() {
        return Err(KernelError::NoObject);
    }
    let loaded = with_counts_or_without(plan, load_all);
    heap::give_back();
    let (mut loaded, refused) = loaded?;
    loaded.no_counts = refused.or(loaded.no_counts);
    Ok(loaded)
}

/// Loads by the plan; where that fails and hardware counters are part of it, once
/// more without them, and with the reason: for want of their map no time would
/// be counted in the kernel at all. If that fails too, they were not to blame.
fn with_counts_or_without<T>(
    plan: Plan,
    load: impl Fn(&Plan) -> Result<T, KernelError>,
) -> Result<(T, Option<KernelError>), KernelError> {
    let refusal = match load(&plan) {
        Ok(loaded) => return Ok((loaded, None)),
        Err(refusal) if plan.counted == 0 => return Err(refusal),
        Err(refusal) => refusal,
    };
    let loaded = load(&Plan { counted: 0, ..plan })?;
    tracing::warn!(
        error = %one_line(&refusal),
        "the kernel programs were loaded without hardware counters"
    );
    Ok((loaded, Some(refusal)))
}

fn load_all(plan: &Plan) -> Result<Loaded, KernelError> {
    let offsets = {
        // Some megabytes that are wanted no longer than this.
        let types = Types::read(Path::new(VMLINUX))?;
        Offsets::find(&types, plan)?
    };
    let mode = match plan.source {
        GroupSource::CpuController => mode::CPU_CONTROLLER,
        GroupSource::Unified => mode::UNIFIED,
        GroupSource::Cpuacct => mode::CPUACCT,
    };
    let start_ns = monotonic_ns()?;

    #[expect(
        clippy::needless_late_init,
        reason = "must outlive the loader, and be read when the loader's own copy is gone"
    )]
    let btf;
    let mut loader = EbpfLoader::new();
    // The loader has made a copy of the kernel's types for itself: 15 MB. One
    // is enough, and it is needed for the programs below.
    loader.btf(None);
    btf = Btf::from_sys_fs().map_err(fault("kernel types"))?;
    loader
        .btf(Some(&btf))
        .allow_unsupported_maps()
        .override_global("MODE", &mode, true)
        .override_global("START_NS", &start_ns, true);
    // 0 is v2's; a number that no hierarchy has tells of nothing.
    let hierarchy = plan.hierarchy.unwrap_or(u32::MAX);
    loader.override_global("HIERARCHY", &hierarchy, true);
    for (name, offset) in offsets.iter() {
        loader.override_global(name, offset, true);
    }
    if plan.sockets.is_none() {
        loader.map_max_entries(SOCKETS, 1);
    }
    let by_process = u32::from(plan.processes);
    loader.override_global("BY_PROCESS", &by_process, true);
    if plan.processes {
        loader.map_max_entries(PROCESSES, PROCESSES_MAX);
    }
    loader.map_max_entries(COUNTERS, plan.counters_max);
    loader.override_global("COUNTED", &plan.counted, true);
    if plan.counted != 0 {
        loader.map_max_entries(COUNTS, plan.counters_max);
    }
    let mut programs = loader.load(OBJECT).map_err(fault("maps"))?;
    if let Some(sockets) = &plan.sockets {
        sockets::tell(&programs, sockets)?;
    }
    load_programs(&mut programs, &btf)?;
    for (wanted, (name, tracepoint)) in
        [(plan.time_resolved, TIME_RESOLVED), (plan.nothing, NOTHING)]
    {
        if wanted {
            attach(&mut programs, &btf, name, tracepoint)?;
        }
    }
    let no_counts = if plan.counted == 0 {
        None
    } else {
        load_counting(&mut programs, &btf).err()
    };
    let mut tells_groups = plan.hierarchy.is_some() && offsets.has_groups();
    if tells_groups {
        for (name, tracepoint) in GROUP_TRACEPOINTS {
            if let Err(error) = attach(&mut programs, &btf, name, tracepoint) {
                tells_groups = false;
                tracing::info!(tracepoint, error = %error, "containers that live for less than an interval may stay without a name");
            }
        }
    }
    Ok(Loaded {
        programs,
        tells_groups,
        tells_sockets: offsets.has_sockets(),
        no_counts,
    })
}

fn load_programs(programs: &mut Ebpf, btf: &Btf) -> Result<(), KernelError> {
    let walk: &mut Iter = programs
        .program_mut(WALK)
        .ok_or(KernelError::NoObject)?
        .try_into()
        .map_err(fault(WALK))?;
    walk.load("task", btf).map_err(fault(WALK))?;
    for (name, tracepoint) in TRACEPOINTS {
        tracepoint_program(programs, name)?
            .load(tracepoint, btf)
            .map_err(fault(tracepoint))?;
    }
    // Attached when all are loaded: a half-counting set never runs.
    for (name, tracepoint) in TRACEPOINTS {
        tracepoint_program(programs, name)?
            .attach()
            .map_err(fault(tracepoint))?;
    }
    Ok(())
}

/// Loads the programs of hardware counters. They are attached when the counters
/// are in their maps.
fn load_counting(programs: &mut Ebpf, btf: &Btf) -> Result<(), KernelError> {
    tracepoint_program(programs, TASK_LEFT)?
        .load("sched_switch", btf)
        .map_err(fault(TASK_LEFT))?;
    let settle: &mut RawTracePoint = programs
        .program_mut(SETTLE_COUNTS)
        .ok_or(KernelError::NoObject)?
        .try_into()
        .map_err(fault(SETTLE_COUNTS))?;
    settle.load().map_err(fault(SETTLE_COUNTS))
}

/// Attaches the program that books hardware counters at context switches.
pub(super) fn attach_counting(programs: &mut Ebpf) -> Result<(), KernelError> {
    tracepoint_program(programs, TASK_LEFT)?
        .attach()
        .map_err(fault(TASK_LEFT))?;
    Ok(())
}

/// Detaches it, and gives it back to the kernel: without anybody who reads what
/// it books it would only cost.
pub(super) fn drop_counting(programs: &mut Ebpf) {
    let dropped = tracepoint_program(programs, TASK_LEFT)
        .and_then(|program| program.unload().map_err(fault(TASK_LEFT)));
    if let Err(fault) = dropped {
        tracing::debug!(error = %fault, "a program that nobody reads stays attached");
    }
}

/// Loads and attaches one program.
pub(super) fn attach(
    programs: &mut Ebpf,
    btf: &Btf,
    name: &'static str,
    tracepoint: &'static str,
) -> Result<(), KernelError> {
    let program = tracepoint_program(programs, name)?;
    program.load(tracepoint, btf).map_err(fault(tracepoint))?;
    program.attach().map_err(fault(tracepoint))?;
    Ok(())
}

fn tracepoint_program<'a>(
    programs: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut BtfTracePoint, KernelError> {
    programs
        .program_mut(name)
        .ok_or(KernelError::NoObject)?
        .try_into()
        .map_err(fault(name))
}

/// Wraps an error of the library's with the part that it concerns.
pub(super) fn fault<E: Error + Send + Sync + 'static>(
    what: &'static str,
) -> impl FnOnce(E) -> KernelError {
    move |source| KernelError::Load {
        what: format!("\"{what}\""),
        source: Box::new(source),
    }
}

/// Now, in the clock of the kernel's `task_struct.start_time`.
fn monotonic_ns() -> Result<u64, KernelError> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).ok();
    let nanoseconds = u64::try_from(now.tv_nsec).ok();
    seconds
        .zip(nanoseconds)
        .and_then(|(seconds, rest)| seconds.checked_mul(1_000_000_000)?.checked_add(rest))
        .ok_or_else(|| KernelError::Absent("the monotonic clock does not tell".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_four_times_the_groups_within_bounds() {
        assert_eq!(room_for(0), 8_192);
        assert_eq!(room_for(2_048), 8_192);
        assert_eq!(room_for(7_600), 32_768);
        assert_eq!(room_for(usize::MAX), 65_536);
    }

    fn plan(counted: u32) -> Plan {
        Plan {
            source: GroupSource::Unified,
            counters_max: 8_192,
            hierarchy: None,
            time_resolved: false,
            nothing: false,
            processes: false,
            counted,
            sockets: None,
        }
    }

    fn refusal(what: &str) -> KernelError {
        KernelError::Absent(what.to_owned())
    }

    #[test]
    fn without_room_for_hardware_counts_cpu_time_is_counted_all_the_same() {
        let load = |plan: &Plan| match plan.counted {
            0 => Ok(plan.counters_max),
            _ => Err(refusal("no memory for their map")),
        };
        let (loaded, reason) = with_counts_or_without(plan(7), load).unwrap();
        assert_eq!(loaded, 8_192);
        let reason = reason.unwrap().to_string();
        assert!(reason.contains("no memory for their map"), "{reason}");
    }

    #[test]
    fn what_fails_without_hardware_counts_too_is_told_as_it_fails_then() {
        let load = |plan: &Plan| -> Result<(), _> { Err(refusal(&plan.counted.to_string())) };
        for counted in [0, 7] {
            let fault = with_counts_or_without(plan(counted), load).unwrap_err();
            assert_eq!(fault.to_string(), refusal("0").to_string(), "{counted}");
        }
    }

    #[test]
    fn what_can_be_loaded_is_loaded_once() {
        let times = std::cell::Cell::new(0);
        let load = |plan: &Plan| {
            times.set(times.get() + 1);
            Ok(plan.counted)
        };
        let (loaded, reason) = with_counts_or_without(plan(7), load).unwrap();
        assert_eq!((loaded, times.get()), (7, 1));
        assert!(reason.is_none());
    }
}
