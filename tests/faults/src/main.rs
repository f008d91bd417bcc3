//! Reads the arguments and runs the fault tests; all else is in the library.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match tanso_faults::start(&tanso_faults::Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("faults: {error:#}");
            ExitCode::FAILURE
        }
    }
}
