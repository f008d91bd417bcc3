//! Normal, Student's t and noncentral t: the special functions are those of
//! `libm` and `statrs`, the quantiles are polished until they agree with the
//! distribution functions to the last digits. Takes finite arguments only; anything else
//! gives `NaN`, never a panic.

use libm::{erfc, lgamma};
use statrs::function::beta::beta_reg;
use statrs::function::erf::erfc_inv;

/// Steps of Newton's method after the first guess of a quantile.
const POLISH_STEPS: u32 = 4;
/// Halvings of a bracket: below the distance of neighbouring numbers.
const HALVINGS: u32 = 200;
/// How far from its middle a density is integrated, in standard deviations.
const REACH: f64 = 12.0;
/// Panels of the quadrature in each of its (at most three) ranges.
const PANELS: u32 = 32;

/// Nodes and weights of the 8-point Gauss–Legendre rule on (-1, 1), the
/// positive half (Abramowitz & Stegun 1964, table 25.4).
const GAUSS_LEGENDRE: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_48),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_26),
];

/// The share of the standard normal distribution below `z`.
#[must_use]
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * erfc(-z / std::f64::consts::SQRT_2)
}

/// The `z` below which a share `p` of the standard normal distribution lies;
/// infinite at 0 and 1, `NaN` outside.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p > 0.5 + f64::EPSILON {
        return -normal_quantile(1.0 - p);
    }
    if p > 0.5 - f64::EPSILON {
        return 0.0;
    }
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let density = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    polish(
        -std::f64::consts::SQRT_2 * erfc_inv(2.0 * p),
        p,
        normal_cdf,
        density,
    )
}

/// The share of Student's t distribution with `df` degrees of freedom below
/// `t`.
#[must_use]
pub fn t_cdf(t: f64, df: f64) -> f64 {
    if !t.is_finite() || !df.is_finite() || df <= 0.0 {
        return f64::NAN;
    }
    // Far out the tail itself, near the middle what is missing to a half.
    let square = t * t;
    let tail = if square > 1.0 {
        0.5 * beta_reg(0.5 * df, 0.5, df / (df + square))
    } else {
        0.5 - 0.5 * beta_reg(0.5, 0.5 * df, square / (df + square))
    };
    if t > 0.0 { 1.0 - tail } else { tail }
}

/// The probability that |T| exceeds |`t`|: a two-sided p value.
#[must_use]
pub fn t_two_sided(t: f64, df: f64) -> f64 {
    (2.0 * t_cdf(-t.abs(), df)).min(1.0)
}

/// The `t` below which a share `p` of Student's distribution lies; infinite at
/// 0 and 1, `NaN` outside.
#[must_use]
pub fn t_quantile(p: f64, df: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) || !df.is_finite() || df <= 0.0 {
        return f64::NAN;
    }
    if p > 0.5 + f64::EPSILON {
        return -t_quantile(1.0 - p, df);
    }
    if p > 0.5 - f64::EPSILON {
        return 0.0;
    }
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let ln_scale =
        lgamma(0.5 * (df + 1.0)) - lgamma(0.5 * df) - 0.5 * (df * std::f64::consts::PI).ln();
    let density = |t: f64| (ln_scale - 0.5 * (df + 1.0) * (t * t / df).ln_1p()).exp();
    let mut low = -1.0;
    while t_cdf(low, df) > p {
        low *= 2.0;
    }
    let cdf = |t| t_cdf(t, df);
    polish(bisect(low, 0.0, |t| cdf(t) < p), p, cdf, density)
}

/// The share of the noncentral t distribution with `df` degrees of freedom
/// and noncentrality `delta` below `t`.
///
/// By quadrature of its definition, P(Z + δ ≤ t·S) with S² = χ²(df)/df: the
/// mean of Φ(t·s − δ) over the density of S. Unlike the usual series it does
/// not underflow for large δ.
#[must_use]
pub fn noncentral_t_cdf(t: f64, df: f64, delta: f64) -> f64 {
    if ![t, df, delta].iter().all(|x| x.is_finite()) || df <= 0.0 {
        return f64::NAN;
    }
    // Scaled to 1 at the middle; what remains is divided out.
    let density = |s: f64| {
        if s <= 0.0 {
            return 0.0;
        }
        ((df - 1.0) * s.ln() - 0.5 * df * (s * s - 1.0)).exp()
    };
    let spread = REACH / (2.0 * df).sqrt();
    let (low, high) = ((1.0 - spread).max(0.0), 1.0 + spread);
    // Φ rises from 0 to 1 about s = δ/t; a steep rise gets panels of its own.
    let (mut from, mut until) = (low, high);
    if t != 0.0 {
        let rise = 9.0 / t.abs();
        from = (delta / t - rise).clamp(low, high);
        until = (delta / t + rise).clamp(low, high);
    }
    let ranges = [(low, from), (from, until), (until, high)];
    let over =
        |f: &dyn Fn(f64) -> f64| -> f64 { ranges.iter().map(|(a, b)| integral(*a, *b, f)).sum() };
    let below = over(&|s| density(s) * normal_cdf(t * s - delta));
    (below / over(&density)).clamp(0.0, 1.0)
}

