//! A small cluster as given facts: what tests, the page example and the bench
//! of the web face look at. Every figure is made up, and adds up.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use serde_json::json;
use tanso_carbon::regulation::BUNDLED;
use tanso_carbon::{RuleSet, UtcHour};
use tanso_crds::carbon_policy::status::WorkloadResult;
use tanso_crds::{CarbonPolicy, ClusterCarbonPolicy, EnergyStudy, PowerMonitor};
use tanso_faces::view::given::Given;
use tanso_faces::view::{Energy, EnergyAccount, EnergyHour, FactsFault, Policy, WorkloadKey};
use tanso_faces::web::{Live, LiveNode, StudyFiles};
use tanso_power::{Estimate, Joules, Provenance};

const POLICY: &str = include_str!("../../src/report/tests/policy.json");
/// Minutes after the last data.
pub(crate) const NOW: &str = "2026-10-05T09:31:00Z";

/// The policy over all namespaces.
pub(crate) fn everything() -> Policy {
    let policy: ClusterCarbonPolicy = serde_json::from_str(POLICY).unwrap();
    Policy::from(policy)
}

/// The policy of one namespace, with the same figures for its workloads.
fn korea() -> Policy {
    let wide = everything();
    let mut status = wide.status.clone();
    status.workloads.retain(|one| one.namespace == "shop");
    status.workloads_not_listed = 0;
    let bare: CarbonPolicy = serde_json::from_value(json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
        "metadata": {"name": "korea", "namespace": "shop", "uid": "korea"},
        "spec": wide.spec,
    }))
    .unwrap();
    Policy {
        status,
        ..Policy::from(bare)
    }
}

/// A policy that was not evaluated yet.
fn young() -> Policy {
    let bare: CarbonPolicy = serde_json::from_value(json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
        "metadata": {"name": "young", "namespace": "shop", "uid": "young"},
        "spec": {"site": {"zone": "DE"}, "regulations": [{"rule": "kr-carbon-2050"}]},
    }))
    .unwrap();
    Policy::from(bare)
}

/// The facts.
pub(crate) fn facts() -> Given {
    let wide = everything();
    let workloads = wide.status.workloads.clone();
    facts_of(wide, workloads)
}

/// The facts with so many workloads of one namespace.
pub(crate) fn many(count: i64) -> Given {
    let mut wide = everything();
    let pattern = wide.status.workloads[0].clone();
    let one = |index: i64| {
        let mut one = pattern.clone();
        one.name = format!("workload-{index:05}");
        let energy = &mut one.figures.energy_microjoules;
        (energy.low, energy.value, energy.high) = (900_000, 1_000_000 + index, 1_200_000 + index);
        one
    };
    let workloads: Vec<_> = (0..count).map(one).collect();
    wide.status.workloads = workloads.iter().take(20).cloned().collect();
    wide.status.workloads_not_listed = count - 20;
    facts_of(wide, workloads)
}

fn facts_of(wide: Policy, workloads: Vec<WorkloadResult>) -> Given {
    let rules = RuleSet::try_from_files(BUNDLED.iter().copied()).unwrap();
    let energy = energy(&wide, &workloads);
    Given {
        now: NOW.parse().unwrap(),
        rules: Arc::new(rules),
        workloads: BTreeMap::from([(wide.uid.clone(), Arc::new(workloads))]),
        policies: vec![korea(), young(), wide],
        monitors: vec![monitor()],
        nodes: ["m5-1", "m5-2", "bare-1", "bare-2"].map(node).to_vec(),
        energy: Some(energy),
        studies: vec![study()],
        ..Given::default()
    }
}

/// The energy of each workload over the hours of the window, with a gap.
fn energy(policy: &Policy, workloads: &[WorkloadResult]) -> Energy {
    let window = policy.window().unwrap();
    let mut rows = Vec::new();
    let hours: Vec<UtcHour> = window.hours().collect();
    for workload in workloads {
        let key = Arc::new(WorkloadKey {
            namespace: workload.namespace.clone(),
            kind: workload.kind.clone(),
            name: workload.name.clone(),
        });
        let whole = u64::try_from(workload.figures.energy_microjoules.value).unwrap();
        for (index, hour) in hours.iter().enumerate().filter(|(index, _)| *index != 5) {
            let part = whole / 23 * u64::try_from(1 + index % 3).unwrap() / 2;
            for (provenance, share) in [(Provenance::Measured, 6), (Provenance::Modelled, 4)] {
                rows.push(EnergyHour {
                    hour: *hour,
                    node: Arc::from("bare-1"),
                    account: EnergyAccount::Workload(Arc::clone(&key)),
                    provenance,
                    energy: Estimate::exact(Joules::from_microjoules(part / 10 * share)),
                    cpu_us: 1_000,
                    minutes: 60,
                    asked_millicore_seconds: 0,
                });
            }
        }
    }
    Energy {
        revision: Some(41),
        rows,
    }
}

