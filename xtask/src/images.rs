//! OCI images without a container daemon: one static program each, on nothing.

mod archive;
mod called;
mod compile;
mod oci;
mod reproduce;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::packages::{self, Need};
use crate::{process, workspace};
pub(crate) use archive::{Archive, machine};
use called::Called;
pub(crate) use called::REGISTRY;
pub use compile::Arch;
use compile::Place;
use oci::{Entry, Image};

/// The authorities that programs trust: in an image as on this machine.
pub(crate) const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";

/// The largest image that users are asked to pull, bytes, unpacked.
const BYTES_MAX: u64 = 30_000_000;

/// Which images, and how they are built.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these; by default all
    names: Vec<String>,
    /// Optimise for use instead of for a short build
    #[arg(long)]
    release: bool,
    /// For these architectures, by default this machine's; of several one archive
    #[arg(long, value_enum, value_delimiter = ',')]
    arch: Vec<Arch>,
    /// Build all of it a second time, from nothing and from a copy of the checkout
    /// in another folder, and compare the digests
    #[arg(long, requires = "release")]
    check_reproducible: bool,
}

/// How programs are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// Quick to build; what tests and the demonstration run.
    Demo,
    /// What users run.
    Release,
}

impl Build {
    const fn profile(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Release => "release",
        }
    }
}

/// An image that can be built.
#[derive(Debug)]
struct Recipe {
    name: &'static str,
    /// The workspace's package and program; none for what is not Rust.
    program: Option<(&'static str, &'static str)>,
    tag: &'static str,
    user: &'static str,
    ca_certificates: bool,
    /// Whether users run it, rather than tests alone.
    is_released: bool,
}

const NOBODY: &str = "65532:65532";

const RECIPES: [Recipe; 5] = [
    Recipe {
        name: "tanso-operator",
        program: Some(("tanso-operator", "tanso-operator")),
        tag: "dev",
        user: NOBODY,
        ca_certificates: true,
        is_released: true,
    },
    Recipe {
        name: "tanso-agent",
        program: Some(("tanso-agent", "tanso-agent")),
        tag: "dev",
        user: "0:0",
        ca_certificates: false,
        is_released: true,
    },
    Recipe {
        name: "tanso-model-server",
        program: Some(("tanso-model-server", "tanso-model-server")),
        tag: "dev",
        user: NOBODY,
        ca_certificates: true,
        is_released: true,
    },
    Recipe {
        name: "demo-load",
        program: Some(("tanso-demo-load", "demo-load")),
        tag: "dev",
        user: NOBODY,
        ca_certificates: false,
        is_released: false,
    },
    Recipe {
        name: "pause",
        program: None,
        tag: "1",
        user: NOBODY,
        ca_certificates: false,
        is_released: false,
    },
];

/// An image that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its name, without registry and tag.
    pub name: &'static str,
    /// The archive.
    pub archive: PathBuf,
    /// What a registry will know it by: `sha256:` and 64 digits.
    pub digest: String,
    /// For each architecture what a node stores, bytes.
    pub bytes: Vec<(Arch, u64)>,
}

