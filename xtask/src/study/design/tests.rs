use tanso_carbon::study::plan::Cost;

use super::*;

fn choice(quick: bool) -> Choice<'static> {
    Choice {
        quick,
        blocks: None,
        measured_seconds: None,
        kustomizations: &[5],
        changes: None,
        arms: &[],
        seed: 7,
    }
}

#[test]
fn the_plan_of_each_design_is_one_that_is_accepted_and_prices_by_zone() {
    for quick in [true, false] {
        let plan = Design::choose(&choice(quick))
            .unwrap()
            .plan(BTreeMap::new());
        let text = serde_json::to_string(&plan).unwrap();
        let again = Plan::parse("plan.json", &text).unwrap();
        assert_eq!(again.comparisons, plan.comparisons);
        let zones: Vec<_> = again.zones.iter().map(|zone| zone.zone.as_str()).collect();
        assert_eq!(zones, ["DE", "KR", "SE"]);
        assert!(again.zones.iter().all(|zone| zone.grams_per_kwh > 1.0));
    }
}

#[test]
fn a_placebo_a_known_load_and_an_arm_of_nothing_are_always_there() {
    for quick in [true, false] {
        let design = Design::choose(&choice(quick)).unwrap();
        let compared = design.comparisons();
        assert_eq!(compared.iter().filter(|one| one.placebo).count(), 1);
        let loads = compared.iter().filter_map(|one| one.injected.as_ref());
        let loads: Vec<_> = loads.map(|load| load.difference).collect();
        assert_eq!(loads, [design.load_cpu_seconds]);
        let nothing = design.arm("nothing").unwrap();
        assert!(design.events(nothing, 1).is_empty());
        let blocks = if quick { 5 } else { 30 };
        assert_eq!(design.slots().len(), blocks * design.kinds().len());
    }
}

#[test]
fn arms_of_a_block_get_the_same_stream() {
    let design = Design::choose(&choice(true)).unwrap();
    let of = |name| design.events(design.arm(name).unwrap(), 3);
    assert_eq!(of("snowflake"), of("flux-1m"));
    assert_eq!(of("snowflake").len(), 3);
    assert!(of("flux-1m-idle").is_empty());
}

#[test]
fn of_several_numbers_of_kustomizations_each_makes_arms_that_get_the_same_stream() {
    let arms = ["flux-1m".to_owned(), "flux-10m-idle-of-200".to_owned()];
    let design = Design::choose(&Choice {
        kustomizations: &[200, 5, 50],
        arms: &arms,
        ..choice(false)
    })
    .unwrap();
    let found: Vec<_> = design
        .arms
        .iter()
        .map(|arm| (arm.name.as_str(), arm.kustomizations))
        .collect();
    assert_eq!(
        found,
        [
            ("nothing", 0),
            ("snowflake", 0),
            ("flux-1m", 5),
            ("flux-1m-of-50", 50),
            ("flux-1m-of-200", 200),
            ("flux-10m-idle-of-200", 200)
        ]
    );
    let of = |name| design.events(design.arm(name).unwrap(), 3);
    assert_eq!(of("flux-1m-of-200"), of("snowflake"));
    assert!(of("snowflake").iter().all(|event| event.object < 5));
    assert_eq!(design.applications(), 200);
    let compared = design.comparisons();
    let pairs = compared
        .iter()
        .map(|one| (one.arm.as_str(), one.against.as_str()));
    let pairs: Vec<_> = pairs.filter(|(arm, _)| arm.contains("-of-")).collect();
    assert_eq!(
        pairs,
        [
            ("flux-1m-of-50", "snowflake"),
            ("flux-1m-of-50", "flux-1m"),
            ("flux-1m-of-200", "snowflake"),
            ("flux-1m-of-200", "flux-1m"),
            ("flux-10m-idle-of-200", "nothing")
        ]
    );
}

