//! What is known of hours while rows are gone through.

use std::collections::BTreeMap;

use crate::calendar::UtcHour;

/// Something of each hour. Rows mostly come in the order of their hours, and of
/// many parts each from the first hour on: then none is looked for.
pub(super) struct Hours<T> {
    /// Ascending.
    ordered: Vec<(UtcHour, T)>,
    /// Hours that came after a later one; all are before the last in order.
    late: BTreeMap<UtcHour, T>,
    /// Where in the order the hour stands that was asked for last.
    last: usize,
}

impl<T> Hours<T> {
    pub(super) const fn new() -> Self {
        Self {
            ordered: Vec::new(),
            late: BTreeMap::new(),
            last: 0,
        }
    }

    /// What is known of an hour; made if it is the first time that it is asked
    /// for.
    pub(super) fn at(&mut self, hour: UtcHour, new: impl Fn() -> T) -> &mut T {
        let index = match self.index_of(hour) {
            None if self.is_after_all(hour) => {
                self.ordered.push((hour, new()));
                self.ordered.len().checked_sub(1)
            }
            found => found,
        };
        self.last = index.unwrap_or(self.last);
        match index.and_then(|index| self.ordered.get_mut(index)) {
            Some((_, known)) => known,
            None => self.late.entry(hour).or_insert_with(new),
        }
    }

    fn index_of(&self, hour: UtcHour) -> Option<usize> {
        let is_at = |index: usize| self.ordered.get(index).is_some_and(|(at, _)| *at == hour);
        let near = [self.last, self.last.saturating_add(1), 0];
        near.into_iter().find(|index| is_at(*index)).or_else(|| {
            let found = self.ordered.binary_search_by_key(&hour, |(at, _)| *at);
            found.ok()
        })
    }

    fn is_after_all(&self, hour: UtcHour) -> bool {
        self.ordered.last().is_none_or(|(last, _)| *last < hour)
    }

    pub(super) fn finish(self) -> BTreeMap<UtcHour, T> {
        if self.late.is_empty() {
            return self.ordered.into_iter().collect();
        }
        let mut all = self.late;
        all.extend(self.ordered);
        all
    }
}
