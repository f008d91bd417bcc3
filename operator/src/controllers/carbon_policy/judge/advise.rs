//! Advice for a workload: another time for a job, a fitting request for what
//! runs all day, removal of what does nothing; pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Zoned;
use tanso_carbon::account::Account;
use tanso_carbon::calendar;
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::recommend::compose::Measure;
use tanso_carbon::recommend::idle::{IdleRequest, remove_idle};
use tanso_carbon::recommend::idle_share::{DAY_MINUTES, Standing};
use tanso_carbon::recommend::rightsize::{RightsizeRequest, rightsize};
use tanso_carbon::recommend::shift::{
    CronRequest, InterruptAdvice, ShiftAdvice, Window, cron_in_parts, shift_cron,
};
use tanso_carbon::recommend::{self, Action, AttributedGrams, NoAdvice, Target, Terms, WhyNot};
use tanso_carbon::schedule::Job;
use tanso_carbon::{GramsCo2e, Intensity};
use tanso_crds::carbon_policy::status::{AdvisedSchedule, Recommendation, RunInParts, Unadvised};
use tanso_intensity::Marginal;
use tanso_power::{Estimate, Joules};

use super::Inputs;
use super::cpu::Used;
use super::elsewhere;
use super::figures::{bounded, milligrams, nearest, short};
use super::group::Workload;
use super::memory;
use super::standing::{
    newest, of_idle, own_intensity, own_per_day, refused, replicas, runs_once, standing,
    there_minutes,
};
use crate::ledger::PodNames;

/// Most reasons that are told of one workload.
const REASONS_MAX: usize = 5;
/// Most parts of a run that are listed.
const PARTS_MAX: usize = 24;

/// Advice for a workload.
#[derive(Debug, Default)]
pub(super) struct Advised {
    /// Each piece, largest saving first.
    pub(super) pieces: Vec<Recommendation>,
    /// What they save together per day, milligrams.
    pub(super) together: Option<i64>,
    /// The next run in parts, if it may be interrupted.
    pub(super) in_parts: Option<RunInParts>,
    /// What was looked for and is not advised, with the reason.
    pub(super) without: Vec<Unadvised>,
}

impl Advised {
    /// Keeps the advice, or the reason why there is none.
    pub(super) fn note(
        &mut self,
        action: Action,
        advice: Result<recommend::Recommendation, NoAdvice>,
    ) {
        match advice {
            Ok(advice) => self.pieces.push(shown(&advice)),
            Err(why) => self.without(action, &why),
        }
    }

    fn without(&mut self, action: Action, why: &NoAdvice) {
        if self.without.len() < REASONS_MAX {
            self.without.push(Unadvised {
                action: action.as_str().to_owned(),
                reason: format!("{:?}", why.reason),
                message: short(&why.message, 256),
            });
        }
    }
}

/// Looks for all that would help.
pub(super) fn advise(inputs: &Inputs<'_>, workload: &Workload<'_>, account: &Account) -> Advised {
    let mut found = Advised::default();
    let mut measures = Vec::new();
    if workload.key.kind == "CronJob" {
        match shift(inputs, workload) {
            Ok((advice, hours)) => {
                found.pieces.push(advice);
                measures.push(Measure::Shift(hours));
            }
            Err(why) => found.without(Action::ShiftInTime, &why),
        }
        match in_parts(inputs, workload) {
            Some(Ok(advice)) => found.in_parts = Some(shown_parts(&advice)),
            Some(Err(why)) => {
                let message = format!("in parts: {}", why.message);
                found.without(Action::ShiftInTime, &NoAdvice { message, ..why });
            }
            None => {}
        }
        // All its runs together: what one of them needs.
        let goal = target(workload);
        let used = Used::of(inputs, workload);
        let facts = Running::of(inputs, workload, &goal, account, used);
        let of_runs = facts.and_then(|facts| fit(inputs, workload, account, &facts));
        found.note(Action::Rightsize, of_runs);
    } else {
        let goal = target(workload);
        let used = Used::of(inputs, workload);
        if runs_once(workload).is_none() {
            match remove(inputs, workload, &goal, account, &used) {
                Ok(removed) => {
                    return Advised {
                        pieces: vec![shown(&removed)],
                        ..Advised::default()
                    };
                }
                // That it works is no news of anyone.
                Err(why) if why.reason == WhyNot::InUse => {}
                Err(why) => found.without(Action::RemoveIdle, &why),
            }
        }
        match Running::of(inputs, workload, &goal, account, used) {
            Ok(facts) => running(inputs, workload, account, &facts, &mut found),
            Err(why) => found.without(Action::Rightsize, &why),
        }
    }
    if let Some(advice) = memory::fit(inputs, workload, account) {
        found.note(Action::RightsizeMemory, advice);
    }
    if !inputs.policy.advice.targets.is_empty() && workload.key.kind != "DaemonSet" {
        let goal = target(workload);
        match elsewhere::move_away(inputs, workload, &goal, terms(inputs)) {
            Ok((advice, index)) => {
                found.pieces.push(shown(&advice));
                measures.push(Measure::Move(index + 1));
            }
            Err(why) => found.without(Action::MoveRegion, &why),
        }
    }
    // What the cluster saves stands before what only moves to others.
    found.pieces.sort_by_key(|advice| {
        let saving = advice.saving_milligrams_per_day.value;
        std::cmp::Reverse((advice.cluster_saving_milligrams_per_day, saving))
    });
    found.together = elsewhere::together(inputs, workload, &measures);
    found
}

