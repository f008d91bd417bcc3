use super::*;
use crate::attribution::ZoneEnergy;
use crate::books::{Booking, Counted};
use crate::kernel::{Group, TaskKind};
use crate::meters::Zone;
use crate::workloads::CgroupId;
use tanso_power::{Estimate, Provenance};

const SECOND: Duration = Duration::from_secs(1);

fn process(pid: u32, start_ns: u64, cpu_ns: u64, alive: bool) -> ProcessReading {
    let mut comm = [0; 16];
    comm[..3].copy_from_slice(b"job");
    ProcessReading {
        pid,
        start_ns,
        group: Group {
            cgroup: CgroupId::NONE,
            kind: TaskKind::User,
        },
        comm,
        cpu: Duration::from_nanos(cpu_ns),
        alive,
    }
}

/// Books an interval of the system's account, and its processes'.
fn interval(table: &mut Processes, books: &mut Books, uj: u64, readings: &[ProcessReading]) {
    let zone = Zone {
        class: ZoneClass::Package,
        path: "package".to_owned(),
    };
    let energy = Estimate {
        low: Joules::from_microjoules(uj),
        value: Joules::from_microjoules(uj),
        high: Joules::from_microjoules(uj),
    };
    let reading = vec![(
        zone,
        ZoneEnergy {
            energy,
            idle: Estimate::default(),
        },
    )];
    let cpu_ns = [(Books::SYSTEM, 100)];
    books.book(&Booking {
        zones: Some(&reading),
        provenance: Provenance::Simulated,
        model: None,
        cpu_ns: &cpu_ns,
        sockets: None,
        counted: Counted::default(),
        idle: &[],
        gpu: None,
        caught_up: false,
        minutes: &[(0, 1)],
    });
    table.charge(readings, &mut Charges::default(), books, &cpu_ns, SECOND);
}

fn total(listed: &[ProcessFigures], pid: u32) -> Vec<(u64, u64, bool)> {
    let mut found: Vec<_> = listed
        .iter()
        .filter(|figures| figures.pid == pid)
        .map(|figures| {
            let energy: Joules = figures.zones.iter().map(|amount| amount.total).sum();
            (energy.microjoules(), figures.cpu_ns, figures.running)
        })
        .collect();
    found.sort_unstable();
    found
}

/// What all processes of a number used, with what they took over.
fn all_of(listed: &[ProcessFigures], pid: u32) -> Usage {
    let mut sum = Usage::default();
    for figures in listed.iter().filter(|figures| figures.pid == pid) {
        sum.add(&figures.whole());
    }
    sum
}

#[test]
fn a_process_gets_its_part_and_what_nobody_is_known_for_stays_the_accounts() {
    let (mut table, mut books) = (Processes::new("/nonexistent".into(), 9), Books::default());
    let readings = [process(7, 1, 50, true), process(8, 1, 25, true)];
    interval(&mut table, &mut books, 1_000, &readings);
    let listed = table.listed();
    assert_eq!(total(&listed, 7), [(500, 50, true)]);
    assert_eq!(total(&listed, 8), [(250, 25, true)]);
    assert_eq!(&*listed[0].comm, "job");
}

#[test]
fn an_accelerators_energy_goes_to_the_processes_that_used_it() {
    let (mut table, mut books) = (Processes::new("/nonexistent".into(), 9), Books::default());
    let exact = |energy_uj| Estimate::exact(Joules::from_microjoules(energy_uj));
    let zone = Zone {
        class: ZoneClass::Gpu,
        path: "gpu".to_owned(),
    };
    let amount = ZoneEnergy {
        energy: exact(1_000),
        idle: exact(0),
    };
    let cpu_ns = [(Books::SYSTEM, 100)];
    books.book(&Booking {
        zones: Some(&vec![(zone, amount)]),
        provenance: Provenance::Measured,
        model: None,
        cpu_ns: &cpu_ns,
        sockets: None,
        counted: Counted::default(),
        idle: &[],
        gpu: Some(&[(Books::SYSTEM, 4)]),
        caught_up: false,
        minutes: &[(0, 1)],
    });
    table.gpus_tell(true);
    let readings = [
        process(7, 1, 10, false),
        process(7, 2, 80, true),
        process(8, 1, 10, true),
    ];
    let charges = &mut Charges::default();
    table.charge(&readings, charges, &mut books, &cpu_ns, SECOND);
    table.charge_gpu(&[(Books::SYSTEM, 0, 1), (Books::SYSTEM, 7, 3)], &books);
    let listed = table.listed();
    assert_eq!(total(&listed, 7), [(0, 10, false), (750, 80, true)]);
    assert_eq!(total(&listed, 8), [(0, 10, true)]);
    assert_eq!(listed[0].gpu.unwrap().last.microjoules(), 750);
}

#[test]
fn a_number_in_use_again_inherits_nothing() {
    let (mut table, mut books) = (Processes::new("/nonexistent".into(), 9), Books::default());
    interval(&mut table, &mut books, 1_000, &[process(7, 1, 100, true)]);
    let both = [process(7, 1, 110, false), process(7, 2, 90, true)];
    interval(&mut table, &mut books, 1_000, &both);
    let found = total(&table.listed(), 7);
    assert_eq!(found, [(900, 90, true), (1_100, 110, false)]);
}

