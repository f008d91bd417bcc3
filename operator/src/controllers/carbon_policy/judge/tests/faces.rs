//! What the faces compute from the ledger's rows is what was judged, to the
//! last digit: one engine, several ways to ask it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tanso_faces::answer::{assess, compare, list};
use tanso_faces::view::Policy as Seen;
use tanso_faces::view::PolicyKind;
use tanso_faces::view::given::Given;

use super::*;

/// The evaluation as a reader of the cluster finds it, with its ledger.
fn given(spec: &CarbonPolicySpec, snapshot: &Snapshot, evaluation: &Evaluation) -> Given {
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
