//! One number behind every face: the same policy and the same workload as the
//! status, the command line, the report, the page, the assistants' server and
//! the metrics say them, to the last digit.

mod power;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::Fact;
use crate::demo::operator;
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

    let arguments = json!({"workload": name, "namespace": SPACE});
    let answer = mcp(session, program, "assess_workload_compliance", &arguments)?;
    let judged = answer["judgements"]
        .as_array()
        .and_then(|all| all.iter().find(|one| one["policy"]["name"] == POLICY))
        .with_context(|| format!("the assistants' server knows the policy: {answer}"))?;
    same("assistants' server", figures, &judged["figures"])?;
    facts.push(Fact::new("assistants' server", says(&judged["figures"])));

    facts.extend(metrics(session, &before, &workload)?);
    facts.push(power::compare(session, program)?);
    facts.push(strangers(session)?);
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
    let mut step = Step::new("a page");
    let what = format!("the page {path}");
    let found = session.wait(&mut step, &what, Duration::from_mins(1), |session| {
        operator::ask(session, path).map(Some)
    })?;
    step.done(&what);
    Ok(found)
}

/// What a tool of the assistants' server answers.
fn mcp(session: &Session, program: &PathBuf, tool: &str, arguments: &Value) -> Result<Value> {
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
            "name": tool, "arguments": arguments}}),
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

/// Whoever comes without a token and by no port-forward reads nothing of the
/// ledger: the API server's proxy passes no token on.
fn strangers(session: &Session) -> Result<Fact> {
    const PATH: &str = "/v1/ledger/total";
    operator::ask(session, PATH).context("the ledger by a port-forward")?;
    let proxy = format!("/api/v1/namespaces/{NAMESPACE}/services/tanso-operator:8080/proxy{PATH}");
    if let Ok(told) = session.raw(&proxy) {
        bail!("the ledger answers whom it does not know: {told}");
    }
    Ok(Fact::new("strangers", "refused by the ledger".to_owned()))
}

/// What the operator serves to Prometheus, in base units: of the policy, and of
/// the workload.
fn metrics(session: &Session, status: &Value, workload: &Value) -> Result<Vec<Fact>> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/services/tanso-operator:8080/proxy/metrics");
    let metrics = session.raw(&path)?;
    let policy = vec![label("policy", POLICY), label("policy_namespace", SPACE)];
    let of_workload = [
        label("workload_namespace", text(&workload["namespace"])?),
        label("workload_kind", text(&workload["kind"])?),
        label("workload", text(&workload["name"])?),
    ];
    let with = |more: &[String]| [&policy, more].concat();
    let whole = agree(&metrics, "tanso_policy", &policy, &status["totals"])?;
    let part = agree(
        &metrics,
        "tanso_workload",
        &with(&of_workload),
        &workload["figures"],
    )?;
    let savings = &status["savings"];
    let mut saved = Vec::new();
    for effect in ["cluster", "attributed", "consolidation"] {
        let labels = with(&[label("effect", effect)]);
        let name = "tanso_policy_advice_savings_grams_per_day";
        let whole = &savings[format!("{effect}MilligramsPerDay")];
        let found = equal(&metrics, name, &labels, whole, 1e3)?;
        saved.push(format!("{effect} {found} g a day"));
    }
    Ok(vec![
        Fact::new("metric of the policy", whole),
        Fact::new("metric of the workload", part),
        Fact::new("metric of savings", saved.join(", ")),
    ])
}

fn label(name: &str, value: &str) -> String {
    format!("{name}=\"{value}\"")
}

/// Energy and emissions with both ends of their interval.
fn agree(metrics: &str, prefix: &str, labels: &[String], figures: &Value) -> Result<String> {
    let mut said = Vec::new();
    for (family, field, per_unit, unit) in [
        ("window_energy_joules", "energyMicrojoules", 1e6, "J"),
        (
            "window_emissions_grams",
            "emissionsMilligrams",
            1e3,
            "gCO2eq",
        ),
    ] {
        let name = format!("{prefix}_{family}");
        for bound in ["low", "value", "high"] {
            let labels = [labels, &[label("bound", bound)]].concat();
            let found = equal(metrics, &name, &labels, &figures[field][bound], per_unit)?;
            if bound == "value" {
                said.push(format!("{found} {unit}"));
            }
        }
    }
    Ok(said.join(", "))
}

/// The one sample with these labels, which must be the status's whole number.
fn equal(
    metrics: &str,
    family: &str,
    labels: &[String],
    whole: &Value,
    per_unit: f64,
) -> Result<f64> {
    let is_it = |line: &&str| {
        let Some((name, rest)) = line.split_once('{') else {
            return false;
        };
        let of = rest.split('}').next().unwrap_or_default();
        let has = |label: &String| of.split(',').any(|one| one == label);
        name == family && labels.iter().all(has)
    };
    let found: Vec<&str> = metrics.lines().filter(is_it).collect();
    let [line] = found[..] else {
        bail!(
            "{} samples of {family} with {labels:?} in\n{metrics}",
            found.len()
        );
    };
    let number = line.rsplit(' ').next().unwrap_or_default();
    let found: f64 = number
        .parse()
        .with_context(|| format!("reading {line:?}"))?;
    let wanted = whole.as_f64().context("a number in the status")? / per_unit;
    // Both are the double nearest to the same decimal.
    if found.to_bits() != wanted.to_bits() {
        bail!("{family} with {labels:?} is {found}, the status says {wanted}");
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{agree, equal, label};

    const METRICS: &str = "tanso_workload_window_energy_joules{policy=\"korea\",workload=\"api\",bound=\"value\"} 0.000123\n\
        tanso_workload_window_energy_joules{policy=\"korea\",workload=\"api-2\",bound=\"value\"} 7.0\n";

    #[test]
    fn a_number_that_differs_in_its_last_digit_is_found() {
        let labels = [label("workload", "api"), label("bound", "value")];
        let name = "tanso_workload_window_energy_joules";
        let same = equal(METRICS, name, &labels, &json!(123), 1e6);
        assert!(same.is_ok(), "{same:?}");
        let other = equal(METRICS, name, &labels, &json!(124), 1e6).unwrap_err();
        assert!(other.to_string().contains("0.000124"), "{other}");
        let both = equal(METRICS, name, &[label("policy", "korea")], &json!(123), 1e6);
        assert!(both.unwrap_err().to_string().starts_with("2 samples"));
    }

    #[test]
    fn a_bound_that_is_not_served_is_a_fault() {
        let figures = json!({"energyMicrojoules": {"low": 1, "value": 123, "high": 200}});
        let fault = agree(
            METRICS,
            "tanso_workload",
            &[label("workload", "api")],
            &figures,
        );
        assert!(fault.unwrap_err().to_string().starts_with("0 samples"));
    }
}
