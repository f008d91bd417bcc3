//! `kubectl tanso whatif`: what hourly energy emitted and what rules say to
//! it, from a table alone. Asks no cluster, so that anybody can compute a
//! report again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use tanso_carbon::calendar::{CalendarError, time_zone};
use tanso_carbon::marginal::{MarginalIntensity, NotMarginal};
use tanso_carbon::market::{Contract, Matching, ResidualMix};
use tanso_carbon::pue::Entity;
use tanso_carbon::regulation::{BUNDLED, Preset, RuleFaults};
use tanso_carbon::series::{Boundary, FillRule, IntensitySeries, Method};
use tanso_carbon::table::{TableFaults, names_zones, parse_hourly};
use tanso_carbon::units::UnitError;
use tanso_carbon::whatif::{
    EnergyTable, Inputs, Market, Report, WhatifError, parse_contracts, whatif,
};
use tanso_carbon::{
    FacilityPue, GramsCo2e, HourlyIntensity, Intensity, Metering, Period, Pue, RuleSet, SeriesInfo,
    StaticIntensity, Thresholds, TypicalYear, UtcHour, YearlyZones,
};
use tanso_power::Estimate;

use crate::{Error, Outcome, Output};

mod args;
mod text;

pub use args::Args;
use args::{BoundaryArg, MatchingArg};

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
    /// A file is text in another encoding.
    #[error("reading {0:?}: not UTF-8; accepted is a table saved as \"CSV UTF-8\"")]
    Encoding(PathBuf),
    /// No line is of what was asked for.
    #[error("no line of {path:?} is of {asked}; its workloads are {known}")]
    NoneSelected {
        /// The table.
        path: PathBuf,
        /// The flags.
        asked: String,
        /// The first names that there are.
        known: String,
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
    /// A series is not marginal.
    #[error(transparent)]
    Marginal(#[from] NotMarginal),
    /// A time zone or day is none.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    /// The period is none.
    #[error(
        "--period {0:?}: accepted are a day, a month or a year, as in 2026-06-15, 2026-06, 2026"
    )]
    Period(String),
    /// It ends before it begins.
    #[error("--from {from} --until {until}: accepted is an end after the begin")]
    Empty {
        /// The begin.
        from: UtcHour,
        /// The end.
        until: UtcHour,
    },
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
    /// The bundled table has no direct figures of the zone.
    #[error(
        "--boundary direct: the bundled table has no direct figures for grid zone {zone:?}, only for {known}; accepted are --boundary life-cycle, or --intensity FILE or --grams-per-kwh GRAMS with direct figures"
    )]
    NoDirect {
        /// The zone.
        zone: String,
        /// The zones that have some.
        known: String,
    },
    /// A table of one zone would price energy of several.
    #[error(
        "{path:?} has no column \"zone\", so it is of one grid zone, and the energy is of {zones}: accepted is a table with the columns datetime_utc,zone,ci_lifecycle_gco2eq_kwh"
    )]
    OneZone {
        /// The table.
        path: PathBuf,
        /// The zones of the energy.
        zones: String,
    },
    /// A flag is about an intensity that is not given.
    #[error("{flag} says nothing of the bundled table: give {wanted} with it, or leave it out")]
    OfNoIntensity {
        /// The flag.
        flag: &'static str,
        /// What would make it matter.
        wanted: &'static str,
    },
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
        output @ (Output::Json | Output::Yaml) => output.write(out, &report)?,
        Output::Table | Output::Wide => text::write(&report, out)?,
    }
    let failing = report.combined.verdict == tanso_carbon::Verdict::NonCompliant;
    Ok(if failing {
        Outcome::Failing
    } else {
        Outcome::Fine
    })
}

fn read(path: &Path) -> Result<String, WhatifFault> {
    fs::read_to_string(path).map_err(|source| match source.kind() {
        ErrorKind::InvalidData => WhatifFault::Encoding(path.to_owned()),
        _ => WhatifFault::Read {
            path: path.to_owned(),
            source,
        },
    })
}

