use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tanso_agent_wire::energy::{Account, Record};
use tanso_power::Joules;
use tempfile::TempDir;

use super::*;
use crate::host::Hierarchies;
use crate::journal::Journal;
use crate::kernel::{
    CountReading, CpuReading, Group, GroupTime, KernelError, Losses, Rung, TaskKind,
};
use crate::meters::{Meter, fake::Fake};
use crate::pmu::{self, CounterReport, CounterState};
use crate::settings::IdleSharing;
use crate::workloads::CgroupId;

mod clock;
mod guests;
mod hardware;

const BEGIN_MS: i64 = 1_800_000_003_000;
/// The fake meter's package and memory.
const WATTS: u64 = 24;
const POD: &str = "0c4b1a52-3a5b-4c77-8f4e-5f2b6d7e8a90";

/// A source of CPU time that a test sets. A new one starts at zero, as the
/// kernel programs do.
struct Scripted {
    groups: Arc<Mutex<Vec<GroupTime>>>,
    counts: Arc<Mutex<Option<CountReading>>>,
    root: PathBuf,
}

impl CpuTime for Scripted {
    fn read(&mut self) -> Result<CpuReading, KernelError> {
        Ok(CpuReading {
            at: Instant::now(),
            groups: self.groups.lock().unwrap().clone(),
            sockets: Vec::new(),
            births: Vec::new(),
            removals: Vec::new(),
            processes: Vec::new(),
            counts: self.counts.lock().unwrap().clone(),
            tree_changed: true,
            tree_told: false,
            overflow: Duration::ZERO,
            retired: Duration::ZERO,
            looked_at: 0,
            losses: Losses::default(),
            cost: Duration::ZERO,
        })
    }

    fn rung(&self) -> Rung {
        Rung::Ebpf
    }

    fn explain(&self) -> String {
        String::new()
    }

    fn group_root(&self) -> Option<PathBuf> {
        Some(self.root.clone())
    }

    fn kernel_truth(&mut self, _: CgroupId) -> Option<Duration> {
        None
    }

    fn counters(&self) -> Vec<CounterReport> {
        let counts = self.counts.lock().unwrap();
        let counting = counts.iter();
        counting
            .flat_map(|_| pmu::all_in(&CounterState::Active))
            .collect()
    }
}

/// A machine of files, and the agent's state directory on it.
struct Node {
    machine: TempDir,
    state: TempDir,
    container: PathBuf,
    groups: Arc<Mutex<Vec<GroupTime>>>,
    counts: Arc<Mutex<Option<CountReading>>>,
    hardware_counters: bool,
    names: Arc<NameTable>,
    idle: IdleRule,
    now: Now,
    busy_ticks: u64,
    clock_is_kept: bool,
}

impl Node {
    fn new() -> Self {
        let machine = tempfile::tempdir().unwrap();
        let cgroup = machine.path().join("sys/fs/cgroup");
        let container = cgroup.join(format!("kubepods/pod{POD}/{}", "c".repeat(64)));
        fs::create_dir_all(&container).unwrap();
        fs::create_dir_all(machine.path().join("proc")).unwrap();
        fs::write(cgroup.join("cgroup.controllers"), "cpu").unwrap();
        fs::write(cgroup.join("cgroup.subtree_control"), "cpu memory").unwrap();
        fs::write(cgroup.join("cpu.stat"), "usage_usec 0\n").unwrap();
        let node = Self {
            machine,
            state: tempfile::tempdir().unwrap(),
            container,
            groups: Arc::default(),
            counts: Arc::default(),
            hardware_counters: false,
            names: Arc::default(),
            idle: IdleRule::default(),
            now: Now {
                boot_ns: 77_000_000_001,
                unix_ms: BEGIN_MS,
            },
            busy_ticks: 100,
            clock_is_kept: true,
        };
        node.write();
        node.container_used(0);
        node
    }

    fn write(&self) {
        let idle_ticks = self.now.boot_ns / 10_000_000;
        let stat = format!(
            "cpu {} 0 0 {idle_ticks} 0 0 0 0\ncpu0 1 0 0 1\n",
            self.busy_ticks
        );
        fs::write(self.machine.path().join("proc/stat"), stat).unwrap();
    }

