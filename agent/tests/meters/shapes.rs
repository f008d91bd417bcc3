use tanso_agent::meters::bench::MeterReport;
use tanso_agent::meters::rapl::Rapl;
use tanso_agent::meters::{Meter as _, MeterState, ZoneClass};

use crate::tree::{Line, Machine, lines, second, total_uj};

/// Starts the meters on a shape, lets `happens` happen for a second, and says
/// which meters are read, what each zone used, and the node's total.
fn measure(shape: &str, happens: impl FnOnce(&Machine)) -> (Vec<&'static str>, Vec<Line>, u64) {
    let machine = Machine::of(shape);
    let mut bench = machine.bench();
    if let Some(first) = bench.read(&second()) {
        assert_eq!(total_uj(&lines(&first)), 0, "a first reading is no energy");
    }
    happens(&machine);
    let lines = bench
        .read(&second())
        .map_or_else(Vec::new, |reading| lines(&reading));
    let active = |report: &MeterReport| (report.state == "active").then_some(report.name);
    let read = bench.reports().iter().filter_map(active).collect();
    let total = total_uj(&lines);
    (read, lines, total)
}

fn states(shape: &str) -> Vec<(&'static str, &'static str)> {
    let bench = Machine::of(shape).bench();
    bench
        .reports()
        .iter()
        .map(|report| (report.name, report.state))
        .collect()
}

#[test]
fn intel_with_one_socket() {
    let (read, zones, total) = measure("intel-1-socket", |machine| {
        machine.add("intel-rapl:0", 100);
        machine.add("intel-rapl:0:0", 60);
        machine.add("intel-rapl:0:1", 5);
        machine.add("intel-rapl:0:2", 20);
        // A copy of the package by another way.
        machine.add("intel-rapl-mmio:0", 9_999);
    });
    assert_eq!(read, ["rapl"]);
    let wanted = [
        ("core", 60, false),
        ("dram", 20, true),
        ("package", 100, true),
        ("uncore", 5, false),
    ];
    assert_eq!((zones.as_slice(), total), (wanted.as_slice(), 120));
}

#[test]
fn intel_with_two_sockets() {
    let (read, zones, total) = measure("intel-2-sockets", |machine| {
        machine.add("intel-rapl:0", 7);
        machine.add("intel-rapl:1", 11);
        machine.add("intel-rapl:0:0", 3);
        machine.add("intel-rapl:1:0", 2);
    });
    assert_eq!(read, ["rapl"]);
    assert_eq!(zones, [("dram", 5, true), ("package", 18, true)]);
    assert_eq!(total, 23);
}

#[test]
fn two_sockets_are_told_apart_and_are_the_zone_together() {
    let machine = Machine::of("intel-2-sockets");
    let mut bench = machine.bench();
    bench.read(&second());
    machine.add("intel-rapl:0", 7);
    machine.add("intel-rapl:1", 11);
    machine.add("intel-rapl:1:0", 2);
    let reading = bench.read(&second()).unwrap();
    let of = |class: ZoneClass| -> Vec<(u32, u64)> {
        let sockets = reading.sockets[&class].iter();
        sockets
            .map(|&(socket, energy)| (socket, energy.microjoules()))
            .collect()
    };
    assert_eq!(of(ZoneClass::Package), [(0, 7), (1, 11)]);
    assert_eq!(of(ZoneClass::Dram), [(0, 0), (1, 2)]);
    let machine = Machine::of("intel-1-socket");
    let mut bench = machine.bench();
    bench.read(&second());
    assert!(bench.read(&second()).unwrap().sockets.is_empty());
}

#[test]
fn intel_with_four_sockets_of_which_one_wraps() {
    let (_, zones, total) = measure("intel-4-sockets", |machine| {
        for (socket, energy_uj) in [(0, 1), (1, 2), (2, 4)] {
            machine.add(&format!("intel-rapl:{socket}"), energy_uj);
        }
        // 9 to the top, 1 to zero, 6 beyond.
        machine.set("class/powercap/intel-rapl:3/energy_uj", "6");
        machine.add("intel-rapl:3:0", 30);
    });
    assert_eq!(zones, [("dram", 30, true), ("package", 23, true)]);
    assert_eq!(total, 53);
}

