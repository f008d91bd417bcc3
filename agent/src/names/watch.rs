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
        millicores: millicores(pod),
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

/// What the pod's containers request, by name; those that request nothing, or
/// what cannot be read, are left out.
fn millicores(pod: &Pod) -> HashMap<String, u64> {
    let Some(spec) = &pod.spec else {
        return HashMap::new();
    };
    let all = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers);
    let requested = all.filter_map(|container| {
        let requests = container.resources.as_ref()?.requests.as_ref()?;
        let millicores = in_millicores(&requests.get("cpu")?.0)?;
        Some((container.name.clone(), millicores))
    });
    requested.collect()
}

/// A quantity of CPU as the API server writes it: `250m`, `2`, `1k`, or with a
/// fraction as people may have written it, `0.5`.
fn in_millicores(quantity: &str) -> Option<u64> {
    let (number, thousandths) = match quantity.strip_suffix('m') {
        Some(number) => (number, 1.0),
        None => match quantity.strip_suffix('k') {
            Some(number) => (number, 1e6),
            None => (quantity, 1e3),
        },
    };
    let millicores = (number.parse::<f64>().ok()? * thousandths).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked"
    )]
    (0.0..=1e12)
        .contains(&millicores)
        .then_some(millicores as u64)
}

#[cfg(test)]
mod tests {
    use super::in_millicores;

    #[test]
    fn requests_are_read_as_the_api_server_writes_them() {
        assert_eq!(in_millicores("250m"), Some(250));
        assert_eq!(in_millicores("2"), Some(2_000));
        assert_eq!(in_millicores("0.5"), Some(500));
        assert_eq!(in_millicores("1k"), Some(1_000_000));
        assert_eq!(in_millicores("-1"), None);
        assert_eq!(in_millicores("much"), None);
    }
}
