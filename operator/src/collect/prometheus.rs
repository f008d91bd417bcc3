//! Energy from a Prometheus-compatible store instead of the agents.
//!
//! For clusters whose counters are scraped anyway, by whatever runs there:
//! agents of tanso, or Kepler. What the counters grew by the minute becomes
//! records, and these go the way of an agent's records, into the same ledger:
//! checked, and each minute booked once, since the time up to which a node is
//! booked lies in the same transaction as its rows.

pub mod books;
pub mod growth;
pub mod store;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tanso_agent_wire::energy::{Cursor, EnergyPage, JournalId, PAGE_LIMIT, Record, SCHEMA};
use tanso_runtime::Shutdown;

use super::accept::{self, Asked};
use super::{AGENTS_MAX, CollectFault, Collector, LastMinute, with_jitter};
use crate::guard::guarded;
use crate::ledger::{NodeAt, query, unseen};
use crate::owners::Inventory;

use books::NodeCurves;
use growth::MINUTE_S;
pub use store::{Address, Store, StoreFault};

/// Time between two rounds, before jitter.
const ROUND_EVERY: Duration = Duration::from_mins(1);

/// How far behind now is read: a scrape may be a minute old, and take its
/// time to the store. Seconds.
const BEHIND_S: i64 = 120;

/// Minutes that one question is about, seconds.
const PIECE_S: i64 = 15 * MINUTE_S;

/// How long before them a counter may have been seen last, seconds.
const LOOK_BACK_S: i64 = 15 * MINUTE_S;

/// How far back a node is read again that comes back after a longer while: what a
/// sender of samples keeps while its store is away (Prometheus: two hours). Seconds.
const LATE_MAX_S: i64 = 3 * 3_600;

/// A store, and how far back its first reading goes.
#[derive(Clone, Debug)]
pub struct Source {
    /// The store.
    pub store: Store,
    /// How far back it is read when nothing of it was booked yet.
    pub first: Duration,
}

impl Source {
    /// The journal under which its records are booked: the same for the same
    /// store and selector.
    fn journal(&self) -> JournalId {
        let digest = Sha256::digest(self.store.name());
        let mut eight = [0; 8];
        eight.copy_from_slice(&digest[..8]);
        JournalId(u64::from_be_bytes(eight))
    }

    /// Where to go on: so that a piece of which only some nodes were booked is
    /// read once more.
    fn position(&self, nodes: &BTreeMap<String, NodeAt>, now: Timestamp) -> i64 {
        let journal = self.journal().to_string();
        let own = nodes.values().filter(|node| node.journal == journal);
        let newest = own.map(|node| node.closed_until).max();
        let back = i64::try_from(self.first.as_secs()).unwrap_or(i64::MAX);
        let earliest = whole_minute(now.as_second().saturating_sub(back));
        newest.map_or(earliest, |at| (at - PIECE_S).max(earliest))
    }
}

/// How far a store was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Where the last reading ended.
    next: Option<i64>,
    /// Nodes that came back and were read again, each with the time up to which it
    /// was known then: for what is before it is not read once more.
    again: BTreeMap<String, i64>,
}

impl Progress {
    /// Where to read again, if a node came back that what was asked does not reach:
    /// a sender that kept its samples sends the oldest first, so what was missing is
    /// there when the newest is.
    fn back(
        &mut self,
        seen: &BTreeMap<String, NodeCurves>,
        nodes: &BTreeMap<String, NodeAt>,
        piece: Piece,
        now: Timestamp,
    ) -> Option<i64> {
        let earliest = now.as_second() - LATE_MAX_S;
        let mut back = None;
        for (node, curves) in seen {
            let (Some(at), Some(until)) = (nodes.get(node), curves.known_until(false)) else {
                continue;
            };
            let closed = at.closed_until;
            let begin = whole_minute(closed.max(earliest));
            let was_read = self.again.get(node).is_some_and(|known| closed < *known);
            if begin >= piece.reach() || until <= closed || was_read {
                continue;
            }
            self.again.insert(node.clone(), until);
            back = Some(back.map_or(begin, |back: i64| back.min(begin)));
        }
        back
    }

    /// Whether all that a node will ever have of a piece is there: it came back after.
    fn is_past(&self, node: &str, piece: Piece) -> bool {
        let known = self.again.get(node);
        known.is_some_and(|known| piece.end < *known)
    }
}

const fn whole_minute(time: i64) -> i64 {
    time.div_euclid(MINUTE_S) * MINUTE_S
}

impl Collector {
    /// Collects from a store until the shutdown begins, and waits for no answer
    /// then; what the ledger was given is booked whole.
    pub async fn run_from(self, source: Source, pods: Inventory, shutdown: Shutdown) {
        // Which pods run where is asked of each record, also of the first.
        tokio::select! {
            () = pods.agents_listed() => {}
            () = tokio::time::sleep(AGENTS_MAX) => {}
            () = shutdown.begun() => return,
        }
        let mut progress = Progress::default();
        loop {
            self.know(pods.homes());
            let reading = self.read_on(&source, &mut progress, Timestamp::now());
            let read = tokio::select! {
                () = shutdown.begun() => return,
                read = guarded(Box::pin(reading)) => read,
            };
            if let Err(error) = read.unwrap_or_else(|panicked| Err(panicked.into())) {
                self.metrics.failed();
                tracing::warn!(%error, store = ?source.store, "collecting from the store failed");
            }
            tokio::select! {
                () = shutdown.begun() => return,
                () = tokio::time::sleep(with_jitter(ROUND_EVERY)) => {}
            }
        }
    }

