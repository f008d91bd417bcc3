//! What only some monitors have: each of it `None` where it is not wished.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;

use super::foreign::ServiceMonitor;
use super::{
    Plan, config_map, disruption, model_server, network_policy, service_account, service_monitor,
    services,
};

/// Every optional object of a monitor, wished or live. Certificates are
/// apart: pods wait for them, see `certificates`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extras {
    /// Lets agents ask about readers' tokens.
    pub agent_reviews: Option<ClusterRoleBinding>,
    /// Lets agents send samples.
    pub agent_samples: Option<ClusterRoleBinding>,
    /// Lets the model server ask about writers' tokens.
    pub model_reviews: Option<ClusterRoleBinding>,
    /// The authority's certificate, for whoever reads metrics.
    pub authority: Option<ConfigMap>,
    /// Where learned models are kept.
    pub claim: Option<PersistentVolumeClaim>,
    /// Model servers that follow the one that learns.
    pub readers: Option<Deployment>,
    /// Where the one that learns is found.
    pub lead_service: Option<Service>,
    /// How many model servers may be away.
    pub budget: Option<PodDisruptionBudget>,
    /// Who may speak to agents, and to whom they may.
    pub agent_policy: Option<NetworkPolicy>,
    /// Who may speak to the model server, and to whom it may.
    pub model_policy: Option<NetworkPolicy>,
    /// How Prometheus finds the agents.
    pub agent_scrape: Option<ServiceMonitor>,
    /// How Prometheus finds the model server.
    pub model_scrape: Option<ServiceMonitor>,
}

pub(super) fn build(plan: Plan<'_>) -> Extras {
    let monitor = plan.monitor;
    let server = monitor.model_server.as_ref();
    let learns = monitor.samples && server.is_some();
    let scrapes = monitor
        .scrape
        .as_ref()
        .filter(|_| plan.has_service_monitors);
    Extras {
        agent_reviews: monitor
            .exports
            .audiences
            .is_some()
            .then(|| service_account::agent_reviews(plan)),
        agent_samples: learns.then(|| service_account::agent_samples(plan)),
        model_reviews: learns.then(|| service_account::model_reviews(plan)),
        authority: plan
            .authority
            .map(|certificate| config_map::authority(plan, certificate)),
        claim: server.and_then(|server| model_server::claim(plan, server)),
        readers: server
            .filter(|_| plan.has_readers())
            .map(|server| model_server::readers(plan, server)),
        lead_service: plan.has_readers().then(|| services::model_lead(plan)),
        budget: server
            .filter(|server| server.replicas > 1)
            .map(|_| disruption::model_server(plan)),
        agent_policy: monitor
            .closed
            .as_ref()
            .map(|closed| network_policy::agent(plan, closed)),
        model_policy: monitor
            .closed
            .as_ref()
            .filter(|_| server.is_some())
            .map(|closed| network_policy::model_server(plan, closed)),
        agent_scrape: scrapes.map(|scrape| service_monitor::agent(plan, scrape)),
        model_scrape: scrapes
            .filter(|_| server.is_some())
            .map(|scrape| service_monitor::model_server(plan, scrape)),
    }
}
