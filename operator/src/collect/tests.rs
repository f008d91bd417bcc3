use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tanso_agent_wire::counters::COUNTERS_HEADER;
use tanso_agent_wire::energy::{
    Account, CPU_TIME_HEADER, EnergyPage, JournalId, Names, PATH, SCHEMA,
};
use tanso_agent_wire::meters::METERS_HEADER;
use tanso_power::Estimate;
use tanso_runtime::serve::Tls;
use tanso_runtime::serve::tls::TlsFiles;
use tanso_runtime::{Problem, Shutdown};

use super::*;
use crate::controllers::power_monitor::certificates::{Issued, issue};
use crate::ledger::query;

/// How a test agent answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Honest,
    Repeats,
    Garbage,
    Huge,
    Endless,
    Hangs,
    OtherNode,
    Restless,
}

/// An agent of a test: it speaks the real format over real HTTP.
struct TestAgent {
    journal: JournalId,
    records: Vec<Record>,
    mood: Mood,
    page: usize,
    /// Requests that came.
    asked: u32,
}

type Shared = Arc<Mutex<TestAgent>>;

#[derive(serde::Deserialize)]
struct Since {
    since: Option<Cursor>,
}

use tanso_agent_wire::energy::Cursor;

fn record(sequence: u64) -> Record {
    let last_hour = Timestamp::now().as_second().div_euclid(3_600) * 3_600 - 3_600;
    Record {
        sequence,
        minute: last_hour + 60 * i64::try_from(sequence / 10).unwrap(),
        account: Account::Idle,
        names: Names::default(),
        energy_uj: Estimate::exact(Joules::from_microjoules(100 + sequence)),
        cpu_us: 0,
        provenance: Provenance::Modelled,
        model: None,
        caught_up: false,
        memory_peak_bytes: None,
    }
}

async fn answer(State(agent): State<Shared>, Query(asked): Query<Since>) -> Response {
    let mood = {
        let mut agent = agent.lock().unwrap();
        agent.asked += 1;
        if agent.mood == Mood::Restless {
            agent.journal.0 += 1;
        }
        agent.mood
    };
    match mood {
        Mood::Garbage => return "<html>no page</html>".into_response(),
        Mood::Huge => return "x".repeat(9 * 1024 * 1024).into_response(),
        Mood::Endless => {
            let forever =
                futures::stream::repeat_with(|| Ok::<_, std::io::Error>("y".repeat(65_536)));
            return axum::body::Body::from_stream(forever).into_response();
        }
        Mood::Hangs => std::future::pending().await,
        Mood::Honest | Mood::Repeats | Mood::OtherNode | Mood::Restless => {}
    }
    let agent = agent.lock().unwrap();
    let first = agent.records.first().map_or(1, |r| r.sequence);
    let since = match asked.since {
        Some(cursor) if cursor.journal != agent.journal => {
            let start = Cursor {
                journal: agent.journal,
                sequence: 0,
            };
            return Problem::new(StatusCode::GONE, "unknown journal")
                .with("start", start.to_string())
                .into_response();
        }
        Some(cursor) if mood == Mood::Repeats => cursor.sequence.saturating_sub(3),
        Some(cursor) => cursor.sequence,
        None => 0,
    };
    let records: Vec<_> = agent
        .records
        .iter()
        .filter(|r| r.sequence > since)
        .take(agent.page)
        .cloned()
        .collect();
    let next = records.last().map_or(since, |r| r.sequence);
    let closed_until = agent.records.last().map_or(0, |r| r.minute + 60);
    Json(EnergyPage {
        schema: SCHEMA.into(),
        node: if mood == Mood::OtherNode {
            "n9".into()
        } else {
            "n1".into()
        },
        records,
        next: Cursor {
            journal: agent.journal,
            sequence: next,
        },
        last_sequence: agent.records.last().map_or(0, |r| r.sequence),
        first_sequence: first,
        closed_until,
    })
    .into_response()
}

