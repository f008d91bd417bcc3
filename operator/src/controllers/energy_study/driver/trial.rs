//! The steps of a trial: set up, measure, clear up, rest; and what is done with
//! one that cannot count. Each may be done again.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tanso_carbon::study::order::Slot;
use tanso_crds::condition::reasons;
use tanso_crds::energy_study::{TrialStatus, TrialStep};

use super::super::StudyFault;
use super::super::hand::HandFault;
use super::super::manifests::Place;
use super::super::status::{self, Outcome};
use super::super::validate::ValidatedStudy;
use super::{LOOK, Visit};

/// A change that is so late marks its trial.
const LATE: Duration = Duration::from_secs(5);
/// First and longest wait after a failure.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(2));
/// Most marks of a trial, and their longest, letters.
const MARKS: (usize, usize) = (16, 200);

impl Visit<'_> {
    /// Says that a trial begins; it is set up at the next step.
    pub(super) async fn begin(
        &mut self,
        slot: &Slot,
        attempt: i32,
        failures: i32,
    ) -> Result<(), StudyFault> {
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
    pub(super) async fn step(
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
        // Failures stay until the trial is kept: one that is set up each time and never
        // measured fails in a row too.
        self.onward(trial).await
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
        self.onward(trial).await
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
    pub(super) async fn clear(
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
        trial.step = TrialStep::Resting;
        trial.rested_at = Some(Time(status::whole(self.now + checked.cool_down)));
        self.onward(trial).await
    }

    /// Says what is done next, which is done at the next visit.
    async fn onward(&mut self, trial: TrialStatus) -> Result<Option<Duration>, StudyFault> {
        self.status.trial = Some(trial);
        self.say_running().await?;
        Ok(Some(Duration::ZERO))
    }

    /// A trial that cannot count is cleared up, to begin again.
    pub(super) async fn abandon(
        &mut self,
        mut trial: TrialStatus,
    ) -> Result<Option<Duration>, StudyFault> {
        trial.step = TrialStep::Abandoning;
        self.onward(trial).await
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
        let attempt = trial.attempt.saturating_add(1);
        self.begin(&slot(&trial), attempt, trial.failures).await?;
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
pub(super) fn is_too_often(checked: &ValidatedStudy, trial: &TrialStatus) -> bool {
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

/// Its place in the plan.
pub(super) fn slot(trial: &TrialStatus) -> Slot {
    Slot {
        order: u32::try_from(trial.trial).unwrap_or_default(),
        block: block(trial),
        arm: trial.arm.clone(),
    }
}

fn block(trial: &TrialStatus) -> u32 {
    u32::try_from(trial.block).unwrap_or_default()
}

pub(super) fn measured(trial: &TrialStatus) -> Option<(Timestamp, Timestamp)> {
    let (from, until) = (
        trial.measured_from.as_ref()?,
        trial.measured_until.as_ref()?,
    );
    Some((from.0, until.0))
}

/// The time between two moments; nothing if the second is not later.
pub(super) fn span(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or_default()
}

pub(super) fn add_mark(trial: &mut TrialStatus, text: &str) {
    let fits = |c: &char| !";\n\r".contains(*c);
    if trial.marks.len() < MARKS.0 {
        trial
            .marks
            .push(text.chars().filter(fits).take(MARKS.1).collect());
    }
}
