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

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{
    ConfigMap, Node, PersistentVolumeClaim, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tanso_crds::PowerMonitor;
use tanso_operator::cluster::{Claim, condition};
use tanso_operator::collect::NodeBoard;
use tanso_operator::controllers::power_monitor::build::{Installation, Names};
use tanso_operator::controllers::power_monitor::{Context, observe, run, visit};
use tanso_operator::metrics::Metrics;
use tanso_runtime::Shutdown;

/// A monitor of its own node, so that tests do not meet.
struct Bench {
    admin: Client,
    name: String,
    names: Names,
}

impl Bench {
    async fn new(name: &str, with_node: bool) -> Option<Self> {
        let admin = api::admin().await?;
        let bench = Self {
            admin,
            name: name.to_owned(),
            names: Names::of(name),
        };
        bench.clear().await;
        if with_node {
            let node = json!({"metadata": {
                "name": format!("node-{name}"),
                "labels": {"test": name, "kubernetes.io/os": "linux"},
            }});
            let mut node: Node = serde_json::from_value(node).unwrap();
            node.metadata.managed_fields = None;
            api::put(&Api::all(bench.admin.clone()), &node).await;
        }
        Some(bench)
    }

    /// Removes what an earlier run of the test left.
    async fn clear(&self) {
        let params = DeleteParams::default();
        let _ = self.monitors().delete(&self.name, &params).await;
        let _ = Api::<Node>::all(self.admin.clone())
            .delete(&format!("node-{}", self.name), &params)
            .await;
        let _ = Api::<ClusterRoleBinding>::all(self.admin.clone())
            .delete(&self.names.binding, &params)
            .await;
        // No controller runs here that would let go of a claim.
        let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        let claims = self.inside::<PersistentVolumeClaim>();
        let server = &self.names.model_server;
        let _ = claims.delete(server, &params).await;
        let _ = claims.patch(server, &PatchParams::default(), &free).await;
        for name in [
            &self.names.authority,
            &self.names.agent_tls,
            &self.names.model_tls,
        ] {
            let _ = self.inside::<Secret>().delete(name, &params).await;
            let _ = self.inside::<ConfigMap>().delete(name, &params).await;
        }
        for name in [
            &self.names.agent,
            &self.names.model_server,
            &self.names.model_reader,
            &self.names.model_lead,
            &self.names.agent_policy,
            &self.names.model_policy,
        ] {
            let _ = self
                .inside::<PodDisruptionBudget>()
                .delete(name, &params)
                .await;
            let _ = self.inside::<NetworkPolicy>().delete(name, &params).await;
            let _ = self.inside::<DaemonSet>().delete(name, &params).await;
            let _ = self.inside::<Deployment>().delete(name, &params).await;
            let _ = self.inside::<ConfigMap>().delete(name, &params).await;
            let _ = self.inside::<Service>().delete(name, &params).await;
            let _ = self.inside::<ServiceAccount>().delete(name, &params).await;
        }
    }

    fn monitors(&self) -> Api<PowerMonitor> {
        Api::all(self.admin.clone())
    }

    fn inside<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.admin.clone(), api::NAMESPACE)
    }

    async fn wish(&self, mut spec: Value) {
        if spec["agent"]["nodeSelector"].is_null() {
            spec["agent"]["nodeSelector"] = json!({"test": self.name});
        }
        let monitor = PowerMonitor::new(&self.name, serde_json::from_value(spec).unwrap());
        api::put(&self.monitors(), &monitor).await;
    }

    /// An operator as after a start; it remembers nothing.
    async fn operator(&self) -> Arc<Context> {
        let client = api::as_operator().await.unwrap();
        let (nodes, ticks) = observe::nodes(client.clone());
        tokio::spawn(ticks.for_each(|()| async {}));
        Arc::new(context(client, nodes))
    }

    async fn status(&self) -> tanso_crds::PowerMonitorStatus {
        self.monitors()
            .get(&self.name)
            .await
            .unwrap()
            .status
            .unwrap()
    }

    /// Status and reason of a condition.
    async fn says(&self, type_: &str) -> String {
        let status = self.status().await;
        condition(&status.conditions, type_)
            .map(|c| format!("{} {}", c.status, c.reason))
            .unwrap_or_default()
    }

    /// Resource versions of the monitor and all its objects.
    async fn versions(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let mut note = |what: &str, object: Option<kube::core::ObjectMeta>| {
            if let Some(meta) = object {
                all.insert(what.to_owned(), meta.resource_version.unwrap());
            }
        };
        note(
            "monitor",
            self.monitors()
                .get_opt(&self.name)
                .await
                .unwrap()
                .map(|o| o.metadata),
        );
        let bindings: Api<ClusterRoleBinding> = Api::all(self.admin.clone());
        note(
            "binding",
            bindings
                .get_opt(&self.names.binding)
                .await
                .unwrap()
                .map(|o| o.metadata),
        );
        let (agent, server) = (&self.names.agent, &self.names.model_server);
        note("agents", meta(&self.inside::<DaemonSet>(), agent).await);
        note("config", meta(&self.inside::<ConfigMap>(), agent).await);
        note(
            "agent service",
            meta(&self.inside::<Service>(), agent).await,
        );
        note(
            "agent account",
            meta(&self.inside::<ServiceAccount>(), agent).await,
        );
        note(
            "model server",
            meta(&self.inside::<Deployment>(), server).await,
        );
        note(
            "model service",
            meta(&self.inside::<Service>(), server).await,
        );
        note(
            "model account",
            meta(&self.inside::<ServiceAccount>(), server).await,
        );
        all
    }
}

