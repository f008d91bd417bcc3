//! What would be: other times, other places, other sizes.

use tanso_crds::carbon_policy::Placement;

use super::*;

#[tokio::test]
async fn the_best_start_is_the_cheapest_of_all_that_end_in_time() {
    let question = json!({
        "durationMinutes": 120, "powerWatts": 1_000.0, "zone": "KR", "timeZone": "Asia/Seoul",
        "earliest": "2026-11-22T00:00:00+09:00", "deadline": "2026-11-23T00:00:00+09:00",
    });
    let plan = ask(&facts(), "calculate_optimal_schedule", question)
        .await
        .unwrap();
    let best = plan["best"]["emissionsMilligrams"]["value"]
        .as_i64()
        .unwrap();
    let curve = plan["curve"].as_array().unwrap();
    let starts: Vec<i64> = curve
        .iter()
        .filter_map(|hour| hour["emissionsMilligrams"].as_i64())
        .collect();
    assert_eq!((curve.len(), starts.len()), (24, 23));
    assert_eq!(best, *starts.iter().min().unwrap());
    let now = plan["now"]["emissionsMilligrams"]["value"]
        .as_i64()
        .unwrap();
    assert_eq!(
        plan["savingAgainstNowMilligrams"]["value"]
            .as_i64()
            .unwrap(),
        now - best
    );
    let start = plan["best"]["start"].as_str().unwrap();
    assert!(start.ends_with("+09:00"), "{start}");
    let hour: u32 = start[11..13].parse().unwrap();
    assert_eq!(
        plan["cron"]["schedule"],
        format!("{} {hour} * * *", &start[14..16].parse::<u32>().unwrap())
    );
    assert_eq!(plan["cron"]["timeZone"], "Asia/Seoul");
}

#[tokio::test]
async fn a_cron_jobs_mean_run_is_planned_and_its_daily_hour_too() {
    let plan = ask(
        &facts(),
        "calculate_optimal_schedule",
        json!({"workload": "cronjob/etl"}),
    )
    .await
    .unwrap();
    // Four booked hours of two pods: two hours, half of the energy, times the PUE.
    assert_eq!(plan["durationMinutes"], 120);
    assert_eq!(plan["facilityEnergyMicrojoules"], 2_376_000_000_000_i64);
    assert_eq!(plan["daily"]["present"], "0 18 * * *");
    assert_eq!(plan["daily"]["schedule"]["timeZone"], "Asia/Seoul");
}

/// Facts whose node is in eu-north-1, and counts there for the first policy.
fn in_sweden() -> Given {
    let node = json!({"metadata": {"name": "n1", "labels": {"topology.kubernetes.io/region": "eu-north-1"}}});
    let mut facts = facts();
    facts.nodes = vec![serde_json::from_value(node).unwrap()];
    facts.policies[0].spec.site.placement = Placement::NodeRegion;
    facts
}

/// A job on nodes elsewhere was planned on the grid of the policy's site.
#[tokio::test]
async fn a_job_is_planned_where_its_energy_is_used() {
    let plan = async |facts: &Given, more: Value| {
        let mut question = json!({"workload": "cronjob/etl"});
        let fields = question.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        let plan = ask(facts, "calculate_optimal_schedule", question).await;
        plan.unwrap()
    };
    let here = plan(&facts(), json!({})).await;
    let facts = in_sweden();
    let found = plan(&facts, json!({})).await;
    assert_eq!(
        (&here["zone"], &found["zone"]),
        (&json!("KR"), &json!("SE"))
    );
    let notes = found["notes"].to_string();
    assert!(
        notes.contains("planned for eu-north-1, where 100 % of the workload's energy"),
        "{notes}"
    );
    // By the PUE of the place, and not by the site's of 1.32.
    assert_ne!(
        found["facilityEnergyMicrojoules"],
        here["facilityEnergyMicrojoules"]
    );
    let asked = plan(&facts, json!({"zone": "KR"})).await;
    assert_eq!(asked["zone"], "KR");
}

