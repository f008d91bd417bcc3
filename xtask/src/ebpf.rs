//! Builds the kernel programs: with Debian's compiler, which brings `core` for
//! the kernel's target, or else with rustup's nightly. What the linker needs is
//! built into the cache; nothing of the machine's own Rust changes.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::packages::{self, Need};
use crate::progress::Step;
use crate::{kubeparts, process, workspace};

const LINKER_VERSION: &str = "0.13.0";
/// What the kernel programs are compiled for, wherever they are to run.
pub(crate) const TARGET: &str = "bpfel-unknown-none";
const LLVM_PREFIX: &str = "/usr/lib/llvm-22";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

const DEBIAN_COMPILER: [Need; 3] = [
    Need {
        file: DEBIAN_RUSTC,
        package: "rustc-web",
    },
    Need {
        file: DEBIAN_CARGO,
        package: "cargo-web",
    },
    Need {
        file: "/usr/share/doc/libstd-rust-web-dev-bpf",
        package: "libstd-rust-web-dev-bpf",
    },
];

const LINKER_BUILD: [Need; 5] = [
    Need {
        file: "/usr/lib/llvm-22/bin/llvm-config",
        package: "llvm-22-dev",
    },
    Need {
        file: "/usr/share/doc/libpolly-22-dev",
        package: "libpolly-22-dev",
    },
    Need {
        file: "/usr/include/zstd.h",
        package: "libzstd-dev",
    },
    Need {
        file: "/usr/include/zlib.h",
        package: "zlib1g-dev",
    },
    Need {
        file: "gcc",
        package: "gcc",
    },
];

/// How to build.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Build even when nothing changed
    #[arg(long)]
    force: bool,
}

/// Builds the kernel programs and prints where they are.
///
/// # Errors
/// When the toolchain is missing and cannot be installed here, or the build fails.
pub fn run(args: &Args) -> Result<()> {
    if args.force {
        let _ = fs::remove_file(Variant::here().stamp());
    }
    ensure_built()?;
    println!("{}", object().display());
    Ok(())
}

/// A build of the kernel programs: of which checkout, below which folder, for
/// which machines.
#[derive(Debug, Clone)]
pub struct Variant {
    root: PathBuf,
    target_dir: PathBuf,
    arch: Option<&'static str>,
}

impl Variant {
    /// Of this checkout, for this machine.
    #[must_use]
    pub fn here() -> Self {
        Self::new(workspace::root(), workspace::target_dir(), None)
    }

    /// Of the checkout `root`, built below `target_dir`; `arch` names the
    /// machines, as Rust does, where they are not of this one's kind.
    #[must_use]
    pub const fn new(root: PathBuf, target_dir: PathBuf, arch: Option<&'static str>) -> Self {
        Self {
            root,
            target_dir,
            arch,
        }
    }

    fn source(&self) -> PathBuf {
        self.root.join("agent-ebpf")
    }

    fn dir(&self) -> PathBuf {
        let dir = self.target_dir.join("ebpf");
        self.arch.map_or(dir.clone(), |arch| dir.join(arch))
    }

    /// Where the kernel programs are once built.
    #[must_use]
    pub fn object(&self) -> PathBuf {
        self.dir().join("tanso-agent-ebpf.o")
    }

    fn stamp(&self) -> PathBuf {
        self.object().with_extension("key")
    }

    /// Builds them unless nothing that goes into them changed.
    ///
    /// # Errors
    /// When the toolchain is missing and cannot be installed here, or the build fails.
    pub fn ensure_built(&self) -> Result<()> {
        let toolchain = Toolchain::find()?;
        let linker = linker()?;
        let key = self.key(&toolchain, &linker)?;
        if self.object().is_file() && fs::read_to_string(self.stamp()).is_ok_and(|old| old == key) {
            return Ok(());
        }
        self.build(&toolchain, &linker)?;
        // Anew: the first build in a checkout may have written the lock file.
        let key = self.key(&toolchain, &linker)?;
        fs::write(self.stamp(), key)
            .with_context(|| format!("writing \"{}\"", self.stamp().display()))
    }

    /// Has a Cargo command embed the kernel programs in the agent, and fail
    /// rather than build an agent without them.
    pub fn give(&self, command: &mut Command) {
        command
            .env("TANSO_EBPF_OBJECT", self.object())
            .env("TANSO_REQUIRE_EBPF", "1");
    }
}

