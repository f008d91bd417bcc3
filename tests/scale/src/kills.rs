//! kill -9 again and again while energy flows: the operator's own process, the
//! agents' answers, or both. After every kill the ledger's total must be the
//! agents' total at the ledger's cursors.
//!
//! The agents are simulated: they have journals that grow all the time, and
//! their end is a connection that breaks and a port that is closed for a while.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tanso_agent_wire::energy::{Cursor, EnergyPage, JournalId, PAGE_LIMIT, PATH, SCHEMA};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::agents::{Question, node_name};
use crate::fleet::{Api, Size};
use crate::operator::{Process, until};
use crate::records::{NAMESPACES, PODS_PER_NODE, of_pod};
use crate::report::print;

/// Simulated nodes.
const NODES: u64 = 5;

/// New records of each agent per second.
const PER_SECOND: u64 = 200;

/// Longest time between two kills.
const APART_MAX_MS: u64 = 4_000;

/// Minutes over which records are spread.
const MINUTES: u64 = 50;

/// An agent whose journal grows until it is frozen.
struct Agent {
    number: u64,
    first_hour: i64,
    begun: Instant,
    /// The last record, once it is frozen; 0 before.
    frozen_at: AtomicU64,
    dead: AtomicBool,
}

impl Agent {
    fn last(&self) -> u64 {
        match self.frozen_at.load(Ordering::SeqCst) {
            0 => u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(0) * PER_SECOND / 1_000,
            frozen => frozen,
        }
    }

    fn page(&self, question: &Question) -> EnergyPage {
        let after = question.since.as_ref().map_or(0, |cursor| cursor.sequence);
        let last = self.last().max(after);
        let limit = question.limit.unwrap_or(PAGE_LIMIT).min(PAGE_LIMIT);
        let records: Vec<_> = (after + 1..=last)
            .take(limit)
            .map(|sequence| {
                let minute = i64::try_from(sequence % MINUTES).unwrap_or(0);
                let pod = self.number * PODS_PER_NODE + sequence % PODS_PER_NODE;
                of_pod(sequence, pod, self.first_hour + 60 * minute)
            })
            .collect();
        let next = records.last().map_or(after, |record| record.sequence);
        EnergyPage {
            schema: SCHEMA.to_owned(),
            node: node_name(self.number),
            records,
            next: Cursor {
                journal: JournalId(self.number + 1),
                sequence: next,
            },
            last_sequence: last,
            first_sequence: 1,
            closed_until: self.first_hour + 60 * i64::try_from(MINUTES).unwrap_or(0),
        }
    }

    /// The energy of its records up to one, microjoules.
    fn total_uj(&self, through: u64) -> u128 {
        (1..=through)
            .map(|sequence| {
                let pod = self.number * PODS_PER_NODE + sequence % PODS_PER_NODE;
                u128::from(of_pod(sequence, pod, 0).energy_uj.value.microjoules())
            })
            .sum()
    }
}

async fn energy(State(agent): State<Arc<Agent>>, Query(question): Query<Question>) -> Response {
    Json(agent.page(&question)).into_response()
}

/// A dead agent answers nothing of use, also when it dies while it answers.
async fn alive(State(agent): State<Arc<Agent>>, request: Request, next: Next) -> Response {
    if agent.dead.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let answer = next.run(request).await;
    if agent.dead.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    answer
}

