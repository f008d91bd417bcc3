//! Why there is no report, and what is accepted. Computes nothing.

use crate::calendar::UtcHour;
use crate::sci::SciError;

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WhatifError {
    /// A line is of a zone that no grid was given for.
    #[error("no intensity for grid zone {zone:?}; given are {given}")]
    NoGrid {
        /// The zone.
        zone: String,
        /// The zones there are.
        given: String,
    },
    /// No line lies in the period.
    #[error("the table has no energy from {from} until {until}")]
    NoEnergy {
        /// The first hour.
        from: UtcHour,
        /// The hour after the last.
        until: UtcHour,
    },
    /// A figure is in the table and given beside it.
    #[error("{0} are a column of the table and given beside it: accepted is one of both")]
    Twice(&'static str),
    /// The energy is more than a sum of it holds.
    #[error(
        "{kwh:.0} kWh of metered energy, at its upper bound, and what PUE adds, are more than a sum holds (5,124,095 kWh): accepted are a shorter period (--period), or a table per site"
    )]
    TooLarge {
        /// The metered energy at its upper bound.
        kwh: f64,
    },
    /// A market-based sum is asked for of energy of several markets.
    #[error(
        "contracts and a residual mix are of one market, and the energy is of grid zones {0}: accepted is a table per market"
    )]
    Markets(String),
    /// There is no software carbon intensity though it was asked for.
    #[error("software carbon intensity: {0}")]
    Sci(#[from] SciError),
    /// Half of what a software carbon intensity needs was given.
    #[error("software carbon intensity: {given} are given, {missing} are missing")]
    HalfOfSci {
        /// What there is.
        given: &'static str,
        /// What there is not.
        missing: &'static str,
    },
}
