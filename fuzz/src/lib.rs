//! What the targets have in common: trees of files out of any bytes.
//!
//! Nothing here judges; a target's own checks do.

pub mod agent;

use std::fs;
use std::path::{Path, PathBuf};

/// A place for files that costs no disk where the system has one.
///
/// # Panics
/// If no directory can be made: there is nothing to test then.
#[must_use]
pub fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.expect("a directory for scratch files")
}

/// Replaces what is below `root` by files that `data` tells: a byte that
/// chooses one of `paths`, a byte of length, the content; to the end.
pub fn plant(root: &Path, paths: &[&str], data: &[u8]) {
    let _ = fs::remove_dir_all(root);
    let _ = fs::create_dir_all(root);
    let mut rest = data;
    while let [choice, length, tail @ ..] = rest {
        let length = usize::from(*length).min(tail.len());
        let (content, after) = tail.split_at(length);
        rest = after;
        let Some(path) = paths.get(usize::from(*choice) % paths.len().max(1)) else {
            return;
        };
        let file: PathBuf = root.join(path);
        if let Some(folder) = file.parent() {
            let _ = fs::create_dir_all(folder);
        }
        let _ = fs::write(file, content);
    }
}
