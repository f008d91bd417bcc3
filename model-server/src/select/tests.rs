mod any;
mod guests;
mod partial;
mod parts;
mod sheets;

use std::sync::LazyLock;

use serde_json::json;
use tanso_power::model::MachineFeatures;
use tanso_power::{Utilisation, Watts};

use super::*;
use crate::columns::View;
use crate::features::cpuinfo;
use crate::partial::Kin;

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
    let name = "Intel(R) Xeon(R) Platinum 8280 CPU @ 2.70GHz";
    let alone = ask(named(name));
    assert_eq!(alone.tier, Tier::CpuModelUsual(View::Cpu));
    let words = &alone.document.explanation;
    assert!(words.contains("2 sockets are assumed"), "{words}");
    let selection = ask(MachineFeatures {
        sockets: Some(2),
        ..named(name)
    });
    assert!(matches!(selection.tier, Tier::CpuModel(View::Cpu)));
    // Who does not tell its sockets may have four.
    assert!(ends(&alone).2 > ends(&selection).2);
    let (idle, full, width) = ends(&selection);
    assert!(
        (35.0..80.0).contains(&idle) && (350.0..550.0).contains(&full),
        "{idle} {full}"
    );
    assert!(width < 0.7, "{width}");
}

#[test]
fn this_machines_own_cpuinfo_has_a_model() {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let selection = ask(cpuinfo::parse(&text));
    assert!(ends(&selection).1 > 0.0);
    assert!(!selection.document.explanation.is_empty());
}

#[test]
fn less_knowledge_never_gets_a_narrower_interval_than_a_measured_cpu() {
    let known = ends(&ask(MachineFeatures {
        sockets: Some(2),
        ..named("Intel(R) Xeon(R) Platinum 8280 CPU")
    }))
    .2;
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
        ..named("AMD EPYC 7B13")
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
        sockets: Some(1),
        cores: Some(64),
        ..named("R 1")
    };
    let selection = ask(features.clone());
    assert_eq!(selection.tier, Tier::TdpRatio);
    // How often it has that design power is another question.
    let unknown = ask(MachineFeatures {
        sockets: None,
        ..features
    });
    assert_eq!(unknown.tier, Tier::Partial(Kin::Nobody));
    assert!(ends(&unknown).2 > ends(&selection).2);
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
