//! A `PowerMonitor`'s life: applied again, and deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::demo::session::{NAMESPACE, Session};
use crate::progress::Step;
use crate::workspace;

/// Kinds that a `PowerMonitor` may make objects of.
const KINDS: &str =
    "daemonset,deployment,service,configmap,serviceaccount,rolebinding,clusterrolebinding";

/// Reads every object that the monitor owns: name to resourceVersion.
fn children(session: &Session) -> Result<BTreeMap<String, String>> {
    let list = session.json(&["get", KINDS, "-A", "-o", "json"])?;
    let owned = |object: &&Value| {
        // The label too: one that was made without an owner would stay behind.
        let labelled = object["metadata"]["labels"]["tanso.dev/power-monitor"] == "tanso";
        labelled
            || object["metadata"]["ownerReferences"]
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

fn apply_monitor(session: &Session) -> Result<()> {
    let path = workspace::root().join("config/demo/policies.yaml");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("reading \"{}\"", path.display()))?;
    let first = text.split("\n---").next().unwrap_or_default();
    session.apply(first)?;
    Ok(())
}

/// Applies the monitor and waits until it is Ready.
fn run_monitor(session: &Session, step: &mut Step) -> Result<()> {
    apply_monitor(session)?;
    session.monitor_ready(step)
}

/// How often the operator has visited a monitor without a fault.
fn visits(session: &Session) -> Result<f64> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/services/tanso-operator:8080/proxy/metrics");
    let text = session.raw(&path)?;
    let is_visit = |line: &&str| {
        line.starts_with("tanso_operator_reconciles_total{")
            && line.contains("power_monitor")
            && line.contains("\"ok\"")
    };
    let line = text.lines().find(is_visit).context("no visit yet")?;
    let number = line.rsplit(' ').next().unwrap_or_default();
    number.parse().with_context(|| format!("reading {line:?}"))
}

/// The second application of the same monitor changes no resourceVersion.
pub(super) fn applied_twice(session: &Session) -> Result<()> {
    let mut step = Step::new("applying the PowerMonitor twice");
    run_monitor(session, &mut step)?;
    let before = children(session)?;
    if before.len() < 6 {
        bail!(
            "the PowerMonitor owns {} objects only: {before:?}",
            before.len()
        );
    }
    apply_monitor(session)?;
    // A label that the operator does not manage makes it look again.
    let visits = visits(session)?;
    session.kubectl(&[
        "label",
        "powermonitor",
        "tanso",
        "looked-at=again",
        "--overwrite",
    ])?;
    session.wait(
        &mut step,
        "two more visits of the operator",
        Duration::from_mins(10),
        |session| Ok((self::visits(session)? >= visits + 2.0).then_some(())),
    )?;
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
    run_monitor(session, &mut step)?;
    let made = children(session)?.len();
    session.kubectl(&["delete", "powermonitor", "tanso", "--wait=true"])?;
    session.wait(
        &mut step,
        "its objects to be gone",
        Duration::from_mins(5),
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
