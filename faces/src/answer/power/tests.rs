use std::sync::Arc;

use serde_json::json;
use tanso_carbon::regulation::BUNDLED;
use tanso_carbon::{RuleSet, UtcHour};
use tanso_crds::CarbonPolicy;
use tanso_power::{Estimate, Joules, Provenance};

use super::*;
use crate::view::given::Given;
use crate::view::{Energy, Policy};

/// What was used on a node in so many minutes at a mean power; idle without a workload.
fn row(node: &str, workload: Option<(&str, &str)>, minutes: u64, power_mw: u64) -> EnergyHour {
    let account = match workload {
        None => EnergyAccount::Named(Arc::from("idle")),
        Some((namespace, name)) => EnergyAccount::Workload(Arc::new(WorkloadKey {
            namespace: namespace.to_owned(),
            kind: "Job".to_owned(),
            name: name.to_owned(),
        })),
    };
    EnergyHour {
        hour: UtcHour::from_unix_seconds(7_200),
        node: Arc::from(node),
        account,
        provenance: Provenance::Modelled,
        energy: Estimate::exact(Joules::from_microjoules(power_mw * 1_000 * minutes * 60)),
        cpu_us: 0,
        minutes,
        asked_millicore_seconds: 0,
    }
}

fn facts(rows: Vec<EnergyHour>) -> Given {
    Given {
        now: "1970-01-01T02:45:00Z".parse().unwrap(),
        rules: Arc::new(RuleSet::try_from_files(BUNDLED.iter().copied()).unwrap()),
        energy: Some(Energy {
            revision: Some(1),
            rows,
        }),
        ..Given::default()
    }
}

async fn ask(facts: &Given, by: By, namespace: Option<&str>) -> Power {
    let question = Question {
        namespace: namespace.map(str::to_owned),
        by,
        limit: None,
    };
    power(facts, &question).await.unwrap()
}

fn told(found: &Power) -> Vec<(&str, i64)> {
    let lines = found.lines.iter();
    lines.map(|line| (&*line.name, line.milliwatts)).collect()
}

/// A line's energy of all nodes was divided by the longest time of any: 40 W
/// by node were 22.5 W by namespace.
#[tokio::test]
async fn all_power_is_the_same_by_node_by_namespace_and_by_workload() {
    let job = Some(("shop", "import"));
    let rows = ["n1", "n2"].into_iter().zip([40, 5]);
    let rows = rows.flat_map(|(node, minutes)| {
        [
            row(node, None, minutes, 10_000),
            row(node, job, minutes, 10_000),
        ]
    });
    let facts = facts(rows.collect());
    let by_node = ask(&facts, By::Node, None).await;
    assert_eq!(told(&by_node), [("n1", 20_000), ("n2", 20_000)]);
    let by_namespace = ask(&facts, By::Namespace, None).await;
    assert_eq!(told(&by_namespace), [("(idle)", 20_000), ("shop", 20_000)]);
    let by_workload = ask(&facts, By::Workload, None).await;
    let title = "Job shop/import";
    assert_eq!(told(&by_workload), [("(idle)", 20_000), (title, 20_000)]);
    for found in [by_node, by_namespace, by_workload] {
        assert_eq!(found.total_milliwatts, 40_000);
    }
}

/// Lines are rounded: their sum is another by each of them, the total is not.
#[tokio::test]
async fn odd_minutes_and_amounts_have_one_total() {
    let rows = (0..40_u64).map(|index| {
        let (node, name) = (format!("n{}", index % 7), format!("job-{}", index % 11));
        let space = format!("space-{}", index % 3);
        let workload = (index % 5 > 0).then_some((&*space, &*name));
        let minutes = [7, 11, 13, 29, 37, 59, 60][usize::try_from(index % 7).unwrap()];
        let mut row = row(&node, workload, minutes, 1);
        row.energy = Estimate::exact(Joules::from_microjoules(1_234_567 * (index + 1)));
        row
    });
    let facts = facts(rows.collect());
    let total = ask(&facts, By::Node, None).await.total_milliwatts;
    assert!(total > 0);
    for by in [By::Namespace, By::Workload] {
        assert_eq!(ask(&facts, by, None).await.total_milliwatts, total);
    }
}

