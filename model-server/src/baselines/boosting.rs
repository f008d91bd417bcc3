//! Gradient-boosted trees with a curve in each leaf, for comparison only.
//!
//! Squared loss, histograms of quantiles, fixed and hand-set sizes as the usual
//! libraries have them by default. Rows index their own tables, so no index can
//! leave them.

use crate::host::{Curve, LOADS, count};

const ROUNDS: usize = 150;
const RATE: f64 = 0.1;
const DEPTH: usize = 4;
const BINS: usize = 32;
const LEAF_MIN: usize = 4;
/// What a leaf's curve is shrunk by, in machines.
const SHRINK: f64 = 1.0;

/// A trained ensemble.
#[derive(Clone, Debug)]
pub(super) struct Boosting {
    base: Curve,
    trees: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Curve),
    Split {
        column: usize,
        at: f64,
        low: Box<Node>,
        high: Box<Node>,
    },
}

impl Node {
    fn leaf(&self, row: &[f64]) -> &Curve {
        match self {
            Self::Leaf(curve) => curve,
            Self::Split {
                column,
                at,
                low,
                high,
            } => {
                if row[*column] <= *at {
                    low.leaf(row)
                } else {
                    high.leaf(row)
                }
            }
        }
    }
}

/// Rows with the bin of each cell, and the upper ends of bins.
struct Binned<'a> {
    rows: &'a [Vec<f64>],
    bins: Vec<Vec<usize>>,
    ends: Vec<Vec<f64>>,
}

impl<'a> Binned<'a> {
    fn new(rows: &'a [Vec<f64>]) -> Self {
        let width = rows.first().map_or(0, Vec::len);
        let ends: Vec<Vec<f64>> = (0..width)
            .map(|column| {
                let mut cells: Vec<f64> = rows.iter().map(|row| row[column]).collect();
                cells.sort_by(f64::total_cmp);
                cells.dedup();
                let step = (cells.len() / BINS).max(1);
                cells.into_iter().step_by(step).collect()
            })
            .collect();
        let bins = rows
            .iter()
            .map(|row| {
                row.iter()
                    .zip(&ends)
                    .map(|(cell, ends)| ends.partition_point(|end| end < cell))
                    .collect()
            })
            .collect();
        Self { rows, bins, ends }
    }

    /// The split that explains most, if any explains something.
    fn best(&self, members: &[usize], residuals: &[Curve]) -> Option<(usize, f64)> {
        let total = sum(members.iter().map(|member| &residuals[*member]));
        let alone = gain(&total, members.len());
        let mut best: Option<(f64, usize, f64)> = None;
        for (column, ends) in self.ends.iter().enumerate() {
            let mut bins = vec![([0.0; LOADS], 0_usize); ends.len() + 1];
            for member in members {
                let bin = &mut bins[self.bins[*member][column]];
                bin.1 += 1;
                for (to, from) in bin.0.iter_mut().zip(&residuals[*member]) {
                    *to += from;
                }
            }
            let (mut low, mut below) = ([0.0; LOADS], 0);
            for ((curve, size), end) in bins.iter().zip(ends) {
                below += size;
                for (to, from) in low.iter_mut().zip(curve) {
                    *to += from;
                }
                if below < LEAF_MIN || members.len() - below < LEAF_MIN {
                    continue;
                }
                let high: Curve = std::array::from_fn(|level| total[level] - low[level]);
                let better = gain(&low, below) + gain(&high, members.len() - below) - alone;
                if best.is_none_or(|(most, ..)| better > most) {
                    best = Some((better, column, *end));
                }
            }
        }
        best.filter(|(gain, ..)| *gain > 1e-9)
            .map(|(_, column, at)| (column, at))
    }

    fn grow(&self, members: &[usize], residuals: &[Curve], depth: usize) -> Node {
        let split = (depth > 0).then(|| self.best(members, residuals)).flatten();
        let Some((column, at)) = split else {
            let size = count(members.len()) + SHRINK;
            let total = sum(members.iter().map(|member| &residuals[*member]));
            return Node::Leaf(total.map(|cell| RATE * cell / size));
        };
        let (low, high): (Vec<usize>, Vec<usize>) = members
            .iter()
            .partition(|member| self.rows[**member][column] <= at);
        Node::Split {
            column,
            at,
            low: Box::new(self.grow(&low, residuals, depth - 1)),
            high: Box::new(self.grow(&high, residuals, depth - 1)),
        }
    }
}

fn sum<'a>(curves: impl Iterator<Item = &'a Curve>) -> Curve {
    let mut total = [0.0; LOADS];
    for curve in curves {
        for (to, from) in total.iter_mut().zip(curve) {
            *to += from;
        }
    }
    total
}

fn gain(total: &Curve, members: usize) -> f64 {
    total.iter().map(|cell| cell * cell).sum::<f64>() / (count(members) + SHRINK)
}

impl Boosting {
    pub(super) fn learn(rows: &[Vec<f64>], targets: &[Curve]) -> Self {
        let base = sum(targets.iter()).map(|cell| cell / count(targets.len().max(1)));
        let mut residuals: Vec<Curve> = targets
            .iter()
            .map(|target| std::array::from_fn(|level| target[level] - base[level]))
            .collect();
        let binned = Binned::new(rows);
        let all: Vec<usize> = (0..rows.len()).collect();
        let mut trees = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let tree = binned.grow(&all, &residuals, DEPTH);
            for (row, residual) in rows.iter().zip(&mut residuals) {
                for (cell, step) in residual.iter_mut().zip(tree.leaf(row)) {
                    *cell -= step;
                }
            }
            trees.push(tree);
        }
        Self { base, trees }
    }

    pub(super) fn predict(&self, row: &[f64]) -> Curve {
        let mut curve = self.base;
        for tree in &self.trees {
            for (cell, step) in curve.iter_mut().zip(tree.leaf(row)) {
                *cell += step;
            }
        }
        curve
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_and_its_place_are_found() {
        let rows: Vec<Vec<f64>> = (0..60)
            .map(|n| vec![f64::from(n % 7), f64::from(n)])
            .collect();
        let targets: Vec<Curve> = rows
            .iter()
            .map(|row| [if row[1] < 30.0 { 1.0 } else { 3.0 }; LOADS])
            .collect();
        let model = Boosting::learn(&rows, &targets);
        assert!((model.predict(&[3.0, 5.0])[4] - 1.0).abs() < 0.05);
        assert!((model.predict(&[3.0, 55.0])[4] - 3.0).abs() < 0.05);
    }
}
