//! What must survive a crash: samples, promoted models, jobs.
//!
//! One thread owns the database; others send it work and wait. What a call
//! wrote is durable when it returns (write-ahead log, synchronous FULL), and
//! each call is one transaction. Nothing here learns or serves.

pub mod backup;
pub mod documents;
pub mod given;
pub mod jobs;
pub mod samples;
mod schema;
pub mod types;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use rustix::fs::{FlockOperation, flock};
use tokio::sync::{mpsc, oneshot};

pub use given::Given;

/// The database's file in the store's directory.
pub const FILE: &str = "models.db";

/// Calls that may wait for the store's thread; more wait at the sender.
const QUEUE: usize = 256;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A handle to the store; clones share the thread that owns the file.
#[derive(Clone, Debug)]
pub struct Store {
    jobs: mpsc::Sender<Job>,
}

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// The directory cannot be made or locked.
    #[error("store \"{}\": {source}; is the folder writable?", path.display())]
    Folder {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another server has the directory.
    #[error("store \"{}\" is in use by another model server; let this one follow it with --follow", .0.display())]
    InUse(PathBuf),
    /// The file was written by a later version.
    #[error(
        "store has format {found}; this version reads up to {known}: run the version that wrote it"
    )]
    Newer {
        /// The format found.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// The database refuses.
    #[error("{doing}: {source}; check the store's volume")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A row holds what no version of this program writes.
    #[error("store table \"{table}\" holds {found}; restore it from a backup")]
    Foreign {
        /// The table.
        table: &'static str,
        /// What was found.
        found: String,
    },
    /// The thread has ended.
    #[error("the store is closed")]
    Closed,
}

impl StoreFault {
    /// Wraps a database error with what was being done.
    pub(crate) fn of(doing: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |source| Self::Database { doing, source }
    }

    /// A row that cannot be read.
    pub(crate) fn foreign(table: &'static str, found: impl std::fmt::Display) -> Self {
        Self::Foreign {
            table,
            found: found.to_string(),
        }
    }
}

impl Store {
    /// Opens (or makes) the store in a directory, or one in memory that ends
    /// with the process.
    ///
    /// # Errors
    /// If the directory cannot be had for this server alone, or the file is
    /// damaged or of a later version.
    pub fn open(directory: Option<&Path>) -> Result<Self, StoreFault> {
        let lock = directory.map(take).transpose()?;
        let mut connection = match directory {
            Some(directory) => Connection::open(directory.join(FILE)),
            None => Connection::open_in_memory(),
        }
        .map_err(StoreFault::of("opening the store"))?;
        set_up(&mut connection)?;
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                let _lock = lock;
                while let Some(job) = queue.blocking_recv() {
                    job(&mut connection);
                }
            })
            .map_err(|source| StoreFault::Folder {
                path: directory.unwrap_or(Path::new("")).to_owned(),
                source,
            })?;
        Ok(Self { jobs })
    }

    /// Runs `work` as one transaction on the store's thread and waits.
    ///
    /// # Errors
    /// What `work` answers, then nothing of it was kept, or that the store is
    /// closed.
    pub async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<T, StoreFault> {
        let (answer, result) = oneshot::channel();
        self.jobs
            .send(boxed(work, answer))
            .await
            .map_err(|_| StoreFault::Closed)?;
        result.await.map_err(|_| StoreFault::Closed)?
    }

    /// The same for a thread that may wait.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub fn call_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<T, StoreFault> {
        let (answer, result) = oneshot::channel();
        self.jobs
            .blocking_send(boxed(work, answer))
            .map_err(|_| StoreFault::Closed)?;
        result.blocking_recv().map_err(|_| StoreFault::Closed)?
    }

    /// Hands work over without waiting; `false` if too much waits already.
    pub fn later(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<(), StoreFault> + Send + 'static,
    ) -> bool {
        let (answer, _) = oneshot::channel();
        self.jobs.try_send(boxed(work, answer)).is_ok()
    }
}

fn boxed<T: Send + 'static>(
    work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreFault> + Send + 'static,
    answer: oneshot::Sender<Result<T, StoreFault>>,
) -> Job {
    Box::new(move |connection| {
        // Who asked may have gone; the work is done all the same.
        let _ = answer.send(transact(connection, work));
    })
}

fn transact<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreFault>,
) -> Result<T, StoreFault> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(StoreFault::of("beginning a transaction"))?;
    let result = work(&transaction)?;
    transaction
        .commit()
        .map_err(StoreFault::of("writing the store"))?;
    Ok(result)
}

/// Makes the directory and takes its lock, which ends with the process.
fn take(directory: &Path) -> Result<File, StoreFault> {
    let fault = |source| StoreFault::Folder {
        path: directory.to_owned(),
        source,
    };
    std::fs::create_dir_all(directory).map_err(fault)?;
    let lock = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join("lock"))
        .map_err(fault)?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(busy) if busy == rustix::io::Errno::WOULDBLOCK => {
            Err(StoreFault::InUse(directory.to_owned()))
        }
        Err(other) => Err(fault(other.into())),
    }
}

fn set_up(connection: &mut Connection) -> Result<(), StoreFault> {
    let fault = StoreFault::of("opening the store");
    connection
        .busy_timeout(Duration::from_secs(5))
        .map_err(&fault)?;
    for (pragma, value) in [
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("foreign_keys", "ON"),
        ("trusted_schema", "OFF"),
        // What is deleted leaves room that is used again.
        ("auto_vacuum", "NONE"),
    ] {
        connection
            .pragma_update(None, pragma, value)
            .map_err(&fault)?;
    }
    schema::migrate(connection)
}

/// A count for people and JSON.
pub(crate) fn unsigned(table: &'static str, value: i64) -> Result<u64, StoreFault> {
    u64::try_from(value).map_err(|_| StoreFault::foreign(table, value))
}

#[cfg(test)]
mod tests;