struct Bench {
    agent: Shared,
    address: SocketAddr,
    collector: Collector,
    ledger: Ledger,
    _folder: tempfile::TempDir,
    _server: Shutdown,
}

impl Bench {
    async fn new(records: u64) -> Self {
        let agent = Arc::new(Mutex::new(TestAgent {
            journal: JournalId(0xa),
            records: (1..=records).map(record).collect(),
            mood: Mood::Honest,
            page: 7,
            asked: 0,
        }));
        let router = Router::new()
            .route(PATH, get(answer))
            .with_state(Arc::clone(&agent));
        let listener = tanso_runtime::serve::listen(([127, 0, 0, 1], 0).into())
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let server = Shutdown::new();
        tokio::spawn(tanso_runtime::serve::serve(
            listener,
            router,
            tanso_runtime::serve::Limits::default(),
            server.clone(),
        ));
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger.db")).unwrap();
        let collector = Collector::new(
            ledger.clone(),
            NodeBoard::default(),
            CollectMetrics::default(),
        );
        Self {
            agent,
            address,
            collector,
            ledger,
            _folder: folder,
            _server: server,
        }
    }

    fn change(&self, change: impl FnOnce(&mut TestAgent)) {
        change(&mut self.agent.lock().unwrap());
    }

    async fn visit(&self) -> Result<LastMinute, CollectFault> {
        let agent = self.as_agent();
        self.collector.visit(&agent).await
    }

    fn as_agent(&self) -> Agent {
        Agent {
            node: "n1".into(),
            namespace: "tanso-system".into(),
            pod: "tanso-agent-x".into(),
            monitor: "tanso".into(),
            controller: None,
            address: self.address,
        }
    }

    async fn total(&self) -> u128 {
        let total = self
            .ledger
            .call(|c| query::total_through(c, None))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(Some(total.energy_microjoules), total.rows_microjoules);
        total.energy_microjoules
    }
}

fn energy(from: u64, through: u64) -> u128 {
    (from..=through).map(|n| u128::from(100 + n)).sum()
}

#[tokio::test]
async fn all_pages_are_followed_and_nothing_comes_twice() {
    let bench = Bench::new(50).await;
    bench.visit().await.unwrap();
    assert_eq!(bench.total().await, energy(1, 50));
    bench.visit().await.unwrap();
    assert_eq!(bench.total().await, energy(1, 50));
    bench.change(|agent| agent.records.extend((51..=60).map(record)));
    bench.visit().await.unwrap();
    assert_eq!(bench.total().await, energy(1, 60));
}

#[tokio::test]
async fn a_new_journal_is_followed_and_recorded_as_a_gap() {
    let bench = Bench::new(20).await;
    bench.visit().await.unwrap();
    bench.change(|agent| {
        agent.journal = JournalId(0xb);
        agent.records = (1..=5).map(record).collect();
    });
    bench.visit().await.unwrap();
    assert_eq!(bench.total().await, energy(1, 20) + energy(1, 5));
    let gaps = bench
        .ledger
        .call(|c| query::total_through(c, None))
        .await
        .unwrap()
        .unwrap()
        .gaps;
    assert_eq!(gaps, 1);
}

#[tokio::test]
async fn dropped_records_are_a_gap_and_the_rest_is_booked() {
    let bench = Bench::new(20).await;
    bench.visit().await.unwrap();
    bench.change(|agent| agent.records = (31..=40).map(record).collect());
    bench.visit().await.unwrap();
    assert_eq!(bench.total().await, energy(1, 20) + energy(31, 40));
}

