//! Fetching the agents' energy records and booking them.
//!
//! Every few seconds each agent is asked for what came since its cursor; what
//! passes [`accept`] is booked, what does not stops here. The cursor lies in
//! the ledger, so nothing is lost or doubled when this process or an agent
//! ends at any point. Nothing here judges or writes to the cluster.

pub mod accept;
pub mod board;
pub mod fetch;
pub mod metrics;
pub mod prometheus;
pub mod trust;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use jiff::Timestamp;
use tanso_agent_wire::counters::CountersSaid;
use tanso_agent_wire::energy::Record;
use tanso_agent_wire::meters::MeterSaid;
use tanso_power::{Joules, Provenance, Watts};
use tanso_runtime::Shutdown;

use crate::guard::{Panicked, guarded};
use crate::ledger::{Ledger, LedgerFault, append};
use crate::owners::{Agent, Inventory, Stranger};

use accept::{Asked, Homes, Refusal};
pub use board::{NodeBoard, NodeFacts};
pub use fetch::CpuTimeSource;
use fetch::{Answer, FetchFault, Fetcher};
pub use metrics::CollectMetrics;
pub use trust::{AgentTrust, TrustBoard};

/// Time between two rounds, before jitter.
const ROUND_EVERY: Duration = Duration::from_secs(10);

/// Agents that are asked at a time.
const AT_A_TIME: usize = 16;

/// Pages that one visit follows; the rest comes with the next round.
const PAGES_PER_VISIT: usize = 200;

/// After this time a visit asks for no further page: a round waits for all its
/// visits, and an agent that takes its time must not hold up the others.
const VISIT_MAX: Duration = Duration::from_secs(20);

/// How long pods and monitors are waited for, which say which agents there are and how they are asked.
const AGENTS_MAX: Duration = Duration::from_mins(1);

const SECONDS_PER_MINUTE: u64 = 60;

/// Why a visit ended early; what was booked before stays booked.
#[derive(Debug, thiserror::Error)]
pub enum CollectFault {
    /// The agent did not answer.
    #[error(transparent)]
    Fetch(#[from] FetchFault),
    /// The agent's answer was refused.
    #[error("answer of node \"{node}\" is quarantined: {refusal}")]
    Refused {
        /// The node asked.
        node: String,
        /// What is wrong.
        #[source]
        refusal: Refusal,
    },
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] prometheus::StoreFault),
    /// The ledger did not take it.
    #[error(transparent)]
    Ledger(#[from] LedgerFault),
    /// Each cursor is refused, also the one that the agent named itself.
    #[error(
        "agent of node \"{node}\" refuses the cursor that it named: its journal is ever another"
    )]
    Restless {
        /// The node asked.
        node: String,
    },
    /// A fault of this program, at this agent's answer.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

impl CollectFault {
    /// Whether there was an answer, and it was refused for what it says.
    fn is_quarantine(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. } | Self::Ledger(LedgerFault::Implausible { .. })
        )
    }
}

/// The collector of a cluster.
#[derive(Clone)]
pub struct Collector {
    ledger: Ledger,
    board: NodeBoard,
    metrics: CollectMetrics,
    fetcher: Fetcher,
    homes: Arc<RwLock<Arc<Homes>>>,
    visit_max: Duration,
}

impl Collector {
    /// A collector that books into `ledger` and reports on `board`.
    #[must_use]
    pub fn new(ledger: Ledger, board: NodeBoard, metrics: CollectMetrics) -> Self {
        Self {
            ledger,
            board,
            metrics,
            fetcher: Fetcher::default(),
            homes: Arc::default(),
            visit_max: VISIT_MAX,
        }
    }

    /// The same, over TLS to agents that the board knows, and with the token
    /// of that file for them.
    #[must_use]
    pub fn trusting(mut self, board: TrustBoard, token: Option<PathBuf>) -> Self {
        self.fetcher = Fetcher::trusting(board, token);
        self
    }

    /// Says where pods run, from now on.
    pub fn know(&self, homes: Homes) {
        // No code panics while it holds the lock.
        *self.homes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(homes);
    }

