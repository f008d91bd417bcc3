//! One node's fit: the logarithm of the ratio to the prior's curve at each
//! load level, and the exponents by which its power above idle goes with more
//! than load.
//!
//! Levels are held smooth, so that those without samples follow their
//! neighbours; Huber's weights (Huber 1964) let spikes count little. The
//! exponents enter by their tangent in each round (Gauss and Newton).

use tanso_power::model::Term;

use super::robust::{median, spread};
use super::{Band, Observation, WATTS_LEAST, place};
use crate::host::{Curve, LOADS};
use crate::matrix::{Square, dot};

/// Steps between neighbouring levels weigh as this many samples.
const SMOOTH: f64 = 2.0;
/// Rounds of reweighting; the weights settle in five or six.
const ROUNDS: usize = 12;
/// Huber's constant: 95 % efficiency for normal errors.
const HUBER: f64 = 1.345;
/// Residuals below this are never taken for spikes.
const SPREAD_LEAST: f64 = 0.005;
/// Exponents lie within this of 0 before anything is known: dynamic power goes
/// with the clock times the square of its voltage, of which the clock asks for
/// a part.
const EXPONENT_SPREAD: f64 = 1.5;
/// The factor on power above idle is within this and its inverse while the
/// exponents are still sought.
const FACTOR_MOST: f64 = 20.0;

/// One node's fit.
#[derive(Clone, Debug)]
pub(super) struct NodeFit {
    /// Log ratio to the prior by level.
    pub(super) ratio: Curve,
    /// Samples near each level.
    pub(super) near: Curve,
    /// Spread of its samples around its own curve.
    pub(super) noise: f64,
}

/// What one node says of an exponent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Voice {
    /// The exponent.
    pub(super) exponent: f64,
    /// The share of what is known of it that its samples told, 0 to 1.
    pub(super) weight: f64,
}

/// A quantity whose exponent is sought, or known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    /// Its reference and range.
    pub(super) term: Term,
    /// Whether the exponent of `term` is to be taken as it is.
    pub(super) fixed: bool,
}

/// One sample with what does not change from round to round.
struct Row {
    residual: f64,
    /// The prior's watts.
    prior: f64,
    place: (usize, f64),
    /// Log distance of each quantity from its reference.
    away: Vec<f64>,
}

/// What is sought: the log ratio by level, then the exponents.
struct State {
    ratio: Curve,
    exponents: Vec<f64>,
}

/// The log ratio of one node to the prior and what it says of the exponents;
/// `None` if its samples cannot be fitted or do not tell the quantities.
pub(super) fn fit_node(
    observations: &[Observation],
    prior: &Band,
    probes: &[Probe],
) -> Option<(NodeFit, Vec<Voice>)> {
    let rows: Vec<Row> = observations
        .iter()
        .map(|sample| row(sample, prior, probes))
        .collect::<Option<_>>()?;
    let residuals: Vec<f64> = rows.iter().map(|row| row.residual).collect();
    let mut state = State {
        ratio: [median(&residuals)?; LOADS],
        exponents: probes
            .iter()
            .map(|probe| {
                if probe.fixed {
                    probe.term.exponent
                } else {
                    0.0
                }
            })
            .collect(),
    };
    let idle = prior.watts[0].max(WATTS_LEAST);
    let mut scale = SPREAD_LEAST;
    let mut voices = Vec::new();
    for _ in 0..ROUNDS {
        let effects: Vec<(f64, f64)> = rows.iter().map(|row| state.effect(row, idle)).collect();
        let left: Vec<f64> = rows
            .iter()
            .zip(&effects)
            .map(|(row, (effect, _))| row.residual - state.ratio_at(row.place) - effect)
            .collect();
        scale = spread(&left).max(SPREAD_LEAST);
        let mut system = System::new(probes, scale);
        for ((row, (effect, slope)), error) in rows.iter().zip(&effects).zip(&left) {
            let weight = (HUBER * scale / error.abs().max(f64::MIN_POSITIVE)).min(1.0);
            system.add(row, *effect, *slope, weight, &state.exponents);
        }
        voices = system.solve(&mut state)?;
    }
    let mut near = [0.0; LOADS];
    for (level, share) in rows.iter().map(|row| row.place) {
        near[level] += 1.0 - share;
        near[level + 1] += share;
    }
    let fit = NodeFit {
        ratio: state.ratio,
        near,
        noise: scale,
    };
    Some((fit, voices))
}

