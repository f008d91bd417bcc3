//! Hardware counters of processors: which there are, and how one is opened.
//!
//! Counters are opened for a processor and not for a task. Who reads them, and
//! what for, is not known here. A machine without counters, as most virtual ones
//! are, is a state and no error.

use std::fmt;
use std::io;

use perf_event::events::Raw;
use perf_event::{Builder, Counter};
use rustix::io::Errno;

/// The number of kinds of counters.
pub const KINDS: usize = tanso_agent_abi::counter::KINDS;

/// The kinds of counters by their names in labels, in the order of
/// `tanso_agent_abi::counter`.
pub const NAMES: [&str; KINDS] = ["cycles", "instructions", "cache_misses"];

/// Something that the kernel can count: `type` and `config` of
/// `perf_event_open(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCode {
    /// The source of events.
    pub source: u32,
    /// The event's number there.
    pub config: u64,
}

impl EventCode {
    /// `PERF_COUNT_HW_CPU_CYCLES`.
    pub const CYCLES: Self = Self::hardware(0);
    /// `PERF_COUNT_HW_INSTRUCTIONS`.
    pub const INSTRUCTIONS: Self = Self::hardware(1);
    /// `PERF_COUNT_HW_CACHE_MISSES`: which level's misses depends on the
    /// processor.
    pub const CACHE_MISSES: Self = Self::hardware(3);
    /// Reads that missed the last level: of `PERF_TYPE_HW_CACHE`,
    /// `PERF_COUNT_HW_CACHE_LL` (2), `_OP_READ` (0, by 8 bits) and
    /// `_RESULT_MISS` (1, by 16 bits).
    pub const LAST_LEVEL_READ_MISSES: Self = Self {
        source: 3,
        config: 0x1_0002,
    };

    /// A hardware event by the kernel's own number (`PERF_TYPE_HARDWARE`).
    const fn hardware(config: u64) -> Self {
        Self { source: 0, config }
    }
}

impl fmt::Display for EventCode {
    /// The name that `perf list` has for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CYCLES => f.write_str("cycles"),
            Self::INSTRUCTIONS => f.write_str("instructions"),
            Self::CACHE_MISSES => f.write_str("cache-misses"),
            Self::LAST_LEVEL_READ_MISSES => f.write_str("LLC-load-misses"),
            Self { source, config } => write!(f, "type {source}, config {config:#x}"),
        }
    }
}

/// The kernel's generic events, in the order of [`NAMES`]: what they are is the
/// processor's matter. Of sums over a machine's processors a model can learn
/// whichever they are.
pub const GENERIC: [EventCode; KINDS] = [
    EventCode::CYCLES,
    EventCode::INSTRUCTIONS,
    EventCode::CACHE_MISSES,
];

/// Why misses have no counter where none is known to be of the last level.
pub const NO_LAST_LEVEL: &str =
    "no counter of last-level misses is known for this processor; DRAM is shared by CPU time";

/// What is counted as each kind, in the order of [`NAMES`]; `None` where no event
/// of the processor is known to be of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCodes(pub [Option<EventCode>; KINDS]);

impl EventCodes {
    /// The events by which energy is shared on processors of a vendor (as
    /// [`crate::host::CpuInfo`] has it). Only misses of the last level are
    /// traffic of memory, and the generic event is not that everywhere:
    ///
    /// - Intel: it is (`LONGEST_LAT_CACHE.MISS`, an architectural event), with
    ///   misses of writes and of the inner levels' prefetchers.
    /// - AMD: it is of the core's second level, and so is what the kernel has as
    ///   last level of families before 17h (Zen; of later ones it has none). The
    ///   third has counters by complex of cores alone, which know no task.
    /// - ARM: it is of the first level (`L1D_CACHE_REFILL`). `LL_CACHE_MISS_RD`
    ///   is that of the last; where a core lacks it, the kernel has no such event.
    /// - Others: the kernel's event of the last level, if it has one.
    #[must_use]
    pub fn of_processor(vendor: Option<&str>) -> Self {
        let misses = match vendor {
            Some("GenuineIntel") => Some(EventCode::CACHE_MISSES),
            Some("AuthenticAMD" | "HygonGenuine") => None,
            _ => Some(EventCode::LAST_LEVEL_READ_MISSES),
        };
        Self([
            Some(EventCode::CYCLES),
            Some(EventCode::INSTRUCTIONS),
            misses,
        ])
    }
}

/// How a kind of counter stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CounterState {
    /// It is read on every processor.
    Active,
    /// The machine has, or shows, no such counter; the text says why.
    Absent(String),
    /// The machine has it and it cannot be read; the text says why.
    Failed(String),
}

impl CounterState {
    /// The names of all states, as they stand in labels.
    pub const NAMES: [&'static str; 3] = ["active", "absent", "failed"];

    /// The state's name.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Absent(_) => "absent",
            Self::Failed(_) => "failed",
        }
    }

    /// Why it is not read; empty if it is.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Active => "",
            Self::Absent(reason) | Self::Failed(reason) => reason,
        }
    }
}

