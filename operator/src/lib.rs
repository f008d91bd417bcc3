//! Rolls out agents, books their energy and judges carbon policies.

pub mod cluster;
pub mod collect;
pub mod ledger;
pub mod metrics;
pub mod owners;
