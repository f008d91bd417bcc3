//! The `PowerMonitor` controller against a real API server, with the rights
//! that the installation gives it and no more.
//!
//! No other controller runs there: what is created stays until the tests or
//! the operator delete it, and no `DaemonSet` ever gets a status by itself.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, also in its helpers"
)]

#[path = "support/api.rs"]
mod api;
#[path = "api_power_monitor/bench.rs"]
mod bench;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use tanso_operator::cluster::condition;
use tanso_operator::collect::TrustBoard;
use tanso_operator::controllers::power_monitor::{observe, run, visit};
use tanso_runtime::Shutdown;

use bench::{Bench, context, meta};

#[tokio::test]
async fn a_monitor_gets_all_its_objects_and_a_second_visit_writes_nothing() {
    let Some(bench) = Bench::new("twice", true).await else {
        return;
    };
    bench.wish(json!({})).await;
    let operator = bench.operator().await;
    visit(&operator, &bench.name).await;
    let first = bench.versions().await;
    assert_eq!(first.len(), 9, "{first:?}");
    let uid = bench
        .monitors()
        .get(&bench.name)
        .await
        .unwrap()
        .uid()
        .unwrap();
    for owned in [
        meta(&bench.inside::<DaemonSet>(), &bench.names.agent).await,
        meta(&bench.inside::<ConfigMap>(), &bench.names.agent).await,
        meta(&bench.inside::<Service>(), &bench.names.agent).await,
        meta(&bench.inside::<ServiceAccount>(), &bench.names.agent).await,
        meta(&bench.inside::<Deployment>(), &bench.names.model_server).await,
        meta(&bench.inside::<Service>(), &bench.names.model_server).await,
        meta(&bench.inside::<ServiceAccount>(), &bench.names.model_server).await,
        meta(
            &Api::<ClusterRoleBinding>::all(bench.admin.clone()),
            &bench.names.binding,
        )
        .await,
    ] {
        let owners = owned.unwrap().owner_references.unwrap();
        assert_eq!(
            (owners.len(), &owners[0].uid, owners[0].controller),
            (1, &uid, Some(true))
        );
    }
    visit(&operator, &bench.name).await;
    bench.wish(json!({})).await;
    visit(&operator, &bench.name).await;
    assert_eq!(bench.versions().await, first);
    visit(&*bench.operator().await, &bench.name).await;
    assert_eq!(
        bench.versions().await,
        first,
        "after a restart of the operator"
    );
    assert_eq!(bench.says("Ready").await, "False RolloutInProgress");
    assert_eq!(bench.says("Reconciling").await, "True RolloutInProgress");
    let status = bench.status().await;
    assert!(
        status
            .conditions
            .iter()
            .all(|c| c.observed_generation == status.observed_generation)
    );
    bench.clear().await;
}

#[tokio::test]
async fn it_is_ready_when_the_pods_are() {
    let Some(bench) = Bench::new("ready", true).await else {
        return;
    };
    bench.wish(json!({"modelServer": {"replicas": 0}})).await;
    let operator = bench.operator().await;
    visit(&operator, &bench.name).await;
    let status = json!({"status": {
        "observedGeneration": 1, "desiredNumberScheduled": 1, "currentNumberScheduled": 1,
        "updatedNumberScheduled": 1, "numberReady": 1, "numberMisscheduled": 0,
    }});
    bench
        .inside::<DaemonSet>()
        .patch_status(
            &bench.names.agent,
            &PatchParams::default(),
            &Patch::Merge(&status),
        )
        .await
        .unwrap();
    visit(&operator, &bench.name).await;
    assert_eq!(bench.says("Ready").await, "True Succeeded");
    assert_eq!(bench.says("ModelServerReady").await, "False SwitchedOff");
    assert_eq!(bench.status().await.summary.unwrap().agents, "1/1");
    bench.clear().await;
}

