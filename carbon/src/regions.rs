//! Cloud regions and the yearly table of grid zones.

use std::collections::BTreeMap;

use tanso_power::Estimate;

use crate::pue::{FacilityPue, PueEvidence};
use crate::series::{Basis, Boundary, Method, SeriesInfo, StaticIntensity};
use crate::table::{Table, TableFaults, parse_intensity};
use crate::units::{Intensity, Pue};

/// One region of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// `aws`, `azure` or `gcp`.
    pub provider: String,
    /// The provider's name for it, as in a node's topology label.
    pub region: String,
    /// Where it is.
    pub location: String,
    /// Its country, two letters.
    pub country: String,
    /// Its IANA time zone; empty if not known.
    pub time_zone: String,
    /// Its grid zone.
    pub grid_zone: String,
    /// Its PUE, with the evidence there is.
    pub pue: Option<FacilityPue>,
}

/// All known regions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Regions(Vec<Region>);

impl Regions {
    /// Parses the table of regions.
    ///
    /// # Errors
    /// All faults of the table.
    pub fn parse(file: &str, text: &str) -> Result<Self, TableFaults> {
        let mut table = Table::open(file, text);
        table.demand(&[
            "provider",
            "region",
            "location",
            "country_iso2",
            "timezone_iana",
            "em_zone",
            "pue",
            "pue_year",
            "pue_scope",
        ]);
        let mut regions = Vec::new();
        while let Some(mut row) = table.next_row() {
            let ratio = row.optional("pue", |text| {
                let ratio: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
                Pue::try_new(ratio).map_err(|error| error.to_string())
            });
            let year = row.optional("pue_year", str::parse::<i16>);
            let evidence = row.parse("pue_scope", |text| match text {
                "region" => Ok(PueEvidence::PublishedForRegion),
                "provider_average" | "" => Ok(PueEvidence::ProviderAverage),
                _ => Err("accepted are region and provider_average"),
            });
            let (Some(ratio), Some(year), Some(evidence)) = (ratio, year, evidence) else {
                continue;
            };
            let provider = row.get("provider").to_owned();
            let pue = ratio.map(|ratio| FacilityPue {
                year,
                ..FacilityPue::annual(ratio, evidence, &format!("{provider}, published"))
            });
            regions.push(Region {
                provider,
                region: row.get("region").to_owned(),
                location: row.get("location").to_owned(),
                country: row.get("country_iso2").to_owned(),
                time_zone: row.get("timezone_iana").to_owned(),
                grid_zone: row.get("em_zone").to_owned(),
                pue,
            });
        }
        table.finish()?;
        Ok(Self(regions))
    }

    /// The region with this name, of any provider or of the given one.
    #[must_use]
    pub fn get(&self, region: &str, provider: Option<&str>) -> Option<&Region> {
        self.0.iter().find(|one| {
            one.region == region && provider.is_none_or(|provider| one.provider == provider)
        })
    }

    /// All regions.
    pub fn iter(&self) -> impl Iterator<Item = &Region> {
        self.0.iter()
    }
}

/// The yearly life-cycle averages of one grid zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YearlyZone {
    /// The zone, such as `KR`.
    pub zone: String,
    /// Its name.
    pub name: String,
    /// Its average per year, life-cycle.
    pub years: BTreeMap<i16, Intensity>,
}

/// Yearly averages of all grid zones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct YearlyZones(BTreeMap<String, YearlyZone>);

impl YearlyZones {
    /// Parses the yearly table.
    ///
    /// # Errors
    /// All faults of the table.
    pub fn parse(file: &str, text: &str) -> Result<Self, TableFaults> {
        let mut table = Table::open(file, text);
        table.demand(&["em_zone", "zone_name"]);
        let columns: Vec<(i16, String)> = (1990..2100)
            .map(|year| (year, format!("ci_lifecycle_{year}_g_kwh")))
            .filter(|(_, column)| table.has(column))
            .collect();
        let mut zones = BTreeMap::new();
        while let Some(mut row) = table.next_row() {
            let mut years = BTreeMap::new();
            for (year, column) in &columns {
                if let Some(Some(intensity)) = row.optional(column, parse_intensity) {
                    years.insert(*year, intensity);
                }
            }
            let zone = row.get("em_zone").to_owned();
            let name = row.get("zone_name").to_owned();
            zones.insert(zone.clone(), YearlyZone { zone, name, years });
        }
        table.finish()?;
        Ok(Self(zones))
    }

