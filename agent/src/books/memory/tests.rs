use tanso_agent_wire::energy::Record;
use tanso_power::Provenance;

use super::*;
use crate::attribution::ZoneEnergy;
use crate::books::{Booking, Counted};
use crate::meters::{Reading, Zone, ZoneClass};

fn container(pod: &str, id: &str) -> Account {
    Account::Container {
        pod_uid: pod.into(),
        container_id: id.into(),
    }
}

fn package(energy_uj: u64) -> Reading {
    let zone = Zone {
        class: ZoneClass::Package,
        path: "package-0".into(),
    };
    let energy = Estimate::exact(Joules::from_microjoules(energy_uj));
    let idle = Estimate::<Joules>::default();
    vec![(zone, ZoneEnergy { energy, idle })]
}

fn book(books: &mut Books, zones: Option<&Reading>, cpu_ns: &[(usize, u64)], minute: i64) {
    books.book(&Booking {
        zones,
        provenance: Provenance::Measured,
        model: Some("m1"),
        cpu_ns,
        sockets: None,
        counted: Counted::default(),
        idle: &[],
        gpu: None,
        caught_up: false,
        minutes: &[(minute, 1)],
    });
}

/// What each container's record of a minute carries, by its id.
fn carried(books: &Books, minute: i64) -> Vec<(&str, Option<u64>)> {
    let of_minute = books.pending.iter().filter(|one| one.minute == minute);
    let containers = of_minute.filter_map(|one| match &one.account {
        Account::Container { container_id, .. } => {
            Some((container_id.as_str(), one.memory_peak_bytes))
        }
        _ => None,
    });
    containers.collect()
}

/// The container before a restart and the one after it were added up.
#[test]
fn a_restarted_container_is_not_counted_beside_the_one_before_it() {
    let mut books = Books::default();
    let [before, after, mesh] = ["a1", "a2", "mesh"].map(|id| books.account(&container("p", id)));
    let cpu = [(before, 5), (after, 5), (mesh, 5)];
    book(&mut books, Some(&package(90)), &cpu, 60);
    let pod = [before, after, mesh];
    books.note_memory(&pod, &[Some(700), None, Some(50)]);
    books.note_memory(&pod, &[None, Some(300), Some(80)]);
    books.note_memory(&pod, &[None, Some(650), Some(99)]);
    books.advance_to(120);
    // 700 and 50 were held at once; 700 and 650 never were.
    let told = [("a1", Some(700)), ("a2", None), ("mesh", Some(50))];
    assert_eq!(carried(&books, 60), told);
}

/// A container that used nothing had no record, and its memory was lost.
#[test]
fn the_memory_of_a_container_without_energy_is_told_by_another_of_its_pod() {
    let mut books = Books::default();
    let [web, pause] = ["web", "pause"].map(|id| books.account(&container("p", id)));
    let [asleep, too] = ["asleep", "too"].map(|id| books.account(&container("q", id)));
    book(&mut books, Some(&package(90)), &[(web, 5_000)], 60);
    books.note_memory(&[web, pause], &[Some(700), Some(4)]);
    books.note_memory(&[asleep, too], &[Some(30), Some(8)]);
    books.advance_to(120);
    // A pod of which nobody used anything has one record, of no energy.
    let told = [("web", Some(704)), ("asleep", Some(38))];
    assert_eq!(carried(&books, 60), told);
    let last: &Record = books.pending.last().unwrap();
    assert_eq!((last.energy_uj, last.cpu_us), (Estimate::default(), 0));
    assert_eq!(
        (last.provenance, last.model.as_deref()),
        (Provenance::Measured, Some("m1"))
    );
    // The next minute begins anew.
    book(&mut books, Some(&package(90)), &[(web, 5_000)], 120);
    books.advance_to(180);
    assert_eq!(carried(&books, 120), [("web", None)]);
}

#[test]
fn a_minute_without_a_meter_gets_no_record_for_its_memory() {
    let mut books = Books::default();
    let web = books.account(&container("p", "web"));
    book(&mut books, None, &[(web, 5_000)], 60);
    books.note_memory(&[web], &[Some(700)]);
    books.advance_to(120);
    assert!(books.pending.is_empty(), "{:?}", books.pending);
    // Nor is it told of the next minute.
    book(&mut books, Some(&package(90)), &[(web, 5_000)], 120);
    books.advance_to(180);
    assert_eq!(carried(&books, 120), [("web", None)]);
}

#[test]
fn a_finished_container_stays_until_its_memory_is_told() {
    let mut books = Books::default();
    let [web, asleep] = ["web", "asleep"].map(|id| books.account(&container(id, id)));
    book(&mut books, Some(&package(90)), &[(web, 5_000)], 60);
    books.note_memory(&[asleep], &[Some(9)]);
    books.accounts[asleep].ended_ms = Some(1_000);
    books.fold(i64::MAX);
    books.advance_to(120);
    assert_eq!(carried(&books, 60), [("web", None), ("asleep", Some(9))]);
}
