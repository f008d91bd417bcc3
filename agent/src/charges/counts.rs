//! From readings of hardware counters by control group to counts by account.

use std::collections::{BTreeMap, HashMap};

use super::Charges;
use crate::books::Books;
use crate::host::CgroupIndex;
use crate::kernel::{CountReading, Group};
use crate::pmu::KINDS;

/// What was counted in an interval, in the order of [`crate::pmu::NAMES`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountCounts {
    /// By account, rising; each once.
    pub by_account: Vec<(usize, [u64; KINDS])>,
    /// By account and socket, in their order.
    pub by_socket: Vec<(usize, u32, [u64; KINDS])>,
    /// Whether all that ran in the interval was counted.
    pub whole: [bool; KINDS],
}

/// The last reading, from which differences are taken.
#[derive(Debug, Default)]
pub(super) struct LastCounts {
    groups: HashMap<(Group, u32), [u64; KINDS]>,
    overflow: [u64; KINDS],
    retired: [u64; KINDS],
}

impl Charges {
    /// Counts by account since the last reading. To be called after
    /// [`Charges::since_last`], which is told of groups that are gone already.
    pub fn counts_since_last(
        &mut self,
        reading: &CountReading,
        index: Option<&mut CgroupIndex>,
        books: &mut Books,
    ) -> AccountCounts {
        if let Some(index) = index {
            self.identify(reading.groups.iter().map(|one| one.group.cgroup), index);
        }
        let mut last = std::mem::take(&mut self.counts);
        let mut charged: BTreeMap<(usize, u32), [u64; KINDS]> = BTreeMap::new();
        let mut groups = HashMap::with_capacity(reading.groups.len());
        for one in &reading.groups {
            let key = (one.group, one.socket);
            let before = last.groups.remove(&key).unwrap_or_default();
            let delta = less(one.events, before);
            if delta != [0; KINDS] {
                let place = self.place(one.group, books);
                add(charged.entry((place, one.socket)).or_default(), delta);
            }
            groups.insert(key, one.events);
        }
        // What removed groups counted beyond what was charged of them; which of
        // them it was is not known.
        let mut known = [0; KINDS];
        for events in last.groups.values() {
            add(&mut known, *events);
        }
        let rest = less(less(reading.retired, last.retired), known);
        let overflow = less(reading.overflow, last.overflow);
        self.counts = LastCounts {
            groups,
            overflow: reading.overflow,
            retired: reading.retired,
        };
        let mut by_account: BTreeMap<usize, [u64; KINDS]> = BTreeMap::new();
        for (&(place, _), &events) in &charged {
            add(by_account.entry(place).or_default(), events);
        }
        // Of no known socket: they are not told by socket.
        for (place, delta) in [(Books::SYSTEM, rest), (Books::OVERFLOW, overflow)] {
            if delta != [0; KINDS] {
                add(by_account.entry(place).or_default(), delta);
            }
        }
        AccountCounts {
            by_account: by_account.into_iter().collect(),
            by_socket: charged
                .into_iter()
                .map(|((place, socket), events)| (place, socket, events))
                .collect(),
            whole: reading.whole,
        }
    }
}

fn less(mut now: [u64; KINDS], before: [u64; KINDS]) -> [u64; KINDS] {
    for (now, before) in now.iter_mut().zip(before) {
        *now = now.saturating_sub(before);
    }
    now
}

fn add(sum: &mut [u64; KINDS], part: [u64; KINDS]) {
    for (sum, part) in sum.iter_mut().zip(part) {
        *sum = sum.saturating_add(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{GroupEvents, TaskKind};
    use crate::workloads::CgroupId;

    fn reading(groups: &[(u64, u32, u64)], overflow: u64, retired: u64) -> CountReading {
        let groups = groups.iter().map(|&(inode, socket, cycles)| GroupEvents {
            group: Group {
                cgroup: CgroupId::new(inode),
                kind: TaskKind::Kernel,
            },
            socket,
            events: [cycles, cycles / 2, 0],
        });
        CountReading {
            groups: groups.collect(),
            overflow: [overflow, 0, 0],
            retired: [retired, 0, 0],
            whole: [true, true, false],
            ..CountReading::default()
        }
    }

    #[test]
    fn an_interval_s_counts_are_all_that_the_source_counted_in_it() {
        let (mut charges, mut books) = (Charges::default(), Books::default());
        charges.counts_since_last(
            &reading(&[(1, 0, 100), (1, 1, 40), (2, 0, 60)], 5, 0),
            None,
            &mut books,
        );
        // The second group is gone, with 9 cycles that nobody saw; it comes back.
        let second = reading(&[(1, 0, 130), (1, 1, 40)], 7, 69);
        let counted = charges.counts_since_last(&second, None, &mut books);
        assert_eq!(
            counted.by_account,
            [
                (Books::SYSTEM, [9, 0, 0]),
                (Books::KERNEL, [30, 15, 0]),
                (Books::OVERFLOW, [2, 0, 0])
            ]
        );
        assert_eq!(counted.whole, [true, true, false]);
        let third = reading(&[(1, 0, 130), (1, 1, 44), (2, 1, 6)], 7, 69);
        let counted = charges.counts_since_last(&third, None, &mut books);
        assert_eq!(counted.by_account, [(Books::KERNEL, [10, 5, 0])]);
        assert_eq!(counted.by_socket, [(Books::KERNEL, 1, [10, 5, 0])]);
    }
}
