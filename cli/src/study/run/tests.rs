use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;

use super::*;

const PLAN: &str = "title: T\nprimaryResponse: flux_joules\norderSeed: 3\n\
    arms: [{name: snow}, {name: flux, changesPerTrial: 2}]\nstopping: {blocks: 3}\n";
const HOW: &str = "phases: {measuredSeconds: 60}\ncomponents: {flux: [flux-system]}\n\
    arms: {snow: {}, flux: {setUp: 'true', change: 'true'}}\n";

fn plan() -> Plan {
    Plan::parse("plan.yaml", PLAN).unwrap()
}

/// What an agent says: seconds since 1970, and the joules of a namespace's pod,
/// of what was folded there, and of another's.
fn metrics(at: f64, pod: f64, folded: f64, other: f64) -> String {
    let pod_line = |namespace: &str, zone: &str, joules: f64| {
        format!(
            "kepler_pod_cpu_joules_total{{pod_id=\"u\",pod_name=\"p\",pod_namespace=\"{namespace}\",state=\"running\",\
             zone=\"{zone}\",node_name=\"n\"}} {joules}\n"
        )
    };
    format!(
        "# TYPE tanso_snapshot_timestamp_seconds gauge\ntanso_snapshot_timestamp_seconds{{node_name=\"n\"}} {at}\n\
         tanso_node_cpu_non_overlapping_joules_total{{provenance=\"modelled\",node_name=\"n\"}} {}\n\
         tanso_folded_joules_total{{pod_namespace=\"flux-system\",node_name=\"n\"}} {folded}\n{}{}{}",
        100.0 + pod + other,
        pod_line("flux-system", "platform", pod),
        pod_line("flux-system", "package", pod / 2.0),
        pod_line("shop", "platform", other),
    )
}

