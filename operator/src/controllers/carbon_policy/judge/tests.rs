use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use tanso_carbon::account::EnergyRow;
use tanso_crds::carbon_policy::status::Verdict;
use tanso_crds::carbon_policy::{
    self as crd, CarbonPolicySpec, IntensitySource, IntensitySpec, PueSpec, RegulationRef,
    SiteSpec, StaticIntensity,
};
use tanso_power::{Estimate, Joules, Provenance};

use super::super::apply::{self, Owner};
use super::super::status::{self, Evaluated, Outcome};
use super::super::validate::{Observed, Sources, validate};
use super::super::words::answer;
use super::*;
use crate::ledger::{CpuDay, CpuMinute, HourRow, LedgerAccount, MemoryDay, NodeAt, PodNames};
use crate::regulations::Rules;

mod advice;
mod beside;
mod digest;
mod evidence;
mod faces;
mod no_advice;
mod outcomes;
mod per_unit;
mod periods;
mod settled;
mod shown;

/// 2026-10-05T09:30Z, 18:30 in Seoul.
const THROUGH: i64 = 1_791_192_600;

struct Cluster;

impl Facts for Cluster {
    fn schedule(&self, _: &str, name: &str) -> Option<Schedule> {
        let schedule = "0 18 * * *".to_owned();
        (name == "etl").then(|| Schedule {
            schedule,
            time_zone: Some("Asia/Seoul".to_owned()),
        })
    }

