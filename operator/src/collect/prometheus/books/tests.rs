use std::collections::HashMap;

use super::*;

const FIRST: i64 = 6_000;

/// A line of values a minute apart, from `FIRST` on.
fn line(labels: &[(&str, &str)], values: &[f64]) -> Line {
    let metric: HashMap<String, String> = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .chain([("node_name".to_owned(), "n1".to_owned())])
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let values = values
        .iter()
        .enumerate()
        .map(|(index, value)| (FIRST as f64 + index as f64 * 60.0, value.to_string()))
        .collect();
    Line { metric, values }
}

fn zone<'a>(name: &'a str, zone: &'a str) -> [(&'a str, &'a str); 3] {
    let path = "/sys/class/powercap/intel-rapl:0";
    [("__name__", name), ("zone", zone), ("path", path)]
}

fn pod<'a>(uid: &'a str, zone: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("__name__", "kepler_pod_cpu_joules_total"),
        ("pod_id", uid),
        ("pod_name", "web-1"),
        ("pod_namespace", "shop"),
        ("zone", zone),
    ]
}

fn records(lines: &[Line]) -> Vec<Record> {
    by_node(lines)["n1"].records(FIRST, 10)
}

fn energy(records: &[Record], account: &Account) -> Vec<u64> {
    records
        .iter()
        .filter(|record| record.account == *account)
        .map(|record| record.energy_uj.value.microjoules())
        .collect()
}

fn of_pod(uid: &str) -> Account {
    Account::Container {
        pod_uid: uid.to_owned(),
        container_id: WHOLE_POD.to_owned(),
    }
}

#[test]
fn what_neither_pods_nor_idle_take_is_the_systems_and_zones_within_others_do_not_count() {
    let found = records(&[
        line(
            &zone("kepler_node_cpu_joules_total", "package"),
            &[10.0, 20.0],
        ),
        line(&zone("kepler_node_cpu_joules_total", "core"), &[5.0, 12.0]),
        line(&zone("kepler_node_cpu_joules_total", "dram"), &[1.0, 3.0]),
        line(
            &zone("kepler_node_cpu_idle_joules_total", "package"),
            &[4.0, 8.0],
        ),
        line(
            &zone("kepler_node_cpu_idle_joules_total", "core"),
            &[2.0, 4.0],
        ),
        line(&pod("u1", "package"), &[3.0, 6.0]),
        line(&pod("u1", "core"), &[2.0, 5.0]),
        line(&pod("u1", "dram"), &[0.0, 0.5]),
    ]);
    assert_eq!(energy(&found, &of_pod("u1")), [3_500_000]);
    assert_eq!(energy(&found, &Account::Idle), [4_000_000]);
    assert_eq!(energy(&found, &Account::System), [4_500_000]);
    let sequences: Vec<u64> = found.iter().map(|record| record.sequence).collect();
    assert_eq!(sequences, [11, 12, 13]);
    assert!(
        found
            .iter()
            .all(|one| one.provenance == Provenance::Measured && !one.caught_up)
    );
    assert_eq!(found[0].names.namespace.as_deref(), Some("shop"));
}

#[test]
fn the_agents_own_figures_say_total_provenance_bounds_and_model() {
    let own = |name: &'static str, label: &'static str, value: &'static str, values: &[f64]| {
        line(&[("__name__", name), (label, value)], values)
    };
    let total = "tanso_node_cpu_non_overlapping_joules_total";
    let bound = "tanso_node_cpu_bound_joules_total";
    let found = records(&[
        own(total, "provenance", "measured", &[0.0, 0.0]),
        own(total, "provenance", "modelled", &[0.0, 10.0]),
        own(bound, "bound", "low", &[0.0, 5.0]),
        own(bound, "bound", "high", &[0.0, 20.0]),
        own("tanso_account_joules_total", "account", "idle", &[0.0, 6.0]),
        own("tanso_provenance_info", "model", "sha256:abc", &[1.0, 1.0]),
        line(
            &zone("kepler_node_cpu_joules_total", "package"),
            &[0.0, 99.0],
        ),
        line(&pod("u1", "package"), &[1.0, 3.0]),
    ]);
    assert_eq!(energy(&found, &Account::System), [2_000_000]);
    assert!(
        found
            .iter()
            .all(|one| one.provenance == Provenance::Modelled)
    );
    assert_eq!(found[0].model.as_deref(), Some("sha256:abc"));
    let micro = |joules: Joules| joules.microjoules();
    let of_pod = found[0].energy_uj;
    assert_eq!(
        (micro(of_pod.low), micro(of_pod.value), micro(of_pod.high)),
        (1_000_000, 2_000_000, 4_000_000)
    );
}

#[test]
fn a_pod_that_ends_is_counted_once_though_its_counter_goes_on_under_another_state() {
    let mut running = line(&pod("u1", "package"), &[1.0, 2.0]);
    running
        .metric
        .insert("state".to_owned(), "running".to_owned());
    let mut ended = line(&pod("u1", "package"), &[0.0, 0.0, 2.5, 2.5]);
    ended
        .metric
        .insert("state".to_owned(), "terminated".to_owned());
    ended.values.drain(..2);
    let node = line(
        &zone("kepler_node_cpu_joules_total", "package"),
        &[1.0, 3.0, 5.0, 7.0],
    );
    let found = records(&[node, running, ended]);
    assert_eq!(energy(&found, &of_pod("u1")), [1_000_000, 500_000, 0]);
    assert_eq!(
        energy(&found, &Account::System),
        [1_000_000, 1_500_000, 2_000_000]
    );
}

#[test]
fn figures_that_nobody_vouches_for_are_not_called_measured() {
    assert_eq!(
        provenance_by_path("/sys/class/powercap/intel-rapl:0"),
        Provenance::Measured
    );
    assert_eq!(
        provenance_by_path("/sys/class/powercap/intel-rapl/energy_package"),
        Provenance::Simulated
    );
    assert_eq!(provenance_by_path("http://somewhere"), Provenance::Modelled);
    let mut node = line(
        &zone("kepler_node_cpu_joules_total", "package"),
        &[1.0, 3.0],
    );
    node.metric
        .insert("path".to_owned(), "elsewhere".to_owned());
    let found = records(&[node]);
    let energy = found[0].energy_uj;
    assert_eq!(found[0].provenance, Provenance::Modelled);
    assert_eq!(
        (energy.low, energy.high),
        (Joules::ZERO, Joules::from_microjoules(4_000_000))
    );
}

#[test]
fn pods_without_their_nodes_counters_are_booked_and_nothing_is_added() {
    let found = records(&[line(&pod("u1", "package"), &[1.0, 3.0])]);
    assert_eq!(energy(&found, &of_pod("u1")), [2_000_000]);
    assert_eq!(found.len(), 1);
}

#[test]
fn more_in_pods_than_in_the_node_is_taken_from_what_comes_after() {
    let found = records(&[
        line(
            &zone("kepler_node_cpu_joules_total", "package"),
            &[0.0, 2.0, 6.0],
        ),
        line(&pod("u1", "package"), &[0.0, 3.0, 4.0]),
    ]);
    let all: u64 = found
        .iter()
        .map(|record| record.energy_uj.value.microjoules())
        .sum();
    assert_eq!(energy(&found, &Account::System), [0, 2_000_000]);
    assert_eq!(all, 6_000_000);
}
