//! Everything of a release in one folder: images with their bills of
//! materials, the chart, the manifests, the plug-in, and checksums of all. What
//! is linked in is judged first, and that all of it names one version; what was
//! made is held against itself, and only then copied to where it is asked for.

mod packed;
mod sbom;
mod verify;
mod version;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::images::{self, Arch, Build, Written};
use crate::kubeparts::hex;
use crate::packages::{self, Need};
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

/// Without them an image is built all the same, and reaches nobody.
const CERTIFICATES: Need = Need {
    file: "/etc/ssl/certs/ca-certificates.crt",
    package: "ca-certificates",
};

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

/// Checksums of all other files.
const SUMS: &str = "SHA256SUMS";

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
/// When something that is linked in is refused, a part cannot be built or does not
/// fit the others, an image is larger than promised, or the folder has something of
/// before. Nothing is in the folder then.
pub fn run(args: &Args) -> Result<()> {
    let out = match &args.out {
        Some(dir) => dir.clone(),
        None => workspace::target_dir().join("release-files"),
    };
    refuse_filled(&out)?;
    version::check(&workspace::root())?;
    let archs = images::architectures(&args.arch)?;
    // What can fail in seconds comes before the hour that images may take.
    packages::ensure(&[CERTIFICATES], "an image that calls out over TLS")?;
    let helm = Tool::Helm.ensure()?;
    let rendered = rendered()?;
    let targets: Vec<String> = archs.iter().copied().map(Arch::triple).collect();
    let together = IMAGES.map(|(_, subject)| subject.package);
    let bills = IMAGES.map(|(_, subject)| sbom::contents(subject, &together, &targets));
    let bills = bills.into_iter().collect::<Result<Vec<_>>>()?;
    let plugins_bill = sbom::contents(PLUGIN, &[], &targets)?.bill(None)?;
    deny::run(&deny::Args {
        require_advisories: args.require_advisories,
    })?;
    let names = IMAGES.map(|(name, _)| name);
    let prove = || images::check_reproducible(&names, &archs);
    let proven = args.check_reproducible.then(prove).transpose()?;
    let written = images::build_release(&names, &archs)?;
    for line in written.iter().flat_map(Written::lines) {
        println!("{line}");
    }
    written.iter().try_for_each(Written::check_size)?;
    same_as_proven(proven.as_deref(), &written)?;
    // Beside the target folder's own: whole or not at all, whatever fails.
    let stage = tempfile::Builder::new()
        .prefix("release-")
        .tempdir_in(workspace::target_dir())
        .context("making a folder for the release")?;
    let stage = stage.path();
    put_images(stage, &written, &bills)?;
    manifests(stage, &rendered)?;
    for arch in &archs {
        plugin(stage, *arch)?;
    }
    write(
        &stage.join("kubectl-tanso.cdx.json"),
        plugins_bill.as_bytes(),
    )?;
    packed::pack(&helm, stage)?;
    println!("{}", verify::check(stage, &written, &archs, &helm)?);
    let files = publish(stage, &out)?;
    println!("{files} files in \"{}\"", out.display());
    Ok(())
}

/// What is left of an earlier release would get a checksum of this one.
fn refuse_filled(out: &Path) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("creating \"{}\"", out.display()))?;
    let mut entries =
        fs::read_dir(out).with_context(|| format!("reading \"{}\"", out.display()))?;
    if entries.next().is_some() {
        bail!(
            "\"{}\" is not empty; remove it, or name another folder by --out",
            out.display()
        );
    }
    Ok(())
}

/// What was built twice is what is released.
fn same_as_proven(proven: Option<&[Written]>, written: &[Written]) -> Result<()> {
    for (one, other) in proven.unwrap_or_default().iter().zip(written) {
        if one.digest != other.digest {
            bail!(
                "image {} was {} when it was built twice and is {} now: the checkout changed \
                 meanwhile; run it again",
                one.name,
                one.digest,
                other.digest
            );
        }
    }
    Ok(())
}

/// The name and digest that an image is pulled by.
fn pinned(reference: &str, digest: &str) -> String {
    format!("{reference}@{digest}")
}

