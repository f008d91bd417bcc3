use tanso_crds::carbon_policy::{
    IntensitySource, IntensitySpec, IntensityTable, PueSpec, RegulationRef, SiteSpec,
};

use super::*;

fn spec() -> CarbonPolicySpec {
    CarbonPolicySpec {
        site: SiteSpec {
            zone: "KR".into(),
            time_zone: "Asia/Seoul".into(),
            ..SiteSpec::default()
        },
        regulations: vec![RegulationRef {
            rule: "kr-carbon-2050".into(),
        }],
        window: "24h".into(),
        interval: "5m".into(),
        ..CarbonPolicySpec::default()
    }
}

fn faults(spec: &CarbonPolicySpec, table: Option<Result<Table, String>>) -> Vec<PolicyFault> {
    let rules = Rules::bundled();
    validate(
        spec,
        &Sources {
            table,
            asked: &Asked::default(),
            rules: &rules,
            year: 2026,
            observed: &Observed::default(),
        },
    )
    .err()
    .unwrap_or_default()
}

#[test]
fn a_good_spec_has_no_fault() {
    assert_eq!(faults(&spec(), None), []);
}

#[test]
fn all_faults_come_at_once_each_with_its_field() {
    let mut wrong = spec();
    wrong.site.time_zone = "Asia/Soul".into();
    wrong.site.pue = Some(PueSpec {
        value: 0.8,
        ..PueSpec::default()
    });
    wrong.site.zone = "X-OWN".into();
    wrong.regulations.push(RegulationRef {
        rule: "kr-2050".into(),
    });
    wrong.window = "a day".into();
    let found = faults(&wrong, None);
    let paths: Vec<_> = found.iter().map(|fault| fault.path).collect();
    let expected = [
        "spec.site.timeZone",
        "spec.site.pue.value",
        "spec.site.zone",
        "spec.regulations",
        "spec.window",
    ];
    assert_eq!(paths, expected);
    assert!(found[3].message.contains("kr-carbon-2050"), "{}", found[3]);
}

#[test]
fn a_broken_table_and_a_missing_one_have_their_reasons() {
    let mut with_table = spec();
    with_table.site.zone = "X-OWN".into();
    with_table.intensity = IntensitySpec {
        source: IntensitySource::Table,
        table: Some(IntensityTable {
            config_map: "grid".into(),
            key: "t.csv".into(),
            ..IntensityTable::default()
        }),
        ..IntensitySpec::default()
    };
    let text = "datetime_utc,gco2eq_per_kwh\n2026-11-21T00:00Z,-3\n".to_owned();
    let found = faults(
        &with_table,
        Some(Ok(Table {
            file: "grid/t.csv".into(),
            text,
        })),
    );
    assert_eq!(found[0].reason, reasons::INVALID_INPUT);
    assert!(
        found[0].message.contains("grid/t.csv row 2"),
        "{}",
        found[0]
    );
    let found = faults(
        &with_table,
        Some(Err("ConfigMap \"grid\" does not exist".into())),
    );
    assert_eq!(found[0].reason, reasons::NOT_FOUND);
}

#[test]
fn a_rule_whose_own_file_is_broken_is_not_judged_by_another_of_its_name() {
    let rules = Rules::bundled().with([("own/kr.yaml", "id: kr-carbon-2050\nrules: 3\n")]);
    let sources = Sources {
        table: None,
        asked: &Asked::default(),
        rules: &rules,
        year: 2026,
        observed: &Observed::default(),
    };
    let found = validate(&spec(), &sources).err().unwrap_or_default();
    let [fault] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(
        (fault.path, fault.reason),
        ("spec.regulations", reasons::INVALID_INPUT)
    );
    assert!(
        fault
            .message
            .starts_with("rule \"kr-carbon-2050\": rule file \"own/kr.yaml\""),
        "{fault}"
    );
}

#[test]
fn durations_are_read_as_the_schema_accepts_them() {
    assert_eq!(seconds("24h"), Some(86_400));
    assert_eq!(seconds("90s"), Some(90));
    assert_eq!(seconds("15m"), Some(900));
    assert_eq!(seconds("h"), None);
    assert_eq!(seconds("1d"), None);
}

/// Nodes elsewhere and regions to move to were priced by the bundled year
/// alone, whatever the user knew of their grids.
#[test]
fn a_table_of_another_zone_prices_nodes_and_regions_there() {
    use tanso_crds::carbon_policy::{Placement, RegionSpec, ZoneTable};

    let mut with_table = spec();
    with_table.site.placement = Placement::NodeRegion;
    with_table.recommendations.regions = vec![RegionSpec {
        name: "eu-north-1".into(),
        latency_ms: None,
    }];
    with_table.intensity.zone_tables = vec![ZoneTable {
        zone: "SE".into(),
        config_map: "sweden".into(),
        key: "se.csv".into(),
        ..ZoneTable::default()
    }];
    let rules = Rules::bundled();
    let regions = tanso_intensity::places::regions().unwrap();
    let validated = |spec: &CarbonPolicySpec, table: Result<&str, &str>| {
        let table = table.map(|text| Table {
            file: "sweden/se.csv".into(),
            text: text.to_owned(),
        });
        let observed = Observed {
            node_regions: [(
                "n2".to_owned(),
                regions.get("eu-north-1", Some("aws")).unwrap(),
            )]
            .into(),
            zone_tables: [("SE".to_owned(), table.map_err(str::to_owned))].into(),
            ..Observed::default()
        };
        let asked = Asked::default();
        validate(
            spec,
            &Sources {
                table: None,
                asked: &asked,
                rules: &rules,
                year: 2026,
                observed: &observed,
            },
        )
    };
    let text = "datetime_utc,gco2eq_per_kwh\n2026-10-05T09:00Z,12.5\n";
    let policy = validated(&with_table, Ok(text)).unwrap_or_else(|f| panic!("{f:?}"));
    for place in [&policy.others.places[0], &policy.advice.targets[0]] {
        assert_eq!(place.intensity.series.info().source, "sweden/se.csv");
    }
    // What is wrong with it is told once, with its row.
    let faults = validated(&with_table, Ok(&text.replace("12.5", "-1")))
        .err()
        .unwrap();
    let [fault] = faults.as_slice() else {
        panic!("{faults:?}");
    };
    assert_eq!(fault.path, "spec.intensity.zoneTables");
    assert!(fault.message.contains("sweden/se.csv row 2"), "{fault}");
    let missing = "ConfigMap \"sweden\" does not exist";
    let faults = validated(&with_table, Err(missing)).err().unwrap();
    assert_eq!(faults[0].reason, reasons::NOT_FOUND);
    with_table.intensity.zone_tables[0].zone = "KR".into();
    let faults = validated(&with_table, Ok(text)).err().unwrap();
    assert!(
        faults[0]
            .message
            .contains("its own table is spec.intensity.table"),
        "{faults:?}"
    );
}
