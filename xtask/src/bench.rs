//! Runs the benchmarks of the workspace.

use std::process::Command;

use anyhow::Result;

use crate::{process, workspace};

/// The packages that have benchmarks; the others need not be built for them.
const PACKAGES: [&str; 2] = ["tanso-carbon", "tanso-power"];

/// Which benchmarks to run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Passed on to `cargo bench`, for example a benchmark's name
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Runs `cargo bench` for every package that has benchmarks.
///
/// # Errors
/// When a benchmark does not build or fails.
pub fn run(args: &Args) -> Result<()> {
    let mut command = Command::new("cargo");
    command
        .current_dir(workspace::root())
        .arg("bench")
        .args(PACKAGES.iter().flat_map(|package| ["--package", package]))
        .args(["--bench", "*", "--"]);
    process::run(command.args(&args.rest))
}
