//! Energy from a real Prometheus: three hours of counters whose truth is
//! known, with a pod that comes and goes, a hole and a restart.
//!
//! `TANSO_TEST_PROMETHEUS` names the folder of `prometheus` and `promtool`.
//! Without it the test is skipped and says so; in CI (`CI` is set) that is a
//! failure.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by a panic"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_operator::collect::prometheus::{Address, Progress, Source, Store};
use tanso_operator::collect::{CollectMetrics, Collector, NodeBoard};
use tanso_operator::ledger::{Ledger, LedgerAccount, Scope, Snapshot, query};
use tanso_power::Provenance;

const WHERE: &str = "TANSO_TEST_PROMETHEUS";
const HOUR_S: i64 = 3_600;
const LASTS_S: i64 = 3 * HOUR_S;
const SCRAPE_S: usize = 15;

/// What happens when, seconds after the begin.
const POD_B: (i64, i64) = (50 * 60, 70 * 60);
const HOLE: (i64, i64) = (100 * 60, 110 * 60);
const RESTART: i64 = 90 * 60 + 7;

/// Ends with its owner.
struct Prometheus {
    child: Child,
    url: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn programs() -> Option<PathBuf> {
    let found = std::env::var_os(WHERE).map(PathBuf::from);
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "{WHERE} must be set in CI: run `cargo xtask test`"
        );
        eprintln!("skipped: {WHERE} is not set");
    }
    found
}

/// The samples of one counter: joules (or seconds) by seconds after the begin.
fn series(text: &mut String, begin: i64, labels: &str, of: impl Fn(i64) -> Option<f64>) {
    // A minute more: what comes after shows that what is before is whole.
    for second in (0..=LASTS_S + 60).step_by(SCRAPE_S) {
        if let Some(value) = of(second) {
            writeln!(text, "{labels} {value} {}", begin + second).expect("a String takes it");
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "three hours in seconds")]
fn grows(watts: f64, seconds: i64) -> f64 {
    watts * seconds as f64
}

/// Node n1 has an agent of tanso: 20 W idle, 1 W of the system, 10 W of pod a,
/// and 5 W of pod b while it lives. It is not scraped for ten minutes.
fn agent_of_tanso(text: &mut String, begin: i64) {
    let scraped = |second: i64| second <= HOLE.0 || second >= HOLE.1;
    let steady =
        |watts: f64| move |second: i64| scraped(second).then(|| 1_000.0 + grows(watts, second));
    let of_b = |second: i64| grows(5.0, second.clamp(POD_B.0, POD_B.1) - POD_B.0);
    let total = |second: i64| scraped(second).then(|| 1_000.0 + grows(31.0, second) + of_b(second));
    let pod = |uid: &str, name: &str, state: &str| {
        format!(
            "kepler_pod_cpu_joules_total{{pod_id=\"{uid}\",pod_name=\"{name}\",pod_namespace=\"shop\",\
             state=\"{state}\",zone=\"package\",node_name=\"n1\"}}"
        )
    };
    series(
        text,
        begin,
        "tanso_node_cpu_non_overlapping_joules_total{provenance=\"measured\",node_name=\"n1\"}",
        total,
    );
    series(
        text,
        begin,
        "kepler_node_cpu_joules_total{zone=\"package\",path=\"/sys/class/powercap/intel-rapl:0\",node_name=\"n1\"}",
        total,
    );
    series(
        text,
        begin,
        "tanso_account_joules_total{account=\"idle\",node_name=\"n1\"}",
        steady(20.0),
    );
    series(text, begin, &pod("a", "web-a", "running"), steady(10.0));
    series(text, begin, &pod("b", "job-b", "running"), |second| {
        (second > POD_B.0 && second <= POD_B.1).then(|| of_b(second))
    });
    series(text, begin, &pod("b", "job-b", "terminated"), |second| {
        (second > POD_B.1 && second <= POD_B.1 + 120).then(|| of_b(second))
    });
    series(
        text,
        begin,
        "kepler_container_cpu_seconds_total{container_id=\"c1\",pod_id=\"a\",node_name=\"n1\"}",
        |second| scraped(second).then(|| grows(0.5, second)),
    );
}

/// Node n2 has Kepler, which begins anew once and forgets what it counted.
fn kepler(text: &mut String, begin: i64) {
    let steady = |watts: f64| {
        move |second: i64| {
            Some(if second < RESTART {
                500.0 + grows(watts, second)
            } else {
                grows(watts, second - RESTART)
            })
        }
    };
    for (zone, all, idle, pod) in [
        ("package", 40.0, 25.0, 9.0),
        ("core", 30.0, 10.0, 7.0),
        ("dram", 8.0, 3.0, 2.0),
    ] {
        let place = format!(
            "{{zone=\"{zone}\",path=\"/sys/class/powercap/intel-rapl:0\",node_name=\"n2\"}}"
        );
        let node = format!("kepler_node_cpu_joules_total{place}");
        series(text, begin, &node, steady(all));
        let node = format!("kepler_node_cpu_idle_joules_total{place}");
        series(text, begin, &node, steady(idle));
        let of_pod = format!(
            "kepler_pod_cpu_joules_total{{pod_id=\"c\",pod_name=\"api-c\",pod_namespace=\"shop\",\
             state=\"running\",zone=\"{zone}\",node_name=\"n2\"}}"
        );
        series(text, begin, &of_pod, steady(pod));
    }
}

/// A Prometheus that has all of it.
fn start(programs: &Path, folder: &Path, begin: i64) -> Prometheus {
    let mut text = String::new();
    agent_of_tanso(&mut text, begin);
    kepler(&mut text, begin);
    text.push_str("# EOF\n");
    let samples = folder.join("samples.txt");
    fs::write(&samples, text).unwrap();
    let data = folder.join("data");
    let made = Command::new(programs.join("promtool"))
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&samples, &data])
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let config = folder.join("prometheus.yml");
    fs::write(&config, "scrape_configs: []\n").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let child = Command::new(programs.join("prometheus"))
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", data.display()))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("prometheus.log")).unwrap())
        .spawn()
        .unwrap();
    Prometheus {
        child,
        url: format!("http://{address}"),
    }
}

