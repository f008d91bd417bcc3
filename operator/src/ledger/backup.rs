//! Copies of the ledger: made while it is used, put back while it is not.
//!
//! A copy is whole or not there: it gets its name only once it is on the disk
//! and adds up. Where copies go from there is not decided here.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;

use super::{LedgerFault, open_file, private, verify};

/// Begin and end of a backup's file name; in between is its time.
const NAME: (&str, &str) = ("ledger-", ".db");

/// End of the name of one that is not whole yet.
const PARTIAL: &str = ".partial";

/// How that time is written, UTC.
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// A copy that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// Its file.
    pub path: PathBuf,
    /// The last booking within it.
    pub revision: i64,
    /// Its size, bytes.
    pub bytes: u64,
}

/// A copy that is written and neither checked nor named yet.
#[derive(Debug)]
pub struct Copied {
    folder: PathBuf,
    partial: PathBuf,
    path: PathBuf,
}

/// Writes a copy of everything booked so far into `folder` and removes all but
/// the newest `keep`; [`write`] and [`Copied::finish`] in one.
///
/// # Errors
/// If the folder cannot be written, or the copy does not add up; then there is
/// no new copy, and no old one was removed.
pub fn backup(
    connection: &Connection,
    folder: &Path,
    keep: usize,
    now: Timestamp,
) -> Result<Backup, LedgerFault> {
    write(connection, folder, now)?.finish(keep)
}

/// Writes a copy of everything booked so far into `folder`. The ledger waits
/// meanwhile, and for nothing after it: what follows needs the copy alone.
///
/// # Errors
/// If the folder cannot be written; then nothing is left in it.
pub fn write(
    connection: &Connection,
    folder: &Path,
    now: Timestamp,
) -> Result<Copied, LedgerFault> {
    fs::create_dir_all(folder).map_err(of("making folder", folder))?;
    let time = now.strftime(TIME);
    let path = folder.join(format!("{}{time}{}", NAME.0, NAME.1));
    let partial = folder.join(format!("{}{time}{PARTIAL}", NAME.0));
    // What earlier tries left: each is as large as a backup, and no two have
    // the same name.
    for left in files(folder, PARTIAL)? {
        remove_if_there(&left)?;
    }
    private(&partial);
    connection
        .execute("VACUUM INTO ?1", [partial.to_string_lossy()])
        .map_err(|fault| {
            // The room may be the ledger's own.
            discard(&partial);
            LedgerFault::of("writing a backup")(fault)
        })?;
    Ok(Copied {
        folder: folder.to_owned(),
        partial,
        path,
    })
}

impl Copied {
    /// Checks the copy, flushes it, gives it its name and removes all backups
    /// but the newest `keep`.
    ///
    /// # Errors
    /// If it does not add up or a file cannot be written; then it is gone, and
    /// no old one was removed.
    pub fn finish(self, keep: usize) -> Result<Backup, LedgerFault> {
        let named = self.name();
        if named.is_err() {
            discard(&self.partial);
        }
        let (revision, bytes) = named?;
        for old in backups(&self.folder)?.iter().rev().skip(keep.max(1)) {
            fs::remove_file(old).map_err(of("removing old backup", old))?;
        }
        Ok(Backup {
            path: self.path,
            revision,
            bytes,
        })
    }

    /// Gives a sound copy its name; returns its last booking and its size.
    fn name(&self) -> Result<(i64, u64), LedgerFault> {
        let Self {
            folder,
            partial,
            path,
        } = self;
        let revision = sound(partial)?;
        let file = File::open(partial).map_err(of("opening", partial))?;
        file.sync_all().map_err(of("flushing", partial))?;
        let bytes = file.metadata().map_err(of("reading", partial))?.len();
        fs::rename(partial, path).map_err(of("naming", path))?;
        flush_folder(folder)?;
        Ok((revision, bytes))
    }
}

/// Removes what is of no use; should it stay, the next backup removes it.
fn discard(partial: &Path) {
    if let Err(error) = remove_if_there(partial) {
        tracing::warn!(%error, "what a backup left cannot be removed");
    }
}

/// The backups of a folder, oldest first.
///
/// # Errors
/// If the folder cannot be read.
pub fn backups(folder: &Path) -> Result<Vec<PathBuf>, LedgerFault> {
    files(folder, NAME.1)
}

