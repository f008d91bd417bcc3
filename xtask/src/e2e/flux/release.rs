//! tanso as a `HelmRelease`: the chart from Git, by the real source-controller and
//! helm-controller, with the production values.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::fleet::{FLUX, Fleet, HELM, SOURCE, is_ready};
use crate::demo::session::{NAMESPACE, Session};
use crate::e2e::{Fact, helm};

/// How many syncs without a difference must write nothing.
const QUIET_CYCLES: u32 = 10;

/// Flux's kind and its one object.
const RELEASES: &str = "helmreleases.helm.toolkit.fluxcd.io";

/// What a release of tanso is made of.
const WATCHED: &str = "serviceaccounts,configmaps,services,daemonsets,deployments,roles,rolebindings,\
                       networkpolicies,poddisruptionbudgets,servicemonitors,prometheusrules,\
                       persistentvolumeclaims";

/// Runs the suite; a fact per promise.
pub(in crate::e2e) fn run(session: &Session) -> Result<Vec<Fact>> {
    helm::monitoring_kinds(session)?;
    let delivery = Delivery(Fleet::new(session, &[SOURCE, HELM])?);
    delivery.0.copy("charts/tanso")?;
    Ok(vec![
        delivery.first_sync()?,
        delivery.commit_upgrades()?,
        delivery.edit_is_reverted()?,
        delivery.suspend()?,
        delivery.quiet()?,
        delivery.removed()?,
    ])
}

/// tanso delivered by a `HelmRelease`.
struct Delivery<'s>(Fleet<'s>);

