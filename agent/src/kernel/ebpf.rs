//! Programs in the kernel: every task's time, whatever its life's length.
//!
//! A reading makes the kernel settle all living tasks, then reads one map of
//! counters that only grow. Between readings nothing runs here, and on context
//! switches nothing runs anywhere, unless hardware counters are wanted.

mod costs;
mod events;
mod fill;
mod hardware;
mod load;
mod offsets;
mod processes;
mod scale;
mod sockets;

pub(super) use load::has_object;

use std::{
    collections::HashMap,
    io::{self, Read},
    os::fd::AsFd,
    path::PathBuf,
    time::{Duration, Instant},
};

use aya::{Ebpf, maps::Map, programs::Iter};
use tanso_agent_abi::{CpuTime as GroupCounter, GroupKey, kind, stat};

use super::{
    CpuReading, CpuTime, Group, GroupTime, KernelError, Losses, MapFill, ProgramCost, Rung,
    SocketTime, TaskKind,
    batch::{self, Reader},
};
use crate::{
    clock::thread_cpu,
    host::{
        CgroupIndex, GroupSource, Hierarchies, HostRoots,
        cgroup::{UsageFiles, scan},
    },
    pmu::{CounterReport, EventCodes},
    workloads::CgroupId,
};
pub use events::GroupBirth;
use events::{Events, Told};
use fill::retiring_is_due;
use hardware::{Found, Hardware, count_hardware, gap_slot};
use processes::Processes;
use sockets::SocketTable;

/// Groups not changed in so many readings may be retired, if their directory
/// is gone.
const QUIET_READINGS: u64 = 5;
/// In the time-resolved mode, readings between two walks: for threads of
/// processes that moved.
const WALK_EVERY: u64 = 60;

/// How the programs are loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EbpfOptions {
    /// Entries of the map of counters: one for each group with user tasks, one
    /// for each with kernel threads. `None`: four times the groups that are
    /// there when it is opened, 8,192 at least.
    pub counters_max: Option<u32>,
    /// By which groups to count. `None`: the best that the node has.
    pub source: Option<GroupSource>,
    /// Whether running tasks are settled at the scheduler's own pace too (at
    /// ticks and switches). Costs some nanoseconds at each; a reading then
    /// needs no walk.
    pub time_resolved: bool,
    /// Whether time is counted by process too.
    pub processes: bool,
    /// The hardware counters to read, by group: a program runs on each context
    /// switch then. A machine that has none of them runs none.
    pub hardware: Option<EventCodes>,
    /// Whether a program that does nothing is attached beside that of the
    /// time-resolved mode: what any program there costs, for benchmarks.
    pub nothing: bool,
}

/// Tasks that the programs have seen since they were attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// Made.
    pub made: u64,
    /// Ended.
    pub ended: u64,
    /// Freed by the kernel, as far as it shows.
    pub freed: u64,
    /// Freed without being shown.
    pub unseen: u64,
    /// CPU time estimated for those.
    pub unseen_cpu: Duration,
}

/// CPU time by programs in the kernel. They are detached when this is dropped.
pub struct EbpfCpu {
    programs: Ebpf,
    source: GroupSource,
    usage: Option<UsageFiles>,
    index: CgroupIndex,
    reader: Reader<GroupKey, GroupCounter>,
    processes: Option<Processes>,
    hardware: Option<Hardware>,
    /// How the hardware counters stand where none is read.
    no_hardware: Vec<CounterReport>,
    counters_max: u64,
    stats_at_start: Stats,
    counters: HashMap<GroupKey, Counter>,
    readings: u64,
    retired_ns: u64,
    /// Ended tasks that are not freed, as last looked at.
    ended: u64,
    events: Option<Events>,
    events_lost: u64,
    /// Whether a group can be neither made nor removed without an event.
    tells_groups: bool,
    /// Whether counters are by socket, and by which.
    tells_sockets: bool,
    sockets: SocketTable,
    time_resolved: bool,
}

/// What is known of a counter in the kernel.
#[derive(Clone, Copy, Debug)]
struct Counter {
    /// Its value when the meter was opened.
    base_ns: u64,
    now_ns: u64,
    /// The reading in which it last changed.
    changed: u64,
}

