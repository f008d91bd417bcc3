//! The end-to-end tests: one embedded cluster, the real kubectl, and each
//! promise of the product looked at from outside.

mod admission;
mod faults;
mod lifecycle;

use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::demo::{self, home::Existing, session::Session, table};

/// The name of the tests' cluster.
const CLUSTER: &str = "e2e";

/// Which tests to run.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Only the tests whose name contains one of these; `energy` is needed by none
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

/// Runs the tests.
///
/// # Errors
/// When a test fails; names each.
pub fn run(args: &Args) -> Result<()> {
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
    let session = Session::start(CLUSTER, &args.existing)?;
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
    println!(
        "e2e: {} passed, {} failed",
        chosen.len() - failed.len(),
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

fn is_chosen(name: &str, wanted: &[String]) -> bool {
    wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()))
}

fn energy(session: &Session) -> Result<()> {
    let facts = demo::show(session)?;
    println!("{}", table::totals(&facts.totals, facts.killed));
    if let Some(storm) = &facts.storm {
        println!("{}", table::storm(storm));
    }
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