/// Where the kernel programs of this checkout are once built.
#[must_use]
pub fn object() -> PathBuf {
    Variant::here().object()
}

/// As [`Variant::give`], of this checkout.
pub fn give(command: &mut Command) {
    Variant::here().give(command);
}

/// As [`Variant::ensure_built`], of this checkout.
///
/// # Errors
/// As there.
pub fn ensure_built() -> Result<()> {
    Variant::here().ensure_built()
}

/// Which compiler.
#[derive(Debug, PartialEq, Eq)]
enum Toolchain {
    /// Debian's, with `core` for the kernel's target ready-made.
    Debian,
    /// rustup's nightly, which compiles `core` from its sources.
    Nightly,
}

impl Toolchain {
    /// The compiler that is there; else Debian's is installed if that can be.
    fn find() -> Result<Self> {
        if debian_has_core() {
            return Ok(Self::Debian);
        }
        if nightly_has_sources() {
            return Ok(Self::Nightly);
        }
        if packages::can_install()
            && packages::ensure(&DEBIAN_COMPILER, "the kernel programs").is_ok()
            && debian_has_core()
        {
            return Ok(Self::Debian);
        }
        bail!(
            "building the kernel programs needs a Rust compiler with `core` for {TARGET}, which \
             this machine lacks; either `rustup toolchain install nightly --component rust-src`, \
             or on Debian, as root, `apt-get install {}`",
            DEBIAN_COMPILER.map(|need| need.package).join(" ")
        )
    }

    fn version(&self) -> Result<String> {
        let mut command = match self {
            Self::Debian => Command::new(DEBIAN_RUSTC),
            Self::Nightly => {
                let mut command = Command::new("rustup");
                command.args(["run", "nightly", "rustc"]);
                command
            }
        };
        process::output(command.arg("-vV"))
    }

    fn cargo(&self) -> Command {
        match self {
            Self::Debian => {
                let mut command = Command::new(DEBIAN_CARGO);
                command
                    .env("RUSTC", DEBIAN_RUSTC)
                    .env("RUSTC_BOOTSTRAP", "1");
                command.args(["build", "--release", "--target", TARGET]);
                command
            }
            Self::Nightly => {
                let mut command = Command::new("rustup");
                command.args(["run", "nightly", "cargo", "build", "--release"]);
                command.args(["--target", TARGET, "-Z", "build-std=core"]);
                command
            }
        }
    }
}

fn debian_has_core() -> bool {
    if !Path::new(DEBIAN_CARGO).is_file() {
        return false;
    }
    let sysroot = process::output(Command::new(DEBIAN_RUSTC).args(["--print", "sysroot"]));
    let Ok(sysroot) = sysroot else { return false };
    Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(TARGET)
        .join("lib")
        .is_dir()
}

fn nightly_has_sources() -> bool {
    let mut command = Command::new("rustup");
    let sysroot = process::output(command.args(["run", "nightly", "rustc", "--print", "sysroot"]));
    let Ok(sysroot) = sysroot else { return false };
    Path::new(sysroot.trim())
        .join("lib/rustlib/src/rust/library/core")
        .is_dir()
}

/// bpf-linker from `PATH`, Cargo's own folder, the cache, or built into it.
fn linker() -> Result<PathBuf> {
    let root = workspace::cache_dir()?
        .join("bpf-linker")
        .join(LINKER_VERSION);
    let cached = root.join("bin/bpf-linker");
    let by_cargo = std::env::var_os("HOME")
        .map(|home| PathBuf::from(home).join(".cargo/bin/bpf-linker"))
        .filter(|file| file.is_file());
    if let Some(file) = workspace::in_path("bpf-linker").or(by_cargo) {
        return Ok(file);
    }
    if cached.is_file() {
        return Ok(cached);
    }
    packages::ensure(
        &LINKER_BUILD,
        "bpf-linker, which links the kernel programs,",
    )?;
    let mut step = Step::new(format!("building bpf-linker {LINKER_VERSION} (once)"));
    let mut command = Command::new("cargo");
    command.args([
        "install",
        "bpf-linker",
        "--version",
        LINKER_VERSION,
        "--locked",
    ]);
    command
        .args(["--no-default-features", "--features", "llvm-22", "--root"])
        .arg(&root);
    command
        .env("LLVM_PREFIX", LLVM_PREFIX)
        .env_remove("RUSTFLAGS");
    let log = workspace::target_dir().join("logs/bpf-linker.log");
    process::run_logged(&mut command, &log, &mut step, "cargo install bpf-linker")?;
    step.done(&format!("built \"{}\"", cached.display()));
    Ok(cached)
}

