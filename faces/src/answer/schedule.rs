//! When to run a job: the cheapest start on the grid's curve, what it saves
//! against now and against the average, and the line for a `CronJob`.
//!
//! Advice only: nothing is scheduled here.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tanso_carbon::account::Metering;
use tanso_carbon::calendar::{self, Period, UtcHour};
use tanso_carbon::recommend::shift::{CronRequest, Within, shift_cron};
use tanso_carbon::recommend::{Target, Terms};
use tanso_carbon::schedule::{CostCurve, Job};
use tanso_carbon::series::Point;
use tanso_carbon::{GramsCo2e, Intensity, Pue};
use tanso_crds::carbon_policy::status::Bounded;
use tanso_intensity::Loaded;
use tanso_power::{Estimate, Joules, Watts};

use super::assess::{grid_named, region_named};
use super::compare::milligrams_of;
use super::figures::{bounded, milligrams, milligrams_per_kwh, nearest};
use super::find::{Found, Named, find};
use super::profile::Basis;
use super::{AnswerFault, WorkloadName, year_of};
use crate::view::{Facts, PlaceAt, Site};
use crate::words;

/// Longest job, minutes: a week.
const MINUTES_MAX: u32 = 10_080;
/// Farthest deadline, hours.
const HORIZON_MAX_H: i64 = 168;
/// How many starts are named.
const WINDOWS: usize = 3;
/// Power that is assumed of nobody: energy of one kWh an hour.
const WATTS: f64 = 1_000.0;

/// What would run, when and where.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// A workload whose mean run is planned, best a CronJob: NAME or KIND/NAME. Without one, give durationMinutes.
    #[serde(default)]
    #[schemars(length(min = 1, max = 317))]
    pub workload: Option<String>,
    /// Its namespace; without one, all that you may see are searched.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// Its kind, if the name alone is not enough.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub kind: Option<String>,
    /// The policy to go by, where several judge the workload; default the first by name.
    #[serde(default)]
    #[schemars(length(max = 253))]
    pub policy: Option<String>,
    /// How long the job runs, minutes; default the workload's mean run.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10_080))]
    pub duration_minutes: Option<u32>,
    /// Its mean power at the IT equipment, watts; default the workload's, else 1000.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 10_000_000.0))]
    pub power_watts: Option<f64>,
    /// Its energy in parts instead: the power of each equal part of the duration, watts, for example [200, 800, 300].
    #[serde(default)]
    #[schemars(length(max = 96))]
    pub power_profile_watts: Vec<f64>,
    /// The earliest start, RFC 3339, for example 2026-11-22T09:00:00+09:00; default now.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub earliest: Option<String>,
    /// When it must have ended, RFC 3339; default 24 hours after the earliest start; at most a week after it.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub deadline: Option<String>,
    /// IANA time zone that times are shown in and the schedule is written for, for example Asia/Seoul; default the policy's, else UTC.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub time_zone: Option<String>,
    /// Cloud region it would run in, for example ap-northeast-2; default the policy's site.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub region: Option<String>,
    /// Grid zone it would run in, for example KR; default the policy's site.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub zone: Option<String>,
}

/// When to run.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The answer in a few sentences.
    pub summary: String,
    /// The workload, if one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadName>,
    /// The grid zone.
    pub zone: String,
    /// The time zone of the times here.
    pub time_zone: String,
    /// How long the job runs, minutes.
    pub duration_minutes: u32,
    /// Its energy with the facility's, microjoules.
    pub facility_energy_microjoules: i64,
    /// What duration and energy rest on.
    pub basis: Basis,
    /// The best start.
    pub best: Window,
    /// The next best starts.
    pub others: Vec<Window>,
    /// A start at the earliest time allowed.
    pub now: Window,
    /// What the best start saves against the earliest one, milligrams of CO2eq.
    pub saving_against_now_milligrams: Bounded,
    /// The same, thousandths of a percent.
    pub saving_against_now_milli_percent: i64,
    /// The mean over all starts on the hour, milligrams of CO2eq.
    pub average_milligrams: i64,
    /// What the best start saves against that mean, milligrams of CO2eq.
    pub saving_against_average_milligrams: i64,
    /// Every full hour up to the deadline.
    pub curve: Vec<Hour>,
    /// The best start as a line for a CronJob.
    pub cron: CronLine,
    /// For a CronJob that runs every day: the daily hour that is best over the next four weeks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<Daily>,
    /// Where the figures of the hours ahead come from, and what is wrong with them.
    pub source: String,
    /// What a reader must know beside the numbers.
    pub notes: Vec<String>,
}

