//! Any bytes on a connection: answers or silence, never a panic, and the
//! connection ends.
#![no_main]

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use libfuzzer_sys::fuzz_target;
use tanso_fuzz::agent;
use tanso_runtime::serve::{Limits, Peer, serve_stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fuzz_target!(|bytes: &[u8]| {
    static ROUTER: OnceLock<(Router, Arc<tempfile::TempDir>)> = OnceLock::new();
    let (router, _) = ROUTER.get_or_init(agent::router);
    agent::runtime().block_on(async {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let peer = Peer {
            address: ([127, 0, 0, 1], 1).into(),
            certified: false,
        };
        let limits = Limits {
            header_timeout: Duration::from_millis(200),
            ..Limits::default()
        };
        let serving = tokio::spawn(serve_stream(server, peer, router.clone(), limits));
        let _ = client.write_all(bytes).await;
        let _ = client.shutdown().await;
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer).await;
        if !answer.is_empty() {
            assert!(answer.starts_with(b"HTTP/1."), "no answer of HTTP");
        }
        serving.await.expect("serving does not panic");
    });
});
