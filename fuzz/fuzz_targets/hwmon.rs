//! Any content of a hwmon tree, changed between two readings, as the meters
//! of chips and of firmware read it: states and figures, never a panic, and
//! never more than such parts can draw.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tanso_agent::meters::acpi::Acpi;
use tanso_agent::meters::hwmon::Hwmon;
use tanso_agent::meters::{Meter, MeterState, Span};
use tanso_power::Utilisation;

const PATHS: [&str; 24] = [
    "class/hwmon/hwmon0/name",
    "class/hwmon/hwmon0/power1_average",
    "class/hwmon/hwmon0/power1_input",
    "class/hwmon/hwmon0/power1_label",
    "class/hwmon/hwmon0/power2_average",
    "class/hwmon/hwmon0/power2_label",
    "class/hwmon/hwmon0/device/power1_oem_info",
    "class/hwmon/hwmon1/name",
    "class/hwmon/hwmon1/energy1_input",
    "class/hwmon/hwmon1/energy1_label",
    "class/hwmon/hwmon1/energy2_input",
    "class/hwmon/hwmon1/energy2_label",
    "class/hwmon/hwmon2/name",
    "class/hwmon/hwmon2/in1_input",
    "class/hwmon/hwmon2/in1_label",
    "class/hwmon/hwmon2/curr1_input",
    "class/hwmon/hwmon2/curr1_label",
    "class/hwmon/hwmon2/power1_input",
    "class/hwmon/hwmon2/power1_label",
    "class/hwmon/hwmon3/name",
    "class/hwmon/hwmon3/power1_average",
    "class/hwmon/hwmon3/power1_oem_info",
    "class/hwmon/hwmon3/device/name",
    "class/hwmon/hwmonx/name",
];

/// What all parts of a class that could stand in such a tree draw at most, and
/// more, in the one second of a reading.
const MOST_UJ: u64 = 1_000_000_000_000;

fn look(meter: &mut dyn Meter, change: impl FnOnce()) {
    let span = Span {
        elapsed: Duration::from_secs(1),
        utilisation: Utilisation::IDLE,
        ..Span::default()
    };
    if meter.find() == MeterState::Active {
        let _ = meter.read(&span);
    }
    change();
    for _ in 0..2 {
        for (_, amount) in meter.read(&span).unwrap_or_default() {
            assert!(amount.energy.value.microjoules() <= MOST_UJ);
            assert!(amount.idle.value <= amount.energy.value);
        }
    }
    let memory = meter.memory();
    meter.find();
    meter.resume(memory);
    let _ = meter.read(&span);
    assert!(meter.sensors().iter().all(|sensor| !sensor.path.is_empty()));
}

fuzz_target!(|data: &[u8]| {
    thread_local! {
        static ROOT: tempfile::TempDir = tanso_fuzz::scratch();
    }
    ROOT.with(|root| {
        let (before, after) = data.split_at(data.len() / 2);
        for chips in [true, false] {
            tanso_fuzz::plant(root.path(), &PATHS, before);
            let mut meter: Box<dyn Meter> = if chips {
                Box::new(Hwmon::new(root.path()))
            } else {
                Box::new(Acpi::new(root.path()))
            };
            look(&mut *meter, || tanso_fuzz::plant(root.path(), &PATHS, after));
        }
    });
});
