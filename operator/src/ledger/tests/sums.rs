//! Sums that are made while the ledger is read are those of its rows.

use std::collections::BTreeMap;

use super::*;
use crate::ledger::PlaceNumbers;

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
    let counts = |pod: &PodNames| pod.workload_kind == "Deployment";
    let place_of = |node: &str| usize::from(node == "n2");
    let places = |node: &str| PlaceNumbers::from(place_of(node));
    let (revision, sums) =
        query::sums_of(&mut ledger, &Scope::All, period, &counts, &places).unwrap();

    let all = query::of_scope(&mut ledger, &Scope::All, period).unwrap();
    assert_eq!(revision, all.revision);
    let mut expected: BTreeMap<_, Estimate<Joules>> = BTreeMap::new();
    for row in &all.rows {
        if row.pod().is_some_and(|uid| &**uid == "pod-2") {
            let key = (row.hour, place_of(&row.node), row.provenance);
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
}
