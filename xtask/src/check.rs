//! What can be checked without running anything: format, lints, generated files.

use std::process::Command;

use anyhow::Result;

use crate::{codegen, process, workspace};

/// What to check.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Only the format and the generated files: seconds instead of minutes
    #[arg(long)]
    quick: bool,
}

/// Checks format, generated files and, unless `quick`, lints.
///
/// # Errors
/// At the first check that does not hold.
pub fn run(args: &Args) -> Result<()> {
    format()?;
    codegen::run(&codegen::Args { check: true })?;
    if args.quick {
        return Ok(());
    }
    lint()
}

/// Fails when a file is not formatted.
///
/// # Errors
/// When `cargo fmt` would change a file.
pub fn format() -> Result<()> {
    process::run(cargo().args(["fmt", "--all", "--check"]))
}

/// Fails on any lint of the workspace.
///
/// # Errors
/// When clippy finds something.
pub fn lint() -> Result<()> {
    process::run(cargo().args([
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

fn cargo() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(workspace::root());
    command
}
