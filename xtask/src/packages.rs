//! Debian packages that a step needs: installed when that is possible here,
//! otherwise named in the error. Never touches anything that is there already.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process;
use crate::progress::Step;
use crate::workspace;

/// Something that must be on the machine, and the package that brings it.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    /// An absolute path, or a program's name looked up in `PATH`.
    pub file: &'static str,
    /// The Debian package.
    pub package: &'static str,
}

impl Need {
    fn is_met(self) -> bool {
        if self.file.starts_with('/') {
            Path::new(self.file).exists()
        } else {
            workspace::in_path(self.file).is_some()
        }
    }
}

/// The packages whose files are not there.
#[must_use]
pub fn missing(needs: &[Need]) -> Vec<&'static str> {
    let mut packages: Vec<_> = needs
        .iter()
        .filter(|need| !need.is_met())
        .map(|need| need.package)
        .collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// Whether packages can be installed here: root on a machine with apt.
#[must_use]
pub fn can_install() -> bool {
    nix::unistd::geteuid().is_root() && workspace::in_path("apt-get").is_some()
}

/// Installs what is missing.
///
/// # Errors
/// When something is missing and this is not root on a machine with apt, or
/// when apt fails; names the packages and, then, what they are for.
pub fn ensure(needs: &[Need], purpose: &str) -> Result<()> {
    let packages = missing(needs);
    if packages.is_empty() {
        return Ok(());
    }
    if !can_install() {
        bail!(
            "{purpose} needs {}, which this machine lacks; on Debian: apt-get install {}",
            needs
                .iter()
                .filter(|need| !need.is_met())
                .map(|need| format!("\"{}\"", need.file))
                .collect::<Vec<_>>()
                .join(", "),
            packages.join(" ")
        );
    }
    install(&packages, purpose)
}

fn install(packages: &[&str], purpose: &str) -> Result<()> {
    let mut step = Step::new(format!("installing {} for {purpose}", packages.join(" ")));
    let log = workspace::target_dir().join("logs/apt.log");
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(words);
        command
    };
    let mut words = vec!["install", "-y", "-q", "--no-install-recommends"];
    words.extend(packages);
    // The package lists may be absent or old: fetch them only if need be.
    if process::run_logged(&mut apt(&words), &log, &mut step, "apt-get install").is_err() {
        process::run_logged(
            &mut apt(&["update", "-q"]),
            &log,
            &mut step,
            "apt-get update",
        )?;
        process::run_logged(&mut apt(&words), &log, &mut step, "apt-get install")?;
    }
    step.done(&format!("installed {}", packages.join(" ")));
    Ok(())
}