type Stats = [u64; stat::SLOTS as usize];

impl EbpfCpu {
    /// Loads the programs, attaches them, and takes the first reading as zero.
    ///
    /// # Errors
    /// If the agent has no programs, the node has no groups, the kernel lacks
    /// a member or a tracepoint, or a right is missing.
    pub fn open(roots: &HostRoots, options: EbpfOptions) -> Result<Self, KernelError> {
        let hierarchies = Hierarchies::detect(roots);
        let source = options
            .source
            .or_else(|| hierarchies.source())
            .ok_or_else(|| {
                KernelError::Absent(format!(
                    "no control groups under \"{}\"",
                    roots.cgroup.display()
                ))
            })?;
        let root = hierarchies
            .root_of(source)
            .ok_or_else(|| KernelError::Absent(format!("the node has no groups of {source:?}")))?;
        let counters_max = options
            .counters_max
            .unwrap_or_else(|| load::room_for(scan(root).len()));
        let found = options.hardware.map(|codes| Found::look(codes, roots));
        let sockets = SocketTable::read(roots);
        let load::Loaded {
            mut programs,
            tells_groups,
            tells_sockets,
            no_counts,
        } = load::load(load::Plan {
            source,
            counters_max,
            hierarchy: hierarchies.number_of(source, roots),
            time_resolved: options.time_resolved,
            nothing: options.nothing,
            processes: options.processes,
            counted: found.as_ref().map_or(0, Found::bits),
            sockets: sockets.known().cloned(),
        })?;
        let (hardware, no_hardware) =
            count_hardware(found, no_counts, roots, &mut programs, counters_max.into());
        let events = programs.take_map(load::GROUPS).and_then(Events::new);
        let mut cpu = Self {
            programs,
            source,
            usage: hierarchies.usage(),
            index: CgroupIndex::new(root.to_owned()),
            reader: Reader::new(),
            processes: options.processes.then(Processes::new),
            hardware,
            no_hardware,
            counters_max: u64::from(counters_max),
            stats_at_start: Stats::default(),
            counters: HashMap::new(),
            readings: 0,
            retired_ns: 0,
            ended: 0,
            events,
            events_lost: 0,
            tells_groups,
            tells_sockets,
            sockets,
            time_resolved: options.time_resolved,
        };
        cpu.walk()?;
        cpu.take_counters()?;
        for counter in cpu.counters.values_mut() {
            counter.base_ns = counter.now_ns;
        }
        if let Some(processes) = &mut cpu.processes {
            processes.begin(&cpu.programs)?;
        }
        cpu.stats_at_start = cpu.stats()?;
        Ok(cpu)
    }

    /// By which groups time is counted.
    #[must_use]
    pub fn source(&self) -> GroupSource {
        self.source
    }

    /// The tasks seen since the programs were attached. More ended than freed:
    /// the kernel frees some milliseconds after the end.
    ///
    /// # Errors
    /// If the programs' statistics cannot be read.
    pub fn tasks(&self) -> Result<TaskCounts, KernelError> {
        let stats = self.stats()?;
        Ok(TaskCounts {
            made: self.grown(&stats, stat::TASKS_MADE),
            ended: self.grown(&stats, stat::TASKS_ENDED),
            freed: self.grown(&stats, stat::TASKS_FREED),
            unseen: self.grown(&stats, stat::FREES_UNSEEN),
            unseen_cpu: Duration::from_nanos(self.grown(&stats, stat::UNSEEN_CPU_NS)),
        })
    }

