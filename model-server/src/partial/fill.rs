//! Fills in what published results leave out of machines, so that each has all
//! numbers: what is expected of it by those that it has, and how sure that is.
//!
//! Expectation and maximisation of one normal distribution, in a few rounds.
//! Power is not looked at: nothing of a machine's own power gets into its
//! numbers.

use std::collections::BTreeMap;

use super::cells::{Cells, TOLD, Which};
use crate::matrix::{Singular, Square, dot};

/// Rounds until nothing moves any more, to three digits.
const ROUNDS: usize = 8;
/// What keeps the covariance of told numbers invertible.
const LEAST_VARIANCE: f64 = 1e-3;

/// Machines with all their numbers.
pub(super) struct Filled {
    /// In units of the spread, from the mean.
    pub(super) rows: Vec<[f64; TOLD]>,
    /// By machine the place of its doubt.
    pub(super) doubt_of: Vec<usize>,
    /// Covariances of what was filled in.
    pub(super) doubts: Vec<Square>,
    /// Mean and spread of each number.
    pub(super) units: [(f64, f64); TOLD],
}

/// Fills in machines that weigh `weights`.
///
/// # Errors
/// If a covariance has no inverse, which its least variance prevents.
pub(super) fn fill(machines: &[Cells], weights: &[f64]) -> Result<Filled, Singular> {
    let units = units(machines, weights);
    let standard = |cells: &Cells| -> Cells {
        std::array::from_fn(|at| cells[at].map(|cell| (cell - units[at].0) / units[at].1))
    };
    let machines: Vec<Cells> = machines.iter().map(standard).collect();
    let mut kinds: BTreeMap<Which, usize> = BTreeMap::new();
    let doubt_of: Vec<usize> = machines
        .iter()
        .map(|cells| {
            let next = kinds.len();
            *kinds.entry(Which::of(cells)).or_insert(next)
        })
        .collect();
    let mut told: Vec<Vec<usize>> = vec![Vec::new(); kinds.len()];
    for (which, kind) in &kinds {
        told[*kind] = which.places();
    }
    let mut mean = [0.0; TOLD];
    let mut covariance = Square::symmetric(TOLD, |a, b| f64::from(u8::from(a == b)));
    let mut rows = Vec::new();
    let mut doubts = Vec::new();
    for _ in 0..ROUNDS {
        let fillers: Vec<Filler> = told
            .iter()
            .map(|told| Filler::new(told, &covariance))
            .collect::<Result<_, _>>()?;
        rows = machines
            .iter()
            .zip(&doubt_of)
            .map(|(cells, kind)| fillers[*kind].fill(cells, &mean))
            .collect();
        doubts = fillers.into_iter().map(|filler| filler.doubt).collect();
        let total: f64 = weights.iter().sum();
        mean = std::array::from_fn(|at| {
            let parts = rows.iter().zip(weights);
            parts.map(|(row, weight)| row[at] * weight).sum::<f64>() / total
        });
        covariance = Square::symmetric(TOLD, |a, b| {
            let parts = rows.iter().zip(weights).zip(&doubt_of);
            let sum: f64 = parts
                .map(|((row, weight), kind)| {
                    ((row[a] - mean[a]) * (row[b] - mean[b]) + doubts[*kind].at(a, b)) * weight
                })
                .sum();
            sum / total
        });
    }
    Ok(Filled {
        rows,
        doubt_of,
        doubts,
        units,
    })
}

/// Mean and spread of each number over the machines that have it.
fn units(machines: &[Cells], weights: &[f64]) -> [(f64, f64); TOLD] {
    std::array::from_fn(|at| {
        let known = || {
            let parts = machines.iter().zip(weights);
            parts.filter_map(|(cells, weight)| Some((cells[at]?, *weight)))
        };
        let total: f64 = known().map(|(_, weight)| weight).sum();
        if total <= 0.0 {
            return (0.0, 1.0);
        }
        let mean = known().map(|(cell, weight)| cell * weight).sum::<f64>() / total;
        let square = known().map(|(cell, weight)| (cell - mean).powi(2) * weight);
        (mean, (square.sum::<f64>() / total).sqrt().max(1e-3))
    })
}

/// What is expected of machines that tell the same.
struct Filler {
    told: Vec<usize>,
    missing: Vec<usize>,
    /// By missing number, its slope on each told one.
    slopes: Vec<Vec<f64>>,
    doubt: Square,
}

impl Filler {
    fn new(told: &[usize], covariance: &Square) -> Result<Self, Singular> {
        let missing: Vec<usize> = (0..TOLD).filter(|at| !told.contains(at)).collect();
        let inverse = Square::symmetric(told.len(), |a, b| {
            let own = if a == b { LEAST_VARIANCE } else { 0.0 };
            covariance.at(told[a], told[b]) + own
        })
        .inverse()?;
        let with = |place: usize| -> Vec<f64> {
            told.iter()
                .map(|other| covariance.at(place, *other))
                .collect()
        };
        let slopes: Vec<Vec<f64>> = missing
            .iter()
            .map(|place| {
                let with = with(*place);
                (0..told.len())
                    .map(|a| dot(inverse.row(a), &with))
                    .collect()
            })
            .collect();
        let own = |place: usize| missing.iter().position(|missing| *missing == place);
        let doubt = Square::symmetric(TOLD, |a, b| match (own(a), own(b)) {
            (Some(own), Some(_)) => covariance.at(a, b) - dot(&slopes[own], &with(b)),
            _ => 0.0,
        });
        Ok(Self {
            told: told.to_vec(),
            missing,
            slopes,
            doubt,
        })
    }

    fn fill(&self, cells: &Cells, mean: &[f64; TOLD]) -> [f64; TOLD] {
        let apart: Vec<f64> = self
            .told
            .iter()
            .map(|place| cells[*place].unwrap_or(mean[*place]) - mean[*place])
            .collect();
        let mut row: [f64; TOLD] = std::array::from_fn(|at| cells[at].unwrap_or(mean[at]));
        for (place, slopes) in self.missing.iter().zip(&self.slopes) {
            row[*place] = mean[*place] + dot(slopes, &apart);
        }
        row
    }
}
