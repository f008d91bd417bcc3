//! Studies: controlled experiments on the embedded cluster, measured by
//! tanso's own agent and judged by `carbon::study`.
//!
//! The rooms: [`design`] says what is run (pure), `bench` keeps cluster, agent and
//! Flux, `trial` runs one trial, `figures` makes its row of two readings (pure), and
//! `folder` keeps plan, raw figures and report so that a kill loses at most
//! the trial that ran. Nothing here computes a difference.

mod bench;
pub mod design;
mod figures;
mod folder;
mod load;
mod machine;
mod published;
mod trial;
mod watch;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tanso_carbon::study::order::Slot;
use tanso_carbon::study::progress::progress;

use self::bench::Bench;
use self::design::{Choice, Design};
use self::folder::Folder;

/// Which study.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// What does GitOps cost? Nothing, a script and the real Flux controllers on the same stream of changes
    Gitops(Gitops),
    /// Uses a known amount of CPU time in a container's control groups; started by a trial
    #[command(hide = true)]
    Burn(load::Args),
}

/// How to run it.
#[derive(Debug, clap::Args)]
struct Gitops {
    /// At most 15 minutes: short phases, five blocks, the arms that answer the question
    #[arg(long)]
    quick: bool,
    /// Go on with what the folder holds; its plan must be the one asked for
    #[arg(long)]
    resume: bool,
    /// Make the report again from the folder, and run nothing
    #[arg(long, conflicts_with = "resume")]
    report: bool,
    /// Trials of each arm [default: 30; 5 with --quick]
    #[arg(long, value_name = "N")]
    trials: Option<u32>,
    /// Seconds of each measured phase [default: 120; 10 with --quick]
    #[arg(long, value_name = "SECONDS")]
    measured: Option<u64>,
    /// Kustomizations that Flux delivers, 1 to 500
    #[arg(long, value_name = "N", default_value_t = 5)]
    kustomizations: usize,
    /// Wanted changes in each trial of a busy arm [default: one for every 5 seconds measured]
    #[arg(long, value_name = "N")]
    changes: Option<u32>,
    /// Only these arms; `nothing` and `snowflake` are always there
    #[arg(long, value_name = "ARM", value_delimiter = ',')]
    arms: Vec<String>,
    /// Seed of order, stream and bootstrap
    #[arg(long, default_value_t = 20_261_121)]
    seed: u64,
    /// A folder with the programs tanso-agent and tanso-model-server [default: built as for images]
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Where plan, raw figures and report go
    #[arg(long, value_name = "DIR", default_value = "target/studies/gitops")]
    out: PathBuf,
}

/// Runs a study, or what belongs to one.
///
/// # Errors
/// When a part cannot be started, a trial cannot be run, or the folder holds
/// another study.
pub fn run(args: &Args) -> Result<()> {
    match &args.verb {
        Verb::Gitops(args) => gitops(args),
        Verb::Burn(args) => load::run(args),
    }
}

fn gitops(args: &Gitops) -> Result<()> {
    if args.report {
        return published::write(&Folder::open(&args.out)?);
    }
    let design = Design::choose(&Choice {
        quick: args.quick,
        blocks: args.trials,
        measured_seconds: args.measured,
        kustomizations: args.kustomizations,
        changes: args.changes,
        arms: &args.arms,
        seed: args.seed,
    })
    .map_err(|faults| anyhow::anyhow!("{}", faults.join("; ")))?;
    let mut folder = if args.resume {
        Folder::resume(&args.out, &design)?
    } else {
        Folder::begin(&args.out, &design, machine::environment(&design))?
    };
    let rest = folder.rest()?;
    if rest.is_empty() {
        eprintln!("every planned trial is there already");
    } else {
        run_trials(&design, args.programs.as_deref(), &mut folder, &rest)?;
    }
    published::write(&folder)
}

fn run_trials(
    design: &Design,
    programs: Option<&Path>,
    folder: &mut Folder,
    rest: &[Slot],
) -> Result<()> {
    let session = bench::cluster(programs)?;
    let result = Bench::new(&session, programs, design).and_then(|mut bench| {
        rest.iter().try_for_each(|slot| {
            let arm = design.arm(&slot.arm).context("a planned trial's arm")?;
            let rows = trial::run(&mut bench, design, arm, slot)
                .with_context(|| format!("trial {} of arm \"{}\"", slot.order, slot.arm))?;
            folder.append(rows)?;
            say(design, folder, slot);
            Ok(())
        })
    });
    if result.is_err() {
        eprintln!("{}", session.state_of_pods());
    }
    session.down().context("removing the study's cluster")?;
    if let Err(error) = result {
        bail!(
            "{error:#}; what was measured is in \"{}\": go on with --resume",
            folder.path().display()
        );
    }
    Ok(())
}

/// A line after each trial: how far, and when it will be done.
fn say(design: &Design, folder: &Folder, slot: &Slot) {
    let planned = design.slots().len();
    let found = progress(folder.trials(), u32::try_from(planned).unwrap_or(u32::MAX));
    let rest = found.rest.map_or_else(String::new, |rest| {
        format!(", about {} s to go", rest.as_secs())
    });
    let row = folder
        .trials()
        .measured()
        .find(|row| row.order == slot.order);
    let figure = |name: &str| {
        let value = row.and_then(|row| row.values.get(name));
        value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"))
    };
    let marks = row.map(|row| design.disturbance().reasons(row).join("; "));
    let marks = marks.filter(|marks| !marks.is_empty());
    eprintln!(
        "{}/{} block {} {:<18} cluster {} J, {} CPU s; Flux {} CPU s{}{rest}",
        found.done,
        found.planned,
        slot.block,
        slot.arm,
        figure("cluster_joules"),
        figure("cluster_cpu_seconds"),
        figure("flux_cpu_seconds"),
        marks.map_or_else(String::new, |marks| format!(" [disturbed: {marks}]")),
    );
}