/// The files of backups whose names end so, by their times.
fn files(folder: &Path, end: &str) -> Result<Vec<PathBuf>, LedgerFault> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(of("reading folder", folder)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(of("reading folder", folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(NAME.0) && name.ends_with(end) {
            found.push(entry.path());
        }
    }
    // Their names hold their times.
    found.sort();
    Ok(found)
}

/// When a backup was made, told from its name.
#[must_use]
pub fn time_of(path: &Path) -> Option<Timestamp> {
    let name = path.file_name()?.to_str()?;
    let time = name.strip_prefix(NAME.0)?.strip_suffix(NAME.1)?;
    let time = jiff::civil::DateTime::strptime(TIME, time).ok()?;
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(time.timestamp())
}

/// Puts a backup in the place of the ledger at `ledger`; what was there stays
/// beside it as `….replaced`, with its log if that could not be folded in. What agents still have of the time since is
/// booked again by their cursors, once.
///
/// # Errors
/// If the backup does not add up, an operator uses the ledger, or a file cannot
/// be written; then the ledger is as it was.
pub fn restore(from: &Path, ledger: &Path) -> Result<i64, LedgerFault> {
    let revision = sound(from)?;
    let named = |ending: &str| {
        let mut name = ledger.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let (copy, replaced, log) = (named(".restoring"), named(".replaced"), named("-wal"));
    // The name under which the database looks for the log of `….replaced`.
    let replaced_log = named(".replaced-wal");
    if ledger.exists() {
        // The database removes the log of a file that it cannot read.
        let log_before = log.exists().then(|| named(".restoring-wal"));
        if let Some(before) = &log_before {
            remove_if_there(before)?;
            fs::hard_link(&log, before).map_err(of("keeping", before))?;
        }
        // Refused while another process holds it; else its log is folded in.
        let opened = open_file(ledger).map(drop);
        match (opened, log_before) {
            // A damaged one is what a backup is for, and so is one that a later
            // version has changed: the way back after an upgrade.
            (Err(fault), before)
                if is_damage(&fault) || matches!(fault, LedgerFault::Newer { .. }) =>
            {
                remove_if_there(&replaced_log)?;
                if let Some(before) = before {
                    fs::rename(&before, &replaced_log).map_err(of("keeping", &replaced_log))?;
                }
            }
            (opened, before) => {
                before.as_deref().map_or(Ok(()), remove_if_there)?;
                opened?;
                remove_if_there(&replaced_log)?;
            }
        }
    } else if let Some(folder) = ledger.parent() {
        fs::create_dir_all(folder).map_err(of("making folder", folder))?;
    }
    fs::copy(from, &copy).map_err(of("copying to", &copy))?;
    let file = File::open(&copy).map_err(of("opening", &copy))?;
    file.sync_all().map_err(of("flushing", &copy))?;
    sound(&copy)?;
    if ledger.exists() {
        remove_if_there(&replaced)?;
        fs::hard_link(ledger, &replaced).map_err(of("keeping", &replaced))?;
    }
    // The log of a damaged file must not be applied to the copy.
    remove_if_there(&log)?;
    fs::rename(&copy, ledger).map_err(of("replacing", ledger))?;
    if let Some(folder) = ledger.parent() {
        flush_folder(folder)?;
    }
    Ok(revision)
}

/// Checks that a file is a ledger that adds up; returns its last booking. It is
/// opened for reading only.
///
/// # Errors
/// If it is none, or does not add up.
pub fn sound(path: &Path) -> Result<i64, LedgerFault> {
    let unsound = |reason: String| LedgerFault::Unsound {
        path: path.to_owned(),
        reason,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        Connection::open_with_flags(path, flags).map_err(|fault| unsound(fault.to_string()))?;
    let found = verify::verify(&mut connection).map_err(|fault| unsound(fault.to_string()))?;
    if !found.sound {
        return Err(unsound(format!(
            "bookings sum to {} uJ, rows to {} uJ, and the file's own check says \"{}\"",
            found.bookings_microjoules,
            found.rows_microjoules,
            found.integrity.join("; ")
        )));
    }
    Ok(found.revision)
}

fn is_damage(fault: &LedgerFault) -> bool {
    match fault {
        LedgerFault::Corrupt { .. } | LedgerFault::Foreign { .. } => true,
        LedgerFault::Open { source, .. } => matches!(
            source.sqlite_error_code(),
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
        ),
        _ => false,
    }
}

fn of<'a>(doing: &'static str, path: &'a Path) -> impl Fn(io::Error) -> LedgerFault + 'a {
    move |source| LedgerFault::File {
        doing,
        path: path.to_owned(),
        source,
    }
}

fn remove_if_there(path: &Path) -> Result<(), LedgerFault> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(of("removing", path)(error)),
        _ => Ok(()),
    }
}

fn flush_folder(folder: &Path) -> Result<(), LedgerFault> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(of("flushing folder", folder))
}

#[cfg(test)]
mod tests;