/// A start.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// The start, local time with offset.
    pub start: String,
    /// The end.
    pub end: String,
    /// What the run emits, milligrams of CO2eq.
    pub emissions_milligrams: Bounded,
    /// The intensity of the energy it uses, milligrams of CO2eq per kWh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intensity_milligrams_per_kwh: Option<i64>,
}

/// An hour of the curve.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hour {
    /// Its begin, local time with offset.
    pub start: String,
    /// The grid's intensity, milligrams of CO2eq per kWh.
    pub intensity_milligrams_per_kwh: Bounded,
    /// Where the figure comes from: Published, Forecast, TypicalYear, YearlyAverage, …
    pub origin: String,
    /// What the job would emit if it started then, milligrams of CO2eq; absent where it would not end in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emissions_milligrams: Option<i64>,
}

/// A schedule for a CronJob.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CronLine {
    /// Five fields, every day at the best start's time of day.
    pub schedule: String,
    /// The time zone they are in.
    pub time_zone: String,
    /// The two lines of a CronJob's spec.
    pub yaml: String,
}

/// Advice for a daily CronJob.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Daily {
    /// Its present schedule.
    pub present: String,
    /// The schedule to set; absent if its time zone has no name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<CronLine>,
    /// What it would save per day, milligrams of CO2eq.
    pub saving_milligrams_per_day: Bounded,
    /// The advice in a sentence, with the numbers.
    pub message: String,
}

/// The work.
struct Work {
    found: Option<Found>,
    minutes: u32,
    it: Vec<(u32, Joules)>,
    basis: Basis,
}

/// Where it would run.
struct There {
    zone: String,
    grid: Loaded,
    pue: Pue,
    time_zone: TimeZone,
    notes: Vec<String>,
}

/// Finds the best start.
///
/// # Errors
/// If an argument makes no sense, the workload is not there, or the grid's
/// hours ahead are not known.
pub async fn schedule(facts: &dyn Facts, question: &Question) -> Result<Plan, AnswerFault> {
    let found = found(facts, question).await?;
    let site = match &found {
        Some(found) => Some(facts.site(&found.policy).await?),
        None => None,
    };
    let there = there(question, site, year_of(facts.now()))?;
    let work = work(facts, question, found).await?;
    let facility: Vec<_> = work
        .it
        .iter()
        .map(|(seconds, energy)| (*seconds, there.pue.facility_energy(*energy)))
        .collect();
    let job = Job::of_segments(facility);
    let job = job.ok_or_else(|| AnswerFault::invalid("durationMinutes", 0, "1 to 10080"))?;
    let (earliest, deadline) = times(question, facts.now(), &job)?;
    let ahead = Ahead::of(&there, earliest, deadline)?;
    let plan = ahead.plan(&job, earliest, deadline)?;
    let notes = ahead.notes;
    let daily = daily(facts, &work, &there, &job).await;
    Ok(finish(&work, there, &job, plan, daily, notes))
}

async fn found(facts: &dyn Facts, question: &Question) -> Result<Option<Found>, AnswerFault> {
    let Some(workload) = &question.workload else {
        return Ok(None);
    };
    let named = Named {
        workload,
        namespace: question.namespace.as_deref(),
        kind: question.kind.as_deref(),
        policy: question.policy.as_deref(),
    };
    Ok(find(facts, named).await?.into_iter().next())
}

