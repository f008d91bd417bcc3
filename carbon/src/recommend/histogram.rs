//! A histogram of CPU use in which old samples count less and less.
//!
//! The shape is that of the Kubernetes vertical pod autoscaler: buckets that
//! grow by 5 %, the first 0.001 core wide, and a weight that halves in 24
//! hours.

use jiff::Timestamp;

/// The first bucket's width in cores.
const FIRST_BUCKET_CORES: f64 = 0.001;
/// How much wider each bucket is than the one before.
const GROWTH: f64 = 1.05;
/// Buckets up to 1,000 cores.
const BUCKETS: usize = 222;
/// The time in which a sample loses half its weight.
const HALF_LIFE_S: f64 = 24.0 * 3_600.0;

/// Decayed weights of samples by size.
#[derive(Clone, Debug)]
pub struct Histogram {
    weights: Vec<f64>,
    reference: Timestamp,
}

impl Histogram {
    /// An empty histogram; samples are weighed as seen from `reference`.
    #[must_use]
    pub fn new(reference: Timestamp) -> Self {
        Self {
            weights: vec![0.0; BUCKETS],
            reference,
        }
    }

    /// Adds a sample of so many cores. `weight` is how long it lasted.
    pub fn add(&mut self, at: Timestamp, cores: f64, weight: f64) {
        let age_s = self.reference.duration_since(at).as_secs_f64().max(0.0);
        if let Some(bucket) = self.weights.get_mut(bucket(cores)) {
            *bucket += weight * (-age_s / HALF_LIFE_S).exp2();
        }
    }

    /// The least size below which the given share of the weight lies: the
    /// upper edge of a bucket, in cores. `None` without samples.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Option<f64> {
        let total: f64 = self.weights.iter().sum();
        if total <= 0.0 {
            return None;
        }
        let mut sum = 0.0;
        for (index, weight) in self.weights.iter().enumerate() {
            sum += weight;
            // A hair below, so that rounding in the sum picks no next bucket.
            if *weight > 0.0 && sum >= share * total * (1.0 - 1e-12) {
                return Some(edge(index + 1));
            }
        }
        Some(edge(BUCKETS))
    }
}

/// Where bucket `index` begins: a geometric sum.
fn edge(index: usize) -> f64 {
    let exponent = i32::try_from(index).unwrap_or(i32::MAX);
    FIRST_BUCKET_CORES * (GROWTH.powi(exponent) - 1.0) / (GROWTH - 1.0)
}

fn bucket(cores: f64) -> usize {
    (0..BUCKETS)
        .find(|index| cores < edge(index + 1))
        .unwrap_or(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + hour * 3_600).unwrap()
    }

    #[test]
    fn a_percentile_is_at_most_a_bucket_above_the_samples() {
        let mut histogram = Histogram::new(at(0));
        for part in 1..=100_u32 {
            histogram.add(at(0), f64::from(part) / 100.0, 60.0);
        }
        let p90 = histogram.percentile(0.9).unwrap();
        assert!((0.90..0.95).contains(&p90), "{p90}");
        assert!(edge(BUCKETS) > 1_000.0);
    }

    #[test]
    fn a_sample_of_yesterday_counts_half() {
        let mut histogram = Histogram::new(at(24));
        histogram.add(at(0), 4.0, 1.0);
        histogram.add(at(24), 0.5, 0.51);
        let median = histogram.percentile(0.5).unwrap();
        assert!(median < 0.6, "{median}");
        assert!(Histogram::new(at(0)).percentile(0.9).is_none());
    }
}
