//! Cases of `PowerMonitor`.

use serde_json::{Value, json};

use super::{Cases, merge};

pub(super) fn monitor(over: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "PowerMonitor",
        "metadata": {"name": "admission"}, "spec": {},
    });
    merge(&mut object, over);
    object
}

pub(super) fn power_monitors() -> Cases {
    let agent = |agent: Value| monitor(&json!({"spec": {"agent": agent}}));
    let server = |server: Value| monitor(&json!({"spec": {"modelServer": server}}));
    let named = |name: &str| monitor(&json!({"metadata": {"name": name}}));
    let accepted = vec![
        monitor(&json!({})),
        named(&"a".repeat(50)),
        agent(json!({"sources": ["Rapl", "Model", "Fake"]})),
        agent(json!({"interval": "100ms"})),
        agent(json!({"interval": "60s"})),
        agent(json!({"port": 1024})),
        agent(json!({"securityMode": "Privileged"})),
        agent(json!({"priorityClassName": ""})),
        agent(json!({"priorityClassName": "metering.high"})),
        monitor(&json!({"spec": {"modelServer": {"replicas": 0}}})),
        monitor(&json!({"spec": {"modelServer": {"replicas": 5}}})),
        server(json!({"priorityClassName": ""})),
        server(json!({"priorityClassName": "metering.high"})),
        server(json!({"nodeSelector": {"pool": "infra"}, "tolerations": [{"operator": "Exists"}]})),
        server(json!({"tolerations": null})),
    ];
    let interval: &'static [&'static str] = &["spec.agent.interval", "accepted are 100ms to 60s"];
    let refused: Vec<(Value, &'static [&'static str])> = vec![
        (
            named("1st"),
            &["metadata.name \"1st\"", "beginning with a letter"],
        ),
        (named(&"a".repeat(51)), &["metadata.name", "up to 50"]),
        (
            agent(json!({"sources": ["Rapl", "Solar"]})),
            &[
                "spec.agent.sources[1]",
                "\"Solar\"",
                "\"Rapl\", \"Perf\", \"Acpi\", \"Hwmon\", \"Redfish\", \"Nvml\", \"Model\", \"Fake\"",
            ],
        ),
        (
            agent(json!({"sources": []})),
            &["spec.agent.sources", "at least 1"],
        ),
        (
            agent(json!({"sources": ["Rapl", "Rapl"]})),
            &["spec.agent.sources", "named once"],
        ),
        (agent(json!({"interval": "50ms"})), interval),
        (agent(json!({"interval": "61s"})), interval),
        (agent(json!({"interval": "often"})), interval),
        (
            agent(json!({"port": 80})),
            &["spec.agent.port", "80", "1024"],
        ),
        (
            agent(json!({"port": 65_536})),
            &["spec.agent.port", "65536", "65535"],
        ),
        (
            agent(json!({"priorityClassName": "High"})),
            &["priorityClassName \"High\"", "name of a PriorityClass"],
        ),
        (
            agent(json!({"securityMode": "Root"})),
            &["spec.agent.securityMode", "\"Root\"", "\"Minimal\""],
        ),
        (
            monitor(&json!({"spec": {"modelServer": {"replicas": 6}}})),
            &["spec.modelServer.replicas", "6", "less than or equal to 5"],
        ),
        (
            monitor(&json!({"spec": {"modelServer": {"replicas": -1}}})),
            &["spec.modelServer.replicas", "-1"],
        ),
        (
            server(json!({"priorityClassName": "Low"})),
            &[
                "spec.modelServer.priorityClassName",
                "priorityClassName \"Low\"",
                "name of a PriorityClass",
            ],
        ),
        (
            server(json!({"tolerations": vec![json!({"operator": "Exists"}); 33]})),
            &["spec.modelServer.tolerations", "33", "at most 32"],
        ),
    ];
    (accepted, refused)
}

