//! Another time of day for a `CronJob`, to the half hour at its own minute, by its runs of the days that are known:
//! those ahead as far as the figures go, up to four weeks, and past ones in
//! their place where a forecast ends earlier.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::json;

use super::ahead::Ahead;
use super::{
    Confidence, CronRequest, CronRewrite, Draft, NoAdvice, RunRequest, Share, ShiftAdvice, WINDOWS,
    WhyNot, Window, Within, shift_run, window,
};
use crate::calendar::{Period, UtcHour};
use crate::cron::Cron;
use crate::series::HourlyIntensity;

/// How many local days a daily schedule is judged by at most.
const DAYS_MOST: usize = 28;
/// And at least: the weather of a single day is no ground for a schedule.
const DAYS_LEAST: usize = 2;
/// Minutes of a day.
const DAY_MINUTES: u16 = 1_440;
/// From so many days on, one of each weekday is among them.
const WEEK: usize = 7;

/// Advice for a `CronJob`: over up to four weeks that are known, the time of
/// day whose runs emit least: an hour at the schedule's own minute, or half an
/// hour beside it. How many days it rests on is said, and fewer than a
/// week give low confidence. A schedule that is not daily is judged by its next
/// run and gets no rewritten schedule.
///
/// # Errors
/// [`NoAdvice`] says why there is none; a saving of zero is said.
pub fn shift_cron(request: &CronRequest<'_>) -> Result<ShiftAdvice, NoAdvice> {
    let cron = Cron::parse(request.schedule).map_err(|error| invalid(&error))?;
    if !cron.is_daily() {
        return shift_next_run(&cron, request);
    }
    let weeks = Weeks::from(request)?;
    let no_start = || NoAdvice::new(WhyNot::NoWindow, "the schedule has no start in these days");
    let (baseline, runs) = weeks.window(request, &cron).ok_or_else(no_start)?;
    let mut found = weeks.others(request, &cron);
    found.sort_by_key(|(window, _)| (window.emissions.value, window.start.time()));
    found.dedup_by(|(_, one), (_, other)| one == other);
    let Some((_, best)) = found.first().cloned() else {
        let message = format!(
            "no other time of day lies within {} h{}",
            request.slack_hours,
            request.within.in_words()
        );
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
            days: weeks.days.len() as u64,
        },
        span: weeks.in_words(runs),
    };
    let mut advice = draft.advice(&weeks.ahead, request.terms)?;
    let confidence = &mut advice.recommendation.confidence;
    *confidence = weeks.confidence().min(*confidence);
    Ok(advice)
}

/// Whether all runs of a day stay in the hours that are allowed.
fn stays_within(request: &CronRequest<'_>, cron: &Cron, day: Date) -> bool {
    let zone = request.time_zone;
    let starts = cron.starts_on(day, zone).into_iter();
    let mut local = starts.map(|start| zone.to_datetime(start).time());
    local.all(|start| request.within.holds(start, request.job.seconds()))
}

pub(super) fn invalid(error: &dyn std::fmt::Display) -> NoAdvice {
    NoAdvice::new(WhyNot::Invalid, error.to_string())
}

/// Local days that are known, and how clean their hours are.
struct Weeks {
    /// The day from which the next start is looked for.
    tomorrow: Date,
    /// Those ahead first.
    days: Vec<Date>,
    /// How many of them are ahead.
    days_ahead: usize,
    ahead: Ahead,
}

