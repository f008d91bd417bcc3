//! What advice on times, places and replicas rests on, as the engine really
//! says it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tanso_carbon::recommend::move_region::{Candidate, Limits, MoveRequest, move_region};
use tanso_carbon::recommend::replicas::{ReplicaRequest, fewer_in_dirty_hours};
use tanso_carbon::recommend::shift::{CronRequest, RunRequest, Within, shift_cron, shift_run};
use tanso_carbon::recommend::{Target, Terms};
use tanso_carbon::schedule::Job;
use tanso_carbon::series::{IntensitySeries, Point};

use super::*;

const KWH: Joules = Joules::from_microjoules(3_600_000_000_000);

/// Hours that are clean at their end.
fn series(zone: &str, hours: i32, origin: Origin, year: Option<i16>) -> IntensitySeries {
    let start = UtcHour::from_unix_seconds(0);
    let points = (0..hours).map(|hour| {
        let grams = if hour % 24 < 12 { 400.0 } else { 100.0 };
        let value = Intensity::try_from_grams_per_kwh(grams).unwrap();
        (start.plus_hours(hour), Point::exact(value, origin))
    });
    let info = SeriesInfo {
        data_year: year,
        ..SeriesInfo::average_life_cycle(zone, "Electricity Maps, typical hours")
    };
    IntensitySeries::try_new(info, points).unwrap()
}

fn target() -> Target {
    Target {
        namespace: "shop".into(),
        kind: "CronJob".into(),
        name: "etl".into(),
    }
}

const fn terms() -> Terms {
    Terms {
        now: Timestamp::UNIX_EPOCH,
        min_saving_percent: 0.0,
    }
}

/// A run that may start within a day of hours.
fn run(hours: i32, origin: Origin) -> String {
    let (target, grid) = (target(), series("KR", hours, origin, Some(2024)));
    let advice = shift_run(&RunRequest {
        target: &target,
        planned: Timestamp::UNIX_EPOCH,
        earliest: Timestamp::UNIX_EPOCH,
        latest: UtcHour::from_unix_seconds(0).plus_hours(20).start(),
        time_zone: &TimeZone::UTC,
        job: &Job::flat(3_600, KWH).unwrap(),
        series: &grid,
        terms: terms(),
    });
    advice.unwrap().recommendation.basis
}

/// Daily runs, of so many days ahead.
fn cron(days: i32) -> String {
    let (target, grid) = (target(), series("KR", days * 24, Origin::Published, None));
    let advice = shift_cron(&CronRequest {
        target: &target,
        schedule: "0 2 * * *",
        time_zone: &TimeZone::UTC,
        job: &Job::flat(3_600, KWH).unwrap(),
        slack_hours: 23,
        within: Within::default(),
        series: &grid,
        terms: terms(),
    });
    advice.unwrap().recommendation.basis
}

fn region<'a>(name: &'a str, grid: &'a IntensitySeries) -> Candidate<'a> {
    Candidate {
        name,
        country: "SE",
        latency_ms: None,
        series: grid,
        pue: Pue::ONE,
    }
}

fn moved() -> String {
    let (here, there) = (
        series("KR", 2, Origin::Published, None),
        series("SE", 24, Origin::Published, None),
    );
    let clean = Intensity::try_from_grams_per_kwh(20.0).unwrap();
    let start = UtcHour::from_unix_seconds(0);
    let points = (0..2).map(|hour| {
        (
            start.plus_hours(hour),
            Point::exact(clean, Origin::Published),
        )
    });
    let info = SeriesInfo::average_life_cycle("SE", "test");
    let cleaner = IntensitySeries::try_new(info, points).unwrap();
    let (target, load) = (target(), [(start, KWH)].into());
    let advice = move_region(&MoveRequest {
        target: &target,
        load: &load,
        current: region("kr", &here),
        candidates: &[region("se", &cleaner), region("other", &there)],
        limits: &Limits::default(),
        gigabytes_per_day: 5,
        terms: terms(),
    });
    advice.unwrap().basis
}

fn fewer() -> String {
    let grid = series("KR", 24, Origin::Published, None);
    let start = UtcHour::from_unix_seconds(0);
    let needed: Vec<_> = (0..24).map(|hour| (start.plus_hours(hour), 400)).collect();
    let target = target();
    let advice = fewer_in_dirty_hours(&ReplicaRequest {
        target: &target,
        replicas: 10,
        replicas_min: 2,
        millicores_each: 100,
        needed: &needed,
        standing_per_hour: Joules::from_microjoules(36_000_000_000),
        emissions_per_day: GramsCo2e::try_from_grams(1_000.0).unwrap(),
        series: &grid,
        pue: Pue::ONE,
        terms: terms(),
    });
    advice.unwrap().basis
}

/// The Korean report showed the English of all of these.
#[test]
fn what_advice_on_times_places_and_replicas_rests_on_has_a_wording() {
    let none = RuleNames::new();
    let said = [
        run(48, Origin::Published),
        run(48, Origin::Forecast),
        run(48, Origin::TypicalYear),
        run(16, Origin::Forecast),
        cron(40),
        cron(14),
        moved(),
        fewer(),
    ];
    let others = [
        "typical hours of a past year, not a forecast; KR average life-cycle location-based, Electricity Maps, typical hours, data year 2024; 28 runs of the next 28 days",
        "the saving's lower bound is nothing or a loss; DE average direct location-based, test; one run; marginal (WattTime): 400.0 gCO2eq/kWh instead of 512.3 gCO2eq/kWh at the start",
        "some hours are estimated; KR average life-cycle location-based, test; 9 runs of 9 days that are known, 2 ahead and 7 past, of up to 28",
        "a constant cannot tell hours apart",
    ];
    let texts = || said.iter().map(String::as_str).chain(others);
    for text in texts() {
        let korean = known(text, &none).unwrap_or_else(|| panic!("no wording: {text}"));
        assert!(korean.chars().any(particle::is_hangul), "{korean}");
        assert!(
            !korean.contains(" the ") && !korean.contains(" of ") && !korean.contains('{'),
            "{korean}"
        );
    }
    let unsaid: Vec<&str> = BASES
        .iter()
        .filter(|phrase| {
            let mut parts = texts().flat_map(|text| text.split("; "));
            !parts.any(|part| matched(phrase.english, part).is_some())
        })
        .map(|phrase| phrase.english)
        .collect();
    assert!(unsaid.is_empty(), "said by nobody: {unsaid:?}");
}

#[test]
fn an_unknown_part_beside_a_known_one_leaves_the_whole_in_english() {
    let none = RuleNames::new();
    let text = "some new words; one run, planned within the figures, which end 2026-10-06T09:00Z";
    assert_eq!(known(text, &none), None);
    let text = "one run, planned within the figures, which end 2026-10-06T09:00Z; some new words";
    assert_eq!(known(text, &none), None);
}
