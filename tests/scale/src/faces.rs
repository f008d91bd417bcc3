//! What the faces take on 10,000 workloads: tool calls of the MCP server over
//! HTTP with a bearer token, and the page's overview, by the operator's own
//! program before a real API server. Tokens are reviewed, rights asked about,
//! policies and pages listed, hours read from the ledger: nothing is left out.
//! A figure that is missed is a fault.

mod cluster;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::fleet::Api;
use crate::operator::{Process, until};
use crate::report::print;
use cluster::{NAMESPACES, WORKLOADS, name, namespace};

/// Calls of each tool.
const CALLS: u64 = 200;
/// Views of the overview.
const VIEWS: u64 = 200;
/// Reports of all workloads in each format.
const WHOLE_REPORTS: usize = 5;
/// Callers: one alone may ask 20 times a second.
const READERS: usize = 4;
/// A tool call, 99 of 100, milliseconds.
const CALL_LIMIT_MS: f64 = 100.0;
/// The overview, 99 of 100, milliseconds.
const VIEW_LIMIT_MS: f64 = 200.0;
/// The overview, bytes.
const VIEW_LIMIT_BYTES: usize = 300 * 1_024;

type Http = HttpClient<HttpConnector, Full<Bytes>>;

/// Measures both, and prints a line for each figure.
///
/// # Errors
/// If something could not be measured, or a limit is missed.
pub async fn measure(kubeconfig: &Path, program: &Path) -> Result<()> {
    let read = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
    let api = Api(Client::try_from(config)?);
    let through = Timestamp::from_second(Timestamp::now().as_second() / 60 * 60)?;
    let tokens = cluster::populate(&api, through, READERS).await?;
    let folder = tempfile::tempdir()?;
    let ledger = folder.path().join("ledger.db");
    cluster::ledger(&ledger, through)?;
    let cold = cold_view(|| Process::start(program, kubeconfig, &ledger, "scale-cold")).await?;
    let begun = Instant::now();
    let operator = Process::start(program, kubeconfig, &ledger, "scale-faces")?;
    until("the pages are ready", || are_pages_ready(&operator)).await?;
    let ready = millis(begun);
    let mut missed = overview(&operator, (cold, ready)).await?;
    missed.extend(tools(&operator, &tokens).await?);
    whole_report(&operator, &tokens).await?;
    if missed.is_empty() {
        return Ok(());
    }
    bail!("missed: {}", missed.join("; "))
}

/// The first page of who does not wait until the operator is ready, as soon as
/// it answers at all.
async fn cold_view(start: impl FnOnce() -> Result<Process>) -> Result<f64> {
    let operator = start()?;
    until("the operator answers", || async {
        Ok(operator.get("/metrics").await.is_ok())
    })
    .await?;
    let begun = Instant::now();
    operator.get("/?lang=en").await?;
    Ok(millis(begun))
}

/// Whether a Service would send somebody to the pages: the lease, which another
/// holds here so that nothing is written, is left out.
async fn are_pages_ready(operator: &Process) -> Result<bool> {
    let told = operator.ask("/readyz").await;
    Ok(told.is_ok_and(|(_, text)| text.lines().any(|line| line == "pages: ready")))
}

/// The first page of whoever comes by a port-forward once it is ready. Before
/// that are told: the view of who did not wait, and the time to be ready.
async fn overview(operator: &Process, (cold, ready): (f64, f64)) -> Result<Vec<String>> {
    let (mut times, mut bytes, mut first) = (Vec::new(), 0, 0.0);
    for view in 0..=VIEWS {
        let begun = Instant::now();
        let page = operator.get("/?lang=en").await?;
        let taken = millis(begun);
        if !page.contains(&name(0)) && !page.contains("service-") {
            bail!("the overview shows no workload:\n{page}");
        }
        bytes = bytes.max(page.len());
        if view == 0 {
            first = taken;
        } else {
            times.push(taken);
        }
    }
    let p99 = at(&mut times, 99);
    print(
        &json!({"bench": "web overview", "workloads": WORKLOADS, "policies": NAMESPACES + 1,
        "views": times.len(), "cold_ms": cold, "ready_ms": ready, "first_ms": first, "p50_ms": at(&mut times, 50), "p99_ms": p99,
        "bytes": bytes, "limit_ms": VIEW_LIMIT_MS, "limit_bytes": VIEW_LIMIT_BYTES}),
    );
    let mut missed = Vec::new();
    // The first view after the start is somebody's too.
    if first > VIEW_LIMIT_MS {
        missed.push(format!(
            "the overview's first view took {first} ms of {VIEW_LIMIT_MS}"
        ));
    }
    if p99 > VIEW_LIMIT_MS {
        missed.push(format!("the overview took {p99} ms of {VIEW_LIMIT_MS}"));
    }
    if bytes > VIEW_LIMIT_BYTES {
        missed.push(format!(
            "the overview has {bytes} bytes of {VIEW_LIMIT_BYTES}"
        ));
    }
    Ok(missed)
}

/// Every tool, by several callers in turn.
async fn tools(operator: &Process, tokens: &[String]) -> Result<Vec<String>> {
    let http: Http = HttpClient::builder(TokioExecutor::new()).build_http();
    let url = format!("http://127.0.0.1:{}/mcp", operator.port());
    let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut turn = tokens.iter().cycle();
    for index in 0..=CALLS {
        for (tool, arguments) in questions(index) {
            let reader = turn.next().context("a token")?;
            let taken = call(&http, &url, reader, tool, &arguments).await?;
            // The first of each finds no page in memory; it is told apart.
            if index == 0 {
                print(
                    &json!({"bench": "mcp first call", "tool": tool, "workloads": WORKLOADS, "ms": taken}),
                );
            } else {
                times.entry(tool).or_default().push(taken);
            }
        }
    }
    let mut missed = Vec::new();
    let mut all: Vec<f64> = times.values().flatten().copied().collect();
    for (tool, mut taken) in times {
        missed.extend(told(tool, &mut taken));
    }
    missed.extend(told("every tool", &mut all));
    Ok(missed)
}

