//! Energy within an account: to its processes, by CPU time.
//!
//! Processes are told apart by number and start, so a number in use again
//! inherits nothing; where name and place are equal too, metrics cannot tell the
//! two apart, and what an earlier one used that is listed no more is kept apart
//! for their counters, which never fall. What an account used beyond its known
//! processes is nobody else's. Figures begin with the agent's start; accounts
//! keep theirs over restarts, processes do not. Nothing of the kernel is read
//! here but the name of a process' program.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tanso_agent_wire::energy::Account;
use tanso_power::{Joules, apportion};

use crate::books::{AccountBook, Books};
use crate::charges::{Charges, KVM};
use crate::kernel::ProcessReading;
use crate::meters::ZoneClass;
use crate::snapshot::details::{Amount, ProcessFigures, ProcessKind, Usage};

/// Ended processes that stay listed, at most: those with the most energy.
const ENDED_MAX: usize = 500;
/// How long an ended process stays listed: several scrapes of anyone.
const ENDED_KEPT: Duration = Duration::from_mins(1);

/// Number and start.
type Key = (u32, u64);

#[derive(Debug)]
struct Process {
    figures: ProcessFigures,
    /// What the source last counted of it.
    counted: Duration,
    /// How long ago it ended.
    ended: Option<Duration>,
    looked_at: bool,
}

impl Process {
    fn energy(&self) -> Joules {
        self.figures.zones.iter().map(|amount| amount.total).sum()
    }

    fn charge(&mut self, zone: usize, energy: Joules) {
        if self.figures.zones.len() <= zone {
            self.figures.zones.resize(zone + 1, Amount::default());
        }
        if let Some(amount) = self.figures.zones.get_mut(zone) {
            amount.total += energy;
            amount.last += energy;
        }
    }
}

/// The processes that used CPU time.
#[derive(Debug)]
pub struct Processes {
    proc: PathBuf,
    most: usize,
    table: HashMap<Key, Process>,
    /// Whether drivers tell who uses accelerators.
    gpu_told: bool,
}

impl Processes {
    /// A table that shows `most` processes at most; programs' names are read
    /// in `proc`.
    #[must_use]
    pub fn new(proc: PathBuf, most: usize) -> Self {
        Self {
            proc,
            most,
            table: HashMap::new(),
            gpu_told: false,
        }
    }

    /// Charges an interval that is in the books already: each account's part
    /// of every zone goes to its processes. `cpu_ns` is what the accounts
    /// were charged, in their order.
    pub fn charge(
        &mut self,
        readings: &[ProcessReading],
        charges: &mut Charges,
        books: &mut Books,
        cpu_ns: &[(usize, u64)],
        elapsed: Duration,
    ) {
        self.age(elapsed);
        let mut used: Vec<(usize, Key, u64)> = Vec::new();
        for reading in readings {
            let place = charges.place(reading.group, books);
            let delta_ns = self.count(reading, books, place);
            if delta_ns > 0 {
                used.push((place, (reading.pid, reading.start_ns), delta_ns));
            }
        }
        used.sort_unstable();
        for members in used.chunk_by(|one, other| one.0 == other.0) {
            let Some(&(place, ..)) = members.first() else {
                continue;
            };
            let account_ns = cpu_ns
                .binary_search_by_key(&place, |&(account, _)| account)
                .ok()
                .and_then(|at| cpu_ns.get(at))
                .map_or(0, |&(_, ns)| ns);
            self.split(members, account_ns, books, place);
        }
    }

    /// Splits what an account was charged in the last interval.
    fn split(
        &mut self,
        members: &[(usize, Key, u64)],
        account_ns: u64,
        books: &Books,
        place: usize,
    ) {
        let known_ns: u64 = members.iter().map(|&(_, _, ns)| ns).sum();
        let mut weights: Vec<u64> = members.iter().map(|&(_, _, ns)| ns).collect();
        // Last: what is of no known process.
        weights.push(account_ns.saturating_sub(known_ns));
        let Some(book) = books.accounts.get(place) else {
            return;
        };
        for (zone, energy) in book.last.iter().enumerate() {
            // By its drivers' figures, where they tell.
            if self.gpu_told && is_gpu(books, zone) {
                continue;
            }
            let parts = apportion(energy.microjoules(), &weights).unwrap_or_default();
            for (&(_, key, _), part_uj) in members.iter().zip(parts) {
                if let Some(process) = self.table.get_mut(&key) {
                    process.charge(zone, Joules::from_microjoules(part_uj));
                }
            }
        }
    }

