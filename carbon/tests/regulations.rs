//! Every bundled rule held against the table of rules that was looked up:
//! each row of the table has a rule with equal fields, and what differs is
//! listed here with its reason.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails there"
)]

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::Deserialize;
use tanso_carbon::pue::PueScope;
use tanso_carbon::regulation::{BUNDLED, Binds, Metric, Op, Preset, Rule, RuleKind};
use tanso_carbon::regulation::{Standing, WorkloadVerdict};
use tanso_carbon::{Evidence, RuleSet, Thresholds, Verdict, judge};

const TABLE: &str = include_str!("data/regulations.json");

/// A field of a row that its rule has otherwise, and why.
const DIFFER: [(&str, &str, &str); 9] = [
    (
        "SG-ROADMAP",
        "until",
        "the ten years end then and the limit begins: it is `due`",
    ),
    (
        "CN-GB40879-1",
        "kind",
        "a class of a standard whose limit is grade 3",
    ),
    (
        "CN-GB40879-2",
        "kind",
        "a class of a standard whose limit is grade 3",
    ),
    (
        "KR-CNA-2031",
        "unit",
        "a path is in percent, here without a limit",
    ),
    (
        "KR-QUOTED-424",
        "condition",
        "the row's words are in the note and the preset's note",
    ),
    (
        "KR-QUOTED-PUE14",
        "condition",
        "the row's words are in the note and the preset's note",
    ),
    (
        "KR-QUOTED-PUE14",
        "source",
        "the row points at KR-GDC-2012, whose source it is",
    ),
    ("EU-2024-1364-ERF", "unit", "shares are percent everywhere"),
    ("EU-2024-1364-REF", "unit", "shares are percent everywhere"),
];

/// Rules that are no row of the table, and why they are there.
const BESIDE: [(&str, &str); 3] = [
    (
        "KR-NDC-2030-PATH",
        "the 35 % path that users quote, as their own target",
    ),
    (
        "CNDCP-REN-2030",
        "the second step that the row's condition names",
    ),
    (
        "SG-DCCFA2-GREEN",
        "the green energy that the row's condition names",
    ),
];

/// Rows whose limit has to be met later than the rule begins, and from when.
const DUE: [(&str, &str); 4] = [
    ("JP-BENCH", "2030-04-01"),
    ("SG-ROADMAP", "2034-05-30"),
    ("DE-ENEFG-NEW", "2028-07-01"),
    ("CN-PLAN2024-NEW", "2025-12-31"),
];

#[derive(Deserialize)]
struct Table {
    rows: Vec<Row>,
}

#[derive(Clone, Deserialize)]
struct Row {
    id: String,
    jurisdiction: String,
    kind: String,
    binds: String,
    metric: String,
    op: Option<String>,
    threshold: Option<f64>,
    unit: Option<String>,
    aggregation: Option<String>,
    condition: Option<String>,
    applies_from: Option<String>,
    applies_until: Option<String>,
    workload_verdict: String,
    evidence: String,
    source: String,
}

fn rows() -> Vec<Row> {
    serde_json::from_str::<Table>(TABLE).unwrap().rows
}

fn bundled() -> BTreeMap<String, (Preset, Rule)> {
    let set = RuleSet::try_from_files(BUNDLED.iter().copied()).unwrap();
    let mut rules = BTreeMap::new();
    for preset in set.iter() {
        for rule in &preset.rules {
            let twin = rules.insert(rule.id.clone(), (preset.clone(), rule.clone()));
            assert!(twin.is_none(), "{} is bundled twice", rule.id);
        }
    }
    rules
}

/// A day, or the first of a month.
fn day(text: &str) -> Date {
    let whole = if text.len() == 7 {
        format!("{text}-01")
    } else {
        text.to_owned()
    };
    whole.parse().unwrap()
}

