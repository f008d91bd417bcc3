//! What a real year of a real grid says: the bundled profile recomputed, and
//! advice that follows the data.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use jiff::civil::date;
use tanso_carbon::calendar::time_zone;
use tanso_carbon::recommend::shift::{CronRequest, Within, shift_cron};
use tanso_carbon::recommend::{Confidence, Target, Terms, WhyNot};
use tanso_carbon::schedule::Job;
use tanso_carbon::series::{Boundary, IntensitySeries, Origin};
use tanso_carbon::table::parse_hourly;
use tanso_carbon::typical_year::write_profile;
use tanso_carbon::{HourlyIntensity, Period, SeriesInfo, TypicalYear, UtcHour};
use tanso_power::Joules;

const KR_2024: &str = include_str!("data/kr_2024.csv");
const PROFILE: &str = include_str!("../../config/regions/kr_hourly_2024_profile.csv");

fn korea(boundary: Boundary) -> IntensitySeries {
    let info = SeriesInfo {
        boundary,
        data_year: Some(2024),
        licence: "ODbL 1.0; contains data of Electricity Maps; derived, share alike".to_owned(),
        ..SeriesInfo::average_life_cycle("KR", "Electricity Maps, typical year of 2024")
    };
    parse_hourly("kr_2024.csv", KR_2024, info).unwrap()
}

#[test]
fn the_bundled_profile_is_what_the_rule_gives_for_2024() {
    let seoul = time_zone("Asia/Seoul").unwrap();
    let typical = |boundary| TypicalYear::from_series(&korea(boundary), seoul.clone());
    let (life_cycle, direct) = (typical(Boundary::LifeCycle), typical(Boundary::Direct));
    let made = write_profile(&life_cycle, &direct, "Asia/Seoul");
    assert!(
        made == PROFILE,
        "make it again: see carbon/examples/typical_year.rs"
    );
    let read = TypicalYear::parse("profile.csv", PROFILE, Boundary::LifeCycle).unwrap();
    for day in [date(2024, 1, 15), date(2026, 11, 21), date(2027, 8, 7)] {
        for hour in Period::local_day(day, &seoul).unwrap().hours() {
            let (one, other) = (read.at(hour).unwrap(), life_cycle.at(hour).unwrap());
            let apart = one.intensity.value.micrograms_per_kwh();
            assert!(apart.abs_diff(other.intensity.value.micrograms_per_kwh()) <= 5_000);
            assert_eq!(one.origin, Origin::TypicalYear);
            assert!(one.intensity.low < one.intensity.high);
        }
    }
}

#[test]
fn the_typical_day_is_cleanest_before_noon_and_dirtiest_in_the_evening() {
    let read = TypicalYear::parse("profile.csv", PROFILE, Boundary::LifeCycle).unwrap();
    let profile: Vec<_> = read.day_profile().into_iter().map(Option::unwrap).collect();
    let cleanest = (0..21).min_by_key(|hour| {
        profile[*hour..hour + 4]
            .iter()
            .map(|value| value.micrograms_per_kwh())
            .sum::<u32>()
    });
    assert_eq!(cleanest, Some(10));
    let mean = |hours: &[usize]| {
        let sum: f64 = hours
            .iter()
            .map(|hour| profile[*hour].as_grams_per_kwh_f64())
            .sum();
        sum / f64::from(u32::try_from(hours.len()).unwrap())
    };
    // The published means of all hours are 422.5 and 390.9.
    assert!(
        (mean(&[2, 3, 4, 5]) - 422.5).abs() < 3.0,
        "{}",
        mean(&[2, 3, 4, 5])
    );
    assert!(
        (mean(&[10, 11, 12, 13]) - 390.9).abs() < 3.0,
        "{}",
        mean(&[10, 11, 12, 13])
    );
}

fn target() -> Target {
    Target {
        namespace: "shop".into(),
        kind: "CronJob".into(),
        name: "report".into(),
    }
}

fn terms() -> Terms {
    Terms {
        now: "2026-11-21T00:00:00Z".parse().unwrap(),
        min_saving_percent: 1.0,
    }
}

#[test]
fn a_nightly_job_in_korea_is_advised_to_run_before_noon() {
    let typical = TypicalYear::parse("profile.csv", PROFILE, Boundary::LifeCycle).unwrap();
    let seoul = time_zone("Asia/Seoul").unwrap();
    let job = Job::flat(4 * 3_600, Joules::from_microjoules(4 * 3_600_000_000_000)).unwrap();
    let target = target();
    let request = CronRequest {
        target: &target,
        schedule: "15 2 * * *",
        time_zone: &seoul,
        job: &job,
        slack_hours: 24,
        within: Within::default(),
        series: &typical,
        terms: terms(),
    };
    let advice = shift_cron(&request).unwrap();
    let rewrite = advice.rewrite.clone().unwrap();
    // Between a quarter past ten and past eleven, and better than both.
    assert_eq!(rewrite.schedule, "45 10 * * *");
    assert_eq!(rewrite.time_zone, "Asia/Seoul");
    assert_eq!(advice.windows.len(), 3);
    assert_eq!(advice.windows[0].start.offset().to_string(), "+09");
    let saving = advice.recommendation.saving_percent;
    assert!((3.0..15.0).contains(&saving.value), "{saving:?}");
    assert!(advice.recommendation.confidence < Confidence::High);
    let change = &advice.recommendation.change;
    assert!(change.contains("\"timeZone\":\"Asia/Seoul\"") && change.contains("patch cronjob"));
    // The folklore of clean nights is wrong here.
    let noon = CronRequest {
        schedule: "0 11 * * *",
        ..request
    };
    let refused = shift_cron(&noon).unwrap_err();
    assert_eq!(refused.reason, WhyNot::SavesTooLittle);
    assert!(refused.message.contains("less than 1 %"), "{refused}");
}

#[test]
fn a_schedule_that_is_not_daily_gets_a_window_and_no_rewrite() {
    let series = korea(Boundary::LifeCycle);
    let seoul = time_zone("Asia/Seoul").unwrap();
    let job = Job::flat(5_400, Joules::from_microjoules(3_600_000_000_000)).unwrap();
    let target = target();
    let request = CronRequest {
        target: &target,
        schedule: "0 20 * * 1",
        time_zone: &seoul,
        job: &job,
        slack_hours: 20,
        within: Within::default(),
        series: &series,
        terms: Terms {
            now: "2024-06-15T00:00:00Z".parse().unwrap(),
            min_saving_percent: 0.0,
        },
    };
    let advice = shift_cron(&request).unwrap();
    assert_eq!(advice.rewrite, None);
    assert_eq!(
        advice.baseline.start.datetime(),
        date(2024, 6, 17).at(20, 0, 0, 0)
    );
    assert_eq!(advice.recommendation.confidence, Confidence::High);
    // Past the data's end nothing is advised.
    let late = Terms {
        now: "2025-06-15T00:00:00Z".parse().unwrap(),
        ..request.terms
    };
    let refused = shift_cron(&CronRequest {
        terms: late,
        ..request
    })
    .unwrap_err();
    assert_eq!(refused.reason, WhyNot::IntensityMissing);
}

#[test]
fn the_long_gap_of_november_is_marked_as_the_publishers_estimate() {
    let series = korea(Boundary::LifeCycle);
    let estimated = series
        .points()
        .filter(|(_, point)| point.origin.is_estimated())
        .count();
    assert_eq!((series.points().count(), estimated), (8_784, 345));
    let first = UtcHour::parse("2024-11-07T08:00Z").unwrap();
    assert_eq!(series.at(first).unwrap().origin, Origin::PublisherEstimate);
}
