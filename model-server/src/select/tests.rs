use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::json;
use tanso_power::model::MachineFeatures;

use super::*;
use crate::features::cpuinfo;

static SELECTOR: LazyLock<Selector> =
    LazyLock::new(|| Selector::learn(Catalog::bundled()).unwrap());

/// A selector that tests share.
pub(crate) fn selector() -> &'static Selector {
    &SELECTOR
}

fn ask(features: MachineFeatures) -> Selection {
    SELECTOR.select(&Machine::new(features)).unwrap()
}

fn named(name: &str) -> MachineFeatures {
    MachineFeatures {
        cpu_name: Some(name.to_owned()),
        ..MachineFeatures::default()
    }
}

/// Watts at idle and full load, and the width of the interval at full load.
fn ends(selection: &Selection) -> (f64, f64, f64) {
    let at = |utilisation| selection.document.power_at(utilisation);
    let full = at(Utilisation::FULL);
    let width = (full.high.as_watts_f64() - full.low.as_watts_f64()) / full.value.as_watts_f64();
    (
        at(Utilisation::IDLE).value.as_watts_f64(),
        full.value.as_watts_f64(),
        width,
    )
}

#[test]
fn a_measured_cpu_is_known_by_its_name_alone() {
    let selection = ask(named("Intel(R) Xeon(R) Platinum 8280 CPU @ 2.70GHz"));
    assert!(matches!(selection.tier, Tier::CpuModel(View::Cpu)));
    let (idle, full, width) = ends(&selection);
    assert!(
        (35.0..80.0).contains(&idle) && (350.0..550.0).contains(&full),
        "{idle} {full}"
    );
    assert!(width < 0.7, "{width}");
}

#[test]
fn a_guest_owns_its_share_of_the_host() {
    let whole = ask(named("AMD EPYC 7763"));
    let guest = MachineFeatures {
        threads: Some(16),
        virtual_machine: Some(true),
        ..named("AMD EPYC 7763 64-Core Processor")
    };
    let guest = ask(guest);
    let ratio = ends(&whole).1 / ends(&guest).1;
    assert!((ratio - 16.0).abs() < 0.1, "256 threads over 16: {ratio}");
    assert!(
        guest.document.explanation.contains("16 of the 256 threads"),
        "{}",
        guest.document.explanation
    );
}

#[test]
fn this_machines_own_cpuinfo_has_a_model() {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let selection = ask(cpuinfo::parse(&text));
    assert!(ends(&selection).1 > 0.0);
    assert!(!selection.document.explanation.is_empty());
}

#[test]
fn a_generic_guest_name_is_made_out_by_its_cpuid() {
    let features = MachineFeatures {
        cpu_vendor: Some("GenuineIntel".into()),
        cpuid: Some([6, 106, 6]),
        threads: Some(4),
        virtual_machine: Some(true),
        ..named("Intel(R) Xeon(R) Processor @ 2.90GHz")
    };
    let selection = ask(features);
    assert_eq!(selection.tier, Tier::CpuFamily(View::Guest));
    assert_eq!(
        selection.document.machine.microarch.as_deref(),
        Some("icelake-sp")
    );
}

#[test]
fn less_knowledge_never_gets_a_narrower_interval_than_a_measured_cpu() {
    let known = ends(&ask(named("Intel(R) Xeon(R) Platinum 8280 CPU"))).2;
    let unknown = ends(&ask(MachineFeatures {
        threads: Some(8),
        ..named("Quantum 9000")
    }))
    .2;
    let nothing = ends(&ask(MachineFeatures::default())).2;
    assert!(unknown > 2.0 * known, "{unknown} against {known}");
    assert!(nothing > unknown, "{nothing} against {unknown}");
}

#[test]
fn an_unmeasured_cpu_of_a_known_family_needs_no_data_sheet() {
    let features = MachineFeatures {
        cores: Some(64),
        threads: Some(128),
        sockets: Some(2),
        mem_gb: Some(256.0),
        ..named("AMD EPYC 7513 32-Core Processor")
    };
    let selection = ask(features);
    assert!(
        matches!(selection.tier, Tier::CpuFamilyGuessed(View::Memory)),
        "{:?}",
        selection.tier
    );
    let (idle, full, _) = ends(&selection);
    assert!(
        (60.0..200.0).contains(&idle) && (300.0..650.0).contains(&full),
        "{idle} {full}"
    );
}

