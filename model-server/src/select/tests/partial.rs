use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;
use crate::catalog::records;

fn told(object: &Value) -> Selection {
    let machine = Machine::from_json(object.as_object().unwrap()).unwrap();
    SELECTOR.select(&machine).unwrap()
}

/// By sockets that were not told a machine was one of one: half of the watts,
/// with the bounds of a whole description.
#[test]
fn sockets_that_are_not_told_are_not_taken_to_be_one() {
    // A model that has no data sheet here, of a family that nobody measured.
    let whole = json!({
        "cpu_name": "Intel Xeon E5-2696 v4", "sockets": 2, "cores": 44, "threads": 88, "tdp_w": 145, "base_mhz": 2_200, "mem_gb": 64
    });
    let mut part = whole.clone();
    part.as_object_mut().unwrap().remove("sockets");
    let (whole, part) = (told(&whole), told(&part));
    assert_eq!(whole.tier, Tier::UnseenFamily(View::Memory));
    assert_eq!(part.tier, Tier::Partial(Kin::Vendor));
    let ratio = ends(&part).1 / ends(&whole).1;
    assert!((0.7..1.4).contains(&ratio), "{ratio}");
    assert!(ends(&part).2 > ends(&whole).2);
    let words = &part.document.explanation;
    assert!(
        words.contains("not told: sockets") && words.contains("\"broadwell\""),
        "{words}"
    );
}

/// Neither cores nor threads told, or no design power, was a machine of which
/// nothing is known.
#[test]
fn whatever_is_told_is_used() {
    let nothing = told(&json!({}));
    assert_eq!(nothing.tier, Tier::AnyMachine);
    for (machine, tier) in [
        (
            json!({"cpu_name": "Intel Xeon E5-2699 v4"}),
            Tier::Partial(Kin::Vendor),
        ),
        (
            json!({"cpu_name": "Intel Xeon Platinum 8352V"}),
            Tier::Partial(Kin::Family),
        ),
        (
            json!({"cpu_vendor": "amd", "year": 2_017}),
            Tier::Partial(Kin::Vendor),
        ),
        (json!({"tdp_w": 180}), Tier::Partial(Kin::Nobody)),
        (
            json!({"tdp_w": 180, "sockets": 2}),
            Tier::Partial(Kin::Nobody),
        ),
        (
            json!({"tdp_w": 180, "sockets": 2, "cores": 64}),
            Tier::TdpRatio,
        ),
        (json!({"threads": 128}), Tier::Partial(Kin::Nobody)),
        (
            json!({"cpu_name": "AMD EPYC 7763", "virtual_machine": true}),
            Tier::CpuModelUsual(View::Cpu),
        ),
        (
            json!({"cpu_name": "AMD EPYC 7601", "virtual_machine": true}),
            Tier::Partial(Kin::Vendor),
        ),
    ] {
        let selection = told(&machine);
        assert_eq!(selection.tier, tier, "{machine}");
        assert!(
            ends(&selection).2 < ends(&nothing).2,
            "{machine}: {:?} of {:?}",
            ends(&selection),
            ends(&nothing)
        );
    }
    // More design power, more watts; another number of sockets as well.
    let full = |object: Value| ends(&told(&object)).1;
    let (small, large) = (
        full(json!({"tdp_w": 90, "sockets": 2})),
        full(json!({"tdp_w": 270, "sockets": 2})),
    );
    assert!(large > 1.8 * small, "{small} {large}");
    let four = full(json!({"tdp_w": 270, "sockets": 4}));
    assert!(four > 1.4 * large, "{large} {four}");
}

/// A cell as it may be told: its own, or one that no such machine has.
fn odd(name: &str, own: &Value, choice: u8) -> Value {
    let (least, most) = match name {
        "cores" => (1.0, 8_192.0),
        "threads" => (1.0, 16_384.0),
        "threads_per_core" => (1.0, 16.0),
        "base_mhz" => (100.0, 10_000.0),
        "tdp_w" => (1.0, 2_000.0),
        "mem_gb" => (0.1, 131_072.0),
        "l3_mb_per_socket" => (0.0, 1e9),
        "cores_per_socket" | "dimms" | "nodes" => (1.0, 1_024.0),
        "sockets" | "psu_count" => (1.0, 64.0),
        "psu_rating_w" => (1.0, 50_000.0),
        _ => {
            return match (name, choice) {
                (_, 0..3) => own.clone(),
                ("cpu_name" | "cpu_vendor" | "microarch" | "system_vendor", _) => json!("é 9 @ x"),
                ("published" | "hw_available", 3) => json!("2000-01"),
                ("published" | "hw_available", _) => json!("2100-12"),
                _ => own.clone(),
            };
        }
    };
    match choice {
        0..3 => own.clone(),
        3 => json!(least),
        _ => json!(most),
    }
}

