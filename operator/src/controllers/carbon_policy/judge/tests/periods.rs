//! Rules over periods of their own: what is missing of them counts, and what
//! they are about.

use tanso_carbon::{Intensity, account};

use super::super::super::words;
use super::*;

const BUDGETS: &str = "
id: own
title: Own budgets
jurisdiction: KR
timeZone: Asia/Seoul
rules:
  - {id: YEAR, name: A year's budget, kind: policyTarget, authority: us, binds: Nobody, source: board,
     evidence: none, metric: CarbonBudget, op: AtMost, limit: 1000, unit: kgCO2eq, period: Year}
";

fn by_budget() -> ValidatedPolicy {
    let rules = Rules::bundled().with([("own.yaml", BUDGETS)]);
    let mut own = spec(IntensitySource::Static);
    own.regulations = vec![RegulationRef { rule: "own".into() }];
    policy_by(&own, &Observed::default(), &rules)
}

/// The begin of 2026 in Seoul.
fn new_year() -> UtcHour {
    UtcHour::parse("2025-12-31T15:00Z").unwrap()
}

/// A node that has data in each hour of a period before the window, and its
/// energy summed.
fn with_past(mut snapshot: Snapshot, from: UtcHour) -> Snapshot {
    let window = window(Timestamp::from_second(THROUGH).unwrap(), 24);
    let past = Period {
        from,
        until: window.from,
    };
    let one = |hour| EnergyRow {
        hour,
        place: 0,
        energy: Estimate::exact(Joules::from_microjoules(3_600_000_000)),
        provenance: Provenance::Measured,
    };
    snapshot.earlier = past.hours().map(one).collect();
    let all = Period {
        until: window.until,
        ..past
    };
    snapshot.node_hours = BTreeMap::from([(Arc::from("n1"), all.hours().collect())]);
    snapshot.node_first = BTreeMap::from([(Arc::from("n1"), from)]);
    snapshot
}

/// What the budget was held against: thousandths of a kilogram.
fn grams_of(found: &Evaluation) -> f64 {
    let value = found.regulations[0].value_milli.as_ref().unwrap().value;
    f64::from(i32::try_from(value).unwrap())
}

/// Coverage was counted from the first record: the first hour of a new ledger
/// was a whole year, and kept any budget.
#[test]
fn a_young_ledger_does_not_know_a_year_and_says_what_is_missing() {
    let policy = by_budget();
    let found = judged(&policy, &snapshot(), &Cluster);
    assert_eq!(found.combined.verdict, verdict::Verdict::Unknown);
    assert_eq!(found.combined.reason.as_str(), "CoverageTooLow");
    let said = &found.combined.message;
    // From January to the fifth of October, 09:00 UTC.
    assert!(
        said.contains("of 6667 h since 2025-12-31T15:00Z the first 6666 h are missing"),
        "{said}"
    );
    assert!(said.contains("recorded since 2026-10-05T09:00Z"), "{said}");
    // Half a year is half of it.
    let half = with_past(snapshot(), new_year().plus_hours(6_667 / 2));
    let found = judged(&policy, &half, &Cluster);
    assert_eq!(found.combined.reason.as_str(), "CoverageTooLow");
    assert!(
        found.combined.message.starts_with("YEAR: 50.0 %"),
        "{}",
        found.combined.message
    );
}

/// A year that was seen to the end of the data is covered, though it is not
/// over: the hours to come are nobody's gap. Its sums count, not the window's.
#[test]
fn a_year_seen_to_the_end_of_the_data_is_covered_and_added_up_whole() {
    let policy = by_budget();
    let found = judged(&policy, &with_past(snapshot(), new_year()), &Cluster);
    assert_eq!(
        found.combined.verdict,
        verdict::Verdict::Compliant,
        "{}",
        found.combined.message
    );
    // 6,643 h of 1 Wh before the window, and 25 Wh in it: × 1.32 × 417.3 g.
    let grams = (6_643.0 + 25.0) / 1e3 * 1.32 * 417.3;
    let value = grams_of(&found);
    assert!((grams - value).abs() < 0.51, "{grams} g, {value} g");
}

/// Each workload was judged against the budget of the whole site.
#[test]
fn a_workload_is_not_held_against_the_budget_of_all() {
    let mut tight = spec(IntensitySource::Static);
    tight.regulations = ["own", "kr-carbon-2050"]
        .map(|rule| RegulationRef { rule: rule.into() })
        .into();
    let yaml = BUDGETS.replace("limit: 1000", "limit: 0.001");
    let rules = Rules::bundled().with([("own.yaml", yaml.as_str())]);
    let policy = policy_by(&tight, &Observed::default(), &rules);
    let found = judged(&policy, &with_past(snapshot(), new_year()), &Cluster);
    assert_eq!(found.combined.verdict, verdict::Verdict::NonCompliant);
    assert_eq!(found.failing(), 0);
    assert_eq!(workload(&found, "api").verdict, Verdict::Compliant);
    // Where only the budget is named, nothing is judged of a workload.
    let found = judged(&by_budget(), &snapshot(), &Cluster);
    let api = workload(&found, "api");
    assert_eq!(
        (api.verdict, api.reason.as_str()),
        (Verdict::Unknown, "NoRule")
    );
}

