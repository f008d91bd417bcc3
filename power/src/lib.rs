//! Pure energy arithmetic and the power-model document.
//!
//! Everything here is a function of its arguments: no IO, no clock, no
//! environment, no async, no Kubernetes. A figure computed today can be
//! computed again from the same inputs years later.
//!
//! Energy is kept in whole microjoules ([`Joules`]), so that parts add up to
//! their whole exactly, whatever the order of the additions.

pub mod activity;
pub mod apportion;
pub mod counter;
pub mod estimate;
pub mod idle;
pub mod model;
pub mod provenance;
pub mod sample;
pub mod units;

pub use apportion::apportion;
pub use estimate::Estimate;
pub use provenance::Provenance;
pub use units::{Joules, Utilisation, Watts};
