//! From a group's id to its path.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::tree::scan;
use crate::workloads::CgroupId;

/// Removed groups whose paths are remembered.
const GONE_MAX: usize = 4096;
/// Scans after which an id that no scan has shown is no longer looked for.
const TRIES_MAX: u8 = 3;

/// The paths of a hierarchy's groups. The tree is looked at only when an
/// unknown id appears, once for all unknown ids together. A removed group
/// keeps its last known path, so that its last energy has a name.
#[derive(Debug)]
pub struct CgroupIndex {
    root: PathBuf,
    known: HashMap<CgroupId, Entry>,
    unknown: HashMap<CgroupId, u8>,
    scans: u64,
}

#[derive(Debug)]
struct Entry {
    path: Arc<str>,
    /// The scan that last saw it.
    seen: u64,
}

impl CgroupIndex {
    /// An index of the hierarchy at `root`; nothing is read yet.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            known: HashMap::new(),
            unknown: HashMap::new(),
            scans: 0,
        }
    }

    /// The hierarchy's root directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// How often the tree was looked at.
    #[must_use]
    pub fn scans(&self) -> u64 {
        self.scans
    }

    /// Makes `ids` known as far as they can be, with one scan at most. To be
    /// called once a reading with all of its ids.
    pub fn learn(&mut self, ids: impl IntoIterator<Item = CgroupId>) {
        let mut wanted: HashSet<CgroupId> = HashSet::new();
        for id in ids {
            let given_up = self
                .unknown
                .get(&id)
                .is_some_and(|tries| *tries >= TRIES_MAX);
            if id != CgroupId::NONE && !given_up && !self.known.contains_key(&id) {
                wanted.insert(id);
            }
        }
        if wanted.is_empty() {
            return;
        }
        self.scan();
        for id in wanted {
            if self.known.contains_key(&id) {
                self.unknown.remove(&id);
            } else {
                *self.unknown.entry(id).or_default() += 1;
            }
        }
        if self.unknown.len() > GONE_MAX {
            self.unknown.clear();
        }
    }

    /// Notes a group that somebody has told of. A scan takes it for removed
    /// unless it sees it too.
    pub fn note(&mut self, id: CgroupId, path: &Arc<str>) {
        let scans = self.scans;
        self.unknown.remove(&id);
        self.known.entry(id).or_insert_with(|| Entry {
            path: Arc::clone(path),
            // The latest of those that are gone.
            seen: scans,
        });
    }

    /// Notes that a group was removed. Its path stays known.
    pub fn removed(&mut self, id: CgroupId) {
        if let Some(entry) = self.known.get_mut(&id) {
            // Before the first scan nothing was seen by one.
            entry.seen = self.scans.saturating_sub(1);
        }
    }

    /// The ids that exist by the last scan and by what was told since, without
    /// a look at the tree.
    pub fn alive_as_told(&mut self) -> HashSet<CgroupId> {
        self.forget_oldest();
        self.seen_last()
    }

    fn seen_last(&self) -> HashSet<CgroupId> {
        let seen = self.known.iter();
        seen.filter(|(_, entry)| entry.seen == self.scans)
            .map(|(id, _)| *id)
            .collect()
    }

    /// The last known path of a group, from the hierarchy's root; looks at the
    /// tree if the group is unknown.
    pub fn path_of(&mut self, id: CgroupId) -> Option<Arc<str>> {
        self.learn([id]);
        self.known_path(id)
    }

    /// The last known path of a group, without looking at the tree.
    #[must_use]
    pub fn known_path(&self, id: CgroupId) -> Option<Arc<str>> {
        self.known.get(&id).map(|entry| Arc::clone(&entry.path))
    }

    /// The ids that exist now, by a scan.
    pub fn alive(&mut self) -> HashSet<CgroupId> {
        self.scan();
        self.seen_last()
    }

    fn scan(&mut self) {
        self.scans += 1;
        for group in scan(&self.root) {
            let entry = self.known.entry(group.id).or_insert_with(|| Entry {
                path: Arc::clone(&group.path),
                seen: 0,
            });
            entry.seen = self.scans;
            // A v1 group can be renamed.
            if entry.path != group.path {
                entry.path = group.path;
            }
        }
        self.forget_oldest();
    }

    /// Keeps the memory of removed groups bounded: the latest removed stay.
    fn forget_oldest(&mut self) {
        let mut gone: Vec<(u64, CgroupId)> = self
            .known
            .iter()
            .filter(|(_, entry)| entry.seen != self.scans)
            .map(|(id, entry)| (entry.seen, *id))
            .collect();
        let excess = gone.len().saturating_sub(GONE_MAX);
        if excess == 0 {
            return;
        }
        gone.sort_unstable();
        for (_, id) in gone.into_iter().take(excess) {
            self.known.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::MetadataExt};

    use super::*;

    fn id_of(path: &Path) -> CgroupId {
        CgroupId::new(fs::metadata(path).unwrap().ino())
    }

    #[test]
    fn a_removed_group_keeps_its_last_path() {
        let root = tempfile::tempdir().unwrap();
        let pod = root.path().join("kubepods/pod");
        fs::create_dir_all(&pod).unwrap();
        let id = id_of(&pod);
        let mut index = CgroupIndex::new(root.path().to_owned());
        assert_eq!(index.path_of(id).as_deref(), Some("/kubepods/pod"));
        fs::remove_dir(&pod).unwrap();
        assert!(!index.alive().contains(&id));
        assert_eq!(index.path_of(id).as_deref(), Some("/kubepods/pod"));
    }

    #[test]
    fn a_group_told_of_is_known_without_a_look_and_also_when_it_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let mut index = CgroupIndex::new(root.path().to_owned());
        let brief = CgroupId::new(u64::MAX - 1);
        index.note(brief, &"/pod/brief".into());
        assert_eq!(index.path_of(brief).as_deref(), Some("/pod/brief"));
        assert_eq!(index.scans(), 0);
        assert!(!index.alive().contains(&brief));
        assert_eq!(index.path_of(brief).as_deref(), Some("/pod/brief"));
    }

    /// On a node where a container begins or ends every few seconds the tree was
    /// looked at as often.
    #[test]
    fn groups_made_and_removed_are_known_without_another_look() {
        let root = tempfile::tempdir().unwrap();
        let made = |name: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(&path).unwrap();
            id_of(&path)
        };
        let first = made("first");
        let mut index = CgroupIndex::new(root.path().to_owned());
        assert!(index.alive().contains(&first));
        let second = made("second");
        let brief = CgroupId::new(u64::MAX - 1);
        index.note(second, &"/second".into());
        index.note(brief, &"/brief".into());
        index.removed(brief);
        fs::remove_dir(root.path().join("first")).unwrap();
        index.removed(first);
        let told = index.alive_as_told();
        assert_eq!(index.scans(), 1);
        assert!(told.contains(&second) && !told.contains(&first) && !told.contains(&brief));
        assert_eq!(index.known_path(first).as_deref(), Some("/first"));
        assert_eq!(told, index.alive());
    }

    #[test]
    fn the_tree_is_looked_at_only_for_the_unknown() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a")).unwrap();
        fs::create_dir_all(root.path().join("b")).unwrap();
        let mut index = CgroupIndex::new(root.path().to_owned());
        let both = [id_of(&root.path().join("a")), id_of(&root.path().join("b"))];
        index.learn(both);
        index.learn(both);
        index.learn([CgroupId::NONE]);
        assert_eq!(index.scans(), 1);
        for _ in 0..10 {
            assert_eq!(index.path_of(CgroupId::new(u64::MAX)), None);
        }
        assert_eq!(index.scans(), 1 + u64::from(TRIES_MAX));
    }
}