    /// What the kernel counted in the container since it was made.
    fn container_used(&self, milliseconds: u64) {
        let text = format!("usage_usec {}\n", milliseconds * 1_000);
        fs::write(self.container.join("cpu.stat"), text).unwrap();
    }

    /// What is charged to the container, of it a hundred bytes of idle file pages.
    fn container_holds(&self, bytes: u64) {
        fs::write(self.container.join("memory.current"), bytes.to_string()).unwrap();
        fs::write(self.container.join("memory.stat"), "inactive_file 100\n").unwrap();
    }

    /// What the source counted in the container since it was opened.
    fn source_counted(&self, milliseconds: u64) {
        let cgroup = CgroupId::new(fs::metadata(&self.container).unwrap().ino());
        let group = Group {
            cgroup,
            kind: TaskKind::User,
        };
        *self.groups.lock().unwrap() = vec![GroupTime {
            group,
            cpu: Duration::from_millis(milliseconds),
        }];
    }

    /// Time passes, and a tenth of it is busy.
    fn pass(&mut self, milliseconds: u64) {
        self.now.boot_ns += milliseconds * 1_000_000;
        self.now.unix_ms += i64::try_from(milliseconds).unwrap();
        self.busy_ticks += milliseconds / 100;
        self.write();
    }

    fn start(&self) -> Cycle {
        self.groups.lock().unwrap().clear();
        let roots = HostRoots::under(self.machine.path());
        let journal = Journal::open(self.state.path(), JournalId(5)).unwrap();
        let (checkpoint, saved) = Checkpoint::open(self.state.path()).unwrap();
        let fake: Box<dyn Meter> = Box::new(Fake::default());
        let parts = Parts {
            cpu: Box::new(Scripted {
                groups: Arc::clone(&self.groups),
                counts: Arc::clone(&self.counts),
                root: roots.cgroup.clone(),
            }),
            usage: Hierarchies::detect(&roots).usage(),
            memory: MemoryFiles::detect(&roots),
            roots,
            bench: Bench::new(vec![fake], Vec::new()),
            checkpoint,
            journal: Arc::new(journal),
            names: Arc::clone(&self.names),
            idle: self.idle,
            processes: None,
            hardware_counters: self.hardware_counters,
            published: Arc::new(Published::empty()),
            boot_id: Some("this boot".into()),
            clock_is_kept: if self.clock_is_kept {
                || true
            } else {
                || false
            },
        };
        Cycle::start(parts, saved, self.now).unwrap()
    }

    fn newest(&self, beginning: &str) -> PathBuf {
        let entries = fs::read_dir(self.state.path())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let named = entries.filter(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(beginning)
        });
        named.max().unwrap()
    }

    /// Cuts the end of the newest checkpoint of those that take turns.
    fn tear_checkpoint(&self, turn: u64) {
        let name = if turn.is_multiple_of(2) {
            "checkpoint.a"
        } else {
            "checkpoint.b"
        };
        let path = self.state.path().join(name);
        cut(&path, 17);
    }
}

fn cut(path: &Path, bytes: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(bytes)).unwrap();
}

fn records(cycle: &Cycle) -> Vec<Record> {
    cycle.parts.journal.page(None, usize::MAX).unwrap().records
}

fn total_of(records: &[Record]) -> Joules {
    records.iter().map(|record| record.energy_uj.value).sum()
}

