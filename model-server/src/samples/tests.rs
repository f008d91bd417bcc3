use serde_json::json;

use super::*;

const NOW_S: i64 = 1_800_000_000;

fn batch() -> Value {
    json!({
        "schema": SCHEMA, "node": "node-1.example", "meter": "rapl",
        "machine": {"cpu_name": "AMD EPYC 7763", "sockets": 2, "cores": 128, "threads": 256, "mem_gb": 503.2},
        "samples": [{"at": NOW_S - 60, "seconds": 10, "utilisation": 0.25, "watts": {"package": 210.5, "dram": 30.25}}],
    })
}

fn judged(value: &Value) -> Result<Accepted, Vec<Fault>> {
    read(value.as_object().unwrap(), NOW_S)
}

/// Field, value and what is accepted of each fault.
fn faults(value: &Value) -> Vec<(String, String, String)> {
    let faults = judged(value).unwrap_err();
    faults
        .into_iter()
        .map(|fault| (fault.field, fault.value, fault.accepted))
        .collect()
}

#[test]
fn package_and_memory_are_added_and_a_plug_is_a_type_of_its_own() {
    let accepted = judged(&batch()).unwrap();
    assert_eq!(accepted.types.len(), 1);
    assert!((accepted.types[0].samples[0].0.watts - 240.75).abs() < 1e-9);
    let mut both = batch();
    both["samples"][0]["watts"]["platform"] = json!(400.0);
    let accepted = judged(&both).unwrap();
    assert_eq!(accepted.types[0].measured, Measured::Wall);
    assert_eq!(accepted.types[1].measured, Measured::Rapl);
    assert_eq!(accepted.len(), 2);
}

#[test]
fn absurd_samples_are_refused_by_name() {
    let cases = [
        (
            "/samples/0/watts/package",
            json!(-1.0),
            "samples[0].watts.package",
        ),
        (
            "/samples/0/watts/package",
            json!("NaN"),
            "samples[0].watts.package",
        ),
        (
            "/samples/0/watts/package",
            json!(1e9),
            "samples[0].watts.package",
        ),
        (
            "/samples/0/watts",
            json!({"package": 0.0}),
            "samples[0].watts",
        ),
        (
            "/samples/0/watts",
            json!({"sun": 1.0}),
            "samples[0].watts.\"sun\"",
        ),
        (
            "/samples/0/utilisation",
            json!(1.5),
            "samples[0].utilisation",
        ),
        (
            "/samples/0/utilisation",
            json!(null),
            "samples[0].utilisation",
        ),
        ("/samples/0/seconds", json!(0.0), "samples[0].seconds"),
        ("/samples/0/at", json!(NOW_S + 3_600), "samples[0].at"),
        ("/samples/0/at", json!(0), "samples[0].at"),
        ("/samples", json!([]), "samples"),
        ("/samples", json!(vec![1; 1_000]), "samples.length"),
        ("/node", json!("../etc"), "node"),
        ("/meter", json!("fake"), "meter"),
        ("/schema", json!("v0"), "schema"),
        ("/machine", json!({}), "machine.cpu_name"),
        (
            "/machine/virtual_machine",
            json!(true),
            "machine.virtual_machine",
        ),
    ];
    for (pointer, value, field) in cases {
        let mut wrong = batch();
        if pointer.ends_with("virtual_machine") {
            wrong["machine"]["virtual_machine"] = value.clone();
        } else {
            *wrong.pointer_mut(pointer).unwrap() = value.clone();
        }
        let faults = faults(&wrong);
        assert!(
            faults.iter().any(|(at, ..)| at == field),
            "{pointer} = {value}: {faults:?}"
        );
    }
}

#[test]
fn all_faults_are_named_at_once() {
    let wrong = json!({"samples": [{"at": 1, "watts": {}}, 7], "colour": "red"});
    let fields: Vec<String> = faults(&wrong)
        .into_iter()
        .map(|(field, ..)| field)
        .collect();
    assert_eq!(
        fields,
        [
            "\"colour\"",
            "schema",
            "node",
            "meter",
            "machine",
            "samples[0].at",
            "samples[0].seconds",
            "samples[0].utilisation",
            "samples[1]"
        ]
    );
}

#[test]
fn a_node_name_is_a_dns_subdomain() {
    for name in ["n", "node-1.example.com", "0"] {
        assert!(is_node_name(name), "{name}");
    }
    for name in ["", "-a", "a-", "A", "a..b", "a/b", "ä"] {
        assert!(!is_node_name(name), "{name}");
    }
    assert!(!is_node_name(&"a.".repeat(200)));
}

#[test]
fn what_the_contract_writes_is_taken() {
    let sample = Sample {
        at: NOW_S,
        seconds: 10.001,
        utilisation: 0.5,
        watts: ZONES.map(|zone| (zone.to_owned(), 5.0)).into(),
        frequency_mhz: Some(2_400.0),
        events: EVENTS.map(|event| (event.to_owned(), 1e9)).into(),
    };
    let batch = tanso_power::sample::SampleBatch {
        schema: SCHEMA.to_owned(),
        node: "n".to_owned(),
        meter: "rapl".to_owned(),
        machine: serde_json::from_value(batch()["machine"].clone()).unwrap(),
        samples: vec![sample; BATCH_MAX],
    };
    let value = serde_json::to_value(&batch).unwrap();
    assert_eq!(judged(&value).unwrap().len(), 2 * BATCH_MAX);
    assert!(value.to_string().len() < crate::serve::BODY_LIMIT);
}
