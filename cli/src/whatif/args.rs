//! The flags of `kubectl tanso whatif` and what they accept. Reads no file.

use std::path::PathBuf;

use clap::ValueEnum;
use tanso_carbon::UtcHour;
use tanso_carbon::indicator::{Indicator, Stated};
use tanso_carbon::pue::{Entity, PueCategory, PueEvidence, PueScope};
use tanso_carbon::regulation::Metric;
use tanso_power::Provenance;

use crate::Output;

/// What to compute.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// CSV of hourly energy: `datetime_utc,energy_kwh` (or `_wh`, `_joules`, `_microjoules`) and, if you have
    /// them, `workload`, `node`, `pod`, `zone`, `pue`, `pue_evidence`, `provenance` (measured, modelled, simulated; not known without),
    /// `functional_units`, `embodied_grams`, `energy_low_kwh` and `energy_high_kwh`; or an export of the operator's
    /// ledger as it is. Any other column is refused, and so is a line that stands twice
    pub(super) energy: PathBuf,
    /// Only workloads of this namespace, in an export of the ledger; may be given more than once
    #[arg(long = "namespace", value_name = "NAME")]
    pub(super) namespaces: Vec<String>,
    /// Only workloads of this kind, in an export of the ledger; may be given more than once
    #[arg(long = "kind", value_name = "KIND")]
    pub(super) kinds: Vec<String>,
    /// Where the figures come from of lines that do not say it. Without it they are of unknown provenance, and no rule about
    /// energy is judged by such alone
    #[arg(long, value_enum, value_name = "PROVENANCE")]
    pub(super) provenance: Option<ProvenanceArg>,
    /// Grid zone of lines that name none
    #[arg(long, default_value = "KR", value_name = "ZONE")]
    pub(super) zone: String,
    /// Hourly intensity, CSV: `datetime_utc,gco2eq_per_kwh`, or with a column `zone` and one per boundary.
    /// Without it the bundled table: typical hours for KR and DE, else the zone's yearly mean
    #[arg(long, value_name = "FILE", conflicts_with = "grams_per_kwh")]
    pub(super) intensity: Option<PathBuf>,
    /// One intensity for every hour, gCO2eq/kWh
    #[arg(long, value_name = "GRAMS")]
    pub(super) grams_per_kwh: Option<f64>,
    /// Which emissions of a kilowatt-hour the intensity counts
    #[arg(long, value_enum, default_value_t)]
    pub(super) boundary: BoundaryArg,
    /// Who says so, for the report: document and year; with --intensity or --grams-per-kwh. Default: the file or flag
    #[arg(long, value_name = "TEXT")]
    pub(super) intensity_source: Option<String>,
    /// The year that the intensity describes; with --intensity or --grams-per-kwh, the bundled table knows its own
    #[arg(long, value_name = "YEAR", value_parser = clap::value_parser!(i16).range(1950..=2150))]
    pub(super) data_year: Option<i16>,
    /// Fill gaps of --intensity of up to so many hours on the line between their neighbours; filled hours count as estimated
    #[arg(long, value_name = "HOURS", default_value_t = 0)]
    pub(super) fill: u16,
    /// Then fill with the mean of the same hour of so many days before; such hours count as estimated. A policy's
    /// table is filled with `--fill 3 --fill-days 7`
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    pub(super) fill_days: u16,
    /// Marginal intensity of `--zone`, CSV as `--intensity`: what the use changed is told beside the sums
    #[arg(long, value_name = "FILE")]
    pub(super) marginal: Option<PathBuf>,
    /// PUE of lines that name none; also the one that rules judge
    #[arg(long, value_name = "RATIO")]
    pub(super) pue: Option<f64>,
    /// Who stands for the PUE; only the first three are judged
    #[arg(long, value_enum, default_value_t, requires = "pue")]
    pub(super) pue_evidence: EvidenceArg,
    /// The certificate, page or meter that says so
    #[arg(long, value_name = "TEXT", requires = "pue")]
    pub(super) pue_source: Option<String>,
    /// What the PUE covers
    #[arg(long, value_enum, default_value_t, requires = "pue")]
    pub(super) pue_scope: ScopeArg,
    /// Where its IT energy is metered (ISO/IEC 30134-2 category)
    #[arg(long, value_enum, requires = "pue")]
    pub(super) pue_category: Option<CategoryArg>,
    /// The PUE is of all sites of the operator, energies summed before dividing
    #[arg(long, requires = "pue")]
    pub(super) pue_of_all_sites: bool,
    /// A figure of the facility, its evidence and, for all sites of an operator, `all-sites`: `wue=0.35:certificate`,
    /// `erf=15:measured`; litres per kWh for wue, percent for erf, ref and renewable-share; may be given more than once
    #[arg(long = "indicator", value_name = "METRIC=FIGURE:EVIDENCE", value_parser = indicator)]
    pub(super) indicators: Vec<Indicator>,
    /// The energy was metered at the facility: PUE is in it already
    #[arg(long)]
    pub(super) metered_at_facility: bool,
    /// A local day, month or year to add up: 2026-06-15, 2026-06 or 2026. Without it, all of the table
    #[arg(long, value_name = "PERIOD")]
    pub(super) period: Option<String>,
    /// Begin of what to add up in place of a period, an hour as in 2026-10-05T09:00Z; rules are judged over their own
    /// periods, by all of the table
    #[arg(long, value_name = "HOUR", requires = "until", conflicts_with = "period", value_parser = hour)]
    pub(super) from: Option<UtcHour>,
    /// End of it: the hour after the last
    #[arg(long, value_name = "HOUR", requires = "from", conflicts_with = "period", value_parser = hour)]
    pub(super) until: Option<UtcHour>,
    /// Until when energy could be known, an hour as in 2026-10-05T09:00Z: hours from here on are to come, and no
    /// period misses them. Without it each hour of a period, and of a rule's, should be in the table
    #[arg(long, value_name = "HOUR", value_parser = hour)]
    pub(super) data_through: Option<UtcHour>,
    /// IANA time zone of local days
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    pub(super) time_zone: String,
    /// Judge by this rule, for example kr-carbon-2050; may be given more than once
    #[arg(long = "rule", value_name = "ID")]
    pub(super) rules: Vec<String>,
    /// A rule file of your own, judged too; may be given more than once
    #[arg(long = "rule-file", value_name = "FILE")]
    pub(super) rule_files: Vec<PathBuf>,
    /// Least share of a rule's hours with energy, percent, 0 to 100
    #[arg(long, default_value_t = 80.0, value_name = "PERCENT", value_parser = percent)]
    pub(super) min_coverage: f64,
    /// Largest share of energy with an estimated intensity, percent, 0 to 100
    #[arg(long, default_value_t = 50.0, value_name = "PERCENT", value_parser = percent)]
    pub(super) max_estimated: f64,
    /// Contracts for a market-based sum, CSV: `datetime_utc,contract,energy_kwh,gco2eq_per_kwh`
    #[arg(long, value_name = "FILE", requires = "residual")]
    pub(super) contracts: Option<PathBuf>,
    /// Residual mix for what contracts leave, gCO2eq/kWh
    #[arg(long, value_name = "GRAMS")]
    pub(super) residual: Option<f64>,
    /// Who publishes the residual mix
    #[arg(long, value_name = "TEXT", requires = "residual")]
    pub(super) residual_source: Option<String>,
    /// How contracts are matched, hour by hour by default; with --residual
    #[arg(long, value_enum, requires = "residual")]
    pub(super) matching: Option<MatchingArg>,
    /// Embodied emissions of the period (M of ISO/IEC 21031), grams; or a column `embodied_grams`
    #[arg(long, value_name = "GRAMS")]
    pub(super) embodied_grams: Option<f64>,
    /// Functional units that the energy served (R of ISO/IEC 21031); or a column `functional_units`
    #[arg(long, value_name = "COUNT")]
    pub(super) units: Option<f64>,
    /// What a functional unit is
    #[arg(long, value_name = "NAME", default_value = "unit")]
    pub(super) unit_name: String,
    /// Emissions of the base year of a reduction path, grams, above 0
    #[arg(long, value_name = "GRAMS", value_parser = base_year, allow_negative_numbers = true)]
    pub(super) base_year_grams: Option<f64>,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t)]
    pub(super) output: Output,
}

