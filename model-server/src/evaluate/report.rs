//! The whole protocol as tables: every method on every split, errors by load,
//! and the figures beside what is asked of them.
//!
//! Not all of what is served was chosen without a look at these folds: the
//! report says so wherever it says its figures, with the figure of the same
//! without that choice.

use std::fmt;

use serde::Serialize;

use super::Evaluation;
use super::protocol::{Outcome, Split, run};
pub use super::targets::Target;
use super::targets::{LOOKED, targets};
use crate::baselines::Method;
use crate::matrix::Singular;
use crate::reading::error_with_reading;
use crate::select::Selector;

/// The level of 30 % load, at which one reading is told.
const READ_AT: usize = 3;

/// Everything that was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// Every tier's error.
    #[serde(flatten)]
    pub tiers: Evaluation<'a>,
    /// Every method on every split.
    pub protocol: Vec<Outcome>,
    /// Error at the other loads after one reading at 30 % load, family unseen,
    /// percent.
    pub one_reading_percent: f64,
    /// What is asked.
    pub targets: Vec<Target>,
}

impl<'a> Report<'a> {
    /// Runs the protocol; `step` is told after each fold how many of how many
    /// are done.
    ///
    /// # Errors
    /// If a method's matrix has no inverse.
    pub fn run(
        selector: &'a Selector,
        step: impl Fn(usize, usize) + Sync,
    ) -> Result<Self, Singular> {
        let protocol = run(selector.catalog(), &Method::ALL, &Split::ALL, step)?;
        let one_reading_percent = outcome(&protocol, Split::Family, Method::Served)
            .map_or(f64::NAN, |outcome| {
                error_with_reading(&outcome.scored, READ_AT)
            });
        Ok(Self {
            tiers: Evaluation::new(selector),
            targets: targets(&protocol, one_reading_percent),
            one_reading_percent,
            protocol,
        })
    }

    /// One method on one split.
    #[must_use]
    pub fn outcome(&self, split: Split, method: Method) -> Option<&Outcome> {
        outcome(&self.protocol, split, method)
    }
}

/// One method on one split.
pub(super) fn outcome(protocol: &[Outcome], split: Split, method: Method) -> Option<&Outcome> {
    protocol
        .iter()
        .find(|outcome| outcome.split == split && outcome.method == method)
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Every method trained without what it is asked about; mean absolute error in percent"
        )?;
        for split in Split::ALL {
            writeln!(f, "\n{}", split.name())?;
            writeln!(
                f,
                "  {:<34} {:>4} {:>6} {:>6} {:>6} {:>6} {:>6} {:>7} {:>6} {:>6}  worst family",
                "method", "n", "MAPE", "macro", "idle", "50 %", "100 %", "MAE W", "cover", "width"
            )?;
            for method in Method::ALL {
                if let Some(outcome) = self.outcome(split, method) {
                    line(f, outcome)?;
                }
            }
        }
        self.by_load(f)?;
        writeln!(
            f,
            "\n{:<52} {:>7} {:>14}  {:<9} {:<8} without design facts",
            "What is asked", "figure", "accepted", "aim", ""
        )?;
        for target in &self.targets {
            let accepted = if target.least > 0.0 {
                format!("{} to {}", target.least, target.most)
            } else {
                format!("at most {}", target.most)
            };
            writeln!(
                f,
                "{:<52} {:>7.2} {:>14}  {:<9} {:<8} {}",
                target.name,
                target.value,
                accepted,
                target.aim,
                if target.met() { "met" } else { "NOT MET" },
                target
                    .without_design_facts
                    .map_or_else(String::new, |value| format!("{value:.2}"))
            )?;
        }
        writeln!(f, "\n{LOOKED}")?;
        writeln!(f, "{}", super::guest::TOLD)?;
        for target in self.targets.iter().filter(|target| !target.met()) {
            writeln!(f, "\nNot met: {}.", target.name)?;
            if !target.tried.is_empty() {
                writeln!(f, "Tried: {} (decision 0014).", target.tried)?;
            }
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, outcome: &Outcome) -> fmt::Result {
    let score = &outcome.score;
    let half = score
        .half_percent
        .map_or_else(|| "-".to_owned(), |half| format!("{half:.1}"));
    writeln!(
        f,
        "  {:<34} {:>4} {:>6.1} {:>6.1} {:>6.1} {:>6} {:>6.1} {:>7.1} {:>6.1} {:>6.2}  {}",
        outcome.method.name(),
        score.machines,
        score.mape_percent,
        score.macro_mape_percent,
        score.idle_percent,
        half,
        score.full_percent,
        score.mae_w,
        score.coverage_percent,
        score.width,
        score.worst_family
    )
}

impl Report<'_> {
    /// The errors by load of what is served.
    fn by_load(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nWhat is served, by load: MAPE %, below it MAE W")?;
        write!(f, "  {:<38}", "split")?;
        for level in 0..crate::host::LOADS {
            write!(f, " {:>5} %", level * 10)?;
        }
        writeln!(f)?;
        for split in Split::ALL {
            let Some(outcome) = self.outcome(split, Method::Served) else {
                continue;
            };
            let levels = &outcome.score.by_level;
            let cells = |pick: fn(&crate::conformal::LevelScore) -> f64| -> String {
                (0..crate::host::LOADS)
                    .map(|level| {
                        let known = levels.iter().find(|known| known.level == level);
                        known.map_or_else(
                            || format!(" {:>7}", "-"),
                            |known| format!(" {:>7.1}", pick(known)),
                        )
                    })
                    .collect()
            };
            writeln!(
                f,
                "  {:<38}{}",
                split.name(),
                cells(|level| level.mape_percent)
            )?;
            writeln!(f, "  {:<38}{}", "", cells(|level| level.mae_w))?;
        }
        Ok(())
    }
}
