//! Whether a response changed over the study's time whatever the arm: a
//! machine that warms up, a disk that fills. By regression on the trials'
//! order with a mean for each arm, and by rank for what is not normal.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Serialize;

use super::difference::{Confidence, Interval, t_interval};
use super::dist::{normal_cdf, normal_quantile, t_two_sided};
use super::number;
use super::sample::{Sample, quantile_of_sorted, sum};

/// One figure: when, of which arm, how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point<'a> {
    /// The trial's place in time.
    pub order: f64,
    /// The trial's arm.
    pub arm: &'a str,
    /// The response.
    pub value: f64,
}

/// How a response changed with the order of trials, arms apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// How many figures.
    pub count: usize,
    /// The change from one trial to the next, by least squares.
    pub slope: f64,
    /// Its standard error.
    pub slope_error: f64,
    /// Its interval.
    pub slope_interval: Interval,
    /// The two-sided p value of no change.
    pub p_value: Option<f64>,
    /// The change from the first trial to the last, as a share of the mean;
    /// absent if that is 0.
    pub relative_change: Option<f64>,
    /// The median of the slopes between any two trials (Theil–Sen).
    pub rank_slope: f64,
    /// Its interval (Sen 1968).
    pub rank_slope_interval: Interval,
    /// Kendall's tau-b of order and response.
    pub tau: f64,
    /// Its two-sided p value (Mann–Kendall: normal, ties counted, without a
    /// correction for continuity).
    pub tau_p_value: Option<f64>,
    /// The correlation of a trial with the next one, arms apart.
    pub lag1_autocorrelation: Option<f64>,
}

impl Drift {
    /// Whether zero lies outside the interval of the slope.
    #[must_use]
    pub fn is_significant(&self) -> bool {
        !self.slope_interval.contains(0.0)
    }
}

/// The drift of some figures; `None` with fewer than one more than the arms
/// and the slope need, or if all have the same order.
#[must_use]
pub fn drift(points: &[Point<'_>], confidence: Confidence) -> Option<Drift> {
    let mut points = points.to_vec();
    points.sort_by(|a, b| a.order.total_cmp(&b.order).then_with(|| a.arm.cmp(b.arm)));
    let (orders, orders_arms) = apart(&points, |point| point.order)?;
    let (values, _) = apart(&points, |point| point.value)?;
    let count = number(points.len());
    let df = count - number(orders_arms) - 1.0;
    let square = sum(orders.iter().map(|x| x * x));
    if df < 1.0 || square <= 0.0 {
        return None;
    }
    let slope = sum(orders.iter().zip(&values).map(|(x, y)| x * y)) / square;
    let rest = sum(orders
        .iter()
        .zip(&values)
        .map(|(x, y)| (y - slope * x).powi(2)));
    let slope_error = (rest / df / square).sqrt();
    let mean = Sample::try_new(points.iter().map(|point| point.value).collect())
        .ok()?
        .mean();
    let span = points.last()?.order - points.first()?.order;
    let times: Vec<_> = points.iter().map(|point| point.order).collect();
    let (rank_slope, rank_slope_interval) = theil_sen(&times, &values, confidence)?;
    let (tau, tau_p_value) = kendall(&times, &values);
    Some(Drift {
        count: points.len(),
        slope,
        slope_error,
        slope_interval: t_interval(slope, slope_error, df, confidence),
        p_value: (slope_error > 0.0).then(|| t_two_sided(slope / slope_error, df)),
        relative_change: (mean != 0.0).then(|| slope * span / mean),
        rank_slope,
        rank_slope_interval,
        tau,
        tau_p_value,
        lag1_autocorrelation: Sample::try_new(values).ok()?.lag1_autocorrelation(),
    })
}

/// Each figure less the mean of its arm, and how many arms there are.
fn apart(points: &[Point<'_>], pick: impl Fn(&Point<'_>) -> f64) -> Option<(Vec<f64>, usize)> {
    let mut by_arm: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for point in points {
        by_arm.entry(point.arm).or_default().push(pick(point));
    }
    let mut means = BTreeMap::new();
    for (arm, values) in by_arm {
        means.insert(arm, Sample::try_new(values).ok()?.mean());
    }
    let less = |point: &Point<'_>| Some(pick(point) - means.get(point.arm)?);
    let residuals: Option<Vec<_>> = points.iter().map(less).collect();
    Some((residuals?, means.len()))
}

/// The pairs of places, the earlier one first.
fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |early| (early + 1..count).map(move |late| (early, late)))
}

