//! `kubectl-tanso`: carbon and energy from the command line.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use tanso_cli::{Cli, Outcome, completion};
use tanso_faces::letters;

fn main() -> ExitCode {
    // The error says that a provider is installed already, which is the goal.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match run() {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Failing) => ExitCode::FAILURE,
        // A reader such as `head` that has seen enough is no failure.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when standard error is gone too.
            let error = error.to_string();
            let _ = writeln!(std::io::stderr(), "error: {}", letters::shown(&error));
            // One is a finding, such as `NonCompliant`: scripts can tell both apart.
            ExitCode::from(2)
        }
    }
}

fn run() -> anyhow::Result<Outcome> {
    if let Some(text) = completion::answer(std::env::args().skip(1)) {
        std::io::stdout().write_all(text.as_bytes())?;
        return Ok(Outcome::Fine);
    }
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut out = std::io::stdout().lock();
    let outcome = runtime.block_on(cli.run(&mut out))?;
    out.flush()?;
    Ok(outcome)
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
