//! The whole operator at a real API server, with the rights that the installation
//! gives it, while one thing is wrong for long: a panic at one object, kinds that
//! go and come, kinds and objects of another version, a finalizer that stays, one
//! object that is edited all the time, a thousand nodes at once.
//!
//! What goes wrong once, at each single request, is `cargo xtask e2e faults`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, also in its helpers"
)]

#[path = "support/api.rs"]
mod api;
#[path = "fault_api/running.rs"]
mod running;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
};
use kube::runtime::wait::await_condition;
use kube::runtime::wait::conditions::is_deleted;
use kube::{Api, Client, CustomResourceExt as _, ResourceExt as _};
use serde_json::{Value, json};
use tanso_crds::{CarbonPolicy, EnergyStudy, PowerMonitor};
use tokio::time::timeout;

use running::{Running, SHOP, policy, prepared};

/// No state may take longer.
const PATIENCE: Duration = Duration::from_mins(1);

fn policies(client: &Client) -> Api<CarbonPolicy> {
    Api::namespaced(client.clone(), SHOP)
}

/// Status and reason of a condition, if it is of the present generation.
fn says<K: serde::Serialize>(object: &K, type_: &str) -> Option<String> {
    let object = serde_json::to_value(object).unwrap();
    let all = object["status"]["conditions"].as_array()?.clone();
    let found = all.iter().find(|one| one["type"] == type_)?;
    let is_present = found["observedGeneration"] == object["metadata"]["generation"];
    let words = format!(
        "{} {}",
        found["status"].as_str()?,
        found["reason"].as_str()?
    );
    is_present.then_some(words)
}

/// Waits until the object of that name says so; answers its condition's message.
async fn until<K>(api: &Api<K>, name: &str, type_: &str, wish: &str) -> String
where
    K: kube::Resource + Clone + std::fmt::Debug + Send + Sync + 'static,
    K: serde::Serialize + serde::de::DeserializeOwned,
{
    let is_so = |object: Option<&K>| {
        object.is_some_and(|object| says(object, type_).as_deref() == Some(wish))
    };
    let wait = await_condition(api.clone(), name, is_so);
    let Ok(found) = timeout(PATIENCE, wait).await else {
        let found = api.get_opt(name).await.unwrap();
        let found = serde_json::to_value(found).unwrap();
        panic!("{name} does not say {type_}={wish}: {}", found["status"])
    };
    let found = found.unwrap().unwrap();
    let found = serde_json::to_value(found).unwrap();
    let all = found["status"]["conditions"].as_array().unwrap();
    let condition = all.iter().find(|one| one["type"] == type_).unwrap();
    condition["message"].as_str().unwrap_or_default().to_owned()
}

/// Edits a policy and answers its generation.
async fn edit(client: &Client, name: &str, pue: f64) -> i64 {
    let patch = json!({"spec": {"site": {"pue": {"value": pue}}}});
    let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
    let edited = policies(client).patch(name, &params, &patch).await.unwrap();
    edited.metadata.generation.unwrap()
}

