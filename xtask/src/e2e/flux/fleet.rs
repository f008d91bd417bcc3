//! Flux's controllers at work on a cluster, the Git repository that they deliver
//! from, and what their objects say.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::demo::session::Session;
use crate::e2e::git::Repository;
use crate::progress::Step;
use crate::tools::{self, Tool};
use crate::{images, workspace};

/// The namespace of Flux's objects.
pub(crate) const FLUX: &str = "flux-system";

/// A controller of Flux: its program, and its name, which is its folder's in
/// `tests/tools` and its module's too.
pub(crate) type Controller = (Tool, &'static str);

pub(crate) const SOURCE: Controller = (Tool::SourceController, "source-controller");
pub(crate) const KUSTOMIZE: Controller = (Tool::KustomizeController, "kustomize-controller");
pub(super) const HELM: Controller = (Tool::HelmController, "helm-controller");

/// Gives the cluster the kinds of all of Flux's controllers.
pub(in crate::e2e) fn kinds(session: &Session) -> Result<()> {
    for controller in [SOURCE, KUSTOMIZE, HELM] {
        kinds_of(session, controller)?;
    }
    Ok(())
}

fn kinds_of(session: &Session, (_, name): Controller) -> Result<()> {
    let module = format!("github.com/fluxcd/{name}");
    let kinds = tools::module_dir(name, &module)?.join("config/crd/bases");
    let words = ["apply", "--server-side", "-f", &kinds.to_string_lossy()];
    session.kubectl(&words).map(drop)
}

/// A cluster with Flux on it, and a repository.
pub(crate) struct Fleet<'s> {
    pub(crate) session: &'s Session,
    pub(crate) repository: Repository,
}

impl<'s> Fleet<'s> {
    /// The controllers at work, the ledger's volume, and an empty repository.
    pub(crate) fn new(session: &'s Session, controllers: &[Controller]) -> Result<Self> {
        let cluster = session.cluster()?;
        session.apply(&text("tests/flux/account.yaml")?)?;
        let mut archives = Vec::new();
        for controller in controllers {
            let (tool, name) = *controller;
            archives.push(images::wrap(name, &tool.ensure()?)?);
            kinds_of(session, *controller)?;
        }
        cluster.load_images(&archives)?;
        for (_, name) in controllers {
            session.apply(&text(&format!("tests/flux/{name}.yaml"))?)?;
        }
        session.apply(&session.ledger_volume()?)?;
        Ok(Self {
            session,
            repository: Repository::serve(cluster)?,
        })
    }

    /// Applies Flux's own objects from a folder of `tests`, of this repository.
    pub(super) fn point(&self, folder: &str) -> Result<()> {
        let path = workspace::root().join(folder);
        let words = ["kustomize", &path.to_string_lossy()];
        let objects = self.session.kubectl(&words)?;
        let objects = objects.replace("GIT_URL", self.repository.url());
        self.session.apply(&objects).map(drop)
    }

