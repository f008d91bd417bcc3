//! `GET /metrics`: the latest snapshot as OpenMetrics text.

mod collect;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tanso_runtime::Problem;

use super::Sources;
use crate::processors::Processor;
use crate::snapshot::Snapshot;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers the latest figures; before the first ones, those of the program.
pub async fn answer(State(sources): State<Sources>) -> Response {
    let snapshot = sources.published.load_full();
    match text(&sources.node, &sources.processors, snapshot) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(fault) => {
            tracing::error!(error = %fault, "writing metrics failed");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "writing metrics failed")
                .into_response()
        }
    }
}

/// The exposition of a snapshot.
///
/// # Errors
/// Never for a snapshot that a cycle made.
pub fn text(
    node: &Arc<str>,
    processors: &Arc<[Processor]>,
    snapshot: Option<Arc<Snapshot>>,
) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(collect::Exposition {
        node: Arc::clone(node),
        processors: Arc::clone(processors),
        snapshot,
    }));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
