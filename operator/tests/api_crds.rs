//! Admission by a real API server: for each rule what is accepted, and what is
//! refused with a message that names field, value and what is accepted.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, also in its helpers"
)]

#[path = "support/api.rs"]
mod api;

use kube::api::PostParams;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client, CustomResourceExt as _};
use serde_json::{Value, json};

/// The merge of two JSON objects; the second wins.
fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

fn monitor(over: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "PowerMonitor",
        "metadata": {"name": "admission"}, "spec": {},
    });
    merge(&mut object, over);
    object
}

fn policy(over: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
        "metadata": {"name": "shop", "namespace": "default"},
        "spec": {"site": {"zone": "KR"}, "regulations": [{"rule": "kr-carbon-2050"}]},
    });
    merge(&mut object, &json!({"spec": over}));
    object
}

fn cluster_policy(over: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "ClusterCarbonPolicy",
        "metadata": {"name": "all"},
        "spec": {"namespaceSelector": {}, "policy": policy(&json!({}))["spec"]},
    });
    merge(&mut object, over);
    object
}

/// What admission says; nothing is kept.
async fn admit(client: &Client, object: &Value) -> Result<DynamicObject, String> {
    let kind = object["kind"].as_str().unwrap();
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("tanso.dev", "v1alpha1", kind));
    let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    let api: Api<DynamicObject> = match object.metadata.namespace.as_deref() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match api.create(&params, &object).await {
        Ok(object) => Ok(object),
        Err(kube::Error::Api(status)) => Err(status.message),
        Err(other) => panic!("{other}"),
    }
}

/// What is accepted, and what is refused with which words.
type Cases = (Vec<Value>, Vec<(Value, &'static [&'static str])>);

async fn check((accepted, refused): Cases) {
    let Some(client) = api::admin().await else {
        return;
    };
    for object in accepted {
        if let Err(message) = admit(&client, &object).await {
            panic!("should be accepted: {object}\n{message}");
        }
    }
    for (object, parts) in refused {
        let Err(message) = admit(&client, &object).await else {
            panic!("should be refused: {object}");
        };
        for part in parts {
            assert!(
                message.contains(part),
                "{part:?} should be in:\n{message}\nfor {object}"
            );
        }
        // A rule that cannot be evaluated tells its source, not what is accepted.
        assert!(
            !message.contains("evaluating rule"),
            "{message}\nfor {object}"
        );
    }
}

fn power_monitors() -> Cases {
    let agent = |agent: Value| monitor(&json!({"spec": {"agent": agent}}));
    let named = |name: &str| monitor(&json!({"metadata": {"name": name}}));
    let accepted = vec![
        monitor(&json!({})),
        named(&"a".repeat(50)),
        agent(json!({"sources": ["Rapl", "Model", "Fake"]})),
        agent(json!({"interval": "100ms"})),
        agent(json!({"interval": "60s"})),
        agent(json!({"port": 1024})),
        agent(json!({"securityMode": "Privileged"})),
        monitor(&json!({"spec": {"modelServer": {"replicas": 0}}})),
        monitor(&json!({"spec": {"modelServer": {"replicas": 5}}})),
    ];
    let interval: &'static [&'static str] = &["spec.agent.interval", "accepted are 100ms to 60s"];
    let refused: Vec<(Value, &'static [&'static str])> = vec![
        (
            named("1st"),
            &["metadata.name \"1st\"", "beginning with a letter"],
        ),
        (named(&"a".repeat(51)), &["metadata.name", "up to 50"]),
        (
            agent(json!({"sources": ["Rapl", "Solar"]})),
            &[
                "spec.agent.sources[1]",
                "\"Solar\"",
                "\"Rapl\", \"Model\", \"Fake\"",
            ],
        ),
        (
            agent(json!({"sources": []})),
            &["spec.agent.sources", "at least 1"],
        ),
        (
            agent(json!({"sources": ["Rapl", "Rapl"]})),
            &["spec.agent.sources", "named once"],
        ),
        (agent(json!({"interval": "50ms"})), interval),
        (agent(json!({"interval": "61s"})), interval),
        (agent(json!({"interval": "often"})), interval),
        (
            agent(json!({"port": 80})),
            &["spec.agent.port", "80", "1024"],
        ),
        (
            agent(json!({"port": 65_536})),
            &["spec.agent.port", "65536", "65535"],
        ),
        (
            agent(json!({"securityMode": "Root"})),
            &["spec.agent.securityMode", "\"Root\"", "\"Minimal\""],
        ),
        (
            monitor(&json!({"spec": {"modelServer": {"replicas": 6}}})),
            &["spec.modelServer.replicas", "6", "less than or equal to 5"],
        ),
        (
            monitor(&json!({"spec": {"modelServer": {"replicas": -1}}})),
            &["spec.modelServer.replicas", "-1"],
        ),
    ];
    (accepted, refused)
}

