//! A seeded generator that anybody can write again in ten lines, so that an
//! order of trials or a bootstrap is the same in every version and language.
//!
//! `SplitMix64` (Steele, Lea & Flood 2014, doi:10.1145/2660193.2660195): the
//! state grows by 0x9E3779B97F4A7C15, the output is its mix. A number below a
//! bound is the high half of the 128-bit product with it; products whose low
//! half is below 2^64 mod bound are thrown away (Lemire 2019,
//! doi:10.1145/3230636), so that each number is equally likely. Not for
//! secrets.

/// A `SplitMix64` generator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generator(u64);

impl Generator {
    /// A generator that gives the same numbers for the same seed.
    ///
    /// ```
    /// use tanso_carbon::study::random::Generator;
    /// assert_eq!(Generator::from_seed(0).next_u64(), 0xE220_A839_7B1D_CDAF);
    /// ```
    #[must_use]
    pub const fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    #[must_use]
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A whole number from 0 to below `bound`, each equally likely; 0 if the
    /// bound is.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the halves of a 128-bit product; the high one is below a usize"
    )]
    pub fn below(&mut self, bound: usize) -> usize {
        let wide = bound as u64;
        if wide == 0 {
            return 0;
        }
        let threshold = wide.wrapping_neg() % wide;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(wide);
            if product as u64 >= threshold {
                return (product >> 64) as usize;
            }
        }
    }

    /// Puts items in an order of which each is equally likely (Fisher–Yates
    /// from the end).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_of_four_is_about_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        let mut generator = Generator::from_seed(11);
        for _ in 0..24_000 {
            let mut items = ['a', 'b', 'c', 'd'];
            generator.shuffle(&mut items);
            *counts.entry(items).or_insert(0_u32) += 1;
        }
        assert_eq!(counts.len(), 24);
        // Each is binomial with mean 1,000 and deviation 31.
        assert!(counts.values().all(|count| count.abs_diff(1_000) < 155));
    }

    #[test]
    fn a_number_below_nothing_is_zero_and_below_one_too() {
        let mut generator = Generator::from_seed(5);
        assert_eq!((generator.below(0), generator.below(1)), (0, 0));
    }
}
