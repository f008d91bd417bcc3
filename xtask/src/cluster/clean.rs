//! Looks for what a cluster may have left on the machine, by itself: shares
//! nothing with the code that removes it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::state::Layout;

/// Fails when anything of a cluster is left; names all of it.
///
/// # Errors
/// When a process, mount, control group, network link, network namespace or
/// file of that cluster is there.
pub(super) fn assert_clean(name: &str, layout: &Layout) -> Result<()> {
    let mut left = Vec::new();
    if layout.dir.exists() {
        left.push(format!("folder \"{}\"", layout.dir.display()));
    }
    let group = format!("tanso-{name}");
    let mounts =
        fs::read_to_string("/proc/self/mountinfo").context("reading \"/proc/self/mountinfo\"")?;
    let dir = layout.dir.to_string_lossy();
    for line in mounts.lines() {
        let mount = line.split(' ').nth(4).unwrap_or_default();
        if line.contains(&*dir) || mount.starts_with("/run/tanso") {
            left.push(format!("mount \"{mount}\""));
        }
        let is_cgroup = line.contains(" - cgroup ") || line.contains(" - cgroup2 ");
        if is_cgroup && Path::new(mount).join(&group).exists() {
            left.push(format!("control group \"{mount}/{group}\""));
        }
    }
    for entry in fs::read_dir("/proc")
        .context("reading \"/proc\"")?
        .flatten()
    {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let groups = fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
        let of_group = groups
            .lines()
            .any(|line| line.contains(&format!("/{group}/")));
        // Dead, but not yet reaped by the machine's first process: nothing of it is left.
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        if status
            .lines()
            .any(|line| line.starts_with("State:") && line.contains('Z'))
        {
            continue;
        }
        let is_self = entry.file_name().to_str() == Some(&std::process::id().to_string());
        if !is_self && (of_group || command.contains(&format!("{dir}/"))) {
            left.push(format!(
                "process {} ({command})",
                entry.file_name().display()
            ));
        }
    }
    for (folder, prefixes) in [
        ("/sys/class/net", ["tanso", "to-node"].as_slice()),
        ("/run/netns", ["node-", "cni-"].as_slice()),
        ("/run", ["tanso"].as_slice()),
    ] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let file = entry.file_name();
            if prefixes
                .iter()
                .any(|prefix| file.to_string_lossy().starts_with(prefix))
            {
                left.push(format!("\"{folder}/{}\"", file.display()));
            }
        }
    }
    if !left.is_empty() {
        bail!("cluster \"{name}\" left behind: {}", left.join(", "));
    }
    Ok(())
}
