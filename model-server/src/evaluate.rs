//! The evaluation: every tier's error on machines left out, as a table and as
//! JSON.
//!
//! Nothing is quoted here: each figure was computed at start from the bundled
//! tables.

mod guest;
pub mod lacking;
pub mod page;
pub mod protocol;
pub mod report;
mod targets;
mod workers;

use std::fmt;

use serde::Serialize;

use crate::host::LOADS;
use crate::select::Selector;
use crate::tiers::{LEVEL, TierReport};

/// Every tier's error.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation<'a> {
    training_digest: &'a str,
    level: f64,
    tiers: Vec<TierReport<'a>>,
}

impl<'a> Evaluation<'a> {
    /// Gathers the figures.
    #[must_use]
    pub fn new(selector: &'a Selector) -> Self {
        Self {
            training_digest: &selector.catalog().digest,
            level: LEVEL,
            tiers: selector
                .assessed()
                .map(crate::tiers::Assessed::line)
                .collect(),
        }
    }
}

impl fmt::Display for Evaluation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Error on machines left out, percent; interval {:.0} %; trained on {}",
            self.level * 100.0,
            self.training_digest
        )?;
        writeln!(
            f,
            "{:<23} {:<29} {:>4} {:>4} {:>6} {:>6} {:>6} {:>6} {:>6} {:>7} {:>6} {:>6}  worst family",
            "tier",
            "model sees",
            "n",
            "fam",
            "MAPE",
            "macro",
            "idle",
            "50 %",
            "100 %",
            "MAE W",
            "cover",
            "width"
        )?;
        for tier in &self.tiers {
            writeln!(f, "{}", Line(tier))?;
        }
        self.coverage(f)?;
        writeln!(f, "\nHow each tier was left out:")?;
        let mut said = Vec::new();
        for tier in &self.tiers {
            if !said.contains(&tier.tier) {
                said.push(tier.tier);
                writeln!(f, "  {:<23} {}", tier.tier, tier.protocol)?;
            }
        }
        Ok(())
    }
}

impl Evaluation<'_> {
    /// What the intervals hold at each load.
    fn coverage(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\nShare of true values within the interval by load, percent\n{:<23} {:<29}",
            "tier", "model sees"
        )?;
        for level in 0..LOADS {
            write!(f, " {:>5}", level * 10)?;
        }
        writeln!(f)?;
        for tier in &self.tiers {
            // Published instance figures have four loads of their own.
            if tier.score.by_level.len() < LOADS {
                continue;
            }
            write!(f, "{:<23} {:<29}", tier.tier, tier.sees)?;
            for level in &tier.score.by_level {
                write!(f, " {:>5.1}", level.coverage_percent)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

struct Line<'a>(&'a TierReport<'a>);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tier, score) = (self.0, self.0.score);
        let half = score
            .half_percent
            .map_or_else(|| "-".to_owned(), |half| format!("{half:.1}"));
        let worst = score
            .by_family
            .iter()
            .find(|family| family.family == score.worst_family);
        write!(
            f,
            "{:<23} {:<29} {:>4} {:>4} {:>6.1} {:>6.1} {:>6.1} {:>6} {:>6.1} {:>7.1} {:>6.1} {:>6.2}  ",
            tier.tier,
            tier.sees,
            score.machines,
            score.families,
            score.mape_percent,
            score.macro_mape_percent,
            score.idle_percent,
            half,
            score.full_percent,
            score.mae_w,
            score.coverage_percent,
            score.width
        )?;
        worst.map_or(Ok(()), |worst| {
            write!(
                f,
                "{} (n {}, {:.0} %, covered {:.0} %)",
                worst.family, worst.machines, worst.mape_percent, worst.coverage_percent
            )
        })
    }
}

/// The best-known use of the table: each family's own line of one tier.
pub struct ByFamily<'a>(pub &'a Selector);

impl fmt::Display for ByFamily<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::columns::View;
        use crate::tiers::Tier;
        let Some(unseen) = self
            .0
            .assessed()
            .find(|assessed| assessed.tier == Tier::UnseenFamily(View::Server))
        else {
            return Ok(());
        };
        writeln!(
            f,
            "By CPU family, the family never seen:\n{:<16} {:>4} {:>6} {:>6}",
            "family", "n", "MAPE", "cover"
        )?;
        for family in &unseen.score.by_family {
            writeln!(
                f,
                "{:<16} {:>4} {:>6.1} {:>6.1}",
                family.family, family.machines, family.mape_percent, family.coverage_percent
            )?;
        }
        Ok(())
    }
}
