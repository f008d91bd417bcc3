//! Hardware counters of an interval: by whom energy was used, as far as they
//! tell, and their sums for readers.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use tanso_agent_abi::counter;
use tanso_agent_wire::energy::Account;

use super::Cycle;
use crate::books::{Books, Counted, Weights};
use crate::charges::counts::AccountCounts;
use crate::kernel::CpuReading;
use crate::pmu::{self, CounterReport, CounterState, KINDS, NAMES};
use crate::snapshot::details::{CounterFigures, HardwareCounts};

/// Weights of an interval by the counters that counted all of it.
#[derive(Debug, Default)]
pub(super) struct Interval {
    cycles: Option<Told>,
    cache_misses: Option<Told>,
}

/// One kind's counts, as [`Weights`].
#[derive(Debug)]
struct Told {
    by_account: Vec<(usize, u64)>,
    by_socket: Vec<(usize, u32, u64)>,
}

impl Interval {
    fn of(counts: &AccountCounts) -> Self {
        Self {
            cycles: Told::of(counts, counter::CYCLES),
            cache_misses: Told::of(counts, counter::CACHE_MISSES),
        }
    }

    /// For booking.
    pub(super) fn counted(&self) -> Counted<'_> {
        Counted {
            cycles: self.cycles.as_ref().map(Told::weights),
            cache_misses: self.cache_misses.as_ref().map(Told::weights),
        }
    }
}

impl Told {
    /// A kind's counts; `None` if not all of the interval was counted, or
    /// nothing was.
    fn of(counts: &AccountCounts, place: usize) -> Option<Self> {
        let at = |events: &[u64; KINDS]| events.get(place).copied().unwrap_or_default();
        let is_whole = counts.whole.get(place).copied().unwrap_or_default();
        let all = counts.by_account.iter();
        let by_account: Vec<(usize, u64)> = all
            .map(|(account, events)| (*account, at(events)))
            .filter(|&(_, events)| events > 0)
            .collect();
        if !is_whole || by_account.is_empty() {
            return None;
        }
        let all = counts.by_socket.iter();
        let by_socket = all
            .map(|(account, socket, events)| (*account, *socket, at(events)))
            .filter(|&(.., events)| events > 0);
        Some(Self {
            by_account,
            by_socket: by_socket.collect(),
        })
    }

    fn weights(&self) -> Weights<'_> {
        Weights {
            by_account: &self.by_account,
            by_socket: &self.by_socket,
        }
    }
}

/// Counts by account since the agent's start, and how the counters stand.
#[derive(Debug, Default)]
pub(super) struct HardwareTotals {
    by_account: BTreeMap<Account, [u64; KINDS]>,
    reports: Vec<CounterReport>,
    /// Kinds that counted at some time.
    counted: [bool; KINDS],
    times: [(Duration, Duration); KINDS],
}

impl HardwareTotals {
    fn add(&mut self, counts: &AccountCounts, books: &Books) {
        for (place, events) in &counts.by_account {
            let Some(book) = books.accounts.get(*place) else {
                continue;
            };
            // Mostly known: no new name is made to look for it.
            if let Some(sums) = self.by_account.get_mut(&book.account) {
                for (sum, events) in sums.iter_mut().zip(events) {
                    *sum = sum.saturating_add(*events);
                }
            } else {
                self.by_account.insert(book.account.clone(), *events);
            }
        }
    }

    fn stand(&mut self, reports: Vec<CounterReport>) {
        for (counted, report) in self.counted.iter_mut().zip(&reports) {
            *counted |= report.state == CounterState::Active;
        }
        self.reports = reports;
    }

    /// Forgets accounts that are no longer listed.
    pub(super) fn keep(&mut self, books: &Books) {
        if self.by_account.is_empty() {
            return;
        }
        let listed: HashSet<&Account> = books.accounts.iter().map(|book| &book.account).collect();
        self.by_account
            .retain(|account, _| listed.contains(account));
    }

    /// What readers see of the counts.
    pub(super) fn counts(&self) -> BTreeMap<Account, HardwareCounts> {
        let [cycles, instructions, cache_misses] = self.counted;
        let shown = |[c, i, m]: [u64; KINDS]| HardwareCounts {
            cycles: cycles.then_some(c),
            instructions: instructions.then_some(i),
            cache_misses: cache_misses.then_some(m),
        };
        let sums = self.by_account.iter();
        sums.map(|(account, &events)| (account.clone(), shown(events)))
            .collect()
    }

