//! Delivery by the real Flux controllers, from a Git repository on the
//! cluster's own network: what a platform team relies on, each with its time.

pub(crate) mod fleet;
pub(super) mod release;

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Fact;
use crate::demo::session::Session;
use fleet::{FLUX, Fleet, KUSTOMIZE, SOURCE, delivered, is_ready, message, text};

/// How many syncs without a difference must write nothing.
const QUIET_CYCLES: u32 = 10;

/// The folder of monitors and policies that `config/flux` delivers.
const RESOURCES: &str = "config/flux/resources";

/// Folders of the checkout that the repository has.
const DELIVERED: [&str; 4] = ["config/crd", "config/rbac", "config/operator", RESOURCES];

/// Everything whose writes count: tanso's kinds and all that it makes.
const WATCHED: &str = "powermonitors,carbonpolicies,clustercarbonpolicies,customresourcedefinitions,\
                       namespaces,serviceaccounts,configmaps,services,daemonsets,deployments,\
                       clusterroles,clusterrolebindings,roles,rolebindings,persistentvolumeclaims,\
                       carbonreports,networkpolicies,poddisruptionbudgets,secrets";

/// What is written by right meanwhile, and so does not count.
const NOT_WATCHED: &str = "a monitor's power summary of each minute, leases, events, and pods";

/// Flux's kind, by its whole name: kustomize has one of the same name.
const KUSTOMIZATIONS: &str = "kustomizations.kustomize.toolkit.fluxcd.io";

/// Runs the suite; the seven facts.
pub(super) fn run(session: &Session) -> Result<Vec<Fact>> {
    let delivery = Delivery(Fleet::new(session, &[SOURCE, KUSTOMIZE])?);
    for folder in DELIVERED {
        delivery.0.copy(folder)?;
    }
    delivery.add("workloads", &text("config/demo/workloads.yaml")?)?;
    for (name, document) in policies()? {
        delivery.add(&name, &document)?;
    }
    Ok(vec![
        delivery.first_sync()?,
        delivery.not_compliant_delivers()?,
        delivery.commit_changes_status()?,
        delivery.edit_is_reverted()?,
        delivery.suspend()?,
        delivery.prune_takes_reports()?,
        delivery.quiet()?,
    ])
}

/// tanso delivered by Kustomizations.
struct Delivery<'s>(Fleet<'s>);

