//! Pods and the workloads they belong to.
//!
//! Watches pods, nodes, `CronJobs` and `PowerMonitors` (pruned to what is needed here), and of
//! `ReplicaSets`, `Jobs` and namespaces the metadata only; follows owner references to the workload that a person
//! applied; and keeps each pod's names in the ledger, so that finished pods
//! and restarts forget nothing. Never writes to the cluster.
//!
//! Rights: pods, nodes, namespaces, replicasets.apps, jobs.batch,
//! cronjobs.batch, powermonitors: list, watch.

mod agents;
mod chain;
mod nodes;
mod pods;
mod prune;
mod seen;
mod written;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Namespace, Node, ObjectReference};
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tanso_crds::PowerMonitor;
use tanso_runtime::Shutdown;

use crate::cluster::Readable;
use crate::ledger::{Ledger, PodNames, Scope};

pub use agents::{Reason, Stranger};
pub use chain::{Link, Owner, Resolved, follow};
use pods::Pods;
use seen::{Facts, SeenPod};
use written::Names;

/// Annotation that keeps the schedule of a `CronJob` that a policy moved.
pub const ORIGINAL_SCHEDULE: &str = "tanso.dev/original-schedule";

/// Annotation that keeps the time zone of that schedule; empty if it had none.
pub const ORIGINAL_ZONE: &str = "tanso.dev/original-time-zone";

/// Annotation that keeps the schedule that a policy set.
pub const APPLIED_SCHEDULE: &str = "tanso.dev/applied-schedule";

/// Time between two writes of changed names.
const WRITE_EVERY: Duration = Duration::from_secs(2);

/// Time between two looks at what nodes are.
const NODES_EVERY: Duration = Duration::from_secs(30);

/// Label that agent pods carry, and its value.
const AGENT_LABEL: (&str, &str) = ("app.kubernetes.io/name", "tanso-agent");

/// Label that names the `PowerMonitor` of an agent pod.
const MONITOR_LABEL: &str = "tanso.dev/power-monitor";

/// Port of an agent whose pod declares none.
const AGENT_PORT: u16 = 28_282;

/// An agent that can be asked for its energy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// The node it runs on.
    pub node: String,
    /// Its pod's namespace.
    pub namespace: String,
    /// Its pod's name.
    pub pod: String,
    /// The `PowerMonitor` that made it, as its label says.
    pub monitor: String,
    /// What keeps its pod there.
    pub controller: Option<Owner>,
    /// Where it listens.
    pub address: SocketAddr,
}

/// When a `CronJob` starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its five fields.
    pub schedule: String,
    /// Its IANA time zone, if it names one.
    pub time_zone: Option<String>,
}

/// What runs in the cluster, as far as energy needs it; clones share what is known.
#[derive(Clone)]
pub struct Inventory {
    /// The operator's own namespace, where agents are.
    namespace: Arc<str>,
    pods: Pods,
    replica_sets: Store<PartialObjectMeta<ReplicaSet>>,
    jobs: Store<PartialObjectMeta<Job>>,
    cron_jobs: Store<CronJob>,
    nodes: Store<Node>,
    namespaces: Store<PartialObjectMeta<Namespace>>,
    monitors: Store<Readable<PowerMonitor>>,
}

/// The watches behind a [`Inventory`]; to be run once.
pub struct InventoryWatch {
    book: Inventory,
    pods: BoxStream<'static, Result<Option<Seen>, watcher::Error>>,
    others: BoxStream<'static, (&'static str, Result<(), watcher::Error>)>,
}

