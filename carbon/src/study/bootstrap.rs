//! Bias-corrected and accelerated bootstrap intervals (`BCa`; Efron 1987,
//! doi:10.2307/2289144), with resamples that can be drawn again: each is n
//! numbers below n, one after the other, of one [`Generator`].

use serde::Serialize;

use super::difference::{Confidence, Interval};
use super::dist::{normal_cdf, normal_quantile};
use super::number;
use super::random::Generator;
use super::sample::{quantile_of_sorted, sum};

/// The fewest figures that are resampled.
pub const FEWEST: usize = 3;

/// How often to resample, and from which seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Bootstrap {
    /// How many resamples; 9,999 put both ends of a 95 % interval on order
    /// statistics.
    pub resamples: usize,
    /// The seed of the generator; each interval begins anew at it.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            resamples: 9_999,
            seed: 20_261_121,
        }
    }
}

/// An interval with what it was corrected by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bca {
    /// The interval.
    pub interval: Interval,
    /// The correction of bias, z₀.
    pub bias: f64,
    /// The acceleration, a.
    pub acceleration: f64,
}

/// Why there is no bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootstrapError {
    /// Too few figures.
    #[error("{0} figures: a bootstrap needs at least {FEWEST}")]
    TooFew(usize),
    /// No resamples were asked for.
    #[error("no resamples: at least 1 is needed")]
    NoResamples,
    /// The figures do not differ, or all resamples lie on one side.
    #[error("the resamples lie all on one side of the figure, or do not differ")]
    Degenerate,
    /// The statistic of a resample is not finite.
    #[error("the statistic of a resample is not finite")]
    NotFinite,
}

/// The interval of a statistic of `count` figures, which gets the places of a
/// resample's figures and must be finite for each.
///
/// # Errors
/// If there are too few figures, or the resamples say nothing.
pub fn bca(
    count: usize,
    statistic: &dyn Fn(&[usize]) -> f64,
    confidence: Confidence,
    bootstrap: Bootstrap,
) -> Result<Bca, BootstrapError> {
    if count < FEWEST {
        return Err(BootstrapError::TooFew(count));
    }
    if bootstrap.resamples == 0 {
        return Err(BootstrapError::NoResamples);
    }
    let all: Vec<usize> = (0..count).collect();
    let left_out: Vec<f64> = (0..count)
        .map(|out| {
            let rest: Vec<_> = all.iter().copied().filter(|place| *place != out).collect();
            statistic(&rest)
        })
        .collect();
    let drawn = resample(count, statistic, bootstrap);
    corrected(statistic(&all), &left_out, drawn, confidence)
}

/// The statistic of each resample, in the order drawn.
fn resample(count: usize, statistic: &dyn Fn(&[usize]) -> f64, bootstrap: Bootstrap) -> Vec<f64> {
    let mut generator = Generator::from_seed(bootstrap.seed);
    let mut places = vec![0; count];
    let mut one = |_| {
        for place in &mut places {
            *place = generator.below(count);
        }
        statistic(&places)
    };
    (0..bootstrap.resamples).map(&mut one).collect()
}

/// The corrected percentiles of resampled statistics, from the statistic of
/// all figures and of all but each one.
///
/// # Errors
/// If a statistic is not finite, or all resamples lie on one side of it.
pub fn corrected(
    whole: f64,
    left_out: &[f64],
    mut drawn: Vec<f64>,
    confidence: Confidence,
) -> Result<Bca, BootstrapError> {
    let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
    if !whole.is_finite() || !finite(left_out) || !finite(&drawn) {
        return Err(BootstrapError::NotFinite);
    }
    drawn.sort_unstable_by(f64::total_cmp);
    let below = drawn.partition_point(|value| *value < whole);
    let up_to = drawn.partition_point(|value| *value <= whole);
    // Ties count half.
    let bias = normal_quantile(number(below + up_to) / (2.0 * number(drawn.len())));
    let acceleration = acceleration(left_out).ok_or(BootstrapError::Degenerate)?;
    if !bias.is_finite() {
        return Err(BootstrapError::Degenerate);
    }
    let end = |tail: f64| {
        let shifted = bias + normal_quantile(tail);
        let share = normal_cdf(bias + shifted / (1.0 - acceleration * shifted));
        quantile_of_sorted(&drawn, share)
    };
    let interval = Interval {
        low: end(confidence.tail()),
        high: end(1.0 - confidence.tail()),
    };
    Ok(Bca {
        interval,
        bias,
        acceleration,
    })
}

/// A sixth of the skewness of the jackknife's influence values; `None` if
/// they do not differ.
fn acceleration(left_out: &[f64]) -> Option<f64> {
    let mean = sum(left_out.iter().copied()) / number(left_out.len());
    let powers = |power: i32| sum(left_out.iter().map(|value| (mean - value).powi(power)));
    let square = powers(2);
    (square > 0.0).then(|| powers(3) / (6.0 * square.powf(1.5)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::difference::plain_mean;

    const USUAL: Confidence = Confidence::USUAL;

    #[test]
    fn the_same_seed_gives_the_same_interval_and_another_nearly_the_same() {
        let figures = [3.0, 1.0, 4.0, 1.5, 5.0, 9.0, 2.0, 6.0];
        let mean = |places: &[usize]| plain_mean(&figures, places);
        let of = |seed| {
            let bootstrap = Bootstrap {
                resamples: 4_999,
                seed,
            };
            bca(figures.len(), &mean, USUAL, bootstrap)
                .unwrap()
                .interval
        };
        assert_eq!(of(3), of(3));
        assert_ne!(of(3), of(4));
        assert!((of(3).low - of(4).low).abs() < 0.2);
    }

    #[test]
    fn figures_that_say_nothing_are_refused_with_the_reason() {
        let same = |_: &[usize]| 2.0;
        let few = bca(2, &same, USUAL, Bootstrap::default());
        assert_eq!(few, Err(BootstrapError::TooFew(2)));
        let equal = bca(5, &same, USUAL, Bootstrap::default());
        assert_eq!(equal, Err(BootstrapError::Degenerate));
        let broken = bca(5, &|_| f64::NAN, USUAL, Bootstrap::default());
        assert_eq!(broken, Err(BootstrapError::NotFinite));
    }
}
