//! A sample of finite figures: mean, spread and robust counterparts, with sums
//! that are compensated, so that a large common part costs no digits.

use super::number;

/// The factor that makes a median absolute deviation estimate the standard
/// deviation of normal figures: 1/Φ⁻¹(3/4).
pub const MAD_TO_SD: f64 = 1.482_602_218_505_602;

/// At least one figure, all finite, in the order given.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample(Vec<f64>);

/// Why figures are no sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// There is nothing to compute from.
    #[error("a sample without figures: at least one is needed")]
    Empty,
    /// A figure is not finite.
    #[error("figure {0} of a sample is not finite")]
    NotFinite(usize),
}

impl Sample {
    /// A sample of figures.
    ///
    /// # Errors
    /// If there is none, or one is not finite.
    pub fn try_new(values: Vec<f64>) -> Result<Self, SampleError> {
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            return Err(SampleError::NotFinite(place));
        }
        if values.is_empty() {
            return Err(SampleError::Empty);
        }
        Ok(Self(values))
    }

    /// The figures, in the order given.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// How many there are, as a number to compute with.
    #[must_use]
    pub fn count(&self) -> f64 {
        number(self.0.len())
    }

    /// The arithmetic mean.
    #[must_use]
    pub fn mean(&self) -> f64 {
        let rough = sum(self.0.iter().copied()) / self.count();
        rough + sum(self.0.iter().map(|value| value - rough)) / self.count()
    }

    /// The sum of products of two samples' deviations from their means; of
    /// the shorter's length.
    #[must_use]
    pub fn co_deviation(&self, other: &Self) -> f64 {
        let (mine, others) = (self.mean(), other.mean());
        let pairs = || self.0.iter().zip(&other.0);
        let products = sum(pairs().map(|(a, b)| (a - mine) * (b - others)));
        // What rounding left in the means.
        let rest = sum(self.0.iter().map(|a| a - mine)) * sum(other.0.iter().map(|b| b - others));
        products - rest / self.count()
    }

    /// The standard deviation with n − 1; `None` of a single figure.
    #[must_use]
    pub fn sd(&self) -> Option<f64> {
        (self.0.len() > 1).then(|| {
            let variance = self.co_deviation(self) / (self.count() - 1.0);
            variance.max(0.0).sqrt()
        })
    }

    /// The correlation of each figure with the next (NIST's "lag-1
    /// autocorrelation"); `None` if all are equal.
    #[must_use]
    pub fn lag1_autocorrelation(&self) -> Option<f64> {
        let mean = self.mean();
        let square = sum(self.0.iter().map(|a| (a - mean).powi(2)));
        let next = self.0.iter().skip(1);
        let products = sum(self
            .0
            .iter()
            .zip(next)
            .map(|(a, b)| (a - mean) * (b - mean)));
        (square > 0.0).then(|| products / square)
    }

    /// The median; of an even number the mean of the middle two.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The quantile by linear interpolation of order statistics (type 7 of
    /// Hyndman & Fan 1996); `p` is held within 0 and 1.
    #[must_use]
    pub fn quantile(&self, p: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        quantile_of_sorted(&sorted, p)
    }

    /// The median absolute deviation from the median, unscaled.
    #[must_use]
    pub fn mad(&self) -> f64 {
        let median = self.median();
        Self(self.0.iter().map(|value| (value - median).abs()).collect()).median()
    }
}

/// Type 7 quantile of figures in ascending order; `NaN` of none.
#[must_use]
pub fn quantile_of_sorted(sorted: &[f64], p: f64) -> f64 {
    let place = number(sorted.len().saturating_sub(1)) * p.clamp(0.0, 1.0);
    let (below, above) = (at(sorted, place.floor()), at(sorted, place.ceil()));
    below + (above - below) * place.fract()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number within the length; an `as` from NaN is 0"
)]
fn at(sorted: &[f64], place: f64) -> f64 {
    sorted.get(place as usize).copied().unwrap_or(f64::NAN)
}

/// Neumaier's compensated sum (1974).
#[must_use]
pub fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut total, mut lost) = (0.0_f64, 0.0_f64);
    for value in values {
        let next = total + value;
        lost += if total.abs() >= value.abs() {
            (total - next) + value
        } else {
            (value - next) + total
        };
        total = next;
    }
    total + lost
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[f64]) -> Sample {
        Sample::try_new(values.to_vec()).unwrap()
    }

    #[test]
    fn a_large_common_part_costs_no_digits() {
        let figures = sample(&[1e15 + 4.0, 1e15 + 7.0, 1e15 + 13.0, 1e15 + 16.0]);
        let expected = (1e15 + 10.0, Some(30.0_f64.sqrt()));
        assert_eq!((figures.mean(), figures.sd()), expected);
    }

    #[test]
    fn one_figure_has_a_mean_and_no_spread() {
        let one = sample(&[3.5]);
        assert_eq!((one.mean(), one.sd(), one.mad()), (3.5, None, 0.0));
        assert_eq!(one.lag1_autocorrelation(), None);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        let figures = sample(&[9.0, 1.0, 4.0, 2.0]);
        let found = (figures.median(), figures.mad(), figures.quantile(1.0));
        assert_eq!(found, (3.0, 1.5, 9.0));
    }

    #[test]
    fn what_is_not_finite_is_refused_with_its_place() {
        let refused = Sample::try_new(vec![1.0, f64::NAN]);
        assert_eq!(refused, Err(SampleError::NotFinite(1)));
        assert_eq!(Sample::try_new(Vec::new()), Err(SampleError::Empty));
    }
}
