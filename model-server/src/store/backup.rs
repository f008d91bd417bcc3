//! Backup of a store, and reading it, also of one that is in use.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{FILE, StoreFault};

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupFault {
    /// The target is there already.
    #[error("backup \"{}\" exists; name a new file", .0.display())]
    Exists(PathBuf),
    /// There is no store to back up.
    #[error("store \"{}\" has no file \"{FILE}\"", .0.display())]
    Missing(PathBuf),
    /// The copy is damaged.
    #[error("backup \"{}\" failed its check: {found}", path.display())]
    Damaged {
        /// The copy.
        path: PathBuf,
        /// What the check said.
        found: String,
    },
    /// The database refuses.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// Opens the store in `directory` for reading, also while a server uses it.
///
/// # Errors
/// If there is no store, or the database refuses.
pub fn read_only(directory: &Path) -> Result<Connection, BackupFault> {
    let file = directory.join(FILE);
    if !file.exists() {
        return Err(BackupFault::Missing(directory.to_owned()));
    }
    let fault = StoreFault::of("opening the store");
    let connection =
        Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(&fault)?;
    connection
        .busy_timeout(std::time::Duration::from_secs(30))
        .map_err(&fault)?;
    Ok(connection)
}

/// Writes a consistent copy of the store in `directory` to the new file `to`
/// and checks it; returns its size in bytes. A server may be writing
/// meanwhile: the copy is of one moment.
///
/// # Errors
/// If there is no store, `to` exists, or the copy fails its check.
pub fn backup(directory: &Path, to: &Path) -> Result<u64, BackupFault> {
    let file = directory.join(FILE);
    if to.exists() {
        return Err(BackupFault::Exists(to.to_owned()));
    }
    if !file.exists() {
        return Err(BackupFault::Missing(directory.to_owned()));
    }
    let fault = StoreFault::of("writing the backup");
    let source =
        Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(&fault)?;
    source
        .busy_timeout(std::time::Duration::from_secs(30))
        .map_err(&fault)?;
    source
        .execute("VACUUM INTO ?", [to.to_string_lossy()])
        .map_err(&fault)?;
    let copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(&fault)?;
    let found: String = copy
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .map_err(&fault)?;
    if found == "ok" {
        Ok(std::fs::metadata(to).map_or(0, |data| data.len()))
    } else {
        Err(BackupFault::Damaged {
            path: to.to_owned(),
            found,
        })
    }
}
