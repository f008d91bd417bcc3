//! Reads the settings and runs the agent.

use anyhow::Context as _;
use clap::Parser as _;
use tanso_agent::program;
use tanso_agent::settings::{Flags, Settings};
use tanso_runtime::{Shutdown, crypto, logs};

fn main() -> anyhow::Result<()> {
    crypto::install();
    let settings = Settings::from_flags(Flags::parse()).context("settings")?;
    logs::init(settings.log_format, "info")?;
    // Serving is light; reading has a thread of its own.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime.block_on(async {
        let shutdown = Shutdown::on_signals().context("listening to signals")?;
        Ok(program::run(settings, shutdown).await?)
    })
}
