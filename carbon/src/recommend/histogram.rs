//! A histogram of use in which old samples count less and less.
//!
//! The shapes are those of the Kubernetes vertical pod autoscaler: buckets
//! that grow by 5 %, the first 0.001 core or 10 MB wide, and a weight that
//! halves in 24 hours.

use jiff::Timestamp;

/// How much wider each bucket is than the one before.
const GROWTH: f64 = 1.05;
/// The time in which a sample loses half its weight.
const HALF_LIFE_S: f64 = 24.0 * 3_600.0;

/// The first bucket's width, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    first: f64,
    buckets: usize,
}

impl Shape {
    /// Cores, up to 1,000.
    pub const CPU: Self = Self {
        first: 0.001,
        buckets: 222,
    };
    /// Bytes, up to 1 TB.
    pub const MEMORY: Self = Self {
        first: 1e7,
        buckets: 176,
    };

    /// Where bucket `index` begins: a geometric sum.
    fn edge(self, index: usize) -> f64 {
        let exponent = i32::try_from(index).unwrap_or(i32::MAX);
        self.first * (GROWTH.powi(exponent) - 1.0) / (GROWTH - 1.0)
    }

    /// The number of the bucket that a size lies in; all that is larger is in
    /// the last.
    fn bucket(self, size: f64) -> usize {
        let ratio = size.max(0.0) * (GROWTH - 1.0) / self.first;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a logarithm of one and more, far below 2^31; put right below"
        )]
        let near = (ratio.ln_1p() / GROWTH.ln()) as usize;
        let mut index = near.min(self.buckets - 1);
        while index > 0 && size < self.edge(index) {
            index -= 1;
        }
        while index < self.buckets - 1 && size >= self.edge(index + 1) {
            index += 1;
        }
        index
    }

    /// The same of millionths of a core or byte, as a number that is kept:
    /// buckets never change.
    #[must_use]
    pub fn bucket_of_micros(self, micros: u64) -> u16 {
        #[expect(clippy::cast_precision_loss, reason = "a bucket is 5 % wide")]
        let size = micros as f64 / 1e6;
        u16::try_from(self.bucket(size)).unwrap_or(u16::MAX)
    }
}

/// Decayed weights of samples by size.
#[derive(Clone, Debug)]
pub struct Histogram {
    shape: Shape,
    weights: Vec<f64>,
    reference: Timestamp,
}

impl Histogram {
    /// An empty histogram of cores; samples are weighed as seen from
    /// `reference`.
    #[must_use]
    pub fn new(reference: Timestamp) -> Self {
        Self::shaped(Shape::CPU, reference)
    }

    /// An empty histogram of that shape.
    #[must_use]
    pub fn shaped(shape: Shape, reference: Timestamp) -> Self {
        Self {
            shape,
            weights: vec![0.0; shape.buckets],
            reference,
        }
    }

    /// Adds a sample of so many cores or bytes. `weight` is how long it
    /// lasted.
    pub fn add(&mut self, at: Timestamp, size: f64, weight: f64) {
        self.add_to(self.shape.bucket(size), at, weight);
    }

    /// Adds what lies in a bucket of that number; nothing where there is none.
    pub fn add_to(&mut self, bucket: usize, at: Timestamp, weight: f64) {
        let age_s = self.reference.duration_since(at).as_secs_f64().max(0.0);
        if let Some(bucket) = self.weights.get_mut(bucket) {
            *bucket += weight * (-age_s / HALF_LIFE_S).exp2();
        }
    }

    /// The least size below which the given share of the weight lies: the
    /// upper edge of a bucket. `None` without samples.
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
                return Some(self.shape.edge(index + 1));
            }
        }
        Some(self.shape.edge(self.shape.buckets))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn percentiles_rise_with_the_share_and_end_a_bucket_above_the_largest(
            sizes in prop::collection::vec((0.0..1e12_f64, 0_i64..200), 1..80),
            shares in (0.0..1.0_f64, 0.0..1.0_f64),
        ) {
            let mut histogram = Histogram::shaped(Shape::MEMORY, at(200));
            for (size, hour) in &sizes {
                histogram.add(at(*hour), *size, 1.0);
            }
            let (low, high) = (shares.0.min(shares.1), shares.0.max(shares.1));
            let of = |share| histogram.percentile(share).unwrap();
            prop_assert!(of(low) <= of(high) && of(high) <= of(1.0));
            let largest = sizes.iter().map(|(size, _)| *size).fold(0.0, f64::max);
            prop_assert!(of(1.0) > largest);
            prop_assert!(of(1.0) <= (largest * GROWTH + 1e7) * 1.000_001);
        }

        #[test]
        fn a_percentile_is_that_of_the_sorted_samples_to_a_bucket(
            sizes in prop::collection::vec(0.0..1e12_f64, 1..80),
            share in 0.01..1.0_f64,
        ) {
            let mut histogram = Histogram::shaped(Shape::MEMORY, at(0));
            let mut sorted = sizes;
            for size in &sorted {
                histogram.add(at(0), *size, 1.0);
            }
            sorted.sort_by(f64::total_cmp);
            let reached = |rank: &usize| {
                u32::try_from(rank + 1).map(f64::from).unwrap()
                    >= share * f64::from(u32::try_from(sorted.len()).unwrap()) * (1.0 - 1e-12)
            };
            let rank = (0..sorted.len()).find(reached).unwrap();
            let (exact, found) = (sorted[rank], histogram.percentile(share).unwrap());
            prop_assert!(found > exact, "{found} {exact}");
            prop_assert!(found <= (exact * GROWTH + 1e7) * 1.000_001, "{found} {exact}");
        }

        #[test]
        fn a_bucket_is_the_first_that_ends_above_the_size(micros: u64, small in 0..5_000_000_000_u64) {
            for (shape, micros) in [Shape::CPU, Shape::MEMORY].into_iter().zip([small, micros]) {
                #[expect(clippy::cast_precision_loss, reason = "as the bucket is chosen")]
                let size = micros as f64 / 1e6;
                let first = (0..shape.buckets).find(|index| size < shape.edge(index + 1));
                let found = usize::from(shape.bucket_of_micros(micros));
                prop_assert_eq!(found, first.unwrap_or(shape.buckets - 1));
            }
        }

        #[test]
        fn all_samples_grown_older_alike_say_the_same(
            sizes in prop::collection::vec((0.0..1e12_f64, 0_i64..48), 1..40),
            days in 0_i64..5,
        ) {
            let percentile = |now: i64| {
                let mut histogram = Histogram::shaped(Shape::MEMORY, at(now));
                for (size, hour) in &sizes {
                    histogram.add(at(*hour), *size, 1.0);
                }
                histogram.percentile(0.9)
            };
            prop_assert_eq!(percentile(48), percentile(48 + 24 * days));
        }
    }

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
        assert!(Shape::CPU.edge(222) > 1_000.0);
        assert!(Shape::MEMORY.edge(176) > 1e12);
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
