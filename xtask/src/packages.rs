//! Debian packages that a step needs: installed when that is possible here,
//! otherwise named in the error. Never touches anything that is there already.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

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
    let mut words = vec!["install", "-y", "-q", "--no-install-recommends"];
    words.extend(packages);
    with_lists(&words, &workspace::root(), &mut step)?;
    step.done(&format!("installed {}", packages.join(" ")));
    Ok(())
}

/// Runs `apt-get` in a folder. The package lists may be absent or old: they
/// are fetched only if need be.
fn with_lists(words: &[&str], folder: &Path, step: &mut Step) -> Result<()> {
    let log = workspace::target_dir().join("logs/apt.log");
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .current_dir(folder)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(words);
        command
    };
    let verb = words.first().copied().unwrap_or_default();
    let what = format!("apt-get {verb}");
    if process::run_logged(&mut apt(words), &log, step, &what).is_err() {
        let update = &mut apt(&["update", "-q"]);
        process::run_logged(update, &log, step, "apt-get update")?;
        process::run_logged(&mut apt(words), &log, step, &what)?;
    }
    Ok(())
}

/// Unpacks a Debian package into `place` without installing it, unless it is
/// there already.
///
/// # Errors
/// When there is no apt, the package cannot be had, or the disk refuses.
pub fn unpack(package: &str, place: &Path) -> Result<()> {
    if place.exists() {
        return Ok(());
    }
    if workspace::in_path("apt-get").is_none() {
        bail!("\"{package}\" is needed: put it into PATH, or run this on Debian");
    }
    let parent = workspace::target_dir();
    fs::create_dir_all(&parent).with_context(|| format!("making \"{}\"", parent.display()))?;
    // Whole or not at all: what is cut off half-way is not taken for it.
    let work = tempfile::tempdir_in(&parent).context("making a directory")?;
    let mut step = Step::new(format!("fetching {package}"));
    with_lists(&["download", "-q", package], work.path(), &mut step)?;
    let tree = work.path().join("tree");
    for entry in fs::read_dir(work.path())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            process::run(Command::new("dpkg").arg("-x").arg(&path).arg(&tree))?;
        }
    }
    fs::rename(&tree, place).with_context(|| format!("making \"{}\"", place.display()))?;
    step.done(&format!("fetched {package}"));
    Ok(())
}
