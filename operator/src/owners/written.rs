//! What the ledger has of pods and nodes, and what has to be written: only
//! what changed.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::sync::Arc;

use jiff::Timestamp;

use super::seen::Facts;
use super::{Inventory, Seen};
use crate::ledger::{KnownNode, Ledger, LedgerFault, PodNames, known_nodes, names};

/// Looks after which a node that did not change is written again: a day of
/// them, so that the ledger knows which nodes there still are.
const NODES_AGAIN: u32 = 24 * 120;

/// What was written and what has to be.
pub(super) struct Names {
    book: Inventory,
    ledger: Ledger,
    /// What the ledger has of pods that exist.
    known: HashMap<String, Written>,
    /// What makes digests of names; its own for each process.
    hasher: RandomState,
    /// Pods that changed, and whether they are gone.
    dirty: HashMap<String, (Arc<Facts>, bool)>,
    /// What the ledger has of nodes that exist.
    nodes: BTreeMap<String, KnownNode>,
    /// How often nodes were looked at since all of them were written.
    looks: u32,
}

/// What the ledger has of a pod, in short: a cluster has very many.
#[derive(Debug)]
struct Written {
    /// Digest of all that was written.
    digest: u64,
    workload_kind: String,
    workload_name: String,
}

impl Names {
    pub(super) fn new(book: Inventory, ledger: Ledger) -> Self {
        Self {
            book,
            ledger,
            known: HashMap::new(),
            hasher: RandomState::new(),
            dirty: HashMap::new(),
            nodes: BTreeMap::new(),
            looks: 0,
        }
    }

    pub(super) fn note(&mut self, seen: Seen) {
        let (pod, gone) = match seen {
            Seen::Changed(pod) => (pod, false),
            Seen::Deleted(pod) => (pod, true),
            Seen::Listed => return self.forget(),
        };
        if let Some(names) = &pod.names {
            self.dirty.insert(names.uid.clone(), (pod, gone));
        }
    }

    /// Forgets pods that went while nobody watched: no deletion is told of them.
    fn forget(&mut self) {
        let all = self.book.pods.all();
        let named = all.iter().filter_map(|pod| pod.names.as_ref());
        let there: HashSet<&str> = named.map(|names| names.uid.as_str()).collect();
        self.known.retain(|uid, _| there.contains(uid.as_str()));
    }

    /// Writes what changed. What could not be written stays to be written.
    pub(super) async fn write(&mut self) {
        if self.dirty.is_empty() {
            return;
        }
        let mut changed = Vec::new();
        let mut again = HashSet::new();
        for (uid, (pod, gone)) in &self.dirty {
            let Some((mut names, complete)) = self.book.describe(pod) else {
                continue;
            };
            let before = self.known.get(uid);
            if !complete {
                match before {
                    // The owner went before the pod: what was known is right.
                    Some(before) => {
                        names.workload_kind.clone_from(&before.workload_kind);
                        names.workload_name.clone_from(&before.workload_name);
                    }
                    None if !gone => {
                        again.insert(uid.clone());
                    }
                    None => {}
                }
            }
            if before.map(|before| before.digest) != Some(self.hasher.hash_one(&names)) {
                changed.push(names);
            }
        }
        if let Err(error) = self.keep(changed.clone()).await {
            tracing::warn!(%error, "keeping pod names failed; trying again");
            return;
        }
        for names in changed {
            if !again.contains(&names.uid) {
                let written = Written {
                    digest: self.hasher.hash_one(&names),
                    workload_kind: names.workload_kind,
                    workload_name: names.workload_name,
                };
                self.known.insert(names.uid, written);
            }
        }
        for (uid, (_, gone)) in &self.dirty {
            if *gone {
                self.known.remove(uid);
            }
        }
        self.dirty.retain(|uid, _| again.contains(uid));
    }

    /// Writes nodes that are new or changed, and each once a day.
    pub(super) async fn write_nodes(&mut self) {
        let now = self.book.known_nodes();
        self.looks += 1;
        let is_again = self.looks >= NODES_AGAIN;
        let changed: BTreeMap<_, _> = now
            .iter()
            .filter(|(name, node)| is_again || self.nodes.get(*name) != Some(*node))
            .map(|(name, node)| (name.clone(), node.clone()))
            .collect();
        if changed.is_empty() {
            return;
        }
        let kept = self
            .ledger
            .call(move |connection| known_nodes::keep(connection, &changed, Timestamp::now()))
            .await;
        if let Err(error) = kept {
            tracing::warn!(%error, "keeping what nodes are failed; trying again");
            return;
        }
        if is_again {
            self.looks = 0;
        }
        self.nodes = now;
    }

    async fn keep(&self, changed: Vec<PodNames>) -> Result<(), LedgerFault> {
        if changed.is_empty() {
            return Ok(());
        }
        self.ledger
            .call(move |connection| names::keep(connection, &changed, Timestamp::now()))
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::super::seen::SeenPod;
    use super::super::tests::{inventory, pod};
    use super::*;

    /// Each time that the watch broke off, what went meanwhile was remembered for
    /// as long as the process lived.
    #[tokio::test]
    async fn pods_that_went_while_nobody_watched_are_forgotten_with_the_next_list() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger.db")).unwrap();
        let book = inventory([pod("shop", "till", "Running")]);
        let mut names = Names::new(book, ledger);
        for name in ["till", "gone"] {
            names.note(Seen::Changed(
                SeenPod::from(pod("shop", name, "Running")).facts,
            ));
        }
        names.write().await;
        assert_eq!(names.known.len(), 2);
        names.note(Seen::Listed);
        assert_eq!(names.known.keys().collect::<Vec<_>>(), ["till"]);
    }
}
