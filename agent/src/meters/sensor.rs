//! One sensor, and the sensors of a meter: from raw figures to energy by
//! zone.
//!
//! Registers of energy and gauges of power are told apart here, once for all
//! meters. A sensor that fails is left out and asked again; a figure that
//! cannot be true is refused and counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tanso_power::counter::EnergyCounter;
use tanso_power::idle::IdleFloor;
use tanso_power::{Estimate, Joules, Watts};

use super::guard::{Stillness, is_plausible};
use super::track::{GAP_MAX, Track};
use super::{Memory, MeterFault, MeterState, Reading, Refusal, Refusals, Span, Zone, ZoneClass};
use crate::attribution::ZoneEnergy;

/// How a sensor stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SensorState {
    /// It gives energy.
    Used,
    /// It is not used, and why.
    Unused(String),
}

/// What a sensor shows, from which its energy comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Figure {
    /// Energy: a register counts it, also between two readings.
    Counted,
    /// Power: its energy is an estimate, of the mean of two samples over the
    /// time between them. What it did between is not seen.
    Integrated,
}

impl Figure {
    /// The name in the label `figure`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Integrated => "integrated",
        }
    }
}

/// A sensor for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SensorReport {
    /// What it calls itself.
    pub label: String,
    /// Where it is.
    pub path: String,
    /// What it covers, if that is known.
    pub class: Option<ZoneClass>,
    /// What it shows, if it is used.
    pub figure: Option<Figure>,
    /// How it stands.
    pub state: SensorState,
}

impl SensorReport {
    pub(super) fn unused(
        label: impl Into<String>,
        path: impl Into<String>,
        class: Option<ZoneClass>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            label: label.into(),
            path: path.into(),
            class,
            figure: None,
            state: SensorState::Unused(reason.into()),
        }
    }
}

/// A figure that could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoFigure {
    pub(super) refusal: Refusal,
    /// What happened, and what to do.
    pub(super) reason: String,
}

/// What the figures of a sensor mean.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Microjoules since some beginning.
    Register(EnergyCounter),
    /// Microwatts now.
    Gauge(Track),
}

/// One sensor.
#[derive(Clone, Debug)]
pub(super) struct Sensor {
    /// Its place, by which it is known again.
    pub(super) id: String,
    /// What it calls itself.
    pub(super) label: String,
    pub(super) class: ZoneClass,
    /// The socket that it is of, where it says so.
    pub(super) socket: Option<u32>,
    /// What it draws at most; more is a broken reading.
    most: Watts,
    kind: Kind,
    /// All energy that it gave, and that of the last reading.
    pub(super) given: (Joules, Joules),
    /// Time since the last good figure.
    since: Duration,
    stillness: Stillness,
}

impl Sensor {
    /// A register that wraps after `max_uj`; 0: never.
    pub(super) fn register(id: String, label: String, class: ZoneClass, max_uj: u64) -> Self {
        Self::new(id, label, class, Kind::Register(EnergyCounter::new(max_uj)))
    }

    /// A gauge.
    pub(super) fn gauge(id: String, label: String, class: ZoneClass) -> Self {
        Self::new(id, label, class, Kind::Gauge(Track::default()))
    }

    fn new(id: String, label: String, class: ZoneClass, kind: Kind) -> Self {
        Self {
            id,
            label,
            class,
            socket: None,
            most: class.plausible(),
            kind,
            given: (Joules::ZERO, Joules::ZERO),
            since: Duration::ZERO,
            stillness: Stillness::default(),
        }
    }

