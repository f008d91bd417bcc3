//! That a study survives its runner: the runner is killed with SIGKILL in the
//! middle of a trial, another goes on with the folder, and what it publishes is
//! held against the report of the same figures that nobody interrupted.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tanso_carbon::study::trial::{csv_header, csv_line};
use tanso_carbon::study::{Trials, report};
use tanso_study::{TRIALS, look};

use super::published;

/// Between two looks at what a runner has kept.
const LOOK: Duration = Duration::from_millis(100);
/// How far into the next trial a kill comes.
const INTO_TRIAL: Duration = Duration::from_secs(5);
/// A runner that keeps no further trial for so long hangs.
const PATIENCE: Duration = Duration::from_hours(1);

/// Runs the study that this process was asked for in processes of its own; each
/// of `kills` ends one after so many trials of the folder.
pub(super) fn resume(folder: &Path, kills: &[usize]) -> Result<()> {
    let mut kept = String::new();
    for after in kills {
        let before = kept.len();
        kept = killed(folder, *after)?;
        ensure!(kept.len() >= before, "a kill lost trials that were kept");
    }
    let status = start(folder)?.wait().context("waiting for the runner")?;
    // A placebo that misses 0 is another question than this one.
    let text = read(folder)?;
    ensure!(
        text.starts_with(&kept),
        "what was kept before a kill is not the beginning of what is there now"
    );
    compare(folder, &text)?;
    println!(
        "resumed after {} kills with SIGKILL in the middle of a trial: no trial lost, none twice, and every file of \
         the report equal to that of the same figures uninterrupted",
        kills.len()
    );
    ensure!(status.success(), "the last runner ended with {status}");
    Ok(())
}

fn read(folder: &Path) -> Result<String> {
    let file = folder.join(TRIALS);
    fs::read_to_string(&file).with_context(|| format!("reading \"{}\"", file.display()))
}

/// This process's own command line, without the proof and going on where there
/// is something to go on with.
fn start(folder: &Path) -> Result<Child> {
    let words = runner(std::env::args().skip(1), folder.join(TRIALS).exists());
    Command::new("/proc/self/exe")
        .args(words)
        .spawn()
        .context("starting a runner")
}

fn runner(mut words: impl Iterator<Item = String>, is_begun: bool) -> Vec<String> {
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        if word == "--prove-resume" {
            words.next();
        } else if !word.starts_with("--prove-resume=") {
            kept.push(word);
        }
    }
    kept.extend(is_begun.then(|| "--resume".to_owned()));
    kept
}

/// Starts a runner and kills it in the trial after so many; gives the whole
/// trials that it left.
fn killed(folder: &Path, after: usize) -> Result<String> {
    let mut child = start(folder)?;
    let begun = Instant::now();
    while trials(folder) < after {
        if let Some(status) = child.try_wait().context("waiting for the runner")? {
            bail!("the runner ended ({status}) before {after} trials were there");
        }
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
            bail!("the runner kept no {after} trials within an hour");
        }
        thread::sleep(LOOK);
    }
    thread::sleep(INTO_TRIAL);
    child.kill().context("killing the runner")?;
    let status: ExitStatus = child.wait().context("waiting for the killed runner")?;
    ensure!(
        !status.success(),
        "the runner was done before it was killed: ask for more trials"
    );
    eprintln!("killed with SIGKILL after {} trials", trials(folder));
    // Only whole trials count: what is torn is cut off by whoever goes on.
    let (_, whole) = look(folder)?;
    Ok(csv(&whole))
}

fn trials(folder: &Path) -> usize {
    look(folder).map_or(0, |(_, trials)| trials.measured().count())
}

/// The figures as an uninterrupted runner writes them.
fn csv(trials: &Trials) -> String {
    let lines = trials.rows().iter();
    let lines = lines.map(|row| csv_line(row, trials.responses()));
    std::iter::once(csv_header(trials.responses()))
        .chain(lines)
        .collect()
}

/// Each planned trial is there once, in its order, and the published files are
/// those of the figures alone.
fn compare(folder: &Path, text: &str) -> Result<()> {
    let (plan, trials) = look(folder)?;
    let planned = plan.slots(plan.stopping.blocks_max());
    let measured: Vec<_> = trials.measured().collect();
    ensure!(
        measured.len() == planned.len(),
        "{} trials are there, {} were planned",
        measured.len(),
        planned.len()
    );
    for (row, slot) in measured.iter().zip(&planned) {
        ensure!(
            (row.order, &row.arm) == (slot.order, &slot.arm),
            "trial {} of arm \"{}\" stands where trial {} of arm \"{}\" was planned",
            row.order,
            row.arm,
            slot.order,
            slot.arm
        );
    }
    ensure!(
        csv(&trials) == text,
        "the raw figures are not written as an uninterrupted runner writes them"
    );
    for (name, expected) in published::files(&report(&plan, &trials)?)? {
        let file = folder.join(&name);
        let found =
            fs::read_to_string(&file).with_context(|| format!("reading \"{}\"", file.display()))?;
        ensure!(found == expected, "\"{}\" differs", file.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> impl Iterator<Item = String> {
        text.split(' ').map(str::to_owned)
    }

    #[test]
    fn a_runner_gets_the_flags_of_the_proof_and_goes_on_where_there_is_a_study() {
        let asked = "study gitops --quick --prove-resume 3,7 --trials 2";
        assert_eq!(
            runner(words(asked), false).join(" "),
            "study gitops --quick --trials 2"
        );
        let asked = "study gitops --prove-resume=3 --out x";
        assert_eq!(
            runner(words(asked), true).join(" "),
            "study gitops --out x --resume"
        );
    }

    #[test]
    fn figures_that_were_written_are_written_the_same_again() {
        let folder = crate::workspace::root().join("docs/studies/gitops");
        let (_, trials) = look(&folder).unwrap();
        assert_eq!(csv(&trials), read(&folder).unwrap());
    }
}