fn source(url: &str) -> Source {
    let store = Store::try_new(Address {
        url: url.to_owned(),
        selector: "node_name!=\"\"".to_owned(),
        ..Address::default()
    });
    Source {
        store: store.unwrap(),
        first: Duration::from_secs(LASTS_S.unsigned_abs() + 120),
    }
}

fn collector(ledger: &Ledger) -> Collector {
    Collector::new(
        ledger.clone(),
        NodeBoard::default(),
        CollectMetrics::default(),
    )
}

/// Two minutes after so many seconds: what is read ends there.
fn after(begin: i64, seconds: i64) -> Timestamp {
    Timestamp::from_second(begin + seconds + 120).unwrap()
}

async fn booked(ledger: &Ledger, begin: i64) -> Snapshot {
    let period = Period {
        from: UtcHour::from_unix_seconds(begin),
        until: UtcHour::from_unix_seconds(begin + LASTS_S),
    };
    ledger
        .call(move |connection| query::snapshot(connection, &Scope::All, period))
        .await
        .unwrap()
}

/// Joules by node and account.
fn joules(snapshot: &Snapshot) -> BTreeMap<(String, String), f64> {
    let mut sums = BTreeMap::new();
    for row in &snapshot.rows {
        let account = match &row.account {
            LedgerAccount::Pod(uid) => uid.to_string(),
            LedgerAccount::Named(name) => (*name).to_owned(),
        };
        *sums.entry((row.node.to_string(), account)).or_insert(0.0) +=
            row.energy.value.as_joules_f64();
    }
    sums
}

#[tokio::test]
async fn a_real_prometheus_gives_what_its_counters_grew_and_gives_it_once() {
    let Some(programs) = programs() else { return };
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::now().as_second();
    let begin = (now - 5 * HOUR_S).div_euclid(HOUR_S) * HOUR_S;
    let prometheus = start(&programs, folder.path(), begin);
    let source = source(&prometheus.url);
    let waiting = Instant::now();
    while let Err(fault) = source.store.range(&["up"], begin, begin + 60).await {
        assert!(waiting.elapsed() < Duration::from_mins(2), "{fault}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    let ledger = Ledger::open(&folder.path().join("once.db")).unwrap();
    let mut progress = Progress::default();
    let end = after(begin, LASTS_S);
    collector(&ledger)
        .read_on(&source, &mut progress, end)
        .await
        .unwrap();
    let once = booked(&ledger, begin).await;
    let expected =
        |node: &str, account: &str, joules: f64| ((node.to_owned(), account.to_owned()), joules);
    // What Kepler counted between its last scrape and its end is lost to all.
    let seen = LASTS_S - 7;
    let truth = BTreeMap::from([
        expected("n1", "a", grows(10.0, LASTS_S)),
        expected("n1", "b", grows(5.0, POD_B.1 - POD_B.0)),
        expected("n1", "idle", grows(20.0, LASTS_S)),
        expected("n1", "system", grows(1.0, LASTS_S)),
        expected("n2", "c", grows(11.0, seen)),
        expected("n2", "idle", grows(28.0, seen)),
        expected("n2", "system", grows(9.0, seen)),
    ]);
    assert_eq!(joules(&once), truth);
    assert!(
        once.rows
            .iter()
            .all(|row| row.provenance == Provenance::Measured)
    );
    let cpu_us: u64 = once.rows.iter().map(|row| row.cpu_us).sum();
    assert_eq!(cpu_us, 5_400_000_000, "half a processor for three hours");

    collector(&ledger)
        .read_on(&source, &mut Progress::default(), end)
        .await
        .unwrap();
    let again = booked(&ledger, begin).await;
    assert_eq!(joules(&again), truth, "what is booked is not booked again");

    // Each reading by a new process, at times that no piece ends at.
    let parts = Ledger::open(&folder.path().join("parts.db")).unwrap();
    for seconds in [47 * 60, 52 * 60, 95 * 60, 104 * 60, 108 * 60, LASTS_S] {
        let until = after(begin, seconds);
        let source = Source {
            first: Duration::from_secs((until.as_second() - begin).unsigned_abs()),
            ..source.clone()
        };
        collector(&parts)
            .read_on(&source, &mut Progress::default(), until)
            .await
            .unwrap();
    }
    let parts = booked(&parts, begin).await;
    assert_eq!(joules(&parts), truth);
    let hours = |snapshot: &Snapshot| -> Vec<_> {
        let key = |row: &tanso_operator::ledger::HourRow| {
            (
                row.hour,
                row.node.clone(),
                row.account.clone(),
                row.energy,
                row.cpu_us,
            )
        };
        let mut rows: Vec<_> = snapshot.rows.iter().map(key).collect();
        rows.sort_by(|a, b| (a.0, &a.1, &a.2).cmp(&(b.0, &b.1, &b.2)));
        rows
    };
    assert_eq!(hours(&parts), hours(&once));
}
