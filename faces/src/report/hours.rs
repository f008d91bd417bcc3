//! Energy and intensity by the hour, from the ledger's rows and the site's
//! series: for charts, months and programs. Prices energy as the account does.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tanso_carbon::account::{Coverage, EnergyRow, HourAccount, account};
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_carbon::{GramsCo2e, HourlyIntensity};
use tanso_crds::carbon_policy::status::WorkloadResult;
use tanso_power::{Joules, Provenance};

use super::model::{EnergyOf, Hour, Hours};
use crate::view::{Energy, EnergyAccount, EnergyHour, Site, Sums};

/// Nanograms in a milligram.
const NANOGRAMS: u128 = 1_000_000;

/// The energy of one hour by where it comes from, microjoules.
#[derive(Clone, Copy, Debug, Default)]
struct Booked {
    measured: u64,
    simulated: u64,
}

/// The hours of a period, and `ahead` hours after it with the intensity that
/// is expected, of the workloads that a policy judged; without a list, of all
/// accounts.
#[must_use]
pub fn hours(
    energy: &Energy,
    judged: Option<&[WorkloadResult]>,
    site: &Site,
    period: Period,
    ahead: i32,
) -> Hours {
    let names: Option<BTreeSet<Name<'_>>> = judged.map(|all| all.iter().map(name).collect());
    let rows = energy.rows.iter();
    let chosen = rows.filter(|row| is_chosen(row, names.as_ref()));
    let sums = Sums {
        revision: energy.revision,
        rows: chosen.map(|row| priced(row, site)).collect(),
    };
    of_sums(&sums, site, period, ahead)
}

/// The same of sums by hour, place and provenance.
#[must_use]
pub fn of_sums(sums: &Sums, site: &Site, period: Period, ahead: i32) -> Hours {
    let sum = account(&sums.rows, &site.places(), Coverage::new(1, 1));
    let mut booked: BTreeMap<UtcHour, Booked> = BTreeMap::new();
    for row in &sums.rows {
        let of_hour = booked.entry(row.hour).or_default();
        let amount = row.energy.value.microjoules();
        match row.provenance {
            Provenance::Measured => of_hour.measured += amount,
            Provenance::Simulated => of_hour.simulated += amount,
            Provenance::Modelled => {}
        }
    }
    let whole = Period {
        until: period.until.plus_hours(ahead.max(0)),
        ..period
    };
    let series: &dyn HourlyIntensity = &*site.intensity.series;
    let hour = |hour: UtcHour| {
        let found = sum.hours.get(&hour);
        one(hour, found, booked.get(&hour), series, hour >= period.until)
    };
    Hours {
        time_zone: site.time_zone.iana_name().unwrap_or("UTC").to_owned(),
        ledger_revision: sums.revision,
        hours: whole.hours().map(hour).collect(),
    }
}

/// A workload by namespace, kind and name.
type Name<'a> = (&'a str, &'a str, &'a str);

fn name(workload: &WorkloadResult) -> Name<'_> {
    (&workload.namespace, &workload.kind, &workload.name)
}

fn is_chosen(row: &EnergyHour, names: Option<&BTreeSet<Name<'_>>>) -> bool {
    let Some(names) = names else { return true };
    match &row.account {
        EnergyAccount::Workload(of) => {
            names.contains(&(of.namespace.as_str(), of.kind.as_str(), of.name.as_str()))
        }
        EnergyAccount::Named(_) => false,
    }
}

fn priced(row: &EnergyHour, site: &Site) -> EnergyRow {
    EnergyRow {
        hour: row.hour,
        place: site.place_of(&row.node, row.hour),
        energy: row.energy,
        provenance: row.provenance,
    }
}

fn one(
    hour: UtcHour,
    found: Option<&HourAccount>,
    booked: Option<&Booked>,
    series: &dyn HourlyIntensity,
    is_ahead: bool,
) -> Hour {
    let point = series.at(hour);
    let microjoules = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
    let milligrams = |mass: GramsCo2e| {
        i64::try_from((mass.nanograms() + NANOGRAMS / 2) / NANOGRAMS).unwrap_or(i64::MAX)
    };
    let per_kwh = |micrograms: u32| i64::from(micrograms.saturating_add(500) / 1_000);
    let energy = |of: &HourAccount| microjoules(Joules::microjoules(of.it_energy));
    Hour {
        start: hour.unix_seconds(),
        energy_microjoules: found.map(energy),
        measured_microjoules: booked.map_or(0, |booked| microjoules(booked.measured)),
        simulated_microjoules: booked.map_or(0, |booked| microjoules(booked.simulated)),
        emissions_milligrams: found.map_or(0, |of| milligrams(of.emissions.value)),
        unpriced_microjoules: found.map_or(0, |of| microjoules(of.unpriced.microjoules())),
        intensity_milligrams_per_kwh: point
            .map(|point| per_kwh(point.intensity.value.micrograms_per_kwh())),
        is_estimated: point.is_some_and(|point| point.origin.is_estimated()),
        is_ahead,
    }
}

/// Sums by local month, in the order of time.
#[must_use]
pub fn months(hours: &Hours) -> Vec<EnergyOf> {
    let zone = crate::report::zone(&hours.time_zone);
    let mut months: BTreeMap<String, EnergyOf> = BTreeMap::new();
    for hour in &hours.hours {
        let Some(energy) = hour.energy_microjoules else {
            continue;
        };
        let start = Timestamp::from_second(hour.start).unwrap_or(Timestamp::UNIX_EPOCH);
        let name = zone.to_datetime(start).strftime("%Y-%m").to_string();
        let month = months.entry(name.clone()).or_default();
        month.name = name;
        month.energy_microjoules = month.energy_microjoules.saturating_add(energy);
        let rest = energy
            .saturating_sub(hour.measured_microjoules)
            .saturating_sub(hour.simulated_microjoules);
        month.measured_microjoules += hour.measured_microjoules;
        month.modelled_microjoules += rest;
        month.simulated_microjoules += hour.simulated_microjoules;
        month.emissions_milligrams += hour.emissions_milligrams;
        month.unpriced_microjoules = month
            .unpriced_microjoules
            .saturating_add(hour.unpriced_microjoules);
    }
    months.into_values().collect()
}

/// An instant in UTC: `2026-11-21T10:00Z`.
#[must_use]
pub fn utc(start: i64) -> String {
    let start = Timestamp::from_second(start).unwrap_or(Timestamp::UNIX_EPOCH);
    start.strftime("%Y-%m-%dT%H:%MZ").to_string()
}
