//! What the faces compute from the ledger's rows is what was judged, to the
//! last digit: one engine, several ways to ask it.

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tanso_carbon::stays::Stays;
use tanso_crds::carbon_policy::Placement;
use tanso_faces::answer::report::{Limits, When, read};
use tanso_faces::answer::{assess, compare, list};
use tanso_faces::report::{Report, Statement};
use tanso_faces::view::Policy as Seen;
use tanso_faces::view::PolicyKind;
use tanso_faces::view::given::Given;
use tanso_intensity::places;

use super::super::super::fixture::stay;
use super::super::super::remembered::{Known, Remembered};
use super::per_unit::{served, with_units};
use super::*;
use crate::ledger::KnownNode;

/// The evaluation as a reader of the cluster finds it, with its ledger.
pub(super) fn given(
    spec: &CarbonPolicySpec,
    snapshot: &Snapshot,
    evaluation: &Evaluation,
) -> Given {
    let rules = Rules::bundled();
    let policy = Seen {
        kind: PolicyKind::CarbonPolicy,
        namespace: Some("shop".to_owned()),
        name: "korea".to_owned(),
        uid: "uid".to_owned(),
        generation: Some(1),
        is_everywhere: false,
        spec: spec.clone(),
        status: tanso_crds::CarbonPolicyStatus {
            data_through: Some(Time(Timestamp::from_second(THROUGH).unwrap())),
            ledger_revision: Some(41),
            workloads: evaluation.workloads.clone(),
            regulations: evaluation.regulations.clone(),
            totals: Some(evaluation.totals.clone()),
            ..tanso_crds::CarbonPolicyStatus::default()
        },
    };
    Given {
        now: Timestamp::from_second(THROUGH).unwrap(),
        rules: Arc::new(rules.set),
        policies: vec![policy],
        energy: Some(crate::mcp::energy(snapshot)),
        ..Given::default()
    }
}

#[tokio::test]
async fn the_hours_run_through_again_are_the_judged_figures_to_the_last_digit() {
    for source in [IntensitySource::Static, IntensitySource::Bundled] {
        let (spec, snapshot) = (spec(source), snapshot());
        let (_, evaluation) = evaluate(&spec, &snapshot);
        let facts = given(&spec, &snapshot, &evaluation);
        for judged in &evaluation.workloads {
            let question = serde_json::json!({
                "workload": judged.name, "changes": [{"type": "keepEnergy", "percent": 100.0}],
            });
            let question: compare::Question = serde_json::from_value(question).unwrap();
            let found = compare::compare(&facts, &question).await.unwrap();
            assert_eq!(found.judged.figures, judged.figures);
            assert_eq!(
                found.before.figures, judged.figures,
                "{source:?} {}",
                judged.name
            );
            assert_eq!(found.after.figures, judged.figures);
            assert_eq!(
                (found.before.verdict, &found.before.reason),
                (judged.verdict, &judged.reason)
            );
            assert_eq!(found.saving_milligrams.value, 0);
        }
    }
}

#[tokio::test]
async fn what_if_by_the_policys_own_rules_is_its_verdict() {
    let (spec, snapshot) = (spec(IntensitySource::Bundled), snapshot());
    let (_, evaluation) = evaluate(&spec, &snapshot);
    let facts = given(&spec, &snapshot, &evaluation);
    let question = serde_json::json!({"workload": "deploy/api", "standards": ["kr-carbon-2050", "kr-green-datacenter"]});
    let question: assess::Question = serde_json::from_value(question).unwrap();
    let found = assess::assess(&facts, &question).await.unwrap();
    let judged = workload(&evaluation, "api");
    let other = found.what_if.unwrap();
    assert_eq!(found.judgements[0].figures, judged.figures);
    assert_eq!(other.figures, judged.figures);
    assert_eq!(
        (other.verdict, &other.reason),
        (judged.verdict, &judged.reason)
    );
    assert_eq!(
        other.rules.len(),
        1,
        "the facility's rule is not the workload's"
    );
}

#[tokio::test]
async fn a_list_has_the_statuss_figures_in_the_statuss_order() {
    let (spec, snapshot) = (spec(IntensitySource::Static), snapshot());
    let (_, evaluation) = evaluate(&spec, &snapshot);
    let facts = given(&spec, &snapshot, &evaluation);
    let page = list::list(&facts, &list::Question::default())
        .await
        .unwrap();
    let listed: Vec<_> = page
        .workloads
        .iter()
        .map(|one| (&one.workload.name, &one.figures))
        .collect();
    let judged: Vec<_> = evaluation
        .workloads
        .iter()
        .map(|one| (&one.name, &one.figures))
        .collect();
    assert_eq!(listed, judged);
}

