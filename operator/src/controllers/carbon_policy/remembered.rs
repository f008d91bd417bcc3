//! The cluster with the nodes that it no longer has, as the ledger knew them, and
//! where nodes were before; pure.

use std::collections::BTreeMap;

use tanso_carbon::calendar::UtcHour;
use tanso_carbon::recommend::consolidate;
use tanso_carbon::stays::{Stays, earlier_sizes, regions_over, unlisted};
use tanso_intensity::places;

use super::judge::Facts;
use super::validate::Observed;
use crate::ledger::KnownNode;
use crate::owners::Schedule;

/// What the ledger knows of nodes, also of those that are gone.
pub(super) struct Known {
    nodes: BTreeMap<String, KnownNode>,
    stays: Stays,
    /// What a node had to give before an hour, where that was something else.
    sizes: BTreeMap<String, Vec<(UtcHour, u32)>>,
}

impl Known {
    pub(super) fn new(nodes: BTreeMap<String, KnownNode>, stays: Stays) -> Self {
        let sizes = stays
            .iter()
            .map(|(node, stays)| (node.clone(), earlier_sizes(stays)))
            .filter(|(_, sizes)| !sizes.is_empty());
        Self {
            sizes: sizes.collect(),
            nodes,
            stays,
        }
    }

    /// Puts nodes where they are by the hour. The cluster says where one is now,
    /// and the ledger where it was before, also of one that is gone; a region
    /// that the table no longer has is none.
    pub(super) fn place(&self, observed: &mut Observed, now: UtcHour) {
        let Ok(regions) = places::regions() else {
            return;
        };
        for (node, stays) in &self.stays {
            let here = observed.node_regions.remove(node);
            let is_there = here.is_some() || observed.unplaced.contains_key(node);
            // What the cluster says of a node that is there, it says itself.
            if !is_there && let Some(label) = unlisted(stays, regions) {
                observed.unplaced.insert(node.clone(), label.to_owned());
            }
            let over = regions_over(stays, here, now, regions);
            if let Some(first) = over.first {
                observed.node_regions.insert(node.clone(), first);
            }
            if !over.later.is_empty() {
                observed.moved.insert(node.clone(), over.later);
            }
        }
    }
}

/// What the cluster knows, and of nodes that are gone what was known.
pub(super) struct Remembered<'a> {
    pub(super) now: &'a dyn Facts,
    pub(super) before: &'a Known,
}

impl Facts for Remembered<'_> {
    fn schedule(&self, namespace: &str, name: &str) -> Option<Schedule> {
        self.now.schedule(namespace, name)
    }

    fn original_schedule(&self, namespace: &str, name: &str) -> Option<Schedule> {
        self.now.original_schedule(namespace, name)
    }

    fn allocatable_millicores(&self, node: &str) -> Option<u32> {
        let before = || self.before.nodes.get(node)?.millicores;
        self.now.allocatable_millicores(node).or_else(before)
    }

    fn earlier_millicores(&self, node: &str) -> &[(UtcHour, u32)] {
        self.before.sizes.get(node).map_or(&[], Vec::as_slice)
    }

    fn allocatable_bytes(&self, node: &str) -> Option<u64> {
        let before = || self.before.nodes.get(node)?.memory_bytes;
        self.now.allocatable_bytes(node).or_else(before)
    }

    fn nodes(&self) -> Vec<consolidate::Node> {
        self.now.nodes()
    }

    fn load(&self) -> Vec<consolidate::Pod> {
        self.now.load()
    }
}

#[cfg(test)]
mod tests {
    use tanso_carbon::stays::Stay;

    use super::super::fixture::stay;
    use super::*;

