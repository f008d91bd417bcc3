//! From a spec to what can be rolled out; every fault at once, by field path.
//!
//! Pure. Admission refuses most of this already; what an older schema let
//! through, or what admission cannot say, is refused here.

mod closed;
mod meters;
mod parts;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use kube::ResourceExt as _;
use tanso_crds::PowerMonitor;
use tanso_crds::power_monitor::{AgentSpec, IdleSharing, PowerSource, SecurityMode, Switch};
use tanso_runtime::settings::Period;

pub use closed::Closed;
pub use meters::{Nvml, Redfish};
pub use parts::{AGENT_AUDIENCE, Exports, ModelServer, Scrape, Storage, Tls};

/// Longest name of a `PowerMonitor`: its longest child's name,
/// `NAME-model-server`, is that of a Service, of at most 63 letters.
pub const NAME_LIMIT: usize = 50;

/// Label of the operating system; every kubelet sets it.
const OS_LABEL: &str = "kubernetes.io/os";

/// A spec that can be rolled out.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedPowerMonitor {
    /// Its name, fit to be the begin of its children's names.
    pub name: String,
    /// Labels that a node must have to be measured; never empty.
    pub node_selector: BTreeMap<String, String>,
    /// Taints that agents tolerate.
    pub tolerations: Vec<Toleration>,
    /// Power sources in the order of preference; at least one, none twice.
    pub sources: Vec<PowerSource>,
    /// The nodes' BMCs, if they are to be asked.
    pub redfish: Option<Redfish>,
    /// How NVIDIA's driver reaches the agents, if it is to.
    pub nvml: Option<Nvml>,
    /// Time between two readings.
    pub interval: Period,
    /// Rights of the agent pod.
    pub security: SecurityMode,
    /// Seccomp profile of the node, if not the runtime's own.
    pub seccomp_file: Option<String>,
    /// Whether measured nodes teach the model server.
    pub samples: bool,
    /// Who is charged with idle energy.
    pub idle_sharing: IdleSharing,
    /// Whether agents read hardware counters, where there are any.
    pub hardware_counters: bool,
    /// What the agents export, to whom and how fine.
    pub exports: Exports,
    /// Where certificates come from; `None`: there are none.
    pub tls: Option<Tls>,
    /// What is let through, where `NetworkPolicy`s are wished.
    pub closed: Option<Closed>,
    /// How Prometheus is to be told, if it is.
    pub scrape: Option<Scrape>,
    /// CPU and memory of the agent, if not the usual.
    pub agent_resources: Option<ResourceRequirements>,
    /// `PriorityClass` of the agent's pods, if they are to have one.
    pub agent_priority: Option<String>,
    /// TCP port of the agent.
    pub port: u16,
    /// The model server; `None` when switched off.
    pub model_server: Option<ModelServer>,
}

/// One fault of a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Path of the field.
    pub path: String,
    /// The value there.
    pub value: String,
    /// What is accepted.
    pub accepted: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: \"{}\"; {}", self.path, self.value, self.accepted)
    }
}

/// All faults of a spec; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | "))]
pub struct Faults(pub Vec<Fault>);

/// Checks the spec.
///
/// # Errors
/// Every fault of it.
pub fn validate(monitor: &PowerMonitor) -> Result<ValidatedPowerMonitor, Faults> {
    let mut faults =
        selector_faults_at("spec.agent.nodeSelector", &monitor.spec.agent.node_selector);
    let name = monitor.name_any();
    if !is_dns_1035_label(&name) || name.len() > NAME_LIMIT {
        faults.push(fault(
            "metadata.name",
            &name,
            "accepted are up to 50 lower-case letters, digits and dashes, beginning with a letter",
        ));
    }
    let agent = &monitor.spec.agent;
    let (interval, port) = reading(agent, &mut faults);
    let redfish = Redfish::of(agent, &mut faults);
    let nvml = Nvml::of(agent, &mut faults);
    let spec = &monitor.spec;
    let closed = Closed::of(&spec.network_policy, &mut faults);
    let exports = Exports::of(spec, port, &mut faults);
    let tls = Tls::of(&spec.tls, &mut faults);
    let scrape = Scrape::of(&spec.service_monitor, &mut faults);
    let model_server = ModelServer::of(spec, &mut faults);
    let seccomp_file = parts::seccomp_file(&agent.seccomp_profile, &mut faults);
    let agent_priority = priority(
        "spec.agent.priorityClassName",
        &agent.priority_class_name,
        &mut faults,
    );
    let (Some(interval), Some(port), true) = (interval, port, faults.is_empty()) else {
        return Err(Faults(faults));
    };
    Ok(ValidatedPowerMonitor {
        name,
        node_selector: linux_nodes(&agent.node_selector),
        tolerations: agent.tolerations.clone().unwrap_or_else(all_taints),
        sources: agent.sources.clone(),
        redfish,
        nvml,
        interval,
        security: agent.security_mode,
        agent_resources: agent.resources.clone(),
        agent_priority,
        port,
        seccomp_file,
        samples: agent.samples == Switch::Enabled,
        idle_sharing: agent.idle_sharing,
        hardware_counters: agent.hardware_counters == Switch::Enabled,
        exports,
        tls,
        closed,
        scrape,
        model_server,
    })
}

