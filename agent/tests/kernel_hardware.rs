//! Hardware counters are booked to the groups whose tasks ran: by the real
//! programs, over counters of the kernel's own that every machine has.
//!
//! Needs root and a kernel with type information. A clock stands for cycles: on
//! each processor it counts nanoseconds, whoever runs, so that what a group's
//! tasks counted is the time for which they ran. `-- --nocapture` shows the
//! figures.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail like tests"
)]

#[path = "kernel_counts/node.rs"]
mod node;

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use node::{Cell, open, open_on, percent};
use tanso_agent::host::{CpuInfo, GroupSource, Hierarchies, HostRoots};
use tanso_agent::kernel::{CountReading, CpuReading, CpuTime, EbpfCpu, EbpfOptions, TaskKind};
use tanso_agent::pmu::{CounterState, EventCode, EventCodes, NO_LAST_LEVEL};
use tanso_agent::workloads::CgroupId;

/// `PERF_TYPE_SOFTWARE`, with `PERF_COUNT_SW_CPU_CLOCK`, `_TASK_CLOCK` and
/// `_CONTEXT_SWITCHES`.
const CLOCKS: EventCodes = EventCodes([Some(software(0)), Some(software(1)), Some(software(3))]);
const CYCLES: usize = 0;
const SWITCHES: usize = 2;

const fn software(config: u64) -> EventCode {
    EventCode { source: 1, config }
}

fn options() -> EbpfOptions {
    EbpfOptions {
        hardware: Some(CLOCKS),
        ..EbpfOptions::default()
    }
}

fn counts(reading: &CpuReading) -> &CountReading {
    reading.counts.as_ref().expect("hardware counts")
}

/// What a group's user tasks counted, on all sockets.
fn counted(reading: &CpuReading, cgroup: CgroupId, place: usize) -> u64 {
    let groups = counts(reading).groups.iter();
    let own = groups.filter(|one| one.group.cgroup == cgroup && one.group.kind == TaskKind::User);
    own.map(|one| one.events[place]).sum()
}

fn all(counts: &CountReading, place: usize) -> u64 {
    let groups: u64 = counts.groups.iter().map(|one| one.events[place]).sum();
    groups + counts.idle[place] + counts.overflow[place] + counts.retired[place]
}

