//! Pure carbon accounting engine: energy to emissions to verdicts to advice.
//!
//! Everything here is a function of its arguments: no IO, no clock, no
//! environment, no async, no Kubernetes. Tables, rules and time come in as
//! text and values, so that a figure can be computed again years later.
//!
//! The way through: a [`series`] says how clean the grid was in each UTC hour,
//! [`account()`] multiplies energy × PUE × intensity hour by hour, a
//! [`regulation`] states a limit as data, [`judge`] compares the two without
//! ever guessing, and [`recommend`] computes what a change would save.

pub mod account;
pub mod calendar;
pub mod cron;
pub mod indicator;
pub mod marginal;
pub mod market;
pub mod pue;
pub mod recommend;
pub mod regions;
pub mod regulation;
pub mod report;
pub mod schedule;
pub mod sci;
pub mod series;
pub mod stays;
pub mod study;
pub mod table;
pub mod typical_year;
pub mod units;
pub mod verdict;
pub mod whatif;

pub use account::{Account, Accounts, Coverage, EnergyRow, Metering, Place, account};
pub use calendar::{Period, UtcHour};
pub use indicator::Indicator;
pub use pue::{FacilityPue, PueEvidence};
pub use regions::{Regions, YearlyZones};
pub use regulation::{Preset, Rule, RuleSet};
pub use series::{HourlyIntensity, IntensitySeries, SeriesInfo, StaticIntensity};
pub use typical_year::TypicalYear;
pub use units::{GramsCo2e, Intensity, Pue};
pub use verdict::{Evidence, Judgement, Reason, Thresholds, Verdict, combine, judge};
