//! One reading interval: read, charge, save, publish, in this order.
//!
//! Nothing is shown that is not saved before, so a process that dies shows
//! lower figures to nobody. This room holds all of the agent's mutable state
//! and runs on a thread of its own; it serves nobody.

mod catch_up;
mod containers;
mod details;
mod gpus;
mod guests;
mod hardware;
mod idle;
mod memory;
mod run;
mod set_back;
mod sockets;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tanso_agent_wire::energy::JournalId;
use tanso_power::{Provenance, Utilisation};

use details::IdleOfDevices;
use gpus::GpuUsers;
use guests::Guests;
use hardware::{HardwareTotals, Interval};
pub use idle::IdleRule;
use memory::MemoryTurns;
pub use run::run;
use sockets::SocketTotals;

use crate::activity::{Seen, Watcher};
use crate::books::{Booking, Books, Sockets};
use crate::charges::Charges;
use crate::checkpoint::{Checkpoint, State};
use crate::clock::{Now, minutes, own_cpu};
use crate::host::cgroup::{MemoryFiles, UsageFiles};
use crate::host::{CgroupIndex, HostError, HostRoots, NodeTimes};
use crate::journal::Journal;
use crate::kernel::CpuTime;
use crate::meters::bench::BenchReading;
use crate::meters::model::ModelSource;
use crate::meters::{Bench, Span};
use crate::names::NameTable;
use crate::processes::Processes;
use crate::samples::Sampler;
use crate::snapshot::{Details, Origin, Published, Snapshot, Work};

/// The part of one processor that reading CPU time may take, one in so many:
/// beyond it readings are further apart.
const COST_PART: u32 = 500;
/// Readings whose lowest cost counts: one that was disturbed does not.
const COSTS: usize = 5;
/// Readings are never further apart than this for their cost.
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// What a cycle reads and writes; made once.
pub struct Parts {
    /// Where the host's trees are.
    pub roots: HostRoots,
    /// The source of CPU time.
    pub cpu: Box<dyn CpuTime>,
    /// The kernel's own counters by group, where there are any.
    pub usage: Option<UsageFiles>,
    /// Where the kernel counts the memory of groups, if it does.
    pub memory: Option<MemoryFiles>,
    /// The meters.
    pub bench: Bench,
    /// The place of checkpoints.
    pub checkpoint: Checkpoint,
    /// The journal.
    pub journal: Arc<Journal>,
    /// Names of pods and containers.
    pub names: Arc<NameTable>,
    /// How idle energy is told and shared.
    pub idle: IdleRule,
    /// The processes, where that level is on.
    pub processes: Option<Processes>,
    /// Whether hardware counters are asked for: then it is told how they stand.
    pub hardware_counters: bool,
    /// Where results appear.
    pub published: Arc<Published>,
    /// The kernel's id of this boot.
    pub boot_id: Option<String>,
    /// Whether the clock is kept by a time server now.
    pub clock_is_kept: fn() -> bool,
}

/// The agent's state between two readings.
pub struct Cycle {
    parts: Parts,
    index: Option<CgroupIndex>,
    charges: Charges,
    state: State,
    work: Work,
    listed_at: Option<Instant>,
    tree_changed: bool,
    /// When the tree of groups was last looked at, and whether all that changed
    /// since was told.
    scanned_at: Option<Instant>,
    tree_told: bool,
    names_version: u64,
    /// Accounts that were looked at for names of this version.
    named: usize,
    /// The results before the last: their memory, if nobody reads them.
    spare: Option<Arc<Snapshot>>,
    checked_minute: Option<i64>,
    /// What the last readings of CPU time cost.
    costs: [Duration; COSTS],
    /// CPU time that a hypervisor gave to others, as last read, and its share
    /// of the last interval.
    steal: Option<Duration>,
    stolen: Utilisation,
    idle_of_devices: IdleOfDevices,
    sampler: Option<Sampler>,
    watching: Option<Watching>,
    gpu_users: Option<GpuUsers>,
    guests: Guests,
    sockets: SocketTotals,
    hardware: HardwareTotals,
    memory_turns: MemoryTurns,
}

