//! What a closed network lets out, of each shape of monitor.

use serde_json::{Value, json};

use super::tests::children;

/// What the policies of agents and model server let out.
fn out(mut spec: Value) -> [Value; 2] {
    if spec["networkPolicy"]["type"].is_null() {
        spec["networkPolicy"]["type"] = json!("Enabled");
    }
    let extras = children("tanso", spec).extras;
    [extras.agent_policy, extras.model_policy].map(|policy| {
        let policy = serde_json::to_value(policy).unwrap();
        if !policy.is_null() {
            let types = &policy["spec"]["policyTypes"];
            assert_eq!(*types, json!(["Ingress", "Egress"]));
        }
        policy["spec"]["egress"].clone()
    })
}

fn tcp(port: u16) -> Value {
    json!({"port": port, "protocol": "TCP"})
}

fn dns() -> Value {
    json!({"ports": [{"port": 53, "protocol": "UDP"}, tcp(53)]})
}

fn api_server() -> Value {
    json!({"ports": [tcp(443), tcp(6443)]})
}

fn givers(label: &str, value: &str) -> Value {
    let labels = json!({label: value, "tanso.dev/power-monitor": "tanso"});
    json!({"to": [{"podSelector": {"matchLabels": labels}}], "ports": [tcp(8100)]})
}

/// They restricted what came in alone: an agent could connect to anywhere.
#[test]
fn agents_reach_names_the_api_server_and_models_and_nothing_else() {
    let [agent, server] = out(json!({}));
    let models = givers("app.kubernetes.io/name", "tanso-model-server");
    assert_eq!(agent, json!([dns(), api_server(), models]));
    // Who learns from nobody asks nobody.
    assert_eq!(server, Value::Null);
}

#[test]
fn where_there_is_no_model_server_none_is_reached() {
    let [agent, server] = out(json!({"modelServer": {"replicas": 0}}));
    assert_eq!(agent, json!([dns(), api_server()]));
    assert_eq!(server, Value::Null);
}

#[test]
fn a_model_server_that_learns_asks_whose_tokens_it_is_shown() {
    let [_, server] = out(json!({"agent": {"samples": "Enabled"}}));
    assert_eq!(server, json!([dns(), api_server()]));
}

#[test]
fn followers_reach_the_one_that_learns_and_agents_reach_all_of_them() {
    let spec = json!({"agent": {"samples": "Enabled"}, "modelServer": {"replicas": 3}});
    let [agent, server] = out(spec);
    let all = json!({"matchLabels": {"tanso.dev/gives-models": "tanso"}});
    let models = json!({"to": [{"podSelector": all}], "ports": [tcp(8100)]});
    assert_eq!(agent, json!([dns(), api_server(), models]));
    let lead = givers("app.kubernetes.io/name", "tanso-model-server");
    assert_eq!(server, json!([dns(), api_server(), lead]));
}

#[test]
fn pushes_leave_by_their_receivers_port() {
    let otlp = json!({"endpoint": "http://collector.monitoring:4318"});
    let [agent, _] = out(json!({"agent": {"otlp": otlp}}));
    assert_eq!(agent[3], json!({"ports": [tcp(4318)]}));
}

#[test]
fn agents_reach_the_port_of_bmcs_where_they_ask_them() {
    let bmc = json!({"endpoint": "https://{node}.bmc:8443", "caSecretName": "ca"});
    let [agent, _] = out(json!({"agent": {"redfish": bmc}}));
    assert_eq!(agent[3], json!({"ports": [tcp(8443)]}));
}

#[test]
fn the_ports_of_dns_and_the_place_of_the_api_server_can_be_said() {
    let closed = json!({
        "type": "Enabled",
        "dnsPorts": [53, 5353],
        "apiServerPorts": [16443],
        "apiServerCidr": "10.0.0.1/32",
    });
    let spec = json!({"agent": {"samples": "Enabled"}, "networkPolicy": closed});
    for rules in out(spec) {
        let names = json!([{"port": 53, "protocol": "UDP"}, tcp(53), {"port": 5353, "protocol": "UDP"}, tcp(5353)]);
        assert_eq!(rules[0], json!({"ports": names}));
        let place = json!([{"ipBlock": {"cidr": "10.0.0.1/32"}}]);
        assert_eq!(rules[1], json!({"to": place, "ports": [tcp(16443)]}));
    }
}

/// With enforced policies `kubectl tanso top` had no power of now: the API server
/// that forwards its questions to agents is no pod of a namespace.
#[test]
fn the_api_servers_proxy_is_let_in_from_the_address_that_is_told() {
    let rules_in = |closed: Value| {
        let extras = children("tanso", json!({"networkPolicy": closed})).extras;
        [extras.agent_policy, extras.model_policy].map(|policy| {
            let policy = serde_json::to_value(policy).unwrap();
            policy["spec"]["ingress"].as_array().unwrap().clone()
        })
    };
    let told = rules_in(json!({"type": "Enabled", "apiServerCidr": "10.0.0.1/32"}));
    let untold = rules_in(json!({"type": "Enabled"}));
    for ((told, untold), port) in told.iter().zip(&untold).zip([28282, 8100]) {
        let from = json!([{"ipBlock": {"cidr": "10.0.0.1/32"}}]);
        let (last, others) = told.split_last().unwrap();
        assert_eq!(*last, json!({"from": from, "ports": [tcp(port)]}));
        assert_eq!(others, untold.as_slice());
    }
}

#[test]
fn nothing_is_closed_where_it_is_not_wished() {
    let spec = json!({"networkPolicy": {"type": "Disabled"}});
    assert_eq!(out(spec), [Value::Null, Value::Null]);
}
