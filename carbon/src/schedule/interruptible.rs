//! The slots of a job that may be interrupted: exact, by a table over slots
//! looked at and slots run. Never looks at time or energy: slots are of equal
//! length and power.

use crate::units::Intensity;

/// The slots chosen for a job that may be interrupted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// The indices of the slots in which it runs, in order.
    pub slots: Vec<usize>,
    /// How often it is started again after a break.
    pub restarts: usize,
    /// The sum of intensity × slots, restarts with it, in µg/kWh ×
    /// thousandths of a slot.
    pub cost: u128,
}

/// Chooses `wanted` of the slots for the least sum of intensities, where each
/// restart after a break uses `restart_thousandths` of a slot's energy in the
/// slot in which it happens. `None` if there are too few slots.
#[must_use]
pub fn interruptible(
    slots: &[Intensity],
    wanted: usize,
    restart_thousandths: u32,
) -> Option<Interrupted> {
    if wanted > slots.len() {
        return None;
    }
    if restart_thousandths == 0 {
        return Some(cleanest(slots, wanted));
    }
    // The cheapest way to have run `done` slots so far, per slot looked at:
    // [idle now, running now].
    let mut best = vec![vec![[None::<u128>; 2]; wanted + 1]; slots.len() + 1];
    if let Some(start) = best.first_mut().and_then(|row| row.first_mut()) {
        *start = [Some(0), None];
    }
    for (index, slot) in slots.iter().enumerate() {
        let value = u128::from(slot.micrograms_per_kwh());
        let (run, again) = (value * 1_000, value * u128::from(restart_thousandths));
        let (before, after) = best.split_at_mut(index + 1);
        let (Some(before), Some(after)) = (before.last(), after.first_mut()) else {
            continue;
        };
        for done in 0..=wanted {
            let idle = before.get(done).and_then(|[idle, on]| least(*idle, *on));
            let running = done.checked_sub(1).and_then(|fewer| {
                let [idle, on] = *before.get(fewer)?;
                let restart = if fewer == 0 { 0 } else { again };
                least(on, idle.map(|cost| cost + restart)).map(|cost| cost + run)
            });
            if let Some(state) = after.get_mut(done) {
                *state = [idle, running];
            }
        }
    }
    trace(&best, slots, wanted, restart_thousandths)
}

/// The cleanest slots, of equals the earliest: the answer where a restart
/// costs nothing.
fn cleanest(slots: &[Intensity], wanted: usize) -> Interrupted {
    let mut order: Vec<_> = slots.iter().zip(0_usize..).collect();
    order.sort_unstable();
    order.truncate(wanted);
    let cost = order
        .iter()
        .map(|(slot, _)| u128::from(slot.micrograms_per_kwh()) * 1_000)
        .sum();
    let mut slots: Vec<_> = order.into_iter().map(|(_, index)| index).collect();
    slots.sort_unstable();
    let apart = slots.iter().zip(slots.iter().skip(1));
    Interrupted {
        restarts: apart.filter(|(one, next)| *one + 1 < **next).count(),
        slots,
        cost,
    }
}

/// Walks the table of [`interruptible`] back to the slots.
fn trace(
    best: &[Vec<[Option<u128>; 2]>],
    slots: &[Intensity],
    wanted: usize,
    restart_thousandths: u32,
) -> Option<Interrupted> {
    let [idle, on] = *best.last()?.get(wanted)?;
    let cost = least(idle, on)?;
    // Idle wins a tie, so that the earlier slots are taken.
    let mut running = idle != Some(cost);
    let (mut done, mut chosen, mut restarts) = (wanted, Vec::with_capacity(wanted), 0);
    for (index, slot) in slots.iter().enumerate().rev() {
        let row = best.get(index)?;
        if running {
            chosen.push(index);
            done = done.checked_sub(1)?;
            let [idle, on] = *row.get(done)?;
            let again = if done == 0 {
                0
            } else {
                u128::from(restart_thousandths)
            };
            let restarted = idle.map(|cost| cost + u128::from(slot.micrograms_per_kwh()) * again);
            running = on.is_some() && least(on, restarted) == on;
            restarts += usize::from(!running && done > 0);
        } else {
            let [idle, on] = *row.get(done)?;
            running = on.is_some() && idle != least(idle, on);
        }
    }
    chosen.reverse();
    Some(Interrupted {
        slots: chosen,
        restarts,
        cost,
    })
}

fn least(one: Option<u128>, other: Option<u128>) -> Option<u128> {
    one.into_iter().chain(other).min()
}
