//! The result of a reading interval, as readers see it: never changed once
//! published, and never computed because somebody reads it.

pub mod details;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tanso_power::{Provenance, Utilisation};

pub use details::Details;

use crate::books::Books;
use crate::kernel::{Losses, MapFill, ProgramCost, Rung};
use crate::meters::bench::MeterReport;

/// The place where the latest snapshot is.
pub type Published = ArcSwapOption<Snapshot>;

/// Where the energy comes from now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The meter's name.
    pub meter: &'static str,
    /// What sort of figures it gives.
    pub provenance: Provenance,
    /// The power model's digest, if one is used.
    pub model: Option<Arc<str>>,
}

/// Parts of a reading interval that can fail. Each has a counter from the
/// start: a rate over one that appears with its first failure misses it.
pub const PARTS: [&str; 4] = ["checkpoint", "cpu-time", "journal", "node-times"];

/// What the agent knows of its own work, since its start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Work {
    /// Reading intervals done.
    pub cycles: u64,
    /// Time that they took.
    pub spent: Duration,
    /// Time that the last one took.
    pub last: Duration,
    /// Failures by part, of [`PARTS`].
    pub failures: BTreeMap<&'static str, u64>,
    /// CPU time charged, and the node's busy time meanwhile.
    pub covered: (Duration, Duration),
    /// CPU time of containers as charged and as the kernel counts it, over the
    /// last minute that both are known for.
    pub cross_check: Option<(Duration, Duration)>,
    /// CPU time for which there was no room in the kernel's tables.
    pub overflow: Duration,
    /// What went otherwise than planned.
    pub losses: Losses,
    /// What the kernel programs cost, while the kernel measures it.
    pub programs: Vec<ProgramCost>,
    /// How full the kernel programs' maps are.
    pub maps: Vec<MapFill>,
    /// CPU time of this process.
    pub own_cpu: Duration,
    /// Memory of this process, bytes.
    pub own_bytes: Option<u64>,
}

/// The state after a reading interval.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The instant of the readings, milliseconds of Unix time.
    pub at_unix_ms: i64,
    /// The interval's length.
    pub elapsed: Duration,
    /// The share of CPU time that was busy in it.
    pub utilisation: Utilisation,
    /// All totals.
    pub books: Books,
    /// Every meter's state.
    pub meters: Vec<MeterReport>,
    /// Where the energy comes from; `None` while no meter is active.
    pub origin: Option<Origin>,
    /// Where CPU time comes from.
    pub rung: Rung,
    /// The agent's own work.
    pub work: Work,
    /// Sequence number of the last record.
    pub last_sequence: u64,
    /// Size of the journal, bytes.
    pub journal_bytes: u64,
    /// What only some nodes or levels have.
    pub details: Details,
}
