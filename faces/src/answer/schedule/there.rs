//! Where a job would run: the grid, the facility and the local time of the
//! region or zone that was asked for, else of the place where the workload used
//! most of its energy; pure.

use jiff::tz::TimeZone;
use tanso_carbon::account::Metering;
use tanso_carbon::calendar;
use tanso_carbon::{FacilityPue, Pue};
use tanso_intensity::Loaded;

use super::super::AnswerFault;
use super::super::assess::{grid_named, region_named};
use super::super::most_used::MostUsed;
use super::plan::Question;
use crate::view::{Energy, PlaceAt, Site};

/// Where it would run.
pub(super) struct There {
    pub(super) zone: String,
    pub(super) grid: Loaded,
    pub(super) pue: Pue,
    /// The same in words, with who stands for it.
    pub(super) pue_told: String,
    pub(super) time_zone: TimeZone,
    pub(super) notes: Vec<String>,
}

/// What facility energy is computed by.
fn told(pue: Option<&FacilityPue>, metering: Metering) -> String {
    match (metering, pue) {
        (Metering::Facility, _) => {
            "the energy is metered at the facility, so no PUE is applied".to_owned()
        }
        (Metering::ItEquipment, Some(pue)) if pue.source.is_empty() => format!("PUE {pue}"),
        (Metering::ItEquipment, Some(pue)) => format!("PUE {pue} ({})", pue.source),
        (Metering::ItEquipment, None) => {
            "no PUE is known, so the emissions are those of the IT equipment alone".to_owned()
        }
    }
}

/// Where a workload used most of its energy.
pub(super) fn used_at(site: &Site, energy: &Energy) -> Option<MostUsed> {
    let rows = energy.rows.iter();
    MostUsed::of(rows.map(|row| {
        let place = site.place_of(&row.node, row.hour);
        (place, row.energy.value)
    }))
}

/// Where a job would run.
pub(super) fn there(
    question: &Question,
    site: Option<Site>,
    used: Option<MostUsed>,
    year: i16,
) -> Result<There, AnswerFault> {
    let zone_of = |name: &str| {
        let found = calendar::time_zone(name);
        found.map_err(|fault| AnswerFault::unfit("timeZone", &fault))
    };
    let asked = question.time_zone.as_deref().map(zone_of).transpose()?;
    let own = site.as_ref().map(|site| site.time_zone.clone());
    let time_zone = asked.clone().or(own).unwrap_or(TimeZone::UTC);
    let metering = site
        .as_ref()
        .map_or(Metering::ItEquipment, |site| site.metering);
    let own_told = told(site.as_ref().and_then(|site| site.pue.as_ref()), metering);
    let own_pue = site
        .as_ref()
        .and_then(|site| Some(site.places().first()?.pue_factor().value));
    match (&question.region, &question.zone, site) {
        (Some(region), Some(_), _) => Err(AnswerFault::invalid(
            "region",
            region,
            "a region or a zone, not both",
        )),
        (Some(region), None, site) => {
            let found = region_named(region)?;
            let place = match site {
                Some(site) => site.region(found, year),
                None => PlaceAt::of(found, year),
            };
            let place = place.map_err(|fault| AnswerFault::unfit("region", &fault))?;
            let local = calendar::time_zone(&found.time_zone).ok();
            Ok(There {
                zone: found.grid_zone.clone(),
                pue: place.place(metering).pue_factor().value,
                pue_told: told(place.pue.as_ref(), metering),
                grid: place.intensity,
                time_zone: asked.or(local).unwrap_or(time_zone),
                notes: Vec::new(),
            })
        }
        (None, Some(zone), _) => Ok(There {
            zone: zone.clone(),
            grid: grid_named(zone, year)?,
            pue: own_pue.unwrap_or(Pue::ONE),
            pue_told: own_told,
            time_zone,
            notes: Vec::new(),
        }),
        (None, None, Some(site)) => Ok(own_place(&site, used, time_zone)),
        _ => Err(AnswerFault::invalid(
            "zone",
            "",
            "one of workload, region (such as ap-northeast-2) or zone (such as KR)",
        )),
    }
}

/// The policy's own place, or that of its others where the workload used most.
fn own_place(site: &Site, used: Option<MostUsed>, time_zone: TimeZone) -> There {
    let mut notes = site.notes.clone();
    let other = used.and_then(|used| site.other(used.number));
    let name = other.map_or("the policy's site", |other| other.region.as_str());
    if let Some(used) = used.filter(|used| other.is_some() || used.percent < 100) {
        notes.push(format!(
            "planned for {name}, where {} % of the workload's energy was used; name a region for another place",
            used.percent
        ));
    }
    let (pue, grid) = other.map_or((&site.pue, &site.intensity), |other| {
        (&other.pue, &other.intensity)
    });
    let places = site.places();
    let place = other.and(used).map_or(0, |used| used.number);
    let factor = places.get(place).map(tanso_carbon::Place::pue_factor);
    There {
        zone: other.map_or_else(
            || site.zone.clone(),
            |other| other.intensity.series.info().zone.clone(),
        ),
        pue: factor.map_or(Pue::ONE, |factor| factor.value),
        pue_told: told(pue.as_ref(), site.metering),
        grid: grid.clone(),
        time_zone,
        notes,
    }
}
