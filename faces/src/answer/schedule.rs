//! When to run a job: the cheapest start on the grid's curve, what it saves
//! against now and against the average, and the line for a `CronJob`.
//!
//! Advice only: nothing is scheduled here.

mod ahead;
mod plan;
mod there;

use jiff::{SignedDuration, Timestamp};
use tanso_carbon::calendar::{self, Period};
use tanso_carbon::recommend::shift::{CronRequest, Within, shift_cron};
use tanso_carbon::recommend::{Target, Terms};
use tanso_carbon::schedule::Job;
use tanso_power::{Joules, Watts};

use super::compare::milligrams_of;
use super::figures::{milligrams, nearest};
use super::find::{Found, Named, find};
use super::profile::Basis;
use super::{AnswerFault, year_of};
use crate::view::{Energy, Facts};
use crate::words;
use ahead::{Ahead, OnCurve};
pub use plan::{CronLine, Daily, Hour, Plan, Question, Window};
use there::{There, there, used_at};

/// Longest job, minutes: a week.
const MINUTES_MAX: u32 = 10_080;
/// Minutes of a day.
const MINUTES_PER_DAY: u32 = 1_440;
/// Farthest deadline, hours.
const HORIZON_MAX_H: i64 = 168;

/// How far a caller's clock may be behind ours: such a "now" is ours.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(5);
/// How many starts are named.
const WINDOWS: usize = 3;
/// Power that is assumed of nobody: energy of one kWh an hour.
const WATTS: f64 = 1_000.0;
/// Largest power, watts: over the longest job its energy is still a figure.
const WATTS_MAX: f64 = 10_000_000.0;
/// Most parts of a profile: each is looked at for each start, and nothing ends
/// that while it runs.
const PARTS_MAX: u32 = 96;

