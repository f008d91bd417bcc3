//! The real programs load and count: against the kernel's own accounting.
//!
//! Needs root and a kernel with type information. `-- --nocapture` shows the
//! figures.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail like tests"
)]

#[path = "kernel_counts/node.rs"]
mod node;

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Child, Command, ExitStatus},
    thread::sleep,
    time::{Duration, Instant},
};

use node::{BURN, Cell, open, open_on, percent, seen};
use tanso_agent::{
    host::{GroupSource, Hierarchies, HostRoots, Sockets},
    kernel::{CpuReading, CpuTime, EbpfOptions, Group, PollCpu, ProcCpu, Rung, TaskKind},
    workloads::CgroupId,
};

/// 1,200 processes, a third of them side by side, most far below a reading's
/// interval in length.
const STORM: &str = "i=0; while [ $i -lt 400 ]; do \
    sh -c 'n=0; while [ $n -lt 3000 ]; do n=$((n+1)); done' & \
    sh -c ':'; (burn 1000); wait; i=$((i+1)); done";

/// Reads until `enough`, or for two seconds: the last part of a task is booked
/// when the kernel frees it, some milliseconds after its end.
fn read_until(cpu: &mut dyn CpuTime, enough: impl Fn(&CpuReading) -> bool) -> CpuReading {
    let start = Instant::now();
    loop {
        let reading = cpu.read().unwrap();
        if enough(&reading) || start.elapsed() > Duration::from_secs(2) {
            return reading;
        }
        sleep(Duration::from_millis(20));
    }
}

/// Waits for `child`, calling `each` now and then.
fn attend(child: &mut Child, interval: Duration, mut each: impl FnMut()) -> ExitStatus {
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        sleep(interval);
        each();
    }
}

fn assert_nothing_fell(before: &mut HashMap<Group, Duration>, reading: &CpuReading) {
    for time in &reading.groups {
        let last = before.insert(time.group, time.cpu).unwrap_or_default();
        assert!(
            time.cpu >= last,
            "{:?}: {last:?}, then {:?}",
            time.group,
            time.cpu
        );
    }
}

#[test]
fn a_storm_of_short_processes_is_seen_whole_and_a_poller_loses_it() {
    let Some(mut cpu) = open(EbpfOptions::default()) else {
        return;
    };
    let cell = Cell::new("", "storm");
    let mut poller = ProcCpu::open(&HostRoots::default()).unwrap();
    let mut last = HashMap::new();
    let mut last_poll = Instant::now();
    let mut storm = cell.spawn(STORM);
    let status = attend(&mut storm, Duration::from_millis(50), || {
        assert_nothing_fell(&mut last, &cpu.read().unwrap());
        if last_poll.elapsed() > Duration::from_secs(1) {
            last_poll = Instant::now();
            poller.read().unwrap();
        }
    });
    assert!(status.success());
    let by_poller = cell.seen(&poller.read().unwrap());
    let truth = cell.truth();
    let enough = |reading: &CpuReading| cell.seen(reading) >= truth;
    let reading = read_until(&mut cpu, enough);
    assert_nothing_fell(&mut last, &reading);
    let (ours, theirs) = (
        percent(cell.seen(&reading), truth),
        percent(by_poller, truth),
    );
    eprintln!(
        "storm of 1,200 processes, {:.3} s: kernel programs {ours:.3} %, poller of /proc each second \
         {theirs:.1} %; {:?}",
        truth.as_secs_f64(),
        reading.losses
    );
    // The scheduler brings a task's sum up to date at ticks and switches, so
    // most of a short life is booked when the task is freed. On some kernels
    // some frees in a thousand are not shown to programs: 99.3 to 100.00 % was
    // measured without, 99.90 to 100.07 % with the mean booked for them.
    assert!((99.7..100.4).contains(&ours), "{ours} %");
    let tasks = cpu.tasks().unwrap();
    eprintln!("{tasks:?}");
    assert!(tasks.freed + tasks.unseen > 1_000, "{tasks:?}");
    assert!(theirs < 90.0, "the poller saw {theirs} %");
}

