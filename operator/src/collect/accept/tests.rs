use tanso_agent_wire::energy::{JournalId, Names};
use tanso_power::{Estimate, Joules, Provenance};

use super::*;

const MINUTE: i64 = 1_790_000_040;
const JOURNAL: JournalId = JournalId(7);

fn record(sequence: u64) -> Record {
    Record {
        sequence,
        minute: MINUTE,
        account: Account::Container {
            pod_uid: "3f1c-22".into(),
            container_id: "containerd://9a".into(),
        },
        names: Names {
            namespace: Some("shop".into()),
            pod: Some("till-1".into()),
            container: Some("till".into()),
        },
        energy_uj: Estimate {
            low: Joules::from_microjoules(4_000),
            value: Joules::from_microjoules(5_000),
            high: Joules::from_microjoules(6_500),
        },
        cpu_us: 321,
        provenance: Provenance::Modelled,
        model: Some("sha256:ab".into()),
        caught_up: false,
        memory_peak_bytes: None,
    }
}

fn page() -> EnergyPage {
    EnergyPage {
        schema: SCHEMA.to_owned(),
        node: "n1".to_owned(),
        records: vec![record(11), record(12)],
        next: Cursor {
            journal: JOURNAL,
            sequence: 12,
        },
        last_sequence: 40,
        first_sequence: 3,
        closed_until: MINUTE + 60,
    }
}

fn judge(change: impl FnOnce(&mut EnergyPage)) -> Result<Page, Refusal> {
    let mut page = page();
    change(&mut page);
    let cursor = Cursor {
        journal: JOURNAL,
        sequence: 10,
    };
    let now = Timestamp::from_second(MINUTE + 65).unwrap();
    let homes = [("3f1c-22", "n1"), ("77aa-01", "n2")]
        .map(|(pod, node)| (pod.to_owned(), node.to_owned()))
        .into();
    accept(
        &Asked {
            node: "n1",
            cursor: Some(&cursor),
            now,
            homes: &homes,
        },
        page,
    )
}

fn refused(change: impl FnOnce(&mut EnergyPage)) -> &'static str {
    judge(change).unwrap_err().reason()
}

#[test]
fn an_honest_page_passes_whole() {
    let page = judge(|_| {}).unwrap();
    assert_eq!((page.records.len(), page.next_sequence), (2, 12));
}

#[test]
fn energy_of_a_pod_of_another_node_is_refused_and_of_a_forgotten_pod_is_not() {
    let of = |uid: &str| Account::Container {
        pod_uid: uid.into(),
        container_id: "c".into(),
    };
    let refusal = judge(|p| p.records[1].account = of("77aa-01")).unwrap_err();
    assert_eq!(refusal.reason(), "foreignPod");
    let text = refusal.to_string();
    assert!(
        text.contains("77aa-01") && text.contains("\"n2\""),
        "{text}"
    );
    assert!(judge(|p| p.records[1].account = of("long-gone")).is_ok());
}

#[test]
fn who_speaks_for_another_or_another_format_is_refused() {
    assert_eq!(
        refused(|p| p.schema = "tanso.dev/energy/v9".into()),
        "schema"
    );
    assert_eq!(refused(|p| p.node = "n2".into()), "node");
    assert_eq!(refused(|p| p.next.journal = JournalId(8)), "journal");
}

#[test]
fn sequences_must_rise_by_one() {
    assert_eq!(refused(|p| p.records[1].sequence = 11), "sequence");
    assert_eq!(refused(|p| p.records[1].sequence = 13), "sequence");
    assert_eq!(refused(|p| p.records.swap(0, 1)), "sequence");
    assert_eq!(refused(|p| p.next.sequence = 13), "sequence");
    assert_eq!(refused(|p| p.last_sequence = 11), "sequence");
    assert_eq!(
        refused(|p| {
            p.records.clear();
            p.next.sequence = 9;
        }),
        "sequence"
    );
    let replayed = |p: &mut EnergyPage| {
        p.records = vec![record(5), record(6)];
        p.next.sequence = 6;
    };
    assert_eq!(refused(replayed), "sequence");
}

#[test]
fn dropped_records_pass_only_where_the_agent_says_so() {
    let jump = |p: &mut EnergyPage| {
        p.records = vec![record(21), record(22)];
        p.next.sequence = 22;
    };
    assert_eq!(refused(jump), "sequence");
    let said = |p: &mut EnergyPage| {
        jump(p);
        p.first_sequence = 21;
    };
    assert_eq!(judge(said).unwrap().records.len(), 2);
}

#[test]
fn times_that_cannot_be_are_refused() {
    assert_eq!(refused(|p| p.records[0].minute += 1), "minute");
    assert_eq!(refused(|p| p.records[0].minute = -60), "minute");
    assert_eq!(refused(|p| p.records[0].minute += 3_600), "future");
    assert_eq!(refused(|p| p.closed_until += 3_600), "future");
    assert_eq!(refused(|p| p.closed_until = i64::MIN), "past");
    assert!(judge(|p| p.closed_until = 0).is_ok());
}

