//! A report from hourly energy alone, without a cluster: what it emitted, by
//! workload and local day, and what rules say to it.
//!
//! The same engine as the operator's; a table of hours, the grids and the
//! rules go in, so that anybody can compute a report again. Never reads files
//! and never asks what time it is: rules are those in force on the last local
//! day of the period.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use tanso_power::{Estimate, Joules};

use crate::account::{Account, Coverage, EnergyRow, Metering, Place, account};
use crate::calendar::{Period, UtcHour, local_day};
use crate::market::{Contract, MarketAccount, Matching, ResidualMix, market_based};
use crate::pue::FacilityPue;
use crate::regulation::Preset;
use crate::report::Digest;
use crate::series::HourlyIntensity;
use crate::units::{GramsCo2e, Intensity, Pue};
use crate::verdict::{Combined, Evidence, Indicator, Judgement, Thresholds, combine, judge};

mod read;

pub use read::{EnergyLine, EnergyTable, parse_contracts};

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
    /// Embodied emissions of the period, for the software carbon intensity.
    pub embodied: Option<Estimate<GramsCo2e>>,
    /// The functional units that were served.
    pub functional_units: Option<f64>,
    /// Emissions of the base year, in grams.
    pub base_year_grams: Option<f64>,
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
    /// Share of it without any intensity; not in the emissions.
    pub unpriced_percent: f64,
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
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What was added up.
    pub period: Period,
    /// Its hours.
    pub hours: u32,
    /// Share of its hours that have energy.
    pub coverage_percent: f64,
    /// What kind of figures each grid's are.
    pub intensities: Vec<crate::SeriesInfo>,
    /// All workloads together.
    pub totals: Sums,
    /// Market-based, if contracts were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub market: Option<MarketAccount>,
    /// Each workload, largest emissions first.
    pub workloads: Vec<WorkloadSums>,
    /// Each local day.
    pub days: Vec<DaySums>,
    /// The worst of all verdicts.
    pub combined: Combined,
    /// The verdict of each rule.
    pub judgements: Vec<Judgement>,
    /// Digest of energy and intensities that went in.
    pub inputs_digest: Digest,
}

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhatifError {
    /// A line is of a zone that no grid was given for.
    #[error("no intensity for grid zone {zone:?}; given are {given}")]
    NoGrid {
        /// The zone.
        zone: String,
        /// The zones there are.
        given: String,
    },
    /// No line lies in the period.
    #[error("the table has no energy from {from} until {until}")]
    NoEnergy {
        /// The first hour.
        from: UtcHour,
        /// The hour after the last.
        until: UtcHour,
    },
}

/// Makes the report.
///
/// ```
/// use std::collections::BTreeMap;
/// use jiff::tz::TimeZone;
/// use tanso_carbon::whatif::{EnergyTable, Inputs, whatif};
/// use tanso_carbon::{HourlyIntensity, Intensity, Metering, SeriesInfo, StaticIntensity, Thresholds};
/// use tanso_power::Estimate;
/// let energy = EnergyTable::parse("energy.csv", "\
/// datetime_utc,workload,energy_kwh
/// 2026-06-01T00:00Z,shop,2
/// 2026-06-01T01:00Z,shop,1
/// 2026-06-01T01:00Z,batch,4
/// ")?;
/// let factor = Estimate::exact(Intensity::try_from_grams_per_kwh(400.0)?);
/// let korea = StaticIntensity::new(SeriesInfo::average_life_cycle("KR", "ours"), factor);
/// let report = whatif(&Inputs {
///     energy: &energy,
///     grids: &BTreeMap::from([("KR".to_owned(), &korea as &dyn HourlyIntensity)]),
///     zone: "KR",
///     pue: None,
///     metering: Metering::ItEquipment,
///     period: None,
///     time_zone: &TimeZone::UTC,
///     presets: &[],
///     thresholds: Thresholds::default(),
///     market: None,
///     indicators: &[],
///     embodied: None,
///     functional_units: None,
///     base_year_grams: None,
/// })?;
/// assert_eq!(report.totals.emissions_nanograms.value, 2_800_000_000_000);
/// assert_eq!(report.workloads[0].workload, "batch");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If a line's zone has no grid, or no line lies in the period.
pub fn whatif(inputs: &Inputs<'_>) -> Result<Report, WhatifError> {
    let period = inputs.period.unwrap_or_else(|| inputs.energy.period());
    let sites = Sites::of(inputs)?;
    let lines = || {
        let lines = inputs.energy.lines().iter().zip(&sites.of_line);
        lines.filter(|(line, _)| period.contains(line.hour))
    };
    let places = sites.places(inputs);
    let coverage = coverage(period, lines().map(|(line, _)| line.hour));
    if coverage.with_data() == 0 {
        let Period { from, until } = period;
        return Err(WhatifError::NoEnergy { from, until });
    }
    let mut by_workload: BTreeMap<&str, Vec<EnergyRow>> = BTreeMap::new();
    for (line, place) in lines() {
        let rows = by_workload.entry(&line.workload).or_default();
        rows.push(line.row(*place));
    }
    let rows: Vec<_> = by_workload.values().flatten().copied().collect();
    let sum = account(&rows, &places, coverage);
    let market = inputs
        .market
        .as_ref()
        .map(|market| market_based(&sum, market.contracts, market.matching, market.residual));
    let judgements = judgements(inputs, period, &sum, market.as_ref());
    let mut workloads: Vec<_> = by_workload
        .into_iter()
        .map(|(name, rows)| WorkloadSums {
            workload: name.to_owned(),
            sums: Sums::from(&account(&rows, &places, coverage)),
        })
        .collect();
    workloads.sort_by_key(|one| std::cmp::Reverse(one.sums.emissions_nanograms.value));
    Ok(Report {
        period,
        hours: period.hour_count(),
        coverage_percent: coverage.percent(),
        intensities: sites.infos(inputs),
        totals: Sums::from(&sum),
        market,
        workloads,
        days: days(period, &sum, inputs.time_zone),
        combined: combine(&judgements),
        judgements,
        inputs_digest: digest(&rows, &places),
    })
}