/// Fields that are optional, and what does not go together.
#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(super) fn power_monitor_parts() -> Cases {
    let spec = |spec: Value| monitor(&json!({"spec": spec}));
    let agent = |agent: Value| monitor(&json!({"spec": {"agent": agent}}));
    let storage = |storage: Value| monitor(&json!({"spec": {"modelServer": {"storage": storage}}}));
    let access = |access: Value| {
        let tls = json!({"type": "SelfSigned"});
        monitor(&json!({"spec": {"tls": tls, "agent": {"access": access}}}))
    };
    let accepted = vec![
        agent(json!({"samples": "Enabled"})),
        agent(json!({"hardwareCounters": "Enabled"})),
        agent(json!({"metrics": {"levels": ["Node", "Process"], "legacyNames": "OwnPort"}})),
        agent(json!({"metrics": {"legacyNames": "Beside", "legacyPort": 28282}})),
        agent(
            json!({"otlp": {"endpoint": "https://c.monitoring:4318/v1/metrics", "interval": "1m"}}),
        ),
        agent(json!({"seccompProfile": {"type": "Localhost", "localhostProfile": "p/agent.json"}})),
        storage(json!({"type": "EmptyDir", "size": "500Mi"})),
        storage(json!({"type": "PersistentVolumeClaim", "storageClassName": "fast"})),
        storage(json!({"type": "ExistingClaim", "claimName": "mine"})),
        spec(json!({"tls": {"type": "SelfSigned"}})),
        spec(json!({"tls": {"type": "CertManager", "issuer": {"name": "internal"}}})),
        spec(
            json!({"tls": {"type": "Secret", "agentSecretName": "a", "modelServerSecretName": "m"}}),
        ),
        access(json!({"tokens": "Enabled", "audiences": ["https://kubernetes.default.svc"]})),
        access(json!({"tokens": "Enabled", "anonymous": "Coarse", "coarseWindow": "30s"})),
        spec(json!({"networkPolicy": {"type": "Enabled", "metricsFrom": {"a": "b"}}})),
        spec(json!({"networkPolicy": {"dnsPorts": [53, 5353], "apiServerPorts": [16443]}})),
        spec(json!({"networkPolicy": {"apiServerCidr": "10.0.0.1/32"}})),
        spec(json!({"networkPolicy": {"apiServerCidr": "2001:db8::/32"}})),
        spec(
            json!({"serviceMonitor": {"type": "Enabled", "interval": "1m", "labels": {"a": "b"}}}),
        ),
    ];
    let refused: Vec<(Value, &'static [&'static str])> = vec![
        (
            spec(json!({"agent": {"samples": "Enabled"}, "modelServer": {"replicas": 0}})),
            &["spec.agent.samples", "replicas of 1 to 5"],
        ),
        (
            spec(json!({"networkPolicy": {"dnsPorts": []}})),
            &["spec.networkPolicy.dnsPorts", "at least 1"],
        ),
        (
            spec(json!({"networkPolicy": {"dnsPorts": [0]}})),
            &[
                "spec.networkPolicy.dnsPorts[0]",
                "greater than or equal to 1",
            ],
        ),
        (
            spec(json!({"networkPolicy": {"apiServerPorts": [443, 443]}})),
            &["spec.networkPolicy.apiServerPorts", "named once"],
        ),
        (
            spec(json!({"networkPolicy": {"apiServerCidr": "10.0.0.1"}})),
            &["spec.networkPolicy.apiServerCidr", "accepted is a CIDR"],
        ),
        (agent(json!({"samples": true})), &["spec.agent.samples"]),
        (
            agent(json!({"hardwareCounters": "Auto"})),
            &["spec.agent.hardwareCounters", "Enabled"],
        ),
        (
            agent(json!({"metrics": {"levels": ["Pod", "Pod"]}})),
            &["spec.agent.metrics.levels", "named once"],
        ),
        (
            agent(json!({"metrics": {"legacyNames": "OwnPort", "legacyPort": 28282}})),
            &["metrics.legacyPort", "accepted is another one"],
        ),
        (
            agent(json!({"otlp": {"endpoint": "collector:4318"}})),
            &[
                "spec.agent.otlp.endpoint",
                "collector:4318",
                "http://collector:4318",
            ],
        ),
        (
            agent(json!({"otlp": {"endpoint": "http://c:4318", "interval": "2h"}})),
            &["spec.agent.otlp.interval", "1s to 3600s"],
        ),
        (
            agent(json!({"seccompProfile": {"localhostProfile": "../agent.json"}})),
            &[
                "localhostProfile \"../agent.json\"",
                "accepted is a path below the kubelet",
            ],
        ),
        (
            agent(json!({"access": {"tokens": "Enabled"}})),
            &["spec.agent.access.tokens", "spec.tls.type"],
        ),
        (
            access(json!({"anonymous": "Coarse"})),
            &["anonymous \"Coarse\"", "needs tokens \"Enabled\""],
        ),
        (
            access(json!({"tokens": "Enabled", "audiences": ["a,b"]})),
            &["spec.agent.access.audiences[0]"],
        ),
        (
            access(json!({"coarseWindow": "10ms"})),
            &["spec.agent.access.coarseWindow", "1s to 3600s"],
        ),
        (
            spec(json!({"tls": {"type": "Secret", "agentSecretName": "a"}})),
            &["spec.tls", "modelServerSecretName", "both are needed"],
        ),
        (
            spec(json!({"tls": {"type": "SelfSigned", "agentSecretName": "a"}})),
            &["spec.tls", "go with type \"Secret\""],
        ),
        (
            spec(json!({"tls": {"type": "CertManager"}})),
            &["spec.tls", "issuer goes with type \"CertManager\""],
        ),
        (
            storage(json!({"type": "ExistingClaim"})),
            &["spec.modelServer.storage", "claimName goes with type"],
        ),
        (
            storage(json!({"type": "EmptyDir", "storageClassName": "fast"})),
            &[
                "spec.modelServer.storage",
                "storageClassName goes with type",
            ],
        ),
        (
            storage(json!({"type": "EmptyDir", "size": "0Gi"})),
            &["spec.modelServer.storage.size", "0Gi", "as in 1Gi"],
        ),
        (
            spec(json!({"serviceMonitor": {"interval": "1s"}})),
            &["spec.serviceMonitor.interval", "5s to 300s"],
        ),
    ];
    (accepted, refused)
}

