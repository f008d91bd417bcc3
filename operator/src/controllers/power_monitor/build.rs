//! From a checked spec to every object of a monitor.
//!
//! Pure: the same spec gives the same objects, byte by byte, on every visit.

pub mod affinity;
pub mod config_map;
pub mod daemon_set;
pub mod disruption;
pub mod extras;
pub mod foreign;
pub mod meters;
pub mod model_server;
pub mod network_policy;
pub mod service_account;
pub mod service_monitor;
pub mod services;

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, LocalObjectReference, Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};

pub use extras::Extras;

use super::overlap::Claimant;
use super::validate::{Tls, ValidatedPowerMonitor};

/// Label of every object that the operator makes.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "tanso-operator");

/// Label that names an object's monitor.
pub const MONITOR_LABEL: &str = "tanso.dev/power-monitor";

/// The TCP port of the model server.
pub const MODEL_SERVER_PORT: i32 = 8100;

/// What the installation decides, not the monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Namespace of the operator and of all that it makes.
    pub namespace: String,
    /// Image of the agent.
    pub agent_image: String,
    /// Image of the model server.
    pub model_server_image: String,
    /// Secrets of that namespace with which both are pulled.
    pub pull_secrets: Vec<String>,
    /// When nodes pull them.
    pub pull_policy: PullPolicy,
}

impl Installation {
    /// The Secrets as a pod names them; `None` where there is none.
    fn pull_references(&self) -> Option<Vec<LocalObjectReference>> {
        let one = |name: &String| LocalObjectReference { name: name.clone() };
        let all: Vec<_> = self.pull_secrets.iter().map(one).collect();
        (!all.is_empty()).then_some(all)
    }
}

/// When a node pulls an image, by Kubernetes' own words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum PullPolicy {
    /// At every start of a container.
    Always,
    /// Where the node has not got it.
    #[default]
    IfNotPresent,
    /// Not at all: somebody puts it on the node.
    Never,
}

impl fmt::Display for PullPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        })
    }
}

/// Every object of a monitor.
#[derive(Clone, Debug, PartialEq)]
pub struct Children {
    /// Who the agents are.
    pub agent_account: ServiceAccount,
    /// What the agents may read.
    pub agent_binding: ClusterRoleBinding,
    /// The agents' settings.
    pub agent_config: ConfigMap,
    /// The agents.
    pub agent_set: DaemonSet,
    /// Where the agents' metrics are found.
    pub agent_service: Service,
    /// The model server; `None` when switched off.
    pub model_server: Option<ModelServerChildren>,
    /// What only some monitors have.
    pub extras: Extras,
}

/// Every object of a model server.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelServerChildren {
    /// Who the model server is; it has no rights and no token.
    pub account: ServiceAccount,
    /// Its pods.
    pub deployment: Deployment,
    /// Where agents find it.
    pub service: Service,
}

/// Names of a monitor's objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Of all agent objects but the binding.
    pub agent: String,
    /// Of the cluster-wide binding.
    pub binding: String,
    /// Of all model server objects.
    pub model_server: String,
    /// Of the model servers that follow another.
    pub model_reader: String,
    /// Of the Service of the model server that learns.
    pub model_lead: String,
    /// Of the authority's Secret, and of the ConfigMap with its certificate.
    pub authority: String,
    /// Of the agents' certificate and its Secret.
    pub agent_tls: String,
    /// Of the model server's certificate and its Secret.
    pub model_tls: String,
    /// Of the agents' `NetworkPolicy`, of both ways; the installation may have
    /// one by the agents' own name.
    pub agent_policy: String,
    /// Of the model server's.
    pub model_policy: String,
    /// Of the cluster-wide binding by which agents ask about tokens.
    pub agent_reviews: String,
    /// Of the one by which agents may send samples.
    pub agent_samples: String,
    /// Of the one by which the model server asks about tokens.
    pub model_reviews: String,
}

impl Names {
    /// The names of the objects of the monitor of that name. They are there
    /// also for a monitor that is not valid, since its objects may be there.
    #[must_use]
    pub fn of(monitor: &str) -> Self {
        Self {
            agent: format!("{monitor}-agent"),
            binding: format!("tanso-power-monitor-{monitor}-agent"),
            model_server: format!("{monitor}-model-server"),
            model_reader: format!("{monitor}-model-reader"),
            model_lead: format!("{monitor}-model-lead"),
            authority: format!("{monitor}-ca"),
            agent_tls: format!("{monitor}-agent-tls"),
            model_tls: format!("{monitor}-model-tls"),
            agent_policy: format!("{monitor}-agent-in"),
            model_policy: format!("{monitor}-model-in"),
            agent_reviews: format!("tanso-power-monitor-{monitor}-agent-reviews"),
            agent_samples: format!("tanso-power-monitor-{monitor}-agent-samples"),
            model_reviews: format!("tanso-power-monitor-{monitor}-model-server-reviews"),
        }
    }
}