/// Where the lines' energy was used: each zone and PUE once.
struct Sites {
    known: Vec<(String, Option<FacilityPue>)>,
    of_line: Vec<usize>,
}

impl Sites {
    fn of(inputs: &Inputs<'_>) -> Result<Self, WhatifError> {
        let mut index: BTreeMap<(&str, Option<Pue>), usize> = BTreeMap::new();
        let (mut known, mut of_line) = (Vec::new(), Vec::new());
        for line in inputs.energy.lines() {
            let zone = line.zone.as_deref().unwrap_or(inputs.zone);
            if !inputs.grids.contains_key(zone) {
                let given: Vec<_> = inputs.grids.keys().map(String::as_str).collect();
                return Err(WhatifError::NoGrid {
                    zone: zone.to_owned(),
                    given: given.join(", "),
                });
            }
            let place = *index.entry((zone, line.pue)).or_insert_with(|| {
                known.push((zone.to_owned(), line.facility(inputs.pue)));
                known.len() - 1
            });
            of_line.push(place);
        }
        Ok(Self { known, of_line })
    }

    fn places<'a>(&'a self, inputs: &'a Inputs<'_>) -> Vec<Place<'a>> {
        let place = |(zone, pue): &'a (String, Option<FacilityPue>)| {
            let grid = inputs.grids.get(zone)?;
            Some(Place {
                metering: inputs.metering,
                ..Place::new(*grid, pue.as_ref())
            })
        };
        self.known.iter().filter_map(place).collect()
    }

    fn infos(&self, inputs: &Inputs<'_>) -> Vec<crate::SeriesInfo> {
        let zones: BTreeSet<_> = self.known.iter().map(|(zone, _)| zone).collect();
        let grids = zones.into_iter().filter_map(|zone| inputs.grids.get(zone));
        grids.map(|grid| grid.info().clone()).collect()
    }
}

fn coverage(period: Period, hours: impl Iterator<Item = UtcHour>) -> Coverage {
    let seen: BTreeSet<_> = hours.collect();
    let seen = u64::try_from(seen.len()).unwrap_or(u64::MAX);
    Coverage::new(u64::from(period.hour_count()), seen)
}

fn judgements(
    inputs: &Inputs<'_>,
    period: Period,
    sum: &Account,
    market: Option<&MarketAccount>,
) -> Vec<Judgement> {
    let evidence = Evidence {
        account: Some(sum),
        market,
        pue: inputs.pue,
        indicators: inputs.indicators,
        base_year_grams: inputs.base_year_grams,
        functional_units: inputs.functional_units,
        embodied: inputs.embodied,
    };
    let last = period.until.plus_hours(-1).start();
    let of_preset = |preset: &Preset| {
        let day = local_day(last, &preset.zone);
        let rules = preset.on(day).into_iter();
        let judged = rules.map(|rule| judge(rule, &evidence, inputs.thresholds, day));
        judged.collect::<Vec<_>>()
    };
    inputs.presets.iter().flat_map(of_preset).collect()
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
        });
        sums.hours += 1;
        if let Some(of_hour) = sum.hours.get(&hour) {
            let grams = of_hour.emissions.map(GramsCo2e::nanograms);
            sums.emissions_nanograms = sums.emissions_nanograms + grams;
        }
    }
    days.into_values().collect()
}

fn digest(rows: &[EnergyRow], places: &[Place<'_>]) -> Digest {
    let grids = places.iter().map(|place| {
        let pue = place.pue.map(|pue| pue.value.value);
        let hours: BTreeSet<_> = rows.iter().map(|row| row.hour).collect();
        let points = hours.into_iter().map(|hour| {
            let point = place.intensity.at(hour);
            let bounds = point.map(|point| point.intensity.map(Intensity::micrograms_per_kwh));
            format!("{hour} {bounds:?}")
        });
        let points = Digest::of_lines(points);
        format!(
            "{} {pue:?} {:?} {points}",
            place.intensity.info(),
            place.metering
        )
    });
    let energy = format!("energy {}", Digest::of_rows(rows));
    Digest::of_lines(std::iter::once(energy).chain(grids))
}
