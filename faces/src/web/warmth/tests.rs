use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{Request, Response};
use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tanso_carbon::Period;
use tanso_crds::ClusterCarbonPolicy;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::super::{Live, LiveNode, StudyFiles, Web};
use super::{COLD_MAX, PAUSE, REST, rest, warm};
use crate::answer::list::{Question, list};
use crate::view::given::{EmptyBooks, Given};
use crate::view::{
    Access, Answer, Books, Energy, FactsFault, Policy, Reader, Reviewer, Scope, Services,
};

struct NoAgents;

impl Live for NoAgents {
    fn nodes(&self) -> Vec<LiveNode> {
        Vec::new()
    }

    fn studies(&self) -> BoxFuture<'_, Result<Vec<StudyFiles>, FactsFault>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

/// The first view after a start waited for all that it shows to be read.
#[tokio::test]
async fn what_was_read_ahead_is_there_when_somebody_looks() {
    let text = include_str!("../../report/tests/policy.json");
    let policy: ClusterCarbonPolicy = serde_json::from_str(text).unwrap();
    let facts = Given {
        now: "2026-10-05T09:31:00Z".parse().unwrap(),
        policies: vec![Policy::from(policy)],
        energy: Some(Energy::default()),
        ..Given::default()
    };
    // The ledger is out of reach: only what is kept can be told.
    let blind = Given {
        energy: None,
        ..facts.clone()
    };
    let policy = &blind.policies[0];
    let web = Web::given(Arc::new(facts.clone()), Arc::new(NoAgents));
    assert!(web.cache.hours(&blind, policy).await.is_err());
    warm(&web, &facts).await.unwrap();
    let found = web.cache.hours(&blind, policy).await.unwrap();
    assert!(found.is_some_and(|hours| !hours.hours.is_empty()));
}

/// Pages of a cluster whose API server answers each request so.
fn before<F>(answer: impl Fn() -> F + Clone + Send + 'static) -> Web
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let client = Client::new(
        tower::service_fn(move |_: Request<Body>| answer()),
        "default",
    );
    let reader = Reader::new(client.clone(), "energy", Arc::new(EmptyBooks));
    Web::new(
        reader,
        Reviewer::new(client, Vec::new()),
        Arc::new(NoAgents),
    )
}

/// How long whoever waits for the first reading waits.
async fn waited(web: Web) -> Duration {
    let (cold, is_over) = oneshot::channel::<()>();
    let begun = Instant::now();
    let reading = tokio::spawn(web.keep_warm(cold));
    is_over.await.expect_err("it is let go and says nothing");
    let waited = begun.elapsed();
    assert!(!reading.is_finished(), "it reads ahead for ever");
    reading.abort();
    waited
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_the_first_reading_waits_for_its_end_and_no_longer() {
    let refused = || async {
        let answer = Response::builder().status(503);
        let body = Body::from(b"{}".to_vec());
        Ok::<_, Infallible>(answer.body(body).unwrap())
    };
    assert_eq!(waited(before(refused)).await, Duration::ZERO);
    let silent = before(std::future::pending);
    assert!(waited(silent).await >= COLD_MAX);
    // Nobody made a policy yet.
    let empty = Web::given(Arc::new(Given::default()), Arc::new(NoAgents));
    assert_eq!(waited(empty).await, Duration::ZERO);
}

/// A ledger that fails as only a fault of the program can.
#[derive(Default)]
struct Broken {
    readings: Notify,
}

impl Books for Broken {
    fn energy<'a>(&'a self, _: &'a Scope, _: Period) -> Answer<'a, Energy> {
        self.readings.notify_one();
        panic!("a fault of the program")
    }

    fn services<'a>(&'a self, _: &'a Policy) -> Answer<'a, Services> {
        Box::pin(std::future::ready(Ok(Services::default())))
    }
}

/// Pages of a cluster with one policy over all namespaces.
fn of_books(books: Arc<Broken>) -> Web {
    let answer = |request: Request<Body>| async move {
        let text = include_str!("../../report/tests/policy.json");
        let policy: Value = serde_json::from_str(text).unwrap();
        let is_policies = request.uri().path().ends_with("/clustercarbonpolicies");
        let items = if is_policies {
            vec![policy]
        } else {
            Vec::new()
        };
        let list = json!({"metadata": {}, "items": items}).to_string();
        Ok::<_, Infallible>(Response::new(Body::from(list.into_bytes())))
    };
    let client = Client::new(tower::service_fn(answer), "default");
    let reader = Reader::new(client.clone(), "energy", books);
    Web::new(
        reader,
        Reviewer::new(client, Vec::new()),
        Arc::new(NoAgents),
    )
}

/// A panic ended the reading ahead for good, and nobody noticed.
#[tokio::test(start_paused = true)]
async fn a_reading_that_panics_is_not_the_last_one() {
    let books = Arc::new(Broken::default());
    let (cold, is_over) = oneshot::channel::<()>();
    let reading = tokio::spawn(of_books(Arc::clone(&books)).keep_warm(cold));
    is_over.await.expect_err("it is let go and says nothing");
    for again in 0..3 {
        let read = tokio::time::timeout(Duration::from_mins(1), books.readings.notified());
        assert!(read.await.is_ok(), "{again}");
    }
    assert!(!reading.is_finished(), "it reads ahead for ever");
    reading.abort();
}

/// A cluster without policies that counts how often it is asked for them, and
/// tells a change when it is notified.
fn watched(lists: &Arc<AtomicUsize>, change: &Arc<Notify>) -> Web {
    let (lists, change) = (Arc::clone(lists), Arc::clone(change));
    let answer = move |request: Request<Body>| {
        let (lists, change) = (Arc::clone(&lists), Arc::clone(&change));
        async move {
            let is_wide = request.uri().path().ends_with("/clustercarbonpolicies");
            let query = request.uri().query().unwrap_or_default();
            if !query.contains("watch=true") {
                lists.fetch_add(usize::from(is_wide), Ordering::Relaxed);
                let list = json!({"metadata": {}, "items": []}).to_string();
                let body = Full::new(Bytes::from(list)).boxed_unsync();
                return Ok::<_, Infallible>(Response::new(body));
            }
            let told = stream::once(async move {
                if !is_wide {
                    std::future::pending::<()>().await;
                }
                change.notified().await;
                let event = json!({"type": "MODIFIED", "object": {"apiVersion": "meta.k8s.io/v1",
                    "kind": "PartialObjectMetadata",
                    "metadata": {"name": "everything", "resourceVersion": "7"}}});
                Ok::<_, Infallible>(Frame::data(Bytes::from(format!("{event}\n"))))
            });
            let told = told.chain(stream::pending());
            Ok(Response::new(StreamBody::new(told).boxed_unsync()))
        }
    };
    let client = Client::new(tower::service_fn(answer), "default");
    let reader = Reader::new(client.clone(), "energy", Arc::new(EmptyBooks));
    let reviewer = Reviewer::new(client, Vec::new());
    Web::new(reader, reviewer, Arc::new(NoAgents))
}

/// It read every ten seconds while somebody looked, and after fifteen minutes
/// never again: who came later waited for the new evaluation.
#[tokio::test(start_paused = true)]
async fn a_change_is_read_hours_after_anybody_looked_and_without_one_nothing_is() {
    let (lists, change) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (cold, is_over) = oneshot::channel::<()>();
    let reading = tokio::spawn(watched(&lists, &change).keep_warm(cold));
    is_over.await.expect_err("it is let go and says nothing");
    for readings in 1..=3 {
        // The clock goes on by itself where nothing is left to do.
        tokio::time::sleep(Duration::from_hours(3)).await;
        assert_eq!(lists.load(Ordering::Relaxed), readings);
        change.notify_one();
    }
    reading.abort();
}

#[test]
fn reading_ahead_takes_a_twentieth_of_a_processor_at_most() {
    let second = Duration::from_secs(1);
    assert_eq!(rest(second / 100, 0), PAUSE);
    assert_eq!(rest(second, 0), second * REST);
    // What fails is tried again soon, and then less and less often.
    assert_eq!(rest(second / 100, 1), PAUSE);
    assert_eq!(rest(second / 100, 2), PAUSE * 2);
    assert_eq!(rest(second / 100, 6), PAUSE * 32);
    assert_eq!(rest(second / 100, u32::MAX), PAUSE * 32);
}

/// Two policies of a namespace, whose workloads are on a page each.
fn of_pages(path: &str) -> Value {
    let policy = |name: &str| {
        json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
            "metadata": {"name": name, "namespace": "shop", "uid": name},
            "spec": {"site": {"zone": "KR"}, "regulations": [{"rule": "kr-carbon-2050"}]},
            "status": {"reports": [format!("{name}-1")], "workloadsNotListed": 1}})
    };
    let page = |name: &str| {
        let nothing = json!({"energyMicrojoules": {"low": 0, "value": 0, "high": 0},
            "emissionsMilligrams": {"low": 0, "value": 0, "high": 0}});
        json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonReport",
            "metadata": {"name": format!("{name}-1"), "namespace": "shop",
                "labels": {"tanso.dev/policy-uid": name}},
            "spec": {"policy": name, "page": 1, "pages": 1,
                "dataThrough": "2026-11-21T10:05:00Z", "ledgerRevision": 7,
                "inputsDigest": "sha256:9f2c", "totals": nothing, "workloads": []}})
    };
    match path.rsplit('/').next().unwrap_or_default() {
        "carbonpolicies" => json!({"metadata": {}, "items": [policy("a"), policy("b")]}),
        "a-1" => page("a"),
        "b-1" => page("b"),
        _ => json!({"metadata": {}, "items": []}),
    }
}

/// The first list after a start read the pages of forty policies while its caller
/// waited.
#[tokio::test]
async fn what_a_list_goes_through_is_read_ahead_too() {
    let pages = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&pages);
    let answer = move |request: Request<Body>| {
        let path = request.uri().path().to_owned();
        let is_page = path.contains("/carbonreports/");
        asked.fetch_add(usize::from(is_page), Ordering::Relaxed);
        let text = of_pages(&path).to_string();
        async move { Ok::<_, Infallible>(Response::new(Body::from(text.into_bytes()))) }
    };
    let client = Client::new(tower::service_fn(answer), "default");
    let reader = Reader::new(client.clone(), "energy", Arc::new(EmptyBooks));
    let facts = reader.seen_by(Access::Own);
    let reviewer = Reviewer::new(client, Vec::new());
    let web = Web::new(reader, reviewer, Arc::new(NoAgents));
    warm(&web, &facts).await.unwrap();
    assert_eq!(pages.load(Ordering::Relaxed), 2);
    let found = list(&facts, &Question::default()).await.unwrap();
    assert_eq!(found.policies.len(), 2);
    assert_eq!(pages.load(Ordering::Relaxed), 2);
}
