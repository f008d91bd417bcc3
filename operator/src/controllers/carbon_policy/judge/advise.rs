//! Advice for a workload: another time for a job, a fitting request for what
//! runs all day, removal of what does nothing; pure.

use tanso_carbon::Intensity;
use tanso_carbon::account::Account;
use tanso_carbon::calendar;
use tanso_carbon::recommend::compose::Measure;
use tanso_carbon::recommend::idle::{IdleRequest, in_use, remove_idle};
use tanso_carbon::recommend::idle_share::{DAY_MINUTES, Standing};
use tanso_carbon::recommend::rightsize::{RightsizeRequest, rightsize};
use tanso_carbon::recommend::shift::{
    CronRequest, InterruptAdvice, ShiftAdvice, Window, cron_in_parts, shift_cron,
};
use tanso_carbon::recommend::taken::Resource;
use tanso_carbon::recommend::{self, Action, NoAdvice, Target, Terms, WhyNot};
use tanso_carbon::schedule::Job;
use tanso_crds::carbon_policy::status::{Recommendation, RunInParts, Unadvised};
use tanso_power::{Estimate, Joules};

use super::cpu::{Used, most_cores};
use super::elsewhere;
use super::figures::short;
use super::group::{Pod, Workload};
use super::memory;
use super::outcomes;
use super::scene::Scene;
use super::standing::{
    asks, mean_node, mean_node_or_nothing, newest, own_intensity, own_per_day, refused, replicas,
    runs_once, standing, there_minutes,
};
use crate::ledger::{AdviceRow, PodNames};

mod shown;
mod why;

use shown::{shown, shown_parts, shown_shift};
use why::Kept;
pub(super) use why::{Counted, Message};

/// Most reasons that are told of one workload.
const REASONS_MAX: usize = 8;

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
    /// The same with what is no news of a single workload, to be counted.
    pub(super) counted: Vec<Counted>,
    /// The pieces on requests, to be kept.
    pub(super) requests: Vec<AdviceRow>,
}

/// Advice on a request, with what it would change.
#[derive(Debug)]
pub(super) struct Fit {
    pub(super) advice: recommend::Recommendation,
    pub(super) resource: Resource,
    /// The container whose request it is.
    pub(super) container: String,
    /// What a pod asks for, in the resource's unit.
    pub(super) asked: u64,
    /// What it should ask for.
    pub(super) advised: u64,
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
            Err(why) => self.without(action, why),
        }
    }

    /// The same of advice on a request, which is to be kept beside.
    fn note_fit(
        &mut self,
        (scene, workload): (&Scene<'_>, &Workload<'_>),
        action: Action,
        fit: Result<Fit, NoAdvice>,
    ) {
        match fit {
            Ok(fit) => {
                let piece = shown(&fit.advice);
                self.requests
                    .push(outcomes::row(scene, workload, &fit, &piece));
                self.pieces.push(piece);
            }
            Err(why) => self.without(action, why),
        }
    }

    fn without(&mut self, action: Action, why: NoAdvice) {
        if self.without.len() < REASONS_MAX {
            self.without.push(Unadvised {
                action: action.as_str().to_owned(),
                reason: why.reason.as_str().to_owned(),
                message: short(&why.message, 256),
            });
        }
        // Of one kind the first reason counts: a workload is counted once.
        if !self.counted.iter().any(|known| known.action == action) {
            self.count(action, why.reason, Message::Said(why.message));
        }
    }

    /// That nothing of a kind could be changed, or nobody asked: counted, and
    /// no news of the workload.
    fn pass_over(&mut self, action: Action, reason: WhyNot, message: &'static str) {
        self.count(action, reason, Message::Fixed(message));
    }

    fn count(&mut self, action: Action, reason: WhyNot, message: Message) {
        self.counted.push(Counted {
            action,
            reason,
            message,
        });
    }
}

/// Looks for all that would help.
pub(super) fn advise(scene: &Scene<'_>, workload: &Workload<'_>, account: &Account) -> Advised {
    let mut found = Advised::default();
    let mut measures = Vec::new();
    if workload.key.kind == "CronJob" {
        measures.extend(of_runs(scene, workload, account, &mut found));
    } else if let Some(removed) = of_all_day(scene, workload, account, &mut found) {
        return Advised {
            pieces: vec![shown(&removed)],
            ..Advised::default()
        };
    }
    if let Some(advice) = memory::fit(scene, workload, account) {
        found.note_fit((scene, workload), Action::RightsizeMemory, advice);
    } else {
        let message = "none of its pods asks for memory, and no agent told of any";
        found.pass_over(Action::RightsizeMemory, WhyNot::NotApplicable, message);
    }
    measures.extend(of_place(scene, workload, &mut found));
    // What the cluster saves stands before what only moves to others.
    found.pieces.sort_by_key(|advice| {
        let saving = advice.saving_milligrams_per_day.value;
        std::cmp::Reverse((advice.cluster_saving_milligrams_per_day, saving))
    });
    found.together = elsewhere::together(scene, workload, &measures);
    found
}

