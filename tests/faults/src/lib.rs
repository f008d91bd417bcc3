//! Runs the operator against an API server that fails at every write.
//!
//! Runs without faults are learned from first; then each write point and each
//! fault has a run of its own, which must end as the others did. What is real:
//! the API server, the operator and its rights. What is not there: other
//! controllers, so that nothing is collected and no pod ever runs.

pub mod call;
pub mod energy;
pub mod fault;
pub mod life;
pub mod oracle;
pub mod plan;
pub mod proxy;
pub mod rights;
pub mod run;
pub mod table;
pub mod watch;
pub mod world;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::call::Point;
use crate::fault::{Plan, words};
use crate::oracle::Expected;
use crate::run::{Reference, Stage};
use crate::table::Row;
use crate::world::{NAMESPACE, World};

/// Runs without faults that are learned from.
const REFERENCES: usize = 3;

/// What is run.
#[derive(Debug, Parser)]
#[command(name = "tanso-faults")]
pub struct Args {
    /// A kubeconfig with every right, of a cluster that has tanso's CRDs and rights
    #[arg(long, env = "TANSO_TEST_KUBECONFIG")]
    pub kubeconfig: PathBuf,
    /// Also faults that take long: 403, and no answer at all
    #[arg(long)]
    pub slow: bool,
    /// How many runs with one fault
    #[arg(long, default_value_t = 60)]
    pub runs: usize,
    /// How many runs with three faults at once
    #[arg(long, default_value_t = 0)]
    pub triples: usize,
    /// Chooses which runs; the same seed chooses the same ones
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print the write points
    #[arg(long)]
    pub points: bool,
    /// Only runs whose text contains this; a seed and a run's whole text make it again
    #[arg(long)]
    pub only: Option<String>,
}

/// Runs them, and prints what they came to.
///
/// # Errors
/// If a run did not end as it must, or could not be made.
pub fn start(args: &Args) -> Result<()> {
    tanso_runtime::crypto::install();
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let logs = tracing_subscriber::fmt().with_env_filter(filter);
    logs.with_writer(std::io::stderr).init();
    life::count_panics();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")?
        .block_on(all(args))
}

async fn client(args: &Args, user: Option<String>) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(&args.kubeconfig)?;
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    config.auth_info.impersonate = user;
    // What fails must fail once, and no more.
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

async fn all(args: &Args) -> Result<()> {
    let account = format!("system:serviceaccount:{NAMESPACE}:tanso-operator");
    let folder = tempfile::tempdir()?;
    let stage = Stage {
        world: World::new(client(args, None).await?),
        operator: client(args, Some(account)).await?,
        ledger: folder.path().join("ledger.db"),
    };
    energy::book(&stage.ledger).await?;
    stage.world.prepare().await?;
    let begun = Instant::now();
    let (reference, plans, writes) = learn(&stage, args).await?;
    let mut rows = Vec::new();
    for (at, plan) in plans.iter().enumerate() {
        let row = one(&stage, plan, &reference).await;
        if let Some(error) = &row.error {
            let (text, seed) = (words(plan), args.seed);
            println!("FAILED  {text} (seed {seed})\n        {error}");
        }
        rows.push(row);
        if (at + 1) % 20 == 0 {
            let seconds = begun.elapsed().as_secs();
            eprintln!("faults: {} of {} runs, {seconds} s", at + 1, plans.len());
        }
    }
    println!("{}", table::by_fault(&rows));
    let seconds = begun.elapsed().as_secs_f64();
    println!("{}", table::summary(&rows, writes, args.seed, seconds));
    let failed = rows.iter().filter(|row| row.error.is_some()).count();
    if failed > 0 {
        bail!("{failed} of {} runs did not converge", rows.len());
    }
    Ok(())
}

/// Runs without faults, and what they tell: the reference, the plans, and how
/// many write points there are.
async fn learn(stage: &Stage, args: &Args) -> Result<(Reference, Vec<Vec<Plan>>, usize)> {
    let mut ends = Vec::new();
    for _ in 0..REFERENCES {
        ends.push(stage.run(&[], None).await.context("a run without faults")?);
    }
    let states = |of: fn(&run::Ended) -> &oracle::Fields| {
        ends.iter().map(|end| of(end).clone()).collect::<Vec<_>>()
    };
    let record = ends.first().map(|end| end.record.clone());
    let reference = Reference {
        first: Expected::learn(&states(|end| &end.first)),
        last: Expected::learn(&states(|end| &end.last)),
        record: record.unwrap_or_default(),
        repeated: ends.iter().map(|end| end.repeated).max().unwrap_or(0),
    };
    let free: Vec<_> = reference.last.free().iter().collect();
    if !free.is_empty() {
        println!("fields that differ from run to run by themselves: {free:#?}");
    }
    // What the owner of a namespace binds is used there too.
    let granted = rights::granted(concat!(
        include_str!("../../../config/rbac/operator.yaml"),
        "\n---\n",
        include_str!("../../../config/rbac/actions.yaml")
    ))?;
    let used = ends.iter().flat_map(|end| {
        let calls = end.record.points.iter().map(|point| &point.call);
        rights::used(calls, end.record.created.keys())
    });
    println!("{}", rights::compare(&granted, &used.collect())?);
    let runs: Vec<_> = ends.iter().map(|end| end.record.points.clone()).collect();
    let points = plan::common(&runs);
    let writes = points.iter().filter(|point| point.call.writes()).count();
    if args.points {
        for point in points.iter().filter(|point| point.call.writes()) {
            println!("{point}");
        }
    }
    Ok((reference, chosen(&points, args), writes))
}

/// What goes wrong in each run: one fault, then three at once.
fn chosen(points: &BTreeSet<Point>, args: &Args) -> Vec<Vec<Plan>> {
    let is_wanted = |plans: &[Plan]| {
        let only = args.only.as_ref();
        only.is_none_or(|only| words(plans).contains(only.as_str()))
    };
    let all = plan::plans(points, args.slow);
    let mut triples = plan::triples(&all, args.triples, args.seed);
    triples.retain(|plans| is_wanted(plans));
    let mut alone = all;
    alone.retain(|plan| is_wanted(std::slice::from_ref(plan)));
    let alone = plan::sample(&alone, args.runs, args.seed);
    alone
        .into_iter()
        .map(|plan| vec![plan])
        .chain(triples)
        .collect()
}

async fn one(stage: &Stage, plans: &[Plan], reference: &Reference) -> Row {
    let ended = stage.run(plans, Some(reference)).await;
    Row {
        plans: plans.to_vec(),
        struck: ended.as_ref().map_or(1, |ended| ended.record.struck),
        took: ended.as_ref().map(|ended| ended.took).unwrap_or_default(),
        error: ended.err().map(|error| format!("{error:#}")),
    }
}
