//! The MCP server of the demo's cluster, as clients that are not ours see it:
//! every tool over standard input and output and over HTTP with its answer
//! held against its own schema, a token of another namespace, one number for
//! status and tools, frames that mean harm, and the protocol's own conformance
//! programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::Fact;
use crate::demo::session::{NAMESPACE, Session};
use crate::process::{self, output};
use crate::progress::Step;
use crate::workspace;

mod conformance;
mod hostile;
mod manners;
mod python;

/// The client that runs the plan.
const CLIENT: &str = include_str!("mcp/client.py");

/// Accounts of the callers: one who may see the demo's namespace and one who
/// may see another alone.
const CALLERS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: elsewhere}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: auditor, namespace: elsewhere}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: stranger, namespace: elsewhere}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: mcp-auditor}
rules:
  - apiGroups: [tanso.dev]
    resources: [carbonpolicies, clustercarbonpolicies, carbonreports, powermonitors]
    verbs: [get, list]
  - apiGroups: [\"\"]
    resources: [nodes]
    verbs: [get, list]
  - apiGroups: [batch]
    resources: [cronjobs]
    verbs: [get, list]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: mcp-auditor}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: mcp-auditor}
subjects: [{kind: ServiceAccount, name: auditor, namespace: elsewhere}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: mcp-stranger, namespace: elsewhere}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: mcp-auditor}
subjects: [{kind: ServiceAccount, name: stranger, namespace: elsewhere}]
";

/// Runs the suite; a fact per promise.
pub(super) fn run(session: &Session) -> Result<Vec<Fact>> {
    let python = python::ensure()?;
    let program = super::faces::build()?;
    session.install()?;
    session.apply_file("workloads.yaml")?;
    session.apply_file("policies.yaml")?;
    session.apply(CALLERS)?;
    let mut step = Step::new("workloads and policies");
    session.wait(
        &mut step,
        "every policy to be judged",
        Duration::from_mins(10),
        judged,
    )?;
    step.done("policies judged");

    freeze(session)?;
    let folder = tempfile::tempdir().context("making a folder for the client")?;
    let found = ask(session, &python, &program, folder.path())?;
    let mut facts = vec![
        over("over stdio", &found["stdio"])?,
        over("over HTTP", &found["http"])?,
        over("over HTTP, by the newest revision", &found["modern"])?,
    ];
    facts.push(foreign(&found["foreign"])?);
    facts.push(one_number(session, &program, &found)?);
    facts.push(reported(session, &program, &found, folder.path())?);
    facts.push(manners::told(&found)?);
    let plan = plan(session, &program)?;
    facts.push(manners::cancelled(session, &python, &plan)?);
    facts.extend(hostile::run(session, &python, &plan)?);
    let (url, token) = (url(session)?, token(session, "auditor")?);
    facts.push(conformance::run(session, &python, &url, &token)?);
    Ok(facts)
}

/// Every policy has a verdict and the storefront has energy.
fn judged(session: &Session) -> Result<Option<()>> {
    let all = session.json(&["get", "carbonpolicies", "-A", "-o", "json"])?;
    let items = all["items"].as_array().context("items")?;
    let has = |item: &&Value| {
        let workloads = item["status"]["workloads"].as_array();
        workloads.is_some_and(|all| {
            all.iter().any(|one| {
                one["name"] == "storefront"
                    && one["figures"]["energyMicrojoules"]["value"].as_i64() > Some(0)
            })
        })
    };
    let count = items.iter().filter(has).count();
    Ok((count == items.len() && count > 0).then_some(()))
}

fn token(session: &Session, account: &str) -> Result<String> {
    let made = session.kubectl(&["create", "token", account, "-n", "elsewhere"])?;
    Ok(made.trim().to_owned())
}

/// Where the operator's pod serves, inside the cluster's network.
fn url(session: &Session) -> Result<String> {
    let label = "app.kubernetes.io/name=tanso-operator";
    let pods = session.json(&["get", "pods", "-n", NAMESPACE, "-l", label, "-o", "json"])?;
    let address = pods["items"][0]["status"]["podIP"].as_str();
    Ok(format!(
        "http://{}:8080/mcp",
        address.context("the operator's address")?
    ))
}

