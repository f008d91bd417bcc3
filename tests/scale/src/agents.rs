//! Agents of simulated nodes: the real wire format over real HTTP.
//!
//! Each has an hour of closed minutes and adds nothing afterwards, so that a
//! steady state can be reached.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use tanso_agent_wire::energy::{Cursor, EnergyPage, JournalId, PAGE_LIMIT, PATH, Record, SCHEMA};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::fleet::Size;
use crate::records::{PODS_PER_NODE, of_pod};

/// Minutes that each agent has.
const MINUTES: i64 = 30;

struct Agent {
    node: String,
    number: u64,
    begin: i64,
    size: Size,
}

/// What an agent is asked with.
#[derive(Deserialize)]
pub struct Question {
    /// After which record.
    pub since: Option<Cursor>,
    /// How many.
    pub limit: Option<usize>,
}

/// Starts an agent for each node; returns their ports.
///
/// # Errors
/// If a port cannot be had.
pub async fn start(tasks: &mut JoinSet<()>, size: Size, begin: i64) -> Result<Vec<u16>> {
    let mut ports = Vec::new();
    for number in 0..size.nodes() {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("opening an agent's port")?;
        ports.push(listener.local_addr()?.port());
        let agent = Agent {
            node: node_name(number),
            number,
            begin,
            size,
        };
        let router = Router::new()
            .route(PATH, get(energy))
            .with_state(Arc::new(agent));
        tasks.spawn(async move {
            // It ends with the measurement.
            let _ = axum::serve(listener, router).await;
        });
    }
    Ok(ports)
}

/// The name of a simulated node.
#[must_use]
pub fn node_name(number: u64) -> String {
    format!("scale-node-{number}")
}

async fn energy(
    State(agent): State<Arc<Agent>>,
    Query(question): Query<Question>,
) -> Json<EnergyPage> {
    let after = question.since.map_or(0, |cursor| cursor.sequence);
    let last = PODS_PER_NODE * MINUTES.unsigned_abs();
    let limit = question.limit.unwrap_or(PAGE_LIMIT).min(PAGE_LIMIT);
    let records: Vec<Record> = (after + 1..=last)
        .take(limit)
        .map(|sequence| agent.record(sequence))
        .collect();
    let next = records.last().map_or(after, |record| record.sequence);
    Json(EnergyPage {
        schema: SCHEMA.to_owned(),
        node: agent.node.clone(),
        records,
        next: Cursor {
            journal: JournalId(agent.number + 1),
            sequence: next,
        },
        last_sequence: last,
        first_sequence: 1,
        closed_until: agent.begin + 60 * MINUTES,
    })
}

impl Agent {
    fn record(&self, sequence: u64) -> Record {
        let at = sequence - 1;
        let minute = i64::try_from(at / PODS_PER_NODE).unwrap_or(0);
        let pod = self.number * PODS_PER_NODE + at % PODS_PER_NODE;
        let mut record = of_pod(sequence, pod, self.begin + 60 * minute);
        record.names.namespace = Some(self.size.namespace(pod));
        record
    }
}
