//! A report from hourly energy alone, without a cluster: what it emitted, by
//! workload and local day, and what rules say to it.
//!
//! The same engine as the operator's; a table of hours, the grids and the
//! rules go in, so that anybody can compute a report again. Each rule is judged
//! over its own period: a yearly one by the hours of the year, whatever part of
//! it the table has. Never reads files and never asks what time it is: rules
//! are those in force on the last local day of the period.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use tanso_power::{Estimate, Joules, Provenance};

use crate::account::{Account, Coverage, EnergyRow, Metering, Place};
use crate::calendar::{Period, UtcHour, local_day};
use crate::indicator::Indicator;
use crate::marginal::{Consequence, MarginalIntensity, consequence};
use crate::market::{Contract, MarketAccount, Matching, ResidualMix, market_based};
use crate::pue::FacilityPue;
use crate::regulation::Preset;
use crate::report::Digest;
use crate::sci::Sci;
use crate::series::HourlyIntensity;
use crate::units::{GramsCo2e, Intensity};
use crate::verdict::{Combined, Judgement, Thresholds, combine};

mod digest;
mod fault;
mod judged;
mod lines;
mod per_unit;
mod read;
mod sites;

pub use fault::WhatifError;
pub use judged::Judged;
use lines::Lines;
use per_unit::PerUnit;
pub use read::{EnergyLine, EnergyTable, parse_contracts};
use sites::Sites;

/// Contracts for the market-based sum.
#[derive(Clone, Copy, Debug)]
pub struct Market<'a> {
    /// The contracts, in the order in which they cover.
    pub contracts: &'a [Contract],
    /// How they are matched.
    pub matching: Matching,
    /// What the rest emits.
    pub residual: &'a ResidualMix,
}

/// What a report is made from.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The energy.
    pub energy: &'a EnergyTable,
    /// The grids by zone.
    pub grids: &'a BTreeMap<String, &'a dyn HourlyIntensity>,
    /// The zone of lines that name none.
    pub zone: &'a str,
    /// The PUE of lines that name none; also the one that rules judge.
    pub pue: Option<&'a FacilityPue>,
    /// Where the energy was metered.
    pub metering: Metering,
    /// What is added up; from the first to the last hour of the table, if
    /// none.
    pub period: Option<Period>,
    /// Until when energy could be known. Hours from here on are to come: no
    /// period misses them, but one that is held against a whole year. Without
    /// it every hour of a period should be in the table.
    pub data_through: Option<UtcHour>,
    /// The time zone of local days.
    pub time_zone: &'a TimeZone,
    /// The rules.
    pub presets: &'a [Preset],
    /// What a verdict demands.
    pub thresholds: Thresholds,
    /// For a market-based sum.
    pub market: Option<Market<'a>>,
    /// Stated facility indicators.
    pub indicators: &'a [Indicator],
    /// Marginal intensity of one grid zone: what the energy used there changed
    /// is told beside the sums and never in them.
    pub marginal: Option<MarginalIntensity<'a>>,
    /// Embodied emissions of the period, for the software carbon intensity;
    /// not together with a column of the table.
    pub embodied: Option<Estimate<GramsCo2e>>,
    /// The functional units that were served; not together with a column.
    pub functional_units: Option<f64>,
    /// What a functional unit is, such as `request`.
    pub unit: &'a str,
    /// Emissions of the base year, in grams.
    pub base_year_grams: Option<f64>,
}

impl<'a> Inputs<'a> {
    /// What is needed: the energy, the grids by zone, the zone of lines that
    /// name none, and where days begin. IT energy without PUE, the whole table
    /// and no rule, until more is given.
    #[must_use]
    pub fn new(
        energy: &'a EnergyTable,
        grids: &'a BTreeMap<String, &'a dyn HourlyIntensity>,
        zone: &'a str,
        time_zone: &'a TimeZone,
    ) -> Self {
        Self {
            energy,
            grids,
            zone,
            pue: None,
            metering: Metering::ItEquipment,
            period: None,
            data_through: None,
            time_zone,
            presets: &[],
            thresholds: Thresholds::default(),
            market: None,
            indicators: &[],
            marginal: None,
            embodied: None,
            functional_units: None,
            unit: "unit",
            base_year_grams: None,
        }
    }
}

