//! Two containers as far as a node can tell: control groups with their names,
//! and a busy process in each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

const POD: &str = "0c4b1a52-3a5b-4c77-8f4e-5f2b6d7e8a90";

/// The containers; gone when it is dropped.
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
        for digit in ["a", "b"] {
            let group = load.root.join(format!("pod{POD}")).join(digit.repeat(64));
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
        }
        let _ = fs::remove_dir(self.root.join(format!("pod{POD}")));
        let _ = fs::remove_dir(&self.root);
    }
}