/// One that lies wrote into reports that are done, and named 4,000 pods in each of
/// all hours since 1970.
#[test]
fn a_record_of_long_ago_is_refused() {
    const DAY_S: i64 = 86_400;
    let days_ago = |days: i64| move |p: &mut EnergyPage| p.records[0].minute -= days * DAY_S;
    assert!(judge(days_ago(31)).is_ok());
    for days in [33, 400] {
        let refusal = judge(days_ago(days)).unwrap_err();
        assert_eq!(refusal.reason(), "past");
        assert!(refusal.to_string().contains("32 days"), "{refusal}");
    }
    assert_eq!(refused(|p| p.records[1].minute = 0), "past");
}

/// NVIDIA's DGX B200 has 14.3 kW by its data sheet.
#[test]
fn a_server_with_eight_accelerators_at_full_load_passes() {
    let minute = std::time::Duration::from_mins(1);
    let watts = |watts| tanso_power::Watts::try_from_watts(watts).unwrap();
    let with = |power: f64| {
        let energy = Estimate::exact(watts(power / 2.0).over(minute));
        judge(|p| p.records.iter_mut().for_each(|r| r.energy_uj = energy))
    };
    assert!(with(14_300.0).is_ok());
    assert_eq!(with(20_100.0).unwrap_err().reason(), "power");
}

#[test]
fn amounts_that_cannot_be_are_refused() {
    let joules = Joules::from_microjoules;
    let bounds = Estimate {
        low: joules(9),
        value: joules(5),
        high: joules(6),
    };
    assert_eq!(refused(|p| p.records[0].energy_uj = bounds), "bounds");
    let most = Estimate::exact(joules(700_000_000_000));
    assert!(judge(|p| p.records[0].energy_uj = most).is_ok());
    assert_eq!(
        refused(|p| p.records.iter_mut().for_each(|r| r.energy_uj = most)),
        "power"
    );
    let caught_up = |p: &mut EnergyPage| {
        p.records.iter_mut().for_each(|r| {
            r.energy_uj = most;
            r.caught_up = true;
        });
    };
    assert!(judge(caught_up).is_ok());
    assert_eq!(
        refused(|p| p.records[0].energy_uj = Estimate::exact(joules(u64::MAX))),
        "power"
    );
    assert_eq!(refused(|p| p.records[0].cpu_us = u64::MAX), "cpuTime");
}

#[test]
fn memory_that_cannot_be_is_refused() {
    const TIB: u64 = 1 << 40;
    let with = |bytes: [u64; 2]| {
        move |p: &mut EnergyPage| {
            for (record, bytes) in p.records.iter_mut().zip(bytes) {
                record.memory_peak_bytes = Some(bytes);
            }
        }
    };
    assert!(judge(with([TIB, 63 * TIB])).is_ok());
    assert_eq!(refused(with([TIB, 63 * TIB + 1])), "memory");
    assert_eq!(refused(with([u64::MAX, u64::MAX])), "memory");
    let of_idle = |p: &mut EnergyPage| {
        p.records[0].account = Account::Idle;
        p.records[0].memory_peak_bytes = Some(1);
    };
    assert_eq!(refused(of_idle), "memory");
}

#[test]
fn names_that_no_cluster_gives_are_refused() {
    let name = |text: &str| {
        let text = text.to_owned();
        refused(move |p| p.records[0].names.namespace = Some(text))
    };
    assert_eq!(name("kube-system\",node=\"x"), "text");
    assert_eq!(name(&"x".repeat(64)), "text");
    assert_eq!(name("line\nfeed"), "text");
}

/// The operator's clock steps back an hour and is set right: nothing of the page is
/// lost, since what is refused leaves the cursor where it was.
#[test]
fn what_a_clock_behind_refused_passes_whole_once_it_is_right() {
    let cursor = Cursor {
        journal: JOURNAL,
        sequence: 10,
    };
    let homes = Homes::new();
    let at = |seconds: i64| {
        let asked = Asked {
            node: "n1",
            cursor: Some(&cursor),
            now: Timestamp::from_second(MINUTE + 65 + seconds).unwrap(),
            homes: &homes,
        };
        accept(&asked, page())
    };
    assert!(matches!(at(-3_600), Err(Refusal::Future { .. })));
    // One that is ahead by a year refuses too, and loses as little.
    assert!(matches!(at(86_400 * 400), Err(Refusal::Past { .. })));
    for seconds in [0, 3_600, 86_400 * 30] {
        let passed = at(seconds).unwrap();
        assert_eq!((passed.records.len(), passed.next_sequence), (2, 12));
    }
}
