//! Shows that images are the same bytes wherever and whenever they are built:
//! a second build from nothing, of a copy of the checkout in another folder.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::{Arch, Build, Called, Place, Written, write_all};
use crate::{process, workspace};

/// Builds the images here and elsewhere, prints both digests of each, and gives
/// those of here.
///
/// # Errors
/// When a build fails, when two digests differ, or when one is too large.
pub(super) fn check(names: &[&str], archs: &[Arch]) -> Result<Vec<Written>> {
    let release = |place: &Place| write_all(place, names, Build::Release, archs, Called::Locally);
    let first = release(&Place::here())?;
    let elsewhere = tempfile::Builder::new()
        .prefix("tanso-elsewhere-")
        .tempdir()
        .context("making a folder for a second build")?;
    let place = Place {
        root: elsewhere.path().join("copy"),
        target_dir: elsewhere.path().join("built"),
    };
    copy_checkout(&place.root)?;
    let second = release(&place)?;
    for line in first.iter().flat_map(Written::lines) {
        println!("{line}");
    }
    compare(&first, &second)?;
    println!(
        "{} images built twice, in \"{}\" and \"{}\": one digest each",
        first.len(),
        workspace::root().display(),
        place.root.display()
    );
    first.iter().try_for_each(Written::check_size)?;
    Ok(first)
}

fn compare(first: &[Written], second: &[Written]) -> Result<()> {
    let mut differing = Vec::new();
    for (one, other) in first.iter().zip(second) {
        if one.digest != other.digest {
            let (name, one, other) = (one.name, &one.digest, &other.digest);
            differing.push(format!("{name}: {one} here, {other} elsewhere"));
        }
    }
    if first.len() != second.len() || !differing.is_empty() {
        bail!("a second build differs: {}", differing.join("; "));
    }
    Ok(())
}

/// What Git has or would take, and nothing that was built.
fn copy_checkout(to: &Path) -> Result<()> {
    let mut command = Command::new("git");
    command.current_dir(workspace::root());
    command.args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ]);
    for name in process::output(&mut command)?.split_terminator('\0') {
        let (source, target) = (workspace::root().join(name), to.join(name));
        // One that was deleted and not committed yet is still listed.
        if !source.exists() {
            continue;
        }
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("creating \"{}\"", folder.display()))?;
        }
        fs::copy(&source, &target).with_context(|| format!("copying \"{}\"", source.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_second_build_with_another_digest_is_named_with_both() {
        let image = |digest: &str| Written {
            name: "tanso-agent",
            archive: PathBuf::new(),
            digest: digest.to_owned(),
            bytes: Vec::new(),
        };
        compare(&[image("sha256:a")], &[image("sha256:a")]).unwrap();
        let error = compare(&[image("sha256:a")], &[image("sha256:b")]).unwrap_err();
        let error = error.to_string();
        assert!(
            ["tanso-agent", "sha256:a", "sha256:b"]
                .iter()
                .all(|part| error.contains(part)),
            "{error}"
        );
    }
}
