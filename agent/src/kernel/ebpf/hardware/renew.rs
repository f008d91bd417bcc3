//! Counters are opened anew where others are needed, and where they may count by
//! now.

use std::time::Instant;

use aya::Ebpf;
use tanso_agent_abi::ProcessorCounters;

use super::found::open;
use super::retry::Retry;
use super::{Hardware, batch, load, map, place_of, system};
use crate::host::cpu::online;
use crate::kernel::KernelError;
use crate::kernel::ladder::one_line;
use crate::pmu::{CounterState, KINDS, NAMES};

/// What fails where counters cannot be taken back.
const TAKING: &str = "taking hardware counters from the programs";

impl Hardware {
    /// The kinds that are to be opened anew. Of counters that stand still nothing
    /// is known but that others are needed.
    pub(super) fn lacking(&self) -> [bool; KINDS] {
        if self.still {
            return self.known;
        }
        let mut lacking = self.known;
        for (lacks, state) in lacking.iter_mut().zip(&self.states) {
            *lacks &= *state != CounterState::Active;
        }
        lacking
    }

    /// Opens anew what has to be, and may be by now; returns which kinds it was.
    pub(super) fn renew(&mut self, programs: &Ebpf, now: Instant) -> [bool; KINDS] {
        let online = online(&self.roots);
        let kinds = if online == self.online {
            self.lacking()
        } else {
            self.retry = Retry::default();
            self.known
        };
        if !kinds.contains(&true) || !self.retry.is_due(now) {
            return [false; KINDS];
        }
        self.retry.tried(now);
        self.reopen(programs, online, kinds);
        kinds
    }

    /// Opens counters anew, on the processors that are online now. The old ones go
    /// first, so that a processor that is looked at meanwhile takes the new one
    /// for what it is.
    fn reopen(&mut self, programs: &Ebpf, online: Vec<usize>, kinds: [bool; KINDS]) {
        if let Err(fault) = self.forget(programs, kinds) {
            tracing::warn!(error = %fault, "hardware counters stay as they are");
        }
        self.online = online;
        let wanted = kinds.iter().enumerate().filter(|(_, wanted)| **wanted);
        for (place, _) in wanted {
            let opened = open(self.codes, place, &self.online);
            let given = opened.and_then(|counters| {
                self.give(programs, place, &counters).map_err(|fault| {
                    // A kind counts on all processors or on none.
                    if let Err(fault) = take_back(programs, place, self.processors.len()) {
                        tracing::debug!(error = %fault, "hardware counters stay open");
                    }
                    CounterState::Failed(one_line(&fault))
                })
            });
            let state = given.map_or_else(|state| state, |()| CounterState::Active);
            if let Some(own) = self.states.get_mut(place)
                && *own != state
            {
                let counter = NAMES.get(place).copied().unwrap_or_default();
                tracing::info!(
                    counter,
                    state = state.as_str(),
                    reason = state.reason(),
                    "a hardware counter's state changed"
                );
                *own = state;
            }
        }
    }

    /// Takes kinds' counters from the programs; where it is all of them, also what
    /// they last said. Of a kind without counters the programs keep nothing.
    fn forget(&self, programs: &Ebpf, kinds: [bool; KINDS]) -> Result<(), KernelError> {
        let wanted = kinds.iter().enumerate().filter(|(_, wanted)| **wanted);
        for (place, _) in wanted {
            take_back(programs, place, self.processors.len())?;
        }
        if kinds != self.known {
            return Ok(());
        }
        let nothing = vec![ProcessorCounters::default(); self.processors.len()];
        batch::put_each(map(programs, load::PROCESSOR)?, 0_u32, &nothing).map_err(system(TAKING))
    }
}

/// Takes a kind's counters from the programs, of all processors that there may
/// be; the kernel closes them.
fn take_back(programs: &Ebpf, place: usize, processors: usize) -> Result<(), KernelError> {
    let name = load::HARDWARE.get(place).ok_or(KernelError::NoObject)?;
    let map = map(programs, name)?;
    (0..processors)
        .try_for_each(|number| batch::remove(map, place_of(number)))
        .map_err(system(TAKING))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::batch::Reader;
    use super::*;
    use crate::host::HostRoots;
    use crate::pmu::EventCodes;

    #[test]
    fn kinds_that_do_not_count_are_opened_anew_and_all_where_they_stand_still() {
        let mut hardware = Hardware {
            roots: HostRoots::default(),
            codes: EventCodes([None; KINDS]),
            // The last was never there, and no program reads it.
            known: [true, true, false],
            states: [
                CounterState::Active,
                CounterState::Failed("out of descriptors".to_owned()),
                CounterState::Absent("none".to_owned()),
            ],
            online: vec![0, 1],
            processors: Vec::new(),
            reader: Reader::new(),
            groups_max: 8,
            groups: HashMap::new(),
            retired: [0; KINDS],
            times_ns: [(0, 0); KINDS],
            gaps: [0; KINDS],
            settled: true,
            steady: [true; KINDS],
            still: false,
            retry: Retry::default(),
        };
        assert_eq!(hardware.lacking(), [false, true, false]);
        hardware.still = true;
        assert_eq!(hardware.lacking(), [true, true, false]);
        hardware.still = false;
        hardware.states[1] = CounterState::Active;
        assert_eq!(hardware.lacking(), [false; KINDS]);
    }
}
