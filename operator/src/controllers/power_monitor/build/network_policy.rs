//! Who may speak to agents and model server, and to whom they may: closed
//! both ways but for what they need. Where the API server and a receiver of
//! metrics are is known by their ports, and of the former by an address if
//! somebody tells one: neither is a pod that labels could choose for sure.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{AGENT, MODEL_SERVER, MODEL_SERVER_PORT, MONITOR_LABEL, Plan};
use crate::controllers::power_monitor::validate::Closed;

/// Label of the operator's own pods, which the installation brings.
const OPERATOR: (&str, &str) = ("app.kubernetes.io/name", "tanso-operator");

/// What one policy lets through.
struct Open {
    ingress: Vec<NetworkPolicyIngressRule>,
    egress: Vec<NetworkPolicyEgressRule>,
}

/// In: the operator, readers of metrics, and the API server's proxy where its
/// address is told. Out: names, the pods of the node
/// from the API server, models, and pushes and BMCs where they are wished.
pub(super) fn agent(plan: Plan<'_>, closed: &Closed) -> NetworkPolicy {
    let port = i32::from(plan.monitor.port);
    let exports = &plan.monitor.exports;
    let mut ports = vec![port];
    ports.extend(exports.legacy_port.map(i32::from));
    let operator = BTreeMap::from([(OPERATOR.0.to_owned(), OPERATOR.1.to_owned())]);
    let mut ingress = vec![
        from(vec![pods(operator)], &[port]),
        from(vec![namespaces(&closed.readers)], &ports),
    ];
    ingress.extend(proxied(closed, port));
    let mut egress = vec![dns(closed), api_server(closed)];
    if plan.monitor.model_server.is_some() {
        egress.push(to(
            Some(vec![pods(plan.giver_labels())]),
            vec![tcp(MODEL_SERVER_PORT)],
        ));
    }
    // The receiver may be anywhere: a pod, a node, outside.
    let push = exports.push_port().map(|port| tcp(i32::from(port)));
    egress.extend(push.map(|port| to(None, vec![port])));
    // So may BMCs: mostly in a network of their own.
    let bmc = plan.monitor.redfish.as_ref();
    egress.extend(bmc.map(|bmc| to(None, vec![tcp(i32::from(bmc.port))])));
    let open = Open { ingress, egress };
    let name = plan.names().agent_policy;
    policy(plan, name, AGENT, plan.selector_labels(AGENT), open)
}

/// In: its own monitor's pods, agents and other model servers, readers of
/// metrics, and the API server's proxy where its address is told. Out: nothing,
/// unless it learns: then it asks the API server whose tokens it is shown, and
/// the others follow the one that learns.
pub(super) fn model_server(plan: Plan<'_>, closed: &Closed) -> NetworkPolicy {
    let own = BTreeMap::from([(MONITOR_LABEL.to_owned(), plan.monitor.name.clone())]);
    let mut ingress = vec![from(
        vec![pods(own), namespaces(&closed.readers)],
        &[MODEL_SERVER_PORT],
    )];
    ingress.extend(proxied(closed, MODEL_SERVER_PORT));
    let mut egress = Vec::new();
    if plan.monitor.samples {
        egress.extend([dns(closed), api_server(closed)]);
    }
    if plan.has_readers() {
        let lead = pods(plan.selector_labels(MODEL_SERVER));
        egress.push(to(Some(vec![lead]), vec![tcp(MODEL_SERVER_PORT)]));
    }
    let open = Open { ingress, egress };
    let name = plan.names().model_policy;
    policy(plan, name, MODEL_SERVER, plan.giver_labels(), open)
}

fn policy(
    plan: Plan<'_>,
    name: String,
    component: &str,
    of: BTreeMap<String, String>,
    open: Open,
) -> NetworkPolicy {
    NetworkPolicy {
        metadata: plan.meta(name, component),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector(of)),
            policy_types: Some(vec!["Ingress".into(), "Egress".into()]),
            ingress: Some(open.ingress),
            // An empty list would not come back from the API server, which
            // keeps none, and would be written again on each visit.
            egress: (!open.egress.is_empty()).then_some(open.egress),
        }),
    }
}

/// Names of Services, wherever the cluster's DNS runs: on nodes, too.
fn dns(closed: &Closed) -> NetworkPolicyEgressRule {
    let both = |port: &u16| ["UDP", "TCP"].map(|protocol| at(protocol, i32::from(*port)));
    to(None, closed.dns_ports.iter().flat_map(both).collect())
}

fn api_server(closed: &Closed) -> NetworkPolicyEgressRule {
    let ports = closed.api_server_ports.iter();
    to(
        closed
            .api_server_cidr
            .as_ref()
            .map(|cidr| vec![block(cidr)]),
        ports.map(|port| tcp(i32::from(*port))).collect(),
    )
}

/// Whoever asks by way of the API server (`kubectl tanso` asks agents so) comes from its
/// address, which is in no namespace: let in where somebody tells that address.
fn proxied(closed: &Closed, port: i32) -> Option<NetworkPolicyIngressRule> {
    let cidr = closed.api_server_cidr.as_ref()?;
    Some(from(vec![block(cidr)], &[port]))
}

fn block(cidr: &str) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: cidr.to_owned(),
            ..IPBlock::default()
        }),
        ..NetworkPolicyPeer::default()
    }
}

fn from(peers: Vec<NetworkPolicyPeer>, ports: &[i32]) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        from: Some(peers),
        ports: Some(ports.iter().map(|port| tcp(*port)).collect()),
    }
}

/// Without peers: anywhere at those ports.
fn to(
    peers: Option<Vec<NetworkPolicyPeer>>,
    ports: Vec<NetworkPolicyPort>,
) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        to: peers,
        ports: Some(ports),
    }
}

fn tcp(port: i32) -> NetworkPolicyPort {
    at("TCP", port)
}

fn at(protocol: &str, port: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(port)),
        protocol: Some(protocol.to_owned()),
        ..NetworkPolicyPort::default()
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
