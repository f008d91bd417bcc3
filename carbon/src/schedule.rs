//! The cheapest time for a job on a curve of intensity: exact, by sums.
//!
//! A job may be one run without a break, with its energy spread flat or in
//! segments, or a number of slots that need not be neighbours, where each
//! restart costs energy too. Of equal times the earliest wins.

use jiff::Timestamp;
use tanso_power::Joules;

use crate::calendar::{Period, UtcHour};
use crate::series::{HourlyIntensity, Point};
use crate::units::{GramsCo2e, Intensity};

mod interruptible;

pub use interruptible::{Interrupted, interruptible};

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
    /// The intensity of each step and a last zero, so that there is one for
    /// each entry of `prefix`.
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
        let ends = values.iter().scan(0_u64, |sum, value| {
            *sum += u64::from(value.micrograms_per_kwh()) * u64::from(step_seconds);
            Some(*sum)
        });
        let prefix = std::iter::once(0).chain(ends).collect();
        let values = values.iter().map(|value| value.micrograms_per_kwh());
        let values = values.chain(std::iter::once(0)).collect();
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
        let steps = i64::try_from(self.values.len() - 1).unwrap_or(i64::MAX);
        self.start_s
            .saturating_add(steps.saturating_mul(self.step_s))
    }

    /// The step that an instant lies in and the seconds into it; `None`
    /// before the start.
    fn place(&self, at_s: i64) -> Option<(usize, u64)> {
        let offset = at_s.checked_sub(self.start_s).filter(|o| *o >= 0)?;
        let step = usize::try_from(offset / self.step_s).ok()?;
        Some((step, u64::try_from(offset % self.step_s).ok()?))
    }

    /// The sum of intensity × time from the curve's start to an instant.
    fn integral(&self, at_s: i64) -> Option<u64> {
        if at_s > self.end_s() {
            return None;
        }
        let (step, rest) = self.place(at_s)?;
        Some(self.prefix.get(step)? + u64::from(*self.values.get(step)?) * rest)
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
        let product = self.product(job, start_s)?;
        Some(GramsCo2e::from_nanograms(
            (product + PRODUCT_PER_NANOGRAM / 2) / PRODUCT_PER_NANOGRAM,
        ))
    }

    /// Energy × intensity of a job that starts at an instant, in µJ × µg/kWh.
    fn product(&self, job: &Job, start_s: i64) -> Option<u128> {
        let mut product = 0_u128;
        let mut at = start_s;
        for (seconds, energy) in &job.segments {
            let end = at.checked_add(i64::from(*seconds))?;
            let sum = self.integral(end)?.checked_sub(self.integral(at)?)?;
            product += u128::from(sum) * u128::from(energy.microjoules()) / u128::from(*seconds);
            at = end;
        }
        Some(product)
    }

    /// The `count` best starts from `earliest_s` to `latest_s`, both included
    /// and both in Unix seconds, best first. What leaves the curve is left
    /// out.
    ///
    /// Between two instants at which an edge of the job meets an edge of the
    /// curve, the emissions change evenly; so a minimum is always at such an
    /// instant, and no other needs a look.
    ///
    /// ```
    /// use jiff::Timestamp;
    /// use tanso_carbon::{Intensity, schedule::{CostCurve, Job}};
    /// use tanso_power::Joules;
    /// let hours = [430.0, 380.0, 395.0, 410.0].map(Intensity::try_from_grams_per_kwh);
    /// let hours: Vec<_> = hours.into_iter().collect::<Result<_, _>>()?;
    /// let curve = CostCurve::try_new(Timestamp::UNIX_EPOCH, 3_600, &hours).ok_or("no curve")?;
    /// let job = Job::flat(2 * 3_600, Joules::from_microjoules(3_600_000_000_000)).ok_or("no job")?;
    /// let best = curve.best(&job, 0, 24 * 3_600, 1)[0];
    /// assert_eq!((best.start_s, best.emissions.to_string()), (3_600, "388 g".to_owned()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn best(&self, job: &Job, earliest_s: i64, latest_s: i64, count: usize) -> Vec<Slot> {
        let last_s = latest_s.min(self.end_s().saturating_sub(job.seconds()));
        let first_s = earliest_s.max(self.start_s);
        if first_s > last_s {
            return Vec::new();
        }
        let starts = match job.segments.as_slice() {
            [(seconds, energy)] if *energy > Joules::ZERO => {
                self.best_flat(i64::from(*seconds), first_s, last_s, count)
            }
            _ => self.best_shaped(job, first_s, last_s, count),
        };
        let slot = |start_s| {
            let emissions = self.emissions(job, start_s)?;
            Some(Slot { emissions, start_s })
        };
        starts.into_iter().filter_map(slot).collect()
    }

    /// The first start at or after `first_s` at which `edge` of the job meets
    /// an edge of the curve, for each edge once.
    fn meetings(&self, job_edges: impl Iterator<Item = i64>, first_s: i64) -> Vec<i64> {
        let mut starts: Vec<_> = job_edges
            .map(|edge| {
                let behind = (first_s + edge - self.start_s).rem_euclid(self.step_s);
                first_s + (self.step_s - behind) % self.step_s
            })
            .collect();
        starts.sort_unstable();
        starts.dedup();
        starts
    }

    /// The best starts of a job of even power, by the sums of its windows.
    fn best_flat(&self, seconds: i64, first_s: i64, last_s: i64, count: usize) -> Vec<i64> {
        let mut leaders = Leaders::new(count);
        let window =
            |start_s: i64| Some(self.integral(start_s + seconds)? - self.integral(start_s)?);
        for start_s in [first_s, last_s] {
            if let Some(sum) = window(start_s) {
                leaders.offer(sum, start_s);
            }
        }
        for from_s in self.meetings([0, seconds].into_iter(), first_s) {
            let steps = (last_s - from_s).div_euclid(self.step_s) + 1;
            let (Ok(steps), Some(start), Some(end)) = (
                usize::try_from(steps),
                self.place(from_s),
                self.place(from_s + seconds),
            ) else {
                continue;
            };
            let sums = self.sums(start, steps).zip(self.sums(end, steps));
            let mut start_s = from_s;
            for (before, after) in sums {
                leaders.offer(after - before, start_s);
                start_s += self.step_s;
            }
        }
        leaders.starts()
    }

    /// The integral at so many instants a step apart, from a place on.
    fn sums(&self, (step, rest): (usize, u64), steps: usize) -> impl Iterator<Item = u64> {
        let run = step..step.saturating_add(steps).min(self.prefix.len());
        let prefix = self.prefix.get(run.clone()).unwrap_or_default();
        let values = self.values.get(run).unwrap_or_default();
        let sum = move |(sum, value): (&u64, &u32)| sum + u64::from(*value) * rest;
        prefix.iter().zip(values).map(sum)
    }

    /// The best starts of a job of several segments, each start by itself.
    fn best_shaped(&self, job: &Job, first_s: i64, last_s: i64, count: usize) -> Vec<i64> {
        let mut leaders = Leaders::new(count);
        let mut offer = |start_s: i64| {
            if let Some(product) = self.product(job, start_s) {
                leaders.offer(product, start_s);
            }
        };
        offer(first_s);
        offer(last_s);
        for from_s in self.meetings(job.edges(), first_s) {
            let mut start_s = from_s;
            while start_s <= last_s {
                offer(start_s);
                start_s += self.step_s;
            }
        }
        leaders.starts()
    }
}

/// The least few of what was offered, least first; of equals the earliest.
struct Leaders<K> {
    most: usize,
    best: Vec<(K, i64)>,
}

impl<K: Copy + Ord> Leaders<K> {
    fn new(most: usize) -> Self {
        let best = Vec::with_capacity(most.saturating_add(1).min(64));
        Self { most, best }
    }

    fn offer(&mut self, key: K, start_s: i64) {
        let full = self.best.len() >= self.most;
        if full && self.best.last().is_none_or(|last| (key, start_s) >= *last) {
            return;
        }
        if let Err(place) = self.best.binary_search(&(key, start_s)) {
            self.best.insert(place, (key, start_s));
            self.best.truncate(self.most);
        }
    }

    fn starts(self) -> Vec<i64> {
        self.best.into_iter().map(|(_, start_s)| start_s).collect()
    }
}

#[cfg(test)]
mod tests;
