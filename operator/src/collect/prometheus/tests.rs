//! Against a store of which a test says what it has, and since when.

use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::collect::{CollectMetrics, NodeBoard};
use crate::ledger::{Ledger, query};

/// What a store has: a counter's joules by time.
#[derive(Default)]
struct Held {
    values: BTreeMap<i64, f64>,
    asked: u32,
}

type Shared = Arc<Mutex<Held>>;

#[derive(Deserialize)]
struct Range {
    start: f64,
    end: f64,
}

/// How long Prometheus repeats a sample, seconds.
const STALE_S: i64 = 300;

#[expect(clippy::cast_possible_truncation, reason = "whole minutes of our days")]
async fn range(State(held): State<Shared>, Query(range): Query<Range>) -> Json<Value> {
    let mut held = held.lock().unwrap();
    held.asked += 1;
    let times = (range.start as i64..=range.end as i64).step_by(60);
    let newest = |at: i64| held.values.range(at - STALE_S..=at).next_back();
    let values: Vec<Value> = times
        .filter_map(|at| Some(json!([at, newest(at)?.1.to_string()])))
        .collect();
    Json(
        json!({"status": "success", "data": {"resultType": "matrix", "result": [{
        "metric": {"__name__": "tanso_node_cpu_non_overlapping_joules_total",
            "provenance": "measured", "node_name": "n1"},
        "values": values}]}}),
    )
}

/// A minute after the begin.
fn at(minute: i32) -> i64 {
    1_790_000_040 + 60 * i64::from(minute)
}

struct Bench {
    held: Shared,
    source: Source,
    collector: Collector,
    ledger: Ledger,
    _folder: tempfile::TempDir,
    _server: Shutdown,
}

impl Bench {
    async fn new() -> Self {
        let held = Shared::default();
        let router = Router::new()
            .route("/api/v1/query_range", get(range).post(range))
            .with_state(Arc::clone(&held));
        let any = ([127, 0, 0, 1], 0).into();
        let listener = tanso_runtime::serve::listen(any).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Shutdown::new();
        tokio::spawn(tanso_runtime::serve::serve(
            listener,
            router,
            tanso_runtime::serve::Limits::default(),
            server.clone(),
        ));
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger.db")).unwrap();
        let store = Store::try_new(Address {
            url,
            ..Address::default()
        });
        Self {
            held,
            source: Source {
                store: store.unwrap(),
                first: Duration::from_mins(10),
            },
            collector: Collector::new(
                ledger.clone(),
                NodeBoard::default(),
                CollectMetrics::default(),
            ),
            ledger,
            _folder: folder,
            _server: server,
        }
    }

    /// The store gets 600 J a minute of so many minutes after the begin.
    fn hold(&self, minutes: std::ops::RangeInclusive<i32>) {
        let mut held = self.held.lock().unwrap();
        let joules = |minute: i32| (at(minute), 600.0 * f64::from(minute));
        held.values.extend(minutes.map(joules));
    }

    /// Reads so many minutes after the begin; returns how often the store was asked.
    async fn read(&self, progress: &mut Progress, minute: i32) -> u32 {
        let before = self.held.lock().unwrap().asked;
        let now = Timestamp::from_second(at(minute)).unwrap();
        let read = self.collector.read_on(&self.source, progress, now);
        read.await.unwrap();
        self.held.lock().unwrap().asked - before
    }

    async fn joules(&self) -> u128 {
        let total = self.ledger.call(|c| query::total_through(c, None)).await;
        total.unwrap().map_or(0, |one| one.energy_microjoules) / 1_000_000
    }
}

/// The first reading was booked before anybody knew which pod runs where.
#[tokio::test]
async fn nothing_is_read_before_it_is_known_which_pods_run_where() {
    tanso_runtime::crypto::install();
    let bench = Bench::new().await;
    let config = kube::Config::new("http://127.0.0.1:9".parse().unwrap());
    let client = kube::Client::try_from(config).unwrap();
    let (pods, watch) = Inventory::new(client, "tanso-system");
    let shutdown = Shutdown::new();
    let (collector, source) = (bench.collector.clone(), bench.source.clone());
    let running = tokio::spawn(collector.run_from(source, pods, shutdown.clone()));
    // A reading of somebody else is done while it waits.
    let now = Timestamp::now();
    let mut progress = Progress::default();
    let other = bench
        .collector
        .read_on(&bench.source, &mut progress, now)
        .await;
    other.unwrap();
    let asked = || bench.held.lock().unwrap().asked;
    let of_other = asked();
    assert_eq!(of_other, 1);
    // Who ends the watch ends the wait.
    drop(watch);
    while asked() == of_other {
        tokio::task::yield_now().await;
    }
    shutdown.begin();
    running.await.unwrap();
}

/// A sender that lost its store for a while sends later what it kept. What was read
/// meanwhile, the last sample again and again, counted as all there is, and what the
/// counters grew until then was lost.
#[tokio::test]
async fn samples_that_come_late_are_booked_in_their_minutes() {
    tanso_runtime::crypto::install();
    for away in [25, 40, 100] {
        let bench = Bench::new().await;
        let mut progress = Progress::default();
        bench.hold(0..=20);
        // Ten minutes back from the first reading; the last one is not closed yet.
        bench.read(&mut progress, 22).await;
        assert_eq!(bench.joules().await, 7 * 600, "from 12 to 19");
        bench.read(&mut progress, away).await;
        assert_eq!(bench.joules().await, 7 * 600, "nothing new came");
        bench.hold(21..=away + 20);
        bench.read(&mut progress, away + 22).await;
        let minutes = u128::try_from(away + 19 - 12).unwrap();
        assert_eq!(bench.joules().await, minutes * 600, "{away}");
        // A new process finds the same.
        bench.read(&mut Progress::default(), away + 22).await;
        assert_eq!(bench.joules().await, minutes * 600, "{away}");
    }
}

/// What never comes is looked for once.
#[tokio::test]
async fn a_node_that_comes_back_without_its_samples_is_read_again_once() {
    tanso_runtime::crypto::install();
    let bench = Bench::new().await;
    let mut progress = Progress::default();
    bench.hold(0..=20);
    bench.read(&mut progress, 22).await;
    // Away for less than is asked for anyway: all of it, charged afterwards.
    bench.hold(30..=40);
    bench.read(&mut progress, 42).await;
    assert_eq!(bench.joules().await, (39 - 12) * 600);
    // For longer: nobody knows when it grew.
    bench.read(&mut progress, 88).await;
    bench.hold(80..=90);
    let asked = bench.read(&mut progress, 92).await;
    assert!(asked > 2, "{asked}");
    assert_eq!(bench.joules().await, (39 - 12 + 89 - 80) * 600 + 600);
    bench.hold(91..=91);
    assert_eq!(bench.read(&mut progress, 93).await, 1);
    assert_eq!(bench.joules().await, (40 - 12 + 90 - 80) * 600);
}