#[test]
fn an_instance_type_has_its_published_figures_with_their_domain() {
    let selection = ask(MachineFeatures {
        instance_type: Some("m5.2xlarge".into()),
        ..MachineFeatures::default()
    });
    assert_eq!(selection.tier, Tier::Instance);
    assert_eq!(selection.document.domain, Domain::Instance);
    let newer = ask(MachineFeatures {
        instance_type: Some("m7i.2xlarge".into()),
        ..MachineFeatures::default()
    });
    assert_eq!(
        newer.tier,
        Tier::CpuFamily(View::Guest),
        "{}",
        newer.document.explanation
    );
    let none = ask(MachineFeatures {
        instance_type: Some("z99.huge".into()),
        ..MachineFeatures::default()
    });
    assert!(none.document.explanation.contains("z99.huge"));
}

#[test]
fn a_vendor_never_measured_falls_back_to_the_design_power_and_says_so() {
    let features = MachineFeatures {
        cpu_vendor: Some("riscy".into()),
        tdp_w: Some(200.0),
        cores: Some(64),
        ..named("R 1")
    };
    let selection = ask(features);
    assert_eq!(selection.tier, Tier::TdpRatio);
    assert!(
        selection
            .document
            .explanation
            .contains("no machine of this CPU vendor")
    );
}

#[test]
fn left_out_errors_are_within_their_stated_bounds() {
    let mape = |tier: Tier| {
        SELECTOR
            .assessed()
            .find(|assessed| assessed.tier == tier)
            .unwrap()
            .score
            .clone()
    };
    let unseen = mape(Tier::UnseenFamily(View::Server));
    assert!(unseen.mape_percent < 11.5, "{}", unseen.mape_percent);
    assert!(
        (85.0..=95.0).contains(&unseen.coverage_percent),
        "{}",
        unseen.coverage_percent
    );
    assert!(unseen.width < 0.55, "{}", unseen.width);
    assert!(mape(Tier::CpuFamily(View::Server)).mape_percent < 9.5);
    assert!(mape(Tier::CpuModel(View::Server)).mape_percent < 8.0);
    assert!(mape(Tier::UnseenFamily(View::Memory)).mape_percent < 14.0);
    // Less knowledge, more error.
    assert!(mape(Tier::AnyThread).mape_percent > unseen.mape_percent);
}

#[test]
fn the_same_question_has_the_same_digest() {
    let first = ask(named("AMD EPYC 7763"));
    let second = ask(named("AMD EPYC 7763"));
    assert_eq!(first.digest, second.digest);
    assert_ne!(first.digest, ask(named("AMD EPYC 7742")).digest);
}

/// A guest that tells the design power of a CPU that is in no table was
/// answered by its threads alone.
#[test]
fn what_a_guest_tells_of_its_cpu_is_used() {
    let told = MachineFeatures {
        cpu_vendor: Some("intel".into()),
        sockets: Some(1),
        cores: Some(40),
        threads: Some(80),
        mem_gb: Some(256.0),
        virtual_machine: Some(true),
        ..named("Intel Xeon 9999Z")
    };
    let without = ask(told.clone());
    assert_eq!(without.tier, Tier::UnseenFamily(View::Guest));
    let with = ask(MachineFeatures {
        tdp_w: Some(270.0),
        ..told.clone()
    });
    assert_eq!(with.tier, Tier::UnseenFamily(View::Memory));
    assert!(ends(&with).2 < ends(&without).2 / 1.3);
    assert!(
        with.document.explanation.contains("its host is not known"),
        "{with:?}"
    );
    // Of a CPU whose usual design power is known another one is believed.
    let guest = |tdp_w| {
        let guest = MachineFeatures {
            threads: Some(8),
            virtual_machine: Some(true),
            tdp_w,
            ..named("AMD EPYC 7763")
        };
        ends(&ask(guest)).1
    };
    assert!(guest(Some(225.0)) < guest(None));
}

#[test]
fn a_guest_larger_than_the_usual_host_runs_on_a_larger_one() {
    let of = |threads| MachineFeatures {
        threads: Some(threads),
        virtual_machine: Some(true),
        ..named("AMD EPYC 7763")
    };
    let (one, two) = (ask(of(256)), ask(of(512)));
    // It was taken for a whole host of half its threads.
    assert!(ends(&two).1 > 1.6 * ends(&one).1);
    let words = &two.document.explanation;
    assert!(
        words.contains("512 of the 512 threads") && words.contains("at least 4 sockets"),
        "{words}"
    );
}

