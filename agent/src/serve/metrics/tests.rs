mod hardware;

use std::path::Path;
use std::time::Duration;

use tanso_agent_wire::energy::{Account, Names};
use tanso_agent_wire::families::{self, Level};
use tanso_power::idle::IdleBasis;
use tanso_power::{Estimate, Joules, Provenance, Utilisation, Watts};

use super::exposition::Counters;
use super::options::{Bounds, Levels, Options};
use super::*;
use crate::attribution::ZoneEnergy;
use crate::books::{Booking, Books, Counted};
use crate::kernel::Rung;
use crate::meters::bench::MeterReport;
use crate::meters::{Figure, Reading, Refusal, Zone, ZoneClass};
use crate::pmu::{CounterReport, CounterState, NAMES};
use crate::processors::Processor;
use crate::rights::Right;
use crate::snapshot::details::{
    Amount, CounterFigures, FloorFigures, GpuFigures, HardwareCounts, MachineFigures,
    ProcessFigures, ProcessKind, SupplyFigures, Usage,
};
use crate::snapshot::{Details, Origin, Snapshot, Work};

fn energies() -> Reading {
    let zone = |class: ZoneClass, path: &str, value_uj: u64, idle_uj: u64| {
        let exact = |energy_uj| Estimate::exact(Joules::from_microjoules(energy_uj));
        (
            Zone {
                class,
                path: path.to_owned(),
            },
            ZoneEnergy {
                energy: exact(value_uj),
                idle: exact(idle_uj),
            },
        )
    };
    vec![
        zone(
            ZoneClass::Package,
            "aggregated-package",
            30_000_001,
            10_000_000,
        ),
        zone(ZoneClass::Dram, "aggregated-dram", 5_000_000, 2_000_000),
    ]
}

pub(crate) fn snapshot() -> Snapshot {
    let mut books = Books::default();
    let container = |pod: &str, id: &str| Account::Container {
        pod_uid: pod.into(),
        container_id: id.into(),
    };
    let web = books.account(&container("uid-web", "id-web"));
    let job = books.account(&container("uid-job", "id-job"));
    let alone = books.account(&Account::Standalone {
        container_id: "id-alone".into(),
    });
    for (place, runtime) in [(web, "containerd"), (job, "crio"), (alone, "docker")] {
        books.accounts[place].runtime = runtime.into();
    }
    let names = Names {
        namespace: Some("shop".into()),
        pod: Some("web-1".into()),
        container: Some("we\"b".into()),
    };
    books.name(web, &names);
    let reading = energies();
    let cpu = [
        (Books::SYSTEM, 100_000_000),
        (Books::KERNEL, 50_000_000),
        (web, 700_000_000),
        (job, 90_000_000),
        (alone, 60_000_000),
    ];
    books.book(&Booking {
        zones: Some(&reading),
        provenance: Provenance::Measured,
        model: None,
        cpu_ns: &cpu,
        sockets: None,
        counted: Counted::default(),
        idle: &[],
        gpu: None,
        caught_up: false,
        minutes: &[(60, 1)],
    });
    books.accounts[job].ended_ms = Some(61_000);
    let report = |name, state: &'static str, failures| MeterReport {
        name,
        state,
        reason: String::new(),
        failures,
        ..MeterReport::default()
    };
    Snapshot {
        at_unix_ms: 61_500,
        elapsed: std::time::Duration::from_secs(2),
        utilisation: Utilisation::try_new(0.25).unwrap(),
        books,
        meters: vec![
            MeterReport {
                refusals: [(Refusal::Stuck, 2)].into(),
                sensors: [((ZoneClass::Package, Figure::Counted), 2)].into(),
                ..report("rapl", "active", 3)
            },
            report("model", "absent", 0),
        ],
        origin: Some(Origin {
            meter: "rapl",
            provenance: Provenance::Measured,
            model: None,
        }),
        rung: Rung::Ebpf,
        work: Work::default(),
        last_sequence: 41,
        journal_bytes: 1_000,
        details: Details::default(),
    }
}

fn right(name: &'static str, held: bool) -> Right {
    Right {
        name,
        held,
        lost: "",
        remedy: "",
    }
}

fn processor() -> Processor {
    Processor {
        number: "0".into(),
        vendor: "GenuineIntel".into(),
        model_name: "Xeon".into(),
        socket: "1".into(),
        core: "2".into(),
    }
}