/// Advice for what runs all day.
fn running(
    inputs: &Inputs<'_>,
    workload: &Workload<'_>,
    account: &Account,
    facts: &Running<'_>,
    found: &mut Advised,
) {
    found.note(Action::Rightsize, fit(inputs, workload, account, facts));
    if inputs.policy.advice.min_replicas.is_some() {
        let running = (&facts.standing, facts.replicas);
        let fewer = elsewhere::fewer(inputs, workload, running, account);
        found.note(Action::FewerReplicas, fewer);
    }
}

fn shown(advice: &recommend::Recommendation) -> Recommendation {
    let saving = advice.saving_per_day;
    let moved = advice.attributed.as_ref();
    // A share of idle energy that others bear is no saving of the cluster.
    let borne = moved.map_or_else(Estimate::default, |moved| {
        moved.per_day.map(AttributedGrams::mass)
    });
    let share = match moved {
        Some(moved) if saving.value == GramsCo2e::ZERO => moved.percent,
        _ => advice.saving_percent,
    };
    Recommendation {
        action: advice.action.as_str().to_owned(),
        cluster_saving_milligrams_per_day: milligrams(saving.value),
        saving_milligrams_per_day: bounded(saving + borne, milligrams),
        saving_milli_percent: nearest(share.value * 1e3),
        confidence: advice.confidence.as_str().to_owned(),
        basis: short(&advice.basis, 512),
        change: short(&advice.change, 512),
        schedule: None,
        windows: Vec::new(),
    }
}

/// Advice to shift, with the times and the schedule written out, and what
/// marginal intensity says of the same move.
fn shown_shift(inputs: &Inputs<'_>, advice: &ShiftAdvice) -> Recommendation {
    let window = |window: &Window| {
        let at = window.intensity.map(|at| format!(", {at}"));
        span(&window.start, &window.end) + &at.unwrap_or_default()
    };
    let mut shown = shown(&advice.recommendation);
    if let Some(beside) = marginal(inputs, advice) {
        shown.basis = short(&format!("{}; {beside}", shown.basis), 512);
    }
    shown.schedule = advice.rewrite.as_ref().map(|rewrite| AdvisedSchedule {
        schedule: short(&rewrite.schedule, 128),
        time_zone: short(&rewrite.time_zone, 64),
    });
    shown.windows = advice
        .windows
        .iter()
        .map(|one| short(&window(one), 128))
        .collect();
    shown
}

/// Marginal intensity at both starts, where it is known: said, never mixed
/// into the saving.
fn marginal(inputs: &Inputs<'_>, advice: &ShiftAdvice) -> Option<String> {
    let Marginal(loaded) = inputs.policy.marginal.as_ref()?;
    let at = |window: &Window| {
        let hour = UtcHour::containing(window.start.timestamp());
        Some(loaded.series.at(hour)?.intensity.value)
    };
    let (now, then) = (at(&advice.baseline)?, at(advice.windows.first()?)?);
    Some(format!(
        "marginal ({}): {then} instead of {now} at the start",
        loaded.series.info().source
    ))
}

