//! NVIDIA GPUs by NVML, loaded at run time: a machine without the library is
//! one without such GPUs, which is a state.
//!
//! A device's own energy counter (since Volta) is read: the driver counts
//! between two readings too. Older ones, and those whose counter does not move,
//! tell power, which is integrated, and said to be. A counter that fails for a
//! moment stays the device's figure: what it counts meanwhile comes later. The
//! counter is the whole card's, with all of its MIG instances. Who used a card is
//! told by the driver, process by process.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::time::{Duration, Instant};

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml as Library};
use tanso_power::Provenance;

use super::guard::{Refusal, Refusals};
use super::sensor::{NoFigure, Sensor, SensorReport, Sensors};
use super::{
    BusAddress, Card, Memory, Meter, MeterFault, MeterState, ProcessShare, Reading, Span, ZoneClass,
};

/// How often a machine without the library is asked for it again.
const LOAD_EVERY: Duration = Duration::from_mins(1);
/// A library brings the C library that it is linked to. Beside one that is part
/// of the program its first use of a thread's storage ends the process.
const CAN_LOAD: bool = !cfg!(target_feature = "crt-static");
/// What the library is called where none is named.
const LIBRARY: &str = "libnvidia-ml.so.1";

/// The meter over all NVIDIA GPUs.
pub struct Nvml {
    path: OsString,
    can_load: bool,
    library: Option<Library>,
    tried: Option<(Instant, MeterState)>,
    sensors: Sensors,
    /// Whether a device has an energy counter.
    counters: BTreeMap<String, bool>,
    /// Devices whose counter did not move, and whose power is read since.
    still: BTreeSet<String>,
    /// The driver's numbers of devices.
    numbers: BTreeMap<String, u32>,
    /// Where devices are, as far as the driver says.
    buses: BTreeMap<String, BusAddress>,
    /// The newest sample of processes seen, by device, in the driver's
    /// microseconds.
    seen: BTreeMap<String, u64>,
}

impl Nvml {
    /// A meter that loads this library, or the one that the system has.
    #[must_use]
    pub fn new(path: Option<OsString>) -> Self {
        Self {
            path: path.unwrap_or_else(|| LIBRARY.into()),
            can_load: CAN_LOAD,
            library: None,
            tried: None,
            sensors: Sensors::default(),
            counters: BTreeMap::new(),
            still: BTreeSet::new(),
            numbers: BTreeMap::new(),
            buses: BTreeMap::new(),
            seen: BTreeMap::new(),
        }
    }

    fn load(&mut self) -> Result<(), MeterState> {
        if self.library.is_some() {
            return Ok(());
        }
        if !self.can_load {
            let path = self.path.display();
            return Err(MeterState::Absent(format!(
                "this build of the agent is linked statically and cannot load \"{path}\"; one that is linked dynamically can"
            )));
        }
        if let Some((at, state)) = &self.tried
            && at.elapsed() < LOAD_EVERY
        {
            return Err(state.clone());
        }
        match Library::builder().lib_path(&self.path).init() {
            Ok(library) => {
                self.library = Some(library);
                self.tried = None;
                Ok(())
            }
            Err(fault) => {
                let reason = format!("loading \"{}\": {fault}", self.path.display());
                let state = match fault {
                    NvmlError::LibloadingError(_) | NvmlError::DriverNotLoaded => {
                        MeterState::Absent(reason)
                    }
                    _ => MeterState::Failed(reason),
                };
                self.tried = Some((Instant::now(), state.clone()));
                Err(state)
            }
        }
    }
}

