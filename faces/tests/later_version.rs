//! A cluster in which a later version of tanso wrote some objects, as callers
//! with different rights see it: what can be read is shown, the rest is named.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::{Request, Response, header};
use kube::client::Body;
use serde_json::{Value, json};
use tanso_faces::view::given::EmptyBooks;
use tanso_faces::view::{Access, Facts as _, KubeFacts, Missing, Reader, Reviewer, Scope};

fn policy(namespace: &str, name: &str, source: &str) -> Value {
    json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
        "metadata": {"name": name, "namespace": namespace, "uid": name},
        "spec": {"site": {"zone": "KR"}, "regulations": [{"rule": "kr-carbon-2050"}],
            "intensity": {"source": source, "static": {"gramsPerKwh": 417, "reference": "a"}}},
        "status": {"reports": ["known-1"], "workloadsNotListed": 1}})
}

fn monitor(name: &str, source: &str) -> Value {
    json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "PowerMonitor",
        "metadata": {"name": name}, "spec": {"agent": {"sources": [source]}}})
}

fn said(path: &str, asked: &[u8]) -> Value {
    let list = |items: Value| json!({"metadata": {}, "items": items});
    let mut review: Value = serde_json::from_slice(asked).unwrap_or(Value::Null);
    let of_shop = || {
        [
            policy("shop", "newer", "Oracle"),
            policy("shop", "known", "Static"),
        ]
    };
    match path.trim_start_matches("/apis/tanso.dev/v1alpha1/") {
        "/apis/authentication.k8s.io/v1/tokenreviews" => {
            let user = json!({"username": review["spec"]["token"]});
            review["status"] = json!({"authenticated": true, "user": user});
            review
        }
        "/apis/authorization.k8s.io/v1/subjectaccessreviews" => {
            let asked = &review["spec"]["resourceAttributes"];
            let allowed = review["spec"]["user"] == "auditor" || asked["namespace"] == "shop";
            review["status"] = json!({"allowed": allowed});
            review
        }
        "carbonpolicies" => {
            let mut all = of_shop().to_vec();
            all.push(policy("bank", "secret", "Oracle"));
            list(json!(all))
        }
        "namespaces/shop/carbonpolicies" => list(json!(of_shop())),
        "namespaces/shop/carbonreports/known-1" => json!({"apiVersion": "tanso.dev/v1alpha1",
            "kind": "CarbonReport", "metadata": {"name": "known-1", "namespace": "shop"},
            "spec": {"policy": "known", "page": "first"}}),
        "powermonitors" => list(json!([monitor("a", "Sundial"), monitor("b", "Rapl")])),
        "energystudies" => list(json!([
            {"metadata": {"name": "s", "namespace": "shop"}, "spec": {"arms": 7}},
            {"metadata": {"name": "t", "namespace": "bank"}, "spec": {"arms": 7}},
        ])),
        _ => list(json!([])),
    }
}

async fn seen_by(user: &str) -> KubeFacts {
    let answer = |request: Request<Body>| async move {
        let path = request.uri().path().to_owned();
        let asked = request.into_body().collect().await.unwrap().to_bytes();
        let body = said(&path, &asked).to_string().into_bytes();
        let answer = Response::builder().header(header::CONTENT_TYPE, "application/json");
        Ok::<_, Infallible>(answer.body(Body::from(body)).unwrap())
    };
    let client = kube::Client::new(tower::service_fn(answer), "default");
    let reviewer = Reviewer::new(client.clone(), Vec::new());
    let caller = reviewer.caller(user, None).await.unwrap().unwrap();
    let reader = Reader::new(client, "energy", Arc::new(EmptyBooks));
    reader.seen_by(Access::Reviewed { reviewer, caller })
}

/// The list failed as a whole, and was told as no answer, to be tried later.
#[tokio::test]
async fn policies_that_can_be_read_are_listed_and_the_others_named() {
    let facts = seen_by("auditor").await;
    for scope in [Scope::All, Scope::Namespace("shop".to_owned())] {
        let found = facts.listed_policies(&scope).await.unwrap();
        let names: Vec<_> = found.items.iter().map(|one| &*one.name).collect();
        assert_eq!(names, ["known"], "{scope:?}");
        assert_eq!(facts.policies(&scope).await.unwrap(), found.items);
        let newer = found.unreadable.iter().find(|one| one.name == "newer");
        let newer = newer.unwrap();
        assert_eq!(newer.title(), "CarbonPolicy shop/newer");
        assert_eq!(newer.field.as_deref(), Some("spec.intensity.source"));
        assert!(newer.reason.contains("`Oracle`"), "{newer}");
    }
    let monitors = facts.listed_monitors().await.unwrap();
    assert_eq!(monitors.items[0].metadata.name.as_deref(), Some("b"));
    assert_eq!(monitors.unreadable[0].title(), "PowerMonitor a");
    assert_eq!(facts.monitors().await.unwrap().len(), 1);
    let studies = facts.listed_studies().await.unwrap();
    assert_eq!((studies.items.len(), studies.unreadable.len()), (0, 2));
}

#[tokio::test]
async fn what_cannot_be_read_is_named_to_those_alone_who_may_see_it() {
    let titles = async |user: &str| -> Vec<String> {
        let facts = seen_by(user).await;
        let policies = facts.listed_policies(&Scope::All).await.unwrap();
        let studies = facts.listed_studies().await.unwrap();
        let monitors = facts.listed_monitors().await.unwrap();
        let all = policies.unreadable.into_iter();
        let all = all.chain(studies.unreadable).chain(monitors.unreadable);
        all.map(|one| one.title()).collect()
    };
    assert_eq!(
        titles("auditor").await,
        [
            "CarbonPolicy bank/secret",
            "CarbonPolicy shop/newer",
            "EnergyStudy shop/s",
            "EnergyStudy bank/t",
            "PowerMonitor a"
        ]
    );
    let of_shop = ["CarbonPolicy shop/newer", "EnergyStudy shop/s"];
    assert_eq!(titles("eve").await, of_shop);
}

#[tokio::test]
async fn a_page_that_cannot_be_read_is_named_and_its_policy_still_answers() {
    let facts = seen_by("auditor").await;
    let policies = facts.policies(&Scope::All).await.unwrap();
    let fault = facts.reports(&policies[0]).await.unwrap_err().to_string();
    assert!(
        fault.starts_with("CarbonReport shop/known-1: this version of tanso cannot read it: spec"),
        "{fault}"
    );
    assert!(facts.workloads(&policies[0]).await.unwrap().is_empty());
    // The status stands in its place, and says so.
    let read = facts.listed_workloads(&policies[0]).await.unwrap();
    assert_eq!(read.unreadable[0].title(), "CarbonReport shop/known-1");
    let missing = Missing::of(&policies[0], &read).unwrap();
    assert_eq!(missing.workloads, 1);
    assert!(missing.reason.contains("spec"), "{missing:?}");
}