/// What is read, how often, and where it is served.
fn reading(agent: &AgentSpec, faults: &mut Vec<Fault>) -> (Option<Period>, Option<u16>) {
    if agent.sources.is_empty() {
        let accepted =
            "accepted are one or more of Rapl, Perf, Acpi, Hwmon, Redfish, Nvml, Model, Fake";
        faults.push(fault("spec.agent.sources", "[]", accepted));
    }
    for (at, source) in agent.sources.iter().enumerate() {
        let mut earlier = agent.sources.iter().take(at);
        if earlier.any(|earlier| earlier == source) {
            let path = format!("spec.agent.sources[{at}]");
            let accepted = "each source may be named once";
            faults.push(fault(path, source.as_str(), accepted));
        }
    }
    let interval =
        agent.interval.parse::<Period>().ok().filter(|period| {
            (Duration::from_millis(100)..=Duration::from_mins(1)).contains(&period.0)
        });
    if interval.is_none() {
        let accepted = "accepted are 100ms to 60s, as in 500ms or 1s";
        faults.push(fault("spec.agent.interval", &agent.interval, accepted));
    }
    let port = u16::try_from(agent.port).ok().filter(|port| *port >= 1024);
    if port.is_none() {
        let accepted = "accepted are 1024 to 65535";
        faults.push(fault("spec.agent.port", &agent.port.to_string(), accepted));
    }
    (interval, port)
}

fn fault(path: impl Into<String>, value: &str, accepted: &'static str) -> Fault {
    let value = value.chars().take(128).collect();
    Fault {
        path: path.into(),
        value,
        accepted,
    }
}

fn selector_faults_at(at: &str, selector: &BTreeMap<String, String>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (key, value) in selector {
        if !is_label_key(key) {
            let path = at.to_owned();
            let accepted = "accepted are label keys, as in example.com/rack";
            faults.push(fault(path, key, accepted));
        }
        if !is_label_value(value) {
            let path = format!("{at}[{key}]");
            let accepted =
                "accepted are label values: up to 63 letters, digits, dashes, dots and underscores";
            faults.push(fault(path, value, accepted));
        }
    }
    faults
}

/// A node selector that chooses Linux nodes, unless it names another system.
#[must_use]
pub fn linux_nodes(selector: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut selector = selector.clone();
    selector
        .entry(OS_LABEL.into())
        .or_insert_with(|| "linux".into());
    selector
}

/// A tainted node uses energy too.
fn all_taints() -> Vec<Toleration> {
    vec![Toleration {
        operator: Some("Exists".into()),
        ..Toleration::default()
    }]
}

/// The name of a `PriorityClass`; the empty text is none.
fn priority(path: &str, name: &str, faults: &mut Vec<Fault>) -> Option<String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = name.len() <= 253
        && name.chars().all(inner)
        && (name.is_empty() || name.starts_with(edge) && name.ends_with(edge));
    if !fits {
        let accepted = "accepted is the name of a PriorityClass, of lower-case letters, digits, dashes and dots, or the empty text for none";
        faults.push(fault(path, name, accepted));
    }
    (!name.is_empty()).then(|| name.to_owned())
}

fn is_dns_1035_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.chars().all(inner)
        && text.len() <= 63
}

