//! Exact splits: the parts add up to the whole, to the last unit.

/// Splits `total` in proportion to `weights` by the largest-remainder
/// (Hamilton) method: the parts add up to `total` exactly and no part is off
/// its exact share by a whole unit. Equal remainders go to the earlier part.
///
/// Returns `None` if every weight is zero (or there is none): then nobody has
/// a claim, and the caller must book `total` to a named account.
///
/// ```
/// assert_eq!(tanso_power::apportion(10, &[1, 1, 1]), Some(vec![4, 3, 3]));
/// assert_eq!(tanso_power::apportion(10, &[0, 0]), None);
/// ```
#[must_use]
pub fn apportion(total: u64, weights: &[u64]) -> Option<Vec<u64>> {
    let whole: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
    if whole == 0 {
        return None;
    }
    let mut parts = Vec::with_capacity(weights.len());
    let mut remainders = Vec::with_capacity(weights.len());
    let mut given: u64 = 0;
    for (index, &weight) in weights.iter().enumerate() {
        // u64 * u64 fits u128.
        let claim = u128::from(total) * u128::from(weight);
        // One division: what is left of the claim tells the remainder.
        let share = claim / whole;
        remainders.push((claim - share * whole, index));
        // weight <= whole, so the share is at most `total`, a u64.
        let share = u64::try_from(share).unwrap_or(u64::MAX);
        given += share;
        parts.push(share);
    }
    // Fewer units are left than there are parts with a remainder.
    let left = usize::try_from(total - given).unwrap_or(usize::MAX);
    if (1..remainders.len()).contains(&left) {
        // Who is among the largest matters, and not in which order.
        remainders.select_nth_unstable_by(left, |a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    }
    for &(_, index) in remainders.iter().take(left) {
        if let Some(part) = parts.get_mut(index) {
            *part += 1;
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::apportion;
    use proptest::prelude::*;

    /// The same by the definition: the largest remainders first, of equals the earlier.
    fn by_order(total: u64, weights: &[u64]) -> Vec<u64> {
        let whole: u128 = weights.iter().map(|&w| u128::from(w)).sum();
        let claims = weights.iter().map(|&w| u128::from(total) * u128::from(w));
        let claims: Vec<u128> = claims.collect();
        let mut parts: Vec<u64> = claims
            .iter()
            .map(|claim| u64::try_from(claim / whole).unwrap())
            .collect();
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by_key(|&place| std::cmp::Reverse(claims[place] % whole));
        let left = total - parts.iter().sum::<u64>();
        for &place in order.iter().take(usize::try_from(left).unwrap()) {
            parts[place] += 1;
        }
        parts
    }

    #[test]
    fn units_that_are_left_go_to_the_largest_remainders_of_equals_to_the_earlier() {
        assert_eq!(apportion(11, &[1, 5, 1, 5, 1]), Some(vec![1, 4, 1, 4, 1]));
        assert_eq!(apportion(3, &[1, 1, 1, 1, 1]), Some(vec![1, 1, 1, 0, 0]));
        assert_eq!(apportion(7, &[7]), Some(vec![7]));
    }

    proptest! {
        #[test]
        fn parts_add_up_and_are_fair(total: u64, weights in prop::collection::vec(any::<u64>(), 0..40)) {
            let whole: u128 = weights.iter().map(|&w| u128::from(w)).sum();
            match apportion(total, &weights) {
                None => prop_assert_eq!(whole, 0),
                Some(parts) => {
                    let sum: u128 = parts.iter().map(|&p| u128::from(p)).sum();
                    prop_assert_eq!(sum, u128::from(total));
                    prop_assert_eq!(&parts, &by_order(total, &weights));
                    for (&part, &weight) in parts.iter().zip(&weights) {
                        let floor = u128::from(total) * u128::from(weight) / whole;
                        prop_assert!(u128::from(part) == floor || u128::from(part) == floor + 1);
                        prop_assert!(weight > 0 || part == 0);
                    }
                }
            }
        }
    }
}
