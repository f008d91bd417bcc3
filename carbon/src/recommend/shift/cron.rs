//! Another hour of day for a `CronJob`, by its runs of the next four weeks.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::json;

use super::ahead::Ahead;
use super::{
    CronRequest, CronRewrite, Draft, NoAdvice, RunRequest, Share, ShiftAdvice, WINDOWS, WhyNot,
    Window, shift_run, window,
};
use crate::calendar::Period;
use crate::cron::Cron;

/// How many local days ahead a daily schedule is judged by.
const DAYS_AHEAD: usize = 28;

/// Advice for a `CronJob`: over the next four weeks, the daily hour whose runs
/// emit least. A schedule that is not daily is judged by its next run and gets
/// no rewritten schedule.
///
/// # Errors
/// [`NoAdvice`] says why there is none; a saving of zero is said.
pub fn shift_cron(request: &CronRequest<'_>) -> Result<ShiftAdvice, NoAdvice> {
    let cron = Cron::parse(request.schedule).map_err(|error| invalid(&error))?;
    if !cron.is_daily() {
        return shift_next_run(&cron, request);
    }
    let weeks = Weeks::from(request)?;
    let no_start = || NoAdvice::new(WhyNot::NoWindow, "the schedule has no start in four weeks");
    let (baseline, runs) = weeks.window(request, &cron).ok_or_else(no_start)?;
    let mut found: Vec<(Window, Cron)> = (1..24_u8)
        .filter(|hours| (*hours).min(24 - hours) <= request.slack_hours)
        .filter_map(|hours| cron.shifted(hours).filter(|moved| *moved != cron))
        .filter_map(|moved| Some((weeks.window(request, &moved)?.0, moved)))
        .collect();
    found.sort_by_key(|(window, _)| (window.emissions.value, window.start.time()));
    found.dedup_by(|(_, one), (_, other)| one == other);
    let Some((_, best)) = found.first().cloned() else {
        let message = format!("no other hour of day lies within {} h", request.slack_hours);
        return Err(NoAdvice::new(WhyNot::NoWindow, message));
    };
    let rewrite = request.time_zone.iana_name().map(|time_zone| CronRewrite {
        schedule: best.to_string(),
        time_zone: time_zone.to_owned(),
    });
    let windows = found.into_iter().map(|(window, _)| window).take(WINDOWS);
    let draft = Draft {
        change: change(request, rewrite.as_ref(), &best),
        baseline,
        windows: windows.collect(),
        rewrite,
        // Runs and days are small numbers.
        per_day: Share {
            runs: u64::try_from(runs).unwrap_or(0),
            days: DAYS_AHEAD as u64,
        },
        span: format!("{runs} runs of the next {DAYS_AHEAD} days"),
    };
    draft.advice(&weeks.ahead, request.series, request.terms)
}

fn invalid(error: &dyn std::fmt::Display) -> NoAdvice {
    NoAdvice::new(WhyNot::Invalid, error.to_string())
}

/// The local days ahead, and how clean their hours are expected to be.
struct Weeks {
    days: Vec<Date>,
    ahead: Ahead,
}

impl Weeks {
    fn from(request: &CronRequest<'_>) -> Result<Self, NoAdvice> {
        let zone = request.time_zone;
        let today = zone.to_datetime(request.terms.now).date();
        let days: Vec<_> = today
            .series(Span::new().days(1))
            .skip(1)
            .take(DAYS_AHEAD)
            .collect();
        let (Some(first), Some(last)) = (days.first(), days.last()) else {
            let message = "the day is outside the calendar";
            return Err(NoAdvice::new(WhyNot::Invalid, message));
        };
        let day = |day: Date| Period::local_day(day, zone).map_err(|error| invalid(&error));
        let longest = i32::try_from(request.job.seconds() / 3_600 + 2).unwrap_or(i32::MAX);
        let period = Period {
            from: day(*first)?.from.plus_hours(-1),
            until: day(*last)?.until.plus_hours(longest),
        };
        Ok(Self {
            ahead: Ahead::try_new(request.series, period)?,
            days,
        })
    }

    /// The first window of a schedule with the mean of all its runs, and how
    /// many they are.
    fn window(&self, request: &CronRequest<'_>, cron: &Cron) -> Option<(Window, usize)> {
        let zone: &TimeZone = request.time_zone;
        let starts: Vec<Timestamp> = self
            .days
            .iter()
            .flat_map(|day| cron.starts_on(*day, zone))
            .collect();
        let emissions = self.ahead.mean(request.job, &starts)?;
        let first = window(*starts.first()?, emissions, request.job, zone)?;
        Some((first, starts.len()))
    }
}

/// The command that sets the schedule, or a sentence where its time zone has
/// no name.
fn change(request: &CronRequest<'_>, rewrite: Option<&CronRewrite>, best: &Cron) -> String {
    let Some(CronRewrite {
        schedule,
        time_zone,
    }) = rewrite
    else {
        return format!("set the schedule to \"{best}\" in the same time zone");
    };
    let patch = json!({"spec": {"schedule": schedule, "timeZone": time_zone}});
    request.target.patch("merge", &patch)
}

/// Advice for a schedule that is not daily, by its next run.
fn shift_next_run(cron: &Cron, request: &CronRequest<'_>) -> Result<ShiftAdvice, NoAdvice> {
    let never = || {
        let message = format!("schedule {:?} never starts", request.schedule);
        NoAdvice::new(WhyNot::NoWindow, message)
    };
    let planned = cron
        .next_start(request.terms.now, request.time_zone)
        .ok_or_else(never)?;
    let slack_s = i64::from(request.slack_hours) * 3_600;
    let at = |offset_s: i64| {
        Timestamp::from_second(planned.as_second().saturating_add(offset_s)).unwrap_or(planned)
    };
    shift_run(&RunRequest {
        target: request.target,
        planned,
        earliest: at(-slack_s).max(request.terms.now),
        latest: at(slack_s),
        time_zone: request.time_zone,
        job: request.job,
        series: request.series,
        terms: request.terms,
    })
}
