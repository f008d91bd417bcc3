//! ACPI power meters: what the firmware measures, mostly the whole machine.
//!
//! The kernel's `acpi_power_meter` shows them among the hwmon chips. Firmware
//! that says what a meter covers (NVIDIA Grace names its sockets' rails) is
//! believed; without a word it is the machine's input, and then only one
//! meter is taken: nobody knows how two would lie in each other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tanso_power::Provenance;

use super::guard::Refusals;
use super::hwmon::chips::{Chip, Quantity, chips};
use super::hwmon::figure;
use super::sensor::{Sensor, SensorReport, Sensors};
use super::{Memory, Meter, MeterFault, MeterState, Reading, Span, ZoneClass};

/// The chip's name of an ACPI power meter.
pub(super) const CHIP: &str = "power_meter";

/// The meter over all ACPI power meters.
#[derive(Debug)]
pub struct Acpi {
    root: PathBuf,
    sensors: Sensors,
    sources: BTreeMap<String, Quantity>,
}

impl Acpi {
    /// A meter that reads `class/hwmon` under `sys`.
    #[must_use]
    pub fn new(sys: &Path) -> Self {
        Self {
            root: sys.join("class/hwmon"),
            sensors: Sensors::default(),
            sources: BTreeMap::new(),
        }
    }
}

impl Meter for Acpi {
    fn name(&self) -> &'static str {
        "acpi"
    }

    fn provenance(&self) -> Provenance {
        Provenance::Measured
    }

    fn loses(&self) -> &'static str {
        "the whole machine's measured power: fans, disks and power supply losses are not seen"
    }

    fn find(&mut self) -> MeterState {
        let chips = match chips(&self.root) {
            Ok(chips) => chips,
            Err(state) => {
                self.sensors = Sensors::default();
                return state;
            }
        };
        let (mut found, mut unused) = (Vec::new(), Vec::new());
        self.sources.clear();
        for chip in chips.iter().filter(|chip| chip.name == CHIP) {
            let told = told(chip);
            for attribute in chip.attributes() {
                let label = told.clone().unwrap_or_else(|| attribute.label.clone());
                let class = told.as_deref().and_then(class);
                let has_input = found
                    .iter()
                    .any(|sensor: &Sensor| sensor.class == ZoneClass::Platform);
                let class = match class {
                    Some(class) => class,
                    None if !has_input => ZoneClass::Platform,
                    None => {
                        let reason = "how it lies to the machine's input above is not known";
                        unused.push(SensorReport::unused(label, attribute.shown, None, reason));
                        continue;
                    }
                };
                found.push(Sensor::gauge(attribute.shown.clone(), label, class));
                self.sources.insert(attribute.shown, attribute.quantity);
            }
        }
        let sources = &self.sources;
        self.sensors
            .replace(found, unused, |sensor| figure(sources, sensor));
        self.sensors
            .state(|| format!("no ACPI power meter in \"{}\"", self.root.display()))
    }

    fn classes(&self) -> Vec<ZoneClass> {
        self.sensors.classes()
    }

    fn read(&mut self, span: &Span) -> Result<Reading, MeterFault> {
        let sources = &self.sources;
        self.sensors.read(span, |sensor| figure(sources, sensor))
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

/// What the firmware says that a meter covers.
fn told(chip: &Chip) -> Option<String> {
    let text = fs::read_to_string(chip.directory.join("power1_oem_info")).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Rails of NVIDIA Grace by the names in its firmware (Grace Performance
/// Tuning Guide, "Power Telemetry"): a module is the processor with the GPU
/// beside it, "Grace" the processor with its memory.
fn class(told: &str) -> Option<ZoneClass> {
    let (rail, _socket) = told.split_once(" Power ")?;
    match rail {
        "Module" => Some(ZoneClass::Psys),
        "Grace" | "Total" => Some(ZoneClass::Package),
        "CPU" => Some(ZoneClass::Core),
        "SysIO" | "SoC" => Some(ZoneClass::Uncore),
        _ => None,
    }
}
