//! Golden files of each format and language.
//!
//! After a wanted change: `TANSO_BLESS=1 cargo test -p tanso-faces golden`.

use std::path::Path;

use tanso_carbon::RuleSet;
use tanso_carbon::regulation::BUNDLED;
use tanso_crds::carbon_policy::status::Bounded;
use tanso_crds::{CarbonPolicy, ClusterCarbonPolicy};

use super::*;
use crate::view::Policy;

const POLICY: &str = include_str!("tests/policy.json");

fn policy() -> Policy {
    let policy: ClusterCarbonPolicy = serde_json::from_str(POLICY).unwrap();
    Policy::from(policy)
}

/// A day up to the hour of `dataThrough`, and four hours ahead; the sum is the
/// policy's energy.
fn hours() -> Hours {
    let through: jiff::Timestamp = "2026-10-05T09:00:00Z".parse().unwrap();
    let hour = |index: i64| {
        let start = through.as_second() + (index - 23) * 3_600;
        let is_ahead = index > 23;
        let energy = match index {
            5 => None,
            22 => Some(40_000_000_000),
            23 => Some(50_000_000_000),
            _ => Some(0),
        };
        Hour {
            start,
            energy_microjoules: energy.filter(|_| !is_ahead),
            measured_microjoules: if index == 23 { 30_000_000_000 } else { 0 },
            simulated_microjoules: 0,
            emissions_milligrams: energy.map_or(0, |energy| energy / 6_569_000),
            unpriced_microjoules: 0,
            intensity_milligrams_per_kwh: (index != 7).then_some(380_000 + index * 2_000),
            is_estimated: index > 12,
            is_ahead,
        }
    };
    Hours {
        time_zone: "Asia/Seoul".to_owned(),
        ledger_revision: Some(41),
        hours: (0..28).map(hour).collect(),
    }
}

fn report() -> Report {
    report_of(&policy())
}

fn report_of(policy: &Policy) -> Report {
    let rules = RuleSet::try_from_files(BUNDLED.iter().copied()).unwrap();
    let statement = Statement {
        organisation: "주식회사 예시".to_owned(),
        responsible: "Kim".to_owned(),
        cluster: "prod-1".to_owned(),
        ..Statement::default()
    };
    build(&Inputs {
        policy,
        workloads: &policy.status.workloads,
        rules: &rules,
        hours: Some(&hours()),
        statement: &statement,
        other: None,
    })
    .unwrap()
}

fn golden(name: &str, found: &str) {
    let found = masked(found);
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("TANSO_BLESS").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    let same = if name.strip_suffix(".json").is_some() {
        let read = |text: &str| serde_json::from_str(text).unwrap();
        holds(&read(&found), &read(&wanted))
    } else {
        wanted == found
    };
    assert!(same, "{name} differs; set TANSO_BLESS=1 to accept");
}

/// A text without its digests, which move with each word of a rule.
fn masked(text: &str) -> String {
    let mut parts = text.split("sha256:");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        out += "sha256:…";
        out += rest;
    }
    out
}

/// Whether a value holds all that another has: fields may be added.
fn holds(found: &serde_json::Value, wanted: &serde_json::Value) -> bool {
    match (found, wanted) {
        (serde_json::Value::Object(found), serde_json::Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| found.get(key).is_some_and(|one| holds(one, value))),
        (serde_json::Value::Array(found), serde_json::Value::Array(wanted)) => {
            found.len() == wanted.len()
                && found
                    .iter()
                    .zip(wanted)
                    .all(|(one, other)| holds(one, other))
        }
        _ => found == wanted,
    }
}

#[test]
fn every_format_and_language_is_as_its_golden_file() {
    let report = report();
    for (format, ending) in [(Format::Markdown, "md"), (Format::Html, "html")] {
        for language in [Language::English, Language::Korean] {
            let name = format!("report.{}.{ending}", language.tag());
            golden(&name, &render(&report, format, language));
        }
    }
    golden(
        "report.csv",
        &render(&report, Format::Csv, Language::English),
    );
    golden(
        "report.json",
        &render(&report, Format::Json, Language::English),
    );
}

