//! Defects that are visible in the predecessor's code (v0.10 to its main
//! branch of 2026), each as a test that passes here. Those that lie in meters
//! alone are in `meters/kepler.rs`, those of counting in the kernel in
//! `kernel_counts.rs`; `docs/kepler-tests.md` lists all of them.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use tanso_agent::attribution::ZoneEnergy;
use tanso_agent::books::{Booking, Books, Counted, ENDED_MAX};
use tanso_agent::charges::Identity;
use tanso_agent::host::HostRoots;
use tanso_agent::journal::Journal;
use tanso_agent::kernel::{CpuTime as _, ProcCpu, Rung};
use tanso_agent::meters::{Reading, Zone, ZoneClass};
use tanso_agent::serve::metrics::encode;
use tanso_agent::serve::metrics::exposition::{Counters, View};
use tanso_agent::serve::metrics::options::{Levels, Options};
use tanso_agent::serve::metrics::sink::{Coding, Format};
use tanso_agent::serve::{Sources, router};
use tanso_agent::snapshot::details::{Amount, ProcessFigures};
use tanso_agent::snapshot::{Details, Published, Snapshot, Work};
use tanso_agent_wire::energy::{Account, JournalId, Names};
use tanso_agent_wire::families::Level;
use tanso_power::{Estimate, Joules, Provenance, Utilisation};
use tanso_runtime::Health;
use tower::ServiceExt as _;

/// Energy by zone, if a meter was there, and CPU time by account.
type Interval<'a> = (Option<Reading>, &'a [(usize, u64)]);

const POD: &str = "0c4b1a52-3a5b-4c77-8f4e-5f2b6d7e8a90";

fn container(pod: &str, id: &str) -> Account {
    Account::Container {
        pod_uid: pod.into(),
        container_id: id.into(),
    }
}

/// An interval in which a package used `energy_uj`, `idle_uj` of it idle.
fn package(energy_uj: u64, idle_uj: u64) -> Reading {
    let exact = |energy_uj| Estimate::exact(Joules::from_microjoules(energy_uj));
    let zone = Zone {
        class: ZoneClass::Package,
        path: "package-0".into(),
    };
    let energy = ZoneEnergy {
        energy: exact(energy_uj),
        idle: exact(idle_uj),
    };
    vec![(zone, energy)]
}

fn book(books: &mut Books, zones: Option<&Reading>, cpu_ns: &[(usize, u64)]) {
    books.book(&Booking {
        zones,
        provenance: Provenance::Measured,
        model: None,
        cpu_ns,
        sockets: None,
        counted: Counted::default(),
        idle: &[],
        gpu: None,
        caught_up: false,
        minutes: &[(60, 1)],
    });
}

fn snapshot(books: &Books) -> Snapshot {
    Snapshot {
        at_unix_ms: 61_000,
        elapsed: Duration::from_secs(1),
        utilisation: Utilisation::IDLE,
        books: books.clone(),
        meters: Vec::new(),
        origin: None,
        rung: Rung::Ebpf,
        work: Work::default(),
        last_sequence: 0,
        journal_bytes: 0,
        details: Details::default(),
    }
}

fn text(snapshot: &Snapshot) -> String {
    let options = Options {
        levels: Levels::of(Level::ALL),
        ..Options::default()
    };
    let view = View {
        node: "node-1",
        processors: &[],
        rights: &[],
        snapshot: Some(snapshot),
        counters: &Counters::default(),
        options: &options,
    };
    String::from_utf8(encode(&view, Format::Plain, Coding::Identity).unwrap()).unwrap()
}

/// The samples whose name begins so, by series.
fn samples(text: &str, prefix: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| line.starts_with(prefix));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        })
        .collect()
}

/// 1: when a zone's or the node's difference was 0 in an interval, the totals
/// of processes, containers and pods fell to 0 and their energy was lost.
#[test]
fn defect_01_no_total_falls_when_an_interval_has_no_energy_no_work_or_no_meter() {
    let mut books = Books::default();
    let web = books.account(&container(POD, "web"));
    let own = books.account(&Account::Standalone {
        container_id: "own".into(),
    });
    let work = [(Books::SYSTEM, 10), (web, 700), (own, 300)];
    let intervals: [Interval<'_>; 6] = [
        (Some(package(90_000, 20_000)), &work),
        (Some(package(0, 0)), &work),
        (Some(package(40_000, 40_000)), &[]),
        (None, &work),
        (Some(package(10, 0)), &[(web, 1)]),
        (Some(Vec::new()), &[]),
    ];
    let mut before = BTreeMap::new();
    for (zones, cpu_ns) in &intervals {
        book(&mut books, zones.as_ref(), cpu_ns);
        let shown = text(&snapshot(&books));
        let mut now = samples(&shown, "kepler_");
        now.extend(samples(&shown, "tanso_"));
        now.retain(|series, _| series.contains("_total{"));
        for (series, value) in &before {
            assert!(now.get(series) >= Some(value), "{series} fell");
        }
        before = now;
    }
    let total = "kepler_pod_cpu_joules_total{";
    let pod = samples(&text(&snapshot(&books)), total);
    assert_eq!(pod.len(), 1);
    assert!(pod.values().all(|joules| *joules > 0.0));
}

