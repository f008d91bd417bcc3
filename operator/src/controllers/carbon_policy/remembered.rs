//! The cluster with the nodes that it no longer has, as the ledger knew them, and
//! where nodes were before; pure.

use std::collections::BTreeMap;

use tanso_carbon::calendar::UtcHour;
use tanso_carbon::recommend::consolidate;
use tanso_carbon::regions::Region;
use tanso_intensity::places;

use super::judge::Facts;
use super::validate::Observed;
use crate::ledger::{KnownNode, Stay};
use crate::owners::Schedule;

/// What the ledger knows of nodes, also of those that are gone.
pub(super) struct Known {
    nodes: BTreeMap<String, KnownNode>,
    stays: BTreeMap<String, Vec<Stay>>,
    /// What a node had to give before an hour, where that was something else.
    sizes: BTreeMap<String, Vec<(UtcHour, u32)>>,
}

impl Known {
    pub(super) fn new(
        nodes: BTreeMap<String, KnownNode>,
        stays: BTreeMap<String, Vec<Stay>>,
    ) -> Self {
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
            let region = |stay: &Stay| {
                let (provider, region) = stay.region.as_ref()?;
                regions.get(region, Some(provider))
            };
            let mut places: Vec<_> = stays
                .iter()
                .map(|stay| (stay.since, region(stay)))
                .collect();
            let here = observed.node_regions.remove(node);
            let is_there = here.is_some() || observed.unplaced.contains_key(node);
            if let Some(here) = here {
                say_now(&mut places, here, now);
            }
            // What the cluster says of a node that is there, it says itself.
            if !is_there
                && let Some(Stay {
                    region: Some((_, label)),
                    ..
                }) = stays.last()
                && places.last().is_some_and(|(_, region)| region.is_none())
            {
                observed.unplaced.insert(node.clone(), label.clone());
            }
            // A stay of another size is none of another place.
            places.dedup_by_key(|(_, region)| *region);
            let is_first = stays.first().is_some_and(Stay::is_first);
            let later = places.split_off(usize::from(is_first));
            if let Some((_, Some(first))) = places.first() {
                observed.node_regions.insert(node.clone(), *first);
            }
            if !later.is_empty() {
                observed.moved.insert(node.clone(), later);
            }
        }
    }
}

/// What the cluster says goes before what the ledger knew last: until that is
/// written, it is so from this hour on; where nothing was known, all the time.
fn say_now(
    places: &mut Vec<(UtcHour, Option<&'static Region>)>,
    here: &'static Region,
    now: UtcHour,
) {
    match places.last().copied() {
        Some((_, Some(last))) if last == here => {}
        Some((since, Some(_))) if since < now => places.push((now, Some(here))),
        Some((since, _)) => {
            places.pop();
            places.push((since, Some(here)));
        }
        None => {}
    }
}

/// What a node had to give until an hour, of all but its last stay.
fn earlier_sizes(stays: &[Stay]) -> Vec<(UtcHour, u32)> {
    let mut sizes: Vec<(UtcHour, u32)> = Vec::new();
    for two in stays.windows(2) {
        let [stay, next] = two else {
            continue;
        };
        let Some(size) = stay.millicores else {
            continue;
        };
        match sizes.last_mut() {
            Some((until, same)) if *same == size => *until = next.since,
            _ => sizes.push((next.since, size)),
        }
    }
    let last = stays.last().and_then(|stay| stay.millicores);
    // One that only moved has the size that it had.
    if sizes.last().map(|(_, size)| *size) == last {
        sizes.pop();
    }
    sizes
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
    use super::*;

    fn stay(since: i64, region: Option<&str>, millicores: u32) -> Stay {
        Stay {
            since: UtcHour::from_unix_seconds(since * 3_600),
            region: region.map(|region| ("aws".to_owned(), region.to_owned())),
            millicores: Some(millicores),
        }
    }

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

    #[test]
    fn only_sizes_of_before_that_differ_are_kept_apart() {
        let at = |hour: i64| UtcHour::from_unix_seconds(hour * 3_600);
        let moved = [stay(0, Some("a"), 4_000), stay(7, Some("b"), 4_000)];
        assert!(earlier_sizes(&moved).is_empty());
        let mut resized = moved.to_vec();
        resized.extend([stay(9, Some("b"), 8_000), stay(12, Some("a"), 8_000)]);
        assert_eq!(earlier_sizes(&resized), [(at(9), 4_000)]);
    }
}
