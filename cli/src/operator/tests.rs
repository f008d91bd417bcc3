use std::sync::Arc;
use std::sync::Mutex as Lock;
use std::sync::atomic::{AtomicU32, Ordering};

use kube::client::Body;
use kube::{Client, Config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const PATH: &str = "/v1/ledger/export?namespace=shop";

/// An operator at the other end of port-forwards.
#[derive(Clone)]
struct Stub {
    /// What it answers, by the head of the request.
    rule: fn(&str) -> (u16, String),
    /// How many requests it answers before it ends a connection.
    patience: u32,
    heads: Arc<Lock<Vec<String>>>,
    opened: Arc<AtomicU32>,
}

impl Stub {
    fn new(rule: fn(&str) -> (u16, String)) -> Self {
        Self {
            rule,
            patience: u32::MAX,
            heads: Arc::default(),
            opened: Arc::default(),
        }
    }

    async fn serve(self, mut stream: DuplexStream) {
        for _ in 0..self.patience {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => return,
                }
            }
            let head = String::from_utf8(head).unwrap();
            let (code, body) = (self.rule)(&head);
            self.heads.lock().unwrap().push(head);
            let length = body.len();
            let answer = format!("HTTP/1.1 {code} So\r\ncontent-length: {length}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    fn opened(&self) -> u32 {
        self.opened.load(Ordering::SeqCst)
    }
}

impl Opener for Stub {
    fn open(&self) -> BoxFuture<'_, Result<DuplexStream, OpenFault>> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let (ours, theirs) = tokio::io::duplex(1_024);
        tokio::spawn(self.clone().serve(theirs));
        Box::pin(std::future::ready(Ok(ours)))
    }
}

/// Nobody may open a port-forward.
#[derive(Clone, Default)]
struct Closed(Arc<AtomicU32>);

impl Opener for Closed {
    fn open(&self) -> BoxFuture<'_, Result<DuplexStream, OpenFault>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let fault = OpenFault::Right("get and create pods/portforward");
        Box::pin(std::future::ready(Err(fault)))
    }
}

/// An API server's proxy that answers so.
fn proxy(code: u16, text: &'static str) -> ProxyDoor {
    let service = tower::service_fn(move |_: hyper::Request<Body>| {
        let answer = hyper::Response::builder().status(code);
        let answer = answer.body(Body::from(text.as_bytes().to_vec()));
        std::future::ready(answer.map_err(std::io::Error::other))
    });
    ProxyDoor::new(Client::new(service, "default"), "energy")
}

fn with_token(token: &str) -> Credentials {
    let mut config = Config::new("https://127.0.0.1:1".parse().unwrap());
    config.auth_info.token = Some(token.to_owned().into());
    Credentials::of(&config)
}

fn door<O: Opener>(opener: O, credentials: Credentials, proxy: ProxyDoor) -> OperatorDoor<O> {
    OperatorDoor::new(opener, credentials, proxy, "energy")
}

fn refused(title: &str, detail: &str) -> String {
    serde_json::json!({"type": "about:blank", "title": title, "detail": detail}).to_string()
}

/// As the operator answers whom it does not know, and who is of another namespace.
fn guarded(head: &str) -> (u16, String) {
    if head.contains("Bearer unknown") {
        (401, refused(STRANGER, "bring a token"))
    } else if head.contains("Bearer bank") {
        (
            403,
            refused(
                "not yours to read",
                "it needs the right to list carbonreports",
            ),
        )
    } else {
        (200, "rows".to_owned())
    }
}

#[tokio::test]
async fn the_callers_token_goes_along_and_one_port_forward_serves_many() {
    let stub = Stub::new(guarded);
    let door = door(stub.clone(), with_token("shop"), proxy(500, "not asked"));
    for _ in 0..2 {
        assert_eq!(door.get("reading", PATH).await.unwrap(), "rows");
    }
    assert_eq!(stub.opened(), 1);
    for head in stub.heads() {
        assert!(
            head.starts_with(&format!("GET {PATH} HTTP/1.1\r\n")),
            "{head}"
        );
        assert!(head.contains("host: localhost\r\n"), "{head}");
        assert!(head.contains("authorization: Bearer shop\r\n"), "{head}");
    }
}

#[tokio::test]
async fn who_has_no_token_comes_by_the_port_forward_alone() {
    let stub = Stub::new(guarded);
    let door = door(
        stub.clone(),
        Credentials::default(),
        proxy(500, "not asked"),
    );
    assert_eq!(door.get("reading", PATH).await.unwrap(), "rows");
    assert!(!stub.heads()[0].contains("authorization"));
}

