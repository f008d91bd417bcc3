//! The kernel's perf `power` events: the registers of RAPL by another way.
//!
//! For machines whose powercap files are hidden or readable by root only: an
//! event needs `CAP_PERFMON` instead. Counting begins when an event is
//! opened, so that what ran while no agent was there is not known here. The
//! kernel adds up narrow registers itself: nothing wraps.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use perf_event::events::Raw;
use perf_event::{Builder, Counter};
use tanso_power::Provenance;

use super::guard::{Refusal, Refusals};
use super::sensor::{NoFigure, Sensor, SensorReport, Sensors};
use super::{Memory, Meter, MeterFault, MeterState, Reading, Span, ZoneClass};
use crate::host::cpu::processors_in;

/// The place as it is shown, whatever root it is read under.
const SHOWN: &str = "/sys/bus/event_source/devices";
/// Sources of events: per package, and (AMD) per core.
const PMUS: [&str; 2] = ["power", "power_core"];

/// An event on one processor.
#[derive(Clone, Debug)]
struct Event {
    id: String,
    label: String,
    class: ZoneClass,
    pmu_type: u32,
    config: u64,
    /// Joules in one count.
    scale: f64,
    cpu: usize,
}

/// An open event.
struct Open {
    counter: Counter,
    scale: f64,
}

/// The meter over the perf `power` events.
pub struct Perf {
    root: PathBuf,
    sensors: Sensors,
    open: BTreeMap<String, Open>,
}

impl Perf {
    /// A meter over the events in `bus/event_source/devices` under `sys`.
    #[must_use]
    pub fn new(sys: &Path) -> Self {
        Self {
            root: sys.join("bus/event_source/devices"),
            sensors: Sensors::default(),
            open: BTreeMap::new(),
        }
    }

    /// Opens what is not open yet and says why others cannot be.
    fn open(&mut self, events: Vec<Event>) -> (Vec<Sensor>, BTreeMap<String, String>) {
        let mut open = BTreeMap::new();
        let mut refused = BTreeMap::new();
        let mut sensors = Vec::new();
        for event in events {
            let sensor = Sensor::register(event.id.clone(), event.label.clone(), event.class, 0);
            match self.open.remove(&event.id).map_or_else(|| event.open(), Ok) {
                Ok(counter) => {
                    open.insert(event.id, counter);
                }
                Err(fault) => {
                    refused.insert(event.id, refusal(&event.label, &fault));
                }
            }
            sensors.push(sensor);
        }
        self.open = open;
        (sensors, refused)
    }
}

impl Event {
    fn open(&self) -> io::Result<Open> {
        let mut builder = Builder::new(Raw::new(self.config));
        builder.attrs_mut().type_ = self.pmu_type;
        // A package's energy belongs to no mode of the processor: the kernel
        // refuses events that leave one out.
        builder
            .include_kernel()
            .include_hv()
            .any_pid()
            .one_cpu(self.cpu);
        let mut counter = builder.build()?;
        counter.enable()?;
        Ok(Open {
            counter,
            scale: self.scale,
        })
    }
}

impl Meter for Perf {
    fn name(&self) -> &'static str {
        "perf"
    }

    fn provenance(&self) -> Provenance {
        Provenance::Measured
    }

    fn loses(&self) -> &'static str {
        "nothing where powercap is readable; else measured processor and memory energy"
    }

    fn find(&mut self) -> MeterState {
        let events = match events(&self.root) {
            Ok(events) => events,
            Err(reason) => {
                *self = Self {
                    root: std::mem::take(&mut self.root),
                    sensors: Sensors::default(),
                    open: BTreeMap::new(),
                };
                return MeterState::Absent(reason);
            }
        };
        let (found, refused) = self.open(events);
        let open = &mut self.open;
        self.sensors
            .replace(found, Vec::new(), |sensor| match refused.get(&sensor.id) {
                Some(reason) => Err(NoFigure {
                    refusal: Refusal::Unreadable,
                    reason: reason.clone(),
                }),
                None => figure(open, sensor),
            });
        self.sensors
            .state(|| format!("no energy event in \"{}\"", self.root.display()))
    }

    fn classes(&self) -> Vec<ZoneClass> {
        self.sensors.classes()
    }

    fn read(&mut self, span: &Span) -> Result<Reading, MeterFault> {
        let open = &mut self.open;
        self.sensors.read(span, |sensor| figure(open, sensor))
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
        Memory {
            // A new process' events count from zero.
            registers: BTreeMap::new(),
            ..self.sensors.memory()
        }
    }

    fn resume(&mut self, memory: Memory) {
        self.sensors.resume(memory);
    }
}

/// Microjoules since the event was opened.
fn figure(open: &mut BTreeMap<String, Open>, sensor: &Sensor) -> Result<u64, NoFigure> {
    let unreadable = |reason: String| NoFigure {
        refusal: Refusal::Unreadable,
        reason,
    };
    let Some(open) = open.get_mut(&sensor.id) else {
        return Err(unreadable(format!(
            "event \"{}\" is not open",
            sensor.label
        )));
    };
    let count = open
        .counter
        .read()
        .map_err(|fault| unreadable(refusal(&sensor.label, &fault)))?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "below a microjoule: a count is some 230 pJ, and 2^53 counts are 2 MJ"
    )]
    let energy_uj = (count as f64 * open.scale * 1e6).floor();
    // Counts are not negative, and 2^53 µJ are the life of a processor.
    if !(0.0..9e15).contains(&energy_uj) {
        return Err(NoFigure {
            refusal: Refusal::Absurd,
            reason: format!("event \"{}\": {energy_uj} µJ", sensor.label),
        });
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked above"
    )]
    Ok(energy_uj as u64)
}