/// A kind of counter and its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterReport {
    /// One of [`NAMES`].
    pub counter: &'static str,
    /// How it stands.
    pub state: CounterState,
}

/// Every kind in the same state.
#[must_use]
pub fn all_in(state: &CounterState) -> [CounterReport; KINDS] {
    NAMES.map(|counter| CounterReport {
        counter,
        state: state.clone(),
    })
}

/// Opens a counter of everything that a processor does, by its number; it counts
/// from now on.
///
/// # Errors
/// As `perf_event_open(2)`: [`is_absent`] tells those that say that there is
/// none.
pub fn open(event: EventCode, processor: usize) -> io::Result<Counter> {
    let mut builder = Builder::new(Raw::new(event.config));
    builder.attrs_mut().type_ = event.source;
    builder
        .include_kernel()
        .include_hv()
        .any_pid()
        .one_cpu(processor)
        .enabled(true)
        .build()
}

/// Whether a fault says that the machine has no such event.
#[must_use]
pub fn is_absent(fault: &io::Error) -> bool {
    let absent = [
        Errno::NOENT,
        Errno::NODEV,
        Errno::OPNOTSUPP,
        Errno::NOSYS,
        Errno::INVAL,
    ];
    Errno::from_io_error(fault).is_some_and(|errno| absent.contains(&errno))
}

/// What it means that a machine has no `event`, which is to count `name`.
#[must_use]
pub fn lack(name: &str, event: EventCode, fault: &io::Error) -> String {
    if event == EventCode::LAST_LEVEL_READ_MISSES {
        return format!("{NO_LAST_LEVEL} (event \"{event}\": {fault})");
    }
    format!("this machine has, or shows, no counter of {name} (event \"{event}\"): {fault}")
}

/// What a fault at opening the event `name` says, with what to do.
#[must_use]
pub fn refusal(name: &str, fault: &io::Error) -> String {
    let errno = Errno::from_io_error(fault);
    let advice = if fault.kind() == io::ErrorKind::PermissionDenied || errno == Some(Errno::PERM) {
        "; grant CAP_PERFMON, or set kernel.perf_event_paranoid to 0 or less"
    } else if errno == Some(Errno::MFILE) {
        "; it needs three open files a processor: raise the limit on open files"
    } else {
        ""
    };
    format!("opening event \"{name}\": {fault}{advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_say_what_is_missing_or_what_to_do() {
        let of = |errno: Errno| io::Error::from(errno);
        assert!(is_absent(&of(Errno::NOENT)) && is_absent(&of(Errno::OPNOTSUPP)));
        assert!(!is_absent(&of(Errno::ACCESS)));
        assert!(refusal("cycles", &of(Errno::ACCESS)).contains("CAP_PERFMON"));
        assert!(refusal("cycles", &of(Errno::MFILE)).contains("open files"));
        let cycles = lack("cycles", EventCode::CYCLES, &of(Errno::NOENT));
        assert!(cycles.contains("no counter of cycles"), "{cycles}");
        let event = EventCode::LAST_LEVEL_READ_MISSES;
        let misses = lack("cache_misses", event, &of(Errno::NOENT));
        assert!(misses.starts_with(NO_LAST_LEVEL), "{misses}");
        assert!(misses.contains("LLC-load-misses"), "{misses}");
    }

    #[test]
    fn misses_are_those_of_the_last_level_or_none() {
        let misses = |vendor| EventCodes::of_processor(vendor).0[2].map(|event| event.to_string());
        assert_eq!(
            misses(Some("GenuineIntel")).as_deref(),
            Some("cache-misses")
        );
        // Arm's own cores, and Ampere's.
        for vendor in [Some("0x41"), Some("0xc0"), None] {
            assert_eq!(misses(vendor).as_deref(), Some("LLC-load-misses"));
        }
        for vendor in ["AuthenticAMD", "HygonGenuine"] {
            assert_eq!(misses(Some(vendor)), None);
            let EventCodes([cycles, instructions, _]) = EventCodes::of_processor(Some(vendor));
            assert_eq!(cycles, Some(EventCode::CYCLES));
            assert_eq!(instructions, Some(EventCode::INSTRUCTIONS));
        }
    }

    #[test]
    fn events_have_the_kernels_numbers() {
        // Of `include/uapi/linux/perf_event.h`.
        let numbers = GENERIC.map(|event| (event.source, event.config));
        assert_eq!(numbers, [(0, 0), (0, 1), (0, 3)]);
        let (last_level, read, miss) = (2, 0, 1);
        let event = EventCode::LAST_LEVEL_READ_MISSES;
        assert_eq!(event.source, 3);
        assert_eq!(event.config, last_level | (read << 8) | (miss << 16));
        let clock = EventCode {
            source: 1,
            config: 2,
        };
        assert_eq!(clock.to_string(), "type 1, config 0x2");
    }
}
