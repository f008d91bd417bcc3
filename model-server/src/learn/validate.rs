//! Is a learned curve better than what it would replace? Judged on nodes that
//! were left out, at times later than all that was learned from.

use serde::{Deserialize, Serialize};
use tanso_power::activity::Input;

use super::fit::{Fit, fit};
use super::{Band, Learned, NODES_MIN, Node, Observation, Trust, mean};
use crate::host::count;

/// Groups of nodes that are left out in turn, at most.
const FOLDS_MAX: usize = 10;
/// The share of the time that is learned from; the rest judges.
const EARLY: f64 = 0.7;
/// A newcomer's error must be below this share of the incumbent's.
const BETTER: f64 = 0.98;
/// Nodes that lack a quantity have no use of a curve that asks for it: one
/// that asks for more must have an error below this share of a simpler one's.
const WORTH_MORE: f64 = 0.9;
/// Bounds at 90 % that hold less than this share of what they were not fitted
/// to are refused.
const COVERAGE_LEAST: f64 = 0.8;
/// The fewest later samples that may judge.
const JUDGES_MIN: usize = 12;

/// Errors on left-out nodes' later samples; means over nodes, so that each
/// weighs the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Whether the newcomer is to replace the incumbent.
    pub better: bool,
    /// Why, for people.
    pub reason: String,
    /// Nodes that judged.
    pub nodes: usize,
    /// Samples that judged.
    pub samples: usize,
    /// The newcomer's mean absolute error, percent.
    pub mape_percent: f64,
    /// The incumbent's on the same samples.
    pub incumbent_mape_percent: f64,
    /// The prior's on the same samples.
    pub prior_mape_percent: f64,
    /// Share of the samples within the newcomer's bounds, percent.
    pub coverage_percent: f64,
    /// What knowing more than load is worth; missing if no sample told more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refinement: Option<Refinement>,
}

/// A curve that knows more than load, against the one that does not, on the
/// same later samples of left-out nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refinement {
    /// The quantities that it knows.
    pub inputs: Vec<Input>,
    /// Whether it is better, so that the model has it.
    pub better: bool,
    /// Mean absolute error with it, percent.
    pub mape_percent: f64,
    /// Without it.
    pub without_percent: f64,
    /// Share of the samples within its bounds, percent.
    pub coverage_percent: f64,
    /// Nodes that judged.
    pub nodes: usize,
    /// Samples that judged.
    pub samples: usize,
}

/// One left-out node, and what was learned without it.
struct Fold<'a> {
    later: Vec<&'a Observation>,
    fit: Option<Fit>,
}

/// One left-out node's errors.
#[derive(Default)]
struct Judged {
    newcomer: f64,
    incumbent: f64,
    prior: f64,
    held: f64,
    samples: usize,
}

/// Judges the method on `nodes` of which `trust` is thought; `incumbent` is
/// what serves now, the prior or a learned curve.
#[must_use]
pub fn validate(
    nodes: &[Node],
    trust: &[Trust],
    prior: &Band,
    incumbent: &Learned,
    level: f64,
) -> Verdict {
    let trusted: Vec<&Node> = nodes
        .iter()
        .zip(trust)
        .filter(|(_, trust)| **trust == Trust::Trusted)
        .map(|(node, _)| node)
        .collect();
    let refuse = |reason: String| Verdict {
        reason,
        ..Verdict::default()
    };
    // One is left out, the others must be enough to teach.
    if trusted.len() <= NODES_MIN {
        return refuse(format!(
            "{} trusted nodes; {} are needed",
            trusted.len(),
            NODES_MIN + 1
        ));
    }
    let Some(cut_s) = cut(&trusted) else {
        return refuse("no samples".to_owned());
    };
    let folds = folds(nodes, &trusted, cut_s, prior, level);
    let refinement = refinement(&folds);
    let inputs = refinement
        .as_ref()
        .filter(|refinement| refinement.better)
        .map(|refinement| refinement.inputs.as_slice());
    let judged: Vec<Judged> = folds
        .iter()
        .map(|fold| judge(fold, inputs, incumbent, prior))
        .collect();
    Verdict {
        refinement: refinement.clone(),
        ..decide(&judged, refuse)
    }
}

