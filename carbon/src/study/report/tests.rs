use std::time::Duration;

use tanso_power::units::Utilisation;

use super::*;
use crate::study::number;
use crate::study::random::Generator;

const PLAN: &str = "title: What does Flux cost?\nprimaryResponse: node_joules\norderSeed: 7\n\
    arms: [{name: snow}, {name: flux, changesPerTrial: 4}, {name: again}]\n\
    comparisons:\n- {arm: flux, against: snow, injected: {response: node_joules, difference: 20}}\n\
    - {arm: again, against: snow, placebo: true}\noutliers: {mad: 4}\nstopping: {blocks: 30}\n\
    bootstrap: {resamples: 999, seed: 5}\n\
    zones: [{zone: KR, gramsPerKwh: 417.3, source: published}]\n";

fn plan() -> Plan {
    Plan::parse("plan.yaml", PLAN).unwrap()
}

/// Thirty blocks in the planned order: 500 J a trial, flux 20 J more, noise
/// with a deviation of about 4 J.
fn rows() -> Vec<Trial> {
    let mut generator = Generator::from_seed(3);
    let mut noise = move || {
        (0..12)
            .map(|_| number(generator.below(1_001)) / 1_000.0)
            .sum::<f64>()
            - 6.0
    };
    let row = |slot: crate::study::order::Slot| {
        let extra = if slot.arm == "flux" { 20.0 } else { 0.0 };
        let values = [
            ("node_joules", 500.0 + extra + 4.0 * noise()),
            ("apiserver_cpu_seconds", 3.0),
        ];
        Trial {
            order: slot.order,
            block: slot.block,
            arm: slot.arm,
            duration: Some(Duration::from_mins(2)),
            provenance: Some(Provenance::Modelled),
            steal: Some(Utilisation::IDLE),
            foreign_cpu: Some(Utilisation::IDLE),
            values: values.map(|(name, value)| (name.to_owned(), value)).into(),
            ..Trial::default()
        }
    };
    plan().slots(30).into_iter().map(row).collect()
}

fn of(rows: Vec<Trial>) -> Report {
    report(&plan(), &Trials::new(rows)).unwrap()
}

fn kinds(report: &Report) -> Vec<&'static str> {
    report.threats.iter().map(|threat| threat.kind).collect()
}

#[test]
fn an_injected_difference_is_found_and_a_placebo_is_none() {
    let found = of(rows());
    let [flux, again] = [0, 1].map(|place| found.primary().nth(place).unwrap());
    assert_eq!(
        [flux.holds_what_is_known, again.holds_what_is_known],
        [Some(true); 2]
    );
    let contrast = flux.all.as_ref().unwrap();
    assert!(contrast.interval.low > 15.0 && contrast.interval.high < 25.0);
    assert!(
        found.answer[0].starts_with("flux has ") && found.answer[0].contains("J more node_joules")
    );
    assert!(
        found.answer[1].starts_with("No difference in node_joules"),
        "{}",
        found.answer[1]
    );
    assert_eq!(found.decision, Decision::Complete);
    assert_eq!(kinds(&found), ["modelledPower", "manyComparisons"]);
}

#[test]
fn the_order_of_rows_is_no_matter() {
    let mut shuffled = rows();
    Generator::from_seed(8).shuffle(&mut shuffled);
    assert_ne!(shuffled, rows());
    assert_eq!(of(shuffled), of(rows()));
}

#[test]
fn a_report_is_the_same_again_from_its_csv() {
    let csv = Trials::new(rows()).to_csv();
    let again = report(&plan(), &Trials::parse("t.csv", &csv).unwrap()).unwrap();
    let [first, again] = [of(rows()), again].map(|report| serde_json::to_string(&report).unwrap());
    assert_eq!(first, again);
}

#[test]
fn a_disturbed_trial_is_marked_and_both_results_are_there() {
    let mut rows = rows();
    let flux = rows.iter_mut().find(|row| row.arm == "flux").unwrap();
    flux.steal = Some(Utilisation::try_new(0.25).unwrap());
    *flux.values.get_mut("node_joules").unwrap() += 400.0;
    let found = of(rows);
    let compared = found.primary().next().unwrap();
    let [all, kept] = [&compared.all, &compared.kept].map(|found| found.as_ref().unwrap());
    assert_eq!((all.pairs, kept.pairs, compared.marked()), (30, 29, 1));
    assert!(all.difference > kept.difference + 10.0);
    assert_eq!(found.disturbed[0].reasons, ["steal 25.0 % (bound 1.0 %)"]);
    assert!(kinds(&found).contains(&"disturbed"));
    let text = markdown::markdown(&found);
    assert!(
        text.contains("| all |") && text.contains("| **kept** |"),
        "{text}"
    );
}

