//! Figures that only some nodes or levels have: processes, virtual machines,
//! GPUs, power supplies. Empty where there are none or nobody asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use tanso_agent_wire::energy::Account;
use tanso_power::idle::IdleBasis;
use tanso_power::{Joules, Watts};

use crate::meters::ZoneClass;
use crate::pmu::CounterReport;

/// An amount since the beginning, and its part in the last interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// All of it; never falls.
    pub total: Joules,
    /// The last interval's.
    pub last: Joules,
}

/// What a process is part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProcessKind {
    /// Of no container and no virtual machine.
    #[default]
    Regular,
    /// Of a container.
    Container,
    /// It is a virtual machine.
    Vm,
}

impl ProcessKind {
    /// The name in the label `type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Container => "container",
            Self::Vm => "vm",
        }
    }
}

/// One process, told from an earlier one of the same number by its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessFigures {
    /// Its number.
    pub pid: u32,
    /// Its short name.
    pub comm: Arc<str>,
    /// Its program's file; empty if it cannot be read.
    pub exe: Arc<str>,
    /// What it is part of.
    pub kind: ProcessKind,
    /// Whether it still runs.
    pub running: bool,
    /// Its container's id; empty without.
    pub container_id: Arc<str>,
    /// Its virtual machine's id; empty without.
    pub vm_id: Arc<str>,
    /// Energy above idle by zone, in the order of the zones' books; may be
    /// shorter.
    pub zones: Vec<Amount>,
    /// CPU time, nanoseconds.
    pub cpu_ns: u64,
    /// GPU energy, if it used any.
    pub gpu: Option<Amount>,
    /// What others of its number and labels used that are not listed, or no
    /// more: a counter that cannot tell them apart counts on.
    pub earlier: Usage,
}

impl ProcessFigures {
    /// Whether the labels are equal, but for the state.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.pid == other.pid
            && self.comm == other.comm
            && self.exe == other.exe
            && self.kind == other.kind
            && self.container_id == other.container_id
            && self.vm_id == other.vm_id
    }

    /// Takes over what another used that is not listed. A running one's energy
    /// stays its own: it has a series by itself.
    pub fn inherit(&mut self, other: &Self) {
        self.earlier.add(&other.earlier);
        if other.running {
            self.earlier.cpu_ns = self.earlier.cpu_ns.saturating_add(other.cpu_ns);
        } else {
            self.earlier.add(&other.own());
        }
    }

    /// What it used itself, and what it took over.
    #[must_use]
    pub fn whole(&self) -> Usage {
        let mut whole = self.own();
        whole.add(&self.earlier);
        whole
    }

    fn own(&self) -> Usage {
        Usage {
            cpu_ns: self.cpu_ns,
            zones: self.zones.iter().map(|amount| amount.total).collect(),
            gpu: self.gpu.map(|amount| amount.total),
        }
    }
}

/// What one or several processes used since the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time, nanoseconds.
    pub cpu_ns: u64,
    /// Energy above idle by zone, in the order of the zones' books; may be
    /// shorter.
    pub zones: Vec<Joules>,
    /// GPU energy, if there was any.
    pub gpu: Option<Joules>,
}

impl Usage {
    /// Adds what others used.
    pub fn add(&mut self, other: &Self) {
        self.cpu_ns = self.cpu_ns.saturating_add(other.cpu_ns);
        if self.zones.len() < other.zones.len() {
            self.zones.resize(other.zones.len(), Joules::ZERO);
        }
        for (sum, energy) in self.zones.iter_mut().zip(&other.zones) {
            *sum += *energy;
        }
        if let Some(energy) = other.gpu {
            *self.gpu.get_or_insert(Joules::ZERO) += energy;
        }
    }
}

/// One virtual machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineFigures {
    /// Its id: the UUID, or what stands for it.
    pub id: String,
    /// Its name; the id if it has none.
    pub name: String,
    /// `kvm` and the like.
    pub hypervisor: String,
    /// Whether it still runs.
    pub running: bool,
    /// Energy above idle by zone, in the order of the zones' books; may be
    /// shorter.
    pub zones: Vec<Amount>,
    /// CPU time, nanoseconds.
    pub cpu_ns: u64,
}

/// One GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GpuFigures {
    /// Its number.
    pub number: String,
    /// Its UUID.
    pub uuid: String,
    /// Its model.
    pub name: String,
    /// `nvidia`.
    pub vendor: String,
    /// All energy.
    pub all: Amount,
    /// The idle part of it.
    pub idle: Amount,
}

/// Power that a board management controller tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupplyFigures {
    /// By what it is asked: `redfish`.
    pub source: String,
    /// The controller's name in settings.
    pub bmc_id: String,
    /// The chassis.
    pub chassis_id: String,
    /// The supply's or the control's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `PowerSupply` or `PowerControl`.
    pub kind: String,
    /// Power at the last poll.
    pub power: Watts,
}

/// What hardware counters say of an account, since the agent's start; `None` of a
/// kind that is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardwareCounts {
    /// Processor cycles.
    pub cycles: Option<u64>,
    /// Instructions.
    pub instructions: Option<u64>,
    /// Cache misses.
    pub cache_misses: Option<u64>,
}

/// How a kind of hardware counter stands.
#[derive(Clone, Debug, PartialEq)]
pub struct CounterFigures {
    /// The kind, and its state.
    pub report: CounterReport,
    /// The time for which it was counted in the time for which it was wanted, on
    /// all processors since the agent's start; `None` while it was wanted for no
    /// time.
    pub counted_ratio: Option<f64>,
}

/// What is known of a zone's power when nothing runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloorFigures {
    /// The zone.
    pub zone: ZoneClass,
    /// How it is known.
    pub basis: IdleBasis,
    /// The power; zero while nothing is known.
    pub power: Watts,
}

/// All that only some nodes or levels have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// Processes, where that level is on.
    pub processes: Vec<ProcessFigures>,
    /// Energy of zones by socket since the agent's start, where meters tell
    /// several apart.
    pub sockets: Vec<(ZoneClass, u32, Joules)>,
    /// Virtual machines.
    pub machines: Vec<MachineFigures>,
    /// GPUs.
    pub gpus: Vec<GpuFigures>,
    /// GPU energy by account.
    pub gpu_by_account: BTreeMap<Account, Amount>,
    /// Idle floors of zones that are measured.
    pub floors: Vec<FloorFigures>,
    /// Power supplies.
    pub supplies: Vec<SupplyFigures>,
    /// Hardware counters by account, where there are any.
    pub counts: BTreeMap<Account, HardwareCounts>,
    /// How hardware counters stand, where they are asked for.
    pub counters: Vec<CounterFigures>,
}
