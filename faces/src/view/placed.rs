//! Where nodes are and were, and which places a policy's energy is used at;
//! pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Node;
use tanso_carbon::FacilityPue;
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::regions::Region;
use tanso_carbon::stays::{PlaceNumbers, RegionsOver, Stay, Stays, regions_over};
use tanso_crds::carbon_policy as crd;
use tanso_crds::carbon_policy::CarbonPolicySpec;
use tanso_intensity::Loaded;
use tanso_intensity::places::{self, region_of, unplaced_region};

use super::FactsFault;
use super::site::{PlaceAt, region_of_grids};
use crate::answer::places::at_site;

/// The number of the policy's own place.
const AT_SITE: usize = 0;

/// The nodes of a cluster, and what the ledger knows of them and of those that
/// are gone.
#[derive(Clone, Copy)]
pub(super) struct Nodes<'a> {
    /// Those that there are.
    pub(super) now: &'a [Node],
    /// Where they all were, or why nobody says it.
    pub(super) before: Result<&'a Stays, &'a FactsFault>,
    /// The hour of now.
    pub(super) hour: UtcHour,
}

impl<'a> Nodes<'a> {
    /// The stays of a node in their order; nothing where none is known.
    fn stays(self, node: &str) -> &'a [Stay] {
        let known = self.before.ok().and_then(|stays| stays.get(node));
        known.map_or(&[], Vec::as_slice)
    }

    /// All of which stays are known.
    pub(super) fn known(self) -> impl Iterator<Item = (&'a String, &'a Vec<Stay>)> {
        self.before.ok().into_iter().flatten()
    }

    /// Why only the nodes of now are known, in words, if it is so.
    pub(super) fn without_past(self) -> Option<String> {
        let fault = self.before.err()?;
        Some(format!(
            "each node is taken where it is now and as large as it is now, and what one that is gone used as used at the policy's site: {fault}"
        ))
    }

    /// The regions of each node over time, by its name.
    fn regions(self) -> BTreeMap<&'a str, RegionsOver<'static>> {
        let Ok(table) = places::regions() else {
            return BTreeMap::new();
        };
        let here = self.now.iter().filter_map(|node| {
            let labels = node.metadata.labels.as_ref()?;
            let spec = node.spec.as_ref();
            let region = region_of(labels, spec.and_then(|spec| spec.provider_id.as_deref()))?;
            Some((node.metadata.name.as_deref()?, region))
        });
        let here: BTreeMap<&str, &'static Region> = here.collect();
        let mut names: BTreeSet<&'a str> = here.keys().copied().collect();
        names.extend(self.known().map(|(name, _)| name.as_str()));
        let over = |name: &'a str| {
            let here = here.get(name).copied();
            (name, regions_over(self.stays(name), here, self.hour, table))
        };
        names.into_iter().map(over).collect()
    }
}

/// What the places of regions are found by.
#[derive(Clone, Copy)]
pub(super) struct By<'a> {
    pub(super) spec: &'a CarbonPolicySpec,
    /// The site's own grid, and those of other zones by the policy's tables.
    pub(super) site: &'a Loaded,
    pub(super) grids: &'a BTreeMap<String, Loaded>,
    /// The site's PUE.
    pub(super) pue: Option<&'a FacilityPue>,
    pub(super) year: i16,
}

impl By<'_> {
    /// The number of a region's place, which is added where it is a new one. A
    /// region of the site's own grid zone takes the site's figures, and its PUE
    /// where one is given; one of a zone without figures is at the site.
    fn number_of(self, region: &Region, places: &mut Vec<PlaceAt>) -> usize {
        let known = places.iter().zip(1..);
        let mut known = known.filter(|(one, _)| one.region == region.region);
        if let Some((_, number)) = known.next() {
            return number;
        }
        let is_here = region.grid_zone == self.spec.site.zone;
        let mut place = if is_here {
            PlaceAt::with(region, self.site.clone())
        } else {
            match region_of_grids(self.grids, region, self.year) {
                Ok(found) => found.priced_like(self.site),
                Err(_) => return AT_SITE,
            }
        };
        if is_here && self.pue.is_some() {
            place.pue = self.pue.cloned();
        }
        places.push(place);
        places.len()
    }
}

