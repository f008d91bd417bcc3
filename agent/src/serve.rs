//! What the agent answers: `/metrics`, `/v1/energy`, health.
//!
//! Readers see what was published or written to the journal; no request
//! reads a meter or changes anything.

pub mod energy;
pub mod metrics;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use tanso_agent_wire::energy::PATH;
use tanso_runtime::Health;

use crate::journal::Journal;
use crate::snapshot::Published;

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
    pub processors: Arc<[crate::processors::Processor]>,
}

/// All routes.
pub fn router(sources: Sources, health: &Health) -> Router {
    Router::new()
        .route("/metrics", get(metrics::answer))
        .route(PATH, get(energy::answer))
        .with_state(sources)
        .merge(health.router())
}
