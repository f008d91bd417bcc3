//! Where the agents and the model server are found.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{AGENT, MODEL_SERVER, MODEL_SERVER_PORT, Plan};

/// Name of the port in pods and Services.
pub(super) const PORT_NAME: &str = "http";

/// Headless: whoever reads metrics wants every agent, not one of them.
pub(super) fn agent(plan: Plan<'_>) -> Service {
    let mut service = service(
        plan,
        plan.names().agent,
        AGENT,
        i32::from(plan.monitor.port),
    );
    if let Some(spec) = service.spec.as_mut() {
        spec.cluster_ip = Some("None".into());
    }
    service
}

pub(super) fn model_server(plan: Plan<'_>) -> Service {
    service(
        plan,
        plan.names().model_server,
        MODEL_SERVER,
        MODEL_SERVER_PORT,
    )
}

fn service(plan: Plan<'_>, name: String, component: &str, port: i32) -> Service {
    Service {
        metadata: plan.meta(name, component),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".into()),
            selector: Some(plan.selector_labels(component)),
            ports: Some(vec![ServicePort {
                name: Some(PORT_NAME.into()),
                port,
                protocol: Some("TCP".into()),
                target_port: Some(IntOrString::String(PORT_NAME.into())),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
