//! Hours of two sides, held against each other by hour of the week (UTC).
//!
//! Each weekday that both sides have gives one difference: of the means of the
//! hours of the day that both have. The bounds are Student's t over these
//! differences, which share no day, so what one day says is counted once. How
//! days hang together, and what the meter itself gets wrong on both sides, is
//! not in them.

use std::collections::{BTreeMap, BTreeSet};

use tanso_power::{Estimate, Joules, Provenance};

use super::{CpuTime, DAYS_MIN, Effect, EnergyChange, HourUse};
use crate::calendar::UtcHour;

/// Weekdays that a comparison needs: a workload of working days has five.
const WEEKDAYS_MIN: usize = 5;
/// 95th percentile of Student's t for 1 to 6 degrees of freedom, so 90 % lie
/// between its two signs (NIST/SEMATECH e-Handbook of Statistical Methods,
/// 1.3.6.7.2, with three more digits).
const T_90: [f64; 6] = [
    6.313_752, 2.919_986, 2.353_363, 2.131_847, 2.015_048, 1.943_180,
];

/// What two sides come to.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Days before with hours that both sides have.
    pub(super) days_before: u32,
    /// Days after with hours that both sides have.
    pub(super) days_after: u32,
    /// The effect; `None` of too few days.
    pub(super) effect: Option<Effect>,
}

/// A weekday, from Monday, and an hour of it, UTC.
type Slot = (i64, i64);

/// The hours of one side by slot, each with its day.
type Side<'a> = BTreeMap<Slot, Vec<(i64, &'a HourUse)>>;

/// What one weekday used in a mean hour, before and after.
#[derive(Clone, Copy, Debug)]
struct Weekday {
    energy_uj: (f64, f64),
    cpu_us: (f64, f64),
}

pub(super) fn compare<'a>(
    before: impl Iterator<Item = (&'a UtcHour, &'a HourUse)>,
    after: impl Iterator<Item = (&'a UtcHour, &'a HourUse)>,
) -> Compared {
    let (mut before, mut after) = (by_slot(before), by_slot(after));
    before.retain(|slot, _| after.contains_key(slot));
    after.retain(|slot, _| before.contains_key(slot));
    let (days_before, days_after) = (days(&before), days(&after));
    let mut weekdays: BTreeMap<i64, Vec<Weekday>> = BTreeMap::new();
    for ((slot, earlier), later) in before.iter().zip(after.values()) {
        let of = |count: fn(&HourUse) -> u64| (mean_of(earlier, count), mean_of(later, count));
        let hour = Weekday {
            energy_uj: of(|used| used.energy.microjoules()),
            cpu_us: of(|used| used.cpu.microseconds()),
        };
        weekdays.entry(slot.0).or_default().push(hour);
    }
    let weekdays: Vec<Weekday> = weekdays.values().map(|hours| middle(hours)).collect();
    let is_enough = days_before.min(days_after) >= DAYS_MIN && weekdays.len() >= WEEKDAYS_MIN;
    let both = before.values().chain(after.values()).flatten();
    let worst = both.map(|(_, used)| used.provenance).max();
    Compared {
        days_before,
        days_after,
        effect: is_enough.then(|| effect(&weekdays, worst.unwrap_or(Provenance::Measured))),
    }
}

fn by_slot<'a>(hours: impl Iterator<Item = (&'a UtcHour, &'a HourUse)>) -> Side<'a> {
    let mut side = Side::new();
    for (hour, used) in hours {
        let number = hour.unix_seconds().div_euclid(3_600);
        let day = number.div_euclid(24);
        // The first of January 1970 was a Thursday.
        let slot = ((day + 3).rem_euclid(7), number.rem_euclid(24));
        side.entry(slot).or_default().push((day, used));
    }
    side
}

/// How many days a side has.
fn days(side: &Side<'_>) -> u32 {
    let all: BTreeSet<i64> = side.values().flatten().map(|(day, _)| *day).collect();
    u32::try_from(all.len()).unwrap_or(u32::MAX)
}

fn mean_of(hours: &[(i64, &HourUse)], count: fn(&HourUse) -> u64) -> f64 {
    let figures = hours.iter().map(|(_, used)| {
        #[expect(
            clippy::cast_precision_loss,
            reason = "an hour of a workload is far below 2^53 microjoules, 9 GJ"
        )]
        let figure = count(used) as f64;
        figure
    });
    mean(figures)
}

/// The mean hour of several.
fn middle(hours: &[Weekday]) -> Weekday {
    let of = |part: fn(&Weekday) -> f64| mean(hours.iter().map(part));
    Weekday {
        energy_uj: (of(|one| one.energy_uj.0), of(|one| one.energy_uj.1)),
        cpu_us: (of(|one| one.cpu_us.0), of(|one| one.cpu_us.1)),
    }
}

fn effect(weekdays: &[Weekday], provenance: Provenance) -> Effect {
    let all = middle(weekdays);
    let (before, after) = (whole(all.energy_uj.0), whole(all.energy_uj.1));
    // Of the rounded figures, so that what is shown adds up.
    let value = signed(after).saturating_sub(signed(before));
    let differences: Vec<f64> = weekdays
        .iter()
        .map(|one| one.energy_uj.1 - one.energy_uj.0)
        .collect();
    let half = signed(whole(half_width(&differences).ceil()));
    let change = |uj: i64| EnergyChange::from_microjoules(uj);
    Effect {
        before_per_hour: Joules::from_microjoules(before),
        after_per_hour: Joules::from_microjoules(after),
        change_per_hour: Estimate {
            low: change(value.saturating_sub(half)),
            value: change(value),
            high: change(value.saturating_add(half)),
        },
        cpu_before_per_hour: CpuTime::from_microseconds(whole(all.cpu_us.0)),
        cpu_after_per_hour: CpuTime::from_microseconds(whole(all.cpu_us.1)),
        weekdays: u32::try_from(weekdays.len()).unwrap_or(u32::MAX),
        provenance,
    }
}

/// Half the width of the 90 % interval of a mean.
fn half_width(differences: &[f64]) -> f64 {
    let count = differences.iter().fold(0.0, |sum, _| sum + 1.0);
    let free = differences.len().saturating_sub(1);
    let t = free.checked_sub(1).and_then(|index| T_90.get(index));
    let Some(t) = t else {
        // One day says nothing of its own spread; never asked for less than five.
        return f64::MAX;
    };
    let middle = mean(differences.iter().copied());
    let squares = differences
        .iter()
        .fold(0.0, |sum, one| sum + (one - middle).powi(2));
    t * (squares / (count - 1.0) / count).sqrt()
}

/// The mean; 0 of nothing.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), one| (sum + one, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

/// Rounded to a whole number, not negative.
fn whole(figure: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates; no mean of these is negative"
    )]
    let whole = figure.round() as u64;
    whole
}

fn signed(figure: u64) -> i64 {
    i64::try_from(figure).unwrap_or(i64::MAX)
}