#[test]
fn a_process_that_moves_is_charged_to_both_groups_rightly() {
    let Some(mut cpu) = open(EbpfOptions::default()) else {
        return;
    };
    let (first, second) = (Cell::new("", "first"), Cell::new("", "second"));
    let script = format!(
        "burn 300000; for door in {}; do echo $$ > $door; done; burn 200000",
        second.doors()
    );
    assert!(first.spawn(&script).wait().unwrap().success());
    let enough = |reading: &CpuReading| second.seen(reading) >= second.truth();
    let reading = read_until(&mut cpu, enough);
    for cell in [&first, &second] {
        let (seen, truth) = (cell.seen(&reading), cell.truth());
        eprintln!("moved: {:.3} ms of {:.3} ms", ms(seen), ms(truth));
        assert!(truth > Duration::from_millis(20));
        // The scheduler brings a running task's sum up to date at ticks, and
        // what it ran since is booked where it is by then: 10 ms at 100 Hz.
        assert!(
            seen.abs_diff(truth) <= Duration::from_millis(10),
            "{seen:?}, {truth:?}"
        );
    }
}

#[test]
fn a_group_removed_between_two_readings_is_charged() {
    let Some(mut cpu) = open(EbpfOptions::default()) else {
        return;
    };
    let mut poller = PollCpu::open(&HostRoots::default()).unwrap();
    let cell = Cell::new("", "brief");
    let id = cell.id();
    assert!(cell.spawn("burn 200000").wait().unwrap().success());
    let truth = cell.truth();
    drop(cell);
    let reading = read_until(&mut cpu, |reading| {
        percent(seen(reading, id), truth) >= 99.9
    });
    let share = percent(seen(&reading, id), truth);
    let by_files = seen(&poller.read().unwrap(), id);
    eprintln!(
        "removed group: kernel programs {share:.3} %, poller of group files {:.1} %",
        percent(by_files, truth)
    );
    assert!((99.0..101.0).contains(&share), "{share} %");
    assert_eq!(by_files, Duration::ZERO);
}

#[test]
fn a_group_made_and_removed_between_two_readings_is_told_with_its_path() {
    let Some(mut cpu) = open(EbpfOptions::default()) else {
        return;
    };
    assert!(cpu.read().unwrap().births.len() < 1_000);
    let cell = Cell::new("", "told");
    let (id, path) = (cell.id(), cell.path().to_owned());
    drop(cell);
    let reading = cpu.read().unwrap();
    let birth = reading.births.iter().find(|birth| birth.cgroup == id);
    let birth = birth.expect("the group's birth");
    assert_eq!(*birth.path, *path);
    assert!(reading.tree_changed && reading.tree_told);
    assert!(reading.removals.contains(&id));
    assert_eq!(reading.losses.group_events_lost, 0);
}

#[test]
fn the_time_resolved_mode_counts_without_a_walk() {
    let options = EbpfOptions {
        time_resolved: true,
        ..EbpfOptions::default()
    };
    let Some(mut cpu) = open(options) else {
        return;
    };
    let cell = Cell::new("", "resolved");
    let mut long = cell.spawn("burn 400000; read -r never < /dev/zero");
    let enough = |reading: &CpuReading| cell.seen(reading) > Duration::from_millis(100);
    let before = cpu.read().unwrap().looked_at;
    let reading = read_until(&mut cpu, enough);
    assert!(enough(&reading), "{:?}", cell.seen(&reading));
    assert_eq!(reading.looked_at, before, "no walk took place");
    long.kill().unwrap();
    long.wait().unwrap();
    let enough = |reading: &CpuReading| cell.seen(reading) >= cell.truth();
    let reading = read_until(&mut cpu, enough);
    let share = percent(cell.seen(&reading), cell.truth());
    eprintln!("time-resolved: {share:.4} %");
    assert!((99.7..100.3).contains(&share), "{share} %");
}

