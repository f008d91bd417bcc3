//! How full the kernel's maps are: fixed in size, and what finds no room in one
//! is told by nobody but an overflow account.

use std::os::fd::AsFd as _;

use aya::{Ebpf, maps::Map};
use tanso_agent_abi::{DYING_MAX, Dying};

use super::{EbpfCpu, load};
use crate::kernel::batch::Reader;
use crate::kernel::{KernelError, MapFill};

/// Readings between two looks at ended tasks, whose map nothing else reads.
pub(super) const ENDED_EVERY: u64 = 60;
/// Readings between two searches for groups to retire, where the map is half
/// full; from three quarters on each reading looks for them.
const RETIRE_EVERY: u64 = 30;

/// Whether removed groups are to be taken out of a map with so many entries of
/// so many: at times from half full on, at each reading from three quarters on.
pub(super) fn retiring_is_due(filled: usize, most: u64, readings: u64) -> bool {
    let due = readings.is_multiple_of(RETIRE_EVERY);
    let part_of_four = if due { 2 } else { 3 };
    whole(filled).saturating_mul(4) >= most.saturating_mul(part_of_four)
}

/// Ended tasks that the kernel has not shown to be freed.
pub(super) fn ended(programs: &Ebpf) -> Result<u64, KernelError> {
    let Some(Map::HashMap(map)) = programs.map(load::DYING) else {
        return Err(KernelError::NoObject);
    };
    let mut entries = 0;
    Reader::<u64, Dying>::new().read(map.fd().as_fd(), |_, _| entries += 1)?;
    Ok(entries)
}

impl EbpfCpu {
    /// Every map that can fill up.
    pub(super) fn fills(&self) -> Vec<MapFill> {
        let fill = |map, entries, entries_max| MapFill {
            map,
            entries,
            entries_max,
        };
        let mut fills = vec![
            fill("cpu_time", whole(self.counters.len()), self.counters_max),
            fill("ended_tasks", self.ended, whole(DYING_MAX)),
        ];
        if let Some(processes) = &self.processes {
            let most = u64::from(load::PROCESSES_MAX);
            fills.push(fill("processes", processes.entries(), most));
        }
        if let Some(hardware) = &self.hardware {
            let (entries, most) = hardware.entries();
            fills.push(fill("hardware_counts", entries, most));
        }
        fills
    }
}

/// A number of entries. Maps are far below 2^64.
pub(super) fn whole(entries: usize) -> u64 {
    u64::try_from(entries).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_looked_through_more_often_the_fuller_it_is() {
        assert!(!retiring_is_due(49, 100, RETIRE_EVERY));
        assert!(retiring_is_due(50, 100, RETIRE_EVERY));
        assert!(!retiring_is_due(74, 100, RETIRE_EVERY + 1));
        assert!(retiring_is_due(75, 100, RETIRE_EVERY + 1));
    }
}