#[tokio::test]
async fn a_port_forward_that_ended_is_opened_anew() {
    let mut stub = Stub::new(guarded);
    stub.patience = 1;
    let door = door(stub.clone(), with_token("shop"), proxy(500, "not asked"));
    for _ in 0..3 {
        assert_eq!(door.get("reading", PATH).await.unwrap(), "rows");
    }
    assert_eq!(stub.opened(), 3);
}

#[tokio::test]
async fn a_token_wins_over_the_port_forward() {
    let stub = Stub::new(guarded);
    let door = door(stub.clone(), with_token("bank"), proxy(200, "not asked"));
    let fault = door.get("reading", PATH).await.unwrap_err();
    let DoorFault::Shut(why) = fault else {
        panic!("{fault:?}");
    };
    assert!(
        why.contains("not yours to read: it needs the right to list carbonreports"),
        "{why}"
    );
    assert_eq!(stub.heads().len(), 1, "without the token it may see all");
}

/// As of a proxy before the API server that has accounts of its own.
#[tokio::test]
async fn a_token_that_the_operator_does_not_know_is_left_away() {
    let stub = Stub::new(guarded);
    let door = door(stub.clone(), with_token("unknown"), proxy(500, "not asked"));
    for _ in 0..2 {
        assert_eq!(door.get("reading", PATH).await.unwrap(), "rows");
    }
    // Each guess takes a turn of whoever shares the loopback.
    let brought = stub.heads();
    let brought: Vec<bool> = brought.iter().map(|head| head.contains("Bearer")).collect();
    assert_eq!(brought, [true, false, false]);
}

#[tokio::test]
async fn an_operator_that_takes_no_port_forward_for_one_is_told_as_that() {
    let stub = Stub::new(|_| (401, refused(STRANGER, "bring a token")));
    let door = door(stub, Credentials::default(), proxy(200, "not asked"));
    let fault = door.get("reading", PATH).await.unwrap_err();
    assert!(
        matches!(&fault, DoorFault::Shut(why) if why.contains("wants a token")),
        "{fault:?}"
    );
}

#[tokio::test]
async fn other_refusals_keep_their_meaning() {
    let rule: fn(&str) -> (u16, String) = |_| (404, refused("no such study", "none of it"));
    let door = door(Stub::new(rule), Credentials::default(), proxy(200, "no"));
    let fault = door.get("reading", PATH).await.unwrap_err();
    let said = "the operator says: no such study: none of it".to_owned();
    assert_eq!(fault, DoorFault::NotFound(said));
    let busy: fn(&str) -> (u16, String) = |_| (503, "the ledger cannot be read\n".to_owned());
    let door = self::door(Stub::new(busy), Credentials::default(), proxy(200, "no"));
    let fault = door.get("reading", PATH).await.unwrap_err();
    let expected = FactsFault::Refused {
        action: "reading".to_owned(),
        code: 503,
        message: "the operator says: the ledger cannot be read".to_owned(),
    };
    assert_eq!(fault, DoorFault::Other(expected));
}

#[tokio::test]
async fn without_the_right_the_proxy_is_asked_and_an_operator_for_anybody_answers() {
    let closed = Closed::default();
    let door = door(closed.clone(), with_token("shop"), proxy(200, "rows"));
    for _ in 0..2 {
        assert_eq!(door.get("reading", PATH).await.unwrap(), "rows");
    }
    assert_eq!(closed.0.load(Ordering::SeqCst), 1, "believed for a while");
}

#[tokio::test]
async fn without_any_way_the_right_and_the_setting_are_named() {
    const KNOWN_ONLY: &str = r#"{"title":"the ledger answers known readers alone","status":401}"#;
    const NO_PROXY: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"no","reason":"Forbidden","code":403}"#;
    let right = "it needs the right to get and create pods/portforward in namespace \"energy\"";
    for (proxy, setting) in [
        (proxy(401, KNOWN_ONLY), "(operator.anonymousReaders)"),
        (
            proxy(403, NO_PROXY),
            "(operator.anonymousReaders: Allow), it needs the right to get services/proxy in namespace \"energy\"",
        ),
    ] {
        let door = door(Closed::default(), with_token("shop"), proxy);
        let fault = door.get("reading", PATH).await.unwrap_err();
        let DoorFault::Shut(why) = fault else {
            panic!("{fault:?}");
        };
        assert!(why.starts_with(right) && why.contains(setting), "{why}");
    }
    assert!(KNOWN_ONLY.contains(STRANGER));
}
