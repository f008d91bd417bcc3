//! An `EnergyStudy` on a cluster with agents: a load of a known size against
//! nothing, measured by the ledger, while the operator is killed in the middle
//! of a trial.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tanso_carbon::study::Trials;

use super::Fact;
use crate::demo::facts::condition_is;
use crate::demo::kill::kill_dead;
use crate::demo::session::{NAMESPACE, Session};
use crate::progress::Step;
use crate::{process, workspace};

/// Namespace and name of the study, and of the object that its load is.
const LAB: &str = "lab";
const STUDY: &str = "heat";

/// CPU time that the load takes in a measured phase: 0.2 of a core for a minute.
const LOAD_CPU_SECONDS: f64 = 12.0;

/// By how much of it a trial may differ: the load sleeps between its bursts, and
/// a minute of the ledger is closed by readings a second apart.
const TOLERANCE: f64 = 0.1;

/// Arms by blocks.
const TRIALS: u64 = 6;

/// The account that the study writes as, and what its owner lets it do.
const ACCOUNT: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: lab}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: tanso-study, namespace: lab}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: arms, namespace: lab}
rules:
  - apiGroups: [apps]
    resources: [deployments]
    verbs: [get, create, patch, delete]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: arms, namespace: lab}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: arms}
subjects: [{kind: ServiceAccount, name: tanso-study, namespace: lab}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: tanso-study, namespace: lab}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: tanso-operator-studies}
subjects: [{kind: ServiceAccount, name: tanso-operator, namespace: tanso-system}]
";

const SPEC: &str = r#"
apiVersion: tanso.dev/v1alpha1
kind: EnergyStudy
metadata: {name: heat, namespace: lab}
spec:
  title: What does a fifth of a core cost?
  arms:
    - name: nothing
    - name: load
      description: a process that takes 0.2 of a core
      setUp:
        manifests: |
          apiVersion: apps/v1
          kind: Deployment
          metadata: {name: heater, namespace: lab}
          spec:
            selector: {matchLabels: {app: heater}}
            template:
              metadata: {labels: {app: heater}}
              spec:
                terminationGracePeriodSeconds: 1
                containers:
                  - name: heater
                    image: localhost/tanso/demo-load:dev
                    imagePullPolicy: Never
                    args: [serve, --cpu, "0.2"]
  components: [{name: lab, namespaces: [lab]}]
  primaryResponse: lab_cpu_seconds
  phases: {warmUp: 1m, measured: 1m, coolDown: 0s}
  stopping: {blocks: 3}
  seed: 7
  zone: KR
"#;

/// Runs the suite.
pub(super) fn run(session: &Session) -> Result<Vec<Fact>> {
    let program = super::faces::build()?;
    session.install()?;
    session.apply_file("workloads.yaml")?;
    let monitor = workspace::root().join("config/flux/resources/powermonitor.yaml");
    let monitor = fs::read_to_string(&monitor)
        .with_context(|| format!("reading \"{}\"", monitor.display()))?;
    session.apply(&monitor)?;
    let mut step = Step::new("agents at work");
    session.monitor_ready(&mut step)?;
    step.done("agents are at work");
    session.apply(ACCOUNT)?;
    session.apply(SPEC)?;
    let begun = Instant::now();
    let mut facts = vec![killed(session)?];
    let study = complete(session)?;
    facts.push(Fact::new(
        "complete",
        format!(
            "{} trials in {:.0} s: {}",
            study["status"]["summary"]["trials"]
                .as_str()
                .unwrap_or_default(),
            begun.elapsed().as_secs_f64(),
            study["status"]["answer"][0].as_str().unwrap_or_default()
        ),
    ));
    let file = tempfile::tempdir().context("a folder for the figures")?;
    let figures = file.path().join("figures.csv");
    let mut report = session.cluster()?.exec([&program]);
    report
        .args(["study", "report", STUDY, "-n", LAB, "--save"])
        .arg(&figures);
    process::output(&mut report)?;
    let text = fs::read_to_string(&figures).context("reading the figures")?;
    facts.push(known_load(&Trials::parse("figures", &text)?)?);
    facts.push(left_nothing(session)?);
    Ok(facts)
}