/// A job that was there for two minutes of forty had 0.5 W, and 10 W where its
/// namespace was named.
#[tokio::test]
async fn a_workload_has_the_same_power_with_its_namespace_and_without() {
    let job = row("n1", Some(("shop", "import")), 2, 10_000);
    let facts = facts(vec![row("n1", None, 40, 10_000), job]);
    let all = ask(&facts, By::Workload, None).await;
    let own = ask(&facts, By::Workload, Some("shop")).await;
    assert_eq!(told(&all), [("(idle)", 10_000), ("Job shop/import", 500)]);
    // Nothing of what others used is in it.
    assert_eq!(told(&own), [("Job shop/import", 500)]);
    assert_eq!((own.total, own.total_milliwatts), (1, 500));
    assert_eq!(own.hour, all.hour);
}

fn policy(name: &str, workloads: &[&str]) -> Policy {
    let workload = |name: &&str| {
        json!({"namespace": "shop", "kind": "Deployment", "name": name, "verdict": "Compliant",
            "reason": "WithinLimit", "pods": 1, "figures": {
                "energyMicrojoules": {"low": 0, "value": 86_400_000_000_i64, "high": 0},
                "emissionsMilligrams": {"low": 0, "value": 0, "high": 0}, "coveragePercent": 100}})
    };
    let workloads: Vec<_> = workloads.iter().map(workload).collect();
    let policy = json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
        "metadata": {"name": name, "namespace": "shop", "uid": name},
        "spec": {"site": {"zone": "KR"}, "regulations": [{"rule": "kr-carbon-2050"}]},
        "status": {"dataThrough": "1970-01-01T02:00:00Z", "workloads": workloads},
    });
    Policy::from(serde_json::from_value::<CarbonPolicy>(policy).unwrap())
}

fn newer(kind: &str, namespace: Option<&str>) -> LeftOut {
    LeftOut {
        kind: kind.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: "newer".to_owned(),
        field: Some("spec.agent.sources[0]".to_owned()),
        reason: "unknown variant `Sundial`".to_owned(),
    }
}

/// The others were told, as if they were all.
#[tokio::test]
async fn a_monitor_that_a_later_version_wrote_is_named() {
    let of_ledger = Given {
        unreadable: vec![
            newer("PowerMonitor", None),
            newer("CarbonPolicy", Some("shop")),
        ],
        ..facts(vec![row("n1", None, 60, 10_000)])
    };
    let found = ask(&of_ledger, By::Node, None).await;
    // The ledger has the energy of all workloads, whoever judges them.
    assert_eq!(found.unreadable, of_ledger.unreadable[..1]);
    let words = "Left out: PowerMonitor newer: this version of tanso cannot read it: spec.agent.sources[0]: ";
    assert!(found.summary.contains(words), "{}", found.summary);
    let of_windows = Given {
        energy: None,
        ..of_ledger
    };
    let found = ask(&of_windows, By::Workload, None).await;
    assert_eq!(found.unreadable, of_windows.unreadable);
}

/// A namespace had the power of the first policy's workloads alone.
#[tokio::test]
async fn policies_that_share_a_namespace_add_up_and_count_each_workload_once() {
    let facts = Given {
        energy: None,
        policies: vec![policy("a", &["api", "web"]), policy("b", &["web", "till"])],
        ..facts(Vec::new())
    };
    let by_workload = ask(&facts, By::Workload, None).await;
    assert_eq!(
        (by_workload.total, by_workload.total_milliwatts),
        (3, 3_000)
    );
    let by_namespace = ask(&facts, By::Namespace, None).await;
    assert_eq!(told(&by_namespace), [("shop", 3_000)]);
    // Whoever lacks a right for the newest hour is told which.
    let why = " Not of the newest hour: energy by the hour cannot be read here: ";
    assert!(by_workload.summary.contains(why), "{}", by_workload.summary);
}
