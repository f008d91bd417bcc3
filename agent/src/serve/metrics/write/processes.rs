//! Processes: the ones with the most energy, where that level is on.

use tanso_agent_wire::families as f;
use tanso_power::Joules;

use super::{bounded, joules, seconds, state, watts};
use crate::serve::metrics::exposition::{Out, Samples, classes};
use crate::snapshot::Snapshot;
use crate::snapshot::details::{Amount, ProcessFigures};

struct Row<'a> {
    process: &'a ProcessFigures,
    pid: String,
}

impl Row<'_> {
    /// Label values without the zone.
    fn labels(&self) -> [&str; 7] {
        let [pid, comm, exe, kind, container, vm] = self.without_state();
        let state = state(self.process.running);
        [pid, comm, exe, kind, state, container, vm]
    }

    fn without_state(&self) -> [&str; 6] {
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

/// A process' energy in these zones. Of ended ones a series is of all that had
/// its labels, listed or not; a running one's begins with it.
fn at(process: &ProcessFigures, places: &[usize]) -> Amount {
    let mut sum = Amount::default();
    for &place in places {
        if let Some(amount) = process.zones.get(place) {
            sum.total += amount.total;
            sum.last += amount.last;
        }
        if let Some(energy) = process.earlier.zones.get(place)
            && !process.running
        {
            sum.total += *energy;
        }
    }
    sum
}

/// The same of GPUs, if it used any.
fn gpu_of(process: &ProcessFigures) -> Option<Amount> {
    let earlier = process.earlier.gpu.filter(|_| !process.running);
    if process.gpu.is_none() && earlier.is_none() {
        return None;
    }
    let mut used = process.gpu.unwrap_or_default();
    used.total += earlier.unwrap_or(Joules::ZERO);
    Some(used)
}

/// Hands over the rows of equal labels together, in the labels' order: a number
/// that is in use again, by a process of the same name, makes no series twice.
fn merged<'r, 'a, const N: usize>(
    rows: &'r mut [Row<'a>],
    labels: for<'x> fn(&'x Row<'a>) -> [&'x str; N],
) -> impl Iterator<Item = &'r [Row<'a>]> {
    // The number is the first label, and mostly tells two apart.
    rows.sort_by(|one, other| {
        let numbers = one.pid.cmp(&other.pid);
        numbers.then_with(|| labels(one).cmp(&labels(other)))
    });
    let rows: &'r [Row<'a>] = rows;
    rows.chunk_by(move |one, other| one.pid == other.pid && labels(one) == labels(other))
}

/// Writes the processes; returns how many were left out.
pub(in super::super) fn write(snapshot: &Snapshot, out: &mut Out<'_>) -> u64 {
    let processes: Vec<&ProcessFigures> = snapshot.details.processes.iter().collect();
    let most = out.options.bounds.processes;
    let energy = |process: &&ProcessFigures| -> Joules {
        process.zones.iter().map(|amount| amount.total).sum()
    };
    let (kept, withheld) = bounded(processes, most, energy);
    let mut rows: Vec<Row<'_>> = kept
        .into_iter()
        .map(|process| Row {
            process,
            pid: process.pid.to_string(),
        })
        .collect();
    out.each(&f::PROCESS_SECONDS, |samples| {
        for same in merged(&mut rows, Row::without_state) {
            let used = |row: &Row<'_>| row.process.cpu_ns + row.process.earlier.cpu_ns;
            let cpu_ns: u64 = same.iter().map(used).sum();
            if let Some(row) = same.first() {
                samples.put(&row.without_state(), seconds(cpu_ns));
            }
        }
    });
    let rows: Vec<&[Row<'_>]> = merged(&mut rows, Row::labels).collect();
    let classes = classes(&snapshot.books);
    let by_zone = |samples: &mut Samples<'_>, figure: &dyn Fn(Amount) -> f64| {
        for same in &rows {
            let Some(row) = same.first() else { continue };
            let [pid, comm, exe, kind, state, container, vm] = row.labels();
            let labels = [pid, comm, exe, kind, state, container, vm, ""];
            let zones = classes.iter().map(|(zone, places)| {
                let amounts = same.iter().map(|row| at(row.process, places));
                (*zone, figure(all(amounts)))
            });
            samples.put_zones(&labels, zones);
        }
    };
    let elapsed = snapshot.elapsed;
    out.each(&f::PROCESS_JOULES, |samples| {
        by_zone(samples, &|amount| joules(amount.total));
    });
    out.each(&f::PROCESS_WATTS, |samples| {
        by_zone(samples, &|amount| watts(amount.last, elapsed));
    });
    let gpu = |samples: &mut Samples<'_>, figure: &dyn Fn(Amount) -> f64| {
        for same in &rows {
            let mut used = same.iter().filter_map(|row| gpu_of(row.process)).peekable();
            if let (Some(row), true) = (same.first(), used.peek().is_some()) {
                samples.put(&row.labels(), figure(all(used)));
            }
        }
    };
    out.each(&f::PROCESS_GPU_JOULES, |samples| {
        gpu(samples, &|amount| joules(amount.total));
    });
    out.each(&f::PROCESS_GPU_WATTS, |samples| {
        gpu(samples, &|amount| watts(amount.last, elapsed));
    });
    withheld
}

/// The amounts together.
fn all(amounts: impl Iterator<Item = Amount>) -> Amount {
    amounts.fold(Amount::default(), |sum, amount| Amount {
        total: sum.total + amount.total,
        last: sum.last + amount.last,
    })
}
