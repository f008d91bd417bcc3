//! Samples for the model server, if settings ask for them: once a minute the
//! load and the measured power of a short window, with the processors' clock
//! and events where the machine tells them, so that nodes that cannot measure
//! get a model of this kind of machine.
//!
//! The reading thread only adds up and never waits; sending is another task's
//! ([`send`]). Simulated and modelled power is never sent, and of workloads
//! nothing at all.

pub mod send;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tanso_power::sample::{EVENTS, Sample, ZONES};
use tanso_power::{Joules, Provenance, Utilisation};

use crate::activity::Seen;
use crate::meters::bench::BenchReading;
use crate::meters::{Zone, ZoneClass};

/// Samples that wait for a server at most: two days of minutes, which is as
/// old as a server takes them.
const WAITING_MAX: usize = 48 * 60;
/// Processors' counters are exact over any window; a short one keeps load and
/// power together.
const WINDOW_SHORT: Duration = Duration::from_secs(10);
/// Sensors of the whole machine may show the mean of half a minute.
const WINDOW_LONG: Duration = Duration::from_secs(50);
const MINUTE_MS: i64 = 60_000;
/// Readings that are farther apart are so few that clock and events may be
/// read at each of them; nearer ones are read within windows only.
const READ_ALWAYS: Duration = Duration::from_secs(2);

/// Samples that wait to be sent; shared by who measures and who sends.
#[derive(Debug, Default)]
pub struct Waiting {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// The meter that measured all of them.
    meter: String,
    samples: VecDeque<Sample>,
    dropped: u64,
}

impl Waiting {
    /// Adds a sample; the oldest makes room. Those of another meter are
    /// dropped: a batch is of one.
    fn push(&self, meter: &str, sample: Sample) {
        let mut held = self.lock();
        if held.meter != meter {
            held.dropped += u64::try_from(held.samples.len()).unwrap_or(0);
            held.samples.clear();
            meter.clone_into(&mut held.meter);
        }
        if held.samples.len() >= WAITING_MAX {
            held.samples.pop_front();
            held.dropped += 1;
        }
        held.samples.push_back(sample);
    }

    /// The meter and its oldest samples, at most `most`; they stay until
    /// [`Waiting::done`].
    #[must_use]
    pub fn oldest(&self, most: usize) -> (String, Vec<Sample>) {
        let held = self.lock();
        let samples = held.samples.iter().take(most).cloned().collect();
        (held.meter.clone(), samples)
    }

    /// Forgets samples up to and with the one that ended at `at`.
    pub fn done(&self, at: i64) {
        self.lock().samples.retain(|sample| sample.at > at);
    }

    /// Samples that were dropped because there was no room.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        // Each step under the lock is whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds up readings to samples.
#[derive(Debug)]
pub struct Sampler {
    waiting: Arc<Waiting>,
    /// Differs from node to node, so that not all sample the same seconds.
    seed: u64,
    minute: i64,
    window: Option<Window>,
}

/// A window that is being added up.
#[derive(Debug)]
struct Window {
    meter: &'static str,
    length: Duration,
    elapsed: Duration,
    busy: Duration,
    zones: BTreeMap<ZoneClass, Joules>,
    clock: Clock,
    /// Counts by event, and the time that they are of.
    events: [(f64, Duration); EVENTS.len()],
}

/// Clocks, added up with the weight of the work done at each.
#[derive(Debug, Default)]
struct Clock {
    mhz: f64,
    weight: f64,
}

impl Sampler {
    /// A sampler of the node of this name.
    #[must_use]
    pub fn new(node: &str, waiting: Arc<Waiting>) -> Self {
        // FNV-1a.
        let seed = node.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self {
            waiting,
            seed,
            minute: i64::MIN,
            window: None,
        }
    }

    /// Whether the next reading, after an interval about as long as `last`,
    /// is to tell clock and events.
    #[must_use]
    pub fn wants_activity(&self, last: Duration) -> bool {
        self.window.is_some() || last >= READ_ALWAYS
    }

