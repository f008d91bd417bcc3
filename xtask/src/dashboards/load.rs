//! Two containers and a virtual machine as far as a node can tell: control
//! groups with their names, and a busy process in each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

/// A machine of libvirt's, named so that no real one is met.
const MACHINE: &str = r"machine-qemu\x2d1\x2dtanso\x2ddashboards.scope";
const POD: &str = "0c4b1a52-3a5b-4c77-8f4e-5f2b6d7e8a90";

/// All of them; gone when it is dropped.
pub(super) struct Load {
    root: PathBuf,
    groups: Vec<PathBuf>,
    children: Vec<Child>,
}

impl Load {
    pub(super) fn start() -> Result<Self> {
        let v1 = Path::new("/sys/fs/cgroup/cpu");
        let base = if v1.is_dir() {
            v1
        } else {
            Path::new("/sys/fs/cgroup")
        };
        let mut load = Self {
            root: base.join("kubepods-dashboards"),
            groups: Vec::new(),
            children: Vec::new(),
        };
        let pod = load.root.join(format!("pod{POD}"));
        let machine = base.join("machine.slice").join(MACHINE);
        for group in [pod.join("a".repeat(64)), pod.join("b".repeat(64)), machine] {
            fs::create_dir_all(&group)
                .with_context(|| format!("making \"{}\"; this needs root", group.display()))?;
            load.groups.push(group.clone());
            let child = Command::new("sh")
                .args(["-c", "while :; do :; done"])
                .stdin(Stdio::null())
                .spawn()
                .context("starting a busy process")?;
            let pid = child.id().to_string();
            load.children.push(child);
            fs::write(group.join("cgroup.procs"), pid)
                .with_context(|| format!("moving a process to \"{}\"", group.display()))?;
        }
        Ok(load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        for group in &self.groups {
            let _ = fs::remove_dir(group);
            // A folder above it that was made for it; one in use stays.
            if let Some(above) = group.parent() {
                let _ = fs::remove_dir(above);
            }
        }
        let _ = fs::remove_dir(&self.root);
    }
}