fn there(question: &Question, site: Option<Site>, year: i16) -> Result<There, AnswerFault> {
    let zone_of = |name: &str| {
        let found = calendar::time_zone(name);
        found.map_err(|fault| AnswerFault::invalid("timeZone", name, fault.to_string()))
    };
    let asked = question.time_zone.as_deref().map(zone_of).transpose()?;
    let own = site.as_ref().map(|site| site.time_zone.clone());
    let time_zone = asked.clone().or(own).unwrap_or(TimeZone::UTC);
    let metering = site
        .as_ref()
        .map_or(Metering::ItEquipment, |site| site.metering);
    let own_pue = site
        .as_ref()
        .and_then(|site| Some(site.places().first()?.pue_factor().value));
    match (&question.region, &question.zone, site) {
        (Some(region), None, _) => {
            let found = region_named(region)?;
            let place = PlaceAt::of(found, year)
                .map_err(|fault| AnswerFault::invalid("region", region, fault.to_string()))?;
            let local = calendar::time_zone(&found.time_zone).ok();
            Ok(There {
                zone: found.grid_zone.clone(),
                pue: place.place(metering).pue_factor().value,
                grid: place.intensity,
                time_zone: asked.or(local).unwrap_or(time_zone),
                notes: Vec::new(),
            })
        }
        (None, Some(zone), _) => Ok(There {
            zone: zone.clone(),
            grid: grid_named(zone, year)?,
            pue: own_pue.unwrap_or(Pue::ONE),
            time_zone,
            notes: Vec::new(),
        }),
        (None, None, Some(site)) => Ok(There {
            zone: site.zone,
            grid: site.intensity,
            pue: own_pue.unwrap_or(Pue::ONE),
            time_zone,
            notes: site.notes,
        }),
        _ => Err(AnswerFault::invalid(
            "zone",
            "",
            "one of workload, region (such as ap-northeast-2) or zone (such as KR)",
        )),
    }
}

async fn work(
    facts: &dyn Facts,
    question: &Question,
    found: Option<Found>,
) -> Result<Work, AnswerFault> {
    let run = match &found {
        Some(found) => mean_run(facts, found).await,
        None => None,
    };
    let minutes = question
        .duration_minutes
        .or_else(|| run.map(|(minutes, _)| minutes));
    let minutes = minutes.ok_or_else(|| {
        AnswerFault::invalid(
            "durationMinutes",
            "",
            "1 to 10080; the workload's own runs are not known to you",
        )
    })?;
    if minutes == 0 || minutes > MINUTES_MAX {
        return Err(AnswerFault::invalid(
            "durationMinutes",
            minutes,
            "1 to 10080",
        ));
    }
    let seconds = minutes.saturating_mul(60);
    let watts = |watts: f64| {
        let power = Watts::try_from_watts(watts);
        power.map_err(|fault| AnswerFault::invalid("powerWatts", watts, fault.to_string()))
    };
    let over =
        |power: Watts, seconds: u32| power.over(std::time::Duration::from_secs(u64::from(seconds)));
    let (it, basis) = if !question.power_profile_watts.is_empty() {
        let parts = u32::try_from(question.power_profile_watts.len()).unwrap_or(u32::MAX);
        let each = (seconds / parts).max(1);
        let parts = question.power_profile_watts.iter();
        let parts = parts.map(|power| Ok((each, over(watts(*power)?, each))));
        (
            parts.collect::<Result<Vec<_>, AnswerFault>>()?,
            Basis::Given,
        )
    } else if let Some(power) = question.power_watts {
        (vec![(seconds, over(watts(power)?, seconds))], Basis::Given)
    } else if let Some((own, energy)) = run {
        let energy =
            u128::from(energy.microjoules()) * u128::from(minutes) / u128::from(own.max(1));
        let energy = Joules::from_microjoules(u64::try_from(energy).unwrap_or(u64::MAX));
        (vec![(seconds, energy)], Basis::Hourly)
    } else {
        (vec![(seconds, over(watts(WATTS)?, seconds))], Basis::Given)
    };
    Ok(Work {
        found,
        minutes,
        it,
        basis,
    })
}

