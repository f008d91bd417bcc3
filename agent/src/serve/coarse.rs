//! Figures too coarse for a side channel: what readers without a name get.
//!
//! Exact energy at short intervals tells what a neighbour computes
//! (CVE-2020-8694, CVE-2020-8695, CVE-2024-23984). A coarse snapshot changes
//! at the end of a window only, is the same for everybody within it (so two
//! readers learn no more than one), and each energy is a multiple of a step, so
//! that no difference of two figures is finer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tanso_agent_wire::energy::Account;
use tanso_power::{Joules, Utilisation};

use crate::books::{AccountBook, Books};
use crate::snapshot::{Details, Snapshot};

/// CPU time tells as much as energy: it is rounded to this.
const CPU_STEP_NS: u64 = 100_000_000;

/// How coarse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Figures change at its ends only.
    pub window: Duration,
    /// Energy is a multiple of this.
    pub step: Joules,
}

impl Resolution {
    /// Whether it takes anything away from figures of `interval`.
    #[must_use]
    pub fn is_finer_than(&self, interval: Duration) -> bool {
        self.window <= interval && self.step <= Joules::from_microjoules(1)
    }
}

/// The coarse snapshots of a process.
#[derive(Debug, Default)]
pub struct Coarse {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    window: Option<(i64, Resolution)>,
    exact: Option<Arc<Snapshot>>,
    shown: Option<Arc<Snapshot>>,
}

impl Coarse {
    /// The snapshot to show instead of `latest`.
    pub fn of(&self, latest: &Arc<Snapshot>, resolution: Resolution) -> Option<Arc<Snapshot>> {
        let window_ms = i64::try_from(resolution.window.as_millis())
            .unwrap_or(i64::MAX)
            .max(1);
        let number = latest.at_unix_ms.div_euclid(window_ms);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.window != Some((number, resolution)) {
            let coarse = coarse(held.exact.as_deref(), latest, resolution.step);
            held.shown = Some(Arc::new(coarse));
            held.exact = Some(Arc::clone(latest));
            held.window = Some((number, resolution));
        }
        held.shown.clone()
    }
}

/// `now` rounded; its powers are means since `before`.
#[must_use]
pub fn coarse(before: Option<&Snapshot>, now: &Snapshot, step: Joules) -> Snapshot {
    let floor = |energy: Joules| round_down(energy, step);
    let mut shown = now.clone();
    shown.details = Details::default();
    shown.utilisation = Utilisation::IDLE;
    let passed = before.map(|before| now.at_unix_ms.saturating_sub(before.at_unix_ms));
    shown.elapsed = Duration::from_millis(passed.unwrap_or_default().unsigned_abs());
    let earlier = before.map(|before| &before.books);
    let books = &mut shown.books;
    for (place, book) in books.accounts.iter_mut().enumerate() {
        let old = earlier.and_then(|books| account(books, place, &book.account));
        let old: &[Joules] = old.map_or(&[], |old| &old.energy);
        round_all(&mut book.energy, &mut book.last, old, step);
        book.total = floor(book.total);
        book.cpu_ns -= book.cpu_ns % CPU_STEP_NS;
    }
    for (uid, pod) in &mut books.pods {
        let old = earlier.and_then(|books| books.pods.get(uid));
        let old: &[Joules] = old.map_or(&[], |old| &old.energy);
        round_all(&mut pod.energy, &mut pod.last, old, step);
    }
    for zone in &mut books.zones {
        let old = earlier.and_then(|books| books.zones.iter().find(|old| old.zone == zone.zone));
        let (total, idle) = old.map_or((Joules::ZERO, Joules::ZERO), |old| (old.total, old.idle));
        (zone.total, zone.idle) = (floor(zone.total), floor(zone.idle));
        zone.last = (
            zone.total.saturating_sub(floor(total)),
            zone.idle.saturating_sub(floor(idle)),
        );
    }
    for sum in &mut books.by_provenance {
        *sum = floor(*sum);
    }
    books.bounds = (floor(books.bounds.0), floor(books.bounds.1));
    books.caught_up = floor(books.caught_up);
    books.folded_cpu_ns -= books.folded_cpu_ns % CPU_STEP_NS;
    for energy in books.folded.values_mut() {
        *energy = floor(*energy);
    }
    shown
}

/// An account in other books: mostly at the same place.
fn account<'a>(books: &'a Books, place: usize, of: &Account) -> Option<&'a AccountBook> {
    let near = books.accounts.get(place).filter(|book| book.account == *of);
    near.or_else(|| books.accounts.iter().find(|book| book.account == *of))
}

/// Rounds totals, and makes the last window's parts of rounded totals.
fn round_all(energy: &mut [Joules], last: &mut Vec<Joules>, before: &[Joules], step: Joules) {
    last.clear();
    for (place, sum) in energy.iter_mut().enumerate() {
        *sum = round_down(*sum, step);
        let old = before.get(place).copied().unwrap_or_default();
        last.push(sum.saturating_sub(round_down(old, step)));
    }
}

fn round_down(energy: Joules, step: Joules) -> Joules {
    let step_uj = step.microjoules().max(1);
    let energy_uj = energy.microjoules();
    Joules::from_microjoules(energy_uj - energy_uj % step_uj)
}

#[cfg(test)]
mod tests;
