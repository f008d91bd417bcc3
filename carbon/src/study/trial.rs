//! Raw figures of trials, and the CSV that keeps them: a row for each phase of
//! each trial, a column for each response, named with its unit at the end.
//! Nothing is derived here, so a report can always be made again from it.
//!
//! An empty cell is a figure that is missing, not 0.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tanso_power::Provenance;
use tanso_power::units::Utilisation;

mod read;
mod write;

pub use read::name_fault;
pub use write::{csv_header, csv_line};

/// A part of a trial.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Caches fill and clocks settle; not compared.
    WarmUp,
    /// What is compared.
    #[default]
    Measured,
    /// The machine comes back to rest; not compared.
    CoolDown,
}

impl Phase {
    /// Every phase, in the order of time.
    pub const ALL: [Self; 3] = [Self::WarmUp, Self::Measured, Self::CoolDown];

    /// The word used in CSV.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WarmUp => "warm-up",
            Self::Measured => "measured",
            Self::CoolDown => "cool-down",
        }
    }
}

/// What a response is counted in; a column's name ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// Energy.
    Joules,
    /// Power.
    Watts,
    /// Time, CPU time and latency.
    Seconds,
    /// Data.
    Bytes,
    /// Greenhouse gas in CO2 equivalent.
    Grams,
    /// Things counted.
    Count,
    /// A share of 1.
    Ratio,
}

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 7] = [
        Self::Joules,
        Self::Watts,
        Self::Seconds,
        Self::Bytes,
        Self::Grams,
        Self::Count,
        Self::Ratio,
    ];

    /// The last word of a column's name.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Joules => "joules",
            Self::Watts => "watts",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Grams => "grams",
            Self::Count => "count",
            Self::Ratio => "ratio",
        }
    }

    /// The symbol in text; empty for what has none.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Joules => "J",
            Self::Watts => "W",
            Self::Seconds => "s",
            Self::Bytes => "B",
            Self::Grams => "g",
            Self::Count | Self::Ratio => "",
        }
    }

    /// The unit that a column's name ends with.
    ///
    /// ```
    /// use tanso_carbon::study::trial::Unit;
    /// assert_eq!(Unit::of_column("flux_controllers_joules"), Some(Unit::Joules));
    /// assert_eq!(Unit::of_column("flux_controllers"), None);
    /// ```
    #[must_use]
    pub fn of_column(column: &str) -> Option<Self> {
        let (name, last) = column.rsplit_once('_')?;
        let unit = Self::ALL.into_iter().find(|unit| unit.suffix() == last);
        unit.filter(|_| !name.is_empty())
    }
}

/// One phase of one trial.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trial {
    /// Its place in time, from 1.
    pub order: u32,
    /// Its block, from 1: trials of a block are compared with each other.
    pub block: u32,
    /// Its arm.
    pub arm: String,
    /// The phase.
    pub phase: Phase,
    /// When the phase began.
    pub started_at: Option<Timestamp>,
    /// How long it lasted.
    pub duration: Option<Duration>,
    /// Where its energy figures come from.
    pub provenance: Option<Provenance>,
    /// The share of CPU time that the host kept from the machine.
    pub steal: Option<Utilisation>,
    /// The share of CPU time used by what is no part of the study.
    pub foreign_cpu: Option<Utilisation>,
    /// What whoever ran it noticed, such as `apiserver-restarted`. A trial
    /// with a mark is disturbed.
    pub marks: Vec<String>,
    /// The responses by column; what is missing is not there.
    pub values: BTreeMap<String, f64>,
}

/// The raw figures of a study, in the order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trials {
    responses: BTreeMap<String, Unit>,
    rows: Vec<Trial>,
}

impl Trials {
    /// Trials in the order of time, whatever order they are given in.
    #[must_use]
    pub fn new(mut rows: Vec<Trial>) -> Self {
        rows.sort_by(|a, b| (a.order, a.phase, &a.arm).cmp(&(b.order, b.phase, &b.arm)));
        let columns = rows.iter().flat_map(|row| row.values.keys());
        let units = columns.filter_map(|name| Some((name.clone(), Unit::of_column(name)?)));
        Self {
            responses: units.collect(),
            rows,
        }
    }

    /// These and further ones, with the columns of both.
    #[must_use]
    pub fn joined(self, more: Self) -> Self {
        let mut responses = self.responses;
        responses.extend(more.responses);
        let rows = self.rows.into_iter().chain(more.rows).collect();
        Self {
            responses,
            ..Self::new(rows)
        }
    }

    /// The responses: columns with their units.
    #[must_use]
    pub const fn responses(&self) -> &BTreeMap<String, Unit> {
        &self.responses
    }

    /// The phases of trials, in the order of time.
    #[must_use]
    pub fn rows(&self) -> &[Trial] {
        &self.rows
    }

    /// What is compared: the measured phases.
    pub fn measured(&self) -> impl Iterator<Item = &Trial> {
        let rows = self.rows.iter();
        rows.filter(|row| row.phase == Phase::Measured)
    }
}

#[cfg(test)]
mod tests;
