//! From a spec to what can be rolled out; every fault at once, by field path.
//!
//! Pure. Admission refuses most of this already; what an older schema let
//! through, or what admission cannot say, is refused here.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use kube::ResourceExt as _;
use tanso_crds::PowerMonitor;
use tanso_crds::power_monitor::{PowerSource, SecurityMode};
use tanso_runtime::settings::Period;

/// Longest name of a `PowerMonitor`: its longest child's name,
/// `NAME-model-server`, is that of a Service, of at most 63 letters.
pub const NAME_LIMIT: usize = 50;

/// Label of the operating system; every kubelet sets it.
pub const OS_LABEL: &str = "kubernetes.io/os";

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
    /// Time between two readings.
    pub interval: Period,
    /// Rights of the agent pod.
    pub security: SecurityMode,
    /// CPU and memory of the agent, if not the usual.
    pub agent_resources: Option<ResourceRequirements>,
    /// TCP port of the agent.
    pub port: u16,
    /// The model server; `None` when switched off.
    pub model_server: Option<ModelServer>,
}

/// A model server that can be rolled out.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelServer {
    /// Number of pods; at least one.
    pub replicas: i32,
    /// CPU and memory, if not the usual.
    pub resources: Option<ResourceRequirements>,
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
    let mut faults = selector_faults(&monitor.spec.agent.node_selector);
    let mut refuse = |path: String, value: &str, accepted: &'static str| {
        faults.push(fault(path, value, accepted));
    };
    let name = monitor.name_any();
    if !is_dns_1035_label(&name) || name.len() > NAME_LIMIT {
        refuse(
            "metadata.name".into(),
            &name,
            "accepted are up to 50 lower-case letters, digits and dashes, beginning with a letter",
        );
    }
    let agent = &monitor.spec.agent;
    if agent.sources.is_empty() {
        refuse(
            "spec.agent.sources".into(),
            "[]",
            "accepted are one or more of Rapl, Model, Fake",
        );
    }
    for (at, source) in agent.sources.iter().enumerate() {
        if agent
            .sources
            .iter()
            .take(at)
            .any(|earlier| earlier == source)
        {
            refuse(
                format!("spec.agent.sources[{at}]"),
                source_name(*source),
                "each source may be named once",
            );
        }
    }
    let interval =
        agent.interval.parse::<Period>().ok().filter(|period| {
            (Duration::from_millis(100)..=Duration::from_mins(1)).contains(&period.0)
        });
    if interval.is_none() {
        refuse(
            "spec.agent.interval".into(),
            &agent.interval,
            "accepted are 100ms to 60s, as in 500ms or 1s",
        );
    }
    let port = u16::try_from(agent.port).ok().filter(|port| *port >= 1024);
    if port.is_none() {
        refuse(
            "spec.agent.port".into(),
            &agent.port.to_string(),
            "accepted are 1024 to 65535",
        );
    }
    let replicas = monitor.spec.model_server.replicas;
    if !(0..=5).contains(&replicas) {
        refuse(
            "spec.modelServer.replicas".into(),
            &replicas.to_string(),
            "accepted are 0 to 5",
        );
    }
    let (Some(interval), Some(port), true) = (interval, port, faults.is_empty()) else {
        return Err(Faults(faults));
    };
    let mut node_selector = agent.node_selector.clone();
    node_selector
        .entry(OS_LABEL.into())
        .or_insert_with(|| "linux".into());
    Ok(ValidatedPowerMonitor {
        name,
        node_selector,
        tolerations: agent.tolerations.clone().unwrap_or_else(all_taints),
        sources: agent.sources.clone(),
        interval,
        security: agent.security_mode,
        agent_resources: agent.resources.clone(),
        port,
        model_server: (replicas > 0).then(|| ModelServer {
            replicas,
            resources: monitor.spec.model_server.resources.clone(),
        }),
    })
}

fn fault(path: String, value: &str, accepted: &'static str) -> Fault {
    let value = value.chars().take(128).collect();
    Fault {
        path,
        value,
        accepted,
    }
}

fn selector_faults(selector: &BTreeMap<String, String>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (key, value) in selector {
        if !is_label_key(key) {
            let path = "spec.agent.nodeSelector".to_owned();
            let accepted = "accepted are label keys, as in example.com/rack";
            faults.push(fault(path, key, accepted));
        }
        if !is_label_value(value) {
            let path = format!("spec.agent.nodeSelector[{key}]");
            let accepted =
                "accepted are label values: up to 63 letters, digits, dashes, dots and underscores";
            faults.push(fault(path, value, accepted));
        }
    }
    faults
}

/// The name of a source as the API and the agent (in lower case) know it.
#[must_use]
pub const fn source_name(source: PowerSource) -> &'static str {
    match source {
        PowerSource::Rapl => "Rapl",
        PowerSource::Model => "Model",
        PowerSource::Fake => "Fake",
    }
}

/// A tainted node uses energy too.
fn all_taints() -> Vec<Toleration> {
    vec![Toleration {
        operator: Some("Exists".into()),
        ..Toleration::default()
    }]
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
        assert_eq!(valid.sources, [PowerSource::Rapl, PowerSource::Model]);
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
    fn a_name_leaves_room_for_its_childrens() {
        assert!(validate(&monitor(&"a".repeat(NAME_LIMIT), json!({}))).is_ok());
        assert!(validate(&monitor(&"a".repeat(NAME_LIMIT + 1), json!({}))).is_err());
        assert!(validate(&monitor("1st", json!({}))).is_err());
        assert!(validate(&monitor("a.b", json!({}))).is_err());
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