/// Advice for a `CronJob`; the measure that it comes to.
fn of_runs(
    scene: &Scene<'_>,
    workload: &Workload<'_>,
    account: &Account,
    found: &mut Advised,
) -> Option<Measure> {
    let measure = match shift(scene, workload) {
        Ok((advice, hours)) => {
            found.pieces.push(advice);
            Some(Measure::Shift(hours))
        }
        Err(why) => {
            found.without(Action::ShiftInTime, why);
            None
        }
    };
    match in_parts(scene, workload) {
        Some(Ok(advice)) => found.in_parts = Some(shown_parts(&advice)),
        Some(Err(why)) => {
            let message = format!("in parts: {}", why.message);
            found.without(Action::ShiftInTime, NoAdvice { message, ..why });
        }
        None => {}
    }
    // All its runs together: what one of them needs.
    let goal = target(workload);
    let facts = Running::of(scene, workload, &goal, account);
    let of_runs = facts.and_then(|facts| fit(scene, workload, account, &facts));
    found.note_fit((scene, workload), Action::Rightsize, of_runs);
    measure
}

/// Advice for what has no schedule; its removal, if it does nothing.
fn of_all_day(
    scene: &Scene<'_>,
    workload: &Workload<'_>,
    account: &Account,
    found: &mut Advised,
) -> Option<recommend::Recommendation> {
    let message = "it has no schedule that could be moved";
    found.pass_over(Action::ShiftInTime, WhyNot::NotApplicable, message);
    let goal = target(workload);
    if runs_once(workload).is_none() {
        match remove(scene, workload, &goal, account) {
            Ok(removed) => return Some(removed),
            // That it works is no news of anyone.
            Err(Kept::InUse(used)) => {
                found.count(Action::RemoveIdle, WhyNot::InUse, Message::InUse(used));
            }
            Err(Kept::Otherwise(why)) => found.without(Action::RemoveIdle, why),
        }
    }
    match Running::of(scene, workload, &goal, account) {
        Ok(facts) => running(scene, workload, account, &facts, found),
        Err(why) => found.without(Action::Rightsize, why),
    }
    None
}

/// Advice to run elsewhere; the measure that it comes to.
fn of_place(scene: &Scene<'_>, workload: &Workload<'_>, found: &mut Advised) -> Option<Measure> {
    if scene.policy.advice.targets.is_empty() {
        let message = "the policy lists no regions (recommendations.regions)";
        found.pass_over(Action::MoveRegion, WhyNot::NotAsked, message);
        return None;
    }
    if workload.key.kind == "DaemonSet" {
        let message = "a DaemonSet runs where its nodes are";
        found.pass_over(Action::MoveRegion, WhyNot::NotApplicable, message);
        return None;
    }
    let goal = target(workload);
    match elsewhere::move_away(scene, workload, &goal, terms(scene)) {
        Ok((advice, index)) => {
            found.pieces.push(shown(&advice));
            Some(Measure::Move(index + 1))
        }
        Err(why) => {
            found.without(Action::MoveRegion, why);
            None
        }
    }
}

/// Advice for what runs all day.
fn running(
    scene: &Scene<'_>,
    workload: &Workload<'_>,
    account: &Account,
    facts: &Running<'_>,
    found: &mut Advised,
) {
    let fit = fit(scene, workload, account, facts);
    found.note_fit((scene, workload), Action::Rightsize, fit);
    if scene.policy.advice.min_replicas.is_some() {
        let running = (&facts.standing, facts.replicas);
        let fewer = elsewhere::fewer(scene, workload, running, account);
        found.note(Action::FewerReplicas, fewer);
    } else {
        let message = "the policy does not say how few may run (recommendations.minReplicas)";
        found.pass_over(Action::FewerReplicas, WhyNot::NotAsked, message);
    }
}

