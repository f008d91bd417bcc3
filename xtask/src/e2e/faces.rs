//! One number behind every face: the same policy and the same workload as the
//! status, the command line, the report, the page, the assistants' server and
//! the metrics say them, to the last digit.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::Fact;
use crate::demo::session::{NAMESPACE, Session};
use crate::progress::Step;
use crate::{process, workspace};

/// The policy and the workload that everybody is asked about.
const POLICY: &str = "korea-hours";
const SPACE: &str = "shop";

/// Runs the suite.
pub(super) fn run(session: &Session) -> Result<Vec<Fact>> {
    let program = build()?;
    session.install()?;
    session.apply_file("workloads.yaml")?;
    session.apply_file("policies.yaml")?;
    let mut step = Step::new("a policy with figures");
    session.wait(&mut step, "emissions", Duration::from_mins(10), |session| {
        let status = status(session)?;
        let mass = status["totals"]["emissionsMilligrams"]["value"].as_i64();
        Ok(mass.filter(|mass| *mass > 5).map(drop))
    })?;
    step.done("the policy has figures");
    compare(session, &program)
}

/// Asks every face about a policy that no longer changes, and compares.
pub(super) fn compare(session: &Session, program: &PathBuf) -> Result<Vec<Fact>> {
    let patch = r#"{"spec": {"suspend": true}}"#;
    let words = [
        "patch",
        "carbonpolicy",
        POLICY,
        "-n",
        SPACE,
        "--type=merge",
        "-p",
        patch,
    ];
    session.kubectl(&words)?;
    let before = settled(session)?;
    let workload = before["workloads"][0].clone();
    let name = format!("{}/{}", text(&workload["kind"])?, text(&workload["name"])?);
    let figures = &workload["figures"];
    let mut facts = Vec::new();

    let explained: Value = tanso(
        session,
        program,
        &["explain", "workload", &name, "-n", SPACE, "-o", "json"],
    )?;
    let explained = explained
        .as_array()
        .and_then(|all| all.iter().find(|one| one["policy"] == POLICY))
        .context("explain knows the policy")?;
    same("command line", figures, &explained["workload"]["figures"])?;
    facts.push(Fact::new("command line", says(figures)));

    let report: Value = tanso(
        session,
        program,
        &["report", POLICY, "-n", SPACE, "--format", "json"],
    )?;
    let report = &report["report"];
    same("report, totals", &before["totals"], &report["totals"])?;
    same(
        "report, workloads",
        &before["workloads"],
        &report["workloads"],
    )?;
    facts.push(Fact::new(
        "report",
        says(&report["workloads"][0]["figures"]),
    ));

    let page = page(session, &format!("/workloads/{SPACE}/{name}?lang=en"))?;
    for figure in shown(figures)? {
        if !page.contains(&figure) {
            bail!("the page of {name} does not say {figure:?}:\n{page}");
        }
    }
    facts.push(Fact::new("page", shown(figures)?.join(", ")));

    let answer = mcp(session, program, &name)?;
    let judged = answer["judgements"]
        .as_array()
        .and_then(|all| all.iter().find(|one| one["policy"]["name"] == POLICY))
        .with_context(|| format!("the assistants' server knows the policy: {answer}"))?;
    same("assistants' server", figures, &judged["figures"])?;
    facts.push(Fact::new("assistants' server", says(&judged["figures"])));

    facts.push(metric(session, &before["totals"])?);
    if settled(session)? != before {
        bail!("the status changed while the faces were asked");
    }
    Ok(facts)
}

pub(super) fn build() -> Result<PathBuf> {
    let mut build = Command::new("cargo");
    build
        .current_dir(workspace::root())
        .args(["build", "--quiet", "-p", "tanso-cli"]);
    process::run(&mut build)?;
    Ok(workspace::target_dir().join("debug/kubectl-tanso"))
}

fn status(session: &Session) -> Result<Value> {
    let words = ["get", "carbonpolicy", POLICY, "-n", SPACE, "-o", "json"];
    Ok(session.json(&words)?["status"].clone())
}

/// The status once it tells that it is suspended.
fn settled(session: &Session) -> Result<Value> {
    let mut step = Step::new("a status that no longer changes");
    let found = session.wait(&mut step, "Suspended", Duration::from_mins(3), |session| {
        let status = status(session)?;
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let is_suspended = conditions.iter().any(|one| one["reason"] == "Suspended");
        Ok(is_suspended.then_some(status))
    });
    step.done("the status no longer changes");
    found
}

fn same(face: &str, status: &Value, found: &Value) -> Result<()> {
    if status == found {
        return Ok(());
    }
    bail!("{face} says otherwise than the status:\nstatus {status}\n{face} {found}");
}

fn text(value: &Value) -> Result<&str> {
    value
        .as_str()
        .with_context(|| format!("a text in place of {value}"))
}

