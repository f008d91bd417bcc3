//! The end of a trial: waits for the figures of its measured minutes and keeps
//! them in the ledger, once. A trial without figures does not count.

use std::time::Duration;

use jiff::Timestamp;
use tanso_carbon::study::trial::csv_line;
use tanso_crds::condition::reasons;
use tanso_crds::energy_study::TrialStatus;

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
    /// Waits for the rest's end and the figures, and keeps the trial.
    pub(super) async fn rest(
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
