//! What is kept of a watched object, and what a pod's fields say; pure.

use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec};
use k8s_openapi::api::core::v1::{
    Container, ContainerStatus, Node, NodeSpec, NodeStatus, Pod, PodSpec, PodStatus,
    ResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource as _;
use kube::core::PartialObjectMeta;

use crate::ledger::PodNames;

/// Drops what nobody here reads: about nine tenths of a pod.
pub(super) fn pod(pod: &mut Pod) {
    prune_meta(&mut pod.metadata);
    if let Some(spec) = pod.spec.take() {
        let containers = spec.containers.into_iter().map(prune_container).collect();
        let init_containers = spec.init_containers.map(|all| {
            all.into_iter()
                .filter(is_sidecar)
                .map(prune_container)
                .collect()
        });
        pod.spec = Some(PodSpec {
            node_name: spec.node_name,
            containers,
            init_containers,
            ..PodSpec::default()
        });
    }
    if let Some(status) = pod.status.take() {
        let container_statuses = status.container_statuses.map(|all| {
            let keep = |status: ContainerStatus| ContainerStatus {
                name: status.name,
                state: status.state,
                last_state: status.last_state,
                ..ContainerStatus::default()
            };
            all.into_iter().map(keep).collect()
        });
        pod.status = Some(PodStatus {
            phase: status.phase,
            pod_ip: status.pod_ip,
            start_time: status.start_time,
            container_statuses,
            ..PodStatus::default()
        });
    }
}

/// Drops all metadata but names, labels and owners.
pub(super) fn metadata<K>(object: &mut PartialObjectMeta<K>) {
    prune_meta(&mut object.metadata);
}

/// Keeps when it starts.
pub(super) fn cron_job(cron_job: &mut CronJob) {
    prune_meta(&mut cron_job.metadata);
    cron_job.status = None;
    if let Some(spec) = cron_job.spec.take() {
        cron_job.spec = Some(CronJobSpec {
            schedule: spec.schedule,
            time_zone: spec.time_zone,
            ..CronJobSpec::default()
        });
    }
}

/// Keeps where it is and what it has to give.
pub(super) fn node(node: &mut Node) {
    prune_meta(&mut node.metadata);
    if let Some(spec) = node.spec.take() {
        node.spec = Some(NodeSpec {
            provider_id: spec.provider_id,
            ..NodeSpec::default()
        });
    }
    if let Some(status) = node.status.take() {
        node.status = Some(NodeStatus {
            allocatable: status.allocatable,
            ..NodeStatus::default()
        });
    }
}

fn prune_meta(meta: &mut ObjectMeta) {
    meta.managed_fields = None;
    meta.annotations = None;
    meta.finalizers = None;
}

fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

fn prune_container(container: Container) -> Container {
    let resources = container.resources.map(|resources| ResourceRequirements {
        requests: resources.requests,
        ..ResourceRequirements::default()
    });
    Container {
        name: container.name,
        ports: container.ports,
        restart_policy: container.restart_policy,
        resources,
        ..Container::default()
    }
}

/// What a pod says of itself; its workload is not filled in. `None` if it has
/// no UID or namespace, as no pod of an API server.
pub(super) fn describe(pod: &Pod) -> Option<PodNames> {
    let meta = pod.meta();
    let spec = pod.spec.as_ref();
    let status = pod.status.as_ref();
    Some(PodNames {
        uid: meta.uid.clone()?,
        namespace: meta.namespace.clone()?,
        name: meta.name.clone()?,
        node: spec
            .and_then(|spec| spec.node_name.clone())
            .unwrap_or_default(),
        labels: meta.labels.clone().unwrap_or_default(),
        cpu_request_milli: spec.and_then(cpu_request),
        container: spec
            .and_then(|spec| only_requesting(spec, "cpu"))
            .unwrap_or_default(),
        memory_request_bytes: spec.and_then(memory_request),
        memory_container: spec
            .and_then(|spec| only_requesting(spec, "memory"))
            .unwrap_or_default(),
        oom_killed_at: status.and_then(oom_killed_at),
        started_at: status
            .and_then(|s| s.start_time.as_ref())
            .map(|time| time.0.as_second()),
        finished_at: status.and_then(finished_at),
        ..PodNames::default()
    })
}

fn cpu_request(spec: &PodSpec) -> Option<i64> {
    let requests = running(spec).filter_map(|container| {
        let requests = container.resources.as_ref()?.requests.as_ref()?;
        milli_cpus(requests.get("cpu")?)
    });
    requests.fold(None, |sum, request| Some(sum.unwrap_or(0) + request))
}

fn memory_request(spec: &PodSpec) -> Option<i64> {
    let requests = running(spec).filter_map(|container| {
        let requests = container.resources.as_ref()?.requests.as_ref()?;
        i64::try_from(bytes(requests.get("memory")?)?).ok()
    });
    requests.fold(None, |sum: Option<i64>, request| {
        Some(sum.unwrap_or(0).saturating_add(request))
    })
}

/// Containers that run as long as the pod does.
fn running(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    let sidecars = spec
        .init_containers
        .iter()
        .flatten()
        .filter(|container| is_sidecar(container));
    spec.containers.iter().chain(sidecars)
}

/// The name of the only container that asks for a resource.
fn only_requesting(spec: &PodSpec, resource: &str) -> Option<String> {
    let asks = |container: &&Container| {
        let requests = container
            .resources
            .as_ref()
            .and_then(|r| r.requests.as_ref());
        requests.is_some_and(|requests| requests.contains_key(resource))
    };
    let mut asking = running(spec).filter(asks);
    match (asking.next(), asking.next()) {
        (Some(only), None) => Some(only.name.clone()),
        _ => None,
    }
}

/// Thousandths of a CPU, rounded up as the scheduler does; `None` for text
/// that is no quantity of CPU.
pub(super) fn milli_cpus(quantity: &Quantity) -> Option<i64> {
    let text = quantity.0.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let value: f64 = digits.parse().ok()?;
    let milli = match text.get(digits.len()..)? {
        "" => value * 1e3,
        "m" => value,
        "u" => value / 1e3,
        "n" => value / 1e6,
        "k" => value * 1e6,
        _ => return None,
    }
    .ceil();
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (0.0..1e12).contains(&milli).then_some(milli as i64)
}

/// Bytes, rounded up; `None` for text that is no quantity of memory.
pub(super) fn bytes(quantity: &Quantity) -> Option<u64> {
    let text = quantity.0.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let value: f64 = digits.parse().ok()?;
    let size = match text.get(digits.len()..)? {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let whole = (value * size).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked"
    )]
    (0.0..1e18).contains(&whole).then_some(whole as u64)
}