impl Delivery<'_> {
    fn release(&self) -> Result<Value> {
        self.0.object(RELEASES, "tanso")
    }

    /// A flag of the operator, as its Deployment has it.
    fn has_flag(session: &Session, flag: &str) -> Result<bool> {
        let words = [
            "get",
            "deployment",
            "tanso-operator",
            "-n",
            NAMESPACE,
            "-o",
            "json",
        ];
        let operator = session.json(&words)?;
        let flags = &operator["spec"]["template"]["spec"]["containers"][0]["args"];
        let flags = flags.as_array().context("the operator's flags")?;
        Ok(flags.iter().any(|one| one == flag))
    }

    fn first_sync(&self) -> Result<Fact> {
        self.0.repository.commit("the chart")?;
        self.0.point("tests/flux/release")?;
        let ((), ready) = self.0.wait("the HelmRelease to be Ready", |_| {
            Ok(is_ready(&self.release()?).then_some(()))
        })?;
        let ((), measured) = self.0.wait("its PowerMonitor to be Ready", |session| {
            let monitor = session.json(&["get", "powermonitor", "tanso", "-o", "json"])?;
            Ok((helm::condition(&monitor, "Ready") == Some("True")).then_some(()))
        })?;
        Ok(Fact::new(
            "first sync",
            format!(
                "HelmRelease Ready after {ready:.1} s, its PowerMonitor {measured:.1} s later; \
                 values-production.yaml"
            ),
        ))
    }

    /// Writes the lease's duration into the chart, and commits.
    fn commit(&self, from: &str, to: &str) -> Result<String> {
        let (from, to) = (
            format!("leaseDuration: {from}"),
            format!("leaseDuration: {to}"),
        );
        self.0.change("charts/tanso/values.yaml", &from, &to)
    }

    fn commit_upgrades(&self) -> Result<Fact> {
        self.commit("15s", "20s")?;
        let ((), seconds) = self.0.wait("the commit to reach the operator", |session| {
            let there = Self::has_flag(session, "--lease-duration=20s")?;
            Ok((there && is_ready(&self.release()?)).then_some(()))
        })?;
        let revision = self.release()?["status"]["history"][0]["version"].clone();
        if revision != 2 {
            bail!("the commit is revision {revision} of the release, not 2");
        }
        Ok(Fact::new(
            "commit",
            format!("a value of the chart committed, revision 2 deployed after {seconds:.1} s"),
        ))
    }

    fn edit_is_reverted(&self) -> Result<Fact> {
        let patch = r#"{"spec":{"maxUnavailable":0}}"#;
        let words = ["patch", "pdb", "tanso-operator", "-n", NAMESPACE];
        let more = ["--type=merge", "-p", patch];
        self.0.session.kubectl(&[&words[..], &more[..]].concat())?;
        let ((), seconds) = self.0.wait("the manual edit to be reverted", |session| {
            let words = [
                "get",
                "pdb",
                "tanso-operator",
                "-n",
                NAMESPACE,
                "-o",
                "json",
            ];
            let budget = session.json(&words)?;
            Ok((budget["spec"]["maxUnavailable"] == 1).then_some(()))
        })?;
        Ok(Fact::new(
            "manual edit",
            format!("a disruption budget of 0 by hand is 1 again after {seconds:.1} s"),
        ))
    }

    fn suspend(&self) -> Result<Fact> {
        let suspend = |suspended: bool| {
            let patch = format!(r#"{{"spec":{{"suspend":{suspended}}}}}"#);
            self.0.patch(RELEASES, "tanso", &patch)
        };
        suspend(true)?;
        let commit = self.commit("20s", "25s")?;
        // The chart of the commit is there: the release had its chance.
        self.0
            .wait("the new commit's chart to be fetched", |session| {
                let kind = "helmcharts.source.toolkit.fluxcd.io";
                let all = session.json(&["get", kind, "-n", FLUX, "-o", "json"])?;
                let revision = all["items"][0]["status"]["artifact"]["revision"].as_str();
                let short = commit.get(..12).unwrap_or(&commit);
                Ok(revision
                    .is_some_and(|revision| revision.contains(short))
                    .then_some(()))
            })?;
        if Self::has_flag(self.0.session, "--lease-duration=25s")? {
            bail!("a suspended HelmRelease was upgraded");
        }
        suspend(false)?;
        let ((), seconds) = self.0.wait("the resumed delivery", |session| {
            let there = Self::has_flag(session, "--lease-duration=25s")?;
            Ok((there && is_ready(&self.release()?)).then_some(()))
        })?;
        Ok(Fact::new(
            "suspend",
            format!(
                "a commit's chart was fetched and not installed while suspended; installed \
                 {seconds:.1} s after resume"
            ),
        ))
    }

    /// With nothing to change neither side writes, and the release keeps its revision.
    fn quiet(&self) -> Result<Fact> {
        let mut last = self.versions()?;
        self.0.wait("a first quiet cycle", |_| {
            self.0.cycle(RELEASES)?;
            let now = self.versions()?;
            let still = now == last;
            last = now;
            Ok(still.then_some(()))
        })?;
        let before = self.release()?["status"]["history"][0]["version"].clone();
        let begun = Instant::now();
        for _ in 0..QUIET_CYCLES {
            self.0.cycle(RELEASES)?;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let now = self.versions()?;
        if now != last {
            let is_new = |(name, version): &(&String, &String)| last.get(*name) != Some(version);
            let changed: Vec<_> = now.iter().filter(is_new).map(|(name, _)| name).collect();
            bail!("written during {QUIET_CYCLES} syncs without a difference: {changed:?}");
        }
        let after = self.release()?["status"]["history"][0]["version"].clone();
        if before != after {
            bail!("{QUIET_CYCLES} syncs without a difference made revision {after} of {before}");
        }
        Ok(Fact::new(
            "no diff",
            format!(
                "{QUIET_CYCLES} syncs in {seconds:.0} s: still revision {after}, 0 writes to {} objects",
                now.len()
            ),
        ))
    }

    /// The version of every object in tanso's namespace.
    fn versions(&self) -> Result<BTreeMap<String, String>> {
        let words = ["get", WATCHED, "-n", NAMESPACE, "-o", "json"];
        let all = self.0.session.json(&words)?;
        let items = all["items"].as_array().context("items")?;
        let one = |item: &Value| {
            let name = format!("{} {}", item["kind"], item["metadata"]["name"]);
            (name, item["metadata"]["resourceVersion"].to_string())
        };
        Ok(items.iter().map(one).collect())
    }

    /// Deleting the `HelmRelease` uninstalls, and leaves the ledger and the kinds.
    fn removed(&self) -> Result<Fact> {
        let session = self.0.session;
        session.kubectl(&["delete", RELEASES, "tanso", "-n", FLUX])?;
        let ((), seconds) = self.0.wait("what the release made to go", |session| {
            let kinds = "daemonsets,deployments,services,networkpolicies,serviceaccounts";
            let words = ["get", kinds, "-n", NAMESPACE, "-o", "name"];
            let left = session.kubectl(&words)?;
            let more: Vec<&str> = left
                .lines()
                .filter(|name| *name != "serviceaccount/default")
                .collect();
            if more.is_empty() {
                Ok(Some(()))
            } else {
                bail!("left: {more:?}")
            }
        })?;
        let words = ["get", "pvc", "tanso-ledger", "-n", NAMESPACE, "-o", "name"];
        session.kubectl(&words).context("the ledger's claim")?;
        let words = ["get", "crd", "carbonpolicies.tanso.dev", "-o", "name"];
        session.kubectl(&words).context("the kinds")?;
        Ok(Fact::new(
            "deleted",
            format!("the release is gone after {seconds:.1} s; the ledger and the kinds are kept"),
        ))
    }
}
