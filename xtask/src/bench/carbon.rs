//! `cargo xtask bench carbon`: what is promised of the carbon engine's speed.

use std::process::Command;

use anyhow::Result;

use crate::{process, workspace};

/// Runs the engine's own measurement, which prints JSON lines.
///
/// # Errors
/// When it does not build or ends with an error.
pub(super) fn run() -> Result<()> {
    let mut command = Command::new("cargo");
    command.current_dir(workspace::root());
    command.args([
        "bench",
        "--quiet",
        "--package",
        "tanso-carbon",
        "--bench",
        "speed",
    ]);
    process::run(&mut command)
}