#[tokio::test]
async fn drift_is_repaired_and_what_others_added_is_kept() {
    let Some(bench) = Bench::new("drift", true).await else {
        return;
    };
    bench.wish(json!({})).await;
    let operator = bench.operator().await;
    visit(&operator, &bench.name).await;
    let sets = bench.inside::<DaemonSet>();
    let drift = json!({
        "metadata": {"annotations": {"example.com/note": "kept"}, "ownerReferences": null,
            "labels": {"app.kubernetes.io/managed-by": "somebody"}},
        "spec": {"template": {"spec": {"hostPID": false}}},
    });
    sets.patch(
        &bench.names.agent,
        &PatchParams::default(),
        &Patch::Merge(&drift),
    )
    .await
    .unwrap();
    bench
        .inside::<ConfigMap>()
        .delete(&bench.names.agent, &DeleteParams::default())
        .await
        .unwrap();
    visit(&operator, &bench.name).await;
    let set = sets.get(&bench.names.agent).await.unwrap();
    assert_eq!(
        set.spec
            .as_ref()
            .unwrap()
            .template
            .spec
            .as_ref()
            .unwrap()
            .host_pid,
        Some(true)
    );
    assert_eq!(
        set.labels()["app.kubernetes.io/managed-by"],
        "tanso-operator"
    );
    assert_eq!(set.annotations()["example.com/note"], "kept");
    assert_eq!(set.owner_references().len(), 1);
    assert!(
        bench
            .inside::<ConfigMap>()
            .get_opt(&bench.names.agent)
            .await
            .unwrap()
            .is_some()
    );
    bench.clear().await;
}

#[tokio::test]
async fn a_selector_that_no_node_matches_stalls_with_the_reason() {
    let Some(bench) = Bench::new("nowhere", false).await else {
        return;
    };
    bench.wish(json!({})).await;
    visit(&*bench.operator().await, &bench.name).await;
    assert_eq!(bench.says("Ready").await, "False NoMatchingNodes");
    assert_eq!(bench.says("Stalled").await, "True NoMatchingNodes");
    assert!(
        bench.versions().await.contains_key("agents"),
        "agents start as soon as a node comes"
    );
    bench.clear().await;
}

#[tokio::test]
async fn the_younger_of_two_that_choose_a_node_gives_way() {
    let Some(older) = Bench::new("older", true).await else {
        return;
    };
    let Some(younger) = Bench::new("younger", false).await else {
        return;
    };
    older.wish(json!({})).await;
    // Ages are compared by the second.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    younger
        .wish(json!({"agent": {"nodeSelector": {"test": "older"}}}))
        .await;
    let operator = older.operator().await;
    visit(&operator, &older.name).await;
    visit(&operator, &younger.name).await;
    assert_eq!(older.says("Stalled").await, "False Succeeded");
    assert_eq!(younger.says("Stalled").await, "True Conflicted");
    let status = younger.status().await;
    let message = &condition(&status.conditions, "Ready").unwrap().message;
    assert!(
        message.contains("\"older\"") && message.contains("\"node-older\""),
        "{message}"
    );
    // Its objects are there, and its agents keep off the older one's nodes.
    assert_eq!(younger.versions().await.len(), 9);
    let affinity = async || {
        let sets = younger.inside::<DaemonSet>();
        let set = sets.get(&younger.names.agent).await;
        let pod = set.unwrap().spec.unwrap().template.spec.unwrap();
        pod.affinity.and_then(|affinity| affinity.node_affinity)
    };
    assert!(affinity().await.is_some());
    older
        .monitors()
        .delete(&older.name, &DeleteParams::default())
        .await
        .unwrap();
    visit(&operator, &younger.name).await;
    assert!(affinity().await.is_none());
    assert_eq!(younger.says("Stalled").await, "False Succeeded");
    older.clear().await;
    younger.clear().await;
}

#[tokio::test]
async fn no_replicas_remove_the_model_server_and_suspend_changes_nothing() {
    let Some(bench) = Bench::new("less", true).await else {
        return;
    };
    bench.wish(json!({})).await;
    let operator = bench.operator().await;
    visit(&operator, &bench.name).await;
    bench
        .wish(json!({"modelServer": {"replicas": 0}, "suspend": true}))
        .await;
    visit(&operator, &bench.name).await;
    assert_eq!(bench.versions().await.len(), 9);
    assert_eq!(bench.says("Reconciling").await, "False Suspended");
    bench.wish(json!({"modelServer": {"replicas": 0}})).await;
    visit(&operator, &bench.name).await;
    assert_eq!(bench.versions().await.len(), 6);
    bench.clear().await;
}

