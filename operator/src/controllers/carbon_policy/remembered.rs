//! The cluster with the nodes that it no longer has, as the ledger knew them;
//! pure.

use std::collections::BTreeMap;

use tanso_carbon::recommend::consolidate;
use tanso_carbon::regions::Region;
use tanso_intensity::places;

use super::judge::Facts;
use crate::ledger::KnownNode;
use crate::owners::Schedule;

/// What the cluster knows, and of nodes that are gone what was known.
pub(super) struct Remembered<'a> {
    pub(super) now: &'a dyn Facts,
    pub(super) before: &'a BTreeMap<String, KnownNode>,
}

impl Facts for Remembered<'_> {
    fn schedule(&self, namespace: &str, name: &str) -> Option<Schedule> {
        self.now.schedule(namespace, name)
    }

    fn original_schedule(&self, namespace: &str, name: &str) -> Option<Schedule> {
        self.now.original_schedule(namespace, name)
    }

    fn allocatable_millicores(&self, node: &str) -> Option<u32> {
        let before = || self.before.get(node)?.millicores;
        self.now.allocatable_millicores(node).or_else(before)
    }

    fn allocatable_bytes(&self, node: &str) -> Option<u64> {
        let before = || self.before.get(node)?.memory_bytes;
        self.now.allocatable_bytes(node).or_else(before)
    }

    fn nodes(&self) -> Vec<consolidate::Node> {
        self.now.nodes()
    }

    fn load(&self) -> Vec<consolidate::Pod> {
        self.now.load()
    }
}

/// The region of each node, of those that are gone as it was last; a region
/// that the table no longer has is none.
pub(super) fn regions(
    now: BTreeMap<String, &'static Region>,
    before: &BTreeMap<String, KnownNode>,
) -> BTreeMap<String, &'static Region> {
    let Ok(known) = places::regions() else {
        return now;
    };
    let gone = before.iter().filter_map(|(node, was)| {
        let (provider, region) = was.region.as_ref()?;
        Some((node.clone(), known.get(region, Some(provider))?))
    });
    gone.chain(now).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_gone_is_where_it_was_and_one_that_is_there_where_it_is() {
        let known = places::regions().unwrap();
        let region = |name: &str| known.get(name, Some("aws")).unwrap();
        let was = |name: &str| KnownNode {
            region: Some(("aws".to_owned(), name.to_owned())),
            ..KnownNode::default()
        };
        let before = BTreeMap::from([
            ("gone".to_owned(), was("eu-north-1")),
            ("here".to_owned(), was("eu-central-1")),
            ("odd".to_owned(), was("moon-base-1")),
        ]);
        let now = BTreeMap::from([("here".to_owned(), region("ap-northeast-2"))]);
        let found: Vec<_> = regions(now, &before)
            .into_iter()
            .map(|(node, region)| (node, region.region.as_str()))
            .collect();
        let wanted = [("gone", "eu-north-1"), ("here", "ap-northeast-2")];
        assert_eq!(
            found,
            wanted.map(|(node, region)| (node.to_owned(), region))
        );
    }
}