    fn allocatable_millicores(&self, _: &str) -> Option<u32> {
        Some(4_000)
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

fn spec(source: IntensitySource) -> CarbonPolicySpec {
    let given = StaticIntensity {
        grams_per_kwh: 417.3,
        reference: "official factor".into(),
        ..StaticIntensity::default()
    };
    CarbonPolicySpec {
        site: SiteSpec {
            zone: "KR".into(),
            time_zone: "Asia/Seoul".into(),
            pue: Some(PueSpec {
                value: 1.32,
                evidence: crd::PueEvidence::Certificate,
                reference: "certificate 7".into(),
                ..PueSpec::default()
            }),
            ..SiteSpec::default()
        },
        intensity: IntensitySpec {
            source,
            r#static: (source == IntensitySource::Static).then_some(given),
            ..IntensitySpec::default()
        },
        regulations: ["kr-carbon-2050", "kr-green-datacenter"]
            .map(|rule| RegulationRef { rule: rule.into() })
            .into(),
        window: "24h".into(),
        interval: "5m".into(),
        evidence: crd::EvidenceSpec {
            min_coverage_percent: 80,
            max_estimated_percent: 100,
        },
        ..CarbonPolicySpec::default()
    }
}

fn policy(spec: &CarbonPolicySpec, observed: &Observed) -> ValidatedPolicy {
    policy_by(spec, observed, &Rules::bundled())
}

fn policy_by(spec: &CarbonPolicySpec, observed: &Observed, rules: &Rules) -> ValidatedPolicy {
    validate(
        spec,
        &Sources {
            table: None,
            asked: &crate::intensity::Asked::default(),
            rules,
            year: 2026,
            observed,
        },
    )
    .unwrap_or_else(|f| panic!("{f:?}"))
}

fn hour() -> UtcHour {
    UtcHour::from_unix_seconds(THROUGH)
}

fn row(account: LedgerAccount, energy_uj: u64, provenance: Provenance) -> HourRow {
    let joules = Joules::from_microjoules;
    HourRow {
        hour: hour(),
        node: Arc::from("n1"),
        account,
        provenance,
        energy: Estimate {
            low: joules(energy_uj / 10 * 9),
            value: joules(energy_uj),
            high: joules(energy_uj / 10 * 12),
        },
        cpu_us: energy_uj / 1_000,
        minutes: 30,
    }
}

fn pod(uid: &str) -> LedgerAccount {
    LedgerAccount::Pod(Arc::from(uid))
}

fn names(uid: &str, kind: &str, name: &str) -> (Arc<str>, PodNames) {
    let names = PodNames {
        uid: uid.to_owned(),
        namespace: "shop".to_owned(),
        name: format!("{name}-{uid}"),
        node: "n1".to_owned(),
        workload_kind: kind.to_owned(),
        workload_name: name.to_owned(),
        labels: [("app".to_owned(), name.to_owned())].into(),
        cpu_request_milli: Some(1_000),
        container: "main".to_owned(),
        started_at: Some(THROUGH - 1_800),
        finished_at: (kind == "CronJob").then_some(THROUGH - 600),
        ..PodNames::default()
    };
    (Arc::from(uid), names)
}

/// One node, half an hour: a server of two pods, a job, an idle pod without
/// energy, a pod that nobody named, and the accounts that are no pods.
fn snapshot() -> Snapshot {
    use Provenance::{Measured, Modelled};
    let minutes = (0..12).flat_map(|minute| {
        let minute = CpuMinute {
            minute: THROUGH - 60 * minute,
            cpu_us: 3_000_000,
        };
        ["a1", "a2"].map(|uid| (Arc::from(uid), minute))
    });
    Snapshot {
        revision: 41,
        nodes: vec![NodeAt {
            node: "n1".into(),
            journal: "00000000000000aa".into(),
            sequence: 77,
            closed_until: THROUGH,
            energy_microjoules: 0,
        }],
        earlier: Vec::new(),
        rows: vec![
            row(pod("a1"), 30_000_000_000, Measured),
            row(pod("a2"), 20_000_000_000, Modelled),
            row(pod("j1"), 40_000_000_000, Modelled),
            row(pod("i1"), 0, Modelled),
            row(pod("ghost"), 7_000_000_001, Modelled),
            row(LedgerAccount::Named("idle"), 60_000_000_003, Modelled),
            row(LedgerAccount::Named("system"), 5_000_000_000, Modelled),
        ],
        pods: HashMap::from([
            names("a1", "Deployment", "api"),
            names("a2", "Deployment", "api"),
            names("j1", "CronJob", "etl"),
            names("i1", "Deployment", "sleeper"),
        ]),
        unseen: HashSet::new(),
        node_hours: BTreeMap::from([(Arc::from("n1"), BTreeSet::from([hour()]))]),
        part_hours: BTreeMap::from([(Arc::from("n1"), BTreeMap::from([(hour(), 30)]))]),
        node_idle: BTreeMap::from([(
            Arc::from("n1"),
            (Joules::from_microjoules(60_000_000_003), 30),
        )]),
        cpu_minutes: minutes.collect(),
        cpu_days: BTreeMap::new(),
        memory: BTreeMap::new(),
        memory_told: BTreeSet::new(),
        node_first: BTreeMap::from([(Arc::from("n1"), hour())]),
        advice: Vec::new(),
    }
}

/// Eight days of 4 GiB for a Deployment whose pods ask for 32 GiB.
fn with_memory() -> Snapshot {
    let mut snapshot = snapshot();
    for pod in snapshot.pods.values_mut() {
        pod.memory_request_bytes = Some(32 << 30);
        pod.memory_container = "store".to_owned();
    }
    let day = |ago: i32| hour().plus_hours(-24 * ago);
    let held = MemoryDay {
        peak_bytes: 4 << 30,
        minutes: 1_440,
        killed_with: None,
    };
    let key = ["shop", "Deployment", "api"].map(str::to_owned);
    let days = (0..8).map(|ago| (day(ago), held)).collect();
    snapshot.memory.insert(key, days);
    snapshot.memory_told = ["a1", "a2"].map(Arc::from).into();
    snapshot
}

/// Past days in which the sleeper used a thousandth of a core, the newest first.
fn idle_days(count: i32) -> crate::ledger::CpuDays {
    let today = THROUGH.div_euclid(86_400) * 86_400;
    let day = |ago| UtcHour::from_unix_seconds(today).plus_hours(-24 * ago);
    let seen = CpuDay {
        minutes: 1_440,
        most_microcores: 1_000,
        seconds: vec![(1, 86_400)],
    };
    let days = (1..=count).map(|ago| (day(ago), seen.clone())).collect();
    let key = ["shop", "Deployment", "sleeper"].map(str::to_owned);
    BTreeMap::from([(key, days)])
}

fn evaluate(spec: &CarbonPolicySpec, snapshot: &Snapshot) -> (ValidatedPolicy, Evaluation) {
    evaluate_with(spec, snapshot, &Observed::default(), &Cluster)
}

fn evaluate_with(
    spec: &CarbonPolicySpec,
    snapshot: &Snapshot,
    observed: &Observed,
    facts: &dyn Facts,
) -> (ValidatedPolicy, Evaluation) {
    let policy = policy(spec, observed);
    let evaluation = judged(&policy, snapshot, facts);
    (policy, evaluation)
}

fn judged(policy: &ValidatedPolicy, snapshot: &Snapshot, facts: &dyn Facts) -> Evaluation {
    judged_by(policy, snapshot, facts, &BTreeMap::new())
}

fn judged_by(
    policy: &ValidatedPolicy,
    snapshot: &Snapshot,
    facts: &dyn Facts,
    idle_sharing: &BTreeMap<String, IdleSharing>,
) -> Evaluation {
    let data_through = Timestamp::from_second(THROUGH).unwrap();
    judge(&Inputs {
        policy,
        snapshot,
        facts,
        window: window(data_through, policy.window_hours),
        data_through,
        expected_nodes: &["n1".to_owned()].into(),
        idle_sharing,
        is_whole: true,
    })
}

fn workload<'a>(evaluation: &'a Evaluation, name: &str) -> &'a WorkloadResult {
    evaluation
        .workloads
        .iter()
        .find(|w| w.name == name)
        .unwrap()
}

