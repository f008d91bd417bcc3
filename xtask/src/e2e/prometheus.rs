//! A real Prometheus on the embedded cluster, which scrapes every pod of tanso.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::helm;
use crate::demo::session::{NAMESPACE, Session};
use crate::progress::Step;

/// Its port on the node: pods reach it there too.
pub(super) const PORT: u16 = 19_090;

/// Where the node itself asks it.
pub(super) const ADDRESS: &str = "127.0.0.1:19090";

/// What is scraped: the pods' name, and their port.
pub(super) const TARGETS: [(&str, u16); 3] = [
    ("tanso-agent", 28282),
    ("tanso-operator", 8080),
    ("tanso-model-server", 8100),
];

/// A Prometheus inside the cluster's network; ends with this.
pub(super) struct Server<'s> {
    pub(super) session: &'s Session,
    child: Child,
    dir: tempfile::TempDir,
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl<'s> Server<'s> {
    /// Starts it once every pod of tanso is ready.
    pub(super) fn start(session: &'s Session, prometheus: &Path, rules: &Path) -> Result<Self> {
        let dir = tempfile::tempdir().context("making a folder for Prometheus")?;
        let config = dir.path().join("prometheus.yaml");
        let what = "every pod of tanso to be ready";
        let mut step = Step::new(what);
        let limit = Duration::from_mins(10);
        let targets = session.wait(&mut step, what, limit, |session| {
            configuration(session, rules).map(Some)
        })?;
        step.done("every pod of tanso is ready");
        let log = fs::File::create(dir.path().join("log")).context("creating a log")?;
        fs::write(&config, targets).context("configuring Prometheus")?;
        let child = session
            .cluster()?
            .exec([prometheus])
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.path().join("data").display()
            ))
            .arg(format!("--web.listen-address=0.0.0.0:{PORT}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("starting Prometheus")?;
        Ok(Self {
            session,
            child,
            dir,
        })
    }

    /// The end of what it said.
    pub(super) fn said(&self) -> String {
        crate::process::tail(&self.dir.path().join("log"), 2000)
    }
}

/// Waits until every policy of the cluster has a verdict.
pub(super) fn all_judged(session: &Session) -> Result<()> {
    let what = "every policy to be judged";
    let mut step = Step::new(what);
    session.wait(&mut step, what, Duration::from_mins(10), |session| {
        let all = session.json(&["get", "carbonpolicies", "-A", "-o", "json"])?;
        let items = all["items"].as_array().context("items")?;
        let judged = |item: &&Value| !item["status"]["verdict"].is_null();
        let count = items.iter().filter(judged).count();
        Ok((count == items.len() && count > 0).then_some(()))
    })?;
    step.done("policies judged");
    Ok(())
}

/// Scrapes every pod of tanso, and itself for its own failures.
fn configuration(session: &Session, rules: &Path) -> Result<String> {
    let mut jobs = vec![serde_json::json!({
        "job_name": "prometheus",
        "static_configs": [{"targets": [ADDRESS]}],
    })];
    for (name, port) in TARGETS {
        let label = format!("app.kubernetes.io/name={name}");
        let pods = session.json(&["get", "pods", "-n", NAMESPACE, "-l", &label, "-o", "json"])?;
        let items = pods["items"].as_array().context("items")?;
        let mut targets = Vec::new();
        for pod in items {
            let address = pod["status"]["podIP"].as_str().context("a pod's address")?;
            let node = pod["spec"]["nodeName"].as_str().context("a pod's node")?;
            if helm::condition(pod, "Ready") != Some("True") {
                bail!("a pod of {name} is not ready");
            }
            targets.push(serde_json::json!({
                "targets": [format!("{address}:{port}")],
                "labels": {"instance": node},
            }));
        }
        if targets.is_empty() {
            bail!("no pod of {name} to scrape");
        }
        jobs.push(serde_json::json!({
            "job_name": name,
            "honor_labels": name == "tanso-agent",
            "static_configs": targets,
        }));
    }
    let config = serde_json::json!({
        "global": {"scrape_interval": "5s", "evaluation_interval": "5s"},
        "rule_files": [rules.join("rules.yaml")],
        "scrape_configs": jobs,
    });
    serde_json::to_string_pretty(&config).context("writing Prometheus' configuration")
}
