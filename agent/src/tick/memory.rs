//! The memory of containers: looked at now and then, a pod at a time.
//!
//! All containers of a pod are looked at together: their sum is of what was
//! held at once, so none is missing in it, however long a turn over all pods
//! takes, and one that was started again is not there twice. Pods take turns,
//! so that each is looked at a few times a minute and no interval pays for all
//! of them; on a node with very many they wait longer for their turn rather
//! than cost more, and a minute in which a pod had none has no figure of it.

mod kept;

use std::collections::HashMap;
use std::time::Duration;

use tanso_agent_wire::energy::Account;

use kept::Kept;

use super::Cycle;
use crate::books::{AccountBook, Books};
use crate::clock::thread_cpu;
use crate::host::cgroup::MemoryFiles;

/// How often each pod is looked at, where time suffices.
const ROUND: Duration = Duration::from_secs(15);
/// The part of one processor that it may take, one in so many.
const COST_PART: u32 = 8_000;

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct MemoryTurns {
    next: usize,
    /// The places of each pod's containers, and of how many accounts they are.
    pods: Vec<Vec<usize>>,
    grouped: Option<usize>,
    held: Vec<Option<u64>>,
    buffer: Vec<u8>,
    kept: Kept,
}

impl MemoryTurns {
    /// Places of accounts have changed.
    pub(super) fn forget(&mut self) {
        self.grouped = None;
        self.kept.clear();
    }

    /// Finds out again who is of which pod, if there are other accounts now.
    fn regroup(&mut self, accounts: &[AccountBook]) {
        if self.grouped == Some(accounts.len()) {
            return;
        }
        self.grouped = Some(accounts.len());
        self.pods.clear();
        let mut groups: HashMap<&str, usize> = HashMap::new();
        for (place, book) in accounts.iter().enumerate() {
            let group: &str = match &book.account {
                Account::Container { pod_uid, .. } => pod_uid,
                Account::Standalone { container_id } => container_id,
                _ => continue,
            };
            let group = *groups.entry(group).or_insert(self.pods.len());
            match self.pods.get_mut(group) {
                Some(places) => places.push(place),
                None => self.pods.push(vec![place]),
            }
        }
    }

    /// Looks at all containers of the pod whose turn it is.
    fn look(&mut self, files: &MemoryFiles, books: &mut Books) {
        let turn = self.next % self.pods.len().max(1);
        self.next = turn + 1;
        let Some(places) = self.pods.get(turn) else {
            return;
        };
        let paths = places.iter().map(|&place| {
            let book = books.accounts.get(place)?;
            book.path.as_deref().filter(|_| book.ended_ms.is_none())
        });
        self.held.clear();
        for (path, &place) in paths.clone().zip(places) {
            let Some(path) = path else {
                self.kept.close(place);
                self.held.push(None);
                continue;
            };
            self.held.push(self.kept.charged(files, place, path));
        }
        // No working set is larger than what is charged: mostly this tells
        // already that the minute's peak stands.
        if !books.memory_would_rise(places, &self.held) {
            return;
        }
        for (path, held) in paths.zip(&mut self.held) {
            if let (Some(path), Some(charged)) = (path, *held) {
                let inactive = files.inactive(path, &mut self.buffer);
                *held = inactive.map(|inactive| charged.saturating_sub(inactive));
            }
        }
        books.note_memory(places, &self.held);
    }
}

impl Cycle {
    /// Looks at the memory of those whose turn it is.
    pub(super) fn look_at_memory(&mut self, elapsed: Duration) {
        let Some(files) = &self.parts.memory else {
            return;
        };
        let (begin, budget) = (thread_cpu(), elapsed / COST_PART);
        let (turns, books) = (&mut self.memory_turns, &mut self.state.books);
        turns.regroup(&books.accounts);
        for turn in 0..due(turns.pods.len(), elapsed) {
            // The first is looked at in any case, so that all have their turn.
            if turn > 0 && thread_cpu().saturating_sub(begin) >= budget {
                break;
            }
            turns.look(files, books);
        }
    }
}

