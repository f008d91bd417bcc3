//! Machines as draws of one normal distribution: what is told of them, and the
//! logarithms of their power.
//!
//! Sums over machines can be taken from each other, so that leaving a group out
//! needs no second pass over the rest.

use super::cells::TOLD;
use crate::host::LOADS;
use crate::matrix::{Singular, Square, dot};

/// Numbers of a machine: what is told, in units of its spread, then the
/// logarithms of its power by load.
pub(super) const ALL: usize = TOLD + LOADS;

/// A share of each told number's variance that is its own and says nothing of
/// power: it holds slopes small where columns go together.
const OWN: f64 = 0.02;

/// Sums over machines.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    weight: f64,
    totals: [f64; ALL],
    products: Vec<f64>,
}

impl Sums {
    pub(super) fn none() -> Self {
        Self {
            weight: 0.0,
            totals: [0.0; ALL],
            products: vec![0.0; ALL * ALL],
        }
    }

    /// Adds a machine; `doubt` is the covariance of those of its told numbers
    /// that had to be filled in.
    pub(super) fn add(&mut self, row: &[f64; ALL], weight: f64, doubt: &Square) {
        self.weight += weight;
        for (a, x) in row.iter().enumerate() {
            self.totals[a] += weight * x;
            for (b, y) in row.iter().enumerate() {
                self.products[a * ALL + b] += weight * x * y;
            }
        }
        for a in 0..doubt.size() {
            for b in 0..doubt.size() {
                self.products[a * ALL + b] += weight * doubt.at(a, b);
            }
        }
    }

    /// Without the machines of `other`, which are among these.
    pub(super) fn without(&self, other: &Self) -> Self {
        Self {
            weight: self.weight - other.weight,
            totals: std::array::from_fn(|at| self.totals[at] - other.totals[at]),
            products: self
                .products
                .iter()
                .zip(&other.products)
                .map(|(all, some)| all - some)
                .collect(),
        }
    }

    fn mean(&self, at: usize) -> f64 {
        self.totals[at] / self.weight
    }

    pub(super) fn covariance(&self, a: usize, b: usize) -> f64 {
        self.products[a * ALL + b] / self.weight - self.mean(a) * self.mean(b)
    }
}

/// Power as it goes with those numbers that are told.
#[derive(Clone, Debug)]
pub(super) struct Fit {
    told: Vec<usize>,
    mean: [f64; ALL],
    inverse: Square,
    slopes: Vec<[f64; LOADS]>,
}

impl Fit {
    /// The normal distribution of power given the numbers at places `told`; of
    /// power by something, if `by` says where the logarithm of that stands, its
    /// mean and its unit.
    ///
    /// # Errors
    /// If their covariance has no inverse, which their own variance prevents.
    pub(super) fn new(
        sums: &Sums,
        told: &[usize],
        by: Option<(usize, (f64, f64))>,
    ) -> Result<Self, Singular> {
        let inverse = inverse(sums, told)?;
        let with: [Vec<f64>; LOADS] = std::array::from_fn(|level| {
            told.iter()
                .map(|place| {
                    let of_it =
                        by.map_or(0.0, |(by, (_, unit))| unit * sums.covariance(*place, by));
                    sums.covariance(*place, TOLD + level) - of_it
                })
                .collect()
        });
        let slope = |a: usize| std::array::from_fn(|level| dot(inverse.row(a), &with[level]));
        let slopes = (0..told.len()).map(slope).collect();
        let of_it = by.map_or(0.0, |(by, (mean, unit))| mean + unit * sums.mean(by));
        Ok(Self {
            told: told.to_vec(),
            mean: std::array::from_fn(|at| sums.mean(at) - if at < TOLD { 0.0 } else { of_it }),
            inverse,
            slopes,
        })
    }

    /// The expected logarithms of power of a machine.
    pub(super) fn logs(&self, cells: &[f64; TOLD]) -> [f64; LOADS] {
        let mut logs: [f64; LOADS] = std::array::from_fn(|level| self.mean[TOLD + level]);
        for (place, slopes) in self.told.iter().zip(&self.slopes) {
            let apart = cells[*place] - self.mean[*place];
            for (log, slope) in logs.iter_mut().zip(slopes) {
                *log += apart * slope;
            }
        }
        logs
    }

    /// How far a machine is from the middle of all, squared, in the units in
    /// which they are spread.
    pub(super) fn distance(&self, cells: &[f64; TOLD]) -> f64 {
        let apart: Vec<f64> = self
            .told
            .iter()
            .map(|place| cells[*place] - self.mean[*place])
            .collect();
        self.inverse.quadratic(&apart).max(0.0)
    }
}

/// What is expected of the number at `place` by those at places `told`.
///
/// # Errors
/// As [`Fit::new`].
pub(super) fn expected(
    sums: &Sums,
    told: &[usize],
    place: usize,
    cells: &[f64; TOLD],
) -> Result<f64, Singular> {
    let inverse = inverse(sums, told)?;
    let with = |other: &usize| sums.covariance(place, *other);
    let with: Vec<f64> = told.iter().map(with).collect();
    let apart = |other: &usize| cells[*other] - sums.mean(*other);
    let apart: Vec<f64> = told.iter().map(apart).collect();
    let slopes = (0..told.len()).map(|row| dot(inverse.row(row), &with) * apart[row]);
    Ok(sums.mean(place) + slopes.sum::<f64>())
}

fn inverse(sums: &Sums, told: &[usize]) -> Result<Square, Singular> {
    Square::symmetric(told.len(), |a, b| {
        sums.covariance(told[a], told[b]) + if a == b { OWN } else { 0.0 }
    })
    .inverse()
}