fn kind(row: &Row) -> RuleKind {
    match row.kind.as_str() {
        "law" => RuleKind::Law,
        "draft" => RuleKind::Draft,
        "voluntary" | "pledge" => RuleKind::Voluntary,
        "policy_target" | "allocation_condition" => RuleKind::PolicyTarget,
        "quoted_target" => RuleKind::QuotedTarget,
        "standard" => RuleKind::Standard,
        "accounting_factor" => RuleKind::Factor,
        other => panic!("kind {other}"),
    }
}

fn binds(row: &Row) -> Binds {
    match row.binds.as_str() {
        "state" => Binds::State,
        "facility" => Binds::Facility,
        "operator" => Binds::Operator,
        "reporters" => Binds::Reporters,
        "software" => Binds::Software,
        "nobody" => Binds::Nobody,
        other => panic!("binds {other}"),
    }
}

fn metric(row: &Row) -> Metric {
    match row.metric.as_str() {
        "pue" => Metric::Pue,
        "wue" => Metric::Wue,
        "erf" => Metric::Erf,
        "ref" => Metric::Ref,
        "sci" => Metric::Sci,
        "renewable_electricity_share" => Metric::RenewableShare,
        "grid_carbon_intensity" | "electricity_emission_factor" => Metric::GridIntensity,
        "national_ghg_reduction" => Metric::ReductionPath,
        "publication_duty"
        | "label"
        | "contract_power"
        | "scope2"
        | "pue_and_other_indicators"
        | "pue_wue_others" => Metric::Duty,
        other => panic!("metric {other}"),
    }
}

fn verdict(row: &Row) -> WorkloadVerdict {
    match row.workload_verdict.as_str() {
        "none" => WorkloadVerdict::None,
        "facility" => WorkloadVerdict::Facility,
        "factor" => WorkloadVerdict::Factor,
        "policy" => WorkloadVerdict::Policy,
        other => panic!("workload_verdict {other}"),
    }
}

fn unit(row: &Row) -> &str {
    match row.unit.as_deref() {
        None => "none",
        Some("percent_vs_2018") => "percent",
        Some("gCO2eq_per_kWh") => "gCO2eq/kWh",
        Some("gCO2eq_per_R") => "gCO2eq/unit",
        Some("L_per_kWh" | "m3_per_MWh (= L_per_kWh)") => "L/kWh",
        Some(unit) => unit,
    }
}

fn scope(row: &Row) -> PueScope {
    match row.aggregation.as_deref().unwrap_or_default() {
        of if of.contains("25 percent IT load") => PueScope::AtQuarterLoad,
        of if of.contains("100 percent IT load") || of.contains("full capacity") => {
            PueScope::AtFullLoad
        }
        _ => PueScope::Annual,
    }
}

/// How a row was checked, in the words of the files.
fn evidence(row: &Row) -> &str {
    match row.evidence.as_str() {
        "primary" => "primary text read",
        "primary_excerpt" => "an excerpt of the primary text",
        "primary_excerpt_scope; formula from memory" => {
            "scope read in an excerpt of the primary text; formula from memory"
        }
        "secondary_one" => "one secondary page",
        "secondary_two" => "two independent secondary pages",
        "secondary_three" => "three independent secondary pages",
        "secondary_four" => "four independent secondary pages",
        "secondary_five" => "five independent secondary pages",
        "stored_copy_one" => "one stored copy of the statute",
        "checked_against_data" => "checked against data",
        other => other,
    }
}