    /// Reads and books everything up to two minutes before `now`, piece by
    /// piece; `progress` is how far the last reading came.
    ///
    /// # Errors
    /// If the store does not answer or the ledger fails; what was booked
    /// before stays booked, and the next reading goes on there.
    pub async fn read_on(
        &self,
        source: &Source,
        progress: &mut Progress,
        now: Timestamp,
    ) -> Result<(), CollectFault> {
        let until = whole_minute(now.as_second() - BEHIND_S);
        loop {
            let nodes = self.booked_nodes().await?;
            let from = progress
                .next
                .unwrap_or_else(|| source.position(&nodes, now));
            if from >= until {
                let unseen = |connection: &mut _| unseen::count(connection);
                self.metrics.unseen(self.ledger.call(unseen).await?);
                return Ok(());
            }
            let end = until.min(from + PIECE_S);
            let piece = Piece {
                from,
                end,
                is_past: false,
            };
            // A minute more: what was counted in it shows that those before are whole.
            let lines = source
                .store
                .range(&books::metrics(), piece.reach(), end + MINUTE_S)
                .await?;
            let seen = books::by_node(&lines);
            if let Some(back) = progress.back(&seen, &nodes, piece, now) {
                progress.next = Some(back);
                continue;
            }
            for (node, curves) in &seen {
                let piece = Piece {
                    is_past: progress.is_past(node, piece),
                    ..piece
                };
                self.book_node(source, node, curves, nodes.get(node), piece, now)
                    .await?;
            }
            progress.next = Some(end);
        }
    }

    async fn booked_nodes(&self) -> Result<BTreeMap<String, NodeAt>, CollectFault> {
        let (_, nodes) = self.ledger.call(query::nodes_at).await?;
        let named = nodes.into_iter().map(|node| (node.node.clone(), node));
        Ok(named.collect())
    }

    /// Books what a node used within a piece of time. What is refused stays
    /// out and is counted: its minutes lack, which lowers the coverage.
    async fn book_node(
        &self,
        source: &Source,
        node: &str,
        curves: &NodeCurves,
        known: Option<&NodeAt>,
        piece: Piece,
        now: Timestamp,
    ) -> Result<(), CollectFault> {
        let journal = source.journal();
        let is_own = known.is_some_and(|at| at.journal == journal.to_string());
        let mut sequence = known.filter(|_| is_own).map_or(0, |at| at.sequence);
        // What was booked is not booked again, whoever brought it; what was not, as far
        // back as it was asked for.
        let from = known.map_or(piece.from, |at| at.closed_until.max(piece.reach()));
        // What comes late is missing at the end: that stays open.
        let until = curves.known_until(piece.is_past);
        let until = until.map(|until| until.min(piece.end));
        let Some(until) = until.filter(|until| *until > from) else {
            return Ok(());
        };
        let mut records = curves.records(from, sequence);
        records.retain(|record| record.minute < until);
        let mut last_minute = LastMinute::default();
        let homes = self.homes();
        for (records, closed_until) in pages(records, until) {
            let after = Cursor { journal, sequence };
            let last = records.last().map_or(sequence, |one| one.sequence);
            let page = EnergyPage {
                schema: SCHEMA.to_owned(),
                node: node.to_owned(),
                next: Cursor {
                    journal,
                    sequence: last,
                },
                last_sequence: last,
                first_sequence: sequence.saturating_add(1),
                closed_until,
                records,
            };
            let asked = Asked {
                node,
                cursor: Some(&after),
                now,
                homes: &homes,
            };
            match accept::accept(&asked, page) {
                Ok(page) => {
                    last_minute.add(&page.records, page.closed_until);
                    match self.book(page).await {
                        // Of this node alone: all others are read on.
                        Err(CollectFault::Ledger(refusal)) if refusal.quarantined().is_some() => {
                            tracing::warn!(node, %refusal, "figures of the store are quarantined");
                            return Ok(());
                        }
                        booked => booked?,
                    }
                    sequence = last;
                }
                Err(refusal) => {
                    self.metrics.quarantined(refusal.reason());
                    tracing::warn!(node, %refusal, "figures of the store are quarantined");
                    return Ok(());
                }
            }
        }
        self.board.read_elsewhere(node, &last_minute, now);
        Ok(())
    }
}

/// Minutes of one question, seconds of Unix time.
#[derive(Clone, Copy)]
struct Piece {
    from: i64,
    end: i64,
    /// Whether nothing of it comes any more.
    is_past: bool,
}

impl Piece {
    /// From when on counters are asked for.
    const fn reach(self) -> i64 {
        self.from - LOOK_BACK_S
    }
}

/// Whole minutes together up to the limit of a page, each with the end of its
/// last minute; at least one page, so that the time that was read is noted.
fn pages(records: Vec<Record>, end: i64) -> Vec<(Vec<Record>, i64)> {
    let mut pages: Vec<(Vec<Record>, i64)> = Vec::new();
    let mut by_minute: BTreeMap<i64, Vec<Record>> = BTreeMap::new();
    for record in records {
        by_minute.entry(record.minute).or_default().push(record);
    }
    for (minute, records) in by_minute {
        let closed = minute + MINUTE_S;
        match pages.last_mut() {
            Some((page, until)) if page.len() + records.len() <= PAGE_LIMIT => {
                page.extend(records);
                *until = closed;
            }
            _ => pages.push((records, closed)),
        }
    }
    match pages.last_mut() {
        Some((_, until)) => *until = end,
        None => pages.push((Vec::new(), end)),
    }
    pages
}

#[cfg(test)]
mod tests;
