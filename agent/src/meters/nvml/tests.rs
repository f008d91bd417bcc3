use std::path::PathBuf;
use std::process::Command;

use tanso_power::Joules;
use tempfile::TempDir;

use super::*;
use crate::meters::Bench;
use crate::meters::hwmon::Hwmon;

/// A library with NVML's C interface, built by the system's C compiler.
fn library() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/nvml/stub.c");
    let library = folder.path().join("libnvidia-ml.so.1");
    let control = folder.path().join("control");
    let status = Command::new("cc")
        .args(["-shared", "-fPIC"])
        .arg(format!("-DCONTROL=\"{}\"", control.display()))
        .arg("-o")
        .arg(&library)
        .arg(source)
        .status()
        .unwrap();
    assert!(status.success());
    (folder, library)
}

fn second() -> Span {
    Span {
        elapsed: Duration::from_secs(1),
        ..Span::default()
    }
}

#[test]
fn a_machine_without_the_library_has_no_such_gpu_and_is_asked_seldom() {
    let mut meter = Nvml::new(Some("/nonexistent/libnvidia-ml.so.1".into()));
    let state = meter.find();
    assert!(
        matches!(&state, MeterState::Absent(reason) if reason.contains("libnvidia-ml")),
        "{state:?}"
    );
    assert_eq!(meter.find(), state);
    assert_eq!(meter.classes(), []);
    assert!(meter.read(&second()).is_err());
    assert_eq!(meter.processes(), []);
}

/// It ended the process at the library's first use of a thread's storage.
#[test]
fn a_static_agent_leaves_the_library_alone_and_says_so() {
    let (_folder, path) = library();
    let mut meter = Nvml {
        can_load: false,
        ..Nvml::new(Some(path.into()))
    };
    let state = meter.find();
    assert!(
        matches!(&state, MeterState::Absent(reason) if reason.contains("linked statically")),
        "{state:?}"
    );
    assert!(meter.read(&second()).is_err());
}

#[test]
fn a_counter_is_read_and_an_older_cards_power_integrated() {
    let (_folder, path) = library();
    let mut meter = Nvml::new(Some(path.into()));
    assert_eq!(meter.find(), MeterState::Active);
    assert_eq!(meter.classes(), [ZoneClass::Gpu]);
    let labels: Vec<_> = meter.sensors().into_iter().map(|s| s.label).collect();
    assert_eq!(labels, ["Card One", "Card Two"]);
    let energy_uj = |meter: &mut Nvml| {
        let reading = meter.read(&second()).unwrap();
        assert_eq!(reading.len(), 1, "all cards are one zone");
        reading[0].1.energy.value.microjoules()
    };
    assert_eq!(energy_uj(&mut meter), 0, "the counter's past is nobody's");
    // 5 J by the counter, and 75 W for a second.
    assert_eq!(energy_uj(&mut meter), 80_000_000);
}

/// Has the library say something else from now on.
fn control(folder: &TempDir, text: &str) {
    std::fs::write(folder.path().join("control"), text).unwrap();
}

fn energy_uj(meter: &mut Nvml, span: &Span) -> u64 {
    let reading = meter.read(span).unwrap();
    reading[0].1.energy.value.microjoules()
}

fn figures(meter: &Nvml) -> Vec<(String, &'static str)> {
    let used = meter.sensors().into_iter();
    used.filter_map(|sensor| Some((sensor.label, sensor.figure?.as_str())))
        .collect()
}

#[test]
fn a_card_that_tells_power_alone_is_integrated_over_a_ramp_and_not_over_a_gap() {
    let (folder, path) = library();
    let mut meter = Nvml::new(Some(path.into()));
    assert_eq!(meter.find(), MeterState::Active);
    let wanted = [
        ("Card One".to_owned(), "counted"),
        ("Card Two".to_owned(), "integrated"),
    ];
    assert_eq!(figures(&meter), wanted, "an estimate says that it is one");
    energy_uj(&mut meter, &second());
    control(&folder, "power_mw 175000 counter_mj 1000");
    // The mean of 75 and 175 W, and the counter's 5 J of the call before.
    assert_eq!(energy_uj(&mut meter, &second()), 130_000_000);
    assert_eq!(energy_uj(&mut meter, &second()), 176_000_000);
    let long = Span {
        elapsed: Duration::from_secs(121),
        ..Span::default()
    };
    // The counter counted through it; of the power in it nothing is known.
    assert_eq!(energy_uj(&mut meter, &long), 1_000_000);
    assert_eq!(meter.refusals().get(&Refusal::Gap), Some(&1));
    assert_eq!(energy_uj(&mut meter, &second()), 176_000_000);
}

#[test]
fn a_counter_that_fails_for_a_moment_is_read_on_with_what_it_counted_meanwhile() {
    let (folder, path) = library();
    let mut meter = Nvml::new(Some(path.into()));
    meter.find();
    energy_uj(&mut meter, &second());
    control(&folder, "counter_fails 1");
    assert_eq!(energy_uj(&mut meter, &second()), 75_000_000);
    assert_eq!(meter.find(), MeterState::Active);
    assert_eq!(energy_uj(&mut meter, &second()), 75_000_000);
    control(&folder, "");
    assert_eq!(meter.find(), MeterState::Active);
    assert_eq!(figures(&meter)[0].1, "counted");
    // Its first good look, and the one by which it was found again.
    assert_eq!(energy_uj(&mut meter, &second()), 75_000_000 + 15_000_000);
}

