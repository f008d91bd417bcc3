//! Hardware counters by group, where they are wanted and there.
//!
//! A counter a kind is opened on each processor and given to the programs, which
//! book what it counts to the group of the task that runs. A reading first has
//! every processor that is not idle book what it counted up to now, so that a
//! task that keeps its processor for long is counted in its own interval, then
//! reads one map of counts that only grow.

mod found;
mod renew;
mod retry;

use std::collections::HashMap;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use aya::Ebpf;
use aya::maps::Map;
use aya::programs::{RawTracePoint, RawTracePointRunOptions, TestRun as _};
use perf_event::Counter;
use tanso_agent_abi::{
    Counted, CounterValue, GroupCounts, GroupKey, ProcessorCounters, counter, kind, stat,
};

pub(super) use found::Found;
use found::reports;
use retry::Retry;

use super::fill::{retiring_is_due, whole};
use super::scale::{Rate, since};
use super::{QUIET_READINGS, group, load};
use crate::host::{CgroupIndex, HostRoots};
use crate::kernel::batch::{self, Reader};
use crate::kernel::ladder::one_line;
use crate::kernel::{CountReading, GroupEvents, KernelError};
use crate::pmu::{self, CounterReport, CounterState, EventCodes, KINDS};
use crate::workloads::CgroupId;

/// The accounts of the map that are no group's.
const IDLE: GroupKey = GroupKey {
    cgroup: 0,
    kind: kind::IDLE,
    socket: 0,
};
const OVERFLOW: GroupKey = GroupKey {
    kind: kind::OVERFLOW,
    ..IDLE
};

/// The counters that the programs read, and what groups counted.
pub(super) struct Hardware {
    roots: HostRoots,
    codes: EventCodes,
    /// The kinds that the programs know, and how each stands.
    known: [bool; KINDS],
    states: [CounterState; KINDS],
    /// The processors whose counters are open.
    online: Vec<usize>,
    /// What the programs last said of each processor that there may be.
    processors: Vec<ProcessorCounters>,
    reader: Reader<GroupKey, GroupCounts>,
    groups_max: u64,
    groups: HashMap<GroupKey, Group>,
    retired: [u64; KINDS],
    /// For how long each was wanted, and how much of that was missed.
    times_ns: [(u64, u64); KINDS],
    gaps: [u64; KINDS],
    /// Whether every processor was read for the last reading; and, by kind, for
    /// the one before it too, by the same counters.
    settled: bool,
    steady: [bool; KINDS],
    /// Whether they stood still when they were last read.
    still: bool,
    /// When what does not count is opened anew.
    retry: Retry,
}

/// What is known of a group's counts.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    now: GroupCounts,
    /// For all of the time for which they were wanted.
    events: [u64; KINDS],
    /// The reading in which they last changed.
    changed: u64,
}

impl Hardware {
    /// Gives the counters to the programs, attaches the one at context switches,
    /// and counts from here on.
    pub(super) fn begin(
        found: Found,
        roots: &HostRoots,
        programs: &mut Ebpf,
        groups_max: u64,
    ) -> Result<Self, KernelError> {
        let possible = aya::util::nr_cpus().map_err(|(_, source)| KernelError::System {
            what: "counting the processors that there may be",
            source,
        })?;
        let Found {
            codes,
            online,
            open,
            states,
        } = found;
        let mut hardware = Self {
            roots: roots.clone(),
            codes,
            known: std::array::from_fn(|place| open.get(place).is_some_and(|one| !one.is_empty())),
            states,
            online,
            processors: vec![ProcessorCounters::default(); possible],
            reader: Reader::new(),
            groups_max,
            groups: HashMap::new(),
            retired: [0; KINDS],
            times_ns: [(0, 0); KINDS],
            gaps: [0; KINDS],
            settled: false,
            steady: [false; KINDS],
            still: false,
            retry: Retry::default(),
        };
        for account in [IDLE, OVERFLOW] {
            batch::put(
                map(programs, load::COUNTS)?,
                account,
                GroupCounts::default(),
            )
            .map_err(system("making the accounts of hardware counts"))?;
        }
        for (place, counters) in open.iter().enumerate() {
            hardware.give(programs, place, counters)?;
        }
        load::attach_counting(programs)?;
        hardware.settled = hardware.settle_all(programs, true)?;
        if !hardware.settled {
            let reason = "the hardware counters stand still";
            return Err(KernelError::Absent(reason.to_owned()));
        }
        hardware.count(programs, [0; KINDS], 0)?;
        Ok(hardware)
    }

