//! `kubectl tanso regions`: grid zones with their yearly intensity, and cloud
//! regions with their PUE and what that figure covers. From the tables that
//! come with tanso; asks no cluster.

use std::io::Write;

use clap::ValueEnum;
use serde::Serialize;
use tanso_carbon::regions::{Region, Regions, YearlyZone, YearlyZones};
use tanso_carbon::series::{Basis, Boundary, Method};
use tanso_carbon::{FacilityPue, HourlyIntensity as _, PueEvidence};

use crate::table::{Align, Table};
use crate::{Error, Outcome, Output};

const REGIONS: &str = include_str!("../../config/regions/regions.csv");
const ZONES: &str = include_str!("../../config/regions/zones_yearly.csv");
/// Later than any year of the table, so that the newest is taken.
const NEWEST: i16 = i16::MAX;

/// What to show.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Only this grid zone and the cloud regions in it, for example KR
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// Only the regions of this provider
    #[arg(long, value_enum)]
    provider: Option<Provider>,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// A cloud provider of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Provider {
    /// Amazon Web Services
    Aws,
    /// Microsoft Azure
    Azure,
    /// Google Cloud
    Gcp,
}

impl Provider {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
        }
    }
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum RegionsError {
    /// The zone is in no table.
    #[error("grid zone \"{zone}\" is not in the table; {hint}")]
    NoSuchZone {
        /// What was asked for.
        zone: String,
        /// What is close to it.
        hint: String,
    },
    /// A table that was built in cannot be read.
    #[error("the built-in table is broken: {0}")]
    Table(#[from] tanso_carbon::table::TableFaults),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ZoneView {
    zone: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    grams_per_kwh: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_year: Option<i16>,
    boundary: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RegionView {
    provider: String,
    region: String,
    location: String,
    zone: String,
    time_zone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    grams_per_kwh: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pue: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pue_year: Option<i16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pue_scope: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct View {
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
    zones: Vec<ZoneView>,
    regions: Vec<RegionView>,
}

/// What the intensities are, and under which terms they may be used: the same
/// of all zones.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    publisher: String,
    licence: String,
    method: Method,
    boundary: Boundary,
    basis: Basis,
}

impl Source {
    fn of(zones: &YearlyZones) -> Option<Self> {
        let mut known = zones.names().filter_map(|name| zones.get(name));
        let figure = known.find_map(|zone| zone.intensity(NEWEST))?;
        let info = figure.info();
        Some(Self {
            publisher: info.source.clone(),
            licence: info.licence.clone(),
            method: info.method,
            boundary: info.boundary,
            basis: info.basis,
        })
    }
}

/// What the figures of the tables are.
fn footer(source: Option<&Source>) -> String {
    let grids = source.map_or_else(String::new, |of| {
        format!(
            "G/KWH: gCO2eq per kWh, mean of the newest year, {} {} {}; {} ({})\n",
            of.method, of.boundary, of.basis, of.publisher, of.licence
        )
    });
    grids
        + "PUE: as the providers publish it; of scope provider-average it is the mean of their regions, and never judged\n"
}

/// Shows the tables.
///
/// # Errors
/// If the zone is unknown.
pub fn run(args: &Args, out: &mut impl Write) -> Result<Outcome, Error> {
    let view = view(args)?;
    match args.output {
        output @ (Output::Json | Output::Yaml) => {
            output.write(out, &view)?;
        }
        Output::Table | Output::Wide => write!(out, "{}", view.text())?,
    }
    Ok(Outcome::Fine)
}

fn view(args: &Args) -> Result<View, RegionsError> {
    let zones = YearlyZones::parse("config/regions/zones_yearly.csv", ZONES)?;
    let regions = Regions::parse("config/regions/regions.csv", REGIONS)?;
    if let Some(zone) = &args.zone
        && zones.get(zone).is_none()
    {
        return Err(RegionsError::NoSuchZone {
            zone: zone.clone(),
            hint: hint(zone, &zones),
        });
    }
    let wanted = |zone: &str| args.zone.as_deref().is_none_or(|only| only == zone);
    let of_provider = |region: &Region| {
        args.provider
            .is_none_or(|only| only.as_str() == region.provider)
    };
    let shown_zones = zones
        .names()
        // A provider alone asks for its regions, not for all zones of the world.
        .filter(|zone| wanted(zone) && (args.zone.is_some() || args.provider.is_none()))
        .filter_map(|zone| zones.get(zone));
    Ok(View {
        source: Source::of(&zones),
        zones: shown_zones.map(ZoneView::new).collect(),
        regions: regions
            .iter()
            .filter(|region| wanted(&region.grid_zone) && of_provider(region))
            .map(|region| RegionView::new(region, zones.get(&region.grid_zone)))
            .collect(),
    })
}

/// Zones that begin alike.
fn hint(zone: &str, zones: &YearlyZones) -> String {
    let start: String = zone.to_uppercase().chars().take(2).collect();
    let close: Vec<&str> = zones
        .names()
        .filter(|name| name.starts_with(&start))
        .take(8)
        .collect();
    if close.is_empty() || start.is_empty() {
        "`kubectl tanso regions` lists them all".to_owned()
    } else {
        format!("accepted are {}", close.join(", "))
    }
}

impl ZoneView {
    fn new(zone: &YearlyZone) -> Self {
        let newest = zone.nearest(NEWEST);
        Self {
            zone: zone.zone.clone(),
            name: zone.name.clone(),
            grams_per_kwh: newest.map(|(_, intensity)| intensity.as_grams_per_kwh_f64()),
            data_year: newest.map(|(year, _)| year),
            boundary: "LifeCycle",
        }
    }
}

impl RegionView {
    fn new(region: &Region, zone: Option<&YearlyZone>) -> Self {
        let pue = region.pue.as_ref();
        Self {
            provider: region.provider.clone(),
            region: region.region.clone(),
            location: region.location.clone(),
            zone: region.grid_zone.clone(),
            time_zone: region.time_zone.clone(),
            grams_per_kwh: zone
                .and_then(|zone| zone.nearest(NEWEST))
                .map(|(_, intensity)| intensity.as_grams_per_kwh_f64()),
            pue: pue.map(|pue| pue.value.value.ratio()),
            pue_year: pue.and_then(|pue| pue.year),
            pue_scope: pue.map(scope),
        }
    }
}

/// What a PUE was published for.
const fn scope(pue: &FacilityPue) -> &'static str {
    match pue.evidence {
        PueEvidence::PublishedForRegion => "region",
        PueEvidence::ProviderAverage => "provider-average",
        PueEvidence::Measured => "measured",
        PueEvidence::Certificate => "certificate",
        PueEvidence::Assumed => "assumed",
    }
}

fn whole(figure: Option<f64>) -> String {
    figure.map_or(String::new(), |figure| format!("{figure:.0}"))
}

impl View {
    fn text(&self) -> String {
        let mut text = String::new();
        if !self.zones.is_empty() {
            text += &self.zone_table().to_string();
        }
        if !self.regions.is_empty() {
            if !text.is_empty() {
                text.push('\n');
            }
            text += &self.region_table().to_string();
        }
        if text.is_empty() {
            return "no region of this provider lies in this zone\n".to_owned();
        }
        text + "\n" + &footer(self.source.as_ref())
    }

    fn zone_table(&self) -> Table {
        let mut table = Table::new(&[
            ("ZONE", Align::Left),
            ("G/KWH", Align::Right),
            ("YEAR", Align::Right),
            ("NAME", Align::Left),
        ]);
        for zone in &self.zones {
            let year = zone
                .data_year
                .map_or(String::new(), |year| year.to_string());
            table.push([
                zone.zone.clone(),
                whole(zone.grams_per_kwh),
                year,
                zone.name.clone(),
            ]);
        }
        table
    }

    fn region_table(&self) -> Table {
        let mut table = Table::new(&[
            ("PROVIDER", Align::Left),
            ("REGION", Align::Left),
            ("ZONE", Align::Left),
            ("G/KWH", Align::Right),
            ("PUE", Align::Right),
            ("PUE-YEAR", Align::Right),
            ("PUE-SCOPE", Align::Left),
            ("LOCATION", Align::Left),
        ]);
        for region in &self.regions {
            table.push([
                region.provider.clone(),
                region.region.clone(),
                region.zone.clone(),
                whole(region.grams_per_kwh),
                region.pue.map_or(String::new(), |pue| format!("{pue:.2}")),
                region
                    .pue_year
                    .map_or(String::new(), |year| year.to_string()),
                region.pue_scope.unwrap_or_default().to_owned(),
                region.location.clone(),
            ]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(
        zone: Option<&str>,
        provider: Option<Provider>,
        output: Output,
    ) -> Result<String, Error> {
        let args = Args {
            zone: zone.map(str::to_owned),
            provider,
            output,
        };
        let mut out = Vec::new();
        run(&args, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn korea_has_one_zone_and_no_published_pue() {
        let expected = "\
ZONE   G/KWH   YEAR   NAME
KR       423   2025   South Korea

PROVIDER   REGION            ZONE   G/KWH    PUE   PUE-YEAR   PUE-SCOPE          LOCATION
aws        ap-northeast-2    KR       423   1.15       2024   provider-average   Asia Pacific (Seoul)
azure      koreacentral      KR       423   1.18       2023   provider-average   -
azure      koreasouth        KR       423   1.18       2023   provider-average   -
gcp        asia-northeast3   KR       423   1.10       2023   provider-average   Seoul

G/KWH: gCO2eq per kWh, mean of the newest year, average life-cycle location-based; Electricity Maps, yearly (ODbL 1.0, Electricity Maps)
PUE: as the providers publish it; of scope provider-average it is the mean of their regions, and never judged
";
        assert_eq!(shown(Some("KR"), None, Output::Table).unwrap(), expected);
    }

    #[test]
    fn a_provider_alone_shows_only_its_regions() {
        let text = shown(None, Some(Provider::Gcp), Output::Table).unwrap();
        assert!(text.starts_with("PROVIDER"), "{text}");
        assert!(
            text.lines()
                .skip(1)
                .take_while(|line| !line.is_empty())
                .all(|line| line.starts_with("gcp ")),
            "{text}"
        );
    }

    #[test]
    fn json_has_every_zone_and_region() {
        let text = shown(None, None, Output::Json).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["zones"].as_array().unwrap().len(), 352);
        assert_eq!(json["regions"].as_array().unwrap().len(), 135);
    }

    #[test]
    fn an_unknown_zone_is_refused_with_those_that_begin_alike() {
        let error = shown(Some("JP-XX"), None, Output::Table)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("grid zone \"JP-XX\" is not in the table; accepted are JP"),
            "{error}"
        );
        let error = shown(Some("7"), None, Output::Table)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("zone \"7\"") && error.contains("kubectl tanso regions"),
            "{error}"
        );
    }
}
