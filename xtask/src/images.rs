//! OCI images without a container daemon: one static program each, on nothing.

mod oci;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::packages::{self, Need};
use crate::progress::Step;
use crate::{ebpf, process, workspace};
use oci::{Entry, Image};

/// Which images, and how they are built.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these; by default all
    names: Vec<String>,
    /// Optimise for use instead of for a short build
    #[arg(long)]
    release: bool,
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
    fn profile(self) -> &'static str {
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
    kernel_programs: bool,
}

const NOBODY: &str = "65532:65532";

const RECIPES: [Recipe; 5] = [
    Recipe {
        name: "tanso-operator",
        program: Some(("tanso-operator", "tanso-operator")),
        tag: "dev",
        user: NOBODY,
        ca_certificates: true,
        kernel_programs: false,
    },
    Recipe {
        name: "tanso-agent",
        program: Some(("tanso-agent", "tanso-agent")),
        tag: "dev",
        user: "0:0",
        ca_certificates: false,
        kernel_programs: true,
    },
    Recipe {
        name: "tanso-model-server",
        program: Some(("tanso-model-server", "tanso-model-server")),
        tag: "dev",
        user: NOBODY,
        ca_certificates: true,
        kernel_programs: false,
    },
    Recipe {
        name: "demo-load",
        program: Some(("tanso-demo-load", "demo-load")),
        tag: "dev",
        user: NOBODY,
        ca_certificates: false,
        kernel_programs: false,
    },
    Recipe {
        name: "pause",
        program: None,
        tag: "1",
        user: NOBODY,
        ca_certificates: false,
        kernel_programs: false,
    },
];

/// Builds the images and prints their archives.
///
/// # Errors
/// See [`build_for`].
pub fn run(args: &Args) -> Result<()> {
    let mut names: Vec<&str> = args.names.iter().map(String::as_str).collect();
    if names.is_empty() {
        names = all();
    }
    let how = if args.release {
        Build::Release
    } else {
        Build::Demo
    };
    for archive in build_for(&names, how)? {
        let size = fs::metadata(&archive).map_or(0, |meta| meta.len());
        println!("{} ({} kB)", archive.display(), size / 1000);
    }
    Ok(())
}

/// The names of all images.
#[must_use]
pub fn all() -> Vec<&'static str> {
    RECIPES.iter().map(|recipe| recipe.name).collect()
}

/// The reference under which a node knows an image, for example
/// `localhost/tanso/demo-load:dev`.
///
/// # Errors
/// When there is no such image.
pub fn reference(name: &str) -> Result<String> {
    let recipe = recipe(name)?;
    Ok(format!("localhost/tanso/{}:{}", recipe.name, recipe.tag))
}

/// Builds images for tests and the demonstration, and gives their archives in
/// the order of the names.
///
/// # Errors
/// When a name is unknown, a compiler is missing, or a program does not build.
pub fn build(names: &[&str]) -> Result<Vec<PathBuf>> {
    build_for(names, Build::Demo)
}

/// As [`build`], compiled as told.
///
/// # Errors
/// As there.
pub fn build_for(names: &[&str], how: Build) -> Result<Vec<PathBuf>> {
    let recipes = names
        .iter()
        .map(|name| recipe(name))
        .collect::<Result<Vec<_>>>()?;
    if recipes.iter().any(|recipe| recipe.kernel_programs) {
        ebpf::ensure_built()?;
    }
    let programs: Vec<_> = recipes.iter().filter_map(|recipe| recipe.program).collect();
    let compiled = if programs.is_empty() {
        PathBuf::new()
    } else {
        compile(&programs, how)?
    };
    let dir = workspace::target_dir().join("images");
    fs::create_dir_all(&dir).with_context(|| format!("creating \"{}\"", dir.display()))?;
    let mut archives = Vec::new();
    for recipe in recipes {
        let archive = dir.join(format!("{}.tar", recipe.name));
        let program = match recipe.program {
            Some((_, binary)) => compiled.join(binary),
            None => compile_pause()?,
        };
        oci::write(&image(recipe, program)?, &archive)?;
        archives.push(archive);
    }
    Ok(archives)
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

fn image(recipe: &Recipe, program: PathBuf) -> Result<Image> {
    let mut files = vec![Entry {
        path: recipe.name.to_owned(),
        source: program,
        mode: 0o755,
    }];
    let certificates = Path::new("/etc/ssl/certs/ca-certificates.crt");
    if recipe.ca_certificates && certificates.is_file() {
        files.push(Entry {
            path: "etc/ssl/certs/ca-certificates.crt".to_owned(),
            source: certificates.to_path_buf(),
            mode: 0o644,
        });
    }
    Ok(Image {
        reference: reference(recipe.name)?,
        title: recipe.name.to_owned(),
        entrypoint: vec![format!("/{}", recipe.name)],
        user: recipe.user.to_owned(),
        files,
    })
}

/// Compiles static programs; gives the folder they are in.
fn compile(programs: &[(&str, &str)], how: Build) -> Result<PathBuf> {
    // Without naming the target, build scripts would get the flag too, and fail.
    let target = host_target()?;
    let mut command = Command::new("cargo");
    command.current_dir(workspace::root());
    command.args(["build", "--profile", how.profile(), "--target", &target]);
    for (package, binary) in programs {
        command.args(["--package", package, "--bin", binary]);
    }
    give_flags(&mut command, how)?;
    if programs
        .iter()
        .any(|(package, _)| *package == "tanso-agent")
    {
        ebpf::give(&mut command);
    }
    let names: Vec<_> = programs.iter().map(|(_, binary)| *binary).collect();
    let mut step = Step::new(format!("compiling {} for images", names.join(", ")));
    let log = workspace::target_dir().join("logs/images.log");
    process::run_logged(
        &mut command,
        &log,
        &mut step,
        "cargo build of static programs",
    )?;
    step.done(&format!("compiled {}", names.join(", ")));
    Ok(workspace::target_dir().join(target).join(how.profile()))
}

/// Compiles one static program of the workspace.
///
/// # Errors
/// When it does not build.
pub fn program(package: &'static str, binary: &'static str, how: Build) -> Result<PathBuf> {
    Ok(compile(&[(package, binary)], how)?.join(binary))
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
    oci::write(&image, &archive)?;
    Ok(archive)
}

/// Sets the compilers' flags: static; for users also the same bytes wherever
/// the checkout and Cargo's home lie.
fn give_flags(command: &mut Command, how: Build) -> Result<()> {
    let mut rust = vec!["-C target-feature=+crt-static".to_owned()];
    if how == Build::Release {
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
        let home = home.context("finding Cargo's home: set HOME")?;
        let mut c = Vec::new();
        for (from, to) in [
            (workspace::target_dir(), "/target"),
            (workspace::root(), "/tanso"),
            (home, "/cargo"),
        ] {
            let from = from.to_string_lossy();
            if from.contains(char::is_whitespace) {
                bail!("a release is not built below a folder with a space in its name: \"{from}\"");
            }
            rust.push(format!("--remap-path-prefix={from}={to}"));
            c.push(format!("-ffile-prefix-map={from}={to}"));
        }
        command.env("CFLAGS", c.join(" "));
    }
    command.env("RUSTFLAGS", rust.join(" "));
    Ok(())
}

fn host_target() -> Result<String> {
    let text = process::output(Command::new("rustc").arg("-vV"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("asking rustc for its host: no such line in `rustc -vV`")
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
    fn the_pause_image_is_the_one_that_containerd_is_told_to_use() {
        assert_eq!(reference("pause").unwrap(), crate::cluster::PAUSE_IMAGE);
    }
}
