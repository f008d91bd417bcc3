//! The parts of a spec that are optional, each checked.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use tanso_crds::PowerMonitorSpec;
use tanso_crds::power_monitor::{
    Anonymous, IssuerKind, LegacyNames, Level, SeccompSpec, SeccompType, ServiceMonitorSpec,
    StorageSpec, StorageType, Switch, TlsSpec, TlsType,
};
use tanso_runtime::settings::Period;

use super::{Fault, fault, linux_nodes, priority, selector_faults_at};

/// A model server that can be rolled out.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelServer {
    /// Number of pods; at least one.
    pub replicas: i32,
    /// Labels that a node must have to run them; never empty.
    pub node_selector: BTreeMap<String, String>,
    /// Taints that they tolerate.
    pub tolerations: Vec<Toleration>,
    /// `PriorityClass` of their pods, if they are to have one.
    pub priority: Option<String>,
    /// Where samples and learned models are kept; `None`: in memory.
    pub storage: Option<Storage>,
    /// CPU and memory, if not the usual.
    pub resources: Option<ResourceRequirements>,
}

/// Where a model server keeps what it learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// A folder that ends with the pod, of that size.
    EmptyDir(String),
    /// A claim that the operator makes.
    Claim {
        /// Its size.
        size: String,
        /// Its class, if not the cluster's.
        class: Option<String>,
    },
    /// Somebody else's claim of that name.
    Existing(String),
}

impl ModelServer {
    pub(super) fn of(spec: &PowerMonitorSpec, faults: &mut Vec<Fault>) -> Option<Self> {
        let server = &spec.model_server;
        let replicas = server.replicas;
        if !(0..=5).contains(&replicas) {
            let accepted = "accepted are 0 to 5";
            faults.push(fault(
                "spec.modelServer.replicas",
                &replicas.to_string(),
                accepted,
            ));
        }
        if replicas == 0 && spec.agent.samples == Switch::Enabled {
            let accepted = "needs spec.modelServer.replicas of 1 to 5";
            faults.push(fault("spec.agent.samples", "Enabled", accepted));
        }
        let at = "spec.modelServer.nodeSelector";
        faults.extend(selector_faults_at(at, &server.node_selector));
        let at = "spec.modelServer.priorityClassName";
        let priority = priority(at, &server.priority_class_name, faults);
        let storage = Storage::of(&server.storage, faults);
        (replicas > 0).then(|| Self {
            replicas,
            node_selector: linux_nodes(&server.node_selector),
            tolerations: server.tolerations.clone().unwrap_or_default(),
            priority,
            storage,
            resources: server.resources.clone(),
        })
    }
}

impl Storage {
    fn of(spec: &StorageSpec, faults: &mut Vec<Fault>) -> Option<Self> {
        if !is_size(&spec.size) {
            let accepted = "accepted are whole numbers with Mi, Gi, Ti, M, G or T, as in 1Gi";
            faults.push(fault("spec.modelServer.storage.size", &spec.size, accepted));
        }
        match spec.type_ {
            StorageType::Memory => None,
            StorageType::EmptyDir => Some(Self::EmptyDir(spec.size.clone())),
            StorageType::PersistentVolumeClaim => Some(Self::Claim {
                size: spec.size.clone(),
                class: spec.storage_class_name.clone(),
            }),
            StorageType::ExistingClaim => {
                let name = spec.claim_name.clone();
                if name.is_none() {
                    let accepted = "is needed with type \"ExistingClaim\"";
                    faults.push(fault("spec.modelServer.storage.claimName", "", accepted));
                }
                name.map(Self::Existing)
            }
        }
    }
}

