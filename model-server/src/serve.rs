//! The HTTP face: select, predict, models by digest, samples, node types,
//! trainings, evaluation, and the predecessor's two routes.
//!
//! Handlers parse, ask, and answer; nothing is decided here.

mod answers;
mod auth;
mod body;
mod follow;
mod kepler;
mod learning;
mod made;
mod metrics;
mod openapi;
pub mod options;
mod report;

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tanso_runtime::review::{ClusterReview, Judge, ReviewFault};
use tanso_runtime::{Health, Problem, Shutdown};
use tokio::time::sleep;

use crate::samples::limits::Limits;
use crate::select::Selector;
use crate::store::{Given, Store, StoreFault};
use crate::train::{InService, Pace, Trainer};
use made::Made;
use metrics::Metrics;
use options::Options;

/// The largest request body, bytes: a full batch of samples takes half.
pub const BODY_LIMIT: usize = 64 * 1024;

/// How long a predecessor may take to let go of the store: longer than a pod
/// is given to end.
const HANDOVER: Duration = Duration::from_secs(45);
const HANDOVER_LOOK: Duration = Duration::from_secs(1);

/// Models kept in memory for agents that ask by digest.
const MODELS_KEPT: usize = 4_096;

/// What the handlers share.
#[derive(Debug)]
struct Server {
    selector: Arc<Selector>,
    in_service: Arc<InService>,
    given: Given,
    made: Made,
    store: Store,
    role: Role,
    limits: Limits,
    gate: auth::Gate,
    metrics: Metrics,
}

/// Who learns.
#[derive(Debug)]
enum Role {
    /// This server.
    Leader(Trainer),
    /// Another one.
    Follower {
        /// Its address.
        leader: String,
        /// What it last said of its node types.
        heard: follow::Heard,
    },
}

type Shared = State<Arc<Server>>;

