//! What two sources need beside the node: a BMC, and NVIDIA's driver.

use tanso_crds::power_monitor::{
    AgentSpec, NvmlSpec, NvmlType, PowerSource, RedfishCredentialsType, RedfishSpec, SecurityMode,
};

use super::{Fault, fault};

/// Label of a node's own name, but for clouds that name hosts otherwise.
const HOST_LABEL: &str = "kubernetes.io/hostname";

/// What stands for the node's name in an address.
const NODE: &str = "{node}";

/// The BMC of each node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redfish {
    /// Its address, with `{node}` for the node's name.
    pub endpoint: String,
    /// Its TCP port.
    pub port: u16,
    /// The Secret with authorities to trust.
    pub ca_secret: String,
    /// The Secret with credentials, and how it holds them.
    pub credentials: Option<(RedfishCredentialsType, String)>,
    /// Id of the chassis, if it is named.
    pub chassis: Option<String>,
}

/// How NVIDIA's driver reaches the agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nvml {
    /// By a `RuntimeClass` of that name.
    RuntimeClass(String),
    /// By that folder of the node.
    HostPath(String),
}

impl Redfish {
    pub(super) fn of(agent: &AgentSpec, faults: &mut Vec<Fault>) -> Option<Self> {
        let spec = agent.redfish.as_ref()?;
        needs(agent, PowerSource::Redfish, "spec.agent.redfish", faults);
        let port = port(&spec.endpoint);
        let at = "spec.agent.redfish.endpoint";
        if port.is_none() {
            let accepted = "accepted is https://HOST or https://HOST:PORT, with {node} for the node's name, as in https://{node}-bmc.example";
            faults.push(fault(at, &spec.endpoint, accepted));
        } else if !spec.endpoint.contains(NODE) && !agent.node_selector.contains_key(HOST_LABEL) {
            let accepted = "one machine's power would count for each node; accepted is one with {node} in it, or a spec.agent.nodeSelector with kubernetes.io/hostname";
            faults.push(fault(at, &spec.endpoint, accepted));
        }
        names_secrets(spec, faults);
        Some(Self {
            endpoint: spec.endpoint.clone(),
            port: port?,
            ca_secret: spec.ca_secret_name.clone(),
            credentials: spec
                .credentials
                .as_ref()
                .map(|told| (told.type_, told.secret_name.clone())),
            chassis: spec.chassis.clone(),
        })
    }
}

impl Nvml {
    pub(super) fn of(agent: &AgentSpec, faults: &mut Vec<Fault>) -> Option<Self> {
        let spec = agent.nvml.as_ref()?;
        needs(agent, PowerSource::Nvml, "spec.agent.nvml", faults);
        if !is_class(&spec.runtime_class_name) {
            let accepted = "accepted is the name of a RuntimeClass, of lower-case letters, digits, dashes and dots";
            let at = "spec.agent.nvml.runtimeClassName";
            faults.push(fault(at, &spec.runtime_class_name, accepted));
        }
        if !is_folder(&spec.library_directory) {
            let accepted = "accepted is the path of a folder of the node, as in /usr/lib64";
            let at = "spec.agent.nvml.libraryDirectory";
            faults.push(fault(at, &spec.library_directory, accepted));
        }
        let NvmlSpec {
            runtime_class_name,
            library_directory,
            ..
        } = spec.clone();
        Some(match spec.type_ {
            NvmlType::RuntimeClass => Self::RuntimeClass(runtime_class_name),
            NvmlType::HostPath => {
                if agent.security_mode == SecurityMode::Minimal {
                    let accepted = "needs spec.agent.securityMode \"Privileged\": Minimal keeps devices from the pod";
                    faults.push(fault("spec.agent.nvml.type", "HostPath", accepted));
                }
                Self::HostPath(library_directory)
            }
        })
    }
}

/// Settings of a source that nobody asks for are a slip.
fn needs(agent: &AgentSpec, source: PowerSource, path: &str, faults: &mut Vec<Fault>) {
    if agent.sources.contains(&source) {
        return;
    }
    let sources: Vec<&str> = agent.sources.iter().map(|one| one.as_str()).collect();
    let accepted = match source {
        PowerSource::Redfish => "accepted are sources with Redfish among them, or no redfish",
        _ => "accepted are sources with Nvml among them, or no nvml",
    };
    let value = format!("with sources [{}]", sources.join(", "));
    faults.push(fault(path, &value, accepted));
}

fn names_secrets(spec: &RedfishSpec, faults: &mut Vec<Fault>) {
    let mut named = |path: &str, name: &str| {
        if name.is_empty() {
            let accepted = "accepted is the name of a Secret in the namespace of the installation";
            faults.push(fault(path, name, accepted));
        }
    };
    named("spec.agent.redfish.caSecretName", &spec.ca_secret_name);
    if let Some(told) = &spec.credentials {
        named(
            "spec.agent.redfish.credentials.secretName",
            &told.secret_name,
        );
    }
}

