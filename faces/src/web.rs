//! The web page: what the policies found, as HTML made on the server.
//!
//! Reads only, as the caller may: who shows a bearer token sees what the API
//! server lets its owner see; who comes by the loopback (a port-forward) sees
//! what the operator sees. Loads nothing from elsewhere; one small script of
//! its own keeps the choice of light or dark, and nothing needs it.

mod advice;
mod cache;
mod guard;
mod layout;
mod nodes;
mod overview;
mod place;
mod policies;
mod regions;
mod study;
mod warmth;
mod workload;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use maud::Markup;
use tanso_power::Provenance;

use crate::answer::AnswerFault;
use crate::report::chart;
use crate::view::{self, CallerFault, Facts, FactsFault, Reader, Reviewer};

use cache::Cache;
pub use guard::{Doors, is_port_forward};
use layout::Frame;

/// What only the operator's process knows beside the facts of the cluster.
pub trait Live: Send + Sync {
    /// The agents of all nodes as they are now.
    fn nodes(&self) -> Vec<LiveNode>;
    /// Studies that were put into the operator's namespace.
    fn studies(&self) -> BoxFuture<'_, Result<Vec<StudyFiles>, FactsFault>>;
}

/// What is known of one node's agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveNode {
    /// The node.
    pub node: String,
    /// The `PowerMonitor` whose agent runs there.
    pub monitor: String,
    /// The agent's pod.
    pub pod: String,
    /// Where its newest figures come from; `None` while it has sent none.
    pub provenance: Option<Provenance>,
    /// Mean power over its last closed minute, milliwatts.
    pub power_mw: Option<i64>,
    /// Names of the meters that its figures are read from.
    pub active_meters: Vec<String>,
    /// Names of meters that are there and cannot be read.
    pub failed_meters: Vec<String>,
    /// When it was last read.
    pub last_success: Option<Timestamp>,
    /// Why it could not be read last time.
    pub error: Option<String>,
}

/// A study: its plan and its raw figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StudyFiles {
    /// Its name.
    pub name: String,
    /// The plan; a study may have none.
    pub plan: Option<String>,
    /// The raw figures, CSV.
    pub trials: String,
}

/// What the pages are made with; clones share it.
#[derive(Clone)]
pub struct Web {
    doors: Doors,
    live: Arc<dyn Live>,
    cache: Cache,
}

impl Web {
    /// Pages of a cluster that `reader` reads; tokens are checked by
    /// `reviewer`.
    #[must_use]
    pub fn new(reader: Reader, reviewer: Reviewer, live: Arc<dyn Live>) -> Self {
        Self::behind(Doors::of_cluster(reader, reviewer), live)
    }

    /// Pages of facts that anybody may see who comes by the loopback: for
    /// tests and benchmarks.
    #[must_use]
    pub fn given(facts: Arc<dyn Facts>, live: Arc<dyn Live>) -> Self {
        Self::behind(Doors::of_given(facts), live)
    }

    fn behind(doors: Doors, live: Arc<dyn Live>) -> Self {
        Self {
            doors,
            live,
            cache: Cache::default(),
        }
    }

    /// Reads what the first page and lists of workloads show before anybody asks
    /// for it, and again when a policy changed, so that nobody waits for a new
    /// evaluation to be read. Where nothing changes nothing is read. Never ends.
    ///
    /// `cold` is let go when the first reading has ended, well or not, and at
    /// the latest after ten seconds: whoever waits for that never waits for a
    /// cluster or a ledger that does not answer.
    pub async fn keep_warm(self, cold: impl Send) {
        let mut is_read = {
            let first = self.read_ahead();
            tokio::pin!(first);
            let in_time = tokio::time::timeout(warmth::COLD_MAX, &mut first).await;
            drop(cold);
            match in_time {
                Ok(is_read) => is_read,
                Err(_) => first.await,
            }
        };
        let mut changes = self.doors.own().changes();
        let (mut rest, mut failed) = (warmth::PAUSE, 0);
        loop {
            tokio::time::sleep(rest).await;
            // What could not be read is tried again, changed or not.
            if is_read {
                changes.next().await;
                while changes.next().now_or_never().flatten().is_some() {}
                // A list of policies that was read before the change is let go.
                tokio::time::sleep(view::KEPT).await;
            }
            let begun = Instant::now();
            is_read = self.read_ahead().await;
            failed = if is_read { 0 } else { failed + 1 };
            rest = warmth::rest(begun.elapsed(), failed);
        }
    }

