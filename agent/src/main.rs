//! Reads the settings and runs the agent.

use anyhow::Context as _;
use tanso_agent::program;
use tanso_agent::settings::{Settings, SettingsRefusal};
use tanso_runtime::{Shutdown, crypto, heap, logs};

fn main() -> anyhow::Result<()> {
    // Serving and reading hardly ever allocate at one time.
    heap::bound(1);
    crypto::install();
    let settings = match Settings::from_words(std::env::args()) {
        // Help and version are answers, too.
        Err(SettingsRefusal::CommandLine(answer)) => answer.exit(),
        settings => settings.context("settings")?,
    };
    let level = if settings.probe {
        "error"
    } else {
        &settings.log_level
    };
    let logs = logs::init_changeable(settings.log_format, level)?;
    // Serving is light and needs no thread beside this one; reading has its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    if settings.probe {
        let shown = runtime.block_on(program::probe(settings))?;
        std::io::Write::write_all(&mut std::io::stdout(), shown.as_bytes())?;
        return Ok(());
    }
    runtime.block_on(async {
        let shutdown = Shutdown::on_signals().context("listening to signals")?;
        Ok(program::run(settings, logs, shutdown).await?)
    })
}
