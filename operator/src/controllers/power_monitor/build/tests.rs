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

fn installation() -> Installation {
    Installation {
        namespace: "tanso-system".into(),
        agent_image: "example.com/tanso-agent:1".into(),
        model_server_image: "example.com/tanso-model-server:1".into(),
        pull_secrets: Vec::new(),
        pull_policy: PullPolicy::default(),
    }
}

pub(super) fn children(name: &str, spec: Value) -> Children {
    children_of(name, spec, &installation())
}

fn children_of(name: &str, spec: Value, installation: &Installation) -> Children {
    let monitor = PowerMonitor::new(name, serde_json::from_value(spec).unwrap());
    let monitor = validate(&monitor).unwrap();
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
        installation,
        owner: &owner,
        authority: monitor
            .tls
            .as_ref()
            .map(|_| "-----BEGIN CERTIFICATE-----\n"),
        has_service_monitors: true,
        older: &[],
    })
}

pub(super) fn yaml(children: &Children) -> String {
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
    let extras = &children.extras;
    for binding in [
        &extras.agent_reviews,
        &extras.agent_samples,
        &extras.model_reviews,
    ]
    .into_iter()
    .flatten()
    {
        add(&mut text, binding);
    }
    macro_rules! add_some {
        ($($field:ident),*) => {$(
            if let Some(object) = &extras.$field {
                add(&mut text, object);
            }
        )*};
    }
    add_some!(
        authority,
        claim,
        readers,
        lead_service,
        budget,
        agent_policy
    );
    add_some!(model_policy, agent_scrape, model_scrape);
    text
}