#[test]
fn intel_server_with_psys_and_perf_events_of_the_same_registers() {
    let (read, zones, total) = measure("intel-psys-server", |machine| {
        machine.add("intel-rapl:0", 100);
        machine.add("intel-rapl:1", 200);
        machine.add("intel-rapl:0:0", 10);
        machine.add("intel-rapl:2", 900);
    });
    assert_eq!(read, ["rapl"]);
    let wanted = [
        ("dram", 10, true),
        ("package", 300, true),
        ("psys", 900, false),
    ];
    assert_eq!((zones.as_slice(), total), (wanted.as_slice(), 310));
    assert!(states("intel-psys-server").contains(&("perf", "failed")));
}

#[test]
fn intel_client_with_psys_uncore_and_a_battery() {
    let (read, zones, total) = measure("intel-client-uncore", |machine| {
        machine.add("intel-rapl:0", 50);
        machine.add("intel-rapl:0:0", 30);
        machine.add("intel-rapl:0:1", 4);
        machine.add("intel-rapl:1", 90);
    });
    assert_eq!(read, ["rapl"], "a battery's flow is no use");
    let wanted = [
        ("core", 30, false),
        ("package", 50, true),
        ("psys", 90, false),
        ("uncore", 4, false),
    ];
    assert_eq!((zones.as_slice(), total), (wanted.as_slice(), 50));
}

#[test]
fn intel_with_two_dies_in_each_socket() {
    let (_, zones, total) = measure("intel-dies", |machine| {
        for (die, energy_uj) in [(0, 1), (1, 2), (2, 4), (3, 8)] {
            machine.add(&format!("intel-rapl:{die}"), energy_uj);
        }
    });
    assert_eq!((zones, total), (vec![("package", 15, true)], 15));
}

#[test]
fn amd_zen_under_intels_name() {
    let (read, zones, total) = measure("amd-zen", |machine| {
        machine.add("intel-rapl:0", 40);
        machine.add("intel-rapl:0:0", 3);
        machine.add("intel-rapl:1", 50);
    });
    assert_eq!(read, ["rapl"]);
    assert_eq!(zones, [("core", 3, false), ("package", 90, true)]);
    assert_eq!(total, 90);
}

#[test]
fn amd_on_an_old_kernel_by_its_hwmon_driver() {
    let (read, zones, total) = measure("amd-energy", |machine| {
        machine.set("class/hwmon/hwmon3/energy1_input", "121");
        machine.set("class/hwmon/hwmon3/energy2_input", "242");
        machine.set("class/hwmon/hwmon3/energy3_input", "3433");
    });
    assert_eq!(read, ["hwmon"]);
    assert_eq!(zones, [("core", 30, false), ("package", 100, true)]);
    assert_eq!(total, 100);
}

#[test]
fn an_arm_board_with_voltages_and_currents() {
    // Nothing changes: volts times amperes times a second.
    let (read, zones, total) = measure("arm-jetson", |_| {});
    assert_eq!(read, ["hwmon"]);
    let wanted = [
        ("core", 3_984_000, false),
        ("psys", 10_000_000, true),
        ("uncore", 2_495_000, false),
    ];
    assert_eq!((zones.as_slice(), total), (wanted.as_slice(), 10_000_000));
}

#[test]
fn an_arm_board_with_energy_and_power_of_the_same_rails() {
    let (_, zones, total) = measure("arm-juno", |machine| {
        machine.set("class/hwmon/hwmon0/energy1_input", "510");
        machine.set("class/hwmon/hwmon0/energy2_input", "620");
        machine.set("class/hwmon/hwmon0/energy3_input", "703");
    });
    assert_eq!(zones, [("core", 30, true), ("uncore", 3, true)]);
    assert_eq!(total, 33);
}

#[test]
fn ampere_altra_with_two_rails() {
    let (read, zones, total) = measure("ampere-altra", |machine| {
        // From 28.08 W to 30.08 W within the second: its mean.
        machine.set("class/hwmon/hwmon0/power1_input", "30080000");
    });
    assert_eq!(read, ["hwmon"]);
    assert_eq!(
        zones,
        [("core", 29_080_000, true), ("uncore", 31_100_000, true)]
    );
    assert_eq!(total, 60_180_000);
}

#[test]
fn nvidia_grace_with_two_sockets() {
    let (read, zones, total) = measure("nvidia-grace", |_| {});
    assert_eq!(read, ["acpi"]);
    let wanted = [
        ("core", 255_000_000, false),
        ("package", 310_000_000, true),
        ("uncore", 19_000_000, false),
    ];
    assert_eq!((zones.as_slice(), total), (wanted.as_slice(), 310_000_000));
}

