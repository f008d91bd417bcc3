//! Who spoke for the hours that figures are made from: of a list of providers
//! each with its own data year. The one place for the operator's status and for
//! reports of any other time; pure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use tanso_carbon::calendar::UtcHour;
use tanso_carbon::series::{Basis, Boundary, HourlyIntensity, Method, SeriesInfo};
use tanso_crds::carbon_policy::status::{IntensityProvenance, UsedSource};
use tanso_intensity::Loaded;

use super::figures::short_of;

/// Most sources of a status.
const SOURCES_MAX: usize = 16;
/// Longest name of one, and of its terms.
const SOURCE_MAX: usize = 256;
/// Where names and terms are whole.
const WHOLE: &str = "spec.intensity";

/// The method as a status names it.
#[must_use]
pub const fn method(method: Method) -> &'static str {
    match method {
        Method::Average => "Average",
        Method::Marginal => "Marginal",
    }
}

/// The boundary as a status names it.
#[must_use]
pub const fn boundary(boundary: Boundary) -> &'static str {
    match boundary {
        Boundary::Direct => "Direct",
        Boundary::LifeCycle => "LifeCycle",
    }
}

/// The basis as a status names it.
#[must_use]
pub const fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Location => "Location",
        Basis::Market => "Market",
    }
}

/// What kind of figures an intensity's are, and whose.
#[must_use]
pub fn provenance_of(loaded: &Loaded) -> IntensityProvenance {
    let info = loaded.series.info();
    let text = |text: &str| short_of(text, SOURCE_MAX, WHOLE);
    IntensityProvenance {
        zone: info.zone.clone(),
        method: method(info.method).to_owned(),
        boundary: boundary(info.boundary).to_owned(),
        basis: basis(info.basis).to_owned(),
        source: text(&info.source),
        data_year: info.data_year.map(i32::from),
        sources: Vec::new(),
        licence: text(&info.licence),
        filled_by: text(&loaded.filled_by),
        latest_milligrams_per_kwh: None,
    }
}

/// The sources of hours, the one of most hours first; none where all are as
/// the series says of itself. Hours without a figure have no source.
#[must_use]
pub fn used(
    series: &dyn HourlyIntensity,
    hours: impl IntoIterator<Item = UtcHour>,
) -> Vec<UsedSource> {
    let hours: BTreeSet<UtcHour> = hours.into_iter().collect();
    let mut found: BTreeMap<(&str, Option<i16>, &str), (i64, &SeriesInfo)> = BTreeMap::new();
    for hour in hours.into_iter().filter(|hour| series.at(*hour).is_some()) {
        let info = series.info_at(hour);
        let (hours, _) = found.entry(told_apart(info)).or_insert((0, info));
        *hours += 1;
    }
    let own = series.info();
    if found.keys().all(|one| *one == told_apart(own)) {
        return Vec::new();
    }
    let found = found.into_values();
    let mut sources: Vec<_> = found
        .map(|(hours, info)| source_of(info, own, hours))
        .collect();
    sources.sort_by_key(|one| Reverse(one.hours));
    sources.truncate(SOURCES_MAX);
    sources
}

/// What makes two sources two.
fn told_apart(info: &SeriesInfo) -> (&str, Option<i16>, &str) {
    (info.source.as_str(), info.data_year, info.zone.as_str())
}

/// A source with its terms, and with that of its kind which is not the list's.
fn source_of(info: &SeriesInfo, own: &SeriesInfo, hours: i64) -> UsedSource {
    let other = |is_other: bool, text: &str| is_other.then(|| text.to_owned());
    UsedSource {
        source: short_of(&info.source, SOURCE_MAX, WHOLE),
        data_year: info.data_year.map(i32::from),
        hours,
        licence: short_of(&info.licence, SOURCE_MAX, WHOLE),
        zone: other(info.zone != own.zone, &info.zone),
        method: other(info.method != own.method, method(info.method)),
        boundary: other(info.boundary != own.boundary, boundary(info.boundary)),
    }
}

/// The terms of all that were used, each once, in the order of their hours; of
/// one source its own.
#[must_use]
pub fn licences(from: &IntensityProvenance) -> String {
    let mut each: Vec<&str> = Vec::new();
    for one in &from.sources {
        let licence = one.licence.as_str();
        if !licence.is_empty() && !each.contains(&licence) {
            each.push(licence);
        }
    }
    if each.is_empty() {
        from.licence.clone()
    } else {
        each.join("; ")
    }
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
        // The terms of the later one were those of the first, which states none.
        assert!(from.sources[0].licence.starts_with("ODbL"), "{from:?}");
        assert_eq!(
            (from.sources[1].licence.as_str(), from.licence.as_str()),
            ("", "")
        );
        assert_eq!(licences(&from), from.sources[0].licence);
        // Of the list's own zone and kind nothing more is said.
        let first = &from.sources[0];
        assert_eq!(
            (&first.zone, &first.method, &first.boundary),
            (&None, &None, &None)
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

    /// A provider of the list may be of the zone that feeds the site's.
    #[test]
    fn a_source_of_another_zone_is_told_with_its_zone() {
        let own = Table {
            file: "own/t.csv".into(),
            text: "datetime_utc,gco2eq_per_kwh\n2026-11-21T00:00Z,412.5\n".into(),
        };
        let list = vec![
            Layer {
                name: "own".to_owned(),
                found: own.load("X-SITE", 2026),
            },
            Layer {
                name: "typical".to_owned(),
                found: Bundled.load("KR", 2026),
            },
        ];
        let series = over_each_other(list).unwrap().series;
        let hours = [hour("2026-11-21T00:00Z"), hour("2026-12-21T00:00Z")];
        let found = used(&*series, hours);
        let zones: BTreeSet<_> = found.iter().map(|one| one.zone.as_deref()).collect();
        assert_eq!(zones, [None, Some("KR")].into());
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