/// Fields that are optional, and what does not go together.
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn power_monitor_parts() -> Cases {
    let spec = |spec: Value| monitor(&json!({"spec": spec}));
    let agent = |agent: Value| monitor(&json!({"spec": {"agent": agent}}));
    let storage = |storage: Value| monitor(&json!({"spec": {"modelServer": {"storage": storage}}}));
    let access = |access: Value| {
        let tls = json!({"type": "SelfSigned"});
        monitor(&json!({"spec": {"tls": tls, "agent": {"access": access}}}))
    };
    let accepted = vec![
        agent(json!({"samples": "Enabled"})),
        agent(json!({"metrics": {"levels": ["Node", "Process"], "legacyNames": "OwnPort"}})),
        agent(json!({"metrics": {"legacyNames": "Beside", "legacyPort": 28282}})),
        agent(
            json!({"otlp": {"endpoint": "https://c.monitoring:4318/v1/metrics", "interval": "1m"}}),
        ),
        agent(json!({"seccompProfile": {"type": "Localhost", "localhostProfile": "p/agent.json"}})),
        storage(json!({"type": "EmptyDir", "size": "500Mi"})),
        storage(json!({"type": "PersistentVolumeClaim", "storageClassName": "fast"})),
        storage(json!({"type": "ExistingClaim", "claimName": "mine"})),
        spec(json!({"tls": {"type": "SelfSigned"}})),
        spec(json!({"tls": {"type": "CertManager", "issuer": {"name": "internal"}}})),
        spec(
            json!({"tls": {"type": "Secret", "agentSecretName": "a", "modelServerSecretName": "m"}}),
        ),
        access(json!({"tokens": "Enabled", "audiences": ["https://kubernetes.default.svc"]})),
        access(json!({"tokens": "Enabled", "anonymous": "Coarse", "coarseWindow": "30s"})),
        spec(json!({"networkPolicy": {"type": "Enabled", "metricsFrom": {"a": "b"}}})),
        spec(
            json!({"serviceMonitor": {"type": "Enabled", "interval": "1m", "labels": {"a": "b"}}}),
        ),
    ];
    let refused: Vec<(Value, &'static [&'static str])> = vec![
        (
            spec(json!({"agent": {"samples": "Enabled"}, "modelServer": {"replicas": 0}})),
            &["spec.agent.samples", "replicas of 1 to 5"],
        ),
        (agent(json!({"samples": true})), &["spec.agent.samples"]),
        (
            agent(json!({"metrics": {"levels": ["Pod", "Pod"]}})),
            &["spec.agent.metrics.levels", "named once"],
        ),
        (
            agent(json!({"metrics": {"legacyNames": "OwnPort", "legacyPort": 28282}})),
            &["metrics.legacyPort", "accepted is another one"],
        ),
        (
            agent(json!({"otlp": {"endpoint": "collector:4318"}})),
            &[
                "spec.agent.otlp.endpoint",
                "collector:4318",
                "http://collector:4318",
            ],
        ),
        (
            agent(json!({"otlp": {"endpoint": "http://c:4318", "interval": "2h"}})),
            &["spec.agent.otlp.interval", "1s to 3600s"],
        ),
        (
            agent(json!({"seccompProfile": {"localhostProfile": "../agent.json"}})),
            &[
                "localhostProfile \"../agent.json\"",
                "accepted is a path below the kubelet",
            ],
        ),
        (
            agent(json!({"access": {"tokens": "Enabled"}})),
            &["spec.agent.access.tokens", "spec.tls.type"],
        ),
        (
            access(json!({"anonymous": "Coarse"})),
            &["anonymous \"Coarse\"", "needs tokens \"Enabled\""],
        ),
        (
            access(json!({"tokens": "Enabled", "audiences": ["a,b"]})),
            &["spec.agent.access.audiences[0]"],
        ),
        (
            access(json!({"coarseWindow": "10ms"})),
            &["spec.agent.access.coarseWindow", "1s to 3600s"],
        ),
        (
            spec(json!({"tls": {"type": "Secret", "agentSecretName": "a"}})),
            &["spec.tls", "modelServerSecretName", "both are needed"],
        ),
        (
            spec(json!({"tls": {"type": "SelfSigned", "agentSecretName": "a"}})),
            &["spec.tls", "go with type \"Secret\""],
        ),
        (
            spec(json!({"tls": {"type": "CertManager"}})),
            &["spec.tls", "issuer goes with type \"CertManager\""],
        ),
        (
            storage(json!({"type": "ExistingClaim"})),
            &["spec.modelServer.storage", "claimName goes with type"],
        ),
        (
            storage(json!({"type": "EmptyDir", "storageClassName": "fast"})),
            &[
                "spec.modelServer.storage",
                "storageClassName goes with type",
            ],
        ),
        (
            storage(json!({"type": "EmptyDir", "size": "0Gi"})),
            &["spec.modelServer.storage.size", "0Gi", "as in 1Gi"],
        ),
        (
            spec(json!({"serviceMonitor": {"interval": "1s"}})),
            &["spec.serviceMonitor.interval", "5s to 300s"],
        ),
    ];
    (accepted, refused)
}

