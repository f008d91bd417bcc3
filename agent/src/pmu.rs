//! Hardware counters of processors: which there are, and how one is opened.
//!
//! Counters are opened for a processor and not for a task. Who reads them, and
//! what for, is not known here. A machine without counters, as most virtual ones
//! are, is a state and no error.

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
    /// A hardware event by the kernel's own number (`PERF_TYPE_HARDWARE`).
    const fn hardware(config: u64) -> Self {
        Self { source: 0, config }
    }
}

/// What is counted as each kind, in the order of [`NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCodes(pub [EventCode; KINDS]);

impl EventCodes {
    /// `PERF_COUNT_HW_CPU_CYCLES`, `_INSTRUCTIONS` and `_CACHE_MISSES`.
    pub const HARDWARE: Self = Self([
        EventCode::hardware(0),
        EventCode::hardware(1),
        EventCode::hardware(3),
    ]);
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

/// What a fault at opening the counter `name` says, with what to do.
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
    }
}
