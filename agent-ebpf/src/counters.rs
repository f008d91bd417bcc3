//! Hardware counts by group, where they are wanted.
//!
//! A processor's counters count whoever runs on it. At each context switch, and
//! when the agent reads, what they counted since the last look goes to the group
//! of the task that ran meanwhile. Each processor keeps its own last look, which
//! is read and written with no switch of tasks between, so that every event is
//! booked once: the groups, the idle loops and the overflow account together are
//! what the counters say.

use core::{mem, ptr};

use aya_ebpf::{btf_maps::PerfEventByteArray, helpers::generated};
use tanso_agent_abi::{
    Counted, CounterValue, GroupCounts, GroupKey, ProcessorCounters, counter, kind, stat,
};

use crate::{
    book::{field, group_of, kind_of},
    maps::{CACHE_MISSES, COUNTS, CYCLES, INSTRUCTIONS, PROCESSOR, add, count, socket_at},
    offsets::{COUNTED, OFF_TASK_PID},
};

/// `BPF_NOEXIST`: insert only.
const NO_EXIST: u64 = 1;
/// `BPF_F_CURRENT_CPU`.
const THIS_PROCESSOR: u64 = 0xffff_ffff;

/// Books what was counted while `task` ran, which leaves for `next`.
///
/// # Safety
/// Both must be task pointers that the verifier trusts.
#[inline(always)]
pub unsafe fn left(task: *const u8, next: *const u8) -> i32 {
    // SAFETY: the caller's; the processor's state is a value of the map.
    unsafe {
        let Some(processor) = PROCESSOR.get_ptr_mut(0) else {
            return 0;
        };
        book(task, processor);
        let idle = u64::from(is_idle_loop(next));
        ptr::write_volatile(&raw mut (*processor).idle, idle);
        0
    }
}

/// Books what was counted since the last look while `task` runs.
///
/// # Safety
/// `task` must be a task pointer that the verifier trusts.
#[inline(always)]
pub unsafe fn settle(task: *const u8) -> i32 {
    // SAFETY: as above.
    unsafe {
        let Some(processor) = PROCESSOR.get_ptr_mut(0) else {
            return 0;
        };
        book(task, processor);
        let idle = u64::from(is_idle_loop(task));
        ptr::write_volatile(&raw mut (*processor).idle, idle);
        0
    }
}

/// Only the idle loops have the number 0.
#[inline(always)]
unsafe fn is_idle_loop(task: *const u8) -> bool {
    // SAFETY: the caller's.
    unsafe { field::<u32>(task, OFF_TASK_PID.load()) == 0 }
}

#[inline(always)]
unsafe fn book(task: *const u8, processor: *mut ProcessorCounters) {
    // SAFETY: the processor's state is a value of the map and this processor's
    // own; the task is the caller's.
    unsafe {
        let last = (&raw mut (*processor).last).cast::<CounterValue>();
        let counts = GroupCounts {
            of: [
                since_last::<{ counter::CYCLES }>(&CYCLES, last),
                since_last::<{ counter::INSTRUCTIONS }>(&INSTRUCTIONS, last),
                since_last::<{ counter::CACHE_MISSES }>(&CACHE_MISSES, last),
            ],
        };
        let key = if is_idle_loop(task) {
            own_account(kind::IDLE)
        } else {
            GroupKey {
                cgroup: group_of(task),
                kind: kind_of(task),
                socket: this_socket(),
            }
        };
        if let Some(group) = COUNTS.get_ptr_mut(&key) {
            grow(group, &counts);
            return;
        }
        if COUNTS.insert(&key, &counts, NO_EXIST).is_ok() {
            return;
        }
        // Either another processor was quicker, or there is no room.
        if let Some(group) = COUNTS.get_ptr_mut(&key) {
            grow(group, &counts);
            return;
        }
        if let Some(rest) = COUNTS.get_ptr_mut(&own_account(kind::OVERFLOW)) {
            grow(rest, &counts);
        }
    }
}