#[test]
fn explanations_say_what_is_known_and_did_not_help() {
    let words = |features: MachineFeatures| ask(features).document.explanation;
    let of_type = |name: &str| MachineFeatures {
        instance_type: Some(name.to_owned()),
        ..MachineFeatures::default()
    };
    // It said that nothing was known.
    let granite = words(named("Intel Xeon 6980P"));
    assert!(
        granite.contains("family \"graniterapids\" was measured") && !granite.contains("nothing"),
        "{granite}"
    );
    // It said that CPU model and family were unknown.
    let graviton = words(of_type("m7g.2xlarge"));
    assert!(
        graviton.contains("family \"neoverse-v1\"") && !graviton.contains("unknown"),
        "{graviton}"
    );
    assert!(words(MachineFeatures::default()).contains("nothing is known of its CPU"));
}

/// Types of after 2022 have no published figures, and their accelerators were
/// silently not there.
#[test]
fn accelerators_of_an_instance_type_that_are_not_in_the_figure_are_named() {
    let of = |name: &str, gpus: Option<(u32, &str)>| {
        ask(MachineFeatures {
            instance_type: Some(name.to_owned()),
            gpus: gpus.map(|(number, _)| number),
            gpu_name: gpus.map(|(_, name)| name.to_owned()),
            ..MachineFeatures::default()
        })
    };
    for name in [
        "p5.48xlarge",
        "g6.xlarge",
        "trn1.32xlarge",
        "inf2.xlarge",
        "p6-b300.48xlarge",
        // Of after the tables.
        "p9.48xlarge",
    ] {
        let selection = of(name, None);
        let words = &selection.document.explanation;
        assert!(selection.accelerators_left_out, "{name}");
        assert!(
            words.contains(name) && words.contains("not in these figures"),
            "{words}"
        );
    }
    // Published figures hold them, idle; others have none, or name them.
    for selection in [
        of("g4dn.xlarge", None),
        of("m7i.2xlarge", None),
        of("x2gd.large", None),
        of("p5.48xlarge", Some((8, "NVIDIA H100 80GB HBM3"))),
    ] {
        assert!(!selection.accelerators_left_out, "{selection:?}");
    }
    let told = of("p5.48xlarge", Some((8, "NVIDIA H100 80GB HBM3")));
    let silent = of("p5.48xlarge", None);
    assert!(ends(&told).0 > ends(&silent).0 + 100.0);
}

/// 5,000 W at 30 % load of two processors of 205 W were believed.
#[test]
fn a_reading_that_cannot_be_is_refused_and_a_strange_one_widens_the_bounds() {
    let machine = Machine::new(MachineFeatures {
        sockets: Some(2),
        mem_gb: Some(192.0),
        ..named("Intel Xeon Platinum 8280")
    });
    let with = |power_w: f64| {
        let reading = Reading::try_new(0.3, power_w).unwrap();
        SELECTOR.select_with(&machine, LEVEL, &[reading])
    };
    let bounds = |selection: &Selection| {
        let at = Utilisation::try_new(0.3).unwrap();
        selection.document.power_at(at).map(Watts::as_watts_f64)
    };
    let expected = bounds(&SELECTOR.select(&machine).unwrap());
    for power_w in [5_000.0, 10.0] {
        let fault = with(power_w).unwrap_err();
        assert!(matches!(fault, SelectFault::Reading(_)), "{fault}");
        assert!(
            fault.to_string().contains(&format!("{power_w} W")),
            "{fault}"
        );
    }
    let likely = bounds(&with(expected.value * 1.1).unwrap());
    assert!(likely.high - likely.low < (expected.high - expected.low) / 2.0);
    let selection = with(expected.value * 4.0).unwrap();
    let strange = bounds(&selection);
    assert!(strange.low <= expected.low && strange.high >= expected.value * 4.0);
    assert!(strange.value > expected.value * 3.0);
    assert!(
        selection
            .document
            .explanation
            .contains("not one in a hundred"),
        "{selection:?}"
    );
}

#[test]
fn a_reading_holds_the_accelerators_that_were_told() {
    let mut machine = Machine::new(MachineFeatures {
        sockets: Some(2),
        gpus: Some(8),
        gpu_name: Some("NVIDIA A100-SXM4-40GB".to_owned()),
        ..named("AMD EPYC 7763")
    });
    machine.server.gpu_load = Some(1.0);
    let at = Utilisation::try_new(0.3).unwrap();
    let watts = |selection: &Selection| selection.document.power_at(at).value.as_watts_f64();
    let without = watts(&SELECTOR.select(&machine).unwrap());
    let reading = Reading::try_new(0.3, without).unwrap();
    let with = SELECTOR.select_with(&machine, LEVEL, &[reading]).unwrap();
    // What was expected was read, so that nothing moves.
    assert!((watts(&with) / without - 1.0).abs() < 0.01, "{with:?}");
    assert!(!with.document.explanation.contains("not one in a hundred"));
}