fn every_level() -> Options {
    Options {
        levels: Levels::of(Level::ALL),
        ..Options::default()
    }
}

fn bytes_of(snapshot: Option<&Snapshot>, options: &Options, format: Format) -> Vec<u8> {
    let counters = Counters {
        reloads: [("success", 2)].into(),
        pushes: [("failure", 1)].into(),
    };
    let view = View {
        node: "node-7",
        processors: &[processor()],
        rights: &[right("bpf", true), right("perfmon", false)],
        snapshot,
        counters: &counters,
        options,
    };
    encode(&view, format, Coding::Identity).unwrap()
}

fn text_of(snapshot: Option<&Snapshot>, options: &Options, format: Format) -> String {
    String::from_utf8(bytes_of(snapshot, options, format)).unwrap()
}

fn exposition() -> String {
    text_of(Some(&full()), &every_level(), Format::OpenMetrics)
}

/// Counts of every kind.
fn all_counted() -> HardwareCounts {
    HardwareCounts {
        cycles: Some(9_000_000_001),
        instructions: Some(11_000_000_000),
        cache_misses: Some(70_000),
    }
}

/// How counters of every kind stand.
fn counters(states: [CounterState; 3], counted: [Option<f64>; 3]) -> Vec<CounterFigures> {
    let figures = NAMES.into_iter().zip(states).zip(counted);
    figures
        .map(|((counter, state), counted_ratio)| CounterFigures {
            report: CounterReport { counter, state },
            counted_ratio,
        })
        .collect()
}

/// A snapshot with everything that a node can have.
fn full() -> Snapshot {
    let mut snapshot = snapshot();
    let amount = |total_uj, last_uj| Amount {
        total: Joules::from_microjoules(total_uj),
        last: Joules::from_microjoules(last_uj),
    };
    let web = snapshot.books.accounts[4].account.clone();
    let counted = web.clone();
    let process = |pid, comm: &str, running| ProcessFigures {
        pid,
        comm: comm.into(),
        exe: "/usr/bin/web".into(),
        kind: ProcessKind::Container,
        running,
        container_id: "id-web".into(),
        vm_id: "".into(),
        zones: vec![amount(3_000_000, 1_000_000), amount(500_000, 0)],
        cpu_ns: 250_000_000,
        gpu: Some(amount(70_000, 7_000)),
        earlier: Usage::default(),
    };
    snapshot
        .books
        .folded
        .insert("old".into(), Joules::from_microjoules(77));
    let time = Duration::from_millis;
    snapshot.work.covered = (time(999), time(1_000));
    snapshot.work.cross_check = Some((time(998), time(1_000)));
    snapshot.work.failures.insert("journal", 1);
    snapshot.work.own_bytes = Some(9_000_000);
    snapshot.work.programs.push(crate::kernel::ProgramCost {
        program: "task_ends",
        runs: 1_234,
        time: time(2),
    });
    snapshot.work.maps.push(crate::kernel::MapFill {
        map: "cpu_time",
        entries: 700,
        entries_max: 8_192,
    });
    snapshot.details = Details {
        processes: vec![process(31, "web", true), process(32, "helper", true)],
        sockets: vec![
            (ZoneClass::Package, 0, Joules::from_microjoules(3_000_000)),
            (ZoneClass::Package, 1, Joules::from_microjoules(1_500_000)),
        ],
        machines: vec![MachineFigures {
            id: "vm-1".into(),
            name: "guest".into(),
            hypervisor: "kvm".into(),
            running: true,
            zones: vec![amount(9_000_000, 2_000_000)],
            cpu_ns: 4_000_000_000,
        }],
        gpus: vec![GpuFigures {
            number: "0".into(),
            uuid: "GPU-1".into(),
            name: "H100".into(),
            vendor: "nvidia".into(),
            all: amount(80_000_000, 40_000_000),
            idle: amount(50_000_000, 25_000_000),
        }],
        gpu_by_account: [(web, amount(30_000_000, 15_000_000))].into(),
        floors: vec![FloorFigures {
            zone: ZoneClass::Package,
            basis: IdleBasis::Regressed,
            power: Watts::from_microwatts(41_500_000),
        }],
        supplies: vec![SupplyFigures {
            source: "redfish".into(),
            bmc_id: "bmc-1".into(),
            chassis_id: "1".into(),
            id: "PSU1".into(),
            name: "Supply".into(),
            kind: "PowerSupply".into(),
            power: Watts::from_microwatts(240_500_000),
        }],
        counts: [(counted, all_counted())].into(),
        counters: counters(
            [const { CounterState::Active }; 3],
            [Some(0.5), Some(1.0), Some(1.0)],
        ),
    };
    snapshot
}

