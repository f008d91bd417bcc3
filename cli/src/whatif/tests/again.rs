//! A report's own commands, read by a shell and this program's parser, give
//! its sums and verdicts again.

use std::process::Command;
use std::sync::Arc;

use clap::Parser as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use tanso_crds::CarbonPolicy;
use tanso_faces::report::period::restate;
use tanso_faces::view::given::Given;
use tanso_faces::view::{Energy, EnergyAccount, EnergyHour, Facts as _, Policy, WorkloadKey};
use tanso_intensity::table::Table;
use tanso_power::{Joules, Provenance};

use super::*;
use crate::progress::Progress;
use crate::{Cli, Verb};

const FROM: &str = "2026-06-01T00:00Z";

fn policy(intensity: &Value) -> Policy {
    let policy: CarbonPolicy = serde_json::from_value(json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
        "metadata": {"name": "korea", "namespace": "shop", "uid": "korea"},
        "spec": {
            "site": {"zone": "KR", "timeZone": "Asia/Seoul", "pue": {
                "value": 1.32, "evidence": "Certificate", "reference": "Kim's certificate 7",
                "category": "Pdu", "entity": "AllSites"}},
            "intensity": intensity,
            "evidence": {"maxEstimatedPercent": 100},
            "regulations": [{"rule": "kr-carbon-2050"}, {"rule": "kr-green-datacenter"},
                {"rule": "kr-ndc-2030"}],
            "accounting": {
                "market": {"residualMix": {"gramsPerKwh": 480, "reference": "a supplier"}},
                "baseYear": {"tonnes": 0.0055, "reference": "statement of 2018"},
                "indicators": [{"metric": "Wue", "litresPerKwh": 0.4, "evidence": "Measured"}]},
        },
    }))
    .unwrap();
    Policy::from(policy)
}

/// Two workloads over a day; in the sixth hour none of them ran.
fn booked() -> Energy {
    let first = UtcHour::parse(FROM).unwrap();
    let row = |index: i32, name: &str, provenance| EnergyHour {
        hour: first.plus_hours(index),
        node: Arc::from("n1"),
        account: if index == 5 {
            EnergyAccount::Named("idle".into())
        } else {
            EnergyAccount::Workload(Arc::new(WorkloadKey {
                namespace: "shop".into(),
                kind: "Deployment".into(),
                name: name.into(),
            }))
        },
        provenance,
        energy: Estimate::try_new(
            Joules::from_microjoules(3_000_000_000_003),
            Joules::from_microjoules(3_600_000_000_007 + u64::try_from(index).unwrap()),
            Joules::from_microjoules(4_000_000_000_011),
        )
        .unwrap(),
        cpu_us: 1,
        minutes: 60,
        asked_millicore_seconds: 0,
    };
    let web = (0..24).map(|index| row(index, "web", Provenance::Measured));
    let api = (0..20).map(|index| row(index, "api", Provenance::Modelled));
    Energy {
        revision: Some(7),
        rows: web.chain(api).collect(),
    }
}

/// The facts, with a status that an evaluation of the booked day has written.
async fn facts(intensity: &Value, table: Option<&str>) -> Given {
    let mut policy = policy(intensity);
    let mut facts = Given {
        now: "2026-06-02T00:30:00Z".parse::<Timestamp>().unwrap(),
        rules: Arc::new(RuleSet::try_from_files(BUNDLED.iter().copied()).unwrap()),
        energy: Some(booked()),
        ..Given::default()
    };
    if let Some(text) = table {
        let table = Table {
            file: "own/intensity.csv".into(),
            text: text.into(),
        };
        facts.tables.insert("korea".into(), table);
    }
    let site = facts.site(&policy).await.unwrap();
    let from = UtcHour::parse(FROM).unwrap();
    let day = Period {
        from,
        until: from.plus_hours(24),
    };
    let found = restate(&policy, &[], &booked(), &site, &facts.rules, (day, None)).unwrap();
    policy.status = found.policy.status;
    policy.status.workloads = found.workloads;
    facts.policies.push(policy);
    facts
}

/// The words of a command as a shell reads them, files in a folder.
fn words(command: &str, folder: &Path) -> Vec<String> {
    let script = format!("printf '%s\\n' {command}");
    let shell = Command::new("sh").arg("-c").arg(script).output().unwrap();
    let text = String::from_utf8(shell.stdout).unwrap();
    let words = text.lines().skip(1).map(|word| match word {
        "energy.csv" | "intensity.csv" => folder.join(word).display().to_string(),
        _ => word.to_owned(),
    });
    words.collect()
}

