use clap::Parser;

use super::*;

mod again;

#[derive(Parser)]
struct Whatif {
    #[command(flatten)]
    args: Args,
}

const ENERGY: &str = "datetime_utc,workload,energy_kwh\n\
    2026-06-01T00:00Z,shop,2\n2026-06-01T01:00Z,shop,1\n2026-06-01T01:00Z,batch,4\n";

/// What the command prints, and how it ends.
fn told(files: &[(&str, &str)], more: &[&str]) -> Result<(String, Outcome), String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut words = vec!["whatif".to_owned(), path("energy.csv")];
    for word in more {
        words.push(
            word.strip_prefix('@')
                .map_or_else(|| (*word).to_owned(), path),
        );
    }
    let args = Whatif::try_parse_from(words)
        .map_err(|error| error.to_string())?
        .args;
    let mut out = Vec::new();
    let outcome = run(&args, &mut out).map_err(|error| error.to_string())?;
    Ok((String::from_utf8(out).unwrap(), outcome))
}

#[test]
fn a_table_becomes_a_report_without_a_cluster() {
    let more = [
        "--grams-per-kwh",
        "430",
        "--pue",
        "1.5",
        "--rule",
        "kr-carbon-2050",
        "--provenance",
        "modelled",
    ];
    let (text, outcome) = told(&[("energy.csv", ENERGY)], &more).unwrap();
    for part in [
        "2026-06-01T00:00Z to 2026-06-01T02:00Z (2 hours, 100.0 % with energy)",
        "energy: 7.000 kWh metered, 10.500 kWh of the facility",
        "emissions, location-based: 4.51 kg",
        "KR-QUOTED-424: NonCompliant: intensity of the consumed energy is 430",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(outcome, Outcome::Failing);
    let (again, _) = told(&[("energy.csv", ENERGY)], &more).unwrap();
    assert_eq!(text.lines().last(), again.lines().last());
}

/// A path against nothing, or against no number, was computed with.
#[test]
fn a_base_year_that_nothing_can_be_reduced_from_is_refused_by_its_flag() {
    for wrong in ["nan", "inf", "0", "-5", "-0.0", "much"] {
        let more = ["--grams-per-kwh", "430", "--base-year-grams", wrong];
        let refused = told(&[("energy.csv", ENERGY)], &more).unwrap_err();
        assert!(refused.contains("--base-year-grams"), "{refused}");
        let why = match wrong {
            "much" => "not a number",
            _ => "accepted are grams above 0",
        };
        assert!(refused.contains(why), "{wrong}: {refused}");
    }
    let more = ["--grams-per-kwh", "430", "--base-year-grams", "0.5"];
    assert!(told(&[("energy.csv", ENERGY)], &more).is_ok());
}

#[test]
fn contracts_give_a_second_sum_beside_the_first() {
    let contracts = "datetime_utc,contract,energy_kwh,gco2eq_per_kwh\n2026-06-01T00:00Z,sun,7,0\n";
    let files = [("energy.csv", ENERGY), ("contracts.csv", contracts)];
    let by = |matching| {
        let more = [
            "--grams-per-kwh",
            "400",
            "--contracts",
            "@contracts.csv",
            "--residual",
            "500",
            "--matching",
            matching,
            "-o",
            "json",
        ];
        let (text, _) = told(&files, &more).unwrap();
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        let grams = |value: &serde_json::Value| value["value"].as_f64().unwrap() / 1e9;
        let location = grams(&report["totals"]["emissionsNanograms"]);
        (location, grams(&report["market"]["emissions"]))
    };
    assert_eq!(by("annual"), (2_800.0, 0.0));
    assert_eq!(by("hourly"), (2_800.0, 2_500.0));
}

#[test]
fn a_gap_of_the_intensity_is_filled_only_when_asked() {
    let intensity = "datetime_utc,gco2eq_per_kwh\n2026-06-01T00:00Z,300\n2026-06-01T02:00Z,500\n";
    let energy =
        "datetime_utc,energy_kwh\n2026-06-01T00:00Z,2\n2026-06-01T01:00Z,2\n2026-06-01T02:00Z,2\n";
    let files = [("energy.csv", energy), ("ci.csv", intensity)];
    let (text, _) = told(&files, &["--intensity", "@ci.csv"]).unwrap();
    assert!(text.contains("without intensity 33.3 %"), "{text}");
    let (text, _) = told(&files, &["--intensity", "@ci.csv", "--fill", "1"]).unwrap();
    assert!(text.contains("2.40 kg (2.20 kg to 2.60 kg)"), "{text}");
    assert!(text.contains("filled 33.3 %"), "{text}");
}

/// It was printed as `0g`, and the sum as if it was of all energy.
#[test]
fn energy_without_an_intensity_is_no_zero_and_leaves_the_sum_open() {
    let intensity = "datetime_utc,gco2eq_per_kwh\n2026-06-01T00:00Z,300\n2026-06-01T02:00Z,500\n";
    let energy = "datetime_utc,workload,energy_kwh\n2026-06-01T00:00Z,shop,2\n\
        2026-06-01T01:00Z,shop,1\n2026-06-01T01:00Z,batch,4\n2026-06-01T00:00Z,idle,0\n";
    let files = [("energy.csv", energy), ("ci.csv", intensity)];
    let (text, _) = told(&files, &["--intensity", "@ci.csv"]).unwrap();
    let wanted = "emissions, location-based: at least 600 g, and what 5.000 kWh (71.4 %) emitted \
        that have no intensity: no upper bound is known";
    assert!(text.contains(wanted), "{text}");
    let part = "effective intensity: 300.0 gCO2eq/kWh, of the energy that has one\n";
    assert!(text.contains(part), "{text}");
    let cells = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().skip(1).collect::<Vec<_>>()
    };
    assert_eq!(cells("shop"), ["3.000", ">=600g", "300.0"]);
    assert_eq!(cells("batch"), ["4.000", "-", "-"]);
    assert_eq!(cells("idle"), ["0.000", "0g", "-"]);
    let json = [
        "--intensity",
        "@ci.csv",
        "-o",
        "json",
        "--period",
        "2026-06-01",
    ];
    let report: serde_json::Value = serde_json::from_str(&told(&files, &json).unwrap().0).unwrap();
    assert_eq!(
        report["totals"]["unpricedMicrojoules"].as_u64(),
        Some(5 * 3_600_000_000_000)
    );
    let by_day = report["days"].as_array().unwrap().iter();
    let by_day = by_day.map(|day| day["unpricedMicrojoules"].as_u64().unwrap());
    assert_eq!(by_day.sum::<u64>(), 5 * 3_600_000_000_000);
    let later = energy.replace("2026-06-01T00:00Z,shop,2\n", "");
    let files = [("energy.csv", later.as_str()), ("ci.csv", intensity)];
    let (text, _) = told(&files, &["--intensity", "@ci.csv"]).unwrap();
    let wanted = "emissions, location-based: not known: 5.000 kWh, and none has an intensity";
    assert!(text.contains(wanted), "{text}");
}

