//! The protocol's own manners: who asks to be told how far a call is, is told;
//! a call that its caller gives up ends; who asks too often is told when to
//! come again.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use serde_json::{Value, json};
use tanso_carbon::RuleSet;
use tanso_carbon::calendar::Period;
use tanso_crds::carbon_policy::status::WorkloadResult;
use tanso_crds::{CarbonReport, ClusterCarbonPolicy, EnergyStudy, PowerMonitor};
use tanso_faces::mcp::{Gate, GateSettings, Server};
use tanso_faces::view::given::Given;
use tanso_faces::view::{
    Access, Answer, Books, Energy, Facts, FactsFault, Nowhere, Policy, Reader, Reviewer, Schedule,
    Scope, Services, Site, WorkloadKey,
};
use tokio::sync::Notify;
use tower::ServiceExt as _;

#[allow(
    dead_code,
    reason = "shared with other tests, which use all of it between them"
)]
#[path = "support/client.rs"]
mod client;

use client::{Client, LIMIT};

/// Given facts whose namespace `slow` is read for ever; that of `broken` fails as
/// only a fault of the program can.
struct Slow {
    given: Given,
    begun: Arc<Notify>,
    is_given_up: Arc<AtomicBool>,
    ended: Arc<Notify>,
}

/// Notes that whoever held it was dropped.
struct Held<'a>(&'a Slow);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.is_given_up.store(true, Ordering::SeqCst);
        self.0.ended.notify_one();
    }
}

impl Facts for Slow {
    fn now(&self) -> Timestamp {
        self.given.now()
    }

    fn rules(&self) -> Answer<'_, Arc<RuleSet>> {
        self.given.rules()
    }

    fn policies<'a>(&'a self, scope: &'a Scope) -> Answer<'a, Vec<Policy>> {
        assert_ne!(*scope, Scope::Namespace("broken".to_owned()));
        if *scope != Scope::Namespace("slow".to_owned()) {
            return self.given.policies(scope);
        }
        Box::pin(async move {
            let _held = Held(self);
            self.begun.notify_one();
            std::future::pending().await
        })
    }

    fn workloads<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Arc<Vec<WorkloadResult>>> {
        self.given.workloads(policy)
    }

    fn reports<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Arc<Vec<CarbonReport>>> {
        self.given.reports(policy)
    }

    fn monitors(&self) -> Answer<'_, Vec<PowerMonitor>> {
        self.given.monitors()
    }

    fn nodes(&self) -> Answer<'_, Vec<Node>> {
        self.given.nodes()
    }

    fn energy<'a>(&'a self, scope: &'a Scope, period: Period) -> Answer<'a, Energy> {
        self.given.energy(scope, period)
    }

    fn energy_of<'a>(&'a self, workload: &'a WorkloadKey, period: Period) -> Answer<'a, Energy> {
        self.given.energy_of(workload, period)
    }

    fn site<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Site> {
        self.given.site(policy)
    }

    fn studies(&self) -> Answer<'_, Vec<EnergyStudy>> {
        self.given.studies()
    }

    fn schedule<'a>(&'a self, namespace: &'a str, name: &'a str) -> Answer<'a, Option<Schedule>> {
        self.given.schedule(namespace, name)
    }
}

#[tokio::test]
async fn who_asks_to_be_told_is_told_how_far_a_call_is_and_others_are_not() {
    let mut client = Client::of(Arc::new(Given::default())).await;
    client
        .call(1, json!({}), json!({"progressToken": "far"}))
        .await;
    let steps: Vec<f64> = client.steps(1).await.iter().map(|step| step.0).collect();
    assert_eq!(steps, [1.0, 100.0], "each step once, and it only grows");
    client.call(2, json!({}), Value::Null).await;
    let heard = client.hear().await;
    assert_eq!(heard["id"], 2, "nobody asked to be told: {heard}");
}

