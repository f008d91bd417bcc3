//! A port-forward to the operator's pod, as `kubectl port-forward` opens one.

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ListParams};
use tanso_faces::view::FactsFault;
use tokio::io::DuplexStream;

use super::{OpenFault, Opener};

/// Chooses the operator's pods, as its Service does.
const OPERATOR_LABEL: &str = "app.kubernetes.io/name=tanso-operator";
/// The name of the operator's port.
const PORT_NAME: &str = "http";

/// Opens port-forwards to a pod of the operator that is ready.
pub(crate) struct PodForward {
    client: Client,
    namespace: String,
}

impl PodForward {
    /// To the operator in `namespace`.
    pub(crate) fn new(client: Client, namespace: &str) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
        }
    }

    async fn forward(&self) -> Result<DuplexStream, OpenFault> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let labelled = ListParams::default().labels(OPERATOR_LABEL);
        let listed = pods.list(&labelled).await.map_err(|error| {
            let fault = FactsFault::of("listing the operator's pods", &error);
            lacking("list pods", fault)
        })?;
        let nobody = || {
            let ns = &self.namespace;
            OpenFault::Nobody(format!(
                "no pod of the operator is ready in namespace \"{ns}\""
            ))
        };
        let mut ready = listed.items.iter().filter(|pod| is_ready(pod));
        let found = ready.find_map(|pod| Some((pod.metadata.name.as_deref()?, port(pod)?)));
        let (name, port) = found.ok_or_else(nobody)?;
        let ports = [port];
        let opened = Box::pin(pods.portforward(name, &ports)).await;
        let mut opened = opened.map_err(|error| {
            let fault = FactsFault::of("opening a port-forward to the operator", &error);
            lacking("get and create pods/portforward", fault)
        })?;
        opened.take_stream(port).ok_or_else(nobody)
    }
}

impl Opener for PodForward {
    fn open(&self) -> BoxFuture<'_, Result<DuplexStream, OpenFault>> {
        Box::pin(self.forward())
    }
}

fn lacking(right: &'static str, fault: FactsFault) -> OpenFault {
    if fault.is_forbidden() {
        OpenFault::Right(right)
    } else {
        OpenFault::Other(fault)
    }
}

/// Whether the Service would send somebody to a pod.
fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| &status.conditions);
    let is_ready = conditions
        .flatten()
        .any(|one| one.type_ == "Ready" && one.status == "True");
    is_ready && pod.metadata.deletion_timestamp.is_none()
}

/// The port on which the operator answers; none where no container names it: the
/// caller's token is for nothing else that listens in such a pod.
fn port(pod: &Pod) -> Option<u16> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
    let named = ports.find(|port| port.name.as_deref() == Some(PORT_NAME));
    named.and_then(|port| u16::try_from(port.container_port).ok())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;

    fn pod(name: &str, ready: &str, port: u16) -> Value {
        json!({
            "metadata": {"name": name, "namespace": "energy"},
            "spec": {"containers": [{"name": "operator", "ports": [
                {"name": "other", "containerPort": 1}, {"name": "http", "containerPort": port}]}]},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        })
    }

    fn forbidden() -> (u16, Value) {
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": "Failure", "message": "no", "reason": "Forbidden", "code": 403});
        (403, status)
    }

    /// Why no stream is opened where pods are listed so and a port-forward is
    /// refused; and what was asked for.
    async fn opened(pods: (u16, Value)) -> (OpenFault, Vec<String>) {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&asked);
        let service = tower::service_fn(move |request: hyper::Request<Body>| {
            let path = request.uri().to_string();
            let (code, body) = if path.contains("/portforward") {
                forbidden()
            } else {
                pods.clone()
            };
            seen.lock().unwrap().push(path);
            let answer = hyper::Response::builder().status(code);
            let answer = answer.body(Body::from(body.to_string().into_bytes()));
            std::future::ready(answer.map_err(std::io::Error::other))
        });
        let forward = PodForward::new(Client::new(service, "default"), "energy");
        let fault = forward.open().await.unwrap_err();
        let asked = asked.lock().unwrap().clone();
        (fault, asked)
    }

    fn list(items: &[Value]) -> (u16, Value) {
        let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items});
        (200, list)
    }

    #[tokio::test]
    async fn the_right_that_is_missing_is_named() {
        let (fault, _) = opened(forbidden()).await;
        assert_eq!(fault, OpenFault::Right("list pods"));
        let pods = list(&[
            pod("starting", "False", 8_080),
            pod("serving", "True", 9_090),
        ]);
        let (fault, asked) = opened(pods).await;
        assert_eq!(fault, OpenFault::Right("get and create pods/portforward"));
        let last = asked.last().unwrap();
        assert!(
            last.contains("/namespaces/energy/pods/serving/portforward") && last.contains("9090"),
            "{last}"
        );
    }

    /// Nor one that only has the operator's label: the Service asks none of them,
    /// and a token told to one is told to somebody else.
    #[tokio::test]
    async fn a_pod_that_is_not_ready_or_goes_or_names_no_port_is_not_asked() {
        let mut going = pod("going", "True", 8_080);
        going["metadata"]["deletionTimestamp"] = json!("2026-11-21T09:00:00Z");
        let mut other = pod("other", "True", 8_080);
        other["spec"]["containers"][0]["ports"] = json!([{"containerPort": 8_080}]);
        let pods = [going, pod("starting", "False", 8_080), other];
        let (fault, asked) = opened(list(&pods)).await;
        let OpenFault::Nobody(why) = fault else {
            panic!("{fault:?}");
        };
        assert!(why.contains("\"energy\""), "{why}");
        assert_eq!(asked.len(), 1, "{asked:?}");
    }
}
