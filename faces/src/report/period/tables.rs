//! A policy's rows and the intensity of its grids as the tables that
//! `kubectl tanso whatif` reads; pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use tanso_carbon::FacilityPue;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_carbon::series::Boundary;
use tanso_crds::carbon_policy::spec::IntensitySource;
use tanso_crds::carbon_policy::status::WorkloadResult;
use tanso_intensity::provider::Loaded;

use super::rows_of;
use crate::report::figure;
use crate::view::{Energy, EnergyAccount, Policy, Site};

/// The rows of a policy's workloads as the table that `kubectl tanso whatif`
/// reads: whole microjoules with their bounds, by hour, workload, grid zone and
/// provenance.
#[must_use]
pub fn energy_table(
    policy: &Policy,
    judged: &[WorkloadResult],
    energy: &Energy,
    site: &Site,
    period: Period,
) -> String {
    type Key = (UtcHour, String, String, String, String);
    let mut sums: BTreeMap<Key, [u128; 3]> = BTreeMap::new();
    let mut without: BTreeSet<UtcHour> = energy.rows.iter().map(|row| row.hour).collect();
    without.retain(|hour| period.contains(*hour));
    for row in rows_of(policy, judged, energy).filter(|row| period.contains(row.hour)) {
        let EnergyAccount::Workload(workload) = &row.account else {
            continue;
        };
        let name = format!("{}/{}/{}", workload.namespace, workload.kind, workload.name);
        let other = site.other(site.place_of(&row.node, row.hour));
        let zone = other.map_or(&site.zone, |other| &other.intensity.series.info().zone);
        let pue = other.and_then(|other| other.pue.as_ref());
        let pue = pue.map_or_else(|| ",".to_owned(), told);
        let key = (
            row.hour,
            name,
            zone.clone(),
            pue,
            row.provenance.to_string(),
        );
        without.remove(&row.hour);
        let sum = sums.entry(key).or_default();
        let parts = [row.energy.low, row.energy.value, row.energy.high];
        for (sum, part) in sum.iter_mut().zip(parts) {
            *sum += u128::from(part.microjoules());
        }
    }
    // Hours that are known, and in which these workloads used nothing: without
    // a line they would count as missing.
    let first = sums
        .first_key_value()
        .map(|((_, name, ..), _)| name.clone());
    if let Some(name) = first {
        for hour in without {
            let (zone, none) = (site.zone.clone(), ",".to_owned());
            let key = (hour, name.clone(), zone, none, String::new());
            sums.insert(key, [0; 3]);
        }
    }
    // The site's own PUE is the command's; a column of nothing would be none.
    let has_pue = site.others.iter().any(|other| other.pue.is_some());
    let columns = if has_pue { "pue,pue_evidence," } else { "" };
    let mut out = format!(
        "datetime_utc,workload,zone,{columns}provenance,energy_low_microjoules,energy_microjoules,energy_high_microjoules\n"
    );
    for ((hour, workload, zone, pue, provenance), [low, value, high]) in sums {
        let pue = if has_pue { pue + "," } else { String::new() };
        // Writing to a string cannot fail; names of the API have no commas.
        let _ = writeln!(
            out,
            "{hour},{workload},{zone},{pue}{provenance},{low},{value},{high}"
        );
    }
    out
}

/// A PUE and who stands for it, as two cells.
fn told(pue: &FacilityPue) -> String {
    format!("{},{:?}", pue.value.value.ratio(), pue.evidence)
}

/// The intensity of each grid zone of a site as the table that `kubectl tanso
/// whatif --intensity` reads, with the week before and the hours after from
/// which gaps are filled. Hours that were filled themselves are left out: the
/// reader fills them by the same rules, with the same bounds.
#[must_use]
pub fn intensity_table(policy: &Policy, site: &Site, period: Period) -> String {
    let own = (site.zone.clone(), &site.intensity);
    let others = site.others.iter().map(|other| {
        let loaded = &other.intensity;
        (loaded.series.info().zone.clone(), loaded)
    });
    let grids: BTreeMap<String, &Loaded> = others.chain([own]).collect();
    let mut out =
        "datetime_utc,zone,ci_direct_gco2eq_kwh,ci_lifecycle_gco2eq_kwh,estimated\n".to_owned();
    let around = Period {
        from: period.from.plus_hours(-24 * 7),
        until: period.until.plus_hours(4),
    };
    let is_refilled = policy.spec.intensity.source == IntensitySource::Table;
    for (zone, loaded) in grids {
        let is_direct = loaded.series.info().boundary == Boundary::Direct;
        for hour in around.hours() {
            let point = loaded.series.at(hour);
            let Some(point) = point.filter(|point| !(is_refilled && point.origin.is_filled()))
            else {
                continue;
            };
            let micrograms = point.intensity.value.micrograms_per_kwh();
            let figure = figure::fraction(micrograms.into(), 1_000_000, 6);
            let (direct, whole) = if is_direct {
                (&*figure, "")
            } else {
                ("", &*figure)
            };
            let estimated = u8::from(point.origin.is_estimated());
            // Writing to a string cannot fail; ids of zones have no commas.
            let _ = writeln!(out, "{hour},{zone},{direct},{whole},{estimated}");
        }
    }
    out
}
