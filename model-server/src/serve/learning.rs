//! Teaching: samples in, node types, trainings and their progress.

use std::time::Instant;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tanso_runtime::Problem;
use tanso_runtime::review::Wish;
use tanso_runtime::serve::Peer;

use super::auth::Writer;
use super::{
    Parameter, Role, Server, Shared, body, finish, parameter, refuse, store_failed, unknown,
};
use crate::samples::Accepted;
use crate::store::jobs::{self, Job};
use crate::store::samples::{self, Kept};
use crate::store::types;
use crate::train::{AskFault, Trainer, now_s};

/// What is accepted where a node type is asked for.
const A_TYPE: &str = "a name that /v1/node-types gave";

/// Who asks, by what is known of the connection and the request's head.
type Asker = (Option<Extension<Peer>>, Uri, HeaderMap);

/// Lets a writer through.
async fn known(server: &Server, asker: &Asker, verb: &'static str) -> Result<Writer, Problem> {
    let (peer, uri, headers) = asker;
    let wish = Wish {
        verb,
        path: uri.path().to_owned(),
    };
    let peer = peer.as_ref().map(|Extension(peer)| peer);
    server.gate.check(peer, headers, wish).await
}

pub(super) async fn samples(
    State(server): Shared,
    asker: Asker,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let kept = take_samples(&server, &asker, body).await;
    match kept {
        Ok(kept) => {
            server.metrics.sampled(kept.accepted, kept.duplicates);
            axum::Json(json!(kept)).into_response()
        }
        Err((problem, wait)) => {
            let response = refuse(&server, "samples", problem);
            match wait {
                Some(seconds) => {
                    ([(header::RETRY_AFTER, seconds.to_string())], response).into_response()
                }
                None => response,
            }
        }
    }
}

/// A refusal, and after how many seconds to try again.
type Refusal = (Problem, Option<u64>);

async fn take_samples(
    server: &Server,
    asker: &Asker,
    body: Result<Bytes, BytesRejection>,
) -> Result<Kept, Refusal> {
    let refuse = |problem| (problem, None);
    let writer = known(server, asker, "post").await.map_err(refuse)?;
    let trainer = server.leader().map_err(refuse)?;
    let batch = body::samples(body, now_s()).map_err(refuse)?;
    writer.may_speak_for(&batch.node).map_err(refuse)?;
    limit(server, &batch)?;
    let kept = server
        .store
        .call(move |transaction| samples::keep(transaction, &batch, now_s()))
        .await
        .map_err(|fault| refuse(store_failed(&fault)))?;
    let kept = kept.ok_or_else(|| {
        let problem =
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many nodes").detail(format!(
                "{} nodes have samples here; a new one is taken when an old one's have expired",
                samples::NODES_MAX
            ));
        (problem, Some(3_600))
    })?;
    trainer.touched(&kept.node_types);
    Ok(kept)
}

fn limit(server: &Server, batch: &Accepted) -> Result<(), Refusal> {
    let count = u32::try_from(batch.len()).unwrap_or(u32::MAX);
    server
        .limits
        .take(&batch.node, count, Instant::now())
        .map_err(|wait| {
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many samples")
                .detail("a node may send 400 samples at once and 6 a minute in the long run")
                .with("field", "node")
                .with("value", batch.node.as_str());
            (problem, Some(wait.as_secs()))
        })
}

pub(super) async fn node_types(State(server): Shared) -> Response {
    if let Role::Follower { leader, heard } = &server.role {
        // Its own store was taught nothing.
        let answer = json!({ "nodeTypes": heard.all(), "leader": leader });
        return finish(&server, "node-types", Ok(answer));
    }
    let listed = server
        .store
        .call(|transaction| {
            let mut all = Vec::new();
            for name in types::names(transaction)? {
                all.extend(types::get(transaction, &name)?);
            }
            Ok(all)
        })
        .await;
    finish(
        &server,
        "node-types",
        listed
            .map(|all| json!({ "nodeTypes": all }))
            .map_err(|fault| store_failed(&fault)),
    )
}

pub(super) async fn node_type(State(server): Shared, path: Parameter) -> Response {
    let answer = match parameter(path) {
        Ok(name) => read_type(&server, name).await,
        Err(problem) => Err(problem),
    };
    finish(&server, "node-type", answer)
}