/// Training knows the month of a sale and when a family came out; prediction
/// knew the year alone, and of no year it assumed 2022.
#[test]
fn a_machine_is_of_the_month_that_training_would_take_it_for() {
    let of = |row: serde_json::Value| {
        let machine = Machine::from_json(row.as_object().unwrap()).unwrap();
        SELECTOR.atlas.resolve(&machine).host.unwrap().year
    };
    let row = |date: serde_json::Value| {
        let mut row = json!({
            "cpu_name": "Intel Xeon 6766E", "microarch": "sierraforest", "tdp_w": 250, "sockets": 2, "cores": 288
        });
        row.as_object_mut()
            .unwrap()
            .extend(date.as_object().unwrap().clone());
        of(row)
    };
    let is = |year: f64, wanted: f64| assert!((year - wanted).abs() < 1e-9, "{year}");
    is(row(json!({"hw_available": "2024-10"})), 2_024.75);
    is(row(json!({"hw_available": "Oct-2024"})), 2_024.75);
    is(row(json!({"published": "2024-07"})), 2_024.5);
    is(row(json!({"year": 2_025})), 2_025.5);
    is(
        row(json!({"year": 2_025, "hw_available": "2025-04"})),
        2_025.25,
    );
    // Nothing told: when its family came out, June 2024.
    is(row(json!({})), 2_024.0 + 5.0 / 12.0);
    // Every row of the training tables is the machine that was trained on.
    let tables = [
        include_str!("../../data/specpower_curves.csv"),
        include_str!("../../data/specpower_endpoints_2022h2_2024.csv"),
    ];
    let mut compared = 0;
    for table in tables {
        for record in csv::Reader::from_reader(table.as_bytes()).deserialize() {
            let record: std::collections::BTreeMap<String, String> = record.unwrap();
            let id = record.get("result_id").or(record.get("row_id")).unwrap();
            let trained = SELECTOR.catalog.machines.iter().find(|m| m.id == *id);
            let Some(trained) = trained else { continue };
            let told = ["cpu_name", "microarch", "hw_available", "published"];
            let mut row: serde_json::Map<String, serde_json::Value> = told
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), json!(record.get(*name)?))))
                .collect();
            row.insert("tdp_w".to_owned(), json!(trained.host.tdp_w));
            row.insert("cores".to_owned(), json!(trained.host.cores));
            is(of(serde_json::Value::Object(row)), trained.host.year);
            compared += 1;
        }
    }
    assert!(compared > 850, "{compared}");
}

