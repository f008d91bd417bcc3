//! Measures a node: energy per process, container, pod and node.
//!
//! This crate holds the whole agent; `main` only reads settings and calls
//! `run`. It never talks to the API server but for its own node's pods, and
//! never depends on another binary.

pub mod activity;
pub mod attribution;
pub mod books;
pub mod charges;
pub mod checkpoint;
pub mod clock;
pub mod host;
pub mod journal;
pub mod kepler_config;
pub mod kernel;
pub mod meters;
pub mod names;
pub mod pmu;
pub mod processes;
pub mod processors;
pub mod program;
pub mod reload;
pub mod rights;
pub mod samples;
pub mod serve;
pub mod settings;
pub mod snapshot;
pub mod tick;
pub mod workloads;

/// The part of readiness that the first attribution fulfils.
pub const READINESS: &str = "attribution";
