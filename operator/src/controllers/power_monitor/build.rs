//! From a checked spec to every object of a monitor.
//!
//! Pure: the same spec gives the same objects, byte by byte, on every visit.

pub mod config_map;
pub mod daemon_set;
pub mod model_server;
pub mod service_account;
pub mod services;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};

use super::validate::ValidatedPowerMonitor;

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
}

impl Plan<'_> {
    fn names(&self) -> Names {
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

    fn selector(&self, component: &str) -> LabelSelector {
        LabelSelector {
            match_labels: Some(self.selector_labels(component)),
            ..LabelSelector::default()
        }
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
    }
}

#[cfg(test)]
mod tests;
