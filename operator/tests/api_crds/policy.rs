//! Cases of `CarbonPolicy` and `ClusterCarbonPolicy`.

use serde_json::{Value, json};

use super::{Cases, merge};

pub(super) fn policy(over: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
        "metadata": {"name": "shop", "namespace": "default"},
        "spec": {"site": {"zone": "KR"}, "regulations": [{"rule": "kr-carbon-2050"}]},
    });
    merge(&mut object, &json!({"spec": over}));
    object
}

pub(super) fn cluster_policy(over: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "ClusterCarbonPolicy",
        "metadata": {"name": "all"},
        "spec": {"namespaceSelector": {}, "policy": policy(&json!({}))["spec"]},
    });
    merge(&mut object, over);
    object
}

pub(super) fn sites() -> Cases {
    let pue = |value: f64| policy(&json!({"site": {"pue": {"value": value}}}));
    let zone = |zone: &str| policy(&json!({"site": {"zone": zone}}));
    let accepted = vec![
        pue(1.0),
        pue(5.0),
        policy(&json!({"site": {"pue": {"value": 1.3, "evidence": "Certificate"}}})),
        zone("KR"),
        zone("JP-TK"),
        zone("X-MY-GRID"),
        policy(&json!({"site": {"timeZone": "Asia/Seoul"}})),
    ];
    let refused: Vec<(Value, &'static [&'static str])> = vec![
        (
            pue(0.8),
            &[
                "spec.site.pue.value",
                "Invalid value: 0.8",
                "accepted PUEs are 1.0 to 5.0",
            ],
        ),
        (
            pue(5.1),
            &[
                "spec.site.pue.value",
                "Invalid value: 5.1",
                "accepted PUEs are 1.0 to 5.0",
            ],
        ),
        (
            policy(&json!({"site": {"pue": {"value": 1.3, "evidence": "Rumour"}}})),
            &["spec.site.pue.evidence", "\"Rumour\"", "\"Measured\""],
        ),
        (
            zone("XX"),
            &[
                "spec.site.zone",
                "unknown grid zone \"XX\"",
                "accepted are zone ids such as KR",
            ],
        ),
        (zone("kr"), &["spec.site.zone", "\"kr\"", "accepted are"]),
        (zone("X-"), &["spec.site.zone", "\"X-\"", "accepted are"]),
        (
            policy(&json!({"site": {"timeZone": "Asia Seoul"}})),
            &["spec.site.timeZone", "Asia Seoul"],
        ),
    ];
    (accepted, refused)
}

pub(super) fn times() -> Cases {
    let accepted = vec![
        policy(&json!({"window": "1h", "interval": "1h"})),
        policy(&json!({"window": "744h"})),
        policy(&json!({"interval": "10s"})),
        policy(&json!({"recommendations": {"slack": "0h"}})),
        policy(&json!({"recommendations": {"slack": "168h"}})),
    ];
    let window: &'static [&'static str] = &["spec.window", "accepted are 1h to 744h"];
    let refused: Vec<(Value, &'static [&'static str])> = vec![
        (policy(&json!({"window": "59m"})), window),
        (policy(&json!({"window": "745h"})), window),
        (policy(&json!({"window": "1d"})), window),
        (
            policy(&json!({"interval": "9s"})),
            &[
                "spec.interval",
                "interval \"9s\"",
                "accepted are 10s up to the window",
            ],
        ),
        (
            policy(&json!({"interval": "soon"})),
            &[
                "spec.interval",
                "interval \"soon\"",
                "accepted are 10s up to the window",
            ],
        ),
        // More hours than a duration of the expression language holds.
        (policy(&json!({"window": "999999999999h"})), window),
        (
            policy(&json!({"window": "1h", "interval": "2h"})),
            &[
                "interval 2h is longer than window 1h",
                "accepted is an interval up to the window",
            ],
        ),
        (
            policy(&json!({"recommendations": {"slack": "169h"}})),
            &[
                "spec.recommendations.slack",
                "\"169h\"",
                "accepted are 0h to 168h",
            ],
        ),
    ];
    (accepted, refused)
}