/// Where figures of energy come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ProvenanceArg {
    /// From a meter
    Measured,
    /// From a model
    Modelled,
    /// Made up, for trials
    Simulated,
}

/// Which emissions are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum BoundaryArg {
    /// At the stack only
    Direct,
    /// With fuel supply and plants
    #[default]
    LifeCycle,
}

/// Who stands for a PUE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum EvidenceArg {
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

/// What time and what part of a facility a PUE covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ScopeArg {
    /// Energy of twelve months, the whole site (ISO/IEC 30134-2)
    #[default]
    Annual,
    /// Energy of fewer months (iPUE)
    Interim,
    /// A part of the site (pPUE)
    Partial,
    /// A design figure (dPUE)
    Design,
    /// At a quarter of the IT load
    AtQuarterLoad,
    /// At full IT load
    AtFullLoad,
}

/// Where IT energy is metered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CategoryArg {
    /// Category 1: at the output of the UPS
    Ups,
    /// Category 2: at the output of the power distribution unit
    Pdu,
    /// Category 3: at the input of the device
    Device,
}

/// How contracts are matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum MatchingArg {
    /// Over the whole period
    Annual,
    /// Hour by hour
    #[default]
    Hourly,
}

impl From<ProvenanceArg> for Provenance {
    fn from(provenance: ProvenanceArg) -> Self {
        match provenance {
            ProvenanceArg::Measured => Self::Measured,
            ProvenanceArg::Modelled => Self::Modelled,
            ProvenanceArg::Simulated => Self::Simulated,
        }
    }
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

impl From<ScopeArg> for PueScope {
    fn from(scope: ScopeArg) -> Self {
        match scope {
            ScopeArg::Annual => Self::Annual,
            ScopeArg::Interim => Self::Interim,
            ScopeArg::Partial => Self::Partial,
            ScopeArg::Design => Self::Design,
            ScopeArg::AtQuarterLoad => Self::AtQuarterLoad,
            ScopeArg::AtFullLoad => Self::AtFullLoad,
        }
    }
}

impl From<CategoryArg> for PueCategory {
    fn from(category: CategoryArg) -> Self {
        match category {
            CategoryArg::Ups => Self::Ups,
            CategoryArg::Pdu => Self::Pdu,
            CategoryArg::Device => Self::Device,
        }
    }
}

fn hour(text: &str) -> Result<UtcHour, String> {
    UtcHour::parse(text).map_err(|fault| fault.to_string())
}

/// A share from 0 to 100.
fn percent(text: &str) -> Result<f64, String> {
    let figure: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=100.0).contains(&figure) {
        Ok(figure)
    } else {
        Err("accepted are 0 to 100".to_owned())
    }
}

