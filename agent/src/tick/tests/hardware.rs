use super::*;
use crate::attribution::weight::Weight;
use crate::kernel::GroupEvents;
use crate::meters::ZoneClass;
use crate::pmu::KINDS;
use crate::snapshot::details::HardwareCounts;

/// What the container counted since the source was opened, beside the node's own
/// processes, each `cycles` and as many thousandths of that in misses.
fn counted(node: &Node, container: u64, system: u64, whole: bool) {
    let own = CgroupId::new(fs::metadata(&node.container).unwrap().ino());
    let groups = [(own, container), (CgroupId::new(u64::MAX), system)];
    let mut groups = groups.map(|(cgroup, cycles)| GroupEvents {
        group: Group {
            cgroup,
            kind: TaskKind::User,
        },
        socket: 0,
        events: [cycles, 0, cycles / 1_000],
    });
    groups.sort_unstable_by_key(|one| one.group);
    *node.counts.lock().unwrap() = Some(CountReading {
        groups: groups.into(),
        whole: [whole; KINDS],
        ..CountReading::default()
    });
}

fn snapshot(cycle: &Cycle) -> Arc<Snapshot> {
    cycle.parts.published.load_full().unwrap()
}

fn share_of_container(snapshot: &Snapshot) -> (u64, u64) {
    let last = |account: &Account| -> u64 {
        let mut accounts = snapshot.books.accounts.iter();
        let book = accounts.find(|book| book.account == *account).unwrap();
        book.last.iter().map(|energy| energy.microjoules()).sum()
    };
    let container = Account::Container {
        pod_uid: POD.into(),
        container_id: "c".repeat(64),
    };
    (last(&container), last(&Account::System))
}

#[test]
fn energy_is_shared_by_counts_of_whole_intervals_and_by_cpu_time_of_others() {
    let mut node = Node::new();
    node.hardware_counters = true;
    counted(&node, 0, 0, true);
    let mut cycle = node.start();
    // All of the CPU time is the container's, and a quarter of the cycles.
    node.pass(1_000);
    node.source_counted(100);
    counted(&node, 1_000_000, 3_000_000, true);
    cycle.tick(node.now);
    let first = snapshot(&cycle);
    let (container, system) = share_of_container(&first);
    assert!(
        container > 0 && system.abs_diff(3 * container) <= 16,
        "{container}, {system}"
    );
    let weights = |snapshot: &Snapshot, class: ZoneClass| -> Option<Weight> {
        let mut zones = snapshot.books.zones.iter();
        zones.find(|zone| zone.zone.class == class)?.shared_by
    };
    assert_eq!(weights(&first, ZoneClass::Package), Some(Weight::Cycles));
    assert_eq!(weights(&first, ZoneClass::Dram), Some(Weight::CacheMisses));
    // Not all of the next interval was counted.
    node.pass(1_000);
    node.source_counted(200);
    counted(&node, 5_000_000, 9_000_000, false);
    cycle.tick(node.now);
    let second = snapshot(&cycle);
    let (container, system) = share_of_container(&second);
    assert!(container > 0 && system == 0, "{container}, {system}");
    assert_eq!(weights(&second, ZoneClass::Package), Some(Weight::CpuTime));
    // What was counted is told all the same.
    let system = second.details.counts.get(&Account::System);
    let told = HardwareCounts {
        cycles: Some(9_000_000),
        instructions: Some(0),
        cache_misses: Some(9_000),
    };
    assert_eq!(system, Some(&told));
    assert_eq!(second.details.counters.len(), KINDS);
}

#[test]
fn without_kernel_programs_the_counters_state_says_so() {
    let mut node = Node::new();
    node.hardware_counters = true;
    let mut cycle = node.start();
    node.pass(1_000);
    cycle.tick(node.now);
    let counters = snapshot(&cycle).details.counters.clone();
    assert_eq!(counters.len(), KINDS);
    for one in counters {
        assert!(
            one.report.state.reason().contains("kernel programs"),
            "{one:?}"
        );
    }
}

#[test]
fn who_does_not_ask_is_told_of_no_counters() {
    let mut node = Node::new();
    let mut cycle = node.start();
    node.pass(1_000);
    cycle.tick(node.now);
    let snapshot = snapshot(&cycle);
    assert!(snapshot.details.counters.is_empty() && snapshot.details.counts.is_empty());
}