pub(super) fn intensities() -> Cases {
    let fixed = |grams: f64| json!({"gramsPerKwh": grams, "reference": "us"});
    let intensity = |intensity: Value| policy(&json!({"intensity": intensity}));
    let provider = |mut provider: Value| {
        provider["name"] = json!("first");
        intensity(json!({"source": "Providers", "providers": [provider]}))
    };
    let stale: &'static [&'static str] = &["spec.intensity.staleAfter", "accepted are 1h to 168h"];
    let accepted = vec![
        intensity(json!({"source": "Bundled"})),
        intensity(json!({"source": "Static", "static": fixed(0.0)})),
        intensity(json!({"source": "Static", "static": fixed(2000.0)})),
        intensity(json!({"source": "Table", "table": {"configMap": "grid"}})),
        provider(json!({"kind": "Prometheus", "query": "up", "endpoint": "http://store:9090"})),
        provider(json!({"kind": "CarbonAwareSdk", "signal": "Average",
            "endpoint": "https://sdk.example.com"})),
        intensity(json!({"staleAfter": "168h"})),
    ];
    let refused: Vec<(Value, &'static [&'static str])> = vec![
        (
            intensity(json!({"source": "Oracle"})),
            &["spec.intensity.source", "\"Oracle\"", "\"Bundled\""],
        ),
        (
            intensity(json!({"source": "Static"})),
            &["spec.intensity", "`static` is needed with source Static"],
        ),
        (
            intensity(json!({"static": fixed(1.0)})),
            &["spec.intensity", "`static` is needed with source Static"],
        ),
        (
            intensity(json!({"source": "Table"})),
            &["spec.intensity", "`table` is needed with source Table"],
        ),
        (
            intensity(json!({"source": "Static", "static": fixed(2001.0)})),
            &[
                "spec.intensity.static.gramsPerKwh",
                "2001",
                "accepted intensities are 0 to 2000",
            ],
        ),
        (
            intensity(json!({"source": "Static", "static": fixed(-1.0)})),
            &[
                "spec.intensity.static.gramsPerKwh",
                "-1",
                "accepted intensities are 0 to 2000",
            ],
        ),
        (
            intensity(json!({"source": "Static", "static": {"gramsPerKwh": 1.0, "reference": ""}})),
            &["spec.intensity.static.reference"],
        ),
        (
            intensity(json!({"source": "Table", "table": {"configMap": ""}})),
            &["spec.intensity.table.configMap"],
        ),
        (
            intensity(json!({"source": "Providers"})),
            &[
                "spec.intensity",
                "`providers` is needed with source Providers",
            ],
        ),
        (
            intensity(json!({"providers": [{"name": "first", "kind": "Bundled"}]})),
            &[
                "spec.intensity",
                "`providers` is needed with source Providers",
            ],
        ),
        (
            provider(json!({"kind": "Prometheus", "query": "up"})),
            &[
                "spec.intensity.providers[0]",
                "kind Prometheus needs `query` and `endpoint`",
            ],
        ),
        (
            provider(json!({"kind": "CarbonAwareSdk", "endpoint": "https://sdk.example.com"})),
            &[
                "spec.intensity.providers[0]",
                "kind CarbonAwareSdk needs `endpoint`, and `signal`",
            ],
        ),
        (
            provider(json!({"kind": "Bundled", "endpoint": "ftp://store"})),
            &["spec.intensity.providers[0].endpoint", "ftp://store"],
        ),
        (intensity(json!({"staleAfter": "59m"})), stale),
        (intensity(json!({"staleAfter": "169h"})), stale),
    ];
    (accepted, refused)
}

