use serde_json::json;
use tanso_power::sample::Measured;

use super::types::PRIOR;
use super::*;
use crate::learn::Observation;
use crate::learn::drift::Drift;
use crate::learn::validate::Verdict;
use crate::samples::{Accepted, Typed};

fn batch(node: &str, at_s: i64) -> Accepted {
    let observation = Observation {
        at_s,
        utilisation: 0.5,
        watts: 123.0,
        ..Observation::default()
    };
    Accepted {
        node: node.to_owned(),
        machine: "{}".to_owned(),
        types: vec![Typed {
            name: "kind".to_owned(),
            measured: Measured::Rapl,
            samples: vec![(observation, "{}".to_owned())],
        }],
    }
}

fn promotion(digest: &str) -> types::Promotion {
    types::Promotion {
        type_name: "kind".to_owned(),
        document: documents::Kept {
            digest: digest.to_owned(),
            name: "n".to_owned(),
            tier: "learned".to_owned(),
            body: digest.as_bytes().to_vec(),
        },
        replaced: PRIOR.to_owned(),
        learned_until_s: 7,
        verdict: Verdict::default(),
    }
}

#[test]
fn a_sample_is_kept_once_and_expires() {
    let store = Store::open(None).unwrap();
    let keep = |node: &str, at_s| {
        let batch = batch(node, at_s);
        store
            .call_blocking(move |t| samples::keep(t, &batch, 100))
            .unwrap()
            .unwrap()
    };
    assert_eq!(keep("a", 10).accepted, 1);
    assert_eq!(keep("a", 10).duplicates, 1);
    keep("a", 20);
    keep("b", 30);
    let nodes = store
        .call_blocking(|t| samples::of_type(t, "kind", 10))
        .unwrap();
    assert_eq!(
        nodes
            .iter()
            .map(|node| node.name.as_str())
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(
        store.call_blocking(|t| samples::expire(t, 15, 1)).unwrap(),
        2
    );
    let left = store
        .call_blocking(|t| samples::of_type(t, "kind", 0))
        .unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].name, "b");
}

#[test]
fn a_promotion_serves_until_a_pin_says_otherwise() {
    let store = Store::open(None).unwrap();
    let first = batch("a", 10);
    store
        .call_blocking(move |t| samples::keep(t, &first, 100))
        .unwrap();
    let serves = || {
        store
            .call_blocking(|t| types::get(t, "kind"))
            .unwrap()
            .unwrap()
            .in_service
    };
    assert_eq!(serves(), PRIOR);
    for digest in ["sha256:1", "sha256:2"] {
        let promotion = promotion(digest);
        store
            .call_blocking(move |t| types::promote(t, &promotion, 100))
            .unwrap();
    }
    assert_eq!(serves(), "sha256:2");
    for (pinned, served) in [
        (Some("sha256:1"), "sha256:1"),
        (Some(PRIOR), PRIOR),
        (None, "sha256:2"),
    ] {
        assert!(
            store
                .call_blocking(move |t| types::pin(t, "kind", pinned))
                .unwrap()
        );
        assert_eq!(serves(), served);
    }
    assert!(
        !store
            .call_blocking(|t| types::pin(t, "kind", Some("sha256:9")))
            .unwrap()
    );
    assert!(
        !store
            .call_blocking(|t| types::pin(t, "unkind", None))
            .unwrap()
    );
    let body = store
        .call_blocking(|t| documents::get(t, "sha256:1"))
        .unwrap();
    assert_eq!(body.unwrap(), b"sha256:1");
}

#[test]
fn a_drift_counts_until_a_better_model_is_promoted() {
    let store = Store::open(None).unwrap();
    let first = batch("a", 10);
    store
        .call_blocking(move |t| samples::keep(t, &first, 100))
        .unwrap();
    let drifting = || store.call_blocking(types::drifting).unwrap();
    assert_eq!(drifting(), 0);
    let drift = Drift {
        since_s: 20,
        found_s: 30,
        ratio: 1.1,
    };
    store
        .call_blocking(move |t| types::set_drift(t, "kind", &drift))
        .unwrap();
    assert_eq!(drifting(), 1);
    let better = promotion("sha256:1");
    store
        .call_blocking(move |t| types::promote(t, &better, 100))
        .unwrap();
    assert_eq!(drifting(), 0);
    let kept = store.call_blocking(|t| types::get(t, "kind")).unwrap();
    let kept = kept.unwrap();
    assert_eq!((kept.drift, kept.last_drift), (None, Some(drift)));
}

#[test]
fn old_versions_are_forgotten_but_the_pinned_one() {
    let store = Store::open(None).unwrap();
    let first = batch("a", 10);
    store
        .call_blocking(move |t| samples::keep(t, &first, 100))
        .unwrap();
    for number in 0..30 {
        let promotion = promotion(&format!("sha256:{number}"));
        store
            .call_blocking(move |t| types::promote(t, &promotion, 100))
            .unwrap();
        if number == 0 {
            store
                .call_blocking(|t| types::pin(t, "kind", Some("sha256:0")))
                .unwrap();
        }
    }
    let versions = store
        .call_blocking(|t| types::get(t, "kind"))
        .unwrap()
        .unwrap()
        .versions;
    assert_eq!(versions.len(), 21);
    assert_eq!(versions[0].digest, "sha256:29");
    assert_eq!(versions[20].digest, "sha256:0");
}

#[test]
fn what_an_earlier_process_left_is_kept_and_its_jobs_are_interrupted() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(Some(directory.path())).unwrap();
    assert!(matches!(
        Store::open(Some(directory.path())),
        Err(StoreFault::InUse(_))
    ));
    let id = store.call_blocking(|t| jobs::ask(t, None, 5)).unwrap();
    store
        .call_blocking(move |t| jobs::set(t, id, jobs::State::Running, &json!([]), 6))
        .unwrap();
    let copy = directory.path().join("copy.db");
    assert!(backup::backup(directory.path(), &copy).unwrap() > 0);
    assert!(matches!(
        backup::backup(directory.path(), &copy),
        Err(backup::BackupFault::Exists(_))
    ));
    drop(store);
    let store = reopened(directory.path());
    assert_eq!(
        store.call_blocking(|t| jobs::interrupt_all(t, 7)).unwrap(),
        1
    );
    let job = store
        .call_blocking(move |t| jobs::get(t, id))
        .unwrap()
        .unwrap();
    assert_eq!(job.state, jobs::State::Interrupted);
    assert_eq!(job.begun_at.as_deref(), Some("1970-01-01T00:00:06Z"));
}

/// The store's thread lets go of the lock once it has ended.
fn reopened(path: &Path) -> Store {
    loop {
        match Store::open(Some(path)) {
            Err(StoreFault::InUse(_)) => std::thread::yield_now(),
            other => return other.unwrap(),
        }
    }
}
