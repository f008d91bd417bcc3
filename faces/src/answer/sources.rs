//! Who spoke for the hours that figures are made from: of a list of providers
//! each with its own data year. The one place for the operator's status and for
//! reports of any other time; pure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use tanso_carbon::calendar::UtcHour;
use tanso_carbon::series::HourlyIntensity;
use tanso_crds::carbon_policy::status::{IntensityProvenance, UsedSource};

use super::figures::short;

/// Most sources of a status.
const SOURCES_MAX: usize = 16;
/// Longest name of one.
const SOURCE_MAX: usize = 256;

/// The sources of hours, the one of most hours first; none where all are as
/// the series says of itself. Hours without a figure have no source.
#[must_use]
pub fn used(
    series: &dyn HourlyIntensity,
    hours: impl IntoIterator<Item = UtcHour>,
) -> Vec<UsedSource> {
    let hours: BTreeSet<UtcHour> = hours.into_iter().collect();
    let mut found: BTreeMap<(&str, Option<i16>), i64> = BTreeMap::new();
    for hour in hours.into_iter().filter(|hour| series.at(*hour).is_some()) {
        let info = series.info_at(hour);
        *found
            .entry((info.source.as_str(), info.data_year))
            .or_default() += 1;
    }
    let own = series.info();
    if found
        .keys()
        .all(|one| *one == (own.source.as_str(), own.data_year))
    {
        return Vec::new();
    }
    let mut sources: Vec<_> = found
        .into_iter()
        .map(|((source, year), hours)| UsedSource {
            source: short(source, SOURCE_MAX),
            data_year: year.map(i32::from),
            hours,
        })
        .collect();
    sources.sort_by_key(|one| Reverse(one.hours));
    sources.truncate(SOURCES_MAX);
    sources
}

/// Who says so, and of which year, as `said` writes it: each that was used where
/// there are several, with its hours.
#[must_use]
pub fn told(from: &IntensityProvenance, said: impl Fn(&str, Option<i32>) -> String) -> String {
    if from.sources.is_empty() {
        return said(&from.source, from.data_year);
    }
    joined(&from.sources, said, "; ")
}

/// Each source with its hours.
#[must_use]
pub fn joined(
    sources: &[UsedSource],
    said: impl Fn(&str, Option<i32>) -> String,
    between: &str,
) -> String {
    let each = sources
        .iter()
        .map(|one| format!("{} ({} h)", said(&one.source, one.data_year), one.hours));
    each.collect::<Vec<_>>().join(between)
}

/// `Electricity Maps, data of 2024`: what goes before the year is `before`.
pub fn with_year(before: &str) -> impl Fn(&str, Option<i32>) -> String {
    move |source, year| match year {
        Some(year) => format!("{source}, {before}{year}"),
        None => source.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use tanso_intensity::IntensityProvider as _;
    use tanso_intensity::bundled::Bundled;
    use tanso_intensity::layers::{Layer, over_each_other};
    use tanso_intensity::table::Table;

    use super::*;

    fn hour(text: &str) -> UtcHour {
        UtcHour::parse(text).unwrap()
    }

    #[test]
    fn each_source_that_was_used_is_told_with_its_own_year() {
        let own = Table {
            file: "own/t.csv".into(),
            text: "datetime_utc,gco2eq_per_kwh\n2026-11-21T00:00Z,412.5\n".into(),
        };
        let bundled = || Bundled.load("KR", 2026);
        let layer = |name: &str, found| Layer {
            name: name.to_owned(),
            found,
        };
        let list = vec![
            layer("own", own.load("KR", 2026)),
            layer("typical", bundled()),
        ];
        let series = over_each_other(list).unwrap().series;
        let known = hour("2026-11-21T00:00Z");
        let filled = [1, 30, 31].map(|hours| hour("2026-12-21T00:00Z").plus_hours(hours));
        let hours = filled.into_iter().chain([known, known]);
        let found = used(&*series, hours);
        let told_of: Vec<_> = found.iter().map(|one| (one.data_year, one.hours)).collect();
        assert_eq!(told_of, [(Some(2024), 3), (None, 1)]);
        let from = IntensityProvenance {
            source: series.info().source.clone(),
            sources: found,
            ..IntensityProvenance::default()
        };
        let words = told(&from, with_year("data of "));
        assert!(
            words.ends_with("data of 2024 (3 h); own/t.csv (1 h)"),
            "{words}"
        );
        // Of one alone it is told which, and that the list names others is not enough.
        assert_eq!(used(&*series, [known])[0].source, "own/t.csv");
        // One source that speaks for all hours is told as before.
        assert_eq!(used(&*bundled().unwrap().series, [known]), []);
        let from = IntensityProvenance {
            source: "grid".into(),
            data_year: Some(2025),
            ..IntensityProvenance::default()
        };
        assert_eq!(told(&from, with_year("")), "grid, 2025");
    }

    /// A table of several years prices hours without a year of their own by the mean of the
    /// nearest, and says of which year that is.
    #[test]
    fn a_yearly_mean_is_told_with_the_year_whose_mean_was_taken() {
        let of_2026 = Bundled.load("FR", 2026).unwrap().series;
        let hours = [hour("2026-11-21T00:00Z"), hour("2023-01-01T00:00Z")];
        for at in hours {
            assert!(of_2026.at(at).is_some());
            assert_eq!(of_2026.info_at(at).data_year, Some(2025));
        }
        assert_eq!(used(&*of_2026, hours), []);
    }
}
