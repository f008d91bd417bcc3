//! The agents: one pod on every chosen node, with as few rights as measuring
//! allows.
//!
//! `Minimal` runs as root without capabilities but `BPF` (load the programs),
//! `PERFMON` (attach them, read kernel memory in them); root because the
//! energy counters are readable by root alone. Foreign processes are only
//! counted, never looked into, so `SYS_PTRACE` is not needed.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, RollingUpdateDaemonSet,
};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapEnvSource, Container, ContainerPort, EnvFromSource, EnvVar,
    EnvVarSource, HTTPGetAction, HostPathVolumeSource, ObjectFieldSelector, PodSpec,
    PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile, SecurityContext, Volume,
    VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tanso_crds::power_monitor::SecurityMode;

use super::config_map::{INTERVAL, LISTEN, METERS, MODEL_SERVER_URL};
use super::services::PORT_NAME;
use super::{AGENT, Plan};

/// Annotation with the digest of the settings.
pub const CONFIG_DIGEST: &str = "tanso.dev/config-digest";

/// Where an agent keeps its journal, on the node and in the pod.
const STATE_DIR: &str = "/var/lib/tanso";

pub(super) fn agent(plan: Plan<'_>, config_digest: &str) -> DaemonSet {
    let names = plan.names();
    DaemonSet {
        metadata: plan.meta(names.agent, AGENT),
        spec: Some(DaemonSetSpec {
            selector: plan.selector(AGENT),
            update_strategy: Some(DaemonSetUpdateStrategy {
                type_: Some("RollingUpdate".into()),
                rolling_update: Some(RollingUpdateDaemonSet {
                    max_unavailable: Some(IntOrString::String("10%".into())),
                    ..RollingUpdateDaemonSet::default()
                }),
            }),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(plan.labels(AGENT)),
                    annotations: Some(BTreeMap::from([(
                        CONFIG_DIGEST.into(),
                        config_digest.into(),
                    )])),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(plan)),
            },
            ..DaemonSetSpec::default()
        }),
        ..DaemonSet::default()
    }
}

fn pod(plan: Plan<'_>) -> PodSpec {
    PodSpec {
        service_account_name: Some(plan.names().agent),
        // An agent that is gone leaves energy without an account.
        priority_class_name: Some("system-node-critical".into()),
        host_pid: Some(true),
        node_selector: Some(plan.monitor.node_selector.clone()),
        tolerations: Some(plan.monitor.tolerations.clone()),
        termination_grace_period_seconds: Some(30),
        containers: vec![container(plan)],
        volumes: Some(vec![
            host_path("proc", "/proc", "Directory"),
            host_path("sys", "/sys", "Directory"),
            host_path("state", STATE_DIR, "DirectoryOrCreate"),
        ]),
        ..PodSpec::default()
    }
}

fn container(plan: Plan<'_>) -> Container {
    Container {
        name: "agent".into(),
        image: Some(plan.installation.agent_image.clone()),
        image_pull_policy: Some("IfNotPresent".into()),
        args: Some(args(plan)),
        env: Some(vec![EnvVar {
            name: "NODE_NAME".into(),
            value_from: Some(EnvVarSource {
                field_ref: Some(ObjectFieldSelector {
                    field_path: "spec.nodeName".into(),
                    ..ObjectFieldSelector::default()
                }),
                ..EnvVarSource::default()
            }),
            ..EnvVar::default()
        }]),
        env_from: Some(vec![EnvFromSource {
            config_map_ref: Some(ConfigMapEnvSource {
                name: plan.names().agent,
                ..ConfigMapEnvSource::default()
            }),
            ..EnvFromSource::default()
        }]),
        ports: Some(vec![ContainerPort {
            name: Some(PORT_NAME.into()),
            container_port: i32::from(plan.monitor.port),
            protocol: Some("TCP".into()),
            ..ContainerPort::default()
        }]),
        liveness_probe: Some(probe("/healthz", 10, 6)),
        readiness_probe: Some(probe("/readyz", 2, 3)),
        resources: Some(
            plan.monitor
                .agent_resources
                .clone()
                .unwrap_or_else(|| resources(("50m", "64Mi"), ("1", "512Mi"))),
        ),
        security_context: Some(security(plan.monitor.security)),
        volume_mounts: Some(vec![
            mount("proc", "/host/proc"),
            // The cgroup file systems are mounted below /sys and come with it.
            // No mount propagation: it would need a shared mount, which not
            // every node has.
            mount("sys", "/host/sys"),
            VolumeMount {
                read_only: None,
                // Nodes may share a machine (a laptop, a test).
                sub_path_expr: Some("$(NODE_NAME)".into()),
                ..mount("state", STATE_DIR)
            },
        ]),
        ..Container::default()
    }
}

fn args(plan: Plan<'_>) -> Vec<String> {
    let mut args = vec![
        "--node-name=$(NODE_NAME)".to_owned(),
        "--host-proc=/host/proc".into(),
        "--host-sys=/host/sys".into(),
        "--host-cgroup=/host/sys/fs/cgroup".into(),
        format!("--state-dir={STATE_DIR}"),
        format!("--meters=$({METERS})"),
        format!("--interval=$({INTERVAL})"),
        format!("--listen=$({LISTEN})"),
        "--kubernetes=on".into(),
    ];
    if plan.monitor.model_server.is_some() {
        args.push(format!("--model-server=$({MODEL_SERVER_URL})"));
    }
    args
}

fn security(mode: SecurityMode) -> SecurityContext {
    match mode {
        SecurityMode::Minimal => SecurityContext {
            privileged: Some(false),
            allow_privilege_escalation: Some(false),
            run_as_user: Some(0),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".into()]),
                add: Some(vec!["BPF".into(), "PERFMON".into()]),
            }),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".into(),
                ..SeccompProfile::default()
            }),
            ..SecurityContext::default()
        },
        SecurityMode::Privileged => SecurityContext {
            privileged: Some(true),
            run_as_user: Some(0),
            read_only_root_filesystem: Some(true),
            ..SecurityContext::default()
        },
    }
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.into(),
        mount_path: path.into(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

fn host_path(name: &str, path: &str, type_: &str) -> Volume {
    Volume {
        name: name.into(),
        host_path: Some(HostPathVolumeSource {
            path: path.into(),
            type_: Some(type_.into()),
        }),
        ..Volume::default()
    }
}

pub(super) fn probe(path: &str, period_seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::String(PORT_NAME.into()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(2),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

/// Requests and limits, each CPU and memory.
pub(super) fn resources(requests: (&str, &str), limits: (&str, &str)) -> ResourceRequirements {
    let quantities = |(cpu, memory): (&str, &str)| {
        BTreeMap::from([
            ("cpu".to_owned(), Quantity(cpu.to_owned())),
            ("memory".to_owned(), Quantity(memory.to_owned())),
        ])
    };
    ResourceRequirements {
        requests: Some(quantities(requests)),
        limits: Some(quantities(limits)),
        ..ResourceRequirements::default()
    }
}
