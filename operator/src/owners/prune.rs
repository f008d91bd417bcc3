//! What is kept of a watched object, and what a pod's fields say; pure.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec};
use k8s_openapi::api::core::v1::{Container, Node, NodeSpec, NodeStatus, Pod, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource as _;
use kube::core::PartialObjectMeta;

use tanso_crds::PowerMonitor;

use super::{APPLIED_SCHEDULE, ORIGINAL_SCHEDULE, ORIGINAL_ZONE, Schedule};
use crate::ledger::PodNames;

/// Drops all metadata but names, labels and owners.
pub(super) fn metadata<K>(object: &mut PartialObjectMeta<K>) {
    prune_meta(&mut object.metadata);
}

/// Keeps when it starts, and when it did before a policy moved it.
pub(super) fn cron_job(cron_job: &mut CronJob) {
    let mut marks = cron_job.metadata.annotations.take().unwrap_or_default();
    marks.retain(|name, _| [ORIGINAL_SCHEDULE, ORIGINAL_ZONE, APPLIED_SCHEDULE].contains(&&**name));
    prune_meta(&mut cron_job.metadata);
    cron_job.metadata.annotations = (!marks.is_empty()).then_some(marks);
    cron_job.status = None;
    if let Some(spec) = cron_job.spec.take() {
        cron_job.spec = Some(CronJobSpec {
            schedule: spec.schedule,
            time_zone: spec.time_zone,
            ..CronJobSpec::default()
        });
    }
}

/// When it started before a policy moved it; `None` if somebody changed it since:
/// where it starts now is nobody's advice.
pub(super) fn before_move(cron_job: &CronJob) -> Option<Schedule> {
    let marks = cron_job.metadata.annotations.as_ref()?;
    let now = cron_job.spec.as_ref().map(|spec| &spec.schedule);
    if marks
        .get(APPLIED_SCHEDULE)
        .is_some_and(|applied| Some(applied) != now)
    {
        return None;
    }
    let zone = marks.get(ORIGINAL_ZONE).filter(|zone| !zone.is_empty());
    Some(Schedule {
        schedule: marks.get(ORIGINAL_SCHEDULE)?.clone(),
        time_zone: zone.cloned(),
    })
}

/// Keeps what it wishes.
pub(super) fn monitor(monitor: &mut PowerMonitor) {
    prune_meta(&mut monitor.metadata);
    monitor.status = None;
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

/// What a pod says of itself; its workload is not filled in. `None` if it has
/// no UID or namespace, as no pod of an API server.
pub(super) fn describe(pod: &Pod) -> Option<PodNames> {
    let meta = pod.meta();
    let spec = pod.spec.as_ref();
    let status = pod.status.as_ref();
    let kill = spec
        .zip(status)
        .and_then(|(spec, status)| kill(spec, status));
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
        oom_killed_at: kill.map(|kill| kill.at),
        oom_held_bytes: kill.and_then(|kill| kill.held_bytes),
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

/// A kill for want of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kill {
    /// When, seconds of Unix time.
    at: i64,
    /// The least that is taken for what was held then, bytes.
    held_bytes: Option<i64>,
}

/// The last time that one of a pod's containers was killed for want of memory
/// or the pod was evicted for it, as far as it still says.
fn kill(spec: &PodSpec, status: &PodStatus) -> Option<Kill> {
    let containers = status.container_statuses.iter().flatten();
    let all = containers.chain(status.init_container_statuses.iter().flatten());
    let kills = all.flat_map(|container| {
        let ends = [&container.state, &container.last_state].into_iter();
        ends.filter_map(|state| {
            let ended = state.as_ref()?.terminated.as_ref()?;
            let killed = ended.reason.as_deref() == Some("OOMKilled");
            let at = ended.finished_at.as_ref()?.0.as_second();
            killed.then(|| Kill {
                at,
                held_bytes: held_when_killed(spec, &container.name),
            })
        })
    });
    kills.chain(eviction(spec, status)).max()
}

/// A container is killed at its limit; one without, when its node has no more:
/// then what it asked for stands in, as in the vertical pod autoscaler.
fn held_when_killed(spec: &PodSpec, name: &str) -> Option<i64> {
    let container = running(spec).find(|container| container.name == name)?;
    let resources = container.resources.as_ref()?;
    let of = |list: &Option<BTreeMap<String, Quantity>>| bytes(list.as_ref()?.get("memory")?);
    let held = of(&resources.limits).or_else(|| of(&resources.requests))?;
    i64::try_from(held).ok()
}

/// Whether the kubelet evicted a pod because its node ran out of memory.
fn is_evicted(status: &PodStatus) -> bool {
    let message = status.message.as_deref().unwrap_or_default();
    status.reason.as_deref() == Some("Evicted") && message.contains("low on resource: memory")
}

/// The kubelet's message names each container that used more than it asked for:
/// `Container main was using 924Mi, request is 100Mi, ...`.
fn eviction(spec: &PodSpec, status: &PodStatus) -> Option<Kill> {
    if !is_evicted(status) {
        return None;
    }
    let conditions = status.conditions.iter().flatten();
    let told = conditions.filter(|condition| condition.type_ == "DisruptionTarget");
    let told = told.filter_map(|condition| condition.last_transition_time.as_ref());
    let at = told.map(|time| time.0.as_second()).max();
    let began = status.start_time.as_ref().map(|time| time.0.as_second());
    let message = status.message.as_deref().unwrap_or_default();
    let used = message.split(" was using ").skip(1).filter_map(|rest| {
        let quantity = rest.split(',').next()?;
        bytes(&Quantity(quantity.to_owned()))
    });
    let used: u64 = used.sum();
    let used = i64::try_from(used).ok().filter(|used| *used > 0);
    Some(Kill {
        at: at.or_else(|| finished_at(status)).or(began)?,
        held_bytes: used.or_else(|| memory_request(spec)),
    })
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
    fn what_is_said_of_the_pod_is_found() {
        let names = describe(&example()).unwrap();
        assert_eq!(names.cpu_request_milli, Some(300));
        assert_eq!(names.finished_at.unwrap() - names.started_at.unwrap(), 600);
        assert_eq!(names.memory_request_bytes, Some(1 << 30));
        assert_eq!(names.memory_container, "a");
        assert_eq!(names.oom_killed_at, names.finished_at.map(|at| at - 300));
    }

    /// A limit was held when its container was killed; the request counted.
    #[test]
    fn a_container_that_was_killed_held_its_limit() {
        let mut one = example();
        let killed = |pod: &Pod| describe(pod).unwrap().oom_held_bytes;
        assert_eq!(killed(&one), Some(1 << 30));
        let limits = json!({"cpu": "2", "memory": "3Gi"});
        let spec = one.spec.as_mut().unwrap();
        spec.containers[0].resources.as_mut().unwrap().limits =
            serde_json::from_value(limits).unwrap();
        assert_eq!(killed(&one), Some(3 << 30));
    }

    /// Only kills by the kernel counted.
    #[test]
    fn an_eviction_for_want_of_memory_is_a_kill_and_one_for_want_of_disk_is_none() {
        let evicted = |message: &str| -> Pod {
            serde_json::from_value(json!({
                "metadata": {"uid": "u1", "namespace": "shop", "name": "till-1"},
                "spec": {"containers": [
                    {"name": "a", "resources": {"requests": {"memory": "100Mi"}}}]},
                "status": {"phase": "Failed", "reason": "Evicted", "message": message,
                    "startTime": "2026-10-05T07:00:00Z",
                    "conditions": [{"type": "DisruptionTarget", "status": "True",
                        "reason": "TerminationByKubelet",
                        "lastTransitionTime": "2026-10-05T07:05:00Z"}]}
            }))
            .unwrap()
        };
        let found = |message| {
            let names = describe(&evicted(message)).unwrap();
            let after_s = names.oom_killed_at.zip(names.started_at);
            (after_s.map(|(at, began)| at - began), names.oom_held_bytes)
        };
        let told = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 65580Ki. \
            Container a was using 924Mi, request is 100Mi, has larger consumption of memory. \
            Container b was using 76Mi, request is 0, has larger consumption of memory. ";
        assert_eq!(found(told), (Some(300), Some(1_000 << 20)));
        let short = "The node was low on resource: memory. ";
        assert_eq!(found(short), (Some(300), Some(100 << 20)));
        let disk = "The node was low on resource: ephemeral-storage. Container a was using 924Mi, request is 0, \
            has larger consumption of ephemeral-storage. ";
        assert_eq!(found(disk), (None, None));
    }

    /// Its runs were told as moved by the policy, with a saving that was none.
    #[test]
    fn a_schedule_that_a_person_changed_since_was_not_moved_by_a_policy() {
        let at = |schedule: &str| {
            let mut one: CronJob = serde_json::from_value(json!({
                "metadata": {"name": "etl", "annotations": {"other": "x",
                    "tanso.dev/original-schedule": "0 18 * * *",
                    "tanso.dev/original-time-zone": "Asia/Seoul",
                    "tanso.dev/applied-schedule": "0 11 * * *"}},
                "spec": {"schedule": schedule,
                    "jobTemplate": {"spec": {"template": {"spec": {"containers": []}}}}}
            }))
            .unwrap();
            cron_job(&mut one);
            assert_eq!(
                one.metadata.annotations.as_ref().map(BTreeMap::len),
                Some(3)
            );
            before_move(&one).map(|own| (own.schedule, own.time_zone))
        };
        let own = ("0 18 * * *".to_owned(), Some("Asia/Seoul".to_owned()));
        assert_eq!(at("0 11 * * *"), Some(own));
        assert_eq!(at("30 6 * * *"), None);
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
