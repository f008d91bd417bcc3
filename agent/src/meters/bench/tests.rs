use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tanso_power::{Estimate, Joules};

use super::*;
use crate::meters::MeterFault;

/// What a scripted meter does next.
#[derive(Clone, Debug)]
enum Step {
    Reads(Vec<(ZoneClass, u64)>),
    Fails,
}

/// Does what it is told, one step a reading; the last step stays.
struct Scripted {
    name: &'static str,
    provenance: Provenance,
    classes: Vec<ZoneClass>,
    steps: Arc<Mutex<VecDeque<Step>>>,
    restarts: Arc<Mutex<Vec<ZoneClass>>>,
}

impl Scripted {
    fn new(name: &'static str, classes: &[ZoneClass], steps: Vec<Step>) -> Self {
        Self {
            name,
            provenance: Provenance::Measured,
            classes: classes.to_vec(),
            steps: Arc::new(Mutex::new(steps.into())),
            restarts: Arc::default(),
        }
    }
}

impl Meter for Scripted {
    fn name(&self) -> &'static str {
        self.name
    }

    fn provenance(&self) -> Provenance {
        self.provenance
    }

    fn loses(&self) -> &'static str {
        "nothing"
    }

    fn find(&mut self) -> MeterState {
        MeterState::Active
    }

    fn classes(&self) -> Vec<ZoneClass> {
        self.classes.clone()
    }

    fn read(&mut self, _span: &Span) -> Result<Reading, MeterFault> {
        let mut steps = self.steps.lock().unwrap();
        let step = match steps.len() {
            1 => steps.front().cloned(),
            _ => steps.pop_front(),
        };
        match step.unwrap() {
            Step::Fails => Err(MeterFault("the wire is cut".to_owned())),
            Step::Reads(zones) => Ok(zones
                .into_iter()
                .map(|(class, energy_uj)| {
                    let path = format!("{}-{class}", self.name);
                    let energy = Estimate::exact(Joules::from_microjoules(energy_uj));
                    let idle = Estimate::default();
                    (Zone { class, path }, ZoneEnergy { energy, idle })
                })
                .collect()),
        }
    }

    fn restart(&mut self, class: ZoneClass) {
        self.restarts.lock().unwrap().push(class);
    }

    fn memory(&self) -> Memory {
        let carries = [(self.name.to_owned(), 7)];
        Memory {
            carries: carries.into(),
            ..Memory::default()
        }
    }

    fn resume(&mut self, _memory: Memory) {}
}

fn started(meters: Vec<Scripted>) -> Bench {
    let meters = meters
        .into_iter()
        .map(|meter| -> Box<dyn Meter> { Box::new(meter) });
    let mut bench = Bench::new(meters.collect(), Vec::new());
    bench.start(None);
    bench
}

fn span() -> Span {
    Span {
        elapsed: Duration::from_secs(1),
        ..Span::default()
    }
}

/// Zones with their energy and whether a total takes them.
fn read(bench: &mut Bench) -> Option<Vec<(String, u64, bool)>> {
    let zones = bench.read(&span())?.zones;
    let all: Vec<Zone> = zones.iter().map(|(zone, _)| zone.clone()).collect();
    let line = |(zone, amount): (Zone, ZoneEnergy)| {
        let counts = zone.counts_among(&all);
        (zone.path, amount.energy.value.microjoules(), counts)
    };
    Some(zones.into_iter().map(line).collect())
}