async fn start(tasks: &mut JoinSet<()>, first_hour: i64) -> Result<(Vec<Arc<Agent>>, Vec<u16>)> {
    let (mut agents, mut ports) = (Vec::new(), Vec::new());
    for number in 0..NODES {
        let agent = Arc::new(Agent {
            number,
            first_hour,
            begun: Instant::now(),
            frozen_at: AtomicU64::new(0),
            dead: AtomicBool::new(false),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        ports.push(listener.local_addr()?.port());
        let guard = middleware::from_fn_with_state(Arc::clone(&agent), alive);
        let router = Router::new()
            .route(PATH, get(energy))
            .layer(guard)
            .with_state(Arc::clone(&agent));
        tasks.spawn(async move {
            // It ends with the measurement.
            let _ = axum::serve(listener, router).await;
        });
        agents.push(agent);
    }
    Ok((agents, ports))
}

/// Kills so often, and prints one line.
///
/// # Errors
/// If a total differs once, or something could not be started.
pub async fn kill(kubeconfig: &Path, program: &Path, kills: u32, seed: u64) -> Result<()> {
    let read = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
    let api = Api(Client::try_from(config)?);
    let folder = tempfile::tempdir()?;
    let ledger = folder.path().join("ledger.db");
    let first_hour = Timestamp::now().as_second() / 3_600 * 3_600 - 3_600;
    let mut tasks = JoinSet::new();
    let (agents, ports) = start(&mut tasks, first_hour).await?;
    let size = Size {
        policies: u32::try_from(NAMESPACES)?,
        pods: NODES * PODS_PER_NODE,
    };
    api.namespaces(size).await?;
    api.populate(size, &ports).await?;
    let begun = Instant::now();
    let mut random = seed | 1;
    let (mut of_operator, mut of_agents) = (0, 0);
    // The same name each time: it takes its lease again at once.
    let born = || Process::start(program, kubeconfig, &ledger, "kills-0");
    let mut operator = born()?;
    for round in 1..=kills {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        sleep(Duration::from_millis((random >> 33) % APART_MAX_MS)).await;
        // One in three each: the operator, an agent, both.
        let which = (random >> 20) % 3;
        let agent = usize::try_from((random >> 40) % NODES)
            .ok()
            .and_then(|index| agents.get(index));
        let agent = agent.context("an agent")?;
        agent.dead.store(which != 0, Ordering::SeqCst);
        of_agents += u32::from(which != 0);
        if which != 1 {
            of_operator += 1;
            operator.signal(Signal::SIGKILL)?;
            drop(operator);
            operator = born()?;
        }
        let total = total(&operator).await?;
        check(&agents, &total).with_context(|| format!("after kill {round}, seed {seed}"))?;
        agent.dead.store(false, Ordering::SeqCst);
    }
    for agent in &agents {
        agent.frozen_at.store(agent.last().max(1), Ordering::SeqCst);
    }
    let whole: u128 = agents
        .iter()
        .map(|agent| agent.total_uj(agent.last()))
        .sum();
    until("the ledger has all", || async {
        Ok(total(&operator).await?["energyMicrojoules"] == json!(whole))
    })
    .await?;
    let last = total(&operator).await?;
    check(&agents, &last)?;
    print(
        &json!({"bench": "kills", "kills": kills, "seed": seed, "of_operator": of_operator,
        "of_agents": of_agents, "records": agents.iter().map(|agent| agent.last()).sum::<u64>(),
        "agents_microjoules": whole, "ledger_microjoules": last["energyMicrojoules"],
        "rows_microjoules": last["rowsMicrojoules"], "gaps": last["gaps"],
        "seconds": begun.elapsed().as_secs()}),
    );
    Ok(())
}

/// What the operator says its ledger holds, as soon as it answers.
async fn total(operator: &Process) -> Result<Value> {
    let mut found = Value::Null;
    let begun = Instant::now();
    while found.is_null() {
        if let Ok(text) = operator.get("/v1/ledger/total").await {
            found = serde_json::from_str(&text).context("the ledger's total")?;
        } else if begun.elapsed() > Duration::from_mins(2) {
            bail!("the operator does not answer");
        } else {
            sleep(Duration::from_millis(30)).await;
        }
    }
    Ok(found)
}

/// The ledger's total is that of the agents at its cursors, node by node.
fn check(agents: &[Arc<Agent>], total: &Value) -> Result<()> {
    let mut cursors: BTreeMap<String, (u64, Value)> = BTreeMap::new();
    for node in total["nodes"].as_array().into_iter().flatten() {
        let name = node["node"].as_str().unwrap_or_default().to_owned();
        let sequence = node["sequence"].as_u64().context("a cursor")?;
        cursors.insert(name, (sequence, node["energyMicrojoules"].clone()));
    }
    for agent in agents {
        let Some((sequence, booked)) = cursors.get(&node_name(agent.number)) else {
            continue;
        };
        let expected = json!(agent.total_uj(*sequence));
        ensure!(
            *booked == expected,
            "node {}: {booked} uJ are booked up to record {sequence}, the agent says {expected}",
            agent.number
        );
    }
    ensure!(
        total["energyMicrojoules"] == total["rowsMicrojoules"],
        "bookings and rows differ: {total}"
    );
    ensure!(total["gaps"] == 0, "records are missing: {total}");
    Ok(())
}
