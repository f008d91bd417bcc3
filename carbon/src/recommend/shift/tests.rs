use super::*;
use crate::calendar::time_zone;
use crate::series::{HourlyIntensity, Point, SeriesInfo, StaticIntensity};
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
        within: Within::default(),
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

/// A run that is planned for the first of these hours and may start up to the
/// last.
fn run_between<'a>(
    target: &'a Target,
    time_zone: &'a TimeZone,
    (job, series): (&'a Job, &'a dyn HourlyIntensity),
    [first, last]: [UtcHour; 2],
) -> RunRequest<'a> {
    RunRequest {
        target,
        planned: first.start(),
        earliest: first.start(),
        latest: last.start(),
        time_zone,
        job,
        series,
        terms: Terms {
            now: first.start(),
            min_saving_percent: 1.0,
        },
    }
}

/// Its hours before `until` are the first's, the others the second's.
struct Two {
    first: StaticIntensity,
    second: StaticIntensity,
    until: UtcHour,
}

impl HourlyIntensity for Two {
    fn info(&self) -> &SeriesInfo {
        self.first.info()
    }

    fn at(&self, hour: UtcHour) -> Option<Point> {
        if hour < self.until {
            self.first.at(hour)
        } else {
            self.second.at(hour)
        }
    }

    fn info_at(&self, hour: UtcHour) -> &SeriesInfo {
        if hour < self.until {
            self.first.info()
        } else {
            self.second.info()
        }
    }
}

/// The first's data year was told of all hours.
#[test]
fn each_source_of_the_hours_that_are_compared_is_named_with_its_data_year() {
    let (target, zone) = (target(), time_zone("Asia/Seoul").unwrap());
    let start = UtcHour::parse("2026-11-21T00:00Z").unwrap();
    let constant = |source: &str, year, figure| {
        let info = SeriesInfo {
            data_year: Some(year),
            ..SeriesInfo::average_life_cycle("KR", source)
        };
        let figure = Intensity::try_from_grams_per_kwh(figure).unwrap();
        StaticIntensity::new(info, Estimate::exact(figure))
    };
    let series = Two {
        first: constant("own", 2026, 400.0),
        second: constant("typical", 2024, 300.0),
        until: start.plus_hours(3),
    };
    let job = Job::flat(3_600, Joules::from_microjoules(3_600_000_000_000)).unwrap();
    let request = run_between(
        &target,
        &zone,
        (&job, &series),
        [0, 6].map(|h| start.plus_hours(h)),
    );
    let basis = shift_run(&request).unwrap().recommendation.basis;
    let told = "; KR average life-cycle location-based, own, data year 2026; \
                KR average life-cycle location-based, typical, data year 2024; one run";
    assert!(basis.contains(told), "{basis}");
}

