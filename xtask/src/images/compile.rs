//! Compiles the workspace's programs for images: static, for this machine's
//! architecture or another, from this checkout or a copy of it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::Build;
use crate::packages::{self, Need};
use crate::progress::Step;
use crate::{ebpf, process, workspace};

/// An architecture that images are built for, by its name in image lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// 64-bit Arm.
    Arm64,
}

impl Arch {
    /// This machine's own.
    ///
    /// # Errors
    /// When images are not built for such machines.
    pub fn native() -> Result<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Ok(Self::Amd64),
            "aarch64" => Ok(Self::Arm64),
            other => bail!("images are built on x86_64 and aarch64, and this is {other}"),
        }
    }

    /// Its name in image lists.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Its name for Rust and for Debian's cross compilers.
    const fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// Its name for Rust, as a target.
    pub(crate) fn triple(self) -> String {
        format!("{}-unknown-linux-gnu", self.machine())
    }

    /// Debian's compiler for it, and its C library to link statically.
    const fn cross_packages(self) -> [Need; 2] {
        match self {
            Self::Amd64 => [
                Need {
                    file: "x86_64-linux-gnu-gcc",
                    package: "gcc-x86-64-linux-gnu",
                },
                Need {
                    file: "/usr/x86_64-linux-gnu/lib/libc.a",
                    package: "libc6-dev-amd64-cross",
                },
            ],
            Self::Arm64 => [
                Need {
                    file: "aarch64-linux-gnu-gcc",
                    package: "gcc-aarch64-linux-gnu",
                },
                Need {
                    file: "/usr/aarch64-linux-gnu/lib/libc.a",
                    package: "libc6-dev-arm64-cross",
                },
            ],
        }
    }
}

/// A checkout, and the folder for what is built of it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) root: PathBuf,
    pub(super) target_dir: PathBuf,
}

impl Place {
    /// This checkout.
    pub(super) fn here() -> Self {
        Self {
            root: workspace::root(),
            target_dir: workspace::target_dir(),
        }
    }

    /// The kernel programs for machines of a kind.
    pub(super) fn kernel_programs(&self, arch: Arch) -> Result<ebpf::Variant> {
        let other = (arch != Arch::native()?).then_some(arch.machine());
        let (root, dir) = (self.root.clone(), self.target_dir.clone());
        Ok(ebpf::Variant::new(root, dir, other))
    }
}

/// Compiles static programs, named by package and program; gives the folder
/// they are in.
pub(super) fn programs(
    place: &Place,
    programs: &[(&str, &str)],
    how: Build,
    arch: Arch,
) -> Result<PathBuf> {
    // Without naming the target, build scripts would get the flags too, and fail.
    let target = arch.triple();
    let mut command = Command::new("cargo");
    command
        .current_dir(&place.root)
        .env("CARGO_TARGET_DIR", &place.target_dir);
    command.args(["build", "--profile", how.profile(), "--target", &target]);
    for (package, binary) in programs {
        command.args(["--package", package, "--bin", binary]);
    }
    give_flags(&mut command, place, how, arch)?;
    if arch != Arch::native()? {
        cross(&mut command, arch)?;
    }
    let needs_kernel_programs = |(package, _): &(&str, &str)| *package == "tanso-agent";
    if programs.iter().any(needs_kernel_programs) {
        let kernel = place.kernel_programs(arch)?;
        kernel.ensure_built()?;
        kernel.give(&mut command);
    }
    let names: Vec<_> = programs.iter().map(|(_, binary)| *binary).collect();
    let names = format!("{} for images ({})", names.join(", "), arch.name());
    let mut step = Step::new(format!("compiling {names}"));
    let log = workspace::target_dir().join("logs/images.log");
    process::run_logged(
        &mut command,
        &log,
        &mut step,
        "cargo build of static programs",
    )?;
    step.done(&format!("compiled {names}"));
    Ok(folder(place, how, arch))
}

/// Where static programs lie once they are compiled.
pub(super) fn folder(place: &Place, how: Build, arch: Arch) -> PathBuf {
    place.target_dir.join(arch.triple()).join(how.profile())
}