impl Inventory {
    /// An empty inventory and the watches that fill it; agents are those of the
    /// operator's own namespace alone.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a client is a handle; the watches keep it"
    )]
    pub fn new(client: Client, namespace: &str) -> (Self, InventoryWatch) {
        let config = watcher::Config::default().page_size(500);
        let (pods, mut pods_writer) = pods::pods();
        let pod_events = watcher(Api::<SeenPod>::all(client.clone()), config)
            .default_backoff()
            .inspect_ok(move |event| pods_writer.apply(event))
            .map_ok(seen);
        let (replica_sets, replica_sets_events) = watch(&client, "replicasets", prune::metadata);
        let (jobs, jobs_events) = watch(&client, "jobs", prune::metadata);
        let (cron_jobs, cron_jobs_events) = watch(&client, "cronjobs", prune::cron_job);
        let (nodes, nodes_events) = watch(&client, "nodes", prune::node);
        let (namespaces, namespaces_events) = watch(&client, "namespaces", prune::metadata);
        let (monitors, monitors_events) = watch(
            &client,
            "powermonitors",
            |monitor: &mut Readable<PowerMonitor>| {
                if let Ok(monitor) = &mut monitor.0 {
                    prune::monitor(monitor);
                }
            },
        );
        let others = stream::select_all([
            replica_sets_events,
            jobs_events,
            cron_jobs_events,
            nodes_events,
            namespaces_events,
            monitors_events,
        ]);
        let book = Self {
            namespace: namespace.into(),
            pods,
            replica_sets,
            jobs,
            cron_jobs,
            nodes,
            namespaces,
            monitors,
        };
        let watch = InventoryWatch {
            book: book.clone(),
            pods: pod_events.boxed(),
            others: others.boxed(),
        };
        (book, watch)
    }

    /// The schedule of a `CronJob`, if it is known.
    #[must_use]
    pub fn schedule(&self, namespace: &str, name: &str) -> Option<Schedule> {
        let cron_job = self
            .cron_jobs
            .get(&ObjectRef::new(name).within(namespace))?;
        let spec = cron_job.spec.as_ref()?;
        Some(Schedule {
            schedule: spec.schedule.clone(),
            time_zone: spec.time_zone.clone(),
        })
    }

    /// When a `CronJob` started before a policy moved it; `None` if somebody
    /// changed it since.
    #[must_use]
    pub fn original_schedule(&self, namespace: &str, name: &str) -> Option<Schedule> {
        let cron_job = self
            .cron_jobs
            .get(&ObjectRef::new(name).within(namespace))?;
        prune::before_move(&cron_job)
    }

    /// Namespace and name of each `CronJob` of a scope whose labels fit.
    #[must_use]
    pub fn cron_jobs(
        &self,
        scope: &Scope,
        fits: impl Fn(&BTreeMap<String, String>) -> bool,
    ) -> Vec<(String, String)> {
        let within = |namespace: &str| match scope {
            Scope::All => true,
            Scope::Namespaces(chosen) => chosen.contains(namespace),
        };
        let all = self.cron_jobs.state();
        let mut found: Vec<_> = all
            .iter()
            .filter(|cron_job| fits(cron_job.labels()))
            .map(|cron_job| {
                (
                    cron_job.namespace().unwrap_or_default(),
                    cron_job.name_any(),
                )
            })
            .filter(|(namespace, _)| within(namespace))
            .collect();
        found.sort_unstable();
        found
    }

    /// Each `CronJob` with a label, its value, and all its labels.
    #[must_use]
    pub fn cron_jobs_with(
        &self,
        label: &str,
    ) -> Vec<(ObjectReference, String, BTreeMap<String, String>)> {
        let all = self.cron_jobs.state();
        let labelled = all.iter().filter_map(|cron_job| {
            let labels = cron_job.labels();
            let value = labels.get(label)?.clone();
            Some((cron_job.object_ref(&()), value, labels.clone()))
        });
        labelled.collect()
    }

    /// The CPU that a node has to give, thousandths of a core.
    #[must_use]
    pub fn allocatable_millicores(&self, node: &str) -> Option<u32> {
        let node = self.nodes.get(&ObjectRef::new(node))?;
        let cpu = node.status.as_ref()?.allocatable.as_ref()?.get("cpu")?;
        u32::try_from(prune::milli_cpus(cpu)?).ok()
    }

    /// The memory that a node has to give, bytes.
    #[must_use]
    pub fn allocatable_bytes(&self, node: &str) -> Option<u64> {
        let node = self.nodes.get(&ObjectRef::new(node))?;
        prune::bytes(node.status.as_ref()?.allocatable.as_ref()?.get("memory")?)
    }

    /// The names and labels of all namespaces.
    #[must_use]
    pub fn namespaces(&self) -> Vec<(String, BTreeMap<String, String>)> {
        let named = |namespace: &PartialObjectMeta<Namespace>| {
            (
                namespace.name_any(),
                namespace.metadata.labels.clone().unwrap_or_default(),
            )
        };
        self.namespaces
            .state()
            .iter()
            .map(|namespace| named(namespace))
            .collect()
    }

    /// Waits until namespaces, nodes and schedules were listed once.
    pub async fn listed(&self) {
        // A writer that was dropped ends the wait too: the process is ending.
        let _ = self.namespaces.wait_until_ready().await;
        let _ = self.nodes.wait_until_ready().await;
        let _ = self.cron_jobs.wait_until_ready().await;
    }

    /// Waits until pods and `PowerMonitor`s were listed once.
    pub async fn agents_listed(&self) {
        // A writer that was dropped ends the wait too: the process is ending.
        let _ = self.monitors.wait_until_ready().await;
        self.pods.listed().await;
    }

    /// The node of each pod that has one, by the pod's UID.
    #[must_use]
    pub fn homes(&self) -> HashMap<String, String> {
        let all = self.pods.all();
        let placed = all.iter().filter_map(|pod| pod.names.as_ref());
        let placed = placed.filter(|names| !names.node.is_empty());
        placed
            .map(|names| (names.uid.clone(), names.node.clone()))
            .collect()
    }

    /// The pods of a scope that run now, used energy or not.
    #[must_use]
    pub fn running(&self, scope: &Scope) -> Vec<PodNames> {
        let pods = self.pods.of(scope);
        pods.iter()
            .filter(|pod| pod.is_running)
            .filter_map(|pod| Some(self.describe(pod)?.0))
            .collect()
    }

    /// What is known of a pod now.
    fn describe(&self, pod: &Facts) -> Option<(PodNames, bool)> {
        let names = pod.names.as_ref()?;
        let first = pod.owner.clone();
        let resolved = follow(first, |owner| self.owner_of(owner, &names.namespace));
        let (kind, name) = match &resolved.workload {
            Some(owner) => (owner.kind.clone(), owner.name.clone()),
            None => ("Pod".to_owned(), names.name.clone()),
        };
        let names = PodNames {
            workload_kind: kind,
            workload_name: name,
            ..names.clone()
        };
        Some((names, resolved.complete))
    }

    /// The owner of an owner.
    fn owner_of(&self, owner: &Owner, namespace: &str) -> Link {
        let meta = match owner.kind.as_str() {
            "ReplicaSet" => {
                let key = ObjectRef::new(&owner.name).within(namespace);
                self.replica_sets
                    .get(&key)
                    .map(|object| object.metadata.clone())
            }
            "Job" => {
                let key = ObjectRef::new(&owner.name).within(namespace);
                self.jobs.get(&key).map(|object| object.metadata.clone())
            }
            // Whatever else owns a pod is its workload.
            _ => return Link::End,
        };
        match meta {
            Some(meta) if meta.uid.as_deref() == Some(owner.uid.as_str()) => {
                chain::first(&meta.owner_references.unwrap_or_default()).into()
            }
            _ => Link::Unknown,
        }
    }
}

