use serde_json::{Value, json};

use super::*;

/// A study of two arms, of which one has changes.
fn spec(over: &Value) -> EnergyStudySpec {
    let mut spec = json!({
        "title": "T",
        "arms": [
            {"name": "snow"},
            {"name": "flux", "changes": {"perTrial": 3, "source": {"manifests": "x"}},
             "belongs": {"namespaces": ["flux-system"]}},
        ],
        "components": [{"name": "shop", "namespaces": ["shop"]}],
        "seed": 7,
        "zone": "KR",
    });
    for (key, value) in over.as_object().unwrap() {
        spec[key] = value.clone();
    }
    serde_json::from_value(spec).unwrap()
}

fn texts(change: &str) -> BTreeMap<String, ArmTexts> {
    let flux = ArmTexts {
        set_up: Some("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}".into()),
        clear_up: None,
        change: Some(change.into()),
    };
    [
        ("snow".to_owned(), ArmTexts::default()),
        ("flux".to_owned(), flux),
    ]
    .into()
}

const CHANGE: &str =
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: 'c-${CHANGE}'}, data: {t: '${TRIAL}'}}";

#[test]
fn a_spec_becomes_a_plan_by_its_rules_and_arms_by_their_texts() {
    let checked = validate(&spec(&json!({})), texts(CHANGE), "lab/t", 2026).unwrap();
    let plan = &checked.plan;
    assert_eq!(plan.stopping, StoppingRule::Blocks(30));
    assert_eq!(plan.outliers, OutlierPolicy::Mad(OUTLIER_MADS));
    assert_eq!(
        (plan.order_seed, plan.arms[1].changes_per_trial),
        (7, Some(3))
    );
    assert!(plan.stated && plan.zones[0].grams_per_kwh > 100.0);
    assert_eq!(checked.measured, Duration::from_mins(5));
    let responses = checked.responses();
    let columns: Vec<_> = responses.keys().map(String::as_str).collect();
    assert_eq!(
        columns,
        [
            "arm_cpu_seconds",
            "arm_joules",
            "node_active_joules",
            "node_cpu_seconds",
            "node_joules",
            "shop_cpu_seconds",
            "shop_joules"
        ]
    );
    let place = Place {
        arm: "flux",
        block: 1,
        trial: 4,
        change: 2,
    };
    assert_eq!(checked.events("flux", 1).len(), 3);
    assert!(checked.events("snow", 1).is_empty());
    assert_eq!(checked.change(place)[0].object["data"]["t"], "4");
    // The set-up's, and each change's own.
    let made = checked.made(place);
    let made: Vec<_> = made.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(made, ["a", "c-1", "c-2", "c-3"]);
}

#[test]
fn the_rules_are_those_that_were_kept_before_the_first_trial() {
    let checked = validate(&spec(&json!({})), texts(CHANGE), "lab/t", 2026).unwrap();
    let mut older = checked.plan.clone();
    older.outliers = OutlierPolicy::Mad(9.0);
    older.zones[0].grams_per_kwh = 480.25;
    let text = serde_json::to_string(&older).unwrap();
    assert_eq!(checked.clone().as_begun(&text).unwrap().plan, older);
    assert!(checked.as_begun("no plan").is_err());
}

#[test]
fn another_text_is_another_digest() {
    let of = |change: &str| {
        let checked = validate(&spec(&json!({})), texts(change), "lab/t", 2026);
        checked.unwrap().digest
    };
    assert_eq!(of(CHANGE), of(CHANGE));
    assert_ne!(of(CHANGE), of(&CHANGE.replace("TRIAL", "BLOCK")));
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let broken = json!({
        "phases": {"warmUp": "soon", "measured": "5m", "coolDown": "1x"},
        "zone": "X-OWN",
        "primaryResponse": "node",
    });
    let told = validate(&spec(&broken), texts("kind: A"), "lab/t", 2026).unwrap_err();
    let told = told.join("; ");
    for part in [
        "spec.arms[flux].changes.source: document 1: apiVersion is missing",
        "spec.phases.warmUp \"soon\"",
        "spec.phases.coolDown \"1x\"",
        "spec.zone \"X-OWN\"",
        "primaryResponse \"node\"",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
}