#[test]
fn processes_of_a_group_are_told_apart_and_the_ended_are_shown_once_more() {
    let options = EbpfOptions {
        processes: true,
        ..EbpfOptions::default()
    };
    let Some(mut cpu) = open(options) else {
        return;
    };
    let cell = Cell::new("", "processes");
    // Two that last, and one that is over before anyone looks.
    let mut one = cell.spawn("burn 200000; read -r never < /dev/zero");
    let mut two = cell.spawn("burn 100000; read -r never < /dev/zero");
    let mut ended = cell.spawn("burn 150000");
    let ended_pid = ended.id();
    assert!(ended.wait().unwrap().success());
    let id = cell.id();
    let mut seen: HashMap<(u32, u64), Duration> = HashMap::new();
    let mut done = Duration::ZERO;
    let mut shown_as_ended = 0;
    let mut last = Duration::ZERO;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) || shown_as_ended == 0 {
        assert!(start.elapsed() < Duration::from_mins(1), "{seen:?}");
        let reading = cpu.read().unwrap();
        for process in &reading.processes {
            if process.group.cgroup != id {
                continue;
            }
            assert!(process.comm.starts_with(b"sh\0"), "{process:?}");
            if !process.alive {
                // Its last part, when the kernel frees it, is shown by itself.
                assert_eq!(process.pid, ended_pid);
                shown_as_ended += 1;
                done += process.cpu;
            }
            let living = if process.alive {
                process.cpu
            } else {
                Duration::ZERO
            };
            seen.insert((process.pid, process.start_ns), living);
        }
        last = cell.seen(&reading);
        sleep(Duration::from_millis(50));
    }
    for child in [&mut one, &mut two] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let sum: Duration = done + seen.values().sum();
    eprintln!("processes: {seen:?}, the group {last:?}, ended {shown_as_ended} times");
    assert_eq!(seen.len(), 3);
    // What a shell used before it moved in is its own, and not the group's.
    assert!(sum >= last.mul_f64(0.99), "{sum:?} of {last:?}");
    assert!(
        sum <= last + Duration::from_millis(60),
        "{sum:?} of {last:?}"
    );
}

/// The walk comes to this test's thread after the main one, and both have names.
#[test]
fn a_process_has_its_main_threads_name_whoever_was_booked_last() {
    let options = EbpfOptions {
        processes: true,
        ..EbpfOptions::default()
    };
    let Some(mut cpu) = open(options) else {
        return;
    };
    let own = std::process::id();
    let name = fs::read_to_string(format!("/proc/{own}/comm")).unwrap();
    let burn = || {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(500) {}
    };
    let thread = std::thread::Builder::new().name("another-name".to_owned());
    let thread = thread.spawn(burn).unwrap();
    let mut times = 0;
    while !thread.is_finished() || times == 0 {
        sleep(Duration::from_millis(20));
        let reading = cpu.read().unwrap();
        let mut processes = reading.processes.iter();
        let process = processes.find(|process| process.pid == own);
        let comm = process.expect("this process").comm;
        let comm = String::from_utf8_lossy(&comm);
        assert_eq!(comm.trim_end_matches('\0'), name.trim_end());
        times += 1;
    }
    thread.join().unwrap();
}

