//! Whole visits at an API server that knows a few objects and keeps nothing.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::BodyExt as _;
use hyper::{Method, Request, Response, StatusCode};
use k8s_openapi::api::core::v1::Node as KubeNode;
use kube::api::PartialObjectMeta;
use kube::client::Body;
use kube::runtime::reflector;
use serde_json::{Value, json};

use super::*;
use crate::collect::NodeBoard;

/// Verb and path of each write, with its body.
type Writes = Arc<Mutex<Vec<(Method, String, Value)>>>;

fn monitor(name: &str, second: u32, spec: &Value) -> Value {
    json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "PowerMonitor",
        "metadata": {"name": name, "uid": format!("uid-{name}"), "generation": 1,
            "resourceVersion": "1", "creationTimestamp": format!("2026-10-05T07:00:{second:02}Z")},
        "spec": spec,
    })
}

/// Answers reads of what is known by name, `/` before it, with the object, and
/// of all else with 404; notes writes and answers them as if they were done.
fn server(known: Vec<(&'static str, Value)>, writes: Writes) -> Client {
    let answer = move |request: Request<Body>| {
        let (known, writes) = (known.clone(), Arc::clone(&writes));
        async move {
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            let found = known.iter().find(|(end, _)| path.ends_with(end));
            let (status, body) = match (&method, found) {
                (&Method::GET, Some((_, object))) => (StatusCode::OK, object.clone()),
                (&Method::GET, None) => (
                    StatusCode::NOT_FOUND,
                    json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404,
                        "message": "not there"}),
                ),
                _ => {
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    let mut body: Value = serde_json::from_slice(&body).unwrap_or_default();
                    writes
                        .lock()
                        .unwrap()
                        .push((method.clone(), path.clone(), body.clone()));
                    if path.ends_with("/status") {
                        body["spec"] = json!({});
                    }
                    (StatusCode::OK, body)
                }
            };
            let body = Body::from(body.to_string().into_bytes());
            let mut response = Response::new(body);
            *response.status_mut() = status;
            Ok::<_, Infallible>(response)
        }
    };
    Client::new(tower::service_fn(answer), "default")
}

fn context(client: Client, nodes: &[(&str, Value)]) -> Context {
    let (store, mut writer) = reflector::store::<PartialObjectMeta<KubeNode>>();
    writer.apply_watcher_event(&watcher::Event::Init);
    for (name, labels) in nodes {
        let node = json!({"metadata": {"name": name, "labels": labels}});
        let node = serde_json::from_value(node).unwrap();
        writer.apply_watcher_event(&watcher::Event::InitApply(node));
    }
    writer.apply_watcher_event(&watcher::Event::InitDone);
    let installation = Installation {
        namespace: "tanso-system".into(),
        agent_image: "a".into(),
        model_server_image: "m".into(),
        pull_secrets: Vec::new(),
        pull_policy: build::PullPolicy::default(),
    };
    let facts = Arc::new(NodeBoard::default());
    let claim = Claim::always();
    let metrics = Metrics::default();
    Context::new(client, installation, &claim, metrics, facts, store, "tests")
}

/// One node got the labels of both pools: the younger monitor's agents went from
/// all nodes, and the volume with all that its model server had learned.
#[tokio::test]
async fn a_node_of_two_pools_costs_the_younger_monitor_that_node_and_nothing_else() {
    let elder = monitor(
        "elder",
        10,
        &json!({"agent": {"nodeSelector": {"pool": "a"}}}),
    );
    let spec = json!({
        "agent": {"nodeSelector": {"team": "b"}, "samples": "Enabled"},
        "modelServer": {"storage": {"type": "PersistentVolumeClaim"}},
        "tls": {"type": "Disabled"},
    });
    let younger = monitor("younger", 20, &spec);
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "younger-model-server", "namespace": "tanso-system", "uid": "c1",
            "resourceVersion": "7", "labels": {"app.kubernetes.io/managed-by": "tanso-operator"}},
    });
    let all = json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "PowerMonitorList",
        "metadata": {"resourceVersion": "1"}, "items": [elder, younger]});
    let writes = Writes::default();
    let client = server(
        vec![
            ("/powermonitors", all),
            ("/powermonitors/younger", younger),
            ("/persistentvolumeclaims/younger-model-server", claim),
        ],
        Arc::clone(&writes),
    );
    let linux = |more: Value| {
        let mut labels = json!({"kubernetes.io/os": "linux"});
        labels.as_object_mut().unwrap().extend(
            more.as_object()
                .unwrap()
                .iter()
                .map(|(key, value)| (key.clone(), value.clone())),
        );
        labels
    };
    let context = context(
        client,
        &[
            ("both", linux(json!({"pool": "a", "team": "b"}))),
            ("own", linux(json!({"team": "b"}))),
        ],
    );
    visit(&context, "younger").await;
    let writes = writes.lock().unwrap();
    let deleted: Vec<_> = writes
        .iter()
        .filter(|(m, ..)| *m == Method::DELETE)
        .collect();
    assert!(deleted.is_empty(), "{deleted:?}");
    let of = |end: &str| {
        let mut writes = writes.iter().rev();
        let found = writes.find(|(_, path, _)| path.ends_with(end));
        found.map(|(_, _, body)| body.clone()).unwrap()
    };
    let pod = of("/daemonsets/younger-agent")["spec"]["template"]["spec"].clone();
    assert_eq!(
        pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"],
        json!({"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "pool", "operator": "NotIn", "values": ["a"]},
        ]}]})
    );
    let status = of("/powermonitors/younger/status")["status"].clone();
    let conditions = status["conditions"].as_array().unwrap();
    let conflicted = conditions.iter().find(|c| c["type"] == "Conflicted");
    let message = conflicted.unwrap()["message"].as_str().unwrap();
    assert!(
        message.contains("measures 1 of the 2 chosen nodes, first \"both\""),
        "{message}"
    );
    let event = writes.iter().find(|(_, path, body)| {
        path.ends_with("/events") && body["reason"] == "Conflicted" && body["type"] == "Warning"
    });
    assert!(event.is_some(), "{writes:?}");
}
