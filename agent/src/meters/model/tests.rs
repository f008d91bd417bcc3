use std::time::Duration;

use tanso_power::activity::{Activity, Input};
use tanso_power::model::{
    CurvePoint, MachineFeatures, ModelDocument, ModelError, Refined, SCHEMA, Term,
};
use tanso_power::{Estimate, Joules, Watts};
use tempfile::TempDir;

use super::source::Selected;
use super::*;

/// A model of a machine that draws `idle` to `full` watts, ± a fifth.
pub(super) fn document(idle: u64, full: u64, machine: MachineFeatures) -> ModelDocument {
    let point = |ratio: f64, watts: u64| {
        let power = |percent: u64| Watts::from_microwatts(watts * percent * 10_000);
        CurvePoint {
            utilisation: Utilisation::try_new(ratio).unwrap(),
            power: Estimate {
                low: power(80),
                value: power(100),
                high: power(120),
            },
        }
    };
    ModelDocument {
        schema: SCHEMA.to_owned(),
        name: format!("{idle} to {full} W"),
        domain: Domain::WallSpecpower,
        machine,
        curve: vec![point(0.0, idle), point(1.0, full)],
        refined: None,
        error: ModelError {
            level: 0.9,
            mape_percent: 12.0,
            method: "a test".to_owned(),
        },
        training_digest: "sha256:00".to_owned(),
        origin: "a test".to_owned(),
        explanation: "a test".to_owned(),
    }
}

struct Rig {
    _folder: TempDir,
    source: Arc<ModelSource>,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = Arc::new(ModelSource::open(folder.path()));
        Self {
            _folder: folder,
            source,
        }
    }

    fn accept(&self, document: ModelDocument) -> String {
        let digest = document.digest().unwrap();
        let selected = Selected {
            digest: digest.clone(),
            document,
        };
        self.source.accept(selected).unwrap();
        digest
    }

    fn meter(&self, threads: u32, virtualised: bool) -> Model {
        let guest = Guest {
            threads,
            virtualised,
        };
        Model::new(Arc::clone(&self.source), guest)
    }
}

fn read(meter: &mut Model, load: f64, stolen: f64) -> ZoneEnergy {
    let span = Span {
        elapsed: Duration::from_secs(1),
        utilisation: Utilisation::try_new(load).unwrap(),
        stolen: Utilisation::try_new(stolen).unwrap(),
        ..Span::default()
    };
    meter.read(&span).unwrap()[0].1
}

fn joules(joules: u64) -> Joules {
    Joules::from_microjoules(joules * 1_000_000)
}

#[test]
fn every_joule_has_its_bounds_and_names_its_model() {
    let rig = Rig::new();
    let mut meter = rig.meter(8, false);
    assert!(matches!(meter.find(), MeterState::Absent(_)));
    let digest = rig.accept(document(100, 200, MachineFeatures::default()));
    assert_eq!(meter.find(), MeterState::Active);
    let amount = read(&mut meter, 0.5, 0.0);
    let wanted = Estimate {
        low: joules(120),
        value: joules(150),
        high: joules(180),
    };
    assert_eq!(amount.energy, wanted);
    assert_eq!(amount.idle.value, joules(100));
    assert_eq!(meter.provenance(), Provenance::Modelled);
    assert_eq!(meter.model().as_deref(), Some(digest.as_str()));
}

#[test]
fn a_better_model_takes_over_without_a_step_in_the_counters() {
    let rig = Rig::new();
    rig.accept(document(100, 200, MachineFeatures::default()));
    let mut meter = rig.meter(8, false);
    assert_eq!(meter.find(), MeterState::Active);
    let mut total = read(&mut meter, 0.0, 0.0).energy.value;
    let better = rig.accept(document(60, 150, MachineFeatures::default()));
    for seconds in 1..=10 {
        let before = total;
        total += read(&mut meter, 0.0, 0.0).energy.value;
        assert!(total > before);
        assert_eq!(total, joules(100 + 60 * seconds));
    }
    assert_eq!(meter.model().as_deref(), Some(better.as_str()));
    // A model that is not what its name says changes nothing.
    let forged = Selected {
        digest: better.clone(),
        document: document(1, 2, MachineFeatures::default()),
    };
    assert!(rig.source.accept(forged).is_err());
    assert_eq!(read(&mut meter, 0.0, 0.0).energy.value, joules(60));
}

#[test]
fn a_guest_is_charged_its_vcpus_of_the_host() {
    let host = MachineFeatures {
        threads: Some(64),
        ..MachineFeatures::default()
    };
    let rig = Rig::new();
    rig.accept(document(320, 640, host));
    let mut guest = rig.meter(8, true);
    let idle = read(&mut guest, 0.0, 0.0);
    assert_eq!(
        idle.energy.value,
        joules(40),
        "an eighth of the host's idle power"
    );
    let full = read(&mut guest, 1.0, 0.0);
    assert_eq!(full.energy.value, joules(80));
    assert!(full.energy.low <= full.energy.value && full.energy.value <= full.energy.high);
    // The machine itself is the whole.
    assert_eq!(
        read(&mut rig.meter(64, false), 0.0, 0.0).energy.value,
        joules(320)
    );
}

#[test]
fn stolen_time_is_not_work_of_this_guest() {
    let rig = Rig::new();
    rig.accept(document(100, 200, MachineFeatures::default()));
    let mut meter = rig.meter(8, true);
    let calm = read(&mut meter, 0.3, 0.0).energy.value;
    let stolen = read(&mut meter, 0.3, 0.6).energy.value;
    let busy = read(&mut meter, 0.9, 0.0).energy.value;
    // On a straight curve, CPU time costs the same on any host.
    assert_eq!(stolen, calm);
    assert!(stolen < busy);
}

#[test]
fn a_model_that_knows_the_clock_asks_for_it_and_charges_by_it() {
    let rig = Rig::new();
    let mut document = document(100, 200, MachineFeatures::default());
    rig.accept(document.clone());
    assert!(!rig.source.wants_activity());
    document.refined = Some(Refined {
        curve: document.curve.clone(),
        terms: vec![Term {
            input: Input::FrequencyMhz,
            reference: 2_000.0,
            exponent: 2.0,
            least: 500.0,
            most: 4_000.0,
        }],
        error: document.error.clone(),
    });
    rig.accept(document);
    assert!(rig.source.wants_activity());
    let mut meter = rig.meter(8, false);
    let mut at = |frequency_mhz: Option<f64>| {
        let span = Span {
            elapsed: Duration::from_secs(1),
            utilisation: Utilisation::FULL,
            activity: Activity {
                frequency_mhz,
                ..Activity::default()
            },
            ..Span::default()
        };
        meter.read(&span).unwrap()[0].1
    };
    assert_eq!(at(Some(2_000.0)).energy.value, joules(200));
    let slow = at(Some(1_000.0));
    assert_eq!(slow.energy.value, joules(125));
    assert_eq!(slow.idle.value, joules(100));
    // Where the clock cannot be read the curve of load alone answers.
    assert_eq!(at(None).energy.value, joules(200));
}