fn row(sample: &Observation, prior: &Band, probes: &[Probe]) -> Option<Row> {
    let away = probes
        .iter()
        .map(|probe| probe.term.distance(&sample.activity))
        .collect::<Option<_>>()?;
    Some(Row {
        residual: prior.residual(sample),
        prior: prior.watts_at(sample.utilisation).max(WATTS_LEAST),
        place: place(sample.utilisation),
        away,
    })
}

impl State {
    fn ratio_at(&self, (level, share): (usize, f64)) -> f64 {
        self.ratio[level] + share * (self.ratio[level + 1] - self.ratio[level])
    }

    /// Logarithm of what the quantities make of a sample's power, and its
    /// slope in the exponents' sum.
    fn effect(&self, row: &Row, idle: f64) -> (f64, f64) {
        if row.away.is_empty() {
            return (0.0, 0.0);
        }
        let total = row.prior * self.ratio_at(row.place).exp();
        // What of the power is above idle: the part that a factor is on.
        let share = (1.0 - idle * self.ratio[0].exp() / total).clamp(0.0, 1.0);
        let most = FACTOR_MOST.ln();
        let factor = dot(&self.exponents, &row.away).clamp(-most, most).exp();
        let whole = 1.0 + share * (factor - 1.0);
        (whole.ln(), share * factor / whole)
    }
}

/// Weighted least squares over the levels, steps between levels held small,
/// and over the exponents, held near 0 by what is known before.
struct System<'a> {
    probes: &'a [Probe],
    /// Levels, then exponents.
    width: usize,
    gram: Vec<Vec<f64>>,
    right: Vec<f64>,
    /// What is known before of each exponent, in the samples' weight.
    before: f64,
}

impl<'a> System<'a> {
    fn new(probes: &'a [Probe], scale: f64) -> Self {
        let width = LOADS + probes.len();
        let mut gram = vec![vec![0.0; width]; width];
        for level in 1..LOADS {
            gram[level][level] += SMOOTH;
            gram[level - 1][level - 1] += SMOOTH;
            gram[level][level - 1] -= SMOOTH;
            gram[level - 1][level] -= SMOOTH;
        }
        let before = (scale / EXPONENT_SPREAD).powi(2);
        for (at, probe) in probes.iter().enumerate() {
            // One that is known moves nowhere.
            gram[LOADS + at][LOADS + at] = if probe.fixed { 1.0 } else { before };
        }
        Self {
            probes,
            width,
            gram,
            right: vec![0.0; width],
            before,
        }
    }

    fn add(&mut self, row: &Row, effect: f64, slope: f64, weight: f64, exponents: &[f64]) {
        let (level, share) = row.place;
        let mut parts = vec![(level, 1.0 - share), (level + 1, share)];
        let mut target = row.residual - effect;
        for (at, probe) in self.probes.iter().enumerate() {
            if !probe.fixed {
                let part = slope * row.away[at];
                parts.push((LOADS + at, part));
                target += part * exponents[at];
            }
        }
        for (place, a) in &parts {
            self.right[*place] += weight * a * target;
            for (column, b) in &parts {
                self.gram[*place][*column] += weight * a * b;
            }
        }
    }

    /// Puts the solution into `state`; returns the exponents' voices.
    fn solve(&self, state: &mut State) -> Option<Vec<Voice>> {
        let inverse = Square::symmetric(self.width, |row, column| self.gram[row][column])
            .inverse()
            .ok()?;
        let solution = |place: usize| dot(inverse.row(place), &self.right);
        state.ratio = std::array::from_fn(solution);
        let mut voices = Vec::with_capacity(self.probes.len());
        for (at, probe) in self.probes.iter().enumerate() {
            let place = LOADS + at;
            if !probe.fixed {
                state.exponents[at] = solution(place);
            }
            voices.push(Voice {
                exponent: state.exponents[at],
                weight: (1.0 - self.before * inverse.at(place, place)).clamp(0.0, 1.0),
            });
        }
        Some(voices)
    }
}