#[tokio::test]
async fn model_servers_run_where_the_monitor_says_for_as_long_as_it_does() {
    let Some(bench) = Bench::new("placed", true).await else {
        return;
    };
    let pod = async || {
        let deployments = bench.inside::<Deployment>();
        let found = deployments.get(&bench.names.model_server).await.unwrap();
        let found = serde_json::to_value(found).unwrap();
        ["nodeSelector", "tolerations", "priorityClassName"]
            .map(|field| found["spec"]["template"]["spec"][field].clone())
    };
    let tolerations = json!([{"key": "infra", "operator": "Exists"}]);
    let server = json!({
        "nodeSelector": {"pool": "infra"},
        "tolerations": tolerations,
        "priorityClassName": "system-cluster-critical",
    });
    bench.wish(json!({"modelServer": server})).await;
    let operator = bench.operator().await;
    visit(&operator, &bench.name).await;
    let selector = json!({"kubernetes.io/os": "linux", "pool": "infra"});
    let placed = [selector, tolerations, json!("system-cluster-critical")];
    assert_eq!(pod().await, placed);
    bench.wish(json!({})).await;
    visit(&operator, &bench.name).await;
    let usual = [
        json!({"kubernetes.io/os": "linux"}),
        Value::Null,
        Value::Null,
    ];
    assert_eq!(pod().await, usual);
    bench.clear().await;
}

#[tokio::test]
async fn a_visit_that_was_asked_for_is_told_back_and_changes_nothing_else() {
    let Some(bench) = Bench::new("asked", true).await else {
        return;
    };
    bench.wish(json!({})).await;
    let operator = bench.operator().await;
    visit(&operator, &bench.name).await;
    assert_eq!(bench.status().await.last_handled_reconcile_at, None);
    let mut before = bench.versions().await;
    let value = "2026-11-21T10:00:00Z";
    let annotation = json!({"metadata": {"annotations": {tanso_crds::REQUESTED_AT: value}}});
    let patch = Patch::Merge(&annotation);
    bench
        .monitors()
        .patch(&bench.name, &PatchParams::default(), &patch)
        .await
        .unwrap();
    visit(&operator, &bench.name).await;
    let told = bench.status().await.last_handled_reconcile_at;
    assert_eq!(told.as_deref(), Some(value));
    let mut after = bench.versions().await;
    // The monitor itself has its annotation and status.
    assert_ne!(before.remove("monitor"), after.remove("monitor"));
    assert_eq!(after, before);
    bench.clear().await;
}

#[tokio::test]
async fn an_object_that_somebody_else_made_is_left_alone() {
    let Some(bench) = Bench::new("taken", true).await else {
        return;
    };
    let config = json!({"metadata": {"name": bench.names.agent}, "data": {"mine": "1"}});
    let config: ConfigMap = serde_json::from_value(config).unwrap();
    api::put(&bench.inside(), &config).await;
    bench.wish(json!({})).await;
    visit(&*bench.operator().await, &bench.name).await;
    assert_eq!(bench.says("Stalled").await, "True Conflicted");
    let live = bench
        .inside::<ConfigMap>()
        .get(&bench.names.agent)
        .await
        .unwrap();
    assert_eq!(
        live.data.unwrap(),
        BTreeMap::from([("mine".to_owned(), "1".to_owned())])
    );
    bench.clear().await;
}

