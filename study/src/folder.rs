//! A study's folder: plan and raw figures, appended to a trial at a time and on
//! the disk before the next begins. What a kill leaves is cut back to whole
//! trials; a second runner of the same folder is refused.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tanso_carbon::study::order::Slot;
use tanso_carbon::study::plan::PlanError;
use tanso_carbon::study::trial::{Trial, Unit, csv_header, csv_line};
use tanso_carbon::study::{Plan, Trials, checkpoint};
use tanso_carbon::table::TableFaults;

/// The plan's file.
pub const PLAN: &str = "plan.json";
/// The raw figures' file.
pub const TRIALS: &str = "trials.csv";
/// Held by the runner for as long as it lives, however it ends.
const LOCK: &str = "runner.lock";
/// How long a lock is waited for: a process that a runner was just starting when
/// it ended holds what the runner had open until it runs its own program.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderFault {
    /// A file cannot be read.
    #[error("reading {path:?}: {source}; a study is begun without --resume")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("writing {path:?}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There are figures already.
    #[error("{0:?} has trials already; go on with --resume, or name another folder by --out")]
    Begun(PathBuf),
    /// Somebody else runs it.
    #[error("{0:?} is being run by another process; wait for it, or end it first")]
    Busy(PathBuf),
    /// The figures are another plan's.
    #[error("{path:?}: {stranger} is not of its plan; give the plan that it was begun with")]
    Stranger {
        /// The file.
        path: PathBuf,
        /// The first trial that is not planned so.
        stranger: String,
    },
    /// The figures have other columns than this runner writes.
    #[error(
        "{path:?} has other columns than are written now: {columns:?}; it was begun by another version"
    )]
    Columns {
        /// The file.
        path: PathBuf,
        /// The columns that are there.
        columns: Vec<String>,
    },
    /// The plan is broken.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The raw figures are broken.
    #[error(transparent)]
    Table(#[from] TableFaults),
}

/// A study's folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    plan: Plan,
    responses: BTreeMap<String, Unit>,
    trials: Trials,
    /// Let go by the kernel when the process ends.
    _lock: File,
}

impl Folder {
    /// A folder for a new study with these responses, and further files beside
    /// its plan.
    ///
    /// # Errors
    /// If it has trials already, is in use, or cannot be written.
    pub fn begin(
        path: &Path,
        plan: &Plan,
        responses: BTreeMap<String, Unit>,
        beside: &[(&str, &str)],
    ) -> Result<Self, FolderFault> {
        let is_begun = || {
            if path.join(TRIALS).exists() {
                return Err(FolderFault::Begun(path.to_owned()));
            }
            Ok(())
        };
        is_begun()?;
        wrote(path, fs::create_dir_all(path))?;
        let lock = lock(path)?;
        // Whoever held it may have begun one.
        is_begun()?;
        for (name, text) in beside {
            put(&path.join(name), text)?;
        }
        let file = path.join(PLAN);
        let text = serde_json::to_string_pretty(plan).map_err(io::Error::from);
        put(&file, &wrote(&file, text)?)?;
        // Last: from here on there is a study to go on with.
        let header = csv_header(&responses);
        put(&path.join(TRIALS), &header)?;
        Ok(Self {
            path: path.to_owned(),
            plan: plan.clone(),
            trials: Trials::parse(TRIALS, &header)?,
            responses,
            _lock: lock,
        })
    }