fn refusal(label: &str, fault: &io::Error) -> String {
    let advice = match fault.kind() {
        io::ErrorKind::PermissionDenied => {
            "; grant CAP_PERFMON, or set kernel.perf_event_paranoid to 0 or less"
        }
        _ => "",
    };
    format!("opening event \"{label}\": {fault}{advice}")
}

/// The events that tell energy; `Err` says what is missing.
fn events(root: &Path) -> Result<Vec<Event>, String> {
    let mut events = Vec::new();
    let mut any = false;
    for pmu in PMUS {
        let directory = root.join(pmu);
        let Some(pmu_type) = text(&directory.join("type")).and_then(|text| text.parse().ok())
        else {
            continue;
        };
        any = true;
        let cpus = processors_in(&text(&directory.join("cpumask")).unwrap_or_default());
        for (name, class) in [
            ("energy-pkg", ZoneClass::Package),
            ("energy-cores", ZoneClass::Core),
            ("energy-core", ZoneClass::Core),
            ("energy-gpu", ZoneClass::Uncore),
            ("energy-ram", ZoneClass::Dram),
            ("energy-psys", ZoneClass::Psys),
        ] {
            let file = directory.join("events").join(name);
            let config = text(&file).and_then(|text| config(&text));
            let scale = text(&file.with_extension("scale")).and_then(|text| text.parse().ok());
            let (Some(config), Some(scale)) = (config, scale) else {
                continue;
            };
            // The platform has one register, whichever socket shows it.
            let places = if class == ZoneClass::Psys {
                1
            } else {
                cpus.len()
            };
            events.extend(cpus.iter().take(places).map(|&cpu| Event {
                id: format!("{SHOWN}/{pmu}/events/{name}@cpu{cpu}"),
                label: format!("{name} of cpu{cpu}"),
                class,
                pmu_type,
                config,
                scale,
                cpu,
            }));
        }
    }
    if any {
        Ok(events)
    } else {
        Err(format!("no \"{}\"", root.join("power").display()))
    }
}

fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path)
        .ok()
        .map(|text| text.trim().to_owned())
}

/// The number in `event=0x02`.
fn config(text: &str) -> Option<u64> {
    let value = text.strip_prefix("event=")?;
    match value.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => value.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn numbers_of_events_are_read() {
        assert_eq!(config("event=0x02"), Some(2));
        assert_eq!(config("event=11"), Some(11));
        assert_eq!(config("umask=1"), None);
    }

    /// A folder as the kernel shows it, but over the kernel's software clock
    /// (type 1, event 0: nanoseconds), which every machine has: a "joule" a
    /// second.
    fn clock(sys: &Path) {
        let pmu = sys.join("bus/event_source/devices/power");
        fs::create_dir_all(pmu.join("events")).unwrap();
        for (name, content) in [
            ("type", "1\n"),
            ("cpumask", "0\n"),
            ("events/energy-pkg", "event=0x00\n"),
            ("events/energy-pkg.scale", "1e-9\n"),
            ("events/energy-pkg.unit", "Joules\n"),
        ] {
            fs::write(pmu.join(name), content).unwrap();
        }
    }

    #[test]
    fn an_event_of_the_kernel_is_opened_and_read() {
        let sys = tempfile::tempdir().unwrap();
        clock(sys.path());
        let mut meter = Perf::new(sys.path());
        let span = Span {
            elapsed: Duration::from_secs(1),
            ..Span::default()
        };
        match meter.find() {
            MeterState::Active => {
                assert_eq!(meter.classes(), [ZoneClass::Package]);
                assert_eq!(
                    meter.read(&span).unwrap()[0].1.energy.value.microjoules(),
                    0
                );
                let mut sum_uj = 0;
                // The clock runs by itself: some reading must show it.
                while sum_uj == 0 {
                    sum_uj += meter.read(&span).unwrap()[0].1.energy.value.microjoules();
                }
                assert!(sum_uj < 60_000_000, "{sum_uj}");
            }
            // Without the right, the state says which one is missing.
            state => assert!(state.reason().contains("CAP_PERFMON"), "{state:?}"),
        }
    }

    #[test]
    fn an_event_that_the_kernel_does_not_know_is_a_state() {
        let sys = tempfile::tempdir().unwrap();
        clock(sys.path());
        let kind = sys.path().join("bus/event_source/devices/power/type");
        fs::write(kind, "2147483647\n").unwrap();
        let state = Perf::new(sys.path()).find();
        assert!(
            matches!(&state, MeterState::Failed(reason) if reason.contains("energy-pkg")),
            "{state:?}"
        );
        fs::remove_dir_all(sys.path().join("bus")).unwrap();
        let state = Perf::new(sys.path()).find();
        assert!(matches!(&state, MeterState::Absent(_)), "{state:?}");
    }
}
