//! The web face of a cluster, as callers with different rights see it.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tanso_carbon::calendar::Period;
use tanso_faces::view::{
    Answer, Books, Energy, Facts as _, Policy, Reader, Reviewer, Scope, Services,
};
use tanso_faces::web::Web;
use tanso_runtime::serve::Peer;
use tower::ServiceExt as _;

#[allow(
    dead_code,
    reason = "shared with other tests, which use all of it between them"
)]
#[path = "support/sample.rs"]
mod sample;

/// The ledger of the sample, which counts how often it is read.
#[derive(Default)]
struct SampleBooks {
    readings: AtomicUsize,
}

impl Books for SampleBooks {
    fn energy<'a>(&'a self, scope: &'a Scope, period: Period) -> Answer<'a, Energy> {
        Box::pin(async move {
            self.readings.fetch_add(1, Ordering::SeqCst);
            // Whoever comes meanwhile has their turn.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            sample::facts().energy(scope, period).await
        })
    }

    fn services<'a>(&'a self, _: &'a Policy) -> Answer<'a, Services> {
        Box::pin(std::future::ready(Ok(Services::default())))
    }
}

/// An API server whose tokens are their users' names. `auditor` may list all;
/// `reader` policies alone.
fn api_server() -> kube::Client {
    let answer = |request: Request<kube::client::Body>| async move {
        let path = request.uri().path().to_owned();
        let asked = request.into_body().collect().await.unwrap().to_bytes();
        let body = said(&path, &asked);
        let answer = Response::builder().header(header::CONTENT_TYPE, "application/json");
        let body = kube::client::Body::from(body.to_string().into_bytes());
        Ok::<_, Infallible>(answer.body(body).unwrap())
    };
    kube::Client::new(tower::service_fn(answer), "default")
}

fn said(path: &str, asked: &[u8]) -> Value {
    let list = |items: Value| json!({"metadata": {}, "items": items});
    let mut review: Value = serde_json::from_slice(asked).unwrap_or(Value::Null);
    match path.rsplit('/').next().unwrap() {
        "tokenreviews" => {
            let user = json!({"username": review["spec"]["token"]});
            review["status"] = json!({"authenticated": true, "user": user});
            review
        }
        "subjectaccessreviews" => {
            let is_policies =
                review["spec"]["resourceAttributes"]["resource"] == "clustercarbonpolicies";
            let allowed = review["spec"]["user"] == "auditor" || is_policies;
            review["status"] = json!({"allowed": allowed});
            review
        }
        "clustercarbonpolicies" => {
            let policy: Value =
                serde_json::from_str(include_str!("../src/report/tests/policy.json")).unwrap();
            list(json!([policy]))
        }
        _ => list(json!([])),
    }
}

async fn first_page(router: &Router, token: Option<&str>) -> (StatusCode, String) {
    let mut request = Request::get("/?lang=en").header(header::HOST, "tanso.example");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(Peer {
        address: "10.0.0.7:5000".parse().unwrap(),
        certified: false,
    });
    let answer = router.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

fn router() -> Router {
    of_books(Arc::default())
}

fn of_books(books: Arc<SampleBooks>) -> Router {
    let client = api_server();
    let reader = Reader::new(client.clone(), "energy", books);
    let clock = || sample::NOW.parse().unwrap();
    let reader = reader.with_clock(Arc::new(clock));
    let reviewer = Reviewer::new(client, Vec::new());
    Web::new(reader, reviewer, Arc::new(sample::Agents)).router()
}

/// Hours are kept once for all callers: whoever could not read them got them
/// as soon as somebody else had looked.
#[tokio::test]
async fn hours_that_another_caller_may_read_are_not_shown_to_one_who_may_not() {
    let router = router();
    let refused =
        "energy by the hour cannot be read here: it needs the right to list carbonreports";
    let drawn = "The same as a table";
    for (token, may) in [("reader", false), ("auditor", true), ("reader", false)] {
        let (status, text) = first_page(&router, Some(token)).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        assert!(text.contains("ClusterCarbonPolicy everything"), "{text}");
        assert_eq!(text.contains(drawn), may, "{token}: {text}");
        assert_eq!(text.contains(refused), !may, "{token}: {text}");
    }
}

/// Whoever came while the hours were read ahead had them read once more.
#[tokio::test]
async fn hours_that_are_being_read_are_waited_for_and_not_read_again() {
    let books = Arc::new(SampleBooks::default());
    let router = of_books(Arc::clone(&books));
    let (one, other) = tokio::join!(
        first_page(&router, Some("auditor")),
        first_page(&router, Some("auditor"))
    );
    for (status, text) in [one, other] {
        assert_eq!(status, StatusCode::OK, "{text}");
        assert!(text.contains("The same as a table"), "{text}");
    }
    assert_eq!(books.readings.load(Ordering::SeqCst), 1);
}

/// The command named `tanso-system`, wherever the operator was.
#[tokio::test]
async fn who_has_no_token_is_told_of_the_operators_own_namespace() {
    let (status, text) = first_page(&router(), None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(text.contains("kubectl -n energy port-forward"), "{text}");
}