/// The text had the mean alone, as if it was known exactly.
#[test]
fn bounds_of_the_intensity_stand_beside_it() {
    let energy = "datetime_utc,workload,energy_kwh,energy_low_kwh,energy_high_kwh\n\
        2026-06-01T00:00Z,shop,1,0.5,1.5\n2026-06-01T01:00Z,shop,1,1,1\n\
        2026-06-01T01:00Z,batch,1,1,1\n";
    let intensity = "datetime_utc,gco2eq_per_kwh\n2026-06-01T00:00Z,200\n2026-06-01T01:00Z,500\n";
    let files = [("energy.csv", energy), ("ci.csv", intensity)];
    let (text, _) = told(&files, &["--intensity", "@ci.csv"]).unwrap();
    // (200 e + 1,000) / (e + 2) with e from 1.5 to 0.5.
    let all = "effective intensity: 400.0 gCO2eq/kWh (371.4 to 440.0)\n";
    assert!(text.contains(all), "{text}");
    let cells = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().skip(3).collect::<Vec<_>>()
    };
    assert_eq!(cells("WORKLOAD"), ["GCO2EQ/KWH", "BOUNDS"]);
    assert_eq!(cells("shop"), ["350.0", "320.0..400.0"]);
    assert_eq!(cells("batch"), ["500.0", "-"]);
    let (text, _) = told(&[("energy.csv", ENERGY)], &["--grams-per-kwh", "400"]).unwrap();
    assert!(
        text.contains("effective intensity: 400.0 gCO2eq/kWh\n") && !text.contains("BOUNDS"),
        "{text}"
    );
}