fn features() -> impl Strategy<Value = MachineFeatures> {
    let names = prop::option::of(prop::sample::select(vec![
        "Intel Xeon Platinum 8280",
        "AMD EPYC 7R13",
        "AMD EPYC",
        "Intel(R) Xeon(R) Processor",
        "Intel Xeon E5-2686 v4",
        "",
        "ARM Neoverse-N1",
        "Ampere Altra Q80-30",
        "AMD EPYC 9999",
        "nothing",
    ]));
    let vendor = prop::option::of(prop::sample::select(vec!["intel", "amd", "arm", "riscy"]));
    let counts = (
        prop::option::of(1_u32..=64),
        prop::option::of(1_u32..=8_192),
        prop::option::of(1_u32..=16_384),
    );
    let figures = (
        prop::option::of(100.0..10_000.0),
        prop::option::of(1.0..2_000.0),
        prop::option::of(0.1..131_072.0),
    );
    let rest = (
        prop::option::of(any::<bool>()),
        prop::option::of(2_000_u32..2_100),
        prop::option::of((0_u32..40, 0_u32..256, 0_u32..16)),
    );
    (names, vendor, counts, figures, rest).prop_map(
        |(name, vendor, (sockets, cores, threads), (mhz, tdp, mem), (guest, year, cpuid))| {
            MachineFeatures {
                cpu_name: name.map(str::to_owned),
                cpu_vendor: vendor.map(str::to_owned),
                microarch: None,
                cpuid: cpuid.map(|(family, model, stepping)| [family, model, stepping]),
                sockets,
                cores,
                threads,
                base_mhz: mhz,
                tdp_w: tdp,
                mem_gb: mem,
                virtual_machine: guest,
                instance_type: None,
                year,
                gpus: guest.map(|_| 4),
                gpu_name: guest.map(|_| "NVIDIA L4".to_owned()),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_machine_has_a_curve_that_never_falls_and_an_idle_above_zero(machine in features(), level in 0.5..0.99) {
        let machine = Machine::new(machine);
        for selection in [SELECTOR.select_at(&machine, level), SELECTOR.select_rapl(&machine, level)] {
            let document = selection.unwrap().document;
            document.check().unwrap();
            prop_assert!(document.power_at(Utilisation::IDLE).value > Watts::ZERO);
            prop_assert!((document.error.level - level).abs() < 1e-12);
        }
    }
}

#[test]
fn what_rapl_would_read_is_its_own_domain_with_its_components_and_their_doubt() {
    let bounds = |selection: &Selection, load: f64| {
        let at = selection
            .document
            .power_at(Utilisation::try_new(load).unwrap());
        at.map(Watts::as_watts_f64)
    };
    let of = |features: MachineFeatures| {
        SELECTOR
            .select_rapl(&Machine::new(features), LEVEL)
            .unwrap()
    };
    let known = of(MachineFeatures {
        sockets: Some(2),
        threads: Some(96),
        mem_gb: Some(377.0),
        virtual_machine: Some(false),
        ..named("Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz")
    });
    assert_eq!(known.tier, Tier::RaplHost);
    assert_eq!(known.document.domain, Domain::Rapl);
    // Package 449 to 456 W and memory some 27 W were published of it.
    let full = bounds(&known, 1.0);
    assert!((455.0..505.0).contains(&full.value), "{full:?}");
    let sum: f64 = known
        .components
        .iter()
        .map(|part| {
            tanso_power::model::power_on(&part.curve, Utilisation::FULL)
                .value
                .as_watts_f64()
        })
        .sum();
    assert!((sum - full.value).abs() < 1e-3);
    assert!(
        known.document.explanation.contains("not power at the plug"),
        "{known:?}"
    );

    let other = of(MachineFeatures {
        sockets: Some(2),
        mem_gb: Some(512.0),
        ..named("AMD EPYC 7763")
    });
    assert_eq!(other.tier, Tier::RaplTdp);
    let width = |selection: &Selection| {
        let at = bounds(selection, 0.5);
        (at.high - at.low) / at.value
    };
    assert!(
        width(&other) > width(&known),
        "{} {}",
        width(&other),
        width(&known)
    );
    assert!(
        other
            .document
            .explanation
            .contains("no host of this vendor"),
        "{other:?}"
    );
    // Nothing known is wide, and no refusal.
    let nothing = of(MachineFeatures::default());
    assert_eq!(nothing.tier, Tier::RaplThread);
    assert!(bounds(&nothing, 0.0).low > 0.0);
}

#[test]
fn accelerators_that_nobody_measures_are_in_the_figure_and_may_be_at_their_limit() {
    let host = MachineFeatures {
        sockets: Some(2),
        mem_gb: Some(512.0),
        ..named("AMD EPYC 7763")
    };
    let with = |name: &str, load: Option<f64>| {
        let mut machine = Machine::new(MachineFeatures {
            gpus: Some(8),
            gpu_name: Some(name.to_owned()),
            ..host.clone()
        });
        machine.server.gpu_load = load;
        SELECTOR.select(&machine).unwrap()
    };
    let watts = |selection: &Selection| {
        selection
            .document
            .power_at(Utilisation::IDLE)
            .map(Watts::as_watts_f64)
    };
    let (without, idle, busy) = (
        ask(host.clone()),
        with("NVIDIA A100-SXM4-40GB", None),
        with("NVIDIA A100-SXM4-40GB", Some(1.0)),
    );
    let (without, idle, busy) = (watts(&without), watts(&idle), watts(&busy));
    // Eight boards of 400 W.
    assert!(
        (200.0..600.0).contains(&(idle.value - without.value)),
        "{idle:?}"
    );
    assert!(idle.high - without.high >= 3_200.0, "{idle:?}");
    assert!(
        busy.value - without.value > 2_500.0 && busy.low > idle.low,
        "{busy:?}"
    );
    let strange = with("Voodoo 2", None);
    assert!((watts(&strange).value - without.value).abs() < 1e-9);
    assert!(
        strange.document.explanation.contains("Voodoo 2"),
        "{strange:?}"
    );
}