    /// How each kind stands.
    pub(super) fn reports(&self) -> Vec<CounterReport> {
        reports(&self.states)
    }

    /// Puts a kind's counters in their map, which keeps them open.
    fn give(&self, programs: &Ebpf, place: usize, counters: &[Counter]) -> Result<(), KernelError> {
        let Some(name) = load::HARDWARE.get(place) else {
            return Ok(());
        };
        let map = map(programs, name)?;
        for (&number, counter) in self.online.iter().zip(counters) {
            batch::put(map, place_of(number), place_of_fd(counter))
                .map_err(system("giving hardware counters to the programs"))?;
        }
        Ok(())
    }

    /// Has each processor that is not idle book what it counted up to `now`. Where
    /// other processors are online than before, the counters are opened anew, and
    /// at times those that do not count.
    pub(super) fn settle(&mut self, programs: &mut Ebpf, now: Instant) {
        let opened = self.renew(programs, now);
        let before = self.settled;
        let settled = self.settle_all(programs, opened.contains(&true));
        self.settled = settled.unwrap_or_else(|fault| {
            tracing::debug!(error = %fault, "hardware counters of a processor were not read");
            false
        });
        self.still = !self.settled;
        let steady = before && self.settled;
        self.steady = opened.map(|anew| steady && !anew);
        if !self.lacking().contains(&true) {
            self.retry.counts(now);
        }
    }

    /// Whether all processors' counters go.
    fn settle_all(&mut self, programs: &Ebpf, first: bool) -> Result<bool, KernelError> {
        let before = self.look(programs)?;
        let program: &RawTracePoint = programs
            .program(load::SETTLE_COUNTS)
            .ok_or(KernelError::NoObject)?
            .try_into()
            .map_err(load::fault(load::SETTLE_COUNTS))?;
        let first = first || !self.settled;
        let works = |number: &usize| {
            let idle = before.get(*number).is_some_and(|one| one.idle == 1);
            first || !idle
        };
        let busy: Vec<usize> = self.online.iter().copied().filter(works).collect();
        for &number in &busy {
            let options = RawTracePointRunOptions {
                cpu: Some(place_of(number)),
                ..RawTracePointRunOptions::new()
            };
            program
                .test_run(options)
                .map_err(load::fault(load::SETTLE_COUNTS))?;
        }
        let after = self.look(programs)?;
        let goes = |number: &usize| {
            let (Some(before), Some(after)) = (before.get(*number), after.get(*number)) else {
                return false;
            };
            let kinds = before.last.iter().zip(&after.last).zip(&self.states);
            let mut active = kinds.filter(|(_, state)| **state == CounterState::Active);
            active.all(|((before, after), _)| after.wanted_ns > before.wanted_ns)
        };
        let all_go = busy.iter().all(goes);
        self.processors = after;
        Ok(all_go)
    }

    /// What the programs know of the processors now.
    fn look(&self, programs: &Ebpf) -> Result<Vec<ProcessorCounters>, KernelError> {
        let mut found = self.processors.clone();
        batch::read_each(map(programs, load::PROCESSOR)?, 0_u32, &mut found)
            .map_err(system("reading what processors counted"))?;
        Ok(found)
    }