/// The fields in which a rule is not what its row says.
fn differences(row: &Row, source: &str, preset: &Preset, rule: &Rule) -> BTreeSet<&'static str> {
    let from = row.applies_from.as_deref().map(day);
    let until = row.applies_until.as_deref().map(day);
    let op = row.op.as_deref().map(|op| match op {
        ">=" => Op::AtLeast,
        _ => Op::AtMost,
    });
    let due = DUE.iter().find(|(id, _)| *id == row.id);
    [
        ("jurisdiction", preset.jurisdiction == row.jurisdiction),
        ("kind", rule.kind == kind(row)),
        ("binds", rule.binds == binds(row)),
        ("metric", rule.metric == metric(row)),
        ("op", op.is_none_or(|op| rule.op == op)),
        ("limit", rule.limit == row.threshold),
        ("unit", rule.unit == unit(row)),
        ("scope", rule.pue_scope == scope(row)),
        ("from", rule.from == from),
        ("until", rule.until == until),
        ("due", rule.due == due.map(|(_, due)| day(due))),
        ("workloadVerdict", rule.workload_verdict == verdict(row)),
        ("evidence", rule.evidence == evidence(row)),
        (
            "source",
            rule.source.replace(':', "") == source.replace(':', ""),
        ),
        ("condition", rule.condition == row.condition),
    ]
    .into_iter()
    .filter_map(|(field, same)| (!same).then_some(field))
    .collect()
}

#[test]
fn every_row_of_the_table_has_a_rule_with_equal_fields() {
    let (rules, rows) = (bundled(), rows());
    assert_eq!(rows.len(), 55);
    let mut source = String::new();
    for row in &rows {
        // "same" stands for the source of the row before.
        source = match row.source.strip_prefix("same") {
            Some(more) => source + more,
            None => row.source.clone(),
        };
        let Some((preset, rule)) = rules.get(&row.id) else {
            panic!("no bundled rule for row {}", row.id);
        };
        let expected: BTreeSet<_> = DIFFER
            .iter()
            .filter(|(id, ..)| *id == row.id)
            .map(|(_, field, _)| *field)
            .collect();
        let found = differences(row, &source, preset, rule);
        assert_eq!(found, expected, "row {}", row.id);
    }
    let in_table: BTreeSet<_> = rows.iter().map(|row| row.id.as_str()).collect();
    let beside: BTreeSet<_> = rules
        .keys()
        .map(String::as_str)
        .filter(|id| !in_table.contains(id))
        .collect();
    assert_eq!(beside, BESIDE.map(|(id, _)| id).into());
}

/// A law that binds a state was judged on a facility: whoever named the Act
/// was told `NonCompliant` by a path that no company owes.
#[test]
fn what_is_context_only_is_never_judged_on_any_day() {
    let days = [
        "2024-01-01",
        "2026-11-21",
        "2027-03-09",
        "2031-01-01",
        "2046-01-01",
    ];
    let sum = tanso_carbon::Account {
        coverage: tanso_carbon::Coverage::new(1, 1),
        ..tanso_carbon::Account::default()
    };
    let evidence = Evidence {
        account: Some(&sum),
        base_year_grams: Some(1.0),
        ..Evidence::default()
    };
    let mut judged = 0;
    for (_, rule) in bundled().values() {
        let silent = matches!(
            rule.workload_verdict,
            WorkloadVerdict::None | WorkloadVerdict::Factor
        );
        for day in days.map(day).into_iter().filter(|_| silent) {
            let found = judge(rule, &evidence, Thresholds::default(), day);
            let expected = match rule.standing(day) {
                Standing::From(_) | Standing::Draft => Verdict::NotYetBinding,
                _ => Verdict::Unknown,
            };
            assert_eq!(found.verdict, expected, "{} {}", rule.id, found.message);
            judged += 1;
        }
    }
    assert!(judged > 100, "{judged}");
}

/// The Japanese level is aimed at for fiscal 2030 and the Singaporean one for
/// 2034: both were judged as if they bound today.
#[test]
fn a_level_to_be_reached_later_does_not_bind_before() {
    let rules = bundled();
    for (id, due) in DUE {
        let (_, rule) = &rules[id];
        let due = day(due);
        assert_eq!(rule.standing(due), Standing::InForce, "{id}");
        let before = due.yesterday().unwrap();
        assert_eq!(rule.standing(before), Standing::From(due), "{id}");
    }
}
