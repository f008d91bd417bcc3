//! A `PowerMonitor`'s life: applied again, and deleted.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::demo::{facts, session::Session};
use crate::progress::Step;
use crate::workspace;

/// Kinds that a `PowerMonitor` may make objects of.
const KINDS: &str =
    "daemonset,deployment,service,configmap,serviceaccount,rolebinding,clusterrolebinding";

/// Reads every object that the monitor owns: name to resourceVersion.
fn children(session: &Session) -> Result<BTreeMap<String, String>> {
    let list = session.json(&["get", KINDS, "-A", "-o", "json"])?;
    let owned = |object: &&Value| {
        object["metadata"]["ownerReferences"]
            .as_array()
            .is_some_and(|owners| owners.iter().any(|owner| owner["kind"] == "PowerMonitor"))
    };
    let items = list["items"].as_array().context("a list")?;
    Ok(items
        .iter()
        .filter(owned)
        .map(|object| (name_of(object), version_of(object)))
        .collect())
}

fn name_of(object: &Value) -> String {
    let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!(
        "{}/{}",
        part(&object["kind"]),
        part(&object["metadata"]["name"])
    )
}

fn version_of(object: &Value) -> String {
    object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn monitor_is_ready(session: &Session) -> Result<Option<()>> {
    let monitor = session.json(&["get", "powermonitor", "tanso", "-o", "json"])?;
    Ok(facts::condition_is(&monitor, "Ready", "True").then_some(()))
}

fn apply_monitor(session: &Session) -> Result<()> {
    let path = workspace::root().join("config/demo/policies.yaml");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("reading \"{}\"", path.display()))?;
    let first = text.split("\n---").next().unwrap_or_default();
    session.apply(first)?;
    Ok(())
}

/// The second application of the same monitor changes no resourceVersion.
pub(super) fn applied_twice(session: &Session) -> Result<()> {
    let mut step = Step::new("applying the PowerMonitor twice");
    apply_monitor(session)?;
    session.wait(
        &mut step,
        "the PowerMonitor to be Ready",
        Duration::from_mins(2),
        monitor_is_ready,
    )?;
    let before = children(session)?;
    if before.len() < 6 {
        bail!(
            "the PowerMonitor owns {} objects only: {before:?}",
            before.len()
        );
    }
    apply_monitor(session)?;
    // A reconcile that writes would do so at once; a label that the operator
    // does not manage makes sure that it has looked again.
    session.kubectl(&[
        "label",
        "powermonitor",
        "tanso",
        "looked-at=again",
        "--overwrite",
    ])?;
    thread::sleep(Duration::from_secs(5));
    let after = children(session)?;
    let changed: Vec<_> = before
        .iter()
        .filter(|(name, version)| after.get(*name) != Some(version))
        .collect();
    if !changed.is_empty() || before.len() != after.len() {
        bail!("written the second time: {changed:?}");
    }
    step.done(&format!(
        "{} objects, no resourceVersion changed",
        before.len()
    ));
    Ok(())
}

/// Deleting the monitor leaves none of its objects behind.
pub(super) fn deleted(session: &Session) -> Result<()> {
    let mut step = Step::new("deleting the PowerMonitor");
    apply_monitor(session)?;
    session.wait(
        &mut step,
        "the PowerMonitor to be Ready",
        Duration::from_mins(2),
        monitor_is_ready,
    )?;
    let made = children(session)?.len();
    session.kubectl(&["delete", "powermonitor", "tanso", "--wait=true"])?;
    session.wait(
        &mut step,
        "its objects to be gone",
        Duration::from_mins(1),
        |session| {
            let left = children(session)?;
            let pods = session.json(&[
                "get",
                "pods",
                "-A",
                "-l",
                "app.kubernetes.io/managed-by=tanso-operator",
                "-o",
                "json",
            ])?;
            Ok(
                (left.is_empty() && pods["items"].as_array().is_some_and(Vec::is_empty))
                    .then_some(()),
            )
        },
    )?;
    step.done(&format!("{made} objects made, none left"));
    Ok(())
}
