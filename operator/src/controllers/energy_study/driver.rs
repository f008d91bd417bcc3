//! One visit of one study: a step of a trial, or what follows from all of them.
//!
//! What is about to be done stands in the status before it is done, and each step
//! may be done again. A trial counts when its figures are in the ledger, once;
//! one that a process left in its middle is cleared up and begins again.

mod keep;
mod prepare;
mod trial;

use std::time::Duration;

use jiff::Timestamp;
use kube::{Api, Resource as _, ResourceExt as _};
use serde_json::json;
use tanso_carbon::study::order::Slot;
use tanso_carbon::study::report;
use tanso_carbon::study::stopping::Decision;
use tanso_carbon::study::{Report, Trials};
use tanso_crds::condition::types;
use tanso_crds::energy_study::TrialStep;
use tanso_crds::{EnergyStudy, EnergyStudyStatus};

use super::hand::Hand;
use super::status::{self, Outcome};
use super::validate::ValidatedStudy;
use super::{Context, FINALIZER, StudyFault};
use crate::cluster::apply::bounded;
use crate::cluster::{kept_by, requested_at};
use crate::guard::Panicked;

/// Between two looks at what is awaited.
const LOOK: Duration = Duration::from_secs(2);
/// How long a study waits that lacks something that it names.
const WAITING: Duration = Duration::from_secs(30);

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

/// Says that a fault of this program ended a visit. Failing costs only that.
pub(super) async fn tell_panic(
    namespace: &str,
    name: &str,
    context: &Context,
    panicked: &Panicked,
) {
    let api: Api<EnergyStudy> = Api::namespaced(context.client.clone(), namespace);
    let Ok(Some(study)) = bounded::<EnergyStudy, _>("get", name, api.get_opt(name)).await else {
        return;
    };
    let mut visit = Visit {
        context,
        study: &study,
        now: Timestamp::now(),
        before: study.status.clone(),
        status: study.status.clone().unwrap_or_default(),
    };
    let said = visit.say(&Outcome::Panicked(panicked.to_string())).await;
    if let Err(error) = said {
        tracing::debug!(%error, study = name, "writing a panic's status failed");
    }
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
            if let Some(who) = kept_by(self.study, Some(FINALIZER)) {
                self.say(&Outcome::Going(who)).await?;
            }
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
            if let Some(rest) = self.rest_left() {
                self.say_running().await?;
                return Ok(Some(rest));
            }
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
            let decision = found.map_or(Decision::Complete, |found| found.decision);
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
}
