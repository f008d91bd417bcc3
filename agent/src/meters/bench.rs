//! All meters in the order of preference, read together: the first that is
//! active leads, others add the zones that it lacks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tanso_power::{Joules, Provenance};

use super::plan::{Offer, Part, assign};
use super::{
    Device, Figure, Memory, Meter, MeterState, ProcessShare, Reading, Refusals, SensorReport, Span,
    Supply, Zone, ZoneClass,
};
use crate::attribution::ZoneEnergy;

/// How often all meters are looked for again: hardware comes and goes.
const FIND_EVERY: Duration = Duration::from_secs(15);

/// A zone that is silent for so many readings is another meter's to give. The
/// energy of fewer comes with the next reading.
const SILENT_MAX: u32 = 3;

/// A meter's state for people and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeterReport {
    /// Its name.
    pub name: &'static str,
    /// `active` if it is read, `standby` if it could be, or the name of its
    /// state.
    pub state: &'static str,
    /// Why it is not active, or some of its cards are not; may be empty.
    pub reason: String,
    /// Readings that failed since the start.
    pub failures: u64,
    /// Zones that are read from it.
    pub zones: Vec<ZoneClass>,
    /// Sensors that are read for them, by what they show.
    pub sensors: BTreeMap<(ZoneClass, Figure), u64>,
    /// Figures of its sensors that were refused since the start.
    pub refusals: Refusals,
}

struct Place {
    meter: Box<dyn Meter>,
    state: MeterState,
    failures: u64,
    /// Zones that are read from it.
    zones: Vec<ZoneClass>,
    /// Its accelerators that are not read from it, and why.
    left: BTreeMap<String, String>,
    /// Its sensors, as they were last found.
    sensors: BTreeMap<(ZoneClass, Figure), u64>,
    /// Readings in which a zone was silent, one after the other.
    silent: BTreeMap<ZoneClass, u32>,
    /// The zones as they were last read.
    shown: BTreeMap<ZoneClass, Zone>,
}

impl Place {
    /// The classes that it can give now.
    fn offer(&self) -> Offer {
        let mut classes = Vec::new();
        if self.state == MeterState::Active {
            classes = self.meter.classes();
            let silent = |class: &ZoneClass| self.silent.get(class).copied().unwrap_or(0);
            classes.retain(|class| silent(class) < SILENT_MAX);
        }
        Offer {
            meter: self.meter.name(),
            provenance: self.meter.provenance(),
            classes,
            cards: self.meter.cards(),
        }
    }

    /// Reads its zones into `reading`; true if any was read.
    fn read(&mut self, span: &Span, reading: &mut Reading) -> bool {
        let (found, fault) = match self.meter.read(span) {
            Ok(found) => (found, None),
            Err(fault) => (Reading::new(), Some(fault)),
        };
        if let Some(fault) = &fault {
            self.failures += 1;
            tracing::warn!(meter = self.meter.name(), error = %fault, "reading the meter failed");
        }
        let mut own = Reading::new();
        for (zone, amount) in found {
            self.silent.remove(&zone.class);
            if self.zones.contains(&zone.class) {
                self.shown.insert(zone.class, zone.clone());
                own.push((zone, amount));
            }
        }
        let any = !own.is_empty();
        for class in self.meter.classes() {
            let silent = !own.iter().any(|(zone, _)| zone.class == class);
            if silent && self.zones.contains(&class) {
                *self.silent.entry(class).or_default() += 1;
                // It is still there for those that lie within or around it:
                // what it counts meanwhile comes later, and must not be
                // theirs as well.
                if let Some(zone) = self.shown.get(&class) {
                    own.push((zone.clone(), ZoneEnergy::default()));
                }
            }
        }
        for (zone, amount) in own {
            join(reading, zone, amount);
        }
        if let Some(fault) = fault
            && self.offer().classes.is_empty()
        {
            self.state = MeterState::Failed(fault.to_string());
        }
        any
    }

    /// Counts its sensors.
    fn count_sensors(&mut self) {
        self.sensors.clear();
        for sensor in self.meter.sensors() {
            if let Some(key) = sensor.class.zip(sensor.figure) {
                *self.sensors.entry(key).or_default() += 1;
            }
        }
    }

