//! Forecast against actual: what following the forecast would have saved on
//! runs that are over; pure.
//!
//! The choice is made again as it could have been made then: by the newest
//! forecast that was known when the run started, among the starts within the
//! slack. A run that the policy moved is held against its own schedule. It is
//! settled by what the hours turned out to be, and again where the publisher
//! revised them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tanso_carbon::calendar::{Period, UtcHour, time_zone};
use tanso_carbon::cron::Cron;
use tanso_carbon::recommend::settle::{Outcome, Plan, Settled, Settlement, settle};
use tanso_carbon::schedule::{CostCurve, Job};
use tanso_carbon::series::{HourlyIntensity, IntensitySeries, Origin, Point, SeriesInfo};
use tanso_carbon::{GramsCo2e, Intensity};
use tanso_crds::carbon_policy::status::{Realised, SettledRun};
use tanso_faces::answer::sources;
use tanso_intensity::Past;
use tanso_intensity::book::{Forecast, Restated};

use super::figures::{milligrams, short};
use super::group::{Pod, Workload};
use super::scene::Scene;
use crate::ledger::PodNames;

/// Most runs that are shown.
const RUNS_MAX: usize = 5;
/// Longest name of a source, letters.
const SOURCE_MAX: usize = 128;
/// How late a run may begin and still be its schedule's, seconds: images are
/// fetched, nodes made.
const LATE_S: i64 = 900;

/// The newest runs that can be settled.
pub(super) fn settled(scene: &Scene<'_>, workload: &Workload<'_>) -> Vec<SettledRun> {
    let past = &scene.policy.intensity.past;
    if past.forecasts.is_empty() || workload.key.kind != "CronJob" {
        return Vec::new();
    }
    let own = own_schedule(scene, workload);
    let mut runs: Vec<_> = workload
        .pods
        .iter()
        .filter_map(|pod| Some((pod.names.started_at?, run(scene, workload, pod)?)))
        .collect();
    runs.sort_by_key(|(started_s, _)| std::cmp::Reverse(*started_s));
    let settled = runs.into_iter().filter_map(|(started_s, job)| {
        let started = Timestamp::from_second(started_s).ok()?;
        let moved_from = own.as_ref().and_then(|own| own.moved_from(started));
        settle_run(scene, started, moved_from, job)
    });
    settled.take(RUNS_MAX).collect()
}

/// The schedule that a `CronJob` had before the policy moved it.
struct OwnSchedule {
    cron: Cron,
    zone: TimeZone,
}

fn own_schedule(scene: &Scene<'_>, workload: &Workload<'_>) -> Option<OwnSchedule> {
    let (namespace, name) = (workload.key.namespace, workload.key.name);
    let own = scene.facts.original_schedule(namespace, name)?;
    Some(OwnSchedule {
        cron: Cron::parse(&own.schedule).ok()?,
        zone: time_zone(own.time_zone.as_deref().unwrap_or("UTC")).ok()?,
    })
}

impl OwnSchedule {
    /// When a run would have started by it: the nearest start. `None` if it did,
    /// as runs from before the move.
    fn moved_from(&self, started: Timestamp) -> Option<Timestamp> {
        let day = self.zone.to_datetime(started).date();
        let days = [day.yesterday().ok()?, day, day.tomorrow().ok()?];
        let starts = days
            .into_iter()
            .flat_map(|day| self.cron.starts_on(day, &self.zone));
        let apart_s = |at: &Timestamp| (at.as_second() - started.as_second()).abs();
        starts
            .min_by_key(apart_s)
            .filter(|own| apart_s(own) > LATE_S)
    }
}

/// A finished run with its facility energy.
fn run(scene: &Scene<'_>, workload: &Workload<'_>, pod: &Pod<'_>) -> Option<Job> {
    let PodNames {
        started_at,
        finished_at,
        ..
    } = pod.names;
    let seconds = u32::try_from((*finished_at)?.checked_sub((*started_at)?)?).ok()?;
    let pue = scene.at(workload).pue;
    Job::flat(seconds, pue.facility_energy(pod.energy()))
}

/// A choice as it could be made when a run was due.
struct Choice<'a> {
    /// When it would have started.
    planned: Timestamp,
    /// When it did or should have started instead.
    chosen: Timestamp,
    predicted: GramsCo2e,
    forecast: &'a Forecast,
}