#[test]
fn the_exposition_is_the_golden_one() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/metrics.txt");
    let found = exposition()
        .replace(
            &format!("arch=\"{}\"", std::env::consts::ARCH),
            "arch=\"ARCH\"",
        )
        .replace(
            &format!("version=\"{}\"", env!("CARGO_PKG_VERSION")),
            "version=\"VERSION\"",
        );
    if std::env::var_os("TANSO_BLESS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &found).unwrap();
    }
    let golden = std::fs::read_to_string(&file).unwrap();
    assert!(
        found == golden,
        "if this change is wanted, run the test with TANSO_BLESS=1"
    );
}

#[test]
fn every_family_is_there_with_its_type() {
    let text = exposition();
    for family in families::all() {
        let name = family.name.strip_suffix("_total").unwrap_or(family.name);
        let line = format!("# TYPE {name} {}\n", family.kind.as_str());
        assert!(text.contains(&line), "{line}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn no_series_appears_twice() {
    let text = exposition();
    let mut series = std::collections::HashSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, _) = line.rsplit_once(' ').unwrap();
        assert!(series.insert(name.to_owned()), "{name}");
    }
}

#[test]
fn before_the_first_figures_the_program_is_shown_and_no_zero_energy() {
    let text = text_of(None, &Options::default(), Format::OpenMetrics);
    assert!(text.contains("kepler_build_info{"));
    assert!(!text.contains("joules"));
}

#[test]
fn each_level_can_be_left_out_and_processes_are_by_default() {
    let by_default = text_of(Some(&full()), &Options::default(), Format::Plain);
    assert!(!by_default.contains("kepler_process_"));
    assert!(by_default.contains("kepler_container_") && by_default.contains("kepler_node_cpu_"));
    let options = Options {
        levels: Levels::of([Level::Pod]),
        ..Options::default()
    };
    let text = text_of(Some(&full()), &options, Format::Plain);
    assert!(text.contains("kepler_pod_cpu_watts{"));
    assert!(text.contains("kepler_build_info{") && text.contains("tanso_cycles_total{"));
    for level in ["node_cpu", "node_gpu", "process", "container", "vm"] {
        assert!(!text.contains(&format!("kepler_{level}")), "{level}");
    }
}

#[test]
fn a_bound_keeps_those_with_the_most_energy_and_says_how_many_it_left_out() {
    let options = Options {
        bounds: Bounds {
            containers: 1,
            processes: 1,
        },
        ..every_level()
    };
    let text = text_of(Some(&full()), &options, Format::Plain);
    let of = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
    assert_eq!(of("kepler_container_cpu_seconds_total{"), 1);
    assert!(text.contains("kepler_container_cpu_seconds_total{container_id=\"id-web\""));
    assert!(text.contains("tanso_series_withheld{level=\"container\",node_name=\"node-7\"} 2"));
    assert!(text.contains("tanso_series_withheld{level=\"process\",node_name=\"node-7\"} 1"));
    // The sums still have all.
    let all = text_of(Some(&full()), &every_level(), Format::Plain);
    let sum = "tanso_account_joules_total{account=\"container\"";
    let line = |text: &str| {
        text.lines()
            .find(|line| line.starts_with(sum))
            .map(str::to_owned)
    };
    assert_eq!(line(&text), line(&all));
}

#[test]
fn two_zones_of_one_class_are_one_series() {
    let mut snapshot = snapshot();
    let mut second = snapshot.books.zones[0].clone();
    second.zone.path = "socket-1".into();
    snapshot.books.zones.push(second);
    let text = text_of(Some(&snapshot), &every_level(), Format::Plain);
    let mut series = std::collections::HashSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(series.insert(line.rsplit_once(' ').unwrap().0), "{line}");
    }
}

