use std::path::Path;

use tanso_agent_wire::energy::{Account, Names};
use tanso_agent_wire::families;
use tanso_power::{Estimate, Joules, Provenance, Utilisation};

use super::*;
use crate::attribution::ZoneEnergy;
use crate::books::{Booking, Books};
use crate::kernel::Rung;
use crate::meters::bench::MeterReport;
use crate::meters::{Reading, Zone, ZoneClass};
use crate::snapshot::{Origin, Work};

fn energies() -> Reading {
    let zone = |class: ZoneClass, path: &str, value_uj: u64, idle_uj: u64| {
        let exact = |energy_uj| Estimate::exact(Joules::from_microjoules(energy_uj));
        (
            Zone {
                class,
                path: path.to_owned(),
            },
            ZoneEnergy {
                energy: exact(value_uj),
                idle: exact(idle_uj),
            },
        )
    };
    vec![
        zone(
            ZoneClass::Package,
            "aggregated-package",
            30_000_001,
            10_000_000,
        ),
        zone(ZoneClass::Dram, "aggregated-dram", 5_000_000, 2_000_000),
    ]
}

fn snapshot() -> Snapshot {
    let mut books = Books::default();
    let container = |pod: &str, id: &str| Account::Container {
        pod_uid: pod.into(),
        container_id: id.into(),
    };
    let web = books.account(&container("uid-web", "id-web"));
    let job = books.account(&container("uid-job", "id-job"));
    let alone = books.account(&Account::Standalone {
        container_id: "id-alone".into(),
    });
    for (place, runtime) in [(web, "containerd"), (job, "crio"), (alone, "docker")] {
        books.accounts[place].runtime = runtime.into();
    }
    let names = Names {
        namespace: Some("shop".into()),
        pod: Some("web-1".into()),
        container: Some("we\"b".into()),
    };
    books.name(web, &names);
    let reading = energies();
    let cpu = [
        (Books::SYSTEM, 100_000_000),
        (Books::KERNEL, 50_000_000),
        (web, 700_000_000),
        (job, 90_000_000),
        (alone, 60_000_000),
    ];
    books.book(&Booking {
        zones: Some(&reading),
        provenance: Provenance::Measured,
        model: None,
        cpu_ns: &cpu,
        caught_up: false,
        minutes: &[(60, 1)],
    });
    books.accounts[job].ended_ms = Some(61_000);
    let report = |name, state: &'static str, failures| MeterReport {
        name,
        state,
        reason: String::new(),
        failures,
        ..MeterReport::default()
    };
    Snapshot {
        at_unix_ms: 61_500,
        elapsed: std::time::Duration::from_secs(2),
        utilisation: Utilisation::try_new(0.25).unwrap(),
        books,
        meters: vec![report("rapl", "active", 3), report("model", "absent", 0)],
        origin: Some(Origin {
            meter: "rapl",
            provenance: Provenance::Measured,
            model: None,
        }),
        rung: Rung::Ebpf,
        work: Work::default(),
        last_sequence: 41,
        journal_bytes: 1_000,
    }
}

fn exposition() -> String {
    let processor = Processor {
        number: "0".into(),
        vendor: "GenuineIntel".into(),
        model_name: "Xeon".into(),
        socket: "1".into(),
        core: "2".into(),
    };
    text(
        &"node-7".into(),
        &vec![processor].into(),
        Some(Arc::new(snapshot())),
    )
    .unwrap()
}

#[test]
fn the_exposition_is_the_golden_one() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/metrics.txt");
    let found = exposition()
        .replace(
            &format!("arch=\"{}\"", std::env::consts::ARCH),
            "arch=\"ARCH\"",
        )
        .replace(
            &format!("version=\"{}\"", env!("CARGO_PKG_VERSION")),
            "version=\"VERSION\"",
        );
    if std::env::var_os("TANSO_BLESS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &found).unwrap();
    }
    let golden = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        found, golden,
        "if this change is wanted, run the test with TANSO_BLESS=1"
    );
}

#[test]
fn every_family_is_there_with_its_type() {
    let text = exposition();
    for family in families::ALL {
        let name = family.name.strip_suffix("_total").unwrap_or(family.name);
        let line = format!("# TYPE {name} {}\n", family.kind.as_str());
        assert!(text.contains(&line), "{line}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn no_series_appears_twice() {
    let text = exposition();
    let mut series = std::collections::HashSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, _) = line.rsplit_once(' ').unwrap();
        assert!(series.insert(name.to_owned()), "{name}");
    }
}

#[test]
fn before_the_first_figures_the_program_is_shown_and_no_zero_energy() {
    let text = text(&"node-7".into(), &Vec::new().into(), None).unwrap();
    assert!(text.contains("kepler_build_info{"));
    assert!(!text.contains("joules"));
}
