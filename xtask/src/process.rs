//! Runs other programs and says clearly what failed.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::progress::Step;

/// The command as a person would type it.
#[must_use]
pub fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned()),
    );
    words.join(" ")
}

/// Runs a command with our own output.
///
/// # Errors
/// When it cannot start or does not end with status 0.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("starting `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", shown(command));
    }
    Ok(())
}

/// Runs a command and gives what it wrote to its standard output.
///
/// # Errors
/// When it cannot start or does not end with status 0; carries its standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting `{}`", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{}` failed: {}: {}",
            shown(command),
            output.status,
            said.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a long command with its output in a file, showing life meanwhile.
///
/// # Errors
/// When it cannot start or fails; carries the end of its log.
pub fn run_logged(
    command: &mut Command,
    log: &Path,
    step: &mut Step,
    waits_for: &str,
) -> Result<()> {
    if let Some(dir) = log.parent() {
        fs::create_dir_all(dir).with_context(|| format!("creating \"{}\"", dir.display()))?;
    }
    let file = File::create(log).with_context(|| format!("creating \"{}\"", log.display()))?;
    let copy = file
        .try_clone()
        .with_context(|| format!("opening \"{}\"", log.display()))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(copy)
        .spawn()
        .with_context(|| format!("starting `{}`", shown(command)))?;
    loop {
        if let Some(status) = child.try_wait().context("waiting for a child")? {
            if status.success() {
                return Ok(());
            }
            bail!(
                "`{}` failed: {status}; the end of \"{}\":\n{}",
                shown(command),
                log.display(),
                tail(log, 3000)
            );
        }
        step.tick(waits_for);
        thread::sleep(Duration::from_millis(200));
    }
}

/// At most the last `bytes_max` bytes of a file; empty when it cannot be read.
#[must_use]
pub fn tail(path: &Path, bytes_max: u64) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(bytes_max)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    };
    read().unwrap_or_default()
}