/// The explanation of a job named the places of all workloads alone.
#[tokio::test]
async fn an_explanation_tells_where_the_workloads_own_energy_was_used() {
    let mut facts = in_sweden();
    let place = |region: &str, zone: &str| {
        json!({
            "region": region, "energyMicrojoules": 500, "pue": "-",
            "intensity": {"zone": zone, "method": "Average", "boundary": "LifeCycle", "source": "table"},
        })
    };
    let places = json!([place("site", "KR"), place("eu-north-1", "SE")]);
    facts.policies[0].status.places = serde_json::from_value(places).unwrap();
    let question = json!({"workload": "service-00"});
    let found = ask(&facts, "explain_verdict", question.clone()).await;
    let found = found.unwrap();
    let one = &found["verdicts"][0];
    assert_eq!(one["ownPlaces"][0]["region"], "eu-north-1", "{one}");
    assert_eq!(one["ownPlaces"].as_array().unwrap().len(), 1, "{one}");
    let formula = one["formula"].as_str().unwrap();
    assert!(
        formula.contains(" x PUE 1.1") && formula.contains("(SE "),
        "{formula}"
    );
    let text = found["text"].as_str().unwrap();
    for said in [
        "places of its own energy: eu-north-1 (100 % of the energy)",
        "places of all workloads: site (50 % of the energy)",
    ] {
        assert!(text.contains(said), "{text}");
    }
    // Who cannot read the hours is told of all workloads.
    facts.energy = None;
    let found = ask(&facts, "explain_verdict", question).await.unwrap();
    let formula = found["verdicts"][0]["formula"].as_str().unwrap();
    assert!(formula.contains("PUE of each place of use"), "{formula}");
}

#[tokio::test]
async fn a_deadline_before_the_end_is_refused_with_what_is_accepted() {
    let question = json!({"durationMinutes": 120, "zone": "KR", "earliest": NOW, "deadline": "2026-11-21T11:00:00Z"});
    let fault = ask(&facts(), "calculate_optimal_schedule", question)
        .await
        .unwrap_err();
    assert!(
        fault.to_string().contains("at least 120 minutes"),
        "{fault}"
    );
}

#[tokio::test]
async fn what_is_past_is_not_planned_but_a_clock_may_be_behind() {
    let question = |earliest: &str| json!({"durationMinutes": 60, "zone": "KR", "earliest": earliest, "deadline": "2026-11-21T16:00:00Z"});
    let past = question("2026-11-21T09:59:00Z");
    let fault = ask(&facts(), "calculate_optimal_schedule", past)
        .await
        .unwrap_err();
    let words = fault.to_string();
    assert!(
        words.contains("now (2026-11-21T10:05:00Z) or later"),
        "{words}"
    );
    let plan = ask(
        &facts(),
        "calculate_optimal_schedule",
        question("2026-11-21T10:01:00Z"),
    )
    .await
    .unwrap();
    assert_eq!(plan["now"]["start"], "2026-11-21T10:05:00+00:00");
}