#[tokio::test]
async fn what_the_api_server_refuses_is_said_with_its_own_words() {
    let Some(bench) = Bench::new("refused", true).await else {
        return;
    };
    let resources = json!({"requests": {"cpu": "2"}, "limits": {"cpu": "1"}});
    bench.wish(json!({"agent": {"resources": resources}})).await;
    visit(&*bench.operator().await, &bench.name).await;
    assert_eq!(bench.says("Stalled").await, "True InvalidSpec");
    let status = bench.status().await;
    let message = &condition(&status.conditions, "Ready").unwrap().message;
    assert!(
        message.contains("must be less than or equal to cpu limit"),
        "{message}"
    );
    bench.clear().await;
}

/// Every protection at once.
fn protected() -> Value {
    json!({
        "agent": {"samples": "Enabled", "access": {"tokens": "Enabled", "anonymous": "Coarse"}},
        "modelServer": {"replicas": 2, "storage": {"type": "PersistentVolumeClaim"}},
        "tls": {"type": "SelfSigned"},
        "networkPolicy": {"type": "Enabled"},
        "serviceMonitor": {"type": "Enabled"},
    })
}

#[tokio::test]
async fn every_protection_is_made_once_and_goes_when_it_is_not_wished() {
    let Some(bench) = Bench::new("protected", true).await else {
        return;
    };
    bench.wish(protected()).await;
    let operator = bench.operator().await;
    visit(&operator, &bench.name).await;
    let made = bench.extras().await;
    assert_eq!(made.len(), 13, "{made:?}");
    visit(&operator, &bench.name).await;
    // A new process made nothing anew: neither keys nor objects.
    visit(&*bench.operator().await, &bench.name).await;
    assert_eq!(bench.extras().await, made);
    let set = bench.inside::<DaemonSet>().get(&bench.names.agent).await;
    let set = serde_json::to_value(set.unwrap()).unwrap();
    let probe = &set["spec"]["template"]["spec"]["containers"][0]["readinessProbe"];
    assert_eq!(probe["httpGet"]["scheme"], "HTTPS");

    bench.wish(json!({"agent": {}})).await;
    visit(&operator, &bench.name).await;
    let left = bench.extras().await;
    assert!(left.is_empty(), "{left:?}");
    bench.clear().await;
}

/// The policy of a model server that asks nobody has no list of what goes out.
#[tokio::test]
async fn what_a_model_server_lets_out_goes_when_it_no_longer_learns() {
    let Some(bench) = Bench::new("closed", true).await else {
        return;
    };
    let operator = bench.operator().await;
    for (samples, rules) in [("Disabled", 0), ("Enabled", 2), ("Disabled", 0)] {
        let spec = json!({"agent": {"samples": samples}, "networkPolicy": {"type": "Enabled"}});
        bench.wish(spec).await;
        visit(&operator, &bench.name).await;
        let policies = bench.inside::<NetworkPolicy>();
        let policy = policies.get(&bench.names.model_policy).await.unwrap();
        let spec = policy.spec.unwrap();
        assert_eq!(spec.policy_types.unwrap(), ["Ingress", "Egress"]);
        assert_eq!(spec.egress.unwrap_or_default().len(), rules, "{samples}");
    }
    bench.clear().await;
}

/// Its agents run on: an operator that started while it was suspended asked them in
/// the clear, and booked nothing until it was resumed.
#[tokio::test]
async fn agents_of_a_suspended_monitor_are_known_to_an_operator_that_starts() {
    let Some(bench) = Bench::new("paused", true).await else {
        return;
    };
    let tls = json!({"type": "SelfSigned"});
    bench.wish(json!({"tls": tls})).await;
    visit(&*bench.operator().await, &bench.name).await;
    bench.wish(json!({"tls": tls, "suspend": true})).await;
    let client = api::as_operator().await.unwrap();
    let (nodes, ticks) = observe::nodes(client.clone());
    tokio::spawn(ticks.for_each(|()| async {}));
    let board = TrustBoard::default();
    let started = context(client, nodes).trusting(board.clone());
    visit(&started, &bench.name).await;
    assert_eq!(bench.says("Reconciling").await, "False Suspended");
    let trust = board.of(&bench.name).unwrap();
    assert!(trust.authority.contains("BEGIN CERTIFICATE"));
    bench.clear().await;
}

