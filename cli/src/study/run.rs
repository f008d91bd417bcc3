//! `kubectl tanso study run`: an experiment of one's own. Commands set up each
//! arm and make its changes; the energy is what the cluster's agents say at
//! both ends of each measured phase; a row is on the disk before the next trial
//! begins, so that a kill loses at most the trial that ran.
//!
//! It runs with the caller's own rights and changes nothing by itself.

mod how;
mod reading;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tanso_carbon::study::Plan;
use tanso_carbon::study::order::Slot;
use tanso_carbon::study::progress::progress;
use tanso_carbon::study::stream::{Busy, deal};
use tanso_carbon::study::trial::{Phase, Trial};
use tanso_study::{Folder, PLAN, TRIALS};

use super::StudyFault;
use crate::cluster::ClusterArgs;
use crate::progress::Progress;
use crate::{Error, Outcome, live};
use how::{ArmHow, How};
use reading::Reading;

/// Between two looks for figures that are due.
const LOOK: Duration = Duration::from_millis(250);

/// What to run.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct RunArgs {
    /// The plan, YAML or JSON: arms, comparisons, primary response, rules and seeds
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// How it is done, YAML: `phases` (`warmUpSeconds`, `measuredSeconds`, `coolDownSeconds`), `arms` (for each its
    /// shell commands `setUp`, `change`, `clearUp`) and `components` (for each its namespaces)
    #[arg(long, value_name = "FILE")]
    how: PathBuf,
    /// Where plan and raw figures are kept; with figures in it, --resume is needed
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Go on with what the folder holds
    #[arg(long)]
    resume: bool,
}

/// Runs what is left of a study.
pub(super) async fn run(
    args: &RunArgs,
    cluster: &ClusterArgs,
    out: &mut impl Write,
) -> Result<Outcome, Error> {
    let plan_text = super::read(&args.plan)?;
    let plan =
        Plan::parse(&args.plan.display().to_string(), &plan_text).map_err(StudyFault::Plan)?;
    let how = How::parse(
        &args.how.display().to_string(),
        &super::read(&args.how)?,
        &plan,
    )?;
    let mut folder = open(&args.out, &plan, &how, args.resume)?;
    let cluster = cluster.connect().await?;
    let read = async || -> Result<Reading, Error> {
        Ok(Reading::of(&live::agents_metrics(&cluster).await?)?)
    };
    let planned = u32::try_from(folder.planned().len()).unwrap_or(u32::MAX);
    let bar = Progress::new("", planned, "trials");
    while let Some(slot) = folder.next() {
        let arm = how.arm(&slot.arm);
        let changes = plan.changes_of(&slot.arm);
        bar.at(progress(folder.trials(), planned).done, planned);
        bar.say(&slot.arm);
        let rows = trial(&how, arm, &slot, (changes, plan.order_seed), &read).await?;
        folder.append(&rows).map_err(StudyFault::Folder)?;
        let found = progress(folder.trials(), planned);
        let rest = found.rest.map_or_else(String::new, |rest| {
            format!(", at most about {} s to go", rest.as_secs())
        });
        bar.beside(|| {
            writeln!(
                out,
                "trial {} of {}: {}{rest}",
                found.done, found.planned, slot.arm
            )
        })?;
    }
    drop(bar);
    writeln!(
        out,
        "done: kubectl tanso study report --data {} --plan {}",
        args.out.join(TRIALS).display(),
        args.out.join(PLAN).display()
    )?;
    Ok(Outcome::Fine)
}

/// Begins a folder, or goes on with one that has the same plan.
fn open(path: &Path, plan: &Plan, how: &How, resume: bool) -> Result<Folder, StudyFault> {
    if !(resume && path.join(TRIALS).exists()) {
        return Ok(Folder::begin(path, plan, how.responses(), &[])?);
    }
    let folder = Folder::resume(path, how.responses())?;
    if folder.plan() != plan {
        return Err(StudyFault::OtherPlan(path.to_owned()));
    }
    Ok(folder)
}

/// Runs a trial; gives the rows of its phases, the measured one last.
async fn trial(
    how: &How,
    arm: &ArmHow,
    slot: &Slot,
    (changes, seed): (u32, u64),
    read: &impl AsyncFn() -> Result<Reading, Error>,
) -> Result<Vec<Trial>, Error> {
    let row = |phase| Trial {
        order: slot.order,
        block: slot.block,
        arm: slot.arm.clone(),
        phase,
        ..Trial::default()
    };
    let (began, clock) = (Timestamp::now(), Instant::now());
    // Without its set-up a trial says nothing: it is no mark but the end.
    shell("setUp", arm.set_up.as_deref(), slot, 0).await?;
    tokio::time::sleep(how.phases.warm_up()).await;
    let mut warm_up = row(Phase::WarmUp);
    warm_up.started_at = Some(began);
    warm_up.duration = Some(clock.elapsed());

    let first = read().await?;
    let clock = Instant::now();
    let mut measured = row(Phase::Measured);
    let busy = Busy {
        changes,
        edits: 0,
        objects: 1,
    };
    for (number, event) in (1..).zip(deal(busy, how.phases.measured(), seed, slot.block)) {
        tokio::time::sleep(event.at.saturating_sub(clock.elapsed())).await;
        if let Err(fault) = shell("change", arm.change.as_deref(), slot, number).await {
            measured.marks.push(one_line(&fault.to_string()));
        }
    }
    let last = read_after(first.at + how.phases.measured().as_secs_f64(), read).await?;
    shell("clearUp", arm.clear_up.as_deref(), slot, 0).await?;
    tokio::time::sleep(how.phases.cool_down()).await;
    reading::between(&first, &last, &how.components, &mut measured)?;
    Ok(vec![warm_up, measured])
}

/// The first figures of all agents of that moment or later, seconds since 1970.
async fn read_after(
    moment: f64,
    read: &impl AsyncFn() -> Result<Reading, Error>,
) -> Result<Reading, Error> {
    loop {
        let reading = read().await?;
        if reading.at >= moment {
            return Ok(reading);
        }
        let wait = Duration::try_from_secs_f64(moment - reading.at).unwrap_or_default();
        tokio::time::sleep(wait.max(LOOK)).await;
    }
}

/// Runs a command by the shell; what it writes goes to our own error output.
async fn shell(
    name: &'static str,
    command: Option<&str>,
    slot: &Slot,
    change: u32,
) -> Result<(), StudyFault> {
    let Some(command) = command.map(str::to_owned) else {
        return Ok(());
    };
    let mut process = Command::new("sh");
    process
        .args(["-c", &command])
        .env("TANSO_STUDY_ARM", &slot.arm)
        .env("TANSO_STUDY_TRIAL", slot.order.to_string())
        .env("TANSO_STUDY_CHANGE", change.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::from(std::io::stderr()));
    let fault = |reason: String| StudyFault::Command {
        name,
        arm: slot.arm.clone(),
        command: command.clone(),
        reason,
    };
    let ended = tokio::task::spawn_blocking(move || process.status()).await;
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(fault(status.to_string())),
        Ok(Err(error)) => Err(fault(error.to_string())),
        Err(error) => Err(fault(error.to_string())),
    }
}

/// Text that fits into a mark.
fn one_line(text: &str) -> String {
    let fits = |c: &char| !";\n\r".contains(*c);
    text.chars().filter(fits).take(160).collect()
}

#[cfg(test)]
mod tests;