impl Inputs<'_> {
    /// The part of a period whose hours could be known.
    fn passed(&self, period: Period) -> Period {
        let until = self.data_through.unwrap_or(period.until);
        Period {
            until: period.until.min(until.max(period.from)),
            ..period
        }
    }
}

/// The figures of an account. Whole numbers, the unit in each name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sums {
    /// Energy as it was metered.
    pub it_energy_microjoules: Estimate<u64>,
    /// Energy of the facility.
    pub facility_energy_microjoules: Estimate<u64>,
    /// Emissions, location-based.
    pub emissions_nanograms: Estimate<u128>,
    /// Emissions over priced facility energy.
    pub intensity_micrograms_per_kwh: Option<Estimate<u32>>,
    /// Share of the facility energy in hours whose intensity is an estimate.
    pub estimated_percent: f64,
    /// Share of it in hours that a rule filled.
    pub filled_percent: f64,
    /// Share of it without any intensity; not in the emissions, which are a
    /// lower bound then: what it emitted is not known.
    pub unpriced_percent: f64,
    /// The same as energy of the facility.
    pub unpriced_microjoules: u64,
    /// Share of the metered energy that was measured.
    pub measured_percent: f64,
    /// Share of it that a model gave.
    pub modelled_percent: f64,
    /// Share of it that was simulated.
    pub simulated_percent: f64,
    /// Share of it of which nobody says which of these it is.
    pub unknown_provenance_percent: f64,
}

impl From<&Account> for Sums {
    fn from(sum: &Account) -> Self {
        let intensity = sum.effective_intensity();
        Self {
            it_energy_microjoules: sum.it_energy.map(Joules::microjoules),
            facility_energy_microjoules: sum.facility_energy.map(Joules::microjoules),
            emissions_nanograms: sum.emissions.map(GramsCo2e::nanograms),
            intensity_micrograms_per_kwh: intensity
                .map(|bounds| bounds.map(Intensity::micrograms_per_kwh)),
            estimated_percent: sum.estimated_percent(),
            filled_percent: sum.filled_percent(),
            unpriced_percent: sum.unpriced_percent(),
            unpriced_microjoules: sum.unpriced.microjoules(),
            measured_percent: sum.provenance_percent(Provenance::Measured),
            modelled_percent: sum.provenance_percent(Provenance::Modelled),
            simulated_percent: sum.provenance_percent(Provenance::Simulated),
            unknown_provenance_percent: sum.unknown_provenance_percent(),
        }
    }
}

/// The figures of one workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkloadSums {
    /// Its name as in the table.
    pub workload: String,
    /// Its figures.
    #[serde(flatten)]
    pub sums: Sums,
    /// Its software carbon intensity, if the table has its units and embodied
    /// emissions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sci: Option<Sci>,
}

/// A facility that energy of the period was used in.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Facility {
    /// Its grid zone.
    pub zone: String,
    /// Its PUE with who stands for it; without one the sum is of the IT
    /// equipment alone.
    pub pue: Option<FacilityPue>,
}

