//! The ways in which an API server, or the way to it, fails.
//!
//! Pure; the proxy carries them out.

use std::fmt;

use crate::call::{Call, Point};

/// What goes wrong once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The connection breaks before the request arrives.
    DropBefore,
    /// The request is done, its answer lost.
    DropAfter,
    /// The request arrives late.
    Delay,
    /// The request arrives twice.
    Duplicate,
    /// 409: somebody else wrote.
    Conflict,
    /// 410: expired.
    Gone,
    /// 429 with a second to wait.
    TooMany,
    /// 500.
    Internal,
    /// 503.
    Unavailable,
    /// 504 for a request that was done all the same.
    TimeoutCommitted,
    /// The answer breaks off in its middle.
    Truncate,
    /// The operator dies before the request arrives.
    CrashBefore,
    /// The operator dies when the request is done.
    CrashAfter,
    /// The request is done, and what asked for it panics at the answer.
    Panic,
    /// 403, as when rights are being changed.
    Forbidden,
    /// No answer at all until the caller gives up.
    Hold,
    /// Before a deletion arrives, the object is deleted and somebody else
    /// makes another one of that name.
    Replaced,
    /// A read is answered from the past.
    Stale,
    /// A read has no answer and no end.
    Silent,
    /// From the first write on there is no API server, for longer than the lease
    /// lasts.
    Away,
    /// Two API servers take turns: one is behind, and knows no version that is
    /// newer than its own.
    TwoServers,
    /// A watch is cut again and again.
    WatchCut,
    /// A watch says 410 in its middle.
    WatchGone,
    /// A watch sends half a line of JSON, and ends.
    WatchGarbled,
    /// All events of a watch come late.
    WatchLate,
    /// Of two changes of an object only the second is seen.
    WatchMerged,
    /// Events come twice.
    WatchDoubled,
    /// A watch says nothing and does not end.
    WatchSilent,
}

/// Faults of a write that pass soon.
pub const WRITE: [Fault; 14] = [
    Fault::DropBefore,
    Fault::DropAfter,
    Fault::Delay,
    Fault::Duplicate,
    Fault::Conflict,
    Fault::Gone,
    Fault::TooMany,
    Fault::Internal,
    Fault::Unavailable,
    Fault::TimeoutCommitted,
    Fault::Truncate,
    Fault::CrashBefore,
    Fault::CrashAfter,
    Fault::Panic,
];

/// Faults of a write that take a caller's whole patience.
pub const SLOW_WRITE: [Fault; 2] = [Fault::Forbidden, Fault::Hold];

/// Faults of a read.
pub const READ: [Fault; 7] = [
    Fault::DropBefore,
    Fault::Gone,
    Fault::TooMany,
    Fault::Internal,
    Fault::Truncate,
    Fault::Stale,
    Fault::Silent,
];

/// Faults of a watch.
pub const WATCH: [Fault; 7] = [
    Fault::WatchCut,
    Fault::WatchGone,
    Fault::WatchGarbled,
    Fault::WatchLate,
    Fault::WatchMerged,
    Fault::WatchDoubled,
    Fault::WatchSilent,
];

impl Fault {
    /// Whether the operator may tell of it, by Events of failure and recovery.
    #[must_use]
    pub const fn may_be_told(self) -> bool {
        !matches!(
            self,
            Self::Duplicate
                | Self::Delay
                | Self::WatchDoubled
                | Self::WatchLate
                | Self::WatchSilent
        )
    }

    /// Whether it ends by the operator's impatience alone.
    #[must_use]
    pub const fn is_silence(self) -> bool {
        matches!(self, Self::Silent | Self::WatchSilent)
    }
}

/// Where it goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// At the n-th time of a call.
    Point(Point),
    /// At every call of that verb and resource, as far as the fault applies.
    Every(Call),
    /// At every read and watch, to the end of the run; those of the lease are
    /// spared.
    Reads,
    /// At every call from the first write on, also those of the lease.
    All,
}

/// One thing that goes wrong in one run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Plan {
    /// Where.
    pub target: Target,
    /// What.
    pub fault: Fault,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Point(point) => write!(f, "{:?} at {point}", self.fault),
            Target::Every(call) => write!(f, "{:?} at every {call}", self.fault),
            Target::Reads => write!(f, "{:?} at every read", self.fault),
            Target::All => write!(f, "{:?} at every call", self.fault),
        }
    }
}

/// All that goes wrong in one run, in words that find it again.
#[must_use]
pub fn words(plans: &[Plan]) -> String {
    let all: Vec<String> = plans.iter().map(Plan::to_string).collect();
    all.join(" + ")
}
