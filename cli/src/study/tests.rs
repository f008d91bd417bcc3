use std::fmt::Write as _;

use clap::Parser;

use super::*;
use crate::Cli;

const PLAN: &str = "title: T\nprimaryResponse: node_joules\norderSeed: 1\narms: [{name: snow}, {name: flux}]\n\
    comparisons: [{arm: flux, against: snow, injected: {response: node_joules, difference: 20}}]\n\
    bootstrap: {resamples: 499, seed: 2}\n";

/// What the documentation shows.
const MEASURING: &str = include_str!("../../../docs/measuring.md");

/// Twelve blocks in which flux takes about 20 J more.
fn csv() -> String {
    let mut text = "trial,block,arm,duration_seconds,provenance,node_joules\n".to_owned();
    for block in 1..=12_u32 {
        let noise = f64::from(block * block % 7);
        let trial = 2 * block;
        writeln!(
            text,
            "{},{block},snow,120,modelled,{}",
            trial - 1,
            500.0 - noise
        )
        .unwrap();
        writeln!(text, "{trial},{block},flux,120,modelled,{}", 514.0 + noise).unwrap();
    }
    text
}

async fn ran(args: &[&str]) -> (String, Result<Outcome, Error>) {
    let cli = Cli::try_parse_from(["kubectl-tanso", "study"].iter().chain(args)).unwrap();
    let mut out = Vec::new();
    let outcome = cli.run(&mut out).await;
    (String::from_utf8(out).unwrap(), outcome)
}

fn files() -> (tempfile::TempDir, [String; 3]) {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["trials.csv", "plan.yaml", "plot.svg"].map(|name| folder.path().join(name));
    fs::write(&paths[0], csv()).unwrap();
    fs::write(&paths[1], PLAN).unwrap();
    (folder, paths.map(|path| path.display().to_string()))
}

/// Only `--data` was asked for, though a name does as well.
#[test]
fn a_report_of_nothing_asks_for_a_name_or_raw_figures() {
    let text = Cli::try_parse_from(["kubectl-tanso", "study", "report"])
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("<NAME|--data <FILE>>") || text.contains("<--data <FILE>|NAME>"),
        "{text}"
    );
    for words in [["demo"].as_slice(), &["--data", "trials.csv"]] {
        let words = ["kubectl-tanso", "study", "report"].iter().chain(words);
        assert!(Cli::try_parse_from(words).is_ok());
    }
}

#[tokio::test]
async fn a_report_is_made_from_plan_and_csv_with_its_picture() {
    let (_folder, [data, plan, plot]) = files();
    let (text, outcome) = ran(&["report", "--data", &data, "--plan", &plan, "--plot", &plot]).await;
    assert_eq!(outcome.unwrap(), Outcome::Fine);
    assert!(
        text.starts_with("# T\n\n## Answer\n\n- flux has "),
        "{text}"
    );
    assert!(
        text.contains("The interval holds the difference that was put in."),
        "{text}"
    );
    assert!(fs::read_to_string(plot).unwrap().starts_with("<svg "));
}

#[tokio::test]
async fn json_has_every_figure_and_says_when_no_plan_was_given() {
    let (_folder, [data, ..]) = files();
    let (text, outcome) = ran(&[
        "report",
        "--data",
        &data,
        "--baseline",
        "snow",
        "-o",
        "json",
    ])
    .await;
    assert_eq!(outcome.unwrap(), Outcome::Fine);
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found["planStated"], false);
    let first = &found["comparisons"][0];
    assert_eq!(
        (first["arm"].as_str(), first["against"].as_str()),
        (Some("flux"), Some("snow"))
    );
    assert!(first["all"]["interval"]["low"].as_f64().unwrap() > 14.0);
}

#[tokio::test]
async fn a_known_difference_that_is_missed_is_a_failing_outcome() {
    let (_folder, [data, plan, _]) = files();
    fs::write(&plan, PLAN.replace("difference: 20", "difference: 90")).unwrap();
    let (text, outcome) = ran(&["report", "--data", &data, "--plan", &plan]).await;
    assert_eq!(outcome.unwrap(), Outcome::Failing);
    assert!(text.contains("DOES NOT HOLD WHAT IS KNOWN"));
}