#[test]
fn meters_add_zones_to_each_other_and_no_zone_comes_twice() {
    use ZoneClass::{Dram, Package, Platform};
    let rapl = vec![Step::Reads(vec![(Package, 30), (Dram, 4)])];
    let perf = vec![Step::Reads(vec![(Package, 31), (Dram, 5)])];
    let acpi = vec![Step::Reads(vec![(Platform, 90)])];
    let mut bench = started(vec![
        Scripted::new("rapl", &[Package, Dram], rapl),
        Scripted::new("perf", &[Package, Dram], perf),
        Scripted::new("acpi", &[Platform], acpi),
    ]);
    let wanted = [
        ("rapl-package".to_owned(), 30, false),
        ("rapl-dram".to_owned(), 4, false),
        ("acpi-platform".to_owned(), 90, true),
    ];
    assert_eq!(read(&mut bench).unwrap(), wanted);
    let states: Vec<_> = bench.reports().iter().map(|report| report.state).collect();
    assert_eq!(states, ["active", "standby", "active"]);
    let (lead, memory) = bench.memory().unwrap();
    assert_eq!(lead, "rapl");
    let parts: Vec<&String> = memory.parts.keys().collect();
    assert_eq!(parts, ["acpi", "rapl"]);
}

#[test]
fn a_zone_that_is_silent_for_a_moment_keeps_its_place_so_that_nothing_counts_twice() {
    use ZoneClass::{Package, Platform};
    let rapl = vec![Step::Reads(vec![(Package, 30)])];
    let acpi = vec![
        Step::Reads(vec![(Platform, 90)]),
        Step::Fails,
        Step::Reads(vec![(Platform, 180)]),
    ];
    let mut bench = started(vec![
        Scripted::new("rapl", &[Package], rapl),
        Scripted::new("acpi", &[Platform], acpi),
    ]);
    let total = |bench: &mut Bench| -> u64 {
        let zones = read(bench).unwrap();
        let counted = zones.iter().filter(|(.., counts)| *counts);
        counted.map(|(_, energy_uj, _)| energy_uj).sum()
    };
    let totals = [total(&mut bench), total(&mut bench), total(&mut bench)];
    assert_eq!(totals, [90, 0, 180]);
}

#[test]
fn a_zone_that_stays_silent_passes_to_the_next_meter_which_begins_anew() {
    use ZoneClass::{Dram, Package};
    let rapl = vec![
        Step::Reads(vec![(Package, 30), (Dram, 4)]),
        Step::Reads(vec![(Package, 30)]),
    ];
    let perf = Scripted::new(
        "perf",
        &[Package, Dram],
        vec![Step::Reads(vec![(Package, 1), (Dram, 5)])],
    );
    let restarts = Arc::clone(&perf.restarts);
    let mut bench = started(vec![Scripted::new("rapl", &[Package, Dram], rapl), perf]);
    for _ in 0..=SILENT_MAX {
        read(&mut bench).unwrap();
    }
    assert_eq!(*restarts.lock().unwrap(), [Dram]);
    let wanted = [
        ("rapl-package".to_owned(), 30, true),
        ("perf-dram".to_owned(), 5, true),
    ];
    assert_eq!(read(&mut bench).unwrap(), wanted);
}

#[test]
fn without_a_reading_no_energy_is_known_and_none_is_made_up() {
    let mut bench = started(vec![Scripted::new(
        "rapl",
        &[ZoneClass::Package],
        vec![Step::Fails],
    )]);
    for _ in 0..10 {
        assert_eq!(read(&mut bench), None);
    }
    assert_eq!(bench.reports()[0].failures, 10);
}

#[test]
fn a_node_with_a_measured_gpu_and_a_modelled_rest_is_modelled() {
    let gpu = Scripted::new(
        "nvml",
        &[ZoneClass::Gpu],
        vec![Step::Reads(vec![(ZoneClass::Gpu, 250)])],
    );
    let mut model = Scripted::new(
        "model",
        &[ZoneClass::Platform],
        vec![Step::Reads(vec![(ZoneClass::Platform, 90)])],
    );
    model.provenance = Provenance::Modelled;
    let mut bench = started(vec![gpu, model]);
    let reading = bench.read(&span()).unwrap();
    assert_eq!(reading.provenance, Provenance::Modelled);
    assert_eq!(reading.meter, "model");
    assert_eq!(reading.zones.len(), 2);
}