/// Each processor is a socket of its own by the files that this test writes.
#[test]
fn time_is_told_by_the_socket_that_a_task_was_on() {
    let machine = tempfile::tempdir().unwrap();
    let processors = std::thread::available_parallelism().unwrap().get();
    for number in 0..processors {
        let folder = format!("devices/system/cpu/cpu{number}/topology");
        let folder = machine.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("physical_package_id"), format!("{number}\n")).unwrap();
    }
    let roots = HostRoots {
        sys: machine.path().to_owned(),
        ..HostRoots::default()
    };
    let (true, Some(mut cpu)) = (processors > 1, open_on(&roots, EbpfOptions::default())) else {
        eprintln!("skipped: one processor, or no programs");
        return;
    };
    let cells = [0, 1].map(|processor| (processor, Cell::new("", "socket")));
    let mut children: Vec<Child> = cells
        .iter()
        .map(|(processor, cell)| {
            cell.spawn(&format!(
                "taskset -pc {processor} $$ > /dev/null\nburn 100000"
            ))
        })
        .collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let reading = read_until(&mut cpu, |reading| {
        let mut cells = cells.iter();
        cells.all(|(_, cell)| cell.seen(reading) >= cell.truth())
    });
    for (processor, cell) in &cells {
        let group = Group {
            cgroup: cell.id(),
            kind: TaskKind::User,
        };
        let own = reading.sockets.iter().filter(|time| time.group == group);
        let sum: Duration = own.clone().map(|time| time.cpu).sum();
        let on_it = own.filter(|time| time.socket == *processor);
        let on_it: Duration = on_it.map(|time| time.cpu).sum();
        eprintln!("socket {processor}: {:.3} of {:.3} ms", ms(on_it), ms(sum));
        assert_eq!(sum, cell.seen(&reading), "the sockets are the whole");
        assert!(on_it >= sum.mul_f64(0.9), "{on_it:?} of {sum:?}");
    }
    let whole = open(EbpfOptions::default()).unwrap().read().unwrap();
    let several = Sockets::read(&HostRoots::default()).is_some();
    assert_eq!(!whole.sockets.is_empty(), several);
}

/// By the files that this test writes processor 1 comes online when the meter is
/// open. A processor that no machine has stands for its socket before.
#[test]
fn a_processor_that_comes_online_later_counts_for_its_own_socket() {
    let machine = tempfile::tempdir().unwrap();
    let folder = machine.path().join("devices/system/cpu");
    let show = |number: usize, socket: u32| {
        let topology = folder.join(format!("cpu{number}/topology"));
        fs::create_dir_all(&topology).unwrap();
        fs::write(topology.join("physical_package_id"), socket.to_string()).unwrap();
    };
    show(0, 0);
    show(1_023, 1);
    fs::write(folder.join("online"), "0,1023\n").unwrap();
    let roots = HostRoots {
        sys: machine.path().to_owned(),
        ..HostRoots::default()
    };
    let processors = std::thread::available_parallelism().unwrap().get();
    let (true, Some(mut cpu)) = (processors > 1, open_on(&roots, EbpfOptions::default())) else {
        eprintln!("skipped: one processor, or no programs");
        return;
    };
    show(1, 1);
    fs::write(folder.join("online"), "0-1,1023\n").unwrap();
    cpu.read().unwrap();
    let cell = Cell::new("", "late");
    let mut child = cell.spawn("taskset -pc 1 $$ > /dev/null\nburn 100000");
    assert!(child.wait().unwrap().success());
    let enough = |reading: &CpuReading| cell.seen(reading) >= cell.truth();
    let reading = read_until(&mut cpu, enough);
    let group = Group {
        cgroup: cell.id(),
        kind: TaskKind::User,
    };
    let own = reading.sockets.iter().filter(|time| time.group == group);
    let on_it: Duration = own
        .filter(|time| time.socket == 1)
        .map(|time| time.cpu)
        .sum();
    let sum = cell.seen(&reading);
    eprintln!("late: {:.3} of {:.3} ms", ms(on_it), ms(sum));
    assert!(on_it >= sum.mul_f64(0.9), "{on_it:?} of {sum:?}");
}

