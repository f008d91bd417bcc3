use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::*;

/// A library with NVML's C interface, built by the system's C compiler.
fn library() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/nvml/stub.c");
    let library = folder.path().join("libnvidia-ml.so.1");
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
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