#[test]
fn one_taken_for_ended_comes_back_and_counts_on() {
    let (mut table, mut books) = (Processes::new("/nonexistent".into(), 9), Books::default());
    interval(&mut table, &mut books, 1_000, &[process(7, 1, 100, false)]);
    interval(&mut table, &mut books, 1_000, &[process(7, 1, 40, true)]);
    assert_eq!(total(&table.listed(), 7), [(1_400, 140, true)]);
}

#[test]
fn the_list_and_the_memory_of_the_dead_are_bounded() {
    let (mut table, mut books) = (Processes::new("/nonexistent".into(), 3), Books::default());
    let storm: Vec<ProcessReading> = (0..800).map(|pid| process(pid, 1, 1, false)).collect();
    interval(&mut table, &mut books, 1_000_000, &storm);
    assert_eq!(table.listed().len(), 3);
    interval(&mut table, &mut books, 1, &[]);
    assert_eq!(table.table.len(), ENDED_MAX);
    for _ in 0..60 {
        interval(&mut table, &mut books, 1, &[]);
    }
    assert!(table.table.is_empty());
}

#[test]
fn a_process_is_of_a_container_of_a_virtual_machine_or_of_neither() {
    let mut books = Books::default();
    let id = |text: &str| Account::Standalone {
        container_id: text.into(),
    };
    let (docker, machine) = (books.account(&id("c1")), books.account(&id("web")));
    KVM.clone_into(&mut books.accounts[machine].runtime);
    let of = |place: usize| owner(books.accounts.get(place));
    assert_eq!(of(docker), (ProcessKind::Container, "c1", ""));
    assert_eq!(of(machine), (ProcessKind::Vm, "", "web"));
    assert_eq!(of(Books::SYSTEM), (ProcessKind::Regular, "", ""));
}

#[test]
fn a_counter_of_two_processes_of_equal_labels_stays_when_the_ended_one_is_forgotten() {
    let (mut table, mut books) = (Processes::new("/nonexistent".into(), 9), Books::default());
    let both = [process(7, 1, 60, false), process(7, 2, 40, true)];
    interval(&mut table, &mut books, 1_000, &both);
    let before = all_of(&table.listed(), 7);
    assert_eq!((before.cpu_ns, before.zones[0].microjoules()), (100, 1_000));
    for second in 2..=61 {
        // A second process of the number ends and a third begins meanwhile.
        let changed = [process(7, 2, 50, false), process(7, 3, 10, true)];
        let readings: &[ProcessReading] = if second == 30 { &changed } else { &[] };
        interval(&mut table, &mut books, 0, readings);
        let now = all_of(&table.listed(), 7);
        let known = if second < 30 { 100 } else { 120 };
        assert_eq!(now.cpu_ns, known, "after {second} s");
        assert_eq!(now.zones[0].microjoules(), 1_000, "after {second} s");
    }
    assert_eq!(table.table.len(), 2, "the first one is gone");
    // The ended one has its energy, since energy is told by state.
    let listed = table.listed();
    let ended = listed.iter().find(|figures| !figures.running).unwrap();
    assert_eq!(ended.whole().zones[0].microjoules(), 1_000);
    for _ in 0..40 {
        interval(&mut table, &mut books, 0, &[]);
    }
    assert_eq!(total(&table.listed(), 7), [(0, 10, true)]);
    assert_eq!(all_of(&table.listed(), 7).cpu_ns, 120);
}

#[test]
fn a_process_of_other_labels_takes_nothing_over() {
    let (mut table, mut books) = (Processes::new("/nonexistent".into(), 9), Books::default());
    let mut other = process(7, 2, 40, true);
    other.comm[..3].copy_from_slice(b"new");
    let both = [process(7, 1, 60, false), other, process(8, 1, 0, true)];
    interval(&mut table, &mut books, 1_000, &both);
    for _ in 0..60 {
        interval(&mut table, &mut books, 0, &[]);
    }
    assert_eq!(all_of(&table.listed(), 7).cpu_ns, 40);
    assert_eq!(all_of(&table.listed(), 8).cpu_ns, 0);
}

#[test]
fn who_falls_out_of_the_list_stays_in_the_counter_of_its_labels() {
    let (mut table, mut books) = (Processes::new("/nonexistent".into(), 1), Books::default());
    let both = [process(7, 1, 30, false), process(7, 2, 70, true)];
    interval(&mut table, &mut books, 1_000, &both);
    for _ in 0..2 {
        let listed = table.listed();
        assert_eq!(total(&listed, 7), [(700, 70, true)]);
        assert_eq!(all_of(&listed, 7).cpu_ns, 100);
    }
}

#[test]
fn the_last_part_of_an_ended_process_without_a_name_leaves_its_name() {
    let (mut table, mut books) = (Processes::new("/nonexistent".into(), 9), Books::default());
    interval(&mut table, &mut books, 1_000, &[process(7, 1, 50, true)]);
    let mut last = process(7, 1, 60, false);
    last.comm = [0; 16];
    interval(&mut table, &mut books, 1_000, &[last]);
    let listed = table.listed();
    assert_eq!((&*listed[0].comm, listed[0].cpu_ns), ("job", 60));
}