#[test]
fn groups_of_v2_and_cpuacct_load_and_tell_groups_apart() {
    for source in [GroupSource::Unified, GroupSource::Cpuacct] {
        let roots = HostRoots::default();
        let Some(root) = Hierarchies::detect(&roots)
            .root_of(source)
            .map(Path::to_owned)
        else {
            eprintln!("skipped: this node has no groups of {source:?}");
            continue;
        };
        let options = EbpfOptions {
            source: Some(source),
            ..EbpfOptions::default()
        };
        let Some(mut cpu) = open(options) else {
            return;
        };
        let groups = [130_000, 390_000].map(|turns| {
            let group = root.join(format!("tanso-test-{turns}-{}", std::process::id()));
            fs::create_dir(&group).unwrap();
            let id = CgroupId::new(fs::metadata(&group).unwrap().ino());
            // Last it says what the kernel counted for it: the turns of a busy
            // machine take very different times.
            let script = format!(
                "echo $$ > '{}/cgroup.procs'\n{BURN}\nburn {turns}\n\
                 read -r run rest < /proc/$$/schedstat; echo $run",
                group.display()
            );
            let ended = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert!(ended.status.success());
            let said = String::from_utf8(ended.stdout).unwrap();
            let truth = Duration::from_nanos(said.trim().parse().unwrap());
            (group, id, truth)
        });
        // What a shell used before it moved in is not the group's, and what it
        // used after its last word is.
        let slack = |truth: Duration| truth.mul_f64(0.05) + Duration::from_millis(20);
        let reading = read_until(&mut cpu, |reading| {
            groups
                .iter()
                .all(|(_, id, truth)| seen(reading, *id) + slack(*truth) >= *truth)
        });
        for (group, id, truth) in &groups {
            fs::remove_dir(group).unwrap();
            let time = seen(&reading, *id);
            eprintln!("{source:?}: {:.3} ms of {:.3} ms", ms(time), ms(*truth));
            assert!(
                time <= *truth + slack(*truth),
                "{source:?}: {time:?} of {truth:?}"
            );
        }
    }
}

#[test]
fn a_steady_group_agrees_with_the_kernels_own_count() {
    let Some(mut cpu) = open(EbpfOptions::default()) else {
        return;
    };
    let mut files = PollCpu::open(&HostRoots::default()).unwrap();
    assert_eq!(files.rung(), Rung::CgroupFiles);
    let cell = Cell::new("", "steady");
    assert!(cell.spawn("burn 500000; :").wait().unwrap().success());
    let enough = |reading: &CpuReading| cell.seen(reading) >= cell.truth();
    let reading = read_until(&mut cpu, enough);
    let truth = cpu.kernel_truth(cell.id()).unwrap();
    assert_eq!(truth, cell.truth());
    let share = percent(cell.seen(&reading), truth);
    eprintln!("steady: {share:.4} % of {:.3} ms", ms(truth));
    assert!((99.7..100.3).contains(&share), "{share} %");

    // The files' ids are of another tree where cpu and cpuacct are apart.
    files.read().unwrap();
    let kernel = reading
        .groups
        .iter()
        .filter(|time| time.group.kind == TaskKind::Kernel)
        .count();
    assert!(kernel > 0, "kernel threads are told apart");
}

#[test]
fn what_finds_no_room_goes_to_the_overflow_account() {
    let options = EbpfOptions {
        counters_max: Some(4),
        ..EbpfOptions::default()
    };
    let (Some(mut small), Some(mut large)) = (open(options), open(EbpfOptions::default())) else {
        return;
    };
    let parent = Cell::new("", "full");
    let cells: Vec<Cell> = (0..12).map(|_| Cell::new(parent.path(), "cell")).collect();
    // One meter's readings lie within the other's on both sides: the totals
    // bound each other, whatever else the machine does.
    let start_outer = large.read().unwrap().total();
    let start = small.read().unwrap().total();
    let start_inner = large.read().unwrap().total();
    for cell in &cells {
        assert!(cell.spawn("burn 40000").wait().unwrap().success());
    }
    let truth = parent.truth();
    let sum =
        |reading: &CpuReading| -> Duration { cells.iter().map(|cell| cell.seen(reading)).sum() };
    let all = read_until(&mut large, |reading| sum(reading) >= truth);
    let end_inner = all.total();
    let cut = small.read().unwrap();
    let end_outer = large.read().unwrap().total();

    let inner = end_inner.saturating_sub(start_inner);
    let outer = end_outer.saturating_sub(start_outer);
    let ours = cut.total().saturating_sub(start);
    eprintln!(
        "overflow: of {:.3} ms, {:.3} ms listed, {:.3} ms in the account, {} bookings; totals \
         {:.3} <= {:.3} <= {:.3} ms",
        ms(truth),
        ms(sum(&cut)),
        ms(cut.overflow),
        cut.losses.overflow_bookings,
        ms(inner),
        ms(ours),
        ms(outer),
    );
    assert!(percent(sum(&all), truth) >= 99.0);
    assert_eq!(all.overflow, Duration::ZERO);
    assert!(cut.losses.overflow_bookings > 0);
    // A free that is not shown to programs costs the meter that had not yet
    // settled the task, and not the other: hence the hundredth. Of the rest of
    // the machine, which may be busy, the small meter knows no mean to book
    // for such frees: hence three.
    assert!(cut.overflow + sum(&cut) >= sum(&all).mul_f64(0.99));
    assert!(
        (inner.mul_f64(0.97)..=outer.mul_f64(1.03)).contains(&ours),
        "nothing is lost, nothing is made"
    );
}

