use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::Request as HttpRequest;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tanso_agent_wire::energy::JournalId;
use tanso_power::Joules;
use tanso_runtime::Health;
use tanso_runtime::review::ReviewFault;
use tower::ServiceExt as _;

use super::*;
use crate::journal::Journal;
use crate::serve::{Policy, router};
use crate::snapshot::Published;

/// Judges by a list; counts the questions.
#[derive(Default)]
struct Listed {
    asked: AtomicUsize,
    broken: bool,
}

impl Review for Listed {
    fn judge(&self, token: String, _wish: Wish) -> BoxFuture<'_, Result<Judgement, ReviewFault>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        async move {
            if self.broken {
                return Err(ReviewFault::Late(Duration::ZERO));
            }
            Ok(match token.as_str() {
                "good" => Judgement::Granted { node: None },
                "weak" => Judgement::Forbidden,
                _ => Judgement::Unknown,
            })
        }
        .boxed()
    }
}

struct Bench {
    router: Router,
    review: Arc<Listed>,
    _directory: tempfile::TempDir,
}

fn bench(anonymous: Anonymous, broken: bool) -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path(), JournalId(7)).unwrap();
    let published = Arc::new(Published::empty());
    published.store(Some(Arc::new(crate::serve::metrics::tests::snapshot())));
    let mut sources = Sources::new(
        "node-7".into(),
        published,
        Arc::new(journal),
        Vec::new().into(),
    );
    let review = Arc::new(Listed {
        broken,
        ..Listed::default()
    });
    let judge: Arc<dyn Review> = review.clone();
    sources.access = Arc::new(Access::new(Some(judge)));
    sources.policy.store(Arc::new(Policy {
        anonymous,
        ..Policy::default()
    }));
    Bench {
        router: router(sources, &Health::new(&[])),
        review,
        _directory: directory,
    }
}

impl Bench {
    async fn ask(&self, path: &str, token: Option<&str>) -> (StatusCode, String) {
        let mut request = HttpRequest::get(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(axum::body::Body::empty()).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20)
            .await
            .unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }
}

fn coarse() -> Anonymous {
    Anonymous::Coarse(Resolution {
        window: Duration::from_mins(1),
        step: Joules::from_microjoules(1_000_000),
    })
}

#[tokio::test]
async fn a_token_opens_what_is_closed_to_others_and_health_is_open() {
    let bench = bench(Anonymous::Refuse, false);
    for path in ["/metrics", "/v1/energy", "/"] {
        assert_eq!(bench.ask(path, None).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(
            bench.ask(path, Some("bad")).await.0,
            StatusCode::UNAUTHORIZED
        );
        assert_eq!(bench.ask(path, Some("weak")).await.0, StatusCode::FORBIDDEN);
        assert_eq!(bench.ask(path, Some("good")).await.0, StatusCode::OK);
    }
    assert_eq!(bench.ask("/healthz", None).await.0, StatusCode::OK);
}

#[tokio::test]
async fn readers_without_a_name_get_coarse_figures_and_no_records() {
    let bench = bench(coarse(), false);
    let (status, rough) = bench.ask("/metrics", None).await;
    assert_eq!(status, StatusCode::OK);
    let (_, exact) = bench.ask("/metrics", Some("good")).await;
    let fine = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let energies = lines.filter(|line| line.contains("joules_total{"));
        energies
            .filter(|line| line.rsplit_once(' ').unwrap().1.contains('.'))
            .count()
    };
    assert_eq!(fine(&rough), 0, "{rough}");
    assert!(fine(&exact) > 0);
    assert_eq!(
        bench.ask("/v1/energy", None).await.0,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        bench.ask("/v1/energy", Some("good")).await.0,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_judgement_is_remembered_and_each_path_has_its_own() {
    let bench = bench(Anonymous::Refuse, false);
    for _ in 0..5 {
        bench.ask("/metrics", Some("good")).await;
        bench.ask("/metrics", Some("bad")).await;
    }
    assert_eq!(bench.review.asked.load(Ordering::Relaxed), 2);
    bench.ask("/v1/energy", Some("good")).await;
    assert_eq!(bench.review.asked.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn nobody_is_let_in_while_the_api_server_does_not_answer() {
    let bench = bench(Anonymous::Full, true);
    let (status, _) = bench.ask("/metrics", Some("good")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    // A fault is not remembered as a judgement.
    bench.ask("/metrics", Some("good")).await;
    assert_eq!(bench.review.asked.load(Ordering::Relaxed), 2);
}
