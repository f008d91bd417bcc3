//! The operator's own program at a fleet's size: how soon it is done, what it
//! writes when nothing changes, how soon it follows an edit, a crash, and a
//! farewell, and how much memory it takes.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Empty};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::agents;
use crate::fleet::{Api, Size};
use crate::report::print;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(10);

/// Its writes to the API server, but for the lease and Events.
const WRITES: &str = "tanso_operator_api_writes_total";

/// Its visits.
const VISITS: &str = "tanso_operator_reconciles_total";

/// Writes for a new policy: its first status, a page, and the status that names it.
const WRITES_OF_A_NEW_ONE: f64 = 3.0;

/// Edits that are followed, one after the other.
const EDITS: u32 = 60;

/// Crashes after which the same pod comes back.
const CRASHES: u32 = 20;

/// An operator's process; it ends with this value.
pub struct Process {
    child: Child,
    port: u16,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(program: &Path, kubeconfig: &Path, ledger: &Path, identity: &str) -> Result<Self> {
        let port = {
            let free = std::net::TcpListener::bind("127.0.0.1:0")?;
            free.local_addr()?.port()
        };
        let child = Command::new(program)
            .env("KUBECONFIG", kubeconfig)
            .args(["--namespace", "tanso-system", "--identity", identity])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .arg("--ledger")
            .arg(ledger)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting \"{}\"", program.display()))?;
        Ok(Self { child, port })
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// If it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(pid, signal).context("sending a signal to the operator")
    }

    /// Resident memory now and at most, MiB.
    ///
    /// # Errors
    /// If it is gone.
    pub fn memory_mib(&self) -> Result<(u64, u64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| -> Result<u64> {
            let line = status.lines().find(|line| line.starts_with(name));
            let number = line.and_then(|line| line.split_whitespace().nth(1));
            Ok(number.context("memory of the operator")?.parse::<u64>()? / 1_024)
        };
        Ok((field("VmRSS:")?, field("VmHWM:")?))
    }

    /// What it answers over HTTP.
    ///
    /// # Errors
    /// If it does not answer, or not with 200.
    pub async fn get(&self, path: &str) -> Result<String> {
        let (status, text) = self.ask(path).await?;
        if !status.is_success() {
            bail!("{path}: {status}");
        }
        Ok(text)
    }

    /// What it answers over HTTP, with whatever status.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn ask(&self, path: &str) -> Result<(StatusCode, String)> {
        let client: HttpClient<_, Empty<Bytes>> =
            HttpClient::builder(TokioExecutor::new()).build_http();
        let uri = format!("http://127.0.0.1:{}{path}", self.port).parse()?;
        let answer = client.get(uri).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?;
        Ok((status, String::from_utf8(body.to_bytes().to_vec())?))
    }

    /// The sum of a family of its metrics.
    async fn metric(&self, family: &str) -> Result<f64> {
        let text = self.get("/metrics").await?;
        Ok(text
            .lines()
            .filter(|line| line.starts_with(family))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }
}

/// Measures a fleet, and prints a line for each figure.
///
/// # Errors
/// If something could not be measured.
pub async fn measure(
    kubeconfig: &Path,
    program: &Path,
    size: &Size,
    steady_seconds: u64,
) -> Result<()> {
    let read = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
    let api = Api(Client::try_from(config)?);
    let folder = tempfile::tempdir()?;
    let ledger = folder.path().join("ledger.db");
    let mut tasks = JoinSet::new();
    let first_hour = Timestamp::now().as_second() / 3_600 * 3_600 - 3_600;
    let ports = agents::start(&mut tasks, *size, first_hour).await?;
    api.namespaces(*size).await?;
    api.clear(*size).await?;
    api.populate(*size, &ports).await?;
    let name = |what: &str| json!({"bench": what, "policies": size.policies, "pods": size.pods, "nodes": size.nodes()});
    let begun = Instant::now();
    let operator = Process::start(program, kubeconfig, &ledger, "scale-0")?;
    let records = f64::from(u32::try_from(size.pods * 30).unwrap_or(u32::MAX));
    until("all records are booked", || async {
        let booked = operator.metric("tanso_operator_collected_records_total");
        Ok(booked.await.is_ok_and(|booked| booked >= records))
    })
    .await?;
    print(&with(
        name("operator_collected"),
        &json!({"records": records,
        "seconds": begun.elapsed().as_secs_f64()}),
    ));
    ready(&api, size, &operator, name("operator_ready")).await?;
    steady(&api, &operator, steady_seconds, name("operator_steady")).await?;
    edits(&api, size, name("operator_edit")).await?;
    let (now, most) = operator.memory_mib()?;
    print(&with(
        name("operator_memory"),
        &json!({"rss_mib": now, "rss_most_mib": most,
            "goal_mib_at_10000_pods": 60, "goal_mib_at_150000_pods": 400}),
    ));
    let (operator, line) =
        recoveries((&api, size), operator, (program, kubeconfig, &ledger)).await?;
    print(&with(name("operator_recovery"), &line));
    let (operator, line) = crash((&api, size), operator, (program, kubeconfig, &ledger)).await?;
    print(&with(name("operator_crash"), &line));
    let (operator, line) = farewell((&api, size), operator, (program, kubeconfig, &ledger)).await?;
    print(&with(name("operator_farewell"), &line));
    drop(operator);
    Ok(())
}