#[test]
fn removed_groups_leave_the_map_and_their_time_stays() {
    let options = EbpfOptions {
        counters_max: Some(64),
        ..EbpfOptions::default()
    };
    let Some(mut cpu) = open(options) else {
        return;
    };
    let cells: Vec<Cell> = (0..40).map(|_| Cell::new("", "gone")).collect();
    for cell in &cells {
        assert!(cell.spawn("burn 5000").wait().unwrap().success());
    }
    let ids: Vec<_> = cells.iter().map(Cell::id).collect();
    let truth: Duration = cells.iter().map(Cell::truth).sum();
    let sum = |reading: &CpuReading| -> Duration { ids.iter().map(|id| seen(reading, *id)).sum() };
    let before = sum(&read_until(&mut cpu, |reading| sum(reading) >= truth));
    drop(cells);
    let mut total = Duration::ZERO;
    for _ in 0..70 {
        let reading = cpu.read().unwrap();
        assert!(reading.total() >= total, "the total fell");
        total = reading.total();
    }
    let reading = cpu.read().unwrap();
    eprintln!(
        "retired: {:.3} ms of {:.3} ms, {} groups still listed",
        ms(reading.retired),
        ms(before),
        reading.groups.len()
    );
    for fill in cpu.maps() {
        assert!(fill.entries <= fill.entries_max, "{fill:?}");
        if fill.map == "cpu_time" {
            assert_eq!(fill.entries_max, 64);
            assert!(fill.entries >= reading.groups.len() as u64, "{fill:?}");
        }
    }
    let names: Vec<_> = cpu.maps().iter().map(|fill| fill.map).collect();
    assert_eq!(names, ["cpu_time", "ended_tasks"], "of what is counted");
    let late = sum(&reading);
    let listed = reading
        .groups
        .iter()
        .filter(|one| ids.contains(&one.group.cgroup));
    // The kernel may free a task after its group was taken out: what it then
    // books makes a new entry, which stays while the map has room.
    assert!(listed.count() < ids.len() / 2, "they are listed no more");
    assert!(reading.retired + late >= before.mul_f64(0.9999));
    assert!(late < before.mul_f64(0.05), "their time moved: {late:?}");
}

#[test]
fn a_reading_walks_every_task_of_the_node() {
    let before = resident_kib();
    let Some(mut cpu) = open(EbpfOptions::default()) else {
        return;
    };
    let mut costs: Vec<Duration> = (0..50).map(|_| cpu.read().unwrap().cost).collect();
    costs.sort_unstable();
    let reading = cpu.read().unwrap();
    eprintln!(
        "reading: {} tasks in {} groups, median {:.0} us, worst {:.0} us; resident {} KiB before, {} \
         KiB after",
        reading.looked_at,
        reading.groups.len(),
        costs[25].as_secs_f64() * 1e6,
        costs[49].as_secs_f64() * 1e6,
        before,
        resident_kib()
    );
    assert!(reading.looked_at > 50, "{} tasks", reading.looked_at);
}

/// Memory of the process's own, without the program's file.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok())
        .unwrap()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
