//! Forecast against actual: what following the forecast would have saved on
//! runs that are over; pure.
//!
//! The choice is made again as it could have been made then: by the newest
//! forecast that was known when the run started, among the starts within the
//! slack. It is settled by what the hours turned out to be, and again where
//! the publisher revised them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_carbon::recommend::settle::{Outcome, Plan, Settled, Settlement, settle};
use tanso_carbon::schedule::{CostCurve, Job};
use tanso_carbon::series::{HourlyIntensity, IntensitySeries, Origin, Point, SeriesInfo};
use tanso_carbon::{GramsCo2e, Intensity};
use tanso_crds::carbon_policy::status::{Realised, SettledRun};
use tanso_intensity::book::Forecast;
use tanso_power::Joules;

use super::Inputs;
use super::figures::milligrams;
use super::group::Workload;
use crate::ledger::{LedgerAccount, PodNames};

/// Most runs that are shown.
const RUNS_MAX: usize = 5;

/// The newest runs that can be settled.
pub(super) fn settled(inputs: &Inputs<'_>, workload: &Workload<'_>) -> Vec<SettledRun> {
    let past = &inputs.policy.intensity.past;
    if past.forecasts.is_empty() || workload.key.kind != "CronJob" {
        return Vec::new();
    }
    let mut runs: Vec<_> = workload
        .pods
        .iter()
        .filter_map(|(uid, pod)| Some((pod.started_at?, run(inputs, workload, uid, pod)?)))
        .collect();
    runs.sort_by_key(|(started_s, _)| std::cmp::Reverse(*started_s));
    let settled = runs.into_iter().filter_map(|(started_s, job)| {
        let started = Timestamp::from_second(started_s).ok()?;
        settle_run(inputs, started, job, past.forecast_at(started)?)
    });
    settled.take(RUNS_MAX).collect()
}

/// A finished run with its facility energy.
fn run(inputs: &Inputs<'_>, workload: &Workload<'_>, uid: &str, pod: &PodNames) -> Option<Job> {
    let seconds = u32::try_from(pod.finished_at?.checked_sub(pod.started_at?)?).ok()?;
    let own = workload
        .hours
        .iter()
        .filter(|row| matches!(&row.account, LedgerAccount::Pod(of) if **of == *uid));
    let energy: Joules = own.map(|row| row.energy.value).sum();
    Job::flat(seconds, inputs.at(workload).pue.facility_energy(energy))
}

fn settle_run(
    inputs: &Inputs<'_>,
    started: Timestamp,
    job: Job,
    forecast: &Forecast,
) -> Option<SettledRun> {
    let loaded = &inputs.policy.intensity;
    let observed = Observed {
        series: &*loaded.series,
        instead: BTreeMap::new(),
    };
    let slack_s = i64::from(inputs.policy.advice.slack_hours) * 3_600;
    let latest = Timestamp::from_second(started.as_second().saturating_add(slack_s)).ok()?;
    let expected = expected(&observed, started, forecast)?;
    let at = |start: Timestamp| expected.emissions(&job, start.as_second());
    let (first_s, last_s) = (started.as_second(), latest.as_second());
    let slot = *expected.best(&job, first_s, last_s, 1).first()?;
    let chosen = Timestamp::from_second(slot.start_s).ok()?;
    // Against what is known so far; a choice that is not over is not settled.
    let known_s = known_until(&observed, started, latest, &job).unix_seconds();
    let latest_known_s = known_s.saturating_sub(job.seconds()).min(last_s);
    let latest = Timestamp::from_second(latest_known_s).ok()?;
    if chosen > latest {
        return None;
    }
    let plan = Plan {
        planned: started,
        chosen,
        earliest: started,
        latest,
        predicted: at(started)?.saturating_sub(slot.emissions),
        job,
    };
    let mut settlement = Settlement::default();
    let restated = &loaded.past.restated;
    let first_known = restated.iter().map(|one| one.first.seen_at).max();
    if let Some(known_at) = first_known {
        let instead = restated.iter().map(|one| (one.hour, one.first.intensity));
        let at_first = Observed {
            instead: instead.collect(),
            series: observed.series,
        };
        if let Ok(settled) = settle(&plan, &at_first, known_at) {
            settlement.note(settled);
        }
    }
    let latest_known = restated.iter().map(|one| one.latest.seen_at).max();
    let known_at = latest_known.unwrap_or(inputs.data_through);
    settlement.note(settle(&plan, &observed, known_at).ok()?);
    let best = settlement.all().last()?.best;
    Some(SettledRun {
        started: Time(started),
        advised: Time(chosen),
        best: Time(best),
        forecast_issued: Time(forecast.issued_at),
        predicted_milligrams: milligrams(plan.predicted),
        realised: settlement.all().iter().map(realised).collect(),
    })
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
