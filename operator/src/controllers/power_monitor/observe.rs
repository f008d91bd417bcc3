//! Reads everything that a visit needs: the monitor itself, its rivals, the
//! nodes, its live objects and, while agents are not ready, why.
//!
//! Writes nothing and judges nothing.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use futures::future::{self, BoxFuture};
use futures::{FutureExt as _, Stream, StreamExt as _, try_join};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{
    ConfigMap, Node as KubeNode, Pod, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{ListParams, PartialObjectMeta};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, ResourceExt as _};
use tanso_crds::power_monitor::{Switch, TlsType};
use tanso_crds::{PowerMonitor, PowerMonitorSpec};
use tokio::time::timeout;

use super::build::foreign::{CERTIFICATES, Certificate, SERVICE_MONITORS};
use super::build::{Extras, MONITOR_LABEL, Names};
use super::overlap::{Claimant, Node};
use super::pods::Pods;
use super::validate::linux_nodes;
use crate::cluster::Readable;
use crate::cluster::apply::{ApplyFault, Object, bounded};
use crate::cluster::fault::Class;

/// How long a visit waits for the first list of nodes; short, since a shutdown
/// waits for it too.
const NODES_PATIENCE: Duration = Duration::from_secs(5);

/// Pods asked for at a time.
const PODS_A_PAGE: u32 = 500;

/// Why a visit could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ObserveFault {
    /// The monitor is gone.
    #[error("PowerMonitor \"{0}\" is gone")]
    Gone(String),
    /// The monitor is being deleted.
    #[error("PowerMonitor \"{}\" is being deleted", .0.name_any())]
    Going(Box<PowerMonitor>),
    /// The nodes are not known yet.
    #[error("the API server did not list the nodes yet")]
    NoNodes,
    /// A read failed.
    #[error(transparent)]
    Read(#[from] ApplyFault),
}

/// The live objects of a monitor, as far as there are any.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Who the agents are.
    pub agent_account: Option<ServiceAccount>,
    /// What they may read.
    pub agent_binding: Option<ClusterRoleBinding>,
    /// Their settings.
    pub agent_config: Option<ConfigMap>,
    /// The agents.
    pub agent_set: Option<DaemonSet>,
    /// Where they are found.
    pub agent_service: Option<Service>,
    /// Who the model server is.
    pub model_account: Option<ServiceAccount>,
    /// Its pods.
    pub model_deployment: Option<Deployment>,
    /// Where it is found.
    pub model_service: Option<Service>,
    /// What only some monitors have.
    pub extras: Extras,
    /// The authority's certificate and key.
    pub authority: Option<Secret>,
    /// The agents' certificate, whoever made it.
    pub agent_tls: Option<Secret>,
    /// The model server's certificate, whoever made it.
    pub model_tls: Option<Secret>,
    /// What cert-manager is asked for, for agents and model server.
    pub certificates: [Option<Certificate>; 2],
    /// Whether cert-manager's kind is installed; looked at where it is wished.
    pub has_certificates: bool,
    /// Whether the Prometheus Operator's kind is installed; likewise.
    pub has_service_monitors: bool,
}

/// What a visit found.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The monitor as it is now, not as it was when the visit was queued.
    pub monitor: PowerMonitor,
    /// All other monitors.
    pub others: Vec<Claimant>,
    /// All nodes.
    pub nodes: Vec<Node>,
    /// Its live objects.
    pub live: Live,
}

/// The nodes by metadata alone.
pub type NodeStore = Store<PartialObjectMeta<KubeNode>>;

/// Reads for the controller.
#[derive(Clone)]
pub struct Observer {
    client: Client,
    namespace: String,
    nodes: NodeStore,
}

