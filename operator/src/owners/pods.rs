//! The pods that there are, by namespace: a policy asks for those of its own, and
//! what that costs must not grow with the cluster. Of each only its facts are kept,
//! once.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::sync::{Arc, PoisonError, RwLock};

use kube::runtime::watcher::Event;
use tokio::sync::watch;

use super::seen::{Facts, SeenPod};
use crate::ledger::Scope;

/// Reads the pods; clones share them.
#[derive(Clone)]
pub(super) struct Pods {
    index: Arc<RwLock<Index>>,
    is_listed: watch::Receiver<bool>,
}

/// Follows a watch.
pub(super) struct Writer {
    index: Arc<RwLock<Index>>,
    /// What a list has told so far: it counts once it is told as a whole.
    listing: Index,
    is_listed: watch::Sender<bool>,
}

/// Pods by namespace and name.
#[derive(Default)]
struct Index {
    by_namespace: HashMap<Box<str>, HashMap<Box<str>, Arc<Facts>>>,
    /// Those that say they are agents once more, by the same names.
    agents: BTreeMap<(Box<str>, Box<str>), Arc<Facts>>,
}

/// No pods, and who fills them.
pub(super) fn pods() -> (Pods, Writer) {
    let index = Arc::<RwLock<Index>>::default();
    let (told, is_listed) = watch::channel(false);
    let writer = Writer {
        index: Arc::clone(&index),
        listing: Index::default(),
        is_listed: told,
    };
    (Pods { index, is_listed }, writer)
}

impl Pods {
    /// Waits until all were listed once, or nobody lists them any more.
    pub(super) async fn listed(&self) {
        let mut is_listed = self.is_listed.clone();
        let _ = is_listed.wait_for(|listed| *listed).await;
    }

    /// All of them, in no order.
    pub(super) fn all(&self) -> Vec<Arc<Facts>> {
        self.of(&Scope::All)
    }

    /// Those of a scope, in no order.
    pub(super) fn of(&self, scope: &Scope) -> Vec<Arc<Facts>> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let facts = |pods: &HashMap<_, Arc<Facts>>| pods.values().cloned().collect::<Vec<_>>();
        match scope {
            Scope::All => index.by_namespace.values().flat_map(facts).collect(),
            Scope::Namespaces(chosen) => {
                let named = chosen.iter();
                let there = named.filter_map(|name| index.by_namespace.get(name.as_str()));
                there.flat_map(facts).collect()
            }
        }
    }

    /// Those that say they are agents, by namespace and name.
    pub(super) fn agents(&self) -> Vec<Arc<Facts>> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.agents.values().cloned().collect()
    }
}

impl Writer {
    /// Follows one event.
    pub(super) fn apply(&mut self, event: &Event<SeenPod>) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Apply(pod) => index.put(pod),
            Event::Delete(pod) => index.remove(pod),
            Event::Init => self.listing = Index::default(),
            Event::InitApply(pod) => self.listing.put(pod),
            Event::InitDone => {
                *index = mem::take(&mut self.listing);
                self.is_listed.send_replace(true);
            }
        }
    }
}

impl Index {
    fn put(&mut self, pod: &SeenPod) {
        let (namespace, name) = key(pod);
        let place = (namespace.clone(), name.clone());
        if pod.facts.agent.is_some() {
            self.agents.insert(place, Arc::clone(&pod.facts));
        } else {
            self.agents.remove(&place);
        }
        let pods = self.by_namespace.entry(namespace).or_default();
        pods.insert(name, Arc::clone(&pod.facts));
    }

    fn remove(&mut self, pod: &SeenPod) {
        let place = key(pod);
        self.agents.remove(&place);
        let (namespace, name) = place;
        if let Some(pods) = self.by_namespace.get_mut(&namespace) {
            pods.remove(&name);
            if pods.is_empty() {
                self.by_namespace.remove(&namespace);
            }
        }
    }
}

fn key(pod: &SeenPod) -> (Box<str>, Box<str>) {
    let (namespace, name) = pod.place();
    (Box::from(namespace), Box::from(name))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::json;

    use super::super::tests::pod;
    use super::*;

    fn agent(name: &str, phase: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"uid": name, "namespace": "tanso-system", "name": name,
                "labels": {"app.kubernetes.io/name": "tanso-agent"}},
            "spec": {"nodeName": format!("node-of-{name}"), "containers": []},
            "status": {"phase": phase, "podIP": "10.0.0.7"}
        }))
        .unwrap()
    }

    fn names(pods: &[Arc<Facts>]) -> Vec<&str> {
        let names = pods.iter().filter_map(|pod| pod.names.as_ref());
        let mut names: Vec<_> = names.map(|names| names.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_a_watch_tells_is_known_by_namespace_and_what_went_is_not() {
        let (pods, mut writer) = pods();
        let mut told = |event: fn(SeenPod) -> Event<SeenPod>, pod: Pod| {
            writer.apply(&event(pod.into()));
        };
        let shop = Scope::Namespaces(["shop".to_owned()].into());
        told(Event::Apply, pod("shop", "till", "Running"));
        told(Event::Apply, pod("bank", "vault", "Running"));
        told(Event::Apply, agent("b", "Running"));
        told(Event::Apply, agent("a", "Running"));
        assert_eq!(names(&pods.of(&shop)), ["till"]);
        assert_eq!(names(&pods.all()), ["a", "b", "till", "vault"]);
        let nodes = || {
            let agents = pods.agents().into_iter();
            agents.filter_map(|facts| Some(facts.agent.as_ref()?.node.clone()))
        };
        assert!(nodes().eq(["node-of-a", "node-of-b"]));
        told(Event::Apply, agent("a", "Failed"));
        assert!(nodes().eq(["node-of-b"]));
        told(Event::Delete, agent("b", "Running"));
        told(Event::Delete, pod("shop", "till", "Running"));
        assert_eq!(nodes().count(), 0);
        assert!(pods.of(&shop).is_empty());
        assert_eq!(names(&pods.all()), ["a", "vault"]);
        assert_eq!(pods.index.read().unwrap().by_namespace.len(), 2);
    }

    /// A watch that broke off tells all that there is once more: what it does not
    /// tell then is gone.
    #[tokio::test]
    async fn a_list_counts_as_a_whole() {
        let (pods, mut writer) = pods();
        let listed = pods.clone();
        writer.apply(&Event::Apply(pod("shop", "gone", "Running").into()));
        writer.apply(&Event::Init);
        writer.apply(&Event::InitApply(pod("shop", "till", "Running").into()));
        assert_eq!(names(&pods.all()), ["gone"]);
        assert!(!*pods.is_listed.borrow());
        writer.apply(&Event::InitDone);
        listed.listed().await;
        assert_eq!(names(&pods.all()), ["till"]);
        drop(writer);
        listed.listed().await;
        // What nobody will ever list is not waited for.
        let (empty, writer) = super::pods();
        drop(writer);
        empty.listed().await;
    }
}