pub(super) fn bounds() -> Cases {
    let accepted = vec![
        policy(&json!({"accounting": {"functionalUnit": {"name": "request", "count": 1000}}})),
        policy(&json!({"accounting": {"indicators": [
            {"metric": "Wue", "litresPerKwh": 0.35}, {"metric": "Erf", "percent": 15}
        ]}})),
        policy(&json!({"recommendations": {"earliestStart": "22:00", "deadline": "06:00"}})),
        policy(&json!({"actions": {"mode": "Apply", "suspendAboveGramsPerKwh": 300}})),
        policy(&json!({"evidence": {"minCoveragePercent": 0, "maxEstimatedPercent": 100}})),
        policy(&json!({"recommendations": {"minSavingPercent": 100, "maxListed": 100}})),
        policy(&json!({"selector": {"kinds": ["Deployment"], "matchLabels": {"app": "shop"}}})),
    ];
    let twice = json!([{"rule": "kr-carbon-2050"}, {"rule": "kr-carbon-2050"}]);
    let refused: Vec<(Value, &'static [&'static str])> = vec![
        (
            policy(&json!({"regulations": []})),
            &["spec.regulations", "at least 1"],
        ),
        (
            policy(&json!({"regulations": twice})),
            &["spec.regulations[1]", "Duplicate value"],
        ),
        (
            policy(&json!({"regulations": [{"rule": "Bad_Name"}]})),
            &["spec.regulations[0].rule", "Bad_Name"],
        ),
        (
            policy(&json!({"evidence": {"minCoveragePercent": 101}})),
            &["spec.evidence.minCoveragePercent", "101"],
        ),
        (
            policy(&json!({"evidence": {"maxEstimatedPercent": -1}})),
            &["spec.evidence.maxEstimatedPercent", "-1"],
        ),
        (
            policy(&json!({"recommendations": {"minSavingPercent": 101}})),
            &["spec.recommendations.minSavingPercent", "101"],
        ),
        (
            policy(&json!({"recommendations": {"maxListed": 0}})),
            &["spec.recommendations.maxListed", "0"],
        ),
        (
            policy(&json!({"recommendations": {"maxListed": 101}})),
            &["spec.recommendations.maxListed", "101"],
        ),
        (
            policy(&json!({"selector": {"kinds": [""]}})),
            &["spec.selector.kinds[0]"],
        ),
        (
            policy(
                &json!({"accounting": {"indicators": [{"metric": "Erf", "litresPerKwh": 0.15}]}}),
            ),
            &[
                "spec.accounting.indicators[0]",
                "Wue takes `litresPerKwh`; Erf, Ref and RenewableShare take `percent`, 0 to 100 (a ratio of 0.15 is 15)",
            ],
        ),
        (
            policy(&json!({"recommendations": {"deadline": "25:00"}})),
            &["spec.recommendations.deadline"],
        ),
        (
            policy(&json!({"accounting": {"functionalUnit": {"name": "request"}}})),
            &[
                "spec.accounting.functionalUnit",
                "give `count` or `query`, not both",
            ],
        ),
        (
            policy(&json!({"actions": {"suspendAboveGramsPerKwh": 300}})),
            &[
                "spec.actions",
                "`suspendAboveGramsPerKwh` acts with mode Apply only",
            ],
        ),
    ];
    (accepted, refused)
}

pub(super) fn runs_in_parts() -> Cases {
    let accepted = vec![policy(&json!({"recommendations": {"interruptible": [
        {"cronJob": "train", "restartPercent": 0}, {"cronJob": "etl.v2", "restartPercent": 1000}
    ]}}))];
    let refused: Vec<(Value, &'static [&'static str])> = vec![
        (
            policy(&json!({"recommendations": {"interruptible": [
                {"cronJob": "train", "restartPercent": 1001}
            ]}})),
            &[
                "spec.recommendations.interruptible[0].restartPercent",
                "1001",
                "accepted restart costs are 0 to 1000 percent of an hour's energy",
            ],
        ),
        (
            policy(&json!({"recommendations": {"interruptible": [{"cronJob": "train"}]}})),
            &[
                "spec.recommendations.interruptible[0].restartPercent",
                "Required",
            ],
        ),
        (
            policy(&json!({"recommendations": {"interruptible": [
                {"cronJob": "train", "restartPercent": 1}, {"cronJob": "train", "restartPercent": 2}
            ]}})),
            &["spec.recommendations.interruptible[1]", "Duplicate value"],
        ),
    ];
    (accepted, refused)
}

pub(super) fn cluster_policies() -> Cases {
    let accepted = vec![
        cluster_policy(&json!({})),
        cluster_policy(&json!({"spec": {"namespaceSelector": {"matchLabels": {"team": "shop"}}}})),
    ];
    let refused: Vec<(Value, &'static [&'static str])> = vec![
        (
            cluster_policy(&json!({"spec": {"policy": {"site": {"pue": {"value": 0.8}}}}})),
            &[
                "spec.policy.site.pue.value",
                "Invalid value: 0.8",
                "accepted PUEs are 1.0 to 5.0",
            ],
        ),
        (
            cluster_policy(&json!({"spec": {"policy": {"window": "1h", "interval": "2h"}}})),
            &["spec.policy", "interval 2h is longer than window 1h"],
        ),
        (
            cluster_policy(&json!({"spec": {"namespaceSelector": null}})),
            &["spec.namespaceSelector", "Required"],
        ),
    ];
    (accepted, refused)
}
