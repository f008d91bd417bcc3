//! The whole protocol as tables: every method on every split, errors by load,
//! and the figures beside what is asked of them.
//!
//! Not all of what is served was chosen without a look at these folds: the
//! report says so wherever it says its figures, with the figure of the same
//! without that choice.

use std::fmt;

use serde::Serialize;

use super::Evaluation;
use super::lacking::{self, Lacking};
use super::protocol::{Outcome, Split, run};
pub use super::targets::Target;
use super::targets::{LOOKED, targets};
use crate::baselines::Method;
use crate::conformal::{LevelScore, Score};
use crate::host::LOADS;
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
    /// Machines that tell little.
    pub lacking: Vec<Lacking>,
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
        let catalog = selector.catalog();
        let protocol = run(catalog, &Method::ALL, &Split::ALL, &step)?;
        let lacking = lacking::run(catalog, &lacking::SPLITS, &step)?;
        let one_reading_percent = outcome(&protocol, Split::Family, Method::Served)
            .map_or(f64::NAN, |outcome| {
                error_with_reading(&outcome.scored, READ_AT)
            });
        Ok(Self {
            tiers: Evaluation::new(selector),
            targets: targets(&protocol, one_reading_percent),
            one_reading_percent,
            protocol,
            lacking,
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
        write!(f, "\n{}", lacking::Table(&self.lacking))?;
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
    /// The errors by load of every method.
    fn by_load(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nBy load: MAPE %, below it MAE W")?;
        for split in Split::ALL {
            write!(f, "\n{:<38}", split.name())?;
            for level in 0..LOADS {
                write!(f, " {:>5} %", level * 10)?;
            }
            writeln!(f)?;
            for method in Method::ALL {
                let Some(outcome) = self.outcome(split, method) else {
                    continue;
                };
                for (name, pick) in [(method.name(), MAPE), ("", MAE)] {
                    write!(f, "  {name:<36}")?;
                    for cell in cells(&outcome.score, pick) {
                        write!(f, " {cell:>7}")?;
                    }
                    writeln!(f)?;
                }
            }
        }
        Ok(())
    }
}

/// What is picked of a load level.
pub(super) type PickLevel = fn(&LevelScore) -> f64;

/// Its error in percent.
pub(super) const MAPE: PickLevel = |level| level.mape_percent;
/// Its error in watts.
pub(super) const MAE: PickLevel = |level| level.mae_w;

/// A figure of each load level, a dash where none is known.
pub(super) fn cells(score: &Score, pick: PickLevel) -> impl Iterator<Item = String> {
    (0..LOADS).map(move |level| {
        let known = score.by_level.iter().find(|known| known.level == level);
        known.map_or_else(|| "-".to_owned(), |known| format!("{:.1}", pick(known)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::select::tests::selector;

    /// What is served alone was told by load, and nothing to compare it with.
    #[test]
    fn every_method_is_told_at_every_load() {
        let splits = [Split::Vendor, Split::Ends2024];
        let methods = [Method::Served, Method::Ratio];
        let selector = selector();
        let protocol = run(selector.catalog(), &methods, &splits, |_, _| ()).unwrap();
        let report = Report {
            tiers: Evaluation::new(selector),
            targets: Vec::new(),
            one_reading_percent: f64::NAN,
            protocol,
            lacking: Vec::new(),
        };
        let text = report.to_string();
        let (_, by_load) = text.split_once("By load: MAPE %, below it MAE W").unwrap();
        let page = super::super::page::report_page(&report);
        for split in splits {
            let (_, rows) = by_load.split_once(split.name()).unwrap();
            let (_, table) = page
                .split_once(&format!("{}, by load", split.name()))
                .unwrap();
            let (table, _) = table.split_once("</table>").unwrap();
            for method in methods {
                let mut rows = rows.lines().skip_while(|row| !row.contains(method.name()));
                for pick in [MAPE, MAE] {
                    let outcome = report.outcome(split, method).unwrap();
                    let wanted: Vec<String> = cells(&outcome.score, pick).collect();
                    let row = rows.next().unwrap().replacen(method.name(), "", 1);
                    let told: Vec<&str> = row.split_whitespace().collect();
                    assert_eq!(told, wanted, "{split:?} {method:?}");
                    let known = split != Split::Ends2024;
                    assert_eq!(wanted.iter().all(|cell| cell != "-"), known, "{wanted:?}");
                    let html = format!("<td>{}</td>", wanted.join("</td><td>"));
                    assert!(table.contains(&html), "{split:?} {method:?}");
                }
            }
        }
    }
}