#[test]
fn a_kill_at_any_point_loses_no_energy_and_charges_none_twice() {
    let mut node = Node::new();
    let begin_ns = node.now.boot_ns;
    let mut cycle = node.start();
    let mut shown = Joules::ZERO;
    for step in 0..400_u64 {
        node.pass(700 + step % 7 * 100);
        let before = cycle.parts.journal.last_sequence();
        cycle.tick(node.now);
        let snapshot = cycle.parts.published.load_full().unwrap();
        assert!(
            snapshot.books.total() >= shown,
            "a total fell at step {step}"
        );
        shown = snapshot.books.total();
        let closed = cycle.parts.journal.last_sequence() > before;
        match step % 5 {
            2 => {
                // Killed while the state was written.
                drop(cycle);
                node.tear_checkpoint(step / 5);
                node.pass(300);
                cycle = node.start();
            }
            3 => {
                // Killed while records were appended, or before.
                drop(cycle);
                if closed {
                    cut(&node.newest("energy-"), 1 + step % 60);
                }
                node.pass(2_500);
                cycle = node.start();
            }
            4 => {
                // Killed between two readings.
                drop(cycle);
                node.pass(5_000);
                cycle = node.start();
            }
            _ => {}
        }
    }
    // Two minutes more, so that everything before is closed.
    for _ in 0..3 {
        node.pass(60_000);
        cycle.tick(node.now);
    }
    let elapsed_ns = node.now.boot_ns - begin_ns;
    let true_uj = u128::from(WATTS) * u128::from(elapsed_ns) / 1_000;
    let total = cycle.state.books.total();
    let off = true_uj.abs_diff(u128::from(total.microjoules()));
    assert!(
        off <= 2,
        "two zones keep less than a microjoule each: {off}"
    );
    let records = records(&cycle);
    let sequences: Vec<u64> = records.iter().map(|record| record.sequence).collect();
    assert_eq!(
        sequences,
        (1..=cycle.parts.journal.last_sequence()).collect::<Vec<_>>()
    );
    assert!(records.is_sorted_by_key(|record| record.minute));
    let open = total.saturating_sub(total_of(&records));
    let last = Joules::from_microjoules(WATTS * 60 * 1_000_000);
    assert_eq!(
        open, last,
        "all but the last minute's energy is in the journal"
    );
    assert!(records.iter().any(|record| record.caught_up));
}

#[test]
fn what_ran_while_the_agent_was_away_is_charged_from_the_kernels_counters() {
    let mut node = Node::new();
    let mut cycle = node.start();
    node.pass(1_000);
    node.container_used(500);
    node.source_counted(500);
    cycle.tick(node.now);
    let account = |cycle: &Cycle| {
        let of_pod = |account: &Account| matches!(account, Account::Container { pod_uid, .. } if pod_uid == POD);
        cycle
            .state
            .books
            .accounts
            .iter()
            .find(|book| of_pod(&book.account))
            .unwrap()
            .clone()
    };
    assert_eq!(account(&cycle).cpu_ns, 500_000_000);
    drop(cycle);
    // A hundred seconds away: ten of them busy, three of these the container's.
    node.pass(100_000);
    node.container_used(3_500);
    let mut cycle = node.start();
    assert_eq!(account(&cycle).cpu_ns, 3_500_000_000);
    let gap_uj = WATTS * 100 * 1_000_000;
    assert_eq!(cycle.state.books.caught_up.microjoules(), gap_uj);
    // A second start charges nothing twice.
    drop(cycle);
    cycle = node.start();
    assert_eq!(account(&cycle).cpu_ns, 3_500_000_000);
    node.pass(60_000);
    cycle.tick(node.now);
    node.pass(60_000);
    cycle.tick(node.now);
    let of_gap: Vec<Record> = records(&cycle)
        .into_iter()
        .filter(|record| record.caught_up)
        .collect();
    assert_eq!(total_of(&of_gap).microjoules(), gap_uj);
    let container = of_gap
        .iter()
        .find(|record| matches!(record.account, Account::Container { .. }));
    assert_eq!(container.unwrap().cpu_us, 3_000_000);
}

#[test]
fn a_minutes_record_carries_the_most_memory_that_was_seen_in_it() {
    let mut node = Node::new();
    let mut cycle = node.start();
    let mut worked = 0;
    // Readings 23, 43 and 63 s after a minute's begin; the third still closes it.
    let looks = [
        5_000, 9_000, 3_000, 2_000, 2_500, 1_100, 0, 0, 0, 0, 700, 700, 700,
    ];
    for bytes in looks {
        if bytes == 0 {
            // As the kernel has it: who keeps the file open has nothing to read either.
            let counter = node.container.join("memory.current");
            let _ = fs::write(&counter, "");
            let _ = fs::remove_file(&counter);
        } else {
            node.container_holds(bytes);
        }
        worked += 10;
        node.pass(20_000);
        node.container_used(worked);
        node.source_counted(worked);
        cycle.tick(node.now);
    }
    node.pass(60_000);
    cycle.tick(node.now);
    let mut peaks = Vec::new();
    for minute in records(&cycle).chunk_by(|a, b| a.minute == b.minute) {
        let mut carried = minute.iter().filter(|one| one.memory_peak_bytes.is_some());
        let first = carried.next();
        assert!(
            first.is_none_or(|one| matches!(one.account, Account::Container { .. })),
            "{first:?}"
        );
        assert_eq!(
            carried.next(),
            None,
            "containers are added up: one record each"
        );
        peaks.push(first.and_then(|one| one.memory_peak_bytes));
    }
    let expected = [Some(8_900), Some(2_400), None, Some(600)];
    assert_eq!(peaks, expected);
}