/// How many of `pods` have their turn after `elapsed`.
fn due(pods: usize, elapsed: Duration) -> usize {
    let pods = u128::try_from(pods).unwrap_or(u128::MAX);
    let due = pods.saturating_mul(elapsed.as_nanos());
    let due = due.div_ceil(ROUND.as_nanos()).min(pods);
    usize::try_from(due).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use tempfile::TempDir;

    use super::*;
    use crate::host::HostRoots;

    #[test]
    fn everyone_has_a_turn_in_a_round_and_nobody_two() {
        let second = Duration::from_secs(1);
        assert_eq!(due(150, second), 10);
        assert_eq!(due(4, second), 1);
        assert_eq!(due(40, Duration::from_mins(1)), 40);
        assert_eq!(due(0, second), 0);
    }

    /// A machine whose control groups tell memory, and the folder of its root group.
    pub(super) fn machine() -> (TempDir, PathBuf, MemoryFiles) {
        let machine = tempfile::tempdir().unwrap();
        let roots = HostRoots::under(machine.path());
        fs::create_dir_all(&roots.cgroup).unwrap();
        fs::write(roots.cgroup.join("cgroup.subtree_control"), "memory").unwrap();
        let files = MemoryFiles::detect(&roots).unwrap();
        (machine, roots.cgroup, files)
    }

    fn container(pod: &str, id: &str) -> Account {
        Account::Container {
            pod_uid: pod.into(),
            container_id: id.into(),
        }
    }

    fn holds(root: &Path, path: &str, bytes: u64) {
        charged(root, path, bytes, 0);
    }

    fn charged(root: &Path, path: &str, bytes: u64, inactive: u64) {
        let group = root.join(path);
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("memory.current"), bytes.to_string()).unwrap();
        let stat = format!("inactive_file {inactive}\n");
        fs::write(group.join("memory.stat"), stat).unwrap();
    }

    #[test]
    fn the_peak_is_of_what_is_held_and_not_of_what_is_charged() {
        let (_machine, root, files) = machine();
        let (mut books, mut turns) = (Books::default(), MemoryTurns::default());
        let places = ["a", "b"].map(|id| books.account(&container("p", id)));
        for (place, id) in places.into_iter().zip(["a", "b"]) {
            books.accounts[place].path = Some(format!("p/{id}"));
        }
        turns.regroup(&books.accounts);
        // Charged and inactive of both, and the peak after that.
        for (a, b, peak) in [
            ((700, 100), (50, 0), [600, 50]),
            ((900, 400), (60, 0), [600, 50]),
            ((640, 0), (5, 0), [600, 50]),
            ((641, 0), (10, 0), [641, 10]),
            ((40, 0), (700, 20), [40, 680]),
        ] {
            charged(&root, "p/a", a.0, a.1);
            charged(&root, "p/b", b.0, b.1);
            turns.look(&files, &mut books);
            let seen = places.map(|place| books.accounts[place].memory_in_open_minute());
            assert_eq!(seen, peak.map(Some));
        }
    }

    /// Containers took turns one by one: where a turn over all took longer than
    /// a minute, a pod's sum had only those that were looked at in it.
    #[test]
    fn a_pods_turn_is_that_of_all_its_containers_wherever_they_stand() {
        let (_machine, root, files) = machine();
        let (mut books, mut turns) = (Books::default(), MemoryTurns::default());
        let list = [
            ("p", "a", 700),
            ("q", "b", 40),
            ("p", "c", 50),
            ("p", "d", 9),
        ];
        for (pod, id, bytes) in list {
            let place = books.account(&container(pod, id));
            let path = format!("{pod}/{id}");
            holds(&root, &path, bytes);
            books.accounts[place].path = Some(path);
        }
        let held = |books: &Books| -> Vec<Option<u64>> {
            let containers = books.accounts.iter().skip(4);
            containers.map(AccountBook::memory_in_open_minute).collect()
        };
        turns.regroup(&books.accounts);
        turns.look(&files, &mut books);
        assert_eq!(held(&books), [Some(700), None, Some(50), Some(9)]);
        turns.look(&files, &mut books);
        assert_eq!(held(&books), [Some(700), Some(40), Some(50), Some(9)]);
        // One more container is found out without being told; one that is gone counts nothing.
        let place = books.account(&container("q", "e"));
        holds(&root, "q/e", 41);
        books.accounts[place].path = Some("q/e".into());
        // A removed group's counter tells nothing, also where it is open.
        fs::write(root.join("q/b/memory.current"), "").unwrap();
        fs::remove_dir_all(root.join("q/b")).unwrap();
        turns.regroup(&books.accounts);
        for _ in 0..turns.pods.len() {
            turns.look(&files, &mut books);
        }
        let now = [Some(700), None, Some(50), Some(9), Some(41)];
        assert_eq!(held(&books), now);
    }
}
