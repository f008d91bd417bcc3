//! A list of providers, the first that knows an hour speaks for it; pure.
//!
//! Only figures of one kind are laid over each other: a list that begins
//! life-cycle never falls back on direct figures, which are a fifth lower.

use std::sync::Arc;

use tanso_carbon::calendar::UtcHour;
use tanso_carbon::report::Digest;
use tanso_carbon::series::{HourlyIntensity, Point, SeriesInfo};

use crate::provider::{Freshness, Loaded, ProviderFault, Series};

/// What one provider of the list came to.
pub struct Layer {
    /// Its name in the policy.
    pub name: String,
    /// Its figures, or why there are none.
    pub found: Result<Loaded, ProviderFault>,
}

struct Layered {
    info: SeriesInfo,
    layers: Vec<Series>,
}

impl HourlyIntensity for Layered {
    fn info(&self) -> &SeriesInfo {
        &self.info
    }

    fn at(&self, hour: UtcHour) -> Option<Point> {
        self.layers.iter().find_map(|layer| layer.at(hour))
    }

    fn info_at(&self, hour: UtcHour) -> &SeriesInfo {
        let mut layers = self.layers.iter();
        let speaks = layers.find(|layer| layer.at(hour).is_some());
        speaks.map_or(&self.info, |layer| layer.info_at(hour))
    }
}

/// Lays providers over each other, in the order of the list.
///
/// # Errors
/// If none of them has figures: what each said.
pub fn over_each_other(list: Vec<Layer>) -> Result<Loaded, ProviderFault> {
    let mut freshness = Freshness::default();
    let mut kept: Vec<(String, Loaded)> = Vec::new();
    for Layer { name, found } in list {
        match found {
            Ok(loaded) => match kept.first().map(|(_, first)| first.series.info().clone()) {
                Some(first) if !is_alike(&first, loaded.series.info()) => {
                    freshness.notes.push(format!(
                        "{name} is left out: {} {}, the list begins {} {}",
                        loaded.series.info().method,
                        loaded.series.info().boundary,
                        first.method,
                        first.boundary
                    ));
                }
                _ => kept.push((name, loaded)),
            },
            Err(fault) => {
                // Whoever was wanted first is not there: that is worth a look.
                freshness.is_stale |= kept.is_empty();
                freshness.notes.push(format!("{name}: {fault}"));
            }
        }
    }
    let Some((_, first)) = kept.first() else {
        return Err(ProviderFault::NoneLeft(freshness.notes.join("; ")));
    };
    freshness.as_of = first.freshness.as_of;
    freshness.is_stale |= first.freshness.is_stale;
    for (_, layer) in &kept {
        freshness
            .notes
            .extend(layer.freshness.notes.iter().cloned());
    }
    let sources: Vec<_> = kept
        .iter()
        .map(|(_, layer)| layer.series.info().source.clone())
        .collect();
    let info = SeriesInfo {
        source: sources.join(", then "),
        ..first.series.info().clone()
    };
    let words: Vec<_> = kept
        .iter()
        .map(|(name, layer)| format!("{name}: {}", layer.filled_by))
        .collect();
    let lines = kept
        .iter()
        .map(|(name, layer)| format!("{name} {} {}", layer.series.info(), layer.digest));
    // One forecaster at a time: the first that has any.
    let mut pasts = kept.iter().map(|(_, layer)| &layer.past);
    let past = pasts.find(|past| !past.forecasts.is_empty()).cloned();
    Ok(Loaded {
        past: past.unwrap_or_default(),
        filled_by: words.join("; then "),
        digest: Digest::of_lines(lines),
        freshness,
        series: Arc::new(Layered {
            info,
            layers: kept
                .iter()
                .map(|(_, layer)| Arc::clone(&layer.series))
                .collect(),
        }),
    })
}

fn is_alike(one: &SeriesInfo, other: &SeriesInfo) -> bool {
    (one.method, one.boundary, one.basis) == (other.method, other.boundary, other.basis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundled::Bundled;
    use crate::provider::IntensityProvider as _;
    use crate::static_value::StaticValue;
    use crate::table::Table;

    fn table() -> Loaded {
        let table = Table {
            file: "own/t.csv".into(),
            text: "datetime_utc,gco2eq_per_kwh\n2026-11-21T00:00Z,412.5\n".into(),
        };
        table.load("KR", 2026).unwrap()
    }

    fn fixed() -> Loaded {
        let value = StaticValue {
            grams_per_kwh: 423.0,
            reference: "yearly".into(),
        };
        value.load("KR", 2026).unwrap()
    }

    fn layer(name: &str, found: Result<Loaded, ProviderFault>) -> Layer {
        Layer {
            name: name.into(),
            found,
        }
    }

    #[test]
    fn the_first_that_knows_an_hour_speaks_for_it() {
        let list = vec![layer("own", Ok(table())), layer("year", Ok(fixed()))];
        let loaded = over_each_other(list).unwrap();
        let at = |hour| {
            let point = loaded.series.at(UtcHour::parse(hour).unwrap()).unwrap();
            point.intensity.value.as_grams_per_kwh_f64()
        };
        assert!((at("2026-11-21T00:00Z") - 412.5).abs() < 1e-9);
        assert!((at("2026-12-25T00:00Z") - 423.0).abs() < 1e-9);
        assert_eq!(loaded.series.info().source, "own/t.csv, then yearly");
        assert!(!loaded.freshness.is_stale);
    }

    /// The data year of the first was told of all hours.
    #[test]
    fn an_hour_has_the_source_and_the_data_year_of_who_speaks_for_it() {
        use tanso_carbon::series::Boundary;

        let own = Table {
            file: "own/t.csv".into(),
            text: "datetime_utc,gco2eq_per_kwh\n2026-11-21T00:00Z,412.5\n".into(),
        };
        let own = own.load_of("KR", Boundary::LifeCycle, Some(2026)).unwrap();
        let bundled = Bundled.load("KR", 2026).unwrap();
        let list = vec![layer("own", Ok(own)), layer("typical", Ok(bundled))];
        let loaded = over_each_other(list).unwrap();
        let told = |hour| {
            let info = loaded.series.info_at(UtcHour::parse(hour).unwrap());
            (info.source.clone(), info.data_year)
        };
        let (source, year) = told("2026-11-21T00:00Z");
        assert_eq!((source.as_str(), year), ("own/t.csv", Some(2026)));
        let (source, year) = told("2026-12-25T00:00Z");
        assert!(source.contains("Electricity Maps"), "{source}");
        assert_eq!(year, Some(2024));
        // What the list is called stays.
        assert_eq!(loaded.series.info().data_year, Some(2026));
    }

    #[test]
    fn a_missing_first_choice_is_said_and_an_empty_list_names_all() {
        let missing = || Bundled.load("X-OWN", 2026);
        let list = vec![layer("live", missing()), layer("year", Ok(fixed()))];
        let loaded = over_each_other(list).unwrap();
        assert!(loaded.freshness.is_stale);
        assert!(
            loaded.freshness.notes[0].starts_with("live: "),
            "{:?}",
            loaded.freshness
        );
        let none = over_each_other(vec![layer("live", missing())]);
        assert!(none.err().unwrap().to_string().contains("live: "));
    }
}