pub(super) fn terms(inputs: &Inputs<'_>) -> Terms {
    Terms {
        now: inputs.data_through,
        min_saving_percent: inputs.policy.advice.min_saving_percent,
    }
}

pub(super) fn target(workload: &Workload<'_>) -> Target {
    Target {
        namespace: workload.key.namespace.to_owned(),
        kind: workload.key.kind.to_owned(),
        name: workload.key.name.to_owned(),
    }
}

/// The mean run of a job: how long its finished pods ran and what they used.
fn mean_run(inputs: &Inputs<'_>, workload: &Workload<'_>) -> Option<Job> {
    let ran = |pod: &PodNames| {
        let seconds = pod.finished_at?.checked_sub(pod.started_at?)?;
        u64::try_from(seconds).ok().filter(|seconds| *seconds > 0)
    };
    let finished: Vec<(&Arc<str>, u64)> = workload
        .pods
        .iter()
        .filter_map(|(uid, pod)| Some((*uid, ran(pod)?)))
        .collect();
    let runs = u64::try_from(finished.len())
        .ok()
        .filter(|runs| *runs > 0)?;
    let seconds: u64 = finished.iter().map(|(_, seconds)| seconds).sum::<u64>() / runs;
    let uids: BTreeSet<&str> = finished.iter().map(|(uid, _)| &***uid).collect();
    let energy: Joules = workload
        .hours
        .iter()
        .filter(|row| matches!(&row.account, crate::ledger::LedgerAccount::Pod(uid) if uids.contains(&**uid)))
        .map(|row| row.energy.value)
        .sum();
    let mean = Joules::from_microjoules(energy.microjoules() / runs);
    let pue = inputs.at(workload).pue;
    Job::flat(u32::try_from(seconds).ok()?, pue.facility_energy(mean))
}

/// Another time, and how many hours later it is.
fn shift(inputs: &Inputs<'_>, workload: &Workload<'_>) -> Result<(Recommendation, i32), NoAdvice> {
    let advice = of_cron(inputs, workload, shift_cron)?;
    Ok((shown_shift(inputs, &advice), hours_moved(&advice)))
}

/// The next run in parts; `None` if nobody says that it may be interrupted.
fn in_parts(
    inputs: &Inputs<'_>,
    workload: &Workload<'_>,
) -> Option<Result<InterruptAdvice, NoAdvice>> {
    let restart = *inputs.policy.advice.interruptible.get(workload.key.name)?;
    Some(of_cron(inputs, workload, |request| {
        cron_in_parts(request, restart)
    }))
}

fn shown_parts(advice: &InterruptAdvice) -> RunInParts {
    let parts = advice.parts.iter().take(PARTS_MAX);
    let piece = &advice.recommendation;
    RunInParts {
        parts: parts.map(|(from, until)| span(from, until)).collect(),
        restarts: i32::try_from(advice.restarts).unwrap_or(i32::MAX),
        saving_milligrams: bounded(piece.saving_per_day, milligrams),
        saving_milli_percent: nearest(piece.saving_percent.value * 1e3),
        confidence: piece.confidence.as_str().to_owned(),
        basis: short(&piece.basis, 512),
    }
}

/// `2026-06-15 13:00 to 14:00 +09`.
fn span(start: &Zoned, end: &Zoned) -> String {
    format!(
        "{} {:02}:{:02} to {:02}:{:02} {}",
        start.date(),
        start.hour(),
        start.minute(),
        end.hour(),
        end.minute(),
        start.offset()
    )
}

