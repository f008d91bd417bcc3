//! `kubectl tanso whatif`: what hourly energy emitted and what rules say to
//! it, from a table alone. Asks no cluster, so that anybody can compute a
//! report again.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use jiff::civil::Date;
use tanso_carbon::calendar::{CalendarError, time_zone};
use tanso_carbon::market::{Contract, Matching, ResidualMix};
use tanso_carbon::regulation::{BUNDLED, Preset, RuleFaults};
use tanso_carbon::series::{Boundary, FillRule, IntensitySeries};
use tanso_carbon::table::{TableFaults, parse_hourly};
use tanso_carbon::units::UnitError;
use tanso_carbon::whatif::{
    EnergyTable, Inputs, Market, Report, WhatifError, parse_contracts, whatif,
};
use tanso_carbon::{
    FacilityPue, GramsCo2e, HourlyIntensity, Intensity, Metering, Period, Pue, PueEvidence,
    RuleSet, SeriesInfo, StaticIntensity, Thresholds, TypicalYear, YearlyZones,
};
use tanso_power::Estimate;

use crate::{Error, Outcome, Output};

mod text;

const ZONES: &str = include_str!("../../config/regions/zones_yearly.csv");
/// Zones with typical hours: zone, file, text; the same that the operator has.
const HOURLY: [(&str, &str, &str); 2] = [
    (
        "DE",
        "de_hourly_2024_profile.csv",
        include_str!("../../config/regions/de_hourly_2024_profile.csv"),
    ),
    (
        "KR",
        "kr_hourly_2024_profile.csv",
        include_str!("../../config/regions/kr_hourly_2024_profile.csv"),
    ),
];

/// What to compute.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// CSV of hourly energy: `datetime_utc,energy_kwh` (or `_wh`, `_joules`, `_microjoules`) and, if you have
    /// them, `workload`, `zone`, `pue`, `provenance` (measured, modelled, simulated), `energy_low_kwh` and
    /// `energy_high_kwh`
    energy: PathBuf,
    /// Grid zone of lines that name none
    #[arg(long, default_value = "KR", value_name = "ZONE")]
    zone: String,
    /// Hourly intensity, CSV: `datetime_utc,gco2eq_per_kwh`, or with a column `zone` and one per boundary.
    /// Without it the bundled table: typical hours for KR and DE, else the zone's yearly mean
    #[arg(long, value_name = "FILE", conflicts_with = "grams_per_kwh")]
    intensity: Option<PathBuf>,
    /// One intensity for every hour, gCO2eq/kWh
    #[arg(long, value_name = "GRAMS")]
    grams_per_kwh: Option<f64>,
    /// Which emissions of a kilowatt-hour the intensity counts
    #[arg(long, value_enum, default_value_t)]
    boundary: BoundaryArg,
    /// Fill gaps of up to so many hours on the line between their neighbours; filled hours count as estimated
    #[arg(long, value_name = "HOURS", default_value_t = 0)]
    fill: u16,
    /// PUE of lines that name none; also the one that rules judge
    #[arg(long, value_name = "RATIO")]
    pue: Option<f64>,
    /// Who stands for the PUE; only the first three are judged
    #[arg(long, value_enum, default_value_t, requires = "pue")]
    pue_evidence: EvidenceArg,
    /// The energy was metered at the facility: PUE is in it already
    #[arg(long)]
    metered_at_facility: bool,
    /// A local day, month or year to add up: 2026-06-15, 2026-06 or 2026. Without it, all of the table
    #[arg(long, value_name = "PERIOD")]
    period: Option<String>,
    /// IANA time zone of local days
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    time_zone: String,
    /// Judge by this rule, for example kr-carbon-2050; may be given more than once
    #[arg(long = "rule", value_name = "ID")]
    rules: Vec<String>,
    /// A rule file of your own, judged too; may be given more than once
    #[arg(long = "rule-file", value_name = "FILE")]
    rule_files: Vec<PathBuf>,
    /// Least share of the period's hours with energy, percent
    #[arg(long, default_value_t = 80.0, value_name = "PERCENT")]
    min_coverage: f64,
    /// Largest share of energy with an estimated intensity, percent
    #[arg(long, default_value_t = 50.0, value_name = "PERCENT")]
    max_estimated: f64,
    /// Contracts for a market-based sum, CSV: `datetime_utc,contract,energy_kwh,gco2eq_per_kwh`
    #[arg(long, value_name = "FILE", requires = "residual")]
    contracts: Option<PathBuf>,
    /// Residual mix for what contracts leave, gCO2eq/kWh
    #[arg(long, value_name = "GRAMS")]
    residual: Option<f64>,
    /// How contracts are matched
    #[arg(long, value_enum, default_value_t)]
    matching: MatchingArg,
    /// Embodied emissions of the period (M of ISO/IEC 21031), grams
    #[arg(long, value_name = "GRAMS")]
    embodied_grams: Option<f64>,
    /// Functional units that the energy served (R of ISO/IEC 21031)
    #[arg(long, value_name = "COUNT")]
    units: Option<f64>,
    /// Emissions of the base year of a reduction path, grams
    #[arg(long, value_name = "GRAMS")]
    base_year_grams: Option<f64>,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Which emissions are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum BoundaryArg {
    /// At the stack only
    Direct,
    /// With fuel supply and plants
    #[default]
    LifeCycle,
}

