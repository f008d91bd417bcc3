//! Delivery by the real Flux controllers, from a Git repository on the
//! cluster's own network: what a platform team relies on, each with its time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Fact;
use super::git::Repository;
use crate::demo::session::Session;
use crate::progress::Step;
use crate::tools::{self, Tool};
use crate::{images, workspace};

/// How many syncs without a difference must write nothing.
const QUIET_CYCLES: u32 = 10;

/// The namespace of Flux's objects.
const FLUX: &str = "flux-system";

/// Folders of the checkout that the repository has.
const DELIVERED: [&str; 3] = ["config/crd", "config/rbac", "config/operator"];

/// Everything whose writes count: tanso's kinds and all that it makes.
const WATCHED: &str = "powermonitors,carbonpolicies,clustercarbonpolicies,customresourcedefinitions,\
                       namespaces,serviceaccounts,configmaps,services,daemonsets,deployments,\
                       clusterroles,clusterrolebindings,roles,rolebindings,persistentvolumeclaims";

/// Runs the suite; the seven facts.
pub(super) fn run(session: &Session) -> Result<Vec<Fact>> {
    let fleet = Fleet::new(session)?;
    let mut facts = vec![fleet.first_sync()?];
    facts.push(fleet.not_compliant_delivers()?);
    facts.push(fleet.commit_changes_status()?);
    facts.push(fleet.edit_is_reverted()?);
    facts.push(fleet.suspend()?);
    facts.push(fleet.prune_takes_reports()?);
    facts.push(fleet.quiet()?);
    Ok(facts)
}

struct Fleet<'s> {
    session: &'s Session,
    repository: Repository,
}

impl<'s> Fleet<'s> {
    /// Flux's controllers at work, and a repository that has tanso in it.
    fn new(session: &'s Session) -> Result<Self> {
        let cluster = session.cluster()?;
        let mut archives = Vec::new();
        for (tool, name) in [
            (Tool::SourceController, "source-controller"),
            (Tool::KustomizeController, "kustomize-controller"),
        ] {
            archives.push(images::wrap(name, &tool.ensure()?)?);
            let module = format!("github.com/fluxcd/{name}");
            let kinds = tools::module_dir(name, &module)?.join("config/crd/bases");
            session.kubectl(&["apply", "--server-side", "-f", &kinds.to_string_lossy()])?;
        }
        cluster.load_images(&archives)?;
        session.apply(&text("tests/flux/controllers.yaml")?)?;
        session.apply(&session.ledger_volume()?)?;
        let repository = Repository::serve(cluster)?;
        for folder in DELIVERED {
            copy(&repository, folder)?;
        }
        repository.write("fleet/workloads.yaml", &text("config/demo/workloads.yaml")?)?;
        for (name, document) in policies()? {
            repository.write(&format!("fleet/{name}.yaml"), &document)?;
        }
        Ok(Self {
            session,
            repository,
        })
    }

    fn wait<T>(
        &self,
        what: &str,
        probe: impl FnMut(&Session) -> Result<Option<T>>,
    ) -> Result<(T, f64)> {
        let begun = Instant::now();
        let mut step = Step::new(what.to_owned());
        let found = self
            .session
            .wait(&mut step, what, Duration::from_mins(10), probe)?;
        let seconds = begun.elapsed().as_secs_f64();
        step.done(what);
        Ok((found, seconds))
    }

    fn first_sync(&self) -> Result<Fact> {
        let commit = self.repository.commit("the whole of tanso")?;
        let path = workspace::root().join("tests/flux");
        let objects = self
            .session
            .kubectl(&["kustomize", &path.to_string_lossy()])?
            .replace("GIT_URL", self.repository.url());
        self.session.apply(&objects)?;
        let ((), seconds) =
            self.wait("kinds, operator and policies to be delivered", |session| {
                let all = session.json(&[
                    "get",
                    "kustomizations.kustomize.toolkit.fluxcd.io",
                    "-n",
                    FLUX,
                    "-o",
                    "json",
                ])?;
                let items = all["items"].as_array().context("items")?;
                let waiting: Vec<String> = items
                    .iter()
                    .filter(|item| !delivered(item, &commit))
                    .map(|item| {
                        let name = item["metadata"]["name"].as_str().unwrap_or_default();
                        format!("{name}: {}", message(item))
                    })
                    .collect();
                if waiting.is_empty() {
                    Ok(Some(()))
                } else {
                    bail!("{}", waiting.join("; "))
                }
            })?;
        Ok(Fact::new(
            "first sync",
            format!(
                "kinds, operator, monitor and policies Ready in this order after {seconds:.1} s"
            ),
        ))
    }