#[test]
fn a_server_whose_firmware_measures_the_whole_machine() {
    let (read, zones, total) = measure("acpi-server", |machine| {
        machine.add("intel-rapl:0", 60_000_000);
        machine.add("intel-rapl:0:0", 5_000_000);
    });
    assert_eq!(read, ["rapl", "acpi"]);
    let wanted = [
        ("dram", 5_000_000, false),
        ("package", 60_000_000, false),
        ("platform", 180_000_000, true),
    ];
    assert_eq!((zones.as_slice(), total), (wanted.as_slice(), 180_000_000));
}

#[test]
fn open_power_with_chips_rails_and_the_system() {
    let (read, zones, total) = measure("power9", |_| {});
    assert_eq!(read, ["hwmon"]);
    let wanted = [
        ("core", 60_000_000, false),
        ("dram", 30_000_000, false),
        ("package", 210_000_000, false),
        ("platform", 400_000_000, true),
        ("uncore", 20_000_000, false),
    ];
    assert_eq!((zones.as_slice(), total), (wanted.as_slice(), 400_000_000));
}

#[test]
fn a_graphics_card_counts_and_a_processors_graphics_does_not() {
    let (read, zones, total) = measure("gpu-cards", |machine| {
        machine.add("intel-rapl:0", 30);
    });
    assert_eq!(read, ["rapl", "hwmon"]);
    assert_eq!(zones, [("gpu", 220_000_000, true), ("package", 30, true)]);
    assert_eq!(total, 220_000_030);
}

#[test]
fn machines_with_nothing_have_no_energy_and_say_what_is_missing() {
    for shape in ["vm-nothing", "vm-no-classes", "bmc-only"] {
        let machine = Machine::of(shape);
        let mut bench = machine.bench();
        assert!(bench.read(&second()).is_none(), "{shape}");
        for report in bench.reports() {
            assert_eq!(report.state, "absent", "{shape}: {report:?}");
            assert!(!report.reason.is_empty(), "{shape}: {report:?}");
        }
    }
}

#[test]
fn files_that_break_in_every_way_are_refused_by_name_and_nothing_is_booked() {
    let machine = Machine::of("broken-files");
    let mut bench = machine.bench();
    for _ in 0..5 {
        if let Some(reading) = bench.read(&second()) {
            assert_eq!(total_uj(&lines(&reading)), 0);
        }
    }
    let report = |name: &str| {
        let reports = bench.reports();
        reports
            .into_iter()
            .find(|report| report.name == name)
            .unwrap()
    };
    assert_eq!(report("rapl").state, "failed");
    assert!(
        report("rapl").reason.contains("package-0"),
        "{:?}",
        report("rapl")
    );
    assert_eq!(report("hwmon").state, "failed");
    assert!(
        report("hwmon").reason.contains("negative"),
        "{:?}",
        report("hwmon")
    );
    // Four megawatts are what an unknown value looks like.
    assert_eq!(report("acpi").state, "failed");
    assert!(
        report("acpi")
            .reason
            .contains("more than a machine can draw"),
        "{:?}",
        report("acpi")
    );
}

#[test]
fn an_absurd_figure_between_good_ones_is_refused_counted_and_bridged() {
    let machine = Machine::of("ampere-altra");
    let mut bench = machine.bench();
    bench.read(&second()).unwrap();
    let mut sum_uj = 0;
    for shown in [
        "28080000",
        "4294967295000",
        "28080000",
        "-28080000",
        "NaN",
        "28080000",
    ] {
        machine.set("class/hwmon/hwmon0/power1_input", shown);
        let zones = lines(&bench.read(&second()).unwrap());
        sum_uj += zones
            .iter()
            .filter(|zone| zone.0 == "core")
            .map(|zone| zone.1)
            .sum::<u64>();
    }
    assert_eq!(
        sum_uj,
        6 * 28_080_000,
        "six seconds, whatever was shown within"
    );
    let report = bench
        .reports()
        .into_iter()
        .find(|report| report.name == "hwmon")
        .unwrap();
    let refusals: Vec<_> = report
        .refusals
        .iter()
        .map(|(r, n)| (r.as_str(), *n))
        .collect();
    assert_eq!(
        refusals,
        [("not_a_number", 1), ("negative", 1), ("absurd", 1)]
    );
}

