//! What threatens a result, found in the figures themselves: a report does not
//! wait for its writer to think of it.

use std::collections::BTreeMap;

use serde::Serialize;
use tanso_power::Provenance;

use super::{Compared, Report, words};
use crate::study::number;
use crate::study::stopping::Decision;
use crate::study::trial::{Trial, Trials};

/// Below so many blocks an interval rests on the differences' shape.
const BLOCKS_FEW: usize = 10;
/// Phases whose length differs by more are not like for like.
const DURATION_SPREAD_MAX: f64 = 0.01;

/// One threat to the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Threat {
    /// A name for programs, such as `modelledPower`.
    pub kind: &'static str,
    /// What it means here, with its figures.
    pub text: String,
}

/// The threats to a report's result.
pub(super) fn of(report: &Report, trials: &Trials) -> Vec<Threat> {
    let mut found = Vec::new();
    let mut tell = |kind: &'static str, text: Option<String>| {
        found.extend(text.map(|text| Threat { kind, text }));
    };
    tell("modelledPower", provenance(report.provenance));
    tell("planNotStated", (!report.plan_stated).then(|| {
        "No plan was given: nothing shows that comparisons, outlier rule and stopping rule were chosen before the \
         figures were seen."
            .to_owned()
    }));
    tell("order", order(report, trials));
    tell("stopping", stopping(report));
    tell("disturbed", disturbed(report));
    tell("unrecorded", unrecorded(trials));
    tell("drift", drift(report));
    tell("autocorrelation", autocorrelation(report));
    tell("durations", durations(trials));
    tell("manyComparisons", many(report));
    for text in few(report) {
        tell("fewBlocks", Some(text));
    }
    for one in report.primary() {
        tell("incompleteBlocks", incomplete(one));
        tell("marksDecide", marks_decide(one));
        tell("shapeDecides", shape_decides(report, one));
    }
    for one in &report.comparisons {
        tell("knownDifferenceMissed", missed(report, one));
    }
    found
}

fn provenance(worst: Option<Provenance>) -> Option<String> {
    let text = match worst {
        Some(Provenance::Measured) => return None,
        Some(Provenance::Modelled) => {
            "Energy is modelled from CPU time, not read from a meter: differences that the model does not see (memory, \
             disk, clock, a warm fan) are missing, and an error of its watts per busy CPU scales every figure alike."
        }
        Some(Provenance::Simulated) => {
            "Energy is simulated: the figures show that the study works and say nothing about any machine."
        }
        None => "Where the energy figures come from was not recorded.",
    };
    Some(text.to_owned())
}

fn order(report: &Report, trials: &Trials) -> Option<String> {
    let blocks = trials.measured().map(|row| row.block).max()?;
    // A CSV may name any block; more than it has rows are none.
    let rows = u32::try_from(trials.rows().len()).unwrap_or(u32::MAX);
    let slots = report.plan.slots(blocks.min(rows));
    let planned: BTreeMap<_, _> = slots.iter().map(|slot| (slot.order, slot)).collect();
    let as_planned = |row: &Trial| {
        let slot = planned.get(&row.order);
        slot.is_some_and(|slot| slot.arm == row.arm && slot.block == row.block)
    };
    let off = trials.measured().filter(|row| !as_planned(row)).count();
    if off == 0 {
        return None;
    }
    let always = same_order(trials);
    let more = if always {
        " Every block ran its arms in the same order, so time and arm cannot be told apart."
    } else {
        ""
    };
    let seed = report.plan.order_seed;
    Some(format!(
        "{off} of {} trials did not run in the order that seed {seed} deals.{more}",
        report.measured
    ))
}

/// Whether there are blocks, and all ran their arms in one order.
fn same_order(trials: &Trials) -> bool {
    let mut blocks: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for row in trials.measured() {
        blocks.entry(row.block).or_default().push(&row.arm);
    }
    let mut orders = blocks.values();
    let first = orders.next();
    blocks.len() > 1 && orders.all(|order| Some(order) == first)
}

fn stopping(report: &Report) -> Option<String> {
    match report.decision {
        Decision::Complete => None,
        Decision::Continue { .. } => Some(format!(
            "The study is not done. {}",
            report.decision_note
        )),
        Decision::Exhausted => Some(
            "The most blocks that were planned are there and the interval is still wider than was wanted.".to_owned(),
        ),
        Decision::Narrow => Some(report.decision_note.clone()),
    }
}

fn disturbed(report: &Report) -> Option<String> {
    let count = report.disturbed.len();
    (count > 0).then(|| {
        format!(
            "{count} of {} trials were disturbed by others; they are listed, and results are shown with and without \
             their blocks.",
            report.measured
        )
    })
}