impl Weeks {
    fn from(request: &CronRequest<'_>) -> Result<Self, NoAdvice> {
        let zone = request.time_zone;
        let outside = || {
            let message = "the day is outside the calendar";
            NoAdvice::new(WhyNot::Invalid, message)
        };
        let today = zone.to_datetime(request.terms.now).date();
        let tomorrow = today.tomorrow().map_err(|_| outside())?;
        let longest = i32::try_from(request.job.seconds() / 3_600 + 2).unwrap_or(i32::MAX);
        // The hours that runs of a day may touch.
        let hours_of = |day: Date| {
            let Period { from, until } = Period::local_day(day, zone).ok()?;
            Some(Period {
                from: from.plus_hours(-1),
                until: until.plus_hours(longest),
            })
        };
        let first = hours_of(tomorrow).ok_or_else(outside)?;
        let known = known_around(request.series, first.from, longest);
        let is_known = |day: &Date| {
            hours_of(*day).is_some_and(|day| known.from <= day.from && day.until <= known.until)
        };
        let ahead: Vec<_> = tomorrow
            .series(Span::new().days(1))
            .take(DAYS_MOST)
            .take_while(is_known)
            .collect();
        let past = today
            .series(Span::new().days(-1))
            .take(DAYS_MOST)
            .skip_while(|day| !is_known(day))
            .take_while(is_known)
            .take(DAYS_MOST - ahead.len());
        let days_ahead = ahead.len();
        let days: Vec<_> = ahead.into_iter().chain(past).collect();
        if days.len() < DAYS_LEAST {
            return Err(too_few(request, days.len(), first));
        }
        let hours = days.iter().filter_map(|day| hours_of(*day));
        let period = hours.reduce(|all, day| Period {
            from: all.from.min(day.from),
            until: all.until.max(day.until),
        });
        Ok(Self {
            tomorrow,
            ahead: Ahead::try_new(request.series, period.ok_or_else(outside)?)?,
            days,
            days_ahead,
        })
    }

    /// How far so many days can be relied on.
    fn confidence(&self) -> Confidence {
        match self.days.len() {
            days if days < WEEK => Confidence::Low,
            _ if self.days_ahead < DAYS_MOST => Confidence::Medium,
            _ => Confidence::High,
        }
    }

    /// `9 runs of 9 days that are known, 2 ahead and 7 past, of up to 28`.
    fn in_words(&self, runs: usize) -> String {
        let (days, ahead) = (self.days.len(), self.days_ahead);
        if ahead == DAYS_MOST {
            return format!("{runs} runs of the next {DAYS_MOST} days");
        }
        format!(
            "{runs} runs of {days} days that are known, {ahead} ahead and {} past, of up to {DAYS_MOST}",
            days - ahead
        )
    }

    /// All other times of day that are allowed: each hour at the schedule's own
    /// minute, and the half hours between that are better than both hours
    /// around them, as where a zone's hours are not the grid's.
    fn others(&self, request: &CronRequest<'_>, cron: &Cron) -> Vec<(Window, Cron)> {
        let slack = u16::from(request.slack_hours) * 60;
        let at = |minutes: u16| {
            let moved = cron.shifted_by(minutes)?;
            Some((self.window(request, &moved)?.0, moved))
        };
        let is_allowed = |minutes: u16, moved: &Cron| {
            minutes.min(DAY_MINUTES - minutes) <= slack
                && *moved != *cron
                && stays_within(request, moved, self.tomorrow)
        };
        let hourly: Vec<_> = (0..24).map(|hour| at(hour * 60)).collect();
        let emitted = |hour: u16| {
            let (window, _) = hourly.get(usize::from(hour % 24))?.as_ref()?;
            Some(window.emissions.value)
        };
        let halves = (0..24_u16).filter_map(|hour| {
            let (window, moved) = at(hour * 60 + 30)?;
            let best_around = emitted(hour)?.min(emitted(hour + 1)?);
            (window.emissions.value < best_around).then_some((hour * 60 + 30, window, moved))
        });
        let halves: Vec<_> = halves.collect();
        (0..24_u16)
            .zip(hourly)
            .filter_map(|(hour, found)| found.map(|(window, moved)| (hour * 60, window, moved)))
            .chain(halves)
            .filter(|(minutes, _, moved)| is_allowed(*minutes, moved))
            .map(|(_, window, moved)| (window, moved))
            .collect()
    }

