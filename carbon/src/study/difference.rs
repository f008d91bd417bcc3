//! Differences of pairs with their intervals: absolute (Student's t), relative
//! (Fieller), as an effect size, and by bootstrap where a shape is not trusted
//! to be normal.

use libm::lgamma;
use serde::{Deserialize, Serialize};

use super::bootstrap::{Bootstrap, BootstrapError, bca};
use super::dist::{noncentrality, t_quantile, t_two_sided};
use super::number;
use super::sample::{Sample, SampleError};

/// How often an interval is to hold the true figure: above 0.5, below 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Confidence(f64);

impl Confidence {
    /// 95 %.
    pub const USUAL: Self = Self(0.95);

    /// A level of confidence.
    ///
    /// # Errors
    /// If `level` is not above 0.5 and below 1.
    pub fn try_new(level: f64) -> Result<Self, DifferenceError> {
        if level > 0.5 && level < 1.0 {
            Ok(Self(level))
        } else {
            Err(DifferenceError::Confidence(level))
        }
    }

    /// The level, above 0.5 and below 1.
    #[must_use]
    pub const fn level(self) -> f64 {
        self.0
    }

    /// The level of each of `count` intervals that together hold with this
    /// confidence (Bonferroni).
    #[must_use]
    pub fn shared_by(self, count: usize) -> Self {
        Self(1.0 - (1.0 - self.0) / number(count.max(1)))
    }

    /// The share on each side of an interval.
    #[must_use]
    pub fn tail(self) -> f64 {
        0.5 * (1.0 - self.0)
    }
}

impl TryFrom<f64> for Confidence {
    type Error = DifferenceError;
    fn try_from(level: f64) -> Result<Self, DifferenceError> {
        Self::try_new(level)
    }
}

impl From<Confidence> for f64 {
    fn from(confidence: Confidence) -> Self {
        confidence.0
    }
}

/// A range of figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Whether a figure lies within, ends included.
    #[must_use]
    pub fn contains(&self, figure: f64) -> bool {
        self.low <= figure && figure <= self.high
    }

    /// Half its width.
    #[must_use]
    pub fn half_width(&self) -> f64 {
        0.5 * (self.high - self.low)
    }
}

/// Why there is no difference to state.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum DifferenceError {
    /// A level of confidence is none.
    #[error("confidence of {0}: accepted are values above 0.5 and below 1")]
    Confidence(f64),
    /// An interval needs a spread, and a spread two figures.
    #[error("{0} complete pairs: an interval needs at least 2")]
    TooFew(usize),
    /// A figure is none.
    #[error(transparent)]
    Sample(#[from] SampleError),
}

/// What pairs of figures say about their difference, `arm − against`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contrast {
    /// How many pairs.
    pub pairs: usize,
    /// The mean of what is compared.
    pub mean_arm: f64,
    /// The mean of what it is compared against.
    pub mean_against: f64,
    /// The mean difference.
    pub difference: f64,
    /// The standard deviation of the differences.
    pub sd: f64,
    /// The difference's interval by Student's t.
    pub interval: Interval,
    /// The same with the confidence shared by all comparisons (Bonferroni).
    pub shared_interval: Interval,
    /// The difference's interval by bootstrap (`BCa`); absent if it has none.
    pub bootstrap_interval: Option<Interval>,
    /// The two-sided p value of no difference; absent if all differences are
    /// equal.
    pub p_value: Option<f64>,
    /// The difference by the mean of what it is compared against; absent if
    /// that is 0.
    pub relative: Option<f64>,
    /// Its interval by Fieller's theorem; absent if that mean's own interval
    /// holds 0.
    pub relative_interval: Option<Interval>,
    /// Its interval by bootstrap (`BCa`).
    pub relative_bootstrap_interval: Option<Interval>,
    /// Cohen's `d_z`: the mean difference by the differences' deviation; absent
    /// if they do not differ.
    pub effect_size: Option<f64>,
    /// Its interval by the noncentral t distribution.
    pub effect_size_interval: Option<Interval>,
    /// Hedges' g: `d_z` without its bias in small samples; absent of two pairs,
    /// where the factor is 0 whatever was found.
    pub hedges_g: Option<f64>,
}