fn is_size(text: &str) -> bool {
    ["Mi", "Gi", "Ti", "M", "G", "T"].iter().any(|unit| {
        text.strip_suffix(unit).is_some_and(|number| {
            !number.starts_with('0')
                && !number.is_empty()
                && number.len() <= 12
                && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    })
}

/// What agents export, to whom and how fine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exports {
    /// What is listed, as the agent's flag says it; `None`: as the agent does
    /// by itself.
    pub levels: Option<String>,
    /// Whether the names of Kepler up to 0.9 stand beside the new ones.
    pub legacy_beside: bool,
    /// The port where they stand alone.
    pub legacy_port: Option<u16>,
    /// Receiver of pushes and the time between two.
    pub push: Option<(String, String)>,
    /// Audiences of readers' tokens; `None`: no token is judged.
    pub audiences: Option<Vec<String>>,
    /// What unknown readers get, as the agent's flags say it: the word, and
    /// for `coarse` window and step.
    pub anonymous: Option<(&'static str, Option<(String, i64)>)>,
}

impl Exports {
    /// The port of the receiver of pushes.
    #[must_use]
    pub fn push_port(&self) -> Option<u16> {
        let (endpoint, _) = self.push.as_ref()?;
        let (scheme, rest) = endpoint.split_once("://")?;
        let authority = rest.split('/').next()?;
        match authority.rsplit_once(':') {
            Some((_, port)) => port.parse().ok(),
            None if scheme == "https" => Some(443),
            None => Some(80),
        }
    }

    pub(super) fn of(spec: &PowerMonitorSpec, port: Option<u16>, faults: &mut Vec<Fault>) -> Self {
        let metrics = &spec.agent.metrics;
        let legacy_port = u16::try_from(metrics.legacy_port)
            .ok()
            .filter(|legacy| *legacy >= 1024 && Some(*legacy) != port);
        if metrics.legacy_names == LegacyNames::OwnPort && legacy_port.is_none() {
            faults.push(fault(
                "spec.agent.metrics.legacyPort",
                &metrics.legacy_port.to_string(),
                "accepted are 1024 to 65535, but for spec.agent.port",
            ));
        }
        let push = spec.agent.otlp.as_ref().map(|otlp| {
            if !is_receiver(&otlp.endpoint) {
                let accepted = "accepted is for instance http://collector:4318";
                faults.push(fault("spec.agent.otlp.endpoint", &otlp.endpoint, accepted));
            }
            within("spec.agent.otlp.interval", &otlp.interval, 1, 3_600, faults);
            (otlp.endpoint.clone(), otlp.interval.clone())
        });
        let levels = metrics.levels.as_ref().map(|levels| {
            let words: Vec<&str> = levels.iter().map(|level| level_name(*level)).collect();
            words.join(",")
        });
        Self {
            levels,
            legacy_beside: metrics.legacy_names == LegacyNames::Beside,
            legacy_port: legacy_port.filter(|_| metrics.legacy_names == LegacyNames::OwnPort),
            push,
            audiences: audiences(spec, faults),
            anonymous: anonymous(spec, faults),
        }
    }
}

/// The audience of tokens that readers bring to agents.
pub const AGENT_AUDIENCE: &str = "tanso-agent";

fn audiences(spec: &PowerMonitorSpec, faults: &mut Vec<Fault>) -> Option<Vec<String>> {
    let access = &spec.agent.access;
    if access.tokens == Switch::Disabled {
        return None;
    }
    if spec.tls.type_ == TlsType::Disabled {
        let accepted = "needs spec.tls.type other than \"Disabled\"";
        faults.push(fault("spec.agent.access.tokens", "Enabled", accepted));
    }
    let mut audiences = vec![AGENT_AUDIENCE.to_owned()];
    for (at, audience) in access.audiences.iter().enumerate() {
        if audience.is_empty() || audience.contains(|c: char| c == ',' || c.is_whitespace()) {
            let accepted = "accepted are words without comma and space";
            let path = format!("spec.agent.access.audiences[{at}]");
            faults.push(fault(path, audience, accepted));
        }
        audiences.push(audience.clone());
    }
    Some(audiences)
}

fn anonymous(
    spec: &PowerMonitorSpec,
    faults: &mut Vec<Fault>,
) -> Option<(&'static str, Option<(String, i64)>)> {
    let access = &spec.agent.access;
    let path = "spec.agent.access.coarseWindow";
    within(path, &access.coarse_window, 1, 3_600, faults);
    let found = match access.anonymous {
        Anonymous::Full => return None,
        Anonymous::Refuse => ("refuse", None),
        Anonymous::Coarse => (
            "coarse",
            Some((
                access.coarse_window.clone(),
                access.coarse_step_joules.max(1),
            )),
        ),
    };
    if access.tokens == Switch::Disabled {
        let accepted = "needs spec.agent.access.tokens \"Enabled\"";
        faults.push(fault("spec.agent.access.anonymous", found.0, accepted));
    }
    Some(found)
}

const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Node => "node",
        Level::Process => "process",
        Level::Container => "container",
        Level::Vm => "vm",
        Level::Pod => "pod",
    }
}