impl Observer {
    /// An observer of the monitors and their objects in `namespace`.
    #[must_use]
    pub fn new(client: Client, namespace: &str, nodes: NodeStore) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            nodes,
        }
    }

    /// Reads everything that a visit to the monitor of that name needs.
    ///
    /// # Errors
    /// If the monitor is gone or a read fails.
    pub async fn observe(&self, name: &str) -> Result<Observed, ObserveFault> {
        let monitors: Api<PowerMonitor> = Api::all(self.client.clone());
        let monitor = bounded::<PowerMonitor, _>("get", name, monitors.get_opt(name))
            .await?
            .ok_or_else(|| ObserveFault::Gone(name.to_owned()))?;
        if monitor.metadata.deletion_timestamp.is_some() {
            return Err(ObserveFault::Going(Box::new(monitor)));
        }
        let all: Api<Readable<PowerMonitor>> = Api::all(self.client.clone());
        let all = bounded::<PowerMonitor, _>("list", "", all.list(&ListParams::default())).await?;
        match timeout(NODES_PATIENCE, self.nodes.wait_until_ready()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Err(ObserveFault::NoNodes),
        }
        Ok(Observed {
            live: Box::pin(self.live(&Names::of(name), &monitor.spec)).await?,
            others: all
                .iter()
                .filter(|other| other.name_any() != name)
                .map(claimant)
                .collect(),
            nodes: self
                .nodes
                .state()
                .iter()
                .map(|node| as_node(node))
                .collect(),
            monitor,
        })
    }

    async fn live(&self, names: &Names, spec: &PowerMonitorSpec) -> Result<Live, ApplyFault> {
        let (
            agent_account,
            agent_binding,
            agent_config,
            agent_set,
            agent_service,
            model_account,
            model_deployment,
            model_service,
        ) = try_join!(
            find(self.api(), &names.agent),
            find(Api::all(self.client.clone()), &names.binding),
            find(self.api(), &names.agent),
            find(self.api(), &names.agent),
            find(self.api(), &names.agent),
            find(self.api(), &names.model_server),
            find(self.api(), &names.model_server),
            find(self.api(), &names.model_server),
        )?;
        let live = Live {
            agent_account,
            agent_binding,
            agent_config,
            agent_set,
            agent_service,
            model_account,
            model_deployment,
            model_service,
            ..Live::default()
        };
        let live = Box::pin(self.live_extras(names, spec, live)).await?;
        Box::pin(self.live_certificates(names, spec, live)).await
    }

    async fn live_extras(
        &self,
        names: &Names,
        spec: &PowerMonitorSpec,
        live: Live,
    ) -> Result<Live, ApplyFault> {
        let bindings = || Api::all(self.client.clone());
        let wished = spec.service_monitor.type_ == Switch::Enabled;
        let has_service_monitors = wished && self.serves(SERVICE_MONITORS).await;
        let (agent_reviews, agent_samples, model_reviews, authority, claim) = try_join!(
            find(bindings(), &names.agent_reviews),
            find(bindings(), &names.agent_samples),
            find(bindings(), &names.model_reviews),
            find(self.api(), &names.authority),
            find(self.api(), &names.model_server),
        )?;
        let (readers, lead_service, budget, agent_policy, model_policy) = try_join!(
            find(self.api(), &names.model_reader),
            find(self.api(), &names.model_lead),
            find(self.api(), &names.model_server),
            find(self.api(), &names.agent_policy),
            find(self.api(), &names.model_policy),
        )?;
        // Where the kind is not installed, there is none.
        let (agent_scrape, model_scrape) = try_join!(
            find(self.api(), &names.agent),
            find(self.api(), &names.model_server),
        )?;
        Ok(Live {
            has_service_monitors,
            extras: Extras {
                agent_reviews,
                agent_samples,
                model_reviews,
                authority,
                claim,
                readers,
                lead_service,
                budget,
                agent_policy,
                model_policy,
                agent_scrape,
                model_scrape,
            },
            ..live
        })
    }

    async fn live_certificates(
        &self,
        names: &Names,
        spec: &PowerMonitorSpec,
        live: Live,
    ) -> Result<Live, ApplyFault> {
        let wished = spec.tls.type_ == TlsType::CertManager;
        let has_certificates = wished && self.serves(CERTIFICATES).await;
        let given = |name: &Option<String>, own: &str| {
            let own = own.to_owned();
            name.clone().unwrap_or(own)
        };
        let agent = given(&spec.tls.agent_secret_name, &names.agent_tls);
        let server = given(&spec.tls.model_server_secret_name, &names.model_tls);
        let (authority, agent_tls, model_tls, agent_certificate, model_certificate) = try_join!(
            find(self.api(), &names.authority),
            find(self.api(), &agent),
            find(self.api(), &server),
            find(self.api(), &names.agent_tls),
            find(self.api(), &names.model_tls),
        )?;
        Ok(Live {
            has_certificates,
            authority,
            agent_tls,
            model_tls,
            certificates: [agent_certificate, model_certificate],
            ..live
        })
    }

    /// Whether the API server knows a group and version; where it does not
    /// answer, not for now.
    async fn serves(&self, group_version: &str) -> bool {
        let asked = self.client.list_api_group_resources(group_version);
        matches!(timeout(NODES_PATIENCE, asked).await, Ok(Ok(_)))
    }

    /// Looks at all pods of the monitor: where they are, and what keeps the first
    /// of them that is not ready.
    ///
    /// # Errors
    /// If a read fails.
    pub async fn pods(&self, monitor: &str, now: Timestamp) -> Result<Pods, ApplyFault> {
        let api: Api<Pod> = self.api();
        let of_monitor = format!("{MONITOR_LABEL}={monitor}");
        let mut params = ListParams::default().labels(&of_monitor).limit(PODS_A_PAGE);
        let mut seen = Pods::default();
        loop {
            let page = bounded::<Pod, _>("list", monitor, api.list(&params)).await?;
            for pod in page.iter() {
                seen.add(pod, now);
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(seen),
            }
        }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Object<Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

/// The object, or `None`, also where its kind is not installed: the API server
/// answers that with a bare 404, which `get_opt` takes for a fault.
///
/// Boxed: eight of these at once would be a future of tens of kilobytes.
fn find<K: Object>(api: Api<K>, name: &str) -> BoxFuture<'_, Result<Option<K>, ApplyFault>> {
    async move {
        match bounded::<K, _>("get", name, api.get_opt(name)).await {
            Err(fault) if fault.class() == Class::Absent => Ok(None),
            found => found,
        }
    }
    .boxed()
}