    /// What groups counted; `None` if it cannot be read. `gaps` is how often each
    /// kind's counters could not be read, since the meter was opened.
    pub(super) fn take(
        &mut self,
        programs: &Ebpf,
        gaps: [u64; KINDS],
        reading: u64,
    ) -> Option<CountReading> {
        let counted = self.count(programs, gaps, reading);
        counted
            .inspect_err(|fault| {
                tracing::warn!(error = %fault, "hardware counts were not read");
                // What the next reading has is of more than its own interval.
                self.settled = false;
            })
            .ok()
    }

    fn count(
        &mut self,
        programs: &Ebpf,
        gaps: [u64; KINDS],
        reading: u64,
    ) -> Result<CountReading, KernelError> {
        let mut seen: Vec<(GroupKey, GroupCounts)> = Vec::new();
        self.reader
            .read(map(programs, load::COUNTS)?, |key, value| {
                seen.push((key, value));
            })?;
        let grown: Vec<GroupCounts> = seen
            .iter()
            .map(|(key, now)| {
                let known = self.groups.get(key).copied().unwrap_or_default();
                grown(*now, known.now)
            })
            .collect();
        let mut whole = self.steady;
        for place in 0..KINDS {
            let of = |counts: &GroupCounts| counts.of.get(place).copied().unwrap_or_default();
            // Idle loops have rates like nobody else's.
            let worked = seen.iter().zip(&grown).filter(|((key, _), _)| *key != IDLE);
            let rate = Rate::of(worked.map(|(_, counts)| of(counts)));
            for ((key, _), counts) in seen.iter().zip(&grown) {
                let counted = of(counts);
                let known = self.groups.entry(*key).or_default();
                if counted.wanted_ns > 0 {
                    known.changed = reading;
                }
                match (rate.whole(counted), known.events.get_mut(place)) {
                    (Some(events), Some(sum)) => *sum = sum.saturating_add(events),
                    _ => whole = without(whole, place),
                }
                self.add_times(place, counted);
            }
            let is_active = self.states.get(place) == Some(&CounterState::Active);
            if !is_active || gaps.get(place) != self.gaps.get(place) {
                whole = without(whole, place);
            }
        }
        for (key, now) in seen {
            if let Some(known) = self.groups.get_mut(&key) {
                known.now = now;
            }
        }
        self.gaps = gaps;
        Ok(self.reading(whole))
    }

    fn add_times(&mut self, place: usize, counted: Counted) {
        if let Some((wanted_ns, missed_ns)) = self.times_ns.get_mut(place) {
            *wanted_ns = wanted_ns.saturating_add(counted.wanted_ns);
            *missed_ns = missed_ns.saturating_add(counted.missed_ns);
        }
    }

    fn reading(&self, whole: [bool; KINDS]) -> CountReading {
        let own = |key: &GroupKey| self.groups.get(key).map_or([0; KINDS], |one| one.events);
        let groups = self.groups.iter();
        let groups = groups.filter(|(key, _)| **key != IDLE && **key != OVERFLOW);
        let mut groups: Vec<GroupEvents> = groups
            .map(|(key, known)| GroupEvents {
                group: group(*key),
                socket: key.socket,
                events: known.events,
            })
            .collect();
        groups.sort_unstable_by_key(|one| (one.group, one.socket));
        CountReading {
            groups,
            idle: own(&IDLE),
            overflow: own(&OVERFLOW),
            retired: self.retired,
            whole,
            times: self.times_ns.map(|(wanted_ns, missed_ns)| {
                let counted_ns = wanted_ns.saturating_sub(missed_ns);
                (
                    Duration::from_nanos(wanted_ns),
                    Duration::from_nanos(counted_ns),
                )
            }),
        }
    }

    /// How many groups have counts, and how many there is room for.
    pub(super) fn entries(&self) -> (u64, u64) {
        (whole(self.groups.len()), self.groups_max)
    }