    /// Takes the reading of an interval that ended at `unix_ms`; `None` and
    /// figures that were not measured end the window without a sample.
    pub fn note(
        &mut self,
        unix_ms: i64,
        elapsed: Duration,
        utilisation: Utilisation,
        reading: Option<&BenchReading>,
        seen: &Seen,
    ) {
        let measured = reading
            .filter(|reading| reading.provenance == Provenance::Measured && !elapsed.is_zero());
        let Some(reading) = measured else {
            self.window = None;
            return;
        };
        if self
            .window
            .as_ref()
            .is_some_and(|window| window.meter != reading.meter)
        {
            self.window = None;
        }
        // A reading belongs to the minute that it begins in, or each window
        // would open with the minute.
        let begin_ms = unix_ms - i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        if self.window.is_none() && self.begins(begin_ms, &reading.zones) {
            self.minute = begin_ms.div_euclid(MINUTE_MS);
            self.window = Some(Window {
                meter: reading.meter,
                length: length(reading.zones.iter().map(|(zone, _)| zone)),
                elapsed: Duration::ZERO,
                busy: Duration::ZERO,
                zones: BTreeMap::new(),
                clock: Clock::default(),
                events: Default::default(),
            });
        }
        let Some(window) = self.window.as_mut() else {
            return;
        };
        window.elapsed += elapsed;
        let busy = elapsed.mul_f64(utilisation.ratio());
        window.busy += busy;
        window.saw(seen, elapsed, busy);
        for (zone, energy) in &reading.zones {
            *window.zones.entry(zone.class).or_default() += energy.energy.value;
        }
        if window.elapsed >= window.length
            && let Some(window) = self.window.take()
            && let Some(sample) = window.sample(unix_ms)
        {
            self.waiting.push(window.meter, sample);
        }
    }

    /// Whether a reading from `begin_ms` on opens its minute's window: one
    /// window a minute, at another second each time.
    fn begins(&self, begin_ms: i64, zones: &[(Zone, impl Sized)]) -> bool {
        let minute = begin_ms.div_euclid(MINUTE_MS);
        let length = length(zones.iter().map(|(zone, _)| zone));
        let room_ms = MINUTE_MS - i64::try_from(length.as_millis()).unwrap_or(MINUTE_MS);
        let mixed = self
            .seed
            .wrapping_add(minute.unsigned_abs())
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let offset_ms = i64::try_from(mixed >> 33).unwrap_or(0) % room_ms.max(1);
        minute != self.minute && begin_ms.rem_euclid(MINUTE_MS) >= offset_ms
    }
}

fn length<'a>(mut zones: impl Iterator<Item = &'a Zone>) -> Duration {
    if zones.any(|zone| zone.class == ZoneClass::Platform) {
        WINDOW_LONG
    } else {
        WINDOW_SHORT
    }
}

impl Window {
    /// Adds clock and events of an interval.
    fn saw(&mut self, seen: &Seen, elapsed: Duration, busy: Duration) {
        if let Some(mhz) = seen.frequency_mhz {
            // A clock without work has no weight, unless there is no other.
            let weight = busy.as_secs_f64().max(1e-9);
            self.clock.mhz += weight * mhz;
            self.clock.weight += weight;
        }
        for ((sum, time), count) in self.events.iter_mut().zip(seen.counts.0) {
            if let Some(count) = count {
                *sum += count;
                *time += elapsed;
            }
        }
    }

    fn events(&self) -> BTreeMap<String, f64> {
        let rates = EVENTS.iter().zip(&self.events);
        rates
            .filter(|(_, (_, time))| !time.is_zero())
            .map(|(name, (sum, time))| ((*name).to_owned(), (sum / time.as_secs_f64()).round()))
            .collect()
    }

    /// The sample of a window that ended at `unix_ms`; none if it was longer
    /// than a sample may be, as after a sleep.
    fn sample(&self, unix_ms: i64) -> Option<Sample> {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > tanso_power::sample::WINDOW_S_MAX {
            return None;
        }
        let watts = self.zones.iter().filter_map(|(class, energy)| {
            let watts = energy.over(self.elapsed).as_watts_f64();
            let zone = class.as_str();
            ZONES.contains(&zone).then(|| (zone.to_owned(), watts))
        });
        Some(Sample {
            at: unix_ms.div_euclid(1_000),
            seconds: (seconds * 1e3).round() / 1e3,
            utilisation: (self.busy.as_secs_f64() / seconds).clamp(0.0, 1.0),
            watts: watts.collect(),
            frequency_mhz: (self.clock.weight > 0.0)
                .then(|| (self.clock.mhz / self.clock.weight).round()),
            events: self.events(),
        })
    }
}

#[cfg(test)]
mod tests;
