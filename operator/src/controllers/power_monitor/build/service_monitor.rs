//! How the Prometheus Operator is told what to scrape.

use serde_json::{Map, Value, json};

use super::foreign::{ServiceMonitor, ServiceMonitorSpec, fields};
use super::services::{LEGACY_PORT_NAME, PORT_NAME};
use super::{AGENT, MODEL_SERVER, MONITOR_LABEL, Plan};
use crate::controllers::power_monitor::validate::Scrape;

pub(super) fn agent(plan: Plan<'_>, scrape: &Scrape) -> ServiceMonitor {
    // Dashboards take the instance for the node's name.
    let service = plan.names().agent;
    let mut endpoints = vec![endpoint(plan, scrape, PORT_NAME, &service, "instance")];
    if plan.monitor.exports.legacy_port.is_some() {
        endpoints.push(endpoint(
            plan,
            scrape,
            LEGACY_PORT_NAME,
            &service,
            "instance",
        ));
    }
    for endpoint in &mut endpoints {
        endpoint.insert("honorLabels".into(), Value::Bool(true));
    }
    monitor(plan, scrape, &service, AGENT, &endpoints)
}

pub(super) fn model_server(plan: Plan<'_>, scrape: &Scrape) -> ServiceMonitor {
    let service = plan.names().model_server;
    let mut endpoint = endpoint(plan, scrape, PORT_NAME, &service, "node");
    // Anybody may read the model server's metrics.
    endpoint.remove("bearerTokenFile");
    monitor(plan, scrape, &service, MODEL_SERVER, &[endpoint])
}

fn endpoint(
    plan: Plan<'_>,
    scrape: &Scrape,
    port: &str,
    service: &str,
    node_label: &str,
) -> Map<String, Value> {
    let mut endpoint = fields(json!({
        "port": port,
        "scheme": plan.scheme(),
        "interval": scrape.interval,
        "relabelings": [{
            "sourceLabels": ["__meta_kubernetes_pod_node_name"],
            "targetLabel": node_label,
            "action": "replace",
        }],
    }));
    if plan.monitor.tls.is_some() {
        let trust = json!({
            "ca": {"configMap": {"name": plan.names().authority, "key": "ca.crt"}},
            "serverName": plan.host(service),
        });
        endpoint.insert("tlsConfig".into(), trust);
    }
    if let Some(file) = &scrape.token_file {
        endpoint.insert("bearerTokenFile".into(), json!(file));
    }
    endpoint
}

fn monitor(
    plan: Plan<'_>,
    scrape: &Scrape,
    name: &str,
    component: &str,
    endpoints: &[Map<String, Value>],
) -> ServiceMonitor {
    let mut metadata = plan.meta(name.to_owned(), component);
    if let Some(labels) = &mut metadata.labels {
        // What is ours stays ours.
        for (key, value) in &scrape.labels {
            labels.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    let content = json!({
        "jobLabel": "app.kubernetes.io/name",
        "selector": {"matchLabels": {
            "app.kubernetes.io/name": component,
            MONITOR_LABEL: plan.monitor.name,
        }},
        "endpoints": endpoints,
    });
    ServiceMonitor {
        metadata,
        spec: ServiceMonitorSpec {
            content: fields(content),
        },
    }
}
