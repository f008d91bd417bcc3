//! RAPL by the kernel's powercap files: Intel and AMD processors' own energy
//! counters.
//!
//! Sockets are read one by one (each register wraps by itself) and exported
//! together per class, as Kepler does. Files that only root may read, and
//! machines without powercap, are states; nothing is ever written.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tanso_power::counter::EnergyCounter;
use tanso_power::idle::IdleFloor;
use tanso_power::{Estimate, Joules, Provenance};

use super::{Memory, Meter, MeterFault, MeterState, Reading, Span, Zone, ZoneClass};
use crate::attribution::ZoneEnergy;

/// No package draws more for long; used only to see whether a register may
/// have wrapped more than once between two readings.
const PLAUSIBLE_WATTS: u64 = 1_000;

/// One register.
#[derive(Debug)]
struct Register {
    class: ZoneClass,
    /// The kernel's name, `package-0`.
    name: String,
    directory: PathBuf,
    counter: EnergyCounter,
}

/// The meter over all powercap zones.
#[derive(Debug)]
pub struct Rapl {
    root: PathBuf,
    registers: Vec<Register>,
    floors: BTreeMap<ZoneClass, IdleFloor>,
}

impl Rapl {
    /// A meter that reads `class/powercap` under `sys`.
    #[must_use]
    pub fn new(sys: &Path) -> Self {
        Self {
            root: sys.join("class/powercap"),
            registers: Vec::new(),
            floors: BTreeMap::new(),
        }
    }

    /// The zones found, without those that are copies of others.
    fn scan(&self) -> Result<Vec<Register>, io::Error> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let Ok(entry) = entry else { continue };
            let file_name = entry.file_name();
            let Some(id) = file_name.to_str() else {
                continue;
            };
            // "intel-rapl:0" is a zone, also on AMD; "intel-rapl" is the type;
            // "intel-rapl-mmio:0" reads the same package by another way.
            if !id.starts_with("intel-rapl:") {
                continue;
            }
            let directory = entry.path();
            let Ok(name) = fs::read_to_string(directory.join("name")) else {
                continue;
            };
            let name = name.trim().to_owned();
            let Some(class) = ZoneClass::from_kernel(&name) else {
                continue;
            };
            let max_uj = read_number(&directory.join("max_energy_range_uj")).unwrap_or(0);
            let counter = EnergyCounter::new(max_uj);
            found.push(Register {
                class,
                name,
                directory,
                counter,
            });
        }
        found.sort_by(|a, b| a.directory.cmp(&b.directory));
        Ok(found)
    }

    fn zone(&self, class: ZoneClass) -> Zone {
        let mut of_class = self
            .registers
            .iter()
            .filter(|register| register.class == class);
        let path = match (of_class.next(), of_class.next()) {
            (Some(only), None) => only.directory.file_name().map_or_else(String::new, |id| {
                format!("/sys/class/powercap/{}", id.display())
            }),
            _ => format!("aggregated-{class}"),
        };
        Zone { class, path }
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
        let found = match self.scan() {
            Ok(found) => found,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
                return MeterState::Absent(format!("no \"{}\"", self.root.display()));
            }
            Err(fault) => {
                return MeterState::Failed(format!("reading \"{}\": {fault}", self.root.display()));
            }
        };
        if found.is_empty() {
            return MeterState::Absent(format!("no power zone in \"{}\"", self.root.display()));
        }
        let (readable, refused) = sort_out(found);
        if readable.is_empty() {
            return MeterState::Failed(refused.into_iter().next().unwrap_or_default());
        }
        for reason in refused {
            tracing::warn!(meter = "rapl", reason, "power zone is left out");
        }
        let mut old: BTreeMap<PathBuf, EnergyCounter> = self
            .registers
            .drain(..)
            .map(|old| (old.directory, old.counter))
            .collect();
        self.registers = readable;
        for register in &mut self.registers {
            if let Some(counter) = old.remove(&register.directory) {
                register.counter = counter;
            }
        }
        MeterState::Active
    }

    fn read(&mut self, span: &Span) -> Result<Reading, MeterFault> {
        let mut sums: BTreeMap<ZoneClass, Joules> = BTreeMap::new();
        let mut fault = None;
        for register in &mut self.registers {
            match read_number(&register.directory.join("energy_uj")) {
                Ok(now_uj) => {
                    let first = register.counter.last_uj().is_none();
                    warn_of_several_wraps(register, span.elapsed);
                    let energy = register.counter.advance(now_uj);
                    if energy.is_none() && !first {
                        tracing::warn!(zone = register.name, "energy counter was reset");
                    }
                    *sums.entry(register.class).or_default() += energy.unwrap_or_default();
                }
                Err(reason) => fault = Some(refusal(&register.name, &reason)),
            }
        }
        if sums.is_empty() {
            let reason = fault.unwrap_or_else(|| "no power zone is left".to_owned());
            return Err(MeterFault(reason));
        }
        if let Some(reason) = fault {
            tracing::debug!(reason, "power zone could not be read");
        }
        let mut reading = Reading::new();
        for (class, energy) in sums {
            let floor = self.floors.entry(class).or_default();
            let idle = floor.observe(energy, span.utilisation, span.elapsed);
            let amount = ZoneEnergy {
                energy: Estimate::exact(energy),
                idle: Estimate::exact(idle),
            };
            reading.push((self.zone(class), amount));
        }
        Ok(reading)
    }

    fn memory(&self) -> Memory {
        let registers = self
            .registers
            .iter()
            .map(|register| (register.directory.display().to_string(), register.counter));
        Memory {
            registers: registers.collect(),
            floors: self.floors.clone(),
            carries: BTreeMap::new(),
        }
    }

    fn resume(&mut self, memory: Memory) {
        for register in &mut self.registers {
            let max_uj = register.counter.max_uj();
            let key = register.directory.display().to_string();
            register.counter = memory
                .registers
                .get(&key)
                .filter(|saved| saved.max_uj() == max_uj)
                .copied()
                .unwrap_or_else(|| EnergyCounter::new(max_uj));
        }
        self.floors = memory.floors;
    }
}

/// Zones that can be read, and why the others cannot.
fn sort_out(found: Vec<Register>) -> (Vec<Register>, Vec<String>) {
    let mut readable = Vec::new();
    let mut refused = Vec::new();
    for register in found {
        match read_number(&register.directory.join("energy_uj")) {
            Ok(_) => readable.push(register),
            Err(reason) => refused.push(refusal(&register.name, &reason)),
        }
    }
    (readable, refused)
}

fn refusal(name: &str, reason: &io::Error) -> String {
    let advice = if reason.kind() == io::ErrorKind::PermissionDenied {
        "; run as root or grant read on energy_uj"
    } else {
        ""
    };
    format!("reading power zone \"{name}\": {reason}{advice}")
}

/// A register that may have wrapped more than once gives the least that is
/// possible: energy is never invented.
fn warn_of_several_wraps(register: &Register, elapsed: Duration) {
    let max_uj = register.counter.max_uj();
    let plausible_uj = u128::from(PLAUSIBLE_WATTS) * elapsed.as_micros();
    if max_uj > 0 && register.counter.last_uj().is_some() && plausible_uj > u128::from(max_uj) {
        tracing::warn!(
            zone = register.name,
            seconds = elapsed.as_secs(),
            "energy counter may have wrapped more than once since it was last read; the least is counted"
        );
    }
}

fn read_number(path: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    text.trim().parse().map_err(|_| {
        let shown: String = text.trim().chars().take(32).collect();
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("\"{shown}\" is no whole number"),
        )
    })
}

#[cfg(test)]
mod tests;