/// Waits until a policy's status is of that generation.
async fn followed(client: &Client, name: &str, generation: i64) {
    let is_so = move |policy: Option<&CarbonPolicy>| {
        let status = policy.and_then(|policy| policy.status.as_ref());
        status.and_then(|status| status.observed_generation) >= Some(generation)
    };
    let wait = await_condition(policies(client), name, is_so);
    timeout(PATIENCE, wait).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_at_one_object_is_told_counted_and_ends_nothing_else() {
    let Some((_alone, admin)) = prepared().await else {
        return;
    };
    // Its table's name is what panics; so is the account of that monitor's agents.
    let mut poisoned = policy("poisoned");
    poisoned["spec"]["intensity"] =
        json!({"source": "Table", "table": {"configMap": "panics-here"}});
    running::put::<CarbonPolicy>(&admin, poisoned).await;
    running::put::<CarbonPolicy>(&admin, policy("calm")).await;
    for name in ["panics-here", "calm-monitor"] {
        let spec = json!({"agent": {"nodeSelector": {"no": name}}, "modelServer": {"replicas": 0}});
        let monitor = json!({"metadata": {"name": name}, "spec": spec});
        running::put::<PowerMonitor>(&admin, monitor).await;
    }
    let study = json!({"metadata": {"name": "panics-here"}, "spec": {"title": "T", "zone": "KR",
        "arms": [{"name": "a"}, {"name": "b"}], "components": [{"name": "s", "namespaces": ["s"]}],
        "comparisons": [{"arm": "b", "against": "a"}],
        "phases": {"warmUp": "10s", "measured": "1m", "coolDown": "5s"}, "stopping": {"blocks": 3}}});
    running::put::<EnergyStudy>(&admin, study).await;

    let operator = Running::start("panics-here").await;
    let (all, monitors) = (policies(&admin), Api::<PowerMonitor>::all(admin.clone()));
    let said = until(&all, "poisoned", "Ready", "False InternalError").await;
    assert!(
        said.contains("report it") && said.contains("panics-here"),
        "{said}"
    );
    until(&all, "poisoned", "Stalled", "False InternalError").await;
    until(&monitors, "panics-here", "Ready", "False InternalError").await;
    // Beside it all goes on, edit after edit.
    until(&all, "calm", "Ready", "False NoData").await;
    until(&monitors, "calm-monitor", "Ready", "False NoMatchingNodes").await;
    for pue in [1.4, 1.5, 1.6] {
        let generation = edit(&admin, "calm", pue).await;
        followed(&admin, "calm", generation).await;
    }
    let of = |controller: &str| {
        format!("tanso_operator_reconciles_total{{controller=\"{controller}\",result=\"panic\"}}")
    };
    for controller in ["carbon_policy", "power_monitor", "energy_study"] {
        let panics = operator.metric(&of(controller)).await.unwrap_or(0.0);
        println!("{controller}: {panics} visits panicked, the operator runs");
        assert!(panics >= 1.0, "{controller}");
    }
    // It heals by itself once nothing panics any more.
    operator.heal();
    until(&all, "poisoned", "Stalled", "True NotFound").await;
    until(&monitors, "panics-here", "Ready", "False NoMatchingNodes").await;
    operator.stop().await;
}

/// Kinds go while the operator runs, with all their objects, and come again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kinds_that_go_and_come_again_are_followed_without_a_restart() {
    let Some((_alone, admin)) = prepared().await else {
        return;
    };
    running::put::<CarbonPolicy>(&admin, policy("kept")).await;
    let operator = Running::start("").await;
    until(&policies(&admin), "kept", "Ready", "False NoData").await;

    let crds: Api<CustomResourceDefinition> = Api::all(admin.clone());
    let kinds = [CarbonPolicy::crd(), PowerMonitor::crd(), EnergyStudy::crd()];
    for kind in &kinds {
        let name = kind.name_any();
        let uid = crds.get(&name).await.unwrap().uid().unwrap();
        crds.delete(&name, &DeleteParams::default()).await.unwrap();
        let gone = await_condition(crds.clone(), &name, is_deleted(&uid));
        timeout(PATIENCE, gone).await.unwrap().unwrap();
    }
    // It has noticed when it was refused each of the three kinds.
    let (asked, begun) = (operator.asked(), Instant::now());
    for plural in ["carbonpolicies", "powermonitors", "energystudies"] {
        operator.is_refused(plural).await;
    }
    let (asked, lasted) = (operator.asked() - asked, begun.elapsed());
    assert!(operator.runs(), "the operator ended with its kinds");
    api::install(admin.clone()).await;
    let begun = Instant::now();
    running::put::<CarbonPolicy>(&admin, policy("kept")).await;
    let spec = json!({"agent": {"nodeSelector": {"no": "node"}}, "modelServer": {"replicas": 0}});
    let monitor = json!({"metadata": {"name": "kept"}, "spec": spec});
    running::put::<PowerMonitor>(&admin, monitor).await;
    until(&policies(&admin), "kept", "Ready", "False NoData").await;
    let monitors = Api::<PowerMonitor>::all(admin.clone());
    until(&monitors, "kept", "Ready", "False NoMatchingNodes").await;
    println!(
        "three kinds were gone for {:.1} s, {asked} requests meanwhile; {:.1} s after they came again all was said",
        lasted.as_secs_f64(),
        begun.elapsed().as_secs_f64()
    );
    // A loop without a wait would ask hundreds of times a second.
    let most = 60.0 + 60.0 * lasted.as_secs_f64();
    assert!(f64::from(asked) < most, "{asked} requests in {lasted:?}");
    operator.stop().await;
}

