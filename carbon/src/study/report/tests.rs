use std::time::Duration;

use tanso_power::units::Utilisation;

use super::*;
use crate::study::number;
use crate::study::random::Generator;
use crate::study::stopping::StoppingRule;

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
fn a_difference_that_many_comparisons_do_not_bear_is_told_so() {
    let found = of(rows());
    assert!(!found.answer[0].contains("at once"), "{}", found.answer[0]);
    let contrast = found.primary().next().unwrap().kept.clone().unwrap();
    // Moved to where its own interval lies off 0 and the shared one does not.
    let halves = contrast.interval.half_width() + contrast.shared_interval.half_width();
    let less = contrast.difference - 0.5 * halves;
    let mut rows = rows();
    for row in rows.iter_mut().filter(|row| row.arm == "flux") {
        *row.values.get_mut("node_joules").unwrap() -= less;
    }
    let told = of(rows).answer[0].clone();
    assert!(told.starts_with("flux has "), "{told}");
    assert!(
        told.contains(" Held against all 2 comparisons at once the interval is -"),
        "{told}"
    );
}

#[test]
fn what_was_put_into_another_response_is_told_in_the_answer() {
    let mut plan = plan();
    let injected = plan.comparisons[0].injected.as_mut().unwrap();
    injected.response = "apiserver_cpu_seconds".to_owned();
    injected.difference = 1.5;
    let told = |flux: f64| {
        let mut rows = rows();
        for row in rows.iter_mut().filter(|row| row.arm == "flux") {
            let noise = if row.block.is_multiple_of(2) {
                0.1
            } else {
                -0.1
            };
            row.values
                .insert("apiserver_cpu_seconds".to_owned(), 3.0 + flux + noise);
        }
        let found = report(&plan, &Trials::new(rows)).unwrap();
        assert_eq!(found.answer.len(), 3);
        found.answer[2].clone()
    };
    let held = told(1.5);
    assert!(
        held.starts_with("1.5 s of apiserver_cpu_seconds were put into flux; against snow "),
        "{held}"
    );
    assert!(
        held.ends_with("the interval holds what was put in."),
        "{held}"
    );
    assert!(told(2.5).contains("DOES NOT HOLD WHAT WAS PUT IN"));
    // A primary response tells it in its own sentence.
    assert_eq!(of(rows()).answer.len(), 2);
}

#[test]
fn a_p_value_is_never_nothing() {
    let text = markdown::markdown(&of(rows()));
    assert!(text.contains("| under 1e-6 |"), "{text}");
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
}

