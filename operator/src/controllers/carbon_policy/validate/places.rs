//! Where energy is used: the policy's site, and the regions of nodes; and
//! where it could be used instead; pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use tanso_carbon::FacilityPue;
use tanso_carbon::account::{Metering, Place};
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::regions::Region;
use tanso_carbon::report::Digest;
use tanso_carbon::series::{HourlyIntensity, Point, SeriesInfo};
use tanso_crds::carbon_policy::{CarbonPolicySpec, Placement, PueSpec, RegionSpec};
use tanso_crds::condition::reasons;
use tanso_intensity::bundled::Bundled;
use tanso_intensity::{IntensityProvider as _, Loaded, places};

use super::{Observed, PolicyFault, Sources};
use crate::ledger::PlaceNumbers;

/// A region with its grid and its facility.
#[derive(Clone)]
pub struct PlaceOf {
    /// The region's name.
    pub region: String,
    /// Its country, two letters.
    pub country: String,
    /// How far it is from its users, milliseconds.
    pub latency_ms: Option<u32>,
    /// Its grid.
    pub intensity: Loaded,
    /// Its facility's PUE.
    pub pue: Option<FacilityPue>,
}

impl PlaceOf {
    fn of(region: &Region, intensity: Loaded) -> Self {
        Self {
            region: region.region.clone(),
            country: region.country.clone(),
            latency_ms: None,
            intensity,
            pue: region.pue.clone(),
        }
    }

    /// As the engine takes it.
    #[must_use]
    pub fn place(&self, metering: Metering) -> Place<'_> {
        Place {
            metering,
            ..Place::new(&*self.intensity.series, self.pue.as_ref())
        }
    }
}

/// Regions of nodes beside the site, and the numbers of each node's places; the
/// site's own number is 0.
#[derive(Clone, Default)]
pub struct Others {
    /// The regions; the first has the number 1.
    pub places: Vec<PlaceOf>,
    /// Numbers by node, of all hours or of those before it moved; nodes that are not here are at the site.
    pub of_node: BTreeMap<String, usize>,
    /// Numbers of nodes that moved, each from an hour on, in the order of hours.
    pub moved: BTreeMap<String, Vec<(UtcHour, usize)>>,
    /// Whether the policy asks where nodes are.
    pub by_node: bool,
    /// Nodes that count as at the site although they say that they are elsewhere, with the region that they name.
    pub at_site: BTreeMap<String, String>,
}

impl Others {
    /// The numbers of a node's places over time.
    pub(super) fn numbers_of(&self, node: &str) -> PlaceNumbers {
        PlaceNumbers {
            first: self.of_node.get(node).copied().unwrap_or(0),
            later: self.moved.get(node).cloned().unwrap_or_default(),
        }
    }

    /// The number of the place where a node was in an hour.
    pub(super) fn number_of(&self, node: &str, hour: UtcHour) -> usize {
        let later = self.moved.get(node).into_iter().flatten().rev();
        let mut of_then = later.filter(|(since, _)| *since <= hour);
        let of_then = of_then.next().map(|(_, number)| *number);
        of_then.unwrap_or_else(|| self.of_node.get(node).copied().unwrap_or(0))
    }
}

