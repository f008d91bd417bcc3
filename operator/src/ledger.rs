//! The energy ledger: every joule once, in its hour, on disk.
//!
//! One thread owns the database; others send it work and wait. What is booked
//! is durable when the call returns (write-ahead log, synchronous FULL), and
//! cursor, rows and audit line of a page are one transaction. Nothing here
//! fetches, judges or talks to a cluster.

pub mod advice;
pub mod append;
pub mod backup;
mod cpu_minutes;
mod day;
pub mod evidence;
pub mod export;
mod homes;
mod ids;
pub mod known_nodes;
pub mod memory;
pub mod names;
mod node_days;
pub mod node_places;
pub mod past_cpu;
pub mod plausible;
pub mod query;
pub mod roll_up;
mod rows;
mod schema;
mod seen_minutes;
pub mod study;
mod total;
pub mod unseen;
pub mod upkeep;
pub mod verify;

use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::{mpsc, oneshot};

use crate::guard::Panicked;

pub use advice::AdviceRow;
pub use append::{Booked, Gap, GapKind, Page};
pub use cpu_minutes::{CpuMinute, CpuMinutes, PodMinutes};
pub use known_nodes::KnownNode;
pub use memory::{MemoryDay, MemoryDays};
pub use names::PodNames;
pub use node_places::{PlaceNumbers, Stay, Stays};
pub use past_cpu::{CpuDay, CpuDays};
pub use query::{Fold, HourRow, LedgerAccount, NodeAt, Scope, Snapshot, Total};
pub use seen_minutes::PartHours;
pub use verify::Verification;

/// Statements that stay prepared: those that every evaluation asks, some of them
/// once for each node.
const STATEMENTS: usize = 64;

/// Calls that may wait for the ledger's thread; more wait at the sender.
const QUEUE: usize = 64;

/// A handle to the ledger; clones share the one thread that owns the file.
#[derive(Clone, Debug)]
pub struct Ledger {
    jobs: mpsc::Sender<Job>,
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Why the ledger could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerFault {
    /// The file cannot be opened or is no ledger.
    #[error(
        "opening ledger \"{path}\": {source}; is another operator using it, and is the folder writable?"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The folder of the file cannot be made.
    #[error("making the folder of ledger \"{path}\": {source}")]
    Folder {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file was written by a later version.
    #[error(
        "ledger has format {found}; this version reads up to {known}: run the version that wrote it"
    )]
    Newer {
        /// The format found.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// No room on the volume. Nothing of the transaction was kept; the same
    /// page can be booked again when there is room.
    #[error(
        "{doing}: the ledger's volume is full; enlarge it or lower the retention (nothing was lost, booking goes on when there is room)"
    )]
    Full {
        /// What was being done.
        doing: &'static str,
    },
    /// The volume refuses writes or reads.
    #[error("{doing}: the ledger's volume fails: {source}; check the disk")]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The file's content is damaged.
    #[error("{doing}: the ledger is damaged: {source}; restore it from a backup")]
    Corrupt {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// Any other refusal of the database.
    #[error("{doing}: {source}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A backup cannot be written or put in place.
    #[error("{doing} \"{path}\": {source}; check the folder's rights and room")]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A backup that does not add up.
    #[error("backup \"{path}\" is no sound ledger: {reason}; take an earlier one")]
    Unsound {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A number that does not fit the ledger.
    #[error("{what} {value} does not fit the ledger (at most {})", i64::MAX)]
    Range {
        /// Which number.
        what: &'static str,
        /// The number.
        value: u128,
    },
    /// More energy than a node can use in an hour. Nothing of the transaction was kept.
    #[error(
        "quarantined: node \"{node}\" would have {energy_uj} uJ in {hours} h from {} s of Unix time on; a node of {} uses at most {most_uj} uJ in it",
        hour * 3_600,
        plausible::NODE_POWER_MAX
    )]
    Implausible {
        /// The node.
        node: String,
        /// The first hour, hours of Unix time.
        hour: i64,
        /// How many hours.
        hours: i64,
        /// What they would have.
        energy_uj: u128,
        /// What is possible.
        most_uj: u128,
    },
    /// More CPU time than a node can have.
    #[error(
        "quarantined: node \"{node}\" would have {cpu_us} us of CPU time in the hour at {} s of Unix time; a node has at most {} CPUs",
        hour * 3_600,
        plausible::CPUS_MAX
    )]
    CpuTime {
        /// The node.
        node: String,
        /// The hour, hours of Unix time.
        hour: i64,
        /// What it would have.
        cpu_us: u128,
    },
    /// Energy of a pod that the cluster placed on another node.
    #[error(
        "quarantined: node \"{node}\" speaks for pod \"{pod_uid}\", which ran on node \"{home}\""
    )]
    ForeignPod {
        /// The node that spoke.
        node: String,
        /// The pod.
        pod_uid: String,
        /// Its node.
        home: String,
    },
    /// More rows than whoever reads them holds in memory.
    #[error("more than {most} rows of energy; take a shorter time")]
    TooMuch {
        /// Most rows that were asked for.
        most: usize,
    },
    /// A row holds what no version of this program writes.
    #[error(
        "ledger table \"{table}\" holds {found}; it was changed by something else: restore it from a backup"
    )]
    Foreign {
        /// The table.
        table: &'static str,
        /// What was found.
        found: String,
    },
    /// A fault of this program ended the work; nothing of its transaction was kept.
    #[error("the ledger's work ended: {0}")]
    Panicked(#[source] Panicked),
    /// The ledger's thread has ended.
    #[error("the ledger is closed")]
    Closed,
}