/// Minutes and energy of a workload's mean run: its booked minutes and energy
/// over its pods.
async fn mean_run(facts: &dyn Facts, found: &Found) -> Option<(u32, Joules)> {
    let window = found.policy.window()?;
    let pods = u64::try_from(found.result.pods)
        .ok()
        .filter(|pods| *pods > 0)?;
    let wanted = Period {
        until: window.until.plus_hours(24),
        ..window
    };
    let energy = facts.energy_of(&found.name().key(), wanted).await.ok()?;
    let minutes: u64 = energy.rows.iter().map(|row| row.minutes).sum();
    let sum: Joules = energy.rows.iter().map(|row| row.energy.value).sum();
    let minutes = u32::try_from(minutes.div_ceil(pods))
        .ok()
        .filter(|minutes| *minutes > 0)?;
    Some((
        minutes.min(MINUTES_MAX),
        Joules::from_microjoules(sum.microjoules() / pods),
    ))
}

fn times(
    question: &Question,
    now: Timestamp,
    job: &Job,
) -> Result<(Timestamp, Timestamp), AnswerFault> {
    let read = |field: &'static str, text: &Option<String>| {
        let text = text.as_deref()?;
        let accepted = "RFC 3339 with an offset, as in 2026-11-22T09:00:00+09:00";
        let found = text.parse::<Timestamp>();
        Some(found.map_err(|_| AnswerFault::invalid(field, text, accepted)))
    };
    let later = |from: Timestamp, span: SignedDuration| from.checked_add(span).unwrap_or(from);
    let earliest = read("earliest", &question.earliest)
        .transpose()?
        .unwrap_or(now);
    // A whole minute, as a schedule can have it.
    let second = earliest.as_second().div_euclid(60).saturating_mul(60);
    let minute = if second < earliest.as_second() {
        second.saturating_add(60)
    } else {
        second
    };
    let earliest = Timestamp::from_second(minute).unwrap_or(earliest);
    let deadline = read("deadline", &question.deadline).transpose()?;
    let deadline = deadline.unwrap_or_else(|| {
        let run = SignedDuration::from_secs(job.seconds());
        later(earliest, SignedDuration::from_hours(24).max(run))
    });
    let latest = later(earliest, SignedDuration::from_hours(HORIZON_MAX_H));
    if deadline > latest {
        return Err(AnswerFault::invalid(
            "deadline",
            deadline,
            "at most 168 hours after the earliest start",
        ));
    }
    if deadline.as_second() - earliest.as_second() < job.seconds() {
        return Err(AnswerFault::invalid(
            "deadline",
            deadline,
            format!(
                "at least {} minutes after the earliest start",
                job.seconds() / 60
            ),
        ));
    }
    Ok((earliest, deadline))
}

/// The grid's hours ahead.
struct Ahead<'a> {
    there: &'a There,
    period: Period,
    curves: Estimate<CostCurve>,
    notes: Vec<String>,
}

/// What was found on the curve.
struct OnCurve {
    best: Vec<Window>,
    now: Window,
    saving: Bounded,
    average: GramsCo2e,
    best_value: GramsCo2e,
    now_value: GramsCo2e,
    best_start: Zoned,
    hours: Vec<Hour>,
}

impl<'a> Ahead<'a> {
    fn of(there: &'a There, earliest: Timestamp, deadline: Timestamp) -> Result<Self, AnswerFault> {
        let series = &*there.grid.series;
        let whole = Period {
            from: UtcHour::containing(earliest),
            until: UtcHour::from_unix_seconds(deadline.as_second().saturating_sub(1)).plus_hours(1),
        };
        let mut notes = Vec::new();
        let gap = whole.hours().find(|hour| series.at(*hour).is_none());
        let period = match gap {
            Some(hour) if hour > whole.from => {
                notes.push(format!(
                    "the figures end {hour}, before the deadline: planned within them"
                ));
                Period {
                    until: hour,
                    ..whole
                }
            }
            _ => whole,
        };
        let curve = |pick: fn(Point) -> Intensity| CostCurve::of_hours(series, period, pick);
        let curves = || {
            Some(Estimate {
                low: curve(|point| point.intensity.low)?,
                value: curve(|point| point.intensity.value)?,
                high: curve(|point| point.intensity.high)?,
            })
        };
        let curves = curves().ok_or_else(|| AnswerFault::NotKnown {
            what: format!("the hours ahead of grid zone {}", there.zone),
            reason: format!("no figure for {}", whole.from),
        })?;
        Ok(Self {
            there,
            period,
            curves,
            notes,
        })
    }