/// Sets the compilers' flags: static; for users also the same bytes wherever
/// the checkout, the target folder and Cargo's home lie.
fn give_flags(command: &mut Command, place: &Place, how: Build, arch: Arch) -> Result<()> {
    let mut rust = vec!["-C target-feature=+crt-static".to_owned()];
    if how == Build::Release {
        let home = workspace::cargo_home()?;
        // The last that fits is taken: the target folder may lie in the checkout.
        let pairs = [
            (place.root.as_path(), "/tanso"),
            (home.as_path(), "/cargo"),
            (place.target_dir.as_path(), "/target"),
        ];
        let mut c = Vec::new();
        for (from, to) in pairs {
            let from = from.to_string_lossy();
            if from.contains(char::is_whitespace) {
                bail!("a release is not built below a folder with a blank in its name: \"{from}\"");
            }
            c.push(format!("-ffile-prefix-map={from}={to}"));
        }
        rust.extend(workspace::same_names(&pairs));
        if arch == Arch::Amd64 {
            // Each address that the start fixes takes 24 bytes, packed less than
            // one: 0.7 MB of the operator. Debian's linker for Arm cannot.
            rust.push("-C link-arg=-Wl,-z,pack-relative-relocs".to_owned());
        }
        command.env("CFLAGS", c.join(" "));
    }
    command.env("RUSTFLAGS", rust.join(" "));
    // It would take the place of what was just set.
    command.env_remove("CARGO_ENCODED_RUSTFLAGS");
    Ok(())
}

/// Has Cargo compile and link for another architecture.
fn cross(command: &mut Command, arch: Arch) -> Result<()> {
    let purpose = format!("compiling for {}", arch.name());
    packages::ensure(&arch.cross_packages(), &purpose)?;
    let target = arch.triple();
    library(&target)?;
    let tool = |name: &str| format!("{}-linux-gnu-{name}", arch.machine());
    let under = target.replace('-', "_");
    command
        .env(format!("CC_{under}"), tool("gcc"))
        .env(format!("AR_{under}"), tool("ar"))
        .env(
            format!("CARGO_TARGET_{}_LINKER", under.to_uppercase()),
            tool("gcc"),
        );
    Ok(())
}

/// Rust's own library for a target; rustup fetches it where it can.
fn library(target: &str) -> Result<()> {
    let mut command = Command::new("rustc");
    command.args(["--print", "target-libdir", "--target", target]);
    let folder = PathBuf::from(process::output(&mut command)?.trim());
    if folder.is_dir() {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    rustup.current_dir(workspace::root());
    process::output(rustup.args(["target", "add", target]))
        .map(drop)
        .with_context(|| {
            format!("Rust's library for {target} is not there, and rustup cannot fetch it")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(root: &str, target_dir: &str) -> Result<String> {
        let place = Place {
            root: root.into(),
            target_dir: target_dir.into(),
        };
        let mut command = Command::new("cargo");
        // The flags of the machine's own kind come after those of names.
        give_flags(&mut command, &place, Build::Release, Arch::Arm64)?;
        let value = command.get_envs().find(|(name, _)| *name == "RUSTFLAGS");
        let (_, value) = value.context("RUSTFLAGS")?;
        Ok(value.unwrap_or_default().to_string_lossy().into_owned())
    }

    #[test]
    fn a_target_folder_within_the_checkout_has_the_name_of_one_outside() {
        // The last prefix that fits counts, so the folder within comes last.
        let inside = flags("/one", "/one/target").unwrap();
        assert!(
            inside.ends_with("--remap-path-prefix=/one/target=/target"),
            "{inside}"
        );
        let outside = flags("/two", "/elsewhere").unwrap();
        assert!(outside.ends_with("=/elsewhere=/target"), "{outside}");
    }

    #[test]
    fn a_release_below_a_folder_with_a_blank_is_refused_by_its_name() {
        let error = flags("/my tanso", "/t").unwrap_err().to_string();
        assert!(error.contains("\"/my tanso\""), "{error}");
    }
}
