//! The controllers: one per kind, each in the five steps observe, validate,
//! build (or judge), apply, status.

pub mod carbon_policy;
pub mod energy_study;
pub mod power_monitor;