    /// Takes a raw figure: the energy since the last good one, `Ok(None)` if
    /// this is the beginning.
    fn take(&mut self, raw: u64, span: &Span) -> Result<Option<Joules>, Refusal> {
        let load = span.utilisation.ratio();
        match &mut self.kind {
            Kind::Register(counter) => {
                self.stillness.note(raw, span.elapsed, load);
                if self.stillness.register_is_stuck() {
                    return Err(Refusal::Stuck);
                }
                let before_uj = counter.last_uj();
                let since = std::mem::take(&mut self.since);
                let Some(energy) = counter.advance(raw) else {
                    return before_uj.map_or(Ok(None), |_| Err(Refusal::Reset));
                };
                if is_plausible(energy, self.most, since) {
                    return Ok(Some(energy));
                }
                let fell = before_uj.is_some_and(|before_uj| raw < before_uj);
                Err(if fell {
                    Refusal::Reset
                } else {
                    Refusal::Absurd
                })
            }
            Kind::Gauge(track) => {
                let power = Watts::from_microwatts(raw);
                if power > self.most {
                    return Err(Refusal::Absurd);
                }
                self.stillness.note(raw, span.elapsed, load);
                if self.stillness.gauge_is_stuck() {
                    return Err(Refusal::Stuck);
                }
                let since = std::mem::take(&mut self.since);
                track.pass(since);
                match track.sample(power) {
                    None if since > GAP_MAX => Err(Refusal::Gap),
                    energy => Ok(energy),
                }
            }
        }
    }

    const fn figure(&self) -> Figure {
        match self.kind {
            Kind::Register(_) => Figure::Counted,
            Kind::Gauge(_) => Figure::Integrated,
        }
    }

    fn restart(&mut self) {
        self.since = Duration::ZERO;
        match &mut self.kind {
            Kind::Register(counter) => *counter = EnergyCounter::new(counter.max_uj()),
            Kind::Gauge(track) => track.restart(),
        }
    }

    /// Whether `other` is the same sensor, found again.
    fn is_same(&self, other: &Self) -> bool {
        let kind = match (&self.kind, &other.kind) {
            (Kind::Register(one), Kind::Register(two)) => one.max_uj() == two.max_uj(),
            (Kind::Gauge(_), Kind::Gauge(_)) => true,
            _ => false,
        };
        kind && self.class == other.class && self.label == other.label
    }

    /// Why it is not to be used, by the figure that it shows when it is
    /// found.
    fn objection(&self, raw: u64) -> Option<Refusal> {
        let stuck = match self.kind {
            Kind::Register(_) => self.stillness.register_is_stuck(),
            Kind::Gauge(_) if raw > self.most.microwatts() => return Some(Refusal::Absurd),
            Kind::Gauge(_) => self.stillness.gauge_is_stuck(),
        };
        (stuck && self.stillness.shows(raw)).then_some(Refusal::Stuck)
    }
}

/// The sensors of a meter, with what it learned.
#[derive(Debug, Default)]
pub(super) struct Sensors {
    list: Vec<Sensor>,
    /// Known ones that cannot be read now; they go on when they can.
    silent: Vec<Sensor>,
    floors: BTreeMap<ZoneClass, IdleFloor>,
    refusals: Refusals,
    unused: Vec<SensorReport>,
    /// Ids of sensors that another meter is read for, and why.
    left: BTreeMap<String, String>,
}

impl Sensors {
    /// Takes what a search found; sensors that were known go on. Each is
    /// read once; those that cannot be read are kept apart with the reason.
    pub(super) fn replace(
        &mut self,
        found: Vec<Sensor>,
        unused: Vec<SensorReport>,
        mut figure: impl FnMut(&Sensor) -> Result<u64, NoFigure>,
    ) {
        let before = self.list.drain(..).chain(self.silent.drain(..));
        let mut known: BTreeMap<String, Sensor> =
            before.map(|sensor| (sensor.id.clone(), sensor)).collect();
        self.unused = unused;
        for sensor in found {
            let old = known.remove(&sensor.id);
            let sensor = old.filter(|old| old.is_same(&sensor)).unwrap_or(sensor);
            let objection = match figure(&sensor) {
                Ok(raw) => sensor.objection(raw).map(|refusal| {
                    let reason = refusal.explain();
                    format!("power sensor \"{}\": {reason}", sensor.label)
                }),
                Err(no) => Some(no.reason),
            };
            let Some(refused) = objection else {
                self.list.push(sensor);
                continue;
            };
            let report = SensorReport::unused(
                sensor.label.clone(),
                sensor.id.clone(),
                Some(sensor.class),
                refused,
            );
            self.unused.push(report);
            self.silent.push(sensor);
        }
    }

