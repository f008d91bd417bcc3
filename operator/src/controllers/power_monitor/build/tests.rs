//! Golden tests: every object of a monitor as YAML.
//!
//! After a wanted change: `TANSO_BLESS=1 cargo test -p tanso-operator golden`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde::Serialize;
use serde_json::{Value, json};
use tanso_crds::PowerMonitor;

use super::*;
use crate::controllers::power_monitor::validate::validate;

fn children(name: &str, spec: Value) -> Children {
    let monitor = PowerMonitor::new(name, serde_json::from_value(spec).unwrap());
    let monitor = validate(&monitor).unwrap();
    let installation = Installation {
        namespace: "tanso-system".into(),
        agent_image: "example.com/tanso-agent:1".into(),
        model_server_image: "example.com/tanso-model-server:1".into(),
    };
    let owner = OwnerReference {
        api_version: "tanso.dev/v1alpha1".into(),
        kind: "PowerMonitor".into(),
        name: name.into(),
        uid: "5e1f".into(),
        controller: Some(true),
        ..OwnerReference::default()
    };
    build(Plan {
        monitor: &monitor,
        installation: &installation,
        owner: &owner,
    })
}

fn yaml(children: &Children) -> String {
    fn add<T: Serialize>(text: &mut String, object: &T) {
        // By way of JSON, whose maps are sorted here.
        let value: Value = serde_json::to_value(object).unwrap();
        writeln!(
            text,
            "---\n{}",
            serde_saphyr::to_string(&value).unwrap().trim_end()
        )
        .unwrap();
    }
    let mut text = String::new();
    add(&mut text, &children.agent_account);
    add(&mut text, &children.agent_binding);
    add(&mut text, &children.agent_config);
    add(&mut text, &children.agent_set);
    add(&mut text, &children.agent_service);
    if let Some(server) = &children.model_server {
        add(&mut text, &server.account);
        add(&mut text, &server.deployment);
        add(&mut text, &server.service);
    }
    text
}

fn golden(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(file);
    if std::env::var_os("TANSO_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == wanted,
        "{} differs; bless it if that is wanted:\n{text}",
        path.display()
    );
}

#[test]
fn the_default_monitor_is_as_the_golden_file() {
    golden(
        "power_monitor_default.yaml",
        &yaml(&children("tanso", json!({}))),
    );
}

#[test]
fn a_monitor_with_every_field_set_is_as_the_golden_file() {
    let spec = json!({
        "agent": {
            "nodeSelector": {"example.com/rack": "7"},
            "tolerations": [{"key": "example.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "sources": ["Fake", "Rapl"],
            "interval": "500ms",
            "securityMode": "Privileged",
            "resources": {"requests": {"cpu": "30m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
            "port": 28283,
        },
        "modelServer": {"replicas": 0},
    });
    golden(
        "power_monitor_full.yaml",
        &yaml(&children("rack-seven", spec)),
    );
}

#[test]
fn a_minimal_agent_is_not_privileged_and_only_reads_the_host() {
    let set = serde_json::to_value(children("tanso", json!({})).agent_set).unwrap();
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["securityContext"]["privileged"], json!(false));
    assert_eq!(
        container["securityContext"]["capabilities"],
        json!({"drop": ["ALL"], "add": ["BPF", "PERFMON"]})
    );
    for mount in container["volumeMounts"].as_array().unwrap() {
        let writable = mount["name"] == json!("state");
        assert_eq!(mount["readOnly"] == json!(true), !writable, "{mount}");
    }
}

#[test]
fn a_changed_setting_rolls_the_agents() {
    let digest = |interval: &str| {
        let set = children("tanso", json!({"agent": {"interval": interval}})).agent_set;
        serde_json::to_value(set).unwrap()["spec"]["template"]["metadata"]["annotations"]
            [daemon_set::CONFIG_DIGEST]
            .clone()
    };
    assert_eq!(digest("1s"), digest("1s"));
    assert_ne!(digest("1s"), digest("2s"));
}
