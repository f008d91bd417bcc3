//! Any content of a powercap tree, changed between two readings: states and
//! figures, never a panic.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tanso_agent::meters::rapl::Rapl;
use tanso_agent::meters::{Meter as _, MeterState, Span};
use tanso_power::Utilisation;

const PATHS: [&str; 16] = [
    "class/powercap/intel-rapl:0/name",
    "class/powercap/intel-rapl:0/energy_uj",
    "class/powercap/intel-rapl:0/max_energy_range_uj",
    "class/powercap/intel-rapl:0:0/name",
    "class/powercap/intel-rapl:0:0/energy_uj",
    "class/powercap/intel-rapl:0:0/max_energy_range_uj",
    "class/powercap/intel-rapl:1/name",
    "class/powercap/intel-rapl:1/energy_uj",
    "class/powercap/intel-rapl:1/max_energy_range_uj",
    "class/powercap/intel-rapl:1:0/name",
    "class/powercap/intel-rapl:1:0/energy_uj",
    "class/powercap/intel-rapl-mmio:0/name",
    "class/powercap/intel-rapl-mmio:0/energy_uj",
    "class/powercap/intel-rapl/enabled",
    "class/powercap/intel-rapl:/name",
    "class/powercap/intel-rapl:2/energy_uj",
];

fuzz_target!(|data: &[u8]| {
    thread_local! {
        static ROOT: tempfile::TempDir = tanso_fuzz::scratch();
    }
    ROOT.with(|root| {
        let (before, after) = data.split_at(data.len() / 2);
        tanso_fuzz::plant(root.path(), &PATHS, before);
        let mut meter = Rapl::new(root.path());
        let span = Span {
            elapsed: Duration::from_secs(1),
            utilisation: Utilisation::IDLE,
            ..Span::default()
        };
        if meter.find() == MeterState::Active {
            let _ = meter.read(&span);
        }
        tanso_fuzz::plant(root.path(), &PATHS, after);
        let _ = meter.read(&span);
        let memory = meter.memory();
        meter.find();
        meter.resume(memory);
        let _ = meter.read(&span);
    });
});