#[test]
fn a_window_that_is_recorded_in_part_says_since_when() {
    let (policy, found) = evaluate(&spec(IntensitySource::Static), &snapshot());
    // Of an intensity the recorded part is enough.
    assert_eq!(found.combined.verdict, verdict::Verdict::Compliant);
    let said = words::answer(&policy, &found);
    assert!(
        said.contains("in 24 h (recorded since 2026-10-05T09:00Z)"),
        "{said}"
    );
    let whole = with_past(snapshot(), new_year());
    let found = judged(&policy, &whole, &Cluster);
    assert_eq!(found.recorded_since, None);
    assert!(!words::answer(&policy, &found).contains("recorded since"));
}

/// What lies before the window has the price of its own hours.
#[test]
fn hours_before_the_window_are_priced_by_their_own_intensity() {
    let mut bundled = spec(IntensitySource::Bundled);
    bundled.regulations = vec![RegulationRef { rule: "own".into() }];
    let rules = Rules::bundled().with([("own.yaml", BUDGETS)]);
    let policy = policy_by(&bundled, &Observed::default(), &rules);
    let past = with_past(snapshot(), new_year());
    let found = judged(&policy, &past, &Cluster);
    let value = grams_of(&found);
    let places = policy.places();
    let mut rows = past.earlier.clone();
    rows.extend(past.rows.iter().filter_map(|row| {
        let LedgerAccount::Pod(uid) = &row.account else {
            return None;
        };
        past.pods.contains_key(uid).then_some(EnergyRow {
            hour: row.hour,
            place: 0,
            energy: row.energy,
            provenance: row.provenance,
        })
    }));
    let sum = account(&rows, &places, Coverage::new(1, 1));
    let grams = sum.emissions.value.as_grams_f64();
    assert!((grams - value).abs() < 0.51, "{grams} g, {value} g");
    let flat = Intensity::try_from_grams_per_kwh(417.3).unwrap();
    assert_ne!(sum.effective_intensity().unwrap().value, flat);
}

/// Nine months of emissions were held against twelve of the base year: every
/// path was kept, most of all in January.
#[test]
fn a_part_of_a_year_is_no_reduction_against_a_whole_one() {
    let yaml = BUDGETS.replace(
        "metric: CarbonBudget, op: AtMost, limit: 1000, unit: kgCO2eq",
        "metric: ReductionPath, op: AtLeast, limit: 40, unit: percent, baseYear: 2018, targetYear: 2030",
    );
    let rules = Rules::bundled().with([("own.yaml", yaml.as_str())]);
    let mut own = spec(IntensitySource::Static);
    own.regulations = vec![RegulationRef { rule: "own".into() }];
    own.accounting.base_year = Some(crd::BaseYearSpec {
        tonnes: 0.01,
        reference: "annual report".into(),
    });
    let policy = policy_by(&own, &Observed::default(), &rules);
    let found = judged(&policy, &with_past(snapshot(), new_year()), &Cluster);
    assert_eq!(found.combined.reason.as_str(), "CoverageTooLow");
    let said = &found.combined.message;
    // 6,667 of 8,760 h have passed.
    assert!(
        said.starts_with("YEAR: 76.1 % of the period has energy data")
            && said.contains("2093 h until 2026-12-31T15:00Z are to come"),
        "{said}"
    );
    // Accepted as it is, what is not seen widens the bounds to the worst.
    own.evidence.min_coverage_percent = 70;
    let policy = policy_by(&own, &Observed::default(), &rules);
    let found = judged(&policy, &with_past(snapshot(), new_year()), &Cluster);
    let value = found.regulations[0].value_milli.as_ref().unwrap();
    assert!(value.low < value.value, "{value:?}");
}

/// A file of 40 rules made a status that no API server took: the policy was
/// `Unavailable` for good.
#[test]
fn of_more_rules_than_a_status_holds_the_worst_are_listed_and_the_others_counted() {
    use std::fmt::Write as _;

    let mut text = BUDGETS.split("  - {id:").next().unwrap().to_owned();
    for number in 0..40 {
        // The last alone is broken.
        let limit = if number == 39 { 1 } else { 2_000 };
        let _ = writeln!(
            text,
            "  - {{id: R{number}, name: Own, kind: policyTarget, authority: us, binds: Nobody, source: board, \
             evidence: none, metric: GridIntensity, op: AtMost, limit: {limit}, unit: gCO2eq/kWh, period: Window}}"
        );
    }
    let rules = Rules::bundled().with([("own.yaml", &*text)]);
    let mut own = spec(IntensitySource::Static);
    own.regulations = vec![RegulationRef { rule: "own".into() }];
    let policy = policy_by(&own, &Observed::default(), &rules);
    let found = judged(&policy, &snapshot(), &Cluster);
    assert_eq!((found.regulations.len(), found.rules_not_listed), (32, 8));
    let listed: Vec<_> = found.regulations.iter().map(|one| &*one.rule).collect();
    assert_eq!((listed[0], listed[30], listed[31]), ("R0", "R30", "R39"));
    assert_eq!(found.combined.rule.as_deref(), Some("R39"));
    let said = words::answer(&policy, &found);
    assert!(
        said.contains("8 more rules are judged than status.regulations has room for."),
        "{said}"
    );
}
