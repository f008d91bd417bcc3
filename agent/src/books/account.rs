//! One account's totals and its part of the open minute.

use serde::{Deserialize, Serialize};
use tanso_agent_wire::energy::{Account, Names};
use tanso_power::{Estimate, Joules, Provenance};

use super::Booking;

/// How long a new container waits for its name before it is listed without
/// one; its energy is counted meanwhile.
pub const NAME_WAIT_MS: i64 = 15_000;

/// What an account used in the open minute, by where the figures come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) provenance: Provenance,
    pub(super) model: Option<String>,
    pub(super) caught_up: bool,
    pub(super) energy: Estimate<Joules>,
    pub(super) cpu_ns: u64,
}

impl Entry {
    /// Whether there is nothing in it to tell, with so much CPU time.
    pub(super) fn is_silent(&self, cpu_ns: u64) -> bool {
        self.energy == Estimate::<Joules>::default() && cpu_ns < 1_000
    }
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountBook {
    /// Whose it is.
    pub account: Account,
    /// Its names, as far as they are known.
    pub names: Names,
    /// The container's runtime, for labels.
    pub runtime: String,
    /// The container's control group, from the hierarchy's root.
    pub path: Option<String>,
    /// The kernel's own CPU counter of that group when it was last looked at.
    pub basis_ns: Option<u64>,
    /// CPU time charged since then.
    pub since_basis_ns: u64,
    /// All CPU time charged.
    pub cpu_ns: u64,
    /// Energy by zone, in the order of the zones' books; may be shorter.
    pub energy: Vec<Joules>,
    /// Energy of zones that do not contain each other.
    pub total: Joules,
    /// When the container was found finished, milliseconds of Unix time.
    pub ended_ms: Option<i64>,
    pub(super) open: Vec<Entry>,
    /// CPU time of closed minutes that was less than a microsecond.
    pub(super) rest_ns: u64,
    /// What it held when all containers of its pod held most in the open
    /// minute, bytes. Not saved: after a restart the minute's peak is that of
    /// its rest.
    #[serde(skip)]
    pub(super) memory_peak_bytes: Option<u64>,
    /// Energy by zone of the last interval.
    #[serde(skip)]
    pub last: Vec<Joules>,
    /// Until when its name is waited for before it is listed without one,
    /// milliseconds of Unix time; 0: nobody has looked for it yet.
    #[serde(skip)]
    pub awaits_name_until_ms: i64,
}

impl AccountBook {
    pub(super) fn new(account: Account) -> Self {
        Self {
            account,
            names: Names::default(),
            runtime: String::new(),
            path: None,
            basis_ns: None,
            since_basis_ns: 0,
            cpu_ns: 0,
            energy: Vec::new(),
            total: Joules::ZERO,
            ended_ms: None,
            open: Vec::new(),
            rest_ns: 0,
            memory_peak_bytes: None,
            last: Vec::new(),
            awaits_name_until_ms: 0,
        }
    }

    /// What readers see of it.
    pub(super) fn shown(&self) -> Self {
        let mut copy = Self::new(self.account.clone());
        self.show(&mut copy);
        copy
    }

    /// Makes `copy` what readers see of it, without new memory where the old one
    /// does: not the open minute, nor what it is to be compared with.
    pub(super) fn show(&self, copy: &mut Self) {
        let Self {
            account,
            names,
            runtime,
            path: _,
            basis_ns: _,
            since_basis_ns: _,
            cpu_ns,
            energy,
            total,
            ended_ms,
            open: _,
            rest_ns: _,
            memory_peak_bytes: _,
            last,
            awaits_name_until_ms,
        } = self;
        if copy.account != *account {
            copy.account.clone_from(account);
        }
        if copy.names != *names {
            copy.names.clone_from(names);
        }
        copy.runtime.clone_from(runtime);
        copy.cpu_ns = *cpu_ns;
        copy.energy.clone_from(energy);
        copy.total = *total;
        copy.ended_ms = *ended_ms;
        copy.last.clone_from(last);
        copy.awaits_name_until_ms = *awaits_name_until_ms;
    }

    /// Whether it is not to be listed at `now_ms`: a series that began without
    /// a name would break off when the name comes. A longer wait than it was
    /// given has a clock that was set back, and is over.
    #[must_use]
    pub fn awaits_name(&self, now_ms: i64) -> bool {
        let left_ms = self.awaits_name_until_ms.saturating_sub(now_ms);
        self.names.container.is_none() && (1..=NAME_WAIT_MS).contains(&left_ms)
    }

    /// What it held when its pod held most in the open minute, bytes.
    #[must_use]
    pub fn memory_in_open_minute(&self) -> Option<u64> {
        self.memory_peak_bytes
    }

    /// Whether nothing of it waits for its minute to close.
    pub(super) fn is_settled(&self) -> bool {
        self.open.is_empty() && self.memory_peak_bytes.is_none()
    }

    pub(super) fn charge(&mut self, zone: usize, energy: Joules) {
        add_at(&mut self.energy, zone, energy);
        add_at(&mut self.last, zone, energy);
    }

    pub(super) fn charge_minute(
        &mut self,
        energy: Estimate<Joules>,
        cpu_ns: u64,
        booking: &Booking<'_>,
    ) {
        let same = |entry: &&mut Entry| {
            entry.provenance == booking.provenance
                && entry.model.as_deref() == booking.model
                && entry.caught_up == booking.caught_up
        };
        if let Some(entry) = self.open.iter_mut().find(same) {
            entry.energy = entry.energy + energy;
            entry.cpu_ns = entry.cpu_ns.saturating_add(cpu_ns);
            return;
        }
        // Mostly the only one of its minute.
        self.open.reserve_exact(1);
        self.open.push(Entry {
            provenance: booking.provenance,
            model: booking.model.map(str::to_owned),
            caught_up: booking.caught_up,
            energy,
            cpu_ns,
        });
    }
}

/// One pod's totals.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PodBook {
    /// The pod's namespace.
    pub namespace: Option<String>,
    /// The pod's name.
    pub name: Option<String>,
    /// Energy by zone, in the order of the zones' books; may be shorter.
    pub energy: Vec<Joules>,
    /// Energy by zone of the last interval.
    #[serde(skip)]
    pub last: Vec<Joules>,
}

impl Clone for PodBook {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        copy.clone_from(self);
        copy
    }

    /// Without new memory where the old one does.
    fn clone_from(&mut self, source: &Self) {
        let Self {
            namespace,
            name,
            energy,
            last,
        } = source;
        self.namespace.clone_from(namespace);
        self.name.clone_from(name);
        self.energy.clone_from(energy);
        self.last.clone_from(last);
    }
}

impl PodBook {
    /// Adds what a container was charged, by zone.
    pub(super) fn charge(&mut self, by_zone: &[Joules]) {
        for (zone, &energy) in by_zone.iter().enumerate() {
            add_at(&mut self.energy, zone, energy);
            add_at(&mut self.last, zone, energy);
        }
    }
}

fn add_at(sums: &mut Vec<Joules>, place: usize, energy: Joules) {
    if sums.len() <= place {
        sums.resize(place + 1, Joules::ZERO);
    }
    if let Some(sum) = sums.get_mut(place) {
        *sum += energy;
    }
}
