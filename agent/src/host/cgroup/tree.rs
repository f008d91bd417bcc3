//! Walks a tree of control groups.

use std::{
    fs,
    os::unix::fs::{DirEntryExt, MetadataExt},
    path::Path,
    sync::Arc,
};

use crate::workloads::CgroupId;

/// Groups deeper than this are not looked at: a limit against endless trees.
const DEPTH_MAX: usize = 64;

/// A group's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// The group's id.
    pub id: CgroupId,
    /// Its path from the root of the hierarchy, `/` for the root itself.
    pub path: Arc<str>,
    /// The place of the parent in the list; `None` for the root.
    pub parent: Option<usize>,
}

/// Lists the groups under `root`, parents before children. Groups that vanish
/// meanwhile are left out.
///
/// A leaf has two links and is not opened: most groups are leaves, so a scan
/// opens about one directory per pod.
#[must_use]
pub fn scan(root: &Path) -> Vec<Directory> {
    let Ok(metadata) = fs::metadata(root) else {
        return Vec::new();
    };
    let mut found = vec![Directory {
        id: CgroupId::new(metadata.ino()),
        path: "/".into(),
        parent: None,
    }];
    let mut open = vec![(0_usize, root.to_owned(), 0_usize)];
    while let Some((at, directory, depth)) = open.pop() {
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries.flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let name = entry.file_name();
            let (Some(name), Some(parent)) = (name.to_str(), found.get(at)) else {
                continue;
            };
            let above = if at == 0 { "" } else { &*parent.path };
            found.push(Directory {
                id: CgroupId::new(entry.ino()),
                path: format!("{above}/{name}").into(),
                parent: Some(at),
            });
            let inner = entry.metadata().is_ok_and(|data| data.nlink() != 2);
            if inner && depth < DEPTH_MAX {
                open.push((found.len() - 1, entry.path(), depth + 1));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_first_and_paths_start_at_the_root() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b/c")).unwrap();
        fs::create_dir_all(root.path().join("d")).unwrap();
        fs::write(root.path().join("a/file"), "").unwrap();
        let found = scan(root.path());
        let mut paths: Vec<&str> = found.iter().map(|group| &*group.path).collect();
        paths.sort_unstable();
        assert_eq!(paths, ["/", "/a", "/a/b", "/a/b/c", "/d"]);
        for (at, group) in found.iter().enumerate() {
            assert!(group.parent.is_none_or(|parent| parent < at));
        }
        let inode = fs::metadata(root.path().join("a/b")).unwrap().ino();
        let listed = found.iter().find(|group| &*group.path == "/a/b").unwrap();
        assert_eq!(listed.id, CgroupId::new(inode));
    }

    #[test]
    fn an_absent_root_has_no_groups() {
        assert!(scan(Path::new("/nonexistent")).is_empty());
    }
}
