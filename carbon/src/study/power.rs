//! How many trials a study needs, and what it can see: power of the two-sided
//! paired t test by the noncentral t distribution, both tails counted.

use serde::Serialize;

use super::difference::Confidence;
use super::dist::{bisect, noncentral_t_cdf, t_quantile};

/// The most pairs that are looked at: more is "not to be seen so".
pub const PAIRS_MAX: u32 = 1_000_000;

/// The power with `pairs` pairs to see an effect of `effect_size` standard
/// deviations of the differences; `NaN` below two pairs.
#[must_use]
pub fn power(effect_size: f64, pairs: u32, confidence: Confidence) -> f64 {
    let n = f64::from(pairs);
    let (df, delta) = (n - 1.0, effect_size * n.sqrt());
    let t = -t_quantile(confidence.tail(), df);
    1.0 - noncentral_t_cdf(t, df, delta) + noncentral_t_cdf(-t, df, delta)
}

/// The fewest pairs with at least this power; `None` if even
/// [`PAIRS_MAX`] are too few.
///
/// ```
/// use tanso_carbon::study::{Confidence, power::pairs_needed};
/// // An effect of half a standard deviation, at 95 % and 80 %.
/// assert_eq!(pairs_needed(0.5, 0.8, Confidence::USUAL), Some(34));
/// ```
#[must_use]
pub fn pairs_needed(effect_size: f64, target: f64, confidence: Confidence) -> Option<u32> {
    let enough = |pairs| power(effect_size, pairs, confidence) >= target;
    let mut high = 2;
    while !enough(high) {
        high = (high < PAIRS_MAX).then(|| (high * 2).min(PAIRS_MAX))?;
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if middle >= 2 && enough(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// The least effect, in standard deviations of the differences, that `pairs`
/// pairs show with this power; `None` below two pairs or for a power that is
/// not above the test's level and below 1.
#[must_use]
pub fn detectable(pairs: u32, target: f64, confidence: Confidence) -> Option<f64> {
    let level = 2.0 * confidence.tail();
    if pairs < 2 || target.is_nan() || target <= level || target >= 1.0 {
        return None;
    }
    let short = |effect_size: f64| power(effect_size, pairs, confidence) < target;
    let mut high = 1.0;
    while short(high) {
        high *= 2.0;
    }
    Some(bisect(0.0, high, short))
}

/// What was planned to be seen, judged by the spread that was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PowerRow {
    /// The relative difference asked for.
    pub relative_difference: f64,
    /// The power to see it with the pairs that there are.
    pub power: f64,
    /// The pairs needed to see it; absent if a million are too few.
    pub pairs_needed: Option<u32>,
    /// The least relative difference that these pairs show.
    pub detectable_relative: Option<f64>,
}

/// Power for a relative difference, from the mean of what is compared against
/// and the deviation of the differences; `None` without spread or base.
#[must_use]
pub fn power_row(
    relative_difference: f64,
    target: f64,
    (base, sd): (f64, f64),
    pairs: usize,
    confidence: Confidence,
) -> Option<PowerRow> {
    let pairs = u32::try_from(pairs).ok().filter(|pairs| *pairs >= 2)?;
    if base == 0.0 || sd <= 0.0 {
        return None;
    }
    let effect_size = relative_difference * base.abs() / sd;
    Some(PowerRow {
        relative_difference,
        power: power(effect_size, pairs, confidence),
        pairs_needed: pairs_needed(effect_size, target, confidence),
        detectable_relative: detectable(pairs, target, confidence)
            .map(|effect| effect * sd / base.abs()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_pairs_are_enough_and_one_less_is_not() {
        for effect in [0.2, 0.5, 1.0, 6.0] {
            let pairs = pairs_needed(effect, 0.9, Confidence::USUAL).unwrap();
            assert!(power(effect, pairs, Confidence::USUAL) >= 0.9);
            let fewer = pairs - 1;
            assert!(fewer < 2 || power(effect, fewer, Confidence::USUAL) < 0.9);
        }
    }

    #[test]
    fn an_effect_too_small_for_a_million_pairs_says_so() {
        assert_eq!(pairs_needed(1e-6, 0.8, Confidence::USUAL), None);
    }

    #[test]
    fn what_is_detectable_has_just_that_power() {
        let effect = detectable(30, 0.8, Confidence::USUAL).unwrap();
        assert!((power(effect, 30, Confidence::USUAL) - 0.8).abs() < 1e-9);
        assert_eq!(detectable(1, 0.8, Confidence::USUAL), None);
        assert_eq!(detectable(30, 0.01, Confidence::USUAL), None);
    }
}
