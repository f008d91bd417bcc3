//! The next run of a `CronJob` that may be interrupted, in parts. Chooses no
//! schedule: a schedule has no parts.

use jiff::Timestamp;
use tanso_power::Joules;

use super::{CronRequest, InterruptAdvice, InterruptRequest, NoAdvice, WhyNot, Within};
use super::{invalid, shift_interruptible};
use crate::calendar::UtcHour;
use crate::cron::Cron;

const HOUR_S: i64 = 3_600;

/// The best hours of the next run within its slack, and within the local hours
/// that are allowed, if it may be stopped and started again; each restart
/// costs so many thousandths of an hour's energy. The run is counted in whole
/// hours, the last one as full as the others.
///
/// # Errors
/// [`NoAdvice`] says why there is none; that hours apart would save no more
/// than hours together is one reason.
pub fn cron_in_parts(
    request: &CronRequest<'_>,
    restart_thousandths: u32,
) -> Result<InterruptAdvice, NoAdvice> {
    let cron = Cron::parse(request.schedule).map_err(|error| invalid(&error))?;
    let planned = cron.next_start(request.terms.now, request.time_zone);
    let planned = planned.ok_or_else(|| {
        let message = format!("schedule {:?} never starts", request.schedule);
        NoAdvice::new(WhyNot::NoWindow, message)
    })?;
    let seconds = request.job.seconds();
    let hours = (seconds + HOUR_S - 1) / HOUR_S;
    let hours = u16::try_from(hours).ok().filter(|hours| *hours > 1);
    let hours = hours.ok_or_else(|| {
        let message = format!("a run of {} min has no hours to part", seconds / 60);
        NoAdvice::new(WhyNot::NoWindow, message)
    })?;
    let planned = UtcHour::containing(planned);
    let slack = i32::from(request.slack_hours);
    let wish = InterruptRequest {
        target: request.target,
        planned,
        earliest: planned
            .plus_hours(-slack)
            .max(first_whole(request.terms.now)),
        deadline: planned.plus_hours(slack + i32::from(hours)),
        hours,
        energy_per_hour: Joules::from_microjoules(
            request.job.energy().microjoules() / u64::from(hours),
        ),
        restart_thousandths,
        time_zone: request.time_zone,
        series: request.series,
        terms: request.terms,
    };
    let advice = best_of_days(request, &wish)?;
    if advice.restarts == 0 {
        let message = "its best hours are neighbours: a break saves nothing";
        return Err(NoAdvice::new(WhyNot::SavesTooLittle, message));
    }
    Ok(advice)
}

/// The best of the stretches of hours that are allowed, one a day.
fn best_of_days(
    request: &CronRequest<'_>,
    wish: &InterruptRequest<'_>,
) -> Result<InterruptAdvice, NoAdvice> {
    if request.within == Within::default() {
        return shift_interruptible(wish);
    }
    let (zone, seconds) = (request.time_zone, request.job.seconds());
    let first = zone.to_datetime(wish.earliest.start()).date();
    let days = first.yesterday().unwrap_or(first);
    let stretches = days
        .series(jiff::Span::new().days(1))
        .take(usize::from(request.slack_hours) / 12 + 3)
        .filter_map(|day| request.within.starts_on(day, zone, seconds))
        .map(|(from, last)| (first_whole(from), last.as_second() + seconds))
        .map(|(from, end_s)| {
            let end = UtcHour::from_unix_seconds(end_s);
            (wish.earliest.max(from), wish.deadline.min(end))
        })
        .filter(|(from, until)| from < until);
    let found = stretches.map(|(earliest, deadline)| {
        shift_interruptible(&InterruptRequest {
            earliest,
            deadline,
            ..*wish
        })
    });
    let (good, refused): (Vec<_>, Vec<_>) = found.partition(Result::is_ok);
    let saving = |advice: &InterruptAdvice| advice.recommendation.saving_per_day.value;
    // Of equal ones the first day's.
    let best = good.into_iter().flatten().rev().max_by_key(saving);
    best.map_or_else(
        || {
            let refused = refused.into_iter().find_map(Result::err);
            Err(refused.unwrap_or_else(|| {
                let message = format!(
                    "no hour lies within {} h{}",
                    request.slack_hours,
                    request.within.in_words()
                );
                NoAdvice::new(WhyNot::NoWindow, message)
            }))
        },
        Ok,
    )
}