/// The regions that nodes are in and were in, if the policy asks for them.
pub(in super::super) fn others(
    spec: &CarbonPolicySpec,
    sources: &Sources<'_>,
    site: &Loaded,
    pue: Option<&FacilityPue>,
    notes: &mut Vec<String>,
) -> Result<Others, PolicyFault> {
    let mut others = Others::default();
    if spec.site.placement == Placement::Site {
        return Ok(others);
    }
    if spec.accounting.market.is_some() {
        return Err(PolicyFault::spec(
            "spec.site.placement",
            "NodeRegion with accounting.market: contracts are of one market; accepted is Site, or a policy per market",
        ));
    }
    others.by_node = true;
    others.at_site.clone_from(&sources.observed.unplaced);
    let by = By {
        spec,
        sources,
        site,
        pue,
    };
    for (node, region) in &sources.observed.node_regions {
        let number = by.number_of(region, &mut others.places, notes)?;
        if number == AT_SITE {
            let (name, zone) = (&region.region, &region.grid_zone);
            let named = format!("{name}, whose grid zone {zone} has no figures");
            others.at_site.insert(node.clone(), named);
        } else {
            others.of_node.insert(node.clone(), number);
        }
    }
    for (node, later) in &sources.observed.moved {
        let mut numbers = Vec::with_capacity(later.len());
        for (since, region) in later {
            let number = match region {
                Some(region) => by.number_of(region, &mut others.places, notes)?,
                None => AT_SITE,
            };
            numbers.push((*since, number));
        }
        others.moved.insert(node.clone(), numbers);
    }
    Ok(others)
}

/// The number of the policy's own place.
const AT_SITE: usize = 0;

/// What a region's figures are found by.
struct By<'a> {
    spec: &'a CarbonPolicySpec,
    sources: &'a Sources<'a>,
    site: &'a Loaded,
    pue: Option<&'a FacilityPue>,
}

impl By<'_> {
    /// The number of a region's place, which is added where it is a new one. A
    /// region of the site's own grid zone takes the site's figures, and its PUE
    /// where one is given; one of a zone without figures is at the site.
    fn number_of(
        &self,
        region: &Region,
        places: &mut Vec<PlaceOf>,
        notes: &mut Vec<String>,
    ) -> Result<usize, PolicyFault> {
        let known = places.iter().zip(1..);
        let mut known = known.filter(|(one, _)| one.region == region.region);
        if let Some((_, number)) = known.next() {
            return Ok(number);
        }
        let is_here = region.grid_zone == self.spec.site.zone;
        let intensity = if is_here {
            self.site.clone()
        } else {
            match grid(self.spec, self.sources, &region.grid_zone) {
                Ok(found) if alike(&*found.series, &*self.site.series) => found,
                Ok(found) => unpriced(region, self.site, &found, notes),
                Err(fault) if fault.path == ZONE_TABLES => return Err(fault),
                Err(_) => return Ok(AT_SITE),
            }
        };
        let mut place = PlaceOf::of(region, intensity);
        if is_here && self.pue.is_some() {
            place.pue = self.pue.cloned();
        }
        places.push(place);
        Ok(places.len())
    }
}

/// Where tables of other zones are named.
const ZONE_TABLES: &str = "spec.intensity.zoneTables";

/// The figures of another zone than the site's: by the policy's own table of
/// it, else by the bundled one.
fn grid(spec: &CarbonPolicySpec, sources: &Sources<'_>, zone: &str) -> Result<Loaded, PolicyFault> {
    let mut named = spec.intensity.zone_tables.iter();
    let Some(named) = named.find(|named| named.zone == zone) else {
        let found = Bundled.load(zone, sources.year);
        return found.map_err(|fault| PolicyFault::input(REGIONS, fault.to_string()));
    };
    let missing = |message: &str| PolicyFault {
        reason: reasons::NOT_FOUND,
        path: ZONE_TABLES,
        message: format!("zone {zone}: {message}"),
    };
    let table = match sources.observed.zone_tables.get(zone) {
        Some(Ok(table)) => table,
        Some(Err(why)) => return Err(missing(why)),
        None => return Err(missing("its table was not read")),
    };
    let year = named.data_year.and_then(|year| i16::try_from(year).ok());
    let found = table.load_of(zone, super::intensity::boundary(named.boundary), year);
    found.map_err(|fault| PolicyFault::input(ZONE_TABLES, fault.to_string()))
}

