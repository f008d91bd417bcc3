//! How long a tool call takes on a cluster of 10,000 workloads, through the
//! whole protocol: a line of JSON in, a line of JSON out. One JSON line a tool.
//!
//! The facts lie in memory, as the server keeps pages between evaluations;
//! what is left out is the API server's own time.

#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a benchmark that cannot go on should end, and shows few digits"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use tanso_carbon::RuleSet;
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::regulation::BUNDLED;
use tanso_crds::cluster_carbon_policy::ClusterCarbonPolicy;
use tanso_crds::{CarbonPolicy, CarbonReport};
use tanso_faces::mcp::serve_stdio;
use tanso_faces::view::given::Given;
use tanso_faces::view::{Energy, EnergyAccount, EnergyHour, Policy, WorkloadKey};
use tanso_power::{Estimate, Joules, Provenance};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

const WORKLOADS: usize = 10_000;
const NAMESPACES: usize = 20;
const PAGE: usize = 500;
const CALLS: usize = 200;
const THROUGH: &str = "2026-11-21T10:05:00Z";

fn figures(index: usize) -> Value {
    let energy = 3_600_000_000_i64 * i64::try_from(index % 997 + 1).unwrap();
    let mass = energy / 8_640_000;
    let around =
        |value: i64| json!({"low": value * 9 / 10, "value": value, "high": value * 11 / 10});
    json!({
        "energyMicrojoules": around(energy), "emissionsMilligrams": around(mass),
        "intensityMilligramsPerKwh": 417_300, "cpuMilliseconds": 1_000, "modelledPercent": 100,
        "coveragePercent": 100,
    })
}

fn namespace(index: usize) -> String {
    format!("team-{:02}", index % NAMESPACES)
}

fn result(index: usize) -> Value {
    let verdict = ["Compliant", "NonCompliant", "Inconclusive", "Unknown"][index % 4];
    let advice = json!([{
        "action": "ShiftInTime", "savingMilligramsPerDay": {"low": 1, "value": index % 89, "high": 99},
        "savingMilliPercent": 7_930, "confidence": "Medium",
        "basis": "hours of a typical year; the saving is the difference to the present start, never to an average",
        "change": "kubectl -n team patch cronjob etl --type merge -p '{\"spec\":{\"schedule\":\"0 10 * * *\"}}'",
    }]);
    json!({
        "namespace": namespace(index), "kind": "Deployment", "name": format!("service-{index:05}"),
        "verdict": verdict, "reason": "WithinLimit", "pods": 3, "figures": figures(index),
        "recommendations": advice,
    })
}

fn spec() -> Value {
    json!({
        "site": {"zone": "KR", "timeZone": "Asia/Seoul", "pue": {"value": 1.32, "evidence": "Certificate"}},
        "evidence": {"maxEstimatedPercent": 100},
        "regulations": [{"rule": "kr-carbon-2050"}, {"rule": "kr-green-datacenter"}],
    })
}

fn status(listed: &[Value], not_listed: usize, reports: usize) -> Value {
    let reports: Vec<_> = (0..reports).map(|page| format!("page-{page}")).collect();
    json!({
        "verdict": "NonCompliant", "dataThrough": THROUGH, "ledgerRevision": 812,
        "inputsDigest": "sha256:9f2c", "totals": figures(1), "workloads": listed,
        "workloadsNotListed": not_listed, "reports": reports,
    })
}

/// A policy for each namespace, and one for all of them.
fn given() -> Given {
    let mut facts = Given {
        now: THROUGH.parse().unwrap(),
        rules: Arc::new(RuleSet::try_from_files(BUNDLED.iter().copied()).unwrap()),
        ..Given::default()
    };
    let all: Vec<Value> = (0..WORKLOADS).map(result).collect();
    for number in 0..NAMESPACES {
        let own: Vec<_> = all
            .iter()
            .filter(|one| one["namespace"] == namespace(number))
            .cloned()
            .collect();
        add(
            &mut facts,
            &format!("uid-{number}"),
            Some(namespace(number)),
            &own,
        );
    }
    add(&mut facts, "uid-all", None, &all);
    facts.energy = Some(energy());
    facts
}