    /// What readers see of the counters.
    pub(super) fn counters(&self) -> Vec<CounterFigures> {
        let figures = self.reports.iter().map(|report| {
            let place = NAMES.iter().position(|name| *name == report.counter);
            let times = place.and_then(|place| self.times.get(place).copied());
            let (wanted, counted) = times.unwrap_or_default();
            let ratio = counted.as_secs_f64() / wanted.as_secs_f64();
            CounterFigures {
                report: report.clone(),
                counted_ratio: (!wanted.is_zero()).then_some(ratio),
            }
        });
        figures.collect()
    }
}

impl Cycle {
    /// What hardware counters say of the interval that ends with this reading.
    /// To be called after its CPU time is charged.
    pub(super) fn look_at_hardware(&mut self, cpu: Option<&CpuReading>) -> Interval {
        if !self.parts.hardware_counters {
            return Interval::default();
        }
        let mut reports = self.parts.cpu.counters();
        if reports.is_empty() {
            let reason = "hardware counters are read by the kernel programs alone";
            let state = CounterState::Absent(reason.to_owned());
            reports = pmu::all_in(&state).to_vec();
        }
        self.hardware.stand(reports);
        let Some(reading) = cpu.and_then(|cpu| cpu.counts.as_ref()) else {
            return Interval::default();
        };
        self.hardware.times = reading.times;
        let (books, index) = (&mut self.state.books, self.index.as_mut());
        let counts = self.charges.counts_since_last(reading, index, books);
        self.hardware.add(&counts, books);
        Interval::of(&counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(whole: [bool; KINDS]) -> AccountCounts {
        AccountCounts {
            by_account: vec![(0, [30, 9, 0]), (4, [70, 1, 0])],
            by_socket: vec![(0, 0, [30, 9, 0]), (4, 1, [70, 1, 0])],
            whole,
        }
    }

    #[test]
    fn counts_are_weights_only_if_all_was_counted_and_something_was() {
        let interval = Interval::of(&counts([true; KINDS]));
        let counted = interval.counted();
        assert_eq!(
            counted.cycles,
            Some(Weights {
                by_account: &[(0, 30), (4, 70)],
                by_socket: &[(0, 0, 30), (4, 1, 70)],
            })
        );
        // Nobody missed a cache.
        assert_eq!(counted.cache_misses, None);
        let broken = Interval::of(&counts([false, true, true]));
        assert_eq!(broken.counted(), Counted::default());
    }

    #[test]
    fn sums_are_shown_of_kinds_that_are_counted_and_of_accounts_that_are_listed() {
        let books = Books::default();
        let mut totals = HardwareTotals::default();
        totals.stand(pmu::all_in(&CounterState::Active).to_vec());
        let mut counts = counts([true; KINDS]);
        counts.by_account = vec![(Books::SYSTEM, [30, 9, 0]), (99, [1, 1, 1])];
        totals.add(&counts, &books);
        totals.add(&counts, &books);
        totals.counted = [true, true, false];
        let shown = totals.counts();
        assert_eq!(shown.len(), 1);
        let system = HardwareCounts {
            cycles: Some(60),
            instructions: Some(18),
            cache_misses: None,
        };
        assert_eq!(shown.get(&Account::System), Some(&system));
        totals.keep(&books);
        assert_eq!(totals.counts().len(), 1);
        let mut none = Books::default();
        none.accounts.clear();
        totals.keep(&none);
        assert!(totals.counts().is_empty());
    }

    #[test]
    fn how_much_was_counted_is_told_by_kind() {
        let mut totals = HardwareTotals::default();
        totals.stand(pmu::all_in(&CounterState::Active).to_vec());
        let second = Duration::from_secs;
        totals.times = [
            (second(4), second(3)),
            (second(4), second(4)),
            Default::default(),
        ];
        let ratios = totals.counters().into_iter().map(|one| one.counted_ratio);
        let ratios: Vec<Option<f64>> = ratios.collect();
        assert_eq!(ratios, [Some(0.75), Some(1.0), None]);
    }
}