    fn at(&self, job: &Job, start_s: i64) -> Option<(Window, Estimate<GramsCo2e>)> {
        let of = |curve: &CostCurve| curve.emissions(job, start_s);
        let mass = Estimate {
            low: of(&self.curves.low)?,
            value: of(&self.curves.value)?,
            high: of(&self.curves.high)?,
        };
        let window = Window {
            start: self.local(start_s)?.to_string_offset(),
            end: self
                .local(start_s.saturating_add(job.seconds()))?
                .to_string_offset(),
            emissions_milligrams: milligrams_of(mass),
            intensity_milligrams_per_kwh: Intensity::of(mass.value, job.energy())
                .map(milligrams_per_kwh),
        };
        Some((window, mass))
    }

    fn local(&self, second: i64) -> Option<Local> {
        let at = Timestamp::from_second(second).ok()?;
        Some(Local(at.to_zoned(self.there.time_zone.clone())))
    }

    fn plan(
        &self,
        job: &Job,
        earliest: Timestamp,
        deadline: Timestamp,
    ) -> Result<OnCurve, AnswerFault> {
        let short = || AnswerFault::NotKnown {
            what: format!("the hours ahead of grid zone {}", self.there.zone),
            reason: format!(
                "the figures end {}, before the job would",
                self.period.until
            ),
        };
        let earliest_s = earliest.as_second();
        let latest_s = deadline.as_second().saturating_sub(job.seconds());
        let (now, now_mass) = self.at(job, earliest_s).ok_or_else(short)?;
        let slots = self.curves.value.best(job, earliest_s, latest_s, WINDOWS);
        let best = slots.iter().filter_map(|slot| self.at(job, slot.start_s));
        let (best, masses): (Vec<_>, Vec<_>) = best.unzip();
        let (first, best_mass) = slots.first().zip(masses.first()).ok_or_else(short)?;
        let hours = self.hours(job, earliest_s, latest_s);
        let starts: Vec<_> = std::iter::once(earliest_s)
            .chain(self.period.hours().map(UtcHour::unix_seconds))
            .filter(|start| (earliest_s..=latest_s).contains(start))
            .filter_map(|start| self.curves.value.emissions(job, start))
            .collect();
        let count = u64::try_from(starts.len()).unwrap_or(1).max(1);
        let average = starts.into_iter().sum::<GramsCo2e>().scaled(1, count);
        Ok(OnCurve {
            saving: difference(now_mass, *best_mass),
            best_start: self.local(first.start_s).ok_or_else(short)?.0,
            best_value: best_mass.value,
            now_value: now_mass.value,
            best,
            now,
            average,
            hours,
        })
    }

    fn hours(&self, job: &Job, earliest_s: i64, latest_s: i64) -> Vec<Hour> {
        let hour = |hour: UtcHour| {
            let point = self.there.grid.series.at(hour)?;
            let start = hour.unix_seconds();
            let fits = (earliest_s..=latest_s).contains(&start);
            let mass = fits
                .then(|| self.curves.value.emissions(job, start))
                .flatten();
            Some(Hour {
                start: self.local(start)?.to_string_offset(),
                intensity_milligrams_per_kwh: bounded(point.intensity, milligrams_per_kwh),
                origin: format!("{:?}", point.origin),
                emissions_milligrams: mass.map(milligrams),
            })
        };
        self.period.hours().filter_map(hour).collect()
    }
}

/// A local time.
struct Local(Zoned);

impl Local {
    /// `2026-11-22T10:00:00+09:00`.
    fn to_string_offset(&self) -> String {
        self.0.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }
}

