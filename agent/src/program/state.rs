//! The place of the agent's state: one process at a time has it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, flock};
use tanso_agent_wire::energy::JournalId;

use super::RunFault;

/// The first of `choices` that can be made and locked, and the lock.
pub(super) fn state_dir(choices: &[PathBuf]) -> Result<(PathBuf, File), RunFault> {
    let mut fault = RunFault::StateDir {
        path: PathBuf::new(),
        source: io::ErrorKind::NotFound.into(),
    };
    for path in choices {
        match take(path) {
            Ok(Some(lock)) => return Ok((path.clone(), lock)),
            Ok(None) => return Err(RunFault::InUse(path.clone())),
            Err(source) => {
                fault = RunFault::StateDir {
                    path: path.clone(),
                    source,
                }
            }
        }
    }
    Err(fault)
}

/// Makes and locks a directory; `None` if another process has it.
fn take(path: &Path) -> io::Result<Option<File>> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)?;
    let lock = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path.join("lock"))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(lock)),
        Err(fault) if fault == rustix::io::Errno::WOULDBLOCK => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

/// A name that no journal of this node had before.
pub(super) fn new_journal_id() -> JournalId {
    use std::hash::{BuildHasher as _, RandomState};
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    // Keyed by the system's random numbers.
    JournalId(RandomState::new().hash_one((since.as_nanos(), std::process::id())))
}