/// Each trusted node with what the others taught early.
fn folds<'a>(
    nodes: &[Node],
    trusted: &[&'a Node],
    cut_s: i64,
    prior: &Band,
    level: f64,
) -> Vec<Fold<'a>> {
    let groups = trusted.len().min(FOLDS_MAX);
    let mut folds = Vec::new();
    for group in 0..groups {
        let left_out: Vec<&Node> = trusted
            .iter()
            .enumerate()
            .filter(|(at, _)| at % groups == group)
            .map(|(_, node)| *node)
            .collect();
        // All others teach, also those that are not trusted: the fit has to
        // find them by itself again.
        let teachers: Vec<Node> = nodes
            .iter()
            .filter(|node| !left_out.iter().any(|out| out.name == node.name))
            .map(|node| early(node, cut_s))
            .collect();
        let fit = fit(&teachers, prior, level);
        folds.extend(left_out.iter().map(|node| {
            Fold {
                later: node
                    .observations
                    .iter()
                    .filter(|sample| sample.at_s >= cut_s)
                    .collect(),
                fit: fit.clone(),
            }
        }));
    }
    folds
}

/// The best of the refined curves, against the curves of load alone; the
/// first, which is the simplest, unless a later one is clearly better.
fn refinement(folds: &[Fold]) -> Option<Refinement> {
    let mut best: Option<Refinement> = None;
    let mut tried: Vec<Vec<Input>> = Vec::new();
    for fit in folds.iter().filter_map(|fold| fold.fit.as_ref()) {
        for refined in &fit.refined {
            let inputs: Vec<Input> = refined.inputs().collect();
            if !tried.contains(&inputs) {
                tried.push(inputs);
            }
        }
    }
    tried.sort_by_key(Vec::len);
    for inputs in tried {
        let Some(one) = compared(folds, inputs) else {
            continue;
        };
        let replaces = best.as_ref().is_none_or(|best| {
            (one.better && !best.better)
                || (one.better == best.better && one.mape_percent < best.mape_percent * WORTH_MORE)
        });
        if replaces {
            best = Some(one);
        }
    }
    best
}

/// One set of quantities on the later samples that tell them.
fn compared(folds: &[Fold], inputs: Vec<Input>) -> Option<Refinement> {
    let (mut with, mut without, mut held) = (Vec::new(), Vec::new(), Vec::new());
    let mut samples = 0;
    for fold in folds {
        let Some(fit) = &fold.fit else { continue };
        let Some(refined) = find(fit, &inputs) else {
            continue;
        };
        let answers: Vec<(&Observation, (f64, f64))> = fold
            .later
            .iter()
            .filter_map(|sample| Some((*sample, refined.answer(sample)?)))
            .collect();
        if answers.is_empty() {
            continue;
        }
        samples += answers.len();
        with.push(mean(
            answers
                .iter()
                .map(|(sample, (watts, _))| error(*watts, sample)),
        ));
        without.push(mean(answers.iter().map(|(sample, _)| {
            error(fit.band.watts_at(sample.utilisation), sample)
        })));
        held.push(mean(
            answers
                .iter()
                .map(|(sample, answer)| holds(*answer, sample)),
        ));
    }
    if samples < JUDGES_MIN {
        return None;
    }
    let of = |figures: &[f64]| mean(figures.iter().copied());
    let wins = with.iter().zip(&without).filter(|(a, b)| a < b).count();
    let better =
        of(&with) < of(&without) * BETTER && 2 * wins > with.len() && of(&held) >= COVERAGE_LEAST;
    Some(Refinement {
        inputs,
        better,
        mape_percent: of(&with) * 100.0,
        without_percent: of(&without) * 100.0,
        coverage_percent: of(&held) * 100.0,
        nodes: with.len(),
        samples,
    })
}

