//! Models: picked for a machine, evaluated, listed, fetched by digest.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tanso_power::model::{ModelDocument, Part, power_on};
use tanso_power::sample::Measured;
use tanso_power::{Estimate, Utilisation, Watts};
use tanso_runtime::Problem;

use super::made::Made;
use super::{
    JSON, Parameter, Server, Shared, body, finish, parameter, refuse, store_failed, unknown,
};
use crate::features::Machine;
use crate::reading::Reading;
use crate::select::{Component, SelectFault, Selection};
use crate::store::StoreFault;
use crate::store::documents::{self, Kept};
use crate::tiers::LEVEL;
use crate::train::{at_level, now_s};

/// A model for a machine.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) digest: String,
    pub(super) document: ModelDocument,
    pub(super) tier: &'static str,
    /// Parts of the power that can be told apart.
    pub(super) components: Vec<Component>,
    /// Whether the machine's accelerators are not in the figures.
    pub(super) accelerators_left_out: bool,
}

/// The tier of models learned from the cluster's own nodes.
const LEARNED: &str = "learned";

/// Models in a list.
const LISTED_MAX: u32 = 1_000;

impl Server {
    /// The learned model of the machine's type in one of the senses `wanted`,
    /// or else the one from the bundled tables: of what RAPL would read if that
    /// alone is wanted, of the plug if not.
    pub(super) fn answer(
        &self,
        machine: &Machine,
        wanted: &[Measured],
        level: f64,
    ) -> Result<Arc<Answer>, Problem> {
        if let Some(served) = self.in_service.find(&machine.features, wanted) {
            if (served.document.error.level - level).abs() < 1e-9 {
                return Ok(Arc::new(Answer {
                    digest: served.digest.clone(),
                    document: served.document.clone(),
                    tier: LEARNED,
                    components: Vec::new(),
                    accelerators_left_out: false,
                }));
            }
            let document =
                at_level(&served.document, level).map_err(|fault| internal(&fault.to_string()))?;
            let digest = document
                .digest()
                .map_err(|fault| internal(&fault.to_string()))?;
            return self.given_out(Arc::new(Answer {
                digest,
                document,
                tier: LEARNED,
                components: Vec::new(),
                accelerators_left_out: false,
            }));
        }
        let rapl = wanted == [Measured::Rapl];
        let question = Made::question(machine, rapl, level);
        if let Some(answer) = self.made.get(&question) {
            return self.given_out(answer);
        }
        let answer = if rapl {
            self.bundled(self.selector.select_rapl(machine, level))?
        } else {
            self.corrected(machine, level, &[])?
        };
        self.made.keep(question, &answer);
        Ok(answer)
    }

    /// The model from the bundled tables, corrected by what was read at the
    /// machine itself: nearer to it than what others of its type taught.
    fn corrected(
        &self,
        machine: &Machine,
        level: f64,
        readings: &[Reading],
    ) -> Result<Arc<Answer>, Problem> {
        self.bundled(self.selector.select_with(machine, level, readings))
    }

    fn bundled(&self, selection: Result<Selection, SelectFault>) -> Result<Arc<Answer>, Problem> {
        let selection = selection.map_err(|fault| match fault {
            SelectFault::Reading(fault) => body::implausible(&fault),
            fault => internal(&fault.to_string()),
        })?;
        self.given_out(Arc::new(Answer {
            tier: selection.tier.name(),
            digest: selection.digest,
            document: selection.document,
            components: selection.components,
            accelerators_left_out: selection.accelerators_left_out,
        }))
    }

    /// Keeps a document so that it can be asked for by digest, also of a later
    /// process if there is room in the queue.
    fn given_out(&self, answer: Arc<Answer>) -> Result<Arc<Answer>, Problem> {
        if self.given.has(&answer.digest) {
            return Ok(answer);
        }
        let body = answer
            .document
            .to_json()
            .map_err(|fault| internal(&SelectFault::Document(fault).to_string()))?;
        self.given.keep(&answer.digest, Arc::from(body.as_slice()));
        let kept = Kept {
            digest: answer.digest.clone(),
            name: answer.document.name.clone(),
            tier: answer.tier.to_owned(),
            body,
        };
        if !self
            .store
            .later(move |transaction| documents::keep(transaction, &kept, now_s()))
        {
            self.metrics.not_kept();
        }
        Ok(answer)
    }
}

impl Server {
    /// The canonical bytes of a model that was given out; `None` if there is
    /// none of that digest.
    async fn body_of(&self, digest: &str) -> Result<Option<Vec<u8>>, StoreFault> {
        let in_memory = self
            .in_service
            .by_digest(digest)
            .map(|served| Arc::clone(&served.body))
            .or_else(|| self.given.get(digest));
        if let Some(body) = in_memory {
            return Ok(Some(body.to_vec()));
        }
        let wanted = digest.to_owned();
        self.store
            .call(move |transaction| documents::get(transaction, &wanted))
            .await
    }

    /// In which sense a model that was given out is; `None` if it is not known
    /// any more.
    async fn sense_of(&self, digest: &str) -> Option<&'static [Measured]> {
        let body = self.body_of(digest).await.ok()??;
        let document = ModelDocument::parse(&body).ok()?;
        Some(match document.domain.measured() {
            Measured::Wall => &[Measured::Wall],
            Measured::Rapl => &[Measured::Rapl],
        })
    }
}

pub(super) async fn select(State(server): Shared, body: Result<Bytes, BytesRejection>) -> Response {
    let answer = body::select(body).and_then(|question| selected(&server, &question));
    finish(&server, "select", answer.map(|answer| shown(&answer)))
}

