//! A plan and raw figures to a report: every comparison with its intervals,
//! what was marked, what threatens the result, and an answer in words.
//!
//! Computes only; [`markdown`] and [`super::plot`] write it. Every number of
//! the text is a field here, so programs need not read prose.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tanso_power::Provenance;

use super::difference::{Contrast, Method, contrast};
use super::drift::{Drift, Point, drift};
use super::outlier::OutlierPolicy;
use super::plan::{Arm, Comparison, Headline, Plan};
use super::power::{PowerRow, power_row};
use super::sample::Sample;
use super::stopping::Decision;
use super::trial::{Trial, Trials, Unit};

pub mod html;
pub mod markdown;
mod parts;
mod scaled;
mod threats;
mod words;

use parts::Block;
pub use parts::{PartRow, StrataRow};
pub use scaled::{Scaled, ZoneCarbon};
pub use threats::Threat;
pub use words::{figure, plain};

/// A study's result.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The plan, with every rule and seed.
    pub plan: Plan,
    /// Whether the plan was written before the run.
    pub plan_stated: bool,
    /// The answer in words, a sentence for each comparison.
    pub answer: Vec<String>,
    /// The worst provenance of the measured phases; absent if none is told.
    pub provenance: Option<Provenance>,
    /// How many phases of trials are compared.
    pub measured: usize,
    /// What the stopping rule says.
    pub decision: Decision,
    /// What the rule means for a reader.
    pub decision_note: String,
    /// Each arm's figures; of one in parts, each part's.
    pub arms: Vec<ArmRow>,
    /// The arms in parts, with each part's share and figures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strata: Vec<StrataRow>,
    /// Each comparison of each response, the primary response first.
    pub comparisons: Vec<Compared>,
    /// The primary response over the study's time.
    pub drift: Vec<DriftRow>,
    /// The trials marked as disturbed.
    pub disturbed: Vec<Disturbed>,
    /// What threatens the result.
    pub threats: Vec<Threat>,
}

/// An arm's figures of one response: marked ones are in.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArmRow {
    /// The arm, or the kind of trials of one in parts.
    pub arm: String,
    /// The response.
    pub response: String,
    /// Trials with a figure.
    pub count: usize,
    /// Trials without one.
    pub missing: usize,
    /// The mean; absent without figures.
    pub mean: Option<f64>,
    /// The standard deviation; absent of fewer than two.
    pub sd: Option<f64>,
    /// The median.
    pub median: Option<f64>,
}

/// Two arms in one response.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    /// What was compared, as planned.
    #[serde(flatten)]
    pub comparison: Comparison,
    /// The response.
    pub response: String,
    /// Its unit.
    pub unit: Unit,
    /// Every complete block, what is marked included.
    pub all: Option<Contrast>,
    /// Without disturbed trials and outliers.
    pub kept: Option<Contrast>,
    /// Each block's difference, with why it is marked.
    pub blocks: Vec<BlockRow>,
    /// Blocks that lack a figure of one of the arms.
    pub incomplete: Vec<u32>,
    /// The difference as cost; absent where the response is no energy.
    pub scaled: Option<Scaled>,
    /// Whether the headline's interval holds what it must: 0 of a placebo, the
    /// size of an injected difference. Absent where nothing is known.
    pub holds_what_is_known: Option<bool>,
    /// What these trials can see.
    pub power: Option<PowerRow>,
}

/// A block's difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockRow {
    /// The block.
    pub block: u32,
    /// `arm − against`.
    pub difference: f64,
    /// Whether a trial of it was disturbed.
    pub disturbed: bool,
    /// Whether the rule marks it as an outlier.
    pub outlier: bool,
}

/// A response over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DriftRow {
    /// The response.
    pub response: String,
    /// How it changed.
    #[serde(flatten)]
    pub drift: Drift,
}

/// A trial that others disturbed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Disturbed {
    /// The trial's place in time.
    pub order: u32,
    /// Its arm.
    pub arm: String,
    /// Its block.
    pub block: u32,
    /// Why.
    pub reasons: Vec<String>,
}

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// The figures lack what the plan asks for.
    #[error("the figures have no response {wanted:?}; they have {found}")]
    NoResponse {
        /// What the plan names.
        wanted: String,
        /// What is there.
        found: String,
    },
    /// The figures name an arm that the plan does not.
    #[error("the figures have an arm {found:?}; the plan has {known}")]
    UnknownArm {
        /// What the figures name.
        found: String,
        /// The plan's arms.
        known: String,
    },
    /// No phase was measured.
    #[error("no row of phase \"measured\": there is nothing to compare")]
    NothingMeasured,
}