#[tokio::test]
async fn bad_answers_stop_at_the_border_and_good_ones_go_on_afterwards() {
    let bench = Bench::new(20).await;
    bench.visit().await.unwrap();
    bench.change(|agent| agent.records.extend((21..=30).map(record)));
    for mood in [
        Mood::Garbage,
        Mood::Huge,
        Mood::Endless,
        Mood::OtherNode,
        Mood::Repeats,
    ] {
        bench.change(|agent| agent.mood = mood);
        assert!(bench.visit().await.is_err());
        assert_eq!(bench.total().await, energy(1, 20));
    }
    bench.change(|agent| agent.mood = Mood::Honest);
    bench.visit().await.unwrap();
    assert_eq!(bench.total().await, energy(1, 30));
}

#[tokio::test]
async fn an_agent_that_claims_pods_of_another_node_books_nothing_for_anyone() {
    let bench = Bench::new(20).await;
    bench.change(|agent| {
        agent.records[13].account = Account::Container {
            pod_uid: "neighbour".into(),
            container_id: "c".into(),
        };
    });
    let homes = |node: &str| [("neighbour".to_owned(), node.to_owned())].into();
    bench.collector.know(homes("n2"));
    let agent = bench.as_agent();
    bench.collector.round(std::slice::from_ref(&agent)).await;
    // The page before the lie is there, the page with it is not.
    assert_eq!(bench.total().await, energy(1, 7));
    let facts = bench.collector.board.all().remove("n1").unwrap();
    let error = facts.error.unwrap();
    assert!(
        error.contains("quarantined") && error.contains("neighbour"),
        "{error}"
    );
    bench.collector.know(homes("n1"));
    bench.visit().await.unwrap();
    assert_eq!(bench.total().await, energy(1, 20));
}

#[tokio::test]
async fn a_silent_agent_costs_its_time_limit_and_no_more() {
    let bench = Bench::new(3).await;
    bench.change(|agent| agent.mood = Mood::Hangs);
    let begun = Instant::now();
    let fault = bench.visit().await.unwrap_err();
    assert!(
        matches!(fault, CollectFault::Fetch(FetchFault::Slow { .. })),
        "{fault}"
    );
    assert!(begun.elapsed() < Duration::from_secs(8));
}

/// Sixteen agents that answered 8 MiB each at once filled the operator's memory.
#[tokio::test]
async fn large_answers_are_held_a_few_at_a_time_and_small_ones_wait_for_none() {
    let (large, small) = (Bench::new(3_000).await, Bench::new(9).await);
    large.change(|agent| {
        agent.page = 3_000;
        let minute = record(1).minute;
        for record in &mut agent.records {
            record.names.pod = Some("p".repeat(250));
            record.minute = minute;
        }
    });
    let fetcher = large.collector.fetcher.clone();
    let room = Arc::clone(&fetcher.large);
    let most = u32::try_from(fetch::LARGE_AT_A_TIME).unwrap();
    let taken = Arc::clone(&room).acquire_many_owned(most).await.unwrap();
    let agent = large.as_agent();
    let asking = tokio::spawn({
        let fetcher = fetcher.clone();
        async move { fetcher.page(&agent, None).await }
    });
    fetcher.page(&small.as_agent(), None).await.unwrap();
    assert!(!asking.is_finished());
    drop(taken);
    let answer = asking.await.unwrap().unwrap();
    // It keeps its room until what it says is booked.
    assert_eq!(room.available_permits(), fetch::LARGE_AT_A_TIME - 1);
    drop(answer);
    assert_eq!(room.available_permits(), fetch::LARGE_AT_A_TIME);
    large.visit().await.unwrap();
    assert_eq!(large.total().await, energy(1, 3_000));
}

/// A round waits for all its visits: one agent that answered each of 200 pages just
/// in time kept every other node's energy waiting for a quarter of an hour.
#[tokio::test]
async fn a_visit_that_took_its_time_leaves_the_rest_to_the_next_round() {
    let mut bench = Bench::new(20).await;
    bench.collector.visit_max = Duration::ZERO;
    for through in [7, 14, 20, 20] {
        bench.visit().await.unwrap();
        assert_eq!(bench.total().await, energy(1, through));
    }
}