impl Written {
    /// A line for each architecture: size, architecture, digest.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let line = |(arch, bytes): &(Arch, u64)| {
            format!(
                "{:>6.1} MB  {:<5}  {}  {}",
                megabytes(*bytes),
                arch.name(),
                self.digest,
                self.name
            )
        };
        self.bytes.iter().map(line).collect()
    }

    /// Fails when an image for users is larger than promised.
    ///
    /// # Errors
    /// Names the image, its size and what is promised.
    pub fn check_size(&self) -> Result<()> {
        let Some((arch, bytes)) = self.bytes.iter().find(|(_, bytes)| *bytes > BYTES_MAX) else {
            return Ok(());
        };
        bail!(
            "image {} for {} has {:.1} MB; at most {:.0} MB are promised",
            self.name,
            arch.name(),
            megabytes(*bytes),
            megabytes(BYTES_MAX)
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Builds the images and prints size, architecture, digest and archive of each.
///
/// # Errors
/// See [`build`]; with `--release`, when one is larger than promised; with
/// `--check-reproducible`, when a second build differs.
pub fn run(args: &Args) -> Result<()> {
    let how = if args.release {
        Build::Release
    } else {
        Build::Demo
    };
    let names: Vec<&str> = match args.names.as_slice() {
        [] if how == Build::Release || !args.arch.is_empty() => released().collect(),
        [] => all(),
        names => names.iter().map(String::as_str).collect(),
    };
    let archs = architectures(&args.arch)?;
    if args.check_reproducible {
        return reproduce::check(&names, &archs).map(drop);
    }
    let written = write_all(&Place::here(), &names, how, &archs, Called::Locally)?;
    for image in &written {
        for line in image.lines() {
            println!("{line}");
        }
        println!("  {}", image.archive.display());
    }
    if how == Build::Release {
        written.iter().try_for_each(Written::check_size)?;
    }
    Ok(())
}

/// Those named, each once and in order; this machine's own where none is named.
///
/// # Errors
/// When none is named and this machine is of a kind that no image is built for.
pub fn architectures(named: &[Arch]) -> Result<Vec<Arch>> {
    let mut all = named.to_vec();
    if all.is_empty() {
        all.push(Arch::native()?);
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// The names of all images.
#[must_use]
pub fn all() -> Vec<&'static str> {
    RECIPES.iter().map(|recipe| recipe.name).collect()
}

/// The names of the images that users run.
pub fn released() -> impl Iterator<Item = &'static str> {
    let for_users = RECIPES.iter().filter(|recipe| recipe.is_released);
    for_users.map(|recipe| recipe.name)
}

/// The reference under which a node knows an image, for example
/// `localhost/tanso/demo-load:dev`.
///
/// # Errors
/// When there is no such image.
pub fn reference(name: &str) -> Result<String> {
    Ok(Called::Locally.reference(recipe(name)?))
}

/// The reference under which chart and manifests ask for an image of a release.
///
/// # Errors
/// When there is no such image.
pub(crate) fn public_reference(name: &str) -> Result<String> {
    Ok(Called::Publicly.reference(recipe(name)?))
}

/// Builds images for tests and the demonstration, and gives their archives in
/// the order of the names.
///
/// # Errors
/// When a name is unknown, a compiler is missing, or a program does not build.
pub fn build(names: &[&str]) -> Result<Vec<PathBuf>> {
    let archs = [Arch::native()?];
    let written = write_all(&Place::here(), names, Build::Demo, &archs, Called::Locally)?;
    Ok(written.into_iter().map(|image| image.archive).collect())
}

/// As [`build`], compiled for users and for these architectures, and called as the
/// chart asks for them; gives digests and sizes too.
///
/// # Errors
/// As there.
pub fn build_release(names: &[&str], archs: &[Arch]) -> Result<Vec<Written>> {
    let here = Place::here();
    write_all(&here, names, Build::Release, archs, Called::Publicly)
}

/// Builds images here and a second time elsewhere, from nothing; gives those of here.
///
/// # Errors
/// When a build fails, two digests differ, or an image is larger than promised.
pub fn check_reproducible(names: &[&str], archs: &[Arch]) -> Result<Vec<Written>> {
    reproduce::check(names, archs)
}

fn write_all(
    place: &Place,
    names: &[&str],
    how: Build,
    archs: &[Arch],
    called: Called,
) -> Result<Vec<Written>> {
    let recipes = names
        .iter()
        .map(|name| recipe(name))
        .collect::<Result<Vec<_>>>()?;
    let programs: Vec<_> = recipes.iter().filter_map(|recipe| recipe.program).collect();
    let mut compiled = Vec::new();
    for arch in archs {
        if !programs.is_empty() {
            compiled.push((*arch, compile::programs(place, &programs, how, *arch)?));
        }
    }
    let native = Arch::native()?;
    let dir = place.target_dir.join(called.folder());
    fs::create_dir_all(&dir).with_context(|| format!("creating \"{}\"", dir.display()))?;
    let mut all = Vec::new();
    for recipe in recipes {
        let mut images = Vec::new();
        match recipe.program {
            Some((_, binary)) => {
                for (arch, folder) in &compiled {
                    images.push((*arch, image(recipe, folder.join(binary), called)));
                }
            }
            None if archs == [native] => {
                images.push((native, image(recipe, compile_pause()?, called)));
            }
            None => bail!(
                "image \"{}\" is built for this machine's architecture only",
                recipe.name
            ),
        }
        let archive = dir.join(format!("{}.tar", file_name(recipe.name, archs, native)));
        let (digest, bytes) = oci::write(&images, &archive)?;
        all.push(Written {
            name: recipe.name,
            archive,
            digest,
            bytes,
        });
    }
    Ok(all)
}

/// An archive for other machines never stands in the place of one that tests here take.
fn file_name(name: &str, archs: &[Arch], native: Arch) -> String {
    match archs {
        [arch] if *arch == native => name.to_owned(),
        archs => archs.iter().fold(name.to_owned(), |text, arch| {
            format!("{text}-{}", arch.name())
        }),
    }
}

fn recipe(name: &str) -> Result<&'static Recipe> {
    let Some(recipe) = RECIPES.iter().find(|recipe| recipe.name == name) else {
        bail!(
            "there is no image \"{name}\"; there are {}",
            all().join(", ")
        );
    };
    Ok(recipe)
}

fn image(recipe: &Recipe, program: PathBuf, called: Called) -> Image {
    let mut files = vec![Entry {
        path: recipe.name.to_owned(),
        source: program,
        mode: 0o755,
    }];
    let certificates = Path::new("/").join(CERTIFICATES);
    if recipe.ca_certificates && certificates.is_file() {
        files.push(Entry {
            path: CERTIFICATES.to_owned(),
            source: certificates,
            mode: 0o644,
        });
    }
    Image {
        reference: called.reference(recipe),
        title: recipe.name.to_owned(),
        entrypoint: vec![format!("/{}", recipe.name)],
        user: recipe.user.to_owned(),
        files,
    }
}

/// Compiles one static program of the workspace.
///
/// # Errors
/// When it does not build.
pub fn program(package: &str, binary: &str, how: Build, arch: Arch) -> Result<PathBuf> {
    let folder = compile::programs(&Place::here(), &[(package, binary)], how, arch)?;
    Ok(folder.join(binary))
}

/// A program of the images that tests run, as it was compiled for them last.
///
/// # Errors
/// When it never was.
pub fn built(binary: &str) -> Result<PathBuf> {
    let program = compile::folder(&Place::here(), Build::Demo, Arch::native()?).join(binary);
    if !program.is_file() {
        bail!(
            "there is no \"{}\"; `cargo xtask images` makes it",
            program.display()
        );
    }
    Ok(program)
}

/// Wraps a static program of others as an image that tests run.
///
/// # Errors
/// When the program cannot be read or the archive not written.
pub fn wrap(name: &str, program: &Path) -> Result<PathBuf> {
    let dir = workspace::target_dir().join("images");
    fs::create_dir_all(&dir).with_context(|| format!("creating \"{}\"", dir.display()))?;
    let archive = dir.join(format!("{name}.tar"));
    let image = Image {
        reference: format!("localhost/tanso/{name}:dev"),
        title: name.to_owned(),
        entrypoint: vec![format!("/{name}")],
        user: NOBODY.to_owned(),
        files: vec![Entry {
            path: name.to_owned(),
            source: program.to_path_buf(),
            mode: 0o755,
        }],
    };
    oci::write(&[(Arch::native()?, image)], &archive)?;
    Ok(archive)
}

fn compile_pause() -> Result<PathBuf> {
    packages::ensure(
        &[Need {
            file: "gcc",
            package: "gcc",
        }],
        "the pause image",
    )?;
    let source = workspace::root().join("tests/cluster/pause/pause.c");
    let dir = workspace::target_dir().join("pause");
    fs::create_dir_all(&dir).with_context(|| format!("creating \"{}\"", dir.display()))?;
    let program = dir.join("pause");
    // Two clusters may start at once: each compiles its own, then puts it in place.
    let partial = dir.join(format!("pause.{}", std::process::id()));
    let mut command = Command::new("gcc");
    command.args([
        "-Os",
        "-Wall",
        "-Werror",
        "-static",
        "-nostdlib",
        "-ffreestanding",
    ]);
    command.args([
        "-fno-stack-protector",
        "-fno-asynchronous-unwind-tables",
        "-fno-pie",
        "-no-pie",
    ]);
    command.args(["-Wl,--build-id=none", "-Wl,-z,noseparate-code", "-s", "-o"]);
    process::output(command.arg(&partial).arg(&source))?;
    fs::rename(&partial, &program).with_context(|| format!("writing \"{}\"", program.display()))?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_image_is_refused_with_the_known_ones() {
        let error = build(&["tanso-oracle"]).unwrap_err().to_string();
        assert!(
            error.contains("\"tanso-oracle\"") && error.contains("tanso-agent"),
            "{error}"
        );
    }

    #[test]
    fn an_archive_for_others_never_replaces_this_machines_own() {
        use Arch::{Amd64, Arm64};
        let name = |archs: &[Arch]| file_name("a", archs, Amd64);
        assert_eq!(name(&[Amd64]), "a");
        assert_eq!(name(&[Arm64]), "a-arm64");
        assert_eq!(name(&[Amd64, Arm64]), "a-amd64-arm64");
    }

    #[test]
    fn an_image_over_the_promised_size_is_refused_with_both_sizes() {
        let image = |bytes| Written {
            name: "tanso-agent",
            archive: PathBuf::new(),
            digest: String::new(),
            bytes: vec![(Arch::Amd64, 1), (Arch::Arm64, bytes)],
        };
        image(BYTES_MAX).check_size().unwrap();
        let error = image(31_500_000).check_size().unwrap_err().to_string();
        assert!(
            error.contains("arm64 has 31.5 MB") && error.contains("30 MB"),
            "{error}"
        );
    }

    #[test]
    fn the_pause_image_is_the_one_that_containerd_is_told_to_use() {
        assert_eq!(reference("pause").unwrap(), crate::cluster::PAUSE_IMAGE);
    }
}