/// What the client asks and as whom.
fn plan(session: &Session, program: &Path) -> Result<Value> {
    Ok(json!({
        "stdio": [program, "--kubeconfig", session.cluster()?.kubeconfig(), "mcp", "--operator-namespace", NAMESPACE],
        "url": url(session)?,
        "host": format!("tanso-operator.{NAMESPACE}.svc"),
        "token": token(session, "auditor")?,
        "foreign": token(session, "stranger")?,
        "cases": cases()?,
        "slow": slow()?,
        "hidden": hidden(),
    }))
}

fn case(tool: &str, arguments: &Value) -> Value {
    json!({"tool": tool, "arguments": arguments})
}

/// Arguments with more of them.
fn with(mut arguments: Value, more: &Value) -> Value {
    if let (Some(fields), Some(more)) = (arguments.as_object_mut(), more.as_object()) {
        fields.extend(more.clone());
    }
    arguments
}

/// Calls of every tool.
fn cases() -> Result<Vec<Value>> {
    let of = |workload: &str, more: Value| {
        let named = json!({"workload": workload, "namespace": "shop", "policy": "korea-hours"});
        with(named, &more)
    };
    let changes = json!([
        {"type": "shift", "hours": 6}, {"type": "moveRegion", "region": "eu-north-1"},
        {"type": "keepEnergy", "percent": 80.0},
        {"type": "resize", "fromMillicores": 120, "toMillicores": 60, "replicas": 4},
        {"type": "replicas", "from": 4, "to": 2, "requestMillicores": 120},
    ]);
    let conditions =
        json!({"window": "6h", "region": "eu-north-1", "standards": ["kr-carbon-2050"]});
    let job = json!({"durationMinutes": 240, "powerWatts": 900.0, "zone": "KR", "timeZone": "Asia/Seoul"});
    let regions = json!({"regions": ["us-east-1", "eu-north-1", "ap-northeast-2"]});
    let report = |more: Value| with(json!({"policy": "korea-hours", "namespace": "shop"}), &more);
    let now = jiff::Timestamp::now();
    let earlier = now.checked_sub(jiff::SignedDuration::from_hours(3))?;
    let calls = [
        (
            "assess_workload_compliance",
            of("deploy/storefront", json!({})),
        ),
        ("assess_workload_compliance", of("storefront", conditions)),
        (
            "compare_optimization_impact",
            of("storefront", json!({"changes": changes})),
        ),
        (
            "list_workloads_by_compliance",
            json!({"namespace": "shop", "sort": "Energy", "limit": 2}),
        ),
        ("get_regional_comparison", of("storefront", regions)),
        (
            "get_regional_comparison",
            json!({"energyKwh": 12.5, "provider": "gcp"}),
        ),
        ("calculate_optimal_schedule", job),
        (
            "calculate_optimal_schedule",
            of("storefront", json!({"durationMinutes": 90})),
        ),
        (
            "explain_verdict",
            json!({"workload": "deploy/storefront", "namespace": "shop"}),
        ),
        ("explain_verdict", json!({"policy": "korea-year"})),
        ("get_power", json!({})),
        ("get_power", json!({"by": "Namespace"})),
        (
            "generate_report",
            report(json!({"format": "Json", "organisation": "e2e"})),
        ),
        ("generate_report", report(json!({}))),
        (
            "generate_report",
            report(json!({"format": "Html", "language": "ko"})),
        ),
        (
            "generate_report",
            report(json!({"format": "Csv", "from": earlier.to_string(), "until": now.to_string()})),
        ),
    ];
    Ok(calls
        .iter()
        .map(|(tool, arguments)| case(tool, arguments))
        .collect())
}

/// A call that takes long enough to be given up: every hour of a month.
fn slow() -> Result<Value> {
    let until = jiff::Timestamp::now();
    let from = until.checked_sub(jiff::SignedDuration::from_hours(24 * 31))?;
    Ok(json!({"name": "generate_report", "arguments": {
        "policy": "korea-hours", "namespace": "shop", "format": "Html",
        "from": from.to_string(), "until": until.to_string(),
    }}))
}