    fn homes(&self) -> Arc<Homes> {
        Arc::clone(&self.homes.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Collects until the shutdown begins, and waits for no agent then; what the
    /// ledger was given is booked whole.
    pub async fn run(self, pods: Inventory, shutdown: Shutdown) {
        tokio::select! {
            () = pods.agents_listed() => {}
            () = tokio::time::sleep(AGENTS_MAX) => {}
            () = shutdown.begun() => return,
        }
        let mut told = Vec::new();
        loop {
            let (agents, strangers) = pods.told_agents();
            self.refuse(strangers, &mut told);
            self.fetcher.secure(pods.secured());
            self.board
                .retain(|node| agents.iter().any(|agent| agent.node == node));
            self.know(pods.homes());
            self.round_until(&agents, &shutdown).await;
            tokio::select! {
                () = shutdown.begun() => return,
                () = tokio::time::sleep(with_jitter(ROUND_EVERY)) => {}
            }
        }
    }

    /// Counts pods that say they are agents and are not asked, and tells those
    /// that are new.
    fn refuse(&self, strangers: Vec<Stranger>, told: &mut Vec<Stranger>) {
        self.metrics.strangers(&strangers);
        for stranger in strangers.iter().filter(|one| !told.contains(one)) {
            tracing::warn!(
                namespace = stranger.namespace,
                pod = stranger.pod,
                node = stranger.node,
                reason = stranger.reason.as_str(),
                "a pod has an agent's labels and is none of the operator's; it is not asked"
            );
        }
        *told = strangers;
    }

    /// Visits each agent once, or until the shutdown begins: whoever takes over
    /// must not wait for agents that are silent here.
    async fn round_until(&self, agents: &[Agent], shutdown: &Shutdown) {
        tokio::select! {
            () = shutdown.begun() => {}
            () = self.round(agents) => {}
        }
    }

    /// Visits each agent once.
    pub async fn round(&self, agents: &[Agent]) {
        futures::stream::iter(agents)
            .for_each_concurrent(AT_A_TIME, |agent| async move {
                let visited = guarded(Box::pin(self.visit(agent))).await;
                self.report(
                    agent,
                    visited.unwrap_or_else(|panicked| Err(panicked.into())),
                );
            })
            .await;
    }

    /// Fetches and books all that one agent has.
    ///
    /// # Errors
    /// If the agent is silent, its answer is refused, or the ledger fails;
    /// what was booked before stays booked.
    pub async fn visit(&self, agent: &Agent) -> Result<LastMinute, CollectFault> {
        let node = agent.node.clone();
        let mut cursor = self
            .ledger
            .call(move |connection| append::cursor(connection, &node))
            .await?;
        let mut last_minute = LastMinute::default();
        let homes = self.homes();
        let begun = Instant::now();
        let mut is_anew = false;
        for _ in 0..PAGES_PER_VISIT {
            let (page, room) = match self.fetcher.page(agent, cursor.as_ref()).await? {
                Answer::Page {
                    page,
                    cpu_time,
                    counters,
                    meters,
                    room,
                } => {
                    last_minute.cpu_time = cpu_time;
                    last_minute.counters = counters;
                    last_minute.meters = meters;
                    (page, room)
                }
                Answer::Gone { .. } if is_anew => {
                    return Err(CollectFault::Restless {
                        node: agent.node.clone(),
                    });
                }
                Answer::Gone { start } => {
                    is_anew = true;
                    tracing::warn!(node = agent.node, journal = %start.journal, "the agent's journal is new");
                    cursor = Some(start);
                    continue;
                }
            };
            let (next, last) = (page.next.clone(), page.last_sequence);
            let asked = Asked {
                node: &agent.node,
                cursor: cursor.as_ref(),
                now: Timestamp::now(),
                homes: &homes,
            };
            let page = accept::accept(&asked, *page).map_err(|refusal| {
                self.metrics.quarantined(refusal.reason());
                CollectFault::Refused {
                    node: agent.node.clone(),
                    refusal,
                }
            })?;
            last_minute.add(&page.records, page.closed_until);
            self.book(page).await?;
            drop(room);
            let stuck = cursor.as_ref() == Some(&next);
            let is_read = next.sequence >= last || stuck;
            cursor = Some(next);
            if is_read || begun.elapsed() >= self.visit_max {
                break;
            }
        }
        Ok(last_minute)
    }

    async fn book(&self, page: append::Page) -> Result<(), CollectFault> {
        let node = page.node.clone();
        let begun = Instant::now();
        let booked = self
            .ledger
            .call(move |connection| append::book(connection, &page, Timestamp::now()))
            .await
            .inspect_err(|fault| {
                if let Some(reason) = fault.quarantined() {
                    self.metrics.quarantined(reason);
                }
            })?;
        self.metrics.booked(
            booked.records,
            booked.skipped,
            booked.energy,
            begun.elapsed(),
        );
        if booked.overflowed > 0 {
            self.metrics.overflowed(booked.overflowed);
            tracing::warn!(
                node,
                pods = booked.overflowed,
                "too many pods came new in an hour; their energy is in the account \"overflow\""
            );
        }
        if let Some(gap) = booked.gap {
            self.metrics.gap(gap.kind.as_str());
            tracing::warn!(
                node,
                kind = gap.kind.as_str(),
                after_sequence = gap.after_sequence,
                before_sequence = gap.before_sequence,
                "records are missing"
            );
        }
        Ok(())
    }

    fn report(&self, agent: &Agent, visited: Result<LastMinute, CollectFault>) {
        let now = Timestamp::now();
        match visited {
            Ok(last) => self.board.visited(agent, &last, now),
            Err(error) => {
                self.metrics.failed();
                tracing::warn!(node = agent.node, pod = agent.pod, %error, "collecting from an agent failed");
                self.board.failed(agent, &error, now);
            }
        }
    }
}

/// The energy of the newest closed minute among the records of a visit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastMinute {
    minute: Option<i64>,
    energy: Joules,
    provenance: Option<Provenance>,
    closed_until: i64,
    cpu_time: Option<CpuTimeSource>,
    counters: Option<CountersSaid>,
    meters: Vec<MeterSaid>,
}

impl LastMinute {
    fn add(&mut self, records: &[Record], closed_until: i64) {
        self.closed_until = self.closed_until.max(closed_until);
        // What was caught up covers more than its minute.
        for record in records.iter().filter(|record| !record.caught_up) {
            if self.minute.is_none_or(|minute| record.minute > minute) {
                self.minute = Some(record.minute);
                self.energy = Joules::ZERO;
                self.provenance = None;
            }
            if self.minute == Some(record.minute) {
                self.energy += record.energy_uj.value;
                self.provenance = self.provenance.max(Some(record.provenance));
            }
        }
    }

