//! The place where most of a workload's energy was used; pure.

use std::collections::BTreeMap;

use tanso_power::Joules;

/// A place by its number, and how much of the energy was used there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MostUsed {
    /// 0 is the site.
    pub(super) number: usize,
    /// Whole percent, rounded down: 100 where nothing was used elsewhere.
    pub(super) percent: u128,
}

impl MostUsed {
    /// Of energy by the number of its place; of equal places the first, which is
    /// the site. `None` of no energy.
    pub(super) fn of(energy: impl Iterator<Item = (usize, Joules)>) -> Option<Self> {
        let mut sums: BTreeMap<usize, u128> = BTreeMap::new();
        for (number, energy) in energy {
            *sums.entry(number).or_default() += u128::from(energy.microjoules());
        }
        let whole: u128 = sums.values().sum();
        let (number, most) = sums.into_iter().rev().max_by_key(|(_, sum)| *sum)?;
        let percent = (most * 100).checked_div(whole)?;
        Some(Self { number, percent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(energy: &[(usize, u64)]) -> Option<(usize, u128)> {
        let energy = energy.iter();
        let energy = energy.map(|(number, uj)| (*number, Joules::from_microjoules(*uj)));
        MostUsed::of(energy).map(|most| (most.number, most.percent))
    }

    #[test]
    fn most_is_of_all_rows_of_a_place_and_the_site_goes_first() {
        assert_eq!(of(&[(0, 5), (2, 3), (1, 1), (2, 3)]), Some((2, 50)));
        assert_eq!(of(&[(3, 7), (0, 7)]), Some((0, 50)));
        assert_eq!(of(&[(0, 1), (1, 999)]), Some((1, 99)));
        assert_eq!(of(&[(1, 4), (0, 0)]), Some((1, 100)));
        assert_eq!(of(&[(1, 0)]), None);
        assert_eq!(of(&[]), None);
    }
}
