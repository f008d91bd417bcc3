//! Runs the benchmarks of the workspace.

pub mod agent;
mod carbon;
pub mod scale;

use std::process::Command;

use anyhow::Result;

use crate::{process, workspace};

/// The packages that have benchmarks; the others need not be built for them.
const PACKAGES: [&str; 3] = ["tanso-carbon", "tanso-model-server", "tanso-power"];

/// Which benchmarks to run.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    of: Option<Of>,
    /// Passed on to `cargo bench`, for example a benchmark's name
    #[arg(last = true)]
    rest: Vec<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Of {
    /// The carbon engine: 100,000 workloads over 24 h, the best window of a year (JSON lines)
    Carbon,
    /// The agent on this machine: its cost, what it sees and how it attributes (JSON lines)
    Agent(agent::Args),
    /// The agent under churn and kill -9: whether a microjoule is lost (JSON lines)
    AgentSoak(agent::soak::Args),
    /// The model server's training and answers, and what an agent does with a model (JSON lines)
    Model,
    /// The ledger: booking, a year to date, evaluation; three sizes each (JSON lines)
    Ledger,
    /// Tool calls of the MCP server and the page's overview on 10,000 workloads of 41 policies, before a real API server
    /// (JSON lines); fails where a limit is missed
    Mcp,
    /// The operator at 100 to 1,000 policies and 1,000 to 10,000 pods (JSON lines)
    Operator(scale::Args),
    /// The operator, the agents or both under kill -9: whether a microjoule is lost (JSON line)
    OperatorKills(scale::KillArgs),
    /// What a benchmark measures; started by the benchmarks
    #[command(hide = true)]
    Load(agent::load::Args),
}

/// Runs the benchmark that is named, or `cargo bench` for every package that
/// has benchmarks.
///
/// # Errors
/// When a benchmark does not build or fails.
pub fn run(args: &Args) -> Result<()> {
    match &args.of {
        Some(Of::Carbon) => return carbon::run(),
        Some(Of::Agent(args)) => return agent::run(args),
        Some(Of::AgentSoak(args)) => return agent::soak::run(args),
        Some(Of::Ledger) => return scale::ledger(),
        Some(Of::Operator(args)) => return scale::operator(args),
        Some(Of::OperatorKills(args)) => return scale::kills(args),
        Some(Of::Load(args)) => return agent::load::run(args),
        Some(Of::Mcp) => return scale::faces(),
        Some(Of::Model) | None => {}
    }
    let mut command = Command::new("cargo");
    command.current_dir(workspace::root()).arg("bench");
    if args.of.is_some() {
        command.args([
            "--package",
            "tanso-model-server",
            "--package",
            "tanso-power",
        ]);
        command.args(["--bench", "model"]);
    } else {
        command.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
        command.args(["--bench", "*"]);
    }
    process::run(command.arg("--").args(&args.rest))
}