    /// Whether drivers tell who uses accelerators: then CPU time does not.
    pub fn gpus_tell(&mut self, told: bool) {
        self.gpu_told = told;
    }

    /// Charges the accelerators' part of an interval that is in the books
    /// already: each account's to the processes that its drivers name.
    /// `users` are account, process and weight, in the accounts' order.
    pub fn charge_gpu(&mut self, users: &[(usize, u32, u64)], books: &Books) {
        let Some(zone) = (0..books.zones.len()).find(|&zone| is_gpu(books, zone)) else {
            return;
        };
        let mut newest: HashMap<u32, u64> = HashMap::new();
        for &(pid, start_ns) in self.table.keys() {
            let start = newest.entry(pid).or_default();
            *start = start_ns.max(*start);
        }
        for members in users.chunk_by(|one, other| one.0 == other.0) {
            let energy = members
                .first()
                .and_then(|&(place, ..)| books.accounts.get(place)?.last.get(zone));
            let weights: Vec<u64> = members.iter().map(|&(_, _, weight)| weight).collect();
            let energy_uj = energy.map_or(0, |energy| energy.microjoules());
            let parts = apportion(energy_uj, &weights).unwrap_or_default();
            for (&(_, pid, _), part_uj) in members.iter().zip(parts) {
                let start_ns = newest.get(&pid).copied().unwrap_or_default();
                if let Some(process) = self.table.get_mut(&(pid, start_ns)) {
                    let part = Joules::from_microjoules(part_uj);
                    process.charge(zone, part);
                    let gpu = process.figures.gpu.get_or_insert_default();
                    gpu.total += part;
                    gpu.last += part;
                }
            }
        }
    }

    /// Takes a reading of one process up; returns what is new of it.
    fn count(&mut self, reading: &ProcessReading, books: &Books, place: usize) -> u64 {
        let key = (reading.pid, reading.start_ns);
        let process = self.table.entry(key).or_insert_with(|| Process {
            figures: ProcessFigures {
                pid: reading.pid,
                ..ProcessFigures::default()
            },
            counted: Duration::ZERO,
            ended: None,
            looked_at: false,
        });
        let delta = reading.cpu.saturating_sub(process.counted);
        // One that is shown as ended and comes back counts from zero.
        process.counted = if reading.alive {
            reading.cpu
        } else {
            Duration::ZERO
        };
        process.ended = if reading.alive {
            None
        } else {
            process.ended.or(Some(Duration::ZERO))
        };
        let figures = &mut process.figures;
        figures.running = reading.alive;
        let name = name(&reading.comm);
        // The last part of an ended one may be a thread's, which is freed when
        // nobody knows the main thread's name any more.
        let is_named = reading.alive || !name.is_empty();
        if is_named && *figures.comm != *name {
            figures.comm = name.into();
            // Another program has taken the process over.
            process.looked_at = false;
            figures.earlier = Usage::default();
        }
        let (kind, container, machine) = owner(books.accounts.get(place));
        figures.kind = kind;
        if *figures.container_id != *container {
            figures.container_id = container.into();
        }
        if *figures.vm_id != *machine {
            figures.vm_id = machine.into();
        }
        let delta_ns = u64::try_from(delta.as_nanos()).unwrap_or(u64::MAX);
        figures.cpu_ns = figures.cpu_ns.saturating_add(delta_ns);
        delta_ns
    }

    /// Time passes: the last interval's amounts are the last no more, and
    /// those that ended long ago are forgotten.
    fn age(&mut self, elapsed: Duration) {
        for process in self.table.values_mut() {
            for amount in &mut process.figures.zones {
                amount.last = Joules::ZERO;
            }
            if let Some(gpu) = &mut process.figures.gpu {
                gpu.last = Joules::ZERO;
            }
            if let Some(ended) = &mut process.ended {
                *ended = ended.saturating_add(elapsed);
            }
        }
        let mut leaving: Vec<Key> = Vec::new();
        let mut staying: Vec<(Joules, Key)> = Vec::new();
        for (key, process) in &self.table {
            match process.ended {
                Some(ended) if ended >= ENDED_KEPT => leaving.push(*key),
                Some(_) => staying.push((process.energy(), *key)),
                None => {}
            }
        }
        let excess = staying.len().saturating_sub(ENDED_MAX);
        if excess > 0 {
            staying.sort_unstable();
            leaving.extend(staying.into_iter().take(excess).map(|(_, key)| key));
        }
        self.forget(&leaving);
    }