/// Refuses flags that nothing would come of.
fn look_at_flags(args: &Args) -> Result<(), WhatifFault> {
    const FILE: &str = "--intensity FILE";
    const ANY: &str = "--intensity FILE or --grams-per-kwh GRAMS";
    let has_file = args.intensity.is_some();
    let has_any = has_file || args.grams_per_kwh.is_some();
    let flags = [
        (
            "--intensity-source",
            ANY,
            has_any || args.intensity_source.is_none(),
        ),
        ("--data-year", ANY, has_any || args.data_year.is_none()),
        ("--fill", FILE, has_file || args.fill == 0),
        ("--fill-days", FILE, has_file || args.fill_days == 0),
    ];
    match flags.into_iter().find(|(.., is_fine)| !is_fine) {
        Some((flag, wanted, _)) => Err(WhatifFault::OfNoIntensity { flag, wanted }),
        None => Ok(()),
    }
}

fn report(args: &Args) -> Result<Report, WhatifFault> {
    look_at_flags(args)?;
    let energy = energy(args)?;
    let zone = time_zone(&args.time_zone)?;
    let period = args.period.as_deref().map(|text| parse_period(text, &zone));
    let between = args.from.zip(args.until);
    let between = between.map(|(from, until)| between_hours(from, until));
    let grids = grids(args, &energy)?;
    let grids = grids.iter().map(|(name, grid)| (name.clone(), &**grid));
    let grids = grids.collect();
    let pue = pue(args)?;
    let presets = presets(args)?;
    let contracts = contracts(args)?;
    let residual = args
        .residual
        .map(|grams| residual(args, grams))
        .transpose()?;
    let marginal = args.marginal.as_deref().map(|path| marginal(args, path));
    let marginal = marginal.transpose()?;
    let embodied = args.embodied_grams.map(GramsCo2e::try_from_grams);
    let inputs = Inputs {
        pue: pue.as_ref(),
        metering: if args.metered_at_facility {
            Metering::Facility
        } else {
            Metering::ItEquipment
        },
        period: between.or(period).transpose()?,
        data_through: args.data_through,
        presets: &presets,
        thresholds: Thresholds {
            min_coverage_percent: args.min_coverage,
            max_estimated_percent: args.max_estimated,
        },
        market: residual.as_ref().map(|residual| Market {
            contracts: &contracts,
            matching: match args.matching.unwrap_or_default() {
                MatchingArg::Annual => Matching::Annual,
                MatchingArg::Hourly => Matching::Hourly,
            },
            residual,
        }),
        indicators: &args.indicators,
        marginal: match &marginal {
            Some(series) => Some(MarginalIntensity::try_new(series)?),
            None => None,
        },
        embodied: embodied.transpose()?.map(Estimate::exact),
        functional_units: args.units,
        unit: &args.unit_name,
        base_year_grams: args.base_year_grams,
        ..Inputs::new(&energy, &grids, &args.zone, &zone)
    };
    Ok(whatif(&inputs)?)
}

/// How many workloads are named where none is meant.
const NAMES_SHOWN: usize = 8;

/// The table, of the workloads that were asked for.
fn energy(args: &Args) -> Result<EnergyTable, WhatifFault> {
    let all = EnergyTable::parse(&args.energy.display().to_string(), &read(&args.energy)?)?;
    let is_one_of = |wanted: &[String], part: Option<&str>| {
        wanted.is_empty() || wanted.iter().any(|one| Some(one.as_str()) == part)
    };
    let all = match args.provenance {
        Some(provenance) => all.with_provenance(provenance.into()),
        None => all,
    };
    let is_wanted = |workload: &str| {
        let mut parts = workload.split('/');
        is_one_of(&args.namespaces, parts.next()) && is_one_of(&args.kinds, parts.next())
    };
    let names: BTreeSet<&str> = all.lines().iter().map(|line| &*line.workload).collect();
    if names.iter().any(|name| is_wanted(name)) || names.is_empty() {
        return Ok(all.select(is_wanted));
    }
    let of = |flag: &str, wanted: &[String]| {
        let each = wanted.iter().map(|one| format!("{flag} {one}"));
        each.collect::<Vec<_>>()
    };
    let asked = [
        of("--namespace", &args.namespaces),
        of("--kind", &args.kinds),
    ]
    .concat();
    let known: Vec<_> = names.into_iter().take(NAMES_SHOWN).collect();
    Err(WhatifFault::NoneSelected {
        path: args.energy.clone(),
        asked: asked.join(" "),
        known: known.join(", "),
    })
}