/// The kind as an earlier version installed it has no `status.answer`.
fn of_an_earlier_version() -> CustomResourceDefinition {
    let mut kind = serde_json::to_value(CarbonPolicy::crd()).unwrap();
    let schema = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties";
    let status = kind.pointer_mut(schema).unwrap().as_object_mut().unwrap();
    assert!(status.remove("answer").is_some() && status.remove("verdict").is_some());
    let columns = kind.pointer_mut("/spec/versions/0/additionalPrinterColumns");
    columns.unwrap().as_array_mut().unwrap().clear();
    serde_json::from_value(kind).unwrap()
}

/// The kind as a later version may install it: one more source of intensity.
fn of_a_later_version() -> CustomResourceDefinition {
    let mut kind = serde_json::to_value(CarbonPolicy::crd()).unwrap();
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
    let spec = kind.pointer_mut(spec).unwrap();
    let sources = spec.pointer_mut("/properties/intensity/properties/source/enum");
    sources
        .unwrap()
        .as_array_mut()
        .unwrap()
        .push(json!("Oracle"));
    serde_json::from_value(kind).unwrap()
}

/// Installs a kind and waits until objects are judged by it: `is_known` tells by
/// the answer to a try.
async fn install(
    admin: &Client,
    kind: &CustomResourceDefinition,
    attempt: &Value,
    is_known: impl Fn(&kube::Result<DynamicObject>) -> bool,
) {
    api::put(&Api::all(admin.clone()), kind).await;
    let resource = ApiResource::erase::<CarbonPolicy>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(admin.clone(), SHOP, &resource);
    let name = attempt["metadata"]["name"].as_str().unwrap();
    let dry = PatchParams {
        dry_run: true,
        ..PatchParams::apply("attempt").force()
    };
    let begun = Instant::now();
    loop {
        let tried = if attempt["status"].is_null() {
            api.patch(name, &dry, &Patch::Apply(attempt)).await
        } else {
            api.patch_status(name, &dry, &Patch::Apply(attempt)).await
        };
        if is_known(&tried) {
            return;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "the kind is not taken up: {tried:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_of_an_earlier_version_costs_only_the_fields_that_it_lacks() {
    let Some((_alone, admin)) = prepared().await else {
        return;
    };
    running::put::<CarbonPolicy>(&admin, policy("early")).await;
    let header = json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy", "metadata": {"name": "early"}});
    let mut attempt = header.clone();
    attempt["status"] = json!({"answer": "tried"});
    let refused = |tried: &kube::Result<DynamicObject>| tried.is_err();
    install(&admin, &of_an_earlier_version(), &attempt, refused).await;

    let operator = Running::start("").await;
    let all = policies(&admin);
    until(&all, "early", "Ready", "False NoData").await;
    until(&all, "early", "Compliant", "Unknown Unknown").await;
    let status = all.get("early").await.unwrap().status.unwrap();
    assert_eq!((status.answer.as_str(), status.verdict), ("", None));
    println!(
        "an earlier kind: {} conditions said, answer and verdict left out",
        status.conditions.len()
    );

    // Brought up to date, the rest is said at the next visit.
    let accepted = |tried: &kube::Result<DynamicObject>| tried.is_ok();
    install(&admin, &CarbonPolicy::crd(), &attempt, accepted).await;
    let generation = edit(&admin, "early", 1.5).await;
    followed(&admin, "early", generation).await;
    let is_said = |policy: Option<&CarbonPolicy>| {
        let status = policy.and_then(|policy| policy.status.as_ref());
        status.is_some_and(|status| status.answer.starts_with("Not evaluated"))
    };
    let wait = await_condition(all, "early", is_said);
    timeout(PATIENCE, wait).await.unwrap().unwrap();
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_of_a_later_version_is_told_kept_and_hides_no_other() {
    let Some((_alone, admin)) = prepared().await else {
        return;
    };
    let mut newer = policy("newer");
    newer["apiVersion"] = json!("tanso.dev/v1alpha1");
    newer["kind"] = json!("CarbonPolicy");
    newer["spec"]["intensity"] = json!({"source": "Oracle"});
    let accepted = |tried: &kube::Result<DynamicObject>| tried.is_ok();
    install(&admin, &of_a_later_version(), &newer, accepted).await;
    let resource = ApiResource::erase::<CarbonPolicy>(&());
    let any: Api<DynamicObject> = Api::namespaced_with(admin.clone(), SHOP, &resource);
    let params = PatchParams::apply("tests").force();
    any.patch("newer", &params, &Patch::Apply(&newer))
        .await
        .unwrap();
    let before = any.get("newer").await.unwrap();
    running::put::<CarbonPolicy>(&admin, policy("known")).await;

    let operator = Running::start("").await;
    until(&policies(&admin), "known", "Ready", "False NoData").await;
    let said = until(&any, "newer", "Stalled", "True UnsupportedSchema").await;
    assert!(said.contains("Oracle"), "{said}");
    println!("an object of a later version: {said}");
    let after = any.get("newer").await.unwrap();
    assert_eq!(
        after.data["spec"], before.data["spec"],
        "the spec was written"
    );
    let generation = edit(&admin, "known", 1.5).await;
    followed(&admin, "known", generation).await;
    // Who writes what this version can read is heard.
    let readable = json!({"spec": {"intensity": {"source": "Bundled"}}});
    let params = PatchParams::default();
    any.patch("newer", &params, &Patch::Merge(&readable))
        .await
        .unwrap();
    until(&any, "newer", "Stalled", "False Succeeded").await;
    operator.stop().await;
    let _ = any.delete("newer", &DeleteParams::default()).await;
    api::install(admin.clone()).await;
}

/// Somebody's finalizer stays on what is deleted: it is said by whom, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_keeps_a_deleted_object_is_said_on_it_once() {
    let Some((_alone, admin)) = prepared().await else {
        return;
    };
    let finalizers = json!(["example.com/kept"]);
    let mut kept = policy("kept");
    kept["metadata"]["finalizers"] = finalizers.clone();
    running::put::<CarbonPolicy>(&admin, kept).await;
    running::put::<CarbonPolicy>(&admin, policy("calm")).await;
    let spec = json!({"agent": {"nodeSelector": {"no": "node"}}, "modelServer": {"replicas": 0}});
    let monitor = json!({"metadata": {"name": "kept", "finalizers": finalizers}, "spec": spec});
    running::put::<PowerMonitor>(&admin, monitor).await;
    let operator = Running::start("").await;
    let (all, monitors) = (policies(&admin), Api::<PowerMonitor>::all(admin.clone()));
    until(&all, "kept", "Ready", "False NoData").await;
    until(&monitors, "kept", "Ready", "False NoMatchingNodes").await;

    all.delete("kept", &DeleteParams::default()).await.unwrap();
    monitors
        .delete("kept", &DeleteParams::default())
        .await
        .unwrap();
    for said in [
        until(&all, "kept", "Ready", "False Terminating").await,
        until(&monitors, "kept", "Ready", "False Terminating").await,
    ] {
        assert!(said.contains("\"example.com/kept\""), "{said}");
        println!("{said}");
    }
    // While others are visited again and again, these are not written any more.
    let versions = || async {
        let (policy, monitor) = (
            all.get("kept").await.unwrap(),
            monitors.get("kept").await.unwrap(),
        );
        (policy.resource_version(), monitor.resource_version())
    };
    let before = versions().await;
    for pue in [1.4, 1.5, 1.6, 1.7] {
        let generation = edit(&admin, "calm", pue).await;
        followed(&admin, "calm", generation).await;
    }
    assert_eq!(versions().await, before);
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let params = PatchParams::default();
    all.patch("kept", &params, &free).await.unwrap();
    monitors.patch("kept", &params, &free).await.unwrap();
    assert!(all.get_opt("kept").await.unwrap().is_none());
    operator.stop().await;
}

/// One policy is edited ten times a second; the others are followed as soon as ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_hot_policy_does_not_hold_back_the_calm_ones() {
    const CALM: usize = 100;
    let Some((_alone, admin)) = prepared().await else {
        return;
    };
    running::put::<CarbonPolicy>(&admin, policy("hot")).await;
    let names: Vec<String> = (0..CALM).map(|number| format!("calm-{number}")).collect();
    for name in &names {
        running::put::<CarbonPolicy>(&admin, policy(name)).await;
    }
    let operator = Running::start("").await;
    for name in &names {
        until(&policies(&admin), name, "Ready", "False NoData").await;
    }
    let heating = tokio::spawn({
        let admin = admin.clone();
        async move {
            let mut beat = tokio::time::interval(Duration::from_millis(100));
            for edits in 1_u32.. {
                beat.tick().await;
                edit(&admin, "hot", 1.1 + f64::from(edits) / 10_000.0).await;
            }
        }
    });
    let mut took: Vec<Duration> = stream::iter(&names)
        .map(|name| {
            let admin = admin.clone();
            async move {
                let begun = Instant::now();
                let generation = edit(&admin, name, 1.7).await;
                followed(&admin, name, generation).await;
                begun.elapsed()
            }
        })
        .buffer_unordered(4)
        .collect()
        .await;
    heating.abort();
    took.sort();
    let hot = policies(&admin).get("hot").await.unwrap();
    let (median, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    println!(
        "{CALM} calm policies beside one with {} edits: followed in {median:.0?} (median), {p99:.0?} (99th of 100)",
        hot.metadata.generation.unwrap_or(0) - 1,
    );
    assert!(p99 < Duration::from_secs(5), "{p99:?}");
    // And the hot one is not forgotten.
    followed(&admin, "hot", hot.metadata.generation.unwrap()).await;
    operator.stop().await;
}

/// A thousand nodes come within seconds, and go: few writes, and the end is right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_nodes_that_come_and_go_cost_few_writes() {
    let Some((_alone, admin)) = prepared().await else {
        return;
    };
    let spec =
        json!({"agent": {"nodeSelector": {"fleet": "many"}}, "modelServer": {"replicas": 0}});
    let monitor = json!({"metadata": {"name": "many"}, "spec": spec});
    running::put::<PowerMonitor>(&admin, monitor).await;
    let operator = Running::start("").await;
    let monitors = Api::<PowerMonitor>::all(admin.clone());
    until(&monitors, "many", "Ready", "False NoMatchingNodes").await;
    let (writes, begun) = (operator.writes(), Instant::now());
    let nodes: Api<Node> = Api::all(admin.clone());
    stream::iter(0..1_000)
        .map(|number| {
            let nodes = nodes.clone();
            async move {
                let labels = json!({"fleet": "many", "kubernetes.io/os": "linux"});
                let node =
                    json!({"metadata": {"name": format!("many-{number}"), "labels": labels}});
                let node = serde_json::from_value(node).unwrap();
                nodes.create(&PostParams::default(), &node).await
            }
        })
        .buffer_unordered(16)
        .try_for_each(|_| async { Ok(()) })
        .await
        .unwrap();
    until(&monitors, "many", "Ready", "False RolloutInProgress").await;
    let came = begun.elapsed();
    let of_fleet = ListParams::default().labels("fleet=many");
    nodes
        .delete_collection(&DeleteParams::default(), &of_fleet)
        .await
        .unwrap();
    until(&monitors, "many", "Ready", "False NoMatchingNodes").await;
    let (writes, lasted) = (operator.writes() - writes, begun.elapsed());
    println!(
        "1,000 nodes came in {:.1} s and were gone after {:.1} s: {writes} writes",
        came.as_secs_f64(),
        lasted.as_secs_f64()
    );
    assert!(f64::from(writes) < 10.0 + 10.0 * lasted.as_secs_f64());
    operator.stop().await;
}

/// The proof that what panics in tests does so in the operator's own code path.
#[tokio::test]
async fn a_client_panics_only_where_it_is_told_to() {
    let broken = running::Broken::new("panics-here");
    assert!(broken.strikes("/api/v1/namespaces/x/configmaps/panics-here"));
    assert!(!broken.strikes("/api/v1/namespaces/x/configmaps/calm"));
    broken.heals.store(true, Ordering::Relaxed);
    assert!(!broken.strikes("/api/v1/namespaces/x/configmaps/panics-here"));
}
