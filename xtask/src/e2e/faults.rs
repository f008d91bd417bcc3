//! The operator against an API server that fails at every write.
//!
//! Starts an API server of its own and runs the package `tanso-faults` beside
//! it; all that is tested is there.

use std::process::Command;

use anyhow::{Result, bail};

use crate::cluster::{self, Cluster, Options, Profile};
use crate::{process, workspace};

/// The name by which the test is chosen.
pub(super) const NAME: &str =
    "faults: an API server that fails at every write changes no end state";

/// The name of its cluster.
const CLUSTER: &str = "e2e-faults";

/// What the operator finds installed beside the kinds, under `config/`.
const INSTALLED: [&str; 4] = [
    "operator/namespace.yaml",
    "rbac/agent.yaml",
    "rbac/operator.yaml",
    "rbac/actions.yaml",
];

/// Runs within the whole of the end-to-end tests: half a minute. Asked for by
/// name, every write point meets every fault.
const SAMPLE: usize = 4;

/// Runs with three faults at once within the whole, and when asked for by name.
const TRIPLES: (usize, usize) = (0, 100);

/// More than there are pairs of write points and faults.
const EVERY: usize = 1_000_000;

/// Which pairs a sample has.
const SEED: u64 = 1;

/// How many write points meet which faults.
#[derive(Debug, clap::Args)]
#[group(id = "faults")]
pub struct Args {
    /// faults: also those that take a caller's whole patience (403, no answer); an hour more
    #[arg(long)]
    slow: bool,
    /// faults: how many runs; default all when asked for by name, else a few
    #[arg(long, value_name = "N")]
    fault_runs: Option<usize>,
    /// faults: how many runs with three faults at once; default 100 when asked for by name, else none
    #[arg(long, value_name = "N")]
    fault_triples: Option<usize>,
    /// faults: chooses which runs; the same seed chooses the same ones
    #[arg(long, default_value_t = SEED, value_name = "N")]
    fault_seed: u64,
    /// faults: only pairs whose text contains this, as in `CrashAfter`
    #[arg(long, value_name = "TEXT")]
    fault_only: Option<String>,
    /// faults: build an operator that takes every object for its own; the test must fail
    #[arg(long)]
    broken: bool,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            slow: false,
            fault_runs: None,
            fault_triples: None,
            fault_seed: SEED,
            fault_only: None,
            broken: false,
        }
    }
}

/// Runs the test.
///
/// # Errors
/// When a run did not end as the one without faults; with a broken operator,
/// when all did.
pub(super) fn run(args: &Args, by_name: bool) -> Result<()> {
    let mut build = Command::new("cargo");
    build.current_dir(workspace::root()).arg("build");
    if args.broken {
        build.args(["-p", "tanso-faults", "--features", "broken-ownership"]);
    } else {
        // With the features of the whole, as the tests before it were built.
        build.args(["--workspace", "--bin", "tanso-faults"]);
    }
    process::run(&mut build)?;
    cluster::down(CLUSTER)?;
    let api = cluster::up(&Options {
        profile: Profile::Api,
        ..Options::new(CLUSTER)
    })?;
    // Only a run that was made can notice a broken operator.
    let installed = api.install_kinds_and(&INSTALLED);
    let result = installed.is_ok().then(|| test(&api, args, by_name));
    api.down()?;
    installed?;
    let Some(result) = result else {
        return Ok(());
    };
    match (result, args.broken) {
        (result, false) => result,
        (Err(error), true) => {
            println!("the broken operator was noticed: {error:#}");
            Ok(())
        }
        (Ok(()), true) => bail!("the broken operator was not noticed"),
    }
}

fn test(api: &Cluster, args: &Args, by_name: bool) -> Result<()> {
    let program = workspace::target_dir().join("debug/tanso-faults");
    let runs = args
        .fault_runs
        .unwrap_or(if by_name { EVERY } else { SAMPLE });
    // A broken operator is noticed by one fault alone.
    let usual = if by_name { TRIPLES.1 } else { TRIPLES.0 };
    let triples = args
        .fault_triples
        .unwrap_or(if args.broken { 0 } else { usual });
    let mut command = api.exec([program]);
    command
        .env("TANSO_TEST_KUBECONFIG", api.kubeconfig())
        .args(["--runs", &runs.to_string()])
        .args(["--triples", &triples.to_string()])
        .args(["--seed", &args.fault_seed.to_string()]);
    if args.slow {
        command.arg("--slow");
    }
    // What the broken check is asked for.
    let broken = args.broken.then_some("Replaced");
    if let Some(only) = args.fault_only.as_deref().or(broken) {
        command.args(["--only", only]);
    }
    process::run(&mut command)
}