    /// Mean power over that minute.
    #[must_use]
    pub fn power(&self) -> Option<Watts> {
        self.minute
            .map(|_| self.energy.over(Duration::from_secs(SECONDS_PER_MINUTE)))
    }

    /// The worst provenance within it.
    #[must_use]
    pub const fn provenance(&self) -> Option<Provenance> {
        self.provenance
    }

    /// Where its CPU time comes from, as far as it says.
    #[must_use]
    pub const fn cpu_time(&self) -> Option<CpuTimeSource> {
        self.cpu_time
    }

    /// How many kinds of hardware counters are read there, where they are asked
    /// for.
    #[must_use]
    pub const fn counters(&self) -> Option<CountersSaid> {
        self.counters
    }

    /// The node's meters and their states; empty where it says none.
    #[must_use]
    pub fn meters(&self) -> &[MeterSaid] {
        &self.meters
    }

    /// End of the agent's last closed minute, seconds of Unix time.
    #[must_use]
    pub const fn closed_until(&self) -> i64 {
        self.closed_until
    }
}

/// Up to a tenth more, so that operators of many clusters do not ask at once.
fn with_jitter(period: Duration) -> Duration {
    let nanos = Timestamp::now().subsec_nanosecond().unsigned_abs();
    period + period / 10 * (nanos % 1_000) / 1_000
}

#[cfg(test)]
mod tests;