fn is_label_key(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let is_domain = |domain: &str| {
        domain.len() <= 253
            && domain.split('.').all(|part| {
                !part.is_empty()
                    && !part.starts_with('-')
                    && !part.ends_with('-')
                    && part
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            })
    };
    prefix.is_none_or(is_domain) && !name.is_empty() && is_label_value(name)
}

fn is_label_value(value: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    value.is_empty()
        || (value.len() <= 63
            && value.starts_with(edge)
            && value.ends_with(edge)
            && value
                .chars()
                .all(|c| edge(c) || matches!(c, '-' | '_' | '.')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn monitor(name: &str, spec: serde_json::Value) -> PowerMonitor {
        PowerMonitor::new(name, serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn an_empty_spec_measures_every_linux_node() {
        let valid = validate(&monitor("tanso", json!({}))).unwrap();
        assert_eq!(
            valid.node_selector,
            BTreeMap::from([(OS_LABEL.into(), "linux".into())])
        );
        assert_eq!(valid.sources.first(), Some(&PowerSource::Rapl));
        assert_eq!(valid.sources.last(), Some(&PowerSource::Model));
        assert!(!valid.sources.contains(&PowerSource::Fake));
        assert_eq!(valid.tolerations, all_taints());
        assert_eq!(valid.port, 28282);
        assert_eq!(valid.model_server.unwrap().replicas, 1);
    }

    #[test]
    fn every_fault_is_said_at_once_with_path_and_value() {
        let faults = validate(&monitor(
            "Über",
            json!({
                "agent": {
                    "nodeSelector": {"a b": "c", "rack": "-"},
                    "sources": ["Rapl", "Rapl"],
                    "interval": "2m",
                    "port": 80,
                },
                "modelServer": {"replicas": 6},
            }),
        ))
        .unwrap_err();
        let paths: Vec<&str> = faults.0.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "spec.agent.nodeSelector",
                "spec.agent.nodeSelector[rack]",
                "metadata.name",
                "spec.agent.sources[1]",
                "spec.agent.interval",
                "spec.agent.port",
                "spec.modelServer.replicas",
            ]
        );
        assert!(
            faults
                .to_string()
                .contains("spec.agent.interval: \"2m\"; accepted are 100ms to 60s")
        );
    }

    #[test]
    fn a_priority_class_is_a_name_or_none_at_all() {
        let class = |name: &str| {
            let spec = json!({"agent": {"priorityClassName": name}});
            validate(&monitor("tanso", spec)).map(|valid| valid.agent_priority)
        };
        assert_eq!(
            class("metering.high").unwrap().as_deref(),
            Some("metering.high")
        );
        assert_eq!(class("").unwrap(), None);
        let usual = validate(&monitor("tanso", json!({}))).unwrap();
        assert_eq!(
            usual.agent_priority.as_deref(),
            Some("system-node-critical")
        );
        for wrong in ["High", "-a", "a.", "a b", &"a".repeat(254)] {
            let faults = class(wrong).unwrap_err().to_string();
            assert!(faults.contains("spec.agent.priorityClassName"), "{faults}");
        }
    }

    #[test]
    fn model_servers_run_on_linux_nodes_without_a_taint_unless_more_is_said() {
        let server = |server: serde_json::Value| {
            let valid = validate(&monitor("tanso", json!({"modelServer": server})));
            valid.map(|valid| valid.model_server.unwrap())
        };
        let usual = server(json!({})).unwrap();
        let linux = BTreeMap::from([(OS_LABEL.to_owned(), "linux".to_owned())]);
        assert_eq!(usual.node_selector, linux);
        assert_eq!((usual.tolerations, usual.priority), (Vec::new(), None));
        let placed = server(json!({
            "nodeSelector": {"pool": "infra"},
            "tolerations": [{"operator": "Exists"}],
            "priorityClassName": "metering.high",
        }))
        .unwrap();
        assert_eq!(placed.node_selector["pool"], "infra");
        assert_eq!(placed.node_selector[OS_LABEL], "linux");
        assert_eq!(placed.tolerations, all_taints());
        assert_eq!(placed.priority.as_deref(), Some("metering.high"));
        let other = server(json!({"nodeSelector": {OS_LABEL: "other"}})).unwrap();
        assert_eq!(other.node_selector[OS_LABEL], "other");
        // Agents are placed by their own fields alone.
        let spec = json!({"modelServer": {"nodeSelector": {"pool": "infra"}}});
        let valid = validate(&monitor("tanso", spec)).unwrap();
        assert_eq!(valid.node_selector, linux);
    }

    #[test]
    fn a_name_leaves_room_for_its_childrens() {
        assert!(validate(&monitor(&"a".repeat(NAME_LIMIT), json!({}))).is_ok());
        assert!(validate(&monitor(&"a".repeat(NAME_LIMIT + 1), json!({}))).is_err());
        assert!(validate(&monitor("1st", json!({}))).is_err());
        assert!(validate(&monitor("a.b", json!({}))).is_err());
    }

    #[test]
    fn what_does_not_go_together_is_refused_by_path() {
        let cases = [
            (
                json!({"agent": {"samples": "Enabled"}, "modelServer": {"replicas": 0}}),
                "spec.agent.samples",
            ),
            (
                json!({"agent": {"access": {"tokens": "Enabled"}}}),
                "spec.agent.access.tokens",
            ),
            (
                json!({"agent": {"access": {"anonymous": "Coarse"}}}),
                "spec.agent.access.anonymous",
            ),
            (
                json!({"agent": {"access": {"coarseWindow": "1ms"}}}),
                "spec.agent.access.coarseWindow",
            ),
            (
                json!({"agent": {"metrics": {"legacyNames": "OwnPort", "legacyPort": 28282}}}),
                "spec.agent.metrics.legacyPort",
            ),
            (
                json!({"agent": {"otlp": {"endpoint": "collector:4318"}}}),
                "spec.agent.otlp.endpoint",
            ),
            (
                json!({"agent": {"otlp": {"endpoint": "http://c:4318", "interval": "2h"}}}),
                "spec.agent.otlp.interval",
            ),
            (
                json!({"agent": {"seccompProfile": {"type": "Localhost", "localhostProfile": "../x"}}}),
                "spec.agent.seccompProfile.localhostProfile",
            ),
            (
                json!({"tls": {"type": "Secret", "agentSecretName": "a"}}),
                "spec.tls.modelServerSecretName",
            ),
            (json!({"tls": {"type": "CertManager"}}), "spec.tls.issuer"),
            (
                json!({"modelServer": {"storage": {"type": "ExistingClaim"}}}),
                "spec.modelServer.storage.claimName",
            ),
            (
                json!({"modelServer": {"storage": {"type": "EmptyDir", "size": "much"}}}),
                "spec.modelServer.storage.size",
            ),
            (
                json!({"modelServer": {"nodeSelector": {"pool": "-"}}}),
                "spec.modelServer.nodeSelector[pool]",
            ),
            (
                json!({"modelServer": {"replicas": 0, "nodeSelector": {"a b": "c"}}}),
                "spec.modelServer.nodeSelector",
            ),
            (
                json!({"modelServer": {"priorityClassName": "High"}}),
                "spec.modelServer.priorityClassName",
            ),
            (
                json!({"serviceMonitor": {"interval": "1s"}}),
                "spec.serviceMonitor.interval",
            ),
            (
                json!({"serviceMonitor": {"labels": {"a": "-"}}}),
                "spec.serviceMonitor.labels[a]",
            ),
        ];
        for (spec, path) in cases {
            let faults = validate(&monitor("tanso", spec.clone())).unwrap_err();
            assert!(
                faults.0.len() == 1 && faults.0[0].path == path,
                "{spec}: {faults}"
            );
        }
    }

    #[test]
    fn no_replicas_means_no_model_server() {
        let valid = validate(&monitor("tanso", json!({"modelServer": {"replicas": 0}}))).unwrap();
        assert_eq!(valid.model_server, None);
    }

    proptest! {
        #[test]
        fn no_text_makes_validation_panic(name in ".{0,70}", key in ".{0,70}", value in ".{0,70}", interval in ".{0,20}", port: i32) {
            let mut monitor = monitor("x", json!({}));
            monitor.metadata.name = Some(name);
            monitor.spec.agent.node_selector.insert(key, value);
            monitor.spec.agent.interval = interval;
            monitor.spec.agent.port = port;
            let _ = validate(&monitor);
        }
    }
}