/// The first hour that has not begun before an instant.
fn first_whole(instant: Timestamp) -> UtcHour {
    let hour = UtcHour::containing(instant);
    if hour.start() < instant {
        hour.plus_hours(1)
    } else {
        hour
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::time;

    use super::*;
    use crate::calendar::time_zone;
    use crate::recommend::{Target, Terms};
    use crate::schedule::Job;
    use crate::series::{IntensitySeries, Origin, Point, SeriesInfo};
    use crate::units::Intensity;

    /// Two days from Seoul's midnight of the 15th on: 500 g, but for 100 g at
    /// 02 and 05 and 90 g at 13 and 16 o'clock of the first.
    fn series() -> IntensitySeries {
        let from = UtcHour::parse("2026-06-14T15:00Z").unwrap();
        let points = (0..72).map(|hour| {
            let grams = match hour {
                2 | 5 => 100.0,
                13 | 16 => 90.0,
                _ => 500.0,
            };
            let value = Intensity::try_from_grams_per_kwh(grams).unwrap();
            (
                from.plus_hours(hour),
                Point::exact(value, Origin::Published),
            )
        });
        IntensitySeries::try_new(SeriesInfo::average_life_cycle("KR", "made"), points).unwrap()
    }

    fn advise(minutes: u32, restart: u32, within: Within) -> Result<InterruptAdvice, NoAdvice> {
        let energy = Joules::from_microjoules(u64::from(minutes) * 60_000_000_000);
        let target = Target {
            namespace: "lab".into(),
            kind: "CronJob".into(),
            name: "train".into(),
        };
        cron_in_parts(
            &CronRequest {
                target: &target,
                schedule: "30 0 * * *",
                time_zone: &time_zone("Asia/Seoul").unwrap(),
                job: &Job::flat(minutes * 60, energy).unwrap(),
                slack_hours: 20,
                within,
                series: &series(),
                terms: Terms {
                    now: "2026-06-14T15:10:00Z".parse().unwrap(),
                    min_saving_percent: 1.0,
                },
            },
            restart,
        )
    }

    #[test]
    fn a_run_that_may_be_interrupted_takes_the_cleanest_hours_of_its_slack() {
        let advice = advise(120, 100, Within::default()).unwrap();
        let starts: Vec<_> = advice.parts.iter().map(|(from, _)| from.hour()).collect();
        assert_eq!((starts, advice.restarts), (vec![13, 16], 1));
        // 2 × 500 g as planned; 90 + 90 and a tenth of 90 in parts.
        let saving = advice.recommendation.saving_per_day.value;
        assert_eq!(saving.to_string(), "811 g");
    }

    #[test]
    fn parts_stay_within_the_hours_that_are_allowed() {
        let night = Within {
            earliest: Some(time(22, 0, 0, 0)),
            deadline: Some(time(6, 0, 0, 0)),
        };
        let advice = advise(120, 100, night).unwrap();
        let starts: Vec<_> = advice.parts.iter().map(|(from, _)| from.hour()).collect();
        assert_eq!(starts, [2, 5]);
        let noon = Within {
            earliest: Some(time(9, 0, 0, 0)),
            deadline: Some(time(10, 0, 0, 0)),
        };
        assert_eq!(advise(120, 100, noon).unwrap_err().reason, WhyNot::NoWindow);
    }

    #[test]
    fn a_break_that_saves_nothing_and_a_run_without_hours_are_said() {
        let dear = advise(120, 50_000, Within::default()).unwrap_err();
        assert_eq!(dear.reason, WhyNot::SavesTooLittle);
        assert!(dear.message.contains("neighbours"), "{}", dear.message);
        let short = advise(50, 0, Within::default()).unwrap_err();
        assert_eq!(
            (short.reason, short.message.as_str()),
            (WhyNot::NoWindow, "a run of 50 min has no hours to part")
        );
    }
}