/// Every call was told `1 of 2`, then `2 of 2`, however long it took.
#[tokio::test]
async fn a_long_call_tells_each_policy_and_each_region() {
    let text = include_str!("../src/report/tests/policy.json");
    let policy: ClusterCarbonPolicy = serde_json::from_str(text).unwrap();
    let policies = (0..4).map(|index| Policy {
        name: format!("policy-{index}"),
        uid: format!("u{index}"),
        ..Policy::from(policy.clone())
    });
    let given = Given {
        now: "2026-10-05T09:31:00Z".parse().unwrap(),
        policies: policies.collect(),
        ..Given::default()
    };
    let mut client = Client::of(Arc::new(given)).await;
    let far = || json!({"progressToken": "far"});
    let told = |steps: &[(f64, &str)]| {
        let steps = steps.iter();
        let steps = steps.map(|(percent, what)| (*percent, (*what).to_owned()));
        steps.collect::<Vec<_>>()
    };
    let (begun, ended) = ((1.0, "reading what you may see"), (100.0, "answered"));
    client.call(1, json!({}), far()).await;
    let expected = [
        begun,
        (27.0, "policy 1 of 4"),
        (50.0, "policy 2 of 4"),
        (72.0, "policy 3 of 4"),
        (95.0, "policy 4 of 4"),
        ended,
    ];
    assert_eq!(client.steps(1).await, told(&expected));

    let regions =
        json!({"energyKwh": 1.0, "regions": ["us-east-1", "eu-north-1", "ap-northeast-2"]});
    let params = json!({"name": "get_regional_comparison", "arguments": regions, "_meta": far()});
    client
        .say(json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}))
        .await;
    let expected = [
        begun,
        (65.0, "region 1 of 3"),
        (80.0, "region 2 of 3"),
        (95.0, "region 3 of 3"),
        ended,
    ];
    assert_eq!(client.steps(2).await, told(&expected));
}

#[tokio::test]
async fn a_call_that_its_caller_gives_up_ends_and_the_next_one_is_answered() {
    let slow = Arc::new(Slow {
        given: Given::default(),
        begun: Arc::default(),
        is_given_up: Arc::default(),
        ended: Arc::default(),
    });
    let mut client = Client::of(Arc::clone(&slow) as Arc<dyn Facts>).await;
    let far = json!({"progressToken": "far"});
    client.call(1, json!({"namespace": "slow"}), far).await;
    tokio::time::timeout(LIMIT, slow.begun.notified())
        .await
        .unwrap();
    assert!(!slow.is_given_up.load(Ordering::SeqCst));
    client
        .say(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1, "reason": "the person left"}}))
        .await;
    tokio::time::timeout(LIMIT, slow.ended.notified())
        .await
        .expect("what was read for the call is read no longer");
    client.call(2, json!({}), Value::Null).await;
    loop {
        let heard = client.hear().await;
        if heard["id"] == 2 {
            assert_eq!(heard["result"]["isError"], false, "{heard}");
            break;
        }
        // It was told as answered, in full.
        assert_ne!(heard["params"]["progress"].as_f64(), Some(100.0), "{heard}");
        // A late answer to the first would have to be a fault.
        assert_ne!(heard["result"]["isError"], false, "{heard}");
    }
}

/// A tool that ended in a panic left its caller waiting for ever.
#[tokio::test]
async fn a_call_that_fails_as_none_should_is_answered_too() {
    let facts = Slow {
        given: Given::default(),
        begun: Arc::default(),
        is_given_up: Arc::default(),
        ended: Arc::default(),
    };
    let mut client = Client::of(Arc::new(facts)).await;
    let far = json!({"progressToken": "far"});
    client.call(1, json!({"namespace": "broken"}), far).await;
    assert_eq!(
        client.hear().await["params"]["progress"].as_f64(),
        Some(1.0)
    );
    let heard = client.hear().await;
    assert_eq!(heard["params"]["message"], "failed", "{heard}");
    let heard = client.hear().await;
    assert_eq!(heard["id"], 1, "{heard}");
    assert_eq!(heard["result"]["isError"], true, "{heard}");
    let code = &heard["result"]["_meta"]["tanso.dev/error"];
    assert_eq!(code["code"], "Broken", "{heard}");
    assert_eq!(code["retryable"], false, "{heard}");
}

/// No ledger and no services.
struct NoBooks;

impl Books for NoBooks {
    fn energy<'a>(&'a self, _: &'a Scope, _: Period) -> Answer<'a, Energy> {
        Box::pin(std::future::ready(Err(FactsFault::Absent {
            what: "energy by the hour",
            reason: "none is given".to_owned(),
        })))
    }

    fn services<'a>(&'a self, _: &'a Policy) -> Answer<'a, Services> {
        Box::pin(std::future::ready(Ok(Services::default())))
    }
}

