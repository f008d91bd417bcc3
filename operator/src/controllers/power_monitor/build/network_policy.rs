//! Who may speak to agents and model server. What goes out is left alone: the
//! operator does not know where the API server, a BMC or a receiver of
//! metrics is.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{AGENT, MODEL_SERVER, MODEL_SERVER_PORT, MONITOR_LABEL, Plan};

/// Label of the operator's own pods, which the installation brings.
const OPERATOR: (&str, &str) = ("app.kubernetes.io/name", "tanso-operator");

pub(super) fn agent(plan: Plan<'_>, readers: &BTreeMap<String, String>) -> NetworkPolicy {
    let port = i32::from(plan.monitor.port);
    let mut ports = vec![port];
    ports.extend(plan.monitor.exports.legacy_port.map(i32::from));
    let operator = BTreeMap::from([(OPERATOR.0.to_owned(), OPERATOR.1.to_owned())]);
    let ingress = vec![
        rule(vec![pods(operator)], &[port]),
        rule(vec![namespaces(readers)], &ports),
    ];
    let name = plan.names().agent_policy;
    policy(plan, name, AGENT, plan.selector_labels(AGENT), ingress)
}

/// Its own monitor's pods, agents and other model servers, and readers of
/// metrics.
pub(super) fn model_server(plan: Plan<'_>, readers: &BTreeMap<String, String>) -> NetworkPolicy {
    let own = BTreeMap::from([(MONITOR_LABEL.to_owned(), plan.monitor.name.clone())]);
    let ingress = vec![rule(
        vec![pods(own), namespaces(readers)],
        &[MODEL_SERVER_PORT],
    )];
    let name = plan.names().model_policy;
    policy(plan, name, MODEL_SERVER, plan.giver_labels(), ingress)
}

fn policy(
    plan: Plan<'_>,
    name: String,
    component: &str,
    of: BTreeMap<String, String>,
    ingress: Vec<NetworkPolicyIngressRule>,
) -> NetworkPolicy {
    NetworkPolicy {
        metadata: plan.meta(name, component),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector(of)),
            policy_types: Some(vec!["Ingress".into()]),
            ingress: Some(ingress),
            ..NetworkPolicySpec::default()
        }),
    }
}

fn rule(from: Vec<NetworkPolicyPeer>, ports: &[i32]) -> NetworkPolicyIngressRule {
    let port = |port: &i32| NetworkPolicyPort {
        port: Some(IntOrString::Int(*port)),
        protocol: Some("TCP".into()),
        ..NetworkPolicyPort::default()
    };
    NetworkPolicyIngressRule {
        from: Some(from),
        ports: Some(ports.iter().map(port).collect()),
    }
}

fn pods(labels: BTreeMap<String, String>) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        pod_selector: Some(selector(labels)),
        ..NetworkPolicyPeer::default()
    }
}

fn namespaces(labels: &BTreeMap<String, String>) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        namespace_selector: Some(selector(labels.clone())),
        ..NetworkPolicyPeer::default()
    }
}

fn selector(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector {
        match_labels: (!labels.is_empty()).then_some(labels),
        ..LabelSelector::default()
    }
}