/// Sources of power, and what two of them need beside the node.
#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(super) fn power_monitor_sources() -> Cases {
    let agent = |agent: Value| monitor(&json!({"spec": {"agent": agent}}));
    let bmc = |over: Value| {
        let mut redfish = json!({"endpoint": "https://{node}-bmc.example", "caSecretName": "ca"});
        merge(&mut redfish, &over);
        redfish
    };
    let all = json!([
        "Rapl", "Perf", "Acpi", "Hwmon", "Redfish", "Nvml", "Model", "Fake"
    ]);
    let accepted = vec![
        // As it was written before there were more than three.
        agent(json!({"sources": ["Rapl", "Model"]})),
        agent(json!({"sources": all})),
        // A node without a BMC's address has none: no fault.
        agent(json!({"sources": ["Redfish", "Nvml"]})),
        agent(json!({"redfish": bmc(json!({}))})),
        agent(
            json!({"redfish": bmc(json!({"endpoint": "https://{node}.bmc:8443", "chassis": "1U"}))}),
        ),
        agent(json!({"redfish": bmc(json!({"credentials": {"secretName": "a"}}))})),
        agent(
            json!({"redfish": bmc(json!({"credentials": {"type": "ByNode", "secretName": "a"}}))}),
        ),
        agent(json!({
            "nodeSelector": {"kubernetes.io/hostname": "rack7"},
            "redfish": bmc(json!({"endpoint": "https://10.0.0.7"})),
        })),
        agent(json!({"nvml": {}})),
        agent(json!({"nvml": {"runtimeClassName": "nvidia-cdi"}, "securityMode": "Privileged"})),
        agent(json!({
            "nvml": {"type": "HostPath", "libraryDirectory": "/run/nvidia/driver/usr/lib64"},
            "securityMode": "Privileged",
        })),
    ];
    let address: &'static [&'static str] = &["spec.agent.redfish.endpoint", "https://HOST"];
    let refused: Vec<(Value, &'static [&'static str])> = vec![
        (
            agent(json!({"sources": ["Rapl"], "redfish": bmc(json!({}))})),
            &[
                "spec.agent",
                "sources [Rapl] lack Redfish",
                "accepted is both or neither",
            ],
        ),
        (
            agent(json!({"sources": ["Rapl", "Model"], "nvml": {}})),
            &[
                "spec.agent",
                "sources [Rapl, Model] lack Nvml",
                "accepted is both or neither",
            ],
        ),
        (
            agent(json!({"redfish": {"endpoint": "https://{node}-bmc.example"}})),
            &["spec.agent.redfish.caSecretName", "Required"],
        ),
        (
            agent(json!({"redfish": bmc(json!({"endpoint": "http://{node}-bmc.example"}))})),
            &[
                "spec.agent.redfish.endpoint",
                "\"http://{node}-bmc.example\"",
                "https://HOST",
            ],
        ),
        (
            agent(json!({"redfish": bmc(json!({"endpoint": "https://{name}"}))})),
            address,
        ),
        (
            agent(json!({"redfish": bmc(json!({"endpoint": "https://{node}/redfish"}))})),
            address,
        ),
        (
            agent(json!({"redfish": bmc(json!({"endpoint": "https://a:b@{node}"}))})),
            address,
        ),
        (
            agent(json!({"redfish": bmc(json!({"endpoint": "https://10.0.0.7"}))})),
            &[
                "redfish.endpoint \"https://10.0.0.7\"",
                "{node}",
                "kubernetes.io/hostname",
            ],
        ),
        (
            agent(json!({"redfish": bmc(json!({"credentials": {"type": "Shared"}}))})),
            &["spec.agent.redfish.credentials.secretName", "Required"],
        ),
        (
            agent(
                json!({"redfish": bmc(json!({"credentials": {"type": "All", "secretName": "a"}}))}),
            ),
            &[
                "spec.agent.redfish.credentials.type",
                "\"All\"",
                "\"Shared\", \"ByNode\"",
            ],
        ),
        (
            agent(json!({"redfish": bmc(json!({"caSecretName": ""}))})),
            &["spec.agent.redfish.caSecretName", "at least 1"],
        ),
        (
            agent(json!({"nvml": {"type": "Docker"}})),
            &[
                "spec.agent.nvml.type",
                "\"Docker\"",
                "\"RuntimeClass\", \"HostPath\"",
            ],
        ),
        (
            agent(json!({"nvml": {"runtimeClassName": "NVIDIA"}})),
            &[
                "spec.agent.nvml.runtimeClassName",
                "\"NVIDIA\"",
                "name of a RuntimeClass",
            ],
        ),
        (
            agent(json!({"nvml": {"libraryDirectory": "/usr/../etc"}})),
            &[
                "spec.agent.nvml.libraryDirectory",
                "\"/usr/../etc\"",
                "path of a folder",
            ],
        ),
        (
            agent(json!({"nvml": {"type": "HostPath"}})),
            &[
                "securityMode \"Minimal\"",
                "nvml.type \"HostPath\"",
                "\"Privileged\"",
            ],
        ),
    ];
    (accepted, refused)
}
