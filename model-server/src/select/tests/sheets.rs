use super::*;
use crate::partial::Kin;

fn told(machine: &serde_json::Value) -> Selection {
    let machine = Machine::from_json(machine.as_object().unwrap()).unwrap();
    SELECTOR.select(&machine).unwrap()
}

/// The Xeon Gold 6238 of 2019 was answered as the measured Opteron 6238 of
/// 2011: numbers are used twice.
#[test]
fn another_vendors_cpu_of_the_same_number_is_another_cpu() {
    let xeon = told(&json!({"cpu_name": "Intel Xeon Gold 6238", "sockets": 2, "mem_gb": 192}));
    assert_eq!(xeon.tier, Tier::CpuFamily(View::Memory));
    let machine = &xeon.document.machine;
    assert_eq!(machine.cpu_vendor.as_deref(), Some("intel"));
    assert_eq!(machine.microarch.as_deref(), Some("cascadelake"));
    let opteron = told(&json!({"cpu_name": "AMD Opteron 6238", "sockets": 2, "mem_gb": 64}));
    assert_eq!(opteron.tier, Tier::CpuModel(View::Memory));
    assert_eq!(
        opteron.document.machine.microarch.as_deref(),
        Some("bulldozer")
    );
    // Who tells no vendor gets the one that there is.
    let alone = told(&json!({"cpu_name": "8280", "sockets": 2}));
    assert_eq!(alone.tier, Tier::CpuModel(View::Cpu));
}

/// A name alone said the family, so that 8 cores of 125 W and 128 of 500 W were
/// answered alike.
#[test]
fn a_data_sheet_tells_the_small_from_the_large_of_a_family() {
    let full = |name: &str| {
        let selection = told(&json!({"cpu_name": name, "sockets": 1}));
        (ends(&selection).1, selection)
    };
    for (name, tdp_w, kin) in [
        ("AMD EPYC 9015 8-Core Processor", 125.0, "zen5"),
        ("AMD EPYC 9655P 96-Core Processor", 400.0, "zen5"),
        ("AMD EPYC 7601 32-Core Processor", 180.0, "zen"),
        ("Intel(R) Xeon(R) 6787P", 350.0, "graniterapids"),
        ("Intel(R) Xeon(R) 6780E", 330.0, "sierraforest"),
        ("Intel(R) Xeon(R) CPU Max 9480", 350.0, "sapphirerapids"),
        (
            "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz",
            120.0,
            "broadwell",
        ),
        ("Intel(R) Xeon(R) E-2288G CPU @ 3.70GHz", 95.0, "coffeelake"),
    ] {
        let (watts, selection) = full(name);
        let ratio = watts / tdp_w;
        assert!((0.7..1.7).contains(&ratio), "{name}: {watts} W");
        let machine = &selection.document.machine;
        assert_eq!(machine.microarch.as_deref(), Some(kin), "{name}");
        let words = &selection.document.explanation;
        assert!(words.contains("data sheet"), "{name}: {words}");
    }
}

/// A guest's CPU that nobody measured has a host all the same: that of its
/// data sheet.
#[test]
fn a_guest_owns_a_share_of_a_host_by_its_data_sheet() {
    let guest = |name: &str| {
        told(&json!({"cpu_name": name, "threads": 8, "mem_gb": 32, "virtual_machine": true}))
    };
    let unmeasured = guest("AMD EPYC 7543 32-Core Processor");
    assert_eq!(unmeasured.tier, Tier::CpuFamily(View::Memory));
    let words = &unmeasured.document.explanation;
    assert!(words.contains("8 of the 128 threads"), "{words}");
    let measured = guest("AMD EPYC 7763 64-Core Processor");
    let ratio = ends(&unmeasured).1 / ends(&measured).1;
    assert!((1.0..2.2).contains(&ratio), "{ratio}");
    // What is in no table stays as it was.
    let strange = guest("AMD EPYC 7999");
    assert!(!strange.document.explanation.contains("data sheet"));
    assert!(!matches!(strange.tier, Tier::Partial(Kin::Nobody)));
}

/// A machine whose sockets are not told took any reading for its own: 50 kW.
#[test]
fn a_reading_of_a_machine_of_unknown_sockets_has_limits_too() {
    let machine = Machine::new(named("AMD EPYC 7763 64-Core Processor"));
    let select = |watts: f64| {
        let reading = Reading::try_new(0.3, watts).unwrap();
        SELECTOR.select_with(&machine, 0.9, &[reading])
    };
    for watts in [5.0, 50_000.0] {
        assert!(matches!(select(watts), Err(SelectFault::Reading(_))));
    }
    for watts in [120.0, 250.0, 1_000.0] {
        select(watts).unwrap();
    }
}
