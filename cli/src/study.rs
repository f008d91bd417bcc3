//! `kubectl tanso study`: an experiment of one's own, and what the raw figures
//! of any say. Only `run` asks a cluster; a report is made of a plan and a CSV
//! with the operator's own engine, so that anybody can make a published one again.

mod named;
mod run;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use tanso_carbon::study::plan::PlanError;
use tanso_carbon::study::progress::progress;
use tanso_carbon::study::report::ReportError;
use tanso_carbon::study::report::html::{Picture, html};
use tanso_carbon::study::report::markdown::markdown;
use tanso_carbon::study::{Plan, Report, Trials, plot, power, report};
use tanso_carbon::table::TableFaults;
use tanso_study::{FolderFault, look};

use crate::cluster::ClusterArgs;
use crate::table::{Align, Table};
use crate::{Error, Outcome};

/// Experiments: what is the difference, and how sure is that?
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Debug, Subcommand)]
enum Verb {
    /// Run an experiment on the cluster: set up each arm, change it, measure it by tanso's agents
    Run(run::RunArgs),
    /// How far an experiment is, and when it will be done
    Status(StatusArgs),
    /// The report of a study: of an EnergyStudy by its name, or again from raw figures
    Report(ReportArgs),
    /// Print the order of a plan's trials: randomised blocks from its seed
    Order(OrderArgs),
    /// How many blocks a difference needs to be seen
    Power(PowerArgs),
}

/// What to report.
#[derive(Clone, Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("figures").required(true).args(["name", "data"]))]
struct ReportArgs {
    #[command(flatten)]
    named: named::Named,
    /// Raw figures, CSV: `trial,block,arm`, if you have them `phase` (warm-up, measured, cool-down), `started_at`,
    /// `duration_seconds`, `provenance`, `steal_ratio`, `foreign_cpu_ratio`, `marks`, and a column for each response
    /// that ends with its unit, such as `node_joules`
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// The plan, YAML or JSON: arms, comparisons, primary response, rules and seeds. Without it every arm is compared
    /// with the baseline by the usual rules, and the report says that no plan was given
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// The arm to compare against, without a plan; the first in the alphabet if not given
    #[arg(long, value_name = "ARM", conflicts_with = "plan")]
    baseline: Option<String>,
    /// The response that answers the question, without a plan; the first in joules if not given
    #[arg(long, value_name = "COLUMN", conflicts_with = "plan")]
    response: Option<String>,
    /// Also write the raw figures, CSV, and the plan beside them with `.plan.json` at its end
    #[arg(long, value_name = "FILE", requires = "name")]
    save: Option<PathBuf>,
    /// Also write a picture of the primary response's differences, SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Tables and sentences for people
    #[default]
    Markdown,
    /// The same as one page with pictures
    Html,
    /// Every figure with all digits, for programs
    Json,
}

