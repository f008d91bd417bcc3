//! Another time for a job: the cheapest within the slack it has.
//!
//! The saving is the difference to the job's present start, never to an
//! average. Bounds compare low with low and high with high: a clean day is
//! taken to be clean in all its hours.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::Serialize;
use serde_json::json;
use tanso_power::Estimate;

use super::{Action, Confidence, NoAdvice, Recommendation, Target, Terms, WhyNot};
use crate::calendar::{Period, UtcHour};
use crate::cron::Cron;
use crate::schedule::{CostCurve, Job};
use crate::series::{HourlyIntensity, Origin, Point};
use crate::units::{GramsCo2e, Intensity};

/// How many windows are shown.
const WINDOWS: usize = 3;
/// How many local days ahead a daily schedule is judged by.
const DAYS_AHEAD: usize = 28;

/// A `CronJob` that could start at another time.
#[derive(Clone, Copy)]
pub struct CronRequest<'a> {
    /// The workload.
    pub target: &'a Target,
    /// Its present schedule.
    pub schedule: &'a str,
    /// The time zone it is in, as the workload or the cluster has it.
    pub time_zone: &'a TimeZone,
    /// One run, with its facility energy.
    pub job: &'a Job,
    /// How many hours earlier or later it may start.
    pub slack_hours: u8,
    /// How clean the hours ahead are expected to be.
    pub series: &'a dyn HourlyIntensity,
    /// When, and for what least saving.
    pub terms: Terms,
}

/// One run that could start at another time.
#[derive(Clone, Copy)]
pub struct RunRequest<'a> {
    /// The workload.
    pub target: &'a Target,
    /// When it would start.
    pub planned: Timestamp,
    /// The earliest start allowed.
    pub earliest: Timestamp,
    /// The latest start allowed.
    pub latest: Timestamp,
    /// The time zone to show times in.
    pub time_zone: &'a TimeZone,
    /// The run, with its facility energy.
    pub job: &'a Job,
    /// How clean the hours ahead are expected to be.
    pub series: &'a dyn HourlyIntensity,
    /// When, and for what least saving.
    pub terms: Terms,
}

/// A time for the job.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// The next start, in local time with its offset.
    pub start: Zoned,
    /// The end of that run.
    pub end: Zoned,
    /// What a run emits, the mean of the runs looked at.
    pub emissions: Estimate<GramsCo2e>,
    /// The intensity of the energy it uses; `None` without energy.
    pub intensity: Option<Intensity>,
}

/// A rewritten `CronJob` schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CronRewrite {
    /// The five fields.
    pub schedule: String,
    /// The IANA time zone they are in.
    pub time_zone: String,
}

/// Advice to start at another time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShiftAdvice {
    /// The advice.
    pub recommendation: Recommendation,
    /// When it starts now.
    pub baseline: Window,
    /// The best times, best first, at most three.
    pub windows: Vec<Window>,
    /// The schedule to set, if the present one is daily.
    pub rewrite: Option<CronRewrite>,
}

/// Intensity ahead, with bounds, and how good it is.
struct Ahead {
    curves: Estimate<CostCurve>,
    worst: Origin,
}

impl Ahead {
    fn try_new(series: &dyn HourlyIntensity, period: Period) -> Result<Self, NoAdvice> {
        let gap = || {
            let hour = period.hours().find(|hour| series.at(*hour).is_none());
            let hour = hour.map_or_else(|| "no hour".to_owned(), |hour| hour.to_string());
            NoAdvice::new(
                WhyNot::IntensityMissing,
                format!(
                    "the intensity of zone {} is not known at {hour}",
                    series.info().zone
                ),
            )
        };
        let curve = |pick: fn(Point) -> Intensity| {
            CostCurve::of_hours(series, period, pick).ok_or_else(gap)
        };
        let origins = period
            .hours()
            .filter_map(|hour| series.at(hour))
            .map(|point| point.origin);
        Ok(Self {
            worst: origins.max().unwrap_or(Origin::Published),
            curves: Estimate {
                low: curve(|point| point.intensity.low)?,
                value: curve(|point| point.intensity.value)?,
                high: curve(|point| point.intensity.high)?,
            },
        })
    }

