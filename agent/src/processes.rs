//! Energy within an account: to its processes, by CPU time.
//!
//! Processes are told apart by number and start, so a number in use again
//! inherits nothing. What an account used beyond its known processes is nobody
//! else's. Figures begin with the agent's start; accounts keep theirs over
//! restarts, processes do not. Nothing of the kernel is read here but the name
//! of a process' program.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tanso_agent_wire::energy::Account;
use tanso_power::{Joules, apportion};

use crate::books::{AccountBook, Books};
use crate::charges::{Charges, KVM};
use crate::kernel::ProcessReading;
use crate::meters::ZoneClass;
use crate::snapshot::details::{Amount, ProcessFigures, ProcessKind};

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
        self.table
            .retain(|_, process| process.ended.is_none_or(|ended| ended < ENDED_KEPT));
        let mut ended: Vec<(Joules, Key)> = self
            .table
            .iter()
            .filter(|(_, process)| process.ended.is_some())
            .map(|(key, process)| (process.energy(), *key))
            .collect();
        let excess = ended.len().saturating_sub(ENDED_MAX);
        if excess > 0 {
            ended.sort_unstable();
            for (_, key) in ended.into_iter().take(excess) {
                self.table.remove(&key);
            }
        }
    }

    /// The processes with the most energy.
    pub fn listed(&mut self) -> Vec<ProcessFigures> {
        let mut order: Vec<(Joules, Key)> = self
            .table
            .iter()
            .map(|(key, process)| (process.energy(), *key))
            .collect();
        order.sort_unstable_by(|one, other| other.cmp(one));
        order.truncate(self.most);
        let mut listed = Vec::with_capacity(order.len());
        for (_, key) in order {
            let Some(process) = self.table.get_mut(&key) else {
                continue;
            };
            if !process.looked_at {
                process.looked_at = true;
                let link = self.proc.join(key.0.to_string()).join("exe");
                if let Ok(file) = fs::read_link(link) {
                    process.figures.exe = file.to_string_lossy().into();
                }
            }
            listed.push(process.figures.clone());
        }
        listed
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
mod tests {
    use super::*;
    use crate::attribution::ZoneEnergy;
    use crate::books::{Booking, Counted};
    use crate::kernel::{Group, TaskKind};
    use crate::meters::Zone;
    use crate::workloads::CgroupId;
    use tanso_power::{Estimate, Provenance};

    const SECOND: Duration = Duration::from_secs(1);

    fn process(pid: u32, start_ns: u64, cpu_ns: u64, alive: bool) -> ProcessReading {
        let mut comm = [0; 16];
        comm[..3].copy_from_slice(b"job");
        ProcessReading {
            pid,
            start_ns,
            group: Group {
                cgroup: CgroupId::NONE,
                kind: TaskKind::User,
            },
            comm,
            cpu: Duration::from_nanos(cpu_ns),
            alive,
        }
    }

    /// Books an interval of the system's account, and its processes'.
    fn interval(table: &mut Processes, books: &mut Books, uj: u64, readings: &[ProcessReading]) {
        let zone = Zone {
            class: ZoneClass::Package,
            path: "package".to_owned(),
        };
        let energy = Estimate {
            low: Joules::from_microjoules(uj),
            value: Joules::from_microjoules(uj),
            high: Joules::from_microjoules(uj),
        };
        let reading = vec![(
            zone,
            ZoneEnergy {
                energy,
                idle: Estimate::default(),
            },
        )];
        let cpu_ns = [(Books::SYSTEM, 100)];
        books.book(&Booking {
            zones: Some(&reading),
            provenance: Provenance::Simulated,
            model: None,
            cpu_ns: &cpu_ns,
            sockets: None,
            counted: Counted::default(),
            idle: &[],
            gpu: None,
            caught_up: false,
            minutes: &[(0, 1)],
        });
        table.charge(readings, &mut Charges::default(), books, &cpu_ns, SECOND);
    }

    fn total(listed: &[ProcessFigures], pid: u32) -> Vec<(u64, u64, bool)> {
        let mut found: Vec<_> = listed
            .iter()
            .filter(|figures| figures.pid == pid)
            .map(|figures| {
                let energy: Joules = figures.zones.iter().map(|amount| amount.total).sum();
                (energy.microjoules(), figures.cpu_ns, figures.running)
            })
            .collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn a_process_gets_its_part_and_what_nobody_is_known_for_stays_the_accounts() {
        let (mut table, mut books) = (Processes::new("/nonexistent".into(), 9), Books::default());
        let readings = [process(7, 1, 50, true), process(8, 1, 25, true)];
        interval(&mut table, &mut books, 1_000, &readings);
        let listed = table.listed();
        assert_eq!(total(&listed, 7), [(500, 50, true)]);
        assert_eq!(total(&listed, 8), [(250, 25, true)]);
        assert_eq!(&*listed[0].comm, "job");
    }

    #[test]
    fn an_accelerators_energy_goes_to_the_processes_that_used_it() {
        let (mut table, mut books) = (Processes::new("/nonexistent".into(), 9), Books::default());
        let exact = |energy_uj| Estimate::exact(Joules::from_microjoules(energy_uj));
        let zone = Zone {
            class: ZoneClass::Gpu,
            path: "gpu".to_owned(),
        };
        let amount = ZoneEnergy {
            energy: exact(1_000),
            idle: exact(0),
        };
        let cpu_ns = [(Books::SYSTEM, 100)];
        books.book(&Booking {
            zones: Some(&vec![(zone, amount)]),
            provenance: Provenance::Measured,
            model: None,
            cpu_ns: &cpu_ns,
            sockets: None,
            counted: Counted::default(),
            idle: &[],
            gpu: Some(&[(Books::SYSTEM, 4)]),
            caught_up: false,
            minutes: &[(0, 1)],
        });
        table.gpus_tell(true);
        let readings = [
            process(7, 1, 10, false),
            process(7, 2, 80, true),
            process(8, 1, 10, true),
        ];
        let charges = &mut Charges::default();
        table.charge(&readings, charges, &mut books, &cpu_ns, SECOND);
        table.charge_gpu(&[(Books::SYSTEM, 0, 1), (Books::SYSTEM, 7, 3)], &books);
        let listed = table.listed();
        assert_eq!(total(&listed, 7), [(0, 10, false), (750, 80, true)]);
        assert_eq!(total(&listed, 8), [(0, 10, true)]);
        assert_eq!(listed[0].gpu.unwrap().last.microjoules(), 750);
    }

    #[test]
    fn a_number_in_use_again_inherits_nothing() {
        let (mut table, mut books) = (Processes::new("/nonexistent".into(), 9), Books::default());
        interval(&mut table, &mut books, 1_000, &[process(7, 1, 100, true)]);
        let both = [process(7, 1, 110, false), process(7, 2, 90, true)];
        interval(&mut table, &mut books, 1_000, &both);
        let found = total(&table.listed(), 7);
        assert_eq!(found, [(900, 90, true), (1_100, 110, false)]);
    }

    #[test]
    fn one_taken_for_ended_comes_back_and_counts_on() {
        let (mut table, mut books) = (Processes::new("/nonexistent".into(), 9), Books::default());
        interval(&mut table, &mut books, 1_000, &[process(7, 1, 100, false)]);
        interval(&mut table, &mut books, 1_000, &[process(7, 1, 40, true)]);
        assert_eq!(total(&table.listed(), 7), [(1_400, 140, true)]);
    }

    #[test]
    fn the_list_and_the_memory_of_the_dead_are_bounded() {
        let (mut table, mut books) = (Processes::new("/nonexistent".into(), 3), Books::default());
        let storm: Vec<ProcessReading> = (0..800).map(|pid| process(pid, 1, 1, false)).collect();
        interval(&mut table, &mut books, 1_000_000, &storm);
        assert_eq!(table.listed().len(), 3);
        interval(&mut table, &mut books, 1, &[]);
        assert_eq!(table.table.len(), ENDED_MAX);
        for _ in 0..60 {
            interval(&mut table, &mut books, 1, &[]);
        }
        assert!(table.table.is_empty());
    }

    #[test]
    fn a_process_is_of_a_container_of_a_virtual_machine_or_of_neither() {
        let mut books = Books::default();
        let id = |text: &str| Account::Standalone {
            container_id: text.into(),
        };
        let (docker, machine) = (books.account(&id("c1")), books.account(&id("web")));
        KVM.clone_into(&mut books.accounts[machine].runtime);
        let of = |place: usize| owner(books.accounts.get(place));
        assert_eq!(of(docker), (ProcessKind::Container, "c1", ""));
        assert_eq!(of(machine), (ProcessKind::Vm, "", "web"));
        assert_eq!(of(Books::SYSTEM), (ProcessKind::Regular, "", ""));
    }
}
