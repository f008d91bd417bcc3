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