/// The emissions of one local day.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DaySums {
    /// The day.
    pub day: Date,
    /// Its hours in the period: 23 or 25 where clocks change.
    pub hours: u32,
    /// Its emissions, location-based.
    pub emissions_nanograms: Estimate<u128>,
    /// Its facility energy without any intensity; not in the emissions, which
    /// are a lower bound then.
    pub unpriced_microjoules: u64,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What was added up.
    pub period: Period,
    /// Its hours.
    pub hours: u32,
    /// Share of its hours that have energy. If the table names nodes, the share
    /// of node hours: the hours of each node from its first line on, added up
    /// over all nodes.
    pub coverage_percent: f64,
    /// What kind of figures each grid's are.
    pub intensities: Vec<crate::SeriesInfo>,
    /// Where the energy was metered; at the facility no PUE was applied.
    pub metering: Metering,
    /// The facilities of the energy, each PUE once.
    pub facilities: Vec<Facility>,
    /// The time zone of the days.
    pub time_zone: String,
    /// All workloads together.
    pub totals: Sums,
    /// Market-based, if contracts were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub market: Option<MarketAccount>,
    /// What it takes for what no contract covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub residual: Option<ResidualMix>,
    /// What the use changed at the margin, if marginal intensity was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consequence: Option<Consequence>,
    /// What kind of figures those are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marginal: Option<crate::SeriesInfo>,
    /// Software carbon intensity, if units and embodied emissions were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sci: Option<Sci>,
    /// Why there is none though both were given: energy without intensity, or
    /// nothing was served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sci_missing: Option<String>,
    /// Each workload, largest emissions first.
    pub workloads: Vec<WorkloadSums>,
    /// Energy of the period that belongs to no workload, by account, in
    /// microjoules; in no sum.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unallocated_microjoules: BTreeMap<String, u64>,
    /// Each local day.
    pub days: Vec<DaySums>,
    /// The worst of all verdicts.
    pub combined: Combined,
    /// The verdict of each rule, over its own period.
    pub judgements: Vec<Judged>,
    /// Digest of all that went in: energy, intensities, PUE, rules, demands.
    pub inputs_digest: Digest,
}

/// Makes the report.
///
/// ```
/// use std::collections::BTreeMap;
/// use jiff::tz::TimeZone;
/// use tanso_carbon::whatif::{EnergyTable, Inputs, whatif};
/// use tanso_carbon::{HourlyIntensity, Intensity, SeriesInfo, StaticIntensity};
/// use tanso_power::Estimate;
/// let energy = EnergyTable::parse("energy.csv", "\
/// datetime_utc,workload,energy_kwh
/// 2026-06-01T00:00Z,shop,2
/// 2026-06-01T01:00Z,shop,1
/// 2026-06-01T01:00Z,batch,4
/// ")?;
/// let factor = Estimate::exact(Intensity::try_from_grams_per_kwh(400.0)?);
/// let korea = StaticIntensity::new(SeriesInfo::average_life_cycle("KR", "ours"), factor);
/// let grids = BTreeMap::from([("KR".to_owned(), &korea as &dyn HourlyIntensity)]);
/// let report = whatif(&Inputs {
///     functional_units: Some(1_000.0),
///     embodied: Some(Estimate::default()),
///     unit: "request",
///     ..Inputs::new(&energy, &grids, "KR", &TimeZone::UTC)
/// })?;
/// assert_eq!(report.totals.emissions_nanograms.value, 2_800_000_000_000);
/// assert_eq!(report.workloads[0].workload, "batch");
/// assert_eq!(report.sci.map(|sci| sci.grams_per_unit.value), Some(2.8));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If a line's zone has no grid, no line lies in the period, or what a
/// software carbon intensity needs is given twice or by half.
pub fn whatif(inputs: &Inputs<'_>) -> Result<Report, WhatifError> {
    let period = inputs.period.unwrap_or_else(|| inputs.energy.period());
    let sites = Sites::of(inputs)?;
    let places = sites.places(inputs);
    let all = Lines::of(inputs.energy, &sites);
    let lines = all.within(period);
    let coverage = all.coverage(inputs.passed(period));
    if coverage.with_data() == 0 {
        let Period { from, until } = period;
        return Err(WhatifError::NoEnergy { from, until });
    }
    let sum = lines.account(&places, coverage);
    let rows = lines.rows();
    if sum.is_too_large() {
        let kwh = rows.iter().map(|row| row.energy.high.as_kwh_f64()).sum();
        return Err(WhatifError::TooLarge { kwh });
    }
    if inputs.market.is_some() {
        sites.of_one_market()?;
    }
    let market = inputs.market.as_ref();
    let market =
        market.map(|by| market_based(&sum, period, by.contracts, by.matching, by.residual));
    let per_unit = PerUnit::of(inputs, &lines)?;
    // All units of the period are counted, so all of its hours must be.
    let of_all_units = Account {
        coverage: all.coverage_since_begin(inputs.passed(period)),
        ..sum.clone()
    };
    let told = per_unit.of_total(inputs, &of_all_units)?;
    let judgements = judged::judge_all(&judged::Case {
        inputs,
        period,
        lines: &all,
        places: &places,
        sum: &sum,
        market: market.as_ref(),
        per_unit,
    });
    let plain: Vec<Judgement> = judgements.iter().map(|one| one.judgement.clone()).collect();
    Ok(Report {
        period,
        hours: period.hour_count(),
        coverage_percent: coverage.percent(),
        intensities: sites.infos(inputs),
        metering: inputs.metering,
        facilities: sites.facilities(&rows),
        time_zone: inputs.time_zone.iana_name().unwrap_or("UTC").to_owned(),
        totals: Sums::from(&sum),
        market,
        residual: inputs.market.map(|by| by.residual.clone()),
        marginal: inputs.marginal.map(|series| series.info().clone()),
        consequence: changed(inputs, &sites, &rows),
        sci: told.sci,
        sci_missing: told.missing,
        workloads: workloads(&lines, &places, coverage, inputs.unit),
        unallocated_microjoules: inputs.energy.unallocated(period),
        days: days(period, &sum, inputs.time_zone),
        combined: combine(&plain),
        judgements,
        inputs_digest: digest::digest(inputs, period, &rows, &places),
    })
}

