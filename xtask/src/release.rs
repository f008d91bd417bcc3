//! Everything of a release in one folder: images with their bills of
//! materials, the chart, the installation, the plug-in, and checksums of all.

mod sbom;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::images::{self, Build};
use crate::kubeparts::hex;
use crate::process::output;
use crate::progress::Step;
use crate::tools::Tool;
use crate::workspace;

/// The largest image that users are asked to pull, bytes.
const IMAGE_BYTES_MAX: u64 = 30_000_000;

/// The images of a release and the packages that they are of.
const IMAGES: [(&str, &str); 3] = [
    ("tanso-operator", "tanso-operator"),
    ("tanso-agent", "tanso-agent"),
    ("tanso-model-server", "tanso-model-server"),
];

/// What users apply, as it lies in the checkout, and its name in the release.
const MANIFESTS: [(&str, &str); 2] = [
    ("config/default/install.yaml", "install.yaml"),
    ("config/prometheus/rules.yaml", "prometheus-rules.yaml"),
];

/// Where to.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder to fill; by default `release` of the target folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Builds a release.
///
/// # Errors
/// When a part cannot be built, or an image is larger than promised.
pub fn run(args: &Args) -> Result<()> {
    let out = match &args.out {
        Some(dir) => dir.clone(),
        None => workspace::target_dir().join("release-files"),
    };
    fs::create_dir_all(&out).with_context(|| format!("creating \"{}\"", out.display()))?;
    let names: Vec<&str> = IMAGES.iter().map(|(image, _)| *image).collect();
    let archives = images::build_for(&names, Build::Release)?;
    for (archive, (image, package)) in archives.iter().zip(IMAGES) {
        copy(archive, &out.join(format!("{image}.oci.tar")))?;
        let bill = sbom::of(package)?;
        write(&out.join(format!("{image}.cdx.json")), bill.as_bytes())?;
    }
    for (source, name) in MANIFESTS {
        copy(&workspace::root().join(source), &out.join(name))?;
    }
    plugin(&out)?;
    chart(&out)?;
    let sums = checksums(&out)?;
    write(&out.join("SHA256SUMS"), sums.as_bytes())?;
    for archive in &archives {
        let size = fs::metadata(archive).map_or(0, |meta| meta.len());
        let name = archive.file_stem().unwrap_or_default().to_string_lossy();
        println!("{:>6.1} MB  {name}", mega(size));
        if size > IMAGE_BYTES_MAX {
            bail!(
                "image {name} has {:.1} MB; at most {:.0} MB are promised",
                mega(size),
                mega(IMAGE_BYTES_MAX)
            );
        }
    }
    println!("{}", out.display());
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn plugin(out: &Path) -> Result<()> {
    let program = images::program("tanso-cli", "kubectl-tanso", Build::Release)?;
    copy(&program, &out.join("kubectl-tanso"))?;
    let bill = sbom::of("tanso-cli")?;
    write(&out.join("kubectl-tanso.cdx.json"), bill.as_bytes())
}

fn chart(out: &Path) -> Result<()> {
    let helm = Tool::Helm.ensure()?;
    let step = Step::new("packaging the chart");
    let mut command = Command::new(helm);
    command
        .arg("package")
        .arg(workspace::root().join("charts/tanso"))
        .arg("--destination")
        .arg(out);
    output(&mut command)?;
    step.done("packaged the chart");
    Ok(())
}

/// `sha256sum`'s own format, in the order of the names.
fn checksums(out: &Path) -> Result<String> {
    let entries = fs::read_dir(out).with_context(|| format!("reading \"{}\"", out.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != "SHA256SUMS")
        .collect();
    names.sort();
    let line = |name: String| {
        let file = out.join(&name);
        let content = fs::read(&file).with_context(|| format!("reading \"{}\"", file.display()))?;
        Ok(format!("{}  {name}\n", hex(&Sha256::digest(content))))
    };
    names.into_iter().map(line).collect()
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("copying \"{}\" to \"{}\"", from.display(), to.display()))
}

fn write(file: &Path, content: &[u8]) -> Result<()> {
    fs::write(file, content).with_context(|| format!("writing \"{}\"", file.display()))
}

#[cfg(test)]
mod tests {
    use super::checksums;

    #[test]
    fn checksums_are_those_of_the_content_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("b"), "").unwrap();
        std::fs::write(dir.path().join("a"), "abc").unwrap();
        std::fs::write(dir.path().join("SHA256SUMS"), "old").unwrap();
        // FIPS 180-2, appendix B.1, and the digest of nothing.
        assert_eq!(
            checksums(dir.path()).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\n\
             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b\n"
        );
    }
}