#[test]
fn workloads_and_accounts_add_up_to_the_rows() {
    let snapshot = snapshot();
    let (_, found) = evaluate(&spec(IntensitySource::Bundled), &snapshot);
    let rows: u64 = snapshot
        .rows
        .iter()
        .map(|row| row.energy.value.microjoules())
        .sum();
    let workloads: i64 = found
        .workloads
        .iter()
        .map(|w| w.figures.energy_microjoules.value)
        .sum();
    let others: i64 = found.unallocated.iter().map(|a| a.energy_microjoules).sum();
    assert_eq!(workloads, found.totals.energy_microjoules.value);
    assert_eq!(u64::try_from(workloads + others).unwrap(), rows);
    let accounts: Vec<_> = found
        .unallocated
        .iter()
        .map(|a| (a.account.as_str(), a.energy_microjoules))
        .collect();
    let expected = [
        ("idle", 60_000_000_003),
        ("system", 5_000_000_000),
        ("unselected", 7_000_000_001),
    ];
    assert_eq!(accounts, expected);
}

/// Energy of a pod that nobody saw stood for itself without a word, and went
/// missing where a policy selects by label.
#[test]
fn a_pod_that_was_gone_before_it_was_seen_is_told_with_its_energy() {
    let told = |spec: &CarbonPolicySpec, snapshot: &Snapshot| {
        let (policy, evaluation) = evaluate(spec, snapshot);
        (answer(&policy, &evaluation), evaluation)
    };
    let mut gone = snapshot();
    let (uid, names) = names("ghost", "Pod", "api");
    let labels = BTreeMap::new();
    gone.pods
        .insert(Arc::clone(&uid), PodNames { labels, ..names });
    let spec = spec(IntensitySource::Static);
    let (text, before) = told(&spec, &gone);
    assert!(!text.contains("gone before"), "{text}");
    gone.unseen.insert(uid);
    let (text, evaluation) = told(&spec, &gone);
    let sentence = "1 pod was gone before the operator saw it and used 1.94Wh";
    assert!(text.contains(sentence), "{text}");
    assert_eq!(evaluation.unseen.pods, 1);
    // What is told changes no figure.
    assert_eq!(evaluation.totals, before.totals);
    assert_eq!(evaluation.inputs_digest, before.inputs_digest);
    let mut selecting = spec;
    selecting.selector.match_labels = [("app".to_owned(), "api".to_owned())].into();
    let (text, evaluation) = told(&selecting, &gone);
    assert!(text.contains(sentence), "{text}");
    assert_eq!(evaluation.unseen.energy.microjoules(), 7_000_000_001);
}

#[test]
fn a_worked_example_has_the_emissions_that_a_pocket_calculator_gives() {
    let (_, found) = evaluate(&spec(IntensitySource::Static), &snapshot());
    // 90 kJ = 25 Wh; × 1.32 × 417.3 g/kWh = 13.7709 g.
    assert_eq!(found.totals.emissions_milligrams.value, 13_771);
    assert_eq!(found.totals.intensity_milligrams_per_kwh, Some(417_300));
    assert_eq!(
        (found.totals.measured_percent, found.totals.modelled_percent),
        (33, 67)
    );
    assert_eq!(found.totals.coverage_percent, 100);
    assert_eq!(found.combined.verdict, verdict::Verdict::Compliant);
    assert_eq!(found.pue, Some(verdict::Verdict::Compliant));
    let order: Vec<_> = found.workloads.iter().map(|w| w.name.as_str()).collect();
    assert_eq!(order, ["api", "etl", "sleeper"]);
    assert_eq!(workload(&found, "api").verdict, Verdict::Compliant);
    assert_eq!(
        (
            workload(&found, "sleeper").verdict,
            workload(&found, "sleeper").reason.as_str()
        ),
        (Verdict::Unknown, "NoEnergy")
    );
}

