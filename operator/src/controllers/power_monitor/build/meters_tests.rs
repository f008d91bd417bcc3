//! What each source adds to the agents' pods, and in which security mode.

use serde_json::{Value, json};

use super::tests::{children, golden, yaml};

fn redfish(over: &Value) -> Value {
    let mut redfish =
        json!({"endpoint": "https://{node}-bmc.example:8443", "caSecretName": "bmc-authority"});
    for (key, value) in over.as_object().unwrap() {
        redfish[key] = value.clone();
    }
    redfish
}

/// Pod and settings of the agents.
fn made(agent: &Value) -> (Value, Value) {
    let children = children("tanso", json!({"agent": agent}));
    let set = serde_json::to_value(children.agent_set).unwrap();
    let config = serde_json::to_value(children.agent_config.data).unwrap();
    (set["spec"]["template"]["spec"].clone(), config)
}

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let found = list.as_array().unwrap().iter();
    let mut found = found.filter(|one| one["name"] == name);
    found.next().unwrap_or(&Value::Null)
}

#[test]
fn a_monitor_of_servers_with_gpus_is_as_the_golden_file() {
    let spec = json!({
        "agent": {
            "nodeSelector": {"nvidia.com/gpu.present": "true"},
            "redfish": redfish(&json!({"credentials": {"type": "ByNode", "secretName": "bmc-accounts"}, "chassis": "1U"})),
            "nvml": {},
        },
        "networkPolicy": {"type": "Enabled"},
    });
    golden("power_monitor_servers.yaml", &yaml(&children("gpu", spec)));
}

#[test]
fn a_monitor_that_mounts_the_drivers_library_is_as_the_golden_file() {
    let spec = json!({
        "agent": {
            "sources": ["Perf", "Hwmon", "Acpi", "Redfish", "Nvml", "Model"],
            "securityMode": "Privileged",
            "redfish": redfish(&json!({"credentials": {"secretName": "bmc-account"}})),
            "nvml": {"type": "HostPath", "libraryDirectory": "/usr/lib64"},
        },
        "modelServer": {"replicas": 0},
    });
    golden(
        "power_monitor_host_driver.yaml",
        &yaml(&children("gpu", spec)),
    );
}

/// What is not asked for is not in the pod: no Secret, no device, no class.
#[test]
fn sources_of_the_node_itself_need_no_more_than_every_agent_has() {
    let pod = |sources: Value| made(&json!({"sources": sources})).0;
    let least = pod(json!(["Rapl"]));
    assert_eq!(
        pod(json!([
            "Rapl", "Perf", "Acpi", "Hwmon", "Redfish", "Nvml", "Model", "Fake"
        ]))["volumes"],
        least["volumes"]
    );
    let (usual, config) = made(&json!({}));
    assert_eq!(
        usual["containers"][0]["securityContext"],
        least["containers"][0]["securityContext"]
    );
    assert_eq!(usual["runtimeClassName"], Value::Null);
    assert_eq!(
        config["TANSO_METERS"],
        "rapl,perf,acpi,hwmon,redfish,nvml,model"
    );
    for name in ["TANSO_REDFISH_ENDPOINT", "TANSO_NVML_LIBRARY"] {
        assert_eq!(config[name], Value::Null);
    }
}

#[test]
fn secrets_of_bmcs_are_shown_read_only_and_to_root_alone_and_no_more_of_them_than_is_read() {
    let shared = json!({"redfish": redfish(&json!({"credentials": {"secretName": "one"}}))});
    let (pod, config) = made(&shared);
    let key = |key: &str| json!({"key": key, "path": key});
    assert_eq!(
        named(&pod["volumes"], "bmc")["secret"],
        json!({"secretName": "one", "defaultMode": 0o400, "items": [key("username"), key("password")]})
    );
    assert_eq!(
        named(&pod["volumes"], "bmc-ca")["secret"],
        json!({"secretName": "bmc-authority", "defaultMode": 0o400, "items": [key("ca.crt")]})
    );
    for volume in ["bmc", "bmc-ca"] {
        let mount = named(&pod["containers"][0]["volumeMounts"], volume);
        assert_eq!(mount["readOnly"], true, "{mount}");
    }
    assert_eq!(config["TANSO_REDFISH_CREDENTIALS"], "/etc/tanso/bmc");
    assert_eq!(config["TANSO_REDFISH_CA"], "/etc/tanso/bmc-ca/ca.crt");
    // Of accounts by node an agent is shown the file of its own.
    let by_node = json!({"type": "ByNode", "secretName": "many"});
    let (pod, config) = made(&json!({"redfish": redfish(&json!({"credentials": by_node}))}));
    let mount = named(&pod["containers"][0]["volumeMounts"], "bmc");
    assert_eq!(mount["subPathExpr"], "$(NODE_NAME)");
    assert_eq!(mount["mountPath"], config["TANSO_REDFISH_CREDENTIALS"]);
    assert_eq!(mount["readOnly"], true);
    // Without an account there is no Secret but the authorities'.
    let (pod, config) = made(&json!({"redfish": redfish(&json!({}))}));
    assert_eq!(named(&pod["volumes"], "bmc"), &Value::Null);
    assert_eq!(config["TANSO_REDFISH_CREDENTIALS"], Value::Null);
}

#[test]
fn nvidias_runtime_brings_the_driver_in_both_modes_and_mig_where_it_may() {
    for (mode, instances) in [("Minimal", Value::Null), ("Privileged", json!("all"))] {
        let (pod, config) =
            made(&json!({"securityMode": mode, "nvml": {"runtimeClassName": "nv"}}));
        assert_eq!(pod["runtimeClassName"], "nv");
        let env = &pod["containers"][0]["env"];
        assert_eq!(named(env, "NVIDIA_VISIBLE_DEVICES")["value"], "all");
        assert_eq!(named(env, "NVIDIA_DRIVER_CAPABILITIES")["value"], "utility");
        assert_eq!(named(env, "NVIDIA_MIG_MONITOR_DEVICES")["value"], instances);
        assert_eq!(named(&pod["volumes"], "nvidia"), &Value::Null);
        assert_eq!(config["TANSO_NVML_LIBRARY"], Value::Null);
    }
}

#[test]
fn a_nodes_own_library_is_mounted_read_only_where_devices_are_the_pods_anyway() {
    let nvml = json!({"type": "HostPath", "libraryDirectory": "/usr/lib64"});
    let (pod, config) = made(&json!({"securityMode": "Privileged", "nvml": nvml}));
    assert_eq!(pod["runtimeClassName"], Value::Null);
    assert_eq!(
        named(&pod["volumes"], "nvidia")["hostPath"],
        json!({"path": "/usr/lib64", "type": "Directory"})
    );
    let mount = named(&pod["containers"][0]["volumeMounts"], "nvidia");
    assert_eq!(mount["readOnly"], true);
    let library = format!("{}/libnvidia-ml.so.1", mount["mountPath"].as_str().unwrap());
    assert_eq!(config["TANSO_NVML_LIBRARY"], json!(library));
    assert_eq!(
        named(&pod["containers"][0]["env"], "NVIDIA_VISIBLE_DEVICES"),
        &Value::Null
    );
}
