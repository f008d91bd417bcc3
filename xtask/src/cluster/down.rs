//! Ends a cluster and removes all it left, whatever state it is in: after a
//! clean start, a killed supervisor, half a start, or a reboot of the machine.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::cgroups;
use super::state::{Layout, State, boot_id};

const PATIENCE: Duration = Duration::from_secs(20);

/// Ends the cluster; whether there was anything to end.
///
/// # Errors
/// When something is left after all attempts; names it.
pub(super) fn down(name: &str, layout: &Layout) -> Result<bool> {
    let group = format!("/tanso-{name}");
    let state = layout
        .read_state()
        .ok()
        .filter(|state| state.boot_id == boot_id());
    let found = layout.dir.exists() || !cgroups::existing(&group)?.is_empty();
    let namespaces = namespaces(&group, state.as_ref())?;
    if let Some(state) = &state {
        end_in_order(state)?;
    }
    cgroups::destroy(&group, PATIENCE)?;
    kill_inhabitants(&namespaces)?;
    unmount_below(&layout.dir)?;
    remove_dir(&layout.dir)?;
    Ok(found)
}

/// Ends the components while the supervisor lives: it reaps them all, then ends
/// by itself. Otherwise the machine's first process would have to, in its time.
fn end_in_order(state: &State) -> Result<()> {
    let supervisor = Pid::from_raw(state.supervisor.pid);
    let deadline = Instant::now() + Duration::from_secs(3);
    while state.supervisor.is_alive() && state.ready && Instant::now() < deadline {
        let nodes = state.nodes.iter().map(|node| node.cgroup_root.clone());
        for group in nodes.chain([format!("{}/parts", state.cgroup)]) {
            cgroups::kill_all(&group)?;
        }
        thread::sleep(Duration::from_millis(20));
    }
    if state.supervisor.is_alive() {
        let _ = kill(supervisor, Signal::SIGKILL);
    }
    // It is our own child when this process started the cluster.
    let _ = waitpid(supervisor, Some(WaitPidFlag::WNOHANG));
    Ok(())
}

/// The cluster's network namespaces, by the state and by its processes.
fn namespaces(group: &str, state: Option<&State>) -> Result<Vec<u64>> {
    let mut inodes = state
        .map(|state| state.netns_inodes.clone())
        .unwrap_or_default();
    inodes.extend(cgroups::processes(group)?.into_iter().filter_map(netns_of));
    let own = netns_of_self();
    inodes.retain(|inode| Some(*inode) != own && Some(*inode) != netns_of(1));
    inodes.sort_unstable();
    inodes.dedup();
    Ok(inodes)
}

fn netns_of(pid: i32) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/net"))
        .ok()
        .map(|meta| meta.ino())
}

fn netns_of_self() -> Option<u64> {
    fs::metadata("/proc/self/ns/net")
        .ok()
        .map(|meta| meta.ino())
}

/// Ends what was started inside from outside, for example `cluster kubectl logs -f`.
fn kill_inhabitants(namespaces: &[u64]) -> Result<()> {
    if namespaces.is_empty() {
        return Ok(());
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let inside: Vec<i32> = all_pids()
            .into_iter()
            .filter(|pid| netns_of(*pid).is_some_and(|inode| namespaces.contains(&inode)))
            .collect();
        if inside.is_empty() {
            return Ok(());
        }
        for pid in &inside {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        if Instant::now() > deadline {
            bail!("ending what runs in the cluster's network: {inside:?} stay");
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn all_pids() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
        })
        .collect()
}

/// Mounts of the machine below a folder; there are none unless it half died.
fn unmount_below(dir: &Path) -> Result<()> {
    let table =
        fs::read_to_string("/proc/self/mountinfo").context("reading \"/proc/self/mountinfo\"")?;
    for target in mounts_below(&table, dir) {
        umount2(&target, MntFlags::MNT_DETACH)
            .with_context(|| format!("unmounting \"{}\"", target.display()))?;
    }
    Ok(())
}

/// Mount points below a folder, the last mounted first.
fn mounts_below(mountinfo: &str, dir: &Path) -> Vec<PathBuf> {
    let mut targets: Vec<PathBuf> = mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from)
        .filter(|target| target.starts_with(dir))
        .collect();
    targets.reverse();
    targets
}

/// Removes a folder whose last users may be dying still.
fn remove_dir(dir: &Path) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match fs::remove_dir_all(dir) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound && !dir.exists() => return Ok(()),
            Err(error) if Instant::now() > deadline => {
                return Err(error).with_context(|| format!("removing \"{}\"", dir.display()));
            }
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_below_the_folder_go_and_the_last_goes_first() {
        let table = "\
1 0 0:1 / / rw - ext4 a rw\n\
2 1 0:2 / /c/one rw - tmpfs t rw\n\
3 2 0:3 / /c/one/deep rw - tmpfs t rw\n\
4 1 0:4 / /c/one-more rw - tmpfs t rw\n";
        assert_eq!(
            mounts_below(table, Path::new("/c/one")),
            [PathBuf::from("/c/one/deep"), PathBuf::from("/c/one")]
        );
    }
}
