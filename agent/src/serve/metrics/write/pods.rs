//! Pods: sums over their containers, finished ones too.

use std::collections::BTreeMap;

use tanso_agent_wire::energy::Account;
use tanso_agent_wire::families as f;
use tanso_power::Joules;

use super::{bounded, joules, state, watts};
use crate::books::PodBook;
use crate::serve::metrics::exposition::{Out, Samples, classes, sum};
use crate::snapshot::Snapshot;
use crate::snapshot::details::Amount;

/// A pod with the label values that all its families share.
struct Row<'a> {
    uid: &'a str,
    book: &'a PodBook,
    running: bool,
    gpu: Amount,
}

impl<'a> Row<'a> {
    fn labels(&self) -> [&'a str; 4] {
        let name = self.book.name.as_deref().unwrap_or("");
        let namespace = self.book.namespace.as_deref().unwrap_or("");
        [self.uid, name, namespace, state(self.running)]
    }
}

/// The pods that are listed: those with a container that is, and those without
/// any.
fn rows(snapshot: &Snapshot) -> Vec<Row<'_>> {
    #[derive(Clone, Copy, Default)]
    struct Seen {
        running: bool,
        listed: bool,
        gpu: Amount,
    }
    let unlisted = snapshot.books.unlisted();
    let mut seen: BTreeMap<&str, Seen> = BTreeMap::new();
    for (place, book) in snapshot.books.accounts.iter().enumerate() {
        if let Account::Container { pod_uid, .. } = &book.account {
            let Seen {
                running,
                listed,
                gpu,
            } = seen.entry(pod_uid.as_str()).or_default();
            *running |= book.ended_ms.is_none();
            *listed |= !unlisted.contains(&place);
            if let Some(amount) = snapshot.details.gpu_by_account.get(&book.account) {
                gpu.total += amount.total;
                gpu.last += amount.last;
            }
        }
    }
    let rows = snapshot.books.pods.iter().filter_map(|(uid, book)| {
        let seen = seen.get(uid.as_str()).copied();
        let Seen { running, gpu, .. } = match seen {
            Some(seen) if !seen.listed => return None,
            seen => seen.unwrap_or_default(),
        };
        Some(Row {
            uid,
            book,
            running,
            gpu,
        })
    });
    rows.collect()
}

/// Writes the pods; returns how many were left out.
pub(in super::super) fn write(snapshot: &Snapshot, out: &mut Out<'_>) -> u64 {
    let classes = classes(&snapshot.books);
    let most = out.options.bounds.containers;
    let listed = rows(snapshot);
    let unlisted = snapshot.books.pods.len().saturating_sub(listed.len());
    let (rows, withheld) = bounded(listed, most, |row| row.book.energy.iter().copied().sum());
    let by_zone = |samples: &mut Samples<'_>, figure: &dyn Fn(&PodBook, &[usize]) -> f64| {
        for row in &rows {
            let [uid, name, namespace, state] = row.labels();
            let zones = classes.iter();
            samples.put_zones(
                &[uid, name, namespace, state, ""],
                zones.map(|(zone, places)| (*zone, figure(row.book, places))),
            );
        }
    };
    out.each(&f::POD_JOULES, |samples| {
        by_zone(samples, &|book, places| joules(sum(&book.energy, places)));
    });
    let elapsed = snapshot.elapsed;
    out.each(&f::POD_WATTS, |samples| {
        by_zone(samples, &|book, places| {
            watts(sum(&book.last, places), elapsed)
        });
    });
    let gpu = || rows.iter().filter(|row| row.gpu.total > Joules::ZERO);
    out.each(&f::POD_GPU_JOULES, |samples| {
        for row in gpu() {
            samples.put(&row.labels(), joules(row.gpu.total));
        }
    });
    out.each(&f::POD_GPU_WATTS, |samples| {
        for row in gpu() {
            samples.put(&row.labels(), watts(row.gpu.last, elapsed));
        }
    });
    withheld.saturating_add(unlisted as u64)
}
