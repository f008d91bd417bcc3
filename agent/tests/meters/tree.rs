//! A machine's sysfs tree from a text: a line `path = content` a file, a line
//! `path/` a folder (also where a file should be, so that reading it fails
//! for root too).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tanso_agent::meters::acpi::Acpi;
use tanso_agent::meters::bench::BenchReading;
use tanso_agent::meters::hwmon::Hwmon;
use tanso_agent::meters::perf::Perf;
use tanso_agent::meters::rapl::Rapl;
use tanso_agent::meters::{Bench, Meter, Span, Zone};
use tanso_power::Utilisation;
use tempfile::TempDir;

/// A machine whose files can be changed.
pub(crate) struct Machine(TempDir);

impl Machine {
    pub(crate) fn of(shape: &str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/shapes")
            .join(format!("{shape}.tree"));
        let machine = Self(tempfile::tempdir().unwrap());
        for line in fs::read_to_string(file).unwrap().lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once(" =") {
                Some((path, content)) => machine.set(path, content.trim()),
                None => fs::create_dir_all(machine.path(line)).unwrap(),
            }
        }
        machine
    }

    pub(crate) fn sys(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        assert!(!path.starts_with('/'), "{path}");
        self.sys().join(path)
    }

    pub(crate) fn set(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{content}\n")).unwrap();
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_dir_all(self.path(path)).unwrap();
    }

    /// Adds to a register of powercap.
    pub(crate) fn add(&self, zone: &str, energy_uj: u64) {
        let path = format!("class/powercap/{zone}/energy_uj");
        let text = fs::read_to_string(self.path(&path)).unwrap();
        let now_uj: u64 = text.trim().parse().unwrap();
        self.set(&path, &(now_uj + energy_uj).to_string());
    }

    /// All meters that read sysfs, by falling preference.
    pub(crate) fn bench(&self) -> Bench {
        let meters: Vec<Box<dyn Meter>> = vec![
            Box::new(Rapl::new(self.sys())),
            Box::new(Perf::new(self.sys())),
            Box::new(Acpi::new(self.sys())),
            Box::new(Hwmon::new(self.sys())),
        ];
        let mut bench = Bench::new(meters, Vec::new());
        bench.start(None);
        bench
    }
}

/// A second at half load.
pub(crate) fn second() -> Span {
    Span {
        elapsed: Duration::from_secs(1),
        utilisation: Utilisation::try_new(0.5).unwrap(),
        ..Span::default()
    }
}

/// A zone's name, its energy, and whether the node's total takes it.
pub(crate) type Line = (&'static str, u64, bool);

/// The zones of a reading by class.
pub(crate) fn lines(reading: &BenchReading) -> Vec<Line> {
    let zones: Vec<&Zone> = reading.zones.iter().map(|(zone, _)| zone).collect();
    let mut lines: Vec<Line> = reading
        .zones
        .iter()
        .map(|(zone, amount)| {
            let counts = zone.counts_among(zones.iter().copied());
            let energy_uj = amount.energy.value.microjoules();
            (zone.class.as_str(), energy_uj, counts)
        })
        .collect();
    lines.sort_unstable();
    lines
}

/// The node's total: of zones that do not contain each other.
pub(crate) fn total_uj(lines: &[Line]) -> u64 {
    let counted = lines.iter().filter(|(.., counts)| *counts);
    counted.map(|(_, energy_uj, _)| energy_uj).sum()
}
