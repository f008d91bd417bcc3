use futures::FutureExt as _;
use futures::future::BoxFuture;
use tanso_runtime::review::{Review, ReviewFault};

use super::*;

/// Knows `agent-7`, whose pod runs on node `n7`, and `weak`.
struct Listed;

impl Review for Listed {
    fn judge(&self, token: String, wish: Wish) -> BoxFuture<'_, Result<Judgement, ReviewFault>> {
        async move {
            Ok(match token.as_str() {
                "agent-7" if wish.path == "/v1/samples" => Judgement::Granted {
                    node: Some("n7".into()),
                },
                "agent-7" | "weak" => Judgement::Forbidden,
                "cut-off" => return Err(ReviewFault::Late(Duration::ZERO)),
                _ => Judgement::Unknown,
            })
        }
        .boxed()
    }
}

fn wish(path: &str) -> Wish {
    Wish {
        verb: "post",
        path: path.to_owned(),
    }
}

async fn ask(gate: &Gate, path: &str, authorization: Option<&str>) -> Result<Writer, StatusCode> {
    let mut headers = HeaderMap::new();
    if let Some(value) = authorization {
        headers.insert("authorization", value.parse().unwrap());
    }
    let found = gate.check(None, &headers, wish(path)).await;
    found.map_err(|problem| problem.status())
}

#[tokio::test]
async fn only_the_shared_token_itself_opens_and_a_new_one_replaces_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "0123456789abcdef\n").unwrap();
    let token = Arc::new(SharedToken::read(file.path()).unwrap());
    let gate = Gate {
        token: Some(Arc::clone(&token)),
        ..Gate::default()
    };
    let opens = async |value: Option<&str>| ask(&gate, "/v1/train", value).await.is_ok();
    assert!(!opens(None).await);
    assert!(opens(Some("Bearer 0123456789abcdef")).await);
    assert!(!opens(Some("Bearer 0123456789abcdeg")).await);
    assert!(!opens(Some("0123456789abcdef")).await);
    let shutdown = Shutdown::new();
    let ends = shutdown.clone();
    let keeper = tokio::spawn(async move { token.keep(Duration::from_millis(1), ends).await });
    std::fs::write(file.path(), "fedcba9876543210\n").unwrap();
    while !opens(Some("Bearer fedcba9876543210")).await {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(!opens(Some("Bearer 0123456789abcdef")).await);
    // What is no token leaves the last one.
    std::fs::write(file.path(), "short").unwrap();
    assert!(SharedToken::read(file.path()).is_err());
    assert!(opens(Some("Bearer fedcba9876543210")).await);
    shutdown.begin();
    keeper.await.unwrap();
}

#[tokio::test]
async fn a_token_of_the_cluster_opens_what_it_may_and_speaks_for_its_own_node() {
    let gate = Gate {
        judge: Some(Judge::new(Arc::new(Listed))),
        ..Gate::default()
    };
    let agent = Some("Bearer agent-7");
    let writer = ask(&gate, "/v1/samples", agent).await.unwrap();
    assert!(writer.may_speak_for("n7").is_ok());
    let refusal = writer.may_speak_for("n8").unwrap_err();
    assert_eq!(refusal.status(), StatusCode::FORBIDDEN);
    for (path, token, status) in [
        ("/v1/train", agent, StatusCode::FORBIDDEN),
        ("/v1/samples", Some("Bearer weak"), StatusCode::FORBIDDEN),
        (
            "/v1/samples",
            Some("Bearer forged"),
            StatusCode::UNAUTHORIZED,
        ),
        ("/v1/samples", None, StatusCode::UNAUTHORIZED),
        (
            "/v1/samples",
            Some("Bearer cut-off"),
            StatusCode::SERVICE_UNAVAILABLE,
        ),
    ] {
        assert_eq!(
            ask(&gate, path, token).await,
            Err(status),
            "{path} {token:?}"
        );
    }
}

#[tokio::test]
async fn a_certificate_opens_and_without_any_way_to_be_known_tls_is_closed() {
    let closed = Gate::default();
    let peer = |certified| Peer {
        address: "127.0.0.1:1".parse().unwrap(),
        certified,
    };
    let headers = HeaderMap::new();
    for (certified, opens) in [(true, true), (false, false)] {
        let peer = peer(certified);
        let found = closed.check(Some(&peer), &headers, wish("/v1/train"));
        assert_eq!(found.await.is_ok(), opens);
    }
    let open = Gate {
        open: true,
        ..Gate::default()
    };
    assert!(ask(&open, "/v1/train", None).await.is_ok());
}