/// The server's parts, running; [`Service::router`] gives the routes.
#[derive(Clone, Debug)]
pub struct Service {
    server: Arc<Server>,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartFault {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The shared token.
    #[error(transparent)]
    Token(#[from] auth::TokenFault),
    /// Tokens cannot be judged.
    #[error("token review: {0}; without a cluster leave --token-review out")]
    Review(#[from] ReviewFault),
}

impl Service {
    /// Opens the store and starts to train, or to follow.
    ///
    /// # Errors
    /// If the store or the token cannot be read.
    pub async fn start(
        selector: Selector,
        options: &Options,
        shutdown: Shutdown,
    ) -> Result<Self, StartFault> {
        let selector = Arc::new(selector);
        let store = open(options.store.as_deref()).await?;
        let gate = gate(options, &shutdown).await?;
        let (role, in_service) = if let Some(leader) = &options.follow {
            let in_service = Arc::new(InService::default());
            let heard = follow::Heard::default();
            tokio::spawn(follow::keep(
                follow::Leader {
                    url: leader.clone(),
                    files: options.leader_files(),
                },
                (Arc::clone(&in_service), heard.clone()),
                options.watch_every.0,
                shutdown,
            ));
            let leader = leader.clone();
            (Role::Follower { leader, heard }, in_service)
        } else {
            let trainer = Trainer::start(
                store.clone(),
                Arc::clone(&selector),
                Pace::from(options),
                shutdown,
            )
            .await?;
            let in_service = Arc::clone(trainer.in_service());
            (Role::Leader(trainer), in_service)
        };
        let metrics = Metrics::new(&selector);
        Ok(Self {
            server: Arc::new(Server {
                selector,
                in_service,
                given: Given::new(MODELS_KEPT),
                made: Made::default(),
                store,
                role,
                limits: Limits::default(),
                gate,
                metrics,
            }),
        })
    }

    /// All routes of the server.
    pub fn router(&self, health: &Health) -> Router {
        Router::new()
            .route(
                "/v1/select",
                post(answers::select).get(answers::select_unless),
            )
            .route("/v1/predict", post(answers::predict))
            .route("/v1/models", get(answers::models))
            .route("/v1/models/{digest}", get(answers::model))
            .route("/v1/samples", post(learning::samples))
            .route("/v1/node-types", get(learning::node_types))
            .route(
                "/v1/node-types/{name}",
                get(learning::node_type).put(learning::pin),
            )
            .route("/v1/train", post(learning::train))
            .route("/v1/jobs", get(learning::jobs))
            .route("/v1/jobs/{id}", get(learning::job))
            .route("/v1/catalog", get(catalog))
            .route("/v1/evaluation", get(report::evaluation))
            .route("/model", post(kepler::model))
            .route("/best-models", get(kepler::best_models))
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
            .with_state(Arc::clone(&self.server))
            .merge(health.router())
    }
}

/// Opens the store; a server that is just ending may hold it for a while.
async fn open(directory: Option<&FilePath>) -> Result<Store, StoreFault> {
    let until = Instant::now() + HANDOVER;
    loop {
        match Store::open(directory) {
            Err(StoreFault::InUse(path)) if Instant::now() < until => {
                tracing::info!(store = %path.display(), "waiting for the server that uses the store to end");
                sleep(HANDOVER_LOOK).await;
            }
            opened => return opened,
        }
    }
}

/// The ways by which writers are known.
async fn gate(options: &Options, shutdown: &Shutdown) -> Result<auth::Gate, StartFault> {
    let token = options.token_file.as_deref();
    let token = token.map(auth::SharedToken::read).transpose()?;
    let token = token.map(Arc::new);
    if let Some(token) = token.clone() {
        let ends = shutdown.clone();
        tokio::spawn(async move { token.keep(auth::LOOK_EVERY, ends).await });
    }
    let judge = if options.token_review {
        let audiences = options.token_audience.iter().cloned().collect();
        let review = ClusterReview::of_this_cluster(audiences).await?;
        Some(Judge::new(Arc::new(review)))
    } else {
        None
    };
    Ok(auth::Gate {
        open: options.tls().is_none() && token.is_none() && judge.is_none(),
        token,
        judge,
    })
}

impl Server {
    /// The trainer, if this server learns.
    fn leader(&self) -> Result<&Trainer, Problem> {
        match &self.role {
            Role::Leader(trainer) => Ok(trainer),
            Role::Follower { leader, .. } => Err(Problem::new(
                StatusCode::MISDIRECTED_REQUEST,
                "this replica follows",
            )
            .detail("samples, trainings and settings go to the server that learns")
            .with("leader", leader.as_str())),
        }
    }
}

const JSON: (header::HeaderName, &str) = (header::CONTENT_TYPE, "application/json");

async fn catalog(State(server): Shared) -> Response {
    let catalog = server.selector.catalog();
    axum::Json(serde_json::json!({
        "digest": catalog.digest, "origin": crate::catalog::ORIGIN, "files": catalog.files, "refused": catalog.refused,
    }))
    .into_response()
}

async fn metrics_text(State(server): Shared) -> Response {
    match server.metrics.text(&server.in_service) {
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
        |problem| refuse(server, route, problem),
        |value| axum::Json(value).into_response(),
    )
}

fn refuse(server: &Server, route: &'static str, problem: Problem) -> Response {
    server.metrics.refused(route, problem.status());
    problem.into_response()
}

/// A store that fails is a fault of this server, which may pass.
fn store_failed(fault: &StoreFault) -> Problem {
    tracing::error!(error = %fault, "the store failed");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the store failed").detail(fault.to_string())
}

fn unknown(field: &str, value: &str, accepted: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, &format!("unknown {field}"))
        .with("field", field)
        .with("value", crate::features::shown(&Value::from(value)))
        .with("accepted", accepted)
}

/// A path's parameter, also if its bytes are no text.
type Parameter = Result<Path<String>, axum::extract::rejection::PathRejection>;

fn parameter(path: Parameter) -> Result<String, Problem> {
    path.map(|Path(text)| text).map_err(|rejection| {
        Problem::new(StatusCode::BAD_REQUEST, "unreadable path").detail(rejection.body_text())
    })
}
