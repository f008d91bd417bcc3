//! The Kubernetes components and etcd: found on the machine, or built once
//! from `tests/cluster` into the cache. Never downloads a binary.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::progress::Step;
use crate::{process, workspace};

/// What a node and its control plane need.
pub const COMPONENTS: [&str; 7] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
];

/// Where to take the components from.
#[derive(Debug, Default, Clone, clap::Args)]
pub struct Args {
    /// A folder that holds etcd and every Kubernetes component
    #[arg(long, value_name = "DIR")]
    pub kube_binaries: Option<PathBuf>,
}

/// Where the components are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parts {
    /// A folder with one program for each component.
    Folder(PathBuf),
    /// One program that is every component, by the name it is started under.
    Combined(PathBuf),
}

impl Parts {
    /// The file to start for a component, when started under its name.
    #[must_use]
    pub fn file(&self, component: &str) -> PathBuf {
        match self {
            Self::Folder(dir) => dir.join(component),
            Self::Combined(file) => file.clone(),
        }
    }
}

/// Finds or builds the components and prints where they are.
///
/// # Errors
/// See [`ensure`].
pub fn run(args: &Args) -> Result<()> {
    match ensure(args.kube_binaries.as_deref())? {
        Parts::Folder(dir) => println!("{}", dir.display()),
        Parts::Combined(file) => println!("{}", file.display()),
    }
    Ok(())
}

/// Finds the components, or builds them into the cache.
///
/// # Errors
/// When the folder given lacks one, or when nothing is there and the build
/// fails or Go is missing.
pub fn ensure(folder: Option<&Path>) -> Result<Parts> {
    if let Some(dir) = folder {
        if let Some(lacking) = lacking(dir) {
            bail!(
                "looking for components in \"{}\": it has no \"{lacking}\"",
                dir.display()
            );
        }
        return Ok(Parts::Folder(dir.to_path_buf()));
    }
    let candidates = env::var_os("KUBEBUILDER_ASSETS")
        .map(PathBuf::from)
        .into_iter();
    let in_path =
        workspace::in_path("kube-apiserver").and_then(|file| file.parent().map(Path::to_path_buf));
    for dir in candidates.chain(in_path) {
        match lacking(&dir) {
            None => return Ok(Parts::Folder(dir)),
            Some(name) => eprintln!("passing over \"{}\": it has no {name}", dir.display()),
        }
    }
    combined()
}

fn lacking(dir: &Path) -> Option<&'static str> {
    COMPONENTS
        .into_iter()
        .find(|name| !dir.join(name).is_file())
}

fn combined() -> Result<Parts> {
    let source = workspace::root().join("tests/cluster");
    let mod_file = source.join("go.mod");
    let go_mod = fs::read_to_string(&mod_file)
        .with_context(|| format!("reading \"{}\"", mod_file.display()))?;
    let version = required_version(&go_mod, "k8s.io/kubernetes")
        .context("reading tests/cluster/go.mod: it requires no k8s.io/kubernetes")?;
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or("1"), numbers.next().unwrap_or("0"));
    let package = "k8s.io/component-base/version";
    let program = Program {
        source,
        name: "kubeparts",
        package: ".",
        says: format!(
            "building Kubernetes {version} and etcd from source (once; 5 to 9 minutes on two \
             cores, plus the download)"
        ),
        ldflags: format!(
            "-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} \
             -X {package}.gitMinor={minor} -X {package}.gitTreeState=clean"
        ),
    };
    cached(&program).map(Parts::Combined)
}

/// Finds or builds the DNS server of the cluster's own names.
///
/// # Errors
/// When it is neither there nor can be built.
pub fn dns() -> Result<PathBuf> {
    if let Some(file) = workspace::in_path("coredns") {
        return Ok(file);
    }
    cached(&Program {
        source: workspace::root().join("tests/cluster/dns"),
        name: "coredns",
        package: ".",
        says: "building CoreDNS from source (once; about a minute)".to_owned(),
        ldflags: "-s -w".to_owned(),
    })
}

/// A Go program of `tests/`, built once into the cache.
pub(crate) struct Program {
    /// The module's folder: `go.mod`, `go.sum`, and `main.go` where it is ours.
    pub(crate) source: PathBuf,
    /// The program's file name.
    pub(crate) name: &'static str,
    /// The package to build: `.` is the module's own.
    pub(crate) package: &'static str,
    /// What is said while it is built.
    pub(crate) says: String,
    /// Flags of the linker.
    pub(crate) ldflags: String,
}