/// Any columns of any row of the tables, some with values that are accepted
/// and odd.
fn described() -> impl Strategy<Value = Map<String, Value>> {
    let rows: Vec<Map<String, Value>> = records().map(|(_, row)| row).collect();
    let cells = prop::collection::vec((any::<bool>(), 0_u8..5), 40);
    (prop::sample::select(rows), cells, any::<bool>()).prop_map(|(row, cells, guest)| {
        let cells = row.into_iter().zip(cells);
        let kept = cells.filter(|(_, (kept, _))| *kept);
        let mut told: Map<String, Value> = kept
            .map(|((name, own), (_, choice))| {
                let value = odd(&name, &own, choice);
                (name, value)
            })
            .collect();
        if guest {
            told.insert("virtual_machine".to_owned(), json!(true));
        }
        told
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_choice_of_columns_is_refused_or_has_a_curve_that_cannot_be(told in described()) {
        let machine = Machine::from_json(&told).unwrap();
        let selection = SELECTOR.select(&machine).unwrap();
        let document = &selection.document;
        document.check().unwrap();
        let mut before = [0.0; 3];
        for point in &document.curve {
            let power = point.power.map(Watts::as_watts_f64);
            let now = [power.low, power.value, power.high];
            prop_assert!(now.iter().all(|watts| watts.is_finite()), "{told:?}: {now:?}");
            prop_assert!(now[0] <= now[1] && now[1] <= now[2], "{told:?}: {now:?}");
            let falls = now.iter().zip(before).any(|(now, before)| *now < before);
            prop_assert!(!falls, "{told:?}: {before:?} {now:?}");
            before = now;
        }
        let idle = document.power_at(Utilisation::IDLE).map(Watts::as_watts_f64);
        prop_assert!(idle.low >= 0.0 && idle.value > 0.0, "{told:?}: {idle:?}");
        prop_assert!(document.error.mape_percent > 0.0 && document.error.mape_percent.is_finite());
    }
}

#[test]
fn what_cannot_be_of_any_machine_is_refused_by_name_with_what_is_accepted() {
    for (name, value) in [
        ("sockets", json!(65)),
        ("sockets", json!(-1)),
        ("cores", json!(8_193)),
        ("cores", json!(1.5)),
        ("threads", json!(20_000)),
        ("threads", json!("many")),
        ("cores_per_socket", json!(2_000)),
        ("threads_per_core", json!(17)),
        ("base_mhz", json!(1)),
        ("base_mhz", json!(1e6)),
        ("tdp_w", json!(0)),
        ("tdp_w", json!(1e5)),
        ("mem_gb", json!(-4)),
        ("l3_mb_per_socket", json!(-1)),
        ("dimms", json!(0)),
        ("nodes", json!(0.5)),
        ("psu_count", json!([2])),
        ("psu_rating_w", json!({"w": 5})),
        ("year", json!(1_999)),
        ("hw_available", json!("soon")),
        ("published", json!("2021-13")),
        ("cpu_name", json!(7)),
        ("cpu_name", json!("x".repeat(257))),
        ("cpu_vendor", json!(["intel"])),
        ("microarch", json!(true)),
        ("virtual_machine", json!("yes")),
        ("cpuid", json!([6, 85])),
        ("colour", json!("red")),
    ] {
        let mut object = Map::new();
        object.insert(name.to_owned(), value.clone());
        let faults = Machine::from_json(&object).unwrap_err();
        assert_eq!(faults.len(), 1, "{name} {value}: {faults:?}");
        assert_eq!(faults[0].field, format!("machine.{name}"));
        assert!(
            !faults[0].value.is_empty() && !faults[0].accepted.is_empty(),
            "{faults:?}"
        );
    }
}
