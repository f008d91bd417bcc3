//! The model server: no rights, no token, nothing but its port.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, PodSecurityContext, PodSpec, PodTemplateSpec,
    SeccompProfile, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::daemon_set::{probe, resources};
use super::services::PORT_NAME;
use super::{MODEL_SERVER, MODEL_SERVER_PORT, Plan};
use crate::controllers::power_monitor::validate::ModelServer;

/// The user of the image, nobody in particular.
const USER: i64 = 65_532;

pub(super) fn deployment(plan: Plan<'_>, server: &ModelServer) -> Deployment {
    let name = plan.names().model_server;
    Deployment {
        metadata: plan.meta(name.clone(), MODEL_SERVER),
        spec: Some(DeploymentSpec {
            replicas: Some(server.replicas),
            selector: plan.selector(MODEL_SERVER),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(plan.labels(MODEL_SERVER)),
                    ..ObjectMeta::default()
                }),
                spec: Some(PodSpec {
                    service_account_name: Some(name),
                    automount_service_account_token: Some(false),
                    security_context: Some(PodSecurityContext {
                        run_as_non_root: Some(true),
                        run_as_user: Some(USER),
                        run_as_group: Some(USER),
                        seccomp_profile: Some(SeccompProfile {
                            type_: "RuntimeDefault".into(),
                            ..SeccompProfile::default()
                        }),
                        ..PodSecurityContext::default()
                    }),
                    containers: vec![container(plan, server)],
                    ..PodSpec::default()
                }),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn container(plan: Plan<'_>, server: &ModelServer) -> Container {
    Container {
        name: "model-server".into(),
        image: Some(plan.installation.model_server_image.clone()),
        image_pull_policy: Some("IfNotPresent".into()),
        args: Some(vec![
            "serve".into(),
            format!("--listen=0.0.0.0:{MODEL_SERVER_PORT}"),
        ]),
        ports: Some(vec![ContainerPort {
            name: Some(PORT_NAME.into()),
            container_port: MODEL_SERVER_PORT,
            protocol: Some("TCP".into()),
            ..ContainerPort::default()
        }]),
        // It trains before it answers: seconds, or minutes on a busy node.
        startup_probe: Some(probe("/healthz", 2, 300)),
        liveness_probe: Some(probe("/healthz", 10, 6)),
        readiness_probe: Some(probe("/readyz", 2, 3)),
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
        ..Container::default()
    }
}