    /// The folder of a study that was begun, cut back to whole trials.
    ///
    /// # Errors
    /// If it is in use, holds figures of another plan or with other columns, is
    /// broken, or cannot be read or written.
    pub fn resume(path: &Path, responses: BTreeMap<String, Unit>) -> Result<Self, FolderFault> {
        // A folder that is none is told so, and gets no lock.
        let plan = plan(path)?;
        let lock = lock(path)?;
        let file = path.join(TRIALS);
        // Only now: whoever held the lock may have kept a trial before it ended.
        let kept = checkpoint::read(&file.display().to_string(), &read(&file)?)?;
        if let Some(stranger) = kept.stranger(&planned(&plan)) {
            return Err(FolderFault::Stranger {
                path: file,
                stranger,
            });
        }
        let mut trials = kept.trials;
        if kept.keep_bytes == 0 {
            let header = csv_header(&responses);
            put(&file, &header)?;
            trials = Trials::parse(TRIALS, &header)?;
        } else if trials.responses() != &responses {
            return Err(FolderFault::Columns {
                path: file,
                columns: trials.responses().keys().cloned().collect(),
            });
        } else {
            wrote(&file, cut(&file, kept.keep_bytes as u64))?;
        }
        Ok(Self {
            path: path.to_owned(),
            plan,
            responses,
            trials,
            _lock: lock,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The plan that it was begun with.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What was measured so far.
    #[must_use]
    pub const fn trials(&self) -> &Trials {
        &self.trials
    }

    /// Every trial that may be run, in the order of time.
    #[must_use]
    pub fn planned(&self) -> Vec<Slot> {
        planned(&self.plan)
    }

    /// The trial to run now, as [`Plan::next`] says.
    #[must_use]
    pub fn next(&self) -> Option<Slot> {
        self.plan.next(&self.trials)
    }

    /// Appends a trial, its measured phase last, and puts it on the disk.
    ///
    /// # Errors
    /// If the disk refuses; what of the trial is there then is cut off by
    /// [`Folder::resume`].
    pub fn append(&mut self, rows: &[Trial]) -> Result<(), FolderFault> {
        let line = |row| csv_line(row, &self.responses);
        let lines: String = rows.iter().map(line).collect();
        let file = self.path.join(TRIALS);
        let append = || {
            let mut file = File::options().append(true).open(&file)?;
            file.write_all(lines.as_bytes())?;
            file.sync_all()
        };
        wrote(&file, append())?;
        // What is known is what the file says, to the last digit.
        let more = Trials::parse(TRIALS, &(csv_header(&self.responses) + &lines))?;
        self.trials = std::mem::take(&mut self.trials).joined(more);
        Ok(())
    }
}

/// How far a study's folder is: its plan and the whole trials. Changes nothing.
///
/// # Errors
/// If it cannot be read, or is broken.
pub fn look(path: &Path) -> Result<(Plan, Trials), FolderFault> {
    let file = path.join(TRIALS);
    let kept = checkpoint::read(&file.display().to_string(), &read(&file)?)?;
    Ok((plan(path)?, kept.trials))
}

fn plan(path: &Path) -> Result<Plan, FolderFault> {
    let file = path.join(PLAN);
    Ok(Plan::parse(&file.display().to_string(), &read(&file)?)?)
}

fn planned(plan: &Plan) -> Vec<Slot> {
    plan.slots(plan.stopping.blocks_max())
}

fn read(path: &Path) -> Result<String, FolderFault> {
    fs::read_to_string(path).map_err(|source| FolderFault::Read {
        path: path.to_owned(),
        source,
    })
}

fn wrote<T>(path: &Path, result: io::Result<T>) -> Result<T, FolderFault> {
    result.map_err(|source| FolderFault::Write {
        path: path.to_owned(),
        source,
    })
}

fn lock(path: &Path) -> Result<File, FolderFault> {
    let name = path.join(LOCK);
    let file = wrote(&name, File::create(&name))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_WAIT => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => return Err(FolderFault::Busy(path.to_owned())),
            Err(TryLockError::Error(source)) => {
                return Err(FolderFault::Write { path: name, source });
            }
        }
    }
}

fn cut(path: &Path, bytes: u64) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    file.set_len(bytes)?;
    file.sync_all()
}

/// Writes a file whole: another name first, then the disk, then the name.
fn put(path: &Path, text: &str) -> Result<(), FolderFault> {
    let part = path.with_extension("part");
    let write = || -> io::Result<()> {
        let mut file = File::create(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        path.parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    wrote(path, write())
}

#[cfg(test)]
mod tests;