async fn ready(api: &Api, size: &Size, operator: &Process, line: Value) -> Result<()> {
    let before = operator.metric(WRITES).await?;
    let begun = Instant::now();
    api.create_policies(*size).await?;
    let created = begun.elapsed().as_secs_f64();
    // All statuses are many megabytes: asking for them again and again would be what is measured.
    let at_least = f64::from(size.policies) * WRITES_OF_A_NEW_ONE;
    until("every policy has its writes", || async {
        sleep(Duration::from_millis(450)).await;
        Ok(operator.metric(WRITES).await? - before >= at_least)
    })
    .await?;
    until("every policy is ready", || async {
        let policies = api.policies().await?;
        Ok(policies.iter().filter(|policy| is_ready(policy)).count()
            >= usize::try_from(size.policies)?)
    })
    .await?;
    let writes = operator.metric(WRITES).await? - before;
    print(&with(
        line,
        &json!({"seconds": begun.elapsed().as_secs_f64(),
        "seconds_creating": created, "writes": writes, "goal_seconds_at_1000": 30}),
    ));
    Ok(())
}

fn is_ready(policy: &Value) -> bool {
    let conditions = policy["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        && policy["status"]["observedGeneration"] == policy["metadata"]["generation"]
}

/// Every policy is evaluated again within its minute; nothing may be written.
async fn steady(api: &Api, operator: &Process, seconds: u64, line: Value) -> Result<()> {
    // What the last change left to do.
    let begun = Instant::now();
    let mut last = operator.metric(WRITES).await?;
    loop {
        sleep(Duration::from_secs(5)).await;
        let now = operator.metric(WRITES).await?;
        if (now - last).abs() < 0.5 {
            break;
        }
        last = now;
        if begun.elapsed() > PATIENCE {
            bail!("the writes do not rest");
        }
    }
    let versions = |policies: Vec<Value>| -> Vec<Value> {
        let version = |policy: &Value| policy["metadata"]["resourceVersion"].clone();
        policies.iter().map(version).collect()
    };
    let before = versions(api.policies().await?);
    let visited = operator.metric(VISITS).await?;
    sleep(Duration::from_secs(seconds)).await;
    let writes = operator.metric(WRITES).await? - last;
    let moved = versions(api.policies().await?) != before;
    print(&with(
        line,
        &json!({"seconds": seconds, "writes": writes,
        "evaluations": operator.metric(VISITS).await? - visited, "versions_moved": moved, "goal_writes": 0}),
    ));
    Ok(())
}

async fn edits(api: &Api, size: &Size, line: Value) -> Result<()> {
    let mut times = Vec::new();
    for edit in 0..EDITS {
        let number = edit * size.policies / EDITS;
        let path = format!("{}/policy-{number}", size.policies_of(number));
        let pue = 1.4 + f64::from(edit) / 1_000.0;
        let body = json!({"spec": {"site": {"pue": {"value": pue}}}});
        let begun = Instant::now();
        let edited = api.ask("PATCH", &path, Some(&body)).await?;
        let wanted = edited["metadata"]["generation"].clone();
        until("the edit is in the status", || async {
            let policy = api.ask("GET", &path, None).await?;
            Ok(policy["status"]["observedGeneration"] == wanted && is_ready(&policy))
        })
        .await?;
        times.push(begun.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    print(&with(
        line,
        &json!({"edits": EDITS, "p50_seconds": times.get(times.len() / 2),
        "p99_seconds": times.last(), "goal_p99_seconds": 2}),
    ));
    Ok(())
}

type Started<'a> = (&'a Path, &'a Path, &'a Path);

type Fleet<'a> = (&'a Api, &'a Size);

/// SIGKILL, and the same pod's next process at once: until an edit made
/// meanwhile is in the status.
async fn recoveries(
    fleet: Fleet<'_>,
    mut operator: Process,
    (program, kubeconfig, ledger): Started<'_>,
) -> Result<(Process, Value)> {
    let mut times = Vec::new();
    for crash in 0..CRASHES {
        operator.signal(Signal::SIGKILL)?;
        let begun = Instant::now();
        drop(operator);
        operator = Process::start(program, kubeconfig, ledger, "scale-0")?;
        let line = taken_over(fleet, "scale-0", begun, 1.3 + f64::from(crash) / 1_000.0).await?;
        times.push(line["status_seconds"].as_f64().context("seconds")?);
    }
    times.sort_by(f64::total_cmp);
    let line = json!({"crashes": CRASHES, "p50_seconds": times.get(times.len() / 2),
        "p99_seconds": times.last(), "goal_p99_seconds": 5});
    Ok((operator, line))
}

/// SIGKILL, and another process at once: until it holds the lease, and until an
/// edit made meanwhile is in the status.
async fn crash(
    fleet: Fleet<'_>,
    operator: Process,
    (program, kubeconfig, ledger): Started<'_>,
) -> Result<(Process, Value)> {
    operator.signal(Signal::SIGKILL)?;
    let begun = Instant::now();
    drop(operator);
    let next = Process::start(program, kubeconfig, ledger, "scale-1")?;
    let line = taken_over(fleet, "scale-1", begun, 1.6).await?;
    Ok((next, with(line, &json!({"goal_seconds": 20}))))
}

/// SIGTERM: the lease is given back.
async fn farewell(
    fleet: Fleet<'_>,
    operator: Process,
    (program, kubeconfig, ledger): Started<'_>,
) -> Result<(Process, Value)> {
    operator.signal(Signal::SIGTERM)?;
    let begun = Instant::now();
    let mut operator = operator;
    let ended = tokio::task::spawn_blocking(move || operator.child.wait());
    if !ended.await??.success() {
        bail!("the operator did not end well after SIGTERM");
    }
    let next = Process::start(program, kubeconfig, ledger, "scale-2")?;
    let line = taken_over(fleet, "scale-2", begun, 1.7).await?;
    Ok((next, line))
}

async fn taken_over(
    (api, size): Fleet<'_>,
    identity: &str,
    begun: Instant,
    pue: f64,
) -> Result<Value> {
    let path = format!("{}/policy-0", size.policies_of(0));
    let body = json!({"spec": {"site": {"pue": {"value": pue}}}});
    let edited = api.ask("PATCH", &path, Some(&body)).await?;
    let lease = "/apis/coordination.k8s.io/v1/namespaces/tanso-system/leases/tanso-operator";
    until("another process holds the lease", || async {
        Ok(api.ask("GET", lease, None).await?["spec"]["holderIdentity"] == identity)
    })
    .await?;
    let lease_seconds = begun.elapsed().as_secs_f64();
    until("the edit is in the status", || async {
        let policy = api.ask("GET", &path, None).await?;
        Ok(policy["status"]["observedGeneration"] == edited["metadata"]["generation"])
    })
    .await?;
    Ok(json!({"lease_seconds": lease_seconds, "status_seconds": begun.elapsed().as_secs_f64()}))
}

/// Waits for a condition.
///
/// # Errors
/// If it does not hold in ten minutes, or cannot be told.
pub async fn until<F>(what: &str, mut holds: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<bool>>,
{
    let begun = Instant::now();
    while !holds().await? {
        if begun.elapsed() > PATIENCE {
            bail!("{what}: not within {} s", PATIENCE.as_secs());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// The fields of both.
fn with(mut line: Value, more: &Value) -> Value {
    if let (Some(line), Some(more)) = (line.as_object_mut(), more.as_object()) {
        line.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    line
}