    /// Has the kernel settle all living tasks.
    fn walk(&mut self) -> Result<(), KernelError> {
        let program: &mut Iter = self
            .programs
            .program_mut(load::WALK)
            .ok_or(KernelError::NoObject)?
            .try_into()
            .map_err(load::fault("walk"))?;
        let link = program.attach().map_err(load::fault("walk"))?;
        let link = program.take_link(link).map_err(load::fault("walk"))?;
        let mut file = link.into_file().map_err(load::fault("walk"))?;
        // The walk takes place in the reading, and writes nothing.
        let mut nothing = [0; 64];
        loop {
            match file.read(&mut nothing) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                // After a million tasks the kernel wants to be asked again.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
                    ) => {}
                Err(source) => {
                    return Err(KernelError::System {
                        what: "walking the tasks",
                        source,
                    });
                }
            }
        }
    }

    fn take_counters(&mut self) -> Result<(), KernelError> {
        let Some(Map::HashMap(map)) = self.programs.map(load::COUNTERS) else {
            return Err(KernelError::NoObject);
        };
        let reading = self.readings;
        let counters = &mut self.counters;
        self.reader.read(map.fd().as_fd(), |key, value| {
            let counter = counters.entry(key).or_insert(Counter {
                base_ns: 0,
                now_ns: 0,
                changed: reading,
            });
            if value.cpu_ns > counter.now_ns {
                counter.now_ns = value.cpu_ns;
                counter.changed = reading;
            }
        })
    }

    fn stats(&self) -> Result<Stats, KernelError> {
        let map = self
            .programs
            .map(load::STATS)
            .ok_or(KernelError::NoObject)?;
        let map = aya::maps::Array::<_, u64>::try_from(map).map_err(load::fault("statistics"))?;
        let mut stats = Stats::default();
        for (slot, value) in (0_u32..).zip(&mut stats) {
            *value = map.get(&slot, 0).map_err(load::fault("statistics"))?;
        }
        Ok(stats)
    }

    /// What a slot grew by since the meter was opened.
    fn grown(&self, stats: &Stats, slot: u32) -> u64 {
        let at = |stats: &Stats| {
            usize::try_from(slot)
                .ok()
                .and_then(|slot| stats.get(slot).copied())
                .unwrap_or_default()
        };
        at(stats).saturating_sub(at(&self.stats_at_start))
    }

    /// All counters by group, and by socket too where there are several.
    fn by_group(&self) -> (Vec<GroupTime>, Vec<SocketTime>) {
        let counted = self.counters.iter().map(|(key, counter)| SocketTime {
            group: group(*key),
            socket: key.socket,
            cpu: Duration::from_nanos(counter.now_ns.saturating_sub(counter.base_ns)),
        });
        let mut sockets: Vec<SocketTime> = counted.collect();
        sockets.sort_unstable_by_key(|time| (time.group, time.socket));
        let groups = sockets.chunk_by(|one, other| one.group == other.group);
        let groups = groups.filter_map(|times| {
            Some(GroupTime {
                group: times.first()?.group,
                cpu: times.iter().map(|time| time.cpu).sum(),
            })
        });
        let groups = groups.collect();
        if !self.tells_sockets {
            sockets = Vec::new();
        }
        (groups, sockets)
    }

    /// Takes the counters of removed groups out of the map, so that it does
    /// not fill up with the dead. Their time moves to one account.
    fn retire(&mut self) {
        if let Some(hardware) = &mut self.hardware {
            hardware.retire(&self.programs, &mut self.index, self.readings);
        }
        if !retiring_is_due(self.counters.len(), self.counters_max, self.readings) {
            return;
        }
        let alive = self.index.alive();
        let Some(Map::HashMap(map)) = self.programs.map(load::COUNTERS) else {
            return;
        };
        let fd = map.fd().as_fd();
        let oldest = self.readings.saturating_sub(QUIET_READINGS);
        let retired_ns = &mut self.retired_ns;
        self.counters.retain(|key, counter| {
            let id = CgroupId::new(key.cgroup);
            if counter.changed > oldest || id == CgroupId::NONE || alive.contains(&id) {
                return true;
            }
            // Value and entry leave together: nothing can fall between. An
            // error (kernels before 5.14) leaves the entry where it is.
            match batch::take::<GroupKey, GroupCounter>(fd, *key) {
                Ok(Some(value)) => {
                    let last = value.cpu_ns.max(counter.now_ns);
                    *retired_ns += last.saturating_sub(counter.base_ns);
                    false
                }
                Ok(None) => {
                    *retired_ns += counter.now_ns.saturating_sub(counter.base_ns);
                    false
                }
                Err(_) => true,
            }
        });
    }
}