    /// Takes processes out of the table. One whose number and labels another has
    /// too leaves it what it used: the two are one series.
    fn forget(&mut self, leaving: &[Key]) {
        let gone: Vec<Process> = leaving
            .iter()
            .filter_map(|key| self.table.remove(key))
            .collect();
        if gone.is_empty() {
            return;
        }
        let numbers = gone.iter().map(|process| process.figures.pid);
        let mut heirs: HashMap<u32, Vec<Key>> = numbers.map(|pid| (pid, Vec::new())).collect();
        for key in self.table.keys() {
            if let Some(keys) = heirs.get_mut(&key.0) {
                keys.push(*key);
            }
        }
        for process in &gone {
            let keys = heirs.get(&process.figures.pid);
            let heir = keys.and_then(|keys| self.heir(keys, &process.figures));
            if let Some(heir) = heir.and_then(|key| self.table.get_mut(&key)) {
                heir.figures.inherit(&process.figures);
            }
        }
    }

    /// Which of these has the labels of one that leaves: an ended one before one
    /// that runs, since energy is told by state.
    fn heir(&mut self, keys: &[Key], gone: &ProcessFigures) -> Option<Key> {
        let mut heir = None;
        for key in keys {
            let Some(process) = self.table.get_mut(key) else {
                continue;
            };
            if process.ended.is_none() && process.figures.comm == gone.comm {
                look_at(&self.proc, key.0, process);
            }
            let is_better = heir.is_none() || process.ended.is_some();
            if is_better && process.figures.is_like(gone) {
                heir = Some(*key);
            }
        }
        heir
    }

    /// The processes with the most energy.
    pub fn listed(&mut self) -> Vec<ProcessFigures> {
        let mut order: Vec<(Joules, Key)> = self
            .table
            .iter()
            .map(|(key, process)| (process.energy(), *key))
            .collect();
        order.sort_unstable_by(|one, other| other.cmp(one));
        let unlisted = order.split_off(self.most.min(order.len()));
        let mut listed = Vec::with_capacity(order.len());
        for (_, key) in order {
            let Some(process) = self.table.get_mut(&key) else {
                continue;
            };
            look_at(&self.proc, key.0, process);
            listed.push(process.figures.clone());
        }
        self.add_unlisted(&unlisted, &mut listed);
        listed
    }

    /// Adds what those that are not listed used to one that is and has their
    /// labels: a series is of all of them, whoever falls out of the list.
    fn add_unlisted(&self, unlisted: &[(Joules, Key)], listed: &mut [ProcessFigures]) {
        if unlisted.is_empty() {
            return;
        }
        // Of nearly all numbers there is one process.
        let numbers: HashSet<u32> = listed.iter().map(|figures| figures.pid).collect();
        for (_, key) in unlisted {
            if !numbers.contains(&key.0) {
                continue;
            }
            let Some(process) = self.table.get(key) else {
                continue;
            };
            let own = &process.figures;
            // As above: an ended one first.
            let like = |figures: &ProcessFigures| figures.is_like(own);
            let ended = listed.iter().position(|one| like(one) && !one.running);
            let place = ended.or_else(|| listed.iter().position(like));
            if let Some(heir) = place.and_then(|place| listed.get_mut(place)) {
                heir.inherit(own);
            }
        }
    }
}

/// Finds a process' program, once.
fn look_at(proc: &Path, pid: u32, process: &mut Process) {
    if process.looked_at {
        return;
    }
    process.looked_at = true;
    let link = proc.join(pid.to_string()).join("exe");
    if let Ok(file) = fs::read_link(link) {
        process.figures.exe = file.to_string_lossy().into();
    }
}

fn is_gpu(books: &Books, zone: usize) -> bool {
    let book = books.zones.get(zone);
    book.is_some_and(|book| book.zone.class == ZoneClass::Gpu)
}

/// What a process is part of, and the ids of its container and its virtual
/// machine.
fn owner(book: Option<&AccountBook>) -> (ProcessKind, &str, &str) {
    match book.map(|book| (&book.account, book.runtime.as_str())) {
        Some((Account::Standalone { container_id }, KVM)) => (ProcessKind::Vm, "", container_id),
        Some((
            Account::Container { container_id, .. } | Account::Standalone { container_id },
            _,
        )) => (ProcessKind::Container, container_id, ""),
        _ => (ProcessKind::Regular, "", ""),
    }
}

/// A short name up to its closing zero.
fn name(comm: &[u8]) -> std::borrow::Cow<'_, str> {
    let end = comm
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(comm.len());
    String::from_utf8_lossy(comm.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests;