/// Whose journal is another with each request was asked 200 times a round.
#[tokio::test]
async fn an_agent_that_refuses_its_own_cursor_is_asked_no_further() {
    let bench = Bench::new(20).await;
    bench.visit().await.unwrap();
    bench.change(|agent| {
        agent.mood = Mood::Restless;
        agent.asked = 0;
    });
    let fault = bench.visit().await.unwrap_err();
    assert!(fault.to_string().contains("node \"n1\""), "{fault}");
    assert_eq!(bench.agent.lock().unwrap().asked, 2);
    bench.change(|agent| agent.mood = Mood::Honest);
    bench.visit().await.unwrap();
    assert_eq!(bench.total().await, energy(1, 20) + energy(1, 20));
}

#[tokio::test]
async fn an_end_waits_for_no_silent_agent() {
    let bench = Bench::new(3).await;
    bench.change(|agent| agent.mood = Mood::Hangs);
    let (agent, shutdown) = (bench.as_agent(), Shutdown::new());
    shutdown.begin();
    let begun = Instant::now();
    bench.collector.round_until(&[agent], &shutdown).await;
    assert!(begun.elapsed() < Duration::from_secs(4));
}

/// One lie is one node's: it is told, counted, and nothing of its page is booked.
#[tokio::test]
async fn more_than_a_node_can_use_in_an_hour_is_quarantined_with_the_next_page_too() {
    let bench = Bench::new(0).await;
    let minute = crate::ledger::plausible::NODE_POWER_MAX.over(Duration::from_mins(1));
    let lie = |sequence| Record {
        energy_uj: Estimate::exact(minute),
        ..record(sequence % 10)
    };
    bench.change(|agent| {
        agent.page = 1;
        agent.records = (1..=100)
            .map(|sequence| Record {
                sequence,
                ..lie(sequence)
            })
            .collect();
    });
    for _ in 0..2 {
        let fault = bench.visit().await.unwrap_err().to_string();
        assert!(fault.contains("quarantined: node \"n1\""), "{fault}");
        assert_eq!(bench.total().await, u128::from(minute.microjoules()) * 60);
    }
    let mut registry = prometheus_client::registry::Registry::default();
    bench.collector.metrics.register(&mut registry);
    let text = crate::metrics::text(&Arc::new(registry)).unwrap();
    let counted = "tanso_operator_quarantined_answers_total{reason=\"power\"} 2";
    assert!(text.contains(counted), "{text}");
}

#[tokio::test]
async fn the_board_shows_power_and_the_last_error() {
    let bench = Bench::new(20).await;
    let agent = bench.as_agent();
    bench.collector.round(std::slice::from_ref(&agent)).await;
    let facts = bench.collector.board.all().remove("n1").unwrap();
    // The last minute has one record, number 20: 120 µJ over a minute.
    assert_eq!(facts.power, Some(Watts::from_microwatts(2)));
    assert_eq!(facts.provenance, Some(Provenance::Modelled));
    assert_eq!(facts.error, None);
    bench.change(|agent| agent.mood = Mood::OtherNode);
    bench.collector.round(&[agent]).await;
    let facts = bench.collector.board.all().remove("n1").unwrap();
    assert!(facts.error.unwrap().contains("speaks for node \"n9\""));
    assert_eq!(bench.collector.board.live(Timestamp::now(), 60), ["n1"]);
}

/// An operator that starts asked agents with TLS in the clear until its controller
/// had visited their monitor: whoever answered at the address was believed.
#[tokio::test]
async fn whoever_answers_in_the_clear_for_a_monitor_with_tls_is_not_asked() {
    let mut bench = Bench::new(9).await;
    let board = TrustBoard::default();
    bench.collector = bench.collector.clone().trusting(board.clone(), None);
    board.secure(["tanso".to_owned()].into());
    let fault = bench.visit().await.unwrap_err().to_string();
    assert!(fault.contains("authority of its monitor"), "{fault}");
    assert_eq!(bench.agent.lock().unwrap().asked, 0);
    board.secure(["another".to_owned()].into());
    bench.visit().await.unwrap();
    assert_eq!(bench.total().await, energy(1, 9));
}