/// Lines that say nothing of it were counted as measured.
#[test]
fn energy_that_nobody_says_the_provenance_of_is_not_called_measured() {
    let (text, _) = told(&[("energy.csv", ENERGY)], &[]).unwrap();
    let all = "0.0 % measured, 0.0 % modelled, 0.0 % simulated, 100.0 % of unknown provenance\n";
    assert!(text.contains(all), "{text}");
    let some = "datetime_utc,workload,energy_kwh,provenance\n2026-06-01T00:00Z,shop,2,measured\n\
        2026-06-01T00:00Z,shop,1,modelled\n2026-06-01T01:00Z,shop,1,\n";
    let (text, _) = told(&[("energy.csv", some)], &["--grams-per-kwh", "400"]).unwrap();
    for part in [
        "emissions, location-based: 1.60 kg\n",
        "50.0 % measured, 25.0 % modelled, 0.0 % simulated, 25.0 % of unknown provenance\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let known = some.replace("shop,1,\n", "shop,1,simulated\n");
    let (text, _) = told(&[("energy.csv", &known)], &[]).unwrap();
    assert!(text.contains("25.0 % simulated\n"), "{text}");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let wrong = ENERGY.replace("01:00Z,shop,1", "01:30Z,shop,1");
    let refused = told(&[("energy.csv", &wrong)], &[]).unwrap_err();
    assert!(
        refused.contains("energy.csv row 3, datetime_utc"),
        "{refused}"
    );
    let files = [("energy.csv", ENERGY)];
    let refused = told(&files, &["--rule", "kr-2050"]).unwrap_err();
    assert!(refused.contains("kr-carbon-2050"), "{refused}");
    let refused = told(&files, &["--period", "June"]).unwrap_err();
    assert!(refused.contains("2026-06-15"), "{refused}");
    let refused = told(&files, &["--period", "2025"]).unwrap_err();
    assert!(
        refused.contains("no energy from 2025-01-01T00:00Z"),
        "{refused}"
    );
    let refused = told(&files, &["--zone", "X-OWN"]).unwrap_err();
    assert!(refused.contains("\"X-OWN\""), "{refused}");
}

/// They were taken without a word, and nothing came of them.
#[test]
fn flags_of_an_intensity_that_is_not_given_are_refused_with_what_they_need() {
    let intensity = "datetime_utc,gco2eq_per_kwh\n2026-06-01T00:00Z,300\n2026-06-01T01:00Z,500\n";
    let files = [("energy.csv", ENERGY), ("ci.csv", intensity)];
    let file = ["--intensity", "@ci.csv"].as_slice();
    let figure = ["--grams-per-kwh", "400"].as_slice();
    for (flag, by_file_alone) in [
        (["--intensity-source", "ours"], false),
        (["--data-year", "2025"], false),
        (["--fill", "3"], true),
        (["--fill-days", "7"], true),
    ] {
        let by = |with: &[&str]| told(&files, &[&flag, with].concat());
        let refused = by(&[]).unwrap_err();
        assert!(refused.starts_with(flag[0]), "{refused}");
        assert!(refused.contains("--intensity FILE"), "{refused}");
        by(file).unwrap();
        assert_eq!(by(figure).is_err(), by_file_alone);
    }
}

/// A yearly limit was kept by two hours of June.
#[test]
fn a_yearly_rule_is_unknown_by_a_few_hours_and_its_own_coverage_is_said() {
    let rule = "id: own\ntitle: own\njurisdiction: KR\ntimeZone: Asia/Seoul\nrules:\n  - {id: OWN-BUDGET, name: Our budget, \
        kind: policyTarget, authority: us, binds: Facility, source: board, evidence: none, metric: CarbonBudget, op: AtMost, \
        limit: 4, unit: tCO2eq, period: Year}\n";
    let files = [("energy.csv", ENERGY), ("own.yaml", rule)];
    let more = ["--rule-file", "@own.yaml", "--metered-at-facility"];
    let (text, outcome) = told(&files, &more).unwrap();
    for part in [
        "OWN-BUDGET: Unknown: 0.0 % of the period has energy data, 80 % are demanded",
        "over the rule's own period, 2025-12-31T15:00Z to 2026-12-31T15:00Z, 0.0 % with energy",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(outcome, Outcome::Fine);
}

#[test]
fn shares_outside_of_0_to_100_are_refused_by_flag() {
    let files = [("energy.csv", ENERGY)];
    for flag in ["--min-coverage", "--max-estimated"] {
        for wrong in ["500", "-1", "all"] {
            let refused = told(&files, &[&format!("{flag}={wrong}")]).unwrap_err();
            assert!(refused.contains(flag), "{refused}");
            assert!(
                refused.contains("accepted are 0 to 100") || refused.contains("not a number"),
                "{refused}"
            );
        }
    }
    let refused = told(&files, &["--indicator", "erf=150:measured"]).unwrap_err();
    assert!(refused.contains("0 to 100 percent"), "{refused}");
}

/// A matching without a residual mix said nothing, and a zone without direct
/// figures was said to have none at all.
#[test]
fn flags_that_nothing_would_come_of_say_what_is_accepted() {
    let files = [("energy.csv", ENERGY)];
    let refused = told(&files, &["--matching", "annual"]).unwrap_err();
    assert!(refused.contains("--residual <GRAMS>"), "{refused}");
    let direct = ["--boundary", "direct", "--zone", "FR"];
    let refused = told(&files, &direct).unwrap_err();
    assert!(
        refused.contains("no direct figures for grid zone \"FR\", only for DE and KR")
            && refused.contains("accepted are --boundary life-cycle"),
        "{refused}"
    );
    let korea = ["--boundary", "direct", "--zone", "KR"];
    assert!(told(&files, &korea).is_ok());
}

#[test]
fn an_unknown_column_is_refused_with_its_name_and_what_is_known() {
    let energy = ENERGY.replace("workload", "wrokload");
    let refused = told(&[("energy.csv", &energy)], &[]).unwrap_err();
    assert!(
        refused.contains("row 1, column 2 \"wrokload\"") && refused.contains("workload, node"),
        "{refused}"
    );
}

#[test]
fn software_carbon_intensity_and_what_was_changed_are_printed() {
    let marginal = "datetime_utc,gco2eq_per_kwh\n2026-06-01T00:00Z,700\n2026-06-01T01:00Z,700\n";
    let files = [("energy.csv", ENERGY), ("margin.csv", marginal)];
    let more = [
        "--grams-per-kwh",
        "400",
        "--units",
        "1000",
        "--unit-name",
        "request",
        "--embodied-grams",
        "200",
        "--marginal",
        "@margin.csv",
    ];
    let (text, _) = told(&files, &more).unwrap();
    for part in [
        "software carbon intensity: 3.000000 gCO2eq per request",
        "(2.80 kg + 200 g embodied) / 1000",
        "changed at the margin: 4.90 kg (marginal)",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let refused = told(&files, &["--units", "1000"]).unwrap_err();
    assert!(
        refused.contains("embodied emissions (0 if so) are missing"),
        "{refused}"
    );
}

/// Without the facility's scope, category and indicators a report could not be
/// computed again.
#[test]
fn what_a_facility_states_can_be_given() {
    let files = [("energy.csv", ENERGY)];
    let judged = |more: &[&str]| {
        let mut words = vec!["--rule", "cndcp-new-warm", "--rule", "cndcp-water"];
        words.extend(more);
        told(&files, &words).unwrap().0
    };
    let pue = ["--pue", "1.38", "--pue-evidence", "certificate"];
    let text = judged(&pue);
    assert!(
        text.contains("CNDCP-NEW-WARM: Unknown: 1.38 is the annual PUE"),
        "{text}"
    );
    let water = [
        "--pue-scope",
        "at-full-load",
        "--indicator",
        "wue=0.35:measured",
    ];
    let text = judged(&[pue, water].concat());
    for part in [
        "CNDCP-NEW-WARM: Compliant",
        "CNDCP-WUE: Compliant: WUE is 0.35",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn an_export_of_the_ledger_is_computed_again_by_namespace() {
    let export = "hour_utc,node,account,namespace,workload_kind,workload,pod,pod_uid,provenance,\
        energy_low_microjoules,energy_microjoules,energy_high_microjoules,cpu_microseconds,minutes\n\
        2026-06-01T00:00Z,n1,pod,shop,Deployment,web,web-1,u1,modelled,3600000000000,3600000000000,7200000000000,5,60\n\
        2026-06-01T00:00Z,n1,pod,lab,Job,train,train-1,u2,measured,3600000000000,3600000000000,3600000000000,5,60\n\
        2026-06-01T00:00Z,n1,idle,,,,,,modelled,1800000000000,1800000000000,1800000000000,0,60\n";
    let more = ["--namespace", "shop", "--grams-per-kwh", "400"];
    let (text, _) = told(&[("energy.csv", export)], &more).unwrap();
    for part in [
        "emissions, location-based: 400 g (400 g to 800 g)",
        "0.0 % measured, 100.0 % modelled",
        "not in the sums: idle, 0.500 kWh",
        "not in the sums: unselected, 1.000 kWh",
        "shop/Deployment/web",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

/// A table without zones priced energy of every zone, each under its own name.
#[test]
fn a_table_of_one_zone_prices_no_energy_of_another() {
    let energy = "datetime_utc,workload,zone,energy_kwh\n2026-06-01T00:00Z,a,KR,1\n2026-06-01T00:00Z,b,DE,1\n";
    let one = "datetime_utc,gco2eq_per_kwh\n2026-06-01T00:00Z,400\n";
    let files = [("energy.csv", energy), ("ci.csv", one)];
    let refused = told(&files, &["--intensity", "@ci.csv"]).unwrap_err();
    assert!(
        refused.contains("no column \"zone\"") && refused.contains("DE, KR"),
        "{refused}"
    );
    let all_german = energy.replace("KR", "DE");
    let files = [("energy.csv", all_german.as_str()), ("ci.csv", one)];
    told(&files, &["--intensity", "@ci.csv"]).unwrap();
}

/// A sum was printed without the PUE in it, a market-based one without its
/// residual mix, and marginal figures under the name of the average's source.
#[test]
fn what_a_sum_is_made_by_stands_beside_it() {
    let hours = "datetime_utc,gco2eq_per_kwh\n2026-06-01T00:00Z,700\n2026-06-01T01:00Z,700\n";
    let files = [("energy.csv", ENERGY), ("margin.csv", hours)];
    let figure = [
        "--grams-per-kwh",
        "400",
        "--intensity-source",
        "factor of 2023",
    ];
    let margin = ["--marginal", "@margin.csv"];
    let market = ["--residual", "480", "--residual-source", "AIB 2025"];
    let (text, _) = told(&files, &[&figure[..], &margin, &market].concat()).unwrap();
    for part in [
        "PUE in KR: none is given, so its energy is that of the IT equipment alone\n",
        "matched hour by hour; residual mix 480.0 gCO2eq/kWh, AIB 2025)\n",
        "changed at the margin: 4.90 kg (marginal), 0.000 kWh without such a figure; KR marginal",
        "margin.csv\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let pue = [
        "--pue",
        "1.4",
        "--pue-evidence",
        "certificate",
        "--pue-source",
        "certificate 7",
    ];
    let (text, _) = told(&files, &pue).unwrap();
    assert!(
        text.contains("PUE in KR: 1.40, from a certificate, annual PUE (certificate 7)\n")
            && text.contains("(ODbL 1.0"),
        "{text}"
    );
    let (text, _) = told(&files, &["--metered-at-facility"]).unwrap();
    assert!(
        text.contains("PUE: not applied, the energy was metered at the facility\n"),
        "{text}"
    );
}

/// What a spreadsheet writes was refused without what is accepted, and a
/// namespace that is not there as a table without energy.
#[test]
fn what_a_table_is_not_is_said_with_what_is_accepted() {
    let semicolons = ENERGY.replace(',', ";");
    let refused = told(&[("energy.csv", &semicolons)], &[]).unwrap_err();
    assert!(
        refused.contains("columns are separated by \";\", accepted is \",\""),
        "{refused}"
    );
    let files = [("energy.csv", ENERGY)];
    let refused = told(&files, &["--namespace", "shops"]).unwrap_err();
    assert!(
        refused.contains("is of --namespace shops; its workloads are batch, shop"),
        "{refused}"
    );
    let year = ["--data-year", "26", "--grams-per-kwh", "400"];
    let refused = told(&files, &year).unwrap_err();
    assert!(refused.contains("1950..=2150"), "{refused}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cp949.csv");
    fs::write(
        &path,
        b"datetime_utc,workload,energy_kwh\n2026-06-01T00:00Z,\xbb\xf3\xc1\xa1,2\n",
    )
    .unwrap();
    let refused = read(&path).unwrap_err().to_string();
    assert!(refused.ends_with("saved as \"CSV UTF-8\""), "{refused}");
}