fn difference(was: Estimate<GramsCo2e>, is: Estimate<GramsCo2e>) -> Bounded {
    let of = |was: GramsCo2e, is: GramsCo2e| milligrams(was).saturating_sub(milligrams(is));
    let parts = [
        of(was.low, is.low),
        of(was.value, is.value),
        of(was.high, is.high),
    ];
    Bounded {
        low: parts.into_iter().min().unwrap_or(0),
        value: of(was.value, is.value),
        high: parts.into_iter().max().unwrap_or(0),
    }
}

/// The daily hour that is best, if the workload is a `CronJob` whose schedule
/// the caller may see.
async fn daily(facts: &dyn Facts, work: &Work, there: &There, job: &Job) -> Option<Daily> {
    let result = &work
        .found
        .as_ref()
        .filter(|found| found.result.kind == "CronJob")?
        .result;
    let schedule = facts
        .schedule(&result.namespace, &result.name)
        .await
        .ok()??;
    let zone = calendar::time_zone(schedule.time_zone.as_deref().unwrap_or("UTC")).ok()?;
    let advice = shift_cron(&CronRequest {
        target: &Target {
            namespace: result.namespace.clone(),
            kind: result.kind.clone(),
            name: result.name.clone(),
        },
        schedule: &schedule.schedule,
        time_zone: &zone,
        job,
        slack_hours: 24,
        within: Within::default(),
        series: &*there.grid.series,
        terms: Terms {
            now: facts.now(),
            min_saving_percent: 0.0,
        },
    });
    let advice = advice.ok()?;
    Some(Daily {
        present: schedule.schedule,
        schedule: advice
            .rewrite
            .map(|rewrite| line(rewrite.schedule, rewrite.time_zone)),
        saving_milligrams_per_day: milligrams_of(advice.recommendation.saving_per_day),
        message: advice.recommendation.message,
    })
}

fn line(schedule: String, time_zone: String) -> CronLine {
    CronLine {
        yaml: format!("schedule: \"{schedule}\"\ntimeZone: {time_zone}\n"),
        schedule,
        time_zone,
    }
}

fn finish(
    work: &Work,
    there: There,
    job: &Job,
    found: OnCurve,
    daily: Option<Daily>,
    ahead: Vec<String>,
) -> Plan {
    let zone = there.time_zone.iana_name().unwrap_or("UTC").to_owned();
    let start = &found.best_start;
    let cron = line(
        format!("{} {} * * *", start.minute(), start.hour()),
        zone.clone(),
    );
    let mut best = found.best.into_iter();
    let first = best.next().unwrap_or_else(|| found.now.clone());
    let was = milligrams(found.now_value);
    let share = if was == 0 {
        0
    } else {
        nearest(words::float(found.saving.value) / words::float(was) * 1e5)
    };
    let saved_mean = milligrams(found.average).saturating_sub(milligrams(found.best_value));
    let mut notes = there.notes;
    notes.extend(ahead);
    if let Some(as_of) = there.grid.freshness.as_of {
        notes.push(format!("figures confirmed {as_of}"));
    }
    Plan {
        summary: format!(
            "Start {}: {}, {} less than at {} ({}) and {} less than on average.",
            first.start,
            words::emissions_within(&first.emissions_milligrams),
            words::emissions(found.saving.value),
            found.now.start,
            words::milli_percent(share),
            words::emissions(saved_mean),
        ),
        workload: work.found.as_ref().map(Found::name),
        zone: there.zone,
        time_zone: zone,
        duration_minutes: work.minutes,
        facility_energy_microjoules: super::figures::microjoules(job.energy()),
        basis: work.basis,
        best: first,
        others: best.collect(),
        now: found.now,
        saving_against_now_milligrams: found.saving,
        saving_against_now_milli_percent: share,
        average_milligrams: milligrams(found.average),
        saving_against_average_milligrams: saved_mean,
        curve: found.hours,
        cron,
        daily,
        source: format!("{}; {}", there.grid.series.info(), there.grid.filled_by),
        notes,
    }
}
