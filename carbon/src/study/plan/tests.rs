use super::*;

const TEXT: &str = "title: What does Flux cost?\nprimaryResponse: node_joules\norderSeed: 7\n\
    arms:\n- {name: snow, changesPerTrial: 10}\n- {name: flux}\n- {name: again}\n\
    comparisons:\n- {arm: flux, against: snow}\n- {arm: again, against: snow, placebo: true}\n\
    outliers: {mad: 3}\nstopping: {halfWidth: {relative: 0.02, blocksMin: 10, blocksMax: 60}}\n\
    disturbance: {stealMax: 0.02}\n";

#[test]
fn a_plan_in_yaml_is_read_with_its_rules() {
    let plan = Plan::parse("p.yaml", TEXT).unwrap();
    assert_eq!(plan.outliers, OutlierPolicy::Mad(3.0));
    assert_eq!(plan.compared().len(), 2);
    assert!(plan.stated && plan.compared()[1].placebo);
    assert!((plan.disturbance.foreign_cpu_max.ratio() - 0.05).abs() < 1e-12);
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(Plan::parse("p.json", &json), Ok(plan));
}

#[test]
fn all_faults_are_told_at_once() {
    let text = TEXT
        .replace("against: snow}", "against: slow}")
        .replace("mad: 3", "mad: -3")
        .replace("blocksMin: 10", "blocksMin: 90")
        .replace("{name: again}", "{name: snow}");
    let told = Plan::parse("p.yaml", &text).unwrap_err().to_string();
    for part in [
        "arms[2].name \"snow\": stands twice",
        "comparisons[0].against \"slow\": no such arm",
        "comparisons[1].arm \"again\": no such arm",
        "outliers.mad",
        "blocksMin up to blocksMax",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
}

#[test]
fn a_field_that_is_not_known_is_refused_with_its_name() {
    let refused = Plan::parse("p.yaml", &format!("{TEXT}outlier: none\n"));
    assert!(refused.unwrap_err().to_string().contains("outlier"));
}

#[test]
fn a_trial_is_disturbed_only_above_its_bounds() {
    let share = |ratio| Some(Utilisation::try_new(ratio).unwrap());
    let mut trial = Trial {
        steal: share(0.01),
        foreign_cpu: share(0.06),
        ..Trial::default()
    };
    let bounds = Disturbance::default();
    assert_eq!(bounds.reasons(&trial), ["foreign CPU 6.0 % (bound 5.0 %)"]);
    trial.foreign_cpu = None;
    trial.marks = vec!["apiserver-restarted".to_owned()];
    assert_eq!(bounds.reasons(&trial), ["apiserver-restarted"]);
}

#[test]
fn parts_are_dealt_each_once_in_a_block_also_where_arms_share_them() {
    let text = "title: T\nprimaryResponse: node_joules\narms:\n- {name: nothing}\n\
        - {name: flux-1m, strata: [{trials: flux.quiet, share: 0.75}, {trials: flux.sync, share: 0.25}]}\n\
        - {name: flux-10m, changesPerTrial: 3, \
           strata: [{trials: flux.quiet, share: 0.975}, {trials: flux.sync, share: 0.025}]}\n\
        stopping: {blocks: 4}\n";
    let plan = Plan::parse("p.yaml", text).unwrap();
    assert_eq!(plan.kinds(), ["nothing", "flux.quiet", "flux.sync"]);
    let slots = plan.slots(4);
    assert_eq!(slots.len(), 12);
    for block in slots.chunks(3) {
        let dealt: BTreeSet<_> = block.iter().map(|slot| slot.arm.as_str()).collect();
        assert_eq!(dealt.len(), 3);
    }
    assert_eq!(
        (plan.changes_of("flux.sync"), plan.changes_of("nothing")),
        (3, 0)
    );
    // A plan without parts is written as before there were any.
    let json = serde_json::to_string(&Plan::parse("p.yaml", TEXT).unwrap()).unwrap();
    assert!(!json.contains("\"strata\":") && !json.contains("\"cost\":"));
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(Plan::parse("p.json", &json), Ok(plan));
    let broken = text.replace("0.975", "0.9");
    let told = Plan::parse("p.yaml", &broken).unwrap_err().to_string();
    assert!(
        told.contains("arms[2].strata: the shares add up to 0.925"),
        "{told}"
    );
}

#[test]
fn a_fixed_number_of_blocks_ends_with_its_last_trial() {
    let text = "{title: T, primaryResponse: node_joules, stopping: {blocks: 2}, arms: [{name: a}, \
        {name: b, strata: [{trials: b.quiet, share: 0.5}, {trials: b.sync, share: 0.5}]}]}";
    let plan = Plan::parse("p.yaml", text).unwrap();
    let mut rows = Vec::new();
    while let Some(slot) = plan.next(&Trials::new(rows.clone())) {
        rows.push(Trial {
            order: slot.order,
            block: slot.block,
            arm: slot.arm,
            values: [("node_joules".to_owned(), 1.0)].into(),
            ..Trial::default()
        });
        assert!(rows.len() <= 6);
    }
    assert_eq!(rows.len(), 6);
}
