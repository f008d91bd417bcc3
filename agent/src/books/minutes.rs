//! Minutes: what is charged falls in one or several; a closed minute becomes
//! records and never changes.

use std::collections::BTreeMap;

use tanso_agent_wire::energy::Record;
use tanso_power::{Estimate, Joules};

use super::{Booking, Books};
use crate::attribution::share;

/// A longer time than this, milliseconds, is not told as one minute's.
const LENGTH_MAX_MS: u64 = 90_000;

/// Records that wait for a disk that takes none; from so many on there are those
/// of one minute an hour, and not sixty, until it does.
const PENDING_MAX: usize = 5_000;
const HOUR_S: i64 = 3_600;

impl Books {
    /// Charges each account's energy and CPU time to the minutes that the
    /// booking falls in.
    pub(super) fn charge_minutes(
        &mut self,
        parts: &BTreeMap<usize, Estimate<Joules>>,
        booking: &Booking<'_>,
    ) {
        if let &[(minute, length)] = booking.minutes {
            // Nearly always: the whole is of one minute, and nothing is split.
            let told = self.begin_minute(minute, length, booking);
            for (&index, &energy) in parts {
                if let Some(book) = self.accounts.get_mut(index) {
                    book.charge_minute(energy, booking.cpu_of(index), &told);
                }
            }
            return;
        }
        let lengths: Vec<u64> = booking
            .minutes
            .iter()
            .map(|&(_, length)| length.max(1))
            .collect();
        let mut shares: Vec<(usize, Vec<Estimate<Joules>>, Vec<u64>)> = Vec::new();
        for (&index, &energy) in parts {
            // Lengths are at least 1, so there is a share unless there is no
            // minute at all.
            let Some(energies) = share(energy, &lengths) else {
                continue;
            };
            let times = tanso_power::apportion(booking.cpu_of(index), &lengths).unwrap_or_default();
            shares.push((index, energies, times));
        }
        for (piece, &(minute, length)) in booking.minutes.iter().enumerate() {
            let told = self.begin_minute(minute, length, booking);
            for (index, energies, times) in &shares {
                let (Some(&energy), Some(&cpu_ns)) = (energies.get(piece), times.get(piece)) else {
                    continue;
                };
                if let Some(book) = self.accounts.get_mut(*index) {
                    book.charge_minute(energy, cpu_ns, &told);
                }
            }
        }
    }

    /// Opens a minute, and says how what falls in it is told.
    fn begin_minute<'a>(&mut self, minute: i64, length: u64, booking: &Booking<'a>) -> Booking<'a> {
        self.advance_to(minute);
        // More than a minute's energy in one: of a machine that slept, while a
        // clock that was set back catches up, or where the disk takes nothing.
        // Unmarked, it would be taken for power that no node has, and refused
        // with all that follows it.
        let is_long = length > LENGTH_MAX_MS || self.open_minute != Some(minute);
        Booking {
            caught_up: booking.caught_up || is_long,
            ..booking.clone()
        }
    }

    /// Makes `minute` the open one, if it is later than the open one; closes
    /// that. An earlier one (the clock was set back) leaves all as it is: what
    /// comes is charged to the open minute. So does a later one of the same
    /// hour while very many records wait for the disk: each joule stays in its
    /// hour, and memory is not what a full disk costs next.
    pub fn advance_to(&mut self, minute: i64) {
        match self.open_minute {
            Some(open) if minute <= open => {}
            Some(open)
                if self.pending.len() >= PENDING_MAX
                    && open.div_euclid(HOUR_S) == minute.div_euclid(HOUR_S) => {}
            Some(open) => {
                self.close(open);
                self.open_minute = Some(minute);
            }
            None => self.open_minute = Some(minute),
        }
    }

    fn close(&mut self, minute: i64) {
        self.gather_memory();
        for book in &mut self.accounts {
            let mut memory_peak_bytes = book.memory_peak_bytes.take();
            for entry in std::mem::take(&mut book.open) {
                let cpu_ns = book.rest_ns.saturating_add(entry.cpu_ns);
                book.rest_ns = cpu_ns % 1_000;
                if entry.is_silent(cpu_ns) && memory_peak_bytes.is_none() {
                    continue;
                }
                self.pending.push(Record {
                    sequence: self.next_sequence,
                    minute,
                    account: book.account.clone(),
                    names: book.names.clone(),
                    energy_uj: entry.energy,
                    cpu_us: cpu_ns / 1_000,
                    provenance: entry.provenance,
                    model: entry.model,
                    caught_up: entry.caught_up,
                    // In one record of the minute, so that a reader may add up those of a pod.
                    memory_peak_bytes: memory_peak_bytes.take(),
                });
                self.next_sequence += 1;
            }
        }
    }

    /// Forgets the open minute's amounts: they are in the journal already.
    pub fn discard_open(&mut self) {
        for book in &mut self.accounts {
            book.open.clear();
        }
    }

    /// Numbers waiting records anew, for a journal whose last record is
    /// `last_sequence`.
    pub fn renumber(&mut self, last_sequence: u64) {
        let mut next = last_sequence + 1;
        for record in &mut self.pending {
            record.sequence = next;
            next += 1;
        }
        self.next_sequence = next;
    }
}
