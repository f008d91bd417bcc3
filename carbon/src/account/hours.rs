//! The hours of an account while its rows are added up.

use std::collections::BTreeMap;

use super::HourAccount;
use crate::calendar::UtcHour;

/// The hours of an account in the making. Rows mostly come in the order of
/// their hours, and then none is looked for.
pub(super) struct Hours {
    /// Ascending.
    ordered: Vec<(UtcHour, HourAccount)>,
    /// Hours that came after a later one; all are before the last in order.
    late: BTreeMap<UtcHour, HourAccount>,
}

impl Hours {
    pub(super) fn with_room(hours: usize) -> Self {
        Self {
            ordered: Vec::with_capacity(hours),
            late: BTreeMap::new(),
        }
    }

    pub(super) fn at(&mut self, hour: UtcHour) -> &mut HourAccount {
        let last = self.ordered.last().map(|(last, _)| *last);
        let index = match last {
            Some(last) if hour == last => self.ordered.len().checked_sub(1),
            Some(last) if hour < last => {
                let found = self.ordered.binary_search_by_key(&hour, |(at, _)| *at);
                found.ok()
            }
            _ => {
                self.ordered.push((hour, HourAccount::default()));
                self.ordered.len().checked_sub(1)
            }
        };
        match index.and_then(|index| self.ordered.get_mut(index)) {
            Some((_, sums)) => sums,
            None => self.late.entry(hour).or_default(),
        }
    }

    pub(super) fn finish(self) -> BTreeMap<UtcHour, HourAccount> {
        if self.late.is_empty() {
            return self.ordered.into_iter().collect();
        }
        let mut all = self.late;
        all.extend(self.ordered);
        all
    }
}
