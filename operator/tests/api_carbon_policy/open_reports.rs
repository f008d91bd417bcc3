//! The mirror in `OpenReports`: with the kind as its project publishes it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use tanso_crds::CarbonPolicy;
use tanso_crds::carbon_policy::status::CarbonPolicyStatus;
use tanso_operator::cluster::condition;
use tanso_operator::controllers::carbon_policy::open_reports::Report;

use super::{Bench, PATIENCE, api, until};

/// The file with the kind; `cargo xtask test` fetches it.
const WHERE: &str = "TANSO_TEST_OPEN_REPORTS";

/// Said while the kind is not there, written as soon as it is, left alone while
/// nothing changes, and taken back when nobody asks any more.
pub(super) async fn verdicts_stand_in_reports_of_openreports_where_they_are_wished(bench: &Bench) {
    let Some(file) = std::env::var_os(WHERE) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "{WHERE} must be set in CI"
        );
        eprintln!("skipped: {WHERE} is not set");
        return;
    };
    let kind: CustomResourceDefinition =
        serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let kinds: Api<CustomResourceDefinition> = bench.all();
    remove(&kinds, &kind.name_any()).await;

    wish(bench, "Enabled").await;
    until_said(bench, Some(("False", "NotFound"))).await;

    api::put(&kinds, &kind).await;
    let name = kind.name_any();
    let there = await_condition(kinds.clone(), &name, conditions::is_crd_established());
    tokio::time::timeout(PATIENCE, there)
        .await
        .unwrap()
        .unwrap();
    let status = until_said(bench, Some(("True", "Succeeded"))).await;

    let reports: Api<Report> = bench.shop();
    let report = reports.get(&status.reports[0]).await.unwrap();
    let version = report.resource_version();
    let found = serde_json::to_value(&report).unwrap();
    // Two rules and three workloads.
    let results = found["results"].as_array().unwrap();
    assert_eq!(results.len(), 5, "{found:#}");
    let counts = found["summary"].as_object().unwrap();
    let sum: u64 = counts.values().filter_map(Value::as_u64).sum();
    assert_eq!(sum, 5, "{found:#}");
    assert_eq!(found["metadata"]["ownerReferences"][0]["name"], "judged");
    let of_store = results
        .iter()
        .find(|one| one["resources"][0]["name"] == "store")
        .unwrap();
    let row = status.workloads.iter().find(|w| w.name == "store").unwrap();
    let energy = row.figures.energy_microjoules.value.to_string();
    assert_eq!(of_store["properties"]["energyMicrojoules"], energy);
    assert_eq!(of_store["result"], "pass", "{of_store:#}");

    // Another visit, which writes nothing.
    ask(bench, "again").await;
    let policies: Api<CarbonPolicy> = bench.shop();
    until(&policies, "judged", |s| {
        s.last_handled_reconcile_at.as_deref() == Some("again")
    })
    .await;
    let again = reports.get(&status.reports[0]).await.unwrap();
    assert_eq!(again.resource_version(), version);

    wish(bench, "Disabled").await;
    until_said(bench, None).await;
    let left = reports.list_metadata(&ListParams::default()).await.unwrap();
    assert_eq!(left.items.len(), 0);
    remove(&kinds, &name).await;
}

async fn wish(bench: &Bench, switch: &str) {
    let policies: Api<CarbonPolicy> = bench.shop();
    let patch = Patch::Merge(json!({"spec": {"openReports": switch}}));
    let params = PatchParams::default();
    policies.patch("judged", &params, &patch).await.unwrap();
}

async fn ask(bench: &Bench, value: &str) {
    let policies: Api<CarbonPolicy> = bench.shop();
    let annotations = json!({tanso_crds::REQUESTED_AT: value});
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    let params = PatchParams::default();
    policies.patch("judged", &params, &patch).await.unwrap();
}

/// Waits for status and reason of the policy's condition; `None`: for its end.
async fn until_said(bench: &Bench, said: Option<(&str, &str)>) -> CarbonPolicyStatus {
    let policies: Api<CarbonPolicy> = bench.shop();
    until(&policies, "judged", |status| {
        let found = condition(&status.conditions, "OpenReportsReady");
        found.map(|c| (c.status.as_str(), c.reason.as_str())) == said
    })
    .await
}

/// Removes the kind, of an earlier run too, and waits for it to be gone.
async fn remove(kinds: &Api<CustomResourceDefinition>, name: &str) {
    let Some(kind) = kinds.get_opt(name).await.unwrap() else {
        return;
    };
    let uid = kind.uid().unwrap();
    kinds.delete(name, &DeleteParams::default()).await.unwrap();
    let gone = await_condition(kinds.clone(), name, conditions::is_deleted(&uid));
    tokio::time::timeout(PATIENCE, gone).await.unwrap().unwrap();
}
