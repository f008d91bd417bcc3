//! Counters of memory that stay open from turn to turn: to open and close one
//! takes four times as long as to read it. Whose turn it is, is not known here.

use std::collections::HashMap;

use rustix::process::{Resource, getrlimit};

use crate::host::cgroup::{Charged, MemoryFiles};

/// Counters that stay open at most: each is some 5 KiB of the kernel's memory
/// (a page for its text). On a node with more containers the others are opened
/// at each turn: who comes by turns gains nothing if the oldest make room.
const OPEN_MAX: usize = 512;
/// The part of the open files that this process may have, one in so many.
const FILES_PART: u64 = 4;
/// Turns for which a counter that was not there is not looked for.
const PASSES: u8 = 3;

/// Counters by the place of their account. Places must hold between two calls.
#[derive(Debug)]
pub(super) struct Kept {
    most: usize,
    open: HashMap<usize, (Box<str>, Charged)>,
    /// Those that were not there, and how often they are passed over yet.
    absent: HashMap<usize, (Box<str>, u8)>,
}

impl Default for Kept {
    fn default() -> Self {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let part = usize::try_from(files / FILES_PART).unwrap_or(usize::MAX);
        Self::up_to(part.min(OPEN_MAX))
    }
}

impl Kept {
    /// Keeps so many at most.
    fn up_to(most: usize) -> Self {
        Self {
            most,
            open: HashMap::new(),
            absent: HashMap::new(),
        }
    }

    /// Places have changed.
    pub(super) fn clear(&mut self) {
        self.open.clear();
        self.absent.clear();
    }

    /// The container at this place has ended.
    pub(super) fn close(&mut self, place: usize) {
        self.open.remove(&place);
        self.absent.remove(&place);
    }

    /// What is charged to the group at `path`, that of the account at `place`,
    /// bytes; `None` if it is not there, or was not a few turns ago.
    pub(super) fn charged(&mut self, files: &MemoryFiles, place: usize, path: &str) -> Option<u64> {
        if let Some((of, passes)) = self.absent.get_mut(&place)
            && **of == *path
            && *passes > 0
        {
            *passes -= 1;
            return None;
        }
        if let Some((of, counter)) = self.open.get(&place)
            && **of == *path
            && let Some(bytes) = counter.bytes()
        {
            return Some(bytes);
        }
        // The counter of a group that was removed gives an error for ever.
        self.open.remove(&place);
        let found = files.open(path);
        let Some((bytes, counter)) = found.and_then(|found| Some((found.bytes()?, found))) else {
            self.absent.insert(place, (path.into(), PASSES));
            return None;
        };
        self.absent.remove(&place);
        if self.open.len() < self.most {
            self.open.insert(place, (path.into(), counter));
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::tests::machine;
    use super::*;

    fn holds(root: &std::path::Path, group: &str, bytes: &str) {
        fs::create_dir_all(root.join(group)).unwrap();
        fs::write(root.join(group).join("memory.current"), bytes).unwrap();
    }

    #[test]
    fn a_counter_is_opened_once_and_again_when_it_is_of_another_group() {
        let (_machine, root, files) = machine();
        let mut kept = Kept::up_to(9);
        holds(&root, "a", "5");
        assert_eq!(kept.charged(&files, 4, "a"), Some(5));
        // Only what is open can still be read.
        fs::rename(root.join("a"), root.join("moved")).unwrap();
        holds(&root, "moved", "6");
        assert_eq!(kept.charged(&files, 4, "a"), Some(6));
        holds(&root, "b", "7");
        assert_eq!(kept.charged(&files, 4, "b"), Some(7));
        // As the kernel has it of a removed group: nothing to read.
        holds(&root, "b", "");
        assert_eq!(kept.charged(&files, 4, "b"), None);
        assert!(kept.open.is_empty());
    }

    #[test]
    fn a_group_that_was_removed_and_made_again_is_read_by_its_new_counter_at_once() {
        let (_machine, root, files) = machine();
        let mut kept = Kept::up_to(9);
        holds(&root, "a", "5");
        assert_eq!(kept.charged(&files, 4, "a"), Some(5));
        // What is open of it has nothing to read from now on.
        holds(&root, "a", "");
        fs::remove_dir_all(root.join("a")).unwrap();
        holds(&root, "a", "6");
        assert_eq!(kept.charged(&files, 4, "a"), Some(6));
        assert_eq!(kept.open.len(), 1);
    }

    #[test]
    fn no_more_stay_open_than_may_and_the_others_are_read_too() {
        let (_machine, root, files) = machine();
        let mut kept = Kept::up_to(2);
        for round in 0..3 {
            for place in 0..5 {
                let group = format!("g{place}");
                holds(&root, &group, &(100 * round + place).to_string());
                let charged = kept.charged(&files, place, &group);
                assert_eq!(charged, Some((100 * round + place) as u64));
            }
            assert_eq!(kept.open.len(), 2);
        }
        kept.close(0);
        kept.close(3);
        assert_eq!(kept.open.len(), 1);
        assert!(Kept::default().most <= OPEN_MAX);
    }

    #[test]
    fn what_was_not_there_is_looked_for_again_after_some_turns() {
        let (_machine, root, files) = machine();
        let mut kept = Kept::up_to(9);
        assert_eq!(kept.charged(&files, 4, "late"), None);
        holds(&root, "late", "5");
        let seen: Vec<Option<u64>> = (0..5).map(|_| kept.charged(&files, 4, "late")).collect();
        assert_eq!(seen, [None, None, None, Some(5), Some(5)]);
        // Another group was never looked for.
        assert_eq!(kept.charged(&files, 7, "gone"), None);
        assert_eq!(kept.charged(&files, 7, "late"), Some(5));
        kept.clear();
        assert!(kept.open.is_empty() && kept.absent.is_empty());
    }
}
