//! How long one evaluation takes: all workloads of a fleet over a day, with one
//! rule of a country, on one core.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use jiff::Timestamp;
use serde_json::json;
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::recommend::consolidate;
use tanso_crds::CarbonPolicySpec;
use tanso_operator::controllers::carbon_policy::judge::{self, Facts, Inputs};
use tanso_operator::controllers::carbon_policy::validate::{Observed, Sources, validate};
use tanso_operator::intensity::Asked;
use tanso_operator::ledger::{
    CpuDay, CpuMinute, HourRow, LedgerAccount, NodeAt, PodNames, Snapshot, past_cpu,
};
use tanso_operator::owners::Schedule;
use tanso_operator::regulations::Rules;
use tanso_power::{Estimate, Joules, Provenance};

use crate::records::{PODS_PER_NODE, namespace, pod_uid};
use crate::report::print;

/// End of the last minute: 2026-10-05T09:30Z.
const THROUGH: i64 = 1_791_192_600;

const HOURS: i32 = 24;

/// Minutes that the ledger keeps each for itself.
const MINUTES: i64 = 120;

/// Evaluations of which the median counts.
const TIMES: usize = 3;

struct Cluster;

impl Facts for Cluster {
    fn schedule(&self, _: &str, _: &str) -> Option<Schedule> {
        None
    }

    fn allocatable_millicores(&self, _: &str) -> Option<u32> {
        Some(64_000)
    }

    fn allocatable_bytes(&self, _: &str) -> Option<u64> {
        Some(64 << 30)
    }

    fn nodes(&self) -> Vec<consolidate::Node> {
        Vec::new()
    }

    fn load(&self) -> Vec<consolidate::Pod> {
        Vec::new()
    }
}

/// Evaluates so many workloads of one pod each.
///
/// # Errors
/// If the policy is not valid.
pub fn evaluate(workloads: u64) -> Result<()> {
    let spec: CarbonPolicySpec = serde_json::from_value(json!({
        "site": {"zone": "KR", "timeZone": "Asia/Seoul",
            "pue": {"value": 1.32, "evidence": "Certificate"}},
        "regulations": [{"rule": "kr-carbon-2050"}, {"rule": "kr-green-datacenter"}]}))?;
    let rules = Rules::bundled();
    let sources = Sources {
        table: None,
        asked: &Asked::default(),
        observed: &Observed::default(),
        rules: &rules,
        year: 2026,
    };
    let policy = validate(&spec, &sources).map_err(|faults| anyhow!("{faults:?}"))?;
    let through = Timestamp::from_second(THROUGH)?;
    let snapshot = snapshot(workloads);
    let expected: BTreeSet<String> = snapshot.nodes.iter().map(|at| at.node.clone()).collect();
    let idle_sharing = BTreeMap::new();
    let inputs = Inputs {
        policy: &policy,
        snapshot: &snapshot,
        facts: &Cluster,
        window: judge::window(through, 24),
        data_through: through,
        expected_nodes: &expected,
        idle_sharing: &idle_sharing,
        is_whole: false,
    };
    let (mut times, mut of_processor) = (Vec::new(), Vec::new());
    let mut found = 0;
    for _ in 0..TIMES {
        let (begun, used) = (Instant::now(), processor_seconds()?);
        let evaluation = judge::judge(&inputs);
        times.push(begun.elapsed().as_secs_f64());
        of_processor.push(processor_seconds()? - used);
        found = evaluation.workloads.len();
    }
    print(
        &json!({"bench": "evaluation", "workloads": found, "hours": HOURS,
        "rows": snapshot.rows.len(), "median_seconds": median(times)?,
        "median_processor_seconds": median(of_processor)?, "goal_seconds": 1.0}),
    );
    Ok(())
}

fn median(mut times: Vec<f64>) -> Result<f64> {
    times.sort_by(f64::total_cmp);
    times.get(TIMES / 2).copied().context("a time")
}

/// What this thread used of a processor: where others run too, an evaluation
/// takes longer and uses as much.
fn processor_seconds() -> Result<f64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = told.split(' ').next().context("the time on a processor")?;
    Ok(nanoseconds.parse::<f64>()? / 1e9)
}

fn snapshot(workloads: u64) -> Snapshot {
    let until = UtcHour::from_unix_seconds(THROUGH).plus_hours(1);
    let first = until.plus_hours(-HOURS);
    let nodes: Vec<Arc<str>> = (0..workloads.div_ceil(PODS_PER_NODE))
        .map(|node| Arc::from(format!("scale-node-{node}")))
        .collect();
    let mut snapshot = Snapshot {
        revision: 1,
        ..Snapshot::default()
    };
    let uids: Vec<Arc<str>> = (0..workloads).map(|pod| Arc::from(pod_uid(pod))).collect();
    for (uid, pod) in uids.iter().zip(0..) {
        let names = PodNames {
            uid: uid.to_string(),
            namespace: namespace(pod),
            name: format!("pod-{pod}"),
            workload_kind: "Deployment".to_owned(),
            workload_name: format!("workload-{pod}"),
            labels: BTreeMap::new(),
            cpu_request_milli: Some(500),
            container: "main".to_owned(),
            ..PodNames::default()
        };
        snapshot.pods.insert(Arc::clone(uid), names);
    }
    for hour in 0..HOURS {
        for (uid, pod) in uids.iter().zip(0_u64..) {
            let node = usize::try_from(pod / PODS_PER_NODE).unwrap_or(0);
            let Some(node) = nodes.get(node) else {
                continue;
            };
            snapshot.rows.push(HourRow {
                hour: first.plus_hours(hour),
                node: Arc::clone(node),
                account: LedgerAccount::Pod(Arc::clone(uid)),
                provenance: Provenance::Measured,
                energy: Estimate::exact(Joules::from_microjoules(5_400_000_000 + pod)),
                cpu_us: 90_000_000,
                minutes: 60,
            });
        }
    }
    // Two hours by the minute, and days before them, of every pod.
    for uid in &uids {
        let minutes = (1..=MINUTES).rev().map(|ago| CpuMinute {
            minute: THROUGH - 60 * ago,
            cpu_us: 1_500_000,
        });
        let of_pod = minutes.map(|minute| (Arc::clone(uid), minute));
        snapshot.cpu_minutes.extend(of_pod);
    }
    let day = CpuDay {
        minutes: 1_440,
        most_microcores: 50_000,
        seconds: vec![(16, 60_000), (17, 26_400)],
    };
    let today = UtcHour::from_unix_seconds(THROUGH.div_euclid(86_400) * 86_400);
    for pod in 0..workloads {
        let days = (0..past_cpu::DAYS).map(|ago| {
            let back = i32::try_from(ago * 24).unwrap_or(i32::MAX);
            (today.plus_hours(-back), day.clone())
        });
        let key = [
            namespace(pod),
            "Deployment".to_owned(),
            format!("workload-{pod}"),
        ];
        snapshot.cpu_days.insert(key, days.collect());
    }
    for node in &nodes {
        let hours: BTreeSet<UtcHour> = (0..HOURS).map(|hour| first.plus_hours(hour)).collect();
        snapshot.node_hours.insert(Arc::clone(node), hours);
        snapshot.node_first.insert(Arc::clone(node), first);
        snapshot.nodes.push(NodeAt {
            node: node.to_string(),
            journal: "0".repeat(16),
            sequence: 1,
            closed_until: THROUGH,
            energy_microjoules: 0,
        });
    }
    snapshot
}