    /// Energy of a node that is gone was priced at the site without a note.
    #[test]
    fn a_node_that_is_gone_from_a_region_that_the_table_has_not_is_named() {
        let mut observed = Observed {
            unplaced: [("here".to_owned(), "cellar".to_owned())].into(),
            ..Observed::default()
        };
        let stays = [
            ("gone", vec![stay(0, Some("moon-base-1"), 1)]),
            ("here", vec![stay(0, Some("attic"), 1)]),
            (
                "back",
                vec![
                    stay(0, Some("moon-base-1"), 1),
                    stay(9, Some("eu-north-1"), 1),
                ],
            ),
            ("mute", vec![stay(0, None, 1)]),
        ];
        let stays = stays.map(|(node, stays)| (node.to_owned(), stays));
        let known = Known::new(BTreeMap::new(), stays.into());
        known.place(&mut observed, UtcHour::from_unix_seconds(500_000 * 3_600));
        let named: Vec<_> = observed.unplaced.iter().collect();
        let pair = |node: &str, region: &str| (node.to_owned(), region.to_owned());
        let wanted = [pair("gone", "moon-base-1"), pair("here", "cellar")];
        assert_eq!(
            named,
            wanted.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>()
        );
    }

    fn placed<const N: usize>(
        now: &[(&str, &str)],
        stays: [(&str, Vec<Stay>); N],
    ) -> (Vec<String>, Vec<String>) {
        let regions = places::regions().unwrap();
        let region = |name: &str| regions.get(name, Some("aws")).unwrap();
        let mut observed = Observed {
            node_regions: now
                .iter()
                .map(|(node, name)| ((*node).to_owned(), region(name)))
                .collect(),
            ..Observed::default()
        };
        let stays = stays.map(|(node, stays)| (node.to_owned(), stays));
        let known = Known::new(BTreeMap::new(), stays.into());
        known.place(&mut observed, UtcHour::from_unix_seconds(500_000 * 3_600));
        let first = observed.node_regions.iter();
        let first = first.map(|(node, region)| format!("{node} {}", region.region));
        let later = observed.moved.iter().flat_map(|(node, later)| {
            later.iter().map(move |(since, region)| {
                let region = region.map_or("nowhere", |region| region.region.as_str());
                format!("{node} {region} {}", since.unix_seconds() / 3_600)
            })
        });
        (first.collect(), later.collect())
    }

    #[test]
    fn a_node_that_is_gone_is_where_it_was_and_one_that_is_there_where_it_is() {
        let (first, later) = placed(
            &[("here", "ap-northeast-2"), ("new", "eu-west-1")],
            [
                ("gone", vec![stay(0, Some("eu-north-1"), 1)]),
                ("here", vec![stay(0, Some("ap-northeast-2"), 1)]),
                ("odd", vec![stay(0, Some("moon-base-1"), 1)]),
            ],
        );
        let wanted = ["gone eu-north-1", "here ap-northeast-2", "new eu-west-1"];
        assert_eq!(first, wanted);
        assert_eq!(later, Vec::<String>::new());
    }

    /// Its past was priced where its name came again.
    #[test]
    fn a_name_that_came_again_is_in_each_hour_where_it_was_then() {
        let moved = vec![
            stay(0, Some("eu-north-1"), 4_000),
            stay(490_000, Some("eu-north-1"), 8_000),
            stay(499_990, Some("moon-base-1"), 8_000),
            stay(499_995, Some("eu-central-1"), 8_000),
        ];
        let (first, later) = placed(
            &[("n1", "eu-central-1"), ("n2", "eu-west-1")],
            [
                ("n1", moved),
                // What the cluster says is not written yet.
                ("n2", vec![stay(0, Some("eu-north-1"), 1)]),
                // Nothing is kept of what was before.
                ("n3", vec![stay(499_000, Some("eu-north-1"), 1)]),
                (
                    "n4",
                    vec![stay(0, None, 1), stay(499_001, Some("eu-north-1"), 1)],
                ),
            ],
        );
        assert_eq!(first, ["n1 eu-north-1", "n2 eu-north-1"]);
        let wanted = [
            "n1 nowhere 499990",
            "n1 eu-central-1 499995",
            "n2 eu-west-1 500000",
            "n3 eu-north-1 499000",
            "n4 eu-north-1 499001",
        ];
        assert_eq!(later, wanted);
    }
}
