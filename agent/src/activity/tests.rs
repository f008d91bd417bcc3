use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A machine of files with two processors, of which the second was busy for
/// `busy` hundredths of a second.
struct Machine {
    root: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self {
            root: tempfile::tempdir().unwrap(),
        };
        machine.ran(0, 0);
        machine
    }

    fn roots(&self) -> HostRoots {
        HostRoots::under(self.root.path())
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.root.path().join(file);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        fs::write(path, text).unwrap();
    }

    fn ran(&self, first: u32, second: u32) {
        let sum = first + second;
        self.write(
            "proc/stat",
            &format!("cpu {sum} 0 0 99\ncpu0 {first} 0 0 50\ncpu1 {second} 0 0 49\n"),
        );
    }

    fn clocks(&self, first: u32, second: u32) {
        for (number, khz) in [(0, first), (1, second)] {
            let file = format!("sys/devices/system/cpu/cpu{number}/cpufreq/scaling_cur_freq");
            self.write(&file, &format!("{khz}\n"));
        }
    }

    fn watcher(&self, virtualised: bool) -> Watcher {
        Watcher::new(&self.roots(), virtualised)
    }
}

#[test]
fn the_clock_of_who_works_counts_and_of_who_idles_does_not() {
    let machine = Machine::new();
    machine.clocks(800_000, 3_200_000);
    let mut watcher = machine.watcher(false);
    assert_eq!(watcher.read(Duration::ZERO), Seen::default());
    machine.ran(10, 30);
    let seen = watcher.read(SECOND);
    assert_eq!(seen.frequency_mhz, Some(0.25 * 800.0 + 0.75 * 3_200.0));
    // Nobody worked: all alike.
    assert_eq!(watcher.read(SECOND).frequency_mhz, Some(2_000.0));
    let report = &watcher.reports()[0];
    assert_eq!(report.state, MeterState::Active);
    assert!(report.how.contains("scaling_cur_freq of 2"), "{report:?}");
}

#[test]
fn without_cpufreq_a_machines_cpuinfo_counts_and_a_guests_does_not() {
    let machine = Machine::new();
    let text = "processor\t: 0\ncpu MHz\t\t: 1200.5\n\nprocessor\t: 1\ncpu MHz\t\t: 2400.5\n";
    machine.write("proc/cpuinfo", text);
    let mut watcher = machine.watcher(false);
    watcher.read(Duration::ZERO);
    machine.ran(0, 50);
    assert_eq!(watcher.read(SECOND).frequency_mhz, Some(2_400.5));

    let mut guest = machine.watcher(true);
    guest.read(Duration::ZERO);
    machine.ran(0, 90);
    assert_eq!(guest.read(SECOND).frequency_mhz, None);
    let state = &guest.reports()[0].state;
    assert!(
        matches!(state, MeterState::Absent(reason) if reason.contains("nominal clock")),
        "{state:?}"
    );
}

#[test]
fn a_pause_and_a_processor_that_comes_begin_anew() {
    let machine = Machine::new();
    machine.clocks(1_000_000, 1_000_000);
    let mut watcher = machine.watcher(false);
    watcher.read(Duration::ZERO);
    assert!(watcher.read(SECOND).frequency_mhz.is_some());
    watcher.rest();
    assert_eq!(watcher.read(SECOND), Seen::default());
    assert!(watcher.read(SECOND).frequency_mhz.is_some());
    machine.write("proc/stat", "cpu 1 0 0 1\ncpu0 1 0 0 1\n");
    assert_eq!(watcher.read(SECOND), Seen::default());
    assert!(watcher.read(SECOND).frequency_mhz.is_some());
}

/// Events as the kernel shows them, but over its software clock (type 1,
/// event 0: nanoseconds of the processor), which every machine has: all three
/// registers count at 1 GHz.
#[test]
fn the_registers_are_read_by_the_kernels_events() {
    let machine = Machine::new();
    machine.write("proc/stat", "cpu 1 0 0 1\ncpu0 1 0 0 1\n");
    machine.clocks(4_000_000, 4_000_000);
    machine.write("sys/bus/event_source/devices/msr/type", "1\n");
    for name in ["aperf", "mperf", "tsc"] {
        let file = format!("sys/bus/event_source/devices/msr/events/{name}");
        machine.write(&file, "event=0x00\n");
    }
    let mut watcher = machine.watcher(true);
    let begin = Instant::now();
    watcher.read(Duration::ZERO);
    thread::sleep(Duration::from_millis(200));
    let seen = watcher.read(begin.elapsed());
    let report = &watcher.reports()[0];
    if report.how.contains("APERF") {
        let mhz = seen.frequency_mhz.unwrap();
        assert!((500.0..2_000.0).contains(&mhz), "{mhz}");
    } else {
        // Without the right the next best source is read, and says why.
        assert_eq!(seen.frequency_mhz, Some(4_000.0));
        assert!(report.how.contains("msr events"), "{report:?}");
    }
}

#[test]
fn this_machine_tells_what_it_has_and_why_not_the_rest() {
    let table = table(
        Watcher::new(&HostRoots::default(), false),
        Duration::from_millis(20),
    );
    for line in ["clock ", "events "] {
        assert!(table.contains(line), "{table}");
    }
    let mut watcher = Watcher::new(&HostRoots::default(), false);
    watcher.read(Duration::ZERO);
    for report in watcher.reports() {
        assert!(
            report.state == MeterState::Active || !report.state.reason().is_empty(),
            "{report:?}"
        );
    }
}