fn unrecorded(trials: &Trials) -> Option<String> {
    let lacks = |has: fn(&Trial) -> bool| trials.measured().any(|row| !has(row));
    let names = [
        ("stolen time", lacks(|row| row.steal.is_some())),
        ("foreign load", lacks(|row| row.foreign_cpu.is_some())),
        ("length", lacks(|row| row.duration.is_some())),
    ];
    let names: Vec<_> = names
        .iter()
        .filter(|(_, lacks)| *lacks)
        .map(|(name, _)| *name)
        .collect();
    let text = || format!("Not recorded for every trial: {}.", names.join(", "));
    (!names.is_empty()).then(text)
}

fn drift(report: &Report) -> Option<String> {
    let row = report.drift.first()?;
    let change = row.drift.relative_change?;
    row.drift.is_significant().then(|| {
        format!(
            "{} changed by {} % from the first trial to the last whatever the arm. Randomised blocks spread this over \
             the arms; it widens intervals rather than moving them.",
            row.response,
            words::plain(100.0 * change)
        )
    })
}

fn autocorrelation(report: &Report) -> Option<String> {
    let drift = &report.drift.first()?.drift;
    let lag1 = drift.lag1_autocorrelation?;
    (lag1.abs() > 2.0 / number(drift.count).sqrt()).then(|| {
        format!(
            "Neighbouring trials resemble each other (lag-1 correlation {}): what one leaves behind may reach the \
             next, and a longer cool-down may help.",
            words::plain(lag1)
        )
    })
}

fn durations(trials: &Trials) -> Option<String> {
    let all = || trials.measured().filter_map(|row| row.duration);
    let (shortest, longest) = (all().min()?.as_secs_f64(), all().max()?.as_secs_f64());
    (longest > shortest * (1.0 + DURATION_SPREAD_MAX)).then(|| {
        format!(
            "Measured phases lasted from {} to {} s: energy of a longer one is not like for like.",
            words::plain(shortest),
            words::plain(longest)
        )
    })
}

fn many(report: &Report) -> Option<String> {
    let count = report.primary().count();
    let level = 100.0 * report.plan.confidence.level();
    (count > 1).then(|| {
        format!(
            "{count} comparisons were made: of intervals at {level} % each, about one in {} misses the truth. The \
             shared intervals hold all at once with that confidence (Bonferroni).",
            misses(report)
        )
    })
}

/// Of how many intervals one misses the truth.
fn misses(report: &Report) -> String {
    let level = 100.0 * report.plan.confidence.level();
    words::plain(100.0 / (100.0 - level))
}

fn name(one: &Compared) -> String {
    format!("{} against {}", one.comparison.arm, one.comparison.against)
}

fn incomplete(one: &Compared) -> Option<String> {
    let count = one.incomplete.len();
    let text = || {
        format!(
            "{}: {count} blocks lack a trial or its figure and are left out.",
            name(one)
        )
    };
    (count > 0).then(text)
}

/// Comparisons of few blocks, those of as many in one sentence.
fn few(report: &Report) -> Vec<String> {
    let mut by_count: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for one in report.primary() {
        let headline = one.headline(report.plan.headline);
        let blocks = headline.map_or(0, |found| found.pairs);
        if blocks < BLOCKS_FEW {
            by_count.entry(blocks).or_default().push(name(one));
        }
    }
    let all = report.primary().count();
    let told = |(blocks, names): (usize, Vec<String>)| {
        let whose = if names.len() == all && all > 1 {
            format!("All {all} comparisons")
        } else {
            names.join(", ")
        };
        format!(
            "{whose}: {blocks} blocks. So few rest on differences being normal, and a bootstrap of so few is too narrow."
        )
    };
    by_count.into_iter().map(told).collect()
}

fn marks_decide(one: &Compared) -> Option<String> {
    let (all, kept) = (one.all.as_ref()?, one.kept.as_ref()?);
    (all.interval.contains(0.0) != kept.interval.contains(0.0)).then(|| {
        format!(
            "{}: whether the interval holds 0 depends on the {} marked blocks.",
            name(one),
            one.marked()
        )
    })
}

fn shape_decides(report: &Report, one: &Compared) -> Option<String> {
    let headline = one.headline(report.plan.headline)?;
    let resampled = headline.bootstrap_interval?;
    (headline.interval.contains(0.0) != resampled.contains(0.0)).then(|| {
        format!(
            "{}: Student's t and the bootstrap disagree on whether the interval holds 0.",
            name(one)
        )
    })
}

fn missed(report: &Report, one: &Compared) -> Option<String> {
    let missed = one.holds_what_is_known == Some(false);
    let what = if one.comparison.placebo {
        "0 of a placebo"
    } else {
        "the injected difference"
    };
    let text = || {
        format!(
            "{}, {}: the interval does not hold {what}. By chance alone about one in {} does not.",
            name(one),
            one.response,
            misses(report)
        )
    };
    missed.then(text)
}
