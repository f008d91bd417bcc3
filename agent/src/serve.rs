//! What the agent answers: `/metrics`, `/v1/energy`, health.
//!
//! Readers see what was published or written to the journal; no request
//! reads a meter or changes anything.

pub mod access;
pub mod coarse;
pub mod energy;
pub mod metrics;
pub mod push;
pub mod reader;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tanso_agent_wire::energy::PATH;
use tanso_runtime::Health;
use tokio::sync::Semaphore;

pub use access::{Access, Anonymous};
pub use reader::Reader;

use crate::journal::Journal;
use crate::processors::Processor;
use crate::rights::Right;
use crate::snapshot::{Published, Snapshot};
use coarse::Coarse;
use metrics::exposition::Counters;
use metrics::options::Options;
use metrics::spare::Spare;

/// What may change while the agent runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What is written.
    pub options: Options,
    /// What readers get for whom nobody vouches.
    pub anonymous: Anonymous,
}

/// What other parts of the agent count.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counters>);

impl Tally {
    /// One more reading of the settings.
    pub fn reload(&self, result: &'static str) {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counters.reloads.entry(result).or_default() += 1;
    }

    /// One more push.
    pub fn push(&self, result: &'static str) {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counters.pushes.entry(result).or_default() += 1;
    }

    /// The counts now.
    #[must_use]
    pub fn snapshot(&self) -> Counters {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What the answers come from.
#[derive(Clone)]
pub struct Sources {
    /// The node's name.
    pub node: Arc<str>,
    /// The latest figures.
    pub published: Arc<Published>,
    /// The minute records.
    pub journal: Arc<Journal>,
    /// The node's processors, read once.
    pub processors: Arc<[Processor]>,
    /// What the agent may do, looked at once.
    pub rights: Arc<[Right]>,
    /// What may change while the agent runs.
    pub policy: Arc<ArcSwap<Policy>>,
    /// What other parts count.
    pub counters: Arc<Tally>,
    /// Who vouches for readers.
    pub access: Arc<Access>,
    coarse: Arc<Coarse>,
    turn: Arc<Semaphore>,
    spare: Arc<Spare>,
}

impl Sources {
    /// Sources that everyone may read as they are.
    #[must_use]
    pub fn new(
        node: Arc<str>,
        published: Arc<Published>,
        journal: Arc<Journal>,
        processors: Arc<[Processor]>,
    ) -> Self {
        Self {
            node,
            published,
            journal,
            processors,
            rights: Arc::default(),
            policy: Arc::default(),
            counters: Arc::default(),
            access: Arc::default(),
            coarse: Arc::default(),
            turn: Arc::new(Semaphore::new(1)),
            spare: Arc::default(),
        }
    }

    /// The latest figures, as fine as the reader may see them.
    #[must_use]
    pub fn snapshot_for(&self, reader: Reader) -> Option<Arc<Snapshot>> {
        let latest = self.published.load_full()?;
        let anonymous = self.policy.load().anonymous;
        match (reader, anonymous) {
            (Reader::Anonymous, Anonymous::Coarse(resolution)) => {
                self.coarse.of(&latest, resolution)
            }
            _ => Some(latest),
        }
    }
}

/// All routes.
pub fn router(sources: Sources, health: &Health) -> Router {
    Router::new()
        .route("/", get(landing))
        .route("/metrics", get(metrics::answer))
        .route(PATH, get(energy::answer))
        .route_layer(from_fn_with_state(sources.clone(), access::admit))
        .with_state(sources)
        .merge(health.router())
}

/// The routes of the port with the names of Kepler up to 0.9.
pub fn legacy_router(sources: Sources, health: &Health) -> Router {
    Router::new()
        .route("/metrics", get(metrics::answer_legacy))
        .route_layer(from_fn_with_state(sources.clone(), access::admit))
        .with_state(sources)
        .merge(health.router())
}

/// What there is, for people who look with a browser.
async fn landing() -> axum::response::Html<&'static str> {
    axum::response::Html(
        "<!doctype html><html lang=\"en\"><title>tanso agent</title><h1>tanso agent</h1>\
         <ul><li><a href=\"/metrics\">/metrics</a><li><a href=\"/v1/energy\">/v1/energy</a>\
         <li><a href=\"/readyz\">/readyz</a></ul></html>\n",
    )
}