fn settle_run(
    scene: &Scene<'_>,
    started: Timestamp,
    moved_from: Option<Timestamp>,
    job: Job,
) -> Option<SettledRun> {
    let loaded = &scene.policy.intensity;
    let observed = Observed {
        series: &*loaded.series,
        instead: BTreeMap::new(),
    };
    let slack_s = i64::from(scene.policy.advice.slack_hours) * 3_600;
    let ahead = |from: Timestamp| Timestamp::from_second(from.as_second() + slack_s).ok();
    let choice = match moved_from {
        Some(planned) => moved(scene, &observed, planned, started, &job)?,
        None => best_of_forecast(scene, &observed, started, ahead(started)?, &job)?,
    };
    let Choice {
        planned, chosen, ..
    } = choice;
    let earliest = planned.min(chosen);
    // Against what is known so far; a choice that is not over is not settled.
    let latest = ahead(planned)?.max(chosen);
    let known_s = known_until(&observed, earliest, latest, &job).unix_seconds();
    let known_s = known_s.saturating_sub(job.seconds());
    let latest = Timestamp::from_second(known_s.min(latest.as_second())).ok()?;
    if planned.max(chosen) > latest {
        return None;
    }
    let plan = Plan {
        planned,
        chosen,
        earliest,
        latest,
        predicted: choice.predicted,
        job,
    };
    let settlement = settlement(&loaded.past, &observed, &plan)?;
    let best = settlement.all().last()?.best;
    let info = loaded.series.info_at(UtcHour::containing(chosen));
    Some(SettledRun {
        source: short(&info.source, SOURCE_MAX),
        method: sources::method(info.method).to_owned(),
        boundary: sources::boundary(info.boundary).to_owned(),
        data_year: info.data_year.map(i32::from),
        intensity_estimated_percent: Some(estimated_percent(&observed, chosen, &plan.job)),
        started: Time(started),
        moved_from: moved_from.map(Time),
        advised: Time(chosen),
        best: Time(best),
        forecast_issued: Time(choice.forecast.issued_at),
        forecast_known: Some(Time(choice.forecast.known_at())),
        predicted_milligrams: milligrams(choice.predicted),
        realised: settlement.all().iter().map(realised).collect(),
    })
}

/// Share of a run's hours whose figures the publisher had estimated itself.
fn estimated_percent(observed: &Observed<'_>, start: Timestamp, job: &Job) -> i32 {
    let end_s = start.as_second().saturating_add(job.seconds());
    let touched = Period {
        from: UtcHour::containing(start),
        until: UtcHour::from_unix_seconds(end_s.saturating_add(3_599)),
    };
    let known = touched.hours().filter_map(|hour| observed.at(hour));
    let (mut all, mut estimated) = (0_usize, 0_usize);
    for point in known {
        all += 1;
        estimated += usize::from(point.origin.is_estimated());
    }
    let percent = (estimated * 200 + all).checked_div(all * 2);
    percent
        .and_then(|percent| i32::try_from(percent).ok())
        .unwrap_or(0)
}

/// What the forecast would have chosen for a run that started as its schedule
/// said.
fn best_of_forecast<'a>(
    scene: &'a Scene<'_>,
    observed: &Observed<'_>,
    started: Timestamp,
    latest: Timestamp,
    job: &Job,
) -> Option<Choice<'a>> {
    let forecast = scene.policy.intensity.past.forecast_at(started)?;
    let expected = expected(observed, started, forecast)?;
    let (first_s, last_s) = (started.as_second(), latest.as_second());
    let slot = *expected.best(job, first_s, last_s, 1).first()?;
    let as_planned = expected.emissions(job, first_s)?;
    Some(Choice {
        planned: started,
        chosen: Timestamp::from_second(slot.start_s).ok()?,
        predicted: as_planned.saturating_sub(slot.emissions),
        forecast,
    })
}

/// A run that the policy moved, against its own schedule: what was saved is the
/// difference to when it would have run, not to when it did.
fn moved<'a>(
    scene: &'a Scene<'_>,
    observed: &Observed<'_>,
    planned: Timestamp,
    started: Timestamp,
    job: &Job,
) -> Option<Choice<'a>> {
    let first = planned.min(started);
    let forecast = scene.policy.intensity.past.forecast_at(first)?;
    let expected = expected(observed, first, forecast)?;
    let at = |start: Timestamp| expected.emissions(job, start.as_second());
    Some(Choice {
        planned,
        chosen: started,
        predicted: at(planned)?.saturating_sub(at(started)?),
        forecast,
    })
}