/// What each part of the build is given.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The checked spec.
    pub monitor: &'a ValidatedPowerMonitor,
    /// What the installation decides.
    pub installation: &'a Installation,
    /// The monitor as owner.
    pub owner: &'a OwnerReference,
    /// Certificate of the authority that vouches for agents and model server,
    /// PEM, where they speak TLS.
    pub authority: Option<&'a str>,
    /// Whether the kind `ServiceMonitor` is installed.
    pub has_service_monitors: bool,
    /// Older monitors that could choose nodes of this one: agents keep off them.
    pub older: &'a [Claimant],
}

impl Plan<'_> {
    /// Names of the monitor's objects.
    #[must_use]
    pub fn names(&self) -> Names {
        Names::of(&self.monitor.name)
    }

    /// Labels by which a component's pods are found; they never change.
    fn selector_labels(&self, component: &str) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("app.kubernetes.io/name".into(), component.into()),
            (MONITOR_LABEL.into(), self.monitor.name.clone()),
        ])
    }

    fn labels(&self, component: &str) -> BTreeMap<String, String> {
        let mut labels = self.selector_labels(component);
        labels.insert("app.kubernetes.io/part-of".into(), "tanso".into());
        labels.insert(MANAGED_BY.0.into(), MANAGED_BY.1.into());
        labels
    }

    /// The scheme of agents and model server.
    const fn scheme(&self) -> &'static str {
        if self.monitor.tls.is_some() {
            "https"
        } else {
            "http"
        }
    }

    /// The address of a Service in the cluster, without scheme and port.
    #[must_use]
    pub fn host(&self, service: &str) -> String {
        format!("{service}.{}.svc", self.installation.namespace)
    }

    /// Names of the Secrets with the certificates of agents and model server.
    #[must_use]
    pub fn tls_secrets(&self) -> Option<(String, String)> {
        match self.monitor.tls.as_ref()? {
            Tls::SelfSigned | Tls::CertManager { .. } => {
                let names = self.names();
                Some((names.agent_tls, names.model_tls))
            }
            Tls::Secret {
                agent,
                model_server,
            } => Some((agent.clone(), model_server.clone())),
        }
    }

    /// Whether some model servers follow one that learns.
    fn has_readers(&self) -> bool {
        let servers = self.monitor.model_server.as_ref();
        self.monitor.samples && servers.is_some_and(|server| server.replicas > 1)
    }

    /// Labels of the pods that give models.
    fn giver_labels(&self) -> BTreeMap<String, String> {
        if self.has_readers() {
            BTreeMap::from([(GIVES_MODELS.into(), self.monitor.name.clone())])
        } else {
            self.selector_labels(MODEL_SERVER)
        }
    }

    fn selector(&self, component: &str) -> LabelSelector {
        LabelSelector {
            match_labels: Some(self.selector_labels(component)),
            ..LabelSelector::default()
        }
    }

    /// Metadata of a certificate's object.
    #[must_use]
    pub fn certificate_meta(&self, name: String) -> ObjectMeta {
        self.meta(name, CERTIFICATES)
    }

    fn cluster_meta(&self, name: String, component: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name),
            labels: Some(self.labels(component)),
            owner_references: Some(vec![self.owner.clone()]),
            ..ObjectMeta::default()
        }
    }

    fn meta(&self, name: String, component: &str) -> ObjectMeta {
        ObjectMeta {
            namespace: Some(self.installation.namespace.clone()),
            ..self.cluster_meta(name, component)
        }
    }
}

/// The component label of the agents.
pub const AGENT: &str = "tanso-agent";

/// The component label of the model server.
pub const MODEL_SERVER: &str = "tanso-model-server";

/// The component label of model servers that follow the one that learns.
pub const MODEL_READER: &str = "tanso-model-reader";

/// The component label of the Service of the one that learns.
const MODEL_LEAD: &str = "tanso-model-lead";

/// The component label of certificates and their Secrets.
const CERTIFICATES: &str = "tanso-certificates";

/// Label of pods that give models, where they are of two components.
const GIVES_MODELS: &str = "tanso.dev/gives-models";

/// Builds every object of the monitor.
#[must_use]
pub fn build(plan: Plan<'_>) -> Children {
    let agent_config = config_map::agent(plan);
    let agent_set = daemon_set::agent(plan, &config_map::digest(&agent_config));
    let model_server = plan
        .monitor
        .model_server
        .as_ref()
        .map(|server| ModelServerChildren {
            account: service_account::model_server(plan),
            deployment: model_server::deployment(plan, server),
            service: services::model_server(plan),
        });
    Children {
        agent_account: service_account::agent(plan),
        agent_binding: service_account::agent_binding(plan),
        agent_config,
        agent_set,
        agent_service: services::agent(plan),
        model_server,
        extras: extras::build(plan),
    }
}

#[cfg(test)]
mod closed_tests;
#[cfg(test)]
mod meters_tests;
#[cfg(test)]
mod tests;
