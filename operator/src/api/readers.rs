//! Who may read the ledger over HTTP.
//!
//! The bearer of a token whom the API server lets list the reports of the
//! namespace that is asked about, or of all namespaces for what names none; and
//! without a token whoever comes by a port-forward, which the API server allowed.
//! A token wins: its bearer sees no more for having come by a port-forward. All
//! others are refused, unless the installation lets anybody read.

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
    Allow,
    /// They read nothing.
    #[default]
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body;
    use axum::http::{Request, Response};
    use axum::routing::get;
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};
    use tower::ServiceExt as _;

    use super::*;

    const FORWARD: &str = "127.0.0.1:40000";
    const POD: &str = "10.0.0.9:40000";

    /// An API server whose tokens are their users' names. `auditor` may list all
    /// reports, `of-shop` those of its namespace; nobody knows `guess`.
    fn api_server() -> kube::Client {
        let answer = |request: Request<kube::client::Body>| async move {
            let is_token = request.uri().path().ends_with("tokenreviews");
            let asked = request.into_body().collect().await.unwrap().to_bytes();
            let mut review: Value = serde_json::from_slice(&asked).unwrap();
            let spec = &review["spec"];
            review["status"] = if is_token {
                json!({"authenticated": spec["token"] != "guess", "user": {"username": spec["token"]}})
            } else {
                let of = &spec["resourceAttributes"];
                let is_own = spec["user"] == "of-shop" && of["namespace"] == "shop";
                let may = spec["user"] == "auditor" || is_own;
                json!({"allowed": may && of["resource"] == "carbonreports" && of["verb"] == "list"})
            };
            let body = kube::client::Body::from(review.to_string().into_bytes());
            Ok::<_, Infallible>(Response::new(body))
        };
        kube::Client::new(tower::service_fn(answer), "default")
    }

    async fn status(
        door: AnonymousReaders,
        path: &str,
        token: Option<&str>,
        from: &str,
        host: &str,
    ) -> u16 {
        let routes = Router::new()
            .route("/v1/workloads", get(|| async { "rows" }))
            .route("/v1/ledger/total", get(|| async { "total" }));
        let guarded = guarded(routes, door, Reviewer::new(api_server(), Vec::new()));
        let mut request = Request::get(path).header(header::HOST, host);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer {
            address: from.parse().unwrap(),
            certified: false,
        });
        guarded.oneshot(request).await.unwrap().status().as_u16()
    }

    /// As an installation is that says nothing of it. Any pod of the cluster
    /// could read every namespace.
    #[tokio::test]
    async fn by_default_the_ledger_is_for_port_forwards_and_for_tokens_that_may() {
        let shop = "/v1/workloads?namespace=shop";
        let bank = "/v1/workloads?namespace=bank";
        for (path, token, from, expected) in [
            (shop, None, POD, 401),
            ("/v1/ledger/total", None, POD, 401),
            (shop, None, FORWARD, 200),
            ("/v1/ledger/total", None, FORWARD, 200),
            (shop, Some("of-shop"), POD, 200),
            (bank, Some("of-shop"), POD, 403),
            ("/v1/workloads", Some("of-shop"), POD, 403),
            ("/v1/ledger/total", Some("of-shop"), POD, 403),
            ("/v1/ledger/total?namespace=shop", Some("of-shop"), POD, 403),
            (bank, Some("auditor"), POD, 200),
            ("/v1/ledger/total", Some("auditor"), POD, 200),
            (shop, Some("guess"), POD, 401),
            // A token wins over the port-forward.
            (shop, Some("of-shop"), FORWARD, 200),
            (bank, Some("of-shop"), FORWARD, 403),
            (shop, Some("guess"), FORWARD, 401),
            // Whom a mesh's sidecar passes on.
            (shop, None, "127.0.0.6:40000", 401),
        ] {
            let door = AnonymousReaders::default();
            let found = status(door, path, token, from, "localhost:8080").await;
            assert_eq!(found, expected, "{path} {token:?} {from}");
        }
        let open = status(
            AnonymousReaders::Allow,
            shop,
            None,
            POD,
            "tanso-operator:8080",
        );
        assert_eq!(open.await, 200);
    }

    /// A page of another site could ask in the name of whoever has a port-forward.
    #[tokio::test]
    async fn a_port_forward_is_for_names_of_its_machine() {
        let path = "/v1/ledger/total";
        let door = AnonymousReaders::Refuse;
        let found = status(door, path, None, FORWARD, "evil.example").await;
        assert_eq!(found, 401);
        assert_eq!(status(door, path, None, FORWARD, "localhost").await, 200);
    }
}
