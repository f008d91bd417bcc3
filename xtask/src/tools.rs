//! Programs of others that the end-to-end tests run against: found in `PATH`,
//! or built once from `tests/tools` into the cache, by their own source at the
//! version that `go.mod` there names.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::kubeparts::{self, Program};
use crate::{process, workspace};

/// A program of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Helm.
    Helm,
    /// Flux: fetches from Git.
    SourceController,
    /// Flux: applies what was fetched.
    KustomizeController,
    /// Flux: installs charts that were fetched.
    HelmController,
}

impl Tool {
    /// Its name, its folder in `tests/tools`, its package, and a usual build's minutes.
    const fn facts(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Helm => ("helm", "helm", "helm.sh/helm/v4/cmd/helm", "2 minutes"),
            Self::SourceController => (
                "source-controller",
                "source-controller",
                "github.com/fluxcd/source-controller",
                "4 minutes",
            ),
            Self::KustomizeController => (
                "kustomize-controller",
                "kustomize-controller",
                "github.com/fluxcd/kustomize-controller",
                "3 minutes",
            ),
            Self::HelmController => (
                "helm-controller",
                "helm-controller",
                "github.com/fluxcd/helm-controller",
                "4 minutes",
            ),
        }
    }

    /// Finds or builds it.
    ///
    /// # Errors
    /// When it is neither in `PATH` nor can be built.
    pub fn ensure(self) -> Result<PathBuf> {
        let (name, folder, package, minutes) = self.facts();
        // A controller in PATH may be of any version: its kinds must fit it.
        let any_version_fits = self == Self::Helm;
        if any_version_fits && let Some(found) = workspace::in_path(name) {
            return Ok(found);
        }
        kubeparts::cached(&Program {
            source: workspace::root().join("tests/tools").join(folder),
            name,
            package,
            says: format!("building {name} from source (once; about {minutes} on two cores)"),
            ldflags: "-s -w".to_owned(),
        })
    }
}

/// The folder of a module's sources, fetched if need be: kinds and rights that
/// a program of others needs are there, at the very version that is built.
///
/// # Errors
/// When Go is missing, the folder of `tests/tools` requires no such module, or
/// it cannot be fetched.
pub fn module_dir(folder: &str, module: &str) -> Result<PathBuf> {
    let Some(go) = kubeparts::go() else {
        bail!("fetching {module} needs Go 1.26 or later in PATH");
    };
    let mut command = Command::new(go);
    command
        .current_dir(workspace::root().join("tests/tools").join(folder))
        .args(["mod", "download", "-json", module]);
    let text = process::output(&mut command)?;
    let answer: Value = serde_json::from_str(&text).context("reading what go says")?;
    let dir = answer["Dir"].as_str().map(PathBuf::from);
    dir.with_context(|| format!("fetching {module}: go names no folder"))
}