/// Only the CPU asked for was looked at, whatever the agents charge by.
#[tokio::test]
async fn what_requests_move_to_others_goes_by_the_monitors_rule() {
    let mut facts = facts();
    let node = json!({"metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "4", "memory": "16Gi"}}});
    facts.nodes = vec![serde_json::from_value(node).unwrap()];
    // 100 W of idle power in the four hours that the service ran.
    let rows = &mut facts.energy.as_mut().unwrap().rows;
    let hours: Vec<_> = rows.iter().take(4).cloned().collect();
    rows.extend(hours.into_iter().map(|row| EnergyHour {
        account: EnergyAccount::Named(Arc::from("idle")),
        energy: Estimate::exact(Joules::from_microjoules(360_000_000_000)),
        ..row
    }));
    let mut moved = async |sharing: &str, memory: Value| {
        let monitor = json!({
            "apiVersion": "tanso.dev/v1alpha1", "kind": "PowerMonitor", "metadata": {"name": "tanso"},
            "spec": {"agent": {"idleSharing": sharing}},
        });
        facts.monitors = vec![serde_json::from_value(monitor).unwrap()];
        let resize = json!({"type": "resize", "fromMillicores": 1_000, "toMillicores": 500, "replicas": 2, "memoryBytes": memory});
        let question = json!({"workload": "service-00", "changes": [resize]});
        ask(&facts, "compare_optimization_impact", question)
            .await
            .unwrap()
    };
    let of = |found: &Value| {
        found["alone"][0]["attributedIdleMilligramsPerDay"]
            .as_i64()
            .unwrap()
    };
    let half_of_the_node = json!(8_i64 << 30);
    let apart = moved("Apart", Value::Null).await;
    // A quarter of 2.4 kWh, times the PUE.
    let intensity = apart["before"]["figures"]["intensityMilligramsPerKwh"]
        .as_i64()
        .unwrap();
    let expected = intensity * 6 * 132 / 1_000;
    assert!(
        (of(&apart) - expected).abs() <= 1,
        "{} {expected}",
        of(&apart)
    );
    assert!(
        apart["notes"].to_string().contains("memoryBytes"),
        "{apart}"
    );
    let by_memory = moved("Apart", half_of_the_node.clone()).await;
    assert_eq!(
        of(&by_memory),
        0,
        "memory is the larger share before and after"
    );
    let requests = moved("Requests", half_of_the_node.clone()).await;
    assert_eq!(of(&requests), of(&apart));
    assert!(
        requests["notes"]
            .to_string()
            .contains("charged by the CPU asked for"),
        "{requests}"
    );
    let used = moved("Use", half_of_the_node).await;
    assert_eq!(of(&used), 0);
    assert!(
        used["notes"].to_string().contains("idleSharing: Use"),
        "{used}"
    );
}

#[tokio::test]
async fn regions_are_ranked_and_what_stands_against_one_is_said() {
    let question =
        json!({"workload": "service-00", "regions": ["us-east-1", "eu-north-1", "ap-northeast-2"]});
    let found = ask(&facts(), "get_regional_comparison", question)
        .await
        .unwrap();
    let regions = found["regions"].as_array().unwrap();
    assert_eq!(regions[0]["region"], "eu-north-1");
    assert!(regions[0].get("constraint").is_none());
    assert!(regions[0]["differenceMilligrams"].as_i64().unwrap() < 0);
    for barred in &regions[1..] {
        assert_eq!(barred["constraint"], "not on the list of allowed regions");
    }
    assert_eq!(found["here"]["zone"], "KR");
    assert_eq!(found["energyMicrojoules"]["value"], 3_600_000_000_000_i64);
}

/// Regions were compared by the bundled year whatever the policy's own tables
/// said of their grids.
#[tokio::test]
async fn a_region_is_compared_by_the_policys_own_table_of_its_zone() {
    use tanso_crds::carbon_policy::ZoneTable;
    use tanso_intensity::table::Table;

    let mut given = facts();
    given.policies[0].spec.intensity.zone_tables = vec![ZoneTable {
        zone: "SE".into(),
        config_map: "grids".into(),
        key: "se.csv".into(),
        ..ZoneTable::default()
    }];
    let last = UtcHour::containing(NOW.parse().unwrap());
    let hours = (-48..48).map(|step| format!("{},1900\n", last.plus_hours(step)));
    let table = Table {
        file: "grids/se.csv".into(),
        text: format!("datetime_utc,gco2eq_per_kwh\n{}", hours.collect::<String>()),
    };
    given.zone_tables = [("SE".to_owned(), Ok(table))].into();
    let question = json!({"workload": "service-00", "regions": ["eu-north-1"]});
    let found = ask(&given, "get_regional_comparison", question).await;
    let found = found.unwrap();
    let sweden = &found["regions"][0];
    assert!(
        sweden["differenceMilligrams"].as_i64().unwrap() > 0,
        "{sweden}"
    );
}

/// What was known of the hours as they are was a part, so a move looked dearer.
#[tokio::test]
async fn nothing_is_compared_with_hours_that_have_no_intensity() {
    use tanso_intensity::table::Table;

    let mut given = facts();
    let own = json!({"source": "Table", "table": {"configMap": "own", "key": "t.csv"}});
    given.policies[0].spec.intensity = serde_json::from_value(own).unwrap();
    let last = UtcHour::containing(NOW.parse().unwrap());
    // All of it after the hours of the energy, so that no rule fills them.
    let hours = (24..48).map(|step| format!("{},400\n", last.plus_hours(step)));
    let table = Table {
        file: "own/t.csv".into(),
        text: format!("datetime_utc,gco2eq_per_kwh\n{}", hours.collect::<String>()),
    };
    given.tables = [("u1".to_owned(), table)].into();
    let moved = json!({"type": "moveRegion", "region": "eu-north-1"});
    let question = json!({"workload": "service-00", "changes": [moved]});
    let fault = ask(&given, "compare_optimization_impact", question)
        .await
        .unwrap_err();
    assert_eq!(fault.code(), "NotKnown", "{fault}");
    assert!(fault.to_string().contains("intensity of some"), "{fault}");
    let question = json!({"workload": "service-00", "regions": ["eu-north-1"]});
    let found = ask(&given, "get_regional_comparison", question).await;
    let found = found.unwrap();
    let (here, there) = (&found["here"], &found["regions"][0]);
    assert!(here["unpricedMicrojoules"].as_i64().unwrap() > 0, "{here}");
    assert!(there.get("unpricedMicrojoules").is_none(), "{there}");
    assert!(there.get("differenceMilligrams").is_none(), "{there}");
    let said = found["summary"].as_str().unwrap();
    assert!(said.contains("the intensity is not known"), "{said}");
}

/// Energy of eu-north-1 was told as of the policy's own grid zone.
#[tokio::test]
async fn what_is_here_is_where_the_energy_is_used() {
    let facts = in_sweden();
    let question = json!({"workload": "service-00", "regions": ["ap-northeast-2"]});
    let found = ask(&facts, "get_regional_comparison", question).await;
    let here = &found.unwrap()["here"];
    assert_eq!(
        (&here["region"], &here["zone"]),
        (&json!("eu-north-1"), &json!("SE"))
    );
    assert_eq!(here["location"], "", "all of it");
}

#[tokio::test]
async fn changes_are_run_through_and_never_added_up() {
    let question = json!({"workload": "service-00", "changes": [
        {"type": "keepEnergy", "percent": 80.0}, {"type": "moveRegion", "region": "eu-north-1"},
    ]});
    let found = ask(&facts(), "compare_optimization_impact", question)
        .await
        .unwrap();
    let alone: i64 = found["alone"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["savingMilligrams"]["value"].as_i64().unwrap())
        .sum();
    let together = found["savingMilligrams"]["value"].as_i64().unwrap();
    let before = found["before"]["figures"]["emissionsMilligrams"]["value"]
        .as_i64()
        .unwrap();
    assert!(
        together < alone && together < before,
        "{together} {alone} {before}"
    );
    assert_eq!(found["basis"], "Hourly");
    let far = json!({"workload": "service-00", "changes": [{"type": "shift", "hours": 1_000}]});
    assert_eq!(
        ask(&facts(), "compare_optimization_impact", far)
            .await
            .unwrap_err()
            .code(),
        "InvalidArgument"
    );
}

#[tokio::test]
async fn without_the_ledger_energy_is_spread_and_that_is_said() {
    let mut facts = facts();
    facts.energy = None;
    let question = json!({"workload": "service-01", "changes": [{"type": "moveRegion", "region": "eu-north-1"}]});
    let found = ask(&facts, "compare_optimization_impact", question)
        .await
        .unwrap();
    assert_eq!(found["basis"], "SpreadEvenly");
    assert!(
        found["notes"].to_string().contains("spread evenly"),
        "{}",
        found["notes"]
    );
    let (judged, before) = (&found["judged"]["figures"], &found["before"]["figures"]);
    assert_eq!(
        judged["energyMicrojoules"], before["energyMicrojoules"],
        "no joule is lost in spreading"
    );
}

/// It was priced at the policy's site, wherever it had been used.
#[tokio::test]
async fn energy_that_is_spread_is_priced_where_all_of_it_was_used() {
    let mut facts = in_sweden();
    facts.energy = None;
    let place = |region: &str| {
        let intensity =
            json!({"zone": "SE", "method": "Average", "boundary": "LifeCycle", "source": "table"});
        json!({"region": region, "energyMicrojoules": 500, "pue": "-", "intensity": intensity})
    };
    let mut compared = async |places: Value| {
        facts.policies[0].status.places = serde_json::from_value(places).unwrap();
        let half = json!({"type": "keepEnergy", "percent": 50.0});
        let question = json!({"workload": "service-01", "changes": [half]});
        let found = ask(&facts, "compare_optimization_impact", question).await;
        let found = found.unwrap();
        let grid = found["before"]["figures"]["intensityMilligramsPerKwh"].as_i64();
        (
            grid.unwrap(),
            found["notes"].to_string().contains("at several places"),
        )
    };
    let (grid, is_open) = compared(json!([place("eu-north-1")])).await;
    assert!(grid < 100_000 && !is_open, "{grid}");
    let (grid, is_open) = compared(json!([place("site"), place("eu-north-1")])).await;
    assert!(grid > 300_000 && is_open, "{grid}");
}

/// A start was called the best of a grid of which only a yearly mean is known.
#[tokio::test]
async fn where_all_hours_are_alike_it_is_said_that_none_is_better() {
    let noted = async |zone: &str| {
        let question = json!({"durationMinutes": 60, "zone": zone, "earliest": NOW});
        let plan = ask(&facts(), "calculate_optimal_schedule", question).await;
        plan.unwrap()["notes"]
            .to_string()
            .contains("the same figure")
    };
    assert!(noted("SE").await);
    assert!(!noted("KR").await);
}

#[tokio::test]
async fn an_energy_that_nobody_gave_is_said() {
    let said = async |more: Value| {
        let mut question = json!({"regions": ["us-east-1", "eu-north-1"]});
        for (key, value) in more.as_object().unwrap() {
            question[key] = value.clone();
        }
        let found = ask(&facts(), "get_regional_comparison", question).await;
        let summary = found.unwrap()["summary"].as_str().unwrap().to_owned();
        summary.starts_with("Of one kilowatt-hour of IT energy")
    };
    assert!(said(json!({})).await);
    assert!(!said(json!({"energyKwh": 3})).await);
    assert!(!said(json!({"workload": "service-00"})).await);
}

/// Grams of a kilowatt that nobody had asked about stood there as the job's.
#[tokio::test]
async fn a_power_that_is_assumed_is_said() {
    let noted = async |more: Value| {
        let mut question = json!({"durationMinutes": 60, "zone": "KR", "earliest": NOW});
        for (key, value) in more.as_object().unwrap() {
            question[key] = value.clone();
        }
        let plan = ask(&facts(), "calculate_optimal_schedule", question).await;
        plan.unwrap()["notes"]
            .to_string()
            .contains("1000 W are assumed")
    };
    assert!(noted(json!({})).await);
    assert!(!noted(json!({"powerWatts": 300})).await);
    assert!(!noted(json!({"powerProfileWatts": [200, 800]})).await);
}

/// The least whole number has no positive counterpart: it passed for a shift of
/// no more than a week, or ended the call where overflows are looked for.
#[tokio::test]
async fn no_number_of_hours_passes_for_another() {
    for hours in [i32::MIN, i32::MIN + 1, -169, 169, i32::MAX] {
        let shift = json!({"type": "shift", "hours": hours});
        let question = json!({"workload": "service-00", "changes": [shift]});
        let fault = ask(&facts(), "compare_optimization_impact", question).await;
        let text = fault.unwrap_err().to_string();
        assert!(text.ends_with("accepted is -168 to 168"), "{text}");
    }
}

/// The schema's bounds bind no client. A hundred thousand parts kept a thread
/// busy for minutes, which no time limit and no cancelling ends.
#[tokio::test]
async fn a_profile_has_as_many_parts_as_the_schema_says_and_lasts_as_long_as_the_job() {
    let refused = async |more: Value| {
        let mut question = json!({"durationMinutes": 100, "zone": "KR", "earliest": NOW});
        let fields = question.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        let fault = ask(&facts(), "calculate_optimal_schedule", question).await;
        fault.unwrap_err().to_string()
    };
    let text = refused(json!({"powerProfileWatts": vec![1.0; 100_000]})).await;
    assert!(text.starts_with("powerProfileWatts: "), "{text}");
    let text = refused(json!({"powerProfileWatts": [1.0, -1.0]})).await;
    assert!(
        text.starts_with("powerProfileWatts: \"-1\"; accepted is 0 to"),
        "{text}"
    );
    let text = refused(json!({"powerProfileWatts": vec![1.0; 61], "durationMinutes": 1})).await;
    assert!(text.contains("up to 60 parts"), "{text}");
    let text = refused(json!({"powerWatts": 1e12})).await;
    assert!(text.starts_with("powerWatts: "), "{text}");
    let text = refused(json!({"powerWatts": 5.0, "powerProfileWatts": [1.0]})).await;
    assert!(text.contains("not both"), "{text}");

    // 100 minutes in seven parts ended a second early.
    let question = json!({"durationMinutes": 100, "zone": "KR", "earliest": NOW, "powerProfileWatts": [1, 2, 3, 4, 5, 6, 7]});
    let plan = ask(&facts(), "calculate_optimal_schedule", question)
        .await
        .unwrap();
    let (now, until) = (&plan["now"]["start"], &plan["now"]["end"]);
    assert_eq!(now, "2026-11-21T10:05:00+00:00");
    assert_eq!(until, "2026-11-21T11:45:00+00:00");
}

#[tokio::test]
async fn as_many_standards_are_judged_as_the_schema_says() {
    let standards = vec!["kr-carbon-2050"; 17];
    let question = json!({"workload": "service-00", "standards": standards});
    let fault = ask(&facts(), "assess_workload_compliance", question).await;
    let text = fault.unwrap_err().to_string();
    assert!(text.ends_with("accepted is up to 16 standards"), "{text}");
}
