//! What the MCP server tells where no cluster answers, and of questions that
//! are not of the protocol's shape.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use tanso_faces::view::given::{EmptyBooks, Given};
use tanso_faces::view::{Access, Facts, Nowhere, Reader};
use tokio::time::Instant;

#[allow(
    dead_code,
    reason = "shared with other tests, which use all of it between them"
)]
#[path = "support/client.rs"]
mod client;

use client::Client;

/// A cluster that takes each request and says nothing.
fn silent() -> Arc<dyn Facts> {
    let answer = |_: Request<Body>| pending::<Result<Response<Body>, Infallible>>();
    let client = kube::Client::new(tower::service_fn(answer), "default");
    let reader = Reader::new(client, "tanso-system", Arc::new(EmptyBooks));
    Arc::new(reader.seen_by(Access::Own))
}

async fn ask(client: &mut Client, method: &str, params: Value) -> Value {
    client
        .say(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
        .await;
    let heard = client.hear().await;
    assert_eq!(heard["id"], 1, "{heard}");
    heard
}

/// The rules were refused after 30 s, when clients had given up.
#[tokio::test(start_paused = true)]
async fn rules_are_told_long_before_anybody_gives_up_where_the_cluster_is_silent() {
    let mut client = Client::of(silent()).await;
    let begun = Instant::now();
    let heard = ask(&mut client, "resources/list", json!({})).await;
    let listed = heard["result"]["resources"].as_array().unwrap();
    let policies = listed.iter().find(|one| one["uri"] == "tanso://policies");
    let policies = policies.unwrap()["description"].as_str().unwrap();
    assert!(policies.contains("silent for 3 s"), "{policies}");
    for uri in ["tanso://regulations", "tanso://regulations/kr-carbon-2050"] {
        let heard = ask(&mut client, "resources/read", json!({"uri": uri})).await;
        let text = heard["result"]["contents"][0]["text"].as_str();
        assert!(
            text.is_some_and(|text| text.contains("kr-carbon-2050")),
            "{heard}"
        );
    }
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "three times three seconds"
    );
}

async fn completed(client: &mut Client, argument: &str, start: &str) -> Vec<String> {
    let params = json!({
        "ref": {"type": "ref/resource", "uri": "tanso://policies/{namespace}/{name}"},
        "argument": {"name": argument, "value": start},
    });
    let heard = ask(client, "completion/complete", params).await;
    let values = &heard["result"]["completion"]["values"];
    assert!(values.is_array(), "{heard}");
    serde_json::from_value(values.clone()).unwrap()
}

/// Namespaces were a fault, and zones only those of cloud regions.
#[tokio::test(start_paused = true)]
async fn without_a_cluster_what_needs_one_completes_to_nothing_and_zones_to_all_there_are() {
    let nowhere: Arc<dyn Facts> = Arc::new(Nowhere::new("there is no kubeconfig"));
    for facts in [nowhere, silent()] {
        let mut client = Client::of(facts).await;
        for argument in ["namespace", "name", "policy"] {
            let none: Vec<String> = Vec::new();
            assert_eq!(
                completed(&mut client, argument, "").await,
                none,
                "{argument}"
            );
        }
        let zones = completed(&mut client, "zone", "K").await;
        for zone in ["KE", "KR", "KZ"] {
            assert!(zones.iter().any(|one| one == zone), "{zone}: {zones:?}");
        }
        for zone in zones {
            let uri = format!("tanso://zones/{zone}/intensity");
            let heard = ask(&mut client, "resources/read", json!({"uri": uri})).await;
            assert!(heard["result"]["contents"].is_array(), "{heard}");
        }
        let rules = completed(&mut client, "id", "kr-carbon").await;
        assert!(rules.contains(&"kr-carbon-2050".to_owned()), "{rules:?}");
    }
}

/// They were told as methods that are not there.
#[tokio::test]
async fn a_method_with_parameters_of_another_shape_is_not_told_as_missing() {
    let mut client = Client::of(Arc::new(Given::default())).await;
    client
        .say(json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call"}))
        .await;
    let heard = client.hear().await;
    assert_eq!(heard["id"], 7, "{heard}");
    assert_eq!(heard["error"]["code"], -32_602, "{heard}");
    let call = json!({"name": "get_power", "arguments": []});
    for (method, params, code) in [
        ("tools/call", call, -32_602),
        ("resources/read", json!({"uri": 1}), -32_602),
        ("tools/burn", json!({}), -32_601),
    ] {
        let heard = ask(&mut client, method, params).await;
        assert_eq!(heard["error"]["code"], code, "{heard}");
        let message = heard["error"]["message"].as_str().unwrap();
        assert!(message.contains(method), "{message}");
    }
}
