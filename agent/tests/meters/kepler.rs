//! Defects of the predecessor that lie in its meters, each as a test that
//! passes here.

use std::time::Duration;

use tanso_agent::attribution::split;
use tanso_agent::meters::fake::Fake;
use tanso_agent::meters::{Meter as _, MeterState, Span};
use tanso_power::Utilisation;

use crate::tree::{Machine, lines, second, total_uj};

/// Its defect 1: when a zone used nothing in an interval, totals fell to 0.
#[test]
fn an_interval_without_energy_is_an_amount_of_zero_and_no_reset() {
    let machine = Machine::of("intel-1-socket");
    let mut bench = machine.bench();
    bench.read(&second()).unwrap();
    let (mut sum, mut last) = (0, 0);
    for energy_uj in [50, 0, 0, 70, 0] {
        machine.add("intel-rapl:0", energy_uj);
        sum += total_uj(&lines(&bench.read(&second()).unwrap()));
        assert!(sum >= last);
        last = sum;
    }
    assert_eq!(sum, 120);
}

/// Its defect 5: one zone's error aborted the whole snapshot.
#[test]
fn an_error_in_one_zone_does_not_blank_the_others() {
    let machine = Machine::of("intel-2-sockets");
    let mut bench = machine.bench();
    bench.read(&second()).unwrap();
    machine.set("class/powercap/intel-rapl:1/energy_uj", "garbage");
    machine.add("intel-rapl:0", 8);
    machine.add("intel-rapl:0:0", 3);
    let zones = lines(&bench.read(&second()).unwrap());
    assert_eq!(zones, [("dram", 3, true), ("package", 8, true)]);
    // What the failing one counted meanwhile comes when it can be read.
    machine.set("class/powercap/intel-rapl:1/energy_uj", "99345700");
    let zones = lines(&bench.read(&second()).unwrap());
    assert_eq!(zones, [("dram", 0, true), ("package", 22, true)]);
}

/// Its defect 9: power was split by the interval before's usage ratio.
#[test]
fn the_idle_part_is_judged_by_the_same_interval_as_its_energy() {
    let machine = Machine::of("wraparound");
    let mut bench = machine.bench();
    bench.read(&second()).unwrap();
    let mut idle_uj = |utilisation: f64, energy_uj: u64| {
        machine.add("intel-rapl:1", energy_uj);
        let span = Span {
            utilisation: Utilisation::try_new(utilisation).unwrap(),
            ..second()
        };
        let reading = bench.read(&span).unwrap();
        reading.zones[0].1.idle.value.microjoules()
    };
    // Quiet at 10 µW, then busy at 100 µW: the floor is the quiet interval's
    // own, and the busy one's is not all of its energy.
    assert_eq!(idle_uj(0.0, 10), 10);
    assert_eq!(idle_uj(1.0, 100), 10);
}

/// Its defect 11: idle began with what the register held since boot, and
/// after a wrap active and idle were no longer the total.
#[test]
fn idle_and_active_are_the_total_from_the_first_reading_and_over_a_wrap() {
    let machine = Machine::of("wraparound");
    let mut bench = machine.bench();
    let mut sums = (0, 0, 0);
    let mut book = |bench: &mut tanso_agent::meters::Bench| {
        let reading = bench.read(&second()).unwrap();
        for (_, amount) in &reading.zones {
            let split = split(*amount, &[3, 5]);
            let active: u64 = split
                .parts
                .iter()
                .map(|part| part.value.microjoules())
                .sum();
            sums.0 += amount.energy.value.microjoules();
            sums.1 += split.idle.value.microjoules();
            sums.2 += active + split.unowned.value.microjoules();
        }
        sums
    };
    assert_eq!(
        book(&mut bench),
        (0, 0, 0),
        "the register's past is nobody's"
    );
    machine.set("class/powercap/intel-rapl:0/energy_uj", "4");
    let (all, idle, active) = book(&mut bench);
    assert_eq!((all, idle + active), (10, 10));
    machine.add("intel-rapl:0", 33);
    let (all, idle, active) = book(&mut bench);
    assert_eq!((all, idle + active), (43, 43));
}

/// It exported the sum of registers that wrap at the sum of their ranges.
#[test]
fn registers_are_unwrapped_one_by_one_before_they_are_added() {
    let machine = Machine::of("intel-4-sockets");
    let mut bench = machine.bench();
    bench.read(&second()).unwrap();
    machine.set("class/powercap/intel-rapl:3/energy_uj", "0");
    machine.add("intel-rapl:0", 1_000);
    let zones = lines(&bench.read(&second()).unwrap());
    assert_eq!(zones, [("dram", 0, true), ("package", 1_010, true)]);
}

/// Without power zones it ended with status 1.
#[test]
fn a_machine_without_meters_is_no_error() {
    let mut bench = Machine::of("vm-nothing").bench();
    assert!(bench.read(&second()).is_none());
    assert!(bench.memory().is_none());
}

/// Its fake meter gave energy per read, so that two scrapers doubled it.
#[test]
fn simulated_energy_is_per_time_and_never_per_read() {
    let mut meter = Fake::default();
    assert_eq!(meter.find(), MeterState::Active);
    let mut sum = |parts: u32| -> u64 {
        let span = Span {
            elapsed: Duration::from_mins(1) / parts,
            ..Span::default()
        };
        (0..parts)
            .map(|_| meter.read(&span).unwrap()[0].1.energy.value.microjoules())
            .sum()
    };
    assert_eq!(sum(1), sum(600));
}

/// Its hwmon meter took one sample times the interval, and added up sensors
/// of different chips with the same name.
#[test]
fn a_gauge_is_integrated_between_samples_and_no_chip_is_added_to_another() {
    let machine = Machine::of("ampere-altra");
    // A second driver that shows the same cores.
    machine.set("class/hwmon/hwmon5/name", "altra_hwmon");
    machine.set("class/hwmon/hwmon5/energy1_label", "Core Energy 000");
    machine.set("class/hwmon/hwmon5/energy1_input", "500000000");
    let mut bench = machine.bench();
    bench.read(&second()).unwrap();
    machine.set("class/hwmon/hwmon5/energy1_input", "514000000");
    machine.set("class/hwmon/hwmon0/power1_input", "88080000");
    let zones = lines(&bench.read(&second()).unwrap());
    // The mean of 28.08 W and 88.08 W, not the last; and not the 14 J beside.
    assert_eq!(
        zones,
        [("core", 58_080_000, true), ("uncore", 31_100_000, true)]
    );
}

/// A reading that failed once made its learned idle power fall for ever.
#[test]
fn half_a_machine_is_not_learned_as_an_idle_one() {
    let machine = Machine::of("intel-2-sockets");
    let mut bench = machine.bench();
    let quiet = Span {
        utilisation: Utilisation::IDLE,
        ..second()
    };
    let mut idle_uj = |machine: &Machine, broken: bool| {
        machine.add("intel-rapl:0", 40);
        if broken {
            machine.set("class/powercap/intel-rapl:1/energy_uj", "?");
        } else {
            machine.add("intel-rapl:1", 40);
        }
        let reading = bench.read(&quiet).unwrap();
        let package = reading
            .zones
            .iter()
            .find(|(zone, _)| zone.class.as_str() == "package");
        package.unwrap().1.idle.value.microjoules()
    };
    idle_uj(&machine, false);
    assert_eq!(idle_uj(&machine, false), 80);
    idle_uj(&machine, true);
    machine.set("class/powercap/intel-rapl:1/energy_uj", "99345758");
    idle_uj(&machine, false);
    assert_eq!(idle_uj(&machine, false), 80);
}
