//! `kubectl tanso completion`: the completion script of a shell, and the one
//! by which kubectl completes its plugins.

mod kubectl;

use std::io::Write;

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

use crate::{Cli, Error, Outcome};

/// The word with which the script of kubectl asks what fits.
const ASKED: &str = "__complete";
/// What kubectl runs when `kubectl tanso` is completed.
const SCRIPT: &str = "#!/bin/sh\nexec kubectl-tanso __complete \"$@\"\n";

/// How clap's script for bash begins the labels of commands where the program's
/// name has a dash, and how it begins the commands that it looks for there:
/// nothing below the first word was completed.
const LABELS: &str = "kubectl__subcmd__tanso__subcmd__";
const COMMANDS: &str = "kubectl__tanso__subcmd__";

/// Which shell.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Args {
    /// What shall complete: a shell `kubectl-tanso`, or kubectl `kubectl tanso`
    #[arg(value_enum)]
    by: By,
}

/// Who completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// Bash
    Bash,
    /// Elvish
    Elvish,
    /// Fish
    Fish,
    /// PowerShell
    #[value(name = "powershell")]
    PowerShell,
    /// Zsh
    Zsh,
    /// kubectl, in every shell that it completes in: put the script on the PATH as kubectl_complete-tanso, and make it executable
    Kubectl,
}

/// Writes the script.
///
/// # Errors
/// If `out` cannot be written.
pub fn run(args: Args, out: &mut impl Write) -> Result<Outcome, Error> {
    let shell = match args.by {
        By::Bash => Shell::Bash,
        By::Elvish => Shell::Elvish,
        By::Fish => Shell::Fish,
        By::PowerShell => Shell::PowerShell,
        By::Zsh => Shell::Zsh,
        By::Kubectl => {
            out.write_all(SCRIPT.as_bytes())?;
            return Ok(Outcome::Fine);
        }
    };
    let mut command = Cli::command().bin_name("kubectl-tanso");
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "kubectl-tanso", &mut script);
    if shell == Shell::Bash {
        let text = String::from_utf8_lossy(&script);
        script = text.replace(LABELS, COMMANDS).into_bytes();
    }
    out.write_all(&script)?;
    Ok(Outcome::Fine)
}

/// What kubectl's script is answered, if it is who asks: the words after the
/// program's name.
#[must_use]
pub fn answer(words: impl Iterator<Item = String>) -> Option<String> {
    let words: Vec<String> = words.collect();
    let (first, words) = words.split_first()?;
    (first == ASKED).then(|| kubectl::answer(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_a_script_that_knows_the_commands() {
        for by in [By::Bash, By::Zsh, By::Fish, By::PowerShell, By::Elvish] {
            let mut out = Vec::new();
            run(Args { by }, &mut out).unwrap();
            let script = String::from_utf8(out).unwrap();
            for word in ["top", "explain", "regions", "doctor"] {
                assert!(script.contains(word), "{by:?}: {word}");
            }
        }
    }

    /// Flags and values of a command were completed nowhere: the script looked
    /// for them at labels that it had not.
    #[test]
    fn what_bash_looks_for_is_in_its_script() {
        let mut out = Vec::new();
        run(Args { by: By::Bash }, &mut out).unwrap();
        let script = String::from_utf8(out).unwrap();
        let lines = || script.lines().map(str::trim);
        let wanted = lines().filter_map(|line| line.strip_prefix("cmd=\"")?.strip_suffix('"'));
        let wanted: Vec<_> = wanted.filter(|command| !command.is_empty()).collect();
        assert!(wanted.len() > 20, "{wanted:?}");
        for command in wanted {
            let label = format!("{command})");
            assert!(lines().any(|line| line == label), "{command}");
        }
    }

    /// The shells' scripts complete `kubectl-tanso`, and nobody types that.
    #[test]
    fn kubectl_gets_a_script_that_asks_this_program() {
        let mut out = Vec::new();
        run(Args { by: By::Kubectl }, &mut out).unwrap();
        let script = String::from_utf8(out).unwrap();
        assert!(script.contains("exec kubectl-tanso __complete"), "{script}");
        let words = |line: &'static str| line.split(' ').map(str::to_owned);
        assert!(
            answer(words("__complete expl"))
                .unwrap()
                .starts_with("explain\t")
        );
        assert_eq!(answer(words("explain policy")), None);
        assert_eq!(answer(std::iter::empty()), None);
    }
}
