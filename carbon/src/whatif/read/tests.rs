use super::*;

#[test]
fn a_broken_line_names_its_row_and_column() {
    let text = "datetime_utc,workload,energy_kwh,energy_low_kwh,pue\n\
        2026-06-01T00:00Z,a,1,2,\n2026-06-01T00:30Z,a,1,,\n2026-06-01T01:00Z,a,-1,,0.9\n";
    let told = EnergyTable::parse("e.csv", text).unwrap_err().to_string();
    assert!(!told.contains("has no hour"), "{told}");
    for part in [
        "e.csv row 2, energy_kwh \"1\": the bounds",
        "row 3, datetime_utc",
        "row 4, energy_kwh \"-1\"",
        "row 4, pue \"0.9\"",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

/// A line that was pasted twice counted twice, without a word.
#[test]
fn a_line_that_stands_twice_is_refused_and_a_workload_that_moved_is_not() {
    let head = "datetime_utc,workload,node,zone,pue,provenance,energy_kwh\n";
    let moved = "2026-06-01T00:00Z,shop,n1,KR,1.2,,1\n2026-06-01T00:00Z,shop,n2,KR,1.2,,1\n\
        2026-06-01T00:00Z,shop,n1,DE,1.2,,1\n2026-06-01T00:00Z,shop,n1,KR,1.3,,1\n\
        2026-06-01T00:00Z,shop,n1,KR,1.2,modelled,1\n2026-06-01T01:00Z,shop,n1,KR,1.2,,1\n\
        2026-06-01T00:00Z,batch,n1,KR,1.2,,1\n";
    let table = EnergyTable::parse("e.csv", &format!("{head}{moved}")).unwrap();
    assert_eq!(table.lines().len(), 7);
    let twice = format!("{head}{moved}2026-06-01T09:00+09:00,shop,n1,KR,1.2,,7\n");
    let told = EnergyTable::parse("e.csv", &twice).unwrap_err().to_string();
    assert!(
        told.starts_with(
            "e.csv row 9, datetime_utc \"2026-06-01T09:00+09:00\": the same hour stands in row 2"
        ),
        "{told}"
    );
    let contracts = "datetime_utc,contract,energy_kwh,gco2eq_per_kwh\n\
        2026-06-01T00:00Z,sun,1,0\n2026-06-01T00:00Z,wind,1,9\n2026-06-01T00:00Z,sun,2,0\n";
    let told = parse_contracts("c.csv", contracts).unwrap_err().to_string();
    assert!(
        told.contains("row 4, datetime_utc") && told.contains("stands twice"),
        "{told}"
    );
}

/// A column `energy_hgih_kwh` was passed over, and with it the upper bound.
#[test]
fn a_column_that_is_not_read_is_refused_by_name() {
    let text = "datetime_utc,energy_kwh,energy_hgih_kwh\n2026-06-01T00:00Z,1,2\n";
    let told = EnergyTable::parse("e.csv", text).unwrap_err().to_string();
    assert!(
        told.starts_with("e.csv row 1, column 3 \"energy_hgih_kwh\": no such column is read"),
        "{told}"
    );
    assert!(told.contains("energy_high_kwh"), "{told}");
    // A bound in another unit than the energy's is one, too.
    let text = "datetime_utc,energy_kwh,energy_high_wh\n2026-06-01T00:00Z,1,2\n";
    let told = EnergyTable::parse("e.csv", text).unwrap_err().to_string();
    assert!(told.contains("column 3 \"energy_high_wh\""), "{told}");
    let contracts = "datetime_utc,contract,energy_kwh,gco2eq_per_kwh,price\n";
    let told = parse_contracts("c.csv", contracts).unwrap_err().to_string();
    assert!(told.contains("column 5 \"price\""), "{told}");
}

#[test]
fn an_export_of_the_ledger_is_read_as_it_is() {
    let text = "hour_utc,node,account,namespace,workload_kind,workload,pod,pod_uid,provenance,\
        energy_low_microjoules,energy_microjoules,energy_high_microjoules,cpu_microseconds,minutes\n\
        2026-06-01T00:00Z,n1,pod,shop,Deployment,web,web-1,u1,modelled,90,100,120,5,60\n\
        2026-06-01T00:00Z,n1,idle,,,,,,modelled,900,1000,1200,0,60\n";
    let table = EnergyTable::parse("l.csv", text).unwrap();
    let [line] = table.lines() else {
        panic!("{table:?}");
    };
    assert_eq!(
        (line.workload.as_str(), line.node.as_str()),
        ("shop/Deployment/web", "n1")
    );
    assert_eq!(line.energy.map(Joules::microjoules).high, 120);
    assert_eq!(line.provenance, Some(Provenance::Modelled));
    let others = |table: &EnergyTable| table.unallocated(table.period());
    assert_eq!(others(&table), BTreeMap::from([("idle".to_owned(), 1_000)]));
    let none = table.select(|name| name.starts_with("lab/"));
    assert_eq!((none.lines().len(), others(&none)["unselected"]), (0, 100));
}

#[test]
fn joules_and_kilowatt_hours_are_the_same_energy() {
    let read = |unit: &str, figure: &str| {
        let text = format!("datetime_utc,energy_{unit}\n2026-06-01T00:00Z,{figure}\n");
        EnergyTable::parse("e.csv", &text).unwrap().lines()[0].energy
    };
    assert_eq!(read("kwh", "1.5"), read("joules", "5400000"));
    assert_eq!(read("wh", "0.25"), read("microjoules", "900000000"));
}

#[test]
fn a_contract_has_one_intensity() {
    let text = "datetime_utc,contract,energy_kwh,gco2eq_per_kwh\n\
        2026-06-01T00:00Z,sun,1,0\n2026-06-01T01:00Z,sun,2,0\n2026-06-01T01:00Z,wind,2,9\n";
    let contracts = parse_contracts("c.csv", text).unwrap();
    assert_eq!((contracts.len(), contracts[0].delivered.len()), (2, 2));
    let two = text.replace("sun,2,0", "sun,2,5");
    let told = parse_contracts("c.csv", &two).unwrap_err().to_string();
    assert!(told.contains("row 3, gco2eq_per_kwh \"5\""), "{told}");
}