/// Who stands for a PUE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum EvidenceArg {
    /// From the facility's meters over a year
    Measured,
    /// From a certificate
    Certificate,
    /// Published for this region
    Region,
    /// The provider's mean
    ProviderAverage,
    /// A guess
    #[default]
    Assumed,
}

/// How contracts are matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum MatchingArg {
    /// Over the whole period
    Annual,
    /// Hour by hour
    #[default]
    Hourly,
}

/// Why nothing could be computed.
#[derive(Debug, thiserror::Error)]
pub enum WhatifFault {
    /// A file could not be read.
    #[error("reading {path:?}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A table is broken.
    #[error(transparent)]
    Table(#[from] TableFaults),
    /// A rule file is broken.
    #[error(transparent)]
    Rules(#[from] RuleFaults),
    /// A figure is none.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// A time zone or day is none.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    /// The period is none.
    #[error(
        "--period {0:?}: accepted are a day, a month or a year, as in 2026-06-15, 2026-06, 2026"
    )]
    Period(String),
    /// No such rule.
    #[error("no rule {id:?}; there are {known}")]
    Rule {
        /// What was asked for.
        id: String,
        /// What there is.
        known: String,
    },
    /// The bundled table has no such zone.
    #[error(
        "no figure for grid zone {0:?} in the bundled table; see kubectl tanso regions, or give --intensity"
    )]
    Zone(String),
    /// The figures do not fit together.
    #[error(transparent)]
    Whatif(#[from] WhatifError),
}

/// Computes a report and writes it.
///
/// # Errors
/// What is wrong, in which file, at which row.
pub fn run(args: &Args, out: &mut impl Write) -> Result<Outcome, Error> {
    let report = report(args)?;
    match args.output {
        Output::Json => crate::write_json(out, &report)?,
        Output::Table => text::write(&report, out)?,
    }
    let failing = report.combined.verdict == tanso_carbon::Verdict::NonCompliant;
    Ok(if failing {
        Outcome::Failing
    } else {
        Outcome::Fine
    })
}

fn read(path: &Path) -> Result<String, WhatifFault> {
    fs::read_to_string(path).map_err(|source| WhatifFault::Read {
        path: path.to_owned(),
        source,
    })
}

fn report(args: &Args) -> Result<Report, WhatifFault> {
    let energy = EnergyTable::parse(&args.energy.display().to_string(), &read(&args.energy)?)?;
    let zone = time_zone(&args.time_zone)?;
    let period = args.period.as_deref().map(|text| parse_period(text, &zone));
    let grids = grids(args, &energy)?;
    let grids = grids.iter().map(|(name, grid)| (name.clone(), &**grid));
    let pue = args.pue.map(Pue::try_new).transpose()?;
    let pue = pue.map(|value| FacilityPue::annual(value, args.pue_evidence.into(), "--pue"));
    let presets = presets(args)?;
    let contracts = contracts(args)?;
    let residual = args.residual.map(residual).transpose()?;
    let embodied = args.embodied_grams.map(GramsCo2e::try_from_grams);
    let inputs = Inputs {
        energy: &energy,
        grids: &grids.collect(),
        zone: &args.zone,
        pue: pue.as_ref(),
        metering: if args.metered_at_facility {
            Metering::Facility
        } else {
            Metering::ItEquipment
        },
        period: period.transpose()?,
        time_zone: &zone,
        presets: &presets,
        thresholds: Thresholds {
            min_coverage_percent: args.min_coverage,
            max_estimated_percent: args.max_estimated,
        },
        market: residual.as_ref().map(|residual| Market {
            contracts: &contracts,
            matching: match args.matching {
                MatchingArg::Annual => Matching::Annual,
                MatchingArg::Hourly => Matching::Hourly,
            },
            residual,
        }),
        indicators: &[],
        embodied: embodied.transpose()?.map(Estimate::exact),
        functional_units: args.units,
        base_year_grams: args.base_year_grams,
    };
    Ok(whatif(&inputs)?)
}

fn contracts(args: &Args) -> Result<Vec<Contract>, WhatifFault> {
    match &args.contracts {
        Some(path) => Ok(parse_contracts(&path.display().to_string(), &read(path)?)?),
        None => Ok(Vec::new()),
    }
}