    /// The next window of a schedule with the mean of all its runs, and how
    /// many they are.
    fn window(&self, request: &CronRequest<'_>, cron: &Cron) -> Option<(Window, usize)> {
        let zone: &TimeZone = request.time_zone;
        let starts_on = |day: Date| cron.starts_on(day, zone);
        let starts: Vec<Timestamp> = self.days.iter().copied().flat_map(starts_on).collect();
        let emissions = self.ahead.mean(request.job, &starts)?;
        // A day in which clocks change may have no start.
        let mut next = self.tomorrow.series(Span::new().days(1)).take(WEEK);
        let first = next.find_map(|day| starts_on(day).into_iter().next())?;
        let first = window(first, emissions, request.job, zone)?;
        Some((first, starts.len()))
    }
}

/// The unbroken run of known hours around an hour, or before it where it is
/// not known itself; no longer on either side than any advice needs.
fn known_around(series: &dyn HourlyIntensity, middle: UtcHour, longest: i32) -> Period {
    let is_known = |hour: UtcHour| series.at(hour).is_some();
    let most = (24 * i32::try_from(DAYS_MOST).unwrap_or(0) + 48).saturating_add(longest);
    let ahead = (0..most).find(|hours| !is_known(middle.plus_hours(*hours)));
    let until = match ahead {
        // Back to where a forecast, or what was published last, ends.
        Some(0) => {
            let gap = (1..48).find(|hours| is_known(middle.plus_hours(-hours)));
            middle.plus_hours(1 - gap.unwrap_or(1))
        }
        hours => middle.plus_hours(hours.unwrap_or(most)),
    };
    let span = until.hours_since(middle).saturating_add(most);
    let behind = (1..=span).find(|hours| !is_known(until.plus_hours(-hours)));
    Period {
        from: until.plus_hours(1 - behind.unwrap_or(span + 1)),
        until,
    }
}

/// Why there is no advice, with the first hour that would be needed.
fn too_few(request: &CronRequest<'_>, days: usize, first: Period) -> NoAdvice {
    let gap = first
        .hours()
        .find(|hour| request.series.at(*hour).is_none());
    let zone = &request.series.info().zone;
    let gap = gap.map_or_else(String::new, |hour| {
        format!("; the intensity of zone {zone} is not known at {hour}")
    });
    let message = format!(
        "whole days that are known around now: {days}, at least {DAYS_LEAST} are needed{gap}"
    );
    NoAdvice::new(WhyNot::IntensityMissing, message)
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
    let run = |earliest: Timestamp, latest: Timestamp| {
        shift_run(&RunRequest {
            target: request.target,
            planned,
            earliest,
            latest,
            time_zone: request.time_zone,
            job: request.job,
            series: request.series,
            terms: request.terms,
        })
    };
    let (earliest, latest) = (at(-slack_s).max(request.terms.now), at(slack_s));
    if request.within == Within::default() {
        return run(earliest, latest);
    }
    // Each day's hours by themselves; the best of their best.
    let zone = request.time_zone;
    let first = zone.to_datetime(earliest).date();
    let days = first
        .yesterday()
        .unwrap_or(first)
        .series(Span::new().days(1));
    let allowed = days
        .take(usize::from(request.slack_hours) / 12 + 3)
        .filter_map(|day| request.within.starts_on(day, zone, request.job.seconds()))
        .map(|(from, until)| (from.max(earliest), until.min(latest)))
        .filter(|(from, until)| from <= until);
    let found: Vec<_> = allowed.map(|(from, until)| run(from, until)).collect();
    let key = |advice: &ShiftAdvice| advice.windows.first().map(|best| best.emissions.value);
    let (good, refused): (Vec<_>, Vec<_>) = found.into_iter().partition(Result::is_ok);
    let best = good.into_iter().flatten().min_by_key(key);
    best.map_or_else(
        || {
            let refused = refused.into_iter().find_map(Result::err);
            Err(refused.unwrap_or_else(|| {
                let message = format!(
                    "no start lies within {} h{}",
                    request.slack_hours,
                    request.within.in_words()
                );
                NoAdvice::new(WhyNot::NoWindow, message)
            }))
        },
        Ok,
    )
}