/// Advice on the mean run of a `CronJob` and its schedule.
fn of_cron<T>(
    inputs: &Inputs<'_>,
    workload: &Workload<'_>,
    advise: impl Fn(&CronRequest<'_>) -> Result<T, NoAdvice>,
) -> Result<T, NoAdvice> {
    let nothing = |reason, message: String| NoAdvice { reason, message };
    let (namespace, name) = (workload.key.namespace, workload.key.name);
    let schedule = inputs.facts.schedule(namespace, name);
    let schedule = schedule.ok_or_else(|| {
        let message = "its CronJob is gone, so there is no schedule to move";
        nothing(WhyNot::NoWindow, message.to_owned())
    })?;
    let job = mean_run(inputs, workload).ok_or_else(|| {
        let message = "no run of it has ended yet whose length and energy are known";
        nothing(WhyNot::NoEnergy, message.to_owned())
    })?;
    // Without a time zone of its own a CronJob follows the controller manager's, UTC by convention.
    let time_zone = calendar::time_zone(schedule.time_zone.as_deref().unwrap_or("UTC"));
    let time_zone = time_zone.map_err(|fault| nothing(WhyNot::Invalid, fault.to_string()))?;
    let request = CronRequest {
        target: &target(workload),
        schedule: &schedule.schedule,
        time_zone: &time_zone,
        job: &job,
        slack_hours: inputs.policy.advice.slack_hours,
        within: inputs.policy.advice.within,
        series: inputs.at(workload).series,
        terms: terms(inputs),
    };
    advise(&request)
}

/// How many whole hours the best window lies after the present start.
fn hours_moved(advice: &ShiftAdvice) -> i32 {
    let second = |window: &Window| window.start.timestamp().as_second();
    let best = advice.windows.first();
    let apart_s = best.map_or(0, |best| second(best) - second(&advice.baseline));
    i32::try_from(apart_s.div_euclid(3_600)).unwrap_or(0)
}

/// What is known of a workload whose pods ask for CPU.
struct Running<'a> {
    standing: Standing<'a>,
    container: &'a str,
    replicas: u32,
    used: Used,
}

impl<'a> Running<'a> {
    fn of(
        inputs: &Inputs<'_>,
        workload: &Workload<'a>,
        target: &'a Target,
        account: &Account,
        used: Used,
    ) -> Result<Self, NoAdvice> {
        if let Some(why) = runs_once(workload) {
            return Err(why);
        }
        let newest = newest(workload).filter(|pod| !pod.container.is_empty());
        let newest = newest.ok_or_else(|| {
            let message = "not exactly one container of its pods asks for CPU";
            refused(WhyNot::NoRequest, message)
        })?;
        let intensity = priced_at(inputs, workload, account)?;
        Ok(Self {
            standing: standing(inputs, workload, target, newest, intensity)?,
            container: &newest.container,
            replicas: replicas(workload),
            used,
        })
    }
}

/// The intensity of its energy; of one without any of its own, the policy's
/// prices its share.
fn priced_at(
    inputs: &Inputs<'_>,
    workload: &Workload<'_>,
    account: &Account,
) -> Result<Estimate<Intensity>, NoAdvice> {
    let own = account.effective_intensity().or_else(|| {
        let hour = inputs.window.until.plus_hours(-1);
        Some(inputs.at(workload).series.at(hour)?.intensity)
    });
    own.ok_or_else(|| {
        let message = "the intensity of the last hour is not known";
        refused(WhyNot::IntensityMissing, message)
    })
}

/// Removal of what does nothing: which of its containers asks for CPU is no
/// matter, and where no rule says who bears idle energy only its own counts.
fn remove(
    inputs: &Inputs<'_>,
    workload: &Workload<'_>,
    target: &Target,
    account: &Account,
    used: &Used,
) -> Result<recommend::Recommendation, NoAdvice> {
    let newest = newest(workload).ok_or_else(|| {
        let message = "none of its pods is known";
        refused(WhyNot::NoRequest, message)
    })?;
    let intensity = priced_at(inputs, workload, account)?;
    let minutes = there_minutes(inputs, workload).unwrap_or(DAY_MINUTES);
    let own = u128::from(account.it_energy.value.microjoules()) * u128::from(DAY_MINUTES);
    let own = own / u128::from(minutes.max(1));
    remove_idle(&IdleRequest {
        standing: of_idle(inputs, workload, target, newest, intensity)?,
        samples: &used.samples,
        past: &used.past,
        own_per_day: Joules::from_microjoules(u64::try_from(own).unwrap_or(u64::MAX)),
    })
}

fn fit(
    inputs: &Inputs<'_>,
    workload: &Workload<'_>,
    account: &Account,
    facts: &Running<'_>,
) -> Result<recommend::Recommendation, NoAdvice> {
    own_intensity(account)?;
    let advice = rightsize(&RightsizeRequest {
        standing: facts.standing,
        container: facts.container,
        samples: &facts.used.samples,
        past: &facts.used.past,
        own_per_day: own_per_day(inputs, workload, account)?,
    })?;
    Ok(advice.recommendation)
}