/// When the last container of a finished pod ended.
fn finished_at(status: &PodStatus) -> Option<i64> {
    if !matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return None;
    }
    let ends = status
        .container_statuses
        .iter()
        .flatten()
        .filter_map(|container| {
            let ended = container.state.as_ref()?.terminated.as_ref()?;
            ended.finished_at.as_ref().map(|time| time.0.as_second())
        });
    ends.max()
}

/// When a container was last killed for want of memory, as far as its pod
/// still says.
fn oom_killed_at(status: &PodStatus) -> Option<i64> {
    let all = status.container_statuses.iter().flatten();
    let kills = all
        .flat_map(|container| [&container.state, &container.last_state])
        .filter_map(|state| {
            let ended = state.as_ref()?.terminated.as_ref()?;
            let killed = ended.reason.as_deref() == Some("OOMKilled");
            Some(ended.finished_at.as_ref()?.0.as_second()).filter(|_| killed)
        });
    kills.max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn example() -> Pod {
        serde_json::from_value(json!({
            "metadata": {"uid": "u1", "namespace": "shop", "name": "till-1",
                "labels": {"app": "till"}, "annotations": {"large": "x"}},
            "spec": {"nodeName": "n1",
                "initContainers": [
                    {"name": "setup", "resources": {"requests": {"cpu": "4"}}},
                    {"name": "mesh", "restartPolicy": "Always", "resources": {"requests": {"cpu": "50m"}}}],
                "containers": [
                    {"name": "a", "image": "i", "resources": {"requests": {"cpu": "0.25", "memory": "1Gi"}}},
                    {"name": "b", "ports": [{"containerPort": 28282}]}]},
            "status": {"phase": "Succeeded", "startTime": "2026-10-05T07:00:00Z",
                "containerStatuses": [{"name": "a", "image": "i", "imageID": "", "ready": false,
                    "restartCount": 1,
                    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled",
                        "finishedAt": "2026-10-05T07:05:00Z"}},
                    "state": {"terminated": {"exitCode": 0, "finishedAt": "2026-10-05T07:10:00Z"}}}]}
        }))
        .unwrap()
    }

    #[test]
    fn pruning_keeps_what_is_said_of_the_pod() {
        let mut pruned = example();
        pod(&mut pruned);
        assert_eq!(describe(&pruned), describe(&example()));
        let names = describe(&pruned).unwrap();
        assert_eq!(names.cpu_request_milli, Some(300));
        assert_eq!(names.finished_at.unwrap() - names.started_at.unwrap(), 600);
        assert_eq!(names.memory_request_bytes, Some(1 << 30));
        assert_eq!(names.memory_container, "a");
        assert_eq!(names.oom_killed_at, names.finished_at.map(|at| at - 300));
        assert!(pruned.metadata.annotations.is_none());
        assert_eq!(pruned.spec.unwrap().containers.first().unwrap().image, None);
    }

    #[test]
    fn quantities_are_read_as_the_scheduler_reads_them() {
        let milli = |text: &str| milli_cpus(&Quantity(text.to_owned()));
        assert_eq!(milli("250m"), Some(250));
        assert_eq!(milli("1.5"), Some(1_500));
        assert_eq!(milli("2"), Some(2_000));
        assert_eq!(milli("100u"), Some(1));
        assert_eq!(milli("1e2"), Some(100_000));
        assert_eq!(milli("many"), None);
        assert_eq!(milli("-1"), None);
        let bytes = |text: &str| bytes(&Quantity(text.to_owned()));
        assert_eq!(bytes("64Mi"), Some(67_108_864));
        assert_eq!(bytes("1.5G"), Some(1_500_000_000));
        assert_eq!(bytes("123"), Some(123));
        assert_eq!(bytes("1Zi"), None);
    }
}