/// The work.
struct Work {
    found: Option<Found>,
    minutes: u32,
    it: Vec<(u32, Joules)>,
    basis: Basis,
    /// Whether nobody said its power.
    is_assumed: bool,
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
    let booked = match &found {
        Some(found) => booked(facts, found).await,
        None => None,
    };
    let used = site.as_ref().zip(booked.as_ref());
    let used = used.and_then(|(site, energy)| used_at(site, energy));
    let there = there(question, site, used, year_of(facts.now()))?;
    let work = work(question, found, booked.as_ref())?;
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
    let mut notes = ahead.notes;
    if work.is_assumed {
        notes.push(format!(
            "no power is known: {WATTS} W are assumed; emissions and savings are in proportion to it, the best start is the same"
        ));
    }
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

fn work(
    question: &Question,
    found: Option<Found>,
    booked: Option<&Energy>,
) -> Result<Work, AnswerFault> {
    let run = found.as_ref().zip(booked);
    let run = run.and_then(|(found, energy)| mean_run(found, energy));
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
    let over =
        |power: Watts, seconds: u32| power.over(std::time::Duration::from_secs(u64::from(seconds)));
    let is_assumed =
        question.power_profile_watts.is_empty() && question.power_watts.is_none() && run.is_none();
    let (it, basis) = if !question.power_profile_watts.is_empty() {
        if let Some(power) = question.power_watts {
            return Err(AnswerFault::invalid(
                "powerWatts",
                power,
                "powerWatts or powerProfileWatts, not both",
            ));
        }
        let parts = parts(&question.power_profile_watts, seconds)?;
        let parts = parts.into_iter();
        let parts = parts.map(|(length, power)| (length, over(power, length)));
        (parts.collect(), Basis::Given)
    } else if let Some(power) = question.power_watts {
        (
            vec![(seconds, over(watts("powerWatts", power)?, seconds))],
            Basis::Given,
        )
    } else if let Some((own, energy)) = run {
        let energy =
            u128::from(energy.microjoules()) * u128::from(minutes) / u128::from(own.max(1));
        let energy = Joules::from_microjoules(u64::try_from(energy).unwrap_or(u64::MAX));
        (vec![(seconds, energy)], Basis::Hourly)
    } else {
        (
            vec![(seconds, over(watts("powerWatts", WATTS)?, seconds))],
            Basis::Given,
        )
    };
    Ok(Work {
        found,
        minutes,
        it,
        basis,
        is_assumed,
    })
}

/// A power that a schema's bounds allow: a client need not have looked at them.
fn watts(field: &'static str, watts: f64) -> Result<Watts, AnswerFault> {
    let wrong = || AnswerFault::invalid(field, watts, "0 to 10000000");
    if !(0.0..=WATTS_MAX).contains(&watts) {
        return Err(wrong());
    }
    Watts::try_from_watts(watts).map_err(|_| wrong())
}

/// The seconds and the power of each part of a profile. Parts are as equal as
/// whole seconds can be, and add up to the duration.
fn parts(profile: &[f64], seconds: u32) -> Result<Vec<(u32, Watts)>, AnswerFault> {
    const FIELD: &str = "powerProfileWatts";
    let most = PARTS_MAX.min(seconds);
    let count = u32::try_from(profile.len()).unwrap_or(u32::MAX);
    if count > most {
        let accepted = format!("up to {most} parts, none shorter than a second");
        return Err(AnswerFault::invalid(FIELD, count, accepted));
    }
    // At most 96 times a week of seconds.
    let edge = |part: u32| part.saturating_mul(seconds) / count.max(1);
    let length = |part: u32| edge(part.saturating_add(1)).saturating_sub(edge(part));
    let parts = (0..).zip(profile);
    parts
        .map(|(part, power)| Ok((length(part), watts(FIELD, *power)?)))
        .collect()
}

/// What a workload used in the window of its policy, and since; nothing where
/// the caller cannot read it.
async fn booked(facts: &dyn Facts, found: &Found) -> Option<Energy> {
    let window = found.policy.window()?;
    let wanted = Period {
        until: window.until.plus_hours(24),
        ..window
    };
    facts.energy_of(&found.name().key(), wanted).await.ok()
}

/// Minutes and energy of a workload's mean run: its booked minutes and energy
/// over its pods.
fn mean_run(found: &Found, energy: &Energy) -> Option<(u32, Joules)> {
    let pods = u64::try_from(found.result.pods)
        .ok()
        .filter(|pods| *pods > 0)?;
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
    let earliest = match read("earliest", &question.earliest).transpose()? {
        // The caller's clock may be a little behind.
        Some(asked) if later(asked, CLOCKS_APART) < now => {
            let at = now.as_second();
            let now = Timestamp::from_second(at).unwrap_or(now);
            let accepted = format!("now ({now}) or later: what is past cannot be planned");
            return Err(AnswerFault::invalid("earliest", asked, accepted));
        }
        Some(asked) => asked.max(now),
        None => now,
    };
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
    // As people write times: to the second.
    let told = jiff::Timestamp::from_second(deadline.as_second()).unwrap_or(deadline);
    if deadline > latest {
        return Err(AnswerFault::invalid(
            "deadline",
            told,
            "at most 168 hours after the earliest start",
        ));
    }
    if deadline.as_second() - earliest.as_second() < job.seconds() {
        return Err(AnswerFault::invalid(
            "deadline",
            told,
            format!(
                "at least {} minutes after the earliest start",
                job.seconds() / 60
            ),
        ));
    }
    Ok((earliest, deadline))
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

/// What must be said where no start can be better than another.
fn alike(hours: &[Hour]) -> Option<String> {
    let figures = || {
        let hours = hours.iter();
        hours.map(|hour| hour.intensity_milligrams_per_kwh.value)
    };
    (figures().min() == figures().max()).then(|| {
        "every hour ahead has the same figure, so no start is told to be better than another"
            .to_owned()
    })
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
    let mut notes = vec![there.pue_told];
    notes.extend(there.notes);
    notes.extend(ahead);
    if work.minutes >= MINUTES_PER_DAY {
        notes.push(
            "the job takes a day or longer: every day at this time it would start while it still runs"
                .to_owned(),
        );
    }
    notes.extend(alike(&found.hours));
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
