//! Another time for a job: the cheapest within the slack it has.
//!
//! The saving is the difference to the job's present start, never to an
//! average. Bounds compare low with low and high with high: a clean day is
//! taken to be clean in all its hours.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::Serialize;
use tanso_power::Estimate;

use super::{Action, Confidence, NoAdvice, Recommendation, Target, Terms, WhyNot};
use crate::calendar::{Period, UtcHour};
use crate::schedule::Job;
use crate::series::{HourlyIntensity, Origin};
use crate::units::{GramsCo2e, Intensity};

mod ahead;
mod cron;
mod in_parts;
mod interrupted;
mod within;

use ahead::{Ahead, known};
use cron::invalid;
pub use cron::shift_cron;
pub use in_parts::cron_in_parts;
pub use interrupted::{InterruptAdvice, InterruptRequest, shift_interruptible};
pub use within::Within;

/// How many windows are shown.
const WINDOWS: usize = 3;

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
    /// The local hours of day that a run must stay in, in its time zone.
    pub within: Within,
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
    let wanted = Period {
        from: UtcHour::containing(first),
        until,
    };
    let period = known(request.series, wanted);
    let ahead = Ahead::try_new(request.series, period)?;
    let at = |start: Timestamp| window(start, ahead.mean(job, &[start])?, job, zone);
    let ends_before = || {
        let message = format!(
            "the figures end {}, before the run as planned",
            period.until
        );
        NoAdvice::new(WhyNot::IntensityMissing, message)
    };
    let baseline = at(request.planned).ok_or_else(ends_before)?;
    // The curve ends where the figures do: no start beyond is offered.
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
    let span = if period == wanted {
        "one run".to_owned()
    } else {
        format!(
            "one run, planned within the figures, which end {}",
            period.until
        )
    };
    let per_day = Share { runs: 1, days: 1 };
    let draft = Draft {
        baseline,
        windows,
        rewrite: None,
        change,
        per_day,
        span,
    };
    draft.advice(&ahead, request.terms)
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
    fn advice(self, ahead: &Ahead, terms: Terms) -> Result<ShiftAdvice, NoAdvice> {
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
        let basis = format!("{why}; {}; {}", ahead.sources, self.span);
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
            attributed: None,
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
pub(super) fn saving(now: Estimate<GramsCo2e>, then: Estimate<GramsCo2e>) -> Estimate<GramsCo2e> {
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
pub(super) fn saving_percent(now: Estimate<GramsCo2e>, then: Estimate<GramsCo2e>) -> Estimate<f64> {
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
        Origin::Forecast => (Confidence::Medium, "a forecast, settled when it has passed"),
        Origin::TypicalYear => (
            Confidence::Medium,
            "typical hours of a past year, not a forecast",
        ),
        Origin::Static | Origin::OtherYear => {
            (Confidence::Low, "a constant cannot tell hours apart")
        }
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