    /// Takes the counts of removed groups out of the map once it fills up, as
    /// those of CPU time.
    pub(super) fn retire(&mut self, programs: &Ebpf, index: &mut CgroupIndex, readings: u64) {
        if !retiring_is_due(self.groups.len(), self.groups_max, readings) {
            return;
        }
        let Ok(fd) = map(programs, load::COUNTS) else {
            return;
        };
        let alive = index.alive();
        let oldest = readings.saturating_sub(QUIET_READINGS);
        let retired = &mut self.retired;
        self.groups.retain(|key, known| {
            let id = CgroupId::new(key.cgroup);
            if known.changed > oldest || id == CgroupId::NONE || alive.contains(&id) {
                return true;
            }
            let last = match batch::take::<GroupKey, GroupCounts>(fd, *key) {
                Ok(last) => last.map_or_else(GroupCounts::default, |last| grown(last, known.now)),
                Err(_) => return true,
            };
            let sums = retired.iter_mut().zip(known.events).zip(last.of);
            for ((sum, events), rest) in sums {
                // Of a stretch that was never counted nothing is known.
                let rest = Rate::default().whole(rest).unwrap_or_default();
                *sum = sum.saturating_add(events).saturating_add(rest);
            }
            false
        });
    }
}

/// The hardware counters that were found, read from now on; else how they stand.
/// What cannot be counted is no reason to count no CPU time.
pub(super) fn count_hardware(
    found: Option<Found>,
    no_counts: Option<KernelError>,
    roots: &HostRoots,
    programs: &mut Ebpf,
    counters_max: u64,
) -> (Option<Hardware>, Vec<CounterReport>) {
    let Some(found) = found else {
        return (None, Vec::new());
    };
    if let Some(fault) = no_counts {
        return (None, found.refused(&one_line(&fault)));
    }
    if found.bits() == 0 {
        return (None, found.reports());
    }
    match Hardware::begin(found, roots, programs, counters_max) {
        Ok(hardware) => (Some(hardware), Vec::new()),
        Err(fault) => {
            load::drop_counting(programs);
            let state = CounterState::Failed(one_line(&fault));
            (None, pmu::all_in(&state).to_vec())
        }
    }
}

/// Where the programs count how often a kind's counters could not be read.
pub(super) fn gap_slot(place: usize) -> u32 {
    stat::COUNTER_GAPS.saturating_add(u32::try_from(place).unwrap_or(u32::MAX))
}

fn grown(now: GroupCounts, before: GroupCounts) -> GroupCounts {
    let mut grown = GroupCounts::default();
    for (one, (now, before)) in grown.of.iter_mut().zip(now.of.into_iter().zip(before.of)) {
        *one = since(now, before);
    }
    grown
}

fn without(mut whole: [bool; KINDS], place: usize) -> [bool; KINDS] {
    if let Some(one) = whole.get_mut(place) {
        *one = false;
    }
    whole
}

/// A processor's place in maps. Numbers of processors are far below 2^32.
fn place_of(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn place_of_fd(counter: &Counter) -> u32 {
    // A descriptor that is open is not negative.
    u32::try_from(counter.as_raw_fd()).unwrap_or(u32::MAX)
}

fn map<'a>(programs: &'a Ebpf, name: &str) -> Result<BorrowedFd<'a>, KernelError> {
    match programs.map(name) {
        Some(Map::HashMap(map) | Map::PerCpuArray(map) | Map::PerfEventArray(map)) => {
            Ok(map.fd().as_fd())
        }
        _ => Err(KernelError::NoObject),
    }
}

fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> KernelError {
    move |source| KernelError::System { what, source }
}

/// The programs and the agent agree on what a counter says, by the kernel's own
/// form: `struct bpf_perf_event_value`.
const _: () = assert!(size_of::<CounterValue>() == 3 * size_of::<u64>());
const _: () = assert!(KINDS == counter::KINDS);