#[test]
fn a_workload_that_used_no_energy_is_listed_and_unknown() {
    let base = spec(IntensitySource::Static);
    let (_, without) = evaluate(&base, &snapshot());
    let mut with_quiet = snapshot();
    let (uid, quiet) = names("q1", "Deployment", "quiet");
    assert!(with_quiet.rows.iter().all(|row| row.account != pod("q1")));
    with_quiet.pods.insert(uid, quiet);
    let (_, found) = evaluate(&base, &with_quiet);

    let quiet = workload(&found, "quiet");
    assert_eq!(
        (quiet.namespace.as_str(), quiet.kind.as_str()),
        ("shop", "Deployment")
    );
    assert_eq!(
        (quiet.verdict, quiet.reason.as_str()),
        (Verdict::Unknown, "NoEnergy")
    );
    assert_eq!(quiet.pods, 1);
    // Coverage is of the nodes, whatever ran there.
    let nothing = Figures {
        coverage_percent: 100,
        ..Figures::default()
    };
    assert_eq!(quiet.figures, nothing);
    assert!(quiet.recommendations.is_empty());

    assert_eq!(found.totals, without.totals);
    assert_eq!(found.unallocated, without.unallocated);
    assert_eq!(found.combined, without.combined);
    assert_eq!(found.regulations, without.regulations);
    let others: Vec<_> = found
        .workloads
        .iter()
        .filter(|w| w.name != "quiet")
        .cloned()
        .collect();
    assert_eq!(others, without.workloads);
}

#[test]
fn a_pod_of_another_time_is_no_idle_pod_of_the_window() {
    let base = spec(IntensitySource::Static);
    let (_, without) = evaluate(&base, &snapshot());
    let mut with_old = snapshot();
    let (uid, old) = names("o1", "Deployment", "old");
    let mut row = row(pod("o1"), 5_000_000, Provenance::Measured);
    row.hour = row.hour.plus_hours(-24 * 40);
    with_old.rows.push(row);
    with_old.pods.insert(uid, old);
    let (_, found) = evaluate(&base, &with_old);
    assert_eq!(found.workloads, without.workloads);
    assert_eq!(found.totals, without.totals);
}

#[test]
fn the_pue_counts_for_the_policy_and_stands_beside_its_workloads() {
    let mut dirty = spec(IntensitySource::Static);
    dirty.site.pue.as_mut().unwrap().value = 1.45;
    let (_, found) = evaluate(&dirty, &snapshot());
    assert_eq!(found.combined.verdict, verdict::Verdict::NonCompliant);
    assert_eq!(found.failing(), 0);
    assert_eq!(workload(&found, "api").verdict, Verdict::Compliant);
}

#[test]
fn simulated_energy_is_never_judged() {
    let mut fake = snapshot();
    for row in &mut fake.rows {
        row.provenance = Provenance::Simulated;
    }
    let (_, found) = evaluate(&spec(IntensitySource::Static), &fake);
    assert_eq!(found.combined.verdict, verdict::Verdict::Unknown);
    assert_eq!(found.totals.simulated_percent, 100);
    assert!(
        found
            .workloads
            .iter()
            .all(|w| w.verdict == Verdict::Unknown)
    );
}

#[test]
fn a_node_without_data_lowers_the_coverage_below_a_verdict() {
    let mut partial = snapshot();
    // The node is known for ten hours and has data in one of them.
    partial.node_first = BTreeMap::from([(Arc::from("n1"), hour().plus_hours(-9))]);
    let (_, found) = evaluate(&spec(IntensitySource::Static), &partial);
    assert_eq!(found.totals.coverage_percent, 10);
    assert_eq!(found.combined.reason.as_str(), "CoverageTooLow");
}