/// The namespaces' sum was 13.700 and the workloads' 13.699: one was added of
/// rounded masses.
#[test]
fn one_report_has_one_total_of_emissions() {
    let text = render(&report(), Format::Markdown, Language::English);
    let sums = text.lines().filter(|line| line.starts_with("| **Sum**"));
    let sums: Vec<&str> = sums.collect();
    assert_eq!(sums.len(), 3, "{text}");
    for sum in sums {
        assert!(sum.contains(" **13.699** "), "{sum}");
    }
    // Parts that are not all of it have their own sum.
    let mut part = report();
    part.namespaces.pop();
    let text = render(&part, Format::Markdown, Language::English);
    assert!(text.contains(" **7.611** "), "{text}");
}

#[test]
fn each_format_verifies_and_one_changed_digit_is_seen() {
    let report = report();
    for format in [
        Format::Markdown,
        Format::Html,
        Format::Csv,
        Format::Json,
        Format::Yaml,
    ] {
        let text = render(&report, format, Language::Korean);
        let found = verify(&text).unwrap();
        assert_eq!(
            found.checked.len(),
            if format == Format::Json { 3 } else { 0 }
        );
        let changed = text.replacen("13699", "13698", 1);
        assert_ne!(changed, text, "the exact figure is in {format:?}");
        assert!(
            matches!(verify(&changed), Err(VerifyError::Changed { .. })),
            "{format:?}"
        );
    }
}

#[test]
fn a_report_as_yaml_is_its_json_and_each_comment_in_it_is_seen() {
    let report = report();
    let text = render(&report, Format::Yaml, Language::English);
    let of_yaml: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    let json = render(&report, Format::Json, Language::English);
    let of_json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(of_yaml, of_json);
    let longer = format!("# verified by somebody\n{text}");
    assert!(matches!(verify(&longer), Err(VerifyError::Changed { .. })));
}

/// What was written beside the sealed report went unseen.
#[test]
fn what_stands_beside_the_report_in_its_json_is_seen() {
    let text = render(&report(), Format::Json, Language::English);
    let longer = text.replacen('{', "{\n  \"verdict\": \"Compliant\",", 1);
    let beside = VerifyError::BesideSeal("verdict".to_owned());
    assert_eq!(verify(&longer), Err(beside));
}

/// All of it was used elsewhere, and the formula had the site's PUE and source.
#[test]
fn a_formula_has_the_pue_and_the_source_of_where_the_energy_was_used() {
    let mut policy = policy();
    let place = |region: &str, zone: &str| {
        let place = serde_json::json!({
            "region": region, "energyMicrojoules": 45_000_000_000_i64, "pue": "1.07, made up",
            "intensity": {"zone": zone, "method": "Average", "boundary": "LifeCycle", "source": "grid of the north"},
        });
        serde_json::from_value(place).unwrap()
    };
    let said = |policy: &Policy| render(&report_of(policy), Format::Markdown, Language::English);
    let of_site = said(&policy);
    assert!(of_site.contains(" Wh × 1.32 × ") && !of_site.contains("By place of use"));
    policy.status.places = vec![place("eu-north-1", "SE")];
    let elsewhere = said(&policy);
    assert!(elsewhere.contains(" Wh × 1.07, made up × "), "{elsewhere}");
    assert!(elsewhere.contains("Grid zone: SE"), "{elsewhere}");
    assert!(elsewhere.contains("By place of use"), "{elsewhere}");
    policy.status.places.push(place("site", "KR"));
    let several = said(&policy);
    assert!(
        several.contains(" Wh × PUE of each place of use"),
        "{several}"
    );
}