    /// The mean emissions of runs at the given starts; `None` without runs.
    fn mean(&self, job: &Job, starts: &[Timestamp]) -> Option<Estimate<GramsCo2e>> {
        let runs = u64::try_from(starts.len()).ok().filter(|runs| *runs > 0)?;
        let of = |curve: &CostCurve| {
            let each = starts
                .iter()
                .map(|start| curve.emissions(job, start.as_second()));
            Some(each.sum::<Option<GramsCo2e>>()?.scaled(1, runs))
        };
        let Estimate { low, value, high } = &self.curves;
        Some(Estimate {
            low: of(low)?,
            value: of(value)?,
            high: of(high)?,
        })
    }
}

/// Advice for a `CronJob`: over the next four weeks, the daily hour whose runs
/// emit least. A schedule that is not daily is judged by its next run and gets
/// no rewritten schedule.
///
/// # Errors
/// [`NoAdvice`] says why there is none; a saving of zero is said.
pub fn shift_cron(request: &CronRequest<'_>) -> Result<ShiftAdvice, NoAdvice> {
    let invalid = |error: &dyn std::fmt::Display| NoAdvice::new(WhyNot::Invalid, error.to_string());
    let cron = Cron::parse(request.schedule).map_err(|error| invalid(&error))?;
    if !cron.is_daily() {
        return shift_next_run(&cron, request);
    }
    let zone = request.time_zone;
    let today = zone.to_datetime(request.terms.now).date();
    let days: Vec<_> = today
        .series(jiff::Span::new().days(1))
        .skip(1)
        .take(DAYS_AHEAD)
        .collect();
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return Err(NoAdvice::new(
            WhyNot::Invalid,
            "the day is outside the calendar",
        ));
    };
    let from = Period::local_day(*first, zone)
        .map_err(|error| invalid(&error))?
        .from;
    let until = Period::local_day(*last, zone)
        .map_err(|error| invalid(&error))?
        .until;
    let longest = i32::try_from(request.job.seconds() / 3_600 + 2).unwrap_or(i32::MAX);
    let period = Period {
        from: from.plus_hours(-1),
        until: until.plus_hours(longest),
    };
    let ahead = Ahead::try_new(request.series, period)?;
    let window = |cron: &Cron| {
        let starts: Vec<_> = days
            .iter()
            .flat_map(|day| cron.starts_on(*day, zone))
            .collect();
        let emissions = ahead.mean(request.job, &starts)?;
        Some((
            window(*starts.first()?, emissions, request.job, zone)?,
            starts.len(),
        ))
    };
    let no_start = || NoAdvice::new(WhyNot::NoWindow, "the schedule has no start in four weeks");
    let (baseline, runs) = window(&cron).ok_or_else(no_start)?;
    let mut found: Vec<(Window, Cron)> = (1..24_u8)
        .filter(|hours| (*hours).min(24 - hours) <= request.slack_hours)
        .filter_map(|hours| cron.shifted(hours).filter(|moved| *moved != cron))
        .filter_map(|moved| Some((window(&moved)?.0, moved)))
        .collect();
    found.sort_by_key(|(window, _)| (window.emissions.value, window.start.time()));
    found.dedup_by(|(_, one), (_, other)| one == other);
    let Some((_, best)) = found.first().cloned() else {
        let message = format!("no other hour of day lies within {} h", request.slack_hours);
        return Err(NoAdvice::new(WhyNot::NoWindow, message));
    };
    let rewrite = zone.iana_name().map(|time_zone| CronRewrite {
        schedule: best.to_string(),
        time_zone: time_zone.to_owned(),
    });
    let change = rewrite.as_ref().map_or_else(
        || format!("set the schedule to {best:?} in the same time zone"),
        |CronRewrite {
             schedule,
             time_zone,
         }| {
            let patch = json!({"spec": {"schedule": schedule, "timeZone": time_zone}});
            request.target.patch("merge", &patch)
        },
    );
    let windows = found
        .into_iter()
        .map(|(window, _)| window)
        .take(WINDOWS)
        .collect();
    // Runs and days are small numbers.
    let per_day = Share {
        runs: u64::try_from(runs).unwrap_or(0),
        days: DAYS_AHEAD as u64,
    };
    let span = format!("{runs} runs of the next {DAYS_AHEAD} days");
    let draft = Draft {
        baseline,
        windows,
        rewrite,
        change,
        per_day,
        span,
    };
    draft.advice(&ahead, request.series, request.terms)
}

