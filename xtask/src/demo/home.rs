//! Where the demonstration runs: on a cluster of its own, or on one that a
//! kubeconfig names.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::cluster::{self, Cluster};
use crate::{images, kubeparts, process, workspace};

/// The user that the operator runs as.
const OPERATOR: u32 = 65532;

/// Where the manifests' images come from, and their tag, before they are replaced.
const PUBLISHED: (&str, &str) = ("ghcr.io/tanso-dev", env!("CARGO_PKG_VERSION"));

/// The images' names in `config/demo`.
const BUILT: (&str, &str) = ("localhost/tanso", "dev");

/// The images that a cluster of our own needs.
const IMAGES: [&str; 5] = [
    "tanso-operator",
    "tanso-agent",
    "tanso-model-server",
    "demo-load",
    "pause",
];

/// A cluster that exists, by its kubeconfig.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Existing {
    /// Use the cluster of this kubeconfig context instead of starting one; its
    /// nodes must be able to pull the images
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Where the nodes pull the images from: registry and folder
    #[arg(long, value_name = "PREFIX", default_value = BUILT.0, requires = "context")]
    pub images: String,
    /// The images' tag
    #[arg(long, value_name = "TAG", default_value = BUILT.1, requires = "context")]
    pub tag: String,
}

/// Where a session's cluster comes from.
#[derive(Debug)]
pub(super) enum Home {
    /// Started by us, and removed by us.
    Embedded(Box<Cluster>),
    /// Somebody's; what we applied is deleted, the cluster stays.
    Existing {
        kubectl: Vec<PathBuf>,
        existing: Existing,
    },
}

impl Home {
    /// Starts a cluster with all images on its node, or finds the one named.
    pub(super) fn open(name: &str, existing: &Existing) -> Result<Self> {
        Self::open_with(name, existing, &IMAGES, Vec::new())
    }

    /// As [`Home::open`], with further flags of the API server, where it is ours.
    pub(super) fn open_flagged(
        name: &str,
        existing: &Existing,
        apiserver_args: Vec<String>,
    ) -> Result<Self> {
        Self::open_with(name, existing, &IMAGES, apiserver_args)
    }

    /// As [`Home::open`], with these images only, and further flags of the API server.
    pub(super) fn open_with(
        name: &str,
        existing: &Existing,
        images: &[&str],
        apiserver_args: Vec<String>,
    ) -> Result<Self> {
        if existing.context.is_some() {
            return Ok(Self::Existing {
                kubectl: kubectl()?,
                existing: existing.clone(),
            });
        }
        let archives = images::build(images)?;
        cluster::down(name)?;
        let options = cluster::Options {
            images: archives,
            apiserver_args,
            ..cluster::Options::new(name)
        };
        Ok(Self::Embedded(Box::new(cluster::up(&options)?)))
    }

    /// The real kubectl, for this cluster.
    pub(super) fn kubectl(&self, args: &[&str]) -> Command {
        match self {
            Self::Embedded(cluster) => cluster.kubectl(args),
            Self::Existing { kubectl, existing } => {
                let (program, first) = (kubectl.first(), kubectl.get(1..).unwrap_or_default());
                // `kubectl()` gives a program always.
                let mut command =
                    Command::new(program.map_or("kubectl".as_ref(), |path| path.as_os_str()));
                command.args(first);
                if let Some(context) = &existing.context {
                    command.args(["--context", context]);
                }
                command.args(args);
                command
            }
        }
    }

    /// A program where kubectl runs, by its name and arguments.
    pub(super) fn beside(&self, words: &[&str]) -> Command {
        match self {
            Self::Embedded(cluster) => cluster.exec(words),
            Self::Existing { .. } => {
                let mut command = Command::new(words.first().unwrap_or(&"true"));
                command.args(words.get(1..).unwrap_or_default());
                command
            }
        }
    }

    /// The installation as this cluster needs it.
    pub(super) fn installation(&self) -> Result<String> {
        let folder = match self {
            Self::Embedded(_) => "config/demo",
            Self::Existing { .. } => "config/default",
        };
        let path = workspace::root().join(folder);
        let text = process::output(&mut self.kubectl(&["kustomize", &path.to_string_lossy()]))?;
        match self {
            Self::Existing { .. } => Ok(self.with_images(&text)),
            Self::Embedded(_) => Ok(text.replace("LEDGER_DIR", &self.ledger_dir()?)),
        }
    }

    /// A folder of our cluster's node for the ledger, owned by the operator.
    pub(super) fn ledger_dir(&self) -> Result<String> {
        let Self::Embedded(cluster) = self else {
            bail!("the ledger's folder is on a node that is not ours");
        };
        let ledger = cluster.layout().at("volumes/ledger");
        // Kubernetes hands over no ownership of a folder of the node.
        std::fs::create_dir_all(&ledger)
            .and_then(|()| std::os::unix::fs::chown(&ledger, Some(OPERATOR), Some(OPERATOR)))
            .with_context(|| format!("creating \"{}\"", ledger.display()))?;
        Ok(ledger.to_string_lossy().into_owned())
    }

    /// Manifests with the images of this cluster.
    pub(super) fn with_images(&self, manifests: &str) -> String {
        let Self::Existing { existing, .. } = self else {
            return manifests.to_owned();
        };
        let mut text = manifests.to_owned();
        for name in IMAGES {
            for (prefix, tag) in [PUBLISHED, BUILT] {
                let ours = format!("{}/{name}:{}", existing.images, existing.tag);
                text = text.replace(&format!("{prefix}/{name}:{tag}"), &ours);
            }
        }
        text
    }
}

/// The kubectl of this machine, else the one that is built.
fn kubectl() -> Result<Vec<PathBuf>> {
    if let Some(found) = workspace::in_path("kubectl") {
        return Ok(vec![found]);
    }
    match kubeparts::ensure(None)? {
        kubeparts::Parts::Combined(file) => Ok(vec![file, PathBuf::from("kubectl")]),
        kubeparts::Parts::Folder(dir) if dir.join("kubectl").is_file() => {
            Ok(vec![dir.join("kubectl")])
        }
        kubeparts::Parts::Folder(dir) => bail!("no kubectl in \"{}\"", dir.display()),
    }
}
