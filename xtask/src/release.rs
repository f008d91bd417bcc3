//! Everything of a release in one folder: images with their bills of
//! materials, the chart, the manifests, the plug-in, and checksums of all. What
//! is linked in is judged first, and that all of it names one version.

mod sbom;
mod version;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::images::{self, Arch, Build, Written};
use crate::kubeparts::hex;
use crate::process::output;
use crate::progress::Step;
use crate::tools::Tool;
use crate::{chart, deny, workspace};
use sbom::Subject;

/// The images of a release, and what is in them.
const IMAGES: [(&str, Subject); 3] = [
    (
        "tanso-operator",
        Subject {
            package: "tanso-operator",
            has_kernel_programs: false,
            has_certificates: true,
        },
    ),
    (
        "tanso-agent",
        Subject {
            package: "tanso-agent",
            has_kernel_programs: true,
            has_certificates: false,
        },
    ),
    (
        "tanso-model-server",
        Subject {
            package: "tanso-model-server",
            has_kernel_programs: false,
            has_certificates: true,
        },
    ),
];

/// What is in the plug-in.
const PLUGIN: Subject = Subject {
    package: "tanso-cli",
    has_kernel_programs: false,
    has_certificates: false,
};

/// What lies in the checkout as users take it, and its name in the release.
const FILES: [(&str, &str); 5] = [
    ("config/default/install.yaml", "install.yaml"),
    ("config/prometheus/rules.yaml", "prometheus-rules.yaml"),
    (
        "config/prometheus/kepler-legacy-rules.yaml",
        "prometheus-kepler-legacy-rules.yaml",
    ),
    (
        "config/seccomp/tanso-agent.json",
        "seccomp-tanso-agent.json",
    ),
    ("LICENSE", "LICENSE"),
];

/// Objects to begin with; each is called `sample-…` in the release.
const SAMPLES: &str = "config/samples";

/// Folders that kustomize renders, and the name of the render.
const RENDERED: [(&str, &str); 6] = [
    ("config/crd", "crds.yaml"),
    ("config/overlays/simple", "install-simple.yaml"),
    ("config/overlays/production", "install-production.yaml"),
    ("config/grafana", "dashboards.yaml"),
    ("config/flux", "flux.yaml"),
    ("config/flux-helm", "flux-helm.yaml"),
];

/// Where to, and for which machines.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder to fill; by default `release-files` of the target folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// For these architectures, by default this machine's
    #[arg(long, value_enum, value_delimiter = ',')]
    arch: Vec<Arch>,
    /// Fail also when the database of known faults cannot be fetched
    #[arg(long)]
    require_advisories: bool,
    /// Build the images a second time, from nothing and in another folder, and
    /// compare the digests
    #[arg(long)]
    check_reproducible: bool,
}

/// Builds a release.
///
/// # Errors
/// When something that is linked in is refused, a part cannot be built, an image
/// is larger than promised, or the folder has something of before.
pub fn run(args: &Args) -> Result<()> {
    let out = match &args.out {
        Some(dir) => dir.clone(),
        None => workspace::target_dir().join("release-files"),
    };
    fs::create_dir_all(&out).with_context(|| format!("creating \"{}\"", out.display()))?;
    if fs::read_dir(&out).is_ok_and(|mut entries| entries.next().is_some()) {
        // What is left of an earlier release would get a checksum of this one.
        bail!(
            "\"{}\" is not empty; remove it, or name another folder by --out",
            out.display()
        );
    }
    version::check(&workspace::root())?;
    deny::run(&deny::Args {
        require_advisories: args.require_advisories,
    })?;
    let archs = images::architectures(&args.arch)?;
    if args.check_reproducible {
        images::check_reproducible(&IMAGES.map(|(name, _)| name), &archs)?;
    }
    let written = images(&out, &archs)?;
    manifests(&out)?;
    for arch in &archs {
        plugin(&out, *arch)?;
    }
    bill(&out, "kubectl-tanso", PLUGIN, &archs)?;
    package(&out)?;
    let sums = checksums(&out)?;
    write(&out.join("SHA256SUMS"), sums.as_bytes())?;
    for line in written.iter().flat_map(Written::lines) {
        println!("{line}");
    }
    written.iter().try_for_each(Written::check_size)?;
    println!(
        "{} files in \"{}\"",
        sums.lines().count() + 1,
        out.display()
    );
    Ok(())
}

fn images(out: &Path, archs: &[Arch]) -> Result<Vec<Written>> {
    let written = images::build_release(&IMAGES.map(|(name, _)| name), archs)?;
    for (image, (name, subject)) in written.iter().zip(IMAGES) {
        copy(&image.archive, &out.join(format!("{name}.oci.tar")))?;
        bill(out, name, subject, archs)?;
    }
    Ok(written)
}

/// What is linked in, on any of these architectures.
fn bill(out: &Path, name: &str, subject: Subject, archs: &[Arch]) -> Result<()> {
    let targets: Vec<String> = archs.iter().copied().map(Arch::triple).collect();
    let bill = sbom::of(subject, &targets)?;
    write(&out.join(format!("{name}.cdx.json")), bill.as_bytes())
}

fn manifests(out: &Path) -> Result<()> {
    let root = workspace::root();
    for (source, name) in FILES {
        copy(&root.join(source), &out.join(name))?;
    }
    let samples = root.join(SAMPLES);
    let entries =
        fs::read_dir(&samples).with_context(|| format!("reading \"{}\"", samples.display()))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = format!("sample-{}", name.to_string_lossy());
        copy(&entry.path(), &out.join(name))?;
    }
    for (folder, name) in RENDERED {
        write(&out.join(name), chart::kustomize(folder)?.as_bytes())?;
    }
    Ok(())
}

fn plugin(out: &Path, arch: Arch) -> Result<()> {
    let program = images::program("tanso-cli", "kubectl-tanso", Build::Release, arch)?;
    copy(
        &program,
        &out.join(format!("kubectl-tanso-linux-{}", arch.name())),
    )
}

fn package(out: &Path) -> Result<()> {
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