/// Five minutes of each hour counted as all of it, and the verdict stood.
#[test]
fn hours_of_which_a_few_minutes_were_seen_are_no_whole_hours() {
    let ten: Vec<UtcHour> = (0..10).map(|back| hour().plus_hours(-back)).collect();
    let mut seen = snapshot();
    seen.node_first = BTreeMap::from([(Arc::from("n1"), ten[9])]);
    seen.node_hours = BTreeMap::from([(Arc::from("n1"), ten.iter().copied().collect())]);
    let judged = |seen: &Snapshot| {
        let (_, found) = evaluate(&spec(IntensitySource::Static), seen);
        let reason = found.combined.reason.as_str().to_owned();
        (
            found.combined.verdict,
            reason,
            found.totals.coverage_percent,
        )
    };
    let (verdict, _, percent) = judged(&seen);
    assert_eq!((verdict, percent), (verdict::Verdict::Compliant, 100));
    // The first is seen from its first record on; the newest has 30 minutes yet.
    let few = ten.iter().map(|hour| (*hour, 5)).collect();
    seen.part_hours = BTreeMap::from([(Arc::from("n1"), few)]);
    let (verdict, reason, percent) = judged(&seen);
    assert_eq!(verdict, verdict::Verdict::Unknown);
    // 60 of the first, 5 each of eight, and 5 of 30 of the newest: 110 of 600.
    assert_eq!((reason.as_str(), percent), ("CoverageTooLow", 18));
    // It said nothing of 25 minutes: missing, unless it is gone since.
    seen.nodes[0].closed_until = THROUGH - 25 * 60;
    let most = ten.iter().skip(1).map(|hour| (*hour, 60));
    let most = most.chain([(ten[0], 5)]).collect();
    seen.part_hours = BTreeMap::from([(Arc::from("n1"), most)]);
    assert_eq!(judged(&seen).2, 92);
    let policy = policy(&spec(IntensitySource::Static), &Observed::default());
    let data_through = Timestamp::from_second(THROUGH).unwrap();
    let gone = judge(&Inputs {
        policy: &policy,
        snapshot: &seen,
        facts: &Cluster,
        window: window(data_through, policy.window_hours),
        data_through,
        expected_nodes: &BTreeSet::new(),
        idle_sharing: &BTreeMap::new(),
        is_whole: true,
    });
    assert_eq!(gone.totals.coverage_percent, 100);
}

#[test]
fn a_selector_moves_what_it_leaves_out_to_unselected() {
    let mut some = spec(IntensitySource::Static);
    some.selector.kinds = vec!["CronJob".into()];
    let (_, found) = evaluate(&some, &snapshot());
    assert_eq!(found.workloads.len(), 1);
    let unselected = found
        .unallocated
        .iter()
        .find(|a| a.account == "unselected")
        .unwrap();
    assert_eq!(unselected.energy_microjoules, 57_000_000_001);
    some.selector.match_labels = [("app".to_owned(), "api".to_owned())].into();
    assert_eq!(evaluate(&some, &snapshot()).1.workloads.len(), 0);
}

#[test]
fn a_job_at_the_dirtiest_hour_is_told_a_cleaner_one() {
    let (_, found) = evaluate(&spec(IntensitySource::Bundled), &snapshot());
    let advice = workload(&found, "etl").recommendations.first().unwrap();
    assert_eq!(advice.action, "ShiftInTime");
    assert!(advice.saving_milligrams_per_day.value > 0, "{advice:?}");
    assert!(
        advice.change.contains("kubectl -n shop patch cronjob etl"),
        "{advice:?}"
    );
    let flat = evaluate(&spec(IntensitySource::Static), &snapshot()).1;
    assert!(workload(&flat, "etl").recommendations.is_empty());
}

#[test]
fn who_asks_for_twenty_times_what_it_uses_is_told_to_ask_for_less() {
    let (_, found) = evaluate(&spec(IntensitySource::Bundled), &snapshot());
    let advice = workload(&found, "api").recommendations.first().unwrap();
    assert_eq!(advice.action, "Rightsize");
    assert_eq!(advice.confidence, "Low");
    assert!(advice.change.contains("\"name\":\"main\""), "{advice:?}");
    assert!(workload(&found, "sleeper").recommendations.is_empty());
    // The workload's share of idle energy goes to others: the cluster saves nothing of it.
    assert!(advice.saving_milligrams_per_day.value > 0);
    assert_eq!(advice.cluster_saving_milligrams_per_day, 0);
    assert_eq!(found.largest_saving().unwrap().action, "ShiftInTime");
}
