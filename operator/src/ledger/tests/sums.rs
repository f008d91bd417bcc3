//! Sums that are made while the ledger is read are those of its rows.

use std::collections::BTreeMap;

use super::super::node_places::PlaceNumbers;
use super::*;

/// A chart of a day was drawn of 240,000 rows, each read into memory.
#[test]
fn sums_of_what_counts_are_those_of_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    for node in ["n1", "n2"] {
        book(&mut ledger, &page(node, JOURNAL, 1, 400), now()).unwrap();
    }
    let pod = |uid: &str, kind: &str| PodNames {
        uid: uid.to_owned(),
        namespace: "shop".to_owned(),
        name: uid.to_owned(),
        workload_kind: kind.to_owned(),
        workload_name: "till".to_owned(),
        ..PodNames::default()
    };
    let pods = [pod("pod-2", "Deployment"), pod("pod-3", "CronJob")];
    names::keep(&mut ledger, &pods, now()).unwrap();
    let first = UtcHour::from_unix_seconds(START);
    let period = Period {
        from: first,
        until: first.plus_hours(1),
    };
    let counts = |[namespace, kind, name]: [&str; 3]| {
        assert_eq!((namespace, name), ("shop", "till"));
        kind == "Deployment"
    };
    let place_of = |node: &str| PlaceNumbers::from(usize::from(node == "n2"));
    let (revision, sums) =
        query::sums_of(&mut ledger, &Scope::All, period, &counts, &place_of).unwrap();

    let all = query::of_scope(&mut ledger, &Scope::All, period).unwrap();
    assert_eq!(revision, all.revision);
    let mut expected: BTreeMap<_, Estimate<Joules>> = BTreeMap::new();
    for row in &all.rows {
        if row.pod().is_some_and(|uid| &**uid == "pod-2") {
            let key = (row.hour, place_of(&row.node).at(row.hour), row.provenance);
            let sum = expected.entry(key).or_default();
            *sum = *sum + row.energy;
        }
    }
    let found: BTreeMap<_, _> = sums
        .iter()
        .map(|row| ((row.hour, row.place, row.provenance), row.energy))
        .collect();
    assert_eq!(found.len(), sums.len(), "each sum once");
    assert!(found.len() > 2 && all.rows.len() > found.len());
    assert_eq!(found, expected);
    assert!(
        sums.iter().all(|row| row.hour == first),
        "within the period"
    );
    let shop = Scope::Namespaces(["shop".to_owned()].into());
    let of_shop = query::sums_of(&mut ledger, &shop, period, &counts, &place_of);
    assert_eq!(of_shop.unwrap(), (revision, sums));
    let elsewhere = Scope::Namespaces(["till".to_owned()].into());
    let of_none = query::sums_of(&mut ledger, &elsewhere, period, &counts, &place_of);
    assert_eq!(of_none.unwrap(), (revision, Vec::new()));
}

/// Few rows are sought by the node that their pod is on, many are read in order.
#[test]
fn sums_are_the_same_whether_rows_are_sought_or_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    book(&mut ledger, &page("n1", JOURNAL, 1, 400), now()).unwrap();
    let pod = |uid: &str, node: &str| PodNames {
        uid: uid.to_owned(),
        namespace: "shop".to_owned(),
        name: uid.to_owned(),
        node: node.to_owned(),
        workload_kind: "Deployment".to_owned(),
        workload_name: uid.to_owned(),
        ..PodNames::default()
    };
    let mut sums = Vec::new();
    // A pod whose node is not known makes all of them be read in order.
    for node in ["n1", ""] {
        let pods = [pod("pod-2", "n1"), pod("pod-3", node)];
        names::keep(&mut ledger, &pods, now()).unwrap();
        let all = |_: [&str; 3]| true;
        let found = query::sums_of(&mut ledger, &Scope::All, all_time(), &all, &|_| {
            PlaceNumbers::default()
        });
        sums.push(found.unwrap());
    }
    assert!(sums[0].1.len() > 2);
    assert_eq!(sums[0], sums[1]);
}

/// All hours of a node were summed at the place where it is now.
#[test]
fn what_a_node_used_before_it_moved_is_summed_where_it_was_then() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    book(&mut ledger, &page("n1", JOURNAL, 1, 400), now()).unwrap();
    let pod = PodNames {
        uid: "pod-2".to_owned(),
        namespace: "shop".to_owned(),
        node: "n1".to_owned(),
        workload_kind: "Deployment".to_owned(),
        workload_name: "till".to_owned(),
        ..PodNames::default()
    };
    names::keep(&mut ledger, &[pod], now()).unwrap();
    let moved = UtcHour::from_unix_seconds(START).plus_hours(1);
    let numbers = PlaceNumbers {
        first: 1,
        later: vec![(moved, 2)],
    };
    let all = |_: [&str; 3]| true;
    let place_of = |_: &str| numbers.clone();
    let (_, sums) = query::sums_of(&mut ledger, &Scope::All, all_time(), &all, &place_of).unwrap();
    assert!(sums.iter().any(|row| row.hour < moved) && sums.iter().any(|row| row.hour >= moved));
    for row in sums {
        let place = if row.hour < moved { 1 } else { 2 };
        assert_eq!(row.place, place, "{}", row.hour);
    }
}