/// The port of `https://HOST[:PORT]`; `None` of anything else.
fn port(endpoint: &str) -> Option<u16> {
    let rest = endpoint.strip_prefix("https://")?;
    let (host, port) = match rest.split_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)?),
        None => (rest, 443),
    };
    let plain = host.replace(NODE, "n");
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (!plain.is_empty() && plain.bytes().all(fits)).then_some(port)
}

fn is_class(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 253 && name.chars().all(inner) && name.starts_with(edge) && name.ends_with(edge)
}

fn is_folder(path: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_step = |step: &str| !step.is_empty() && step != ".." && step.bytes().all(fits);
    path.strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(is_step))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn agent(spec: Value) -> AgentSpec {
        serde_json::from_value(spec).unwrap()
    }

    fn faults(spec: Value) -> Vec<String> {
        let mut faults = Vec::new();
        let agent = agent(spec);
        let _ = Redfish::of(&agent, &mut faults);
        let _ = Nvml::of(&agent, &mut faults);
        faults.iter().map(ToString::to_string).collect()
    }

    fn bmc(over: &Value) -> Value {
        let mut redfish = json!({"endpoint": "https://{node}-bmc.example", "caSecretName": "ca"});
        for (key, value) in over.as_object().unwrap() {
            redfish[key] = value.clone();
        }
        json!({"redfish": redfish})
    }

    #[test]
    fn a_bmc_is_asked_at_its_own_port_or_that_of_https() {
        let port = |endpoint: &str| {
            let found = Redfish::of(&agent(bmc(&json!({"endpoint": endpoint}))), &mut Vec::new());
            found.map(|bmc| bmc.port)
        };
        assert_eq!(port("https://{node}-bmc.example"), Some(443));
        assert_eq!(port("https://{node}.bmc:8443"), Some(8443));
        for none in [
            "http://{node}-bmc.example",
            "https://{node}:0",
            "https://{node}:65536",
            "https://{node}/redfish",
            "https://{name}",
            "https://",
            "",
        ] {
            assert_eq!(port(none), None, "{none}");
        }
    }

    /// An address that all share would be booked once for each node.
    #[test]
    fn an_address_without_the_nodes_name_is_of_one_node() {
        let same = json!({"endpoint": "https://10.0.0.7"});
        let said = faults(bmc(&same));
        assert!(
            said.len() == 1 && said[0].contains("https://10.0.0.7") && said[0].contains("{node}"),
            "{said:?}"
        );
        let mut one = bmc(&same);
        one["nodeSelector"] = json!({HOST_LABEL: "rack7"});
        assert_eq!(faults(one), Vec::<String>::new());
    }

    #[test]
    fn what_does_not_fit_is_refused_by_path() {
        let nvml = |nvml: Value| json!({"securityMode": "Privileged", "nvml": nvml});
        let cases = [
            (
                bmc(&json!({"caSecretName": ""})),
                "spec.agent.redfish.caSecretName",
            ),
            (
                bmc(&json!({"credentials": {"secretName": ""}})),
                "spec.agent.redfish.credentials.secretName",
            ),
            (
                nvml(json!({"runtimeClassName": "NVIDIA"})),
                "spec.agent.nvml.runtimeClassName",
            ),
            (
                nvml(json!({"libraryDirectory": "usr/lib"})),
                "spec.agent.nvml.libraryDirectory",
            ),
            (
                nvml(json!({"libraryDirectory": "/usr/../etc"})),
                "spec.agent.nvml.libraryDirectory",
            ),
            (
                nvml(json!({"libraryDirectory": "/"})),
                "spec.agent.nvml.libraryDirectory",
            ),
            (
                json!({"nvml": {"type": "HostPath"}}),
                "spec.agent.nvml.type",
            ),
            (
                json!({"sources": ["Rapl"], "nvml": {}}),
                "spec.agent.nvml: \"with sources [Rapl]\"",
            ),
        ];
        for (spec, path) in cases {
            let said = faults(spec.clone());
            assert!(
                said.len() == 1 && said[0].starts_with(path),
                "{spec}: {said:?}"
            );
        }
    }

    #[test]
    fn both_ways_to_a_driver_are_taken() {
        let nvml = |spec: Value| Nvml::of(&agent(spec), &mut Vec::new());
        assert_eq!(nvml(json!({})), None);
        assert_eq!(
            nvml(json!({"nvml": {}})),
            Some(Nvml::RuntimeClass("nvidia".into()))
        );
        assert_eq!(
            nvml(json!({"nvml": {"type": "HostPath", "libraryDirectory": "/usr/lib64"}})),
            Some(Nvml::HostPath("/usr/lib64".into()))
        );
    }
}