/// Keeps an agent's certificate in files, as a kubelet mounts it.
fn mounted(issued: &Issued, folder: &std::path::Path) -> TlsFiles {
    let files = TlsFiles {
        certificate: folder.join("tls.crt"),
        key: folder.join("tls.key"),
        client_ca: None,
    };
    std::fs::write(&files.certificate, &issued.certificate).unwrap();
    std::fs::write(&files.key, &issued.key).unwrap();
    files
}

#[tokio::test]
async fn an_agent_over_tls_is_known_by_its_authority_and_shown_the_token() {
    tanso_runtime::crypto::install();
    let bench = Bench::new(9).await;
    let folder = tempfile::tempdir().unwrap();
    let name = "tanso-agent.tanso-system.svc".to_owned();
    let authority = issue::authority("tanso", None, Timestamp::now()).unwrap();
    let issued = issue(
        "tanso",
        &authority,
        std::slice::from_ref(&name),
        Timestamp::now(),
    );
    let tls = Tls::load(mounted(&issued.unwrap(), folder.path())).unwrap();
    let wants_token = |headers: HeaderMap, agent: State<Shared>, asked: Query<Since>| async move {
        if headers.get("authorization").map(HeaderValue::as_bytes) != Some(b"Bearer for-agents") {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let mut response = answer(agent, asked).await;
        let rung = HeaderValue::from_static("cgroup-files");
        response.headers_mut().insert(CPU_TIME_HEADER, rung);
        let counters = HeaderValue::from_static("partly");
        response.headers_mut().insert(COUNTERS_HEADER, counters);
        let meters = HeaderValue::from_static("rapl=active,nvml=failed");
        response.headers_mut().insert(METERS_HEADER, meters);
        response
    };
    let router = Router::new()
        .route(PATH, get(wants_token))
        .with_state(Arc::clone(&bench.agent));
    let any = ([127, 0, 0, 1], 0).into();
    let listener = tanso_runtime::serve::listen(any).await.unwrap();
    let mut agent = bench.as_agent();
    agent.address = listener.local_addr().unwrap();
    let shutdown = Shutdown::new();
    tokio::spawn(tanso_runtime::serve::serve_with(
        listener,
        Some(Arc::new(tls)),
        router,
        tanso_runtime::serve::Limits::default(),
        shutdown.clone(),
    ));
    let token = folder.path().join("token");
    std::fs::write(&token, "for-agents\n").unwrap();
    let board = TrustBoard::default();
    let collector = bench.collector.clone().trusting(board.clone(), Some(token));

    // Nobody said yet that it speaks TLS, or by whose word.
    assert!(collector.visit(&agent).await.is_err());
    let stranger = issue::authority("stranger", None, Timestamp::now()).unwrap();
    for (authority, server_name, opens) in [
        (&stranger, name.as_str(), false),
        (&authority, "other.tanso-system.svc", false),
        (&authority, name.as_str(), true),
    ] {
        let trust = AgentTrust {
            authority: authority.bundle.clone(),
            server_name: server_name.to_owned(),
        };
        board.set("tanso", Some(trust));
        let visited = collector.visit(&agent).await;
        assert_eq!(visited.is_ok(), opens, "{visited:?}");
        if let Ok(last) = visited {
            assert_eq!(last.cpu_time(), Some(CpuTimeSource::CgroupFiles));
            assert_eq!(last.counters(), Some(CountersSaid::Partly));
            let meters = last.meters().iter();
            let meters: Vec<_> = meters.map(|one| (&*one.name, &*one.state)).collect();
            assert_eq!(meters, [("rapl", "active"), ("nvml", "failed")]);
        }
    }
    assert_eq!(bench.total().await, energy(1, 9));
    shutdown.begin();
}
