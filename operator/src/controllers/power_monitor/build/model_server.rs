//! The model server: no rights and no token, nothing but its port; where it
//! learns, it may ask the API server whose tokens it is shown.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EmptyDirVolumeSource, PersistentVolumeClaim,
    PersistentVolumeClaimSpec, PersistentVolumeClaimVolumeSource, PodSecurityContext, PodSpec,
    PodTemplateSpec, SeccompProfile, SecurityContext, Volume, VolumeMount,
    VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::config_map::TLS_DIR;
use super::daemon_set::{TLS, mount, probe, resources, secret_volume};
use super::services::PORT_NAME;
use super::{MODEL_READER, MODEL_SERVER, MODEL_SERVER_PORT, Plan};
use crate::controllers::power_monitor::validate::{ModelServer, Storage};

/// The user of the image, nobody in particular.
const USER: i64 = 65_532;

/// The audience of tokens that are shown to the model server.
pub(super) const MODEL_AUDIENCE: &str = "tanso-model-server";

/// Volume with samples and learned models, and its place.
const STORE: (&str, &str) = ("store", "/var/lib/tanso");

/// What a Deployment of model servers is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Gives models from the bundled tables.
    Giver,
    /// Learns, too.
    Learner,
    /// Gives what the learner learned.
    Reader,
}

pub(super) fn deployment(plan: Plan<'_>, server: &ModelServer) -> Deployment {
    let role = if plan.monitor.samples {
        Role::Learner
    } else {
        Role::Giver
    };
    let replicas = match role {
        // The store has one writer.
        Role::Learner => 1,
        Role::Giver | Role::Reader => server.replicas,
    };
    of_role(plan, server, role, replicas)
}

/// Those that follow the one that learns.
pub(super) fn readers(plan: Plan<'_>, server: &ModelServer) -> Deployment {
    of_role(plan, server, Role::Reader, server.replicas - 1)
}

/// The claim that is made for the learner.
pub(super) fn claim(plan: Plan<'_>, server: &ModelServer) -> Option<PersistentVolumeClaim> {
    let Some(Storage::Claim { size, class }) = &server.storage else {
        return None;
    };
    Some(PersistentVolumeClaim {
        metadata: plan.meta(plan.names().model_server, MODEL_SERVER),
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".into()]),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([(
                    "storage".to_owned(),
                    Quantity(size.clone()),
                )])),
                ..VolumeResourceRequirements::default()
            }),
            storage_class_name: class.clone(),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    })
}

fn of_role(plan: Plan<'_>, server: &ModelServer, role: Role, replicas: i32) -> Deployment {
    let names = plan.names();
    let (name, component) = match role {
        Role::Giver | Role::Learner => (names.model_server.clone(), MODEL_SERVER),
        Role::Reader => (names.model_reader, MODEL_READER),
    };
    let mut labels = plan.labels(component);
    if plan.has_readers() {
        labels.extend(plan.giver_labels());
    }
    let store = server.storage.as_ref().filter(|_| role != Role::Reader);
    Deployment {
        metadata: plan.meta(name, component),
        spec: Some(DeploymentSpec {
            replicas: Some(replicas),
            selector: LabelSelector {
                match_labels: Some(plan.selector_labels(component)),
                ..LabelSelector::default()
            },
            // The store has one writer: the old one ends first.
            strategy: store.map(|_| DeploymentStrategy {
                type_: Some("RollingUpdate".into()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(0)),
                    max_unavailable: Some(IntOrString::Int(1)),
                }),
            }),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(plan, server, role, store)),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn pod(plan: Plan<'_>, server: &ModelServer, role: Role, store: Option<&Storage>) -> PodSpec {
    let volumes = volumes(plan, store);
    PodSpec {
        service_account_name: Some(plan.names().model_server),
        image_pull_secrets: plan.installation.pull_references(),
        node_selector: Some(server.node_selector.clone()),
        tolerations: (!server.tolerations.is_empty()).then(|| server.tolerations.clone()),
        priority_class_name: server.priority.clone(),
        automount_service_account_token: Some(role == Role::Learner),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: store.map(|_| USER),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".into(),
                ..SeccompProfile::default()
            }),
            ..PodSecurityContext::default()
        }),
        containers: vec![container(plan, server, role, store)],
        volumes: (!volumes.is_empty()).then_some(volumes),
        ..PodSpec::default()
    }
}