fn claimant(monitor: &Readable<PowerMonitor>) -> Claimant {
    // A monitor that is not valid may still run what it ran before, and so may
    // one that a later version wrote.
    let node_selector = match &monitor.0 {
        Ok(monitor) => monitor.spec.agent.node_selector.clone(),
        Err(unreadable) => unreadable
            .spec
            .pointer("/agent/nodeSelector")
            .and_then(|labels| serde_json::from_value(labels.clone()).ok())
            .unwrap_or_default(),
    };
    Claimant {
        name: monitor.name_any(),
        created: monitor.creation_timestamp(),
        node_selector: linux_nodes(&node_selector),
    }
}

fn as_node(node: &PartialObjectMeta<KubeNode>) -> Node {
    Node {
        name: node.name_any(),
        labels: node.labels().clone(),
    }
}

/// The nodes, and a tick whenever one comes, goes or changes its labels. The
/// store fills only while the stream is polled.
pub fn nodes(client: Client) -> (NodeStore, impl Stream<Item = ()> + Send + 'static) {
    let (store, writer) = reflector::store();
    let api: Api<PartialObjectMeta<KubeNode>> = Api::all(client);
    let mut known: HashMap<String, u64> = HashMap::new();
    let ticks = watcher(api, watcher::Config::default().page_size(250))
        .default_backoff()
        .modify(|node| {
            node.managed_fields_mut().clear();
            node.annotations_mut().clear();
        })
        .reflect(writer)
        .filter_map(move |event| {
            let tells = match event {
                Ok(event) => changes(&mut known, &event),
                Err(error) => {
                    tracing::warn!(%error, "watching the nodes failed; trying again");
                    false
                }
            };
            future::ready(tells.then_some(()))
        });
    (store, ticks)
}

/// Whether the event changes what selectors see. Node objects are written all
/// the time for other reasons.
fn changes(
    known: &mut HashMap<String, u64>,
    event: &watcher::Event<PartialObjectMeta<KubeNode>>,
) -> bool {
    match event {
        watcher::Event::Apply(node) => {
            let mut hasher = DefaultHasher::new();
            node.labels().hash(&mut hasher);
            let digest = hasher.finish();
            known.insert(node.name_any(), digest) != Some(digest)
        }
        watcher::Event::Delete(node) => {
            known.remove(&node.name_any());
            true
        }
        // After a list anything may be different.
        watcher::Event::InitDone => {
            known.clear();
            true
        }
        watcher::Event::Init | watcher::Event::InitApply(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_of_a_node_is_no_change_and_its_end_is() {
        use watcher::Event;
        let node = |rack: &str| {
            let mut node = PartialObjectMeta::<KubeNode>::default();
            node.metadata.name = Some("n1".into());
            node.labels_mut().insert("rack".into(), rack.into());
            node
        };
        let mut known = HashMap::new();
        assert!(changes(&mut known, &Event::Apply(node("1"))));
        assert!(!changes(&mut known, &Event::Apply(node("1"))));
        assert!(changes(&mut known, &Event::Apply(node("2"))));
        assert!(changes(&mut known, &Event::Delete(node("2"))));
        assert!(changes(&mut known, &Event::InitDone));
    }
}