    /// Whether all was read.
    async fn read_ahead(&self) -> bool {
        let facts = self.doors.own();
        // Nothing of a reading is left behind. It would have been the last one.
        let warmed = AssertUnwindSafe(warmth::warm(self, &*facts));
        match warmed.catch_unwind().await {
            Ok(Ok(())) => return true,
            Ok(Err(fault)) => tracing::debug!(%fault, "the first page is not read ahead"),
            Err(_) => tracing::warn!("reading the first page ahead panicked; it is tried again"),
        }
        false
    }

    /// The routes.
    pub fn router(self) -> Router {
        let pages = Router::new()
            .route("/", get(overview::page))
            .route("/policies", get(policies::list))
            .route("/policies/{namespace}/{name}", get(policies::one))
            .route("/cluster-policies/{name}", get(policies::wide))
            .route("/workloads/{namespace}/{kind}/{name}", get(workload::page))
            .route("/nodes", get(nodes::page))
            .route("/regions", get(regions::page))
            .route("/study", get(study::page))
            .route("/study/{name}", get(study::picture));
        let assets = Router::new().route("/assets/{name}", get(asset));
        pages
            .merge(assets)
            .layer(middleware::from_fn(sealed))
            .with_state(self)
    }
}

const STYLE: &str = include_str!("web/style.css");
const SCRIPT: &str = include_str!("web/script.js");
const ICON: &str = include_str!("web/icon.svg");

/// Style and script: the same for everybody.
async fn asset(State(_): State<Web>, Path(name): Path<String>) -> Response {
    let (kind, text) = match name.as_str() {
        "style.css" => (
            "text/css; charset=utf-8",
            format!("{STYLE}{}", chart::STYLE),
        ),
        "script.js" => ("text/javascript; charset=utf-8", SCRIPT.to_owned()),
        "icon.svg" => ("image/svg+xml", ICON.to_owned()),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "max-age=3600"),
    ];
    (headers, text).into_response()
}

/// What a browser may do with any answer: next to nothing.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Puts the bounds on every answer.
async fn sealed(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PageFault {
    /// It is not there, or not visible.
    #[error("{0} was not found, or you may not see it")]
    NotFound(String),
    /// The caller said nothing of themselves.
    #[error(
        "a bearer token is needed here, or a port-forward: kubectl -n {0} port-forward service/tanso-operator 8080"
    )]
    NoToken(String),
    /// The API server does not know the token.
    #[error("the API server does not know this bearer token; log in again")]
    Unknown,
    /// Too many tokens that nobody was known by came from that address.
    #[error("too many unknown bearer tokens come from this address; try again later")]
    TooMany(Duration),
    /// The request came for another host.
    #[error("this address answers for localhost only; open http://localhost:PORT/")]
    Host,
    /// The facts could not be read.
    #[error(transparent)]
    Facts(#[from] FactsFault),
}

impl From<CallerFault> for PageFault {
    fn from(fault: CallerFault) -> Self {
        match fault {
            CallerFault::TooMany { wait } => Self::TooMany(wait),
            CallerFault::Facts(fault) => Self::Facts(fault),
        }
    }
}

impl From<AnswerFault> for PageFault {
    fn from(fault: AnswerFault) -> Self {
        match fault {
            AnswerFault::Facts(fault) => Self::Facts(fault),
            other => Self::NotFound(other.to_string()),
        }
    }
}

impl PageFault {
    const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::NoToken(_) | Self::Unknown => StatusCode::UNAUTHORIZED,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Facts(fault) if fault.is_forbidden() => StatusCode::FORBIDDEN,
            Self::Facts(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A page, or why there is none, as an answer.
pub(crate) fn answer(frame: &Frame, result: Result<Markup, PageFault>) -> Response {
    match result {
        Ok(page) => page_of(StatusCode::OK, page),
        Err(fault) => {
            let page = layout::fault(frame, &fault.to_string());
            let mut response = page_of(fault.status(), page);
            if fault.status() == StatusCode::UNAUTHORIZED {
                let challenge = HeaderValue::from_static("Bearer");
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, challenge);
            }
            if let PageFault::TooMany(wait) = fault {
                let seconds = HeaderValue::from(wait.as_secs().saturating_add(1));
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
            response
        }
    }
}

fn page_of(status: StatusCode, page: Markup) -> Response {
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    (status, headers, page.into_string()).into_response()
}
