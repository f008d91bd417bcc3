//! Containers: energy and power by zone, CPU time, GPU energy.

use tanso_agent_wire::energy::Account;
use tanso_agent_wire::families as f;
use tanso_power::Joules;

use super::{bounded, count, joules, seconds, state, watts};
use crate::books::AccountBook;
use crate::charges::KVM;
use crate::serve::metrics::exposition::{Out, Samples, classes, sum};
use crate::snapshot::Snapshot;
use crate::snapshot::details::{Amount, HardwareCounts};

/// A container with the label values that all its families share.
struct Row<'a> {
    book: &'a AccountBook,
    id: &'a str,
    pod: &'a str,
}

impl<'a> Row<'a> {
    fn of(book: &'a AccountBook) -> Option<Self> {
        if book.runtime == KVM {
            return None;
        }
        let (pod, id) = match &book.account {
            Account::Container {
                pod_uid,
                container_id,
            } if !container_id.is_empty() => (pod_uid.as_str(), container_id.as_str()),
            Account::Standalone { container_id } => ("", container_id.as_str()),
            _ => return None,
        };
        Some(Self { book, id, pod })
    }

    /// Label values up to the state; the zone, where there is one, and the pod
    /// follow.
    fn labels(&self) -> [&'a str; 4] {
        let name = self.book.names.container.as_deref().unwrap_or("");
        let state = state(self.book.ended_ms.is_none());
        [self.id, name, self.book.runtime.as_str(), state]
    }

    fn whole(&self) -> [&'a str; 5] {
        let [id, name, runtime, state] = self.labels();
        [id, name, runtime, state, self.pod]
    }
}

/// Writes the containers; returns how many were left out.
pub(in super::super) fn write(snapshot: &Snapshot, out: &mut Out<'_>) -> u64 {
    let unlisted = snapshot.books.unlisted();
    let accounts = snapshot.books.accounts.iter().enumerate();
    let listed = accounts.filter(|(place, book)| {
        !unlisted.contains(place) && !book.awaits_name(snapshot.at_unix_ms)
    });
    let rows: Vec<Row<'_>> = listed.filter_map(|(_, book)| Row::of(book)).collect();
    let most = out.options.bounds.containers;
    let (rows, withheld) = bounded(rows, most, |row| row.book.total);
    let classes = classes(&snapshot.books);
    let by_zone = |samples: &mut Samples<'_>, figure: &dyn Fn(&AccountBook, &[usize]) -> f64| {
        for row in &rows {
            let [id, name, runtime, state] = row.labels();
            let labels = [id, name, runtime, state, "", row.pod];
            let zones = classes.iter();
            samples.put_zones(
                &labels,
                zones.map(|(zone, places)| (*zone, figure(row.book, places))),
            );
        }
    };
    out.each(&f::CONTAINER_JOULES, |samples| {
        by_zone(samples, &|book, places| joules(sum(&book.energy, places)));
    });
    let elapsed = snapshot.elapsed;
    out.each(&f::CONTAINER_WATTS, |samples| {
        by_zone(samples, &|book, places| {
            watts(sum(&book.last, places), elapsed)
        });
    });
    out.each(&f::CONTAINER_SECONDS, |samples| {
        for row in &rows {
            samples.put(&row.whole(), seconds(row.book.cpu_ns));
        }
    });
    let gpu = |samples: &mut Samples<'_>, figure: &dyn Fn(&Amount) -> f64| {
        for row in &rows {
            let amount = snapshot.details.gpu_by_account.get(&row.book.account);
            if let Some(amount) = amount.filter(|amount| amount.total > Joules::ZERO) {
                samples.put(&row.whole(), figure(amount));
            }
        }
    };
    out.each(&f::CONTAINER_GPU_JOULES, |samples| {
        gpu(samples, &|amount| joules(amount.total));
    });
    out.each(&f::CONTAINER_GPU_WATTS, |samples| {
        gpu(samples, &|amount| watts(amount.last, elapsed));
    });
    counts(snapshot, &rows, out);
    withheld.saturating_add(unlisted.len() as u64)
}

/// One of the hardware counters.
type PickCount = fn(&HardwareCounts) -> Option<u64>;

fn counts(snapshot: &Snapshot, rows: &[Row<'_>], out: &mut Out<'_>) {
    let counts = &snapshot.details.counts;
    if counts.is_empty() || !out.options.levels.has(f::Level::Container) {
        return;
    }
    let families: [(&f::Family, PickCount); 3] = [
        (&f::CONTAINER_CYCLES, |counts| counts.cycles),
        (&f::CONTAINER_INSTRUCTIONS, |counts| counts.instructions),
        (&f::CONTAINER_CACHE_MISSES, |counts| counts.cache_misses),
    ];
    for (family, pick) in families {
        out.each(family, |samples| {
            for row in rows {
                if let Some(events) = counts.get(&row.book.account).and_then(pick) {
                    samples.put(&row.whole(), count(events));
                }
            }
        });
    }
}