#[test]
fn figures_that_end_before_the_latest_start_are_planned_within_and_it_is_said() {
    use crate::series::IntensitySeries;
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
        let day = [start, start.plus_hours(24)];
        let planned = planned.start();
        shift_run(&RunRequest {
            planned,
            ..run_between(&target, &zone, (&job, &series), day)
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

/// A daily schedule got no advice unless 28 days ahead were known, which no
/// forecast gives: the services say one to four days.
#[test]
fn a_daily_schedule_is_advised_by_the_days_that_are_known() {
    use crate::series::IntensitySeries;
    let (target, zone) = (target(), time_zone("Asia/Seoul").unwrap());
    // 09:00 in Seoul. Each day is dirty but for 03Z to 05Z, noon there.
    let now = UtcHour::parse("2026-11-21T00:00Z").unwrap();
    let series = |past: i32, ahead: i32| {
        let points = (-past..ahead).map(|offset| {
            let hour = now.plus_hours(offset);
            let of_day = hour.unix_seconds() / 3_600 % 24;
            let figure = if (3..6).contains(&of_day) {
                200.0
            } else {
                400.0
            };
            let value = Intensity::try_from_grams_per_kwh(figure).unwrap();
            let origin = if offset < 0 {
                Origin::Published
            } else {
                Origin::Forecast
            };
            (hour, Point::exact(value, origin))
        });
        IntensitySeries::try_new(SeriesInfo::average_life_cycle("KR", "service"), points).unwrap()
    };
    let job = Job::flat(3_600, Joules::from_microjoules(3_600_000_000_000)).unwrap();
    let advised = |series: &IntensitySeries| shift_cron(&request(&target, &zone, &job, series));

    let few = advised(&series(0, 72)).unwrap();
    assert_eq!(few.rewrite.as_ref().unwrap().schedule, "0 12 * * *");
    assert_eq!(few.recommendation.confidence, Confidence::Low);
    let basis = &few.recommendation.basis;
    assert!(
        basis.contains("2 runs of 2 days that are known, 2 ahead and 0 past, of up to 28"),
        "{basis}"
    );
    assert!((few.recommendation.saving_percent.value - 50.0).abs() < 1e-9);
    assert_eq!(few.recommendation.saving_per_day.value.to_string(), "200 g");
    // The next start is tomorrow's, though days that have passed are in the mean.
    let with_past = advised(&series(7 * 24, 48)).unwrap();
    assert_eq!(
        with_past.windows[0].start.to_string(),
        "2026-11-22T12:00:00+09:00[Asia/Seoul]"
    );
    assert_eq!(with_past.recommendation.confidence, Confidence::Medium);
    let basis = &with_past.recommendation.basis;
    assert!(
        basis.contains("days that are known, 1 ahead and 7 past"),
        "{basis}"
    );
    let all = advised(&series(0, 31 * 24)).unwrap();
    let basis = &all.recommendation.basis;
    assert!(basis.contains("28 runs of the next 28 days"), "{basis}");

    // A single day is no ground, and what is missing is named.
    let refused = advised(&series(0, 48)).unwrap_err();
    assert_eq!(refused.reason, WhyNot::IntensityMissing);
    assert!(
        refused.message.contains("known around now: 1, at least 2"),
        "{refused}"
    );
    let refused = advised(&series(0, 6)).unwrap_err();
    assert!(
        refused.message.contains("not known at 2026-11-21T14:00Z"),
        "{refused}"
    );
}

#[test]
fn a_run_stays_within_its_earliest_start_and_its_deadline() {
    use crate::series::IntensitySeries;
    use jiff::civil::time;
    let (target, zone) = (target(), time_zone("Asia/Seoul").unwrap());
    let now = UtcHour::parse("2026-11-21T00:00Z").unwrap();
    // Clean at noon (03Z), less so at 22:00 (13Z) and at 05:00 (20Z) in Seoul.
    let points = (-24..31 * 24).map(|offset| {
        let hour = now.plus_hours(offset);
        let figure = match hour.unix_seconds() / 3_600 % 24 {
            3 => 100.0,
            13 => 200.0,
            20 => 150.0,
            _ => 400.0,
        };
        let value = Intensity::try_from_grams_per_kwh(figure).unwrap();
        (hour, Point::exact(value, Origin::Published))
    });
    let info = SeriesInfo::average_life_cycle("KR", "made");
    let series = IntensitySeries::try_new(info, points).unwrap();
    let job = Job::flat(3_600, Joules::from_microjoules(3_600_000_000_000)).unwrap();
    let plain = request(&target, &zone, &job, &series);
    let clock = |hour: i8| Some(time(hour, 0, 0, 0));
    let starts = |schedule: &str, earliest, deadline| {
        let advice = shift_cron(&CronRequest {
            schedule,
            within: Within { earliest, deadline },
            ..plain
        });
        advice.map(|advice| (advice.windows[0].start.hour(), advice.rewrite))
    };
    let daily = |earliest, deadline| {
        let (_, rewrite) = starts("0 2 * * *", earliest, deadline).unwrap();
        rewrite.unwrap().schedule
    };
    assert_eq!(daily(None, None), "0 12 * * *");
    assert_eq!(daily(None, clock(8)), "0 5 * * *");
    assert_eq!(daily(clock(13), None), "0 22 * * *");
    // Over midnight, and the whole run before its end.
    assert_eq!(daily(clock(21), clock(6)), "0 5 * * *");
    assert_eq!(daily(clock(21), clock(5)), "0 22 * * *");
    let refused = starts("0 2 * * *", clock(2), clock(3)).unwrap_err();
    assert_eq!(refused.reason, WhyNot::NoWindow);
    assert!(
        refused.message.contains("not before 02:00, over by 03:00"),
        "{refused}"
    );
    // The next run of a weekly schedule, too: 2026-11-22 is a Sunday.
    let weekly = |earliest, deadline| starts("0 2 * * 0", earliest, deadline).unwrap().0;
    assert_eq!(weekly(None, None), 12);
    assert_eq!(weekly(None, clock(8)), 5);
    assert_eq!(weekly(clock(21), clock(5)), 22);
}

/// Whole hours only were looked at: in a zone half an hour off the grid's hours
/// no start was at the best one.
#[test]
fn a_schedule_keeps_its_minute_or_moves_by_half_an_hour_where_that_is_better() {
    let target = target();
    // The grid is clean for one UTC hour a day, from 05:00 on.
    let first = UtcHour::parse("2026-11-20T00:00Z").unwrap();
    let points = (0..24 * 40).map(|step| {
        let hour = first.plus_hours(step);
        let grams = if step % 24 == 5 { 100.0 } else { 500.0 };
        let value = Intensity::try_from_grams_per_kwh(grams).unwrap();
        (hour, Point::exact(value, Origin::Published))
    });
    let info = SeriesInfo::average_life_cycle("IN", "made");
    let series = crate::IntensitySeries::try_new(info, points).unwrap();
    let job = Job::flat(3_600, Joules::from_microjoules(3_600_000_000_000)).unwrap();
    let advised = |zone: &str, schedule: &str| {
        let zone = time_zone(zone).unwrap();
        let advice = shift_cron(&CronRequest {
            schedule,
            ..request(&target, &zone, &job, &series)
        });
        let advice = advice.unwrap_or_else(|why| panic!("{zone:?} {schedule}: {why}"));
        let percent = advice.recommendation.saving_percent.value;
        (advice.rewrite.unwrap().schedule, percent.round())
    };
    // 05:00 UTC is 10:30 in Kolkata, and 14:00 in Seoul.
    assert_eq!(
        advised("Asia/Kolkata", "0 2 * * *"),
        ("30 10 * * *".to_owned(), 80.0)
    );
    assert_eq!(
        advised("Asia/Kolkata", "30 2 * * *"),
        ("30 10 * * *".to_owned(), 80.0)
    );
    assert_eq!(
        advised("Asia/Seoul", "0 2 * * *"),
        ("0 14 * * *".to_owned(), 80.0)
    );
    // A quarter past keeps its minute: three quarters of the clean hour, not one.
    assert_eq!(
        advised("Asia/Seoul", "15 2 * * *"),
        ("15 14 * * *".to_owned(), 60.0)
    );
    assert_eq!(
        advised("Asia/Kolkata", "15 2 * * *"),
        ("15 10 * * *".to_owned(), 60.0)
    );
}
