use std::time::Duration;

use tanso_power::Utilisation;
use tempfile::TempDir;

use super::*;

/// A fixture's tree, copied so that its registers can be advanced.
struct Tree(TempDir);

impl Tree {
    fn of(fixture: &str) -> Self {
        let copy = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(fixture);
        copy_tree(&source, copy.path());
        Self(copy)
    }

    fn meter(&self) -> Rapl {
        Rapl::new(self.0.path())
    }

    fn register(&self, id: &str) -> PathBuf {
        self.0
            .path()
            .join("class/powercap")
            .join(id)
            .join("energy_uj")
    }

    fn set(&self, id: &str, energy_uj: u64) {
        fs::write(self.register(id), format!("{energy_uj}\n")).unwrap();
    }

    fn add(&self, id: &str, energy_uj: u64) {
        let text = fs::read_to_string(self.register(id)).unwrap();
        let now_uj: u64 = text.trim().parse().unwrap();
        self.set(id, now_uj + energy_uj);
    }
}

fn copy_tree(source: &Path, target: &Path) {
    fs::create_dir_all(target).unwrap();
    for entry in fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        let target = target.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn read(meter: &mut Rapl) -> Vec<(ZoneClass, String, u64)> {
    let span = Span {
        elapsed: Duration::from_secs(1),
        utilisation: Utilisation::FULL,
        ..Span::default()
    };
    let reading = meter.read(&span).unwrap();
    reading
        .into_iter()
        .map(|(zone, amount)| (zone.class, zone.path, amount.energy.value.microjoules()))
        .collect()
}

fn started(tree: &Tree) -> Rapl {
    let mut meter = tree.meter();
    assert_eq!(meter.find(), MeterState::Active);
    assert!(
        read(&mut meter)
            .iter()
            .all(|(.., energy_uj)| *energy_uj == 0),
        "first reading"
    );
    meter
}

#[test]
fn one_socket_shows_each_zone_and_no_copy_by_mmio() {
    let tree = Tree::of("sys-one-socket");
    let mut meter = started(&tree);
    for (id, energy_uj) in [
        ("intel-rapl:0", 100),
        ("intel-rapl:0:0", 60),
        ("intel-rapl:0:1", 5),
        ("intel-rapl:0:2", 20),
    ] {
        tree.add(id, energy_uj);
    }
    tree.add("intel-rapl-mmio:0", 9_999);
    let path = |id: &str| format!("/sys/class/powercap/{id}");
    let wanted = [
        (ZoneClass::Package, path("intel-rapl:0"), 100),
        (ZoneClass::Core, path("intel-rapl:0:0"), 60),
        (ZoneClass::Uncore, path("intel-rapl:0:1"), 5),
        (ZoneClass::Dram, path("intel-rapl:0:2"), 20),
    ];
    assert_eq!(read(&mut meter), wanted);
}

#[test]
fn two_sockets_are_exported_together() {
    let tree = Tree::of("sys-two-sockets");
    let mut meter = started(&tree);
    for (id, energy_uj) in [
        ("intel-rapl:0", 7),
        ("intel-rapl:1", 11),
        ("intel-rapl:0:0", 3),
        ("intel-rapl:1:0", 2),
    ] {
        tree.add(id, energy_uj);
    }
    let wanted = [
        (ZoneClass::Package, "aggregated-package".to_owned(), 18),
        (ZoneClass::Dram, "aggregated-dram".to_owned(), 5),
    ];
    assert_eq!(read(&mut meter), wanted);
}

#[test]
fn a_wrapped_register_loses_nothing_beside_one_that_did_not_wrap() {
    let tree = Tree::of("sys-wraparound");
    let mut meter = started(&tree);
    tree.set("intel-rapl:0", 4);
    tree.add("intel-rapl:1", 100);
    // 5 to the top, 1 to zero, 4 beyond; and 100.
    assert_eq!(read(&mut meter)[0].2, 110);
}

#[test]
fn psys_and_amd_zones_are_known() {
    let tree = Tree::of("sys-psys-client");
    let classes: Vec<_> = read(&mut started(&tree))
        .into_iter()
        .map(|(class, ..)| class)
        .collect();
    assert_eq!(
        classes,
        [
            ZoneClass::Package,
            ZoneClass::Core,
            ZoneClass::Uncore,
            ZoneClass::Psys
        ]
    );
    let tree = Tree::of("sys-amd");
    let classes: Vec<_> = read(&mut started(&tree))
        .into_iter()
        .map(|(class, ..)| class)
        .collect();
    assert_eq!(classes, [ZoneClass::Package, ZoneClass::Core]);
}

#[test]
fn what_is_missing_or_unreadable_is_a_state_that_says_why() {
    let absent = Tree::of("sys-no-powercap").meter().find();
    assert!(
        matches!(&absent, MeterState::Absent(reason) if reason.contains("powercap")),
        "{absent:?}"
    );
    let failed = Tree::of("sys-unreadable").meter().find();
    assert!(
        matches!(&failed, MeterState::Failed(reason) if reason.contains("package-0")),
        "{failed:?}"
    );
    let denied = refusal("package-0", &io::ErrorKind::PermissionDenied.into());
    assert!(
        denied.contains("run as root or grant read on energy_uj"),
        "{denied}"
    );
}

#[test]
fn one_unreadable_zone_does_not_silence_the_others() {
    let tree = Tree::of("sys-part-unreadable");
    let mut meter = started(&tree);
    tree.add("intel-rapl:0", 50);
    let reading = read(&mut meter);
    assert_eq!(reading.len(), 1);
    assert_eq!(reading[0].2, 50);
}

#[test]
fn a_new_process_goes_on_from_the_registers_of_the_old_one() {
    let tree = Tree::of("sys-one-socket");
    let memory = started(&tree).memory();
    tree.add("intel-rapl:0", 1_234);
    let mut meter = tree.meter();
    meter.find();
    meter.resume(memory);
    assert_eq!(read(&mut meter)[0].2, 1_234);
}

#[test]
fn a_zone_that_cannot_be_read_at_a_restart_goes_on_from_its_register() {
    let tree = Tree::of("sys-one-socket");
    let mut meter = started(&tree);
    let before = fs::read_to_string(tree.register("intel-rapl:0")).unwrap();
    fs::write(tree.register("intel-rapl:0"), "").unwrap();
    meter.find();
    let memory = meter.memory();
    let mut meter = tree.meter();
    meter.find();
    meter.resume(memory);
    fs::write(tree.register("intel-rapl:0"), before).unwrap();
    tree.add("intel-rapl:0", 1_234);
    meter.find();
    assert_eq!(read(&mut meter)[0].2, 1_234);
}

/// A search that failed, out of descriptors say, forgot every register, and with
/// them what they counted until the next one.
#[test]
fn zones_that_cannot_be_looked_for_are_not_forgotten() {
    let tree = Tree::of("sys-one-socket");
    let mut meter = started(&tree);
    let zones = tree.0.path().join("class/powercap");
    let aside = tree.0.path().join("aside");
    fs::rename(&zones, &aside).unwrap();
    // No directory: neither absent nor to be read.
    fs::write(&zones, "").unwrap();
    assert_eq!(meter.find(), MeterState::Active);
    fs::remove_file(&zones).unwrap();
    fs::rename(&aside, &zones).unwrap();
    tree.add("intel-rapl:0", 77);
    meter.find();
    assert_eq!(read(&mut meter)[0].2, 77);
}