/// An API server that knows every token but `nobody`, by the token's own name:
/// its answers as a real one gives them.
fn api_server() -> kube::Client {
    let answer = |request: Request<kube::client::Body>| async move {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(path, "/apis/authentication.k8s.io/v1/tokenreviews");
        let mut review: Value = serde_json::from_slice(&body).unwrap();
        let token = review["spec"]["token"].as_str().unwrap().to_owned();
        review["status"] = if token == "nobody" {
            json!({"authenticated": false, "user": {}})
        } else {
            json!({"authenticated": true, "user": {"username": token, "groups": ["system:authenticated"]}})
        };
        let body = kube::client::Body::from(review.to_string().into_bytes());
        let answer = Response::builder().status(StatusCode::CREATED);
        let answer = answer.header(header::CONTENT_TYPE, "application/json");
        Ok::<_, std::convert::Infallible>(answer.body(body).unwrap())
    };
    kube::Client::new(tower::service_fn(answer), "default")
}

/// The cluster that the kubeconfig names is off: nothing answers.
fn off() -> Arc<dyn Facts> {
    let answer = |_: Request<kube::client::Body>| async move {
        Err::<Response<kube::client::Body>, _>(std::io::Error::other("connection refused"))
    };
    let client = kube::Client::new(tower::service_fn(answer), "default");
    let reader = Reader::new(client, "tanso-system", Arc::new(NoBooks));
    Arc::new(reader.seen_by(Access::Own))
}

/// A cluster that did not answer took the rules with it, though they come with
/// the program.
#[tokio::test]
async fn without_a_cluster_regulations_are_listed_and_read_and_tools_say_what_is_missing() {
    let why = "no cluster to ask: there is no kubeconfig";
    let nowhere: Arc<dyn Facts> = Arc::new(Nowhere::new(why));
    for (facts, said, retryable) in [(nowhere, why, false), (off(), "connection refused", true)] {
        let mut client = Client::of(facts).await;
        let ask = json!({"jsonrpc": "2.0", "id": 1, "method": "resources/list"});
        client.say(ask).await;
        let heard = client.hear().await;
        let listed = heard["result"]["resources"].as_array().unwrap();
        let of = |uri: &str| listed.iter().find(|one| one["uri"] == uri).unwrap();
        let policies = of("tanso://policies")["description"].as_str().unwrap();
        assert!(policies.contains(said), "{policies}");
        let rule = "tanso://regulations/kr-carbon-2050";
        assert_eq!(of(rule)["name"], "kr-carbon-2050");

        let read = |id: u32, uri: &str| json!({"jsonrpc": "2.0", "id": id, "method": "resources/read", "params": {"uri": uri}});
        client.say(read(2, rule)).await;
        let heard = client.hear().await;
        let text = heard["result"]["contents"][0]["text"].as_str().unwrap();
        let preset: Value = serde_json::from_str(text).unwrap();
        assert_eq!(preset["id"], "kr-carbon-2050");
        client.say(read(3, "tanso://regulations")).await;
        let heard = client.hear().await;
        let text = heard["result"]["contents"][0]["text"].as_str().unwrap();
        assert!(text.contains(rule), "{text}");
        client.say(read(4, "tanso://policies")).await;
        let heard = client.hear().await;
        assert_eq!(heard["error"]["data"]["code"], "Unavailable", "{heard}");

        client.call(5, json!({}), Value::Null).await;
        let heard = client.hear().await;
        assert_eq!(heard["result"]["isError"], true, "{heard}");
        let fault = &heard["result"]["_meta"]["tanso.dev/error"];
        let expected = json!({"code": "Unavailable", "retryable": retryable});
        assert_eq!(*fault, expected, "{heard}");
        let words = heard["result"]["content"][0]["text"].as_str().unwrap();
        assert!(words.contains(said), "{words}");
    }
}

/// A server that lets so many in at once, and one a second after them.
fn rare(burst: u32) -> Router {
    let client = api_server();
    let settings = GateSettings {
        per_second: 1,
        burst,
        ..GateSettings::of_service("tanso-operator", "tanso-system", &[])
    };
    let gate = Gate::new(&settings, Reviewer::new(client.clone(), Vec::new()));
    Server::router(Reader::new(client, "tanso-system", Arc::new(NoBooks)), gate)
}

async fn post(router: &Router, token: &str, body: &Value) -> Response<Body> {
    let request = Request::post("/mcp")
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, text/event-stream")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::from(body.to_string()))
        .unwrap();
    router.clone().oneshot(request).await.unwrap()
}

async fn ask(router: &Router, token: &str) -> (StatusCode, Option<u64>, Value) {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let answer = post(router, token, &body).await;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let wait = headers.get(header::RETRY_AFTER);
    let wait = wait.map(|value| value.to_str().unwrap().parse().unwrap());
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    (status, wait, body)
}