/// The regions that nodes are in and were in, if the policy asks for them, and
/// the numbers of each node's places; nodes without are at the site.
pub(super) fn others(
    by: By<'_>,
    nodes: Nodes<'_>,
) -> (Vec<PlaceAt>, BTreeMap<String, PlaceNumbers>) {
    let (mut places, mut of_node) = (Vec::new(), BTreeMap::new());
    if by.spec.site.placement == crd::Placement::Site {
        return (places, of_node);
    }
    for (node, over) in nodes.regions() {
        let mut number = |region: Option<&Region>| {
            region.map_or(AT_SITE, |region| by.number_of(region, &mut places))
        };
        let first = number(over.first);
        let later = over.later.iter();
        let later = later.map(|(since, region)| (*since, number(*region)));
        let numbers = PlaceNumbers {
            first,
            later: later.collect(),
        };
        if numbers != PlaceNumbers::default() {
            of_node.insert(node.to_owned(), numbers);
        }
    }
    (places, of_node)
}

/// That nodes name regions that the table has not, and count as at the site.
pub(super) fn unplaced(spec: &CarbonPolicySpec, nodes: &[Node]) -> Option<String> {
    if spec.site.placement == crd::Placement::Site {
        return None;
    }
    let named = nodes.iter().filter_map(|node| {
        let labels = node.metadata.labels.as_ref()?;
        let spec = node.spec.as_ref();
        unplaced_region(labels, spec.and_then(|spec| spec.provider_id.as_deref()))
    });
    let named: Vec<&str> = named.collect();
    let regions = named.iter().copied().collect();
    (!named.is_empty()).then(|| at_site(named.len(), &regions, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, region: &str) -> Node {
        let node = serde_json::json!({
            "metadata": {"name": name, "labels": {(places::REGION_LABEL): region}},
            "spec": {"providerID": "aws:///a/i-1"},
        });
        serde_json::from_value(node).unwrap()
    }

    fn at(hour: i64) -> UtcHour {
        UtcHour::from_unix_seconds(hour * 3_600)
    }

    fn stay(since: i64, region: &str) -> Stay {
        Stay {
            since: at(since),
            region: Some(("aws".to_owned(), region.to_owned())),
            millicores: None,
        }
    }

    fn name(region: Option<&Region>) -> &str {
        region.map_or("-", |one| one.region.as_str())
    }

    #[test]
    fn nodes_are_in_each_hour_where_they_were_and_without_a_ledger_where_they_are() {
        let here = [node("here", "ap-northeast-2"), node("new", "eu-west-1")];
        let stays = Stays::from([
            ("gone".to_owned(), vec![stay(0, "eu-north-1")]),
            (
                "here".to_owned(),
                vec![stay(0, "eu-north-1"), stay(500_000, "ap-northeast-2")],
            ),
        ]);
        let told = |before| {
            let nodes = Nodes {
                now: &here,
                before,
                hour: at(500_009),
            };
            let regions = nodes.regions();
            let lines = regions.iter().map(|(node, over)| {
                let later = over.later.iter();
                let later: Vec<_> = later.map(|(_, region)| name(*region)).collect();
                format!("{node} {} {}", name(over.first), later.join(" "))
            });
            (lines.collect::<Vec<_>>(), nodes.without_past())
        };
        let (lines, why) = told(Ok(&stays));
        let wanted = [
            "gone eu-north-1 ",
            "here eu-north-1 ap-northeast-2",
            "new eu-west-1 ",
        ];
        assert_eq!(lines, wanted);
        assert_eq!(why, None);
        let fault = FactsFault::Absent {
            what: "where nodes were",
            reason: "it is older".to_owned(),
        };
        let (lines, why) = told(Err(&fault));
        assert_eq!(lines, ["here ap-northeast-2 ", "new eu-west-1 "]);
        let why = why.unwrap();
        assert!(
            why.ends_with("where nodes were cannot be read here: it is older"),
            "{why}"
        );
    }
}