#[test]
fn a_counter_that_does_not_move_makes_room_for_the_cards_power() {
    let (folder, path) = library();
    let mut meter = Nvml::new(Some(path.into()));
    meter.find();
    energy_uj(&mut meter, &second());
    control(&folder, "counter_mj 0");
    for _ in 0..62 {
        energy_uj(&mut meter, &second());
    }
    assert_eq!(meter.find(), MeterState::Active);
    let integrated: Vec<_> = figures(&meter).into_iter().map(|(_, one)| one).collect();
    assert_eq!(integrated, ["integrated"; 2]);
    energy_uj(&mut meter, &second());
    assert_eq!(energy_uj(&mut meter, &second()), 375_000_000);
}

/// A machine with a card of AMD's and one that NVML shows too, both by hwmon.
fn chips() -> TempDir {
    let sys = tempfile::tempdir().unwrap();
    let chip = |entry: &str, name: &str, bus: &str, watts: u32| {
        let folder = sys.path().join("class/hwmon").join(entry);
        std::fs::create_dir_all(folder.join("device")).unwrap();
        let files = [
            ("name", name.to_owned()),
            ("power1_input", format!("{watts}000000")),
            ("device/mem_info_vram_total", "17163091968".to_owned()),
            (
                "device/uevent",
                format!("DRIVER={name}\nPCI_SLOT_NAME={bus}\n"),
            ),
        ];
        for (file, content) in files {
            std::fs::write(folder.join(file), content).unwrap();
        }
    };
    chip("hwmon1", "amdgpu", "0000:03:00.0", 200);
    chip("hwmon2", "nouveau", "0000:81:00.0", 76);
    sys
}

#[test]
fn cards_of_two_meters_are_one_zone_and_each_is_read_from_one_of_them() {
    let (_folder, path) = library();
    let sys = chips();
    let meters: Vec<Box<dyn Meter>> = vec![
        Box::new(Hwmon::new(sys.path())),
        Box::new(Nvml::new(Some(path.into()))),
    ];
    let mut bench = Bench::new(meters, Vec::new());
    bench.start(None);
    bench.read(&second()).unwrap();
    let zones = bench.read(&second()).unwrap().zones;
    assert_eq!(zones.len(), 1, "{zones:?}");
    assert_eq!(zones[0].0.path, "aggregated-gpu");
    // 200 W and 76 W by hwmon, 5 J of the first by NVML, whose second is at the
    // place of the 76 W.
    assert_eq!(zones[0].1.energy.value.microjoules(), 281_000_000);
    let devices: Vec<(String, &str, u64)> = bench
        .devices()
        .into_iter()
        .map(|one| (one.id, one.vendor, one.last.microjoules() / 1_000_000))
        .collect();
    let wanted = [
        ("0000:03:00.0".to_owned(), "amd", 200),
        ("0000:81:00.0".to_owned(), "nvidia", 76),
        ("GPU-one".to_owned(), "nvidia", 5),
    ];
    assert_eq!(devices, wanted);
    let users: Vec<String> = bench.processes().into_iter().map(|s| s.device).collect();
    assert_eq!(
        users, ["GPU-one"; 2],
        "who uses a card that is read elsewhere"
    );
    let report = bench.reports().pop().unwrap();
    let reason = "GPU-two: the card at 0000:81:00.0 is read by hwmon";
    assert_eq!((report.state, report.reason.as_str()), ("active", reason));
}

#[test]
fn a_card_that_its_meter_lost_is_read_by_the_next_from_then_on() {
    let (_folder, path) = library();
    let sys = chips();
    let meters: Vec<Box<dyn Meter>> = vec![
        Box::new(Hwmon::new(sys.path())),
        Box::new(Nvml::new(Some(path.into()))),
    ];
    let mut bench = Bench::new(meters, Vec::new());
    bench.start(None);
    bench.read(&second()).unwrap();
    std::fs::remove_dir_all(sys.path().join("class")).unwrap();
    let mut read = || {
        let zones = bench.read(&second()).unwrap().zones;
        let energy: Joules = zones.iter().map(|(_, amount)| amount.energy.value).sum();
        energy.microjoules() / 1_000_000
    };
    // 5 J of the other card; of its time without hwmon GPU-two gives nothing,
    // and its power counts from its first sample on.
    let readings: Vec<u64> = (0..6).map(|_| read()).collect();
    assert_eq!(readings, [5, 5, 5, 5, 80, 80]);
}

#[test]
fn processes_are_told_by_use_and_on_mig_by_instance() {
    let (_folder, path) = library();
    let mut meter = Nvml::new(Some(path.into()));
    assert_eq!(meter.find(), MeterState::Active);
    let told = |meter: &mut Nvml| -> Vec<(String, u32, u64)> {
        let shares = meter.processes().into_iter();
        shares.map(|s| (s.device, s.pid, s.weight)).collect()
    };
    let (one, two) = (|| "GPU-one".to_owned(), || "GPU-two".to_owned());
    let wanted = [
        (one(), 41, 70_000),
        (one(), 42, 20_000),
        (two(), 1_010, 1),
        (two(), 1_011, 1),
    ];
    assert_eq!(told(&mut meter), wanted);
    // Samples are counted once.
    assert_eq!(told(&mut meter), wanted[2..]);
}