    /// What is not kept is delivered as well as what is.
    fn not_compliant_delivers(&self) -> Result<Fact> {
        let ((), seconds) = self.wait("a policy to be judged NonCompliant", |session| {
            let policy = policy(session, "old-hall")?;
            let judged = policy["status"]["verdict"] == "NonCompliant";
            Ok((judged && is_ready(&policy)).then_some(()))
        })?;
        let kustomization = self.session.json(&[
            "get",
            "kustomization.kustomize.toolkit.fluxcd.io/tanso-resources",
            "-n",
            FLUX,
            "-o",
            "json",
        ])?;
        if !is_ready(&kustomization) {
            bail!(
                "a NonCompliant policy blocks delivery: {}",
                message(&kustomization)
            );
        }
        Ok(Fact::new(
            "NonCompliant",
            format!(
                "a policy is NonCompliant and Ready after {seconds:.1} s; its Kustomization stays Ready"
            ),
        ))
    }

    /// Writes a PUE into the repository's `korea-year`, and commits.
    fn commit_pue(&self, pue: &str) -> Result<String> {
        let name = "fleet/korea-year.yaml";
        let file = self.repository.path().join(name);
        let before = std::fs::read_to_string(&file)
            .with_context(|| format!("reading \"{}\"", file.display()))?;
        let old = before
            .lines()
            .find(|line| line.trim_start().starts_with("value:"))
            .context("korea-year has a PUE")?;
        let indent = old.len() - old.trim_start().len();
        let new = format!("{}value: {pue}", " ".repeat(indent));
        self.repository
            .write(name, &before.replacen(old, &new, 1))?;
        self.repository.commit(&format!("PUE {pue}"))
    }

    fn commit_changes_status(&self) -> Result<Fact> {
        let before = policy(self.session, "korea-year")?["status"]["pue"].clone();
        self.commit_pue("1.38")?;
        let ((), seconds) = self.wait("the commit to reach the policy's status", |session| {
            let policy = policy(session, "korea-year")?;
            let seen = policy["status"]["observedGeneration"] == policy["metadata"]["generation"];
            let changed = pue(&policy) == Some(1.38);
            let judged = policy.to_string().contains("1.38")
                && policy["status"].to_string().contains("1.38");
            Ok((seen && changed && judged).then_some(()))
        })?;
        Ok(Fact::new(
            "commit",
            format!(
                "PUE 1.32 -> 1.38 committed, in the policy's status after {seconds:.1} s (before: {before})"
            ),
        ))
    }

    fn edit_is_reverted(&self) -> Result<Fact> {
        self.session.kubectl(&[
            "patch",
            "carbonpolicy",
            "korea-year",
            "-n",
            "shop",
            "--type=merge",
            "-p",
            r#"{"spec":{"site":{"pue":{"value":1.9}}}}"#,
        ])?;
        let ((), seconds) = self.wait("the manual edit to be reverted", |session| {
            Ok((pue(&policy(session, "korea-year")?) == Some(1.38)).then_some(()))
        })?;
        Ok(Fact::new(
            "manual edit",
            format!("PUE set to 1.9 by hand is 1.38 again after {seconds:.1} s"),
        ))
    }

