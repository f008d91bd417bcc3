use std::time::Instant;

use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

async fn start(
    router: Router,
    limits: Limits,
) -> (SocketAddr, Shutdown, tokio::task::JoinHandle<()>) {
    let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown::new();
    let server = tokio::spawn(serve(listener, router, limits, shutdown.clone()));
    (address, shutdown, server)
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_client_that_never_finishes_its_headers_is_cut_off() {
    let limits = Limits {
        header_timeout: Duration::from_millis(100),
        ..Limits::default()
    };
    let (address, _shutdown, _server) = start(Router::new(), limits).await;
    let begin = Instant::now();
    ask(address, "GET / HTTP/1.1\r\nHost: a\r\n").await;
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_running_answer_survives_the_shutdown() {
    let router = Router::new().route(
        "/slow",
        get(|| async {
            sleep(Duration::from_millis(200)).await;
            "done"
        }),
    );
    let (address, shutdown, server) = start(router, Limits::default()).await;
    let asking = tokio::spawn(async move {
        ask(
            address,
            "GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        )
        .await
    });
    sleep(Duration::from_millis(50)).await;
    shutdown.begin();
    assert!(asking.await.unwrap().ends_with("done"));
    server.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn headers_beyond_the_bound_are_refused() {
    let limits = Limits {
        header_bytes: 8_192,
        ..Limits::default()
    };
    let (address, _shutdown, _server) = start(Router::new(), limits).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nx: ").await;
    let chunk = [b'a'; 4_096];
    let mut sent = 0_usize;
    // Endless: it ends because the server does not read on.
    while sent < 64 << 20 && stream.write_all(&chunk).await.is_ok() {
        sent += chunk.len();
    }
    assert!(sent < 64 << 20, "{sent}");
}

#[tokio::test]
async fn an_endless_body_is_not_read_to_its_end() {
    let router = Router::new().route("/", get(|| async { "done" }));
    let limits = Limits {
        header_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let (address, _shutdown, _server) = start(router, limits).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut chunk = b"1000\r\n".to_vec();
    chunk.extend([b'a'; 4_096]);
    chunk.extend(b"\r\n");
    let mut sent = 0_usize;
    while sent < 64 << 20 && stream.write_all(&chunk).await.is_ok() {
        sent += chunk.len();
    }
    assert!(sent < 64 << 20, "{sent}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_cut_off() {
    let router = Router::new().route("/", get(|| async { "a".repeat(64 << 20) }));
    let limits = Limits {
        stall: Duration::from_millis(100),
        connections: 1,
        ..Limits::default()
    };
    let (address, _shutdown, _server) = start(router, limits).await;
    let mut stuck = TcpStream::connect(address).await.unwrap();
    stuck
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    // The only slot is free again although the first client holds on.
    let answer = ask(
        address,
        "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test]
async fn a_client_that_sips_an_answer_is_cut_off() {
    let router = Router::new().route("/", get(|| async { "a".repeat(64 << 20) }));
    let limits = Limits {
        answer: Duration::from_millis(300),
        ..Limits::default()
    };
    let (address, _shutdown, _server) = start(router, limits).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut sip = [0_u8; 1_024];
    let mut taken = 0_usize;
    while let Ok(bytes) = stream.read(&mut sip).await {
        if bytes == 0 {
            break;
        }
        taken += bytes;
        sleep(Duration::from_millis(1)).await;
    }
    assert!(taken < 64 << 20, "{taken}");
}

#[tokio::test]
async fn one_address_has_a_share_of_the_connections_only() {
    let limits = Limits {
        per_address: 2,
        ..Limits::default()
    };
    let (address, _shutdown, _server) = start(Router::new(), limits).await;
    let first = TcpStream::connect(address).await.unwrap();
    let _second = TcpStream::connect(address).await.unwrap();
    let mut third = TcpStream::connect(address).await.unwrap();
    let mut rest = Vec::new();
    // Closed at once, without a word.
    let _ = third.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
    drop(first);
    // The place is free again once the server has seen the end.
    loop {
        let mut again = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let mut answer = Vec::new();
        let sent = again.write_all(request).await;
        if sent.is_ok() && again.read_to_end(&mut answer).await.is_ok() && !answer.is_empty() {
            break;
        }
    }
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_the_server_lives_on() {
    let router = Router::new().route("/", get(|| async { "alive" }));
    let (address, _shutdown, _server) = start(router, Limits::default()).await;
    for garbage in [
        "\x16\x03\x01\x02\x00\x01\x00\x01",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "\0\0\0\0",
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(garbage.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!answer.ends_with(b"alive"), "{garbage:?}");
    }
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert!(ask(address, request).await.ends_with("alive"));
}
