//! The end-to-end tests: one embedded cluster, the real kubectl, and each
//! promise of the product looked at from outside.

mod admission;
mod audit;
mod dashboards;
mod doctor;
mod faces;
mod faults;
pub(crate) mod flux;
pub(crate) mod git;
mod helm;
mod lifecycle;
mod mcp;
mod prometheus;
mod sources;
mod study;
mod web;

use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::demo::{self, home::Existing, session::Session};

/// The name of the tests' cluster.
const CLUSTER: &str = "e2e";

/// Which tests to run.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Only the tests whose name contains one of these; or one suite, which builds
    /// what it runs against first: helm, flux, flux-helm, dashboards, mcp, doctor, faces, study, sources;
    /// or web, which needs no cluster
    pub names: Vec<String>,
    /// How the API server fails
    #[command(flatten)]
    pub faults: faults::Args,
    /// Leave the cluster up afterwards
    #[arg(long)]
    pub keep: bool,
    /// A cluster that is there already
    #[command(flatten)]
    pub existing: Existing,
}

type Test = fn(&Session) -> Result<()>;

/// Something shown: what, and the figures.
#[derive(Debug)]
struct Fact {
    what: &'static str,
    figures: String,
}

impl Fact {
    const fn new(what: &'static str, figures: String) -> Self {
        Self { what, figures }
    }
}

/// Tests that belong together on a cluster of their own.
type Suite = fn(&Session) -> Result<Vec<Fact>>;

/// Suites that need programs of others. Each runs by its name alone: what most of
/// them build from nothing would not fit into the time of `cargo xtask test`.
const SUITES: [(&str, Suite); 9] = [
    ("helm", helm::run),
    ("flux", flux::run),
    ("flux-helm", flux::release::run),
    ("dashboards", dashboards::run),
    ("mcp", mcp::run),
    ("doctor", doctor::run),
    ("faces", faces::run),
    ("study", study::run),
    ("sources", sources::run),
];

/// Every test, in the order in which they run on the same cluster.
const TESTS: [(&str, Test); 5] = [
    (
        "energy: agent, ledger and status agree after kill -9, and no storm is lost",
        energy,
    ),
    (
        "admission: bad specs are refused with field, value and what is accepted",
        admission::bad_specs,
    ),
    (
        "tables: a broken row stalls its policy alone, with file, row and reason",
        admission::broken_table,
    ),
    (
        "idempotence: applying a PowerMonitor again writes nothing",
        lifecycle::applied_twice,
    ),
    (
        "deletion: a PowerMonitor takes all that it made with it",
        lifecycle::deleted,
    ),
];

/// What the API server recorded meanwhile is held against the roles.
const RIGHTS: &str = "rights: what the audit log has is what is granted";

/// Runs the tests.
///
/// # Errors
/// When a test fails; names each.
pub fn run(args: &Args) -> Result<()> {
    if args.names == [web::NAME] {
        return web::run();
    }
    if let [name] = args.names.as_slice()
        && let Some((name, suite)) = SUITES.iter().find(|(other, _)| other == name)
    {
        return run_suite(name, *suite, args.keep);
    }
    let chosen: Vec<_> = TESTS
        .iter()
        .filter(|(name, _)| is_chosen(name, &args.names))
        .collect();
    let with_faults = is_chosen(faults::NAME, &args.names);
    if chosen.is_empty() && !with_faults {
        bail!("no test has {:?} in its name", args.names);
    }
    if with_faults {
        faults::run(&args.faults, !args.names.is_empty())?;
    }
    if chosen.is_empty() {
        return Ok(());
    }
    let session = Session::start_flagged(CLUSTER, &args.existing, audit::flags(CLUSTER)?)?;
    let mut failed = Vec::new();
    for (name, test) in &chosen {
        let begun = Instant::now();
        let result = test(&session);
        let seconds = begun.elapsed().as_secs_f64();
        match result {
            Ok(()) => println!("ok      {name} ({seconds:.1} s)"),
            Err(error) => {
                println!("FAILED  {name} ({seconds:.1} s)\n        {error:#}");
                failed.push(*name);
            }
        }
    }
    // A part of the tests uses a part of the rights.
    let with_rights = chosen.len() == TESTS.len() && session.is_embedded();
    if with_rights {
        match audit::compare(&session, CLUSTER) {
            Ok(figures) => println!("ok      {RIGHTS}: {figures}"),
            Err(error) => {
                println!("FAILED  {RIGHTS}\n        {error:#}");
                failed.push(RIGHTS);
            }
        }
    }
    println!(
        "e2e: {} passed, {} failed",
        chosen.len() + usize::from(with_rights) - failed.len(),
        failed.len()
    );
    if args.keep {
        println!("the cluster stays up: cargo xtask cluster --name {CLUSTER} down");
    } else {
        session.down().context("removing the tests' cluster")?;
    }
    if failed.is_empty() {
        Ok(())
    } else {
        bail!("failed: {}", failed.join("; "))
    }
}

fn run_suite(name: &str, suite: Suite, keep: bool) -> Result<()> {
    let begun = Instant::now();
    let cluster = format!("e2e-{name}");
    let session = Session::bare(&cluster)?;
    let result = suite(&session);
    if let Ok(facts) = &result {
        for Fact { what, figures } in facts {
            println!("ok      {name}: {what}: {figures}");
        }
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "e2e {name}: {} passed, 0 failed ({seconds:.0} s)",
            facts.len()
        );
    } else {
        eprintln!("{}", session.state_of_pods());
    }
    if keep {
        println!("the cluster stays up: cargo xtask cluster --name {cluster} down");
    } else {
        session.down().context("removing the suite's cluster")?;
    }
    result
        .map(drop)
        .with_context(|| format!("suite \"{name}\""))
}

fn is_chosen(name: &str, wanted: &[String]) -> bool {
    wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()))
}

fn energy(session: &Session) -> Result<()> {
    let facts = demo::show(session)?;
    facts.print_sums();
    facts.judge()
}

#[cfg(test)]
mod tests {
    use super::is_chosen;

    #[test]
    fn no_name_chooses_every_test_and_a_part_chooses_its_own() {
        assert!(is_chosen("energy: agrees", &[]));
        assert!(is_chosen("energy: agrees", &["energy".to_owned()]));
        assert!(!is_chosen("energy: agrees", &["tables".to_owned()]));
    }
}
