use super::*;
use crate::calendar::time_zone;
use crate::series::{SeriesInfo, StaticIntensity};
use tanso_power::Joules;

fn target() -> Target {
    Target {
        namespace: "shop".into(),
        kind: "CronJob".into(),
        name: "report".into(),
    }
}

fn request<'a>(
    target: &'a Target,
    zone: &'a TimeZone,
    job: &'a Job,
    series: &'a dyn HourlyIntensity,
) -> CronRequest<'a> {
    let terms = Terms {
        now: "2026-11-21T00:00:00Z".parse().unwrap(),
        min_saving_percent: 1.0,
    };
    CronRequest {
        target,
        schedule: "0 2 * * *",
        time_zone: zone,
        job,
        slack_hours: 24,
        series,
        terms,
    }
}

#[test]
fn a_constant_intensity_saves_nothing_and_that_is_said() {
    let (target, zone) = (target(), time_zone("Asia/Seoul").unwrap());
    let ci = Estimate::exact(Intensity::try_from_grams_per_kwh(424.0).unwrap());
    let series = StaticIntensity::new(SeriesInfo::average_life_cycle("KR", "policy"), ci);
    let job = Job::flat(3_600, Joules::from_microjoules(3_600_000_000_000)).unwrap();
    let refused = shift_cron(&request(&target, &zone, &job, &series)).unwrap_err();
    assert_eq!(refused.reason, WhyNot::SavesTooLittle);
    assert!(refused.message.contains("would save 0.0 %"), "{refused}");
    let idle = Job::flat(3_600, Joules::ZERO).unwrap();
    let refused = shift_cron(&request(&target, &zone, &idle, &series)).unwrap_err();
    assert_eq!(refused.reason, WhyNot::NoEnergy);
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let (target, zone) = (target(), time_zone("Asia/Seoul").unwrap());
    let series = StaticIntensity::new(
        SeriesInfo::average_life_cycle("KR", "policy"),
        Estimate::exact(Intensity::ZERO),
    );
    let job = Job::flat(3_600, Joules::from_microjoules(1)).unwrap();
    let plain = request(&target, &zone, &job, &series);
    let refused = shift_cron(&CronRequest {
        schedule: "0 25 * * *",
        ..plain
    })
    .unwrap_err();
    assert!(
        refused.reason == WhyNot::Invalid && refused.message.contains("25"),
        "{refused}"
    );
    let refused = shift_cron(&CronRequest {
        slack_hours: 0,
        ..plain
    })
    .unwrap_err();
    assert_eq!(refused.reason, WhyNot::NoWindow);
    let hourly = shift_cron(&CronRequest {
        schedule: "0 * * * *",
        ..plain
    })
    .unwrap_err();
    assert_eq!(hourly.reason, WhyNot::NoWindow);
}

#[test]
fn bounds_compare_low_with_low_and_high_with_high() {
    let of = |low, value, high| Estimate { low, value, high }.map(GramsCo2e::from_nanograms);
    let (now, then) = (of(100, 200, 400), of(90, 150, 390));
    assert_eq!(saving(now, then), of(10, 50, 50));
    let percent = saving_percent(now, then);
    assert_eq!((percent.value, percent.high), (25.0, 25.0));
    assert!((percent.low - 2.5).abs() < 1e-9);
    assert_eq!(saving(then, now), of(0, 0, 0));
    assert!(saving_percent(then, now).value < 0.0);
}

#[test]
fn figures_that_end_before_the_latest_start_are_planned_within_and_it_is_said() {
    use crate::series::{IntensitySeries, Point};
    let (target, zone) = (target(), time_zone("Asia/Seoul").unwrap());
    let start = UtcHour::parse("2026-11-21T00:00Z").unwrap();
    let points = (0..)
        .zip([400.0, 390.0, 350.0, 380.0])
        .map(|(hour, figure)| {
            let value = Intensity::try_from_grams_per_kwh(figure).unwrap();
            (
                start.plus_hours(hour),
                Point::exact(value, Origin::Forecast),
            )
        });
    let info = SeriesInfo::average_life_cycle("KR", "forecast");
    let series = IntensitySeries::try_new(info, points).unwrap();
    let job = Job::flat(3_600, Joules::from_microjoules(3_600_000_000_000)).unwrap();
    let run = |planned: UtcHour| {
        shift_run(&RunRequest {
            target: &target,
            planned: planned.start(),
            earliest: start.start(),
            latest: start.plus_hours(24).start(),
            time_zone: &zone,
            job: &job,
            series: &series,
            terms: Terms {
                now: start.start(),
                min_saving_percent: 1.0,
            },
        })
    };
    let advice = run(start).unwrap();
    assert_eq!(
        advice.windows[0].start.to_string(),
        "2026-11-21T11:00:00+09:00[Asia/Seoul]"
    );
    let basis = &advice.recommendation.basis;
    assert!(basis.contains("which end 2026-11-21T04:00Z"), "{basis}");
    assert_eq!(advice.recommendation.confidence, Confidence::Medium);
    let beyond = run(start.plus_hours(8)).unwrap_err();
    assert!(
        beyond.message.contains("before the run as planned"),
        "{beyond}"
    );
}
