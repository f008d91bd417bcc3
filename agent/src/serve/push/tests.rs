use std::io::Read as _;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes as Body;
use axum::http::HeaderMap;
use axum::routing::post;
use flate2::read::GzDecoder;
use tanso_agent_wire::energy::JournalId;
use tokio::sync::mpsc;

use super::*;
use crate::journal::Journal;
use crate::serve::metrics::tests::{fields, snapshot};
use crate::snapshot::Published;

fn sources(directory: &std::path::Path) -> Sources {
    let published = Arc::new(Published::empty());
    published.store(Some(Arc::new(snapshot())));
    let journal = Journal::open(directory, JournalId(7)).unwrap();
    Sources::new(
        "node-7".into(),
        published,
        Arc::new(journal),
        Vec::new().into(),
    )
}

/// A receiver that hands on what it gets.
async fn receiver(status: StatusCode) -> (Uri, mpsc::Receiver<(HeaderMap, Body)>) {
    let (sent, got) = mpsc::channel(4);
    let take = move |headers: HeaderMap, body: Body| async move {
        let _ = sent.send((headers, body)).await;
        status
    };
    let router = Router::new().route("/v1/metrics", post(take));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (endpoint(&url).unwrap(), got)
}

fn first(message: &[u8], field: u64) -> Vec<u8> {
    let found = fields(message)
        .into_iter()
        .find(|(number, ..)| *number == field);
    found.unwrap().2
}

#[tokio::test]
async fn a_receiver_gets_the_figures_of_metrics() {
    let directory = tempfile::tempdir().unwrap();
    let sources = sources(directory.path());
    let (endpoint, mut got) = receiver(StatusCode::OK).await;
    tanso_runtime::crypto::install();
    assert!(
        push(&sources, &sender().unwrap(), &endpoint, 5)
            .await
            .unwrap()
    );
    let (headers, body) = got.recv().await.unwrap();
    assert_eq!(headers[header::CONTENT_TYPE], "application/x-protobuf");
    let mut bytes = Vec::new();
    GzDecoder::new(body.as_ref())
        .read_to_end(&mut bytes)
        .unwrap();
    let resource = first(&bytes, 1);
    let scope = first(&resource, 2);
    let metrics: Vec<_> = fields(&scope)
        .into_iter()
        .filter(|(field, ..)| *field == 2)
        .collect();
    let named = |name: &str| {
        let found = metrics
            .iter()
            .find(|(_, _, metric)| first(metric, 1) == name.as_bytes());
        found.unwrap().2.clone()
    };
    let energy = named("kepler_node_cpu_joules_total");
    assert_eq!(first(&energy, 3), b"J");
    let sum = first(&energy, 7);
    // Cumulative and monotonic.
    let facts: Vec<_> = fields(&sum)
        .into_iter()
        .filter(|(field, ..)| *field > 1)
        .collect();
    assert_eq!(
        facts.iter().map(|(f, n, _)| (*f, *n)).collect::<Vec<_>>(),
        [(2, 2), (3, 1)]
    );
    let point = first(&sum, 1);
    assert_eq!(first(&point, 2), 5_u64.to_le_bytes());
    assert_eq!(first(&point, 3), 61_500_000_000_u64.to_le_bytes());
    assert_eq!(first(&point, 4), 30.000_001_f64.to_le_bytes());
    let power = named("kepler_node_cpu_watts");
    assert!(!first(&power, 5).is_empty());
}

#[tokio::test]
async fn a_refusal_is_counted_and_names_the_receiver() {
    let directory = tempfile::tempdir().unwrap();
    let sources = sources(directory.path());
    let (endpoint, _got) = receiver(StatusCode::TOO_MANY_REQUESTS).await;
    tanso_runtime::crypto::install();
    let fault = push(&sources, &sender().unwrap(), &endpoint, 5)
        .await
        .unwrap_err();
    assert!(fault.to_string().contains("429"), "{fault}");
    let shutdown = Shutdown::new();
    shutdown.begin();
    let settings = PushSettings {
        endpoint,
        every: Duration::from_mins(1),
    };
    keep(sources.clone(), settings, shutdown).await;
    assert!(sources.counters.snapshot().pushes["failure"] >= 1);
}

#[test]
fn an_address_may_come_with_or_without_its_path() {
    for text in [
        "http://c:4318",
        "http://c:4318/",
        "http://c:4318/v1/metrics",
    ] {
        assert_eq!(endpoint(text).unwrap().path(), "/v1/metrics", "{text}");
    }
    for text in ["", "c:4318", "ftp://c", "http://", "grpc://c:4317"] {
        assert!(endpoint(text).is_err(), "{text}");
    }
}