fn study(session: &Session) -> Result<Value> {
    session.json(&["get", "energystudy", STUDY, "-n", LAB, "-o", "json"])
}

/// Kills the operator in the middle of a measured phase after the first trial.
fn killed(session: &Session) -> Result<Fact> {
    let mut step = Step::new("the second trial to be measured");
    let what = "a trial that is measured";
    let running = session.wait(&mut step, what, Duration::from_mins(10), |session| {
        let status = study(session)?["status"].clone();
        let is_measured = status["progress"]["done"].as_u64() >= Some(1)
            && status["trial"]["step"] == "Measuring";
        Ok(is_measured.then(|| status["trial"].clone()))
    })?;
    let label = "app.kubernetes.io/name=tanso-operator";
    let count = kill_dead(session, label, "tanso-operator")?;
    step.done("the operator is killed");
    Ok(Fact::new(
        "kill -9",
        format!(
            "{count} operator, in the middle of trial {} ({})",
            running["trial"],
            running["arm"].as_str().unwrap_or_default()
        ),
    ))
}

fn complete(session: &Session) -> Result<Value> {
    let mut step = Step::new("the study to be complete");
    let found = session.wait(&mut step, "Complete", Duration::from_mins(40), |session| {
        let study = study(session)?;
        if condition_is(&study, "Failed", "True") {
            // What has failed stays so.
            return Ok(Some(study));
        }
        Ok(condition_is(&study, "Complete", "True").then_some(study))
    })?;
    if !condition_is(&found, "Complete", "True") {
        bail!("the study has failed: {}", found["status"]);
    }
    step.done("the study is complete");
    Ok(found)
}

/// Every trial is there once, and the load has its size in each of its own.
fn known_load(trials: &Trials) -> Result<Fact> {
    let rows: Vec<_> = trials.measured().collect();
    let mut orders: Vec<u64> = rows.iter().map(|row| u64::from(row.order)).collect();
    orders.sort_unstable();
    ensure!(
        orders == (1..=TRIALS).collect::<Vec<_>>(),
        "trials 1 to {TRIALS} once each, not {orders:?}"
    );
    let mut found = Vec::new();
    for row in &rows {
        let cpu = row.values.get("lab_cpu_seconds").copied();
        let cpu = cpu.with_context(|| format!("trial {} has no lab_cpu_seconds", row.order))?;
        let (wanted, allowed) = if row.arm == "load" {
            found.push(format!("{cpu:.2}"));
            (LOAD_CPU_SECONDS, LOAD_CPU_SECONDS * TOLERANCE)
        } else {
            (0.0, 0.0)
        };
        ensure!(
            (cpu - wanted).abs() <= allowed,
            "trial {} of \"{}\" has {cpu} CPU s; the load takes {wanted}",
            row.order,
            row.arm
        );
    }
    Ok(Fact::new(
        "known load",
        format!(
            "{LOAD_CPU_SECONDS} CPU s in each trial of its arm, found {}; each of {TRIALS} trials once",
            found.join(", ")
        ),
    ))
}

fn left_nothing(session: &Session) -> Result<Fact> {
    let left = session.json(&["get", "deployments", "-n", LAB, "-o", "json"])?;
    let count = left["items"].as_array().context("items")?.len();
    ensure!(
        count == 0,
        "{count} deployments of the study are left in {LAB}"
    );
    let events = ["get", "events", "-n", LAB, "-o", "json"];
    let events = session.json(&events)?;
    let own = |event: &&Value| event["involvedObject"]["kind"] == "EnergyStudy";
    let own = events["items"]
        .as_array()
        .context("items")?
        .iter()
        .filter(own)
        .count();
    Ok(Fact::new(
        "afterwards",
        format!("nothing is left of the arms; {own} Events of the study, written by {NAMESPACE}"),
    ))
}
