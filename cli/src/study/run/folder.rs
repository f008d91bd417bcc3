//! Where a study of one's own is kept: plan and raw figures, appended to a
//! trial at a time and on the disk before the next begins.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tanso_carbon::study::order::Slot;
use tanso_carbon::study::trial::{Trial, Unit, csv_header, csv_line};
use tanso_carbon::study::{Plan, Trials, checkpoint, report};

use super::at;
use crate::study::StudyFault;

const PLAN: &str = "plan.json";
const TRIALS: &str = "trials.csv";

/// A study's folder.
#[derive(Debug)]
pub(in crate::study) struct Folder {
    path: PathBuf,
    responses: BTreeMap<String, Unit>,
    trials: Trials,
}

impl Folder {
    /// Begins a folder, or goes on with one that has the same plan.
    pub(super) fn open(
        path: &Path,
        plan: &Plan,
        responses: BTreeMap<String, Unit>,
        resume: bool,
    ) -> Result<Self, StudyFault> {
        let mut this = Self {
            path: path.to_owned(),
            responses,
            trials: Trials::default(),
        };
        if this.trials_file().exists() {
            if !resume {
                return Err(StudyFault::Begun(path.to_owned()));
            }
            this.go_on(plan)?;
        } else {
            write(path, || fs::create_dir_all(path))?;
            let text = serde_json::to_string_pretty(plan).map_err(std::io::Error::from);
            let file = this.plan_file();
            write(&file, || put(&file, &text?))?;
            // Last: from here on there is a study to go on with.
            let file = this.trials_file();
            write(&file, || put(&file, &csv_header(&this.responses)))?;
        }
        Ok(this)
    }

    /// Cuts the figures back to whole trials, and reads them.
    fn go_on(&mut self, plan: &Plan) -> Result<(), StudyFault> {
        let (name, text) = (self.plan_file(), crate::study::read(&self.plan_file())?);
        let mut begun = Plan::parse(&name.display().to_string(), &text)?;
        begun.stated = plan.stated;
        if begun != *plan {
            return Err(StudyFault::OtherPlan(self.path.clone()));
        }
        let name = self.trials_file();
        let kept = checkpoint::read(&name.display().to_string(), &crate::study::read(&name)?)?;
        if kept
            .stranger(&plan.slots(super::blocks_max(plan.stopping)))
            .is_some()
        {
            return Err(StudyFault::OtherPlan(self.path.clone()));
        }
        write(&name, || {
            if kept.keep_bytes == 0 {
                return put(&name, &csv_header(&self.responses));
            }
            let file = File::options().write(true).open(&name)?;
            file.set_len(kept.keep_bytes as u64)?;
            file.sync_all()
        })?;
        self.trials = kept.trials;
        Ok(())
    }

    pub(in crate::study) fn plan_file(&self) -> PathBuf {
        at(&self.path, PLAN)
    }

    pub(in crate::study) fn trials_file(&self) -> PathBuf {
        at(&self.path, TRIALS)
    }

    pub(super) const fn trials(&self) -> &Trials {
        &self.trials
    }

    /// The planned trials that are not there yet.
    pub(super) fn rest(&self, planned: &[Slot]) -> Result<Vec<Slot>, StudyFault> {
        let name = self.trials_file();
        let kept = checkpoint::read(&name.display().to_string(), &crate::study::read(&name)?)?;
        Ok(kept.rest(planned))
    }

    /// Whether the plan's rule says that no more trials are needed. It is asked
    /// between blocks only: half a block says nothing.
    pub(super) fn is_enough(&self, plan: &Plan) -> bool {
        let done = self.trials.measured().count();
        done.is_multiple_of(plan.arms.len().max(1))
            && report(plan, &self.trials).is_ok_and(|report| report.decision.is_stop())
    }

    /// Appends a trial, its measured phase last, and puts it on the disk.
    pub(super) fn append(&mut self, rows: Vec<Trial>) -> Result<(), StudyFault> {
        let line = |row| csv_line(row, &self.responses);
        let lines: String = rows.iter().map(line).collect();
        let name = self.trials_file();
        write(&name, || {
            let mut file = File::options().append(true).open(&name)?;
            file.write_all(lines.as_bytes())?;
            file.sync_all()
        })?;
        let known = self.trials.rows().iter().cloned();
        self.trials = Trials::new(known.chain(rows).collect());
        Ok(())
    }
}

/// How far a study's folder is: its plan and what was measured.
pub(in crate::study) fn look(path: &Path) -> Result<(Plan, Trials), StudyFault> {
    let (plan, trials) = (at(path, PLAN), at(path, TRIALS));
    let plan = Plan::parse(&plan.display().to_string(), &crate::study::read(&plan)?)?;
    let text = crate::study::read(&trials)?;
    let kept = checkpoint::read(&trials.display().to_string(), &text)?;
    Ok((plan, kept.trials))
}

fn put(path: &Path, text: &str) -> std::io::Result<()> {
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&part, path)
}

fn write(path: &Path, act: impl FnOnce() -> std::io::Result<()>) -> Result<(), StudyFault> {
    act().map_err(|source| StudyFault::Write {
        path: path.to_owned(),
        source,
    })
}