    /// Forgets all sensors, since there are none to be found.
    pub(super) fn clear(&mut self) {
        *self = Self {
            left: std::mem::take(&mut self.left),
            ..Self::default()
        };
    }

    /// The state of a meter whose sensors these are; `nothing` says what was
    /// looked for in vain.
    pub(super) fn state(&self, nothing: impl FnOnce() -> String) -> MeterState {
        if !self.list.is_empty() {
            return MeterState::Active;
        }
        let refused = self.unused.iter().find(|report| report.class.is_some());
        match refused.map(|report| &report.state) {
            Some(SensorState::Unused(reason)) => MeterState::Failed(reason.clone()),
            _ => MeterState::Absent(nothing()),
        }
    }

    /// The classes that can be read.
    pub(super) fn classes(&self) -> Vec<ZoneClass> {
        let mut classes: Vec<ZoneClass> = self.list.iter().map(|sensor| sensor.class).collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    /// Reads every sensor: each zone's energy since the last reading.
    ///
    /// # Errors
    /// If none can be read.
    pub(super) fn read(
        &mut self,
        span: &Span,
        mut figure: impl FnMut(&Sensor) -> Result<u64, NoFigure>,
    ) -> Result<Reading, MeterFault> {
        // Energy, and whether it is the whole class's for this interval.
        let mut sums: BTreeMap<ZoneClass, (Joules, bool)> = BTreeMap::new();
        let mut partial: BTreeSet<ZoneClass> = BTreeSet::new();
        let mut fault = None;
        let left = &self.left;
        let own = |sensor: &&mut Sensor| !left.contains_key(&sensor.id);
        for sensor in self.silent.iter_mut().filter(own) {
            sensor.since = sensor.since.saturating_add(span.elapsed);
            partial.insert(sensor.class);
        }
        for sensor in self.list.iter_mut().filter(own) {
            sensor.since = sensor.since.saturating_add(span.elapsed);
            let late = sensor.since > span.elapsed;
            sensor.given.1 = Joules::ZERO;
            let taken = figure(sensor).and_then(|raw| {
                sensor.take(raw, span).map_err(|refusal| NoFigure {
                    refusal,
                    reason: format!("power sensor \"{}\": {}", sensor.label, refusal.explain()),
                })
            });
            match taken {
                Ok(energy) => {
                    let sum = sums.entry(sensor.class).or_insert((Joules::ZERO, true));
                    sum.0 += energy.unwrap_or_default();
                    sensor.given.1 = energy.unwrap_or_default();
                    sensor.given.0 += sensor.given.1;
                    sum.1 &= energy.is_some() && !late;
                }
                Err(no) => {
                    *self.refusals.entry(no.refusal).or_default() += 1;
                    partial.insert(sensor.class);
                    tracing::debug!(
                        reason = no.reason,
                        refusal = no.refusal.as_str(),
                        "reading refused"
                    );
                    // A register that began anew is a reading, of nothing.
                    if matches!(no.refusal, Refusal::Reset | Refusal::Gap) {
                        sums.entry(sensor.class).or_insert((Joules::ZERO, false));
                    }
                    fault = Some(no.reason);
                }
            }
        }
        if sums.is_empty() {
            let reason = fault.unwrap_or_else(|| "no power sensor is left".to_owned());
            return Err(MeterFault(reason));
        }
        let mut reading = Reading::new();
        for (class, (energy, complete)) in sums {
            let complete = complete && !partial.contains(&class);
            let idle = self.idle(class, energy, complete, span);
            let amount = ZoneEnergy {
                energy: Estimate::exact(energy),
                idle: Estimate::exact(idle),
            };
            reading.push((self.zone(class), amount));
        }
        Ok(reading)
    }

    /// The idle part. Nothing is learned from an interval in which a sensor
    /// of the class was silent: half a machine is not an idle one.
    fn idle(&mut self, class: ZoneClass, energy: Joules, complete: bool, span: &Span) -> Joules {
        let floor = self.floors.entry(class).or_default();
        if complete {
            return floor.observe(energy, span.utilisation, span.elapsed);
        }
        let mut as_if = *floor;
        match floor.power() {
            Some(power) => power.over(span.elapsed).min(energy),
            None => as_if.observe(energy, span.utilisation, span.elapsed),
        }
    }

    fn zone(&self, class: ZoneClass) -> Zone {
        let mut of_class = self.used().filter(|sensor| sensor.class == class);
        let path = match (of_class.next(), of_class.next()) {
            (Some(only), None) => only.id.clone(),
            _ => format!("aggregated-{class}"),
        };
        Zone { class, path }
    }

    pub(super) fn restart(&mut self, class: ZoneClass) {
        for sensor in self.list.iter_mut().chain(&mut self.silent) {
            if sensor.class == class {
                sensor.restart();
            }
        }
    }

    /// Leaves these sensors, by id, to other meters; those that are now or no
    /// longer among them begin anew.
    pub(super) fn leave(&mut self, left: &BTreeMap<String, String>) {
        let before = std::mem::replace(&mut self.left, left.clone());
        for sensor in self.list.iter_mut().chain(&mut self.silent) {
            if before.contains_key(&sensor.id) != left.contains_key(&sensor.id) {
                sensor.restart();
            }
        }
    }

    /// Accelerators by id, those that cannot be read now too: they keep their
    /// place, since what they count meanwhile comes later.
    pub(super) fn cards(&self) -> impl Iterator<Item = &str> {
        let known = self.list.iter().chain(&self.silent);
        let cards = known.filter(|sensor| sensor.class == ZoneClass::Gpu);
        cards.map(|sensor| sensor.id.as_str())
    }

    /// A class' energy of the last reading by socket; nothing if a sensor of it
    /// does not say which.
    pub(super) fn sockets(&self, class: ZoneClass) -> Vec<(u32, Joules)> {
        let mut sums: BTreeMap<u32, Joules> = BTreeMap::new();
        for sensor in self.list.iter().filter(|sensor| sensor.class == class) {
            let Some(socket) = sensor.socket else {
                return Vec::new();
            };
            *sums.entry(socket).or_default() += sensor.given.1;
        }
        sums.into_iter().collect()
    }

    /// Registers that do not move, by id.
    pub(super) fn stuck(&self) -> impl Iterator<Item = &str> {
        let known = self.list.iter().chain(&self.silent);
        let stuck = known.filter(|sensor| {
            sensor.figure() == Figure::Counted && sensor.stillness.register_is_stuck()
        });
        stuck.map(|sensor| sensor.id.as_str())
    }

    /// The sensors that are read.
    pub(super) fn used(&self) -> impl Iterator<Item = &Sensor> {
        let own = |sensor: &&Sensor| !self.left.contains_key(&sensor.id);
        self.list.iter().filter(own)
    }

    pub(super) fn refusals(&self) -> Refusals {
        self.refusals.clone()
    }

    pub(super) fn reports(&self) -> Vec<SensorReport> {
        let used = self.list.iter().map(|sensor| {
            let (label, path) = (sensor.label.clone(), sensor.id.clone());
            match self.left.get(&sensor.id) {
                Some(reason) => SensorReport::unused(label, path, Some(sensor.class), reason),
                None => SensorReport {
                    label,
                    path,
                    class: Some(sensor.class),
                    figure: Some(sensor.figure()),
                    state: SensorState::Used,
                },
            }
        });
        used.chain(self.unused.iter().cloned()).collect()
    }

    pub(super) fn memory(&self) -> Memory {
        // Those that cannot be read now go on when they can, also after a restart.
        let known = self.list.iter().chain(&self.silent);
        let registers = known.filter_map(|sensor| match sensor.kind {
            Kind::Register(counter) => Some((sensor.id.clone(), counter)),
            Kind::Gauge(_) => None,
        });
        Memory {
            registers: registers.collect(),
            floors: self.floors.clone(),
            ..Memory::default()
        }
    }

    pub(super) fn resume(&mut self, memory: Memory) {
        for sensor in self.list.iter_mut().chain(&mut self.silent) {
            sensor.restart();
            if let Kind::Register(counter) = &mut sensor.kind
                && let Some(saved) = memory.registers.get(&sensor.id)
                && saved.max_uj() == counter.max_uj()
            {
                *counter = *saved;
            }
        }
        self.floors = memory.floors;
    }
}
