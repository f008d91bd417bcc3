//! What pods hold in the open minute, and which record carries it.
//!
//! A pod's containers are noted together, so what is kept is the highest that
//! they held at once, each container's part in its own book. Nothing here reads
//! a file or decides when to look.

use std::collections::HashMap;

use tanso_agent_wire::energy::Account;
use tanso_power::{Estimate, Joules};

use super::account::Entry;
use super::{AccountBook, Books};

impl Books {
    /// Notes what the containers at `places`, all of one pod, hold now, bytes;
    /// `None` of one that is gone. Kept if they hold more together than at any
    /// time before in the open minute.
    pub fn note_memory(&mut self, places: &[usize], held: &[Option<u64>]) {
        if !self.memory_would_rise(places, held) {
            return;
        }
        for (&place, &bytes) in places.iter().zip(held) {
            if let Some(book) = self.accounts.get_mut(place) {
                book.memory_peak_bytes = bytes;
            }
        }
    }

    /// Whether the containers at `places` hold more together than at any time
    /// before in the open minute, if they hold so much now.
    #[must_use]
    pub fn memory_would_rise(&self, places: &[usize], held: &[Option<u64>]) -> bool {
        let noted = places.iter().filter_map(|&place| self.accounts.get(place));
        let before = together(noted.map(|book| book.memory_peak_bytes));
        together(held.iter().copied()) > before
    }

    /// Lets a container that has no record in this minute, without energy and
    /// CPU time as it is, have its part of the memory told by another of its
    /// pod. Where all of a pod are silent, the first gets a record of its own.
    /// A minute in which no meter gave energy has no records: one of memory
    /// alone would make it look as if no energy was used.
    pub(super) fn gather_memory(&mut self) {
        let Some(silence) = self.silence() else {
            return;
        };
        let mut tellers: HashMap<&str, usize> = HashMap::new();
        for (place, book) in self.accounts.iter().enumerate() {
            if let Some(pod) = pod_of(book)
                && book.speaks()
            {
                tellers.entry(pod).or_insert(place);
            }
        }
        let mut told: Vec<(usize, usize)> = Vec::new();
        for (place, book) in self.accounts.iter().enumerate() {
            if book.memory_peak_bytes.is_some() && !book.speaks() {
                let teller = pod_of(book).map(|pod| *tellers.entry(pod).or_insert(place));
                told.push((place, teller.unwrap_or(place)));
            }
        }
        for (place, teller) in told {
            let bytes = match self.accounts.get_mut(place) {
                Some(book) if place != teller => book.memory_peak_bytes.take(),
                _ => None,
            };
            let Some(book) = self.accounts.get_mut(teller) else {
                continue;
            };
            book.memory_peak_bytes = together([book.memory_peak_bytes, bytes]);
            if book.open.is_empty() {
                book.open.push(silence.clone());
            }
        }
    }

    /// An entry of no energy, of the same source as the minute's others;
    /// `None` if nobody has any.
    fn silence(&self) -> Option<Entry> {
        let mut all = self.accounts.iter().flat_map(|book| &book.open);
        let like = all.find(|entry| !entry.caught_up)?;
        Some(Entry {
            energy: Estimate::<Joules>::default(),
            cpu_ns: 0,
            ..like.clone()
        })
    }
}

impl AccountBook {
    /// Whether the open minute becomes a record in any case.
    fn speaks(&self) -> bool {
        let mut cpu_ns = self.rest_ns;
        self.open.iter().any(|entry| {
            cpu_ns = cpu_ns.saturating_add(entry.cpu_ns);
            let speaks = !entry.is_silent(cpu_ns);
            cpu_ns %= 1_000;
            speaks
        })
    }
}

fn pod_of(book: &AccountBook) -> Option<&str> {
    match &book.account {
        Account::Container { pod_uid, .. } => Some(pod_uid),
        _ => None,
    }
}

/// The sum of what is known; `None` if nothing is.
fn together(parts: impl IntoIterator<Item = Option<u64>>) -> Option<u64> {
    let known = parts.into_iter().flatten();
    known.fold(None, |sum: Option<u64>, bytes| {
        Some(sum.unwrap_or(0).saturating_add(bytes))
    })
}

#[cfg(test)]
mod tests;
