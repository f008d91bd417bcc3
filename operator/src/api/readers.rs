//! Who may read the ledger over HTTP.
//!
//! By default whoever reaches the port, as with agents in plain HTTP. Where
//! strangers are refused, two come in: a port-forward, which the API server
//! allowed, and the bearer of a token whom it lets list the reports of the
//! namespace that is asked about; of all namespaces for what names none.

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use tanso_faces::view::{Access, Ask, CallerFault, FactsFault, Reviewer, STRANGER};
use tanso_faces::web::is_port_forward;
use tanso_runtime::Problem;
use tanso_runtime::serve::Peer;

/// Most bytes of a token.
const TOKEN_MAX: usize = 16 * 1_024;

/// What is of the whole ledger, whatever the question names.
const OF_ALL: [&str; 3] = ["/v1/ledger/nodes", "/v1/ledger/total", "/v1/ledger/verify"];

/// What becomes of readers whom nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum AnonymousReaders {
    /// They read all namespaces.
    #[default]
    Allow,
    /// They read nothing.
    Refuse,
}

/// The routes of the ledger, behind a door where strangers are refused.
pub fn guarded(routes: Router, strangers: AnonymousReaders, reviewer: Reviewer) -> Router {
    match strangers {
        AnonymousReaders::Allow => routes,
        AnonymousReaders::Refuse => {
            routes.route_layer(middleware::from_fn_with_state(reviewer, admit))
        }
    }
}

async fn admit(State(reviewer): State<Reviewer>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match check(reviewer, &parts).await {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(refusal) => refusal.into_response(),
    }
}

#[derive(Deserialize)]
struct Asked {
    namespace: Option<String>,
}

async fn check(reviewer: Reviewer, parts: &Parts) -> Result<(), Problem> {
    let Some(token) = bearer(parts) else {
        return if is_port_forward(parts) {
            Ok(())
        } else {
            Err(unknown())
        };
    };
    let peer = parts.extensions.get::<Peer>();
    let from = peer.map(|peer| peer.address.ip());
    let caller = reviewer.caller(token, from).await;
    let caller = caller.map_err(|fault| match fault {
        CallerFault::TooMany { .. } => {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many unknown tokens")
        }
        CallerFault::Facts(fault) => unchecked(&fault),
    })?;
    let caller = caller.ok_or_else(unknown)?;
    let path = parts.uri.path();
    let resource = match path {
        "/v1/studies" => "energystudies",
        _ => "carbonreports",
    };
    // A question that cannot be read is refused by its route.
    let asked = Query::<Asked>::try_from_uri(&parts.uri).ok();
    let namespace = asked
        .and_then(|Query(asked)| asked.namespace)
        .filter(|name| !name.is_empty() && !OF_ALL.contains(&path));
    let access = Access::Reviewed { reviewer, caller };
    let may = access.may(&Ask::list(resource, namespace.as_deref())).await;
    if may.map_err(|fault| unchecked(&fault))? {
        return Ok(());
    }
    let place = namespace.map_or_else(
        || "all namespaces".to_owned(),
        |name| format!("namespace \"{name}\""),
    );
    Err(
        Problem::new(StatusCode::FORBIDDEN, "not yours to read").detail(format!(
            "it needs the right to list {resource} in {place}; name a namespace of yours"
        )),
    )
}

/// The bearer token of a request.
fn bearer(parts: &Parts) -> Option<&str> {
    let text = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    let token = token.trim();
    let is_token =
        scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= TOKEN_MAX;
    is_token.then_some(token)
}

fn unknown() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, STRANGER).detail(
        "bring a token that the API server knows, \"authorization: Bearer …\", or come by kubectl port-forward",
    )
}

fn unchecked(fault: &FactsFault) -> Problem {
    tracing::warn!(error = %fault, "a reader of the ledger could not be checked");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "the token cannot be checked now",
    )
}