fn add(facts: &mut Given, uid: &str, namespace: Option<String>, workloads: &[Value]) {
    let pages: Vec<_> = workloads.chunks(PAGE).collect();
    let status = status(
        workloads.get(..20).unwrap_or_default(),
        workloads.len() - 20,
        pages.len(),
    );
    let reports = (1..).zip(&pages).map(|(page, rows)| {
        let report = json!({
            "apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonReport",
            "metadata": {"name": format!("page-{page}")},
            "spec": {
                "policy": "p", "page": page, "pages": pages.len(), "dataThrough": THROUGH,
                "ledgerRevision": 812, "inputsDigest": "sha256:9f2c", "totals": figures(1), "workloads": rows,
            },
        });
        serde_json::from_value::<CarbonReport>(report).unwrap()
    });
    let reports = reports.collect();
    facts.add_reports(uid, reports);
    let policy = if let Some(namespace) = namespace {
        let object = json!({
            "apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy", "spec": spec(), "status": status,
            "metadata": {"name": "korea", "namespace": namespace, "uid": uid},
        });
        Policy::from(serde_json::from_value::<CarbonPolicy>(object).unwrap())
    } else {
        let object = json!({
            "apiVersion": "tanso.dev/v1alpha1", "kind": "ClusterCarbonPolicy", "status": status,
            "spec": {"namespaceSelector": {}, "policy": spec()},
            "metadata": {"name": "everything", "uid": uid},
        });
        Policy::from(serde_json::from_value::<ClusterCarbonPolicy>(object).unwrap())
    };
    facts.policies.push(policy);
}

/// A day of every workload.
fn energy() -> Energy {
    let until = UtcHour::containing(THROUGH.parse().unwrap()).plus_hours(1);
    let node: Arc<str> = Arc::from("n1");
    let mut rows = Vec::with_capacity(WORKLOADS * 24);
    let keys: Vec<_> = (0..WORKLOADS)
        .map(|index| {
            Arc::new(WorkloadKey {
                namespace: namespace(index),
                kind: "Deployment".to_owned(),
                name: format!("service-{index:05}"),
            })
        })
        .collect();
    for back in 1..=24 {
        for (index, key) in (1_u64..).zip(&keys) {
            rows.push(EnergyHour {
                hour: until.plus_hours(-back),
                node: Arc::clone(&node),
                account: EnergyAccount::Workload(Arc::clone(key)),
                provenance: Provenance::Modelled,
                energy: Estimate::exact(Joules::from_microjoules(index * 1_000_000)),
                cpu_us: 1_000,
                minutes: 60,
                asked_millicore_seconds: 0,
            });
        }
    }
    Energy {
        revision: Some(812),
        rows,
    }
}

/// The arguments of the nth call of each tool.
fn questions(index: usize) -> Vec<(&'static str, Value)> {
    let workload = (index * 7_919) % WORKLOADS;
    let named =
        json!({"workload": format!("service-{workload:05}"), "namespace": namespace(workload)});
    let with = |more: Value| {
        let mut arguments = named.clone();
        arguments
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        arguments
    };
    let changes = json!({"changes": [{"type": "shift", "hours": 6}, {"type": "moveRegion", "region": "eu-north-1"}]});
    vec![
        ("assess_workload_compliance", named.clone()),
        ("compare_optimization_impact", with(changes)),
        (
            "list_workloads_by_compliance",
            json!({"verdicts": ["NonCompliant"], "sort": "Saving", "limit": 25}),
        ),
        (
            "get_regional_comparison",
            with(json!({"regions": ["us-east-1", "eu-north-1", "ap-northeast-2"]})),
        ),
        (
            "calculate_optimal_schedule",
            with(json!({"durationMinutes": 240})),
        ),
        ("explain_verdict", named.clone()),
        ("get_power", json!({"limit": 25})),
        (
            "generate_report",
            json!({"policy": "korea", "namespace": namespace(workload)}),
        ),
    ]
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // `cargo test --benches` only looks whether it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let (input, output) = tokio::io::split(theirs);
    tokio::spawn(serve_stdio(Arc::new(given()), input, output));
    let (reading, mut writing) = tokio::io::split(ours);
    let mut lines = BufReader::new(reading).lines();
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}});
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    writing
        .write_all(format!("{hello}\n").as_bytes())
        .await
        .unwrap();
    lines.next_line().await.unwrap();
    writing
        .write_all(format!("{ready}\n").as_bytes())
        .await
        .unwrap();
    let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for index in 0..CALLS {
        for (tool, arguments) in questions(index) {
            let call = json!({"jsonrpc": "2.0", "id": index + 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}});
            let begun = Instant::now();
            writing
                .write_all(format!("{call}\n").as_bytes())
                .await
                .unwrap();
            let answer = lines.next_line().await.unwrap().unwrap();
            let taken = begun.elapsed().as_secs_f64() * 1e3;
            assert!(answer.contains("\"isError\":false"), "{tool}: {answer}");
            times.entry(tool).or_default().push(taken);
        }
    }
    let mut all: Vec<f64> = times.values().flatten().copied().collect();
    for (tool, mut taken) in times {
        println!("{}", line(tool, &mut taken));
    }
    println!("{}", line("every tool", &mut all));
}

fn line(tool: &str, times: &mut [f64]) -> Value {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (times.len() as f64 * share).ceil() - 1.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place in a short list"
        )]
        let place = place as usize;
        (times.get(place).copied().unwrap_or_default() * 1e3).round() / 1e3
    };
    json!({
        "bench": "mcp", "tool": tool, "workloads": WORKLOADS, "calls": times.len(),
        "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0),
    })
}
