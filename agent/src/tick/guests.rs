//! Virtual machines inside pods, as `KubeVirt` runs them.
//!
//! Such a machine is its pod's container `compute`, and stays it: nothing is
//! charged anew. Here it is found which machine a container is, so that it is
//! shown as one too. Only containers that their pods' names tell to be
//! launchers are looked into; of a process its command line is read, which the
//! kernel shows to everybody, and nothing else.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tanso_agent_wire::energy::Account;

use super::Cycle;
use crate::books::{AccountBook, Books};
use crate::workloads::{Guest, guest, is_launcher};

/// How often launchers whose machine is not known are looked into: it starts
/// some seconds after its container.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Groups and processes of one container that are looked at, at most.
const GROUPS_MAX: usize = 64;
const PROCESSES_MAX: usize = 256;
/// Of a command line so much is read: QEMU's is some kilobytes long.
const LINE_MAX: u64 = 64 << 10;

/// The machines that are known, by their containers' accounts.
#[derive(Debug, Default)]
pub(super) struct Guests {
    known: HashMap<Account, Guest>,
    /// Time until the next look.
    pause: Duration,
}

impl Guests {
    /// The machine that an account is.
    pub(super) fn of(&self, account: &Account) -> Option<&Guest> {
        self.known.get(account)
    }

    /// Forgets machines whose accounts are no longer listed.
    pub(super) fn keep(&mut self, books: &Books) {
        if !self.known.is_empty() {
            let listed = |account: &Account| books.accounts.iter().any(|b| b.account == *account);
            self.known.retain(|account, _| listed(account));
        }
    }
}

impl Cycle {
    /// Looks for the machines of launchers, now and then.
    pub(super) fn look_for_guests(&mut self, elapsed: Duration) {
        self.guests.pause = self.guests.pause.saturating_sub(elapsed);
        if !self.guests.pause.is_zero() {
            return;
        }
        self.guests.pause = LOOK_EVERY;
        let Some(index) = &self.index else {
            return;
        };
        let known = &mut self.guests.known;
        for book in &self.state.books.accounts {
            let Some(path) = launchers_path(book) else {
                continue;
            };
            if known.contains_key(&book.account) {
                continue;
            }
            let group = index.root().join(path.trim_start_matches('/'));
            if let Some(guest) = find(group, &self.parts.roots.proc) {
                known.insert(book.account.clone(), guest);
            }
        }
    }
}

/// The group of a container that runs a machine, while it is there.
fn launchers_path(book: &AccountBook) -> Option<&str> {
    let pod = book.names.pod.as_deref()?;
    let container = book.names.container.as_deref()?;
    let is_one = book.ended_ms.is_none() && is_launcher(pod, container);
    book.path.as_deref().filter(|_| is_one)
}

/// The machine among the processes of a group and of those below it.
fn find(group: PathBuf, proc: &Path) -> Option<Guest> {
    let mut groups = vec![group];
    let (mut seen, mut processes) = (0, 0);
    while let Some(group) = groups.pop() {
        seen += 1;
        // Of a group of threads the kernel lists no processes: those are in
        // the group above.
        let listed = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        for pid in listed.lines().filter_map(|line| line.parse::<u32>().ok()) {
            processes += 1;
            if processes > PROCESSES_MAX {
                return None;
            }
            let mut line = Vec::new();
            let file = File::open(proc.join(pid.to_string()).join("cmdline"));
            // One that has ended meanwhile is none.
            let read = file.and_then(|file| file.take(LINE_MAX).read_to_end(&mut line));
            if let (Ok(_), Some(found)) = (read, guest(&line)) {
                return Some(found);
            }
        }
        for entry in fs::read_dir(&group).into_iter().flatten().flatten() {
            let is_group = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_group && seen + groups.len() < GROUPS_MAX {
                groups.push(entry.path());
            }
        }
    }
    None
}
