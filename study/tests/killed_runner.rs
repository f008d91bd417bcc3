//! A runner that is killed at any moment, again and again, on figures that were
//! measured: no trial is lost, none is there twice, and the report is, byte for
//! byte, that of a runner nobody killed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should end")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tanso_carbon::study::order::Slot;
use tanso_carbon::study::report::html::html;
use tanso_carbon::study::report::markdown::markdown;
use tanso_carbon::study::stopping::StoppingRule;
use tanso_carbon::study::trial::Trial;
use tanso_carbon::study::{Plan, Trials, report};
use tanso_study::{Folder, TRIALS, look};

const FOLDER: &str = "TANSO_TEST_STUDY";
/// Kills, unless `TANSO_KILLS` says otherwise.
const ROUNDS: u64 = 20;
/// Blocks of the published study that are run again: kills fall into the first
/// half of them, and all of them would take minutes.
const BLOCKS: u32 = 8;
/// Chooses after how much output each kill comes, unless `TANSO_SEED` does.
const SEED: u64 = 0x5eed;

/// A driver that gives each trial what was measured in it in the published study.
struct Recorded {
    plan: Plan,
    trials: Trials,
}

impl Recorded {
    fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/studies/gitops");
        let (mut plan, trials) = look(&folder).unwrap();
        plan.stopping = StoppingRule::Blocks(BLOCKS);
        Self { plan, trials }
    }

    fn trial(&self, slot: &Slot) -> Vec<Trial> {
        let rows = self.trials.rows().iter();
        rows.filter(|row| row.order == slot.order)
            .cloned()
            .collect()
    }

    fn open(&self, path: &Path) -> Folder {
        let responses = self.trials.responses().clone();
        if path.join(TRIALS).exists() {
            Folder::resume(path, responses).unwrap()
        } else {
            Folder::begin(path, &self.plan, responses, &[]).unwrap()
        }
    }

    fn run(&self, path: &Path) {
        let mut folder = self.open(path);
        while let Some(slot) = folder.next() {
            println!("begins {}", slot.order);
            folder.append(&self.trial(&slot)).unwrap();
            println!("kept {}", slot.order);
        }
        println!("done");
    }
}

/// What readers get of a folder, whole.
fn published(path: &Path) -> [String; 4] {
    let (plan, trials) = look(path).unwrap();
    let found = report(&plan, &trials).unwrap();
    [
        fs::read_to_string(path.join(TRIALS)).unwrap(),
        markdown(&found),
        html(&found, &[]),
        serde_json::to_string(&found).unwrap(),
    ]
}

#[test]
#[ignore = "started by the test below in a process of its own, which it kills"]
fn child_runs_until_it_is_killed() {
    if let Some(path) = std::env::var_os(FOLDER) {
        Recorded::read().run(&PathBuf::from(path));
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// Starts a runner and kills it after so many lines of what it says; gives the
/// last trial that it said to have kept.
fn killed_after(path: &Path, lines: usize) -> Option<u32> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_runs_until_it_is_killed"])
        .args(["--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap()).lines();
    // The harness's own lines stand before and behind ours, also on one line.
    let ours = said.map_while(Result::ok).filter(|line| {
        ["begins ", "kept ", "done"]
            .iter()
            .any(|word| line.contains(word))
    });
    let heard: Vec<String> = ours.take(lines).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = heard.iter().rev().find_map(|line| line.split_once("kept "));
    kept.map(|(_, order)| order.parse().unwrap())
}

#[test]
fn a_runner_killed_twenty_times_publishes_what_one_does_that_nobody_killed() {
    let (rounds, mut random) = (
        number("TANSO_KILLS", ROUNDS),
        number("TANSO_SEED", SEED) | 1,
    );
    let recorded = Recorded::read();
    let dir = tempfile::tempdir().unwrap();
    let [whole, killed] = ["whole", "killed"].map(|name| dir.path().join(name));
    recorded.run(&whole);
    let mut kept = 0;
    for _ in 0..rounds {
        // Xorshift: any spread will do, but it must be the same again.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        kept = killed_after(&killed, usize::try_from(random % 4).unwrap()).unwrap_or(kept);
        if killed.join(TRIALS).exists() {
            let there = look(&killed).unwrap().1.measured().count();
            assert!(there >= kept as usize, "{kept} kept, {there} there");
        }
    }
    recorded.run(&killed);
    assert_eq!(published(&killed), published(&whole));
    let arms = recorded.plan.arms.len();
    assert_eq!(
        look(&killed).unwrap().1.measured().count(),
        arms * usize::try_from(BLOCKS).unwrap()
    );
}