/// The median of the pairwise slopes and its interval.
fn theil_sen(x: &[f64], y: &[f64], confidence: Confidence) -> Option<(f64, Interval)> {
    let slope = |(early, late): (usize, usize)| {
        let run = x.get(late)? - x.get(early)?;
        (run > 0.0).then_some((y.get(late)? - y.get(early)?) / run)
    };
    let mut slopes: Vec<f64> = pairs(x.len()).filter_map(slope).collect();
    if slopes.is_empty() {
        return None;
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let n = number(x.len());
    let ties = tie_term(x) + tie_term(y);
    let sigma = ((n * (n - 1.0) * (2.0 * n + 5.0) - ties).max(0.0) / 18.0).sqrt();
    let z = -normal_quantile(confidence.tail());
    let (count, last) = (number(slopes.len()), number(slopes.len() - 1));
    let low = (f64::midpoint(count, -z * sigma).round_ties_even() - 1.0).max(0.0);
    let high = f64::midpoint(count, z * sigma).round_ties_even().min(last);
    // A whole place has no part between two: the quantile is the figure there.
    let at = |place: f64| quantile_of_sorted(&slopes, if last > 0.0 { place / last } else { 0.0 });
    let interval = Interval {
        low: at(low),
        high: at(high),
    };
    Some((quantile_of_sorted(&slopes, 0.5), interval))
}

/// Kendall's tau-b and its p value.
fn kendall(x: &[f64], y: &[f64]) -> (f64, Option<f64>) {
    let sign = |a: f64, b: f64| f64::from(b.partial_cmp(&a).map_or(0, |order| order as i8));
    let both = |(early, late): (usize, usize)| {
        let (x0, x1) = (x.get(early)?, x.get(late)?);
        let (y0, y1) = (y.get(early)?, y.get(late)?);
        Some(sign(*x0, *x1) * sign(*y0, *y1))
    };
    let score: f64 = pairs(x.len()).filter_map(both).sum();
    let n = number(x.len());
    let of_all = n * (n - 1.0);
    let (tied_x, tied_y) = (tied_pairs(x), tied_pairs(y));
    let tau = score / ((0.5 * of_all - tied_x) * (0.5 * of_all - tied_y)).sqrt();
    let variance = (of_all * (2.0 * n + 5.0) - tie_term(x) - tie_term(y)) / 18.0
        + 2.0 * tied_x * tied_y / of_all
        + triples(x) * triples(y) / (9.0 * of_all * (n - 2.0));
    let p = (variance > 0.0).then(|| 2.0 * normal_cdf(-(score / variance.sqrt()).abs()));
    (if tau.is_finite() { tau } else { 0.0 }, p)
}

/// The sum of `f` over the sizes of groups of equal figures.
fn over_ties(values: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let groups = sorted.chunk_by(|a, b| a.partial_cmp(b).is_some_and(Ordering::is_eq));
    groups.map(|group| f(number(group.len()))).sum()
}

fn tied_pairs(values: &[f64]) -> f64 {
    over_ties(values, |k| 0.5 * k * (k - 1.0))
}

fn tie_term(values: &[f64]) -> f64 {
    over_ties(values, |k| k * (k - 1.0) * (2.0 * k + 5.0))
}

fn triples(values: &[f64]) -> f64 {
    over_ties(values, |k| k * (k - 1.0) * (k - 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points<'a>(arms: &[&'a str], value: impl Fn(usize) -> f64) -> Vec<Point<'a>> {
        let point = |place: usize| Point {
            order: number(place),
            arm: arms[place % arms.len()],
            value: value(place),
        };
        (0..24).map(point).collect()
    }

    #[test]
    fn arms_that_differ_are_no_drift() {
        let figures = points(&["a", "b"], |place| if place % 2 == 0 { 5.0 } else { 90.0 });
        let found = drift(&figures, Confidence::USUAL).unwrap();
        assert_eq!((found.slope, found.rank_slope), (0.0, 0.0));
        assert!(!found.is_significant());
    }

    #[test]
    fn a_machine_that_warms_up_is_found_in_whatever_order_the_rows_stand() {
        let rise = |place: usize| {
            100.0 + 0.5 * number(place) + if place.is_multiple_of(3) { 0.3 } else { 0.0 }
        };
        let mut figures = points(&["a", "b", "c", "d"], rise);
        let found = drift(&figures, Confidence::USUAL).unwrap();
        assert!(found.is_significant() && found.slope_interval.contains(0.5));
        assert!((found.relative_change.unwrap() - 0.11).abs() < 0.01);
        figures.reverse();
        assert_eq!(drift(&figures, Confidence::USUAL), Some(found));
    }

    #[test]
    fn too_few_figures_say_nothing() {
        let figures = points(&["a", "b", "c"], number);
        assert_eq!(drift(&figures[..4], Confidence::USUAL), None);
        assert_eq!(drift(&[], Confidence::USUAL), None);
    }
}