/// Of energy without any intensity the tables had 0 mg.
#[test]
fn a_mass_that_nobody_knows_is_no_zero_in_any_format() {
    let mut policy = policy();
    let totals = policy.status.totals.as_mut().unwrap();
    totals.emissions_milligrams = Bounded::default();
    totals.unpriced_microjoules = totals.energy_microjoules.value;
    totals.intensity_milligrams_per_kwh = None;
    let energy = totals.energy_microjoules;
    let report = report_of(&policy);
    let csv = render(&report, Format::Csv, Language::English);
    assert!(!csv.contains("\ntotals,all,emissions,"), "{csv}");
    assert!(
        csv.contains("\ntotals,all,energyWithoutIntensity,"),
        "{csv}"
    );
    let text = render(&report, Format::Markdown, Language::English);
    let row = format!(
        "| **All** | **{}** | **{}** | **{}** | **-** | **-** | **-** |",
        energy.low, energy.value, energy.high
    );
    assert!(text.contains(&row), "{text}");
}

/// A second key before the sealed one was what people and other parsers read.
#[test]
fn a_key_that_stands_twice_in_the_json_is_seen() {
    let text = render(&report(), Format::Json, Language::English);
    for (key, sealed) in [
        ("verdict", "\"verdict\": "),
        ("schema", "\"schema\": "),
        ("report", "\"report\": "),
    ] {
        let first = format!("\"{key}\": \"Compliant\", {sealed}");
        let changed = text.replacen(sealed, &first, 1);
        let found = verify(&changed);
        let says = |said: &str| said.starts_with(&format!("\"{key}\" stands twice"));
        assert!(
            matches!(&found, Err(VerifyError::KeyTwice(said)) if says(said)),
            "{found:?}"
        );
    }
}

#[test]
fn figures_that_do_not_add_up_are_found_though_the_digest_holds() {
    let mut report = report();
    report.workloads.pop();
    report.workloads[0].figures.energy_microjoules.value -= 1;
    let text = render(&report, Format::Json, Language::English);
    assert!(matches!(verify(&text), Err(VerifyError::Sums(_))));
}

#[test]
fn every_number_is_the_status_own_to_the_last_digit() {
    let policy = policy();
    let text = render(&report_of(&policy), Format::Json, Language::English);
    let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
    let status = serde_json::to_value(&policy.status).unwrap();
    for part in [
        "totals",
        "market",
        "workloads",
        "unallocated",
        "softwareCarbonIntensity",
        "verdict",
    ] {
        assert_eq!(whole["report"][part], status[part], "{part}");
    }
    let table = render(&report_of(&policy), Format::Csv, Language::English);
    assert!(
        table.contains("totals,all,energy,81000000000,90000000000,108000000000,uJ\n"),
        "{table}"
    );
    assert!(table.contains("workload,shop/Deployment/api,emissions,6354,7611,9645,mgCO2eq\n"));
}

#[test]
fn text_of_the_cluster_stays_text_in_every_format() {
    let mut policy = policy();
    let hostile = "<script>alert(1)</script> [x](javascript:y)";
    policy.status.workloads[0].recommendations[0].change = hostile.to_owned();
    policy.status.answer = hostile.to_owned();
    let report = report_of(&policy);
    for format in [Format::Html, Format::Markdown] {
        let text = render(&report, format, Language::English);
        assert!(!text.contains("<script"), "{format:?}");
        assert!(
            format == Format::Html || !text.contains(" [x]("),
            "a link in Markdown"
        );
    }
}

#[test]
fn simulated_energy_is_said_first() {
    let mut policy = policy();
    let totals = policy.status.totals.as_mut().unwrap();
    (totals.simulated_percent, totals.modelled_percent) = (7, 60);
    let text = render(&report_of(&policy), Format::Markdown, Language::Korean);
    let warning = text.find("모의값이다").unwrap();
    assert!(warning < text.find("## 1.").unwrap());
}

#[test]
fn a_policy_without_figures_gives_no_report_but_the_reason() {
    let bare: CarbonPolicy = serde_json::from_value(serde_json::json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
        "metadata": {"name": "korea", "namespace": "shop"},
        "spec": {"site": {"zone": "KR"}, "regulations": [{"rule": "kr-carbon-2050"}]},
    }))
    .unwrap();
    let policy = Policy::from(bare);
    let rules = RuleSet::try_from_files(BUNDLED.iter().copied()).unwrap();
    let fault = build(&Inputs {
        policy: &policy,
        workloads: &[],
        rules: &rules,
        hours: None,
        statement: &Statement::default(),
        other: None,
    })
    .unwrap_err();
    let text = fault.to_string();
    assert!(
        text.starts_with("CarbonPolicy shop/korea has no figures yet"),
        "{text}"
    );
}