#[test]
fn the_old_names_add_up_to_the_node() {
    let mut options = every_level();
    options.surface = Surface::Legacy;
    let snapshot = snapshot();
    let text = text_of(Some(&snapshot), &options, Format::Plain);
    assert!(!text.contains("tanso_") && !text.contains("_cpu_joules_total"));
    let sum = |name: &str| -> f64 {
        let lines = text
            .lines()
            .filter(|line| line.starts_with(&format!("{name}{{")));
        lines
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
            .sum()
    };
    let total = snapshot.books.total().as_joules_f64();
    assert!((sum("kepler_container_joules_total") - total).abs() < 1e-6);
    let parts = ["package", "dram", "other"];
    let of = |who: &str| -> f64 {
        let names = parts.map(|part| format!("kepler_{who}_{part}_joules_total"));
        names.iter().map(|name| sum(name)).sum()
    };
    assert!((of("container") - total).abs() < 1e-6);
    assert!((of("node") - total).abs() < 1e-6);
}

#[test]
fn both_surfaces_together_have_no_name_twice() {
    let mut options = every_level();
    options.surface = Surface::Both;
    let text = text_of(Some(&full()), &options, Format::Plain);
    let mut names = std::collections::HashSet::new();
    for line in text.lines().filter(|line| line.starts_with("# TYPE")) {
        assert!(names.insert(line.to_owned()), "{line}");
    }
    assert!(
        names
            .iter()
            .any(|line| line.contains("kepler_container_package_joules_total"))
    );
}

#[test]
fn every_family_of_the_old_names_with_figures_is_written() {
    let mut options = every_level();
    options.surface = Surface::Legacy;
    let text = text_of(Some(&full()), &options, Format::Plain);
    // No machine here has these: uncore and platform zones, counters of
    // processes and virtual machines, GPU energy of nodes and machines.
    let absent = |name: &str| {
        let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
        has(&["core_", "platform_"])
            || has(&["_cycles", "_instructions", "_cache_miss"]) && !has(&["container"])
            || ["kepler_node_gpu_joules_total", "kepler_vm_gpu_joules_total"].contains(&name)
    };
    for family in families::legacy::ALL
        .iter()
        .filter(|family| !absent(family.name))
    {
        let line = format!("# TYPE {} {}\n", family.name, family.kind.as_str());
        assert!(text.contains(&line), "{line}");
    }
}

/// Reads a message: field, and a number or bytes.
pub(crate) fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, Vec<u8>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        match key & 7 {
            0 => found.push((key >> 3, varint(&mut bytes), Vec::new())),
            1 => {
                let (number, rest) = bytes.split_at(8);
                found.push((key >> 3, 0, number.to_vec()));
                bytes = rest;
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)).unwrap();
                let (inner, rest) = bytes.split_at(length);
                found.push((key >> 3, 0, inner.to_vec()));
                bytes = rest;
            }
            other => panic!("layout {other}"),
        }
    }
    found
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (first, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        shift += 7;
        if first & 0x80 == 0 {
            return number;
        }
    }
}

#[test]
fn the_protocol_buffers_say_what_the_text_says() {
    let text = text_of(Some(&full()), &every_level(), Format::Plain);
    let bytes = bytes_of(Some(&full()), &every_level(), Format::Protobuf);
    let mut rest = bytes.as_slice();
    let mut lines = Vec::new();
    let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    while !rest.is_empty() {
        let length = usize::try_from(varint(&mut rest)).unwrap();
        let (message, after) = rest.split_at(length);
        rest = after;
        let family = fields(message);
        let name = utf8(&family[0].2);
        let value_field = if family[2].1 == 0 { 3 } else { 2 };
        for (_, _, metric) in family.iter().filter(|(field, ..)| *field == 4) {
            let mut labels = Vec::new();
            let mut value = f64::NAN;
            for (field, _, content) in fields(metric) {
                let inner = fields(&content);
                if field == 1 {
                    let escaped = utf8(&inner[1].2).replace('"', "\\\"");
                    labels.push(format!("{}=\"{escaped}\"", utf8(&inner[0].2)));
                } else {
                    assert_eq!(field, value_field, "{name}");
                    value = f64::from_le_bytes(inner[0].2.clone().try_into().unwrap());
                }
            }
            lines.push(format!("{name}{{{}}} {value}", labels.join(",")));
        }
    }
    let of_text: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines, of_text);
}
