//! The agent's books: what was ever charged to whom, and the open minute.
//!
//! Pure bookkeeping over amounts and times that are given to it. Totals never
//! fall; per zone, all accounts together are the zone's total to the
//! microjoule. The books are saved whole by the checkpoint and taken up again
//! after a restart.

pub mod account;
mod finished;
mod memory;
mod minutes;
mod sockets;
mod weights;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use tanso_agent_wire::energy::{Account, Names, Record};
use tanso_power::{Estimate, Joules, Provenance};

pub use account::{AccountBook, PodBook};
pub use finished::ENDED_MAX;
pub use sockets::Sockets;
pub use weights::{Counted, Weights};

use crate::attribution::share;
use crate::attribution::sockets::split_by_socket;
use crate::attribution::weight::Weight;
use crate::meters::{Reading, Zone, ZoneClass};

/// One zone's totals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZoneBook {
    /// The zone.
    pub zone: Zone,
    /// All energy.
    pub total: Joules,
    /// The idle part of it.
    pub idle: Joules,
    /// All and idle energy of the last interval.
    #[serde(skip)]
    pub last: (Joules, Joules),
    /// By what its energy above idle was shared in the last interval in which the
    /// zone was read, or would have been, had there been any; `None` before the
    /// first.
    #[serde(skip)]
    pub shared_by: Option<Weight>,
}

/// Everything that was charged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Books {
    /// Zones in the order of their first appearance.
    pub zones: Vec<ZoneBook>,
    /// Accounts; the first four are the node's own.
    pub accounts: Vec<AccountBook>,
    /// Pods by uid: sums over their containers, finished ones too.
    pub pods: BTreeMap<String, PodBook>,
    /// Non-overlapping energy by provenance, in the order of
    /// [`Provenance::ALL`].
    pub by_provenance: [Joules; 3],
    /// Sums of the lower and of the upper bounds.
    pub bounds: (Joules, Joules),
    /// Energy charged for times without an agent.
    pub caught_up: Joules,
    /// Energy of containers no longer listed, by namespace.
    pub folded: BTreeMap<String, Joules>,
    /// CPU time of containers no longer listed, nanoseconds.
    pub folded_cpu_ns: u64,
    /// The minute that is still open, seconds of Unix time.
    pub open_minute: Option<i64>,
    /// Sequence number of the next record.
    pub next_sequence: u64,
    /// Records of closed minutes that are not known to be in the journal.
    pub pending: Vec<Record>,
    #[serde(skip)]
    index: HashMap<Account, usize>,
}

/// An amount to be charged.
#[derive(Clone, Debug)]
pub struct Booking<'a> {
    /// Each zone's energy, or `None` while no meter is active.
    pub zones: Option<&'a Reading>,
    /// Where the energy comes from.
    pub provenance: Provenance,
    /// The power model's digest, if one was used.
    pub model: Option<&'a str>,
    /// CPU time by account ([`Books::account`]), nanoseconds; each account
    /// once, in their order.
    pub cpu_ns: &'a [(usize, u64)],
    /// What ran where, on a machine with several sockets.
    pub sockets: Option<Sockets<'a>>,
    /// What hardware counters counted of it, where they did.
    pub counted: Counted<'a>,
    /// Who is charged with idle energy, by account and weight; nobody, or no
    /// weight: the account of its own.
    pub idle: &'a [(usize, u64)],
    /// Who used the accelerators, by account and weight, rising; `None` if no
    /// driver tells: then CPU time stands in.
    pub gpu: Option<&'a [(usize, u64)]>,
    /// Whether the agent was not there.
    pub caught_up: bool,
    /// The minutes it falls in, rising, with the length of each one's part.
    pub minutes: &'a [(i64, u64)],
}

impl Booking<'_> {
    /// CPU time of an account, nanoseconds.
    fn cpu_of(&self, account: usize) -> u64 {
        let place = self
            .cpu_ns
            .binary_search_by_key(&account, |&(index, _)| index);
        let found = place.ok().and_then(|at| self.cpu_ns.get(at));
        found.map_or(0, |&(_, ns)| ns)
    }
}

impl Default for Books {
    fn default() -> Self {
        let own = [
            Account::System,
            Account::Kernel,
            Account::Idle,
            Account::Overflow,
        ];
        let mut books = Self {
            zones: Vec::new(),
            accounts: Vec::new(),
            pods: BTreeMap::new(),
            by_provenance: [Joules::ZERO; 3],
            bounds: (Joules::ZERO, Joules::ZERO),
            caught_up: Joules::ZERO,
            folded: BTreeMap::new(),
            folded_cpu_ns: 0,
            open_minute: None,
            next_sequence: 1,
            pending: Vec::new(),
            index: HashMap::new(),
        };
        for account in own {
            books.account(&account);
        }
        books
    }
}