fn workloads(
    lines: &Lines<'_>,
    places: &[Place<'_>],
    coverage: Coverage,
    unit: &str,
) -> Vec<WorkloadSums> {
    let mut workloads = Vec::new();
    for (name, lines) in lines.by_workload() {
        let sum = lines.account(places, coverage);
        // One that served nothing, or used energy without intensity, has no figure per unit.
        let sci = PerUnit::of_lines(&lines).of_account(&sum, unit);
        workloads.push(WorkloadSums {
            workload: name.to_owned(),
            sums: Sums::from(&sum),
            sci: sci.and_then(Result::ok),
        });
    }
    workloads.sort_by_key(|one| std::cmp::Reverse(one.sums.emissions_nanograms.value));
    workloads
}

/// What the use changed at the margin of the zone whose series is given; what
/// was used in other zones is unpriced.
fn changed(inputs: &Inputs<'_>, sites: &Sites, rows: &[EnergyRow]) -> Option<Consequence> {
    let marginal = inputs.marginal?;
    let mut sum = Consequence::default();
    for (number, (zone, pue)) in sites.known.iter().enumerate() {
        let here: Vec<_> = rows
            .iter()
            .filter(|row| row.place == number)
            .copied()
            .collect();
        let pue = pue
            .as_ref()
            .filter(|_| inputs.metering == Metering::ItEquipment);
        let one = consequence(&here, marginal, pue);
        if *zone == marginal.info().zone {
            sum.facility_energy = sum.facility_energy + one.facility_energy;
            sum.emissions = sum.emissions + one.emissions;
            sum.unpriced += one.unpriced;
        } else {
            sum.unpriced += one.facility_energy.value + one.unpriced;
        }
    }
    Some(sum)
}

fn days(period: Period, sum: &Account, zone: &TimeZone) -> Vec<DaySums> {
    let mut days: BTreeMap<Date, DaySums> = BTreeMap::new();
    for hour in period.hours() {
        let instant: Timestamp = hour.start();
        let day = local_day(instant, zone);
        let sums = days.entry(day).or_insert(DaySums {
            day,
            hours: 0,
            emissions_nanograms: Estimate::default(),
            unpriced_microjoules: 0,
        });
        sums.hours += 1;
        if let Some(of_hour) = sum.hours.get(&hour) {
            let grams = of_hour.emissions.map(GramsCo2e::nanograms);
            sums.emissions_nanograms = sums.emissions_nanograms + grams;
            let unpriced = of_hour.unpriced.microjoules();
            sums.unpriced_microjoules = sums.unpriced_microjoules.saturating_add(unpriced);
        }
    }
    days.into_values().collect()
}

#[cfg(test)]
mod tests;