/// Whether a pod was deleted or only changed, or all that are there were listed.
enum Seen {
    Changed(Arc<Facts>),
    Deleted(Arc<Facts>),
    Listed,
}

impl InventoryWatch {
    /// Watches and keeps names until the shutdown begins.
    pub async fn run(self, ledger: Ledger, shutdown: Shutdown) {
        let Self {
            book,
            mut pods,
            mut others,
        } = self;
        let mut names = Names::new(book, ledger);
        let mut due = tokio::time::interval(WRITE_EVERY);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut nodes_due = tokio::time::interval(NODES_EVERY);
        nodes_due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.begun() => break,
                Some((what, result)) = others.next() => log(what, result),
                Some(result) = pods.next() => match result {
                    Ok(seen) => seen.into_iter().for_each(|seen| names.note(seen)),
                    Err(fault) => log("pods", Err(fault)),
                },
                _ = due.tick() => names.write().await,
                _ = nodes_due.tick() => names.write_nodes().await,
            }
        }
        names.write().await;
        names.write_nodes().await;
    }
}

type Watched = BoxStream<'static, (&'static str, Result<(), watcher::Error>)>;

/// A store of all objects of a kind, and the watch that fills it.
fn watch<K>(
    client: &Client,
    what: &'static str,
    prune: impl FnMut(&mut K) + Send + 'static,
) -> (Store<K>, Watched)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let config = watcher::Config::default().page_size(500);
    let events = watcher(Api::<K>::all(client.clone()), config)
        .modify(prune)
        .default_backoff()
        .reflect(writer)
        .map(move |event| (what, event.map(drop)));
    (store, events.boxed())
}

fn log(what: &'static str, result: Result<(), watcher::Error>) {
    if let Err(error) = result {
        tracing::warn!(%error, what, "watching failed; trying again");
    }
}

fn seen(event: watcher::Event<SeenPod>) -> Option<Seen> {
    match event {
        watcher::Event::Apply(pod) | watcher::Event::InitApply(pod) => {
            Some(Seen::Changed(pod.facts))
        }
        watcher::Event::Delete(pod) => Some(Seen::Deleted(pod.facts)),
        watcher::Event::Init => None,
        watcher::Event::InitDone => Some(Seen::Listed),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::json;

    use super::*;

    /// An inventory that knows these pods and nothing else.
    pub(super) fn inventory(pods: impl IntoIterator<Item = Pod>) -> Inventory {
        let (store, mut writer) = pods::pods();
        for pod in pods {
            writer.apply(&watcher::Event::Apply(SeenPod::from(pod)));
        }
        Inventory {
            namespace: "tanso-system".into(),
            pods: store,
            replica_sets: reflector::store().0,
            jobs: reflector::store().0,
            cron_jobs: reflector::store().0,
            nodes: reflector::store().0,
            namespaces: reflector::store().0,
            monitors: reflector::store().0,
        }
    }

    pub(super) fn pod(namespace: &str, name: &str, phase: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"uid": name, "namespace": namespace, "name": name},
            "spec": {"nodeName": "n1", "containers": []},
            "status": {"phase": phase}
        }))
        .unwrap()
    }

    #[test]
    fn only_pods_that_run_within_the_scope_are_given() {
        let book = inventory([
            pod("shop", "till", "Running"),
            pod("shop", "migration", "Succeeded"),
            pod("shop", "unscheduled", "Pending"),
            pod("bank", "vault", "Running"),
        ]);
        let running = |scope: &Scope| {
            let mut names: Vec<_> = book
                .running(scope)
                .into_iter()
                .map(|pod| pod.name)
                .collect();
            names.sort();
            names
        };
        let shop = Scope::Namespaces(["shop".to_owned()].into());
        assert_eq!(running(&shop), ["till"]);
        assert_eq!(running(&Scope::All), ["till", "vault"]);
        assert!(running(&Scope::Namespaces(["other".to_owned()].into())).is_empty());
    }
}