/// All tables of other zones, also those that no node is in yet: a broken one
/// is told before it is needed.
pub(super) fn zone_tables(
    spec: &CarbonPolicySpec,
    sources: &Sources<'_>,
) -> Result<(), Vec<PolicyFault>> {
    let mut faults = Vec::new();
    for named in &spec.intensity.zone_tables {
        if named.zone == spec.site.zone {
            faults.push(PolicyFault::spec(
                ZONE_TABLES,
                format!(
                    "zone {} is the policy's own: accepted are other zones; its own table is spec.intensity.table",
                    named.zone
                ),
            ));
        } else if let Err(fault) = grid(spec, sources, &named.zone) {
            faults.push(fault);
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

/// Whether two series count the same emissions: only then may what was priced
/// with them be added up or compared.
#[must_use]
pub fn alike(one: &dyn HourlyIntensity, other: &dyn HourlyIntensity) -> bool {
    let kind = |info: &SeriesInfo| (info.method, info.boundary, info.basis);
    kind(one.info()) == kind(other.info())
}

/// A grid of which only figures of another kind are known.
struct Unlike(SeriesInfo);

impl HourlyIntensity for Unlike {
    fn info(&self) -> &SeriesInfo {
        &self.0
    }

    fn at(&self, _: UtcHour) -> Option<Point> {
        None
    }
}

/// A region whose figures would not add up with the site's: what is used there
/// has no price, and so no verdict, rather than a wrong one.
fn unpriced(region: &Region, site: &Loaded, found: &Loaded, notes: &mut Vec<String>) -> Loaded {
    let (here, there) = (site.series.info(), found.series.info());
    notes.push(format!(
        "nodes in {} are not priced: the figures of {} are {}, the site's {}",
        region.region, region.grid_zone, there.boundary, here.boundary
    ));
    let info = SeriesInfo {
        zone: region.grid_zone.clone(),
        source: format!("none that is {}", here.boundary),
        data_year: None,
        licence: String::new(),
        ..here.clone()
    };
    Loaded {
        filled_by: "nothing: no figures of this kind are known".to_owned(),
        digest: Digest::of_text(&info.to_string()),
        series: Arc::new(Unlike(info)),
        freshness: site.freshness.clone(),
        past: tanso_intensity::Past::default(),
    }
}

/// Where the regions that workloads may move to are named.
const REGIONS: &str = "spec.recommendations.regions";

/// The regions that workloads may move to.
pub(super) fn targets(
    spec: &CarbonPolicySpec,
    sources: &Sources<'_>,
) -> Result<Vec<PlaceOf>, Vec<PolicyFault>> {
    let mut targets = Vec::new();
    let mut faults = Vec::new();
    for wanted in &spec.recommendations.regions {
        match target(spec, sources, wanted) {
            Ok(place) => targets.push(place),
            // Tables are told broken once, where they are named.
            Err(fault) if fault.path == ZONE_TABLES => {}
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() {
        Ok(targets)
    } else {
        Err(faults)
    }
}

fn target(
    spec: &CarbonPolicySpec,
    sources: &Sources<'_>,
    wanted: &RegionSpec,
) -> Result<PlaceOf, PolicyFault> {
    let input = |message| PolicyFault::input(REGIONS, message);
    let regions = places::regions().map_err(|faults| input(faults.to_string()))?;
    let region = regions.get(&wanted.name, None).ok_or_else(|| {
        let known = regions.iter().count();
        input(format!(
            "unknown region \"{}\"; accepted are the {known} of the table of regions, such as eu-north-1 (kubectl tanso regions)",
            wanted.name
        ))
    })?;
    let intensity = grid(spec, sources, &region.grid_zone)?;
    Ok(PlaceOf {
        latency_ms: wanted.latency_ms.and_then(|ms| u32::try_from(ms).ok()),
        ..PlaceOf::of(region, intensity)
    })
}

/// The facility's PUE, of its meters where they answer.
pub(super) fn pue(
    spec: &PueSpec,
    observed: &Observed,
    notes: &mut Vec<String>,
) -> Result<FacilityPue, PolicyFault> {
    const PATH: &str = "spec.site.pue.value";
    tanso_faces::pue::stated(spec, observed.pue.as_ref(), notes)
        .map_err(|fault| PolicyFault::spec(PATH, fault.to_string()))
}