/// How intervals are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Method {
    /// How often each interval is to hold the true figure.
    pub confidence: Confidence,
    /// How many comparisons share the confidence.
    pub comparisons: usize,
    /// The resampling.
    pub bootstrap: Bootstrap,
}

/// The contrast of pairs `(arm, against)`.
///
/// ```
/// use tanso_carbon::study::bootstrap::Bootstrap;
/// use tanso_carbon::study::difference::{Confidence, Method, contrast};
/// let pairs = [(12.0, 10.0), (13.5, 11.0), (12.5, 11.5), (14.0, 11.5)];
/// let method = Method {
///     confidence: Confidence::USUAL,
///     comparisons: 1,
///     bootstrap: Bootstrap { resamples: 999, seed: 1 },
/// };
/// let found = contrast(&pairs, &method)?;
/// assert_eq!((found.difference, found.relative), (2.0, Some(2.0 / 11.0)));
/// assert!(!found.interval.contains(0.0));
/// # Ok::<(), tanso_carbon::study::difference::DifferenceError>(())
/// ```
///
/// # Errors
/// If there are fewer than two pairs or a figure is not finite.
pub fn contrast(pairs: &[(f64, f64)], method: &Method) -> Result<Contrast, DifferenceError> {
    let of = |pick: fn(&(f64, f64)) -> f64| Sample::try_new(pairs.iter().map(pick).collect());
    let too_few = DifferenceError::TooFew(pairs.len());
    if pairs.len() < 2 {
        return Err(too_few);
    }
    let (arm, against) = (of(|pair| pair.0)?, of(|pair| pair.1)?);
    let differences = of(|pair| pair.0 - pair.1)?;
    let (difference, sd) = (differences.mean(), differences.sd().ok_or(too_few)?);
    let df = differences.count() - 1.0;
    let error = sd / differences.count().sqrt();
    let t = difference / error;
    let mean_against = against.mean();
    let base = (mean_against != 0.0).then_some(mean_against);
    let effect_size = (sd > 0.0).then(|| difference / sd);
    let resampled = |statistic: &dyn Fn(&[usize]) -> f64| -> Result<_, BootstrapError> {
        bca(pairs.len(), statistic, method.confidence, method.bootstrap)
    };
    let mean_of = |places: &[usize]| plain_mean(differences.values(), places);
    let ratio_of = |places: &[usize]| mean_of(places) / plain_mean(against.values(), places);
    Ok(Contrast {
        pairs: pairs.len(),
        mean_arm: arm.mean(),
        mean_against,
        difference,
        sd,
        interval: t_interval(difference, error, df, method.confidence),
        shared_interval: t_interval(
            difference,
            error,
            df,
            method.confidence.shared_by(method.comparisons),
        ),
        bootstrap_interval: resampled(&mean_of).ok().map(|found| found.interval),
        p_value: (sd > 0.0).then(|| t_two_sided(t, df)),
        relative: base.map(|base| difference / base),
        relative_interval: fieller(&differences, &against, method.confidence),
        relative_bootstrap_interval: base
            .and_then(|_| resampled(&ratio_of).ok())
            .map(|found| found.interval),
        effect_size,
        effect_size_interval: effect_size
            .and_then(|_| effect_interval(t, differences.count(), method.confidence)),
        hedges_g: effect_size
            .filter(|_| df > 1.0)
            .map(|d| d * small_sample_factor(df)),
    })
}

/// The mean of the figures at some places, summed in their order: what a
/// resample can be computed again by in any language.
#[must_use]
pub fn plain_mean(values: &[f64], places: &[usize]) -> f64 {
    let total = places.iter().fold(0.0, |sum, place| {
        sum + values.get(*place).unwrap_or(&f64::NAN)
    });
    total / number(places.len())
}

/// A mean's interval by Student's t, from its standard error.
#[must_use]
pub fn t_interval(mean: f64, error: f64, df: f64, confidence: Confidence) -> Interval {
    let half = -t_quantile(confidence.tail(), df) * error;
    Interval {
        low: mean - half,
        high: mean + half,
    }
}

