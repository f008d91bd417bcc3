//! A policy's spec and what it names become its grid, its facility and its
//! places, as the operator makes them; pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tanso_carbon::account::{Metering, Place};
use tanso_carbon::calendar;
use tanso_carbon::regions::Region;
use tanso_carbon::series::{Point, SeriesInfo};
use tanso_carbon::stays::PlaceNumbers;
use tanso_carbon::{FacilityPue, HourlyIntensity, UtcHour};
use tanso_crds::carbon_policy as crd;
use tanso_crds::carbon_policy::{CarbonPolicySpec, IntensityProvider, IntensityProviderKind};
use tanso_intensity::bundled::Bundled;
use tanso_intensity::layers::{Layer, over_each_other};
use tanso_intensity::static_value::StaticValue;
use tanso_intensity::table::Table;
use tanso_intensity::{IntensityProvider as _, Loaded, ProviderFault};

use super::beside::{Beside, beside};
use super::books::Services;
use super::placed::{self, By, Nodes};
use super::stated::{boundary, metering};
use super::{FactsFault, Policy};
use crate::pue::stated;

/// Where a policy's energy is used.
#[derive(Clone)]
pub struct Site {
    /// The grid zone.
    pub zone: String,
    /// The time zone of local days.
    pub time_zone: TimeZone,
    /// The facility's PUE.
    pub pue: Option<FacilityPue>,
    /// Where energy is metered.
    pub metering: Metering,
    /// The grid.
    pub intensity: Loaded,
    /// Grids of other zones by the policy's own tables.
    pub grids: BTreeMap<String, Loaded>,
    /// Regions of nodes that are or were not at the site; the first has the number 1.
    pub others: Vec<PlaceAt>,
    /// Numbers of places by node and hour; nodes that are not here are at the site.
    pub of_node: BTreeMap<String, PlaceNumbers>,
    /// What stands beside the location-based sum.
    pub beside: Beside,
    /// What could not be asked, in words.
    pub notes: Vec<String>,
    /// Why nodes are taken as they are now in all hours, if the ledger does not tell
    /// where they were; one of the notes.
    pub without_past: Option<String>,
    /// Whether a source of intensity or the facility's meters did not answer: asked
    /// again, the site may be another.
    pub is_partial: bool,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Site");
        shown.field("zone", &self.zone).field("pue", &self.pue);
        shown.field("notes", &self.notes).finish_non_exhaustive()
    }
}

/// A region with its grid and its facility.
#[derive(Clone)]
pub struct PlaceAt {
    /// The region's name.
    pub region: String,
    /// Its country, two letters.
    pub country: String,
    /// Its grid.
    pub intensity: Loaded,
    /// Its facility's PUE.
    pub pue: Option<FacilityPue>,
}

impl PlaceAt {
    /// A region of the bundled table with the figures of its zone.
    ///
    /// # Errors
    /// If its zone has no figures.
    pub fn of(region: &Region, year: i16) -> Result<Self, ProviderFault> {
        Ok(Self::with(region, Bundled.load(&region.grid_zone, year)?))
    }

    pub(super) fn with(region: &Region, intensity: Loaded) -> Self {
        Self {
            region: region.region.clone(),
            country: region.country.clone(),
            intensity,
            pue: region.pue.clone(),
        }
    }

