//! Where the energy of rows was used, told as a status tells it of its window: of
//! another time, and of one workload; pure.

use std::collections::BTreeMap;

use tanso_carbon::calendar::UtcHour;
use tanso_crds::carbon_policy::status::{IntensityProvenance, PlaceFigures};

use crate::answer::figures::short;
use crate::answer::places::SITE;
use crate::answer::sources;
use crate::pue;
use crate::view::{EnergyHour, Site};

/// Letters of a PUE in words.
const PUE_MAX: usize = 128;

/// Energy of a place by the hour, microjoules.
type Hours = BTreeMap<UtcHour, u128>;

/// Each place where energy was used, in the order of their numbers; nothing
/// where no node is elsewhere.
pub(crate) fn places(site: &Site, rows: &[&EnergyHour]) -> Vec<PlaceFigures> {
    if site.others.is_empty() {
        return Vec::new();
    }
    let mut used: BTreeMap<usize, Hours> = BTreeMap::new();
    for row in rows {
        let energy_uj = u128::from(row.energy.value.microjoules());
        let hours = used.entry(site.place_of(&row.node, row.hour)).or_default();
        *hours.entry(row.hour).or_default() += energy_uj;
    }
    // A node that used nothing makes its region no place of use.
    used.retain(|_, hours| hours.values().any(|energy_uj| *energy_uj > 0));
    let used = used.into_iter();
    used.map(|(number, hours)| of_place(site, number, &hours))
        .collect()
}

fn of_place(site: &Site, number: usize, hours: &Hours) -> PlaceFigures {
    let other = site.other(number);
    let region = other.map_or(SITE, |other| other.region.as_str());
    let (loaded, pue) = other.map_or((&site.intensity, &site.pue), |other| {
        (&other.intensity, &other.pue)
    });
    let whole: u128 = hours.values().sum();
    let is_estimated = |hour: UtcHour| {
        let point = loaded.series.at(hour);
        point.is_some_and(|point| point.origin.is_estimated())
    };
    let estimated = hours.iter().filter(|(hour, _)| is_estimated(**hour));
    let estimated: u128 = estimated.map(|(_, energy_uj)| energy_uj).sum();
    let percent = (estimated * 200 + whole).checked_div(whole * 2);
    PlaceFigures {
        region: region.to_owned(),
        energy_microjoules: i64::try_from(whole).unwrap_or(i64::MAX),
        pue: pue
            .as_ref()
            .map_or_else(|| "-".to_owned(), |pue| short(&pue.to_string(), PUE_MAX)),
        pue_figure: pue.as_ref().map(|pue| pue::figure(pue, site.metering)),
        intensity_estimated_percent: percent.and_then(|percent| i32::try_from(percent).ok()),
        intensity: IntensityProvenance {
            sources: sources::used(&*loaded.series, hours.keys().copied()),
            ..sources::provenance_of(loaded)
        },
    }
}
