//! An hourly table of the user's own, from a `ConfigMap`.

use std::sync::Arc;

use tanso_carbon::calendar::UtcHour;
use tanso_carbon::series::{Boundary, FillRule, HourlyIntensity, Point};
use tanso_carbon::table::parse_hourly;
use tanso_carbon::{IntensitySeries, SeriesInfo};

use crate::provider::{Freshness, IntensityProvider, Loaded, Past, ProviderFault};

/// Gaps are closed by the line between neighbours, if short; else by the same
/// hour of the last week.
const FILL: &[FillRule] = &[FillRule::Interpolate(3), FillRule::SameHourLastDays(7)];

/// A table's text and where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Where it is from, `configmap/key`.
    pub file: String,
    /// CSV with the columns `datetime_utc,gco2eq_per_kwh`.
    pub text: String,
}

impl Table {
    /// The table's figures with what they count and the year they describe.
    ///
    /// # Errors
    /// If the table is broken or has no figure of the zone.
    pub fn load_of(
        &self,
        zone: &str,
        boundary: Boundary,
        data_year: Option<i16>,
    ) -> Result<Loaded, ProviderFault> {
        let info = SeriesInfo {
            boundary,
            data_year,
            ..SeriesInfo::average_life_cycle(zone, &self.file)
        };
        let series = parse_hourly(&self.file, &self.text, info)?;
        let digest = series.digest();
        Ok(Loaded {
            series: Arc::new(FilledTable(series)),
            filled_by: "interpolated up to 3 h, else the same hour of the last 7 days".to_owned(),
            digest,
            freshness: Freshness::default(),
            past: Past::default(),
        })
    }
}

impl IntensityProvider for Table {
    fn load(&self, zone: &str, _: i16) -> Result<Loaded, ProviderFault> {
        self.load_of(zone, Boundary::LifeCycle, None)
    }
}

/// A series that fills its gaps when asked.
struct FilledTable(IntensitySeries);

impl HourlyIntensity for FilledTable {
    fn info(&self) -> &SeriesInfo {
        self.0.info()
    }

    fn at(&self, hour: UtcHour) -> Option<Point> {
        self.0.at(hour).or_else(|| self.0.filled(FILL).at(hour))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_row_is_named_with_file_row_and_reason() {
        let text = "datetime_utc,gco2eq_per_kwh\n2026-11-21T00:00Z,412.5\n2026-11-21T01:00Z,many\n";
        let table = Table {
            file: "own-grid/intensity.csv".into(),
            text: text.into(),
        };
        let refused = table.load("X-OWN", 2026).err().unwrap().to_string();
        assert!(
            refused.starts_with("own-grid/intensity.csv row 3"),
            "{refused}"
        );
        assert!(refused.contains("many"), "{refused}");
    }

    #[test]
    fn a_gap_is_filled_and_says_so() {
        let text = "datetime_utc,gco2eq_per_kwh\n2026-11-21T00:00Z,400\n2026-11-21T02:00Z,410\n";
        let table = Table {
            file: "own/t.csv".into(),
            text: text.into(),
        };
        let loaded = table.load("X-OWN", 2026).unwrap();
        let point = loaded
            .series
            .at(UtcHour::parse("2026-11-21T01:00Z").unwrap())
            .unwrap();
        assert!(point.origin.is_filled());
        assert_eq!(point.intensity.value.micrograms_per_kwh(), 405_000_000);
        assert!(
            loaded
                .series
                .at(UtcHour::parse("2026-12-25T01:00Z").unwrap())
                .is_none()
        );
    }
}
