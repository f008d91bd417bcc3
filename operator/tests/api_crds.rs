//! Admission by a real API server: for each rule what is accepted, and what is
//! refused with a message that names field, value and what is accepted.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, also in its helpers"
)]

#[path = "support/api.rs"]
mod api;
#[path = "api_crds/energy_study.rs"]
mod energy_study;
#[path = "api_crds/policy.rs"]
mod policy;
#[path = "api_crds/power_monitor.rs"]
mod power_monitor;

use kube::api::PostParams;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client, CustomResourceExt as _};
use serde_json::{Value, json};

use energy_study::{energy_studies, study, study_changes};
use policy::{bounds, cluster_policies, intensities, runs_in_parts, sites, times};
use power_monitor::{monitor, power_monitor_parts, power_monitor_sources, power_monitors};

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

#[tokio::test]
async fn a_power_monitor_is_refused_with_field_value_and_what_is_accepted() {
    check(power_monitors()).await;
    check(power_monitor_parts()).await;
    check(power_monitor_sources()).await;
}

/// What no kind has a field for is not silently taken, an image for instance.
#[tokio::test]
async fn a_field_that_is_unknown_is_refused_when_applied_and_never_kept() {
    let Some(client) = api::admin().await else {
        return;
    };
    let object = monitor(&json!({"spec": {"agent": {"image": "example.com/agent:mine"}}}));
    let kept = admit(&client, &object).await.unwrap();
    assert_eq!(kept.data.pointer("/spec/agent/image"), None);
    assert_eq!(kept.data["spec"]["agent"]["port"], json!(28282));
    let monitors: Api<tanso_crds::PowerMonitor> = Api::all(client);
    let params = kube::api::PatchParams {
        dry_run: true,
        ..kube::api::PatchParams::apply("tests")
    };
    let patch = kube::api::Patch::Apply(&object);
    let applied = monitors.patch("admission", &params, &patch).await;
    let refused = applied.unwrap_err().to_string();
    assert!(refused.contains(".spec.agent.image"), "{refused}");
}

#[tokio::test]
async fn an_empty_power_monitor_gets_the_documented_defaults() {
    let Some(client) = api::admin().await else {
        return;
    };
    let object = admit(&client, &monitor(&json!({}))).await.unwrap();
    let spec = &object.data["spec"];
    let sources = ["Rapl", "Perf", "Acpi", "Hwmon", "Redfish", "Nvml", "Model"];
    assert_eq!(spec["agent"]["sources"], json!(sources));
    // Nothing is mounted for a BMC or a driver that nobody names.
    assert_eq!(spec["agent"].get("redfish"), None);
    assert_eq!(spec["agent"].get("nvml"), None);
    assert_eq!(spec["agent"]["interval"], json!("1s"));
    assert_eq!(spec["agent"]["port"], json!(28282));
    assert_eq!(spec["agent"]["securityMode"], json!("Minimal"));
    assert_eq!(spec["modelServer"]["replicas"], json!(1));
    // What asks more of a cluster is off until it is asked for.
    for pointer in [
        "/agent/samples",
        "/agent/hardwareCounters",
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

#[tokio::test]
async fn a_site_is_refused_with_field_value_and_what_is_accepted() {
    check(sites()).await;
}

#[tokio::test]
async fn times_are_refused_with_field_value_and_what_is_accepted() {
    check(times()).await;
}

#[tokio::test]
async fn an_intensity_needs_exactly_the_part_that_its_source_names() {
    check(intensities()).await;
}

#[tokio::test]
async fn bounds_of_lists_and_percentages_hold() {
    check(bounds()).await;
}

#[tokio::test]
async fn a_run_in_parts_needs_its_restart_cost() {
    check(runs_in_parts()).await;
}

#[tokio::test]
async fn a_cluster_policy_is_held_to_the_rules_of_a_policy() {
    check(cluster_policies()).await;
}

#[tokio::test]
async fn a_study_is_held_to_what_can_be_run() {
    check(energy_studies()).await;
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
    // An apostrophe within a literal does not end it.
    let expression = expression.replace("\\'", "’");
    let literals = expression.split('\'').skip(1).step_by(2);
    literals
        .map(|text| text.trim().replace('’', "'"))
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
        power_monitor_sources(),
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
