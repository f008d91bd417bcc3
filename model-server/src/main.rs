//! Power models for machines that cannot measure.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use tanso_model_server::cli::{self, Cli};

fn main() -> ExitCode {
    match start(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = cli::exit_code(&error);
            if code != 0 {
                // Nothing is left to do when standard error is gone too.
                let _ = writeln!(std::io::stderr(), "error: {}", cli::told(&error));
            }
            ExitCode::from(code)
        }
    }
}

fn start(cli: Cli) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(cli::run(cli))
}
