//! What the doctor looks at, read once. A part that cannot be read is itself
//! a fact: the others are still looked at.

mod certificates;
mod reach;
mod scrape;
mod told;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use kube::api::{Api, ListParams};
use tanso_crds::PowerMonitor;
use tanso_faces::view::{LeftOut, Listed};

use crate::cluster::{Cluster, ClusterError};
use crate::live::AGENT_LABEL;
use crate::policies::{self, Policy, Scope, list_all, list_readable};

pub(super) use certificates::{Certificate, Found};
pub(super) use reach::{MissingRight, Silent};
pub(super) use scrape::{Cost, Prometheus, Scraped, Scraping};
pub(super) use told::Told;

/// Name of the operator's Deployment.
pub(super) const OPERATOR: &str = "tanso-operator";

/// Agents that are asked; a large cluster's first are enough to see a
/// firewall, and what a kind of node lacks.
pub(super) const ASKED: usize = 32;

type Read<T> = Result<T, ClusterError>;

/// Everything the checks need.
pub(super) struct Facts {
    /// Namespace that was searched for the installation.
    pub(super) namespace: String,
    /// Plural names of the kinds that the API server serves of our group.
    pub(super) kinds: Read<Vec<String>>,
    /// The operator's Deployment, if there is one.
    pub(super) operator: Read<Option<Deployment>>,
    /// Pods of the installation's namespace.
    pub(super) pods: Read<Vec<Pod>>,
    /// Deployments of the installation's namespace.
    pub(super) deployments: Read<Vec<Deployment>>,
    /// Every node.
    pub(super) nodes: Read<Vec<Node>>,
    /// Every `PowerMonitor`.
    pub(super) monitors: Read<Vec<PowerMonitor>>,
    /// Policies and monitors that this version cannot read.
    pub(super) unreadable: Vec<LeftOut>,
    /// The agents' pods, wherever they are.
    pub(super) agents: Read<Vec<Pod>>,
    /// Policies of both kinds.
    pub(super) policies: Read<Vec<Policy>>,
    /// Warnings about pods of the installation's namespace.
    pub(super) warnings: Read<Vec<Event>>,
    /// By which nodes show that they live.
    pub(super) leases: Read<Vec<Lease>>,
    /// The API server's clock.
    pub(super) server_time: Option<Timestamp>,
    /// Rights that the parts' service accounts lack.
    pub(super) missing_rights: Read<Vec<MissingRight>>,
    /// Agents that are ready and do not answer.
    pub(super) silent: Vec<Silent>,
    /// What the Prometheus Operator has, if it is installed.
    pub(super) scraping: Read<Option<Scraping>>,
    /// What agents cost.
    pub(super) costs: Vec<Cost>,
    /// What agents tell of their meters and rights.
    pub(super) told: Vec<Told>,
    /// Certificates of agents and model servers, where monitors have TLS.
    pub(super) certificates: Vec<Certificate>,
}

/// The API server's version; the first question, since without it no other
/// has an answer.
pub(super) async fn version(cluster: &Cluster) -> Read<String> {
    let version = cluster.client.apiserver_version().await;
    version
        .map(|info| info.git_version)
        .map_err(|error| cluster.refusal("asking for the version", &error))
}

impl Facts {
    pub(super) async fn read(cluster: &Cluster, namespace: &str) -> Self {
        let client = &cluster.client;
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let all = ListParams::default;
        let agents = list_all(
            cluster,
            &Api::all(client.clone()),
            all().labels(AGENT_LABEL),
            "the agents' pods",
        )
        .await;
        let monitors = list_readable(cluster, &Api::all(client.clone()), "powermonitors").await;
        let (monitors, mut unreadable) = parted(monitors);
        let (policies, others) = parted(policies(cluster).await);
        unreadable.extend(others);
        let events: Api<Event> = Api::namespaced(client.clone(), namespace);
        let leases: Api<Lease> = Api::namespaced(client.clone(), "kube-node-lease");
        let operator = deployments
            .get_opt(OPERATOR)
            .await
            .map_err(|error| cluster.refusal(format!("reading deployment \"{OPERATOR}\""), &error));
        // An agent behind a firewall is waited for once.
        let (silent, (costs, told)) = {
            let agents = agents.as_deref().unwrap_or_default();
            futures::join!(
                reach::silent(cluster, agents),
                scrape::asked(cluster, agents)
            )
        };
        Self {
            namespace: namespace.to_owned(),
            kinds: kinds(cluster).await,
            operator,
            pods: list_all(cluster, &pods, all(), "pods").await,
            deployments: list_all(cluster, &deployments, all(), "deployments").await,
            nodes: list_all(cluster, &Api::all(client.clone()), all(), "nodes").await,
            scraping: scrape::scraping(cluster).await,
            costs,
            told,
            silent,
            certificates: certificates::certificates(
                cluster,
                namespace,
                monitors.as_deref().unwrap_or_default(),
            )
            .await,
            missing_rights: reach::missing_rights(
                cluster,
                namespace,
                monitors.as_deref().unwrap_or_default(),
            )
            .await,
            monitors,
            agents,
            policies,
            unreadable,
            warnings: list_all(cluster, &events, all().fields("type=Warning"), "events").await,
            leases: list_all(cluster, &leases, all(), "the nodes' leases").await,
            server_time: reach::server_time(cluster).await,
        }
    }
}

async fn kinds(cluster: &Cluster) -> Read<Vec<String>> {
    match cluster
        .client
        .list_api_group_resources("tanso.dev/v1alpha1")
        .await
    {
        Ok(list) => Ok(list
            .resources
            .into_iter()
            .map(|resource| resource.name)
            .collect()),
        // The group is not served: none of its kinds is there.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(cluster.refusal("asking for the kinds of tanso.dev/v1alpha1", &error)),
    }
}

async fn policies(cluster: &Cluster) -> Read<Listed<Policy>> {
    let found = policies::namespaced(cluster, &Scope::All).await?;
    Ok(found.and(policies::cluster_wide(cluster).await?))
}

/// What can be read, and what cannot.
fn parted<T>(listed: Read<Listed<T>>) -> (Read<Vec<T>>, Vec<LeftOut>) {
    match listed {
        Ok(Listed { items, unreadable }) => (Ok(items), unreadable),
        Err(error) => (Err(error), Vec::new()),
    }
}