#[test]
fn what_cannot_be_run_is_refused_with_flag_value_and_what_is_accepted() {
    let arms = ["flux-2m".to_owned()];
    let told = Design::choose(&Choice {
        blocks: Some(1),
        measured_seconds: Some(1),
        kustomizations: &[0],
        arms: &arms,
        ..choice(false)
    });
    let told = told.unwrap_err().join("; ");
    for part in [
        "--trials 1: accepted are 2 to 1000",
        "--measured 1: accepted are 5 to 86400",
        "--kustomizations 0: accepted are 1 to 500",
        "--arms \"flux-2m\": accepted are nothing, snowflake",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
}

#[test]
fn an_interval_longer_than_a_phase_is_measured_in_two_parts_that_arms_share() {
    let design = Design::choose(&choice(true)).unwrap();
    let plan = design.plan(BTreeMap::new());
    let parts = |name: &str| -> Vec<(String, f64)> {
        let arm = plan.arms.iter().find(|arm| arm.name == name).unwrap();
        let parts = arm.parts().into_iter();
        parts
            .map(|(kind, share)| (kind.to_owned(), share))
            .collect()
    };
    let [idle, slow] = ["flux-1m-idle", "flux-10m-idle"].map(parts);
    assert_eq!(idle[1].0, "flux-idle.sync");
    assert!((idle[1].1 - 1.0 / 6.0).abs() < 1e-12);
    assert!((slow[1].1 - 1.0 / 60.0).abs() < 1e-12);
    assert_eq!([&idle[0].0, &idle[1].0], [&slow[0].0, &slow[1].0]);
    // What has no interval is whole.
    assert_eq!(parts("nothing"), [("nothing".to_owned(), 1.0)]);
    let kinds: Vec<_> = design
        .kinds()
        .into_iter()
        .map(|kind| kind.arm.name)
        .collect();
    assert_eq!(plan.kinds(), kinds);
    assert_eq!(
        plan.slots(design.blocks),
        design.slots(),
        "the runner and the report deal alike"
    );
    assert_eq!(
        kinds,
        [
            "nothing",
            "snowflake",
            "snowflake-again",
            "snowflake-load",
            "flux-busy.quiet",
            "flux-busy.sync",
            "flux-idle.quiet",
            "flux-idle.sync"
        ]
    );
}

#[test]
fn a_part_has_the_interval_of_its_timer_and_the_changes_of_its_arm() {
    let design = Design::choose(&choice(true)).unwrap();
    let kind = |name: &str| design.kind(name).unwrap();
    let (quiet, sync) = (kind("flux-busy.quiet"), kind("flux-busy.sync"));
    assert_eq!(sync.timer, Timer::Sync { waiting: 5 });
    assert_eq!(quiet.timer, Timer::Quiet);
    assert_eq!(sync.arm.interval(), Some(Duration::from_secs(13)));
    assert!(quiet.arm.interval() >= Some(Duration::from_mins(20)));
    assert!(sync.arm.changes && sync.arm.edits && !kind("flux-idle.sync").arm.changes);
    assert_eq!(kind("flux-idle.sync").timer, Timer::Sync { waiting: 0 });
    assert_eq!(
        design.events(&sync.arm, 2),
        design.events(design.arm("snowflake").unwrap(), 2)
    );
    // Where a minute brings fewer changes than there are applications, arms of
    // other intervals have other trials.
    let many = Design::choose(&Choice {
        kustomizations: &[50],
        ..choice(true)
    });
    let many = many.unwrap();
    let timers = ["flux-busy.sync-12", "flux-busy.sync"].map(|name| many.kind(name).unwrap().timer);
    assert_eq!(
        timers,
        [Timer::Sync { waiting: 12 }, Timer::Sync { waiting: 50 }]
    );
}

#[test]
fn a_change_is_compared_with_an_idle_day_and_edits_with_none() {
    let pairs = |quick: bool| -> Vec<(String, String, Option<Cost>)> {
        let design = Design::choose(&choice(quick)).unwrap();
        let compared = design.comparisons().into_iter();
        compared
            .map(|one| (one.arm, one.against, one.cost))
            .collect()
    };
    let has =
        |pairs: &[(String, String, Option<Cost>)], arm: &str, against: &str, cost: Option<Cost>| {
            let mut pairs = pairs.iter();
            pairs.any(|one| (one.0.as_str(), one.1.as_str(), one.2) == (arm, against, cost))
        };
    let long = pairs(false);
    for (arm, against, cost) in [
        ("flux-10m-idle", "nothing", Some(Cost::IdleDay)),
        ("flux-10s-idle", "nothing", Some(Cost::IdleDay)),
        ("flux-10m-no-edits", "flux-10m-idle", Some(Cost::Change)),
        ("flux-1m", "flux-1m-no-edits", None),
        ("flux-10s", "flux-10s-idle", Some(Cost::Change)),
        ("snowflake", "snowflake-no-edits", None),
        ("snowflake", "nothing", None),
        ("snowflake-no-edits", "nothing", Some(Cost::Change)),
        ("flux-10m", "snowflake", None),
    ] {
        assert!(has(&long, arm, against, cost), "{arm} {against} {long:?}");
    }
    let quick = pairs(true);
    assert!(has(&quick, "flux-1m", "flux-1m-idle", Some(Cost::Change)));
    assert!(has(&quick, "snowflake", "nothing", Some(Cost::Change)));
    assert!(!has(&long, "flux-1m", "flux-1m-idle", Some(Cost::Change)));
}

#[test]
fn a_phase_with_a_broken_number_of_syncs_is_refused() {
    for (measured, part) in [
        (
            15,
            "--measured 15: with arm \"flux-10s\" accepted are multiples of 10",
        ),
        (
            90,
            "with arm \"flux-1m\" accepted are 10 to below 60, and multiples of 60",
        ),
        (5, "with arm \"flux-10m\" accepted are 10 to below 600"),
    ] {
        let told = Design::choose(&Choice {
            measured_seconds: Some(measured),
            ..choice(false)
        });
        let told = told.unwrap_err().join("; ");
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    let long = Choice {
        measured_seconds: Some(1_200),
        ..choice(false)
    };
    let long = Design::choose(&long).unwrap();
    assert!(long.kinds().iter().all(|kind| kind.timer == Timer::Own));
    // What fits into a phase is whole.
    let usual = Design::choose(&choice(false)).unwrap();
    assert_eq!(usual.kind("flux-10s").unwrap().timer, Timer::Own);
}
