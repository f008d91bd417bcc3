//! Measures the operator at a fleet's size, and prints JSON lines.
//!
//! The ledger's own figures need nothing; those of policies need an API server
//! and start the operator's own program. Simulated are only the agents, which
//! speak the real wire format, and the pods, which are plain objects.

pub mod agents;
pub mod evaluation;
pub mod faces;
pub mod fleet;
pub mod kills;
pub mod ledger;
pub mod operator;
pub mod records;
pub mod report;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;

/// Sizes that are measured unless asked otherwise: policies.
const POLICIES: [u32; 3] = [100, 300, 1_000];

/// Pods of each of these sizes.
const PODS: [u64; 3] = [1_000, 3_000, 10_000];

/// One of what needs no cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Only {
    /// Pages into the ledger
    Booking,
    /// The account of a year to date
    YearToDate,
    /// A policy over all workloads
    Evaluation,
}

/// What is measured.
#[derive(Debug, Parser)]
#[command(name = "tanso-scale")]
pub struct Args {
    /// A kubeconfig with every right; without it the ledger and the evaluation are measured
    #[arg(long, env = "TANSO_TEST_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// The operator's program
    #[arg(long)]
    pub operator: Option<PathBuf>,
    /// How long nothing may be written in the steady state, seconds
    #[arg(long, default_value_t = 60)]
    pub steady_seconds: u64,
    /// Sizes: numbers of policies
    #[arg(long, value_delimiter = ',', default_values_t = POLICIES)]
    pub policies: Vec<u32>,
    /// Instead: kill -9 so often while energy flows
    #[arg(long)]
    pub kills: Option<u32>,
    /// Of what needs no cluster this alone
    #[arg(long, value_enum)]
    pub only: Option<Only>,
    /// Instead: tool calls and the page's overview on 10,000 workloads
    #[arg(long)]
    pub faces: bool,
    /// Chooses what is killed, and when
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Pods of the simulated fleet, for each number of policies
    #[arg(long, value_delimiter = ',', default_values_t = PODS)]
    pub pods: Vec<u64>,
}

/// Measures, and prints a line for each figure.
///
/// # Errors
/// If something could not be measured.
pub fn start(args: &Args) -> Result<()> {
    tanso_runtime::crypto::install();
    let (Some(kubeconfig), Some(program)) = (&args.kubeconfig, &args.operator) else {
        return ledger_alone(args.only);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    if args.faces {
        return runtime.block_on(faces::measure(kubeconfig, program));
    }
    if let Some(kills) = args.kills {
        return runtime.block_on(kills::kill(kubeconfig, program, kills, args.seed));
    }
    for (policies, pods) in args.policies.iter().zip(args.pods.iter().cycle()) {
        let size = fleet::Size {
            policies: *policies,
            pods: *pods,
        };
        let measured = operator::measure(kubeconfig, program, &size, args.steady_seconds);
        runtime.block_on(measured)?;
    }
    Ok(())
}

/// What needs no cluster, each at three sizes.
fn ledger_alone(only: Option<Only>) -> Result<()> {
    let wants = |what| only.is_none_or(|only| only == what);
    let when = |what, sizes: [u64; 3]| sizes.into_iter().filter(move |_| wants(what));
    for nodes in when(Only::Booking, [20, 60, 200]) {
        ledger::booking(nodes)?;
    }
    for pods in when(Only::YearToDate, [100, 300, 1_000]) {
        ledger::year_to_date(pods)?;
    }
    for workloads in when(Only::Evaluation, [1_000, 10_000, 100_000]) {
        evaluation::evaluate(workloads)?;
    }
    Ok(())
}
