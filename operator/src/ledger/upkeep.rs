//! What the ledger needs from time to time: old rows rolled up, and a backup.
//!
//! A failure is told and tried again; nothing else waits for it.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use tanso_runtime::Shutdown;
use tokio::time::sleep;

use super::roll_up::{Retention, RolledUp, roll_up};
use super::{Ledger, LedgerFault, advice, backup, evidence};
use crate::guard::Panicked;

/// Time between two looks at what is due.
const LOOK_EVERY: Duration = Duration::from_hours(1);

/// Where backups go, how often, and how many stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backups {
    /// The folder.
    pub folder: PathBuf,
    /// Time between two.
    pub every: Duration,
    /// The newest so many stay.
    pub keep: usize,
}

/// Rolls up and backs up until the shutdown begins.
pub async fn run(ledger: Ledger, backups: Option<Backups>, shutdown: Shutdown) {
    loop {
        let done = ledger
            .call(|connection| keep_small(connection, Timestamp::now()))
            .await;
        match done {
            Ok(done) if done != RolledUp::default() => {
                tracing::info!(
                    hours = done.hours,
                    days = done.days,
                    bookings = done.bookings,
                    pods = done.pods,
                    "rolled up the ledger"
                );
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "rolling up the ledger failed; trying again in an hour");
            }
        }
        if let Some(backups) = &backups {
            match back_up(&ledger, backups, Timestamp::now()).await {
                Ok(Some(made)) => tracing::info!(
                    path = %made.path.display(),
                    revision = made.revision,
                    bytes = made.bytes,
                    "backed up the ledger"
                ),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, "backing up the ledger failed; trying again in an hour");
                }
            }
        }
        tokio::select! {
            () = shutdown.begun() => return,
            () = sleep(LOOK_EVERY) => {}
        }
    }
}

/// Rolls up what is old by the clock and by the newest minute that was booked: a
/// clock that jumps ahead must not give resolution away, which no clock brings
/// back. What is left of policies that are gone goes by the same time.
///
/// # Errors
/// If the database refuses; then nothing was changed.
pub fn keep_small(connection: &mut Connection, now: Timestamp) -> Result<RolledUp, LedgerFault> {
    let seen = no_later_than_booked(connection, now);
    let Some(now) = seen.map_err(LedgerFault::of("rolling up old rows"))? else {
        return Ok(RolledUp::default());
    };
    evidence::forget_gone(connection, now)?;
    advice::forget_old(connection, now)?;
    roll_up(connection, Retention::default(), now)
}

/// The time by which anything is old: the clock's, and never after the newest
/// minute that was booked. `None` before the first: then nothing is.
pub(super) fn no_later_than_booked(
    connection: &Connection,
    now: Timestamp,
) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT max(closed_until) FROM cursors";
    let newest: Option<i64> = connection.query_row(sql, [], |row| row.get(0))?;
    let newest = newest.and_then(|at| Timestamp::from_second(at).ok());
    Ok(newest.map(|newest| now.min(newest)))
}

/// Makes a backup if one is due by the age of the newest; what was made while the
/// clock was ahead counts from when that time has come.
///
/// # Errors
/// If the folder or the ledger refuses.
pub async fn back_up(
    ledger: &Ledger,
    backups: &Backups,
    now: Timestamp,
) -> Result<Option<backup::Backup>, LedgerFault> {
    let Backups {
        folder,
        every,
        keep,
    } = backups.clone();
    let written = ledger
        .call(move |connection| {
            let all = backup::backups(&folder)?;
            let times = all.iter().filter_map(|path| backup::time_of(path));
            let newest = times.filter(|at| *at <= now).max();
            if newest.is_some_and(|at| now.duration_since(at).unsigned_abs() < every) {
                return Ok(None);
            }
            backup::write(connection, &folder, now).map(Some)
        })
        .await?;
    let Some(copied) = written else {
        return Ok(None);
    };
    // Reads the whole copy: nothing that books or asks waits for that.
    let finished = tokio::task::spawn_blocking(move || copied.finish(keep)).await;
    match finished.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(made) => made.map(Some),
        Err(Ok(payload)) => Err(LedgerFault::Panicked(Panicked::of(payload.as_ref()))),
        Err(Err(_)) => Err(LedgerFault::Closed),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A ledger, and one backup a day of which the newest are kept.
    fn daily(folder: &Path, keep: usize) -> (Ledger, Backups) {
        let ledger = Ledger::open(&folder.join("ledger.db")).unwrap();
        let backups = Backups {
            folder: folder.join("backups"),
            every: Duration::from_hours(24),
            keep,
        };
        (ledger, backups)
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + hours * 3_600).unwrap()
    }

    #[tokio::test]
    async fn a_backup_is_made_when_the_newest_is_too_old_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let (ledger, backups) = daily(folder.path(), 2);
        let mut made = Vec::new();
        for hours in [0, 1, 23, 25, 40, 50] {
            let backup = back_up(&ledger, &backups, at(hours)).await.unwrap();
            made.push((hours, backup.is_some()));
        }
        let expected = [
            (0, true),
            (1, false),
            (23, false),
            (25, true),
            (40, false),
            (50, true),
        ];
        assert_eq!(made, expected);
        assert_eq!(backup::backups(&backups.folder).unwrap().len(), 2);
    }

    /// An hour of a clock that is a year ahead, then the right time again.
    #[tokio::test]
    async fn a_clock_that_jumps_ahead_and_back_makes_a_backup_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let (ledger, backups) = daily(folder.path(), 4);
        let year = 24 * 365;
        let mut made = Vec::new();
        for hours in [0, year, year + 1, 2, 3, 12, 23, 25, 26, 49] {
            if back_up(&ledger, &backups, at(hours))
                .await
                .unwrap()
                .is_some()
            {
                made.push(hours);
            }
        }
        assert_eq!(made, [0, year, 25, 49]);
    }
}
