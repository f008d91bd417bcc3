//! One visit of one study: a step of a trial, or what follows from all of them.
//!
//! What is about to be done stands in the status before it is done, and each step
//! may be done again. A trial counts when its figures are in the ledger, once;
//! one that a process left in its middle is cleared up and begins again.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, Resource as _, ResourceExt as _};
use serde_json::json;
use tanso_carbon::study::order::Slot;
use tanso_carbon::study::report;
use tanso_carbon::study::trial::{csv_header, csv_line};
use tanso_carbon::study::{Report, Trials};
use tanso_carbon::table::TableFaults;
use tanso_crds::condition::{reasons, types};
use tanso_crds::energy_study::{Applies, ManifestsSpec, TrialStatus, TrialStep};
use tanso_crds::{EnergyStudy, EnergyStudyStatus};

use super::figures::{self, Times};
use super::hand::{Hand, HandFault};
use super::manifests::Place;
use super::status::{self, Outcome};
use super::validate::{self, ArmTexts, ValidatedStudy};
use super::{Context, FINALIZER, StudyFault};
use crate::cluster::apply::bounded;
use crate::cluster::requested_at;
use crate::ledger::query;
use crate::ledger::study::{self as kept, StudyRecord, Window};

/// A change that is so late marks its trial.
const LATE: Duration = Duration::from_secs(5);
/// How long figures of a measured phase are waited for.
const FIGURES: Duration = Duration::from_mins(5);
/// Between two looks at what is awaited.
const LOOK: Duration = Duration::from_secs(2);
/// How long a study waits that lacks something that it names.
const WAITING: Duration = Duration::from_secs(30);
/// First and longest wait after a failure.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(2));
/// Most marks of a trial, and their longest, letters.
const MARKS: (usize, usize) = (16, 200);

/// Visits a study at a moment, as the API server has it then: what a cache has may
/// be older than our own last word. Says when to come again, `None` if only for a
/// change.
///
/// # Errors
/// If the API server or the ledger refuses or is silent.
pub async fn visit(
    namespace: &str,
    name: &str,
    context: &Context,
    now: Timestamp,
) -> Result<Option<Duration>, StudyFault> {
    let api: Api<EnergyStudy> = Api::namespaced(context.client.clone(), namespace);
    let Some(study) = bounded::<EnergyStudy, _>("get", name, api.get_opt(name)).await? else {
        return Ok(None);
    };
    let mut visit = Visit {
        context,
        study: &study,
        now,
        before: study.status.clone(),
        status: study.status.clone().unwrap_or_default(),
    };
    if study.meta().deletion_timestamp.is_some() {
        return visit.part().await;
    }
    if status::is_over(&visit.status) {
        return Ok(None);
    }
    visit.hold().await?;
    if visit.status.conditions.is_empty() {
        visit.status = status::first(study.meta().generation, now);
        visit.write().await?;
    }
    let (checked, figures) = match visit.prepare().await? {
        Ok(prepared) => prepared,
        Err((reason, message)) => {
            visit.say(&Outcome::Stalled(reason, message)).await?;
            return Ok(Some(WAITING));
        }
    };
    visit.go_on(&checked, figures).await
}

/// What one visit works with.
struct Visit<'a> {
    context: &'a Context,
    study: &'a EnergyStudy,
    now: Timestamp,
    /// What the API server has.
    before: Option<EnergyStudyStatus>,
    /// What it is to have.
    status: EnergyStudyStatus,
}

