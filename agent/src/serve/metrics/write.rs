//! A file per sort of figure; each writes whole families.

pub(super) mod containers;
pub(super) mod gpus;
pub(super) mod legacy;
pub(super) mod machines;
pub(super) mod node;
pub(super) mod own;
pub(super) mod pods;
pub(super) mod processes;

use std::time::Duration;

use tanso_power::Joules;

/// The word in the label `state`.
const fn state(running: bool) -> &'static str {
    if running { "running" } else { "terminated" }
}

fn joules(energy: Joules) -> f64 {
    energy.as_joules_f64()
}

fn watts(energy: Joules, elapsed: Duration) -> f64 {
    energy.over(elapsed).as_watts_f64()
}

fn seconds(cpu_ns: u64) -> f64 {
    Duration::from_nanos(cpu_ns).as_secs_f64()
}

/// A whole number for display.
#[expect(clippy::cast_precision_loss, reason = "for display: exact up to 2^53")]
pub(super) fn count(number: u64) -> f64 {
    number as f64
}

/// The `most` items with the largest energy, in their own order, and how many
/// were left out.
fn bounded<T>(mut items: Vec<T>, most: usize, energy: impl Fn(&T) -> Joules) -> (Vec<T>, u64) {
    let withheld = items.len().saturating_sub(most);
    if withheld == 0 {
        return (items, 0);
    }
    let mut ranks: Vec<(Joules, usize)> = items
        .iter()
        .enumerate()
        .map(|(place, item)| (energy(item), place))
        .collect();
    ranks.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let kept: std::collections::HashSet<usize> = ranks
        .into_iter()
        .take(most)
        .map(|(_, place)| place)
        .collect();
    let mut place = 0;
    items.retain(|_| {
        place += 1;
        kept.contains(&(place - 1))
    });
    (items, withheld as u64)
}