fn residual(grams_per_kwh: f64) -> Result<ResidualMix, UnitError> {
    let intensity = Intensity::try_from_grams_per_kwh(grams_per_kwh)?;
    Ok(ResidualMix {
        intensity: Estimate::exact(intensity),
        source: "--residual".to_owned(),
        data_year: None,
    })
}

fn parse_period(text: &str, zone: &jiff::tz::TimeZone) -> Result<Period, WhatifFault> {
    let wrong = || WhatifFault::Period(text.to_owned());
    let day = |text: &str| text.parse::<Date>().map_err(|_| wrong());
    Ok(match text.split('-').count() {
        3 => Period::local_day(day(text)?, zone)?,
        2 => Period::local_month(day(&format!("{text}-01"))?, zone)?,
        _ => Period::local_year(text.parse().map_err(|_| wrong())?, zone)?,
    })
}

fn presets(args: &Args) -> Result<Vec<Preset>, WhatifFault> {
    let bundled = RuleSet::try_from_files(BUNDLED.iter().copied())?;
    let mut presets = Vec::new();
    for id in &args.rules {
        let preset = bundled.get(id).ok_or_else(|| WhatifFault::Rule {
            id: id.clone(),
            known: bundled.ids().join(", "),
        })?;
        presets.push(preset.clone());
    }
    for path in &args.rule_files {
        presets.push(RuleSet::parse(&path.display().to_string(), &read(path)?)?);
    }
    Ok(presets)
}

type Grid = Box<dyn HourlyIntensity>;

/// The intensity of each zone that a line names.
fn grids(args: &Args, energy: &EnergyTable) -> Result<BTreeMap<String, Grid>, WhatifFault> {
    let file = args.intensity.as_ref();
    let table = file
        .map(|path| Ok::<_, WhatifFault>((path, read(path)?)))
        .transpose()?;
    let named = energy.lines().iter().map(|line| line.zone.as_ref());
    let mut grids = BTreeMap::new();
    for zone in named.map(|zone| zone.unwrap_or(&args.zone)) {
        if grids.contains_key(zone) {
            continue;
        }
        let grid: Grid = match (&table, args.grams_per_kwh) {
            (Some((path, text)), _) => Box::new(hourly(args, zone, path, text)?),
            (None, Some(grams)) => Box::new(constant(args, zone, grams)?),
            (None, None) => bundled(args, zone, energy)?,
        };
        grids.insert(zone.clone(), grid);
    }
    Ok(grids)
}

fn info(args: &Args, zone: &str, source: &str) -> SeriesInfo {
    SeriesInfo {
        boundary: match args.boundary {
            BoundaryArg::Direct => Boundary::Direct,
            BoundaryArg::LifeCycle => Boundary::LifeCycle,
        },
        ..SeriesInfo::average_life_cycle(zone, source)
    }
}

fn constant(args: &Args, zone: &str, grams: f64) -> Result<StaticIntensity, UnitError> {
    let value = Intensity::try_from_grams_per_kwh(grams)?;
    let info = info(args, zone, "--grams-per-kwh");
    Ok(StaticIntensity::new(info, Estimate::exact(value)))
}

fn hourly(
    args: &Args,
    zone: &str,
    path: &Path,
    text: &str,
) -> Result<IntensitySeries, TableFaults> {
    let file = path.display().to_string();
    let series = parse_hourly(&file, text, info(args, zone, &file))?;
    match args.fill {
        0 => Ok(series),
        hours => Ok(series.closed(&[FillRule::Interpolate(hours)])),
    }
}

fn bundled(args: &Args, zone: &str, energy: &EnergyTable) -> Result<Grid, WhatifFault> {
    let direct = args.boundary == BoundaryArg::Direct;
    if let Some((_, file, text)) = HOURLY.iter().find(|(known, ..)| *known == zone) {
        let boundary = info(args, zone, "").boundary;
        let typical = TypicalYear::parse(file, text, boundary)?;
        return Ok(Box::new(typical));
    }
    let zones = YearlyZones::parse("zones_yearly.csv", ZONES)?;
    let last = energy.period().until.plus_hours(-1).start();
    let year = jiff::tz::TimeZone::UTC.to_datetime(last).year();
    let found = zones.get(zone).filter(|_| !direct);
    let found = found.and_then(|found| found.intensity(year));
    Ok(Box::new(
        found.ok_or_else(|| WhatifFault::Zone(zone.to_owned()))?,
    ))
}

impl From<EvidenceArg> for PueEvidence {
    fn from(evidence: EvidenceArg) -> Self {
        match evidence {
            EvidenceArg::Measured => Self::Measured,
            EvidenceArg::Certificate => Self::Certificate,
            EvidenceArg::Region => Self::PublishedForRegion,
            EvidenceArg::ProviderAverage => Self::ProviderAverage,
            EvidenceArg::Assumed => Self::Assumed,
        }
    }
}

#[cfg(test)]
mod tests;