/// 3: any read of /metrics, a liveness probe's too, cleared finished
/// containers before the real scraper came.
#[tokio::test]
async fn defect_03_no_reader_takes_a_finished_container_from_the_next() {
    let mut books = Books::default();
    let job = books.account(&container(POD, "job"));
    book(
        &mut books,
        Some(&package(5_000_000, 1_000_000)),
        &[(job, 9)],
    );
    books.accounts[job].ended_ms = Some(60_500);
    let published = Arc::new(Published::empty());
    published.store(Some(Arc::new(snapshot(&books))));
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path(), JournalId(1)).unwrap();
    let sources = Sources::new(
        "node-1".into(),
        published,
        Arc::new(journal),
        Vec::new().into(),
    );
    let routes = router(sources, &Health::new(&[]));
    let mut seen = Vec::new();
    for path in ["/metrics", "/healthz", "/metrics", "/readyz", "/metrics"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = routes.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        if path == "/metrics" {
            let shown = String::from_utf8(body.to_vec()).unwrap();
            seen.push(samples(&shown, "kepler_container_cpu_joules_total{"));
        }
    }
    assert_eq!(seen.len(), 3);
    let (series, joules) = seen[0].first_key_value().unwrap();
    assert!(series.contains("state=\"terminated\"") && *joules > 0.0);
    assert!(seen.iter().all(|samples| *samples == seen[0]));
}

/// 3b: a finished container's series was one of a single sample, so that a rate
/// over it had nothing, and as many as had ended stood in one scrape. Here it
/// stands still for 15 minutes at no less than what it was while it ran: over it
/// a rate is 0, never a spike, and what all of its series together grew by is
/// what it used.
#[test]
fn defect_03b_finished_series_stand_still_for_minutes_and_are_bounded_in_number() {
    let total = "kepler_container_cpu_joules_total{";
    let mut books = Books::default();
    let job = books.account(&container(POD, "job"));
    let work = |books: &mut Books| {
        let reading = package(5_000_000, 1_000_000);
        book(books, Some(&reading), &[(job, 9)]);
    };
    work(&mut books);
    let running = samples(&text(&snapshot(&books)), total);
    // What it used after the last scrape as a running one.
    work(&mut books);
    let begin_ms = 60_500;
    books.accounts[job].ended_ms = Some(begin_ms);
    let used = books.accounts[job].total.as_joules_f64();
    book(&mut books, Some(&package(0, 0)), &[]);
    books.pending.clear();
    for minute in 0..15 {
        books.fold(begin_ms + minute * 60_000);
        let finished = samples(&text(&snapshot(&books)), total);
        let [(series, joules)] = finished.iter().collect::<Vec<_>>()[..] else {
            panic!("{finished:?}");
        };
        assert!(series.contains("state=\"terminated\""), "{series}");
        assert!((joules - used).abs() < 1e-9, "minute {minute}");
        assert!(running.values().all(|before| before <= joules));
    }
    // A storm of them within one minute, of which none can be folded yet.
    let mut newest = Vec::new();
    for number in 0..ENDED_MAX + 40 {
        let id = format!("storm-{number}");
        let place = books.account(&container(&format!("pod-{number}"), &id));
        book(&mut books, Some(&package(9_000, 0)), &[(place, 9)]);
        books.accounts[place].ended_ms = Some(begin_ms + 1);
        newest.push(id);
    }
    books.fold(begin_ms + 2);
    let shown = text(&snapshot(&books));
    let finished = samples(&shown, total);
    assert_eq!(finished.len(), ENDED_MAX);
    assert!(
        finished
            .keys()
            .any(|series| series.contains(newest.last().unwrap()))
    );
    assert_eq!(
        samples(&shown, "kepler_pod_cpu_joules_total{").len(),
        ENDED_MAX
    );
    let withheld = samples(&shown, "tanso_series_withheld{level=\"container\"");
    assert_eq!(withheld.values().copied().collect::<Vec<_>>(), [41.0]);
    // Nobody's energy is out of the sums.
    let accounts: Joules = books.accounts.iter().map(|book| book.total).sum();
    assert_eq!(accounts, books.total());
}

