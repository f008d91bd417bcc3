//! Counts of counters that were counted for a part of the time only.
//!
//! Pure. A processor has few counters; where more are wanted the kernel has them
//! take turns, and what a counter counted in its turns is taken for its rate all
//! the time (`perf_event_open(2)`). That rate is a group's own over a reading
//! interval: single stretches between two context switches lie mostly within a
//! turn or outside of one, and carry no rate.

use tanso_agent_abi::Counted;

/// The rate of all groups together in an interval.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    events: u128,
    counted_ns: u128,
}

impl Rate {
    /// The rate of these.
    pub(super) fn of(all: impl Iterator<Item = Counted>) -> Self {
        let mut rate = Self::default();
        for one in all {
            rate.events += u128::from(one.events);
            rate.counted_ns += u128::from(counted_ns(one));
        }
        rate
    }

    /// The events of one group for all of the time for which they were wanted.
    /// One that ran only while its counter had no turn is taken to have had
    /// everybody's rate; `None` if nobody's is known.
    pub(super) fn whole(&self, one: Counted) -> Option<u64> {
        if one.missed_ns == 0 {
            return Some(one.events);
        }
        let own_ns = counted_ns(one);
        if own_ns > 0 {
            return Some(times(u128::from(one.events), one.wanted_ns, own_ns.into()));
        }
        (self.counted_ns > 0).then(|| times(self.events, one.wanted_ns, self.counted_ns))
    }
}

/// For how long it was counted. Fields are read one after another while others
/// add to them, so that a missed time may be a moment ahead.
fn counted_ns(one: Counted) -> u64 {
    one.wanted_ns.saturating_sub(one.missed_ns)
}

/// `events` in `part_ns`, for `whole_ns`.
fn times(events: u128, whole_ns: u64, part_ns: u128) -> u64 {
    let product = events.saturating_mul(u128::from(whole_ns));
    u64::try_from(product / part_ns.max(1)).unwrap_or(u64::MAX)
}

/// What a counter grew by between two looks.
pub(super) fn since(now: Counted, before: Counted) -> Counted {
    Counted {
        events: now.events.saturating_sub(before.events),
        wanted_ns: now.wanted_ns.saturating_sub(before.wanted_ns),
        missed_ns: now.missed_ns.saturating_sub(before.missed_ns),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(events: u64, wanted_ns: u64, missed_ns: u64) -> Counted {
        Counted {
            events,
            wanted_ns,
            missed_ns,
        }
    }

    #[test]
    fn what_was_counted_half_of_the_time_counts_twice() {
        let rate = Rate::default();
        assert_eq!(rate.whole(counted(500, 100, 50)), Some(1_000));
        assert_eq!(rate.whole(counted(500, 100, 0)), Some(500));
        // A group that did not run.
        assert_eq!(rate.whole(counted(0, 0, 0)), Some(0));
    }

    #[test]
    fn who_ran_outside_of_all_turns_has_everybody_s_rate() {
        let all = [
            counted(3_000, 2_000, 1_000),
            counted(0, 40, 40),
            counted(1_000, 1_000, 0),
        ];
        let rate = Rate::of(all.into_iter());
        assert_eq!(rate.whole(all[1]), Some(80));
        let nobody = Rate::of([counted(0, 40, 40)].into_iter());
        assert_eq!(nobody.whole(counted(0, 40, 40)), None);
    }

    #[test]
    fn a_missed_time_that_is_a_moment_ahead_breaks_nothing() {
        let rate = Rate::of([counted(7, 10, 12)].into_iter());
        assert_eq!(rate.whole(counted(7, 10, 12)), None);
        assert_eq!(
            since(counted(1, 2, 3), counted(4, 5, 6)),
            Counted::default()
        );
    }

    #[test]
    fn counts_beyond_all_numbers_are_the_largest() {
        let rate = Rate::default();
        let most = counted(u64::MAX, u64::MAX, u64::MAX - 1);
        assert_eq!(rate.whole(most), Some(u64::MAX));
    }

    proptest! {
        /// Whatever the turns were, a steady rate comes out as it was.
        #[test]
        fn a_steady_rate_is_found_again(
            per_us in 0..5_000_u64,
            turns in prop::collection::vec((1..10_000_u64, 0..10_000_u64), 1..20),
        ) {
            let groups: Vec<Counted> = turns
                .iter()
                .map(|&(on_us, off_us)| {
                    counted(per_us * on_us, (on_us + off_us) * 1_000, off_us * 1_000)
                })
                .collect();
            let rate = Rate::of(groups.iter().copied());
            for (one, (on_us, off_us)) in groups.iter().zip(turns) {
                prop_assert_eq!(rate.whole(*one), Some(per_us * (on_us + off_us)));
            }
        }

        #[test]
        fn nothing_is_scaled_down(
            events in 0..u64::MAX,
            wanted in 0..u64::MAX,
            missed in 0..u64::MAX,
        ) {
            let one = counted(events, wanted, missed);
            if let Some(whole) = Rate::default().whole(one) {
                prop_assert!(whole >= events);
            }
        }
    }
}
