//! The tables that come with tanso: hours of a typical year where there are
//! any, else the zone's yearly mean.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use tanso_carbon::report::Digest;
use tanso_carbon::series::Boundary;
use tanso_carbon::table::TableFaults;
use tanso_carbon::units::Intensity;
use tanso_carbon::{TypicalYear, YearlyZones};

use crate::provider::{Freshness, IntensityProvider, Loaded, Past, ProviderFault, Series};

/// Zones with typical hours: zone, file, text.
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
const ZONES: &str = include_str!("../../config/regions/zones_yearly.csv");

type Years = BTreeMap<&'static str, (Arc<TypicalYear>, Digest)>;

static TYPICAL_YEARS: LazyLock<Result<Years, TableFaults>> = LazyLock::new(|| {
    let read = |(zone, file, text)| {
        let year = TypicalYear::parse(file, text, Boundary::LifeCycle)?;
        Ok((zone, (Arc::new(year), Digest::of_text(text))))
    };
    HOURLY.into_iter().map(read).collect()
});
static YEARLY: LazyLock<Result<YearlyZones, TableFaults>> =
    LazyLock::new(|| YearlyZones::parse("zones_yearly.csv", ZONES));

/// A zone's mean intensity of the year that is nearest to `year` among those that
/// come with tanso, and which year that is; `None` if the zone has no figures.
#[must_use]
pub fn yearly_mean(zone: &str, year: i16) -> Option<(i16, Intensity)> {
    let zones = YEARLY.as_ref().ok()?;
    zones.get(zone)?.nearest(year)
}

/// The zones that have figures here, in order.
#[must_use]
pub fn zones() -> Vec<&'static str> {
    let Ok(zones) = YEARLY.as_ref() else {
        return Vec::new();
    };
    let has_figures = |name: &&str| zones.get(name).is_some_and(|zone| !zone.years.is_empty());
    zones.names().filter(has_figures).collect()
}

/// The bundled tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bundled;

impl IntensityProvider for Bundled {
    fn load(&self, zone: &str, year: i16) -> Result<Loaded, ProviderFault> {
        let years = TYPICAL_YEARS.as_ref().map_err(Clone::clone)?;
        if let Some((series, digest)) = years.get(zone) {
            return Ok(Loaded {
                series: Arc::clone(series) as Series,
                filled_by: "typical hours of the data year: same month, kind of day and hour"
                    .to_owned(),
                digest: digest.clone(),
                freshness: Freshness::default(),
                past: Past::default(),
            });
        }
        let zones = YEARLY.as_ref().map_err(Clone::clone)?;
        let yearly = zones.get(zone).and_then(|found| found.intensity(year));
        let series = yearly.ok_or_else(|| ProviderFault::NoFigures {
            zone: zone.to_owned(),
            known: zones.names().count(),
        })?;
        Ok(Loaded {
            series: Arc::new(series),
            filled_by: "the zone's yearly mean for every hour".to_owned(),
            digest: Digest::of_text(ZONES),
            freshness: Freshness::default(),
            past: Past::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use tanso_carbon::calendar::UtcHour;

    use super::*;

    /// They posed as hours of the year that is evaluated.
    #[test]
    fn a_typical_year_says_of_which_year_it_is_and_counts_as_estimated() {
        for (zone, _, _) in HOURLY {
            let series = Bundled.load(zone, 2026).unwrap().series;
            let info = series.info();
            let year = info.data_year.unwrap();
            let told = format!("typical year of {year}");
            assert!(info.source.ends_with(&told), "{}", info.source);
            for hour in ["2024-10-05T03:00Z", "2026-10-05T03:00Z"] {
                let point = series.at(UtcHour::parse(hour).unwrap()).unwrap();
                assert!(point.origin.is_estimated(), "{zone} {hour}");
            }
        }
    }

    #[test]
    fn zones_are_those_that_can_be_read() {
        let zones = zones();
        assert!(["DE", "KR", "KZ"].iter().all(|zone| zones.contains(zone)));
        for zone in zones {
            assert!(Bundled.load(zone, 2026).is_ok(), "{zone}");
        }
    }

    #[test]
    fn korea_and_germany_have_hours_and_others_a_mean_and_unknown_zones_nothing() {
        let at = |zone, hour| {
            let loaded = Bundled.load(zone, 2026).unwrap();
            loaded
                .series
                .at(UtcHour::parse(hour).unwrap())
                .unwrap()
                .intensity
                .value
        };
        assert_ne!(at("KR", "2026-10-05T03:00Z"), at("KR", "2026-10-05T10:00Z"));
        // At noon of a summer's day the German sun shines.
        assert!(at("DE", "2026-07-06T11:00Z") < at("DE", "2026-07-06T20:00Z"));
        assert_eq!(at("FR", "2026-10-05T03:00Z"), at("FR", "2026-10-05T10:00Z"));
        let refused = Bundled.load("X-OWN", 2026).err().unwrap().to_string();
        assert!(refused.contains("X-OWN"), "{refused}");
    }
}
