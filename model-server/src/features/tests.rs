use serde_json::json;

use super::*;

fn read(value: &Value) -> Result<Machine, Vec<Fault>> {
    Machine::from_json(value.as_object().unwrap())
}

#[test]
fn a_row_of_the_training_table_is_a_machine() {
    let machine = read(&json!({
        "result_id": "x", "cpu_name": "Intel Xeon Platinum 8180", "sockets": 2.0, "cores_per_socket": 28,
        "threads_per_core": 2, "hw_available": "2017-08", "form_factor": "2U", "mem_gb": null, "l3_mb_per_socket": 39_424.0
    }))
    .unwrap();
    assert_eq!(machine.features.cores, Some(56));
    assert_eq!(machine.features.threads, Some(112));
    assert_eq!(machine.features.year, Some(2_017));
    assert_eq!(machine.server.l3_mb_per_socket, None);
    assert_eq!(machine.server.form_factor.as_deref(), Some("2U"));
}

#[test]
fn what_follows_from_the_rest_of_a_row_needs_not_be_told() {
    let of = |row: Value| {
        let features = read(&row).unwrap().features;
        (features.sockets, features.cores, features.threads)
    };
    let all = (Some(2), Some(56), Some(112));
    assert_eq!(
        of(json!({"cores": 56, "cores_per_socket": 28, "threads": 112})),
        all
    );
    assert_eq!(
        of(json!({"threads": 112, "threads_per_core": 2, "cores_per_socket": 28})),
        all
    );
    assert_eq!(
        of(json!({"sockets": 2, "cores_per_socket": 28, "threads_per_core": 2})),
        all
    );
    // No number of sockets of 28 cores has 30.
    assert_eq!(
        of(json!({"cores": 30, "cores_per_socket": 28})),
        (None, Some(30), None)
    );
}

/// Training takes the year of a row without a date of sale from its result's.
#[test]
fn a_row_that_knows_only_when_it_was_published_has_that_year() {
    let year = |row: Value| read(&row).unwrap().features.year;
    assert_eq!(year(json!({"published": "2024-05"})), Some(2_024));
    let both = json!({"published": "2024-05", "hw_available": "2023-01"});
    assert_eq!(year(both), Some(2_023));
    assert_eq!(
        year(json!({"published": "2024-05", "year": 2_022})),
        Some(2_022)
    );
}

/// A year of 1 was extrapolated from, and "Sep-2021" was silently no date.
#[test]
fn a_date_that_no_such_machine_has_is_refused_with_the_years_that_are_accepted() {
    let refused = |row: Value| read(&row).unwrap_err();
    for (row, field) in [
        (json!({"year": 1}), "machine.year"),
        (json!({"year": 20_221}), "machine.year"),
        (json!({"year": 2_020.5}), "machine.year"),
        (json!({"year": "2020"}), "machine.year"),
        (json!({"hw_available": "1-09"}), "machine.hw_available"),
        (json!({"hw_available": "Sept 21"}), "machine.hw_available"),
        (json!({"published": "2021-13"}), "machine.published"),
        (json!({"published": true}), "machine.published"),
    ] {
        let faults = refused(row);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].field, field);
        assert!(
            faults[0].accepted.contains("from 2000 to 2100"),
            "{faults:?}"
        );
        assert!(!faults[0].value.is_empty());
    }
    let machine = read(&json!({"hw_available": "Sep-2021"})).unwrap();
    assert_eq!(machine.features.year, Some(2_021));
    assert!((machine.server.sold.unwrap() - 2_021.0 - 8.0 / 12.0).abs() < 1e-9);
}

/// The results of a row were refused, so that a whole row was no machine.
#[test]
fn every_column_of_the_training_tables_may_be_sent_and_results_are_not_read() {
    let tables = [
        include_str!("../../data/specpower_curves.csv"),
        include_str!("../../data/specpower_endpoints_2022h2_2024.csv"),
    ];
    for table in tables {
        let header = table.lines().next().unwrap();
        let row: Map<String, Value> = header
            .split(',')
            .map(|column| (column.to_owned(), Value::Null))
            .collect();
        assert!(row.len() > 15, "{header}");
        assert_eq!(Machine::from_json(&row).unwrap(), read(&json!({})).unwrap());
    }
    let told = read(&json!({"w_30": 150.0, "load_100": 0.99})).unwrap();
    assert_eq!(told, read(&json!({})).unwrap());
    assert_eq!(read(&json!({"w_max": 150.0})).unwrap_err().len(), 1);
}

#[test]
fn one_house_has_one_name_however_its_firmware_writes_it() {
    assert_eq!(maker("HPE"), maker("Hewlett-Packard Company"));
    assert_eq!(maker("LENOVO"), maker("Lenovo Global Technology"));
    assert_eq!(maker("New H3C Technologies Co., Ltd."), "h3c");
    assert_eq!(maker(" - "), "");
}

#[test]
fn every_fault_is_named_with_value_and_what_is_accepted() {
    let faults =
        read(&json!({"tdp_w": -5, "sockets": 1.5, "colour": "red", "cpuid": [6]})).unwrap_err();
    let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "machine.colour",
            "machine.sockets",
            "machine.cpuid",
            "machine.tdp_w"
        ]
    );
    assert_eq!(faults[3].value, "-5");
    assert_eq!(faults[3].accepted, "a number from 1 to 2000");
}