/// The report of the policy that judges all workloads, which has no limit: an
/// auditor waits for it, not a conversation. Told are the first part in each
/// format, and how large the file is.
async fn whole_report(operator: &Process, tokens: &[String]) -> Result<()> {
    let http: Http = HttpClient::builder(TokioExecutor::new()).build_http();
    let url = format!("http://127.0.0.1:{}/mcp", operator.port());
    let reader = tokens.first().context("a token")?;
    for format in ["Markdown", "Html", "Csv", "Json"] {
        let arguments = json!({"policy": "ClusterCarbonPolicy/everything", "format": format});
        let mut times = Vec::new();
        let (mut bytes, mut parts) = (Value::Null, Value::Null);
        for _ in 0..WHOLE_REPORTS {
            let (taken, text) = asked(&http, &url, reader, "generate_report", &arguments).await?;
            let answer: Value = serde_json::from_str(&text).context("an answer")?;
            let found = &answer["result"]["structuredContent"];
            (bytes, parts) = (found["bytes"].clone(), found["parts"].clone());
            if !found["missing"].is_null() {
                bail!("the report of all has no hours: {}", found["missing"]);
            }
            times.push(taken);
        }
        let (resident, peak) = operator.memory_mib()?;
        print(
            &json!({"bench": "report of all workloads", "format": format, "workloads": WORKLOADS,
            "calls": times.len(), "p50_ms": at(&mut times, 50), "max_ms": at(&mut times, 100),
            "bytes": bytes, "parts": parts, "resident_mib": resident, "peak_mib": peak}),
        );
    }
    Ok(())
}

fn told(tool: &str, times: &mut [f64]) -> Option<String> {
    let p99 = at(times, 99);
    print(
        &json!({"bench": "mcp", "tool": tool, "workloads": WORKLOADS, "policies": NAMESPACES + 1,
        "calls": times.len(), "p50_ms": at(times, 50), "p99_ms": p99, "max_ms": at(times, 100),
        "limit_ms": CALL_LIMIT_MS}),
    );
    (p99 > CALL_LIMIT_MS).then(|| format!("{tool} took {p99} ms of {CALL_LIMIT_MS}"))
}

/// One call, in milliseconds.
async fn call(http: &Http, url: &str, reader: &str, tool: &str, arguments: &Value) -> Result<f64> {
    Ok(asked(http, url, reader, tool, arguments).await?.0)
}

/// One call, in milliseconds, and its answer; who is told to come later does.
async fn asked(
    http: &Http,
    url: &str,
    reader: &str,
    tool: &str,
    arguments: &Value,
) -> Result<(f64, String)> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": tool, "arguments": arguments}})
    .to_string();
    loop {
        let request = Request::post(url)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
            .header("authorization", format!("Bearer {reader}"))
            .body(Full::new(Bytes::from(body.clone())))?;
        let begun = Instant::now();
        let answer = http.request(request).await?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        let taken = millis(begun);
        if status == StatusCode::TOO_MANY_REQUESTS {
            sleep(Duration::from_millis(100)).await;
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        if status != StatusCode::OK || !text.contains("\"isError\":false") {
            bail!("{tool} {arguments}: {status} {text}");
        }
        return Ok((taken, text.into_owned()));
    }
}

/// The arguments of the nth call of each tool.
fn questions(index: u64) -> Vec<(&'static str, Value)> {
    let workload = index * 7_919 % WORKLOADS;
    let named = json!({"workload": name(workload), "namespace": namespace(workload)});
    let with = |more: Value| {
        let mut arguments = named.clone();
        if let (Some(into), Value::Object(more)) = (arguments.as_object_mut(), more) {
            into.extend(more);
        }
        arguments
    };
    let changes = json!({"changes": [{"type": "shift", "hours": 6}, {"type": "moveRegion", "region": "eu-north-1"}]});
    vec![
        ("assess_workload_compliance", named.clone()),
        ("compare_optimization_impact", with(changes)),
        (
            "list_workloads_by_compliance",
            json!({"verdicts": ["NonCompliant"], "sort": "Saving", "limit": 25}),
        ),
        (
            "get_regional_comparison",
            with(json!({"regions": ["us-east-1", "eu-north-1", "ap-northeast-2"]})),
        ),
        (
            "calculate_optimal_schedule",
            with(json!({"durationMinutes": 240})),
        ),
        ("explain_verdict", named.clone()),
        ("get_power", json!({"limit": 25})),
        (
            "generate_report",
            json!({"policy": "korea", "namespace": namespace(workload)}),
        ),
    ]
}

fn millis(begun: Instant) -> f64 {
    (begun.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

/// The time that so many of a hundred do not exceed.
fn at(times: &mut [f64], of_hundred: usize) -> f64 {
    times.sort_by(f64::total_cmp);
    let place = (times.len() * of_hundred).div_ceil(100).saturating_sub(1);
    times.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_hundred_times_two_may_be_above_the_99th() {
        let mut times: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(at(&mut times, 99).to_bits(), 198.0_f64.to_bits());
        assert_eq!(at(&mut times, 100).to_bits(), 200.0_f64.to_bits());
        assert_eq!(at(&mut [], 50).to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn a_missed_limit_is_named() {
        assert_eq!(told("get_power", &mut [3.0, 4.0]), None);
        let missed = told("get_power", &mut [3.0, 140.5]).unwrap();
        assert_eq!(missed, "get_power took 140.5 ms of 100");
    }
}
