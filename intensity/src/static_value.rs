//! One figure for all hours, chosen by the policy.

use std::sync::Arc;

use tanso_carbon::report::Digest;
use tanso_carbon::series::Boundary;
use tanso_carbon::{Intensity, SeriesInfo, StaticIntensity};
use tanso_power::Estimate;

use crate::provider::{Freshness, IntensityProvider, Loaded, Past, ProviderFault};

/// A constant with its source.
#[derive(Clone, Debug, PartialEq)]
pub struct StaticValue {
    /// The figure, gCO2eq/kWh.
    pub grams_per_kwh: f64,
    /// Who says so.
    pub reference: String,
}

impl StaticValue {
    /// The figure with what it counts and the year it describes.
    ///
    /// # Errors
    /// If it is no intensity.
    pub fn load_of(
        &self,
        zone: &str,
        boundary: Boundary,
        data_year: Option<i16>,
    ) -> Result<Loaded, ProviderFault> {
        let value = Intensity::try_from_grams_per_kwh(self.grams_per_kwh)?;
        let info = SeriesInfo {
            boundary,
            data_year,
            ..SeriesInfo::average_life_cycle(zone, &self.reference)
        };
        let digest = Digest::of_text(&format!("{info} {}", value.micrograms_per_kwh()));
        let series = StaticIntensity::new(info, Estimate::exact(value));
        Ok(Loaded {
            series: Arc::new(series),
            filled_by: "one figure for every hour".to_owned(),
            digest,
            freshness: Freshness::default(),
            past: Past::default(),
        })
    }
}

impl IntensityProvider for StaticValue {
    fn load(&self, zone: &str, _: i16) -> Result<Loaded, ProviderFault> {
        self.load_of(zone, Boundary::LifeCycle, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_carries_its_boundary_and_its_year() {
        let value = StaticValue {
            grams_per_kwh: 356.6,
            reference: "made".into(),
        };
        let loaded = value.load_of("KR", Boundary::Direct, Some(2024)).unwrap();
        assert_eq!(
            loaded.series.info().to_string(),
            "KR average direct location-based, made, data year 2024"
        );
    }

    #[test]
    fn a_figure_that_is_no_intensity_is_refused_with_the_figure() {
        let value = StaticValue {
            grams_per_kwh: 417.3,
            reference: "official".into(),
        };
        assert!(value.load("KR", 2026).is_ok());
        let wrong = StaticValue {
            grams_per_kwh: 417_300.0,
            ..value
        };
        assert!(
            wrong
                .load("KR", 2026)
                .err()
                .unwrap()
                .to_string()
                .contains("417300")
        );
    }
}