/// The archives, each with its bill, and a list of what a registry knows them by.
fn put_images(out: &Path, written: &[Written], bills: &[sbom::Contents]) -> Result<()> {
    let mut list = String::new();
    for ((image, (name, _)), bill) in written.iter().zip(IMAGES).zip(bills) {
        copy(&image.archive, &out.join(format!("{name}.oci.tar")))?;
        let pinned = pinned(&images::public_reference(name)?, &image.digest);
        let bill = bill.bill(Some(&pinned))?;
        write(&out.join(format!("{name}.cdx.json")), bill.as_bytes())?;
        list.push_str(&pinned);
        list.push('\n');
    }
    write(&out.join("images.txt"), list.as_bytes())
}

/// What kustomize makes of each folder, and its name in the release.
fn rendered() -> Result<Vec<(&'static str, String)>> {
    let render = |(folder, name)| Ok((name, chart::kustomize(folder)?));
    RENDERED.into_iter().map(render).collect()
}

fn manifests(out: &Path, rendered: &[(&str, String)]) -> Result<()> {
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
    for (name, text) in rendered {
        write(&out.join(name), text.as_bytes())?;
    }
    Ok(())
}

fn plugin_name(arch: Arch) -> String {
    format!("kubectl-tanso-linux-{}", arch.name())
}

fn plugin(out: &Path, arch: Arch) -> Result<()> {
    let program = images::program("tanso-cli", "kubectl-tanso", Build::Release, arch)?;
    copy(&program, &out.join(plugin_name(arch)))
}

/// Copies what was found to fit, the checksums last: where they are, all is. Gives
/// how many files there are.
fn publish(stage: &Path, out: &Path) -> Result<usize> {
    let sums = checksums(stage)?;
    let publish = || {
        refuse_filled(out)?;
        for (_, name) in sums.lines().filter_map(|line| line.split_once("  ")) {
            copy(&stage.join(name), &out.join(name))?;
        }
        if checksums(out)? != sums {
            bail!("what is there is not what was copied");
        }
        write(&out.join(SUMS), sums.as_bytes())
    };
    publish().with_context(|| {
        format!(
            "filling \"{}\"; it is no release: remove it and run this again",
            out.display()
        )
    })?;
    Ok(sums.lines().count() + 1)
}

/// `sha256sum`'s own format, in the order of the names.
fn checksums(out: &Path) -> Result<String> {
    let entries = fs::read_dir(out).with_context(|| format!("reading \"{}\"", out.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != SUMS)
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
    use super::*;

    fn built(digest: &str, archive: PathBuf) -> Written {
        Written {
            name: "tanso-operator",
            archive,
            digest: digest.to_owned(),
            bytes: Vec::new(),
        }
    }

    #[test]
    fn an_image_that_is_not_the_one_that_was_built_twice_is_no_release() {
        let one = |digest| vec![built(digest, PathBuf::new())];
        same_as_proven(None, &one("sha256:a")).unwrap();
        same_as_proven(Some(&one("sha256:a")), &one("sha256:a")).unwrap();
        let error = same_as_proven(Some(&one("sha256:a")), &one("sha256:b")).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("tanso-operator was sha256:a") && error.contains("run it again"),
            "{error}"
        );
    }

    #[test]
    fn images_are_listed_by_the_name_and_digest_that_they_are_pulled_by() {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("built");
        fs::write(&archive, "an archive").unwrap();
        let bill = sbom::contents_of_tests();
        put_images(dir.path(), &[built("sha256:a", archive)], &[bill]).unwrap();
        let pinned = format!(
            "ghcr.io/tanso-dev/tanso-operator:{}@sha256:a",
            env!("CARGO_PKG_VERSION")
        );
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("images.txt"), format!("{pinned}\n"));
        assert!(read("tanso-operator.cdx.json").contains(&pinned));
        assert_eq!(read("tanso-operator.oci.tar"), "an archive");
    }

    #[test]
    fn a_folder_is_filled_whole_and_one_that_has_something_not_at_all() {
        let (stage, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(stage.path().join("install.yaml"), "kind: List").unwrap();
        assert_eq!(publish(stage.path(), out.path()).unwrap(), 2);
        let sums = fs::read_to_string(out.path().join(SUMS)).unwrap();
        assert_eq!(sums, checksums(stage.path()).unwrap());
        fs::write(stage.path().join("later.yaml"), "").unwrap();
        let error = publish(stage.path(), out.path()).unwrap_err();
        assert!(format!("{error:#}").contains("is not empty"), "{error:#}");
        assert!(!out.path().join("later.yaml").exists());
    }

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