/// The report as JSON, and what its commands compute.
async fn twice(facts: &Given, more: &[&str]) -> (Value, Report) {
    let folder = tempfile::tempdir().unwrap();
    let progress = Progress::new("reading", 0, "days");
    let first = ["tanso", "report", "korea", "--format", "json"];
    let words_of = first.iter().chain(more).map(|word| (*word).to_owned());
    let told = made(words_of.collect(), facts, &progress).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    let commands = told["report"]["recompute"].as_array().unwrap().clone();
    let mut again = None;
    for command in &commands {
        let words = words(command.as_str().unwrap(), folder.path());
        match Cli::try_parse_from(words.clone()).unwrap().verb {
            Verb::Report(_) => {
                made(words, facts, &progress).await;
            }
            Verb::Whatif(args) => again = Some(report(&args).unwrap()),
            _ => panic!("{command}"),
        }
    }
    (told["report"].clone(), again.unwrap())
}

async fn made(words: Vec<String>, facts: &Given, progress: &Progress) -> String {
    let Verb::Report(args) = Cli::try_parse_from(words).unwrap().verb else {
        panic!("no report");
    };
    let made = crate::report::made(&args, facts, "shop", "here", progress);
    made.await.unwrap()
}

fn assert_same(told: &Value, again: &Report) {
    let round = |nanograms: u128| u64::try_from((nanograms + 500_000) / 1_000_000).unwrap();
    let bounds = |part: &Value| ["low", "value", "high"].map(|bound| part[bound].as_u64().unwrap());
    let energy = again.totals.it_energy_microjoules;
    let totals = &told["totals"];
    assert_eq!(
        bounds(&totals["energyMicrojoules"]),
        [energy.low, energy.value, energy.high]
    );
    let mass = again.totals.emissions_nanograms.map(round);
    assert_eq!(
        bounds(&totals["emissionsMilligrams"]),
        [mass.low, mass.value, mass.high]
    );
    let market = again
        .market
        .as_ref()
        .unwrap()
        .emissions
        .map(|mass| round(mass.nanograms()));
    assert_eq!(
        told["market"]["emissionsMilligrams"]["value"].as_u64(),
        Some(market.value)
    );
    let told: Vec<_> = told["rules"].as_array().unwrap().iter().collect();
    let told: Vec<_> = told
        .iter()
        .map(|rule| {
            (
                rule["verdict"].as_str().unwrap(),
                rule["reason"].as_str().unwrap(),
            )
        })
        .map(|(verdict, reason)| (verdict.to_owned(), reason.to_owned()))
        .collect();
    let again = again.judgements.iter().map(|one| {
        let of = &one.judgement;
        (format!("{:?}", of.verdict), of.reason.as_str().to_owned())
    });
    assert_eq!(told, again.collect::<Vec<_>>());
}

/// The report said that anybody could, and its commands lacked flags and files.
#[tokio::test]
async fn a_report_of_one_figure_is_computed_again_by_the_commands_that_it_prints() {
    let intensity = json!({"source": "Static",
        "static": {"gramsPerKwh": 430.5, "reference": "Kim's table"}});
    let facts = facts(&intensity, None).await;
    let (told, again) = twice(&facts, &[]).await;
    assert_same(&told, &again);
    let export = told["recompute"][0].as_str().unwrap();
    assert!(
        export.contains("--from 2025-12-31T15:00Z"),
        "the rule's year: {export}"
    );
    let (told, again) = twice(&facts, &["--period", "2026-06-01"]).await;
    assert_same(&told, &again);
}

#[tokio::test]
async fn a_report_of_an_own_table_exports_the_intensity_and_fills_its_gaps_alike() {
    let first = UtcHour::parse(FROM).unwrap();
    // Gaps of two hours, and of nine that the days before close.
    let known = (-80..24).filter(|index| !matches!(index, 3 | 4 | 8..17));
    let rows = known.map(|index| {
        let figure = 400.25 + f64::from(index);
        format!("{},{figure}\n", first.plus_hours(index))
    });
    let rows: Vec<String> = rows.collect();
    let table = format!("datetime_utc,gco2eq_per_kwh\n{}", rows.concat());
    let intensity = json!({"source": "Table", "table": {"configMap": "own"}});
    let facts = facts(&intensity, Some(&table)).await;
    let (told, again) = twice(&facts, &[]).await;
    assert!(again.totals.filled_percent > 10.0, "{:?}", again.totals);
    assert_same(&told, &again);
}
