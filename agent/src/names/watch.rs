//! The watch over this node's pods.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use tanso_runtime::Shutdown;

use super::{NameTable, PodNames};
use crate::workloads::ContainerId;

/// Where the kubelet puts the uid by which it names the groups of a pod that
/// comes from a file on the node.
const CONFIG_HASH: &str = "kubernetes.io/config.hash";

/// Keeps `table` up to date with the pods on `node` until the shutdown.
/// Faults are retried with growing pauses, for ever.
pub async fn watch(client: Client, node: String, table: Arc<NameTable>, shutdown: Shutdown) {
    let pods: Api<Pod> = Api::all(client);
    let config = watcher::Config::default().fields(&format!("spec.nodeName={node}"));
    let stream = watcher(pods, config)
        .modify(|pod| pod.managed_fields_mut().clear())
        .default_backoff();
    let mut stream = pin!(stream);
    loop {
        let event = tokio::select! {
            () = shutdown.begun() => return,
            event = stream.try_next() => event,
        };
        match event {
            Ok(Some(Event::Apply(pod) | Event::InitApply(pod))) => note(&table, &pod),
            Ok(Some(Event::Delete(pod))) => {
                for uid in uids(&pod) {
                    table.remove(&uid);
                }
            }
            Ok(Some(Event::Init | Event::InitDone)) => {}
            Ok(None) => return,
            Err(fault) => {
                tracing::warn!(node, error = %fault, "watching this node's pods failed; names may be late");
            }
        }
    }
}

fn note(table: &NameTable, pod: &Pod) {
    let names = PodNames {
        namespace: pod.namespace().unwrap_or_default(),
        pod: pod.name_any(),
        containers: containers(pod),
        ..PodNames::default()
    };
    for uid in uids(pod) {
        table.set(&uid, names.clone());
    }
}

/// The uids under which a pod's groups may be found.
fn uids(pod: &Pod) -> Vec<String> {
    let from_file = pod.annotations().get(CONFIG_HASH).cloned();
    pod.uid().into_iter().chain(from_file).collect()
}

/// Container names by runtime id, from the pod's status: running containers
/// and the ones before them.
fn containers(pod: &Pod) -> HashMap<String, String> {
    let Some(status) = &pod.status else {
        return HashMap::new();
    };
    let lists = [
        &status.container_statuses,
        &status.init_container_statuses,
        &status.ephemeral_container_statuses,
    ];
    let mut names = HashMap::new();
    for container in lists.into_iter().flatten().flatten() {
        let runs = [&container.state, &container.last_state]
            .into_iter()
            .flatten();
        let ended = runs.filter_map(|run| run.terminated.as_ref()?.container_id.as_deref());
        for url in container.container_id.as_deref().into_iter().chain(ended) {
            if let Some(id) = ContainerId::from_status(url) {
                names.insert(id.as_str().to_owned(), container.name.clone());
            }
        }
    }
    names
}
