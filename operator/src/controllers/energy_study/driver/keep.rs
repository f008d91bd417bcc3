//! The end of a trial: waits for the figures of its measured minutes, keeps them
//! in the ledger, once, and lets it rest. A trial without figures does not count.

use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt as _;
use tanso_carbon::study::trial::csv_line;
use tanso_crds::condition::reasons;
use tanso_crds::energy_study::{TrialStatus, TrialStep};

use super::super::StudyFault;
use super::super::figures::{self, Times};
use super::super::status::Outcome;
use super::super::validate::ValidatedStudy;
use super::trial::{add_mark, is_too_often, measured, slot, span};
use super::{LOOK, Visit};
use crate::ledger::query;
use crate::ledger::study::{self as kept, Window};

/// How long figures of a measured phase are waited for.
const FIGURES: Duration = Duration::from_mins(5);

impl Visit<'_> {
    /// Waits for the figures, and keeps the trial; its rest goes on after that.
    /// The ledger forgets minutes, and a rest may be longer than it keeps them.
    pub(super) async fn rest(
        &mut self,
        checked: &ValidatedStudy,
        mut trial: TrialStatus,
    ) -> Result<Option<Duration>, StudyFault> {
        let Some((from, until)) = measured(&trial) else {
            return self.abandon(trial).await;
        };
        let Some((window, behind)) = self.figures(from, until).await? else {
            let fault = "the ledger may have lost minutes of the measured phase, which it keeps for two hours";
            return self.unmeasured(checked, trial, fault).await;
        };
        let is_late = span(until, self.now) > FIGURES;
        if !is_late && (window.used.is_empty() || !behind.is_empty()) {
            return Ok(Some(LOOK));
        }
        if window.used.is_empty() {
            let fault =
                "no agent gave figures of the measured phase; `kubectl tanso doctor` says why";
            return self.unmeasured(checked, trial, fault).await;
        }
        for node in behind {
            add_mark(
                &mut trial,
                &format!("node {node} gave no figures to the end"),
            );
        }
        self.keep(checked, &trial, &window, (from, until)).await?;
        Ok(Some(Duration::ZERO))
    }

    /// A trial of which there are no figures begins again, until that was too often.
    async fn unmeasured(
        &mut self,
        checked: &ValidatedStudy,
        mut trial: TrialStatus,
        fault: &str,
    ) -> Result<Option<Duration>, StudyFault> {
        trial.failures = trial.failures.saturating_add(1);
        if is_too_often(checked, &trial) {
            self.status.trial = None;
            self.say(&Outcome::Failed(reasons::NO_DATA, fault.to_owned()))
                .await?;
            return Ok(None);
        }
        tracing::warn!(
            study = self.study.name_any(),
            trial = trial.trial,
            fault,
            "a trial has no figures and begins again"
        );
        self.abandon(trial).await
    }

    /// How long a trial whose figures are kept still rests; a study that is
    /// suspended need not wait for it.
    pub(super) fn rest_left(&self) -> Option<Duration> {
        let trial = self.status.trial.as_ref()?;
        let rested_at = trial.rested_at.as_ref()?.0;
        let is_resting = matches!(trial.step, TrialStep::Resting) && !self.study.spec.suspend;
        (is_resting && self.now < rested_at).then(|| span(self.now, rested_at))
    }

    /// What was booked of some minutes, and the nodes that were there at their
    /// begin and have not told all of them yet; `None` if minutes of it may be
    /// gone, of which a part would be told as all.
    async fn figures(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Option<(Window, Vec<String>)>, StudyFault> {
        let (from, until) = (from.as_second(), until.as_second());
        let found = self.context.ledger.call(move |connection| {
            if kept::is_past(connection, from)? {
                return Ok(None);
            }
            let (_, nodes) = query::nodes_at(connection)?;
            let window = kept::window(connection, from, until)?;
            let behind = nodes
                .into_iter()
                .filter(|node| (from..until).contains(&node.closed_until));
            Ok(Some((window, behind.map(|node| node.node).collect())))
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
        let slot = slot(trial);
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
}