/// The program's file in the cache, named by all that goes into it.
pub(crate) fn cached(program: &Program) -> Result<PathBuf> {
    let Some(go) = go() else {
        bail!(
            "building {} needs Go 1.24 or later in PATH; or give a folder with {} by \
             --kube-binaries, and coredns in PATH",
            program.name,
            COMPONENTS.join(", ")
        );
    };
    let go_version = process::output(
        Command::new(&go)
            .current_dir(&program.source)
            .arg("version"),
    )?;
    let read = |name: &str| {
        let file = program.source.join(name);
        fs::read(&file).with_context(|| format!("reading \"{}\"", file.display()))
    };
    let main = if program.package == "." {
        read("main.go")?
    } else {
        program.package.as_bytes().to_vec()
    };
    let key = cache_key(&[
        &read("go.mod")?,
        &read("go.sum")?,
        &main,
        go_version.trim().as_bytes(),
    ]);
    let binary = workspace::cache_dir()?
        .join(program.name)
        .join(key)
        .join(program.name);
    if !binary.is_file() {
        build(&go, program, &binary)?;
    }
    Ok(binary)
}

/// Go's own program.
pub(crate) fn go() -> Option<PathBuf> {
    workspace::in_path("go")
        .or_else(|| Some(PathBuf::from("/usr/local/go/bin/go")).filter(|file| file.is_file()))
}

/// The name of a build: 16 hexadecimal digits over all that goes into it.
fn cache_key(inputs: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for input in inputs {
        hash.update(u64::try_from(input.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(input);
    }
    hex(&hash.finalize()).chars().take(16).collect()
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn required_version(go_mod: &str, module: &str) -> Option<String> {
    go_mod.lines().find_map(|line| {
        let mut words = line
            .trim()
            .trim_start_matches("require ")
            .split_whitespace();
        (words.next() == Some(module)).then(|| words.next().map(str::to_owned))?
    })
}

fn build(go: &Path, program: &Program, binary: &Path) -> Result<()> {
    let dir = binary
        .parent()
        .context("a cached binary lies in a folder")?;
    fs::create_dir_all(dir).with_context(|| format!("creating \"{}\"", dir.display()))?;
    // A name of our own: two builds at once must not write the same file.
    let partial = dir.join(format!("{}.{}.partial", program.name, std::process::id()));
    let mut step = Step::new(&program.says);
    let mut command = Command::new(go);
    command.current_dir(&program.source).env("CGO_ENABLED", "0");
    command
        .args(["build", "-trimpath", "-ldflags", &program.ldflags, "-o"])
        .arg(&partial)
        .arg(program.package);
    let log = workspace::target_dir().join(format!("logs/{}.log", program.name));
    process::run_logged(&mut command, &log, &mut step, "go build")?;
    fs::rename(&partial, binary)
        .with_context(|| format!("moving the build to \"{}\"", binary.display()))?;
    step.done(&format!("built \"{}\"", binary.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_depends_on_every_input_and_on_its_border() {
        let key = cache_key(&[b"ab", b"c"]);
        assert_eq!(key.len(), 16);
        assert_eq!(key, cache_key(&[b"ab", b"c"]));
        assert_ne!(key, cache_key(&[b"a", b"bc"]));
        assert_ne!(key, cache_key(&[b"ab", b"d"]));
    }

    #[test]
    fn the_version_comes_from_the_requirement_not_from_a_replacement() {
        let go_mod = "require (\n\tk8s.io/kubectl v0.34.4\n\tk8s.io/kubernetes v1.34.4\n)\n";
        assert_eq!(
            required_version(go_mod, "k8s.io/kubernetes").as_deref(),
            Some("v1.34.4")
        );
        assert_eq!(
            required_version("require k8s.io/kubernetes v1.35.0", "k8s.io/kubernetes").as_deref(),
            Some("v1.35.0")
        );
        assert_eq!(required_version("module x", "k8s.io/kubernetes"), None);
    }

    #[test]
    fn a_folder_that_lacks_a_component_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        for name in COMPONENTS.iter().filter(|name| **name != "kubelet") {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let error = ensure(Some(dir.path())).unwrap_err().to_string();
        assert!(error.contains("\"kubelet\""), "{error}");
    }
}
