//! Guesses at bearer tokens: few of them become questions to the API server,
//! by whichever face they come.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tanso_faces::mcp::{Gate, GateSettings, Server};
use tanso_faces::view::given::EmptyBooks;
use tanso_faces::view::{Reader, Reviewer};
use tanso_faces::web::Web;
use tanso_runtime::serve::Peer;
use tower::ServiceExt as _;

#[allow(
    dead_code,
    reason = "shared with other tests, which use all of it between them"
)]
#[path = "support/sample.rs"]
mod sample;

/// Turns of an address, at once and each second.
const BURST: u64 = 50;
const PER_SECOND: u64 = 5;
/// Guesses that are made, many times as many as there are turns.
const GUESSES: usize = 1_000;
const HERE: &str = "10.0.0.7:5000";

/// Both faces of a cluster.
struct Faces {
    mcp: Router,
    web: Router,
    /// Tokens that the API server was asked about.
    reviews: Arc<AtomicU64>,
}

/// An API server that knows `ada` and `grace` by these tokens, and lets them
/// see nothing.
fn faces() -> Faces {
    let reviews = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&reviews);
    let answer = move |request: Request<kube::client::Body>| {
        let count = Arc::clone(&count);
        async move {
            let path = request.uri().path().to_owned();
            let asked = request.into_body().collect().await.unwrap().to_bytes();
            let body = said(&path, &asked, &count).to_string().into_bytes();
            let answer = Response::builder().header(header::CONTENT_TYPE, "application/json");
            Ok::<_, Infallible>(answer.body(kube::client::Body::from(body)).unwrap())
        }
    };
    let client = kube::Client::new(tower::service_fn(answer), "default");
    let reviewer = Reviewer::new(client.clone(), Vec::new());
    let reader = Reader::new(client, "tanso-system", Arc::new(EmptyBooks));
    let settings = GateSettings::of_service("tanso-operator", "tanso-system", &[]);
    Faces {
        mcp: Server::router(reader.clone(), Gate::new(&settings, reviewer.clone())),
        web: Web::new(reader, reviewer, Arc::new(sample::Agents)).router(),
        reviews,
    }
}

fn said(path: &str, asked: &[u8], reviews: &AtomicU64) -> Value {
    let mut review: Value = serde_json::from_slice(asked).unwrap_or(Value::Null);
    match path.rsplit('/').next().unwrap() {
        "tokenreviews" => {
            reviews.fetch_add(1, Ordering::SeqCst);
            let token = review["spec"]["token"].as_str().unwrap();
            let is_known = ["ada", "grace"].contains(&token);
            let user = json!({"username": token});
            review["status"] = json!({"authenticated": is_known, "user": user});
            review
        }
        "subjectaccessreviews" => {
            review["status"] = json!({"allowed": false});
            review
        }
        _ => json!({"metadata": {}, "items": []}),
    }
}

impl Faces {
    async fn tools(&self, token: &str, from: &str) -> Response<Body> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        let request = Request::post("/mcp")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream");
        sent(&self.mcp, request, token, from, body.to_string()).await
    }

    async fn page(&self, token: &str, from: &str) -> Response<Body> {
        let request = Request::get("/policies?lang=en");
        sent(&self.web, request, token, from, String::new()).await
    }
}

async fn sent(
    router: &Router,
    request: axum::http::request::Builder,
    token: &str,
    from: &str,
    body: String,
) -> Response<Body> {
    let request = request
        .header(header::HOST, "localhost")
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    let mut request = request.body(Body::from(body)).unwrap();
    request.extensions_mut().insert(Peer {
        address: from.parse().unwrap(),
        certified: false,
    });
    router.clone().oneshot(request).await.unwrap()
}

/// Each guess was a question to the API server, and the page had no bound at
/// all.
#[tokio::test]
async fn guesses_from_one_address_become_few_questions_by_both_faces_together() {
    let faces = faces();
    assert_eq!(faces.tools("ada", HERE).await.status(), StatusCode::OK);
    let (begun, before) = (Instant::now(), faces.reviews.load(Ordering::SeqCst));
    let (mut asked, mut refused) = (0, 0);
    for guess in 0..GUESSES {
        let guess = format!("guess-{guess}");
        for answer in [
            faces.tools(&guess, HERE).await,
            faces.page(&format!("{guess}-of-a-page"), HERE).await,
        ] {
            match answer.status() {
                StatusCode::UNAUTHORIZED => asked += 1,
                StatusCode::TOO_MANY_REQUESTS => {
                    assert!(answer.headers().contains_key(header::RETRY_AFTER));
                    refused += 1;
                }
                other => panic!("{other}"),
            }
        }
    }
    let reviews = faces.reviews.load(Ordering::SeqCst) - before;
    assert_eq!(reviews, asked, "who is refused is not asked about");
    let most = BURST + PER_SECOND * (begun.elapsed().as_secs() + 1);
    assert!(reviews <= most, "{reviews} of at most {most}");
    assert!(refused > 0, "a machine this slow cannot tell");
    // Somebody who was known comes in beside them, and so does a newcomer from elsewhere.
    assert_eq!(faces.tools("ada", HERE).await.status(), StatusCode::OK);
    let elsewhere = faces.tools("grace", "10.0.0.8:5000").await;
    assert_eq!(elsewhere.status(), StatusCode::OK);
}

/// Behind an ingress all have one address: a client with an old token that
/// comes again and again would keep the others out.
#[tokio::test]
async fn one_wrong_token_asked_again_and_again_takes_no_turns_of_its_neighbours() {
    let faces = faces();
    let mut last = StatusCode::OK;
    for _ in 0..GUESSES {
        last = faces.page("old", HERE).await.status();
        if last == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        assert_eq!(last, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(faces.tools("grace", HERE).await.status(), StatusCode::OK);
}
