//! Chips that the kernel knows by hwmon: energy registers, power gauges, and
//! voltages with currents.
//!
//! Only chips whose figures are known to cover processors, memory, boards or
//! cards are used; every other power sensor is listed with the reason. ACPI
//! power meters stand in the same folder and have a meter of their own.

pub(super) mod chips;
mod rules;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tanso_power::Provenance;

use super::guard::{Refusal, Refusals};
use super::sensor::{NoFigure, Sensor, SensorReport, Sensors};
use super::{
    BusAddress, Card, Device, Memory, Meter, MeterFault, MeterState, Reading, Span, ZoneClass,
};
use chips::{Attribute, Chip, Quantity, chips, raw};
use rules::{Rule, rule};

/// The meter over all chips that are known.
#[derive(Debug)]
pub struct Hwmon {
    root: PathBuf,
    sensors: Sensors,
    /// Where each sensor is read.
    sources: BTreeMap<String, Quantity>,
    /// The chips of accelerators, by sensor.
    cards: BTreeMap<String, (String, Option<BusAddress>)>,
}

impl Hwmon {
    /// A meter that reads `class/hwmon` under `sys`.
    #[must_use]
    pub fn new(sys: &Path) -> Self {
        Self {
            root: sys.join("class/hwmon"),
            sensors: Sensors::default(),
            sources: BTreeMap::new(),
            cards: BTreeMap::new(),
        }
    }

    /// What is usable, by rule and quantity, and what is not.
    fn scan(chips: &[Chip]) -> (Vec<Found>, Vec<SensorReport>) {
        let (mut found, mut unused) = (Vec::new(), Vec::new());
        for chip in chips.iter().filter(|chip| chip.name != super::acpi::CHIP) {
            for attribute in chip.attributes() {
                match rule(chip, &attribute) {
                    Rule::Covers { class, rank } => found.push(Found {
                        chip: chip.name.clone(),
                        bus: chip.bus,
                        attribute,
                        class,
                        rank,
                    }),
                    Rule::Not(reason) => unused.push(attribute.unused(&chip.name, None, reason)),
                }
            }
        }
        // Several chips may show the same thing: of each class those of the
        // best rank are taken, of each thing the energy before the power. Cards
        // at different places of the bus are different things.
        found.sort_by_key(|found| (found.class, found.rank, found.attribute.quantity.rank()));
        let mut taken: Vec<Found> = Vec::new();
        for one in found {
            let other = taken
                .iter()
                .find(|best| best.class == one.class && !best.goes_with(&one));
            match other {
                Some(best) => {
                    let reason = format!(
                        "\"{}\" of {} is read for this zone",
                        best.attribute.label, best.chip
                    );
                    let class = Some(one.class);
                    unused.push(one.attribute.unused(&one.chip, class, reason));
                }
                None => taken.push(one),
            }
        }
        (taken, unused)
    }
}

/// A sensor that a rule takes.
#[derive(Debug)]
struct Found {
    chip: String,
    bus: Option<BusAddress>,
    attribute: Attribute,
    class: ZoneClass,
    rank: u8,
}

impl Found {
    /// Whether `other`, of the same class, is another part of the same whole,
    /// or another card.
    fn goes_with(&self, other: &Self) -> bool {
        let places = self.bus.zip(other.bus);
        if self.class == ZoneClass::Gpu && places.is_some_and(|(one, two)| one != two) {
            return true;
        }
        self.chip == other.chip
            && self.rank == other.rank
            && self.attribute.quantity.rank() == other.attribute.quantity.rank()
    }
}

impl Meter for Hwmon {
    fn name(&self) -> &'static str {
        "hwmon"
    }

    fn provenance(&self) -> Provenance {
        Provenance::Measured
    }

    fn loses(&self) -> &'static str {
        "measured energy on machines whose processors have no counters of their own, ARM servers for instance"
    }

    fn find(&mut self) -> MeterState {
        let chips = match chips(&self.root) {
            Ok(chips) => chips,
            Err(state) => {
                self.sensors.clear();
                return state;
            }
        };
        let (found, unused) = Self::scan(&chips);
        let (mut sensors, mut sources) = (Vec::new(), BTreeMap::new());
        self.cards.clear();
        for Found {
            chip,
            bus,
            attribute,
            class,
            ..
        } in found
        {
            let label = format!("{chip}: {}", attribute.label);
            let id = attribute.shown;
            if class == ZoneClass::Gpu {
                self.cards.insert(id.clone(), (chip, bus));
            }
            sensors.push(match attribute.quantity {
                Quantity::Energy(_) => Sensor::register(id.clone(), label, class, 0),
                Quantity::Power(_) | Quantity::Product(..) => {
                    Sensor::gauge(id.clone(), label, class)
                }
            });
            sources.insert(id, attribute.quantity);
        }
        self.sources = sources;
        let sources = &self.sources;
        self.sensors
            .replace(sensors, unused, |sensor| figure(sources, sensor));
        self.sensors
            .state(|| format!("no known power sensor in \"{}\"", self.root.display()))
    }

    fn classes(&self) -> Vec<ZoneClass> {
        self.sensors.classes()
    }

    fn read(&mut self, span: &Span) -> Result<Reading, MeterFault> {
        let sources = &self.sources;
        self.sensors.read(span, |sensor| figure(sources, sensor))
    }

    fn cards(&self) -> Vec<Card> {
        let card = |id: &str| Card {
            id: id.to_owned(),
            bus: self.cards.get(id).and_then(|&(_, bus)| bus),
        };
        self.sensors.cards().map(card).collect()
    }

    fn leave(&mut self, cards: &BTreeMap<String, String>) {
        self.sensors.leave(cards);
    }

    fn devices(&self) -> Vec<Device> {
        // A card may have several sensors.
        let mut devices: BTreeMap<String, Device> = BTreeMap::new();
        for sensor in self.sensors.used() {
            let Some((chip, bus)) = self.cards.get(&sensor.id) else {
                continue;
            };
            let id = bus.map_or_else(|| sensor.id.clone(), |bus| bus.to_string());
            let number = devices.len().to_string();
            let device = devices.entry(id.clone()).or_insert_with(|| Device {
                id,
                number,
                name: chip.clone(),
                vendor: rules::vendor(chip),
                ..Device::default()
            });
            device.total += sensor.given.0;
            device.last += sensor.given.1;
        }
        devices.into_values().collect()
    }

    fn restart(&mut self, class: ZoneClass) {
        self.sensors.restart(class);
    }

    fn refusals(&self) -> Refusals {
        self.sensors.refusals()
    }

    fn sensors(&self) -> Vec<SensorReport> {
        self.sensors.reports()
    }

    fn memory(&self) -> Memory {
        self.sensors.memory()
    }

    fn resume(&mut self, memory: Memory) {
        self.sensors.resume(memory);
    }
}

/// What a sensor shows, in microjoules or microwatts.
pub(super) fn figure(
    sources: &BTreeMap<String, Quantity>,
    sensor: &Sensor,
) -> Result<u64, NoFigure> {
    let gone = || NoFigure {
        refusal: Refusal::Unreadable,
        reason: format!("power sensor \"{}\" is gone", sensor.label),
    };
    match sources.get(&sensor.id).ok_or_else(gone)? {
        Quantity::Energy(path) | Quantity::Power(path) => raw(path, &sensor.label),
        Quantity::Product(volts, amperes) => {
            // Millivolts times milliamperes are microwatts.
            let volts_mv = raw(volts, &sensor.label)?;
            let amperes_ma = raw(amperes, &sensor.label)?;
            Ok(volts_mv.saturating_mul(amperes_ma))
        }
    }
}