impl Books {
    /// The account of processes outside containers.
    pub const SYSTEM: usize = 0;
    /// The account of kernel threads.
    pub const KERNEL: usize = 1;
    /// The account of idle power.
    pub const IDLE: usize = 2;
    /// The account of what found no room.
    pub const OVERFLOW: usize = 3;

    /// Rebuilds what is not saved. To be called once after reading saved
    /// books.
    ///
    /// # Errors
    /// If these are no books: the node's own accounts are not in place.
    pub fn reopen(&mut self) -> Result<(), &'static str> {
        let own = [
            Account::System,
            Account::Kernel,
            Account::Idle,
            Account::Overflow,
        ];
        let in_place = self
            .accounts
            .iter()
            .map(|book| &book.account)
            .take(4)
            .eq(own.iter());
        if !in_place {
            return Err("the node's own accounts are missing");
        }
        self.reindex();
        Ok(())
    }

    fn reindex(&mut self) {
        let accounts = self.accounts.iter().enumerate();
        self.index = accounts
            .map(|(index, book)| (book.account.clone(), index))
            .collect();
    }

    /// The place of an account, opened if it is new. Places hold until
    /// [`Books::fold`].
    pub fn account(&mut self, account: &Account) -> usize {
        if let Some(&index) = self.index.get(account) {
            return index;
        }
        let index = self.accounts.len();
        self.accounts.push(AccountBook::new(account.clone()));
        self.index.insert(account.clone(), index);
        index
    }

    /// Makes `copy` what readers are to see: totals and the last interval, not
    /// the open minute nor records that wait. Memory of an earlier copy is used
    /// again.
    pub fn show(&self, copy: &mut Self) {
        let Self {
            zones,
            accounts,
            pods,
            by_provenance,
            bounds,
            caught_up,
            folded,
            folded_cpu_ns,
            open_minute,
            next_sequence,
            pending: _,
            index: _,
        } = self;
        copy.zones.clone_from(zones);
        copy.accounts.truncate(accounts.len());
        let known = copy.accounts.len();
        for (copy, book) in copy.accounts.iter_mut().zip(accounts) {
            book.show(copy);
        }
        copy.accounts
            .extend(accounts.iter().skip(known).map(AccountBook::shown));
        if copy.pods.len() == pods.len() && copy.pods.keys().eq(pods.keys()) {
            for (copy, pod) in copy.pods.values_mut().zip(pods.values()) {
                copy.clone_from(pod);
            }
        } else {
            copy.pods.clone_from(pods);
        }
        copy.by_provenance = *by_provenance;
        copy.bounds = *bounds;
        copy.caught_up = *caught_up;
        copy.folded.clone_from(folded);
        copy.folded_cpu_ns = *folded_cpu_ns;
        copy.open_minute = *open_minute;
        copy.next_sequence = *next_sequence;
    }

    /// All energy of zones that do not contain each other.
    #[must_use]
    pub fn total(&self) -> Joules {
        self.by_provenance.iter().copied().sum()
    }

    /// Charges an amount.
    pub fn book(&mut self, booking: &Booking<'_>) {
        self.clear_last();
        for &(index, cpu_ns) in booking.cpu_ns {
            self.charge_cpu(index, cpu_ns);
        }
        let Some(zones) = booking.zones else {
            for &(minute, _) in booking.minutes {
                self.advance_to(minute);
            }
            return;
        };
        let parts = self.charge_zones(zones, booking);
        self.charge_pods();
        self.charge_totals(&parts, booking);
        self.charge_minutes(&parts, booking);
    }

    fn clear_last(&mut self) {
        for zone in &mut self.zones {
            zone.last = (Joules::ZERO, Joules::ZERO);
        }
        for account in &mut self.accounts {
            account.last.clear();
        }
        for pod in self.pods.values_mut() {
            pod.last.clear();
        }
    }

    fn charge_cpu(&mut self, index: usize, cpu_ns: u64) {
        if let Some(book) = self.accounts.get_mut(index) {
            book.cpu_ns = book.cpu_ns.saturating_add(cpu_ns);
            book.since_basis_ns = book.since_basis_ns.saturating_add(cpu_ns);
        }
    }

    /// Splits each zone and charges its parts; returns each account's energy
    /// over the zones that do not contain each other.
    fn charge_zones(
        &mut self,
        zones: &Reading,
        booking: &Booking<'_>,
    ) -> BTreeMap<usize, Estimate<Joules>> {
        let mut node: BTreeMap<usize, Estimate<Joules>> = BTreeMap::new();
        for (zone, amount) in zones {
            let place = self.zone(zone);
            let accelerator = zone.class == ZoneClass::Gpu;
            let (weight, users) = booking.users(zone.class);
            let idle_to: &[(usize, u64)] = if accelerator { &[] } else { booking.idle };
            let sockets = users
                .on_sockets
                .filter(|_| !accelerator)
                .map_or_else(Vec::new, |sockets| sockets.of(zone.class, users.by_account));
            let users = users.by_account;
            let split = split_by_socket(*amount, &sockets, &weights_of(users));
            if let Some(book) = self.zones.get_mut(place) {
                book.shared_by = Some(weight);
                book.total += amount.energy.value;
                book.idle += split.idle.value;
                book.last = (amount.energy.value, split.idle.value);
            }
            let counts = zone.counts_among(zones.iter().map(|(zone, _)| zone));
            let used = users.iter().map(|&(index, _)| index);
            let parts = idle_parts(split.idle, idle_to)
                .into_iter()
                .chain([(Self::SYSTEM, split.unowned)])
                .chain(used.zip(split.parts));
            for (index, part) in parts {
                self.charge_zone(index, place, part.value, counts);
                if counts {
                    let sum = node.entry(index).or_default();
                    *sum = *sum + part;
                }
            }
        }
        // Who used CPU time and was counted nowhere has a part of nothing: its
        // time is told all the same.
        if !node.is_empty() {
            for &(index, _) in booking.cpu_ns {
                node.entry(index).or_default();
            }
        }
        node
    }

    fn charge_zone(&mut self, index: usize, zone: usize, energy: Joules, counts: bool) {
        let Some(book) = self.accounts.get_mut(index) else {
            return;
        };
        book.charge(zone, energy);
        if counts {
            book.total += energy;
        }
    }

    /// Adds to pods what their containers were charged in this interval: once a
    /// container, whatever the number of zones.
    fn charge_pods(&mut self) {
        let charged = self.accounts.iter().filter(|book| !book.last.is_empty());
        for book in charged {
            let Account::Container { pod_uid, .. } = &book.account else {
                continue;
            };
            if let Some(pod) = self.pods.get_mut(pod_uid) {
                pod.charge(&book.last);
            } else {
                let mut pod = PodBook::default();
                pod.charge(&book.last);
                self.pods.insert(pod_uid.clone(), pod);
            }
        }
    }

    fn charge_totals(&mut self, parts: &BTreeMap<usize, Estimate<Joules>>, booking: &Booking<'_>) {
        let whole: Estimate<Joules> = parts.values().copied().sum();
        let place = Provenance::ALL
            .iter()
            .position(|&known| known == booking.provenance);
        if let Some(sum) = place.and_then(|place| self.by_provenance.get_mut(place)) {
            *sum += whole.value;
        }
        self.bounds.0 += whole.low;
        self.bounds.1 += whole.high;
        if booking.caught_up {
            self.caught_up += whole.value;
        }
    }

    fn zone(&mut self, zone: &Zone) -> usize {
        // One book a class: series of containers carry the class only, and a
        // zone that is read by another meter from now on goes on counting.
        let known = self
            .zones
            .iter_mut()
            .enumerate()
            .find(|(_, book)| book.zone.class == zone.class);
        if let Some((place, book)) = known {
            if book.zone.path != zone.path {
                book.zone.path.clone_from(&zone.path);
            }
            return place;
        }
        self.zones.push(ZoneBook {
            zone: zone.clone(),
            total: Joules::ZERO,
            idle: Joules::ZERO,
            last: (Joules::ZERO, Joules::ZERO),
            shared_by: None,
        });
        self.zones.len() - 1
    }

    /// Gives a container its names, as soon as they are known.
    pub fn name(&mut self, index: usize, names: &Names) {
        let Some(book) = self.accounts.get_mut(index) else {
            return;
        };
        if book.names != *names {
            book.names = names.clone();
        }
        if let Account::Container { pod_uid, .. } = &book.account {
            let pod = self.pods.entry(pod_uid.clone()).or_default();
            if pod.name != names.pod || pod.namespace != names.namespace {
                pod.name.clone_from(&names.pod);
                pod.namespace.clone_from(&names.namespace);
            }
        }
    }
}

fn weights_of(of: &[(usize, u64)]) -> Vec<u64> {
    of.iter().map(|&(_, weight)| weight).collect()
}

/// Who is charged with how much of a zone's idle energy.
fn idle_parts(idle: Estimate<Joules>, to: &[(usize, u64)]) -> Vec<(usize, Estimate<Joules>)> {
    match share(idle, &weights_of(to)) {
        Some(parts) => to.iter().map(|&(index, _)| index).zip(parts).collect(),
        None => vec![(Books::IDLE, idle)],
    }
}

#[cfg(test)]
mod tests;