fn says(figures: &Value) -> String {
    format!(
        "{} uJ, {} mgCO2eq",
        figures["energyMicrojoules"]["value"], figures["emissionsMilligrams"]["value"]
    )
}

/// The figures as the page rounds them: kWh with six decimals, g with three.
fn shown(figures: &Value) -> Result<Vec<String>> {
    let energy = figures["energyMicrojoules"]["value"]
        .as_i64()
        .context("energy")?;
    let mass = figures["emissionsMilligrams"]["value"]
        .as_i64()
        .context("emissions")?;
    let micro_kwh = (energy + 1_800_000) / 3_600_000;
    Ok(vec![
        format!("{}.{:06} kWh", micro_kwh / 1_000_000, micro_kwh % 1_000_000),
        format!("{}.{:03} gCO2eq", mass / 1_000, mass % 1_000),
    ])
}

/// What the command line answers, as JSON.
fn tanso(session: &Session, program: &PathBuf, words: &[&str]) -> Result<Value> {
    let mut command = session.cluster()?.exec([program]);
    let text = process::output(command.args(words))?;
    serde_json::from_str(&text).with_context(|| format!("output of {}", words.join(" ")))
}

/// A page by a port-forward, as a person opens it.
fn page(session: &Session, path: &str) -> Result<String> {
    const PORT: &str = "18080";
    let cluster = session.cluster()?;
    let mut forward = cluster
        .kubectl(["-n", NAMESPACE, "port-forward", "service/tanso-operator"])
        .arg(format!("{PORT}:8080"))
        .stdout(Stdio::null())
        .spawn()
        .context("starting the port-forward")?;
    let url = format!("http://localhost:{PORT}{path}");
    let begun = Instant::now();
    let found = loop {
        let words = [
            "curl",
            "--silent",
            "--show-error",
            "--fail-with-body",
            "--max-time",
            "20",
            &url,
        ];
        match process::output(&mut cluster.exec(words)) {
            Ok(found) => break Ok(found),
            Err(error) if begun.elapsed() > Duration::from_mins(1) => break Err(error),
            Err(_) => thread::sleep(Duration::from_millis(500)),
        }
    };
    // Its own child; what it forwarded is over.
    let _ = forward.kill();
    let _ = forward.wait();
    found.with_context(|| format!("the page {path}"))
}

/// What the assistants' server answers about the workload.
fn mcp(session: &Session, program: &PathBuf, name: &str) -> Result<Value> {
    let mut child = session
        .cluster()?
        .exec([program])
        .arg("mcp")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("starting the assistants' server")?;
    let mut stdin = child.stdin.take().context("its input")?;
    let stdout = child.stdout.take().context("its output")?;
    let lines = [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "e2e", "version": "1"}}}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
            "name": "assess_workload_compliance",
            "arguments": {"workload": name, "namespace": SPACE}}}),
    ];
    for line in lines {
        writeln!(stdin, "{line}").context("asking")?;
    }
    let answer = std::io::BufRead::lines(std::io::BufReader::new(stdout))
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
        .find(|answer| answer["id"] == 2);
    drop(stdin);
    let _ = child.kill();
    let _ = child.wait();
    let answer = answer.context("no answer to the tool's call")?;
    Ok(answer["result"]["structuredContent"].clone())
}

/// The policy's metrics, which are in base units.
fn metric(session: &Session, totals: &Value) -> Result<Fact> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/services/tanso-operator:8080/proxy/metrics");
    let metrics = session.raw(&path)?;
    let of = |family: &str| -> Result<f64> {
        let is_it = |line: &&str| {
            line.starts_with(family)
                && line.contains(&format!("\"{POLICY}\""))
                && line.contains("\"value\"")
        };
        let line = metrics.lines().find(is_it);
        let line = line.with_context(|| format!("no {family} of {POLICY} in\n{metrics}"))?;
        let number = line.rsplit(' ').next().unwrap_or_default();
        number.parse().with_context(|| format!("reading {line:?}"))
    };
    let (joules, grams) = (
        of("tanso_policy_window_energy_joules{")?,
        of("tanso_policy_window_emissions_grams{")?,
    );
    for (name, found, whole, per_unit) in [
        ("energy", joules, &totals["energyMicrojoules"]["value"], 1e6),
        (
            "emissions",
            grams,
            &totals["emissionsMilligrams"]["value"],
            1e3,
        ),
    ] {
        let wanted = whole.as_f64().context("a number")? / per_unit;
        // Both are the double nearest to the same decimal.
        if found.to_bits() != wanted.to_bits() {
            bail!("the metric of {name} is {found}, the status says {wanted}");
        }
    }
    Ok(Fact::new("metrics", format!("{joules} J, {grams} gCO2eq")))
}