/// What a stranger asks for: each with a name that is there and one that is
/// not.
fn hidden() -> Vec<Value> {
    let asked =
        |there: &str, what: Value| json!({"what": what, "there": there, "nowhere": "nowherezz"});
    let tool = |there: &str, name: &str, arguments: Value| asked(there, case(name, &arguments));
    let shift = json!([{"type": "shift", "hours": 1}]);
    vec![
        tool(
            "storefront",
            "assess_workload_compliance",
            json!({"workload": "NAME", "namespace": "shop"}),
        ),
        tool(
            "storefront",
            "compare_optimization_impact",
            json!({"workload": "NAME", "changes": shift}),
        ),
        tool(
            "storefront",
            "get_regional_comparison",
            json!({"workload": "NAME", "regions": ["eu-north-1"]}),
        ),
        tool(
            "storefront",
            "calculate_optimal_schedule",
            json!({"workload": "NAME", "durationMinutes": 60}),
        ),
        tool(
            "storefront",
            "explain_verdict",
            json!({"workload": "NAME", "namespace": "shop"}),
        ),
        tool("korea-hours", "explain_verdict", json!({"policy": "NAME"})),
        tool(
            "korea-hours",
            "generate_report",
            json!({"policy": "NAME", "namespace": "shop"}),
        ),
        tool(
            "shop",
            "generate_report",
            json!({"namespace": "NAME", "policy": "korea-hours"}),
        ),
        tool(
            "shop",
            "list_workloads_by_compliance",
            json!({"namespace": "NAME"}),
        ),
        tool("shop", "get_power", json!({"namespace": "NAME"})),
        asked(
            "shop",
            json!({"resource": "tanso://policies/NAME/korea-hours"}),
        ),
        asked(
            "shop",
            json!({"resource": "tanso://policies/NAME/korea-hours/intensity"}),
        ),
        asked(
            "shop",
            json!({"resource": "tanso://reports/NAME/korea-hours/1"}),
        ),
    ]
}

/// Runs the client inside the cluster's network.
fn ask(session: &Session, python: &Path, program: &Path, folder: &Path) -> Result<Value> {
    let step = Step::new("asking every tool by a client of others");
    let (script, file) = (folder.join("client.py"), folder.join("plan.json"));
    fs::write(&script, CLIENT).context("writing the client")?;
    fs::write(&file, plan(session, program)?.to_string()).context("writing the plan")?;
    let mut command = session.cluster()?.exec([python]);
    let text = output(command.arg(&script).arg(&file))?;
    let found: Value = serde_json::from_str(&text).context("reading what the client found")?;
    step.done("every tool, resource and prompt asked over stdio and HTTP");
    Ok(found)
}

fn over(what: &'static str, found: &Value) -> Result<Fact> {
    let tools = found["tools"].as_object().context("the tools")?;
    let calls: usize = tools
        .values()
        .filter_map(Value::as_array)
        .map(Vec::len)
        .sum();
    Ok(Fact::new(
        what,
        format!(
            "{} tools, {calls} calls, each answer valid by its schema; {} resources read, {} prompts, {} templates (revision {})",
            tools.len(),
            found["resources"],
            found["prompts"],
            found["templates"],
            found["protocol"].as_str().unwrap_or_default()
        ),
    ))
}

fn foreign(found: &Value) -> Result<Fact> {
    let pairs = found["pairs"]
        .as_array()
        .context("the stranger's answers")?;
    for pair in pairs {
        ensure!(
            pair["same"] == true,
            "a stranger can tell what is there: {pair}"
        );
    }
    ensure!(
        found["listed"] == 0,
        "a stranger is listed {} workloads",
        found["listed"]
    );
    Ok(Fact::new(
        "a token of another namespace",
        format!(
            "{} questions to tools and resources answered the same for what is there and what is not; 0 workloads listed",
            pairs.len()
        ),
    ))
}

/// The status of the policy that all are asked about.
fn status_of_policy(session: &Session) -> Result<Value> {
    let words = [
        "get",
        "carbonpolicy",
        "korea-hours",
        "-n",
        "shop",
        "-o",
        "json",
    ];
    Ok(session.json(&words)?["status"].clone())
}

/// The figures of a workload in the status, by the command line and by the
/// tools over each transport: the same to the last digit.
fn one_number(session: &Session, program: &Path, found: &Value) -> Result<Fact> {
    let status = status_of_policy(session)?;
    let workloads = status["workloads"].as_array().context("workloads")?;
    let own = workloads.iter().find(|one| one["name"] == "storefront");
    let figures = &own.context("storefront in the status")?["figures"];
    let said = explain(session, program)?;
    let line = said.iter().find(|one| one["policy"] == "korea-hours");
    let line = &line.context("korea-hours in what explain says")?["workload"]["figures"];
    ensure!(
        line == figures,
        "the command line says {line}, the status {figures}"
    );
    for transport in ["stdio", "http", "modern"] {
        let answer = &found[transport]["tools"]["assess_workload_compliance"][0]["answer"];
        let told = &answer["judgements"][0]["figures"];
        ensure!(
            told == figures,
            "{transport} says {told}, the status {figures}"
        );
    }
    Ok(Fact::new(
        "one number",
        format!(
            "status, command line, stdio, HTTP: {} mg, {} uJ",
            figures["emissionsMilligrams"]["value"], figures["energyMicrojoules"]["value"]
        ),
    ))
}