#[tokio::test]
async fn a_power_monitor_is_refused_with_field_value_and_what_is_accepted() {
    check(power_monitors()).await;
    check(power_monitor_parts()).await;
}

#[tokio::test]
async fn an_empty_power_monitor_gets_the_documented_defaults() {
    let Some(client) = api::admin().await else {
        return;
    };
    let object = admit(&client, &monitor(&json!({}))).await.unwrap();
    let spec = &object.data["spec"];
    assert_eq!(spec["agent"]["sources"], json!(["Rapl", "Model"]));
    assert_eq!(spec["agent"]["interval"], json!("1s"));
    assert_eq!(spec["agent"]["port"], json!(28282));
    assert_eq!(spec["agent"]["securityMode"], json!("Minimal"));
    assert_eq!(spec["modelServer"]["replicas"], json!(1));
    // What asks more of a cluster is off until it is asked for.
    for pointer in [
        "/agent/samples",
        "/agent/access/tokens",
        "/agent/metrics/legacyNames",
        "/tls/type",
        "/networkPolicy/type",
        "/serviceMonitor/type",
    ] {
        let found = object.data.pointer(&format!("/spec{pointer}"));
        assert_eq!(found, Some(&json!("Disabled")), "{pointer}");
    }
    assert_eq!(spec["modelServer"]["storage"]["type"], json!("Memory"));
    assert_eq!(spec["agent"]["access"]["anonymous"], json!("Full"));
}