/// The refined curve of a fit that knows these quantities.
pub(crate) fn find<'a>(fit: &'a Fit, inputs: &[Input]) -> Option<&'a super::Refined> {
    fit.refined
        .iter()
        .find(|refined| refined.inputs().eq(inputs.iter().copied()))
}

fn decide(all: &[Judged], refuse: impl Fn(String) -> Verdict) -> Verdict {
    let judges: Vec<&Judged> = all.iter().filter(|one| one.samples > 0).collect();
    let samples = judges.iter().map(|judged| judged.samples).sum();
    if samples < JUDGES_MIN {
        return refuse(format!("{samples} later samples; {JUDGES_MIN} are needed"));
    }
    let of = |figure: fn(&Judged) -> f64| mean(judges.iter().map(|judged| figure(judged)));
    let (newcomer, incumbent) = (of(|judged| judged.newcomer), of(|judged| judged.incumbent));
    let coverage = of(|judged| judged.held);
    let wins = judges
        .iter()
        .filter(|judged| judged.newcomer < judged.incumbent)
        .count();
    let (better, reason) = if newcomer >= incumbent * BETTER {
        (false, "is not better on later samples of left-out nodes")
    } else if 2 * wins <= judges.len() {
        (false, "is better on half of the left-out nodes at most")
    } else if coverage < COVERAGE_LEAST {
        (
            false,
            "has bounds that hold too few samples of left-out nodes",
        )
    } else {
        (true, "is better on later samples of left-out nodes")
    };
    Verdict {
        better,
        reason: format!(
            "{reason}: {:.1} against {:.1} %, better on {wins} of {} nodes, bounds hold {:.0} %",
            newcomer * 100.0,
            incumbent * 100.0,
            judges.len(),
            coverage * 100.0
        ),
        nodes: judges.len(),
        samples,
        mape_percent: newcomer * 100.0,
        incumbent_mape_percent: incumbent * 100.0,
        prior_mape_percent: of(|judged| judged.prior) * 100.0,
        coverage_percent: coverage * 100.0,
        refinement: None,
    }
}

/// The moment from which samples judge instead of teaching.
fn cut(nodes: &[&Node]) -> Option<i64> {
    let mut ends: Vec<i64> = nodes
        .iter()
        .flat_map(|node| node.observations.iter().map(|sample| sample.at_s))
        .collect();
    ends.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a length is within the length"
    )]
    let at = (count(ends.len()) * EARLY) as usize;
    ends.get(at).copied()
}

fn early(node: &Node, cut_s: i64) -> Node {
    Node {
        name: node.name.clone(),
        observations: node
            .observations
            .iter()
            .copied()
            .filter(|sample| sample.at_s < cut_s)
            .collect(),
    }
}

fn judge(fold: &Fold, inputs: Option<&[Input]>, incumbent: &Learned, prior: &Band) -> Judged {
    // Who is distrusted without the left-out ones may leave too few: the
    // newcomer is then judged as if it were the prior.
    let newcomer = fold.fit.as_ref().map_or_else(
        || Learned::from(prior.clone()),
        |fit| Learned {
            band: fit.band.clone(),
            refined: inputs.and_then(|inputs| find(fit, inputs)).cloned(),
        },
    );
    let of = |model: &Learned| {
        mean(
            fold.later
                .iter()
                .map(|sample| error(model.answer(sample).0, sample)),
        )
    };
    Judged {
        newcomer: of(&newcomer),
        incumbent: of(incumbent),
        prior: mean(
            fold.later
                .iter()
                .map(|sample| error(prior.watts_at(sample.utilisation), sample)),
        ),
        held: mean(
            fold.later
                .iter()
                .map(|sample| holds(newcomer.answer(sample), sample)),
        ),
        samples: fold.later.len(),
    }
}

fn error(watts: f64, sample: &Observation) -> f64 {
    (watts - sample.watts).abs() / sample.watts
}

/// 1 if the sample is within the bounds, 0 if not.
fn holds((watts, half): (f64, f64), sample: &Observation) -> f64 {
    let residual = (sample.watts / watts.max(super::WATTS_LEAST)).ln();
    f64::from(u8::from(residual.abs() <= half))
}