impl LedgerFault {
    /// Why a page is refused that the ledger could have booked; `None` of faults of
    /// its own.
    #[must_use]
    pub const fn quarantined(&self) -> Option<&'static str> {
        match self {
            Self::Implausible { .. } => Some("power"),
            Self::CpuTime { .. } => Some("cpuTime"),
            Self::ForeignPod { .. } => Some("foreignPod"),
            _ => None,
        }
    }

    /// Wraps a database error by its class.
    pub(crate) fn of(doing: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |source| match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { doing },
            Some(ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
                Self::Disk { doing, source }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { doing, source }
            }
            _ => Self::Database { doing, source },
        }
    }
}

impl Ledger {
    /// Opens (or makes) the ledger and starts its thread, which ends when the
    /// last handle is dropped.
    ///
    /// # Errors
    /// If the file cannot be opened exclusively, is damaged, or was written by
    /// a later version.
    pub fn open(path: &Path) -> Result<Self, LedgerFault> {
        let connection = open_file(path)?;
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || {
                let mut connection = connection;
                while let Some(job) = queue.blocking_recv() {
                    job(&mut connection);
                }
            })
            .map_err(|source| LedgerFault::Folder {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self { jobs })
    }

    /// Runs `work` on the ledger's thread and waits for its result.
    ///
    /// # Errors
    /// What `work` answers, or that the ledger is closed.
    pub async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, LedgerFault> + Send + 'static,
    ) -> Result<T, LedgerFault> {
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // The thread must outlive any one call. A transaction that is
            // unwound is rolled back, so the connection is whole.
            let done = panic::catch_unwind(AssertUnwindSafe(|| work(connection)));
            let done = done.unwrap_or_else(|payload| {
                Err(LedgerFault::Panicked(Panicked::of(payload.as_ref())))
            });
            // Who asked may have gone; the work is done all the same.
            let _ = answer.send(done);
        });
        self.jobs.send(job).await.map_err(|_| LedgerFault::Closed)?;
        result.await.map_err(|_| LedgerFault::Closed)?
    }
}

/// Opens the file with the ledger's rules and brings its format up to date.
///
/// # Errors
/// As [`Ledger::open`].
pub fn open_file(path: &Path) -> Result<Connection, LedgerFault> {
    open_file_on(path, None)
}

/// As [`open_file`], on a file system that the database knows by the name `vfs`: for
/// tests of disks that fail. None is the operating system's own.
///
/// # Errors
/// As [`Ledger::open`].
pub fn open_file_on(path: &Path, vfs: Option<&str>) -> Result<Connection, LedgerFault> {
    if vfs.is_none()
        && let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder).map_err(|source| LedgerFault::Folder {
            path: path.to_owned(),
            source,
        })?;
    }
    let fault = |source| LedgerFault::Open {
        path: path.to_owned(),
        source,
    };
    let mut connection = match vfs {
        None => {
            private(path);
            Connection::open(path)
        }
        Some(vfs) => Connection::open_with_flags_and_vfs(path, OpenFlags::default(), vfs),
    }
    .map_err(fault)?;
    connection
        .busy_timeout(Duration::from_secs(5))
        .map_err(fault)?;
    // Exclusive before the write-ahead log: then there is no shared-memory
    // file, and a second process is refused instead of corrupting anything.
    for (pragma, value) in [
        ("locking_mode", "EXCLUSIVE"),
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("foreign_keys", "ON"),
        ("trusted_schema", "OFF"),
    ] {
        connection
            .pragma_update(None, pragma, value)
            .map_err(fault)?;
    }
    schema::migrate(&mut connection)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Makes a file if there is none, and closes it to everybody but its owner and
/// group: it tells of all namespaces. The database gives its log the same
/// rights. What fails here fails for the database too, which tells it; of a
/// file of another owner only the rights stay as they are.
fn private(path: &Path) {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let mut options = std::fs::OpenOptions::new();
    let new = options.write(true).create_new(true).mode(0o640);
    if new.open(path).is_ok() {
        return;
    }
    let Ok(found) = std::fs::metadata(path) else {
        return;
    };
    let mode = found.permissions().mode();
    if mode & 0o007 != 0 {
        let closed = std::fs::Permissions::from_mode(mode & 0o770);
        if let Err(error) = std::fs::set_permissions(path, closed) {
            tracing::warn!(path = %path.display(), %error, "everybody on this machine may read the ledger");
        }
    }
}

/// A number for the database, which knows no unsigned 64 bits.
fn whole(what: &'static str, value: impl Into<u128>) -> Result<i64, LedgerFault> {
    let value = value.into();
    i64::try_from(value).map_err(|_| LedgerFault::Range { what, value })
}

/// A number from the database that cannot be negative.
fn unsigned(table: &'static str, value: i64) -> Result<u64, LedgerFault> {
    u64::try_from(value).map_err(|_| LedgerFault::Foreign {
        table,
        found: format!("the negative number {value}"),
    })
}

#[cfg(test)]
mod tests;