fn node(name: &str) -> Node {
    serde_json::from_value(json!({"metadata": {"name": name, "labels": {
        "kubernetes.io/arch": "amd64", "topology.kubernetes.io/region": "ap-northeast-2"}}}))
    .unwrap()
}

fn monitor() -> PowerMonitor {
    serde_json::from_value(json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "PowerMonitor", "metadata": {"name": "tanso"},
        "spec": {}, "status": {"nodes": {"desired": 4, "ready": 3, "measured": 2, "modelled": 1, "none": 1,
            "noneBecause": ["bare-2: no agent"]}, "summary": {"agents": "3/4", "power": "412W"}},
    }))
    .unwrap()
}

/// A study in the middle of its trials.
fn study() -> EnergyStudy {
    serde_json::from_value(json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "EnergyStudy",
        "metadata": {"name": "prune", "namespace": "lab"},
        "spec": {
            "title": "What does pruning cost?", "question": "Does pruning cost energy?",
            "arms": [{"name": "keep"}, {"name": "keep-again"}, {"name": "prune"}],
            "primaryResponse": "node_active_joules",
        },
        "status": {
            "conditions": [],
            "progress": {"done": 7, "planned": 24, "disturbed": 1, "expectedAt": "2026-10-05T18:40:00Z"},
            "trial": {"trial": 8, "block": 3, "arm": "prune", "attempt": 1, "step": "Measuring",
                "runner": "tanso-operator-0/1", "beganAt": "2026-10-05T09:29:00Z"},
            "results": [
                {"arm": "keep-again", "against": "keep", "blocks": 2, "difference": "0.3 J", "interval": "-4.1 to 4.7 J", "holdsWhatIsKnown": true},
                {"arm": "prune", "against": "keep", "blocks": 2, "difference": "21.4 J", "interval": "9.8 to 33.0 J"},
            ],
            "answer": ["prune has 21.4 J more than keep (95 % interval 9.8 to 33.0 J)."],
            "summary": {"trials": "7/24", "running": "prune", "remaining": "9h11m"},
        },
    }))
    .unwrap()
}

/// What the operator's process knows beside.
pub(crate) struct Agents;

impl Live for Agents {
    fn nodes(&self) -> Vec<LiveNode> {
        let at = |seconds: i64| {
            let now: Timestamp = NOW.parse().unwrap();
            Timestamp::from_second(now.as_second() - seconds).ok()
        };
        let node = |name: &str, provenance, power_mw, seconds| LiveNode {
            node: name.to_owned(),
            monitor: "tanso".to_owned(),
            pod: format!("tanso-agent-{name}"),
            provenance: Some(provenance),
            power_mw: Some(power_mw),
            active_meters: vec![match provenance {
                Provenance::Measured => "rapl".to_owned(),
                Provenance::Modelled | Provenance::Simulated => "model".to_owned(),
            }],
            failed_meters: Vec::new(),
            last_success: at(seconds),
            error: None,
        };
        vec![
            node("bare-1", Provenance::Measured, 212_400, 8),
            LiveNode {
                failed_meters: vec!["redfish".to_owned()],
                ..node("m5-1", Provenance::Modelled, 101_250, 9)
            },
            LiveNode {
                error: Some("connection refused".to_owned()),
                ..node("m5-2", Provenance::Modelled, 98_000, 900)
            },
        ]
    }

    fn studies(&self) -> BoxFuture<'_, Result<Vec<StudyFiles>, FactsFault>> {
        let study = StudyFiles {
            name: "gitops".to_owned(),
            plan: None,
            trials: trials(),
        };
        Box::pin(std::future::ready(Ok(vec![study])))
    }
}

/// Raw figures of twelve blocks of two arms.
fn trials() -> String {
    let mut text = "trial,block,arm,phase,node_joules\n".to_owned();
    for block in 1..=12_i32 {
        for (index, arm) in ["manual", "gitops"].into_iter().enumerate() {
            let order = block * 2 + i32::try_from(index).unwrap_or(0) - 1;
            let noise = (block * 37 + order * 11) % 19;
            let joules = 1_000 + noise + if index == 1 { 25 } else { 0 };
            let row = [
                &order.to_string(),
                &block.to_string(),
                arm,
                "measured",
                &joules.to_string(),
            ];
            text.extend([&row.join(","), "\n"]);
        }
    }
    text
}
