//! What a run begins with, what is changed in its middle, and what is there at
//! its end; all asked of the API server itself, past the proxy.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use hyper::Request;
use kube::Client;
use serde_json::{Value, json};

/// The operator's namespace.
pub const NAMESPACE: &str = "tanso-system";

/// The policy's namespace.
const SHOP: &str = "fault-shop";

/// A Service that somebody else made under a name that a monitor wants.
pub const FOREIGN: &str = "/api/v1/namespaces/tanso-system/services/second-agent";

const OURS: &str = "labelSelector=app.kubernetes.io%2Fmanaged-by%3Dtanso-operator";

/// Every list that a run may change; the policy kinds first.
const LISTS: [&str; 12] = [
    "/apis/tanso.dev/v1alpha1/powermonitors",
    "/apis/tanso.dev/v1alpha1/carbonpolicies",
    "/apis/tanso.dev/v1alpha1/clustercarbonpolicies",
    "/apis/tanso.dev/v1alpha1/carbonreports",
    "/apis/apps/v1/namespaces/tanso-system/daemonsets",
    "/apis/apps/v1/namespaces/tanso-system/deployments",
    "/api/v1/namespaces/tanso-system/services",
    "/api/v1/namespaces/tanso-system/configmaps",
    "/api/v1/namespaces/tanso-system/serviceaccounts",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/coordination.k8s.io/v1/namespaces/tanso-system/leases",
    CRON_JOBS,
];

/// Where a policy that is gone left a change.
const CRON_JOBS: &str = "/apis/batch/v1/namespaces/fault-shop/cronjobs";

/// Lists that are the operator's alone, and may be emptied.
const EMPTIED: [&str; 10] = [
    "/apis/tanso.dev/v1alpha1/powermonitors",
    "/apis/tanso.dev/v1alpha1/namespaces/fault-shop/carbonpolicies",
    "/apis/tanso.dev/v1alpha1/clustercarbonpolicies",
    "/apis/tanso.dev/v1alpha1/namespaces/fault-shop/carbonreports",
    "/apis/tanso.dev/v1alpha1/namespaces/tanso-system/carbonreports",
    "/apis/coordination.k8s.io/v1/namespaces/tanso-system/leases",
    "/apis/apps/v1/namespaces/tanso-system/deployments",
    "/apis/events.k8s.io/v1/namespaces/default/events",
    "/apis/events.k8s.io/v1/namespaces/fault-shop/events",
    CRON_JOBS,
];

const MONITORS: &str = "/apis/tanso.dev/v1alpha1/powermonitors";

/// The cluster, with every right.
#[derive(Clone)]
pub struct World {
    admin: Client,
}

/// Every object of the world by list and name, as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The objects.
    pub objects: BTreeMap<String, Value>,
}

/// A `CronJob` as a policy left it that went while no operator was there.
fn moved() -> Value {
    let template =
        json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    json!({"apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": {"name": "moved",
            "labels": {"tanso.dev/actions": "apply", "tanso.dev/applied-by": "uid-of-one-that-is-gone"},
            "annotations": {"tanso.dev/original-schedule": "0 18 * * *",
                "tanso.dev/original-time-zone": "", "tanso.dev/applied-schedule": "0 11 * * *",
                "tanso.dev/suspended": "true"}},
        "spec": {"schedule": "0 11 * * *", "timeZone": "Asia/Seoul", "suspend": true,
            "jobTemplate": {"spec": {"template": template}}}})
}

impl World {
    /// The cluster of that client.
    #[must_use]
    pub const fn new(admin: Client) -> Self {
        Self { admin }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let mut request = Request::builder().method(method).uri(path);
        let kind = if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        request = request.header("content-type", kind);
        let body = body.map(ToString::to_string).unwrap_or_default();
        let request = request.body(body.into_bytes())?;
        self.admin
            .request::<Value>(request)
            .await
            .with_context(|| format!("{method} {path}"))
    }

    async fn create(&self, path: &str, object: &Value) -> Result<Value> {
        let path = format!("{path}?fieldManager=somebody");
        self.ask("POST", &path, Some(object)).await
    }