#[tokio::test]
async fn a_plan_s_order_is_dealt_from_its_seed() {
    let (_folder, [_, plan, _]) = files();
    let (text, _) = ran(&["order", "--plan", &plan, "--blocks", "4"]).await;
    assert_eq!(text.lines().count(), 9);
    assert_eq!(text.matches("flux").count(), 4);
}

#[tokio::test]
async fn the_blocks_that_a_difference_needs_are_told() {
    let (text, _) = ran(&["power", "--difference", "2", "--spread", "4"]).await;
    assert!(text.starts_with("34 blocks: a difference of 2 %"), "{text}");
    let (_, refused) = ran(&["power", "--spread", "0"]).await;
    assert!(refused.unwrap_err().to_string().contains("--spread 0"));
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let (_, refused) = ran(&["report", "--data", "no-such.csv"]).await;
    assert!(refused.unwrap_err().to_string().contains("no-such.csv"));
}

#[test]
fn the_documented_plan_and_figures_are_read() {
    let block = |from: &str| {
        let rest = MEASURING.split(from).nth(1).unwrap();
        rest.split("```").next().unwrap().to_owned()
    };
    let plan = Plan::parse("measuring.md", &block("\n```yaml\n")).unwrap();
    assert_eq!(plan.compared().len(), 5);
    let text = format!("trial,block{}", block("```\ntrial,block"));
    let trials = Trials::parse("measuring.md", &text).unwrap();
    assert_eq!(trials.rows().len(), 3);
    let threats = report(&plan, &trials).unwrap().threats;
    assert!(threats.iter().any(|threat| threat.kind == "disturbed"));
}

#[tokio::test]
async fn status_tells_how_far_a_study_is_and_when_it_will_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(
        at("plan.json"),
        PLAN.replace("order", "stopping: {blocks: 4}\norder"),
    )
    .unwrap();
    let rows = "trial,block,arm,phase,started_at,steal_ratio,node_joules\n\
                1,1,snow,measured,2026-01-01T00:00:00Z,0,5\n2,1,flux,measured,2026-01-01T00:20:00Z,0.5,6\n3,2,fl";
    fs::write(at("trials.csv"), rows).unwrap();
    let (text, outcome) = ran(&["status", &folder.path().display().to_string()]).await;
    assert_eq!(outcome.unwrap(), Outcome::Fine);
    assert_eq!(
        text,
        "T: 2 of 8 trials\nlast: trial 2, arm flux, 2026-01-01T00:20:00Z\ndisturbed: 1\n\
         at most about 2 h 00 min to go, at its pace so far\n"
    );
}

#[tokio::test]
async fn a_report_as_a_page_has_its_picture_inside() {
    let (_folder, [data, plan, _]) = files();
    let (text, outcome) = ran(&["report", "--data", &data, "--plan", &plan, "-o", "html"]).await;
    assert_eq!(outcome.unwrap(), Outcome::Fine);
    assert!(
        text.starts_with("<!doctype html>") && text.contains("<svg "),
        "{text}"
    );
}

#[tokio::test]
async fn a_study_of_the_cluster_is_read_from_the_operator_by_its_name() {
    let answer = serde_json::json!({"study": "u-1", "plan": serde_json::to_string(
        &Plan::parse("p", PLAN).unwrap()).unwrap(), "trials": csv()});
    let path = "/api/v1/namespaces/tanso-system/services/tanso-operator:http/proxy/v1/studies";
    let cluster =
        crate::top::tests::cluster(&[(path, serde_json::Value::from(answer.to_string()))]);
    let words = ["kubectl-tanso", "study", "report", "gitops", "-n", "lab"];
    let Verb::Report(args) = verb(&words) else {
        unreachable!("asked for a report")
    };
    let (plan, trials) = named::read(&args.named, "gitops", &cluster).await.unwrap();
    let (_folder, [data, file, _]) = files();
    assert_eq!(trials, Trials::parse("t", &csv()).unwrap());
    let text = markdown(&report(&plan, &trials).unwrap());
    assert_eq!(
        text,
        ran(&["report", "--data", &data, "--plan", &file]).await.0
    );
    // Without a name there must be figures.
    assert!(Cli::try_parse_from(["kubectl-tanso", "study", "report"]).is_err());
}

fn verb(words: &[&str]) -> Verb {
    let cli = Cli::try_parse_from(words).unwrap();
    match cli.verb {
        crate::Verb::Study(args) => args.verb,
        _ => unreachable!("asked for a study"),
    }
}
