//! Reads the settings and runs the agent.

use anyhow::Context as _;
use clap::Parser as _;
use tanso_agent::program;
use tanso_agent::settings::{Flags, Settings};
use tanso_runtime::{Shutdown, crypto, logs};

fn main() -> anyhow::Result<()> {
    crypto::install();
    let flags = Flags::parse();
    let probe = flags.wants_probe();
    let settings = Settings::from_flags(flags).context("settings")?;
    logs::init(settings.log_format, if probe { "error" } else { "info" })?;
    // Serving is light; reading has a thread of its own.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    if probe {
        let shown = runtime.block_on(program::probe(settings))?;
        std::io::Write::write_all(&mut std::io::stdout(), shown.as_bytes())?;
        return Ok(());
    }
    runtime.block_on(async {
        let shutdown = Shutdown::on_signals().context("listening to signals")?;
        Ok(program::run(settings, shutdown).await?)
    })
}