/// A process list with one CPU's ticks by process.
struct Processes {
    root: tempfile::TempDir,
    roots: HostRoots,
}

impl Processes {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let roots = HostRoots::under(root.path());
        fs::create_dir_all(&roots.proc).unwrap();
        Self { root, roots }
    }

    fn put(&self, pid: u32, ticks: u64, started: u64) {
        let folder = self.roots.proc.join(pid.to_string());
        fs::create_dir_all(&folder).unwrap();
        let stat =
            format!("{pid} (a) S 1 1 1 0 -1 0 5 6 7 8 {ticks} 0 1 1 20 0 1 0 {started} 1 1\n");
        fs::write(folder.join("stat"), stat).unwrap();
    }

    /// Makes a process unreadable, for root too.
    fn hide(&self, pid: u32) {
        let stat = self.roots.proc.join(format!("{pid}/stat"));
        fs::remove_file(&stat).unwrap();
        fs::create_dir(stat).unwrap();
    }

    fn show(&self, pid: u32, ticks: u64, started: u64) {
        fs::remove_dir(self.roots.proc.join(format!("{pid}/stat"))).unwrap();
        self.put(pid, ticks, started);
    }
}

/// 4: processes were known by their number alone: one given anew inherited
/// the counters, and its first difference could be below 0.
#[test]
fn defect_04_a_number_given_anew_is_another_process() {
    let list = Processes::new();
    list.put(7, 500, 10);
    let mut cpu = ProcCpu::open(&list.roots).unwrap();
    list.put(7, 30, 99);
    let total = cpu.read().unwrap().total();
    assert_eq!(total, Duration::from_millis(300));
    assert!(list.root.path().exists());
}

/// 5: one unreadable process, zone or name aborted the whole snapshot.
#[test]
fn defect_05_an_unreadable_process_is_skipped_and_counted_and_the_rest_is_there() {
    let list = Processes::new();
    list.put(7, 100, 10);
    list.put(8, 100, 10);
    let mut cpu = ProcCpu::open(&list.roots).unwrap();
    list.hide(7);
    list.put(8, 120, 10);
    let reading = cpu.read().unwrap();
    assert_eq!(reading.total(), Duration::from_millis(200));
    assert_eq!(reading.losses.unreadable, 1);
}

/// 6: a process that could not be read once was taken for a new one, and its
/// whole life was charged in one interval.
#[test]
fn defect_06_a_process_that_could_not_be_read_once_is_not_charged_its_life_again() {
    let list = Processes::new();
    list.put(7, 90_000, 10);
    list.put(8, 90_000, 10);
    list.hide(8);
    let mut cpu = ProcCpu::open(&list.roots).unwrap();
    list.hide(7);
    assert_eq!(cpu.read().unwrap().total(), Duration::ZERO);
    list.show(7, 90_003, 10);
    list.show(8, 90_005, 10);
    // 7 goes on where it was; what 8 used before it was seen is nobody's.
    assert_eq!(cpu.read().unwrap().total(), Duration::from_millis(30));
    list.put(8, 90_006, 10);
    assert_eq!(cpu.read().unwrap().total(), Duration::from_millis(40));
}

/// 7: of several processes of one virtual machine the last one won; a pod's
/// CPU time grew by its containers' running totals with each refresh.
#[test]
fn defect_07_what_belongs_to_one_owner_is_added_once_per_interval() {
    let scope = format!("/kubepods/pod{POD}/{}", "a".repeat(64));
    // Groups within a container, each with processes of its own.
    let parts = ["", "/init", "/init/deep"].map(|below| Identity::of(&format!("{scope}{below}")));
    let mut books = Books::default();
    let places: HashSet<usize> = parts
        .iter()
        .map(|part| books.account(&part.account))
        .collect();
    assert_eq!(places.len(), 1);
    let first = *places.iter().next().unwrap();
    let second = books.account(&container(POD, "sidecar"));
    for _ in 0..5 {
        let used = [(first, 30), (second, 10)];
        book(&mut books, Some(&package(4_000_000, 0)), &used);
    }
    let shown = text(&snapshot(&books));
    let pod = samples(&shown, "kepler_pod_cpu_joules_total{");
    assert_eq!(pod.into_values().collect::<Vec<_>>(), [20.0]);
    let containers = samples(&shown, "kepler_container_cpu_joules_total{");
    let mut joules: Vec<f64> = containers.into_values().collect();
    joules.sort_by(f64::total_cmp);
    assert_eq!(joules, [5.0, 15.0]);
}

