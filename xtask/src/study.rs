//! Studies: controlled experiments on the embedded cluster, measured by
//! tanso's own agent and judged by `carbon::study`.
//!
//! The rooms: [`design`] says what is run (pure), `bench` keeps cluster, agent and
//! Flux, `rest` waits until it uses no more than it does idle, `trial` runs one
//! trial, and `figures` makes its row of two readings (pure).
//! `tanso_study` keeps plan and raw figures so that a kill loses at most the trial
//! that ran. Nothing here computes a difference.

mod bench;
pub mod design;
mod figures;
mod load;
mod machine;
mod prove;
mod published;
mod rest;
mod trial;
mod watch;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tanso_carbon::study::order::Slot;
use tanso_carbon::study::progress::progress;
use tanso_study::{Folder, TRIALS};

use self::bench::Bench;
use self::design::{Choice, Design};

/// The design's file, beside the plan.
const DESIGN: &str = "design.json";

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
    /// Seconds of each measured phase [default: 10]
    #[arg(long, value_name = "SECONDS")]
    measured: Option<u64>,
    /// Kustomizations that Flux delivers, 1 to 500; of several numbers, as in 5,50,200, each makes arms of its own
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "5")]
    kustomizations: Vec<usize>,
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
    /// End this part with the first trial that ends after so many minutes; --resume runs the next part
    #[arg(long, value_name = "MINUTES")]
    part_minutes: Option<u64>,
    /// Run the study in a process of its own, kill that with SIGKILL in the middle of a trial after so many trials each,
    /// let another go on, and compare the report with that of the same figures uninterrupted
    #[arg(long, value_name = "TRIALS", value_delimiter = ',', conflicts_with_all = ["resume", "report"])]
    prove_resume: Vec<usize>,
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
        let (plan, trials) = tanso_study::look(&args.out)?;
        return published::write(&args.out, &plan, &trials);
    }
    if !args.prove_resume.is_empty() {
        return prove::resume(&args.out, &args.prove_resume);
    }
    let design = Design::choose(&Choice {
        quick: args.quick,
        blocks: args.trials,
        measured_seconds: args.measured,
        kustomizations: &args.kustomizations,
        changes: args.changes,
        arms: &args.arms,
        seed: args.seed,
    })
    .map_err(|faults| anyhow::anyhow!("{}", faults.join("; ")))?;
    let mut folder = open(args, &design)?;
    if folder.next().is_none() {
        eprintln!("every planned trial is there already");
    } else {
        run_trials(&design, args, &mut folder)?;
    }
    published::write(&args.out, folder.plan(), folder.trials())
}

/// Begins a folder, or goes on with one of the same design.
fn open(args: &Gitops, design: &Design) -> Result<Folder> {
    let text = serde_json::to_string_pretty(design).context("writing the design")?;
    if !(args.resume && args.out.join(TRIALS).exists()) {
        let plan = design.plan(machine::environment(design));
        let beside = [(DESIGN, text.as_str())];
        return Ok(Folder::begin(
            &args.out,
            &plan,
            trial::responses(),
            &beside,
        )?);
    }
    let file = args.out.join(DESIGN);
    let begun = std::fs::read_to_string(&file)
        .with_context(|| format!("reading \"{}\"", file.display()))?;
    if begun != text {
        bail!(
            "\"{}\" was begun with another design: give the same flags, or another folder by --out",
            args.out.display()
        );
    }
    Ok(Folder::resume(&args.out, trial::responses())?)
}

fn run_trials(design: &Design, args: &Gitops, folder: &mut Folder) -> Result<()> {
    let programs = args.programs.as_deref();
    let session = bench::cluster(programs)?;
    let begun = Instant::now();
    let until = args
        .part_minutes
        .map(|minutes| Duration::from_secs(60 * minutes));
    let result = Bench::new(&session, programs, design).and_then(|mut bench| {
        while let Some(slot) = folder.next() {
            if until.is_some_and(|until| begun.elapsed() > until) {
                eprintln!("this part is over; go on with --resume");
                break;
            }
            let kind = design.kind(&slot.arm).context("a planned trial's kind")?;
            let rows = trial::run(&mut bench, design, &kind, &slot)
                .with_context(|| format!("trial {} of arm \"{}\"", slot.order, slot.arm))?;
            folder.append(&rows)?;
            say(design, folder, &slot);
        }
        Ok(())
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
        "{}/{} block {} {:<20} cluster {} J, {} CPU s; Flux {} CPU s{}{rest}",
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
