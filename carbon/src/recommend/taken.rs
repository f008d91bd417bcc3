//! Whether advice on a request was taken, and what was measured since.
//!
//! The request is held against the advised one hour by hour. Where it moved,
//! the energy of the hours since is held against the same hours of the same
//! weekdays before. That is an association: load, replicas and versions may
//! have changed too, so nothing here is called a saving. Nothing is read.

mod compare;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use tanso_power::{Estimate, Joules, Provenance};

use self::compare::compare;
use crate::calendar::{Period, UtcHour};

/// Days with data that each side needs for a comparison: a week, so that each
/// weekday can be there.
pub const DAYS_MIN: u32 = 7;
/// Days that are compared at most, before and after: four of each weekday.
pub const DAYS_MAX: i32 = 28;
/// Days after the last on which the advice was told, in which a change is
/// still taken for following it.
pub const TAKE_DAYS: i32 = 3;
/// Hours of a day.
const DAY_H: i32 = 24;
const MIB: u64 = 1 << 20;

/// Which request advice is about; amounts of it count its own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Resource {
    /// CPU, thousandths of a core.
    Cpu,
    /// Memory, bytes.
    Memory,
}

impl Resource {
    /// The name as Kubernetes has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }

    /// The resource of a name; `None` of any other.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Cpu, Self::Memory]
            .into_iter()
            .find(|one| one.as_str() == name)
    }

    /// An amount as Kubernetes writes it: `250m`, `512Mi`, bytes where they are
    /// no whole MiB.
    #[must_use]
    pub fn quantity(self, amount: u64) -> String {
        match self {
            Self::Cpu => format!("{amount}m"),
            Self::Memory if amount.is_multiple_of(MIB) => format!("{}Mi", amount / MIB),
            Self::Memory => amount.to_string(),
        }
    }
}

/// Advice on a request, as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Which request.
    pub resource: Resource,
    /// What a pod asked for, in the resource's unit.
    pub asked: u64,
    /// What it should ask for, in the same unit: less.
    pub advised: u64,
    /// The first hour of the last UTC day on which it was told: until then the
    /// request was as before.
    pub last_told: UtcHour,
}

impl Told {
    /// The hours that a comparison may need: within what the ledger keeps by
    /// the hour (62 days).
    #[must_use]
    pub const fn needed(&self) -> Period {
        Period {
            from: self.last_told.plus_hours(-DAYS_MAX * DAY_H),
            until: self
                .last_told
                .plus_hours((TAKE_DAYS + DAYS_MAX + 2) * DAY_H),
        }
    }

    /// The hour before which a change is taken for following the advice.
    const fn deadline(&self) -> UtcHour {
        self.last_told.plus_hours((TAKE_DAYS + 1) * DAY_H)
    }

    /// Whether a request went at least so many tenths of the way.
    fn went(&self, level: u64, tenths: u64) -> bool {
        let way = u128::from(self.asked.saturating_sub(self.advised));
        let gone = u128::from(self.asked.saturating_sub(level));
        way > 0 && gone * 10 >= way * u128::from(tenths)
    }

    /// Taken: eight tenths of the way or more, or half of it and within a tenth
    /// of what was advised.
    fn is_taken(&self, level: u64) -> bool {
        let near = u128::from(level) * 10 <= u128::from(self.advised) * 11;
        self.went(level, 8) || (near && self.went(level, 5))
    }

    /// Partly taken: two tenths of the way or more.
    fn is_partly(&self, level: u64) -> bool {
        self.went(level, 2)
    }

    /// As before: within a twentieth of what was asked then.
    fn is_as_before(&self, level: u64) -> bool {
        let apart = u128::from(level.abs_diff(self.asked));
        apart * 20 <= u128::from(self.asked)
    }
}

/// CPU time.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct CpuTime(u64);

impl CpuTime {
    /// From whole microseconds.
    #[must_use]
    pub const fn from_microseconds(cpu_us: u64) -> Self {
        Self(cpu_us)
    }

    /// In whole microseconds.
    #[must_use]
    pub const fn microseconds(self) -> u64 {
        self.0
    }
}

/// What a workload's pods asked for and used in one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourUse {
    /// The mean request of a pod, in the resource's unit; `None` if that of no
    /// pod is known.
    pub asked: Option<u64>,
    /// The energy of all its pods.
    pub energy: Joules,
    /// Their CPU time.
    pub cpu: CpuTime,
    /// Where the energy comes from: the worst of its parts.
    pub provenance: Provenance,
}

/// Hours in which pods of a workload have energy: an hour that is missing is
/// not zero, and is not compared.
pub type Hours = BTreeMap<UtcHour, HourUse>;

/// How far advice was followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// The request stayed, or went less than two tenths of the way.
    NotTaken,
    /// It went two tenths of the way or more, but not far enough to be taken.
    PartlyTaken,
    /// It was taken, and one side has fewer than seven days that can be compared.
    TakenTooEarly,
    /// It was taken, and what was used since is compared.
    Measured,
}

