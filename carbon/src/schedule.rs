//! The cheapest time for a job on a curve of intensity: exact, by sums.
//!
//! A job may be one run without a break, with its energy spread flat or in
//! segments, or a number of slots that need not be neighbours, where each
//! restart costs energy too. Of equal times the earliest wins.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tanso_power::Joules;

use crate::calendar::{Period, UtcHour};
use crate::series::{HourlyIntensity, Point};
use crate::units::{GramsCo2e, Intensity};

/// µJ × µg/kWh in one nanogram.
const PRODUCT_PER_NANOGRAM: u128 = 3_600_000_000;

/// A job that runs without a break: segments of even power, one after the
/// other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    segments: Vec<(u32, Joules)>,
}

impl Job {
    /// A job of even power; `None` without duration.
    #[must_use]
    pub fn flat(seconds: u32, energy: Joules) -> Option<Self> {
        Self::of_segments(vec![(seconds, energy)])
    }

    /// A job from the seconds and the energy of each part; `None` if a part
    /// has no duration or there is no part.
    #[must_use]
    pub fn of_segments(segments: Vec<(u32, Joules)>) -> Option<Self> {
        let proper = !segments.is_empty() && segments.iter().all(|(seconds, _)| *seconds > 0);
        proper.then_some(Self { segments })
    }

    /// How long it runs.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.segments
            .iter()
            .map(|(seconds, _)| i64::from(*seconds))
            .sum()
    }

    /// What it uses.
    #[must_use]
    pub fn energy(&self) -> Joules {
        self.segments.iter().map(|(_, energy)| *energy).sum()
    }

    /// The offsets of its segments' edges from its start.
    fn edges(&self) -> impl Iterator<Item = i64> {
        let ends = self.segments.iter().scan(0, |end, (seconds, _)| {
            *end += i64::from(*seconds);
            Some(*end)
        });
        std::iter::once(0).chain(ends)
    }
}

/// Intensity over time in steps of equal length, ready for window sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostCurve {
    start_s: i64,
    step_s: i64,
    values: Vec<u32>,
    /// The sum of value × step before each step, in µg/kWh × s: twenty years
    /// at the highest intensity are 1.3·10^18, within 64 bits.
    prefix: Vec<u64>,
}

/// A place for a job, with what it emits there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// What the job emits if it starts then.
    pub emissions: GramsCo2e,
    /// The start, in Unix seconds.
    pub start_s: i64,
}

impl CostCurve {
    /// A curve from the intensity of each step; `None` without steps, with
    /// steps of no length, or over twenty years long.
    #[must_use]
    pub fn try_new(start: Timestamp, step_seconds: u32, values: &[Intensity]) -> Option<Self> {
        let step_s = i64::from(step_seconds);
        let length = i64::try_from(values.len()).ok()?.checked_mul(step_s)?;
        if length == 0 || length > i64::from(crate::series::HOURS_MAX) * 3_600 {
            return None;
        }
        let values: Vec<u32> = values
            .iter()
            .map(|value| value.micrograms_per_kwh())
            .collect();
        let mut sum = 0_u64;
        let mut prefix = Vec::with_capacity(values.len() + 1);
        prefix.push(0);
        for value in &values {
            sum += u64::from(*value) * u64::from(step_seconds);
            prefix.push(sum);
        }
        Some(Self {
            start_s: start.as_second(),
            step_s,
            values,
            prefix,
        })
    }

    /// The hours of a period from a series, with `pick` choosing the figure
    /// of a point; `None` if an hour has none.
    #[must_use]
    pub fn of_hours(
        series: &dyn HourlyIntensity,
        period: Period,
        pick: impl Fn(Point) -> Intensity,
    ) -> Option<Self> {
        let values: Option<Vec<_>> = period
            .hours()
            .map(|hour: UtcHour| series.at(hour).map(&pick))
            .collect();
        Self::try_new(period.from.start(), 3_600, &values?)
    }

    /// The curve's end, in Unix seconds.
    #[must_use]
    pub fn end_s(&self) -> i64 {
        let steps = i64::try_from(self.values.len()).unwrap_or(i64::MAX);
        self.start_s
            .saturating_add(steps.saturating_mul(self.step_s))
    }

    /// The sum of intensity × time from the curve's start to an instant.
    fn integral(&self, at_s: i64) -> Option<u64> {
        let offset = at_s
            .checked_sub(self.start_s)
            .filter(|offset| *offset >= 0)?;
        let step = usize::try_from(offset / self.step_s).ok()?;
        let rest = u64::try_from(offset % self.step_s).ok()?;
        let whole = *self.prefix.get(step)?;
        if rest == 0 {
            return Some(whole);
        }
        Some(whole + u64::from(*self.values.get(step)?) * rest)
    }

    /// The mean intensity of a window; `None` if it is empty or leaves the
    /// curve.
    #[must_use]
    pub fn mean(&self, start_s: i64, seconds: i64) -> Option<Intensity> {
        let sum = self.integral(start_s.checked_add(seconds)?)? - self.integral(start_s)?;
        let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0)?;
        Intensity::from_micrograms_per_kwh(u32::try_from((sum + seconds / 2) / seconds).ok()?)
    }

    /// What a job emits that starts at an instant; `None` if it leaves the
    /// curve.
    #[must_use]
    pub fn emissions(&self, job: &Job, start_s: i64) -> Option<GramsCo2e> {
        let mut product = 0_u128;
        let mut at = start_s;
        for (seconds, energy) in &job.segments {
            let end = at.checked_add(i64::from(*seconds))?;
            let sum = self.integral(end)?.checked_sub(self.integral(at)?)?;
            product += u128::from(sum) * u128::from(energy.microjoules()) / u128::from(*seconds);
            at = end;
        }
        Some(GramsCo2e::from_nanograms(
            (product + PRODUCT_PER_NANOGRAM / 2) / PRODUCT_PER_NANOGRAM,
        ))
    }

    /// The `count` best starts from `earliest_s` to `latest_s`, both included
    /// and both in Unix seconds, best first. What leaves the curve is left
    /// out.
    ///
    /// Between two instants at which an edge of the job meets an edge of the
    /// curve, the emissions change evenly; so a minimum is always at such an
    /// instant, and no other needs a look.
    #[must_use]
    pub fn best(&self, job: &Job, earliest_s: i64, latest_s: i64, count: usize) -> Vec<Slot> {
        let mut best = BTreeSet::new();
        let mut offer = |start_s: i64| {
            if let Some(emissions) = self.emissions(job, start_s) {
                best.insert(Slot { emissions, start_s });
                if best.len() > count {
                    best.pop_last();
                }
            }
        };
        let last_s = latest_s.min(self.end_s().saturating_sub(job.seconds()));
        let first_s = earliest_s.max(self.start_s);
        if first_s > last_s {
            return Vec::new();
        }
        offer(first_s);
        offer(last_s);
        for edge in job.edges() {
            let behind = (first_s + edge - self.start_s).rem_euclid(self.step_s);
            let mut start_s = first_s + (self.step_s - behind) % self.step_s;
            while start_s <= last_s {
                offer(start_s);
                start_s += self.step_s;
            }
        }
        best.into_iter().collect()
    }
}

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

#[cfg(test)]
mod tests;
