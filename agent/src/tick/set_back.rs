//! A clock that was far ahead and is set back.
//!
//! Its minutes have not come yet: no reader takes them, and none would begin
//! before the clock is there again. What was recorded in them was used just
//! before, so it is told anew, under new numbers, in the hours in which it was
//! used. A small step back is waited for; [`Books::advance_to`] sees to it. So
//! is a clock that nobody keeps: it may be this one that is wrong, and what
//! readers have taken already would be told twice.
//!
//! [`Books::advance_to`]: crate::books::Books::advance_to

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use tanso_agent_wire::energy::{Account, Record};
use tanso_power::Provenance;

use super::Cycle;
use crate::clock::Now;

/// Minutes so far ahead are waited for, seconds. Readers take them too, so they
/// must not be told twice.
const WAIT_MAX_S: i64 = 120;
const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 3_600;

/// What of the records is told apart: hour, account, source of the figures.
type Key = (i64, Account, Provenance, Option<String>);

/// Records of minutes that have not come, by the hour in which they were. Two
/// days of minutes are never in memory.
struct Moved {
    /// How far the clock was ahead, seconds.
    ahead_s: i64,
    /// The last minute that is over, seconds of Unix time.
    last_minute: i64,
    hours: BTreeMap<Key, Record>,
}

impl Moved {
    fn add(&mut self, record: Record) {
        let minute = record.minute.saturating_sub(self.ahead_s);
        let hour = minute.clamp(0, self.last_minute.max(0)).div_euclid(HOUR_S) * HOUR_S;
        let (account, model) = (record.account.clone(), record.model.clone());
        match self.hours.entry((hour, account, record.provenance, model)) {
            Entry::Vacant(place) => {
                place.insert(Record {
                    minute: hour,
                    caught_up: true,
                    memory_peak_bytes: None,
                    ..record
                });
            }
            Entry::Occupied(mut place) => {
                let sum = place.get_mut();
                sum.energy_uj = sum.energy_uj + record.energy_uj;
                sum.cpu_us = sum.cpu_us.saturating_add(record.cpu_us);
                sum.names = record.names;
            }
        }
    }
}

impl Cycle {
    /// Takes back what stands in minutes far after `now`, if there is any.
    ///
    /// A kill between the journal's cut and the next state, a few milliseconds
    /// in the life of a wrong clock, loses the records; nothing doubles them.
    pub(super) fn follow_clock(&mut self, now: Now) {
        let minute = now.unix_ms.div_euclid(60_000) * MINUTE_S;
        let beyond = minute.saturating_add(WAIT_MAX_S);
        let journal = &self.parts.journal;
        let open = self.state.books.open_minute.unwrap_or(0);
        let newest = open.max(journal.closed_until().saturating_sub(MINUTE_S));
        if newest <= beyond || !(self.parts.clock_is_kept)() {
            return;
        }
        let mut moved = Moved {
            ahead_s: newest - minute,
            last_minute: minute.saturating_sub(MINUTE_S),
            hours: BTreeMap::new(),
        };
        if let Err(fault) = journal.take_back(beyond, |record| moved.add(record)) {
            return self.fail("journal", &fault);
        }
        let written = journal.last_sequence();
        let begin = minute.max(journal.closed_until());
        let books = &mut self.state.books;
        for record in std::mem::take(&mut books.pending) {
            if record.minute <= beyond {
                books.pending.push(record);
            } else if record.sequence > written {
                // Others were in the journal too, and are taken back from there.
                moved.add(record);
            }
        }
        tracing::warn!(
            seconds = moved.ahead_s,
            records = moved.hours.len(),
            "the clock was set back; records of minutes that have not come are told in their hours"
        );
        for record in moved.hours.into_values() {
            let sequence = books.next_sequence;
            books.next_sequence += 1;
            books.pending.push(Record { sequence, ..record });
        }
        books.open_minute = books.open_minute.map(|open| open.min(begin));
    }
}