    /// Copies a folder of the checkout into the repository, with all below it.
    pub(super) fn copy(&self, folder: &str) -> Result<()> {
        let dir = workspace::root().join(folder);
        let entries =
            fs::read_dir(&dir).with_context(|| format!("reading \"{}\"", dir.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("reading \"{}\"", dir.display()))?;
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                self.copy(&path)?;
            } else {
                self.repository.write(&path, &text(&path)?)?;
            }
        }
        Ok(())
    }

    /// Replaces text of a file of the repository, and commits; gives the commit.
    pub(super) fn change(&self, file: &str, from: &str, to: &str) -> Result<String> {
        let path = self.repository.path().join(file);
        let before =
            fs::read_to_string(&path).with_context(|| format!("reading \"{}\"", path.display()))?;
        if !before.contains(from) {
            bail!("\"{file}\" of the repository has no {from:?}");
        }
        self.repository.write(file, &before.replacen(from, to, 1))?;
        self.repository.commit(&format!("{file}: {}", to.trim()))
    }

    /// Waits until `probe` finds something; gives it and the seconds it took.
    pub(super) fn wait<T>(
        &self,
        what: &str,
        probe: impl FnMut(&Session) -> Result<Option<T>>,
    ) -> Result<(T, f64)> {
        let begun = Instant::now();
        let mut step = Step::new(what.to_owned());
        let limit = Duration::from_mins(10);
        let found = self.session.wait(&mut step, what, limit, probe);
        let found = found.with_context(|| self.said())?;
        let seconds = begun.elapsed().as_secs_f64();
        step.done(what);
        Ok((found, seconds))
    }

    /// What Flux says of its objects, for whoever must find out why.
    fn said(&self) -> String {
        let kinds = "gitrepositories,kustomizations,helmreleases";
        let one = |kind| {
            let words = ["get", kind, "-n", FLUX];
            self.session.kubectl(&words).unwrap_or_default()
        };
        kinds.split(',').map(one).collect()
    }

    /// One of Flux's own objects.
    pub(super) fn object(&self, kind: &str, name: &str) -> Result<Value> {
        self.session
            .json(&["get", kind, name, "-n", FLUX, "-o", "json"])
    }

    /// Merges a patch into one of Flux's own objects.
    pub(super) fn patch(&self, kind: &str, name: &str, patch: &str) -> Result<()> {
        let words = ["patch", kind, name, "-n", FLUX, "--type=merge", "-p", patch];
        self.session.kubectl(&words).map(drop)
    }

    /// Asks all objects of a kind for a sync, and waits until each has done it
    /// and been Ready: not all at one time, since one that syncs anew is not Ready
    /// meanwhile, nor is what depends on it.
    pub(super) fn cycle(&self, kind: &str) -> Result<()> {
        let token = format!("{:?}", Instant::now());
        let asked = format!("reconcile.fluxcd.io/requestedAt={token}");
        let words = ["annotate", kind, "-n", FLUX, "--all", "--overwrite", &asked];
        self.session.kubectl(&words)?;
        let begun = Instant::now();
        let mut done = BTreeSet::new();
        loop {
            let all = self
                .session
                .json(&["get", kind, "-n", FLUX, "-o", "json"])?;
            let items = all["items"].as_array().context("items")?;
            for item in items {
                let handled = item["status"]["lastHandledReconcileAt"] == token.as_str();
                if handled && is_ready(item) {
                    done.insert(item["metadata"]["name"].to_string());
                }
            }
            if done.len() == items.len() {
                return Ok(());
            }
            if begun.elapsed() > Duration::from_mins(5) {
                bail!(
                    "a sync that was asked for was not done within 5 minutes\n{}",
                    self.said()
                );
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

/// A file of the checkout.
pub(super) fn text(path: &str) -> Result<String> {
    let file = workspace::root().join(Path::new(path));
    fs::read_to_string(&file).with_context(|| format!("reading \"{}\"", file.display()))
}

/// Whether the condition `Ready` is true, of the object's present generation.
pub(in crate::e2e) fn is_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    let is = |one: &Value| one["type"] == "Ready" && one["status"] == "True";
    let seen = object["status"]["observedGeneration"] == object["metadata"]["generation"];
    seen && conditions.is_some_and(|all| all.iter().any(is))
}

/// What the condition `Ready` says.
pub(super) fn message(object: &Value) -> String {
    let conditions = object["status"]["conditions"].as_array();
    conditions
        .and_then(|all| all.iter().find(|one| one["type"] == "Ready"))
        .and_then(|one| one["message"].as_str())
        .unwrap_or("nothing said yet")
        .to_owned()
}

/// Whether a Kustomization is Ready with that commit.
pub(crate) fn delivered(kustomization: &Value, commit: &str) -> bool {
    let revision = kustomization["status"]["lastAppliedRevision"].as_str();
    is_ready(kustomization) && revision.is_some_and(|revision| revision.ends_with(commit))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{delivered, is_ready, message};

    #[test]
    fn a_condition_of_an_earlier_generation_is_not_ready_yet() {
        let object = |generation| {
            json!({
                "metadata": {"generation": generation},
                "status": {
                    "observedGeneration": 2,
                    "lastAppliedRevision": "main@sha1:abc",
                    "conditions": [{"type": "Ready", "status": "True", "message": "applied"}],
                },
            })
        };
        assert!(is_ready(&object(2)) && !is_ready(&object(3)));
        assert!(delivered(&object(2), "abc") && !delivered(&object(2), "def"));
        assert_eq!(message(&object(2)), "applied");
    }
}
