//! The fit: each node by itself, then all nodes by their median.
//!
//! Fitted is the logarithm of the ratio to the prior's curve at each load
//! level. One node: [`super::node`]. All nodes: the median by level. Where
//! samples tell more than load, [`super::refine`] offers curves that know it.

use super::node::{NodeFit, fit_node};
use super::refine::{self, Refined};
use super::robust::{median, spread, student_factor, weighted_median};
use super::sensor::stuck;
use super::{Band, NODES_MIN, Node, SAMPLES_MIN, Trust};
use crate::host::{Curve, LOADS, count};

/// A node's samples at one level weigh at most this many.
const VOICE_MOST: f64 = 20.0;
/// A node farther from the others than this many of their spreads, and than
/// [`APART_LEAST`], is not of their kind.
const APART: f64 = 4.0;
/// Machines of one model differ by some 5 % for good reasons.
const APART_LEAST: f64 = 0.12;
/// Spread among machines of one kind that is assumed before any was seen:
/// published twins differ by 5 to 7 % (`SPECpower` results of one system
/// model).
const TWIN_SPREAD: f64 = 0.06;
/// The assumption weighs as this many nodes.
const TWIN_NODES: f64 = 3.0;

/// A type's fit.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The curve with bounds at the level asked for.
    pub band: Band,
    /// What is thought of each node, in the order given.
    pub trust: Vec<Trust>,
    /// Samples of trusted nodes.
    pub samples: usize,
    /// Curves that know more than load, for whoever finds them better.
    pub refined: Vec<Refined>,
}

impl Fit {
    /// Number of trusted nodes.
    #[must_use]
    pub fn trusted(&self) -> usize {
        self.trust
            .iter()
            .filter(|trust| **trust == Trust::Trusted)
            .count()
    }
}

/// Fits a type; `None` if fewer than [`NODES_MIN`] nodes can be trusted.
/// Bounds are to hold a share `level` of the samples of a node not seen.
#[must_use]
pub fn fit(nodes: &[Node], prior: &Band, level: f64) -> Option<Fit> {
    let mut trust: Vec<Trust> = nodes.iter().map(|node| first_look(node, prior)).collect();
    let fits: Vec<Option<NodeFit>> = nodes
        .iter()
        .zip(&trust)
        .map(|(node, trust)| {
            (*trust == Trust::Trusted)
                .then(|| Some(fit_node(&node.observations, prior, &[])?.0))
                .flatten()
        })
        .collect();
    let all: Vec<&NodeFit> = fits.iter().flatten().collect();
    let centre = join(&all)?;
    let apart: Vec<f64> = all.iter().map(|fit| distance(fit, &centre)).collect();
    let usual = spread_about(&apart, median(&apart)?);
    let limit = (APART * usual).max(APART_LEAST);
    for ((fit, trust), node) in fits.iter().zip(&mut trust).zip(nodes) {
        let Some(fit) = fit else { continue };
        let (far, bend) = (distance(fit, &centre), bend(fit, &centre));
        if far.abs() > limit || bend > limit {
            *trust = Trust::Apart(format!(
                "{}: {:+.0} % against the median of {} nodes",
                node.name,
                far.exp_m1() * 100.0,
                all.len()
            ));
        }
    }
    let kept: Vec<&NodeFit> = fits
        .iter()
        .zip(&trust)
        .filter(|(_, trust)| **trust == Trust::Trusted)
        .filter_map(|(fit, _)| fit.as_ref())
        .collect();
    if kept.len() < NODES_MIN {
        return None;
    }
    let ratio = join(&kept)?;
    let samples = nodes
        .iter()
        .zip(&trust)
        .filter(|(_, trust)| **trust == Trust::Trusted)
        .map(|(node, _)| node.observations.len())
        .sum();
    let trusted: Vec<&Node> = nodes
        .iter()
        .zip(&trust)
        .filter(|(_, trust)| **trust == Trust::Trusted)
        .map(|(node, _)| node)
        .collect();
    Some(Fit {
        band: band(prior, &ratio, &kept, level),
        refined: refine::candidates(&trusted, prior, level),
        trust,
        samples,
    })
}

fn first_look(node: &Node, prior: &Band) -> Trust {
    let samples = node.observations.len();
    if samples < SAMPLES_MIN {
        return Trust::Young(format!("{samples} samples; {SAMPLES_MIN} are needed"));
    }
    stuck(node, prior).map_or(Trust::Trusted, Trust::Stuck)
}

/// Mean log ratio of a node to `centre`, each level weighing by its samples.
fn distance(fit: &NodeFit, centre: &Curve) -> f64 {
    weighted(fit, |level| fit.ratio[level] - centre[level])
}

/// How far a node's curve is bent against `centre`, its mean distance aside.
fn bend(fit: &NodeFit, centre: &Curve) -> f64 {
    let mean = distance(fit, centre);
    weighted(fit, |level| {
        (fit.ratio[level] - centre[level] - mean).powi(2)
    })
    .sqrt()
}

fn weighted(fit: &NodeFit, figure: impl Fn(usize) -> f64) -> f64 {
    let total: f64 = fit.near.iter().sum();
    (0..LOADS)
        .map(|level| fit.near[level] * figure(level))
        .sum::<f64>()
        / total.max(f64::MIN_POSITIVE)
}

fn spread_about(values: &[f64], centre: f64) -> f64 {
    spread(
        &values
            .iter()
            .map(|value| value - centre)
            .collect::<Vec<_>>(),
    )
}

/// The nodes' median log ratio by level; `None` without nodes.
pub(super) fn join(fits: &[&NodeFit]) -> Option<Curve> {
    let mut ratio = [0.0; LOADS];
    for (level, joined) in ratio.iter_mut().enumerate() {
        let voices: Vec<(f64, f64)> = fits
            .iter()
            .map(|fit| (fit.ratio[level], fit.near[level].min(VOICE_MOST) + 0.05))
            .collect();
        *joined = weighted_median(&voices)?;
    }
    Some(ratio)
}

/// The curve and its bounds. A new node differs from the median by the nodes'
/// own spread, its samples by their noise; where no load was seen, the prior's
/// doubt about the curve's shape comes on top.
pub(super) fn band(prior: &Band, ratio: &Curve, kept: &[&NodeFit], level: f64) -> Band {
    let nodes = count(kept.len());
    let squares: f64 = kept.iter().map(|fit| distance(fit, ratio).powi(2)).sum();
    let among = (TWIN_NODES * TWIN_SPREAD * TWIN_SPREAD + squares) / (TWIN_NODES + nodes - 1.0);
    let noises: Vec<f64> = kept.iter().map(|fit| fit.noise).collect();
    let noise = median(&noises).unwrap_or(0.0);
    let deviation = (among * (1.0 + 1.0 / nodes) + noise * noise).sqrt();
    let known = student_factor(level, TWIN_NODES + nodes - 1.0) * deviation;
    let mut watts = [0.0; LOADS];
    let mut half = [0.0; LOADS];
    let mut most = 0.0_f64;
    for at in 0..LOADS {
        most = most.max(prior.watts[at] * ratio[at].exp());
        watts[at] = most;
        let near: f64 = kept.iter().map(|fit| fit.near[at]).sum();
        let unseen = prior.half[at] / (1.0 + near / 3.0);
        half[at] = known.hypot(unseen);
    }
    Band { watts, half }
}
