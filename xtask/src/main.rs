//! Reads the command line and runs the verb; all else is in the library.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match xtask::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
