//! Statistics of controlled experiments: does this arm use more energy than
//! that one, by how much, and how sure is that?
//!
//! The way through: a [`Plan`] states arms, responses, rules for outliers and
//! for disturbed trials, and when to stop, before the first trial runs;
//! [`order`] deals the trials in randomised blocks and [`stream`] what happens in
//! each; [`checkpoint`] goes on after a crash; [`trial`] reads the raw
//! figures of each trial from CSV; [`report()`] compares arms block by block,
//! those of [`strata`] by each part's share of time.
//!
//! All is a function of its arguments: a report is the same again from the
//! same plan and CSV, in whatever order its rows stand. Nothing here runs a
//! trial, and nothing drops one silently: what is marked is told, and the
//! result is shown with and without it.

pub mod bootstrap;
pub mod checkpoint;
pub mod delivery;
pub mod difference;
pub mod dist;
pub mod drift;
pub mod order;
pub mod outlier;
pub mod plan;
pub mod plot;
pub mod power;
pub mod progress;
pub mod random;
pub mod report;
pub mod sample;
pub mod stopping;
pub mod strata;
pub mod stream;
pub mod trial;

pub use difference::{Confidence, Interval};
pub use plan::Plan;
pub use report::{Report, report};
pub use trial::{Trial, Trials};

/// A count as a number to compute with.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of trials and resamples are far below 2^53"
)]
const fn number(count: usize) -> f64 {
    count as f64
}
