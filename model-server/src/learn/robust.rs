//! Statistics that a minority of wrong figures cannot move far.

/// The median; `None` without values.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    weighted_median(&values.iter().map(|value| (*value, 1.0)).collect::<Vec<_>>())
}

/// The value with half of the weight on each side, halfway between two values
/// where the weight divides evenly; `None` without weight.
#[must_use]
pub fn weighted_median(values: &[(f64, f64)]) -> Option<f64> {
    let mut sorted: Vec<(f64, f64)> = values
        .iter()
        .copied()
        .filter(|(value, weight)| value.is_finite() && *weight > 0.0)
        .collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = sorted.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut sum = 0.0;
    for (at, (value, weight)) in sorted.iter().enumerate() {
        sum += weight;
        if sum > half * (1.0 + 1e-12) {
            return Some(*value);
        }
        if sum >= half * (1.0 - 1e-12) {
            let next = sorted.get(at + 1).map_or(*value, |(next, _)| *next);
            return Some(f64::midpoint(*value, next));
        }
    }
    None
}

/// Standard deviation by the median of the distances to the median (1.4826
/// times, which is right for normal errors); 0 without values.
#[must_use]
pub fn spread(values: &[f64]) -> f64 {
    let Some(centre) = median(values) else {
        return 0.0;
    };
    let distances: Vec<f64> = values.iter().map(|value| (value - centre).abs()).collect();
    1.4826 * median(&distances).unwrap_or(0.0)
}

/// The smallest value with at least a share `level` of the weight at or below
/// it; `None` without weight.
#[must_use]
pub fn weighted_quantile(mut values: Vec<(f64, f64)>, level: f64) -> Option<f64> {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let wanted = level * values.iter().map(|(_, weight)| weight).sum::<f64>();
    let mut sum = 0.0;
    for (value, weight) in &values {
        sum += weight;
        if sum >= wanted * (1.0 - 1e-12) {
            return Some(*value);
        }
    }
    None
}

/// The standard normal distribution's quantile for a share `level` in the
/// middle, `1.645` for 0.9: the root of the error function's series, by
/// bisection.
#[must_use]
pub fn normal_factor(level: f64) -> f64 {
    let (mut low, mut high) = (0.0_f64, 6.0_f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if within(middle) < level {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// Share of the standard normal distribution within `z` of the middle:
/// erf(z/√2) by its series (Abramowitz and Stegun 7.1.6), which converges
/// everywhere.
fn within(z: f64) -> f64 {
    let x = z / std::f64::consts::SQRT_2;
    let (mut term, mut sum, mut n) = (x, x, 0.0_f64);
    while term > sum * 1e-16 {
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
    }
    sum * 2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp()
}

/// The same for Student's distribution (Cornish–Fisher expansion, Abramowitz
/// and Stegun 26.7.5; off by less than 1 % from 4 degrees of freedom on).
#[must_use]
pub fn student_factor(level: f64, freedom: f64) -> f64 {
    let z = normal_factor(level);
    z + (z.powi(3) + z) / (4.0 * freedom)
        + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * freedom * freedom)
        + (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z)
            / (384.0 * freedom.powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minority_cannot_move_the_median() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[1.0, 2.0, 3.0, 4.0]), Some(2.5));
        assert_eq!(median(&[1.0, 2.0, 1e9, 1e9, 2.5]), Some(2.5));
        assert_eq!(weighted_median(&[(1.0, 5.0), (9.0, 1.0)]), Some(1.0));
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[f64::NAN, 7.0]), Some(7.0));
    }

    #[test]
    fn quantiles_agree_with_the_tables() {
        assert!((normal_factor(0.9) - 1.644_854).abs() < 1e-5);
        assert!((normal_factor(0.5) - 0.674_490).abs() < 1e-5);
        assert!((normal_factor(0.99) - 2.575_829).abs() < 1e-5);
        // Student's t: 2.132 at 4 degrees, 1.812 at 10.
        assert!((student_factor(0.9, 4.0) - 2.132).abs() < 0.02);
        assert!((student_factor(0.9, 10.0) - 1.812).abs() < 0.005);
    }

    #[test]
    fn the_spread_of_normal_errors_is_their_deviation() {
        let values: Vec<f64> = (-50..=50).map(f64::from).collect();
        assert!((spread(&values) - 1.4826 * 25.0).abs() < 0.1);
        assert!(spread(&[]).abs() < f64::EPSILON);
    }
}