#[test]
fn a_study_is_done_when_its_blocks_were_run_whatever_is_marked_in_them() {
    let mut rows = rows();
    rows[4].marks = vec!["somebody logged in".to_owned()];
    rows[70].values.remove("node_joules");
    let found = of(rows.clone());
    // Two blocks fewer count, and none more is run.
    let compared = found.primary().map(|one| one.kept.as_ref().unwrap().pairs);
    assert!(compared.min().unwrap() < 30);
    assert_eq!(found.decision, Decision::Complete);
    assert!(!kinds(&found).contains(&"stopping"));
    let mut narrow = plan();
    narrow.stopping = StoppingRule::HalfWidth {
        relative: 1e-6,
        blocks_min: 2,
        blocks_max: 30,
    };
    let told = |rows: Vec<Trial>| report(&narrow, &Trials::new(rows)).unwrap().decision;
    assert_eq!(told(rows.clone()), Decision::Exhausted);
    // A trial that was not run is another matter.
    rows.pop();
    let found = of(rows.clone());
    assert_eq!(found.decision, Decision::Continue { blocks: Some(1) });
    assert!(!told(rows).is_stop());
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
fn few_blocks_are_one_threat_and_not_one_for_each_comparison() {
    let mut few = rows();
    few.truncate(6);
    let told = |rows: Vec<Trial>| -> Vec<String> {
        let found = of(rows);
        let threats = found.threats.into_iter();
        let few = threats.filter(|threat| threat.kind == "fewBlocks");
        few.map(|threat| threat.text).collect()
    };
    let texts = told(few.clone());
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(
        texts[0].starts_with("All 2 comparisons: 2 blocks."),
        "{texts:?}"
    );
    // Of different numbers each is told.
    few.retain(|row| row.arm != "again" || row.block != 2);
    let texts = told(few);
    assert!(
        texts[0].starts_with("again against snow: 0 blocks."),
        "{texts:?}"
    );
    assert!(
        texts[1].starts_with("flux against snow: 2 blocks."),
        "{texts:?}"
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

const IN_PARTS: &str = "title: T\nprimaryResponse: node_joules\norderSeed: 7\nstopping: {blocks: 12}\n\
    arms:\n- {name: nothing}\n\
    - {name: flux-1m, strata: [{trials: flux.quiet, share: 0.75}, {trials: flux.sync, share: 0.25}]}\n\
    - {name: flux-10m, strata: [{trials: flux.quiet, share: 0.975}, {trials: flux.sync, share: 0.025}]}\n\
    - {name: busy, changesPerTrial: 4}\n\
    comparisons:\n- {arm: flux-1m, against: nothing, cost: idleDay}\n\
    - {arm: flux-10m, against: nothing, cost: idleDay}\n\
    - {arm: flux-10m, against: flux-1m}\n- {arm: busy, against: flux-1m, cost: change}\n\
    bootstrap: {resamples: 99, seed: 5}\n";

/// Twelve blocks: nothing uses 10 J, Flux 12 J and 40 J more where it acts, all a
/// joule more or less from block to block.
fn rows_in_parts() -> Vec<Trial> {
    let row = |slot: crate::study::order::Slot| {
        let joules = match slot.arm.as_str() {
            "nothing" => 10.0,
            "flux.quiet" => 12.0,
            "flux.sync" => 52.0,
            _ => 30.0,
        };
        let noise = f64::from(slot.order % 3) - 1.0;
        Trial {
            order: slot.order,
            block: slot.block,
            arm: slot.arm,
            duration: Some(Duration::from_secs(10)),
            provenance: Some(Provenance::Modelled),
            steal: Some(Utilisation::IDLE),
            foreign_cpu: Some(Utilisation::IDLE),
            values: [("node_joules".to_owned(), joules + noise)].into(),
            ..Trial::default()
        }
    };
    let plan = Plan::parse("plan.yaml", IN_PARTS).unwrap();
    plan.slots(12).into_iter().map(row).collect()
}

fn in_parts(rows: Vec<Trial>) -> Report {
    let plan = Plan::parse("plan.yaml", IN_PARTS).unwrap();
    report(&plan, &Trials::new(rows)).unwrap()
}

#[test]
fn an_arm_in_parts_is_compared_by_the_shares_of_its_parts() {
    let rows = rows_in_parts();
    let found = in_parts(rows.clone());
    let figure = |kind: &str, block: u32| {
        let mut of = rows.iter();
        let one = of.find(|row| row.arm == kind && row.block == block);
        one.unwrap().values["node_joules"]
    };
    for (place, share) in [(0, 0.25), (1, 0.025)] {
        let compared = found.primary().nth(place).unwrap();
        assert_eq!((compared.blocks.len(), compared.marked()), (12, 0));
        for block in &compared.blocks {
            let [quiet, sync, nothing] =
                ["flux.quiet", "flux.sync", "nothing"].map(|kind| figure(kind, block.block));
            let expected = (1.0 - share) * quiet + share * sync - nothing;
            assert!((block.difference - expected).abs() < 1e-12);
        }
        // 2 J of rest and 40 J in the share of time.
        let all = compared.all.as_ref().unwrap();
        assert!((all.difference - 2.0 - 40.0 * share).abs() < 2.0);
    }
    // Arms may share trials: then their difference is the syncs' alone.
    let shared = found.primary().nth(2).unwrap().all.as_ref().unwrap();
    assert!((shared.difference + 0.225 * 40.0).abs() < 0.5);
    assert_eq!(found.decision, Decision::Complete);
}

#[test]
fn the_answer_tells_shares_and_what_an_idle_day_and_a_change_cost() {
    let found = in_parts(rows_in_parts());
    let idle = &found.answer[0];
    assert!(idle.contains(" An idle day costs "), "{idle}");
    assert!(
        idle.ends_with("flux-1m is weighted by time: 75 % flux.quiet, 25 % flux.sync."),
        "{idle}"
    );
    let change = &found.answer[3];
    let costs = found.primary().nth(3).unwrap();
    let joules = costs.scaled.as_ref().unwrap().change_joules.unwrap();
    let expected = format!(" A change costs {} J (", plain(joules.value));
    assert!(change.contains(&expected), "{change}");
    let text = markdown::markdown(&found);
    assert!(text.contains("## Arms in parts"), "{text}");
    assert!(
        text.contains("| flux-10m | flux.sync | 2.5 | 12 |"),
        "{text}"
    );
    let strata = &found.strata[1];
    let mean = strata.mean.unwrap();
    let [quiet, sync] = [0, 1].map(|place| strata.parts[place].mean.unwrap());
    assert!((mean.mean - 0.975 * quiet - 0.025 * sync).abs() < 1e-12);
    assert!(strata.interval.unwrap().contains(mean.mean));
    // Without parts there is no such table.
    assert!(!markdown::markdown(&of(rows())).contains("Arms in parts"));
}

#[test]
fn a_part_s_length_counts_by_its_share_as_its_energy_does() {
    let mut rows = rows_in_parts();
    for row in rows.iter_mut().filter(|row| row.arm == "flux.sync") {
        row.duration = Some(Duration::from_secs(14));
    }
    let found = in_parts(rows);
    let seconds = |place: usize| {
        let compared = found.primary().nth(place).unwrap();
        compared.scaled.as_ref().unwrap().duration_seconds.unwrap()
    };
    // 10 s of nothing, and 4 s more in a share of 25 % or 2.5 %.
    assert!((seconds(0) - 10.5).abs() < 1e-9 && (seconds(1) - 10.05).abs() < 1e-9);
}

#[test]
fn a_block_that_lacks_a_part_is_incomplete_and_one_with_a_disturbed_part_is_marked() {
    let mut rows = rows_in_parts();
    let sync = rows
        .iter_mut()
        .find(|row| row.arm == "flux.sync" && row.block == 3);
    sync.unwrap().marks = vec!["no sync".to_owned()];
    rows.retain(|row| row.arm != "flux.quiet" || row.block != 5);
    let found = in_parts(rows);
    let compared = found.primary().next().unwrap();
    assert_eq!(compared.incomplete, [5]);
    let marked = compared.blocks.iter().filter(|block| block.disturbed);
    assert_eq!(marked.map(|block| block.block).collect::<Vec<_>>(), [3]);
    assert_eq!(compared.all.as_ref().unwrap().pairs, 11);
    assert_eq!(compared.kept.as_ref().unwrap().pairs, 10);
}
