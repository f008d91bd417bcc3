//! Meters: whatever can tell how much energy the node used.
//!
//! A meter is active, or a state that says why not and what is lost by it;
//! missing hardware is never an error and never zero energy. A reading that
//! cannot be true is refused and counted, never booked. Nothing is attributed
//! here.

pub mod acpi;
pub mod bench;
mod card;
pub mod fake;
pub mod guard;
pub mod hwmon;
pub mod model;
pub mod nvml;
pub mod perf;
pub mod probe;
pub mod rapl;
pub mod redfish;

mod integrator;
mod plan;
mod sensor;
mod track;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
pub use tanso_agent_wire::zone::{Zone, ZoneClass};
use tanso_power::activity::Activity;
use tanso_power::counter::EnergyCounter;
use tanso_power::idle::IdleFloor;
use tanso_power::{Joules, Provenance, Utilisation, Watts};

pub use bench::Bench;
pub use card::{BusAddress, Card};
pub use guard::{Refusal, Refusals};
pub use sensor::{Figure, SensorReport, SensorState};

use crate::attribution::ZoneEnergy;

/// How a meter stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MeterState {
    /// It can be read.
    Active,
    /// Settings leave it out.
    Disabled,
    /// What it reads is not there.
    Absent(String),
    /// What it reads is there, and cannot be read.
    Failed(String),
}

impl MeterState {
    /// The state's name as it stands in labels.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Absent(_) => "absent",
            Self::Failed(_) => "failed",
        }
    }

    /// Why it is so; empty if it needs no reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Active | Self::Disabled => "",
            Self::Absent(reason) | Self::Failed(reason) => reason,
        }
    }
}

/// The time since the last reading, and what the processors did in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    /// Its length, by a clock that runs in sleep too.
    pub elapsed: Duration,
    /// The share of CPU time that was busy.
    pub utilisation: Utilisation,
    /// The share of CPU time that a hypervisor gave to others while this
    /// machine wanted it.
    pub stolen: Utilisation,
    /// What processors did beside being busy, as far as it was looked at.
    pub activity: Activity,
}

/// What a reading gave: each zone's energy since the reading before.
pub type Reading = Vec<(Zone, ZoneEnergy)>;

/// What a meter must remember over a restart, so that no energy is lost
/// between two processes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// Hardware registers by their path.
    pub registers: BTreeMap<String, EnergyCounter>,
    /// Learned idle floors by zone.
    pub floors: BTreeMap<ZoneClass, IdleFloor>,
    /// Parts of a microjoule not given out yet, by name.
    pub carries: BTreeMap<String, u64>,
    /// The memories of several meters that were read together, by name.
    pub parts: BTreeMap<String, Memory>,
}

/// A process that used a device, as the device's driver tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessShare {
    /// The device's own id.
    pub device: String,
    /// The process, in the host's pid namespace.
    pub pid: u32,
    /// How much it used, against the device's other processes.
    pub weight: u64,
}

/// A device that has a figure of its own: an accelerator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its own id.
    pub id: String,
    /// Its number on this machine.
    pub number: String,
    /// Its model.
    pub name: String,
    /// Who made it: `nvidia`.
    pub vendor: &'static str,
    /// Whether its driver tells who used it.
    pub tells_users: bool,
    /// Its energy since the agent's start.
    pub total: Joules,
    /// Its energy of the last reading.
    pub last: Joules,
}

/// Power that a controller tells of the machine's supply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supply {
    /// The controller.
    pub bmc: String,
    /// The chassis.
    pub chassis: String,
    /// What of the chassis.
    pub id: String,
    /// The power.
    pub power: Watts,
}

/// Why a reading failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MeterFault(pub String);

/// Something that tells energy.
pub trait Meter: Send {
    /// Its name in settings, labels and logs.
    fn name(&self) -> &'static str;

    /// What sort of figures it gives.
    fn provenance(&self) -> Provenance;

    /// What the user goes without while it is not active; a sentence.
    fn loses(&self) -> &'static str;

    /// Looks for what it reads. To be called at start and now and then.
    fn find(&mut self) -> MeterState;

    /// The classes of zones that it can read, as it was last found.
    fn classes(&self) -> Vec<ZoneClass>;

    /// Energy of each zone since the last reading; the first one sets the
    /// beginning and gives no energy. Zones that cannot be read are left out
    /// and come back with what they counted meanwhile.
    ///
    /// # Errors
    /// If no zone can be read.
    fn read(&mut self, span: &Span) -> Result<Reading, MeterFault>;

    /// What a class of the last reading used on each socket, if the meter tells
    /// sockets apart.
    fn sockets(&self, _class: ZoneClass) -> Vec<(u32, Joules)> {
        Vec::new()
    }

    /// Who used its devices since this was last asked, where drivers tell.
    fn processes(&mut self) -> Vec<ProcessShare> {
        Vec::new()
    }

    /// Devices with figures of their own.
    fn devices(&self) -> Vec<Device> {
        Vec::new()
    }

    /// The accelerators that it can read, as it was last found.
    fn cards(&self) -> Vec<Card> {
        Vec::new()
    }

    /// Leaves these of its [`Meter::cards`], by id, to other meters, each for
    /// the reason that people see. One that is no longer named begins anew.
    fn leave(&mut self, _cards: &BTreeMap<String, String>) {}

    /// What a controller tells of the machine's supply now.
    fn supplies(&self) -> Vec<Supply> {
        Vec::new()
    }

    /// Begins a class anew: what its zones counted while another meter was
    /// read for them is not this meter's to give.
    fn restart(&mut self, _class: ZoneClass) {}

    /// Readings that were refused since the start, by reason.
    fn refusals(&self) -> Refusals {
        Refusals::default()
    }

    /// Every sensor that was found, used or not.
    fn sensors(&self) -> Vec<SensorReport> {
        Vec::new()
    }

    /// The digest of the power model it computes with, if it does.
    fn model(&self) -> Option<Arc<str>> {
        None
    }

    /// What must survive a restart.
    fn memory(&self) -> Memory;

    /// Takes up where an earlier process on the same boot ended, or begins
    /// anew with an empty memory.
    fn resume(&mut self, memory: Memory);
}
