//! Acting on a real API server: only where the namespace lets the operator,
//! only on who asks, and back again.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should end"
)]

#[path = "support/api.rs"]
mod api;

use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tanso_operator::cluster::{Applier, ApplyFault, CARBON_POLICY_MANAGER, Claim};
use tanso_operator::controllers::carbon_policy::act::{APPLIED_BY, OPT_IN, Wish, carry_out};
use tanso_operator::metrics::Metrics;

const LAB: &str = "actions-lab";

fn read<K: DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).unwrap()
}

fn wish() -> Wish {
    Wish {
        policy: "uid-of-the-policy".into(),
        may_apply: true,
        rewrite: Some(("0 11 * * *".into(), "Asia/Seoul".into())),
        hold: false,
    }
}

async fn prepare(admin: &Client) -> Api<CronJob> {
    let namespace = json!({"metadata": {"name": LAB}});
    api::put(&Api::all(admin.clone()), &read::<Namespace>(namespace)).await;
    let template =
        json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    let cron_jobs: Api<CronJob> = Api::namespaced(admin.clone(), LAB);
    for (name, labels) in [("asks", json!({OPT_IN.0: OPT_IN.1})), ("silent", json!({}))] {
        let cron_job = json!({"metadata": {"name": name, "labels": labels}, "spec": {
            "schedule": "0 18 * * *", "jobTemplate": {"spec": {"template": template}}}});
        api::put(&cron_jobs, &read::<CronJob>(cron_job)).await;
    }
    cron_jobs
}

fn time_of(cron_job: &CronJob) -> (String, Option<String>) {
    let spec = cron_job.spec.clone().unwrap();
    (spec.schedule, spec.time_zone)
}

#[tokio::test]
async fn advice_is_carried_out_where_it_is_let_on_who_asks_and_taken_back() {
    let Some(admin) = api::admin().await else {
        return;
    };
    let operator = api::as_operator().await.unwrap();
    let cron_jobs = prepare(&admin).await;
    let applier = Applier::new(CARBON_POLICY_MANAGER, Claim::always(), Metrics::default());
    let act = async |name: &str, wish: &Wish| carry_out(&applier, &operator, LAB, name, wish).await;

    let bindings: Api<RoleBinding> = Api::namespaced(admin.clone(), LAB);
    let _ = bindings
        .delete("tanso-actions", &kube::api::DeleteParams::default())
        .await;
    let forbidden = act("asks", &wish()).await.unwrap_err();
    assert!(forbidden.is_forbidden(), "{forbidden}");

    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "tanso-operator-actions"});
    let subject =
        json!({"kind": "ServiceAccount", "name": "tanso-operator", "namespace": api::NAMESPACE});
    let binding =
        json!({"metadata": {"name": "tanso-actions"}, "roleRef": role, "subjects": [subject]});
    api::put(&bindings, &read::<RoleBinding>(binding)).await;
    // The authorizer learns of a binding a moment later.
    let mut first = act("asks", &wish()).await;
    for _ in 0..600 {
        if !first.as_ref().is_err_and(ApplyFault::is_forbidden) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        first = act("asks", &wish()).await;
    }
    assert_eq!(first.unwrap().unwrap().reason, "Rescheduled");
    let moved = cron_jobs.get("asks").await.unwrap();
    assert_eq!(
        time_of(&moved),
        ("0 11 * * *".into(), Some("Asia/Seoul".into()))
    );
    assert_eq!(moved.labels()[APPLIED_BY], "uid-of-the-policy");
    assert_eq!(
        act("asks", &wish()).await.unwrap(),
        None,
        "a second time says nothing"
    );
    assert_eq!(act("silent", &wish()).await.unwrap(), None);

    let dirty = Wish {
        hold: true,
        ..wish()
    };
    assert_eq!(
        act("asks", &dirty).await.unwrap().unwrap().reason,
        "Suspended"
    );
    let held = cron_jobs.get("asks").await.unwrap();
    assert_eq!(held.spec.unwrap().suspend, Some(true));

    // The label goes: everything comes back.
    let without = json!({"metadata": {"labels": {OPT_IN.0: null}}});
    let params = PatchParams::default();
    cron_jobs
        .patch("asks", &params, &Patch::Merge(without))
        .await
        .unwrap();
    assert_eq!(
        act("asks", &dirty).await.unwrap().unwrap().reason,
        "Reverted"
    );
    let back = cron_jobs.get("asks").await.unwrap();
    assert_eq!(time_of(&back), ("0 18 * * *".into(), None));
    assert_eq!(back.spec.as_ref().unwrap().suspend, Some(false));
    assert!(
        back.annotations().is_empty() && back.labels().is_empty(),
        "{:?}",
        back.metadata
    );
}