pub(super) fn terms(scene: &Scene<'_>) -> Terms {
    Terms {
        now: scene.data_through,
        min_saving_percent: scene.policy.advice.min_saving_percent,
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
fn mean_run(scene: &Scene<'_>, workload: &Workload<'_>) -> Option<Job> {
    let ran = |pod: &PodNames| {
        let seconds = pod.finished_at?.checked_sub(pod.started_at?)?;
        u64::try_from(seconds).ok().filter(|seconds| *seconds > 0)
    };
    let finished = workload.pods.iter();
    let finished: Vec<(&Pod<'_>, u64)> = finished
        .filter_map(|pod| Some((pod, ran(pod.names)?)))
        .collect();
    let runs = u64::try_from(finished.len())
        .ok()
        .filter(|runs| *runs > 0)?;
    let seconds: u64 = finished.iter().map(|(_, seconds)| seconds).sum::<u64>() / runs;
    let energy: Joules = finished.iter().map(|(pod, _)| pod.energy()).sum();
    let mean = Joules::from_microjoules(energy.microjoules() / runs);
    let pue = scene.at(workload).pue;
    Job::flat(u32::try_from(seconds).ok()?, pue.facility_energy(mean))
}

/// Another time, and how many hours later it is.
fn shift(scene: &Scene<'_>, workload: &Workload<'_>) -> Result<(Recommendation, i32), NoAdvice> {
    let advice = of_cron(scene, workload, shift_cron)?;
    Ok((shown_shift(scene, &advice), hours_moved(&advice)))
}

/// The next run in parts; `None` if nobody says that it may be interrupted.
fn in_parts(
    scene: &Scene<'_>,
    workload: &Workload<'_>,
) -> Option<Result<InterruptAdvice, NoAdvice>> {
    let restart = *scene.policy.advice.interruptible.get(workload.key.name)?;
    Some(of_cron(scene, workload, |request| {
        cron_in_parts(request, restart)
    }))
}

/// Advice on the mean run of a `CronJob` and its schedule.
fn of_cron<T>(
    scene: &Scene<'_>,
    workload: &Workload<'_>,
    advise: impl Fn(&CronRequest<'_>) -> Result<T, NoAdvice>,
) -> Result<T, NoAdvice> {
    let nothing = |reason, message: String| NoAdvice { reason, message };
    let (namespace, name) = (workload.key.namespace, workload.key.name);
    let schedule = scene.facts.schedule(namespace, name);
    let schedule = schedule.ok_or_else(|| {
        let message = "its CronJob is gone, so there is no schedule to move";
        nothing(WhyNot::NoWindow, message.to_owned())
    })?;
    let job = mean_run(scene, workload).ok_or_else(|| {
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
        slack_hours: scene.policy.advice.slack_hours,
        within: scene.policy.advice.within,
        series: scene.at(workload).series,
        terms: terms(scene),
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
    used: Used<'a>,
}

impl<'a> Running<'a> {
    fn of(
        scene: &Scene<'_>,
        workload: &Workload<'a>,
        target: &'a Target,
        account: &Account,
    ) -> Result<Self, NoAdvice> {
        if let Some(why) = runs_once(workload) {
            return Err(why);
        }
        let newest = newest(workload).filter(|pod| !pod.container.is_empty());
        let newest = newest.ok_or_else(|| {
            let message = "not exactly one container of its pods asks for CPU";
            refused(WhyNot::NoRequest, message)
        })?;
        let intensity = priced_at(scene, workload, account)?;
        Ok(Self {
            standing: standing(
                scene,
                workload,
                (target, newest),
                intensity,
                mean_node(scene, workload)?,
            )?,
            container: &newest.container,
            replicas: replicas(workload),
            used: Used::of(scene, workload),
        })
    }
}

/// The intensity of its energy; of one without any of its own, the policy's
/// prices its share.
fn priced_at(
    scene: &Scene<'_>,
    workload: &Workload<'_>,
    account: &Account,
) -> Result<Estimate<Intensity>, NoAdvice> {
    let own = account.effective_intensity().or_else(|| {
        let hour = scene.window.until.plus_hours(-1);
        Some(scene.at(workload).series.at(hour)?.intensity)
    });
    own.ok_or_else(|| {
        let message = "the intensity of the last hour is not known";
        refused(WhyNot::IntensityMissing, message)
    })
}

/// Removal of what does nothing: which of its containers asks for CPU is no
/// matter, and where no rule says who bears idle energy only its own counts.
fn remove(
    scene: &Scene<'_>,
    workload: &Workload<'_>,
    target: &Target,
    account: &Account,
) -> Result<recommend::Recommendation, Kept> {
    let newest = newest(workload).ok_or_else(|| {
        let message = "none of its pods is known";
        refused(WhyNot::NoRequest, message)
    })?;
    let intensity = priced_at(scene, workload, account)?;
    let asked = asks(newest).millicores;
    if let Some(used) = in_use(asked, most_cores(scene, workload)) {
        return Err(Kept::InUse(used));
    }
    let used = Used::of(scene, workload);
    let minutes = there_minutes(scene, workload).unwrap_or(DAY_MINUTES);
    let own = u128::from(account.it_energy.value.microjoules()) * u128::from(DAY_MINUTES);
    let own = own / u128::from(minutes.max(1));
    let removed = remove_idle(&IdleRequest {
        standing: standing(
            scene,
            workload,
            (target, newest),
            intensity,
            mean_node_or_nothing(scene, workload),
        )?,
        samples: &used.samples,
        past: &used.past,
        own_per_day: Joules::from_microjoules(u64::try_from(own).unwrap_or(u64::MAX)),
    })?;
    Ok(removed)
}

fn fit(
    scene: &Scene<'_>,
    workload: &Workload<'_>,
    account: &Account,
    facts: &Running<'_>,
) -> Result<Fit, NoAdvice> {
    own_intensity(account)?;
    let advice = rightsize(&RightsizeRequest {
        standing: facts.standing,
        container: facts.container,
        samples: &facts.used.samples,
        past: &facts.used.past,
        own_per_day: own_per_day(scene, workload, account)?,
    })?;
    Ok(Fit {
        advice: advice.recommendation,
        resource: Resource::Cpu,
        container: facts.container.to_owned(),
        asked: u64::from(facts.standing.asks.millicores),
        advised: u64::from(advice.target_millicores),
    })
}
