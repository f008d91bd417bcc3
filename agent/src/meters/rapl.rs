//! RAPL by the kernel's powercap files: Intel and AMD processors' own energy
//! counters.
//!
//! Sockets are read one by one (each register wraps by itself) and exported
//! together per class, as Kepler does. Files that only root may read, and
//! machines without powercap, are states; nothing is ever written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tanso_power::{Joules, Provenance};

use super::guard::{Refusal, Refusals, number};
use super::sensor::{NoFigure, Sensor, SensorReport, Sensors};
use super::{Memory, Meter, MeterFault, MeterState, Reading, Span, ZoneClass};

/// The place as it is shown, whatever root it is read under.
const SHOWN: &str = "/sys/class/powercap";

/// The meter over all powercap zones.
#[derive(Debug)]
pub struct Rapl {
    root: PathBuf,
    sensors: Sensors,
}

impl Rapl {
    /// A meter that reads `class/powercap` under `sys`.
    #[must_use]
    pub fn new(sys: &Path) -> Self {
        Self {
            root: sys.join("class/powercap"),
            sensors: Sensors::default(),
        }
    }

    /// The socket of a zone, by its own name or that of the package around it:
    /// `package-1`, or `package-1-die-0`.
    fn socket(&self, id: &str, name: &str) -> Option<u32> {
        let of_package = |name: &str| {
            let number = name.trim().strip_prefix("package-")?;
            number.split('-').next()?.parse().ok()
        };
        of_package(name).or_else(|| {
            let (package, _) = id.rsplit_once(':')?;
            of_package(&fs::read_to_string(self.root.join(package).join("name")).ok()?)
        })
    }

    /// The zones found, and those that are not used with the reason.
    fn scan(&self) -> Result<(Vec<Sensor>, Vec<SensorReport>), io::Error> {
        let (mut found, mut mirrors, mut unused) = (Vec::new(), Vec::new(), Vec::new());
        for entry in fs::read_dir(&self.root)? {
            let Ok(entry) = entry else { continue };
            let file_name = entry.file_name();
            let Some(id) = file_name.to_str() else {
                continue;
            };
            // "intel-rapl:0" is a zone, also on AMD; "intel-rapl" is the type;
            // "intel-rapl-mmio:0" reads the same package by another way.
            let mirror = id.starts_with("intel-rapl-mmio:");
            if !mirror && !id.starts_with("intel-rapl:") {
                continue;
            }
            let directory = entry.path();
            let Ok(name) = fs::read_to_string(directory.join("name")) else {
                continue;
            };
            let name = name.trim().to_owned();
            let shown = format!("{SHOWN}/{id}");
            let Some(class) = ZoneClass::from_kernel(&name) else {
                let reason = "what it covers is not known";
                unused.push(SensorReport::unused(name, shown, None, reason));
                continue;
            };
            let max_uj = fs::read_to_string(directory.join("max_energy_range_uj"))
                .ok()
                .and_then(|text| number(&text).ok())
                .unwrap_or(0);
            let socket = self.socket(id, &name);
            let mut sensor = Sensor::register(shown, name, class, max_uj);
            sensor.socket = socket;
            if mirror {
                mirrors.push(sensor);
            } else {
                found.push(sensor);
            }
        }
        for mirror in mirrors {
            if found.iter().any(|sensor| sensor.class == mirror.class) {
                let reason = "it reads a zone above by another way";
                let class = Some(mirror.class);
                unused.push(SensorReport::unused(mirror.label, mirror.id, class, reason));
            } else {
                found.push(mirror);
            }
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok((found, unused))
    }
}

impl Meter for Rapl {
    fn name(&self) -> &'static str {
        "rapl"
    }

    fn provenance(&self) -> Provenance {
        Provenance::Measured
    }

    fn loses(&self) -> &'static str {
        "measured processor and memory energy; a power model estimates it instead, if there is one"
    }

    fn find(&mut self) -> MeterState {
        let (found, unused) = match self.scan() {
            Ok(found) => found,
            // Out of descriptors, or the like: those that are known are still
            // there, and their registers go on counting.
            Err(fault)
                if fault.kind() != io::ErrorKind::NotFound
                    && !self.sensors.classes().is_empty() =>
            {
                tracing::warn!(error = %fault, "power zones cannot be looked for");
                return MeterState::Active;
            }
            Err(fault) => {
                self.sensors = Sensors::default();
                let reason = format!("reading \"{}\": {fault}", self.root.display());
                return if fault.kind() == io::ErrorKind::NotFound {
                    MeterState::Absent(format!("no \"{}\"", self.root.display()))
                } else {
                    MeterState::Failed(reason)
                };
            }
        };
        let root = &self.root;
        self.sensors
            .replace(found, unused, |sensor| figure(root, sensor));
        self.sensors
            .state(|| format!("no power zone in \"{}\"", self.root.display()))
    }

    fn classes(&self) -> Vec<ZoneClass> {
        self.sensors.classes()
    }

    fn read(&mut self, span: &Span) -> Result<Reading, MeterFault> {
        let root = &self.root;
        self.sensors.read(span, |sensor| figure(root, sensor))
    }

    fn sockets(&self, class: ZoneClass) -> Vec<(u32, Joules)> {
        self.sensors.sockets(class)
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

/// What a zone's register shows.
fn figure(root: &Path, sensor: &Sensor) -> Result<u64, NoFigure> {
    let id = sensor.id.strip_prefix(SHOWN).unwrap_or(&sensor.id);
    let path = root.join(id.trim_start_matches('/')).join("energy_uj");
    let text = fs::read_to_string(path).map_err(|fault| NoFigure {
        refusal: Refusal::Unreadable,
        reason: refusal(&sensor.label, &fault),
    })?;
    number(&text).map_err(|refusal| {
        let shown: String = text.trim().chars().take(32).collect();
        NoFigure {
            refusal,
            reason: format!(
                "power zone \"{}\" shows \"{shown}\", which is no amount of energy",
                sensor.label
            ),
        }
    })
}

fn refusal(name: &str, reason: &io::Error) -> String {
    let advice = if reason.kind() == io::ErrorKind::PermissionDenied {
        "; run as root or grant read on energy_uj"
    } else {
        ""
    };
    format!("reading power zone \"{name}\": {reason}{advice}")
}

#[cfg(test)]
mod tests;