/// The plan settled by what was said first of its hours, and by what is said
/// now, each with the time at which the last of them was known.
fn settlement(past: &Past, observed: &Observed<'_>, plan: &Plan) -> Option<Settlement> {
    let last = plan.latest.max(plan.planned).max(plan.chosen);
    let end_s = last.as_second().saturating_add(plan.job.seconds());
    let touched = Period {
        from: UtcHour::containing(plan.earliest),
        until: UtcHour::from_unix_seconds(end_s.saturating_add(3_599)),
    };
    let restated: Vec<_> = past
        .restated
        .iter()
        .filter(|one| touched.contains(one.hour))
        .collect();
    let known_at = |of: fn(&Restated) -> Timestamp| {
        let changed = restated.iter().map(|one| of(one));
        let is_changed = |hour: &UtcHour| restated.iter().any(|one| one.hour == *hour);
        let others = past.seen.range(touched.from..touched.until);
        let others = others
            .filter(|(hour, _)| !is_changed(hour))
            .map(|(_, at)| *at);
        // An hour is known when it is over, at the earliest.
        changed.chain(others).max().unwrap_or(touched.until.start())
    };
    let mut settlement = Settlement::default();
    if !restated.is_empty() {
        let instead = restated.iter().map(|one| (one.hour, one.first.intensity));
        let at_first = Observed {
            instead: instead.collect(),
            series: observed.series,
        };
        if let Ok(settled) = settle(plan, &at_first, known_at(|one| one.first.seen_at)) {
            settlement.note(settled);
        }
    }
    settlement.note(settle(plan, observed, known_at(|one| one.latest.seen_at)).ok()?);
    Some(settlement)
}

fn realised(settled: &Settled) -> Realised {
    let (saved, sign): (GramsCo2e, i64) = match settled.realised {
        Outcome::Saved(mass) => (mass, 1),
        Outcome::Lost(mass) => (mass, -1),
    };
    Realised {
        known_at: Time(settled.known_at),
        saved_milligrams: milligrams(saved).saturating_mul(sign),
        regret_milligrams: milligrams(settled.regret),
    }
}

/// The hour after the last that is known without a gap, as far as it matters.
fn known_until(
    observed: &Observed<'_>,
    started: Timestamp,
    latest: Timestamp,
    job: &Job,
) -> UtcHour {
    let end_s = latest.as_second().saturating_add(job.seconds());
    let mut hour = UtcHour::containing(started);
    while hour.unix_seconds() < end_s && observed.at(hour).is_some() {
        hour = hour.plus_hours(1);
    }
    hour
}

/// What was expected from the start on: the hour that had begun as it was,
/// then the forecast, to its first gap.
fn expected(observed: &Observed<'_>, started: Timestamp, forecast: &Forecast) -> Option<CostCurve> {
    let first = UtcHour::containing(started);
    let mut points = Vec::new();
    let mut hour = first;
    loop {
        let known = forecast.hours.get(&hour).copied();
        let begun = || observed.at(hour).map(|point| point.intensity.value);
        let Some(figure) = known.or_else(|| (hour == first).then(begun).flatten()) else {
            break;
        };
        points.push((hour, Point::exact(figure, Origin::Forecast)));
        hour = hour.plus_hours(1);
    }
    let series = IntensitySeries::try_new(observed.info().clone(), points).ok()?;
    let period = Period {
        from: first,
        until: hour,
    };
    CostCurve::of_hours(&series, period, |point| point.intensity.value)
}

/// Hours as they were published: no forecast, nothing typical; some as they
/// were said first.
struct Observed<'a> {
    series: &'a dyn HourlyIntensity,
    instead: BTreeMap<UtcHour, Intensity>,
}

impl HourlyIntensity for Observed<'_> {
    fn info(&self) -> &SeriesInfo {
        self.series.info()
    }

    fn at(&self, hour: UtcHour) -> Option<Point> {
        let point = self.series.at(hour)?;
        let is_observed = matches!(point.origin, Origin::Published | Origin::PublisherEstimate);
        let first = self.instead.get(&hour).copied();
        let point = first.map_or(point, |figure| Point::exact(figure, point.origin));
        is_observed.then_some(point)
    }
}