    /// Those that are read.
    fn sensors(&self) -> BTreeMap<(ZoneClass, Figure), u64> {
        let of_zones = self.sensors.iter();
        let of_zones = of_zones.filter(|((class, _), _)| self.zones.contains(class));
        of_zones.map(|(&key, &number)| (key, number)).collect()
    }

    /// Why it is not active, or not all of it.
    fn reason(&self) -> String {
        if self.state != MeterState::Active {
            return self.state.reason().to_owned();
        }
        let left = self.left.iter().map(|(card, reason)| match card.as_str() {
            "" => reason.clone(),
            card => format!("{card}: {reason}"),
        });
        left.collect::<Vec<_>>().join("; ")
    }
}

/// Adds a zone to those that were read. Accelerators alone are read from
/// several meters, each from one, and are one zone together.
fn join(reading: &mut Reading, zone: Zone, amount: ZoneEnergy) {
    let known = reading
        .iter_mut()
        .find(|(known, _)| known.class == zone.class);
    let Some((known, sum)) = known else {
        reading.push((zone, amount));
        return;
    };
    known.path = format!("aggregated-{}", zone.class);
    sum.energy = sum.energy + amount.energy;
    sum.idle = sum.idle + amount.idle;
}

/// Meters in the order of preference.
pub struct Bench {
    places: Vec<Place>,
    disabled: Vec<&'static str>,
    found_at: Option<Instant>,
}