#[test]
fn of_two_sockets_the_readable_one_is_read_and_the_other_named() {
    let machine = Machine::of("half-readable");
    let mut bench = machine.bench();
    bench.read(&second()).unwrap();
    machine.add("intel-rapl:0", 42);
    let zones = lines(&bench.read(&second()).unwrap());
    assert_eq!(zones, [("package", 42, true)]);
    let (_, _, sensors) = bench.sensors().next().unwrap();
    let lost = sensors
        .iter()
        .find(|sensor| sensor.label == "package-1")
        .unwrap();
    assert!(
        format!("{:?}", lost.state).contains("reading power zone"),
        "{lost:?}"
    );
}

#[test]
fn registers_of_different_width_wrap_each_at_its_own_end() {
    let (_, zones, _) = measure("wraparound", |machine| {
        machine.set("class/powercap/intel-rapl:0/energy_uj", "4");
        machine.add("intel-rapl:1", 100);
    });
    // 5 to the top, 1 to zero, 4 beyond; and 100.
    assert_eq!(zones, [("package", 110, true)]);
}

#[test]
fn a_register_that_falls_without_a_wrap_began_anew_and_invents_no_energy() {
    let machine = Machine::of("negative-jump");
    let mut bench = machine.bench();
    bench.read(&second()).unwrap();
    machine.set("class/powercap/intel-rapl:0/energy_uj", "17");
    machine.add("intel-rapl:0:0", 5);
    let zones = lines(&bench.read(&second()).unwrap());
    // As a wrap it would be 62 kJ in a second.
    assert_eq!(zones, [("dram", 5, true), ("package", 0, true)]);
    machine.add("intel-rapl:0", 30);
    let zones = lines(&bench.read(&second()).unwrap());
    assert_eq!(zones, [("dram", 0, true), ("package", 30, true)]);
    let refusals = bench.reports()[0].refusals.clone();
    let refusals: Vec<_> = refusals.iter().map(|(r, n)| (r.as_str(), *n)).collect();
    assert_eq!(refusals, [("reset", 1)]);
}

#[test]
fn a_register_that_stands_still_is_stuck_and_goes_on_when_it_moves() {
    let machine = Machine::of("intel-2-sockets");
    let mut bench = machine.bench();
    bench.read(&second()).unwrap();
    // A minute in which one socket's register stands still.
    for _ in 0..62 {
        for zone in ["intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1:0"] {
            machine.add(zone, 10);
        }
        let zones = lines(&bench.read(&second()).unwrap());
        assert_eq!(zones, [("dram", 20, true), ("package", 10, true)]);
    }
    let stuck: u64 = bench.reports()[0].refusals.values().sum();
    assert!((1..=3).contains(&stuck), "{stuck}");
    for zone in [
        "intel-rapl:0",
        "intel-rapl:0:0",
        "intel-rapl:1:0",
        "intel-rapl:1",
    ] {
        machine.add(zone, 10);
    }
    let zones = lines(&bench.read(&second()).unwrap());
    assert_eq!(zones, [("dram", 20, true), ("package", 20, true)]);
}

#[test]
fn a_socket_that_is_unplugged_and_comes_back_is_found_again() {
    let machine = Machine::of("intel-2-sockets");
    let mut rapl = Rapl::new(machine.sys());
    assert_eq!(rapl.find(), MeterState::Active);
    rapl.read(&second()).unwrap();
    machine.remove("class/powercap/intel-rapl:1");
    machine.remove("class/powercap/intel-rapl:1:0");
    machine.add("intel-rapl:0", 5);
    let energy = |rapl: &mut Rapl| {
        let reading = rapl.read(&second()).unwrap();
        reading[0].1.energy.value.microjoules()
    };
    assert_eq!(energy(&mut rapl), 5);
    assert_eq!(rapl.find(), MeterState::Active);
    for (file, content) in [("name", "package-1"), ("energy_uj", "1000000")] {
        machine.set(&format!("class/powercap/intel-rapl:1/{file}"), content);
    }
    machine.set(
        "class/powercap/intel-rapl:1/max_energy_range_uj",
        "262143328850",
    );
    assert_eq!(rapl.find(), MeterState::Active);
    // What a register holds when it is first seen is not this second's.
    assert_eq!(energy(&mut rapl), 0);
    machine.add("intel-rapl:1", 7);
    assert_eq!(energy(&mut rapl), 7);
    // All gone: a state, and back again.
    machine.remove("class/powercap");
    assert!(matches!(rapl.find(), MeterState::Absent(_)));
}