impl Meter for Nvml {
    fn name(&self) -> &'static str {
        "nvml"
    }

    fn provenance(&self) -> Provenance {
        Provenance::Measured
    }

    fn loses(&self) -> &'static str {
        "the energy of NVIDIA GPUs, and who used them"
    }

    fn find(&mut self) -> MeterState {
        if let Err(state) = self.load() {
            return state;
        }
        for id in self.sensors.stuck() {
            if self.still.insert(id.to_owned()) {
                tracing::warn!(
                    device = id,
                    "energy counter does not move; power is read instead"
                );
            }
        }
        let Some(library) = &self.library else {
            return MeterState::Absent("no library".to_owned());
        };
        let Listed {
            sensors: found,
            counters,
            numbers,
            buses,
        } = match devices(library, &self.counters, &self.still) {
            Ok(found) => found,
            Err(fault) => {
                // A driver that was replaced wants a new library.
                self.library = None;
                return MeterState::Failed(format!("listing GPUs: {fault}"));
            }
        };
        self.counters = counters;
        self.numbers = numbers;
        self.buses = buses;
        let counters = &self.counters;
        self.sensors.replace(found, Vec::new(), |sensor| {
            figure(library, counters, sensor)
        });
        self.sensors
            .state(|| "the driver shows no GPU with a power reading".to_owned())
    }

    fn classes(&self) -> Vec<ZoneClass> {
        self.sensors.classes()
    }

    fn read(&mut self, span: &Span) -> Result<Reading, MeterFault> {
        let Some(library) = &self.library else {
            return Err(MeterFault("no library".to_owned()));
        };
        let counters = &self.counters;
        self.sensors
            .read(span, |sensor| figure(library, counters, sensor))
    }

    fn processes(&mut self) -> Vec<ProcessShare> {
        let Some(library) = &self.library else {
            return Vec::new();
        };
        let mut shares = Vec::new();
        for uuid in self.sensors.used().map(|sensor| &sensor.id) {
            let Ok(device) = library.device_by_uuid(uuid.as_str()) else {
                continue;
            };
            let seen = self.seen.entry(uuid.clone()).or_default();
            shares.extend(processes(&device, uuid, seen));
        }
        shares
    }

    fn devices(&self) -> Vec<super::Device> {
        let number = |id: &String| {
            self.numbers
                .get(id)
                .map_or_else(String::new, u32::to_string)
        };
        let used = self.sensors.used().map(|sensor| super::Device {
            id: sensor.id.clone(),
            number: number(&sensor.id),
            name: sensor.label.clone(),
            vendor: "nvidia",
            tells_users: true,
            total: sensor.given.0,
            last: sensor.given.1,
        });
        used.collect()
    }

    fn cards(&self) -> Vec<Card> {
        let card = |id: &str| Card {
            id: id.to_owned(),
            bus: self.buses.get(id).copied(),
        };
        self.sensors.cards().map(card).collect()
    }

    fn leave(&mut self, cards: &BTreeMap<String, String>) {
        self.sensors.leave(cards);
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

/// The devices that can be listed.
#[derive(Default)]
struct Listed {
    sensors: Vec<Sensor>,
    /// Which of them have a counter.
    counters: BTreeMap<String, bool>,
    numbers: BTreeMap<String, u32>,
    buses: BTreeMap<String, BusAddress>,
}

/// Lists all devices; `known` is which had a counter before, `still` whose does
/// not move.
fn devices(
    library: &Library,
    known: &BTreeMap<String, bool>,
    still: &BTreeSet<String>,
) -> Result<Listed, NvmlError> {
    let mut listed = Listed::default();
    for index in 0..library.device_count()? {
        let Ok(device) = library.device_by_index(index) else {
            // Fallen off the bus, or not ours to see.
            continue;
        };
        let Ok(uuid) = device.uuid() else { continue };
        let name = device.name().unwrap_or_else(|_| "GPU".to_owned());
        let counter = !still.contains(&uuid)
            && match device.total_energy_consumption() {
                Ok(_) => true,
                Err(NvmlError::NotSupported | NvmlError::FailedToLoadSymbol(_)) => false,
                Err(_) => known.get(&uuid).copied().unwrap_or(false),
            };
        listed.sensors.push(if counter {
            Sensor::register(uuid.clone(), name, ZoneClass::Gpu, 0)
        } else {
            Sensor::gauge(uuid.clone(), name, ZoneClass::Gpu)
        });
        listed.numbers.insert(uuid.clone(), index);
        let told = device.pci_info().ok();
        if let Some(bus) = told.and_then(|place| BusAddress::try_new(&place.bus_id)) {
            listed.buses.insert(uuid.clone(), bus);
        }
        listed.counters.insert(uuid, counter);
    }
    Ok(listed)
}

/// Microjoules, or microwatts of a device without a counter. NVML tells
/// thousandths.
fn figure(
    library: &Library,
    counters: &BTreeMap<String, bool>,
    sensor: &Sensor,
) -> Result<u64, NoFigure> {
    let told = library
        .device_by_uuid(sensor.id.as_str())
        .and_then(|device| {
            if counters.get(&sensor.id).copied().unwrap_or(false) {
                device.total_energy_consumption()
            } else {
                device.power_usage().map(u64::from)
            }
        });
    match told {
        Ok(thousandths) => Ok(thousandths.saturating_mul(1_000)),
        Err(fault) => Err(NoFigure {
            refusal: Refusal::Unreadable,
            reason: format!("reading \"{}\" ({}): {fault}", sensor.label, sensor.id),
        }),
    }
}

/// Who used a device since it was last asked: by the driver's samples of its
/// multiprocessors, each process' mean; where there are none (MIG), those
/// that run on its instances, alike.
fn processes(device: &Device<'_>, uuid: &str, seen: &mut u64) -> Vec<ProcessShare> {
    let samples = device.process_utilization_stats(*seen).unwrap_or_default();
    let mut sums: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    let before = *seen;
    for sample in samples {
        if sample.timestamp <= before {
            continue;
        }
        *seen = sample.timestamp.max(*seen);
        let sum = sums.entry(sample.pid).or_default();
        sum.0 += u64::from(sample.sm_util);
        sum.1 += 1;
    }
    let share = |pid, weight| ProcessShare {
        device: uuid.to_owned(),
        pid,
        weight,
    };
    if !sums.is_empty() {
        let mean = |(sum, count): (u64, u64)| sum.saturating_mul(1_000) / count.max(1);
        return sums
            .into_iter()
            .map(|(pid, sum)| share(pid, mean(sum)))
            .collect();
    }
    let instances = device.mig_mode().is_ok_and(|mode| mode.current == 1);
    if !instances {
        return Vec::new();
    }
    let mut shares = Vec::new();
    for index in 0..device.mig_device_count().unwrap_or(0) {
        let Ok(instance) = device.mig_device_by_index(index) else {
            continue;
        };
        let running = instance.running_compute_processes().unwrap_or_default();
        shares.extend(running.into_iter().map(|process| share(process.pid, 1)));
    }
    shares
}

#[cfg(test)]
mod tests;
