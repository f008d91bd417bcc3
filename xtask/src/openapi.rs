//! A fuzzing client of the `OpenAPI` world (schemathesis) against a real model
//! server: installed once into the cache, run by the server's own test.
//!
//! Where it can not be installed, for lack of Python or of a network, tests go
//! on without it and say so.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::packages::{self, Need};
use crate::progress::Step;
use crate::{process, workspace};

/// The version that the answers were last checked with.
const VERSION: &str = "4.32.5";

/// What the tests look for.
const VARIABLE: &str = "TANSO_SCHEMATHESIS";

/// How hard to look.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Examples per operation
    #[arg(long, default_value_t = 100)]
    examples: u32,
}

/// Runs the fuzzing client against a model server and shows what it says.
///
/// # Errors
/// When it cannot be installed, or finds a fault.
pub fn run(args: &Args) -> Result<()> {
    let program = ensure()?;
    let mut command = Command::new("cargo");
    command
        .current_dir(workspace::root())
        .args(["test", "--package", "tanso-model-server"])
        .args(["--test", "openapi", "--", "--nocapture"])
        .env(VARIABLE, program)
        .env("TANSO_FUZZ_EXAMPLES", args.examples.to_string());
    process::run(&mut command)
}

/// Tells a run of tests where the client is, if it can be had.
pub fn give(command: &mut Command) {
    if std::env::var_os(VARIABLE).is_some() {
        return;
    }
    match ensure() {
        Ok(program) => {
            command.env(VARIABLE, program);
        }
        Err(error) => eprintln!("the fuzzing client is left out: {error:#}"),
    }
}

/// Finds the client or installs it.
///
/// # Errors
/// When Python or the network is missing; carries what pip said.
pub fn ensure() -> Result<PathBuf> {
    let cache = workspace::cache_dir()?;
    let home = cache.join(format!("schemathesis-{VERSION}"));
    let program = home.join("bin/schemathesis");
    // Written last, so that an installation that was cut off is begun anew.
    let complete = home.join("complete");
    fs::create_dir_all(&cache).with_context(|| format!("creating \"{}\"", cache.display()))?;
    let lock = fs::File::create(cache.join("schemathesis.lock"))
        .context("creating the lock of the fuzzing client's folder")?;
    // Released when closed: a second run waits for the first one's.
    lock.lock()
        .context("waiting for another installation of the fuzzing client")?;
    if complete.is_file() {
        return Ok(program);
    }
    packages::ensure(
        &[Need {
            file: "python3",
            package: "python3-venv",
        }],
        "the fuzzing client",
    )?;
    let mut step = Step::new(format!("installing schemathesis {VERSION}"));
    let log = workspace::target_dir().join("logs/schemathesis.log");
    let mut environment = Command::new("python3");
    environment.args(["-m", "venv", "--clear"]).arg(&home);
    process::run_logged(&mut environment, &log, &mut step, "python3 -m venv")?;
    let mut pip = Command::new(home.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--timeout", "20"])
        .args(["--disable-pip-version-check", "--retries", "2"])
        .arg(OsString::from(format!("schemathesis=={VERSION}")));
    process::run_logged(&mut pip, &log, &mut step, "pip install")?;
    fs::write(&complete, VERSION).with_context(|| format!("writing \"{}\"", complete.display()))?;
    step.done(&format!("installed schemathesis {VERSION}"));
    Ok(program)
}