    /// The zone with this name.
    #[must_use]
    pub fn get(&self, zone: &str) -> Option<&YearlyZone> {
        self.0.get(zone)
    }

    /// The names of all zones, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl YearlyZone {
    /// The average of a year, or of the last one known before it, or of the
    /// first one known; with the year it is of.
    #[must_use]
    pub fn nearest(&self, year: i16) -> Option<(i16, Intensity)> {
        let known = self
            .years
            .range(..=year)
            .next_back()
            .or_else(|| self.years.iter().next())?;
        Some((*known.0, *known.1))
    }

    /// The figure for hours of a year as a constant. Its bounds are the
    /// lowest and highest of all years known, because hours vary around a
    /// year's mean at least as much as years do. The mean of an earlier year
    /// counts as estimated.
    #[must_use]
    pub fn intensity(&self, year: i16) -> Option<StaticIntensity> {
        let (data_year, value) = self.nearest(year)?;
        let low = *self.years.values().min()?;
        let high = *self.years.values().max()?;
        let info = SeriesInfo {
            zone: self.zone.clone(),
            method: Method::Average,
            boundary: Boundary::LifeCycle,
            basis: Basis::Location,
            source: "Electricity Maps, yearly".to_owned(),
            data_year: Some(data_year),
            licence: "ODbL 1.0, Electricity Maps".to_owned(),
        };
        Some(StaticIntensity::yearly(info, Estimate { low, value, high }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGIONS: &str = include_str!("../../config/regions/regions.csv");
    const ZONES: &str = include_str!("../../config/regions/zones_yearly.csv");

    #[test]
    fn no_korean_region_has_a_published_pue() {
        let regions = Regions::parse("regions.csv", REGIONS).unwrap();
        assert_eq!(regions.iter().count(), 135);
        let korean: Vec<_> = regions
            .iter()
            .filter(|region| region.grid_zone == "KR")
            .collect();
        assert_eq!(korean.len(), 4);
        for region in korean {
            let pue = region.pue.as_ref().unwrap();
            assert_eq!(
                pue.evidence,
                PueEvidence::ProviderAverage,
                "{}",
                region.region
            );
        }
        let tokyo = regions.get("ap-northeast-1", Some("aws")).unwrap();
        assert_eq!(
            tokyo.pue.as_ref().unwrap().evidence,
            PueEvidence::PublishedForRegion
        );
    }

    #[test]
    fn the_yearly_table_gives_the_last_year_known() {
        let zones = YearlyZones::parse("zones_yearly.csv", ZONES).unwrap();
        assert_eq!(zones.names().count(), 352);
        let korea = zones.get("KR").unwrap();
        let grams = |year| {
            let (of, intensity) = korea.nearest(year).unwrap();
            (of, intensity.as_grams_per_kwh_f64())
        };
        assert_eq!(grams(2024), (2024, 423.0));
        assert_eq!(grams(2026).0, 2025);
        assert!(korea.intensity(2026).is_some());
    }

    /// The mean of 2025 priced hours of 2026 as if it were their data, and a
    /// demand for few estimates was met by it.
    #[test]
    fn the_mean_of_an_earlier_year_is_an_estimate() {
        use crate::calendar::UtcHour;
        use crate::series::{HourlyIntensity, Origin};
        let zones = YearlyZones::parse("zones_yearly.csv", ZONES).unwrap();
        let france = zones.get("FR").unwrap();
        let origin = |year, hour| {
            let series = france.intensity(year).unwrap();
            let point = series.at(UtcHour::parse(hour).unwrap()).unwrap();
            (series.info().data_year, point.origin)
        };
        assert_eq!(
            origin(2025, "2025-12-31T23:00Z"),
            (Some(2025), Origin::Static)
        );
        assert_eq!(
            origin(2026, "2026-01-01T00:00Z"),
            (Some(2025), Origin::OtherYear)
        );
        assert!(Origin::OtherYear.is_estimated() && !Origin::OtherYear.is_filled());
    }
}
