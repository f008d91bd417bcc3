//! Arms in parts: a block's figure of an arm from those of its parts, and each
//! part's figures for readers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::study::difference::Interval;
use crate::study::plan::{Arm, Plan};
use crate::study::sample::Sample;
use crate::study::strata::{Part, Stratified, stratified, weighted};
use crate::study::trial::Trials;

/// A block's figures of one kind of trials, and whether one of them was disturbed.
#[derive(Default)]
pub(super) struct Cell {
    values: Vec<f64>,
    disturbed: bool,
    missing: bool,
}

impl Cell {
    fn mean(&self) -> Option<f64> {
        let sample = Sample::try_new(self.values.clone()).ok()?;
        (!self.missing).then(|| sample.mean())
    }
}

/// A block's figures by kind of trials.
pub(super) type Block<'a> = BTreeMap<&'a str, Cell>;

/// The figures of a response, block by block.
pub(super) fn cells<'a>(
    plan: &Plan,
    trials: &'a Trials,
    response: &str,
) -> BTreeMap<u32, Block<'a>> {
    let mut blocks: BTreeMap<u32, Block<'a>> = BTreeMap::new();
    for trial in trials.measured() {
        let block = blocks.entry(trial.block).or_default();
        let cell = block.entry(trial.arm.as_str()).or_default();
        match trial.values.get(response) {
            Some(value) => cell.values.push(*value),
            None => cell.missing = true,
        }
        cell.disturbed |= !plan.disturbance.reasons(trial).is_empty();
    }
    blocks
}

/// An arm's figure of a block: each of its parts by its share. `None` where a
/// part has no figure: it is missing, and not 0.
pub(super) fn figure_of(arm: &Arm, block: &Block<'_>) -> Option<f64> {
    let part = |(kind, share): (&str, f64)| Some((share, block.get(kind)?.mean()?));
    let parts: Option<Vec<_>> = arm.parts().into_iter().map(part).collect();
    Some(weighted(&parts?))
}

/// Whether a trial that the arm's figure of a block rests on was disturbed.
pub(super) fn is_disturbed(arm: &Arm, block: &Block<'_>) -> bool {
    let parts = arm.parts().into_iter();
    parts
        .filter_map(|(kind, _)| block.get(kind))
        .any(|cell| cell.disturbed)
}

/// An arm in parts, in one response: marked trials are in.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StrataRow {
    /// The arm.
    pub arm: String,
    /// The response.
    pub response: String,
    /// Its parts.
    pub parts: Vec<PartRow>,
    /// The mean over its parts, blocks apart; absent where a part has fewer than
    /// two figures.
    #[serde(flatten)]
    pub mean: Option<Stratified>,
    /// Its interval, of the plan's confidence.
    pub interval: Option<Interval>,
}

/// A part of an arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartRow {
    /// The kind of its trials.
    pub trials: String,
    /// The share of the arm's time.
    pub share: f64,
    /// Trials with a figure.
    pub count: usize,
    /// Their mean; absent without figures.
    pub mean: Option<f64>,
    /// Their standard deviation; absent of fewer than two.
    pub sd: Option<f64>,
}

/// The arms in parts in every response, the primary one first.
pub(super) fn rows(plan: &Plan, trials: &Trials) -> Vec<StrataRow> {
    let responses = super::responses(plan, trials);
    let in_parts = || plan.arms.iter().filter(|arm| !arm.strata.is_empty());
    let rows = responses
        .iter()
        .flat_map(|(response, _)| in_parts().map(move |arm| row(plan, trials, response, arm)));
    rows.collect()
}

fn row(plan: &Plan, trials: &Trials, response: &str, arm: &Arm) -> StrataRow {
    let figures = |kind: &str| {
        let of_kind = trials.measured().filter(|trial| trial.arm == kind);
        let values = of_kind.filter_map(|trial| trial.values.get(response).copied());
        Sample::try_new(values.collect()).ok()
    };
    let parts = arm.parts().into_iter();
    let sampled: Vec<_> = parts
        .map(|(kind, share)| (kind, share, figures(kind)))
        .collect();
    let whole: Option<Vec<_>> = sampled
        .iter()
        .map(|(_, share, sample)| {
            let (share, sample) = (*share, sample.as_ref()?);
            Some(Part { share, sample })
        })
        .collect();
    let mean = whole.and_then(|parts| stratified(&parts));
    let parts = sampled.iter().map(|(kind, share, sample)| PartRow {
        trials: (*kind).to_owned(),
        share: *share,
        count: sample.as_ref().map_or(0, |sample| sample.values().len()),
        mean: sample.as_ref().map(Sample::mean),
        sd: sample.as_ref().and_then(Sample::sd),
    });
    StrataRow {
        arm: arm.name.clone(),
        response: response.to_owned(),
        parts: parts.collect(),
        mean,
        interval: mean.map(|mean| mean.interval(plan.confidence)),
    }
}
