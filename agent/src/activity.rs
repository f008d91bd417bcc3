//! What the node's processors do beside being busy: at which clock, and what
//! their cycles are spent on.
//!
//! Samples and refined power models ask for it; while nobody asks, nothing is
//! read. What a machine does not tell is a state with its reason, never an
//! error and never a zero. Nothing of workloads is known here.

mod clock;
mod events;
mod online;

use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use tanso_power::activity::Activity;

use crate::host::HostRoots;
use crate::meters::MeterState;
use clock::Clock;
use events::Events;
use online::Online;

pub use events::Counts;

/// What was seen since the reading before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen {
    /// Mean clock of busy processors, MHz.
    pub frequency_mhz: Option<f64>,
    /// Hardware events of all processors.
    pub counts: Counts,
}

impl Seen {
    /// The quantities that a power model may ask for.
    #[must_use]
    pub fn activity(&self) -> Activity {
        let [cycles, instructions, misses] = self.counts.0;
        Activity::of_rates(self.frequency_mhz, cycles, instructions, misses)
    }
}

/// How a source stands, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceReport {
    /// `clock` or `events`.
    pub name: &'static str,
    /// Its state.
    pub state: MeterState,
    /// Where it reads, or which of it is missing.
    pub how: String,
}

/// Reads clock and events.
#[derive(Debug)]
pub struct Watcher {
    roots: HostRoots,
    online: Online,
    clock: Clock,
    events: Events,
    /// Whether the last reading is the one before the next.
    running: bool,
}

impl Watcher {
    /// A watcher of a machine's processors; opens nothing yet.
    #[must_use]
    pub fn new(roots: &HostRoots, virtualised: bool) -> Self {
        Self {
            roots: roots.clone(),
            online: Online::default(),
            clock: Clock::new(roots, virtualised),
            events: Events::default(),
            running: false,
        }
    }

    /// What was seen since the reading before, which must have been `elapsed`
    /// ago; nothing at the first one, and at the first after [`Watcher::rest`].
    pub fn read(&mut self, elapsed: Duration) -> Seen {
        let Some(online) = Online::read(&self.roots) else {
            self.rest();
            return Seen::default();
        };
        let same = online.same_processors(&self.online);
        if !same {
            // Counters of processors that went or came say nothing together.
            self.clock.open(&online);
            self.events.open(&online);
            self.running = false;
            for report in self.reports() {
                tracing::info!(
                    source = report.name,
                    state = report.state.as_str(),
                    reason = report.state.reason(),
                    how = report.how,
                    "looked for what processors do"
                );
            }
        }
        let busy = online.busy_since(&self.online);
        let seen = Seen {
            frequency_mhz: self.clock.read(&online, &busy, elapsed),
            counts: self.events.read(),
        };
        self.online = online;
        let whole = std::mem::replace(&mut self.running, true);
        if whole { seen } else { Seen::default() }
    }

    /// Nothing is read until it is asked for again.
    pub const fn rest(&mut self) {
        self.running = false;
    }

    /// How the sources stand, as they were last looked for.
    #[must_use]
    pub fn reports(&self) -> [SourceReport; 2] {
        [self.clock.report(), self.events.report()]
    }
}

/// Looks for `span` and says what was found, as a table for people.
#[must_use]
pub fn table(mut watcher: Watcher, span: Duration) -> String {
    let begin = Instant::now();
    watcher.read(Duration::ZERO);
    thread::sleep(span);
    let seen = watcher.read(begin.elapsed());
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\n{:<9} {:<9} {:<28} why", "ACTIVITY", "STATE", "NOW");
    for report in watcher.reports() {
        let now = match report.name {
            "clock" => seen.frequency_mhz.map(|mhz| format!("{mhz:.0} MHz")),
            _ => seen
                .activity()
                .instructions_per_cycle
                .map(|ratio| format!("{ratio:.2} instructions a cycle")),
        };
        let why = if report.state == MeterState::Active {
            &report.how
        } else {
            report.state.reason()
        };
        let line = format!(
            "{:<9} {:<9} {:<28} {why}",
            report.name,
            report.state.as_str(),
            now.as_deref().unwrap_or("-")
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests;