/// As [`select`], and nothing but 304 while the model is the one that the asker
/// has: so that agents may ask often.
pub(super) async fn select_unless(
    State(server): Shared,
    query: Result<Query<body::SelectQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let names = headers.get_all(header::IF_NONE_MATCH).iter();
    let has: Vec<&str> = names
        .filter_map(|names| names.to_str().ok())
        .flat_map(|names| names.split(','))
        .map(|name| name.trim().trim_start_matches("W/"))
        .collect();
    let mut question = match body::select_query(query) {
        Ok(question) => question,
        Err(problem) => return refuse(&server, "select", problem),
    };
    if question.measured.is_none()
        && let Some(digest) = has.first().map(|name| name.trim_matches('"'))
    {
        // Who has a model and names no sense means the one that it has.
        question.measured = server.sense_of(digest).await;
    }
    let answer = match selected(&server, &question) {
        Ok(answer) => answer,
        Err(problem) => return refuse(&server, "select", problem),
    };
    let etag = format!("\"{}\"", answer.digest);
    let has = has.contains(&etag.as_str());
    // Which model it is may change at any time.
    let head = [
        (header::ETAG, etag),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    if has {
        (StatusCode::NOT_MODIFIED, head).into_response()
    } else {
        (head, axum::Json(shown(&answer))).into_response()
    }
}

fn selected(server: &Server, question: &body::Select) -> Result<Arc<Answer>, Problem> {
    let begun = Instant::now();
    // Nodes are compared with nodes that measure: what those measure.
    let wanted = question.measured.unwrap_or(&Measured::ALL);
    let answer = server.answer(&question.machine, wanted, LEVEL)?;
    server.metrics.answered("select", answer.tier, begun);
    Ok(answer)
}

fn shown(answer: &Answer) -> Value {
    json!({ "digest": answer.digest, "document": answer.document })
}

pub(super) async fn predict(
    State(server): Shared,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let begun = Instant::now();
    let answer = body::predict(body).and_then(|question| {
        let wanted = question.measured.unwrap_or(&[Measured::Wall]);
        let level = question.level.unwrap_or(LEVEL);
        let answer = if question.readings.is_empty() {
            server.answer(&question.machine, wanted, level)?
        } else {
            server.corrected(&question.machine, level, &question.readings)?
        };
        let prediction = prediction(&answer, &question);
        server.metrics.answered("predict", answer.tier, begun);
        Ok(prediction)
    });
    finish(&server, "predict", answer)
}

fn prediction(answer: &Answer, question: &body::Predict) -> Value {
    let document = &answer.document;
    let (mut watts, mut lo, mut hi) = (Vec::new(), Vec::new(), Vec::new());
    let none = Utilisation::IDLE;
    let refined = document
        .refined
        .as_ref()
        .filter(|refined| refined.factor(&question.activity).is_some());
    let error = refined.map_or(&document.error, |refined| &refined.error);
    for utilisation in &question.utilisation {
        let power = document.power_given(Part::WHOLE, *utilisation, none, &question.activity);
        watts.push(power.value.as_watts_f64());
        lo.push(power.low.as_watts_f64());
        hi.push(power.high.as_watts_f64());
    }
    let mut boundary = document.boundary().to_owned();
    if answer.accelerators_left_out {
        boundary.push_str("; this machine's accelerators not included");
    }
    let mut answer = json!({
        "watts": watts, "lo": lo, "hi": hi, "level": document.error.level, "model": answer.digest,
        "domain": document.domain, "boundary": boundary, "tier": answer.tier,
        "mapePercent": error.mape_percent, "explanation": document.explanation,
        "components": components(&answer.components, &question.utilisation),
    });
    if answer["components"].as_object().is_some_and(Map::is_empty)
        && let Some(answer) = answer.as_object_mut()
    {
        answer.remove("components");
    }
    answer
}

/// Watts with bounds of each component.
fn components(components: &[Component], utilisation: &[Utilisation]) -> Map<String, Value> {
    let of = |component: &Component| {
        let at = |pick: fn(Estimate<Watts>) -> Watts| -> Vec<f64> {
            let powers = utilisation
                .iter()
                .map(|load| power_on(&component.curve, *load));
            powers.map(|power| pick(power).as_watts_f64()).collect()
        };
        let figures = json!({
            "watts": at(|power| power.value), "lo": at(|power| power.low), "hi": at(|power| power.high),
        });
        (component.name.to_owned(), figures)
    };
    components.iter().map(of).collect()
}

pub(super) async fn models(State(server): Shared) -> Response {
    let listed = server
        .store
        .call(|transaction| documents::list(transaction, LISTED_MAX))
        .await;
    finish(
        &server,
        "models",
        listed
            .map(|models| json!({ "models": models }))
            .map_err(|fault| store_failed(&fault)),
    )
}

pub(super) async fn model(State(server): Shared, path: Parameter) -> Response {
    let digest = match parameter(path) {
        Ok(digest) => digest,
        Err(problem) => return refuse(&server, "model", problem),
    };
    let body = server.body_of(&digest).await;
    match body.map_err(|fault| store_failed(&fault)) {
        // Canonical bytes, so that who fetches it can check the digest; they
        // never change.
        Ok(Some(bytes)) => (
            [
                JSON,
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ],
            bytes,
        )
            .into_response(),
        Ok(None) => refuse(
            &server,
            "model",
            unknown(
                "digest",
                &digest,
                "a digest that /v1/select or /v1/models gave",
            ),
        ),
        Err(problem) => refuse(&server, "model", problem),
    }
}

fn internal(reason: &str) -> Problem {
    tracing::error!(error = reason, "no model for a machine");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "no model").detail(reason)
}