/// A call of a tool that needs nothing of the cluster.
fn of_a_job(meta: &Value) -> Value {
    let job =
        json!({"durationMinutes": 60, "powerWatts": 900.0, "zone": "KR", "timeZone": "Asia/Seoul"});
    let params = json!({"name": "calculate_optimal_schedule", "arguments": job, "_meta": meta});
    json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params})
}

#[tokio::test]
async fn over_http_too_who_asks_to_be_told_is_told_and_others_get_one_document() {
    let router = rare(9);
    let far = of_a_job(&json!({"progressToken": "far"}));
    let answer = post(&router, "ada", &far).await;
    let kind = answer.headers().get(header::CONTENT_TYPE).unwrap().clone();
    assert_eq!(kind, "text/event-stream");
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(text.to_vec()).unwrap();
    let events = text.lines().filter_map(|line| line.strip_prefix("data:"));
    let heard: Vec<Value> = events
        .filter_map(|event| serde_json::from_str(event.trim()).ok())
        .collect();
    let steps: Vec<_> = heard
        .iter()
        .filter(|one| one["method"] == "notifications/progress")
        .map(|one| one["params"]["progress"].as_f64().unwrap())
        .collect();
    assert_eq!(steps, [1.0, 100.0], "{text}");
    let last = heard.last().unwrap();
    assert_eq!(
        (&last["id"], &last["result"]["isError"]),
        (&json!(7), &json!(false))
    );

    let answer = post(&router, "ada", &of_a_job(&json!({}))).await;
    let kind = answer.headers().get(header::CONTENT_TYPE).unwrap().clone();
    assert_eq!(kind, "application/json");
}

/// A server that has so many requests under way at once.
fn of_places(at_once: usize) -> Router {
    let client = api_server();
    let settings = GateSettings {
        at_once,
        ..GateSettings::of_service("tanso-operator", "tanso-system", &[])
    };
    let gate = Gate::new(&settings, Reviewer::new(client.clone(), Vec::new()));
    Server::router(Reader::new(client, "tanso-system", Arc::new(NoBooks)), gate)
}

/// A stream's place was free as soon as its first line was sent: whoever asked
/// to be told was not counted among those under way.
#[tokio::test]
async fn an_answer_in_steps_takes_its_place_until_it_ends() {
    let router = of_places(1);
    let far = of_a_job(&json!({"progressToken": "far"}));
    let open = post(&router, "ada", &far).await;
    assert_eq!(open.status(), StatusCode::OK);
    let (status, ..) = ask(&router, "grace").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    drop(open);
    let (status, ..) = ask(&router, "grace").await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn one_caller_leaves_places_to_the_others() {
    let router = of_places(2);
    let far = of_a_job(&json!({"progressToken": "far"}));
    let open = post(&router, "ada", &far).await;
    assert_eq!(open.status(), StatusCode::OK);
    let (status, wait, _) = ask(&router, "ada").await;
    assert_eq!((status, wait), (StatusCode::TOO_MANY_REQUESTS, Some(1)));
    let (status, ..) = ask(&router, "grace").await;
    assert_eq!(status, StatusCode::OK);
    drop(open);
    let (status, ..) = ask(&router, "ada").await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again_and_others_are_served() {
    let router = rare(3);
    let mut refused = None;
    for _ in 0..10_000 {
        let (status, wait, body) = ask(&router, "ada").await;
        if status == StatusCode::TOO_MANY_REQUESTS {
            refused = Some((wait, body));
            break;
        }
        assert_eq!((status, wait), (StatusCode::OK, None), "{body}");
    }
    let (wait, body) = refused.expect("a turn a second is not for ten thousand at once");
    assert!(
        wait.is_some_and(|seconds| (1..=2).contains(&seconds)),
        "{wait:?}"
    );
    assert_eq!(body["error"]["message"], "too many requests", "{body}");
    let (status, wait, body) = ask(&router, "grace").await;
    assert_eq!((status, wait), (StatusCode::OK, None), "{body}");
}

/// Each guess at a token is a question to the API server.
#[tokio::test]
async fn guesses_at_tokens_are_counted_together() {
    let router = rare(3);
    let mut seen = Vec::new();
    for _ in 0..10_000 {
        let (status, wait, _) = ask(&router, "nobody").await;
        seen.push(status);
        if status == StatusCode::TOO_MANY_REQUESTS {
            assert!(wait.is_some());
            break;
        }
    }
    assert_eq!(seen.first(), Some(&StatusCode::UNAUTHORIZED));
    assert_eq!(seen.last(), Some(&StatusCode::TOO_MANY_REQUESTS));
}
