//! Where the agents and the model server are found.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{AGENT, MODEL_LEAD, MODEL_SERVER, MODEL_SERVER_PORT, Plan};

/// Name of the port in pods and Services.
pub(super) const PORT_NAME: &str = "http";

/// Name of the port where old names stand alone.
pub(super) const LEGACY_PORT_NAME: &str = "legacy";

/// Headless: whoever reads metrics wants every agent, not one of them.
pub(super) fn agent(plan: Plan<'_>) -> Service {
    let labels = plan.selector_labels(AGENT);
    let port = i32::from(plan.monitor.port);
    let mut service = service(plan, plan.names().agent, AGENT, labels, port);
    if let Some(spec) = service.spec.as_mut() {
        spec.cluster_ip = Some("None".into());
        if let (Some(ports), Some(legacy)) = (&mut spec.ports, plan.monitor.exports.legacy_port) {
            ports.push(service_port(LEGACY_PORT_NAME, i32::from(legacy)));
        }
    }
    service
}

/// Every model server that answers.
pub(super) fn model_server(plan: Plan<'_>) -> Service {
    let labels = plan.giver_labels();
    let name = plan.names().model_server;
    service(plan, name, MODEL_SERVER, labels, MODEL_SERVER_PORT)
}

/// The one that learns, where others follow it.
pub(super) fn model_lead(plan: Plan<'_>) -> Service {
    let labels = plan.selector_labels(MODEL_SERVER);
    let name = plan.names().model_lead;
    // Not by the name of the component: no monitor of metrics reads it twice.
    service(plan, name, MODEL_LEAD, labels, MODEL_SERVER_PORT)
}

fn service_port(name: &str, port: i32) -> ServicePort {
    ServicePort {
        name: Some(name.into()),
        port,
        protocol: Some("TCP".into()),
        target_port: Some(IntOrString::String(name.into())),
        ..ServicePort::default()
    }
}

fn service(
    plan: Plan<'_>,
    name: String,
    component: &str,
    selector: BTreeMap<String, String>,
    port: i32,
) -> Service {
    Service {
        metadata: plan.meta(name, component),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".into()),
            selector: Some(selector),
            ports: Some(vec![service_port(PORT_NAME, port)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
