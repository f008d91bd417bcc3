//! Curves that know more than load: the clock, and what cycles were spent on.
//!
//! As with load alone each node is fitted by itself and has one voice: the
//! exponents are joined by their median, then the curves. Whether any of it is
//! better is not said here but in [`super::validate`].

use tanso_power::activity::Input;
use tanso_power::model::{EXPONENT_MOST, Term};

use super::fit::{band, join};
use super::node::{NodeFit, Probe, Voice, fit_node};
use super::robust::{median, weighted_median, weighted_quantile};
use super::{Band, NODES_MIN, Node, Observation, SAMPLES_MIN};

/// What is tried, the simplest first.
const TRIED: [&[Input]; 3] = [
    &[Input::FrequencyMhz],
    &[Input::InstructionsPerCycle, Input::MissesPerKiloInstruction],
    &Input::ALL,
];
/// The share of a node's samples on each side that does not count as its
/// range.
const TAIL: f64 = 0.02;
/// Samples of one node that are worth fitting; of more, evenly chosen ones.
const SAMPLES_MOST: usize = 500;
/// A quantity below this is taken for this: nothing has no logarithm.
const LEAST: f64 = 0.01;

/// A curve at its terms' references, and the terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Refined {
    /// The curve.
    pub band: Band,
    /// How power above idle goes with the quantities.
    pub terms: Vec<Term>,
}

impl Refined {
    /// Watts and the bounds' factor's logarithm; `None` if the sample does not
    /// tell a quantity.
    #[must_use]
    pub fn answer(&self, observation: &Observation) -> Option<(f64, f64)> {
        let mut exponent = 0.0;
        for term in &self.terms {
            exponent += term.exponent * term.distance(&observation.activity)?;
        }
        let idle = self.band.watts[0];
        let above = self.band.watts_at(observation.utilisation) - idle;
        let half = self.band.half_at(observation.utilisation);
        Some((idle + above * exponent.exp(), half))
    }

    /// The quantities that it asks for.
    pub fn inputs(&self) -> impl Iterator<Item = Input> {
        self.terms.iter().map(|term| term.input)
    }
}

/// The refined curves that these nodes' samples allow.
pub(super) fn candidates(nodes: &[&Node], prior: &Band, level: f64) -> Vec<Refined> {
    TRIED
        .iter()
        .filter_map(|inputs| refine(nodes, prior, inputs, level))
        .collect()
}

fn refine(nodes: &[&Node], prior: &Band, inputs: &[Input], level: f64) -> Option<Refined> {
    let told: Vec<Vec<Observation>> = nodes
        .iter()
        .map(|node| telling(node, inputs))
        .filter(|samples| samples.len() >= SAMPLES_MIN)
        .collect();
    if told.len() < NODES_MIN {
        return None;
    }
    let mut probes: Vec<Probe> = inputs
        .iter()
        .map(|input| probe(*input, &told))
        .collect::<Option<_>>()?;
    let voices: Vec<Vec<Voice>> = told
        .iter()
        .filter_map(|samples| Some(fit_node(samples, prior, &probes)?.1))
        .collect();
    for (at, probe) in probes.iter_mut().enumerate() {
        let of_nodes: Vec<(f64, f64)> = voices
            .iter()
            .map(|voices| (voices[at].exponent, voices[at].weight))
            .collect();
        // Hundredths: no digit is said that is not meant.
        let exponent = weighted_median(&of_nodes).unwrap_or(0.0);
        let exponent = exponent.clamp(-EXPONENT_MOST, EXPONENT_MOST);
        probe.term.exponent = (exponent * 100.0).round() / 100.0;
        probe.fixed = true;
    }
    let fits: Vec<NodeFit> = told
        .iter()
        .filter_map(|samples| Some(fit_node(samples, prior, &probes)?.0))
        .collect();
    let fits: Vec<&NodeFit> = fits.iter().collect();
    if fits.len() < NODES_MIN {
        return None;
    }
    let ratio = join(&fits)?;
    Some(Refined {
        band: band(prior, &ratio, &fits, level),
        terms: probes.iter().map(|probe| probe.term).collect(),
    })
}

/// The samples that tell all quantities.
fn telling(node: &Node, inputs: &[Input]) -> Vec<Observation> {
    let tells = |sample: &&Observation| {
        inputs
            .iter()
            .all(|input| sample.activity.get(*input).is_some())
    };
    let told: Vec<&Observation> = node.observations.iter().filter(tells).collect();
    let step = told.len().div_ceil(SAMPLES_MOST).max(1);
    told.into_iter().step_by(step).copied().collect()
}

/// Reference and range of a quantity: the medians of the nodes' own, so that
/// one that lies moves none of them.
fn probe(input: Input, told: &[Vec<Observation>]) -> Option<Probe> {
    let of_nodes = |share: f64| -> Option<f64> {
        let of_node = |samples: &Vec<Observation>| {
            let figures = samples
                .iter()
                .filter_map(|sample| Some((sample.activity.get(input)?.max(LEAST), 1.0)));
            weighted_quantile(figures.collect(), share)
        };
        median(&told.iter().filter_map(of_node).collect::<Vec<_>>())
    };
    let (least, reference, most) = (of_nodes(TAIL)?, of_nodes(0.5)?, of_nodes(1.0 - TAIL)?);
    // Four digits are enough of a reference, and of a range that holds it.
    let digits = |figure: f64| {
        let unit = 10_f64.powf(figure.log10().floor() - 3.0);
        (figure / unit).round() * unit
    };
    let reference = digits(reference);
    Some(Probe {
        term: Term {
            input,
            reference,
            exponent: 0.0,
            least: digits(least).min(reference),
            most: digits(most).max(reference),
        },
        fixed: false,
    })
}