/// The report of some figures by a plan: the same for the same input, in
/// whatever order its rows stood.
///
/// # Errors
/// If the figures lack the primary response or have an arm that the plan does
/// not name.
pub fn report(plan: &Plan, trials: &Trials) -> Result<Report, ReportError> {
    check(plan, trials)?;
    let disturbed = disturbed(plan, trials);
    let comparisons = compared(plan, trials);
    let provenance = trials.measured().filter_map(|row| row.provenance).max();
    let decision = decide(plan, trials, &comparisons);
    let drift: Vec<_> = drift_row(plan, trials).into_iter().collect();
    let mut report = Report {
        plan: plan.clone(),
        plan_stated: plan.stated,
        answer: Vec::new(),
        provenance,
        measured: trials.measured().count(),
        decision,
        decision_note: plan.stopping.note(),
        arms: arm_rows(plan, trials),
        strata: parts::rows(plan, trials),
        comparisons,
        drift,
        disturbed,
        threats: Vec::new(),
    };
    report.threats = threats::of(&report, trials);
    report.answer = words::answer(&report);
    Ok(report)
}

fn check(plan: &Plan, trials: &Trials) -> Result<(), ReportError> {
    let known = plan.kinds();
    for row in trials.rows() {
        if !known.contains(&row.arm) {
            return Err(ReportError::UnknownArm {
                found: row.arm.clone(),
                known: known.join(", "),
            });
        }
    }
    let responses = trials.responses();
    if !responses.contains_key(&plan.primary_response) {
        let found: Vec<_> = responses.keys().map(String::as_str).collect();
        return Err(ReportError::NoResponse {
            wanted: plan.primary_response.clone(),
            found: found.join(", "),
        });
    }
    match trials.measured().next() {
        Some(_) => Ok(()),
        None => Err(ReportError::NothingMeasured),
    }
}

fn disturbed(plan: &Plan, trials: &Trials) -> Vec<Disturbed> {
    let judge = |trial: &Trial| {
        let reasons = plan.disturbance.reasons(trial);
        (!reasons.is_empty()).then(|| Disturbed {
            order: trial.order,
            arm: trial.arm.clone(),
            block: trial.block,
            reasons,
        })
    };
    trials.measured().filter_map(judge).collect()
}

fn arm_rows(plan: &Plan, trials: &Trials) -> Vec<ArmRow> {
    let row = |response: &String, arm: &str| {
        let of_arm = || trials.measured().filter(|trial| trial.arm == arm);
        let values = of_arm().filter_map(|trial| trial.values.get(response).copied());
        let sample = Sample::try_new(values.collect()).ok();
        let count = sample.as_ref().map_or(0, |sample| sample.values().len());
        ArmRow {
            arm: arm.to_owned(),
            response: response.clone(),
            count,
            missing: of_arm().count() - count,
            mean: sample.as_ref().map(Sample::mean),
            sd: sample.as_ref().and_then(Sample::sd),
            median: sample.as_ref().map(Sample::median),
        }
    };
    let (responses, kinds) = (responses(plan, trials), plan.kinds());
    let rows = responses
        .iter()
        .flat_map(|(response, _)| kinds.iter().map(move |kind| row(response, kind)));
    rows.collect()
}

/// The responses, the primary one first.
fn responses(plan: &Plan, trials: &Trials) -> Vec<(String, Unit)> {
    let all = trials.responses().iter();
    let mut all: Vec<_> = all.map(|(name, unit)| (name.clone(), *unit)).collect();
    all.sort_by_key(|(name, _)| *name != plan.primary_response);
    all
}

fn compared(plan: &Plan, trials: &Trials) -> Vec<Compared> {
    let planned = plan.compared();
    let method = Method {
        confidence: plan.confidence,
        comparisons: planned.len(),
        bootstrap: plan.bootstrap,
    };
    let mut found = Vec::new();
    for (response, unit) in responses(plan, trials) {
        let blocks = parts::cells(plan, trials, &response);
        for comparison in &planned {
            let arms = [&comparison.arm, &comparison.against].map(|name| plan.arm(name));
            let [Some(arm), Some(against)] = arms else {
                continue;
            };
            let pair = Pair {
                comparison,
                arm,
                against,
            };
            found.push(compare(plan, &method, &pair, (&response, unit), &blocks));
        }
    }
    for one in &mut found {
        one.scaled = scaled::scale(plan, trials, one);
    }
    found
}

/// What is compared, with both arms as planned.
struct Pair<'a> {
    comparison: &'a Comparison,
    arm: &'a Arm,
    against: &'a Arm,
}

