//! Why there is no advice: of each workload in words, of all by kind and reason.

use super::super::super::words;
use super::*;

/// The reasons stood in the debug log only.
#[test]
fn why_there_is_no_advice_stands_in_words_in_the_status_and_by_its_reason_in_the_pages() {
    let mut few = snapshot();
    few.cpu_minutes = few
        .cpu_minutes
        .pods()
        .flat_map(|(pod, minutes)| minutes.iter().take(3).map(|one| (Arc::clone(pod), *one)))
        .collect();
    // Without a finished run, nothing is known of the job.
    for pod in few.pods.values_mut() {
        pod.finished_at = None;
    }
    let (policy, found) = evaluate(&spec(IntensitySource::Static), &few);
    let reason = |name: &str| {
        let why = &workload(&found, name).no_advice;
        why.iter()
            .map(|why| (why.action.as_str(), why.reason.as_str()))
            .collect::<Vec<_>>()
    };
    assert_eq!(reason("api"), [("Rightsize", "TooFewSamples")]);
    let etl = [("ShiftInTime", "NoEnergy"), ("Rightsize", "TooFewSamples")];
    assert_eq!(reason("etl"), etl);
    let said = words::answer(&policy, &found);
    assert!(
        said.contains("No advice: Deployment api has none of kind Rightsize, since"),
        "{said}"
    );
    let flat = evaluate(&spec(IntensitySource::Static), &snapshot()).1;
    let etl = &workload(&flat, "etl").no_advice[0];
    assert_eq!(etl.action, "ShiftInTime");
    assert!(!etl.message.is_empty() && etl.message.len() <= 256);
    let owner = Owner {
        name: "p".into(),
        uid: "u".into(),
        reference: OwnerReference::default(),
    };
    let through = Timestamp::from_second(THROUGH).unwrap();
    let pages = apply::pages(&owner, &found, through, 41);
    let rows = pages.iter().flat_map(|page| &page.spec.workloads);
    let of_pages: Vec<_> = rows.flat_map(|row| &row.no_advice).collect();
    assert!(of_pages.iter().all(|why| why.message.is_empty()));
    let told = found.workloads.iter().flat_map(|one| &one.no_advice);
    assert!(
        told.map(|why| (&why.action, &why.reason))
            .eq(of_pages.iter().map(|why| (&why.action, &why.reason)))
    );
}

/// Of kinds that nothing was advised of nothing was said, least of all about
/// nodes.
#[test]
fn every_kind_of_advice_is_advised_or_counted_with_its_reason() {
    let (policy, found) = evaluate(&spec(IntensitySource::Static), &snapshot());
    let said: Vec<_> = found
        .no_advice
        .iter()
        .map(|why| (why.action.as_str(), why.reason.as_str(), why.workloads))
        .collect();
    let wanted = [
        ("Consolidate", "NotApplicable", 0),
        ("FewerReplicas", "NotAsked", 2),
        ("MoveRegion", "NotAsked", 3),
        ("ShiftInTime", "NotApplicable", 2),
        ("ShiftInTime", "SavesTooLittle", 1),
    ];
    for line in wanted {
        assert!(said.contains(&line), "{line:?}: {said:?}");
    }
    let shift = found
        .no_advice
        .iter()
        .find(|why| why.reason == "SavesTooLittle");
    let example = &shift.unwrap().example;
    assert!(
        example.starts_with("CronJob shop/etl: ") && example.contains("0.0 %"),
        "{example}"
    );
    let nodes = &found.no_advice[0].example;
    assert_eq!(nodes, "nodes that are known: 0, so none can go");
    let data_through = Timestamp::from_second(THROUGH).unwrap();
    let inputs = Inputs {
        policy: &policy,
        snapshot: &snapshot(),
        facts: &Cluster,
        window: window(data_through, 24),
        data_through,
        expected_nodes: &["n1".to_owned()].into(),
        idle_sharing: &BTreeMap::new(),
        is_whole: false,
    };
    let of_namespace = judge(&inputs).no_advice;
    assert!(
        of_namespace[0].example.contains("ClusterCarbonPolicy"),
        "{of_namespace:?}"
    );
}