    /// The place with its grid, or with none where only figures of another
    /// kind are known: they would not add up with the site's.
    pub(super) fn priced_like(mut self, site: &Loaded) -> Self {
        let (there, here) = (self.intensity.series.info(), site.series.info());
        let kind = |info: &SeriesInfo| (info.method, info.boundary, info.basis);
        if kind(there) != kind(here) {
            let info = SeriesInfo {
                zone: there.zone.clone(),
                source: format!("none that is {}", here.boundary),
                ..here.clone()
            };
            "nothing: no figures of this kind are known".clone_into(&mut self.intensity.filled_by);
            self.intensity.series = Arc::new(Unlike(info));
        }
        self
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

impl Site {
    /// The site, and the regions of nodes after it.
    #[must_use]
    pub fn places(&self) -> Vec<Place<'_>> {
        let site = Place {
            metering: self.metering,
            ..Place::new(&*self.intensity.series, self.pue.as_ref())
        };
        let others = self.others.iter().map(|other| other.place(self.metering));
        std::iter::once(site).chain(others).collect()
    }

    /// A region with its grid: by the policy's own table of its zone, else by
    /// the bundled one.
    ///
    /// # Errors
    /// If its zone has no figures.
    pub fn region(&self, region: &Region, year: i16) -> Result<PlaceAt, ProviderFault> {
        region_of_grids(&self.grids, region, year)
    }

    /// The region of such a number; `None` of the site's own.
    #[must_use]
    pub fn other(&self, number: usize) -> Option<&PlaceAt> {
        self.others.get(number.checked_sub(1)?)
    }

    /// The number of the place where a node was in an hour.
    #[must_use]
    pub fn place_of(&self, node: &str, hour: UtcHour) -> usize {
        let numbers = self.of_node.get(node);
        numbers.map_or(0, |numbers| numbers.at(hour))
    }
}

pub(super) fn region_of_grids(
    grids: &BTreeMap<String, Loaded>,
    region: &Region,
    year: i16,
) -> Result<PlaceAt, ProviderFault> {
    match grids.get(&region.grid_zone) {
        Some(grid) => Ok(PlaceAt::with(region, grid.clone())),
        None => PlaceAt::of(region, year),
    }
}

/// The policy's own tables of other zones than its own.
fn grids(
    spec: &CarbonPolicySpec,
    tables: &ZoneTables,
) -> Result<BTreeMap<String, Loaded>, ProviderFault> {
    let mut grids = BTreeMap::new();
    for named in &spec.intensity.zone_tables {
        let table = match tables.get(&named.zone) {
            Some(Ok(table)) => table,
            Some(Err(why)) => return Err(missing(&named.zone, why)),
            None => return Err(missing(&named.zone, "its table was not read")),
        };
        let year = named.data_year.and_then(|year| i16::try_from(year).ok());
        let loaded = table.load_of(&named.zone, boundary(named.boundary), year)?;
        grids.insert(named.zone.clone(), loaded);
    }
    Ok(grids)
}

/// Whether a provider is a service on the network.
pub(super) const fn is_service(provider: &IntensityProvider) -> bool {
    !matches!(
        provider.kind,
        IntensityProviderKind::Bundled
            | IntensityProviderKind::Static
            | IntensityProviderKind::Table
    )
}

/// A table that a policy names: its text, or why there is none.
pub(super) type Tables<'a> = Option<&'a Result<Table, String>>;

/// Tables of other zones by their zone: their text, or why there is none.
pub(super) type ZoneTables = BTreeMap<String, Result<Table, String>>;

/// Makes a policy's site, of its tables of intensity, of contracts and of
/// other zones.
pub(super) fn site(
    policy: &Policy,
    (table, contracts, zones): (Tables<'_>, Tables<'_>, &ZoneTables),
    services: &Services,
    nodes: Nodes<'_>,
    now: Timestamp,
) -> Result<Site, FactsFault> {
    let spec = &policy.spec;
    let broken = |field: &str, reason: String| FactsFault::Broken {
        what: format!("{field} of {}", policy.title()),
        reason,
    };
    let year = TimeZone::UTC.to_datetime(now).year();
    let mut remarks = Vec::new();
    let intensity = intensity(spec, table, services, year)
        .map_err(|fault| broken("spec.intensity", fault.to_string()))?;
    remarks.extend(intensity.freshness.notes.iter().cloned());
    let pue = spec.site.pue.as_ref();
    let pue = pue
        .map(|pue| stated(pue, services.pue.as_ref(), &mut remarks))
        .transpose();
    let pue = pue.map_err(|fault| broken("spec.site.pue", fault.to_string()))?;
    let time_zone = calendar::time_zone(&spec.site.time_zone)
        .map_err(|fault| broken("spec.site.timeZone", fault.to_string()))?;
    let grids = grids(spec, zones)
        .map_err(|fault| broken("spec.intensity.zoneTables", fault.to_string()))?;
    let by = By {
        spec,
        site: &intensity,
        grids: &grids,
        pue: pue.as_ref(),
        year,
    };
    let (others, of_node) = placed::others(by, nodes);
    remarks.extend(placed::unplaced(spec, nodes.now));
    let without_past = nodes.without_past();
    remarks.extend(without_past.clone());
    let beside = beside(spec, contracts, nodes, &mut remarks);
    // A ledger that does not tell it at all is not asked for it again.
    let is_silent = nodes.before.is_err_and(|fault| !fault.is_absent());
    Ok(Site {
        zone: spec.site.zone.clone(),
        time_zone,
        pue,
        metering: metering(spec.site.metering),
        intensity,
        grids,
        others,
        of_node,
        beside,
        notes: remarks,
        without_past,
        is_partial: is_partial(spec, table, services) || is_silent,
    })
}

/// Whether anything that prices energy was asked and did not answer.
fn is_partial(spec: &CarbonPolicySpec, table: Tables<'_>, services: &Services) -> bool {
    let is_list = spec.intensity.source == crd::IntensitySource::Providers;
    let is_silent = services.average.iter().any(|(_, found)| found.is_err());
    let has_no_table = matches!(table, Some(Err(_)));
    let pue = spec.site.pue.as_ref();
    let is_metered = pue.is_some_and(|pue| pue.query.is_some());
    (is_list && (is_silent || has_no_table)) || (is_metered && !matches!(services.pue, Some(Ok(_))))
}

fn intensity(
    spec: &CarbonPolicySpec,
    table: Option<&Result<Table, String>>,
    services: &Services,
    year: i16,
) -> Result<Loaded, ProviderFault> {
    let load = |kind, name: &str, zone: &str| match kind {
        IntensityProviderKind::Bundled => Some(Bundled.load(zone, year)),
        IntensityProviderKind::Static => Some(fixed(spec, name)),
        IntensityProviderKind::Table => Some(match table {
            Some(Ok(table)) => tabled(spec, table, zone),
            Some(Err(why)) => Err(missing(name, why)),
            None => Err(missing(name, "`table` is not given")),
        }),
        // A marginal provider has no average: it is no part of the price.
        _ => services
            .average
            .iter()
            .find(|(one, _)| one == name)
            .map(|(_, found)| found.clone()),
    };
    let zone = &spec.site.zone;
    let alone =
        |kind, name| load(kind, name, zone).unwrap_or_else(|| Err(missing(name, "unknown")));
    match spec.intensity.source {
        crd::IntensitySource::Bundled => alone(IntensityProviderKind::Bundled, "bundled"),
        crd::IntensitySource::Static => alone(IntensityProviderKind::Static, "static"),
        crd::IntensitySource::Table => alone(IntensityProviderKind::Table, "table"),
        crd::IntensitySource::Providers => {
            let layers = spec.intensity.providers.iter().filter_map(|one| {
                let zone = one.zone.as_ref().unwrap_or(zone);
                Some(Layer {
                    name: one.name.clone(),
                    found: load(one.kind, &one.name, zone)?,
                })
            });
            over_each_other(layers.collect())
        }
    }
}

fn missing(provider: &str, why: &str) -> ProviderFault {
    ProviderFault::Service {
        provider: provider.to_owned(),
        reason: why.to_owned(),
    }
}

fn fixed(spec: &CarbonPolicySpec, name: &str) -> Result<Loaded, ProviderFault> {
    let given = spec.intensity.r#static.as_ref();
    let given = given.ok_or_else(|| missing(name, "`static` is not given"))?;
    let value = StaticValue {
        grams_per_kwh: given.grams_per_kwh,
        reference: given.reference.clone(),
    };
    let year = given.data_year.and_then(|year| i16::try_from(year).ok());
    value.load_of(&spec.site.zone, boundary(given.boundary), year)
}

/// The user's table, with what the spec says of it.
fn tabled(spec: &CarbonPolicySpec, table: &Table, zone: &str) -> Result<Loaded, ProviderFault> {
    let given = spec.intensity.table.as_ref();
    let counted = given.map(|given| given.boundary).unwrap_or_default();
    let year = given.and_then(|given| i16::try_from(given.data_year?).ok());
    table.load_of(zone, boundary(counted), year)
}

/// Seconds of a text such as `24h`, `15m` or `90s`.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit = match text.get(digits.len()..)? {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return None,
    };
    number.checked_mul(unit)
}
