//! The answers as a server of the Model Context Protocol: tools, resources
//! and prompts, over standard input and output or streamable HTTP.
//!
//! Read only, and always as one caller: the facts that a server is made with
//! are already theirs. What comes from the cluster is data: it is cleaned of
//! what steers terminals and readers, and capped. Nothing here computes.

pub mod clean;
pub mod gate;
pub mod lines;
pub mod prompts;
pub mod resources;
pub mod server;
pub mod tools;
mod watched;

pub use gate::{Gate, GateSettings};
pub use server::{Server, serve_stdio};