fn compare(
    plan: &Plan,
    method: &Method,
    pair: &Pair<'_>,
    (response, unit): (&str, Unit),
    cells: &BTreeMap<u32, Block<'_>>,
) -> Compared {
    let comparison = pair.comparison;
    let mut pairs = Vec::new();
    let mut blocks = Vec::new();
    let mut incomplete = Vec::new();
    for (block, cells) in cells {
        let figures = [pair.arm, pair.against].map(|arm| parts::figure_of(arm, cells));
        let [Some(one), Some(other)] = figures else {
            incomplete.push(*block);
            continue;
        };
        pairs.push((one, other));
        blocks.push(BlockRow {
            block: *block,
            difference: one - other,
            disturbed: [pair.arm, pair.against]
                .iter()
                .any(|arm| parts::is_disturbed(arm, cells)),
            outlier: false,
        });
    }
    mark_outliers(plan.outliers, &mut blocks);
    let kept = pairs.iter().zip(&blocks);
    let kept = kept.filter(|(_, block)| !block.disturbed && !block.outlier);
    let kept: Vec<_> = kept.map(|(pair, _)| *pair).collect();
    let mut found = Compared {
        comparison: comparison.clone(),
        response: response.to_owned(),
        unit,
        all: contrast(&pairs, method).ok(),
        kept: contrast(&kept, method).ok(),
        blocks,
        incomplete,
        scaled: None,
        holds_what_is_known: None,
        power: None,
    };
    let headline = found.headline(plan.headline).cloned();
    let headline = headline.as_ref();
    let known = known_difference(comparison, response);
    found.holds_what_is_known = known
        .zip(headline)
        .map(|(known, headline)| headline.interval.contains(known));
    found.power = headline.and_then(|headline| {
        let (target, base) = (plan.target, (headline.mean_against, headline.sd));
        let (asked, power) = (target.relative_difference, target.power);
        power_row(asked, power, base, headline.pairs, plan.confidence)
    });
    found
}

/// Outliers are looked for among the blocks that nobody disturbed.
fn mark_outliers(policy: OutlierPolicy, blocks: &mut [BlockRow]) {
    let mut calm: Vec<_> = blocks.iter_mut().filter(|block| !block.disturbed).collect();
    let differences = calm.iter().map(|block| block.difference).collect();
    let Ok(sample) = Sample::try_new(differences) else {
        return;
    };
    for place in policy.marks(&sample) {
        if let Some(block) = calm.get_mut(place) {
            block.outlier = true;
        }
    }
}

/// What a comparison must find: nothing for a placebo, else what was put in.
fn known_difference(comparison: &Comparison, response: &str) -> Option<f64> {
    if comparison.placebo {
        return Some(0.0);
    }
    let injected = comparison.injected.as_ref();
    let injected = injected.filter(|injected| injected.response == response);
    injected.map(|injected| injected.difference)
}

impl Compared {
    /// The result that the answer takes.
    #[must_use]
    pub const fn headline(&self, headline: Headline) -> Option<&Contrast> {
        match headline {
            Headline::Kept => self.kept.as_ref(),
            Headline::All => self.all.as_ref(),
        }
    }

    /// How many blocks are marked.
    #[must_use]
    pub fn marked(&self) -> usize {
        let marked = |block: &&BlockRow| block.disturbed || block.outlier;
        self.blocks.iter().filter(marked).count()
    }
}

impl Report {
    /// The comparisons of the primary response.
    pub fn primary(&self) -> impl Iterator<Item = &Compared> {
        let all = self.comparisons.iter();
        all.filter(|one| one.response == self.plan.primary_response)
    }
}

/// What the rule says of the blocks that were run. Marked blocks were run too: a
/// study whose blocks are all there is not unfinished because of a mark.
fn decide(plan: &Plan, trials: &Trials, comparisons: &[Compared]) -> Decision {
    let primary = comparisons
        .iter()
        .filter(|one| one.response == plan.primary_response);
    let mut widest = Some(0.0_f64);
    for one in primary {
        let width = one
            .headline(plan.headline)
            .filter(|headline| headline.mean_against != 0.0)
            .map(|headline| headline.interval.half_width() / headline.mean_against.abs());
        widest = widest.zip(width).map(|(a, b)| a.max(b));
    }
    plan.stopping.decide(blocks_run(plan, trials), widest)
}

/// How many blocks have a measured trial of each kind.
fn blocks_run(plan: &Plan, trials: &Trials) -> u32 {
    let mut blocks: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    for trial in trials.measured() {
        blocks.entry(trial.block).or_default().insert(&trial.arm);
    }
    // Other kinds than the plan's are refused before.
    let kinds = plan.kinds().len();
    let whole = blocks.values().filter(|found| found.len() == kinds);
    u32::try_from(whole.count()).unwrap_or(u32::MAX)
}

fn drift_row(plan: &Plan, trials: &Trials) -> Option<DriftRow> {
    let response = &plan.primary_response;
    let point = |trial| -> Option<Point<'_>> {
        let trial: &Trial = trial;
        Some(Point {
            order: f64::from(trial.order),
            arm: trial.arm.as_str(),
            value: *trial.values.get(response)?,
        })
    };
    let points: Vec<_> = trials.measured().filter_map(point).collect();
    drift(&points, plan.confidence).map(|drift| DriftRow {
        response: response.clone(),
        drift,
    })
}

#[cfg(test)]
mod tests;
