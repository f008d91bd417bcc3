use std::sync::Arc;

use serde_json::json;
use tanso_carbon::calendar::UtcHour;
use tanso_power::{Estimate, Provenance};

use super::*;
use crate::view::EnergyHour;

const GIB: u64 = 1 << 30;

fn node(name: &str, pool: &str, cpu: &str, memory: &str) -> Node {
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"pool": pool}},
        "status": {"allocatable": {"cpu": cpu, "memory": memory}},
    }))
    .unwrap()
}

fn monitor(pool: &str, sharing: &str) -> PowerMonitor {
    serde_json::from_value(json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "PowerMonitor", "metadata": {"name": pool},
        "spec": {"agent": {"nodeSelector": {"pool": pool}, "idleSharing": sharing}},
    }))
    .unwrap()
}

fn key(name: &str) -> WorkloadKey {
    WorkloadKey {
        namespace: "shop".to_owned(),
        kind: "Deployment".to_owned(),
        name: name.to_owned(),
    }
}

fn row(node: &str, account: EnergyAccount, uj: u64) -> EnergyHour {
    EnergyHour {
        hour: UtcHour::from_unix_seconds(0),
        node: Arc::from(node),
        account,
        provenance: Provenance::Measured,
        energy: Estimate::exact(Joules::from_microjoules(uj)),
        cpu_us: 0,
        minutes: 60,
        asked_millicore_seconds: 0,
    }
}

/// `api` runs on `a` and `b`, `other` on `c`, which idles most.
fn energy() -> Energy {
    let idle = || EnergyAccount::Named(Arc::from("idle"));
    let of = |name: &str| EnergyAccount::Workload(Arc::new(key(name)));
    Energy {
        revision: None,
        rows: vec![
            row("a", idle(), 1_000),
            row("b", idle(), 3_000),
            row("c", idle(), 900_000),
            row("a", of("api"), 5),
            row("b", of("api"), 5),
            row("c", of("other"), 5),
        ],
    }
}

fn nodes() -> Vec<Node> {
    vec![
        node("a", "x", "4", "16Gi"),
        node("b", "x", "8000m", "50331648Ki"),
        node("c", "y", "2", "8Gi"),
    ]
}

#[test]
fn the_mean_is_of_the_nodes_that_the_workload_ran_on() {
    let found = mean(&nodes(), &[], &energy(), &key("api")).unwrap();
    assert_eq!(found.idle.idle_per_day, Joules::from_microjoules(48_000));
    assert_eq!(found.idle.allocatable_millicores, 6_000);
    assert_eq!(found.allocatable_bytes, 32 * GIB);
    let any = mean(&nodes(), &[], &energy(), &key("unseen")).unwrap();
    assert!(any.idle.idle_per_day > found.idle.idle_per_day);
    assert!(mean(&[], &[], &energy(), &key("api")).is_err());
}

/// Idle energy was shared by CPU requests whatever the monitor said.
#[test]
fn the_rule_is_that_of_the_monitor_of_its_nodes() {
    let by = |monitors: &[PowerMonitor], name: &str| {
        mean(&nodes(), monitors, &energy(), &key(name)).map(|found| found.sharing)
    };
    let monitors = [monitor("x", "Use"), monitor("y", "Requests")];
    assert_eq!(by(&monitors, "api"), Ok(IdleSharing::CpuTime));
    assert_eq!(by(&monitors, "other"), Ok(IdleSharing::CpuRequests));
    let apart = [monitor("x", "Apart")];
    assert_eq!(by(&apart, "api"), Ok(IdleSharing::LargerShare));
    assert_eq!(by(&[], "api"), Ok(IdleSharing::LargerShare));
    let why = by(&monitors, "unseen").unwrap_err();
    assert!(why.contains("different rules"), "{why}");
}