/// 8: without a running pod, finished ones were not published.
#[test]
fn defect_08_finished_pods_are_told_when_none_runs() {
    let mut books = Books::default();
    let job = books.account(&container(POD, "job"));
    book(&mut books, Some(&package(3_000_000, 0)), &[(job, 1)]);
    books.accounts[job].ended_ms = Some(1);
    book(&mut books, Some(&package(7, 0)), &[]);
    let shown = text(&snapshot(&books));
    for level in ["pod", "container"] {
        let found = samples(&shown, &format!("kepler_{level}_cpu_joules_total{{"));
        let (series, joules) = found.first_key_value().unwrap();
        assert!(series.contains("state=\"terminated\""), "{series}");
        assert!((*joules - 3.0).abs() < 1e-9, "{series}");
    }
}

/// 10: a finished and a running process of equal number and name made one
/// series twice, and the whole scrape an HTTP 500.
#[test]
fn defect_10_a_finished_and_a_running_process_of_one_number_make_no_series_twice() {
    let mut books = Books::default();
    book(
        &mut books,
        Some(&package(3_000_000, 0)),
        &[(Books::SYSTEM, 1)],
    );
    let mut snapshot = snapshot(&books);
    let process = |running, cpu_ns| ProcessFigures {
        pid: 7,
        comm: "sh".into(),
        running,
        zones: vec![Amount {
            total: Joules::from_microjoules(1_000_000),
            last: Joules::ZERO,
        }],
        cpu_ns,
        ..ProcessFigures::default()
    };
    snapshot.details.processes = vec![process(true, 1_000_000_000), process(false, 500_000_000)];
    let shown = text(&snapshot);
    let mut series = HashSet::new();
    for line in shown.lines().filter(|line| !line.starts_with('#')) {
        assert!(series.insert(line.rsplit_once(' ').unwrap().0), "{line}");
    }
    let time = samples(&shown, "kepler_process_cpu_seconds_total{");
    assert_eq!(time.into_values().collect::<Vec<_>>(), [1.5]);
    assert_eq!(samples(&shown, "kepler_process_cpu_joules_total{").len(), 2);
    // A minute later the ended one is listed no more: no counter falls for it.
    let ended = snapshot.details.processes.pop().unwrap();
    snapshot.details.processes[0].inherit(&ended);
    let shown = text(&snapshot);
    let time = samples(&shown, "kepler_process_cpu_seconds_total{");
    assert_eq!(time.into_values().collect::<Vec<_>>(), [1.5]);
    let running = samples(&shown, "kepler_process_cpu_joules_total{");
    assert_eq!(running.into_values().collect::<Vec<_>>(), [1.0]);
    // When it ends itself its energy is told with that of the other one.
    snapshot.details.processes[0].running = false;
    let ended = samples(&text(&snapshot), "kepler_process_cpu_joules_total{");
    assert_eq!(ended.into_values().collect::<Vec<_>>(), [2.0]);
}

/// 12: every container's environment was read, secrets and all.
#[test]
fn defect_12_no_source_reads_a_processs_environment() {
    fn look(folder: &Path, files: &mut usize) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                look(&path, files);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                *files += 1;
                let code = fs::read_to_string(&path).unwrap();
                assert!(!code.contains("environ\""), "{}", path.display());
            }
        }
    }
    let mut files = 0;
    look(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    assert!(files > 50);
}

/// 12: a container's name came from its environment first, and from its pod
/// later: its series broke.
#[test]
fn defect_12_a_containers_series_begins_with_its_pods_name_for_it_and_never_changes_it() {
    let mut books = Books::default();
    let web = books.account(&container(POD, "web"));
    book(&mut books, Some(&package(2_000_000, 0)), &[(web, 1)]);
    let shown = |books: &Books| {
        samples(
            &text(&snapshot(books)),
            "kepler_container_cpu_joules_total{",
        )
    };
    // Its name is on the way: no series begins that would break off.
    books.accounts[web].awaits_name_until_ms = 62_000;
    assert!(shown(&books).is_empty());
    let names = Names {
        namespace: Some("shop".into()),
        pod: Some("web-1".into()),
        container: Some("server".into()),
    };
    books.name(web, &names);
    let listed = shown(&books);
    let (series, joules) = listed.first_key_value().unwrap();
    assert!(series.contains("container_id=\"web\",container_name=\"server\""));
    assert!((*joules - 2.0).abs() < 1e-9);
    // Whose name never comes (a sandbox) is listed without one.
    let pause = books.account(&container(POD, "pause"));
    books.accounts[pause].awaits_name_until_ms = 61_000;
    let all = shown(&books);
    assert!(
        all.keys()
            .any(|series| series.contains("container_name=\"\""))
    );
}
