//! Whether the first page is kept ready: from the start, and while somebody
//! looks at it. A cluster that nobody looks at is not read again and again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two looks at whether something is new.
pub(super) const PAUSE: Duration = Duration::from_secs(10);
/// Longest time for which anybody waits for the first reading.
pub(super) const COLD_MAX: Duration = Duration::from_secs(10);
/// How long after a view, or the start, it is kept ready.
const KEPT: Duration = Duration::from_mins(15);

/// When the first page was last looked at; clones share it.
#[derive(Clone)]
pub(super) struct Warmth(Arc<Mutex<Instant>>);

impl Default for Warmth {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Warmth {
    /// Somebody looks.
    pub(super) fn note_view(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Whether it is to be kept ready.
    pub(super) fn is_wanted(&self) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.elapsed() < KEPT
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::time::Duration;

    use axum::http::{Request, Response};
    use futures::future::BoxFuture;
    use kube::Client;
    use kube::client::Body;
    use serde_json::{Value, json};
    use tanso_carbon::Period;
    use tanso_crds::ClusterCarbonPolicy;
    use tokio::sync::{Notify, oneshot};
    use tokio::time::Instant;

    use super::super::{Live, LiveNode, StudyFiles, Web, overview};
    use super::COLD_MAX;
    use crate::view::given::{EmptyBooks, Given};
    use crate::view::{
        Answer, Books, Energy, FactsFault, Policy, Reader, Reviewer, Scope, Services,
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
        let text = include_str!("../report/tests/policy.json");
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
        assert!(web.warmth.is_wanted(), "from the start");
        assert!(web.cache.hours(&blind, policy).await.is_err());
        overview::warm(&web, &facts).await.unwrap();
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
            let text = include_str!("../report/tests/policy.json");
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
}