/// The tool's report by each transport: the status' own figures, and whole as
/// the command line looks at it.
fn reported(session: &Session, program: &Path, found: &Value, folder: &Path) -> Result<Fact> {
    let status = status_of_policy(session)?;
    let mut looked = 0;
    for transport in ["stdio", "http", "modern"] {
        let reports = found[transport]["tools"]["generate_report"].as_array();
        let reports = reports.with_context(|| format!("reports by {transport}"))?;
        for (index, report) in reports.iter().enumerate() {
            let text = report["answer"]["text"].as_str().context("a report")?;
            let file = folder.join(format!("report-{transport}-{index}"));
            fs::write(&file, text).context("writing a report")?;
            let mut command = session.cluster()?.exec([program]);
            output(command.args(["report", "verify"]).arg(&file))?;
            looked += 1;
        }
        let text = reports
            .first()
            .and_then(|one| one["answer"]["text"].as_str());
        let report: Value = serde_json::from_str(text.unwrap_or_default())
            .with_context(|| format!("the JSON report by {transport}"))?;
        let report = &report["report"];
        ensure!(
            report["totals"] == status["totals"] && report["workloads"] == status["workloads"],
            "the report by {transport} says {report}, the status {status}"
        );
    }
    let energy = &status["totals"]["energyMicrojoules"]["value"];
    Ok(Fact::new(
        "reports by the tool",
        format!(
            "{looked} in four formats, whole by `report verify`; totals of the status, {energy} uJ"
        ),
    ))
}

/// Leaves every policy at its last evaluation, so that all can be asked about
/// one and the same.
fn freeze(session: &Session) -> Result<()> {
    let patch = r#"{"spec":{"suspend":true}}"#;
    for name in ["korea-year", "korea-hours", "germany-hours"] {
        session.kubectl(&[
            "patch",
            "carbonpolicy",
            name,
            "-n",
            "shop",
            "--type=merge",
            "-p",
            patch,
        ])?;
    }
    let mut step = Step::new("suspending the policies");
    session.wait(
        &mut step,
        "the policies to be suspended",
        Duration::from_mins(2),
        |session| {
            let all = session.json(&["get", "carbonpolicies", "-n", "shop", "-o", "json"])?;
            let seen = |item: &Value| {
                item["status"]["observedGeneration"] == item["metadata"]["generation"]
            };
            let items = all["items"].as_array().context("items")?;
            Ok(items.iter().all(seen).then_some(()))
        },
    )?;
    step.done("policies suspended");
    Ok(())
}

fn explain(session: &Session, program: &Path) -> Result<Vec<Value>> {
    let kubeconfig = session.cluster()?.kubeconfig();
    let mut command = session.cluster()?.exec([program]);
    command.arg("--kubeconfig").arg(kubeconfig);
    command.args([
        "explain",
        "workload",
        "deploy/storefront",
        "-n",
        "shop",
        "-o",
        "json",
    ]);
    let text = output(&mut command)?;
    serde_json::from_str(&text).with_context(|| format!("reading what explain says: {text}"))
}

/// A folder of the cache.
fn cache(name: &str) -> Result<PathBuf> {
    let folder = workspace::cache_dir()?.join(name);
    fs::create_dir_all(&folder).with_context(|| format!("creating \"{}\"", folder.display()))?;
    Ok(folder)
}

/// Runs an installer once; what it made is kept under a name with its version.
fn installed(name: &str, probe: &str, install: impl Fn(&Path) -> Vec<Command>) -> Result<PathBuf> {
    let folder = cache(name)?;
    let (done, log) = (folder.join("installed"), folder.join("install.log"));
    let program = folder.join(probe);
    if done.exists() && program.exists() {
        return Ok(program);
    }
    let mut step = Step::new(format!("installing {name} (once; about a minute)"));
    for mut command in install(&folder) {
        process::run_logged(&mut command, &log, &mut step, name)?;
    }
    if !program.exists() {
        bail!("{name}: nothing at \"{}\"", program.display());
    }
    fs::write(&done, "").context("noting what is installed")?;
    step.done(&format!("{name} installed"));
    Ok(program)
}