#[test]
fn the_reduction_path_is_a_straight_line_to_its_target() {
    let report = report();
    let path = &report.paths[0];
    let at = |year| path.points.iter().find(|point| point.year == year).unwrap();
    assert_eq!(at(2018).reduction_milli_percent, 0);
    assert_eq!(at(2024).reduction_milli_percent, 17_500);
    assert_eq!(at(2030).reduction_milli_percent, 35_000);
    assert_eq!(path.base_tonnes, Some(0.0055));
}

/// Whether advice on requests was taken was not known, and said so.
#[test]
fn what_became_of_advice_on_requests_is_one_number_in_each_format() {
    let mut policy = policy();
    let outcome = serde_json::json!([
        {
            "resource": "cpu", "container": "main", "asked": "500m", "advised": "250m",
            "askedNow": "250m", "state": "Measured", "daysBefore": 28, "daysAfter": 14,
            "firstTold": "2026-09-01T00:00:00Z", "lastTold": "2026-09-09T00:00:00Z",
            "takenAt": "2026-09-09T10:00:00Z",
            "predictedMilligramsPerDay": {"low": 11_000, "value": 22_000, "high": 33_000},
            "effect": {
                "beforeMicrojoulesPerHour": 100_000_000, "afterMicrojoulesPerHour": 87_142_857,
                "changeMicrojoulesPerHour": {"low": -16_440_907, "value": -12_857_143, "high": -9_273_379},
                "cpuBeforeMillisecondsPerHour": 40_000, "cpuAfterMillisecondsPerHour": 39_000,
                "weekdays": 7, "provenance": "modelled", "basis": "an association, not causal",
            },
        },
        {
            "resource": "memory", "container": "main", "asked": "512Mi", "advised": "256Mi",
            "state": "NotTaken",
            "firstTold": "2026-09-01T00:00:00Z", "lastTold": "2026-09-02T00:00:00Z",
            "predictedMilligramsPerDay": {"low": 1, "value": 2, "high": 3},
        },
    ]);
    policy.status.workloads[0].advice_outcomes = serde_json::from_value(outcome).unwrap();
    let report = report_of(&policy);
    let english = render(&report, Format::Markdown, Language::English);
    for said in [
        "| 500m → 250m | 2026-09-01 – 2026-09-09 | taken, measured | 2026-09-09 19:00 +09:00 |",
        "| 11.000 – 33.000 | 100.0 J | 87.14 J, modelled | -12.86 J (-16.44 J – -9.273 J) | 40.0 → 39.0 s |",
        "| 512Mi → 256Mi | 2026-09-01 – 2026-09-02 | not taken | - |",
        "an association, not causal",
    ] {
        assert!(english.contains(said), "{said} is missing: {english}");
    }
    let korean = render(&report, Format::Markdown, Language::Korean);
    for said in [
        "이행(효과 측정)",
        "미이행",
        "인과관계를 뜻하지 않는다",
        "-12.86 J",
    ] {
        assert!(korean.contains(said), "{said} is missing: {korean}");
    }
    let csv = render(&report, Format::Csv, Language::English);
    let subject = "workload,shop/Deployment/api";
    for line in [
        "requestState cpu main 2026-09-01,,Measured,,",
        "energyChange cpu main 2026-09-01,-16440907,-12857143,-9273379,uJ/h",
        "energyBefore cpu main 2026-09-01,,100000000,,uJ/h",
        "requestState memory main 2026-09-01,,NotTaken,,",
    ] {
        assert!(
            csv.contains(&format!("{subject},{line}\n")),
            "{line}: {csv}"
        );
    }
    let json = render(&report, Format::Json, Language::Korean);
    assert!(json.contains("-12857143"), "{json}");
}