fn volumes(plan: Plan<'_>, store: Option<&Storage>) -> Vec<Volume> {
    let mut volumes = Vec::new();
    if let Some(store) = store {
        let claim = |claim_name: String| PersistentVolumeClaimVolumeSource {
            claim_name,
            ..PersistentVolumeClaimVolumeSource::default()
        };
        let mut volume = Volume {
            name: STORE.0.into(),
            ..Volume::default()
        };
        match store {
            Storage::EmptyDir(size) => {
                volume.empty_dir = Some(EmptyDirVolumeSource {
                    size_limit: Some(Quantity(size.clone())),
                    ..EmptyDirVolumeSource::default()
                });
            }
            Storage::Claim { .. } => {
                volume.persistent_volume_claim = Some(claim(plan.names().model_server));
            }
            Storage::Existing(name) => volume.persistent_volume_claim = Some(claim(name.clone())),
        }
        volumes.push(volume);
    }
    if let Some((_, secret)) = plan.tls_secrets() {
        volumes.push(secret_volume(TLS, secret));
    }
    volumes
}

fn args(plan: Plan<'_>, role: Role, store: Option<&Storage>) -> Vec<String> {
    let mut args = vec![
        "serve".to_owned(),
        format!("--listen=0.0.0.0:{MODEL_SERVER_PORT}"),
    ];
    if store.is_some() {
        args.push(format!("--store={}", STORE.1));
    }
    if plan.monitor.tls.is_some() {
        args.push(format!("--tls-certificate={TLS_DIR}/tls.crt"));
        args.push(format!("--tls-key={TLS_DIR}/tls.key"));
    }
    match role {
        Role::Giver => {}
        Role::Learner => {
            args.push("--token-review".into());
            args.push(format!("--token-audience={MODEL_AUDIENCE}"));
        }
        Role::Reader => {
            let leader = plan.host(&plan.names().model_lead);
            let scheme = plan.scheme();
            args.push(format!("--follow={scheme}://{leader}:{MODEL_SERVER_PORT}"));
            if plan.monitor.tls.is_some() {
                args.push(format!("--follow-ca={TLS_DIR}/ca.crt"));
            }
        }
    }
    args
}

fn container(
    plan: Plan<'_>,
    server: &ModelServer,
    role: Role,
    store: Option<&Storage>,
) -> Container {
    let mut mounts = Vec::new();
    if store.is_some() {
        mounts.push(VolumeMount {
            read_only: None,
            ..mount(STORE.0, STORE.1)
        });
    }
    if plan.monitor.tls.is_some() {
        mounts.push(mount(TLS, TLS_DIR));
    }
    Container {
        name: "model-server".into(),
        image: Some(plan.installation.model_server_image.clone()),
        image_pull_policy: Some(plan.installation.pull_policy.to_string()),
        args: Some(args(plan, role, store)),
        ports: Some(vec![ContainerPort {
            name: Some(PORT_NAME.into()),
            container_port: MODEL_SERVER_PORT,
            protocol: Some("TCP".into()),
            ..ContainerPort::default()
        }]),
        // It trains before it answers: seconds, or minutes on a busy node.
        startup_probe: Some(probe(plan, "/healthz", 2, 300)),
        liveness_probe: Some(probe(plan, "/healthz", 10, 6)),
        readiness_probe: Some(probe(plan, "/readyz", 2, 3)),
        resources: Some(
            server
                .resources
                .clone()
                .unwrap_or_else(|| resources(("20m", "64Mi"), ("1", "256Mi"))),
        ),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".into()]),
                ..Capabilities::default()
            }),
            ..SecurityContext::default()
        }),
        volume_mounts: (!mounts.is_empty()).then_some(mounts),
        ..Container::default()
    }
}