#[tokio::test]
async fn certificates_of_somebody_are_waited_for_and_said() {
    let Some(bench) = Bench::new("given", true).await else {
        return;
    };
    let tls =
        json!({"type": "Secret", "agentSecretName": "given-a", "modelServerSecretName": "given-m"});
    bench.wish(json!({"tls": tls})).await;
    let operator = bench.operator().await;
    visit(&operator, &bench.name).await;
    assert_eq!(bench.says("Ready").await, "False NotFound");
    let sets = bench.inside::<DaemonSet>();
    assert!(meta(&sets, &bench.names.agent).await.is_none());
    for name in ["given-a", "given-m"] {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque",
            "stringData": {"tls.crt": "x", "tls.key": "x", "ca.crt": "x"},
        });
        let secret: Secret = serde_json::from_value(secret).unwrap();
        api::put(&bench.inside::<Secret>(), &secret).await;
    }
    visit(&operator, &bench.name).await;
    assert_eq!(bench.says("Ready").await, "False RolloutInProgress");
    bench.wish(json!({"tls": {"type": "Disabled"}})).await;
    visit(&operator, &bench.name).await;
    for name in ["given-a", "given-m"] {
        let secrets = bench.inside::<Secret>();
        assert!(meta(&secrets, name).await.is_some(), "{name} is not ours");
        secrets
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }
    bench.clear().await;
}

#[tokio::test]
async fn a_kind_that_is_not_installed_is_said_and_agents_run_all_the_same() {
    let Some(bench) = Bench::new("kinds", true).await else {
        return;
    };
    let crds = Api::<CustomResourceDefinition>::all(bench.admin.clone());
    if meta(&crds, "servicemonitors.monitoring.coreos.com")
        .await
        .is_some()
    {
        eprintln!("skipped: the kind ServiceMonitor is installed here");
        return;
    }
    bench
        .wish(json!({"serviceMonitor": {"type": "Enabled"}}))
        .await;
    let operator = bench.operator().await;
    visit(&operator, &bench.name).await;
    assert_eq!(bench.says("ServiceMonitorsReady").await, "False NotFound");
    assert_eq!(bench.says("AgentsReady").await, "False RolloutInProgress");
    let issuer = json!({"type": "CertManager", "issuer": {"name": "internal"}});
    bench.wish(json!({"tls": issuer})).await;
    visit(&operator, &bench.name).await;
    assert_eq!(bench.says("Ready").await, "False NotFound");
    let status = bench.status().await;
    let ready = condition(&status.conditions, "Ready").unwrap();
    assert!(
        ready.message.contains("install cert-manager"),
        "{}",
        ready.message
    );
    bench.clear().await;
}

#[tokio::test]
async fn the_running_controller_makes_again_what_is_deleted() {
    let Some(bench) = Bench::new("alive", true).await else {
        return;
    };
    let client = api::as_operator().await.unwrap();
    let (nodes, ticks) = observe::nodes(client.clone());
    let shutdown = Shutdown::new();
    let running = tokio::spawn(run(
        Arc::new(context(client, nodes)),
        ticks,
        shutdown.clone(),
    ));
    bench.wish(json!({})).await;
    let sets = bench.inside::<DaemonSet>();
    let first = appears(&sets, &bench.names.agent, "").await;
    sets.delete(&bench.names.agent, &DeleteParams::background())
        .await
        .unwrap();
    let second = appears(&sets, &bench.names.agent, &first).await;
    assert_ne!(first, second);
    shutdown.begin();
    tokio::time::timeout(Duration::from_secs(10), running)
        .await
        .unwrap()
        .unwrap();
    bench.clear().await;
}

/// Waits for a set of that name with another UID than `before`.
async fn appears(sets: &Api<DaemonSet>, name: &str, before: &str) -> String {
    let fresh = |set: Option<&DaemonSet>| {
        set.is_some_and(|set| set.uid().as_deref().is_some_and(|uid| uid != before))
    };
    let wait = kube::runtime::wait::await_condition(sets.clone(), name, fresh);
    let found = tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .unwrap()
        .unwrap();
    found.unwrap().uid().unwrap()
}