/// The noncentrality for which a share `p` lies below `t`; `None` if none
/// within reach does.
#[must_use]
pub fn noncentrality(t: f64, df: f64, p: f64) -> Option<f64> {
    // The share falls as δ grows. T has about the spread √(1 + δ²/2df) at δ.
    let reach = REACH * (1.0 + t * t / df).sqrt() + t.abs();
    let (low, high) = (t - reach, t + reach);
    let above = |delta| noncentral_t_cdf(t, df, delta) - p;
    (above(low) > 0.0 && above(high) <= 0.0).then(|| falling_root(low, high, above))
}

/// Where a falling function meets 0: halved until the bracket is narrow, then
/// by false position with the Illinois weight, which takes few looks at a
/// costly function.
fn falling_root(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (mut at_low, mut at_high) = (f(low), f(high));
    let mut last = 0.0_f64;
    for step in 0..HALVINGS {
        let width = high - low;
        let mut middle = 0.5 * (low + high);
        if width < 1.0 {
            middle = low + width * (at_low / (at_low - at_high));
        }
        // Now and then a half, so that no bracket stays wide on one side.
        if step % 8 == 7 || middle <= low || middle >= high {
            middle = 0.5 * (low + high);
        }
        if middle <= low || middle >= high || width <= 1e-14 * (1.0 + middle.abs()) {
            break;
        }
        let value = f(middle);
        if value > 0.0 {
            if last > 0.0 {
                at_high *= 0.5;
            }
            (low, at_low) = (middle, value);
        } else if value < 0.0 {
            if last < 0.0 {
                at_low *= 0.5;
            }
            (high, at_high) = (middle, value);
        } else {
            return middle;
        }
        last = value;
    }
    0.5 * (low + high)
}

/// The point of a bracket up to which `holds` does.
pub(super) fn bisect(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// Newton's method: the distribution function is exact, the guess is not.
fn polish(guess: f64, p: f64, cdf: impl Fn(f64) -> f64, density: impl Fn(f64) -> f64) -> f64 {
    let mut at = guess;
    for _ in 0..POLISH_STEPS {
        let step = (cdf(at) - p) / density(at);
        if !step.is_finite() || step == 0.0 {
            break;
        }
        at -= step;
    }
    at
}

fn integral(low: f64, high: f64, f: &dyn Fn(f64) -> f64) -> f64 {
    if high <= low {
        return 0.0;
    }
    let half = 0.5 * (high - low) / f64::from(PANELS);
    let panel = |index: u32| {
        let middle = low + half * f64::from(2 * index + 1);
        let pair = |(node, weight): &(f64, f64)| {
            weight * (f(middle - half * node) + f(middle + half * node))
        };
        GAUSS_LEGENDRE.iter().map(pair).sum::<f64>()
    };
    half * (0..PANELS).map(panel).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, want: f64, tolerance: f64) {
        assert!((got - want).abs() <= tolerance, "{got} is not {want}");
    }

    #[test]
    fn quantiles_undo_their_distribution_functions() {
        for p in [1e-9, 0.001, 0.025, 0.3, 0.5, 0.9, 0.975, 0.999_9] {
            near(normal_cdf(normal_quantile(p)), p, 1e-15);
            for df in [1.0, 2.0, 9.0, 29.0, 1_000.0] {
                near(t_cdf(t_quantile(p, df), df), p, 1e-14);
            }
        }
    }

    #[test]
    fn a_noncentral_t_without_noncentrality_is_students() {
        for df in [1.0, 4.0, 29.0, 400.0] {
            for t in [-7.5, -1.0, 0.0, 0.25, 2.0, 40.0] {
                near(noncentral_t_cdf(t, df, 0.0), t_cdf(t, df), 1e-12);
            }
        }
    }

    #[test]
    fn the_noncentrality_is_found_again_where_a_series_would_underflow() {
        for delta in [-3.0, 0.0, 1.5, 90.0] {
            let p = noncentral_t_cdf(delta + 1.0, 29.0, delta);
            near(noncentrality(delta + 1.0, 29.0, p).unwrap(), delta, 1e-8);
        }
    }

    #[test]
    fn what_is_no_probability_has_no_quantile() {
        assert!(normal_quantile(1.5).is_nan());
        assert!(t_quantile(f64::NAN, 3.0).is_nan());
        assert!(t_quantile(0.5, 0.0).is_nan());
        assert!(t_quantile(1.0, 3.0).is_infinite() && t_quantile(1.0, 3.0) > 0.0);
    }
}
