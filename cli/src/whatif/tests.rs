use clap::Parser;

use super::*;

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
    ];
    let (text, outcome) = told(&[("energy.csv", ENERGY)], &more).unwrap();
    for part in [
        "2026-06-01T00:00Z to 2026-06-01T02:00Z (2 hours, 100.0 % with energy)",
        "energy: 7.000 kWh metered, 10.500 kWh of the facility",
        "emissions, location-based: 4.5 kg",
        "KR-QUOTED-424: NonCompliant: intensity of the consumed energy is 430",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(outcome, Outcome::Failing);
    let (again, _) = told(&[("energy.csv", ENERGY)], &more).unwrap();
    assert_eq!(text.lines().last(), again.lines().last());
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
    assert!(text.contains("2.4 kg (2.2 kg to 2.6 kg)"), "{text}");
    assert!(text.contains("filled 33.3 %"), "{text}");
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
