//! Which counters a machine has: opened, and not yet given to the programs.

use perf_event::Counter;

use crate::host::HostRoots;
use crate::host::cpu::online;
use crate::pmu::{self, CounterReport, CounterState, EventCodes, KINDS, NAMES};

/// The counters of a machine, open and not yet given to the programs.
pub(in crate::kernel::ebpf) struct Found {
    pub(super) codes: EventCodes,
    pub(super) online: Vec<usize>,
    /// By kind, a counter for each processor that is online; none where there is
    /// no such counter.
    pub(super) open: [Vec<Counter>; KINDS],
    pub(super) states: [CounterState; KINDS],
}

impl Found {
    /// Opens the counters of the processors that are online.
    pub(in crate::kernel::ebpf) fn look(codes: EventCodes, roots: &HostRoots) -> Self {
        let online = online(roots);
        let mut states = std::array::from_fn(|_| CounterState::Active);
        let open = std::array::from_fn(|place| {
            let opened = open(codes, place, &online);
            if let (Err(state), Some(own)) = (&opened, states.get_mut(place)) {
                own.clone_from(state);
            }
            opened.unwrap_or_default()
        });
        Self {
            codes,
            online,
            open,
            states,
        }
    }

    /// A bit for each kind that is open.
    pub(in crate::kernel::ebpf) fn bits(&self) -> u32 {
        let bits = self.open.iter().enumerate();
        bits.filter(|(_, open)| !open.is_empty())
            .map(|(place, _)| 1 << place)
            .sum()
    }

    pub(super) fn reports(self) -> Vec<CounterReport> {
        reports(&self.states)
    }

    /// The same where the programs cannot read what is open.
    pub(super) fn refused(mut self, reason: &str) -> Vec<CounterReport> {
        for (state, open) in self.states.iter_mut().zip(&self.open) {
            if !open.is_empty() {
                *state = CounterState::Failed(reason.to_owned());
            }
        }
        self.reports()
    }
}

/// A kind's counter on each of the processors.
pub(super) fn open(
    EventCodes(codes): EventCodes,
    place: usize,
    online: &[usize],
) -> Result<Vec<Counter>, CounterState> {
    let (Some(&code), Some(name)) = (codes.get(place), NAMES.get(place)) else {
        return Ok(Vec::new());
    };
    let Some(code) = code else {
        return Err(CounterState::Absent(pmu::NO_LAST_LEVEL.to_owned()));
    };
    if online.is_empty() {
        let reason = "the kernel does not say which processors are online";
        return Err(CounterState::Failed(reason.to_owned()));
    }
    let opened = online.iter().map(|&number| pmu::open(code, number));
    opened.collect::<Result<_, _>>().map_err(|fault| {
        if pmu::is_absent(&fault) {
            CounterState::Absent(pmu::lack(name, code, &fault))
        } else {
            CounterState::Failed(pmu::refusal(&code.to_string(), &fault))
        }
    })
}

/// Each kind with its state.
pub(super) fn reports(states: &[CounterState; KINDS]) -> Vec<CounterReport> {
    let named = NAMES.into_iter().zip(states);
    named
        .map(|(counter, state)| CounterReport {
            counter,
            state: state.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_kind_without_an_event_is_absent_and_says_what_stands_in() {
        let machine = tempfile::tempdir().unwrap();
        let roots = HostRoots::under(machine.path());
        let folder = roots.sys.join("devices/system/cpu");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("online"), "0\n").unwrap();
        let found = Found::look(EventCodes([None; KINDS]), &roots);
        assert_eq!(found.online, [0]);
        assert_eq!(found.bits(), 0);
        for report in found.reports() {
            assert_eq!(report.state.as_str(), "absent");
            assert_eq!(report.state.reason(), pmu::NO_LAST_LEVEL);
        }
    }
}
