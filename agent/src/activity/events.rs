//! Hardware events of all processors: cycles, instructions, cache misses.
//!
//! The kernel shares few counters among many that ask, so that an event may be
//! counted a part of the time only: its count is scaled by the time that it
//! was wanted over the time that it was counted (`perf_event_open(2)`).

use std::io;

use perf_event::Counter;

use super::SourceReport;
use super::online::Online;
use crate::meters::MeterState;
use crate::pmu::{self, EventCode, GENERIC, is_absent, refusal};

/// The names that samples use, in the order of [`GENERIC`].
const NAMES: [&str; pmu::KINDS] = ["cycles", "instructions", "cacheMisses"];

/// Counts of [`tanso_power::sample::EVENTS`], all processors together; what
/// was not counted is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts(pub [Option<f64>; 3]);

/// One counter of one processor, and what it last said.
struct Place {
    counter: Counter,
    before: Said,
}

/// A counter's word.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    count: u64,
    wanted_ns: u64,
    counted_ns: u64,
}

/// The counters.
pub(super) struct Events {
    /// By event; empty where the event is not to be had.
    places: [Vec<Place>; 3],
    state: MeterState,
    /// Events that the machine does not have.
    missing: Vec<&'static str>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            places: Default::default(),
            state: MeterState::Absent("not looked for yet".to_owned()),
            missing: Vec::new(),
        }
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Events {
    /// Opens the counters of these processors.
    pub(super) fn open(&mut self, online: &Online) {
        *self = Self::default();
        for ((name, event), places) in NAMES.into_iter().zip(GENERIC).zip(&mut self.places) {
            match open(event, online) {
                Ok(opened) => *places = opened,
                Err(fault) if is_absent(&fault) => self.missing.push(name),
                Err(fault) => {
                    self.state = MeterState::Failed(refusal(name, &fault));
                    self.places = Default::default();
                    return;
                }
            }
        }
        self.state = if self.missing.len() == NAMES.len() {
            MeterState::Absent(
                "no hardware events: this machine has, or shows, no counters of its processors"
                    .to_owned(),
            )
        } else {
            MeterState::Active
        };
    }

    /// Counts since the last reading.
    pub(super) fn read(&mut self) -> Counts {
        let mut counts = [None; 3];
        for (count, places) in counts.iter_mut().zip(&mut self.places) {
            *count = sum(places);
        }
        Counts(counts)
    }

    pub(super) fn report(&self) -> SourceReport {
        let processors = self.places.iter().map(Vec::len).max().unwrap_or_default();
        let mut how = String::new();
        if self.state == MeterState::Active {
            how = format!("hardware events of {processors} processors");
            if !self.missing.is_empty() {
                how.push_str("; not to be had: ");
                how.push_str(&self.missing.join(", "));
            }
        }
        SourceReport {
            name: "events",
            state: self.state.clone(),
            how,
        }
    }
}

fn open(event: EventCode, online: &Online) -> io::Result<Vec<Place>> {
    online
        .numbers()
        .map(|cpu| {
            Ok(Place {
                counter: pmu::open(event, cpu)?,
                before: Said::default(),
            })
        })
        .collect()
}

/// The processors' sum; `None` if one cannot be read or was not counted.
fn sum(places: &mut [Place]) -> Option<f64> {
    let mut sum = None;
    let mut whole = true;
    for place in places {
        let Ok(now) = place.counter.read_count_and_time() else {
            whole = false;
            continue;
        };
        let now = Said {
            count: now.count,
            wanted_ns: now.time_enabled,
            counted_ns: now.time_running,
        };
        match now.since(place.before) {
            Some(count) => *sum.get_or_insert(0.0) += count,
            None => whole = false,
        }
        place.before = now;
    }
    sum.filter(|_| whole)
}

impl Said {
    /// What was counted since, scaled to all of the time; `None` if it was
    /// wanted and never counted.
    fn since(self, before: Self) -> Option<f64> {
        let count = self.count.saturating_sub(before.count);
        let wanted = self.wanted_ns.saturating_sub(before.wanted_ns);
        let counted = self.counted_ns.saturating_sub(before.counted_ns);
        if counted == 0 {
            return (wanted == 0).then_some(0.0);
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "a share of 2^-53 of a count is no matter"
        )]
        let [count, wanted, counted] = [count, wanted, counted].map(|figure| figure as f64);
        Some(count * (wanted / counted).max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_was_counted_half_of_the_time_counts_twice() {
        let before = Said {
            count: 1_000,
            wanted_ns: 10,
            counted_ns: 10,
        };
        let now = |count, wanted_ns, counted_ns| Said {
            count,
            wanted_ns,
            counted_ns,
        };
        assert_eq!(now(1_500, 110, 60).since(before), Some(1_000.0));
        assert_eq!(now(1_500, 110, 110).since(before), Some(500.0));
        // Wanted all the time and never counted is not zero.
        assert_eq!(now(1_000, 110, 10).since(before), None);
        // A processor that slept all the time did nothing.
        assert_eq!(now(1_000, 10, 10).since(before), Some(0.0));
    }
}