/// Why the agent cannot begin to read.
#[derive(Debug, thiserror::Error)]
pub enum StartFault {
    /// The node's own times cannot be read.
    #[error(transparent)]
    Host(#[from] HostError),
    /// CPU time cannot be read.
    #[error(transparent)]
    Cpu(#[from] crate::kernel::KernelError),
}

/// Who reads what processors do beside being busy, and for whom.
struct Watching {
    watcher: Watcher,
    /// Asks for it.
    model: Arc<ModelSource>,
}

/// The node's CPU time in an interval.
struct NodeDelta {
    busy: Duration,
    utilisation: Utilisation,
}

impl Cycle {
    /// Takes the first readings, from which everything counts, and charges
    /// what ran since `saved` on the same boot.
    ///
    /// # Errors
    /// If the node's times or CPU time cannot be read.
    pub fn start(parts: Parts, saved: Option<State>, now: Now) -> Result<Self, StartFault> {
        let index = parts.cpu.group_root().map(CgroupIndex::new);
        let journal = parts.journal.id();
        let mut cycle = Self {
            index,
            charges: Charges::default(),
            state: State {
                boot_id: parts.boot_id.clone(),
                at_boot_ns: now.boot_ns,
                at_unix_ms: now.unix_ms,
                busy_ns: 0,
                total_ns: 0,
                meter: None,
                journal: journal.0,
                books: Books::default(),
            },
            work: Work::default(),
            listed_at: None,
            tree_changed: false,
            scanned_at: None,
            tree_told: false,
            names_version: 0,
            named: 0,
            spare: None,
            checked_minute: None,
            costs: [Duration::ZERO; COSTS],
            steal: None,
            stolen: Utilisation::IDLE,
            idle_of_devices: IdleOfDevices::default(),
            sampler: None,
            watching: None,
            gpu_users: None,
            guests: Guests::default(),
            sockets: SocketTotals::default(),
            hardware: HardwareTotals::default(),
            memory_turns: MemoryTurns::default(),
            parts,
        };
        let cpu = cycle.parts.cpu.read()?;
        // What the source counted before this reading belongs to no interval.
        let mut scratch = Books::default();
        cycle.charges.since_last(&cpu, None, &mut scratch);
        cycle.charges.take_sockets();
        if let Some(counts) = &cpu.counts {
            cycle.charges.counts_since_last(counts, None, &mut scratch);
        }
        let node = NodeTimes::read(&cycle.parts.roots)?;
        if let Some(saved) = saved {
            cycle.take_up(saved, &node, now);
        } else {
            cycle.parts.bench.start(None);
            cycle.read_meters(Duration::ZERO, Utilisation::IDLE, &Seen::default());
        }
        cycle.set_baseline(&node, now);
        cycle.list_containers(now);
        cycle.save();
        Ok(cycle)
    }

    /// Takes samples of load and power for the model server from now on.
    #[must_use]
    pub fn sampling(mut self, sampler: Option<Sampler>) -> Self {
        self.sampler = sampler;
        self
    }

    /// Reads clock and events from now on whenever samples or `model` ask for
    /// them.
    #[must_use]
    pub fn watching(mut self, watcher: Watcher, model: Arc<ModelSource>) -> Self {
        self.watching = Some(Watching { watcher, model });
        self
    }

    /// Reads everything once and charges the time since the last reading.
    pub fn tick(&mut self, now: Now) {
        let begin = Instant::now();
        let elapsed = now.since(self.state.at_boot_ns);
        let node = match NodeTimes::read(&self.parts.roots) {
            Ok(node) => node,
            Err(fault) => return self.fail("node-times", &fault),
        };
        let cpu = match self.parts.cpu.read() {
            Ok(cpu) => Some(cpu),
            Err(fault) => {
                // Its time is in the next reading that succeeds.
                self.fail("cpu-time", &fault);
                None
            }
        };
        let delta = self.node_delta(&node);
        self.stolen = self.stolen_since(&node);
        let seen = self.look_at_processors(elapsed);
        let energy = self.read_meters(elapsed, delta.utilisation, &seen);
        self.sockets.note(energy.as_ref());
        if let Some(sampler) = &mut self.sampler {
            let reading = energy.as_ref();
            sampler.note(now.unix_ms, elapsed, delta.utilisation, reading, &seen);
        }
        let books = &mut self.state.books;
        let cpu_ns = cpu.as_ref().map_or_else(Vec::new, |cpu| {
            self.charges.since_last(cpu, self.index.as_mut(), books)
        });
        let interval = self.look_at_hardware(cpu.as_ref());
        self.look_at_gpus();
        self.set_names(now);
        self.follow_clock(now);
        self.book(energy.as_ref(), &cpu_ns, &interval, false, now, elapsed);
        let charged: u64 = cpu_ns.iter().map(|&(_, ns)| ns).sum();
        if let (Some(processes), Some(cpu)) = (&mut self.parts.processes, &cpu) {
            let books = &mut self.state.books;
            processes.gpus_tell(self.gpu_users.is_some());
            processes.charge(&cpu.processes, &mut self.charges, books, &cpu_ns, elapsed);
            if let Some(users) = &self.gpu_users {
                processes.charge_gpu(users.by_process(), books);
            }
        }
        self.work.covered.0 += Duration::from_nanos(charged);
        self.work.covered.1 += delta.busy;
        if let Some(cpu) = cpu {
            self.tree_changed |= cpu.tree_changed;
            self.tree_told &= cpu.tree_told;
            self.work.overflow = cpu.overflow;
            self.work.losses = cpu.losses;
            self.work.programs = self.parts.cpu.program_costs();
            self.work.maps = self.parts.cpu.maps();
            self.costs.rotate_right(1);
            self.costs[0] = cpu.cost;
        }
        self.set_baseline(&node, now);
        if self.listing_is_due() {
            self.list_containers(now);
        }
        self.look_for_guests(elapsed);
        self.rebase_each_minute(now);
        self.look_at_memory(elapsed);
        self.save();
        self.work.cycles += 1;
        self.work.last = begin.elapsed();
        self.work.spent += self.work.last;
        self.work.own_cpu = own_cpu();
        self.work.own_bytes = own_bytes();
        let origin = energy.map(|energy| Origin {
            meter: energy.meter,
            provenance: energy.provenance,
            model: energy.model,
        });
        self.publish(elapsed, delta.utilisation, origin);
    }

    /// The pause between readings: the one that is wanted, or a multiple of it
    /// if reading this node's threads would cost too much.
    #[must_use]
    pub fn pace(&self, wanted: Duration) -> Duration {
        let lowest = self.costs.iter().min().copied().unwrap_or_default();
        pace(wanted, lowest)
    }

    fn node_delta(&self, node: &NodeTimes) -> NodeDelta {
        let since =
            |now: Duration, before_ns: u64| now.saturating_sub(Duration::from_nanos(before_ns));
        let busy = since(node.cpu.busy(), self.state.busy_ns);
        let total = since(node.cpu.total(), self.state.total_ns);
        NodeDelta {
            busy,
            utilisation: Utilisation::of(busy, total),
        }
    }

    fn stolen_since(&self, node: &NodeTimes) -> Utilisation {
        let before = self.steal.unwrap_or(node.cpu.steal);
        let stolen = node.cpu.steal.saturating_sub(before);
        let total = Duration::from_nanos(self.state.total_ns);
        Utilisation::of(stolen, node.cpu.total().saturating_sub(total))
    }

    fn set_baseline(&mut self, node: &NodeTimes, now: Now) {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.steal = Some(node.cpu.steal);
        self.state.at_boot_ns = now.boot_ns;
        self.state.at_unix_ms = now.unix_ms;
        self.state.busy_ns = nanoseconds(node.cpu.busy());
        self.state.total_ns = nanoseconds(node.cpu.total());
    }

    /// Clock and events of the interval, if anybody asks for them.
    fn look_at_processors(&mut self, elapsed: Duration) -> Seen {
        let Some(watching) = &mut self.watching else {
            return Seen::default();
        };
        let sampler = self.sampler.as_ref();
        let wanted = sampler.is_some_and(|sampler| sampler.wants_activity(elapsed));
        if wanted || watching.model.wants_activity() {
            watching.watcher.read(elapsed)
        } else {
            watching.watcher.rest();
            Seen::default()
        }
    }

    fn read_meters(
        &mut self,
        elapsed: Duration,
        utilisation: Utilisation,
        seen: &Seen,
    ) -> Option<BenchReading> {
        let mut reading = self.parts.bench.read(&Span {
            elapsed,
            utilisation,
            stolen: self.stolen,
            activity: seen.activity(),
        });
        if let Some(reading) = &mut reading {
            self.parts.idle.tell(&mut reading.zones, utilisation);
        }
        let memory = self.parts.bench.memory();
        self.state.meter = memory.map(|(name, memory)| (name.to_owned(), memory));
        reading
    }

    fn book(
        &mut self,
        energy: Option<&BenchReading>,
        cpu_ns: &[(usize, u64)],
        interval: &Interval,
        caught_up: bool,
        now: Now,
        elapsed: Duration,
    ) {
        let minutes = minutes(now.unix_ms, elapsed);
        let on_sockets = self.charges.take_sockets();
        let idle = self.idle_weights(cpu_ns);
        let gpu = self.gpu_users.as_ref().map(GpuUsers::by_account);
        self.state.books.book(&Booking {
            zones: energy.map(|energy| &energy.zones),
            provenance: energy.map_or(Provenance::Modelled, |energy| energy.provenance),
            model: energy.and_then(|energy| energy.model.as_deref()),
            cpu_ns,
            sockets: energy.map(|energy| Sockets {
                energy: &energy.sockets,
                weights: &on_sockets,
            }),
            counted: interval.counted(),
            idle: &idle,
            gpu: gpu.as_deref(),
            caught_up,
            minutes: &minutes,
        });
    }

    /// Saves the state; records of closed minutes go to the journal once the
    /// state that made them is on disk.
    fn save(&mut self) {
        let closing = !self.state.books.pending.is_empty();
        if let Err(fault) = self.parts.checkpoint.write(&self.state, closing) {
            // Records stay pending: written to the journal without this
            // state, their energy would be charged again after a restart.
            return self.fail("checkpoint", &fault);
        }
        if closing {
            match self.parts.journal.append(&self.state.books.pending) {
                Ok(()) => self.state.books.pending.clear(),
                Err(fault) => return self.fail("journal", &fault),
            }
        }
        if let Some(open) = self.state.books.open_minute
            && self.parts.journal.closed_until() != 0
        {
            self.parts.journal.close_until(open);
        }
    }

    fn publish(&mut self, elapsed: Duration, utilisation: Utilisation, origin: Option<Origin>) {
        let mut books = self
            .spare
            .take()
            .and_then(Arc::into_inner)
            .map_or_else(Books::default, |spare| spare.books);
        self.state.books.show(&mut books);
        let listed = self.parts.processes.as_mut().map(Processes::listed);
        let memory = self.state.meter.as_ref().map(|(_, memory)| memory);
        let idle = &mut self.idle_of_devices;
        let details = Details {
            processes: listed.unwrap_or_default(),
            counts: self.hardware.counts(),
            counters: self.hardware.counters(),
            sockets: self.sockets.all(),
            ..details::details(&books, &self.parts.bench, memory, &self.guests, idle)
        };
        self.spare = self.parts.published.swap(Some(Arc::new(Snapshot {
            at_unix_ms: self.state.at_unix_ms,
            elapsed,
            utilisation,
            books,
            meters: self.parts.bench.reports(),
            origin,
            rung: self.parts.cpu.rung(),
            work: self.work.clone(),
            last_sequence: self.parts.journal.last_sequence(),
            journal_bytes: self.parts.journal.bytes(),
            details,
        })));
    }

    fn fail(&mut self, part: &'static str, fault: &dyn std::error::Error) {
        tracing::warn!(part, error = %fault, "part of a reading interval failed");
        *self.work.failures.entry(part).or_default() += 1;
    }

    /// The journal that records go to.
    #[must_use]
    pub fn journal(&self) -> JournalId {
        self.parts.journal.id()
    }
}

fn pace(wanted: Duration, cost: Duration) -> Duration {
    let least = cost.saturating_mul(COST_PART).min(PAUSE_MAX);
    let wanted_ns = wanted.as_nanos().max(1);
    let times = u32::try_from(least.as_nanos().div_ceil(wanted_ns)).unwrap_or(u32::MAX);
    wanted.saturating_mul(times.max(1))
}

/// Memory of this process that is in RAM, bytes.
fn own_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(u64::try_from(rustix::param::page_size()).ok()?)
}

/// CPU time by account, for joining.
type ByAccount = HashMap<usize, u64>;

#[cfg(test)]
mod tests;
