//! Takes the supervisor apart from the machine: own network, and own mounts
//! over each place where a component or a pod would leave files behind.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;

use super::state::{Layout, Spec};

/// Kernel settings as the kubelet wants them. It writes those that differ, for
/// the whole machine; here it reads files of ours and finds nothing to write.
const KERNEL_SETTINGS: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// Folders into which components and pods write whatever they are told: each
/// node sees the machine's content and writes into a layer of its own.
const WRITTEN_DIRS: [&str; 3] = ["/var/lib", "/var/log", "/opt"];

/// The machine's own [`WRITTEN_DIRS`], for further nodes.
const PRISTINE: &str = "/run/tanso/machine";

/// Leaves the machine's network and mounts, and adopts orphans from now on.
///
/// # Errors
/// When the kernel refuses a namespace or a mount.
pub(super) fn isolate(layout: &Layout, spec: &Spec) -> Result<()> {
    prctl::set_child_subreaper(true).context("becoming the parent of orphans")?;
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)
        .context("leaving the machine's namespaces; are you root?")?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .context("making all mounts private")?;
    if spec.nodes == 0 {
        return Ok(());
    }
    // Sockets, locks and names of network namespaces: gone with the last process.
    mount(
        Some("tmpfs"),
        "/run",
        Some("tmpfs"),
        MsFlags::MS_NOSUID,
        Some("mode=755"),
    )
    .context("mounting an own \"/run\"")?;
    for dir in ["/run/netns", "/run/lock", "/run/tanso"] {
        make(Path::new(dir))?;
    }
    for dir in WRITTEN_DIRS {
        let pristine = pristine(dir);
        make(&pristine)?;
        bind(Path::new(dir), &pristine)?;
    }
    layer_dirs(&layout.dir, "node-0")?;
    for (name, value) in KERNEL_SETTINGS {
        let real = Path::new("/proc/sys").join(name);
        let own = layout.at("machine/sys").join(name);
        if let Some(dir) = own.parent() {
            make(dir)?;
        }
        fs::write(&own, value).with_context(|| format!("writing \"{}\"", own.display()))?;
        if real.exists() {
            bind(&own, &real)?;
        }
    }
    Ok(())
}

/// Gives a further node mounts of its own, beginning with this process.
///
/// # Errors
/// When the kernel refuses a namespace or a mount.
pub(super) fn split(state_dir: &Path, node: &str) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("leaving the first node's mounts")?;
    layer_dirs(state_dir, node)
}

fn layer_dirs(state_dir: &Path, node: &str) -> Result<()> {
    // The state itself must stay the machine's, wherever it lies.
    let real_state = Path::new("/run/tanso").join(format!("state-{node}"));
    make(&real_state)?;
    bind(state_dir, &real_state)?;
    for dir in WRITTEN_DIRS {
        let own = state_dir
            .join("machine")
            .join(node)
            .join(dir.trim_start_matches('/'));
        let (upper, work) = (own.join("upper"), own.join("work"));
        make(&upper)?;
        make(&work)?;
        let layers = format!(
            "lowerdir={},upperdir={},workdir={}",
            pristine(dir).display(),
            upper.display(),
            work.display()
        );
        mount(
            Some("overlay"),
            dir,
            Some("overlay"),
            MsFlags::empty(),
            Some(layers.as_str()),
        )
        .with_context(|| format!("layering \"{dir}\" with \"{}\"", upper.display()))?;
        if state_dir.starts_with(dir) {
            bind(&real_state, state_dir)?;
        }
    }
    Ok(())
}

fn pristine(dir: &str) -> PathBuf {
    Path::new(PRISTINE).join(dir.trim_start_matches('/'))
}

fn make(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("creating \"{}\"", dir.display()))
}

fn bind(from: &Path, onto: &Path) -> Result<()> {
    let none: Option<&str> = None;
    mount(Some(from), onto, none, MsFlags::MS_BIND, none)
        .with_context(|| format!("mounting \"{}\" on \"{}\"", from.display(), onto.display()))
}

/// The number by which the kernel tells a network namespace from another.
///
/// # Errors
/// When there is no such namespace.
pub(super) fn netns_inode(path: &Path) -> Result<u64> {
    let meta = fs::metadata(path).with_context(|| format!("reading \"{}\"", path.display()))?;
    Ok(meta.ino())
}
