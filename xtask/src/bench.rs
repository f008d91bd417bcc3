//! Runs the benchmarks of the workspace.

use std::process::Command;

use anyhow::Result;

use crate::{process, workspace};

/// Which benchmarks to run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Passed on to `cargo bench`, for example a benchmark's name
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Runs `cargo bench` for the whole workspace.
///
/// # Errors
/// When a benchmark does not build or fails.
pub fn run(args: &Args) -> Result<()> {
    let mut command = Command::new("cargo");
    command
        .current_dir(workspace::root())
        .args(["bench", "--workspace", "--benches", "--"]);
    process::run(command.args(&args.rest))
}
