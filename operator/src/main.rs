//! Reads the settings and runs the operator; all else is in the library.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use tanso_operator::settings::Settings;
use tanso_runtime::{crypto, heap, logs};

fn main() -> ExitCode {
    match start(Settings::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tanso-operator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(settings: Settings) -> Result<()> {
    // One for each thread of the runtime.
    heap::bound(2);
    crypto::install();
    logs::init(settings.log_format, "info")?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")?
        .block_on(tanso_operator::run(settings))?;
    Ok(())
}
