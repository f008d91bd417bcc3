//! Names of this node's pods and containers, from one watch.
//!
//! A container is measured before anybody has told its name; it gets the name
//! when the watch has it. No names are asked for one by one.

mod watch;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use tanso_agent_wire::energy::Names;

pub use watch::watch;

/// Deleted pods whose names are remembered, for energy that comes late.
const GONE_MAX: usize = 1_024;

/// A pod's names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodNames {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// Its containers' names by their runtime id.
    pub containers: HashMap<String, String>,
    /// The CPU that its containers request, by their names, in thousandths of
    /// a processor.
    pub millicores: HashMap<String, u64>,
    /// The order in which it was deleted; 0 while it is there.
    gone: u64,
}

/// All names known.
#[derive(Debug, Default)]
pub struct NameTable {
    pods: RwLock<HashMap<String, PodNames>>,
    version: AtomicU64,
}

impl NameTable {
    /// Rises with each change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The names of a container, as far as they are known; `None` if its pod
    /// is not.
    #[must_use]
    pub fn of(&self, pod_uid: &str, container_id: &str) -> Option<Names> {
        let pods = self.pods.read().unwrap_or_else(PoisonError::into_inner);
        let pod = pods.get(pod_uid)?;
        Some(Names {
            namespace: Some(pod.namespace.clone()),
            pod: Some(pod.pod.clone()),
            container: pod.containers.get(container_id).cloned(),
        })
    }

    /// The CPU that a container requests, in thousandths of a processor;
    /// `None` if it requests none or is not known.
    #[must_use]
    pub fn millicores(&self, pod_uid: &str, container_id: &str) -> Option<u64> {
        let pods = self.pods.read().unwrap_or_else(PoisonError::into_inner);
        let pod = pods.get(pod_uid)?;
        pod.millicores
            .get(pod.containers.get(container_id)?)
            .copied()
    }

    /// Notes a pod under its uid. Containers that were known stay known:
    /// a restarted container's old id is still to be named.
    pub fn set(&self, pod_uid: &str, mut names: PodNames) {
        let mut pods = self.pods.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = pods.get(pod_uid) {
            for (id, name) in &old.containers {
                names
                    .containers
                    .entry(id.clone())
                    .or_insert_with(|| name.clone());
            }
            if *old == names {
                return;
            }
        }
        pods.insert(pod_uid.to_owned(), names);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Notes that a pod was deleted; its names stay for a while.
    pub fn remove(&self, pod_uid: &str) {
        let order = self.version.fetch_add(1, Ordering::Release) + 1;
        let mut pods = self.pods.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(pod) = pods.get_mut(pod_uid) {
            pod.gone = order;
        }
        let mut gone: Vec<(u64, String)> = pods
            .iter()
            .filter(|(_, pod)| pod.gone > 0)
            .map(|(uid, pod)| (pod.gone, uid.clone()))
            .collect();
        let excess = gone.len().saturating_sub(GONE_MAX);
        gone.sort_unstable();
        for (_, uid) in gone.into_iter().take(excess) {
            pods.remove(&uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, containers: &[(&str, &str)]) -> PodNames {
        PodNames {
            namespace: "shop".into(),
            pod: name.into(),
            containers: containers
                .iter()
                .map(|&(id, name)| (id.into(), name.into()))
                .collect(),
            ..PodNames::default()
        }
    }

    #[test]
    fn a_restarted_container_keeps_the_name_of_its_old_id() {
        let table = NameTable::default();
        table.set("uid", pod("web-1", &[("old", "web")]));
        table.set("uid", pod("web-1", &[("new", "web")]));
        assert_eq!(
            table.of("uid", "old").unwrap().container.as_deref(),
            Some("web")
        );
        assert_eq!(
            table.of("uid", "new").unwrap().container.as_deref(),
            Some("web")
        );
        assert_eq!(table.of("uid", "sandbox").unwrap().container, None);
        assert_eq!(table.of("other", "new"), None);
    }

    #[test]
    fn names_of_deleted_pods_are_kept_but_bounded() {
        let table = NameTable::default();
        for n in 0..GONE_MAX + 5 {
            let uid = format!("uid-{n}");
            table.set(&uid, pod("p", &[]));
            table.remove(&uid);
        }
        assert!(table.of("uid-4", "").is_none());
        assert!(table.of("uid-5", "").is_some());
    }
}