/// Which experiment to look at.
#[derive(Clone, Debug, clap::Args)]
struct StatusArgs {
    /// The folder that `run` writes
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Whose trials to order.
#[derive(Clone, Debug, clap::Args)]
struct OrderArgs {
    /// The plan, YAML or JSON
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// How many blocks
    #[arg(long, default_value_t = 30)]
    blocks: u32,
}

/// What is to be seen.
#[derive(Clone, Debug, clap::Args)]
struct PowerArgs {
    /// The difference that should be seen, percent of the mean
    #[arg(long, default_value_t = 2.0, value_name = "PERCENT")]
    difference: f64,
    /// The standard deviation of a block's difference, percent of the mean: from a pilot
    #[arg(long, value_name = "PERCENT")]
    spread: f64,
    /// How likely it should be seen, percent
    #[arg(long, default_value_t = 80.0, value_name = "PERCENT")]
    power: f64,
    /// How often intervals hold the truth, percent
    #[arg(long, default_value_t = 95.0, value_name = "PERCENT")]
    confidence: f64,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum StudyFault {
    /// A file cannot be read.
    #[error("reading {path:?}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// How it is to be run is broken, or does not fit the plan.
    #[error("{file}: {faults}")]
    How {
        /// The file.
        file: String,
        /// All faults.
        faults: String,
    },
    /// The folder is another study's.
    #[error("{0:?} was begun with another plan; give that one, or name another folder by --out")]
    OtherPlan(PathBuf),
    /// The study's folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderFault),
    /// A command of an arm failed.
    #[error("{name} of arm {arm:?}, `{command}`: {reason}")]
    Command {
        /// Which command.
        name: &'static str,
        /// The arm.
        arm: String,
        /// What was run.
        command: String,
        /// How it ended.
        reason: String,
    },
    /// Nobody measures.
    #[error("no agent of tanso gives figures; `kubectl tanso doctor` says why")]
    NoAgents,
    /// Time went backwards.
    #[error("the agents' clocks went back between two readings; the trial is not kept")]
    Clock,
    /// What a report is made of cannot be written.
    #[error("writing {path:?}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The picture cannot be written.
    #[error("writing {path:?}: {source}")]
    Plot {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The figures are broken.
    #[error(transparent)]
    Table(#[from] TableFaults),
    /// The plan is broken.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The figures do not fit the plan.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A percentage is out of its range.
    #[error("--{name} {value}: accepted are values above {above} and below {below}")]
    Percent {
        /// The flag.
        name: &'static str,
        /// What was given.
        value: f64,
        /// The lower bound.
        above: f64,
        /// The upper bound.
        below: f64,
    },
    /// Nothing can be drawn.
    #[error(
        "--plot: no comparison of {0:?} has an interval; at least two complete blocks are needed"
    )]
    NothingToDraw(String),
}

/// Answers.
///
/// # Errors
/// If a file is broken, the cluster does not answer to a run, or the answer
/// cannot be written.
pub async fn run(
    args: &Args,
    cluster: &ClusterArgs,
    out: &mut impl Write,
) -> Result<Outcome, Error> {
    match &args.verb {
        Verb::Run(args) => run::run(args, cluster, out).await,
        Verb::Status(args) => run_status(args, out),
        Verb::Report(args) => run_report(args, cluster, out).await,
        Verb::Order(args) => run_order(args, out),
        Verb::Power(args) => run_power(args, out),
    }
}

fn read(path: &Path) -> Result<String, StudyFault> {
    fs::read_to_string(path).map_err(|source| StudyFault::Read {
        path: path.to_owned(),
        source,
    })
}

fn run_status(args: &StatusArgs, out: &mut impl Write) -> Result<Outcome, Error> {
    let (plan, trials) = look(&args.folder).map_err(StudyFault::Folder)?;
    let planned = plan.slots(plan.stopping.blocks_max()).len();
    let found = progress(&trials, u32::try_from(planned).unwrap_or(u32::MAX));
    writeln!(
        out,
        "{}: {} of {} trials",
        plan.title, found.done, found.planned
    )?;
    if let Some(last) = trials.measured().last() {
        let began = last.started_at.map(|at| at.to_string()).unwrap_or_default();
        writeln!(out, "last: trial {}, arm {}, {began}", last.order, last.arm)?;
    }
    let disturbed = trials.measured();
    let disturbed = disturbed.filter(|row| !plan.disturbance.reasons(row).is_empty());
    writeln!(out, "disturbed: {}", disturbed.count())?;
    if report(&plan, &trials).is_ok_and(|report| report.decision.is_stop()) {
        writeln!(out, "done: the plan's rule asks for no more trials")?;
        return Ok(Outcome::Fine);
    }
    if let Some(rest) = found.rest {
        let (hours, minutes) = (rest.as_secs() / 3600, rest.as_secs() / 60 % 60);
        writeln!(
            out,
            "at most about {hours} h {minutes:02} min to go, at its pace so far"
        )?;
    }
    Ok(Outcome::Fine)
}

async fn run_report(
    args: &ReportArgs,
    cluster: &ClusterArgs,
    out: &mut impl Write,
) -> Result<Outcome, Error> {
    let found = match &args.named.name {
        Some(name) => {
            let cluster = cluster.connect().await?;
            let (plan, trials) = named::read(&args.named, name, &cluster).await?;
            save(args, &plan, &trials)?;
            report(&plan, &trials).map_err(StudyFault::Report)?
        }
        None => reported(args)?,
    };
    if let Some(path) = &args.plot {
        draw(path, &found)?;
    }
    match args.output {
        Form::Markdown => write!(out, "{}", markdown(&found))?,
        Form::Html => {
            let title = found.plan.primary_response.clone();
            let picture = plot::differences(&found, &title);
            let pictures: Vec<_> = picture
                .map(|svg| Picture { title, svg })
                .into_iter()
                .collect();
            write!(out, "{}", html(&found, &pictures))?;
        }
        Form::Json => crate::Output::Json.write(out, &found)?,
    }
    // A known difference that is not found is a fault of the experiment.
    let missed =
        |one: &tanso_carbon::study::report::Compared| one.holds_what_is_known == Some(false);
    if found.primary().any(missed) {
        return Ok(Outcome::Failing);
    }
    Ok(Outcome::Fine)
}

/// Keeps what a report is made of, so that it can be made again without the
/// cluster.
fn save(args: &ReportArgs, plan: &Plan, trials: &Trials) -> Result<(), StudyFault> {
    let Some(path) = &args.save else {
        return Ok(());
    };
    let put = |path: &Path, text: String| {
        fs::write(path, text).map_err(|source| StudyFault::Write {
            path: path.to_owned(),
            source,
        })
    };
    put(path, trials.to_csv())?;
    let text = serde_json::to_string_pretty(plan).map_err(std::io::Error::from);
    let beside = path.with_extension("plan.json");
    let text = text.map_err(|source| StudyFault::Write {
        path: beside.clone(),
        source,
    })?;
    put(&beside, text)
}

fn reported(args: &ReportArgs) -> Result<Report, StudyFault> {
    // One of both is given, or there is nothing to read: the flags say so.
    let data = args.data.clone().unwrap_or_default();
    let trials = Trials::parse(&data.display().to_string(), &read(&data)?)?;
    let plan = match &args.plan {
        Some(path) => Plan::parse(&path.display().to_string(), &read(path)?)?,
        None => Plan::unstated(&trials, args.baseline.as_deref(), args.response.as_deref()),
    };
    Ok(report(&plan, &trials)?)
}

fn draw(path: &Path, report: &Report) -> Result<(), StudyFault> {
    let response = &report.plan.primary_response;
    let picture = plot::differences(report, response);
    let picture = picture.ok_or_else(|| StudyFault::NothingToDraw(response.clone()))?;
    fs::write(path, picture).map_err(|source| StudyFault::Plot {
        path: path.to_owned(),
        source,
    })
}

fn run_order(args: &OrderArgs, out: &mut impl Write) -> Result<Outcome, Error> {
    let plan = read(&args.plan)
        .and_then(|text| Ok(Plan::parse(&args.plan.display().to_string(), &text)?))?;
    let mut table = Table::new(&[
        ("TRIAL", Align::Right),
        ("BLOCK", Align::Right),
        ("ARM", Align::Left),
    ]);
    for slot in plan.slots(args.blocks) {
        table.push([slot.order.to_string(), slot.block.to_string(), slot.arm]);
    }
    write!(out, "{table}")?;
    Ok(Outcome::Fine)
}

fn percent(name: &'static str, value: f64, above: f64, below: f64) -> Result<f64, StudyFault> {
    if value > above && value < below {
        return Ok(value / 100.0);
    }
    Err(StudyFault::Percent {
        name,
        value,
        above,
        below,
    })
}

fn run_power(args: &PowerArgs, out: &mut impl Write) -> Result<Outcome, Error> {
    let difference = percent("difference", args.difference, 0.0, 1e6)?;
    let spread = percent("spread", args.spread, 0.0, 1e6)?;
    let target = percent("power", args.power, 50.0, 100.0)?;
    let level = percent("confidence", args.confidence, 50.0, 100.0)?;
    // Within the range that was just checked.
    let confidence = tanso_carbon::study::Confidence::try_new(level)
        .unwrap_or(tanso_carbon::study::Confidence::USUAL);
    match power::pairs_needed(difference / spread, target, confidence) {
        Some(blocks) => {
            let reached = 100.0 * power::power(difference / spread, blocks, confidence);
            writeln!(
                out,
                "{blocks} blocks: a difference of {} % is seen with a chance of {reached:.1} %.",
                args.difference
            )?;
        }
        None => writeln!(
            out,
            "Over {} blocks: make the spread smaller first.",
            power::PAIRS_MAX
        )?,
    }
    Ok(Outcome::Fine)
}

#[cfg(test)]
mod tests;