/// Checked, with the trials so far; or the reason and message of what is wrong.
type Prepared = Result<(ValidatedStudy, Trials), (&'static str, String)>;

impl Visit<'_> {
    fn uid(&self) -> String {
        self.study.uid().unwrap_or_default()
    }

    fn namespace(&self) -> String {
        self.study.namespace().unwrap_or_default()
    }

    fn api(&self) -> Api<EnergyStudy> {
        Api::namespaced(self.context.client.clone(), &self.namespace())
    }

    fn hand(&self) -> Hand {
        let account = &self.study.spec.service_account_name;
        let whose = [self.namespace(), account.clone(), self.uid()];
        let whose = whose.each_ref().map(String::as_str);
        let context = self.context;
        Hand::new(
            context.client.clone(),
            context.claim.clone(),
            context.places.clone(),
            whose,
        )
    }

    async fn write(&mut self) -> Result<(), StudyFault> {
        self.status.last_handled_reconcile_at = requested_at(self.study);
        let (before, after) = (self.before.as_ref(), &self.status);
        let applier = &self.context.applier;
        applier
            .write_status(&self.api(), self.study, before, after)
            .await?;
        let told = [
            types::COMPLETE,
            types::FAILED,
            types::SUSPENDED,
            types::STALLED,
        ];
        let known = before.map(|status| status.conditions.clone());
        let regarding = self.study.object_ref(&());
        let events = &self.context.events;
        events
            .on_transitions(
                &regarding,
                &told,
                &known.unwrap_or_default(),
                &after.conditions,
            )
            .await;
        self.before = Some(self.status.clone());
        Ok(())
    }

    async fn say(&mut self, outcome: &Outcome) -> Result<(), StudyFault> {
        let generation = self.study.meta().generation;
        self.status = status::after(&self.status, outcome, generation, self.now);
        self.write().await
    }

    async fn say_running(&mut self) -> Result<(), StudyFault> {
        let planned = self.status.progress.planned;
        let trial = self.status.trial.as_ref();
        let message = trial.map(|trial| status::doing(trial, planned));
        self.say(&Outcome::Running(message.unwrap_or_default()))
            .await
    }

    /// Keeps the object until what its trial made is cleared up.
    async fn hold(&self) -> Result<(), StudyFault> {
        let finalizers = self.study.finalizers();
        if finalizers.iter().any(|one| one == FINALIZER) {
            return Ok(());
        }
        let all: Vec<_> = finalizers
            .iter()
            .map(String::as_str)
            .chain([FINALIZER])
            .collect();
        self.put_finalizers(&all).await
    }

    async fn put_finalizers(&self, all: &[&str]) -> Result<(), StudyFault> {
        // A patch replaces the list: it must be the one that was read.
        let version = self.study.resource_version();
        let patch = json!({"metadata": {"finalizers": all, "resourceVersion": version}});
        let name = self.study.name_any();
        self.context
            .applier
            .merge(&self.api(), &name, &patch)
            .await?;
        Ok(())
    }

    /// The study is being deleted: its trial is cleared up, then it may go.
    async fn part(&mut self) -> Result<Option<Duration>, StudyFault> {
        let finalizers = self.study.finalizers();
        if !finalizers.iter().any(|one| one == FINALIZER) {
            return Ok(None);
        }
        if let Some(trial) = self.status.trial.clone() {
            match self.prepare().await? {
                Ok((checked, _)) => match self.clear(&checked, &trial).await {
                    Ok(true) => {}
                    Ok(false) => return Ok(Some(LOOK)),
                    // Without the right nothing can be cleared up, ever: let it go, and say so.
                    Err(fault) if fault.is_forbidden() => {
                        tracing::warn!(study = self.study.name_any(), error = %fault, "a deleted study leaves objects behind");
                    }
                    Err(fault) => return Err(StudyFault::Hand(fault)),
                },
                Err((_, message)) => {
                    tracing::warn!(
                        study = self.study.name_any(),
                        message,
                        "a deleted study leaves objects behind"
                    );
                }
            }
        }
        let rest: Vec<_> = finalizers
            .iter()
            .map(String::as_str)
            .filter(|one| *one != FINALIZER)
            .collect();
        self.put_finalizers(&rest).await?;
        Ok(None)
    }

    /// Observe and validate.
    async fn prepare(&self) -> Result<Prepared, StudyFault> {
        let texts = match self.texts().await? {
            Ok(texts) => texts,
            Err(faults) => return Ok(Err((reasons::NOT_FOUND, faults.join("; ")))),
        };
        let (namespace, name) = (self.namespace(), self.study.name_any());
        let year = TimeZone::UTC.to_datetime(self.now).year();
        let told = format!("{namespace}/{name}");
        let checked = match validate::validate(&self.study.spec, texts, &told, year) {
            Ok(checked) => checked,
            Err(faults) => return Ok(Err((reasons::INVALID_SPEC, faults.join("; ")))),
        };
        let record = StudyRecord {
            study: self.uid(),
            namespace,
            name,
            plan: serde_json::to_string(&checked.plan)
                .map_err(|error| StudyFault::Evaluation(error.to_string()))?,
            digest: checked.digest.clone(),
            header: csv_header(&checked.responses()),
        };
        let now = self.now;
        let (begun, figures) = self
            .context
            .ledger
            .call(move |connection| {
                let begun = kept::begin(connection, &record, now)?;
                Ok((begun, kept::figures(connection, &record.study)?))
            })
            .await?;
        if begun.digest != checked.digest {
            let message = "what the arms apply has changed since the first trial: put the ConfigMaps back, or make another study";
            return Ok(Err((reasons::INVALID_INPUT, message.to_owned())));
        }
        let trials = Trials::parse("the study's figures", &figures)?;
        Ok(Ok((checked, trials)))
    }

    /// The texts of all arms; or what is missing.
    async fn texts(&self) -> Result<Result<BTreeMap<String, ArmTexts>, Vec<String>>, StudyFault> {
        let (mut texts, mut faults) = (BTreeMap::new(), Vec::new());
        let mut found: BTreeMap<String, Option<ConfigMap>> = BTreeMap::new();
        for arm in &self.study.spec.arms {
            let ours = arm.changes.as_ref().filter(|one| one.by == Applies::Study);
            let parts = [
                ("setUp", arm.set_up.as_ref()),
                ("clearUp", arm.clear_up.as_ref()),
                ("changes.source", ours.and_then(|one| one.source.as_ref())),
            ];
            let mut read = Vec::new();
            for (field, spec) in parts {
                let text = match spec {
                    Some(spec) => self.text(spec, &mut found).await?,
                    None => Ok(None),
                };
                read.push(text.unwrap_or_else(|fault| {
                    faults.push(format!("spec.arms[{}].{field}: {fault}", arm.name));
                    None
                }));
            }
            let mut read = read.into_iter();
            let mut next = || read.next().flatten();
            let all = ArmTexts {
                set_up: next(),
                clear_up: next(),
                change: next(),
            };
            texts.insert(arm.name.clone(), all);
        }
        Ok(if faults.is_empty() {
            Ok(texts)
        } else {
            Err(faults)
        })
    }

    async fn text(
        &self,
        spec: &ManifestsSpec,
        found: &mut BTreeMap<String, Option<ConfigMap>>,
    ) -> Result<Result<Option<String>, String>, StudyFault> {
        let Some(named) = &spec.config_map else {
            return Ok(Ok(spec.manifests.clone()));
        };
        if !found.contains_key(&named.name) {
            let api: Api<ConfigMap> =
                Api::namespaced(self.context.client.clone(), &self.namespace());
            let name = &named.name;
            let read = bounded::<ConfigMap, _>("get", name, api.get_opt(name)).await?;
            found.insert(named.name.clone(), read);
        }
        let Some(map) = found.get(&named.name).and_then(Option::as_ref) else {
            return Ok(Err(format!("there is no ConfigMap \"{}\"", named.name)));
        };
        let text = map.data.as_ref().and_then(|data| data.get(&named.key));
        let missing = || format!("ConfigMap \"{}\" has no key \"{}\"", named.name, named.key);
        Ok(text.cloned().map(Some).ok_or_else(missing))
    }

    /// Goes on with the trial that runs, or with what comes next.
    async fn go_on(
        &mut self,
        checked: &ValidatedStudy,
        trials: Trials,
    ) -> Result<Option<Duration>, StudyFault> {
        status::count(&mut self.status, &checked.plan, &trials, self.now);
        let is_kept = |number: i32| {
            let mut rows = trials.measured();
            rows.any(|row| i64::from(row.order) == i64::from(number))
        };
        let number = self.status.trial.as_ref().map(|trial| trial.trial);
        if number.is_some_and(is_kept) {
            self.status.trial = None;
        }
        if let Some(trial) = self.status.trial.clone() {
            if self.study.spec.suspend && !matches!(trial.step, TrialStep::Abandoning) {
                return self.abandon(trial).await;
            }
            return self.step(checked, trial).await;
        }
        let (next, found) = self.between(checked, trials).await?;
        if let Some(found) = &found {
            status::tell(&mut self.status, found);
        }
        let Some(slot) = next else {
            let decision = found
                .map_or(tanso_carbon::study::stopping::Decision::Complete, |found| {
                    found.decision
                });
            self.say(&Outcome::Complete(decision)).await?;
            return Ok(None);
        };
        if self.study.spec.suspend {
            self.say(&Outcome::Suspended).await?;
            return Ok(None);
        }
        self.begin(&slot, 1, 0).await?;
        Ok(Some(Duration::ZERO))
    }

    /// What comes after whole trials, and what they say; off the visits' thread.
    async fn between(
        &self,
        checked: &ValidatedStudy,
        trials: Trials,
    ) -> Result<(Option<Slot>, Option<Report>), StudyFault> {
        let plan = checked.plan.clone();
        let judged = tokio::task::spawn_blocking(move || {
            let is_block = trials
                .measured()
                .count()
                .is_multiple_of(plan.arms.len().max(1));
            let found = is_block.then(|| report(&plan, &trials).ok()).flatten();
            (plan.next(&trials), found)
        });
        judged
            .await
            .map_err(|fault| StudyFault::Evaluation(fault.to_string()))
    }

    /// Says that a trial begins; it is set up at the next step.
    async fn begin(&mut self, slot: &Slot, attempt: i32, failures: i32) -> Result<(), StudyFault> {
        let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
        let now = Time(status::whole(self.now));
        self.status.started_at.get_or_insert_with(|| now.clone());
        self.status.trial = Some(TrialStatus {
            trial: number(slot.order),
            block: number(slot.block),
            arm: slot.arm.clone(),
            attempt,
            step: TrialStep::SettingUp,
            runner: self.context.runner.clone(),
            began_at: now,
            measured_from: None,
            measured_until: None,
            rested_at: None,
            changes: 0,
            marks: Vec::new(),
            failures,
        });
        self.say_running().await
    }

    /// One step of a trial.
    async fn step(
        &mut self,
        checked: &ValidatedStudy,
        trial: TrialStatus,
    ) -> Result<Option<Duration>, StudyFault> {
        let is_ours = trial.runner == self.context.runner;
        match trial.step {
            TrialStep::SettingUp if is_ours => self.set_up(checked, trial).await,
            TrialStep::Measuring if is_ours || self.is_measured(checked, &trial) => {
                self.measure(checked, trial).await
            }
            TrialStep::SettingUp | TrialStep::Measuring => self.abandon(trial).await,
            TrialStep::ClearingUp => self.clear_up(checked, trial).await,
            TrialStep::Resting => self.rest(checked, trial).await,
            TrialStep::Abandoning => self.abandoned(checked, trial).await,
        }
    }

    /// Whether a measured phase is over with all that was due in it.
    fn is_measured(&self, checked: &ValidatedStudy, trial: &TrialStatus) -> bool {
        let due = checked.events(&trial.arm, block(trial)).len();
        let is_over = trial
            .measured_until
            .as_ref()
            .is_some_and(|until| until.0 <= self.now);
        is_over && usize::try_from(trial.changes).is_ok_and(|done| done == due)
    }

    async fn set_up(
        &mut self,
        checked: &ValidatedStudy,
        mut trial: TrialStatus,
    ) -> Result<Option<Duration>, StudyFault> {
        let hand = self.hand();
        for manifest in checked.set_up(place(&trial)) {
            if let Err(fault) = hand.apply(&manifest).await {
                return self.failed(checked, trial, fault).await;
            }
        }
        let from = self.now + checked.warm_up;
        // The ledger keeps whole minutes.
        let second = from.as_second();
        let minute = second + (60 - second.rem_euclid(60)) % 60;
        let from = Timestamp::from_second(minute).unwrap_or(from);
        trial.measured_from = Some(Time(from));
        trial.measured_until = Some(Time(from + checked.measured));
        trial.step = TrialStep::Measuring;
        trial.failures = 0;
        self.status.trial = Some(trial);
        self.say_running().await?;
        Ok(Some(Duration::ZERO))
    }

    /// Makes the changes that are due, and ends the measured phase at its end.
    async fn measure(
        &mut self,
        checked: &ValidatedStudy,
        mut trial: TrialStatus,
    ) -> Result<Option<Duration>, StudyFault> {
        let Some((from, until)) = measured(&trial) else {
            return self.abandon(trial).await;
        };
        let done = usize::try_from(trial.changes).unwrap_or_default();
        let events = checked.events(&trial.arm, block(&trial));
        if let Some(event) = events.get(done) {
            let due = from + event.at;
            if self.now < due {
                return Ok(Some(span(self.now, due)));
            }
            let late = span(due, self.now);
            trial.changes = trial.changes.saturating_add(1);
            if late > LATE {
                let mark = format!("change {} came {} s late", trial.changes, late.as_secs());
                add_mark(&mut trial, &mark);
            }
            // Said before it is made: one that a crash leaves out is of an abandoned trial.
            self.status.trial = Some(trial.clone());
            self.say_running().await?;
            self.change(checked, trial).await?;
            return Ok(Some(Duration::ZERO));
        }
        if self.now < until {
            return Ok(Some(span(self.now, until)));
        }
        trial.step = TrialStep::ClearingUp;
        self.status.trial = Some(trial);
        self.say_running().await?;
        Ok(Some(Duration::ZERO))
    }

    /// Makes a change; one that fails marks the trial.
    async fn change(
        &mut self,
        checked: &ValidatedStudy,
        mut trial: TrialStatus,
    ) -> Result<(), StudyFault> {
        let (hand, change) = (
            self.hand(),
            u32::try_from(trial.changes).unwrap_or_default(),
        );
        let at = trial.clone();
        for manifest in checked.change(Place {
            change,
            ..place(&at)
        }) {
            if let Err(fault) = hand.apply(&manifest).await {
                add_mark(&mut trial, &format!("change {change}: {fault}"));
            }
        }
        self.status.trial = Some(trial);
        self.say_running().await
    }

    /// Clears up; says whether all that the study made is gone.
    async fn clear(
        &self,
        checked: &ValidatedStudy,
        trial: &TrialStatus,
    ) -> Result<bool, HandFault> {
        let hand = self.hand();
        for manifest in checked.clear_up(place(trial)) {
            hand.apply(&manifest).await?;
        }
        let mut is_gone = true;
        for manifest in checked.made(place(trial)) {
            is_gone &= hand.remove(&manifest).await?;
        }
        Ok(is_gone)
    }

    async fn clear_up(
        &mut self,
        checked: &ValidatedStudy,
        mut trial: TrialStatus,
    ) -> Result<Option<Duration>, StudyFault> {
        match self.clear(checked, &trial).await {
            Ok(true) => {}
            Ok(false) => return Ok(Some(LOOK)),
            Err(fault) => return self.failed(checked, trial, fault).await,
        }
        trial.failures = 0;
        trial.step = TrialStep::Resting;
        trial.rested_at = Some(Time(status::whole(self.now + checked.cool_down)));
        self.status.trial = Some(trial);
        self.say_running().await?;
        Ok(Some(Duration::ZERO))
    }

    /// Waits for the rest's end and the figures, and keeps the trial.
    async fn rest(
        &mut self,
        checked: &ValidatedStudy,
        mut trial: TrialStatus,
    ) -> Result<Option<Duration>, StudyFault> {
        let rested_at = trial.rested_at.as_ref().map_or(self.now, |at| at.0);
        if self.now < rested_at {
            return Ok(Some(span(self.now, rested_at)));
        }
        let Some((from, until)) = measured(&trial) else {
            return self.abandon(trial).await;
        };
        let (window, behind) = self.figures(from, until).await?;
        let is_late = span(until, self.now) > FIGURES;
        if !is_late && (window.used.is_empty() || !behind.is_empty()) {
            return Ok(Some(LOOK));
        }
        if window.used.is_empty() {
            let fault =
                "no agent gave figures of the measured phase; `kubectl tanso doctor` says why";
            trial.failures = trial.failures.saturating_add(1);
            if is_too_often(checked, &trial) {
                self.status.trial = None;
                self.say(&Outcome::Failed(reasons::NO_DATA, fault.to_owned()))
                    .await?;
                return Ok(None);
            }
            return self.abandon(trial).await;
        }
        for node in behind {
            add_mark(
                &mut trial,
                &format!("node {node} gave no figures to the end"),
            );
        }
        self.keep(checked, &trial, &window, (from, until)).await?;
        self.status.trial = None;
        Ok(Some(Duration::ZERO))
    }

    /// What was booked of some minutes, and the nodes that were there at their
    /// begin and have not told all of them yet.
    async fn figures(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<(Window, Vec<String>), StudyFault> {
        let (from, until) = (from.as_second(), until.as_second());
        let found = self.context.ledger.call(move |connection| {
            let (_, nodes) = query::nodes_at(connection)?;
            let window = kept::window(connection, from, until)?;
            let behind = nodes
                .into_iter()
                .filter(|node| (from..until).contains(&node.closed_until));
            Ok((window, behind.map(|node| node.node).collect()))
        });
        Ok(found.await?)
    }

    async fn keep(
        &self,
        checked: &ValidatedStudy,
        trial: &TrialStatus,
        window: &Window,
        (from, until): (Timestamp, Timestamp),
    ) -> Result<(), StudyFault> {
        let number = |count: i32| u32::try_from(count).unwrap_or_default();
        let slot = Slot {
            order: number(trial.trial),
            block: number(trial.block),
            arm: trial.arm.clone(),
        };
        let times = Times {
            began: trial.began_at.0,
            from,
            until,
        };
        let responses = checked.responses();
        let rows = figures::rows(checked, &slot, &times, window, &trial.marks);
        let lines: String = rows.iter().map(|row| csv_line(row, &responses)).collect();
        let (study, now) = (self.uid(), self.now);
        self.context
            .ledger
            .call(move |connection| kept::keep(connection, &study, slot.order, &lines, now))
            .await?;
        Ok(())
    }

    /// A trial that cannot count is cleared up, to begin again.
    async fn abandon(&mut self, mut trial: TrialStatus) -> Result<Option<Duration>, StudyFault> {
        trial.step = TrialStep::Abandoning;
        self.status.trial = Some(trial);
        self.say_running().await?;
        Ok(Some(Duration::ZERO))
    }

    async fn abandoned(
        &mut self,
        checked: &ValidatedStudy,
        trial: TrialStatus,
    ) -> Result<Option<Duration>, StudyFault> {
        match self.clear(checked, &trial).await {
            Ok(true) => {}
            Ok(false) => return Ok(Some(LOOK)),
            Err(fault) => return self.failed(checked, trial, fault).await,
        }
        if self.study.spec.suspend {
            self.status.trial = None;
            self.say(&Outcome::Suspended).await?;
            return Ok(None);
        }
        let number = |count: i32| u32::try_from(count).unwrap_or_default();
        let slot = Slot {
            order: number(trial.trial),
            block: number(trial.block),
            arm: trial.arm,
        };
        let attempt = trial.attempt.saturating_add(1);
        self.begin(&slot, attempt, trial.failures).await?;
        Ok(Some(Duration::ZERO))
    }

    /// A step failed: it is tried again, later each time, until that was too often.
    async fn failed(
        &mut self,
        checked: &ValidatedStudy,
        mut trial: TrialStatus,
        fault: HandFault,
    ) -> Result<Option<Duration>, StudyFault> {
        if matches!(fault, HandFault::NotLeader) {
            return Err(StudyFault::Hand(fault));
        }
        trial.failures = trial.failures.saturating_add(1);
        let is_too_often = is_too_often(checked, &trial);
        let failures = u32::try_from(trial.failures).unwrap_or(u32::MAX);
        self.status.trial = Some(trial);
        let message = fault.to_string();
        if is_too_often {
            let message =
                format!("{message}; tried {failures} times, objects of the trial may be left");
            self.say(&Outcome::Failed(reasons::RETRIES_EXHAUSTED, message))
                .await?;
            return Ok(None);
        }
        let outcome = if fault.is_forbidden() {
            Outcome::Stalled(reasons::FORBIDDEN, message)
        } else {
            Outcome::Trying(message)
        };
        self.say(&outcome).await?;
        let wait = BACK_OFF.0 * 2_u32.saturating_pow(failures.min(7));
        Ok(Some(wait.min(BACK_OFF.1)))
    }
}

/// Whether a step failed more often in a row than the study allows.
fn is_too_often(checked: &ValidatedStudy, trial: &TrialStatus) -> bool {
    u32::try_from(trial.failures).is_ok_and(|failures| failures > checked.retries)
}

fn place(trial: &TrialStatus) -> Place<'_> {
    Place {
        arm: &trial.arm,
        block: block(trial),
        trial: u32::try_from(trial.trial).unwrap_or_default(),
        change: 0,
    }
}

fn block(trial: &TrialStatus) -> u32 {
    u32::try_from(trial.block).unwrap_or_default()
}

fn measured(trial: &TrialStatus) -> Option<(Timestamp, Timestamp)> {
    let (from, until) = (
        trial.measured_from.as_ref()?,
        trial.measured_until.as_ref()?,
    );
    Some((from.0, until.0))
}

/// The time between two moments; nothing if the second is not later.
fn span(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or_default()
}

fn add_mark(trial: &mut TrialStatus, text: &str) {
    let fits = |c: &char| !";\n\r".contains(*c);
    if trial.marks.len() < MARKS.0 {
        trial
            .marks
            .push(text.chars().filter(fits).take(MARKS.1).collect());
    }
}

impl From<TableFaults> for StudyFault {
    fn from(faults: TableFaults) -> Self {
        Self::Evaluation(faults.to_string())
    }
}