/// A cluster that has one node left, of four cores.
struct OneLeft;

impl Facts for OneLeft {
    fn schedule(&self, _: &str, _: &str) -> Option<Schedule> {
        None
    }

    fn allocatable_millicores(&self, node: &str) -> Option<u32> {
        (node == "n1").then_some(4_000)
    }

    fn allocatable_bytes(&self, _: &str) -> Option<u64> {
        None
    }

    fn nodes(&self) -> Vec<consolidate::Node> {
        Vec::new()
    }

    fn load(&self) -> Vec<consolidate::Pod> {
        Vec::new()
    }
}

/// The node that is left came again elsewhere and larger an hour after `past`;
/// another one is gone.
fn stays(past: UtcHour) -> Stays {
    let later = past.unix_seconds() / 3_600 + 1;
    let again = stay(later, Some("ap-northeast-2"), 4_000);
    Stays::from([
        ("gone".to_owned(), vec![stay(0, Some("eu-west-1"), 8_000)]),
        (
            "n1".to_owned(),
            vec![stay(0, Some("eu-north-1"), 2_000), again],
        ),
    ])
}

/// The node that is left, as the cluster tells it.
fn left() -> Node {
    let node = serde_json::json!({
        "metadata": {"name": "n1", "labels": {(places::REGION_LABEL): "ap-northeast-2"}},
        "spec": {"providerID": "aws:///ap-northeast-2a/i-1"},
        "status": {"allocatable": {"cpu": "4"}},
    });
    serde_json::from_value(node).unwrap()
}

/// The report of a time as of any other than the policy's window.
pub(super) async fn reported(facts: &Given, time: Period) -> Report {
    let when = When::Between(time.from.start(), time.until.start());
    let limits = Limits {
        needs_hours: true,
        rows: u64::MAX,
    };
    let read = read(facts, facts.policies[0].clone(), &when, limits).await;
    let made = read.unwrap().report(&facts.rules, &Statement::default());
    made.unwrap()
}

/// A report of another time priced all hours where nodes are now, and what a node
/// that is gone used at the policy's site; of its hardware nothing was known.
#[tokio::test]
async fn a_report_of_the_windows_hours_has_each_node_where_and_as_large_as_it_was() {
    let past = hour().plus_hours(-3);
    let mut spec = with_units();
    spec.site.placement = Placement::NodeRegion;
    let mut snapshot = snapshot();
    snapshot.rows.push(HourRow {
        hour: past,
        ..row(pod("a1"), 30_000_000_000, Provenance::Measured)
    });
    snapshot.rows.push(HourRow {
        node: Arc::from("gone"),
        ..row(pod("a2"), 50_000_000_000, Provenance::Measured)
    });
    let gone = KnownNode {
        millicores: Some(8_000),
        ..KnownNode::default()
    };
    let known = Known::new([("gone".to_owned(), gone)].into(), stays(past));
    let here = places::regions().unwrap();
    let here = here.get("ap-northeast-2", Some("aws")).unwrap();
    let mut observed = served(Ok(500.0));
    observed.node_regions.insert("n1".to_owned(), here);
    known.place(&mut observed, hour());
    let cluster = Remembered {
        now: &OneLeft,
        before: &known,
    };
    let (policy, evaluation) = evaluate_with(&spec, &snapshot, &observed, &cluster);
    assert_eq!(evaluation.places.len(), 3, "{:?}", evaluation.places);

    let facts = Given {
        nodes: vec![left()],
        stays: stays(past),
        ..given(&spec, &snapshot, &evaluation)
    };
    let window = window(
        Timestamp::from_second(THROUGH).unwrap(),
        policy.window_hours,
    );
    let report = reported(&facts, window).await;
    let mut totals = report.totals.clone();
    // Here hours that have energy are seen, there those of the nodes.
    totals.coverage_percent = evaluation.totals.coverage_percent;
    assert_eq!(totals, evaluation.totals);
    let sci = evaluation.sci.clone().unwrap().unwrap();
    assert_eq!(report.embodied_milligrams, Some(sci.embodied_milligrams));
    let hours = report.hours.unwrap().hours;
    let sum: i64 = hours.iter().map(|hour| hour.emissions_milligrams).sum();
    let off = sum.abs_diff(totals.emissions_milligrams.value);
    // Each hour is rounded for itself.
    assert!(off <= 2, "{sum} {totals:?}");

    // Without the ledger's places it is another sum, and no hardware.
    let blind = Given {
        stays: Stays::new(),
        ..facts
    };
    let report = reported(&blind, window).await;
    assert_ne!(
        report.totals.emissions_milligrams,
        totals.emissions_milligrams
    );
    assert_eq!(report.embodied_milligrams, None);
}