impl State {
    /// The name as it stands in a status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotTaken => "NotTaken",
            Self::PartlyTaken => "PartlyTaken",
            Self::TakenTooEarly => "TakenTooEarly",
            Self::Measured => "Measured",
        }
    }
}

/// A difference of energy; negative if less was used.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct EnergyChange(i64);

impl EnergyChange {
    /// From whole microjoules.
    #[must_use]
    pub const fn from_microjoules(change_uj: i64) -> Self {
        Self(change_uj)
    }

    /// In whole microjoules.
    #[must_use]
    pub const fn microjoules(self) -> i64 {
        self.0
    }
}

impl fmt::Display for EnergyChange {
    /// `12.857 J less`, `3.000 J more`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = Joules::from_microjoules(self.0.unsigned_abs());
        let side = if self.0 > 0 { "more" } else { "less" };
        write!(f, "{amount} {side}")
    }
}

/// What was used before and after, in the same hours of the same weekdays: an
/// association, not causal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// Mean energy of an hour before.
    pub before_per_hour: Joules,
    /// Mean energy of an hour after.
    pub after_per_hour: Joules,
    /// The difference, with 90 % bounds from the weekdays' differences.
    pub change_per_hour: Estimate<EnergyChange>,
    /// Mean CPU time of an hour before: tells a change of load.
    pub cpu_before_per_hour: CpuTime,
    /// Mean CPU time of an hour after.
    pub cpu_after_per_hour: CpuTime,
    /// Weekdays that were compared.
    pub weekdays: u32,
    /// The worst provenance of all energy that was compared.
    pub provenance: Provenance,
}

/// What became of advice on a request, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// How far it was followed.
    pub state: State,
    /// The first hour in which it was; `None` if it was not.
    pub taken_at: Option<UtcHour>,
    /// The first hour in which the request had gone back; `None` if it did not.
    pub kept_until: Option<UtcHour>,
    /// The mean request of a pod in the last hour that is known, in the
    /// resource's unit.
    pub asked_now: Option<u64>,
    /// Days before with hours that are compared.
    pub days_before: u32,
    /// Days after with hours that are compared.
    pub days_after: u32,
    /// What was measured.
    pub effect: Option<Effect>,
}

impl Outcome {
    /// Nothing is known of the request since.
    pub const NOT_TAKEN: Self = Self {
        state: State::NotTaken,
        taken_at: None,
        kept_until: None,
        asked_now: None,
        days_before: 0,
        days_after: 0,
        effect: None,
    };

    /// Whether hours from `through` on can change nothing of it.
    #[must_use]
    pub fn is_final(&self, told: &Told, through: UtcHour) -> bool {
        match self.taken_at {
            None => through >= told.deadline(),
            Some(taken) => self.kept_until.is_some() || through >= end_of_comparison(taken),
        }
    }
}

/// What became of advice: taken from the first hour, on the last day on which
/// it was told or in the three days after, whose request went eight tenths of
/// the way (or half, to within a tenth of what was advised). Compared are at
/// most 28 days before that hour in which the request was as before, and 28
/// after it while it was kept.
#[must_use]
pub fn outcome(told: &Told, hours: &Hours) -> Outcome {
    let levels = || {
        let since = hours.range(told.last_told..told.deadline());
        since.filter_map(|(hour, used)| Some((*hour, used.asked?)))
    };
    let taken = levels().find(|(_, level)| told.is_taken(*level));
    let Some((taken, _)) = taken else {
        let asked_now = levels().next_back().map(|(_, level)| level);
        let state = match asked_now {
            Some(level) if told.is_partly(level) => State::PartlyTaken,
            _ => State::NotTaken,
        };
        return Outcome {
            state,
            asked_now,
            ..Outcome::NOT_TAKEN
        };
    };
    let has_left = |used: &HourUse| used.asked.is_some_and(|level| !told.is_taken(level));
    let left = hours.range(taken..).find(|(_, used)| has_left(used));
    let end = end_of_comparison(taken);
    let kept_until = left.map(|(hour, _)| *hour).filter(|hour| *hour < end);
    let first = taken.plus_hours(-DAYS_MAX * DAY_H);
    let was_as_before = |used: &HourUse| used.asked.is_some_and(|level| told.is_as_before(level));
    let before = hours
        .range(first..taken)
        .filter(|(_, used)| was_as_before(used));
    // The hour of the change itself is on neither side.
    let after = hours
        .range(taken.plus_hours(1)..kept_until.unwrap_or(end))
        .filter(|(_, used)| used.asked.is_some());
    let compared = compare(before, after);
    Outcome {
        state: if compared.effect.is_some() {
            State::Measured
        } else {
            State::TakenTooEarly
        },
        taken_at: Some(taken),
        kept_until,
        asked_now: hours.values().rev().find_map(|used| used.asked),
        days_before: compared.days_before,
        days_after: compared.days_after,
        effect: compared.effect,
    }
}

/// The hour before which a comparison ends.
const fn end_of_comparison(taken: UtcHour) -> UtcHour {
    taken.plus_hours(1 + DAYS_MAX * DAY_H)
}

#[cfg(test)]
mod tests;