/// The interval of mean(d)/mean(x) of pairs, by Fieller's theorem (1954): all
/// ratios ρ for which the mean of d − ρx is not significantly off 0. `None`
/// if mean(x) is not significantly off 0 itself, as no ratio is excluded then.
#[must_use]
pub fn fieller(d: &Sample, x: &Sample, confidence: Confidence) -> Option<Interval> {
    let count = d.count();
    let quantile = t_quantile(confidence.tail(), count - 1.0);
    let share = quantile * quantile / (count * (count - 1.0));
    let (mean_d, mean_x) = (d.mean(), x.mean());
    // The quadratic square·ρ² − 2·middle·ρ + rest ≤ 0.
    let square = mean_x * mean_x - share * x.co_deviation(x);
    let middle = mean_x * mean_d - share * d.co_deviation(x);
    let rest = mean_d * mean_d - share * d.co_deviation(d);
    if square <= 0.0 {
        return None;
    }
    let root = (middle * middle - square * rest).max(0.0).sqrt();
    Some(Interval {
        low: (middle - root) / square,
        high: (middle + root) / square,
    })
}

/// The factor J(df) that takes the bias from Cohen's d (Hedges 1981, exact).
#[must_use]
pub fn small_sample_factor(df: f64) -> f64 {
    if df <= 1.0 {
        // Γ(0) is infinite: with two pairs there is nothing to correct by.
        return 0.0;
    }
    (lgamma(0.5 * df) - lgamma(0.5 * (df - 1.0))).exp() / (0.5 * df).sqrt()
}

/// The interval of `d_z`: the noncentralities for which `t` is not extreme.
fn effect_interval(t: f64, n: f64, confidence: Confidence) -> Option<Interval> {
    let tail = confidence.tail();
    Some(Interval {
        low: noncentrality(t, n - 1.0, 1.0 - tail)? / n.sqrt(),
        high: noncentrality(t, n - 1.0, tail)? / n.sqrt(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method() -> Method {
        Method {
            confidence: Confidence::USUAL,
            comparisons: 3,
            bootstrap: Bootstrap {
                resamples: 999,
                seed: 4,
            },
        }
    }

    #[test]
    fn equal_differences_have_an_interval_of_no_width_and_no_effect_size() {
        let found = contrast(&[(3.0, 1.0), (7.0, 5.0), (4.0, 2.0)], &method()).unwrap();
        assert_eq!((found.interval.low, found.interval.high), (2.0, 2.0));
        assert_eq!((found.p_value, found.effect_size), (None, None));
        assert_eq!(found.bootstrap_interval, None);
    }

    #[test]
    fn two_pairs_have_no_effect_size_without_bias_rather_than_none() {
        let two = contrast(&[(3.0, 1.0), (7.0, 4.0)], &method()).unwrap();
        assert!(two.effect_size.is_some_and(|d| d > 3.0));
        assert_eq!(two.hedges_g, None);
        let three = contrast(&[(3.0, 1.0), (7.0, 4.0), (5.0, 2.5)], &method()).unwrap();
        assert!(three.hedges_g.is_some_and(|g| g > 0.0));
    }

    #[test]
    fn one_pair_is_refused() {
        let refused = contrast(&[(3.0, 1.0)], &method());
        assert_eq!(refused, Err(DifferenceError::TooFew(1)));
    }

    #[test]
    fn a_base_that_may_be_nothing_has_no_relative_interval() {
        let pairs = [(3.0, -1.0), (5.0, 2.0), (4.0, -0.5), (6.0, 1.0)];
        let found = contrast(&pairs, &method()).unwrap();
        assert!(found.relative.is_some());
        assert_eq!(found.relative_interval, None);
    }

    #[test]
    fn a_shared_interval_is_the_wider_one() {
        let pairs = [(3.0, 1.0), (5.0, 2.0), (4.0, 2.5), (6.0, 1.0)];
        let found = contrast(&pairs, &method()).unwrap();
        assert!(found.shared_interval.half_width() > found.interval.half_width());
    }

    #[test]
    fn a_level_outside_its_range_is_refused() {
        let refused = Confidence::try_new(95.0).unwrap_err().to_string();
        assert!(refused.contains("95") && refused.contains("below 1"));
    }
}