fn read_until(cpu: &mut EbpfCpu, enough: impl Fn(&CpuReading) -> bool) -> CpuReading {
    let start = Instant::now();
    loop {
        let reading = cpu.read().unwrap();
        if enough(&reading) || start.elapsed() > Duration::from_secs(2) {
            return reading;
        }
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_group_s_count_by_a_clock_is_its_cpu_time() {
    let Some(mut cpu) = open(options()) else {
        return;
    };
    let states = cpu.counters();
    assert!(
        states.iter().all(|one| one.state == CounterState::Active),
        "{states:?}"
    );
    let cell = Cell::new("", "counted");
    assert!(cell.spawn("burn 500000; :").wait().unwrap().success());
    let truth = cell.truth();
    let reading = read_until(&mut cpu, |reading| cell.seen(reading) >= truth);
    let clock = Duration::from_nanos(counted(&reading, cell.id(), CYCLES));
    let share = percent(clock, truth);
    let switches = counted(&reading, cell.id(), SWITCHES);
    eprintln!("counted: {share:.3} % of {truth:?}, {switches} switches");
    // While the kernel measures programs (`sysctl kernel.bpf_stats_enabled=1`).
    for cost in cpu.program_costs() {
        let ns = cost.time.as_nanos() / u128::from(cost.runs.max(1));
        eprintln!("{}: {} runs of {ns} ns", cost.program, cost.runs);
    }
    // A clock counts interrupts and time that a hypervisor gave to others; the
    // kernel's own count has neither.
    assert!((98.0..150.0).contains(&share), "{share} %");
    assert!(switches > 0, "the last kind is counted too");
    assert_eq!(reading.losses.counter_gaps, 0);
}

#[test]
fn a_task_that_keeps_its_processor_is_counted_in_the_interval_in_which_it_ran() {
    let Some(mut cpu) = open(options()) else {
        return;
    };
    let cell = Cell::new("", "busy");
    let mut busy = cell.spawn("burn 6000000");
    read_until(&mut cpu, |reading| {
        cell.seen(reading) > Duration::from_millis(50)
    });
    let mut last = cpu.read().unwrap();
    for _ in 0..10 {
        sleep(Duration::from_millis(100));
        let reading = cpu.read().unwrap();
        let ran = cell.seen(&reading).saturating_sub(cell.seen(&last));
        let [now, before] = [&reading, &last].map(|one| counted(one, cell.id(), CYCLES));
        let clock = Duration::from_nanos(now - before);
        // The scheduler's own sum is brought up to date at ticks: 10 ms at
        // 100 Hz, at both ends.
        let slack = ran.mul_f64(0.1) + Duration::from_millis(25);
        assert!(clock + slack >= ran, "{clock:?} of {ran:?}");
        assert!(counts(&reading).whole[CYCLES]);
        last = reading;
    }
    busy.kill().unwrap();
    busy.wait().unwrap();
}

#[test]
fn what_counters_say_is_booked_once_and_all_of_it() {
    let Some(mut cpu) = open(options()) else {
        return;
    };
    let before = cpu.read().unwrap();
    let cell = Cell::new("", "whole");
    assert!(
        cell.spawn("burn 300000; (burn 1000); :")
            .wait()
            .unwrap()
            .success()
    );
    let after = cpu.read().unwrap();
    let [first, last] = [&before, &after].map(counts);
    let booked = Duration::from_nanos(all(last, CYCLES) - all(first, CYCLES));
    let (wanted, wanted_before) = (last.times[CYCLES].0, first.times[CYCLES].0);
    let told = wanted.saturating_sub(wanted_before);
    eprintln!("booked {booked:?} of {told:?}");
    // The same clock, read some hundred nanoseconds apart.
    assert!((99.0..101.0).contains(&percent(booked, told)));
    assert_eq!(last.times[CYCLES].0, last.times[CYCLES].1, "never shared");
    assert_eq!(last.whole, [true; 3]);
}

#[test]
fn counts_that_find_no_room_are_in_the_overflow_account() {
    let options = EbpfOptions {
        counters_max: Some(4),
        ..options()
    };
    let Some(mut cpu) = open(options) else {
        return;
    };
    let parent = Cell::new("", "counts-full");
    let cells: Vec<Cell> = (0..8).map(|_| Cell::new(parent.path(), "cell")).collect();
    let before = cpu.read().unwrap();
    for cell in &cells {
        assert!(cell.spawn("burn 20000").wait().unwrap().success());
    }
    let truth = parent.truth();
    let after = cpu.read().unwrap();
    let [first, last] = [&before, &after].map(counts);
    let overflow = Duration::from_nanos(last.overflow[CYCLES] - first.overflow[CYCLES]);
    let seen: u64 = cells
        .iter()
        .map(|cell| counted(&after, cell.id(), CYCLES))
        .sum();
    eprintln!("of {truth:?}, {overflow:?} in the account, {seen} ns listed");
    assert!(overflow + Duration::from_nanos(seen) >= truth.mul_f64(0.98));
    let booked = Duration::from_nanos(all(last, CYCLES) - all(first, CYCLES));
    let told = last.times[CYCLES].0.saturating_sub(first.times[CYCLES].0);
    assert!((99.0..101.0).contains(&percent(booked, told)));
}

#[test]
fn counts_of_removed_groups_leave_the_map_and_stay_in_the_sum() {
    let options = EbpfOptions {
        counters_max: Some(64),
        ..options()
    };
    let Some(mut cpu) = open(options) else {
        return;
    };
    let cells: Vec<Cell> = (0..50).map(|_| Cell::new("", "counts-gone")).collect();
    for cell in &cells {
        assert!(cell.spawn("burn 2000").wait().unwrap().success());
    }
    let ids: Vec<CgroupId> = cells.iter().map(Cell::id).collect();
    let of_cells =
        |reading: &CpuReading| -> u64 { ids.iter().map(|id| counted(reading, *id, CYCLES)).sum() };
    let first = cpu.read().unwrap();
    let before = of_cells(&first);
    drop(cells);
    let mut sum = all(counts(&first), CYCLES);
    let mut last = first;
    for _ in 0..70 {
        last = cpu.read().unwrap();
        let now = all(counts(&last), CYCLES);
        assert!(now >= sum, "the sum fell");
        sum = now;
    }
    let (retired, late) = (counts(&last).retired[CYCLES], of_cells(&last));
    eprintln!("retired {retired} and late {late} of {before} ns");
    assert!(retired + late >= before);
    assert!(late * 2 < before, "they are listed no more");
}

/// Which processors are online is read from files that this test writes: the
/// second comes later.
#[test]
fn a_processor_that_comes_online_is_counted_from_the_next_interval_on() {
    let processors = std::thread::available_parallelism().unwrap().get();
    if processors < 2 {
        eprintln!("skipped: one processor");
        return;
    }
    let machine = tempfile::tempdir().unwrap();
    let folder = machine.path().join("devices/system/cpu");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("online"), "0\n").unwrap();
    let roots = HostRoots {
        sys: machine.path().to_owned(),
        ..HostRoots::default()
    };
    let Some(mut cpu) = open_on(&roots, options()) else {
        return;
    };
    let cell = Cell::new("", "online");
    let mut busy = cell.spawn("taskset -pc 1 $$ > /dev/null\nburn 6000000");
    let start = Instant::now();
    let mut reading = cpu.read().unwrap();
    while reading.losses.counter_gaps == 0 && start.elapsed() < Duration::from_secs(10) {
        sleep(Duration::from_millis(20));
        reading = cpu.read().unwrap();
    }
    // Its counters are not there: whoever runs on it is counted nowhere.
    assert!(reading.losses.counter_gaps > 0);
    assert_eq!(counts(&reading).whole, [false; 3]);
    fs::write(folder.join("online"), format!("0-{}\n", processors - 1)).unwrap();
    assert_eq!(counts(&cpu.read().unwrap()).whole, [false; 3]);
    let before = cpu.read().unwrap();
    assert_eq!(counts(&before).whole, [true; 3]);
    sleep(Duration::from_millis(200));
    let after = cpu.read().unwrap();
    busy.kill().unwrap();
    busy.wait().unwrap();
    assert_eq!(counts(&after).whole, [true; 3]);
    let ran = cell.seen(&after).saturating_sub(cell.seen(&before));
    let [now, then] = [&after, &before].map(|one| counted(one, cell.id(), CYCLES));
    let clock = Duration::from_nanos(now - then);
    eprintln!("after it came: {clock:?} of {ran:?}");
    assert!(clock + ran.mul_f64(0.1) + Duration::from_millis(25) >= ran);
}

#[test]
fn the_programs_load_by_the_groups_of_every_hierarchy() {
    let hierarchies = Hierarchies::detect(&HostRoots::default());
    for source in [
        GroupSource::CpuController,
        GroupSource::Unified,
        GroupSource::Cpuacct,
    ] {
        if hierarchies.root_of(source).is_none() {
            eprintln!("skipped: this node has no groups of {source:?}");
            continue;
        }
        let options = EbpfOptions {
            source: Some(source),
            ..options()
        };
        let Some(cpu) = open(options) else {
            return;
        };
        let states = cpu.counters();
        assert!(
            states.iter().all(|one| one.state == CounterState::Active),
            "{source:?}: {states:?}"
        );
    }
}

#[test]
fn a_machine_without_counters_says_so_and_runs_nothing_at_context_switches() {
    let cpu = CpuInfo::read(&HostRoots::default()).unwrap();
    let options = EbpfOptions {
        hardware: Some(EventCodes::of_processor(cpu.vendor.as_deref())),
        ..EbpfOptions::default()
    };
    let Some(mut cpu) = open(options) else {
        return;
    };
    let states = cpu.counters();
    assert_eq!(states.len(), 3);
    let reading = cpu.read().unwrap();
    if states[CYCLES].state == CounterState::Active {
        let cycles = all(counts(&reading), CYCLES);
        eprintln!("this machine has counters: {cycles} cycles");
        assert!(cycles > 0);
        return;
    }
    eprintln!("{states:?}");
    for one in &states {
        let said = |reason: &str| reason.contains(one.counter) || reason.contains(NO_LAST_LEVEL);
        assert!(matches!(&one.state, CounterState::Absent(reason) if said(reason)));
    }
    assert_eq!(reading.counts, None);
    assert!(cpu.explain().contains("nothing runs on context switches"));
}

#[test]
fn nobody_who_does_not_ask_has_counters() {
    let Some(mut cpu) = open(EbpfOptions::default()) else {
        return;
    };
    assert_eq!(cpu.counters(), []);
    let reading = cpu.read().unwrap();
    assert_eq!(reading.counts, None);
    assert_eq!(reading.losses.counter_gaps, 0);
}