/// What a path is held against: of nothing nothing can be reduced.
fn base_year(text: &str) -> Result<f64, String> {
    let grams: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if grams.is_finite() && grams > 0.0 {
        Ok(grams)
    } else {
        Err("accepted are grams above 0".to_owned())
    }
}

/// A facility's figure from `wue=0.35:certificate`.
fn indicator(text: &str) -> Result<Indicator, String> {
    let form = || "accepted is metric=figure:evidence, as in wue=0.35:certificate".to_owned();
    let (metric, rest) = text.split_once('=').ok_or_else(form)?;
    let metric = match metric {
        "wue" => Metric::Wue,
        "erf" => Metric::Erf,
        "ref" => Metric::Ref,
        "renewable-share" => Metric::RenewableShare,
        _ => return Err("accepted are wue, erf, ref and renewable-share".to_owned()),
    };
    let mut parts = rest.split(':');
    let figure = parts.next().and_then(|figure| figure.parse().ok());
    let stated =
        Stated::try_new(metric, figure.ok_or_else(form)?).map_err(|why| why.to_string())?;
    let evidence = EvidenceArg::from_str(parts.next().unwrap_or("assumed"), false);
    let evidence = evidence.map_err(|_| {
        "accepted evidence: measured, certificate, region, provider-average, assumed".to_owned()
    })?;
    let entity = match parts.next() {
        None => Entity::Site,
        Some("all-sites") => Entity::AllSites,
        Some(_) => return Err("accepted after the evidence is all-sites".to_owned()),
    };
    Ok(Indicator {
        entity,
        ..Indicator::new(stated, evidence.into(), "--indicator")
    })
}
