//! The packed chart: the same bytes whenever and wherever it is packed.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};

use crate::process::output;
use crate::progress::Step;
use crate::workspace;

/// Helm keeps the files' times in the archive, and those of a checkout are its
/// own: all get the first day that every archive's format can tell, 1980-01-01.
const EVERY_FILES_TIME: Duration = Duration::from_hours(3652 * 24);

/// The archive's name.
pub(super) const ARCHIVE: &str = concat!("tanso-", env!("CARGO_PKG_VERSION"), ".tgz");

/// Packs the chart of this checkout into a folder.
///
/// # Errors
/// When it cannot be copied, or Helm refuses it.
pub(super) fn pack(helm: &Path, into: &Path) -> Result<()> {
    let step = Step::new("packaging the chart");
    let work = tempfile::tempdir().context("making a folder for the chart")?;
    let copy = work.path().join("tanso");
    copy_dated(&workspace::root().join("charts/tanso"), &copy)?;
    let mut command = Command::new(helm);
    command
        .arg("package")
        .arg(&copy)
        .arg("--destination")
        .arg(into);
    output(&mut command)?;
    step.done("packaged the chart");
    Ok(())
}

fn copy_dated(from: &Path, to: &Path) -> Result<()> {
    let copy = || -> Result<()> {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                copy_dated(&entry.path(), &target)?;
                continue;
            }
            // Content alone: a file that may not be written could not be dated.
            fs::write(&target, fs::read(entry.path())?)?;
            let file = File::options().write(true).open(&target)?;
            file.set_modified(SystemTime::UNIX_EPOCH + EVERY_FILES_TIME)?;
        }
        Ok(())
    };
    copy().with_context(|| format!("copying \"{}\" to \"{}\"", from.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_is_packed_without_the_times_of_its_checkout() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("templates")).unwrap();
        fs::write(from.join("Chart.yaml"), "name: tanso").unwrap();
        fs::write(from.join("templates/one.yaml"), "kind: One").unwrap();
        copy_dated(&from, &to).unwrap();
        for name in ["Chart.yaml", "templates/one.yaml"] {
            let file = to.join(name);
            assert_eq!(
                fs::read(&file).unwrap(),
                fs::read(from.join(name)).unwrap(),
                "{name}"
            );
            let time = fs::metadata(&file).unwrap().modified().unwrap();
            assert_eq!(time, SystemTime::UNIX_EPOCH + EVERY_FILES_TIME, "{name}");
        }
    }
}
