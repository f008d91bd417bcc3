//! All meters in the order of preference: the first that is active is read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tanso_power::Provenance;

use super::{Memory, Meter, MeterState, Reading, Span};

/// How often meters that are not active are looked for again.
const FIND_EVERY: Duration = Duration::from_secs(15);

/// A meter's state for people and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterReport {
    /// Its name.
    pub name: &'static str,
    /// `active` if it is the one that is read, `standby` if it could be, or
    /// the name of its state.
    pub state: &'static str,
    /// Why it is not active; may be empty.
    pub reason: String,
    /// Readings that failed since the start.
    pub failures: u64,
}

struct Place {
    meter: Box<dyn Meter>,
    state: MeterState,
    failures: u64,
}

/// Meters in the order of preference.
pub struct Bench {
    places: Vec<Place>,
    disabled: Vec<&'static str>,
    chosen: Option<usize>,
    found_at: Option<Instant>,
}

/// What the chosen meter read.
pub struct BenchReading {
    /// The meter's name.
    pub meter: &'static str,
    /// Each zone's energy.
    pub zones: Reading,
    /// What sort of figures these are.
    pub provenance: Provenance,
    /// The power model's digest, if one was used.
    pub model: Option<Arc<str>>,
}

impl Bench {
    /// A bench of `meters` by falling preference; `disabled` are named in
    /// reports only.
    #[must_use]
    pub fn new(meters: Vec<Box<dyn Meter>>, disabled: Vec<&'static str>) -> Self {
        let place = |meter| Place {
            meter,
            state: MeterState::Disabled,
            failures: 0,
        };
        let places = meters.into_iter().map(place).collect();
        Self {
            places,
            disabled,
            chosen: None,
            found_at: None,
        }
    }

    /// Looks for all meters and takes up the memory of the one named, if it
    /// is the one to read.
    pub fn start(&mut self, memory: Option<(&str, Memory)>) {
        self.find_all();
        self.chosen = self.best();
        let Some(place) = self.chosen.and_then(|index| self.places.get_mut(index)) else {
            return;
        };
        tracing::info!(meter = place.meter.name(), "energy meter chosen");
        match memory {
            Some((name, memory)) if name == place.meter.name() => place.meter.resume(memory),
            _ => place.meter.resume(Memory::default()),
        }
    }

    /// Energy since the last reading from the chosen meter, or `None` while
    /// there is none: then no energy is known, which is not zero.
    pub fn read(&mut self, span: &Span) -> Option<BenchReading> {
        self.find_again();
        let place = self.places.get_mut(self.chosen?)?;
        match place.meter.read(span) {
            Ok(zones) => Some(BenchReading {
                meter: place.meter.name(),
                zones,
                provenance: place.meter.provenance(),
                model: place.meter.model(),
            }),
            Err(fault) => {
                tracing::warn!(meter = place.meter.name(), error = %fault, "reading the meter failed");
                place.failures += 1;
                place.state = MeterState::Failed(fault.to_string());
                self.choose();
                None
            }
        }
    }

    /// The chosen meter's name and what it must remember.
    #[must_use]
    pub fn memory(&self) -> Option<(&'static str, Memory)> {
        let place = self.places.get(self.chosen?)?;
        Some((place.meter.name(), place.meter.memory()))
    }

    /// Every meter's state.
    #[must_use]
    pub fn reports(&self) -> Vec<MeterReport> {
        let places = self
            .places
            .iter()
            .enumerate()
            .map(|(index, place)| MeterReport {
                name: place.meter.name(),
                state: match &place.state {
                    MeterState::Active if self.chosen != Some(index) => "standby",
                    state => state.as_str(),
                },
                reason: place.state.reason().to_owned(),
                failures: place.failures,
            });
        let disabled = self.disabled.iter().map(|&name| MeterReport {
            name,
            state: MeterState::Disabled.as_str(),
            reason: String::new(),
            failures: 0,
        });
        places.chain(disabled).collect()
    }

    fn best(&self) -> Option<usize> {
        self.places
            .iter()
            .position(|place| place.state == MeterState::Active)
    }

    fn find_again(&mut self) {
        let due = self.found_at.is_none_or(|at| at.elapsed() >= FIND_EVERY);
        if self.chosen.is_none() || due {
            self.find_all();
            self.choose();
        }
    }

    fn find_all(&mut self) {
        self.found_at = Some(Instant::now());
        for (index, place) in self.places.iter_mut().enumerate() {
            if self.chosen == Some(index) && place.state == MeterState::Active {
                continue;
            }
            let state = place.meter.find();
            if state != place.state && state != MeterState::Active {
                let (meter, reason, lost) =
                    (place.meter.name(), state.reason(), place.meter.loses());
                tracing::info!(
                    meter,
                    state = state.as_str(),
                    reason,
                    lost,
                    "meter is not active"
                );
            }
            place.state = state;
        }
    }

    /// Takes the best meter; one that was not read until now begins anew, so
    /// that no time is counted by two meters.
    fn choose(&mut self) {
        let best = self.best();
        if best == self.chosen {
            return;
        }
        self.chosen = best;
        if let Some(place) = best.and_then(|index| self.places.get_mut(index)) {
            tracing::info!(meter = place.meter.name(), "energy meter chosen");
            let floors = place.meter.memory().floors;
            place.meter.resume(Memory {
                floors,
                ..Memory::default()
            });
        }
    }
}