impl Variant {
    fn build(&self, toolchain: &Toolchain, linker: &Path) -> Result<()> {
        let mut step = Step::new("building the kernel programs");
        let out = self.dir().join("build");
        let mut command = toolchain.cargo();
        command
            .current_dir(self.source())
            .env("CARGO_TARGET_DIR", &out)
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags()?)
            .env("PATH", path_with(linker)?);
        if let Some(arch) = self.arch {
            command.env("AYA_BPF_TARGET_ARCH", arch);
        }
        // What our own Cargo says about itself is not for another one.
        for name in ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTC_WRAPPER"] {
            command.env_remove(name);
        }
        let log = workspace::target_dir().join("logs/ebpf.log");
        process::run_logged(&mut command, &log, &mut step, "cargo build in agent-ebpf")?;
        let built = out.join(TARGET).join("release/tanso-agent-ebpf");
        let (object, partial) = (self.object(), self.object().with_extension("partial"));
        fs::copy(&built, &partial).with_context(|| format!("reading \"{}\"", built.display()))?;
        let objcopy = Path::new(LLVM_PREFIX).join("bin/llvm-objcopy");
        if objcopy.is_file() {
            // Debug sections go, BTF stays: a sixth of the size. GNU's objcopy refuses.
            process::output(Command::new(objcopy).arg("--strip-debug").arg(&partial))?;
        }
        fs::rename(&partial, &object)
            .with_context(|| format!("writing \"{}\"", object.display()))?;
        let size = fs::metadata(&object).map_or(0, |meta| meta.len());
        step.done(&format!("built the kernel programs ({} kB)", size / 1000));
        Ok(())
    }

    /// The kernel takes only whole debug information, as BTF; the files that it
    /// names have the same names wherever the checkout lies.
    fn flags(&self) -> Result<String> {
        let home = workspace::cargo_home()?;
        let mut flags = vec!["-Cdebuginfo=2".to_owned(), "-Clink-arg=--btf".to_owned()];
        flags.extend(workspace::same_names(&[
            (&self.root, "/tanso"),
            (&home, "/cargo"),
        ]));
        Ok(flags.join(workspace::BETWEEN_FLAGS))
    }

    /// What a build depends on: sources, compiler, linker, machine.
    fn key(&self, toolchain: &Toolchain, linker: &Path) -> Result<String> {
        let mut hash = Sha256::new();
        hash.update(toolchain.version()?);
        hash.update(process::output(Command::new(linker).arg("--version")).unwrap_or_default());
        hash.update(self.arch.unwrap_or("same names"));
        let source = self.source();
        let mut files = Vec::new();
        collect(&source, &mut files)?;
        files.sort();
        for file in files {
            let content =
                fs::read(&file).with_context(|| format!("reading \"{}\"", file.display()))?;
            hash.update(
                file.strip_prefix(&source)
                    .unwrap_or(&file)
                    .to_string_lossy()
                    .as_bytes(),
            );
            hash.update([0]);
            hash.update(Sha256::digest(&content));
        }
        Ok(kubeparts::hex(&hash.finalize()))
    }
}

fn path_with(linker: &Path) -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = linker.parent().map(Path::to_path_buf);
    std::env::join_paths(own.into_iter().chain(std::env::split_paths(&path)))
        .context("putting bpf-linker into PATH")
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(dir).with_context(|| format!("reading \"{}\"", dir.display()))?;
    for entry in entries {
        let path = entry
            .with_context(|| format!("reading \"{}\"", dir.display()))?
            .path();
        let is_output = path.file_name().is_some_and(|name| name == "target");
        if path.is_dir() && !is_output {
            collect(&path, files)?;
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_no_part_of_what_a_build_depends_on() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("src")).unwrap();
        fs::create_dir_all(dir.path().join("target/deep")).unwrap();
        fs::write(dir.path().join("src/main.rs"), "").unwrap();
        fs::write(dir.path().join("target/deep/out"), "").unwrap();
        let mut files = Vec::new();
        collect(dir.path(), &mut files).unwrap();
        assert_eq!(files, [dir.path().join("src/main.rs")]);
    }
}