pub(super) fn golden(file: &str, text: &str) {
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
            "hardwareCounters": "Enabled",
            "priorityClassName": "metering-high",
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
fn a_monitor_with_every_protection_is_as_the_golden_file() {
    let spec = json!({
        "agent": {
            "samples": "Enabled",
            "seccompProfile": {"type": "Localhost"},
            "metrics": {"levels": ["Node", "Pod"], "legacyNames": "OwnPort"},
            "otlp": {"endpoint": "http://collector.monitoring:4318", "interval": "30s"},
            "access": {"tokens": "Enabled", "audiences": ["https://kubernetes.default.svc"], "anonymous": "Coarse"},
        },
        "modelServer": {
            "replicas": 3,
            "storage": {"type": "PersistentVolumeClaim", "size": "2Gi", "storageClassName": "fast"},
        },
        "tls": {"type": "SelfSigned"},
        "networkPolicy": {"type": "Enabled", "metricsFrom": {"kubernetes.io/metadata.name": "monitoring"}},
        "serviceMonitor": {"type": "Enabled", "labels": {"release": "prometheus"}, "bearerTokenFile": "/var/run/tanso/token"},
    });
    golden(
        "power_monitor_protected.yaml",
        &yaml(&children("tanso", spec)),
    );
}

/// Samples with several replicas: one that learns, and those that follow.
fn in_two_roles() -> Value {
    json!({"agent": {"samples": "Enabled"}, "modelServer": {"replicas": 2}})
}

/// The pods of agents, of the model server that learns, and of its followers.
fn pods(children: Children) -> [Value; 3] {
    let learner = children.model_server.unwrap().deployment;
    let readers = children.extras.readers.unwrap();
    [
        serde_json::to_value(children.agent_set).unwrap(),
        serde_json::to_value(learner).unwrap(),
        serde_json::to_value(readers).unwrap(),
    ]
    .map(|object| object["spec"]["template"]["spec"].clone())
}

#[test]
fn how_images_are_pulled_reaches_agents_and_every_model_server() {
    let told =
        |installation: &Installation| pods(children_of("tanso", in_two_roles(), installation));
    for pod in told(&installation()) {
        assert_eq!(pod["imagePullSecrets"], Value::Null);
        assert_eq!(pod["containers"][0]["imagePullPolicy"], "IfNotPresent");
    }
    let behind_a_login = Installation {
        pull_secrets: vec!["team".into(), "mirror".into()],
        pull_policy: PullPolicy::Always,
        ..installation()
    };
    for pod in told(&behind_a_login) {
        let secrets = &pod["imagePullSecrets"];
        assert_eq!(secrets, &json!([{"name": "team"}, {"name": "mirror"}]));
        assert_eq!(pod["containers"][0]["imagePullPolicy"], "Always");
    }
}

/// They had no word on it: where every node was tainted, none ran.
#[test]
fn where_model_servers_run_reaches_all_of_them_and_no_agent() {
    let [agent, learner, reader] = pods(children("tanso", in_two_roles()));
    assert_eq!(agent["tolerations"], json!([{"operator": "Exists"}]));
    for pod in [learner, reader] {
        assert_eq!(pod["nodeSelector"], json!({"kubernetes.io/os": "linux"}));
        assert_eq!(pod["tolerations"], Value::Null);
        assert_eq!(pod["priorityClassName"], Value::Null);
    }
    let tolerations = json!([{"key": "infra", "operator": "Exists", "effect": "NoSchedule"}]);
    let mut spec = in_two_roles();
    spec["modelServer"]["nodeSelector"] = json!({"example.com/pool": "infra"});
    spec["modelServer"]["tolerations"] = tolerations.clone();
    spec["modelServer"]["priorityClassName"] = json!("metering-low");
    let [placed_agent, learner, reader] = pods(children("tanso", spec));
    assert_eq!(placed_agent, agent);
    let selector = json!({"example.com/pool": "infra", "kubernetes.io/os": "linux"});
    for pod in [learner, reader] {
        assert_eq!(pod["nodeSelector"], selector);
        assert_eq!(pod["tolerations"], tolerations);
        assert_eq!(pod["priorityClassName"], "metering-low");
    }
}

#[test]
fn where_learned_models_are_kept_is_one_field() {
    let pod = |storage: Value| {
        let spec = json!({"agent": {"samples": "Enabled"}, "modelServer": {"storage": storage}});
        let server = children("tanso", spec).model_server.unwrap();
        let deployment = serde_json::to_value(server.deployment).unwrap();
        deployment["spec"]["template"]["spec"].clone()
    };
    let memory = pod(json!({}));
    assert_eq!(memory["volumes"], Value::Null);
    let args = memory["containers"][0]["args"].as_array().unwrap();
    assert!(
        !args
            .iter()
            .any(|arg| arg.as_str().unwrap().contains("--store"))
    );
    let folder = pod(json!({"type": "EmptyDir", "size": "5Gi"}));
    assert_eq!(folder["volumes"][0]["emptyDir"]["sizeLimit"], "5Gi");
    let mine = pod(json!({"type": "ExistingClaim", "claimName": "mine"}));
    let claim = &mine["volumes"][0]["persistentVolumeClaim"]["claimName"];
    assert_eq!(claim, "mine");
    for pod in [&folder, &mine] {
        let args = pod["containers"][0]["args"].as_array().unwrap();
        assert!(args.contains(&json!("--store=/var/lib/tanso")), "{args:?}");
        assert_eq!(pod["containers"][0]["volumeMounts"][0]["name"], "store");
    }
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
fn who_is_charged_with_idle_energy_reaches_the_agents() {
    let told = |spec: Value| {
        let config = children("tanso", json!({"agent": spec})).agent_config;
        config.data.unwrap().get("TANSO_IDLE_SHARING").cloned()
    };
    assert_eq!(told(json!({})), None);
    for (wish, word) in [("Use", "use"), ("Requests", "requests")] {
        assert_eq!(told(json!({"idleSharing": wish})).as_deref(), Some(word));
    }
}

#[test]
fn agents_read_hardware_counters_only_where_enabled_and_roll_when_that_changes() {
    let told = |spec: Value| {
        let made = children("tanso", json!({"agent": spec}));
        let set = serde_json::to_value(made.agent_set).unwrap();
        let annotations = &set["spec"]["template"]["metadata"]["annotations"];
        let data = made.agent_config.data.unwrap();
        let word = data.get("TANSO_HARDWARE_COUNTERS").cloned();
        (word, annotations[daemon_set::CONFIG_DIGEST].clone())
    };
    let usual = told(json!({}));
    assert_eq!(usual.0, None);
    assert_eq!(told(json!({"hardwareCounters": "Disabled"})), usual);
    let counting = told(json!({"hardwareCounters": "Enabled"}));
    assert_eq!(counting.0.as_deref(), Some("on"));
    assert_ne!(counting.1, usual.1);
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