#[test]
fn an_outlier_nobody_explains_is_marked_by_the_rule_and_stays_in_all() {
    let mut rows = rows();
    let again = rows.iter_mut().rfind(|row| row.arm == "again").unwrap();
    *again.values.get_mut("node_joules").unwrap() += 300.0;
    let block = again.block;
    let found = of(rows);
    let compared = found.primary().nth(1).unwrap();
    let outliers = compared.blocks.iter().filter(|block| block.outlier);
    assert_eq!(outliers.map(|one| one.block).collect::<Vec<_>>(), [block]);
    assert_eq!(compared.all.as_ref().unwrap().pairs, 30);
}

#[test]
fn a_missing_figure_is_not_zero() {
    let mut rows = rows();
    let snow = rows.iter_mut().find(|row| row.arm == "snow").unwrap();
    snow.values.remove("node_joules");
    let block = snow.block;
    let found = of(rows);
    let compared = found.primary().next().unwrap();
    assert_eq!(compared.incomplete, [block]);
    assert_eq!(compared.all.as_ref().unwrap().pairs, 29);
    assert!(kinds(&found).contains(&"incompleteBlocks"));
    // Blocks are missing, so the study is not done.
    assert!(!found.decision.is_stop());
}

#[test]
fn energy_is_told_as_power_as_a_day_as_a_change_and_as_carbon() {
    let found = of(rows());
    let compared = found.primary().next().unwrap();
    let (all, scaled) = (
        compared.all.as_ref().unwrap(),
        compared.scaled.as_ref().unwrap(),
    );
    let near = |got: f64, want: f64| assert!((got / want - 1.0).abs() < 1e-12, "{got} {want}");
    near(scaled.power_watts.unwrap().value, all.difference / 120.0);
    near(
        scaled.day_watt_hours.unwrap().value,
        all.difference / 120.0 * 24.0,
    );
    near(scaled.change_joules.unwrap().high, all.interval.high / 4.0);
    near(
        scaled.carbon[0].day_grams.value,
        all.difference / 120.0 * 0.024 * 417.3,
    );
    assert!(found.comparisons.iter().any(|one| one.scaled.is_none()));
}

#[test]
fn what_threatens_a_result_is_found_in_its_figures() {
    let mut rows = rows();
    // The arms of every block in one order, on a machine that warms up.
    rows.sort_by(|a, b| (a.block, &a.arm).cmp(&(b.block, &b.arm)));
    for (place, row) in rows.iter_mut().enumerate() {
        row.order = u32::try_from(place + 1).unwrap();
        *row.values.get_mut("node_joules").unwrap() += number(place);
        row.steal = None;
        row.duration = Some(Duration::from_secs(if place == 0 { 150 } else { 121 }));
    }
    rows.truncate(18);
    let found = of(rows);
    for kind in [
        "order",
        "stopping",
        "unrecorded",
        "drift",
        "durations",
        "fewBlocks",
    ] {
        assert!(
            kinds(&found).contains(&kind),
            "{kind} is not in {:?}",
            found.threats
        );
    }
    let order = found
        .threats
        .iter()
        .find(|threat| threat.kind == "order")
        .unwrap();
    assert!(
        order
            .text
            .contains("Every block ran its arms in the same order")
    );
}

#[test]
fn figures_without_a_plan_are_compared_and_that_is_said() {
    let trials = Trials::new(rows());
    let plan = Plan::unstated(&trials, Some("snow"), Some("node_joules"));
    let found = report(&plan, &trials).unwrap();
    assert_eq!(found.primary().count(), 2);
    assert!(kinds(&found).contains(&"planNotStated"));
    assert!(markdown::markdown(&found).contains("Not stated before the run"));
}

#[test]
fn an_arm_or_a_response_that_the_plan_does_not_know_is_refused() {
    let mut strange = rows();
    strange[4].arm = "argo".to_owned();
    let refused = report(&plan(), &Trials::new(strange)).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("\"argo\"; the plan has snow, flux, again")
    );
    let mut plan = plan();
    plan.primary_response = "wall_joules".to_owned();
    let refused = report(&plan, &Trials::new(rows())).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("they have apiserver_cpu_seconds, node_joules")
    );
}

#[test]
fn the_picture_has_a_dot_for_each_block_and_no_markup_from_names() {
    let found = of(rows());
    let svg = crate::study::plot::differences(&found, "node_joules").unwrap();
    assert_eq!(svg.matches("class=\"block\"").count(), 60);
    assert_eq!(svg.matches("class=\"interval\"").count(), 2);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert_eq!(crate::study::plot::differences(&found, "wall_joules"), None);
}
