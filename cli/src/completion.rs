//! `kubectl tanso completion`: the completion script of a shell.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{Cli, Error, Outcome};

/// Which shell.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Args {
    /// The shell that shall complete `kubectl-tanso`
    #[arg(value_enum)]
    shell: Shell,
}

/// Writes the script.
///
/// # Errors
/// If `out` cannot be written.
pub fn run(args: Args, out: &mut impl Write) -> Result<Outcome, Error> {
    let mut command = Cli::command().bin_name("kubectl-tanso");
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "kubectl-tanso", &mut script);
    out.write_all(&script)?;
    Ok(Outcome::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_a_script_that_knows_the_commands() {
        for shell in [
            Shell::Bash,
            Shell::Zsh,
            Shell::Fish,
            Shell::PowerShell,
            Shell::Elvish,
        ] {
            let mut out = Vec::new();
            run(Args { shell }, &mut out).unwrap();
            let script = String::from_utf8(out).unwrap();
            for word in ["top", "explain", "regions", "doctor"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