#[test]
fn a_new_boot_charges_nothing_for_the_time_between_and_totals_go_on() {
    let mut node = Node::new();
    let mut cycle = node.start();
    node.pass(5_000);
    cycle.tick(node.now);
    let before = cycle.state.books.total();
    drop(cycle);
    let (mut checkpoint, saved) = Checkpoint::open(node.state.path()).unwrap();
    let mut saved = saved.unwrap();
    saved.boot_id = Some("another boot".into());
    checkpoint.write(&saved, false).unwrap();
    node.pass(3_600_000);
    let mut cycle = node.start();
    assert_eq!(cycle.state.books.total(), before);
    node.pass(1_000);
    cycle.tick(node.now);
    assert_eq!(
        (cycle.state.books.total().saturating_sub(before)).microjoules(),
        WATTS * 1_000_000
    );
}

#[test]
fn a_day_away_is_booked_hour_by_hour() {
    let mut node = Node::new();
    let mut cycle = node.start();
    node.pass(1_000);
    cycle.tick(node.now);
    drop(cycle);
    node.pass(24 * 3_600_000);
    let mut cycle = node.start();
    node.pass(61_000);
    cycle.tick(node.now);
    let records = records(&cycle);
    let hours: BTreeSet<i64> = records.iter().map(|record| record.minute / 3_600).collect();
    assert!(hours.len() >= 24, "{}", hours.len());
    for hour in hours.iter().skip(1).take(22) {
        let of_hour = records
            .iter()
            .filter(|record| record.minute / 3_600 == *hour);
        let sum: Joules = of_hour.map(|record| record.energy_uj.value).sum();
        let off = sum.microjoules().abs_diff(WATTS * 3_600 * 1_000_000);
        assert!(
            off <= 4,
            "a share per account is off by less than a microjoule: {off}"
        );
    }
}

#[test]
fn readings_are_further_apart_where_they_cost_much() {
    let second = Duration::from_secs(1);
    assert_eq!(pace(second, Duration::from_micros(500)), second);
    // 100,000 threads.
    assert_eq!(pace(second, Duration::from_millis(20)), second * 10);
    assert_eq!(pace(second, Duration::from_secs(9)), second * 60);
    let short = Duration::from_millis(100);
    assert_eq!(pace(short, Duration::from_micros(500)), short * 3);
}

#[test]
fn idle_energy_goes_by_requests_and_what_nobody_requested_stays_apart() {
    let mut node = Node::new();
    node.idle = IdleRule {
        sharing: IdleSharing::Requests,
        processors: 2,
        ..IdleRule::default()
    };
    let container = "c".repeat(64);
    let mut named = crate::names::PodNames::default();
    named.containers.insert(container.clone(), "web".to_owned());
    named.millicores.insert("web".to_owned(), 500);
    node.names.set(POD, named);
    let mut cycle = node.start();
    node.pass(10_000);
    cycle.tick(node.now);
    let books = &cycle.state.books;
    let account = Account::Container {
        pod_uid: POD.into(),
        container_id: container,
    };
    let of = |wanted: &Account| {
        let mut accounts = books.accounts.iter();
        let book = accounts.find(|book| book.account == *wanted).unwrap();
        book.total.microjoules()
    };
    // Half a processor of two: a quarter, of each zone a rounded one.
    let idle_uj = of(&account) + of(&Account::Idle);
    assert!(idle_uj > 0);
    let zones = u64::try_from(books.zones.len()).unwrap();
    let off = (of(&account) * 4).abs_diff(idle_uj);
    assert!(off <= 4 * zones, "{off}");
}