fn is_receiver(text: &str) -> bool {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_alphanumeric())
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".:-_/".contains(&byte))
    })
}

/// Refuses a period outside of these seconds.
fn within(path: &str, text: &str, from_s: u64, to_s: u64, faults: &mut Vec<Fault>) {
    let bounds = Duration::from_secs(from_s)..=Duration::from_secs(to_s);
    let found = text.parse::<Period>().ok();
    if !found.is_some_and(|period| bounds.contains(&period.0)) {
        let accepted = "is no period within the bounds of its field, as in 15s or 1m";
        faults.push(fault(path, text, accepted));
    }
}

/// Where certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// From the operator.
    SelfSigned,
    /// From an issuer of cert-manager: its kind and name.
    CertManager {
        /// `ClusterIssuer` or `Issuer`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// From somebody's Secrets.
    Secret {
        /// The agents'.
        agent: String,
        /// The model server's.
        model_server: String,
    },
}

impl Tls {
    pub(super) fn of(spec: &TlsSpec, faults: &mut Vec<Fault>) -> Option<Self> {
        let mut needed = |path: &str, value: Option<&String>, accepted: &'static str| {
            if value.is_none() {
                faults.push(fault(path, "", accepted));
            }
            value.cloned()
        };
        match spec.type_ {
            TlsType::Disabled => None,
            TlsType::SelfSigned => Some(Self::SelfSigned),
            TlsType::CertManager => {
                let name = spec.issuer.as_ref().map(|issuer| &issuer.name);
                let name = needed("spec.tls.issuer", name, "is needed with \"CertManager\"")?;
                let kind = match spec.issuer.as_ref().map(|issuer| issuer.kind) {
                    Some(IssuerKind::Issuer) => "Issuer",
                    _ => "ClusterIssuer",
                };
                Some(Self::CertManager { kind, name })
            }
            TlsType::Secret => {
                let accepted = "is needed with \"Secret\"";
                let agent = spec.agent_secret_name.as_ref();
                let agent = needed("spec.tls.agentSecretName", agent, accepted);
                let server = spec.model_server_secret_name.as_ref();
                let server = needed("spec.tls.modelServerSecretName", server, accepted);
                Some(Self::Secret {
                    agent: agent?,
                    model_server: server?,
                })
            }
        }
    }
}

/// How Prometheus is told what to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scrape {
    /// Labels by which a Prometheus chooses monitors.
    pub labels: BTreeMap<String, String>,
    /// Time between two scrapes.
    pub interval: String,
    /// File with the token that Prometheus brings.
    pub token_file: Option<String>,
}

impl Scrape {
    pub(super) fn of(spec: &ServiceMonitorSpec, faults: &mut Vec<Fault>) -> Option<Self> {
        within(
            "spec.serviceMonitor.interval",
            &spec.interval,
            5,
            300,
            faults,
        );
        faults.extend(selector_faults_at(
            "spec.serviceMonitor.labels",
            &spec.labels,
        ));
        (spec.type_ == Switch::Enabled).then(|| Self {
            labels: spec.labels.clone(),
            interval: spec.interval.clone(),
            token_file: spec.bearer_token_file.clone(),
        })
    }
}

/// The node's seccomp profile, if it is not the runtime's own.
pub(super) fn seccomp_file(spec: &SeccompSpec, faults: &mut Vec<Fault>) -> Option<String> {
    let path = &spec.localhost_profile;
    if path.is_empty() || path.starts_with('/') || path.split('/').any(|part| part == "..") {
        faults.push(fault(
            "spec.agent.seccompProfile.localhostProfile",
            path,
            "accepted is a path below the kubelet's folder seccomp",
        ));
    }
    (spec.type_ == SeccompType::Localhost).then(|| path.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushes_go_to_the_port_of_their_url_or_of_its_scheme() {
        let port = |endpoint: &str| {
            let push = Some((endpoint.to_owned(), "15s".to_owned()));
            Exports {
                push,
                ..Exports::default()
            }
            .push_port()
        };
        assert_eq!(port("http://collector.monitoring:4318"), Some(4318));
        assert_eq!(port("https://c:9443/v1/metrics"), Some(9443));
        assert_eq!(port("https://c.example/a:b"), Some(443));
        assert_eq!(port("http://c.example"), Some(80));
        assert_eq!(port("http://c.example:none"), None);
        assert_eq!(Exports::default().push_port(), None);
    }
}