/// An account that is no group's.
#[inline(always)]
fn own_account(kind: u32) -> GroupKey {
    GroupKey {
        cgroup: 0,
        kind,
        socket: 0,
    }
}

/// What a counter of this processor counted since it was last looked at;
/// nothing at the first look, which is where it begins.
#[inline(always)]
unsafe fn since_last<const PLACE: usize>(
    counters: &PerfEventByteArray,
    last: *mut CounterValue,
) -> Counted {
    let nothing = Counted {
        events: 0,
        wanted_ns: 0,
        missed_ns: 0,
    };
    if COUNTED.load() & (1 << PLACE) == 0 {
        return nothing;
    }
    let mut now = CounterValue {
        events: 0,
        wanted_ns: 0,
        counted_ns: 0,
    };
    // SAFETY: the helper writes as many bytes as it is told into a place of
    // ours; the last look is this processor's own, and the place is within it.
    unsafe {
        let last = last.add(PLACE);
        let result = generated::bpf_perf_event_read_value(
            ptr::from_ref(counters).cast_mut().cast(),
            THIS_PROCESSOR,
            (&raw mut now).cast(),
            mem::size_of::<CounterValue>() as u32,
        );
        if result != 0 {
            count(stat::COUNTER_GAPS + PLACE as u32, 1);
            // The next look is a first one: which counter it is by then is not
            // known.
            ptr::write_volatile(&raw mut (*last).wanted_ns, 0);
            return nothing;
        }
        let before = CounterValue {
            events: ptr::read_volatile(&raw const (*last).events),
            wanted_ns: ptr::read_volatile(&raw const (*last).wanted_ns),
            counted_ns: ptr::read_volatile(&raw const (*last).counted_ns),
        };
        ptr::write_volatile(&raw mut (*last).events, now.events);
        ptr::write_volatile(&raw mut (*last).wanted_ns, now.wanted_ns);
        ptr::write_volatile(&raw mut (*last).counted_ns, now.counted_ns);
        // A counter that fell is another one than before.
        if before.wanted_ns == 0 || now.wanted_ns < before.wanted_ns || now.events < before.events {
            return nothing;
        }
        let wanted_ns = now.wanted_ns - before.wanted_ns;
        let counted_ns = now.counted_ns.wrapping_sub(before.counted_ns);
        Counted {
            events: now.events - before.events,
            wanted_ns,
            missed_ns: if counted_ns < wanted_ns {
                wanted_ns - counted_ns
            } else {
                0
            },
        }
    }
}

#[inline(always)]
unsafe fn grow(group: *mut GroupCounts, counts: &GroupCounts) {
    // SAFETY: the caller gives a value of the map.
    unsafe {
        let places = (&raw mut (*group).of).cast::<Counted>();
        let [cycles, instructions, cache_misses] = &counts.of;
        grow_one::<{ counter::CYCLES }>(places, cycles);
        grow_one::<{ counter::INSTRUCTIONS }>(places, instructions);
        grow_one::<{ counter::CACHE_MISSES }>(places, cache_misses);
    }
}

#[inline(always)]
unsafe fn grow_one<const PLACE: usize>(places: *mut Counted, counted: &Counted) {
    if COUNTED.load() & (1 << PLACE) == 0 {
        return;
    }
    // SAFETY: as above.
    unsafe {
        let place = places.add(PLACE);
        add(&raw mut (*place).events, counted.events);
        add(&raw mut (*place).wanted_ns, counted.wanted_ns);
        // Where counters are not shared there is nothing to add.
        if counted.missed_ns != 0 {
            add(&raw mut (*place).missed_ns, counted.missed_ns);
        }
    }
}

/// The socket of this processor; 0 where there is one socket.
#[inline(always)]
fn this_socket() -> u32 {
    // SAFETY: the helper takes nothing.
    socket_at(unsafe { generated::bpf_get_smp_processor_id() })
}