fn pue(args: &Args) -> Result<Option<FacilityPue>, WhatifFault> {
    let value = args.pue.map(Pue::try_new).transpose()?;
    Ok(value.map(|value| {
        let source = args.pue_source.as_deref().unwrap_or("--pue");
        FacilityPue {
            scope: args.pue_scope.into(),
            category: args.pue_category.map(Into::into),
            entity: if args.pue_of_all_sites {
                Entity::AllSites
            } else {
                Entity::Site
            },
            ..FacilityPue::annual(value, args.pue_evidence.into(), source)
        }
    }))
}

fn marginal(args: &Args, path: &Path) -> Result<IntensitySeries, WhatifFault> {
    let file = path.display().to_string();
    // Source and year of the average are not the marginal figures' own.
    let info = SeriesInfo {
        method: Method::Marginal,
        source: file.clone(),
        data_year: None,
        ..info(args, &args.zone, &file)
    };
    Ok(parse_hourly(&file, &read(path)?, info)?)
}

fn contracts(args: &Args) -> Result<Vec<Contract>, WhatifFault> {
    match &args.contracts {
        Some(path) => Ok(parse_contracts(&path.display().to_string(), &read(path)?)?),
        None => Ok(Vec::new()),
    }
}

fn residual(args: &Args, grams_per_kwh: f64) -> Result<ResidualMix, UnitError> {
    let intensity = Intensity::try_from_grams_per_kwh(grams_per_kwh)?;
    Ok(ResidualMix {
        intensity: Estimate::exact(intensity),
        source: args
            .residual_source
            .clone()
            .unwrap_or_else(|| "--residual".to_owned()),
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

fn between_hours(from: UtcHour, until: UtcHour) -> Result<Period, WhatifFault> {
    if until <= from {
        return Err(WhatifFault::Empty { from, until });
    }
    Ok(Period { from, until })
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
    let zones: BTreeSet<&String> = named.map(|zone| zone.unwrap_or(&args.zone)).collect();
    if let Some((path, text)) = &table
        && zones.len() > 1
        && !names_zones(text)
    {
        let zones: Vec<_> = zones.into_iter().map(String::as_str).collect();
        return Err(WhatifFault::OneZone {
            path: (*path).clone(),
            zones: zones.join(", "),
        });
    }
    let mut grids = BTreeMap::new();
    for zone in zones {
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
        data_year: args.data_year,
        ..SeriesInfo::average_life_cycle(zone, args.intensity_source.as_deref().unwrap_or(source))
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
    let rules = [
        FillRule::Interpolate(args.fill),
        FillRule::SameHourLastDays(args.fill_days),
    ];
    Ok(match (args.fill, args.fill_days) {
        (0, 0) => series,
        _ => series.closed(&rules),
    })
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
    let found = zones.get(zone);
    if direct && found.is_some() {
        return Err(WhatifFault::NoDirect {
            zone: zone.to_owned(),
            known: HOURLY.map(|(zone, ..)| zone).join(" and "),
        });
    }
    let found = found.and_then(|found| found.intensity(year));
    Ok(Box::new(
        found.ok_or_else(|| WhatifFault::Zone(zone.to_owned()))?,
    ))
}

#[cfg(test)]
mod tests;
