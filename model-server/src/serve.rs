//! The HTTP face: select, predict, models by digest, catalogue, evaluation.
//!
//! Handlers parse, ask [`Selector`], and answer; nothing is decided here.

mod body;
mod metrics;
mod openapi;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tanso_runtime::{Health, Problem};

use crate::evaluate::Evaluation;
use crate::select::{SelectFault, Selection, Selector};
use crate::store::Store;
use crate::tiers::LEVEL;
use metrics::Metrics;

/// The largest request body, bytes: a machine's description takes a tenth.
pub const BODY_LIMIT: usize = 64 * 1024;

/// Models kept for agents that ask by digest.
const MODELS_KEPT: usize = 4_096;

/// What the handlers share.
#[derive(Debug)]
struct Server {
    selector: Selector,
    store: Store,
    metrics: Metrics,
}

type Shared = State<Arc<Server>>;

/// All routes of the server.
pub fn router(selector: Selector, health: &Health) -> Router {
    let server = Server {
        metrics: Metrics::new(&selector),
        selector,
        store: Store::new(MODELS_KEPT),
    };
    Router::new()
        .route("/v1/select", post(select))
        .route("/v1/predict", post(predict))
        .route("/v1/models", get(models))
        .route("/v1/models/{digest}", get(model))
        .route("/v1/catalog", get(catalog))
        .route("/v1/evaluation", get(evaluation))
        .route("/metrics", get(metrics_text))
        .route(
            "/openapi.json",
            get(|| async { ([JSON], openapi::DOCUMENT) }),
        )
        .fallback(|| async {
            Problem::new(StatusCode::NOT_FOUND, "no such path").detail("see /openapi.json")
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Arc::new(server))
        .merge(health.router())
}

const JSON: (header::HeaderName, &str) = (header::CONTENT_TYPE, "application/json");

async fn select(State(server): Shared, body: Result<Bytes, BytesRejection>) -> Response {
    let begun = Instant::now();
    let answer = body::select(body).and_then(|machine| {
        let selection = server
            .selector
            .select(&machine)
            .map_err(|fault| internal(&fault))?;
        server.store.keep(&selection);
        server.metrics.answered("select", selection.tier, begun);
        Ok(json!({ "digest": selection.digest, "document": selection.document }))
    });
    finish(&server, "select", answer)
}

async fn predict(State(server): Shared, body: Result<Bytes, BytesRejection>) -> Response {
    let begun = Instant::now();
    let answer = body::predict(body).and_then(|question| {
        let level = question.level.unwrap_or(LEVEL);
        let selection = server
            .selector
            .select_at(&question.machine, level)
            .map_err(|fault| internal(&fault))?;
        server.store.keep(&selection);
        server.metrics.answered("predict", selection.tier, begun);
        Ok(prediction(&selection, &question))
    });
    finish(&server, "predict", answer)
}

fn prediction(selection: &Selection, question: &body::Predict) -> Value {
    let document = &selection.document;
    let (mut watts, mut lo, mut hi) = (Vec::new(), Vec::new(), Vec::new());
    for utilisation in &question.utilisation {
        let power = document.power_at(*utilisation);
        watts.push(power.value.as_watts_f64());
        lo.push(power.low.as_watts_f64());
        hi.push(power.high.as_watts_f64());
    }
    json!({
        "watts": watts, "lo": lo, "hi": hi, "level": document.error.level, "model": selection.digest,
        "domain": document.domain, "tier": selection.tier.name(), "mapePercent": document.error.mape_percent,
        "explanation": document.explanation,
    })
}

async fn models(State(server): Shared) -> Response {
    axum::Json(json!({ "models": server.store.list() })).into_response()
}

async fn model(State(server): Shared, Path(digest): Path<String>) -> Response {
    let found = server
        .store
        .get(&digest)
        .map(|selection| selection.document.to_json());
    match found {
        // Canonical bytes, so that who fetches it can check the digest; they
        // never change.
        Some(Ok(bytes)) => ([JSON, (header::CACHE_CONTROL, "public, max-age=31536000, immutable")], bytes).into_response(),
        Some(Err(fault)) => internal(&SelectFault::Document(fault)).into_response(),
        None => Problem::new(StatusCode::NOT_FOUND, "unknown model")
            .detail("no model of this digest was given out since the server started; ask /v1/select again")
            .with("field", "digest")
            .with("value", crate::features::shown(&Value::from(digest)))
            .with("accepted", "a digest that /v1/select or /v1/models gave")
            .into_response(),
    }
}

async fn catalog(State(server): Shared) -> Response {
    let catalog = server.selector.catalog();
    axum::Json(json!({
        "digest": catalog.digest, "origin": crate::catalog::ORIGIN, "files": catalog.files, "refused": catalog.refused,
    }))
    .into_response()
}

async fn evaluation(State(server): Shared) -> Response {
    axum::Json(Evaluation::new(&server.selector)).into_response()
}

async fn metrics_text(State(server): Shared) -> Response {
    match server.metrics.text() {
        Ok(text) => (
            [(
                header::CONTENT_TYPE,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            )],
            text,
        )
            .into_response(),
        Err(fault) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "metrics")
            .detail(fault.to_string())
            .into_response(),
    }
}

fn finish(server: &Server, route: &'static str, answer: Result<Value, Problem>) -> Response {
    answer.map_or_else(
        |problem| {
            server.metrics.refused(route, problem.status());
            problem.into_response()
        },
        |value| axum::Json(value).into_response(),
    )
}

fn internal(fault: &SelectFault) -> Problem {
    tracing::error!(error = %fault, "no model for a machine");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "no model").detail(fault.to_string())
}
