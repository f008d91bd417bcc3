//! Writes every generated file of the checkout.

use anyhow::{Result, bail};

/// How to generate.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Change nothing; fail when a generated file differs from its source
    #[arg(long)]
    pub check: bool,
}

/// Writes (or compares) the generated files.
///
/// # Errors
/// When a file cannot be written, or with `check` when one differs.
pub fn run(_args: Args) -> Result<()> {
    bail!("`codegen` is not built yet")
}
