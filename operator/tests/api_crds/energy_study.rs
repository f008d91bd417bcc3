//! Cases of `EnergyStudy`.

use serde_json::{Value, json};

use super::{Cases, merge};

pub(super) fn study(over: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "EnergyStudy",
        "metadata": {"name": "gitops", "namespace": "default"},
        "spec": {"title": "T", "arms": [{"name": "snow"}, {"name": "flux"}]},
    });
    merge(&mut object, &json!({"spec": over}));
    object
}

pub(super) fn energy_studies() -> Cases {
    let phases = |phases: Value| study(&json!({"phases": phases}));
    let source = json!({"manifests": "a"});
    let arms = |flux: Value| {
        let mut arm = json!({"name": "flux"});
        merge(&mut arm, &flux);
        study(&json!({"arms": [{"name": "snow"}, arm]}))
    };
    let accepted = vec![
        study(&json!({})),
        phases(json!({"warmUp": "0s", "measured": "60m", "coolDown": "24h"})),
        study(&json!({"stopping": {"type": "HalfWidth", "relativePercent": 5, "blocksMin": 5}})),
        study(
            &json!({"zone": "KR", "components": [{"name": "shop"}], "primaryResponse": "shop_joules"}),
        ),
        arms(json!({"changes": {"perTrial": 3, "source": source}, "setUp": source})),
        arms(json!({"changes": {"perTrial": 3, "by": "Others"}})),
        study(&json!({"comparisons": [{"arm": "flux", "against": "snow", "known": "Placebo"}]})),
    ];
    let refused: Vec<(Value, &'static [&'static str])> = vec![
        (
            study(&json!({"comparisons": [{"arm": "flux", "against": "ice"}]})),
            &["each of comparisons names two different arms of this study"],
        ),
        (
            study(&json!({"comparisons": [{"arm": "flux", "against": "flux"}]})),
            &["each of comparisons names two different arms of this study"],
        ),
        (
            study(&json!({"primaryResponse": "shop_joules"})),
            &[
                "shop_joules",
                "accepted are node_joules, node_active_joules",
            ],
        ),
        (
            study(&json!({"zone": "Mars"})),
            &["spec.zone", "unknown grid zone", "Mars"],
        ),
        (
            study(&json!({"zone": "X-OWN"})),
            &["spec.zone", "is private and has no mean intensity here"],
        ),
        (
            phases(json!({"warmUp": "25h"})),
            &[
                "spec.phases.warmUp",
                "25h",
                "accepted are 0s to 24h, as in 1m",
            ],
        ),
        (
            phases(json!({"measured": "90s"})),
            &["spec.phases.measured", "90s", "accepted are 1m to 60m"],
        ),
        (
            phases(json!({"measured": "0m"})),
            &["spec.phases.measured", "accepted are 1m to 60m"],
        ),
        (
            phases(json!({"coolDown": "soon"})),
            &[
                "spec.phases.coolDown",
                "soon",
                "accepted are 0s to 24h, as in 30s",
            ],
        ),
        (
            study(&json!({"stopping": {"type": "HalfWidth"}})),
            &["relativePercent goes with type \"HalfWidth\""],
        ),
        (
            study(&json!({"stopping": {"blocks": 5, "blocksMin": 6}})),
            &["blocksMin is more than blocks; accepted is up to blocks"],
        ),
        (
            arms(json!({"changes": {"perTrial": 3}})),
            &["source goes with by \"Study\", and is needed there"],
        ),
        (
            arms(json!({"setUp": {"manifests": "a", "configMap": {"name": "a", "key": "b"}}})),
            &["give either manifests or configMap"],
        ),
        (
            study(&json!({"components": [{"name": "node"}]})),
            &[
                "node",
                "is a column of every study; accepted is any other name",
            ],
        ),
        (
            study(&json!({"arms": [{"name": "snow"}]})),
            &["spec.arms", "at least 2"],
        ),
    ];
    (accepted, refused)
}

/// What of a study that is there may be changed, and what not.
pub(super) fn study_changes() -> Cases {
    let immutable: &'static [&'static str] = &["all of spec but suspend is immutable"];
    let refused = [
        json!({"title": "U"}),
        json!({"seed": 1}),
        json!({"zone": "KR"}),
        json!({"arms": [{"name": "snow"}, {"name": "flux"}, {"name": "more"}]}),
        json!({"phases": {"measured": "6m"}}),
    ];
    let accepted = vec![study(&json!({"suspend": true}))];
    (
        accepted,
        refused
            .iter()
            .map(|over| (study(over), immutable))
            .collect(),
    )
}
