//! Containers: energy and power by zone, CPU time, GPU energy.

use tanso_agent_wire::energy::Account;
use tanso_agent_wire::families as f;
use tanso_power::Joules;

use super::{bounded, joules, seconds, state, watts};
use crate::books::AccountBook;
use crate::charges::KVM;
use crate::serve::metrics::exposition::{Out, classes, sum};
use crate::snapshot::Snapshot;

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

    fn labels(&self, zone: Option<&'a str>) -> Vec<&'a str> {
        let name = self.book.names.container.as_deref().unwrap_or("");
        let state = state(self.book.ended_ms.is_none());
        let mut labels = Vec::with_capacity(7);
        labels.extend([self.id, name, self.book.runtime.as_str(), state]);
        labels.extend(zone);
        labels.push(self.pod);
        labels
    }
}

/// Writes the containers; returns how many were left out.
pub(in super::super) fn write(snapshot: &Snapshot, out: &mut Out<'_>) -> u64 {
    let accounts = snapshot.books.accounts.iter();
    let listed = accounts.filter(|book| !book.awaits_name(snapshot.at_unix_ms));
    let rows: Vec<Row<'_>> = listed.filter_map(Row::of).collect();
    let most = out.options.bounds.containers;
    let (rows, withheld) = bounded(rows, most, |row| row.book.total);
    let classes = classes(&snapshot.books);
    let by_zone = |pick: fn(&AccountBook) -> &Vec<Joules>| {
        let classes = &classes;
        rows.iter().flat_map(move |row| {
            classes
                .iter()
                .map(move |(zone, places)| (row.labels(Some(*zone)), sum(pick(row.book), places)))
        })
    };
    out.write(
        &f::CONTAINER_JOULES,
        by_zone(|book| &book.energy).map(|(labels, energy)| (labels, joules(energy))),
    );
    let elapsed = snapshot.elapsed;
    out.write(
        &f::CONTAINER_WATTS,
        by_zone(|book| &book.last).map(|(labels, energy)| (labels, watts(energy, elapsed))),
    );
    out.write(
        &f::CONTAINER_SECONDS,
        rows.iter()
            .map(|row| (row.labels(None), seconds(row.book.cpu_ns))),
    );
    let gpu = || {
        rows.iter().filter_map(|row| {
            let amount = snapshot.details.gpu_by_account.get(&row.book.account)?;
            (amount.total > Joules::ZERO).then(|| (row.labels(None), *amount))
        })
    };
    out.write(
        &f::CONTAINER_GPU_JOULES,
        gpu().map(|(labels, amount)| (labels, joules(amount.total))),
    );
    out.write(
        &f::CONTAINER_GPU_WATTS,
        gpu().map(|(labels, amount)| (labels, watts(amount.last, elapsed))),
    );
    withheld
}
