//! A fleet of plain objects: nodes, pods with a status, and policies.
//!
//! No kubelet runs: what a kubelet would say is written here once.

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use hyper::Request;
use kube::Client;
use serde_json::{Value, json};

use crate::agents::node_name;
use crate::records::{PODS_PER_NODE, pod_uid};

/// The monitor of the fleet's agents.
const MONITOR: &str = "scale";

/// Requests at a time.
const AT_A_TIME: usize = 24;

/// How large a fleet is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Policies, each in a namespace of its own.
    pub policies: u32,
    /// Pods that use energy.
    pub pods: u64,
}

impl Size {
    /// Its nodes.
    #[must_use]
    pub const fn nodes(self) -> u64 {
        self.pods.div_ceil(PODS_PER_NODE)
    }

    /// The namespace of a pod: as many in each.
    #[must_use]
    pub fn namespace(self, pod: u64) -> String {
        format!("scale-{}", pod % u64::from(self.policies.max(1)))
    }

    /// The collection that a policy is in.
    #[must_use]
    pub fn policies_of(self, number: u32) -> String {
        format!(
            "/apis/tanso.dev/v1alpha1/namespaces/{}/carbonpolicies",
            self.namespace(u64::from(number))
        )
    }

    /// All namespaces with policies and pods.
    fn namespaces(self) -> impl Iterator<Item = String> {
        (0..u64::from(self.policies)).map(move |number| self.namespace(number))
    }
}

/// The API server, with every right.
#[derive(Clone)]
pub struct Api(pub Client);

impl Api {
    /// One request.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let kind = if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let body = body.map(ToString::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind)
            .body(body.into_bytes())?;
        let answer = self.0.request::<Value>(request).await;
        answer.with_context(|| format!("{method} {path}"))
    }

    /// Creates an object; one that is there already will do.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn ensure(&self, list: &str, object: &Value) -> Result<()> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        if self
            .ask("GET", &format!("{list}/{name}"), None)
            .await
            .is_err()
        {
            self.ask("POST", list, Some(object)).await?;
        }
        Ok(())
    }

    /// Nodes, their agents at `ports`, and pods, in namespaces that are there.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn populate(&self, size: Size, ports: &[u16]) -> Result<()> {
        // The operator asks agents of monitors that there are; of this one it makes nothing.
        let monitor = json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "PowerMonitor",
            "metadata": {"name": MONITOR}, "spec": {"suspend": true}});
        self.ensure("/apis/tanso.dev/v1alpha1/powermonitors", &monitor)
            .await?;
        let nodes = (0..size.nodes()).zip(ports).map(|(number, port)| {
            let name = node_name(number);
            async move {
                let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name,
                    "labels": {"kubernetes.io/os": "linux"}}});
                self.ensure("/api/v1/nodes", &node).await?;
                let agent = json!({"apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": format!("agent-{number}"),
                        "labels": {"app.kubernetes.io/name": "tanso-agent",
                            "app.kubernetes.io/managed-by": "tanso-operator",
                            "tanso.dev/power-monitor": MONITOR},
                        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet",
                            "name": format!("{MONITOR}-agent"), "uid": "scale", "controller": true}]},
                    "spec": {"nodeName": name, "containers": [{"name": "agent", "image": "none",
                        "ports": [{"containerPort": port}]}]}});
                self.pod("tanso-system", &agent).await
            }
        });
        all(nodes).await?;
        all((0..size.pods).map(|pod| async move {
            let object = json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": format!("pod-{pod}"), "uid": pod_uid(pod)},
                "spec": {"nodeName": node_name(pod / PODS_PER_NODE), "containers": [
                    {"name": "main", "image": "none", "resources": {"requests": {"cpu": "500m"}}}]}});
            self.pod(&size.namespace(pod), &object).await
        }))
        .await
    }

    /// A pod that runs; what is there from before is replaced.
    async fn pod(&self, namespace: &str, object: &Value) -> Result<()> {
        let list = format!("/api/v1/namespaces/{namespace}/pods");
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let path = format!("{list}/{name}");
        // The service account controller does not run here.
        let mut object = object.clone();
        object["spec"]["automountServiceAccountToken"] = json!(false);
        if self.ask("GET", &path, None).await.is_ok() {
            let now = format!("{path}?gracePeriodSeconds=0");
            self.ask("DELETE", &now, None).await?;
        }
        self.ask("POST", &list, Some(&object)).await?;
        let status = json!({"status": {"phase": "Running", "podIP": "127.0.0.1",
            "podIPs": [{"ip": "127.0.0.1"}], "startTime": "2026-01-01T00:00:00Z"}});
        self.ask("PATCH", &format!("{path}/status"), Some(&status))
            .await
            .map(drop)
    }

    /// Namespaces with service accounts, without which the API server takes no pod.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn namespaces(&self, size: Size) -> Result<()> {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default"}});
        let account = &account;
        all(size.namespaces().map(|name| async move {
            let object =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            self.ensure("/api/v1/namespaces", &object).await?;
            let list = format!("/api/v1/namespaces/{name}/serviceaccounts");
            self.ensure(&list, account).await
        }))
        .await?;
        let list = "/api/v1/namespaces/tanso-system/serviceaccounts";
        self.ensure(list, account).await
    }

    /// Removes every policy and its reports.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn clear(&self, size: Size) -> Result<()> {
        all(size.namespaces().map(|name| async move {
            for kind in ["carbonpolicies", "carbonreports"] {
                let path = format!("/apis/tanso.dev/v1alpha1/namespaces/{name}/{kind}");
                self.ask("DELETE", &path, None).await?;
            }
            Ok(())
        }))
        .await
    }

    /// Creates the policies, all at once.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn create_policies(&self, size: Size) -> Result<()> {
        all((0..size.policies).map(|number| async move {
            let object = json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
                "metadata": {"name": format!("policy-{number}")},
                "spec": {"interval": "60s",
                    "site": {"zone": "KR", "timeZone": "Asia/Seoul",
                        "pue": {"value": 1.32, "evidence": "Certificate"}},
                    "regulations": [{"rule": "kr-carbon-2050"}, {"rule": "kr-green-datacenter"}]}});
            self.ask("POST", &size.policies_of(number), Some(&object))
                .await
                .map(drop)
        }))
        .await
    }

    /// All policies as they are.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn policies(&self) -> Result<Vec<Value>> {
        // From the API server's cache: reading must not slow what is measured.
        let list = "/apis/tanso.dev/v1alpha1/carbonpolicies?resourceVersion=0";
        let mut found = self.ask("GET", list, None).await?;
        match found["items"].take() {
            Value::Array(items) => Ok(items),
            _ => bail!("the list of policies has no items"),
        }
    }
}

async fn all<F>(work: impl Iterator<Item = F>) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    futures::stream::iter(work)
        .buffer_unordered(AT_A_TIME)
        .try_for_each(|()| async { Ok(()) })
        .await
}
