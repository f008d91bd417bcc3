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
    PodTemplateSpec, Probe, ProjectedVolumeSource, ResourceRequirements, SeccompProfile,
    SecretVolumeSource, SecurityContext, ServiceAccountTokenProjection, Volume, VolumeMount,
    VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tanso_crds::power_monitor::SecurityMode;

use super::config_map::{
    INTERVAL, LISTEN, METERS, MODEL_SERVER_URL, MODEL_TOKEN_DIR, TLS_DIR, TOKEN_FILE,
};
use super::meters;
use super::model_server::MODEL_AUDIENCE;
use super::services::{LEGACY_PORT_NAME, PORT_NAME};
use super::{AGENT, Plan, affinity};

/// Annotation with the digest of the settings.
pub const CONFIG_DIGEST: &str = "tanso.dev/config-digest";

/// Volume with the certificate.
pub(super) const TLS: &str = "tls";

/// Volume with the token for the model server.
const MODEL_TOKEN: &str = "model-server-token";

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
        image_pull_secrets: plan.installation.pull_references(),
        priority_class_name: plan.monitor.agent_priority.clone(),
        runtime_class_name: meters::runtime_class(plan),
        host_pid: Some(true),
        node_selector: Some(plan.monitor.node_selector.clone()),
        affinity: affinity::agent(plan),
        tolerations: Some(plan.monitor.tolerations.clone()),
        termination_grace_period_seconds: Some(30),
        containers: vec![container(plan)],
        volumes: Some(volumes(plan)),
        ..PodSpec::default()
    }
}

fn volumes(plan: Plan<'_>) -> Vec<Volume> {
    let mut volumes = vec![
        host_path("proc", "/proc", "Directory"),
        host_path("sys", "/sys", "Directory"),
        host_path("state", STATE_DIR, "DirectoryOrCreate"),
    ];
    if let Some((secret, _)) = plan.tls_secrets() {
        volumes.push(secret_volume(TLS, secret));
    }
    if plan.monitor.samples {
        volumes.push(model_token());
    }
    volumes.extend(meters::volumes(plan));
    volumes
}

/// A token of the pod that is good for the model server alone.
fn model_token() -> Volume {
    Volume {
        name: MODEL_TOKEN.into(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(vec![VolumeProjection {
                service_account_token: Some(ServiceAccountTokenProjection {
                    audience: Some(MODEL_AUDIENCE.into()),
                    expiration_seconds: Some(3_600),
                    path: TOKEN_FILE.into(),
                }),
                ..VolumeProjection::default()
            }]),
            ..ProjectedVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn mounts(plan: Plan<'_>) -> Vec<VolumeMount> {
    let mut mounts = vec![
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
    ];
    if plan.monitor.tls.is_some() {
        mounts.push(mount(TLS, TLS_DIR));
    }
    if plan.monitor.samples {
        mounts.push(mount(MODEL_TOKEN, MODEL_TOKEN_DIR));
    }
    mounts.extend(meters::mounts(plan));
    mounts
}

fn ports(plan: Plan<'_>) -> Vec<ContainerPort> {
    let port = |name: &str, port: u16| ContainerPort {
        name: Some(name.into()),
        container_port: i32::from(port),
        protocol: Some("TCP".into()),
        ..ContainerPort::default()
    };
    let mut ports = vec![port(PORT_NAME, plan.monitor.port)];
    ports.extend(
        plan.monitor
            .exports
            .legacy_port
            .map(|legacy| port(LEGACY_PORT_NAME, legacy)),
    );
    ports
}

fn container(plan: Plan<'_>) -> Container {
    Container {
        name: "agent".into(),
        image: Some(plan.installation.agent_image.clone()),
        image_pull_policy: Some(plan.installation.pull_policy.to_string()),
        args: Some(args(plan)),
        env: Some(environment(plan)),
        env_from: Some(vec![EnvFromSource {
            config_map_ref: Some(ConfigMapEnvSource {
                name: plan.names().agent,
                ..ConfigMapEnvSource::default()
            }),
            ..EnvFromSource::default()
        }]),
        ports: Some(ports(plan)),
        liveness_probe: Some(probe(plan, "/healthz", 10, 6)),
        readiness_probe: Some(probe(plan, "/readyz", 2, 3)),
        resources: Some(
            plan.monitor
                .agent_resources
                .clone()
                .unwrap_or_else(|| resources(("50m", "64Mi"), ("1", "512Mi"))),
        ),
        security_context: Some(security(plan)),
        volume_mounts: Some(mounts(plan)),
        ..Container::default()
    }
}

fn environment(plan: Plan<'_>) -> Vec<EnvVar> {
    let mut environment = vec![EnvVar {
        name: "NODE_NAME".into(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: "spec.nodeName".into(),
                ..ObjectFieldSelector::default()
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }];
    environment.extend(meters::environment(plan));
    environment
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

fn security(plan: Plan<'_>) -> SecurityContext {
    match plan.monitor.security {
        SecurityMode::Minimal => SecurityContext {
            privileged: Some(false),
            allow_privilege_escalation: Some(false),
            run_as_user: Some(0),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".into()]),
                add: Some(vec!["BPF".into(), "PERFMON".into()]),
            }),
            seccomp_profile: Some(match &plan.monitor.seccomp_file {
                Some(file) => SeccompProfile {
                    type_: "Localhost".into(),
                    localhost_profile: Some(file.clone()),
                },
                None => SeccompProfile {
                    type_: "RuntimeDefault".into(),
                    ..SeccompProfile::default()
                },
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

pub(super) fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.into(),
        mount_path: path.into(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

pub(super) fn host_path(name: &str, path: &str, type_: &str) -> Volume {
    Volume {
        name: name.into(),
        host_path: Some(HostPathVolumeSource {
            path: path.into(),
            type_: Some(type_.into()),
        }),
        ..Volume::default()
    }
}

pub(super) fn secret_volume(name: &str, secret: String) -> Volume {
    Volume {
        name: name.into(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

pub(super) fn probe(plan: Plan<'_>, path: &str, period_seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::String(PORT_NAME.into()),
            scheme: plan.monitor.tls.is_some().then(|| "HTTPS".to_owned()),
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
