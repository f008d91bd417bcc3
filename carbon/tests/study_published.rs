//! Published studies: their reports are what plan and raw figures give today.

use std::fs;
use std::path::Path;

use tanso_carbon::study::report::markdown::markdown;
use tanso_carbon::study::{Plan, Trials, report};

#[test]
fn the_gitops_report_is_made_again_from_its_plan_and_raw_figures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/studies/gitops");
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let plan = Plan::parse("plan.json", &read("plan.json")).unwrap();
    let trials = Trials::parse("trials.csv", &read("trials.csv")).unwrap();
    let found = report(&plan, &trials).unwrap();
    assert_eq!(markdown(&found), read("report.md"));
    // At least five trials for each arm and each of its parts, a placebo and a known load, by its own rules.
    for kind in plan.kinds() {
        let count = trials.measured().filter(|row| row.arm == kind);
        assert!(count.count() >= 5, "{kind}");
    }
    assert!(plan.comparisons.iter().any(|one| one.placebo));
    assert!(plan.comparisons.iter().any(|one| one.injected.is_some()));
}
