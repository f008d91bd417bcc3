//! The processors that are online, and how long each was busy.

use std::fs;
use std::time::Duration;

use crate::host::HostRoots;
use crate::host::time::ticks;

/// A reading of the processors' own lines in `/proc/stat`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Online {
    /// Number and busy time since boot, by rising number.
    processors: Vec<(usize, Duration)>,
}

impl Online {
    /// The processors; `None` if the file cannot be read or lists none.
    pub(super) fn read(roots: &HostRoots) -> Option<Self> {
        Self::parse(&fs::read_to_string(roots.proc.join("stat")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut processors = Vec::new();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let number = words.next().and_then(|word| word.strip_prefix("cpu"));
            let Some(number) = number.and_then(|digits| digits.parse().ok()) else {
                continue;
            };
            let mut times = words.map(|word| word.parse().map_or(Duration::ZERO, ticks));
            let mut next = || times.next().unwrap_or_default();
            let [user, nice, system, _idle, _iowait, irq, softirq] =
                std::array::from_fn(|_| next());
            processors.push((number, user + nice + system + irq + softirq));
        }
        (!processors.is_empty()).then_some(Self { processors })
    }

    /// Their numbers.
    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> {
        self.processors.iter().map(|(number, _)| *number)
    }

    /// Whether the same processors are online.
    pub(super) fn same_processors(&self, before: &Self) -> bool {
        self.numbers().eq(before.numbers())
    }

    /// How long each was busy since `before`; nothing if others were online.
    pub(super) fn busy_since(&self, before: &Self) -> Vec<Duration> {
        if !self.same_processors(before) {
            return Vec::new();
        }
        let pairs = self.processors.iter().zip(&before.processors);
        pairs
            .map(|((_, now), (_, before))| now.saturating_sub(*before))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_processors_busy_time_is_told_apart() {
        let before = Online::parse("cpu 1 1 1 1\ncpu0 1 2 3 100 5 6 7 8\ncpu5 9 0 0 9\nintr 5\n");
        let after = Online::parse("cpu0 2 2 3 150 9 6 7 9\ncpu5 9 0 4 9\n").unwrap();
        let before = before.unwrap();
        assert_eq!(after.numbers().collect::<Vec<_>>(), [0, 5]);
        let busy = after.busy_since(&before);
        assert_eq!(busy, [Duration::from_millis(10), Duration::from_millis(40)]);
        let fewer = Online::parse("cpu0 2 2 3 150\n").unwrap();
        assert!(fewer.busy_since(&after).is_empty());
        assert_eq!(Online::parse("cpu 1 2 3 4\n"), None);
    }
}