impl Delivery<'_> {
    /// Puts a file beside the monitor and the policy that are shipped, as
    /// `config/flux` tells its users to: named in the folder's kustomization.
    fn add(&self, name: &str, document: &str) -> Result<()> {
        let repository = &self.0.repository;
        repository.write(&resource(name), document)?;
        let list = self.listed()?;
        repository.write(
            &resource("kustomization"),
            &format!("{list}  - {name}.yaml\n"),
        )
    }

    /// Takes it away again.
    fn remove(&self, name: &str) -> Result<()> {
        let repository = &self.0.repository;
        let file = repository.path().join(resource(name));
        fs::remove_file(&file).with_context(|| format!("removing \"{}\"", file.display()))?;
        let list = self.listed()?.replace(&format!("  - {name}.yaml\n"), "");
        repository.write(&resource("kustomization"), &list)
    }

    /// The folder's kustomization.
    fn listed(&self) -> Result<String> {
        let file = self.0.repository.path().join(resource("kustomization"));
        fs::read_to_string(&file).with_context(|| format!("reading \"{}\"", file.display()))
    }

    fn first_sync(&self) -> Result<Fact> {
        let commit = self.0.repository.commit("the whole of tanso")?;
        self.0.point("tests/flux")?;
        let what = "kinds, operator and policies to be delivered";
        let ((), seconds) = self.0.wait(what, |session| {
            let all = session.json(&["get", KUSTOMIZATIONS, "-n", FLUX, "-o", "json"])?;
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
                "kinds, operator, the shipped monitor and policy and {} more Ready in this order after {seconds:.1} s",
                policies()?.len()
            ),
        ))
    }

    /// What is not kept is delivered as well as what is.
    fn not_compliant_delivers(&self) -> Result<Fact> {
        let ((), seconds) = self
            .0
            .wait("a policy to be judged NonCompliant", |session| {
                let policy = policy(session, "old-hall")?;
                let judged = policy["status"]["verdict"] == "NonCompliant";
                Ok((judged && is_ready(&policy)).then_some(()))
            })?;
        let kustomization = self.0.object(KUSTOMIZATIONS, "tanso-resources")?;
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

    /// Replaces the PUE of the repository's `korea-year`, and commits.
    fn commit_pue(&self, from: &str, to: &str) -> Result<String> {
        let (from, to) = (format!("value: {from}"), format!("value: {to}"));
        self.0.change(&resource("korea-year"), &from, &to)
    }

    fn commit_changes_status(&self) -> Result<Fact> {
        let before = judged_pue(&policy(self.0.session, "korea-year")?);
        self.commit_pue("1.32", "1.38")?;
        let what = "the commit to reach the policy's status";
        let ((), seconds) = self.0.wait(what, |session| {
            let policy = policy(session, "korea-year")?;
            let judged = is_ready(&policy) && judged_pue(&policy) == Some(1.38);
            Ok((pue(&policy) == Some(1.38) && judged).then_some(()))
        })?;
        Ok(Fact::new(
            "commit",
            format!(
                "PUE {} -> 1.38 committed, in the policy's status after {seconds:.1} s",
                before.map_or_else(|| "unknown".to_owned(), |pue| pue.to_string())
            ),
        ))
    }

    fn edit_is_reverted(&self) -> Result<Fact> {
        self.0.session.kubectl(&[
            "patch",
            "carbonpolicy",
            "korea-year",
            "-n",
            "shop",
            "--type=merge",
            "-p",
            r#"{"spec":{"site":{"pue":{"value":1.9}}}}"#,
        ])?;
        let ((), seconds) = self.0.wait("the manual edit to be reverted", |session| {
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
            self.0.patch(KUSTOMIZATIONS, "tanso-resources", &patch)
        };
        suspend(true)?;
        let commit = self.commit_pue("1.38", "1.36")?;
        // Others apply the new commit: this one had its chance.
        let what = "the new commit to be delivered elsewhere";
        self.0.wait(what, |_| {
            let other = self.0.object(KUSTOMIZATIONS, "tanso-operator")?;
            Ok(delivered(&other, &commit).then_some(()))
        })?;
        let held = pue(&policy(self.0.session, "korea-year")?);
        if held != Some(1.38) {
            bail!("a suspended Kustomization applied: PUE is {held:?}");
        }
        suspend(false)?;
        let ((), seconds) = self.0.wait("the resumed delivery", |session| {
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
        let (before, _) = self.0.wait("reports of the policy", |session| {
            let names = reports(session)?;
            Ok((!names.is_empty()).then_some(names.len()))
        })?;
        self.remove("korea-hours")?;
        self.0.repository.commit("without korea-hours")?;
        let ((), seconds) = self
            .0
            .wait("the pruned policy and its reports to go", |session| {
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
            if name != "korea-hours" {
                let hourly = document.replace("interval: 10s", "interval: 1h");
                self.0.repository.write(&resource(&name), &hourly)?;
            }
        }
        let (all, hourly) = ("  policy:\n", "  policy:\n    interval: 1h\n");
        let commit = self
            .0
            .change(&resource("clustercarbonpolicy"), all, hourly)?;
        self.0.wait("the last commit", |_| {
            let resources = self.0.object(KUSTOMIZATIONS, "tanso-resources")?;
            Ok(delivered(&resources, &commit).then_some(()))
        })?;
        // From here on a sync is one that was asked for, with the intervals that
        // users have.
        for name in ["tanso-crds", "tanso-operator", "tanso-resources"] {
            self.0
                .patch(KUSTOMIZATIONS, name, r#"{"spec":{"interval":"10m"}}"#)?;
        }
        let mut last = self.versions()?;
        self.0.wait("a first quiet cycle", |_| {
            self.0.cycle(KUSTOMIZATIONS)?;
            let now = self.versions()?;
            let still = now == last;
            last = now;
            Ok(still.then_some(()))
        })?;
        let before = self.versions()?;
        let begun = Instant::now();
        for _ in 0..QUIET_CYCLES {
            self.0.cycle(KUSTOMIZATIONS)?;
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
                "{QUIET_CYCLES} syncs in {:.0} s: 0 writes to {} objects by either side; left out: {NOT_WATCHED}",
                begun.elapsed().as_secs_f64(),
                after.len()
            ),
        ))
    }

    /// The version of every object that tanso has or made.
    fn versions(&self) -> Result<BTreeMap<String, String>> {
        let words = ["get", WATCHED, "-A", "-o", "json"];
        let all = self.0.session.json(&words)?;
        let items = all["items"].as_array().context("items")?;
        let name = |item: &Value| {
            let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (kind, meta) = (part(&item["kind"]), &item["metadata"]);
            format!(
                "{kind} {}/{}",
                part(&meta["namespace"]),
                part(&meta["name"])
            )
        };
        let ours = items.iter().filter(|item| is_ours(item));
        Ok(ours.map(|item| (name(item), version(item))).collect())
    }
}

fn is_ours(item: &Value) -> bool {
    let meta = &item["metadata"];
    let named = |name: &str| name.contains("tanso");
    meta["namespace"] == "tanso-system"
        || meta["name"].as_str().is_some_and(named)
        || item["apiVersion"] == "tanso.dev/v1alpha1"
}

/// What changes when an object is written. A monitor's power is news of each
/// minute and is written by right: its other content counts.
fn version(item: &Value) -> String {
    if item["kind"] != "PowerMonitor" {
        return item["metadata"]["resourceVersion"].to_string();
    }
    let (spec, mut status) = (&item["spec"], item["status"].clone());
    if let Some(status) = status.as_object_mut() {
        status.remove("summary");
    }
    format!("{spec} {status}")
}

fn policy(session: &Session, name: &str) -> Result<Value> {
    session.json(&["get", "carbonpolicy", name, "-n", "shop", "-o", "json"])
}

fn pue(policy: &Value) -> Option<f64> {
    policy["spec"]["site"]["pue"]["value"].as_f64()
}

/// The PUE that the last evaluation counted with.
fn judged_pue(policy: &Value) -> Option<f64> {
    let shown = policy["status"]["summary"]["pue"].as_str()?;
    shown.split_whitespace().next()?.parse().ok()
}

/// A file of the folder that is delivered.
fn resource(name: &str) -> String {
    format!("{RESOURCES}/{name}.yaml")
}

/// The demo's policies of single namespaces, a document each, by name. Monitor
/// and cluster-wide policy are those that are shipped.
fn policies() -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for document in text("config/demo/policies.yaml")?.split("\n---\n") {
        let object: Value = serde_saphyr::from_str(document).context("reading a policy")?;
        if object["kind"] != "CarbonPolicy" {
            continue;
        }
        let name = object["metadata"]["name"]
            .as_str()
            .context("a policy's name")?;
        all.push((name.to_owned(), format!("{document}\n")));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{WATCHED, judged_pue, policies, resource, text, version};

    #[test]
    fn a_monitors_power_is_news_and_its_nodes_are_a_write() {
        let monitor = |power: &str, ready: u32| {
            version(&json!({
                "kind": "PowerMonitor",
                "metadata": {"resourceVersion": power},
                "spec": {},
                "status": {"summary": {"power": power}, "nodes": {"ready": ready}},
            }))
        };
        assert_eq!(monitor("1W", 1), monitor("2W", 1));
        assert_ne!(monitor("1W", 1), monitor("1W", 2));
        let other = |version_of: &str| {
            version(&json!({"kind": "Service", "metadata": {"resourceVersion": version_of}}))
        };
        assert_ne!(other("1"), other("2"));
    }

    #[test]
    fn what_the_operator_makes_is_watched_too() {
        let watched: Vec<&str> = WATCHED.split(',').collect();
        for kind in ["carbonreports", "networkpolicies", "secrets"] {
            assert!(watched.contains(&kind), "{kind}");
        }
        assert!(watched.iter().all(|kind| !kind.contains(' ')), "{WATCHED}");
    }

    #[test]
    fn the_pue_that_was_judged_is_the_number_of_the_summary() {
        let policy = json!({"status": {"summary": {"pue": "1.32 Compliant"}}});
        assert_eq!(judged_pue(&policy), Some(1.32));
    }

    #[test]
    fn the_suite_finds_the_policies_that_it_changes() {
        let all = policies().unwrap();
        let of = |name: &str| {
            all.iter()
                .find(|(other, _)| other == name)
                .map(|(_, text)| text)
        };
        assert!(of("korea-year").unwrap().contains("value: 1.32"));
        assert!(of("korea-hours").unwrap().contains("interval: 10s"));
        let shipped = text(&resource("clustercarbonpolicy")).unwrap();
        assert!(shipped.contains("  policy:\n") && !shipped.contains("interval:"));
    }
}
