//! Everything that must hold before a change goes in, cheapest first.

use std::env;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::cluster::{self, Options, Profile};
use crate::{
    chart, check, codegen, dashboards, e2e, ebpf, images, openapi, process, tools, workspace,
};

/// What to leave out.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leave out the end-to-end tests, which need root
    #[arg(long)]
    skip_e2e: bool,
}

/// The API server that tests talk to.
const API_CLUSTER: &str = "test-api";

type StepFn = fn() -> Result<()>;

const STEPS: [(&str, StepFn); 9] = [
    ("format", check::format),
    ("generated files", generated_files),
    ("kernel programs", ebpf::ensure_built),
    ("cluster components", cluster_components),
    ("chart", rendered_chart),
    ("lints", check::lint),
    ("tests", tests),
    ("end-to-end tests", end_to_end),
    ("end-to-end dashboards", end_to_end_dashboards),
];

/// Runs every step and prints how long each took.
///
/// # Errors
/// At the first step that fails.
pub fn run(args: &Args) -> Result<()> {
    let whole = Instant::now();
    let mut durations = Vec::new();
    for (name, step) in STEPS {
        if args.skip_e2e && name.starts_with("end-to-end") {
            continue;
        }
        eprintln!("== {name}");
        let started = Instant::now();
        step().with_context(|| format!("step \"{name}\""))?;
        let seconds = started.elapsed().as_secs_f64();
        eprintln!("== {name}: passed in {seconds:.1} s");
        durations.push((name, seconds));
    }
    eprintln!();
    for (name, seconds) in durations {
        eprintln!("{seconds:8.1} s  {name}");
    }
    eprintln!("{:8.1} s  all steps passed", whole.elapsed().as_secs_f64());
    Ok(())
}

fn generated_files() -> Result<()> {
    codegen::run(&codegen::Args { check: true })
}

/// Fetched here: the tests run where nothing else can be reached.
fn cluster_components() -> Result<()> {
    cluster::fetch()
}

fn rendered_chart() -> Result<()> {
    chart::run(&chart::Args::default())
}

/// Unit, property and API tests. They run beside an API server of their own,
/// within its network, where nothing else is reachable: so all is built first.
fn tests() -> Result<()> {
    let words = ["test", "--workspace"];
    let mut build = Command::new("cargo");
    build
        .current_dir(workspace::root())
        .args(words)
        .arg("--no-run");
    ebpf::give(&mut build);
    process::run(&mut build)?;
    cluster::down(API_CLUSTER)?;
    let prometheus = match dashboards::prometheus() {
        Ok(folder) => Some(folder),
        Err(error) if env::var_os("CI").is_some() => return Err(error),
        Err(error) => {
            eprintln!("energy from Prometheus is not tested here: {error:#}");
            None
        }
    };
    let open_reports = tools::module_dir("openreports", "github.com/openreports/reports-api")?
        .join("config/crd/openreports.io_reports.yaml");
    let api = cluster::up(&Options {
        profile: Profile::Api,
        ..Options::new(API_CLUSTER)
    })?;
    let mut run = api.exec([
        "cargo",
        "test",
        "--no-fail-fast",
        "--workspace",
        "--offline",
    ]);
    run.current_dir(workspace::root())
        .env("TANSO_TEST_KUBECONFIG", api.kubeconfig())
        .env("TANSO_TEST_OPEN_REPORTS", open_reports)
        .envs(prometheus.map(|folder| ("TANSO_TEST_PROMETHEUS", folder)));
    openapi::give(&mut run);
    ebpf::give(&mut run);
    let result = process::run(&mut run);
    api.down()?;
    result
}

fn end_to_end() -> Result<()> {
    e2e::run(&e2e::Args::default())
}

/// Every query of every panel, and the alerts, where Prometheus scrapes all that
/// runs: a metric that is renamed must not empty a panel. Then those of Kepler's
/// boards of both eras, over the agent of the images, which are built by now.
fn end_to_end_dashboards() -> Result<()> {
    e2e::run(&e2e::Args {
        names: vec!["dashboards".to_owned()],
        ..e2e::Args::default()
    })?;
    dashboards::run(&dashboards::Args {
        quick: true,
        agent: Some(images::built("tanso-agent")?),
        ..dashboards::Args::default()
    })
}