fn sites() -> Cases {
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

#[tokio::test]
async fn a_site_is_refused_with_field_value_and_what_is_accepted() {
    check(sites()).await;
}

fn times() -> Cases {
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

#[tokio::test]
async fn times_are_refused_with_field_value_and_what_is_accepted() {
    check(times()).await;
}

fn intensities() -> Cases {
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

#[tokio::test]
async fn an_intensity_needs_exactly_the_part_that_its_source_names() {
    check(intensities()).await;
}

fn bounds() -> Cases {
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

#[tokio::test]
async fn bounds_of_lists_and_percentages_hold() {
    check(bounds()).await;
}

fn runs_in_parts() -> Cases {
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

#[tokio::test]
async fn a_run_in_parts_needs_its_restart_cost() {
    check(runs_in_parts()).await;
}

fn cluster_policies() -> Cases {
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

#[tokio::test]
async fn a_cluster_policy_is_held_to_the_rules_of_a_policy() {
    check(cluster_policies()).await;
}

fn study(over: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "EnergyStudy",
        "metadata": {"name": "gitops", "namespace": "default"},
        "spec": {"title": "T", "arms": [{"name": "snow"}, {"name": "flux"}]},
    });
    merge(&mut object, &json!({"spec": over}));
    object
}

fn energy_studies() -> Cases {
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

#[tokio::test]
async fn a_study_is_held_to_what_can_be_run() {
    check(energy_studies()).await;
}

/// What of a study that is there may be changed, and what not.
fn study_changes() -> Cases {
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

#[tokio::test]
async fn of_a_study_only_suspend_may_change() {
    let Some(client) = api::admin().await else {
        return;
    };
    let api: Api<tanso_crds::EnergyStudy> = Api::namespaced(client, "default");
    let name = format!("fixed-{}", std::process::id());
    let mut object = study(&json!({}));
    object["metadata"]["name"] = json!(name);
    let object = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
    let change = async |over: &Value| {
        let patch = kube::api::Patch::Merge(json!({"spec": over["spec"]}));
        let done = api
            .patch(&name, &kube::api::PatchParams::default(), &patch)
            .await;
        done.map(drop).map_err(|error| error.to_string())
    };
    let (accepted, refused) = study_changes();
    for over in &accepted {
        change(over).await.unwrap();
    }
    for (over, parts) in &refused {
        let told = change(over).await.unwrap_err();
        assert!(parts.iter().all(|part| told.contains(part)), "{told}");
    }
    let params = kube::api::DeleteParams::default();
    api.delete(&name, &params).await.unwrap();
}

/// The literal pieces of a rule's message, also of one that is an expression.
fn pieces(rule: &Value) -> Vec<String> {
    if let Some(message) = rule["message"].as_str() {
        return vec![message.to_owned()];
    }
    let expression = rule["messageExpression"].as_str().unwrap_or_default();
    let literals = expression.split('\'').skip(1).step_by(2);
    literals
        .map(|text| text.trim().to_owned())
        .filter(|text| text.len() > 8)
        .collect()
}

fn rules(schema: &Value, found: &mut Vec<Value>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                if key == "x-kubernetes-validations" {
                    found.extend(value.as_array().into_iter().flatten().cloned());
                } else {
                    rules(value, found);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| rules(value, found)),
        _ => {}
    }
}

/// A rule that nobody tried to break may refuse nothing, or everything.
#[test]
fn every_rule_of_every_kind_is_broken_by_a_case() {
    let cases = [
        power_monitors(),
        power_monitor_parts(),
        sites(),
        times(),
        intensities(),
        bounds(),
        runs_in_parts(),
        cluster_policies(),
        energy_studies(),
        study_changes(),
    ];
    let told: Vec<&str> = cases
        .iter()
        .flat_map(|(_, refused)| refused.iter().flat_map(|(_, parts)| parts.iter().copied()))
        .collect();
    let mut found = Vec::new();
    for crd in [
        tanso_crds::PowerMonitor::crd(),
        tanso_crds::CarbonPolicy::crd(),
        tanso_crds::ClusterCarbonPolicy::crd(),
        tanso_crds::CarbonReport::crd(),
        tanso_crds::EnergyStudy::crd(),
    ] {
        rules(&serde_json::to_value(crd).unwrap(), &mut found);
    }
    assert!(found.len() > 15, "{} rules", found.len());
    for rule in found {
        let pieces = pieces(&rule);
        let is_told = pieces.iter().any(|piece| {
            told.iter()
                .any(|part| piece.contains(part) && part.len() > 8)
        });
        assert!(is_told, "no case is refused by this rule: {rule}");
    }
}