/// Advice for a schedule that is not daily, by its next run.
fn shift_next_run(cron: &Cron, request: &CronRequest<'_>) -> Result<ShiftAdvice, NoAdvice> {
    let planned = cron
        .next_start(request.terms.now, request.time_zone)
        .ok_or_else(|| {
            NoAdvice::new(
                WhyNot::NoWindow,
                format!("schedule {:?} never starts", request.schedule),
            )
        })?;
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

/// Advice for one run: the exact best start between the earliest and the
/// latest allowed.
///
/// # Errors
/// [`NoAdvice`] says why there is none; a saving of zero is said.
pub fn shift_run(request: &RunRequest<'_>) -> Result<ShiftAdvice, NoAdvice> {
    let (job, zone) = (request.job, request.time_zone);
    let first = request.earliest.min(request.planned);
    let last = request
        .latest
        .max(request.planned)
        .as_second()
        .saturating_add(job.seconds());
    let until = UtcHour::from_unix_seconds(last).plus_hours(1);
    let period = Period {
        from: UtcHour::containing(first),
        until,
    };
    let ahead = Ahead::try_new(request.series, period)?;
    let at = |start: Timestamp| window(start, ahead.mean(job, &[start])?, job, zone);
    let outside = || NoAdvice::new(WhyNot::NoWindow, "the run leaves the calendar");
    let baseline = at(request.planned).ok_or_else(outside)?;
    let (earliest_s, latest_s) = (request.earliest.as_second(), request.latest.as_second());
    let slots = ahead.curves.value.best(job, earliest_s, latest_s, WINDOWS);
    let windows: Vec<_> = slots
        .into_iter()
        .filter_map(|slot| at(Timestamp::from_second(slot.start_s).ok()?))
        .collect();
    let Some(best) = windows.first() else {
        return Err(NoAdvice::new(
            WhyNot::NoWindow,
            "the latest start is before the earliest",
        ));
    };
    let Target {
        namespace,
        kind,
        name,
    } = request.target;
    let change = format!("start {kind} {namespace}/{name} at {}", moment(&best.start));
    let span = "one run".to_owned();
    let per_day = Share { runs: 1, days: 1 };
    let draft = Draft {
        baseline,
        windows,
        rewrite: None,
        change,
        per_day,
        span,
    };
    draft.advice(&ahead, request.series, request.terms)
}

/// Runs in so many days.
struct Share {
    runs: u64,
    days: u64,
}

/// Advice before its saving is known.
struct Draft {
    baseline: Window,
    windows: Vec<Window>,
    rewrite: Option<CronRewrite>,
    change: String,
    per_day: Share,
    span: String,
}

impl Draft {
    fn advice(
        self,
        ahead: &Ahead,
        series: &dyn HourlyIntensity,
        terms: Terms,
    ) -> Result<ShiftAdvice, NoAdvice> {
        let Some(best) = self.windows.first() else {
            return Err(NoAdvice::new(WhyNot::NoWindow, "there is no other time"));
        };
        let (now, then) = (self.baseline.emissions, best.emissions);
        if now.value == GramsCo2e::ZERO {
            let message = "a run emits nothing measurable, so no time is better";
            return Err(NoAdvice::new(WhyNot::NoEnergy, message));
        }
        let saving_percent = saving_percent(now, then);
        let percent = saving_percent.value.max(0.0);
        if now.value <= then.value || percent < terms.min_saving_percent {
            let message = format!(
                "the best other time, {}, would save {percent:.1} %, less than {} %",
                moment(&best.start),
                terms.min_saving_percent
            );
            return Err(NoAdvice::new(WhyNot::SavesTooLittle, message));
        }
        let Share { runs, days } = self.per_day;
        let saving_per_day = saving(now, then).map(|mass| mass.scaled(runs, days));
        let (confidence, why) = confidence(ahead.worst, saving_percent.low);
        let basis = format!("{why}; {}; {}", series.info(), self.span);
        let message = format!(
            "start at {} instead of {}: {percent:.1} % less, {} a day",
            clock(&best.start),
            clock(&self.baseline.start),
            saving_per_day.value
        );
        let recommendation = Recommendation {
            action: Action::ShiftInTime,
            saving_per_day,
            saving_percent,
            confidence,
            basis,
            change: self.change,
            message,
        };
        let Self {
            baseline,
            windows,
            rewrite,
            ..
        } = self;
        Ok(ShiftAdvice {
            recommendation,
            baseline,
            windows,
            rewrite,
        })
    }
}

fn window(
    start: Timestamp,
    emissions: Estimate<GramsCo2e>,
    job: &Job,
    zone: &TimeZone,
) -> Option<Window> {
    let end = Timestamp::from_second(start.as_second().checked_add(job.seconds())?).ok()?;
    Some(Window {
        start: start.to_zoned(zone.clone()),
        end: end.to_zoned(zone.clone()),
        emissions,
        intensity: Intensity::of(emissions.value, job.energy()),
    })
}

/// What is saved, low against low and high against high; cut off at zero.
fn saving(now: Estimate<GramsCo2e>, then: Estimate<GramsCo2e>) -> Estimate<GramsCo2e> {
    let at = [
        now.low.saturating_sub(then.low),
        now.value.saturating_sub(then.value),
        now.high.saturating_sub(then.high),
    ];
    let [low, value, high] = at;
    Estimate {
        low: low.min(value).min(high),
        value,
        high: low.max(value).max(high),
    }
}

/// The saving in percent, low against low and high against high; may be
/// negative.
fn saving_percent(now: Estimate<GramsCo2e>, then: Estimate<GramsCo2e>) -> Estimate<f64> {
    let of = |now: GramsCo2e, then: GramsCo2e| {
        if now == GramsCo2e::ZERO {
            0.0
        } else {
            (1.0 - then.as_grams_f64() / now.as_grams_f64()) * 100.0
        }
    };
    let (low, value, high) = (
        of(now.low, then.low),
        of(now.value, then.value),
        of(now.high, then.high),
    );
    Estimate {
        low: low.min(value).min(high),
        value,
        high: low.max(value).max(high),
    }
}

fn confidence(worst: Origin, low_percent: f64) -> (Confidence, &'static str) {
    match worst {
        _ if low_percent <= 0.0 => (
            Confidence::Low,
            "the saving's lower bound is nothing or a loss",
        ),
        Origin::Published => (Confidence::High, "data published for the hours themselves"),
        Origin::TypicalYear => (
            Confidence::Medium,
            "typical hours of a past year, not a forecast",
        ),
        Origin::Static => (Confidence::Low, "a constant cannot tell hours apart"),
        _ => (Confidence::Medium, "some hours are estimated"),
    }
}

/// `10:00 +09`.
fn clock(at: &Zoned) -> String {
    format!("{:02}:{:02} {}", at.hour(), at.minute(), at.offset())
}

/// `2026-11-22 10:00 +09`.
fn moment(at: &Zoned) -> String {
    format!("{} {}", at.date(), clock(at))
}

#[cfg(test)]
mod tests;
