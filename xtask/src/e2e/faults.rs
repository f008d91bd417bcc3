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

/// What the operator finds installed, under `config/`.
const INSTALLED: [&str; 7] = [
    "crd/powermonitors.yaml",
    "crd/carbonpolicies.yaml",
    "crd/clustercarbonpolicies.yaml",
    "crd/carbonreports.yaml",
    "default/namespace.yaml",
    "rbac/agent.yaml",
    "rbac/operator.yaml",
];

/// Runs that are made unless asked otherwise: some three minutes.
const RUNS: usize = 60;

/// Which ones.
const SEED: u64 = 1;

/// How many write points meet which faults.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// faults: every write point with every fault, not a part of them (about half an hour)
    #[arg(long)]
    all: bool,
    /// faults: how many runs, unless all
    #[arg(long, default_value_t = RUNS, value_name = "N")]
    fault_runs: usize,
    /// faults: chooses which runs; the same seed chooses the same ones
    #[arg(long, default_value_t = SEED, value_name = "N")]
    fault_seed: u64,
    /// faults: build an operator that takes every object for its own; the test must fail
    #[arg(long)]
    broken: bool,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            all: false,
            fault_runs: RUNS,
            fault_seed: SEED,
            broken: false,
        }
    }
}

/// Runs the test.
///
/// # Errors
/// When a run did not end as the one without faults.
pub(super) fn run(args: &Args) -> Result<()> {
    let mut build = Command::new("cargo");
    build
        .current_dir(workspace::root())
        .args(["build", "-p", "tanso-faults"]);
    if args.broken {
        build.args(["--features", "tanso-faults/broken-ownership"]);
    }
    process::run(&mut build)?;
    cluster::down(CLUSTER)?;
    let api = cluster::up(&Options {
        profile: Profile::Api,
        ..Options::new(CLUSTER)
    })?;
    let result = install(&api).and_then(|()| test(&api, args));
    api.down()?;
    match (result, args.broken) {
        (result, false) => result,
        (Err(error), true) => {
            println!("the broken operator was noticed: {error:#}");
            Ok(())
        }
        (Ok(()), true) => bail!("the broken operator was not noticed"),
    }
}

fn install(api: &Cluster) -> Result<()> {
    for file in INSTALLED {
        let path = workspace::root().join("config").join(file);
        let mut command = api.kubectl(["apply", "--server-side", "-f"]);
        process::output(command.arg(path))?;
    }
    Ok(())
}

fn test(api: &Cluster, args: &Args) -> Result<()> {
    let program = workspace::target_dir().join("debug/tanso-faults");
    let mut command = api.exec([program]);
    command
        .env("TANSO_TEST_KUBECONFIG", api.kubeconfig())
        .args(["--runs", &args.fault_runs.to_string()])
        .args(["--seed", &args.fault_seed.to_string()]);
    if args.all {
        command.arg("--all");
    }
    if args.broken {
        // What the broken check is asked for.
        command.args(["--only", "Replaced"]);
    }
    process::run(&mut command)
}
