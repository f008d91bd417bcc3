//! Control groups of a cluster, in every hierarchy of the machine: one tree
//! `tanso-NAME` each, with a group for the components and one for each node.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// Where it is mounted.
    pub(super) mount: PathBuf,
    /// Whether it is the version 2 tree.
    pub(super) unified: bool,
}

/// Every hierarchy of this machine.
///
/// # Errors
/// When the mount table cannot be read, or has no version 2 tree.
pub(super) fn hierarchies() -> Result<Vec<Hierarchy>> {
    let table =
        fs::read_to_string("/proc/self/mountinfo").context("reading \"/proc/self/mountinfo\"")?;
    let found = parse(&table);
    if !found.iter().any(|hierarchy| hierarchy.unified) {
        bail!("looking for control groups: no cgroup2 file system is mounted; mount one");
    }
    Ok(found)
}

fn parse(mountinfo: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let kind = right.split(' ').next().unwrap_or_default();
        let Some(mount) = left.split(' ').nth(4).map(PathBuf::from) else {
            continue;
        };
        let unified = kind == "cgroup2";
        let second_tree = unified && found.iter().any(|other| other.unified);
        if (unified || kind == "cgroup")
            && !second_tree
            && !found.iter().any(|other| other.mount == mount)
        {
            found.push(Hierarchy { mount, unified });
        }
    }
    found
}

/// Makes a group and its parents below the root of every hierarchy, ready for
/// processes: on version 1 with CPUs and memory nodes, on version 2 with the
/// controllers handed down.
///
/// # Errors
/// When a group cannot be made.
pub(super) fn create(group: &str) -> Result<()> {
    for hierarchy in hierarchies()? {
        let mut dir = hierarchy.mount.clone();
        for name in group.split('/').filter(|name| !name.is_empty()) {
            let parent = dir.clone();
            dir.push(name);
            match fs::create_dir(&dir) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(error).with_context(|| format!("creating \"{}\"", dir.display()));
                }
                _ => hand_down(&parent, &dir, hierarchy.unified),
            }
        }
    }
    Ok(())
}

/// What a controller does not offer is left out: kubelet says what it misses.
fn hand_down(parent: &Path, dir: &Path, unified: bool) {
    if unified {
        for controller in ["cpuset", "cpu", "io", "memory", "pids", "hugetlb"] {
            let _ = fs::write(
                parent.join("cgroup.subtree_control"),
                format!("+{controller}"),
            );
        }
        return;
    }
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if let Ok(value) = fs::read_to_string(parent.join(file)) {
            let _ = fs::write(dir.join(file), value.trim());
        }
    }
}

/// Moves this process into a group of the version 2 tree.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn join(group: &str) -> Result<()> {
    for hierarchy in hierarchies()?
        .into_iter()
        .filter(|hierarchy| hierarchy.unified)
    {
        let file = hierarchy
            .mount
            .join(group.trim_start_matches('/'))
            .join("cgroup.procs");
        fs::write(&file, std::process::id().to_string())
            .with_context(|| format!("joining \"{}\"", file.display()))?;
    }
    Ok(())
}

/// The processes in a group and below, in any hierarchy.
///
/// # Errors
/// When the mount table cannot be read.
pub(super) fn processes(group: &str) -> Result<Vec<i32>> {
    let mut pids = Vec::new();
    for dir in existing(group)? {
        for dir in tree(&dir) {
            let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
            pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
        }
    }
    pids.sort_unstable();
    pids.dedup();
    Ok(pids)
}

/// The group's folders that exist, one for each hierarchy.
///
/// # Errors
/// When the mount table cannot be read.
pub(super) fn existing(group: &str) -> Result<Vec<PathBuf>> {
    let relative = group.trim_start_matches('/');
    Ok(hierarchies()?
        .into_iter()
        .map(|hierarchy| hierarchy.mount.join(relative))
        .filter(|dir| dir.is_dir())
        .collect())
}

/// A folder and all below it, children before parents.
fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Ok(entries) = fs::read_dir(dir) {
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                found.extend(tree(&entry.path()));
            }
        }
    }
    found.push(dir.to_path_buf());
    found
}

/// Kills everything in a group and below, once.
///
/// # Errors
/// When the mount table cannot be read.
pub(super) fn kill_all(group: &str) -> Result<()> {
    for dir in existing(group)? {
        // Kills in one go, also what is being forked meanwhile; absent on version 1.
        let _ = fs::write(dir.join("cgroup.kill"), "1");
        for frozen in tree(&dir) {
            let state = frozen.join("freezer.state");
            if state.exists() {
                let _ = fs::write(state, "THAWED");
            }
        }
    }
    for pid in processes(group)? {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    Ok(())
}

/// Kills everything in a group and below, and removes the group everywhere.
///
/// # Errors
/// When something is still there after `patience`.
pub(super) fn destroy(group: &str, patience: Duration) -> Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        let groups = existing(group)?;
        if groups.is_empty() {
            return Ok(());
        }
        kill_all(group)?;
        for dir in groups.iter().flat_map(|dir| tree(dir)) {
            let _ = fs::remove_dir(dir);
        }
        if Instant::now() > deadline {
            bail!(
                "removing control group \"{group}\": still busy: {:?}",
                processes(group)?
            );
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hybrid_and_unified_mounts_are_both_found_once() {
        let table = "\
30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n\
31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
33 30 0:27 / /mnt/again rw - cgroup2 cgroup2 rw\n";
        let found = parse(table);
        assert_eq!(
            found,
            [
                Hierarchy {
                    mount: "/sys/fs/cgroup/unified".into(),
                    unified: true
                },
                Hierarchy {
                    mount: "/sys/fs/cgroup/cpu,cpuacct".into(),
                    unified: false
                },
            ]
        );
    }
}