fn context(client: Client, nodes: observe::NodeStore) -> Context {
    let installation = Installation {
        namespace: api::NAMESPACE.into(),
        agent_image: "example.com/agent:1".into(),
        model_server_image: "example.com/model-server:1".into(),
    };
    let facts = Arc::new(NodeBoard::default());
    Context::new(
        client,
        installation,
        &Claim::always(),
        Metrics::default(),
        facts,
        nodes,
        "tests",
    )
}

async fn meta<K>(api: &Api<K>, name: &str) -> Option<kube::core::ObjectMeta>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    api.get_opt(name)
        .await
        .unwrap()
        .map(|object| object.meta().clone())
}

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
    assert_eq!(younger.versions().await.len(), 1);
    older
        .monitors()
        .delete(&older.name, &DeleteParams::default())
        .await
        .unwrap();
    visit(&operator, &younger.name).await;
    assert_eq!(younger.versions().await.len(), 9);
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

impl Bench {
    /// Resource versions of what only some monitors have.
    async fn extras(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let names = &self.names;
        let mut note = |what: &str, object: Option<kube::core::ObjectMeta>| {
            if let Some(meta) = object {
                all.insert(what.to_owned(), meta.resource_version.unwrap());
            }
        };
        let bindings = Api::<ClusterRoleBinding>::all(self.admin.clone());
        for name in [
            &names.agent_reviews,
            &names.agent_samples,
            &names.model_reviews,
        ] {
            note(name, meta(&bindings, name).await);
        }
        for name in [&names.authority, &names.agent_tls, &names.model_tls] {
            let secrets = self.inside::<Secret>();
            note(&format!("secret {name}"), meta(&secrets, name).await);
        }
        let configs = self.inside::<ConfigMap>();
        note("authority", meta(&configs, &names.authority).await);
        let claims = self.inside::<PersistentVolumeClaim>();
        let claim = meta(&claims, &names.model_server).await;
        // One that goes is held by the API server until a controller lets go;
        // the cluster's own controllers write to one that stays.
        let mut claim = claim.filter(|meta| meta.deletion_timestamp.is_none());
        if let Some(meta) = &mut claim {
            meta.resource_version = meta.uid.clone();
        }
        note("claim", claim);
        let readers = self.inside::<Deployment>();
        note("readers", meta(&readers, &names.model_reader).await);
        let services = self.inside::<Service>();
        note("lead", meta(&services, &names.model_lead).await);
        let budgets = self.inside::<PodDisruptionBudget>();
        note("budget", meta(&budgets, &names.model_server).await);
        let policies = self.inside::<NetworkPolicy>();
        for name in [&names.agent_policy, &names.model_policy] {
            note(&format!("policy {name}"), meta(&policies, name).await);
        }
        all
    }
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