    /// A suspended delivery fetches, and applies nothing until it is resumed.
    fn suspend(&self) -> Result<Fact> {
        let suspend = |suspended: bool| {
            let patch = format!(r#"{{"spec":{{"suspend":{suspended}}}}}"#);
            self.session.kubectl(&[
                "patch",
                "kustomization.kustomize.toolkit.fluxcd.io/tanso-resources",
                "-n",
                FLUX,
                "--type=merge",
                "-p",
                &patch,
            ])
        };
        suspend(true)?;
        let commit = self.commit_pue("1.36")?;
        // Others apply the new commit: this one had its chance.
        self.wait("the new commit to be delivered elsewhere", |session| {
            let other = session.json(&[
                "get",
                "kustomization.kustomize.toolkit.fluxcd.io/tanso-operator",
                "-n",
                FLUX,
                "-o",
                "json",
            ])?;
            Ok(delivered(&other, &commit).then_some(()))
        })?;
        let held = pue(&policy(self.session, "korea-year")?);
        if held != Some(1.38) {
            bail!("a suspended Kustomization applied: PUE is {held:?}");
        }
        suspend(false)?;
        let ((), seconds) = self.wait("the resumed delivery", |session| {
            Ok((pue(&policy(session, "korea-year")?) == Some(1.36)).then_some(()))
        })?;
        Ok(Fact::new(
            "suspend",
            format!(
                "a commit was fetched and not applied while suspended; applied {seconds:.1} s after resume"
            ),
        ))
    }

    fn prune_takes_reports(&self) -> Result<Fact> {
        let reports = |session: &Session| -> Result<Vec<String>> {
            let all = session.json(&["get", "carbonreports", "-A", "-o", "json"])?;
            let items = all["items"].as_array().context("items")?;
            Ok(items
                .iter()
                .filter(|report| {
                    let owners = report["metadata"]["ownerReferences"].as_array();
                    owners.is_some_and(|all| all.iter().any(|owner| owner["name"] == "korea-hours"))
                })
                .filter_map(|report| report["metadata"]["name"].as_str().map(str::to_owned))
                .collect())
        };
        let (before, _) = self.wait("reports of the policy", |session| {
            let names = reports(session)?;
            Ok((!names.is_empty()).then_some(names.len()))
        })?;
        std::fs::remove_file(self.repository.path().join("fleet/korea-hours.yaml"))
            .context("removing korea-hours.yaml")?;
        self.repository.commit("without korea-hours")?;
        let ((), seconds) = self.wait("the pruned policy and its reports to go", |session| {
            let left = session.kubectl(&[
                "get",
                "carbonpolicy",
                "korea-hours",
                "-n",
                "shop",
                "--ignore-not-found",
                "-o",
                "name",
            ])?;
            Ok((left.trim().is_empty() && reports(session)?.is_empty()).then_some(()))
        })?;
        Ok(Fact::new(
            "prune",
            format!("the policy and its {before} report(s) gone {seconds:.1} s after the commit"),
        ))
    }

    /// With nothing to change nobody writes: neither Flux nor the operator.
    fn quiet(&self) -> Result<Fact> {
        // Evaluation by the hour: what is new in the energy is not a difference
        // of the delivery, and would be written by right.
        for (name, document) in policies()? {
            let file = format!("fleet/{name}.yaml");
            if name != "korea-hours" {
                self.repository
                    .write(&file, &document.replace("interval: 10s", "interval: 1h"))?;
            }
        }
        let commit = self.repository.commit("evaluate by the hour")?;
        self.wait("the last commit", |session| {
            let resources = session.json(&[
                "get",
                "kustomization.kustomize.toolkit.fluxcd.io/tanso-resources",
                "-n",
                FLUX,
                "-o",
                "json",
            ])?;
            Ok(delivered(&resources, &commit).then_some(()))
        })?;
        let mut last = self.versions()?;
        self.wait("a first quiet cycle", |_| {
            self.cycle()?;
            let now = self.versions()?;
            let still = now == last;
            last = now;
            Ok(still.then_some(()))
        })?;
        let before = self.versions()?;
        let begun = Instant::now();
        for _ in 0..QUIET_CYCLES {
            self.cycle()?;
        }
        let after = self.versions()?;
        let changed: Vec<&String> = after
            .iter()
            .filter(|(name, version)| before.get(*name) != Some(version))
            .map(|(name, _)| name)
            .collect();
        if !changed.is_empty() || before.len() != after.len() {
            bail!("written during {QUIET_CYCLES} syncs without a difference: {changed:?}");
        }
        Ok(Fact::new(
            "no diff",
            format!(
                "{QUIET_CYCLES} syncs in {:.0} s: 0 writes to {} objects by either side",
                begun.elapsed().as_secs_f64(),
                after.len()
            ),
        ))
    }

    /// Asks for a sync and waits until it has been done.
    fn cycle(&self) -> Result<()> {
        let token = format!("{:?}", Instant::now());
        let kind = "kustomizations.kustomize.toolkit.fluxcd.io";
        self.session.kubectl(&[
            "annotate",
            kind,
            "-n",
            FLUX,
            "--all",
            "--overwrite",
            &format!("reconcile.fluxcd.io/requestedAt={token}"),
        ])?;
        let begun = Instant::now();
        loop {
            let all = self
                .session
                .json(&["get", kind, "-n", FLUX, "-o", "json"])?;
            let items = all["items"].as_array().context("items")?;
            if items.iter().all(|item| {
                item["status"]["lastHandledReconcileAt"] == token.as_str() && is_ready(item)
            }) {
                return Ok(());
            }
            if begun.elapsed() > Duration::from_mins(5) {
                bail!("a sync that was asked for was not done within 5 minutes");
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// The version of every object that tanso has or made.
    fn versions(&self) -> Result<BTreeMap<String, String>> {
        let all = self.session.json(&["get", WATCHED, "-A", "-o", "json"])?;
        let mut versions = BTreeMap::new();
        for item in all["items"].as_array().context("items")? {
            let meta = &item["metadata"];
            let ours = meta["namespace"] == "tanso-system"
                || meta["name"]
                    .as_str()
                    .is_some_and(|name| name.contains("tanso"))
                || item["apiVersion"] == "tanso.dev/v1alpha1";
            if ours {
                let key = format!(
                    "{} {}/{}",
                    item["kind"].as_str().unwrap_or_default(),
                    meta["namespace"].as_str().unwrap_or_default(),
                    meta["name"].as_str().unwrap_or_default()
                );
                versions.insert(key, meta["resourceVersion"].to_string());
            }
        }
        Ok(versions)
    }
}

fn policy(session: &Session, name: &str) -> Result<Value> {
    session.json(&["get", "carbonpolicy", name, "-n", "shop", "-o", "json"])
}

fn pue(policy: &Value) -> Option<f64> {
    policy["spec"]["site"]["pue"]["value"].as_f64()
}

fn is_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| {
        all.iter()
            .any(|one| one["type"] == "Ready" && one["status"] == "True")
    })
}

fn message(object: &Value) -> String {
    let conditions = object["status"]["conditions"].as_array();
    conditions
        .and_then(|all| all.iter().find(|one| one["type"] == "Ready"))
        .and_then(|one| one["message"].as_str())
        .unwrap_or("nothing said yet")
        .to_owned()
}

/// Whether a Kustomization is Ready with that commit.
fn delivered(kustomization: &Value, commit: &str) -> bool {
    let revision = kustomization["status"]["lastAppliedRevision"].as_str();
    is_ready(kustomization) && revision.is_some_and(|revision| revision.ends_with(commit))
}

fn text(path: &str) -> Result<String> {
    let file = workspace::root().join(path);
    std::fs::read_to_string(&file).with_context(|| format!("reading \"{}\"", file.display()))
}

/// The demo's monitor and policies, a document each, by name.
fn policies() -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for document in text("config/demo/policies.yaml")?.split("\n---\n") {
        let object: Value = serde_saphyr::from_str(document).context("reading a policy")?;
        let name = object["metadata"]["name"]
            .as_str()
            .context("a policy's name")?;
        all.push((name.to_owned(), format!("{document}\n")));
    }
    Ok(all)
}

/// Copies a folder of the checkout into the repository.
fn copy(repository: &Repository, folder: &str) -> Result<()> {
    let dir = workspace::root().join(folder);
    let entries =
        std::fs::read_dir(&dir).with_context(|| format!("reading \"{}\"", dir.display()))?;
    for entry in entries {
        let name = entry.with_context(|| format!("reading \"{}\"", dir.display()))?;
        let name = name.file_name().to_string_lossy().into_owned();
        let path = format!("{folder}/{name}");
        repository.write(&path, &text(&path)?)?;
    }
    Ok(())
}
