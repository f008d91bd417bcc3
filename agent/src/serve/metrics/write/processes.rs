//! Processes: the ones with the most energy, where that level is on.

use std::collections::BTreeMap;

use tanso_agent_wire::families as f;
use tanso_power::Joules;

use super::{bounded, joules, seconds, state, watts};
use crate::serve::metrics::exposition::{Out, classes};
use crate::snapshot::Snapshot;
use crate::snapshot::details::{Amount, ProcessFigures};

/// The labels of a process, without its state and zone.
type Key<'a> = [&'a str; 6];

struct Row<'a> {
    process: &'a ProcessFigures,
    pid: String,
}

impl<'a> Row<'a> {
    fn labels(&'a self, zone: Option<&'a str>) -> Vec<&'a str> {
        let [pid, comm, exe, kind, container, vm] = self.key();
        let mut labels = Vec::with_capacity(9);
        labels.extend([pid, comm, exe, kind, state(self.process.running)]);
        labels.extend([container, vm]);
        labels.extend(zone);
        labels
    }

    fn key(&'a self) -> Key<'a> {
        let process = self.process;
        [
            &self.pid,
            &process.comm,
            &process.exe,
            process.kind.as_str(),
            &process.container_id,
            &process.vm_id,
        ]
    }
}

fn at(zones: &[Amount], places: &[usize]) -> Amount {
    let mut sum = Amount::default();
    for amount in places.iter().filter_map(|&place| zones.get(place)) {
        sum.total += amount.total;
        sum.last += amount.last;
    }
    sum
}

/// Samples of equal labels are one: a number that is in use again, by a
/// process of the same name, makes no series twice.
fn merged<'a>(
    samples: impl Iterator<Item = (Vec<&'a str>, f64)>,
) -> impl Iterator<Item = (Vec<&'a str>, f64)> {
    let mut sums: BTreeMap<Vec<&str>, f64> = BTreeMap::new();
    for (labels, value) in samples {
        *sums.entry(labels).or_default() += value;
    }
    sums.into_iter()
}

/// Writes the processes; returns how many were left out.
pub(in super::super) fn write(snapshot: &Snapshot, out: &mut Out<'_>) -> u64 {
    let processes: Vec<&ProcessFigures> = snapshot.details.processes.iter().collect();
    let most = out.options.bounds.processes;
    let energy = |process: &&ProcessFigures| -> Joules {
        process.zones.iter().map(|amount| amount.total).sum()
    };
    let (kept, withheld) = bounded(processes, most, energy);
    let rows: Vec<Row<'_>> = kept
        .into_iter()
        .map(|process| Row {
            process,
            pid: process.pid.to_string(),
        })
        .collect();
    let classes = classes(&snapshot.books);
    let by_zone = || {
        let classes = &classes;
        rows.iter().flat_map(move |row| {
            classes.iter().map(move |(zone, places)| {
                (row.labels(Some(*zone)), at(&row.process.zones, places))
            })
        })
    };
    let elapsed = snapshot.elapsed;
    out.write(
        &f::PROCESS_JOULES,
        merged(by_zone().map(|(labels, amount)| (labels, joules(amount.total)))),
    );
    out.write(
        &f::PROCESS_WATTS,
        merged(by_zone().map(|(labels, amount)| (labels, watts(amount.last, elapsed)))),
    );
    out.write(
        &f::PROCESS_SECONDS,
        merged(
            rows.iter()
                .map(|row| (row.key().to_vec(), seconds(row.process.cpu_ns))),
        ),
    );
    let gpu = || {
        rows.iter()
            .filter_map(|row| Some((row.labels(None), row.process.gpu?)))
    };
    out.write(
        &f::PROCESS_GPU_JOULES,
        merged(gpu().map(|(labels, amount)| (labels, joules(amount.total)))),
    );
    out.write(
        &f::PROCESS_GPU_WATTS,
        merged(gpu().map(|(labels, amount)| (labels, watts(amount.last, elapsed)))),
    );
    withheld
}
