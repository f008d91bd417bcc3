//! The benchmarks of ledger and operator at a fleet's size: builds the package
//! `tanso-scale` with optimisation and runs it; all that is measured is there.

use std::process::Command;

use anyhow::Result;

use crate::cluster::{self, Cluster, Options, Profile};
use crate::{process, workspace};

/// The name of the cluster of `bench operator`.
const CLUSTER: &str = "bench-operator";

/// What an operator finds installed beside the kinds, under `config/`.
const INSTALLED: [&str; 2] = ["operator/namespace.yaml", "rbac/operator.yaml"];

/// Sizes of `bench operator`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Numbers of policies, one measurement each
    #[arg(long, value_name = "N,N,…", default_value = "100,300,1000")]
    policies: String,
    /// Numbers of pods, one for each measurement
    #[arg(long, value_name = "N,N,…", default_value = "1000,3000,10000")]
    pods: String,
    /// How long nothing may be written in the steady state, seconds
    #[arg(long, value_name = "N", default_value_t = 120)]
    steady_seconds: u64,
}

/// How often, and when.
#[derive(Debug, clap::Args)]
pub struct KillArgs {
    /// How many kills
    #[arg(long, value_name = "N", default_value_t = 200)]
    kills: u32,
    /// Chooses what is killed, and when
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Booking, querying and evaluating, without a cluster.
///
/// # Errors
/// When something does not build or could not be measured.
pub fn ledger() -> Result<()> {
    build(&["tanso-scale"])?;
    process::run(Command::new(program("tanso-scale")).current_dir(workspace::target_dir()))
}

/// The operator's own program against a real API server.
///
/// # Errors
/// When something does not build or could not be measured.
pub fn operator(args: &Args) -> Result<()> {
    beside_api(&[
        "--policies",
        &args.policies,
        "--pods",
        &args.pods,
        "--steady-seconds",
        &args.steady_seconds.to_string(),
    ])
}

/// kill -9 of operator and agents while energy flows.
///
/// # Errors
/// When a total differs once.
pub fn kills(args: &KillArgs) -> Result<()> {
    beside_api(&[
        "--kills",
        &args.kills.to_string(),
        "--seed",
        &args.seed.to_string(),
    ])
}

/// Tool calls and the page's overview on 10,000 workloads.
///
/// # Errors
/// When something could not be measured, or a limit is missed.
pub fn faces() -> Result<()> {
    beside_api(&["--faces"])
}

fn beside_api(words: &[&str]) -> Result<()> {
    build(&["tanso-scale", "tanso-operator"])?;
    cluster::down(CLUSTER)?;
    let api = cluster::up(&Options {
        profile: Profile::Api,
        ..Options::new(CLUSTER)
    })?;
    let result = measure(&api, words);
    api.down()?;
    result
}

fn measure(api: &Cluster, words: &[&str]) -> Result<()> {
    api.install_kinds_and(&INSTALLED)?;
    let mut command = api.exec([program("tanso-scale")]);
    command
        .arg("--kubeconfig")
        .arg(api.kubeconfig())
        .arg("--operator")
        .arg(program("tanso-operator"))
        .args(words);
    process::run(&mut command)
}

fn build(packages: &[&str]) -> Result<()> {
    let mut command = Command::new("cargo");
    command
        .current_dir(workspace::root())
        .args(["build", "--profile", "demo"]);
    for package in packages {
        command.args(["--package", package]);
    }
    process::run(&mut command)
}

fn program(name: &str) -> std::path::PathBuf {
    workspace::target_dir().join("demo").join(name)
}
