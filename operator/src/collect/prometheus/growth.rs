//! What a counter grew in each minute, from its values at whole minutes.
//!
//! Pure. Figures are rounded to micro-units as values, not as differences, so
//! that what grows over many minutes adds up to the difference of the ends.

use std::collections::BTreeMap;

/// One minute, seconds.
pub const MINUTE_S: i64 = 60;

/// Micro-units in a unit.
const MICRO: f64 = 1e6;

/// A counter's values by time, in millionths of its unit. Times are whole
/// minutes, seconds of Unix time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Curve(BTreeMap<i64, u64>);

/// What a counter grew until the end of a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The minute's begin, seconds of Unix time.
    pub minute: i64,
    /// By how much, in millionths of the counter's unit.
    pub amount: u64,
    /// Whether it covers more than this minute: the counter was not seen at
    /// the minute's begin.
    pub is_late: bool,
}

impl Curve {
    /// Adds a value, in the counter's unit. Of several for one time the
    /// highest stays: one thing under two labels, of which one is older. What
    /// is no whole minute, negative or no number is left out.
    pub fn insert(&mut self, at_s: f64, value: f64) {
        if !(value.is_finite() && value >= 0.0 && at_s.is_finite()) {
            return;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "both are finite, the value is not negative, and `as` stops at the ends"
        )]
        let (at, micro) = (at_s as i64, (value * MICRO).round() as u64);
        if at.rem_euclid(MINUTE_S) == 0 {
            let known = self.0.entry(at).or_default();
            *known = micro.max(*known);
        }
    }

    /// Whether there is a value for that time.
    #[must_use]
    pub fn is_seen_at(&self, time: i64) -> bool {
        self.0.contains_key(&time)
    }

    /// The times of the last two values that differ. The earlier one is whole: a
    /// sample that comes after shows that none before it is under way. The later one
    /// may be of the middle of its minute, and what a store repeats of a sample is no
    /// other value.
    #[must_use]
    pub fn last_change(&self) -> Option<(i64, i64)> {
        let values = self.0.iter().zip(self.0.iter().skip(1));
        let mut changes = values.filter(|((_, before), (_, after))| before != after);
        changes
            .next_back()
            .map(|((before, _), (after, _))| (*before, *after))
    }

    /// What it grew in each minute that begins at `from` or later. A counter
    /// that falls began anew at 0. One that appears counts from 0 if
    /// `was_seen` says of the minute's begin that its source was seen then:
    /// what it counts is new. Otherwise nobody knows when it grew.
    pub fn growth(&self, from: i64, was_seen: impl Fn(i64) -> bool) -> Vec<Growth> {
        let mut before: Option<(i64, u64)> = None;
        let mut found = Vec::new();
        for (&at, &value) in &self.0 {
            let minute = at - MINUTE_S;
            let grown = match before {
                Some((_, old)) if value >= old => Some(value - old),
                Some(_) => Some(value),
                None => was_seen(minute).then_some(value),
            };
            if let Some(amount) = grown
                && minute >= from
            {
                let is_late = before.is_some_and(|(seen, _)| seen < minute);
                found.push(Growth {
                    minute,
                    amount,
                    is_late,
                });
            }
            before = Some((at, value));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn curve(values: &[(i64, f64)]) -> Curve {
        let mut curve = Curve::default();
        for (minute, value) in values {
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            curve.insert((minute * MINUTE_S) as f64, *value);
        }
        curve
    }

    fn amounts(found: &[Growth]) -> Vec<(i64, u64, bool)> {
        found
            .iter()
            .map(|one| (one.minute / MINUTE_S, one.amount, one.is_late))
            .collect()
    }

    #[test]
    fn each_minute_has_what_the_counter_grew_until_its_end() {
        let curve = curve(&[(10, 1.0), (11, 1.5), (12, 1.5), (13, 4.0)]);
        assert_eq!(
            amounts(&curve.growth(600, |_| true)),
            [(10, 500_000, false), (11, 0, false), (12, 2_500_000, false)]
        );
    }

    #[test]
    fn a_counter_that_falls_began_anew() {
        let curve = curve(&[(10, 7.0), (11, 0.25), (12, 1.0)]);
        assert_eq!(
            amounts(&curve.growth(600, |_| true)),
            [(10, 250_000, false), (11, 750_000, false)]
        );
    }

    #[test]
    fn what_was_not_seen_for_a_while_is_late() {
        let curve = curve(&[(10, 1.0), (14, 3.0), (15, 4.0)]);
        assert_eq!(
            amounts(&curve.growth(600, |_| true)),
            [(13, 2_000_000, true), (14, 1_000_000, false)]
        );
    }

    #[test]
    fn a_new_counter_counts_only_where_its_source_was_seen_before() {
        let new = curve(&[(12, 3.0), (13, 4.0)]);
        assert_eq!(
            amounts(&new.growth(600, |time| time == 11 * MINUTE_S)),
            [(11, 3_000_000, false), (12, 1_000_000, false)]
        );
        assert_eq!(
            amounts(&new.growth(600, |_| false)),
            [(12, 1_000_000, false)]
        );
    }

    /// What a store repeats looks like a counter that stands: it is known to when
    /// the next value comes.
    #[test]
    fn values_are_whole_up_to_the_last_that_another_one_follows() {
        let change = |values: &[(i64, f64)]| {
            let (before, after) = curve(values).last_change()?;
            Some((before / MINUTE_S, after / MINUTE_S))
        };
        assert_eq!(change(&[(10, 1.0), (11, 2.0), (12, 3.0)]), Some((11, 12)));
        let repeated = [(10, 1.0), (11, 2.0), (12, 2.0), (13, 2.0)];
        assert_eq!(change(&repeated), Some((10, 11)));
        assert_eq!(change(&[(10, 1.0), (11, 2.0), (17, 9.0)]), Some((11, 17)));
        assert_eq!(change(&[(10, 9.0), (11, 2.0)]), Some((10, 11)));
        assert_eq!(change(&[(10, 1.0), (11, 1.0)]), None);
        assert_eq!(change(&[]), None);
    }

    #[test]
    fn values_that_cannot_be_are_left_out() {
        let mut curve = curve(&[(1, 1.0)]);
        for (at, value) in [
            (120.0, f64::NAN),
            (120.0, -1.0),
            (125.0, 2.0),
            (f64::NAN, 1.0),
        ] {
            curve.insert(at, value);
        }
        assert!(!curve.is_seen_at(120));
        assert!(!curve.is_seen_at(125));
    }

    proptest! {
        #[test]
        fn without_a_reset_it_adds_up_to_the_difference_of_the_ends(
            steps in proptest::collection::vec((1_i64..5, 0.0_f64..1e6), 1..40),
        ) {
            let (mut at, mut value) = (100, 5.0);
            let mut values = vec![(at, value)];
            for (wait, grown) in steps {
                at += wait;
                value += grown;
                values.push((at, value));
            }
            let curve = curve(&values);
            let sum: u64 = curve.growth(0, |_| false).iter().map(|one| one.amount).sum();
            let micro = |value: f64| (value * MICRO).round();
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            let sum = sum as f64;
            prop_assert!((sum - (micro(value) - micro(5.0))).abs() < 0.5);
        }

        #[test]
        fn two_looks_that_meet_see_what_one_look_sees(
            values in proptest::collection::vec((1_i64..4, 0.0_f64..100.0), 2..40),
            cut in 0_usize..40,
        ) {
            let mut at = 100;
            let mut placed = Vec::new();
            for (wait, value) in values {
                at += wait;
                placed.push((at, value));
            }
            let cut = placed.get(cut).map_or(at, |(at, _)| *at);
            let whole = curve(&placed);
            let early: Vec<_> = placed.iter().copied().filter(|(at, _)| *at <= cut).collect();
            let mut parts = curve(&early).growth(0, |_| true);
            parts.extend(whole.growth(cut * MINUTE_S, |_| true));
            prop_assert_eq!(parts, whole.growth(0, |_| true));
        }
    }
}
