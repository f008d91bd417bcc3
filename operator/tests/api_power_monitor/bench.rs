//! A monitor of its own node at a real API server, and all its objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{
    ConfigMap, Node, PersistentVolumeClaim, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tanso_crds::PowerMonitor;
use tanso_operator::cluster::{Claim, condition};
use tanso_operator::collect::NodeBoard;
use tanso_operator::controllers::power_monitor::build::{Installation, Names, PullPolicy};
use tanso_operator::controllers::power_monitor::{Context, observe};
use tanso_operator::metrics::Metrics;

use super::api;

/// A monitor of its own node, so that tests do not meet.
pub(super) struct Bench {
    pub(super) admin: Client,
    pub(super) name: String,
    pub(super) names: Names,
}

impl Bench {
    pub(super) async fn new(name: &str, with_node: bool) -> Option<Self> {
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
    pub(super) async fn clear(&self) {
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

    pub(super) fn monitors(&self) -> Api<PowerMonitor> {
        Api::all(self.admin.clone())
    }

    pub(super) fn inside<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.admin.clone(), api::NAMESPACE)
    }

    pub(super) async fn wish(&self, mut spec: Value) {
        if spec["agent"]["nodeSelector"].is_null() {
            spec["agent"]["nodeSelector"] = json!({"test": self.name});
        }
        let monitor = PowerMonitor::new(&self.name, serde_json::from_value(spec).unwrap());
        api::put(&self.monitors(), &monitor).await;
    }

    /// An operator as after a start; it remembers nothing.
    pub(super) async fn operator(&self) -> Arc<Context> {
        let client = api::as_operator().await.unwrap();
        let (nodes, ticks) = observe::nodes(client.clone());
        tokio::spawn(ticks.for_each(|()| async {}));
        Arc::new(context(client, nodes))
    }

    pub(super) async fn status(&self) -> tanso_crds::PowerMonitorStatus {
        self.monitors()
            .get(&self.name)
            .await
            .unwrap()
            .status
            .unwrap()
    }

    /// Status and reason of a condition.
    pub(super) async fn says(&self, type_: &str) -> String {
        let status = self.status().await;
        condition(&status.conditions, type_)
            .map(|c| format!("{} {}", c.status, c.reason))
            .unwrap_or_default()
    }

    /// Resource versions of the monitor and all its objects.
    pub(super) async fn versions(&self) -> BTreeMap<String, String> {
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

    /// Resource versions of what only some monitors have.
    pub(super) async fn extras(&self) -> BTreeMap<String, String> {
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

pub(super) fn context(client: Client, nodes: observe::NodeStore) -> Context {
    let installation = Installation {
        namespace: api::NAMESPACE.into(),
        agent_image: "example.com/agent:1".into(),
        model_server_image: "example.com/model-server:1".into(),
        pull_secrets: Vec::new(),
        pull_policy: PullPolicy::default(),
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

pub(super) async fn meta<K>(api: &Api<K>, name: &str) -> Option<kube::core::ObjectMeta>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    api.get_opt(name)
        .await
        .unwrap()
        .map(|object| object.meta().clone())
}