    /// Makes what every run shares.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn prepare(&self) -> Result<()> {
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {
            "name": "fault-node", "labels": {"kubernetes.io/os": "linux"}}});
        let shop = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHOP}});
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "tanso-actions"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                "name": "tanso-operator-actions"},
            "subjects": [{"kind": "ServiceAccount", "name": "tanso-operator", "namespace": NAMESPACE}]});
        let bindings = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{SHOP}/rolebindings");
        for (path, object) in [
            ("/api/v1/nodes", node),
            ("/api/v1/namespaces", shop),
            (bindings.as_str(), binding),
        ] {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            if self
                .ask("GET", &format!("{path}/{name}"), None)
                .await
                .is_err()
            {
                self.create(path, &object).await?;
            }
        }
        Ok(())
    }

    /// Removes what a run left, and makes what a run begins with.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn reset(&self) -> Result<()> {
        for list in EMPTIED {
            self.ask("DELETE", list, None).await?;
        }
        // In the operator's namespace also what somebody else made meanwhile.
        for list in LISTS {
            let query = if list.ends_with("clusterrolebindings") {
                format!("?{OURS}")
            } else if list.contains("/namespaces/tanso-system/") {
                String::new()
            } else {
                continue;
            };
            for name in self.names(&format!("{list}{query}")).await? {
                self.ask("DELETE", &format!("{list}/{name}"), None).await?;
            }
        }
        self.begin().await
    }

    async fn names(&self, list: &str) -> Result<Vec<String>> {
        let found = self.ask("GET", list, None).await?;
        let names = found["items"].as_array().into_iter().flatten();
        Ok(names
            .filter_map(|item| item["metadata"]["name"].as_str())
            .filter(|name| *name != "tanso-operator" && *name != "default")
            .map(str::to_owned)
            .collect())
    }

    async fn begin(&self) -> Result<()> {
        let service = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "second-agent"}, "spec": {"ports": [{"port": 80}]}});
        self.create("/api/v1/namespaces/tanso-system/services", &service)
            .await?;
        for (name, selector) in [("tanso", json!({})), ("second", json!({"rack": "none"}))] {
            let monitor = json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "PowerMonitor",
                "metadata": {"name": name}, "spec": {"agent": {"nodeSelector": selector}}});
            self.create(MONITORS, &monitor).await?;
        }
        let policy = json!({"interval": "300s",
            "site": {"zone": "KR", "timeZone": "Asia/Seoul", "pue": {"value": 1.32, "evidence": "Certificate"}},
            "intensity": {"source": "Static", "static": {"gramsPerKwh": 417.3, "reference": "a test"}},
            "regulations": [{"rule": "kr-carbon-2050"}, {"rule": "kr-green-datacenter"}]});
        let judged = json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
            "metadata": {"name": "judged"}, "spec": policy});
        let path = format!("/apis/tanso.dev/v1alpha1/namespaces/{SHOP}/carbonpolicies");
        self.create(&path, &judged).await?;
        self.create(CRON_JOBS, &moved()).await?;
        let everything = json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "ClusterCarbonPolicy",
            "metadata": {"name": "everything"},
            "spec": {"namespaceSelector": {}, "policy": policy}});
        self.create(
            "/apis/tanso.dev/v1alpha1/clustercarbonpolicies",
            &everything,
        )
        .await?;
        Ok(())
    }

    /// What a person changes in the middle of a run: the model server goes
    /// and the policy's PUE rises.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn change(&self) -> Result<()> {
        let monitor = json!({"spec": {"modelServer": {"replicas": 0}}});
        self.ask("PATCH", &format!("{MONITORS}/tanso"), Some(&monitor))
            .await?;
        let policy = json!({"spec": {"site": {"pue": {"value": 1.45}}}});
        let path = format!("/apis/tanso.dev/v1alpha1/namespaces/{SHOP}/carbonpolicies/judged");
        self.ask("PATCH", &path, Some(&policy)).await?;
        Ok(())
    }

    /// Makes the operator look at a monitor without changing its generation.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn touch(&self, value: &str) -> Result<()> {
        let note = json!({"metadata": {"annotations": {"example.com/looked-at": value}}});
        self.ask("PATCH", &format!("{MONITORS}/tanso"), Some(&note))
            .await
            .map(drop)
    }

    /// Deletes the object of that path and makes a bare one of its name, as
    /// somebody else would.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn replace(&self, path: &str) -> Result<()> {
        let live = self.ask("GET", path, None).await?;
        self.ask("DELETE", path, None).await?;
        let (list, name) = path.rsplit_once('/').context("a path of an object")?;
        let mut bare = json!({"apiVersion": live["apiVersion"], "kind": live["kind"],
            "metadata": {"name": name, "labels": {"app": "somebody-elses"}}});
        if !live["spec"].is_null() {
            bare["spec"] = live["spec"].clone();
            if let Some(spec) = bare["spec"].as_object_mut() {
                spec.remove("clusterIP");
                spec.remove("clusterIPs");
            }
        }
        if live["kind"] == "CarbonReport" {
            bail!("a page is nobody else's");
        }
        self.create(list, &bare).await.map(drop)
    }

    /// Everything as it is.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let lists = futures::future::try_join_all(LISTS.iter().map(|list| async move {
            let found = self.ask("GET", list, None).await?;
            Ok::<_, anyhow::Error>((*list, found))
        }))
        .await?;
        let mut objects = BTreeMap::new();
        for (list, found) in lists {
            for item in found["items"].as_array().into_iter().flatten() {
                let name = item["metadata"]["name"].as_str().unwrap_or_default();
                let is_builtin = list.ends_with("clusterrolebindings")
                    && !name.starts_with("tanso-power-monitor-");
                if is_builtin {
                    continue;
                }
                let namespace = item["metadata"]["namespace"].as_str().unwrap_or_default();
                let kind = list.rsplit('/').next().unwrap_or_default();
                let key = format!("{kind} {namespace}/{name}");
                objects.insert(key, item.clone());
            }
        }
        Ok(Snapshot { objects })
    }

    /// One object.
    ///
    /// # Errors
    /// If it does not exist.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.ask("GET", path, None).await
    }

    /// Events about the run's objects: what each says, and how often.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn events(&self) -> Result<BTreeMap<String, u32>> {
        let found = self
            .ask("GET", "/apis/events.k8s.io/v1/events", None)
            .await?;
        let mut events = BTreeMap::new();
        for event in found["items"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let of = &event["regarding"];
            let words = [
                &of["uid"],
                &event["reason"],
                &event["action"],
                &event["note"],
            ];
            let key = words.map(text).join(" ");
            *events.entry(key).or_insert(0) += 1;
        }
        Ok(events)
    }
}
