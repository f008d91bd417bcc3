//! Is a learned curve better than what it would replace? Judged on nodes that
//! were left out, at times later than all that was learned from.

use serde::{Deserialize, Serialize};

use super::fit::fit;
use super::{Band, NODES_MIN, Node, Trust, mean};
use crate::host::count;

/// Groups of nodes that are left out in turn, at most.
const FOLDS_MAX: usize = 10;
/// The share of the time that is learned from; the rest judges.
const EARLY: f64 = 0.7;
/// A newcomer's error must be below this share of the incumbent's.
const BETTER: f64 = 0.98;
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
    incumbent: &Band,
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
    let folds = trusted.len().min(FOLDS_MAX);
    let mut judged = Vec::new();
    for fold in 0..folds {
        let left_out: Vec<&Node> = trusted
            .iter()
            .enumerate()
            .filter(|(at, _)| at % folds == fold)
            .map(|(_, node)| *node)
            .collect();
        // All others teach, also those that are not trusted: the fit has to
        // find them by itself again.
        let teachers: Vec<Node> = nodes
            .iter()
            .filter(|node| !left_out.iter().any(|out| out.name == node.name))
            .map(|node| early(node, cut_s))
            .collect();
        let band = fit(&teachers, prior, level).map(|fit| fit.band);
        // Who is distrusted without the left-out ones may leave too few: the
        // newcomer is then judged as if it were the prior.
        let band = band.as_ref().unwrap_or(prior);
        judged.extend(
            left_out
                .iter()
                .map(|node| judge(node, cut_s, [band, incumbent, prior])),
        );
    }
    decide(&judged, refuse)
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

fn judge(node: &Node, cut_s: i64, [newcomer, incumbent, prior]: [&Band; 3]) -> Judged {
    let later: Vec<_> = node
        .observations
        .iter()
        .filter(|sample| sample.at_s >= cut_s)
        .collect();
    let error =
        |band: &Band| {
            mean(later.iter().map(|sample| {
                (band.watts_at(sample.utilisation) - sample.watts).abs() / sample.watts
            }))
        };
    Judged {
        newcomer: error(newcomer),
        incumbent: error(incumbent),
        prior: error(prior),
        held: mean(
            later
                .iter()
                .map(|sample| f64::from(u8::from(newcomer.holds(sample)))),
        ),
        samples: later.len(),
    }
}
