//! CPU time by process, from the map that the programs keep where that level
//! is on. Ended processes are shown once more, then taken out of the map.

use std::collections::HashMap;
use std::os::fd::AsFd as _;
use std::time::Duration;

use aya::Ebpf;
use aya::maps::Map;
use tanso_agent_abi::{ProcessKey, ProcessTime, kind};

use super::{fill::whole, load};
use crate::kernel::batch::{self, Reader};
use crate::kernel::{Group, KernelError, ProcessReading, TaskKind};
use crate::workloads::CgroupId;

/// The map's reader.
pub(super) struct Processes {
    reader: Reader<ProcessKey, ProcessTime>,
    /// Entries of the map when it was last read, without those taken out then.
    entries: u64,
    /// What was counted before the meter was opened; of living ones only.
    bases: HashMap<ProcessKey, u64>,
}

impl Processes {
    pub(super) fn new() -> Self {
        Self {
            reader: Reader::new(),
            entries: 0,
            bases: HashMap::new(),
        }
    }

    /// Takes what was counted so far as zero.
    pub(super) fn begin(&mut self, programs: &Ebpf) -> Result<(), KernelError> {
        let map = map(programs)?;
        let bases = &mut self.bases;
        self.reader.read(map, |key, value| {
            bases.insert(key, value.cpu_ns);
        })
    }

    /// Reads all processes. To be called after a walk: who was not seen by it
    /// has ended.
    pub(super) fn read(&mut self, programs: &Ebpf) -> Result<Vec<ProcessReading>, KernelError> {
        let map = map(programs)?;
        let mut found: Vec<(ProcessKey, ProcessTime)> = Vec::new();
        self.reader
            .read(map, |key, value| found.push((key, value)))?;
        let walk = found.iter().map(|(_, value)| value.walk).max().unwrap_or(0);
        let mut readings = Vec::with_capacity(found.len());
        for (key, mut value) in found {
            // One that began and ended between two walks was seen by none; one
            // that began after the walk is taken for ended, and comes back.
            let alive = value.walk == walk;
            let base_ns = self.bases.get(&key).copied().unwrap_or_default();
            if !alive {
                // Value and entry leave together: what is booked later opens a
                // new entry, with no more than its own time.
                if let Ok(Some(last)) = batch::take(map, key) {
                    value = last;
                }
                self.bases.remove(&key);
            }
            readings.push(reading(key, value, base_ns, alive));
        }
        self.entries = whole(readings.iter().filter(|reading| reading.alive).count());
        Ok(readings)
    }

    /// How many processes are in the map.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }
}

fn reading(key: ProcessKey, value: ProcessTime, base_ns: u64, alive: bool) -> ProcessReading {
    ProcessReading {
        pid: key.pid,
        start_ns: key.start_ns,
        group: Group {
            cgroup: CgroupId::new(value.cgroup),
            kind: if key.kind == kind::KERNEL {
                TaskKind::Kernel
            } else {
                TaskKind::User
            },
        },
        comm: value.comm,
        cpu: Duration::from_nanos(value.cpu_ns.saturating_sub(base_ns)),
        alive,
    }
}

fn map(programs: &Ebpf) -> Result<std::os::fd::BorrowedFd<'_>, KernelError> {
    let Some(Map::HashMap(map)) = programs.map(load::PROCESSES) else {
        return Err(KernelError::NoObject);
    };
    Ok(map.fd().as_fd())
}