#[test]
fn commands_that_do_not_fit_the_plan_are_told_with_field_value_and_what_is_accepted() {
    let text = "phases: {measuredSeconds: 3}\ncomponents: {Flux: []}\narms: {flux: {}, ice: {}}\n";
    let told = How::parse("how.yaml", text, &plan())
        .unwrap_err()
        .to_string();
    for part in [
        "how.yaml: phases.measuredSeconds 3: accepted are 10 to 604800",
        "arms: \"snow\" of the plan is missing",
        "arms.flux.change: the plan has 2 changes per trial",
        "arms.ice: the plan has no such arm",
        "components \"Flux\": accepted are lower-case letters",
        "components.Flux: no namespace is named",
        "primaryResponse \"flux_joules\": accepted are Flux_joules, node_cpu_seconds, node_joules",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
}

#[test]
fn parts_of_an_arm_have_commands_of_their_own() {
    let plan = PLAN.replace(
        "{name: flux, changesPerTrial: 2}",
        "{name: flux, changesPerTrial: 2, strata: [{trials: flux.quiet, share: 0.9}, {trials: flux.sync, share: 0.1}]}",
    );
    let plan = Plan::parse("plan.yaml", &plan).unwrap();
    let how = HOW.replace(
        "flux: {setUp: 'true', change: 'true'}",
        "flux.quiet: {change: 'true'}, flux.sync: {setUp: 'true', change: 'true'}",
    );
    let found = How::parse("how.yaml", &how, &plan).unwrap();
    assert!(found.arm("flux.sync").set_up.is_some() && found.arm("flux.quiet").set_up.is_none());
    let told = How::parse("how.yaml", HOW, &plan).unwrap_err().to_string();
    for part in [
        "arms: \"flux.quiet\" of the plan is missing",
        "arms: \"flux.sync\" of the plan is missing",
        "arms.flux: the plan has no such arm",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
}

#[test]
fn energy_of_pods_that_went_stays_with_their_namespace() {
    let first = Reading::of(&[metrics(100.0, 8.0, 1.0, 3.0)]).unwrap();
    // The pod ended and was folded; what it used in between is there.
    let last = Reading::of(&[metrics(160.5, 0.0, 12.0, 5.0)]).unwrap();
    let components = BTreeMap::from([
        ("flux".to_owned(), vec!["flux-system".to_owned()]),
        (
            "shops".to_owned(),
            vec!["shop".to_owned(), "none".to_owned()],
        ),
    ]);
    let mut row = Trial::default();
    reading::between(&first, &last, &components, &mut row).unwrap();
    assert_eq!(row.values.get("flux_joules"), Some(&3.0));
    assert_eq!(row.values.get("shops_joules"), Some(&2.0));
    assert_eq!(row.duration, Some(Duration::from_millis(60_500)));
    // A node's energy never falls: where it did, the figure is missing and told.
    assert_eq!(
        (row.values.get("node_joules"), row.marks),
        (None, vec!["node fell".to_owned()])
    );
}

#[test]
fn cpu_time_is_that_of_all_accounts_of_all_nodes_and_is_missing_where_one_does_not_tell_it() {
    let told = |at: f64, containers: f64, system: f64| {
        format!(
            "{}tanso_account_cpu_seconds_total{{account=\"containers\",node_name=\"n\"}} {containers}\n\
             tanso_account_cpu_seconds_total{{account=\"system\",node_name=\"n\"}} {system}\n",
            metrics(at, 1.0, 0.0, 1.0)
        )
    };
    let of = |first: &[String], last: &[String]| {
        let [first, last] = [first, last].map(|answers| Reading::of(answers).unwrap());
        let mut row = Trial::default();
        reading::between(&first, &last, &BTreeMap::new(), &mut row).unwrap();
        (row.values.get("node_cpu_seconds").copied(), row.marks)
    };
    let first = [told(10.0, 4.0, 1.0), told(10.0, 7.0, 2.0)];
    let last = [told(70.0, 9.0, 1.5), told(70.0, 8.0, 2.25)];
    assert_eq!(of(&first, &last), (Some(6.75), Vec::new()));
    let silent = [told(70.0, 9.0, 1.5), metrics(70.0, 1.0, 0.0, 1.0)];
    assert_eq!(of(&first, &silent), (None, Vec::new()));
}

#[test]
fn without_agents_there_is_no_reading() {
    assert!(Reading::of(&[]).is_err());
    assert!(Reading::of(&["nothing 1\n".to_owned()]).is_err());
}

#[tokio::test]
async fn a_trial_runs_its_commands_in_order_and_a_change_that_fails_marks_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let say = |word: &str| {
        format!(
            "echo {word} $TANSO_STUDY_ARM $TANSO_STUDY_CHANGE >> {}",
            log.display()
        )
    };
    let text = format!(
        "phases: {{measuredSeconds: 10}}\ncomponents: {{flux: [flux-system]}}\narms:\n  snow: {{}}\n  flux:\n    \
         setUp: {}\n    change: '{} && test $TANSO_STUDY_CHANGE = 1'\n    clearUp: {}\n",
        say("up"),
        say("change"),
        say("down"),
    );
    let mut how = How::parse("how.yaml", &text, &plan()).unwrap();
    how.phases.measured_seconds = 0;
    let answers = Mutex::new(vec![
        metrics(20.0, 9.0, 0.0, 4.0),
        metrics(10.0, 2.0, 0.0, 3.0),
    ]);
    let read = async || -> Result<Reading, Error> {
        let text = answers.lock().unwrap().pop().unwrap();
        Ok(Reading::of(&[text])?)
    };
    let slot = Slot {
        order: 5,
        block: 3,
        arm: "flux".to_owned(),
    };
    let rows = trial(&how, how.arm("flux"), &slot, (2, 3), &read)
        .await
        .unwrap();
    let told = fs::read_to_string(&log).unwrap();
    assert_eq!(
        told,
        "up flux 0\nchange flux 1\nchange flux 2\ndown flux 0\n"
    );
    let phases: Vec<_> = rows.iter().map(|row| row.phase).collect();
    assert_eq!(phases, [Phase::WarmUp, Phase::Measured]);
    assert_eq!(rows[1].values.get("flux_joules"), Some(&7.0));
    assert!(
        rows[1].marks[0].starts_with("change of arm \"flux\""),
        "{:?}",
        rows[1].marks
    );
}

#[test]
fn a_folder_goes_on_only_with_its_plan() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("study");
    let how = How::parse("how.yaml", HOW, &plan()).unwrap();
    // Killed before anything was there: nothing to go on with, and nothing lost.
    drop(open(&path, &plan(), &how, true).unwrap());
    let told = |plan: &Plan, resume| open(&path, plan, &how, resume).unwrap_err().to_string();
    assert!(told(&plan(), false).contains("--resume"));
    let mut other = plan();
    other.order_seed = 4;
    assert!(told(&other, true).contains("another plan"));
    let mut folder = open(&path, &plan(), &how, true).unwrap();
    while let Some(slot) = folder.next() {
        let row = Trial {
            order: slot.order,
            block: slot.block,
            arm: slot.arm,
            values: [("flux_joules".to_owned(), 5.5)].into(),
            ..Trial::default()
        };
        folder.append(&[row]).unwrap();
    }
    drop(folder);
    let folder = open(&path, &plan(), &how, true).unwrap();
    assert_eq!(folder.trials().measured().count(), 6);
    assert_eq!(folder.next(), None);
}