/// What the meters read.
pub struct BenchReading {
    /// The name of the meter that leads.
    pub meter: &'static str,
    /// Each zone's energy.
    pub zones: Reading,
    /// The same by socket, of classes whose meter tells several apart.
    pub sockets: BTreeMap<ZoneClass, Vec<(u32, Joules)>>,
    /// What sort of figures these are: of several the worst.
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
            zones: Vec::new(),
            left: BTreeMap::new(),
            sensors: BTreeMap::new(),
            silent: BTreeMap::new(),
            shown: BTreeMap::new(),
        };
        Self {
            places: meters.into_iter().map(place).collect(),
            disabled,
            found_at: None,
        }
    }

    /// Looks for all meters and takes up the memories of those that are read.
    pub fn start(&mut self, memory: Option<(&str, Memory)>) {
        self.find_all();
        self.plan();
        let (lead, mut memory) = memory.unwrap_or_default();
        for place in &mut self.places {
            let own = match memory.parts.remove(place.meter.name()) {
                None if place.meter.name() == lead && memory.parts.is_empty() => {
                    std::mem::take(&mut memory)
                }
                own => own.unwrap_or_default(),
            };
            let read = !place.zones.is_empty();
            place
                .meter
                .resume(if read { own } else { Memory::default() });
        }
    }

    /// Energy since the last reading, or `None` while no meter can be read:
    /// then no energy is known, which is not zero.
    pub fn read(&mut self, span: &Span) -> Option<BenchReading> {
        let due = self.found_at.is_none_or(|at| at.elapsed() >= FIND_EVERY);
        if due || self.places.iter().all(|place| place.zones.is_empty()) {
            self.find_all();
            self.plan();
        }
        let mut reading = BenchReading {
            meter: self.lead()?.meter.name(),
            zones: Reading::new(),
            sockets: BTreeMap::new(),
            provenance: Provenance::Measured,
            model: None,
        };
        let mut any = false;
        for place in &mut self.places {
            if place.zones.is_empty() {
                continue;
            }
            any |= place.read(span, &mut reading.zones);
            let by_socket = |&class: &ZoneClass| (class, place.meter.sockets(class));
            let told = place.zones.iter().map(by_socket);
            reading
                .sockets
                .extend(told.filter(|(_, sockets)| sockets.len() > 1));
            reading.provenance = reading.provenance.max(place.meter.provenance());
            if let Some(model) = place.meter.model() {
                reading.model = Some(model);
            }
        }
        self.plan();
        any.then_some(reading)
    }

    /// The meter that covers processors, else the first that is read.
    fn lead(&self) -> Option<&Place> {
        let covers = |place: &&Place| place.zones.iter().any(|&zone| zone != ZoneClass::Gpu);
        let mut read = self.places.iter().filter(|place| !place.zones.is_empty());
        self.places.iter().find(covers).or_else(|| read.next())
    }

    /// The leading meter's name and what all that are read must remember.
    #[must_use]
    pub fn memory(&self) -> Option<(&'static str, Memory)> {
        let read = self.places.iter().filter(|place| !place.zones.is_empty());
        let parts = read.map(|place| (place.meter.name().to_owned(), place.meter.memory()));
        let memory = Memory {
            parts: parts.collect(),
            ..Memory::default()
        };
        Some((self.lead()?.meter.name(), memory))
    }

    /// Every meter's state.
    #[must_use]
    pub fn reports(&self) -> Vec<MeterReport> {
        let places = self.places.iter().map(|place| MeterReport {
            name: place.meter.name(),
            state: match &place.state {
                MeterState::Active if place.zones.is_empty() => "standby",
                state => state.as_str(),
            },
            reason: place.reason(),
            failures: place.failures,
            zones: place.zones.clone(),
            sensors: place.sensors(),
            refusals: place.meter.refusals(),
        });
        let disabled = self.disabled.iter().map(|&name| MeterReport {
            name,
            state: MeterState::Disabled.as_str(),
            ..MeterReport::default()
        });
        places.chain(disabled).collect()
    }

    /// Every meter's sensors by its name, and what is lost without it.
    pub fn sensors(&self) -> impl Iterator<Item = (&'static str, &'static str, Vec<SensorReport>)> {
        self.places.iter().map(|place| {
            let meter = &place.meter;
            (meter.name(), meter.loses(), meter.sensors())
        })
    }

    /// Devices with figures of their own, of meters that are read.
    #[must_use]
    pub fn devices(&self) -> Vec<Device> {
        let read = self.places.iter().filter(|place| !place.zones.is_empty());
        read.flat_map(|place| place.meter.devices()).collect()
    }

    /// Who used these devices since this was last asked.
    pub fn processes(&mut self) -> Vec<ProcessShare> {
        let read = self
            .places
            .iter_mut()
            .filter(|place| !place.zones.is_empty());
        read.flat_map(|place| place.meter.processes()).collect()
    }

    /// What controllers tell of the machine's supply, whether or not a zone is
    /// read from them.
    #[must_use]
    pub fn supplies(&self) -> Vec<Supply> {
        let active = self
            .places
            .iter()
            .filter(|place| place.state == MeterState::Active);
        active.flat_map(|place| place.meter.supplies()).collect()
    }

    fn find_all(&mut self) {
        self.found_at = Some(Instant::now());
        for place in &mut self.places {
            let state = place.meter.find();
            if state != place.state && state != MeterState::Active {
                tracing::info!(
                    meter = place.meter.name(),
                    state = state.as_str(),
                    reason = state.reason(),
                    lost = place.meter.loses(),
                    "meter is not active"
                );
            }
            place.state = state;
            place.silent.clear();
            place.count_sensors();
        }
    }

    /// Decides which meter is read for which zone. A zone that was not read
    /// from a meter until now begins anew there, so that no time is counted
    /// by two meters.
    fn plan(&mut self) {
        let offers: Vec<Offer> = self.places.iter().map(Place::offer).collect();
        for (place, part) in self.places.iter_mut().zip(assign(&offers)) {
            let Part {
                classes: zones,
                left,
            } = part;
            if place.left != left {
                for (card, reason) in &left {
                    let meter = place.meter.name();
                    tracing::info!(meter, card, reason, "a card is not read from this meter");
                }
                place.meter.leave(&left);
                place.left = left;
                place.count_sensors();
            }
            if place.zones == zones {
                continue;
            }
            for &class in &zones {
                if !place.zones.contains(&class) {
                    place.meter.restart(class);
                }
            }
            place.shown.retain(|class, _| zones.contains(class));
            let names: Vec<&str> = zones.iter().map(|zone| zone.as_str()).collect();
            tracing::info!(
                meter = place.meter.name(),
                zones = names.join(","),
                "zones are read from this meter"
            );
            place.zones = zones;
        }
    }
}

#[cfg(test)]
mod tests;
