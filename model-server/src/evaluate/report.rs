//! The whole protocol as tables: every method on every split, errors by load,
//! and the figures beside what is asked of them.

use std::fmt;

use serde::Serialize;

use super::Evaluation;
use super::protocol::{Outcome, Split, run};
use crate::baselines::Method;
use crate::matrix::Singular;
use crate::reading::error_with_reading;
use crate::select::Selector;

/// The level of 30 % load, at which one reading is told.
const READ_AT: usize = 3;

/// What was tried for the years after 2018, without a look at them.
const TRIED_SINCE_2018: &str = "idle is the gap: servers of 2018 to 2021 idle lower than any before; \
    a longer reach and a stronger trend over the years, the year squared, noise by age, other scales, \
    an effect of CPU model and builder, a mean with ridge and neighbours: worse here, on splits before \
    2018, or on idle of 2024";

/// What was tried for full load of 2024.
const TRIED_FULL_2024: &str = "rows without memory size, answered by the view of the CPU alone, make \
    the difference; telling CPU models apart by their spelling gives 8.8 %, which splits before 2018 show \
    to be chance";

/// A figure and what is asked of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// What is measured.
    pub name: &'static str,
    /// The figure of this run.
    pub value: f64,
    /// The least that is accepted.
    pub least: f64,
    /// The most that is accepted.
    pub most: f64,
    /// What to aim at, in words; may be empty.
    pub aim: &'static str,
    /// What was tried where the figure is not within what is asked; empty
    /// where it always was.
    pub tried: &'static str,
}

impl Target {
    const fn having_tried(mut self, what: &'static str) -> Self {
        self.tried = what;
        self
    }

    /// Whether the figure is within what is asked.
    #[must_use]
    pub fn met(&self) -> bool {
        (self.least..=self.most).contains(&self.value)
    }
}

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

fn outcome(protocol: &[Outcome], split: Split, method: Method) -> Option<&Outcome> {
    protocol
        .iter()
        .find(|outcome| outcome.split == split && outcome.method == method)
}

fn targets(protocol: &[Outcome], one_reading_percent: f64) -> Vec<Target> {
    let figure = |split: Split, pick: fn(&crate::conformal::Score) -> f64| {
        outcome(protocol, split, Method::Served).map_or(f64::NAN, |outcome| pick(&outcome.score))
    };
    let curve = |split: Split| figure(split, |score| score.mape_percent);
    let at_most = |name: &'static str, value: f64, most: f64, aim: &'static str| Target {
        name,
        value,
        least: 0.0,
        most,
        aim,
        tried: "",
    };
    let unseen = Split::Family;
    vec![
        at_most(
            "CPU family never seen, curve, %",
            curve(unseen),
            13.0,
            "11 to 12",
        ),
        at_most(
            "CPU model never seen, family known, curve, %",
            curve(Split::CpuModel),
            10.0,
            "9",
        ),
        at_most(
            "trained before 2018, tested after, curve, %",
            curve(Split::Since2018),
            13.0,
            "",
        )
        .having_tried(TRIED_SINCE_2018),
        at_most(
            "full load of 2024 from before, %",
            figure(Split::Ends2024, |s| s.full_percent),
            9.0,
            "",
        )
        .having_tried(TRIED_FULL_2024),
        at_most(
            "idle of 2024 from before, %",
            figure(Split::Ends2024, |s| s.idle_percent),
            25.0,
            "",
        ),
        at_most(
            "family never seen, a guest's features only, %",
            curve(Split::FamilySeenByGuest),
            16.0,
            "",
        ),
        at_most(
            "CPU vendor never seen, by TDP ratio, %",
            curve(Split::Vendor),
            29.0,
            "",
        ),
        at_most(
            "one reading at 30 % load, other loads, %",
            one_reading_percent,
            6.8,
            "",
        ),
        Target {
            name: "coverage of 90 % intervals, family never seen, %",
            value: figure(unseen, |score| score.coverage_percent),
            least: 87.0,
            most: 95.0,
            aim: "",
            tried: "",
        },
        at_most(
            "their mean width over the value",
            figure(unseen, |score| score.width),
            0.55,
            "",
        ),
        Target {
            name: "random tenths, curve, % (less would be a leak)",
            value: curve(Split::Random),
            least: 5.0,
            most: 10.0,
            aim: "",
            tried: "",
        },
    ]
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
            "\n{:<52} {:>7} {:>14}  aim",
            "What is asked", "figure", "accepted"
        )?;
        for target in &self.targets {
            let accepted = if target.least > 0.0 {
                format!("{} to {}", target.least, target.most)
            } else {
                format!("at most {}", target.most)
            };
            writeln!(
                f,
                "{:<52} {:>7.2} {:>14}  {:<9} {}",
                target.name,
                target.value,
                accepted,
                target.aim,
                if target.met() { "met" } else { "NOT MET" }
            )?;
        }
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
