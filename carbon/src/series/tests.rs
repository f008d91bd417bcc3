use super::*;

fn hour(text: &str) -> UtcHour {
    UtcHour::parse(text).unwrap()
}

fn grams(value: f64) -> Intensity {
    Intensity::try_from_grams_per_kwh(value).unwrap()
}

fn series(values: &[(i32, f64)]) -> IntensitySeries {
    let start = hour("2024-06-01T00:00Z");
    let points = values.iter().map(|(offset, value)| {
        (
            start.plus_hours(*offset),
            Point::exact(grams(*value), Origin::Published),
        )
    });
    IntensitySeries::try_new(SeriesInfo::average_life_cycle("XX", "test"), points).unwrap()
}

#[test]
fn a_gap_stays_a_gap_until_a_rule_fills_it() {
    let gappy = series(&[(0, 300.0), (2, 500.0), (3, 420.0)]);
    let missing = hour("2024-06-01T01:00Z");
    assert_eq!((gappy.gap_count(), gappy.at(missing)), (1, None));
    let point = gappy
        .filled(&[FillRule::Interpolate(1)])
        .at(missing)
        .unwrap();
    assert_eq!(point.intensity.value, grams(400.0));
    assert_eq!(
        (point.intensity.low, point.intensity.high),
        (grams(300.0), grams(500.0))
    );
    assert!(point.origin.is_estimated() && point.origin.is_filled());
}

#[test]
fn interpolation_keeps_to_its_longest_gap() {
    let gappy = series(&[(0, 300.0), (4, 500.0)]);
    let at = |longest, offset| {
        gappy
            .filled(&[FillRule::Interpolate(longest)])
            .at(gappy.first.plus_hours(offset))
    };
    assert_eq!(at(2, 2), None);
    assert_eq!(at(3, 1).unwrap().intensity.value, grams(350.0));
    assert_eq!(at(3, 3).unwrap().intensity.value, grams(450.0));
    assert_eq!(at(3, 5), None);
}

#[test]
fn the_first_rule_that_knows_fills() {
    let gappy = series(&[(0, 100.0), (24, 200.0), (72, 900.0)]);
    let yearly = Estimate::exact(grams(423.0));
    let rules = [
        FillRule::SameHourLastDays(2),
        FillRule::YearlyAverage(yearly),
    ];
    let filled = gappy.filled(&rules);
    let at = |offset| filled.at(gappy.first.plus_hours(offset)).unwrap();
    assert_eq!(at(48).intensity.value, grams(150.0));
    assert_eq!(at(48).origin, Origin::SameHourLastDays);
    assert_eq!(at(30).origin, Origin::YearlyAverage);
    assert_eq!(at(30).intensity, yearly);
}

#[test]
fn the_digest_depends_on_the_figures_and_not_on_their_order() {
    let one = series(&[(0, 100.0), (1, 200.0)]);
    assert_eq!(one.digest(), series(&[(1, 200.0), (0, 100.0)]).digest());
    assert_ne!(one.digest(), series(&[(0, 100.0), (1, 200.001)]).digest());
}
