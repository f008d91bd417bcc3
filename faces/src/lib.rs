//! What people and programs are shown of energy and carbon: one set of
//! answers behind every face.
//!
//! [`view`] reads the cluster as one caller. What stands on it (answers,
//! reports, pages, the MCP server) shows the figures that the operator judged,
//! to the last digit, and computes anew only what was never judged: what
//! would be if something were changed. Nothing here writes to a cluster.

pub mod answer;
pub mod letters;
pub mod mcp;
mod pace;
pub mod pue;
pub mod report;
pub mod view;
pub mod web;
pub mod words;