async fn read_type(server: &Server, name: String) -> Result<Value, Problem> {
    if let Role::Follower { heard, .. } = &server.role {
        return heard
            .named(&name)
            .ok_or_else(|| unknown("name", &name, A_TYPE));
    }
    let wanted = name.clone();
    let found = server
        .store
        .call(move |transaction| types::get(transaction, &wanted))
        .await
        .map_err(|fault| store_failed(&fault))?;
    found
        .map(|node_type| json!(node_type))
        .ok_or_else(|| unknown("name", &name, A_TYPE))
}

pub(super) async fn pin(
    State(server): Shared,
    path: Parameter,
    asker: Asker,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answer = set_pin(&server, path, &asker, body).await;
    finish(&server, "node-type", answer)
}

async fn set_pin(
    server: &Server,
    path: Parameter,
    asker: &Asker,
    body: Result<Bytes, BytesRejection>,
) -> Result<Value, Problem> {
    known(server, asker, "put").await?;
    let trainer = server.leader()?;
    let name = parameter(path)?;
    let pinned = body::pin(body)?;
    // An unknown type is told from an unknown version.
    read_type(server, name.clone()).await?;
    let (wanted, digest) = (name.clone(), pinned.clone());
    let done = server
        .store
        .call(move |transaction| types::pin(transaction, &wanted, digest.as_deref()))
        .await
        .map_err(|fault| store_failed(&fault))?;
    if !done {
        return Err(body::refused(&[body::fault(
            "pinned",
            &json!(pinned),
            "a digest of the type's versions, \"prior\", or null for the newest",
        )]));
    }
    trainer
        .refresh()
        .await
        .map_err(|fault| store_failed(&fault))?;
    tracing::info!(node_type = name, pinned, "model pinned");
    read_type(server, name).await
}

pub(super) async fn train(
    State(server): Shared,
    asker: Asker,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match ask(&server, &asker, body).await {
        Ok(job) => {
            let place = format!("/v1/jobs/{}", job.id);
            (
                StatusCode::ACCEPTED,
                [(header::LOCATION, place)],
                axum::Json(json!(job)),
            )
                .into_response()
        }
        Err(problem) => refuse(&server, "train", problem),
    }
}

async fn ask(
    server: &Server,
    asker: &Asker,
    body: Result<Bytes, BytesRejection>,
) -> Result<Job, Problem> {
    known(server, asker, "post").await?;
    let trainer = server.leader()?;
    let node_type = body::train(body)?;
    trainer.ask(node_type).await.map_err(|fault| match fault {
        AskFault::Busy => Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many trainings")
            .detail(fault.to_string()),
        AskFault::Unknown(name) => {
            body::refused(&[body::fault("nodeType", &Value::from(name), A_TYPE)])
        }
        AskFault::Store(fault) => store_failed(&fault),
    })
}

pub(super) async fn jobs(State(server): Shared) -> Response {
    let listed = server.store.call(jobs::list).await;
    let answer = listed
        .map(|jobs| {
            let jobs: Vec<Job> = jobs
                .into_iter()
                .map(|job| with_progress(&server, job))
                .collect();
            json!({ "jobs": jobs })
        })
        .map_err(|fault| store_failed(&fault));
    finish(&server, "jobs", answer)
}

pub(super) async fn job(State(server): Shared, path: Parameter) -> Response {
    let answer = match parameter(path) {
        Ok(id) => read_job(&server, id).await,
        Err(problem) => Err(problem),
    };
    finish(&server, "job", answer)
}

async fn read_job(server: &Server, id: String) -> Result<Value, Problem> {
    let missing = || unknown("id", &id, "a number that /v1/train or /v1/jobs gave");
    let number: u64 = id.parse().map_err(|_| missing())?;
    let found = server
        .store
        .call(move |transaction| jobs::get(transaction, number))
        .await
        .map_err(|fault| store_failed(&fault))?;
    found
        .map(|job| json!(with_progress(server, job)))
        .ok_or_else(missing)
}

fn with_progress(server: &Server, mut job: Job) -> Job {
    let running = server
        .leader()
        .ok()
        .and_then(|trainer: &Trainer| trainer.progress(job.id));
    if let Some(share) = running {
        job.progress = job.progress.max(share);
    }
    job
}