impl CpuTime for EbpfCpu {
    fn read(&mut self) -> Result<CpuReading, KernelError> {
        let (at, spent) = (Instant::now(), thread_cpu());
        self.readings += 1;
        self.sockets.follow(&self.programs);
        if !self.time_resolved
            || self.processes.is_some()
            || self.readings.is_multiple_of(WALK_EVERY)
        {
            self.walk()?;
        }
        if let Some(hardware) = &mut self.hardware {
            hardware.settle(&mut self.programs, at);
        }
        self.take_counters()?;
        let processes = match &mut self.processes {
            Some(processes) => processes.read(&self.programs)?,
            None => Vec::new(),
        };
        let stats = self.stats()?;
        let gaps = std::array::from_fn(|place| self.grown(&stats, gap_slot(place)));
        let counts = match &mut self.hardware {
            Some(hardware) => hardware.take(&self.programs, gaps, self.readings),
            None => None,
        };
        // After the counters: whoever is in them was made before.
        let told = self.events.as_mut().map(Events::take);
        let lost = self.grown(&stats, stat::GROUP_EVENTS_LOST);
        let silent = !self.tells_groups || lost > self.events_lost || told.is_none();
        self.events_lost = lost;
        let Told {
            births,
            removals,
            unclear,
        } = told.unwrap_or_default();
        let tree_told = !silent && !unclear;
        let tree_changed = !tree_told || !births.is_empty() || !removals.is_empty();
        self.retire();
        if self.readings % fill::ENDED_EVERY == 1 {
            self.ended = fill::ended(&self.programs)?;
        }
        let (groups, sockets) = self.by_group();
        let walked = usize::try_from(stat::TASKS_WALKED).unwrap_or_default();
        Ok(CpuReading {
            at,
            groups,
            sockets,
            births,
            removals,
            processes,
            counts,
            tree_changed,
            tree_told,
            overflow: Duration::from_nanos(self.grown(&stats, stat::OVERFLOW_CPU_NS)),
            retired: Duration::from_nanos(self.retired_ns),
            looked_at: stats.get(walked).copied().unwrap_or_default(),
            losses: Losses {
                overflow_bookings: self.grown(&stats, stat::OVERFLOW_BOOKINGS),
                storage_misses: self.grown(&stats, stat::STORAGE_MISSES),
                lost_races: self.grown(&stats, stat::LOST_RACES),
                ended_before_start: self.grown(&stats, stat::ENDED_BEFORE_START),
                unreadable: 0,
                group_events_lost: lost,
                process_overflows: self.grown(&stats, stat::PROCESS_OVERFLOWS),
                frees_unseen: self.grown(&stats, stat::FREES_UNSEEN),
                counter_gaps: gaps.iter().sum(),
            },
            cost: thread_cpu().saturating_sub(spent),
        })
    }

    fn rung(&self) -> Rung {
        Rung::Ebpf
    }

    fn explain(&self) -> String {
        let groups = match self.source {
            GroupSource::CpuController => "the cpu controller's groups",
            GroupSource::Unified => "the groups of cgroup v2",
            GroupSource::Cpuacct => "the groups of cpuacct",
        };
        let when = if self.time_resolved {
            "moves or is charged by the scheduler"
        } else if self.hardware.is_some() {
            "moves or is read; hardware counters are booked on context switches"
        } else {
            "moves or is read; nothing runs on context switches"
        };
        format!("cpu time of every task is booked in the kernel by {groups}, when it ends, {when}")
    }

    fn group_root(&self) -> Option<PathBuf> {
        Some(self.index.root().to_owned())
    }

    fn kernel_truth(&mut self, cgroup: CgroupId) -> Option<Duration> {
        let path = self.index.path_of(cgroup)?;
        self.usage.as_ref()?.read(&path)
    }

    fn counters(&self) -> Vec<CounterReport> {
        match &self.hardware {
            Some(hardware) => hardware.reports(),
            None => self.no_hardware.clone(),
        }
    }

    fn program_costs(&self) -> Vec<ProgramCost> {
        costs::of(&self.programs)
    }

    fn maps(&self) -> Vec<MapFill> {
        self.fills()
    }
}

fn group(key: GroupKey) -> Group {
    Group {
        cgroup: CgroupId::new(key.cgroup),
        kind: if key.kind == kind::KERNEL {
            TaskKind::Kernel
        } else {
            TaskKind::User
        },
    }
}
